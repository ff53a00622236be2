/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.h: what a thread has during a call: buffers, and the codec's contexts.
 *
 * A worker has all that it will ever take from the beginning, so that no read needs memory: each
 * context has compressed and decompressed the longest value once. There are at most as many as
 * threads were in calls at once, or CPUs.
 *
 * Owns the workers. May call: the codec, dictionary.h, memory.h, record.h, evict.h. Locking: a
 * worker belongs to its taker. To take one is O(workers).
 */
#ifndef RZI_VALUES_WORKER_H
#define RZI_VALUES_WORKER_H

#include "record.h"
#include "values_impl.h"

/* Make the first worker. Returns 0, -XV_ENOMEM or -XV_ENOSPC. */
int rzi_workers_init(struct ramz_values *cache);
void rzi_workers_fini(struct ramz_values *cache);

/* Take a worker, wait for one if need be, and give it back. */
struct rzi_worker *rzi_worker_take(struct ramz_values *cache);
void rzi_worker_give(struct rzi_worker *worker);

/* Take worker number i, when it is free. NULL: there is none. */
struct rzi_worker *rzi_worker_wait(struct ramz_values *cache, uint32_t i);

/* Make or drop a worker's context for a coding. To make one that has been used on the longest value
 * takes ms. Returns 0, -XV_ENOMEM or -XV_ENOSPC. */
int rzi_worker_context_make(struct ramz_values *cache, struct rzi_worker *worker, uint32_t coding);
void rzi_worker_context_drop(struct ramz_values *cache, struct rzi_worker *worker, uint32_t coding);

/*
 * Make a record of worker->plain, whose lengths `record` has, with the present coding; expires_ms
 * is set if flags has RECORD_EXPIRES. The record is in worker->out, from *at on; record tells
 * header and form. Returns 0 or an error of the codec.
 */
int rzi_worker_encode(struct ramz_values *cache, struct rzi_worker *worker,
		      struct rzi_record *record, unsigned char **at);

/* Read the record `id` into worker->in, RECORD_ROOM bytes behind its beginning, and
 * parse it. Under the stripe's lock. Returns 0 or -XV_EBADMSG. */
int rzi_worker_read(struct ramz_values *cache, struct rzi_worker *worker, xv_id id,
		    struct rzi_record *record);

/* The plain bytes of the record in worker->in, until the worker is used again. NULL when it is
 * damaged. */
const unsigned char *rzi_worker_decode(struct ramz_values *cache, struct rzi_worker *worker,
				       const struct rzi_record *record);

#endif
