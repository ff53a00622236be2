/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.h: a workload played on one allocator, in this process.
 *
 * Everything the replay needs is taken and touched before the resident set is
 * first read, so that what it grows by afterwards is the allocator's. Timed are
 * the allocator's calls alone: alloc (with set_index where there is one) and free,
 * each as one operation; objects are filled outside the timed stretch, with bytes
 * that are random and differ from object to object. At the end of each phase all
 * live objects that can be mapped are compared with what they were filled with.
 *
 * On several threads each plays the operations dealt to it (deal.h), all at once, with
 * a barrier between the phases; counted, compared and compacted is at the barriers.
 *
 * Call from one thread. O(operations).
 */
#ifndef XVFRAG_REPLAY_H
#define XVFRAG_REPLAY_H

#include "allocators/registry.h"
#include "record.h"

struct xvf_replay_config {
	uint32_t page_bytes;
	const char *provider;
	const char *argument; /* what came after ':' in the allocator's name, or NULL */
	const char *codec;    /* of the run, for kernel zram; NULL = none */
	unsigned threads;     /* 1 .. XVF_THREADS_MAX */
	bool cross;           /* objects are freed by another thread; means nothing on one */
	uint64_t seed;
	int workload_fd; /* sealed workload */
	int pages_fd;    /* pages of the input, or -1 */
	int result_fd;   /* where records go */
};

/* Play it on a heap of entry's plugin. Returns 0, or XVM_FAILED, said in a record. */
int xvf_replay_plugin(const struct xvm_entry *entry, const struct xvf_replay_config *config);

/* Does a mutex of the run's have to keep the threads apart, as the allocator does not? */
bool xvf_replay_is_guarded(const struct xvm_entry *entry, const struct xvf_replay_config *config);

/*
 * Play it on a kernel zram device: a slot is a sector of it, and overwriting writes
 * the page that the source is the size of. Requested bytes are compr_data_size,
 * held bytes mem_used_total. No times: the kernel's include compression. One thread.
 */
int xvf_replay_device(const struct xvm_entry *entry, const struct xvf_replay_config *config);

#endif
