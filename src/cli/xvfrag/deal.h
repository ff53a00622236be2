/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * deal.h: a workload's operations, dealt out to threads.
 *
 * Slot s goes to thread s % threads, round robin, and every operation goes with its
 * slot, in the order of the workload: the slots, the sizes and what is live at the end
 * of a phase are the same for any number of threads.
 *
 * The dealt operations name their slots by place: the places of a thread are
 * neighbours and share no cache line with another thread's.
 *
 * The memory is resident from the start. Locking: none; a deal that is made does not
 * change. Making is O(operations), the rest O(1).
 */
#ifndef XVFRAG_DEAL_H
#define XVFRAG_DEAL_H

#include "workload.h"

#define XVF_THREADS_MAX 64U

struct xvf_deal {
	unsigned threads;
	uint64_t places;          /* 0 .. places - 1; at least as many as slots */
	uint64_t places_a_thread; /* thread t has t * places_a_thread onwards */
	const struct xvm_op *ops; /* the workload's own for one thread */
	uint64_t *first;          /* by phase, then thread: first operation; one more */
};

/* Deal out. False when there is no memory. For as long as the process lives. */
bool xvf_deal_make(struct xvf_deal *deal, const struct xvm_workload_view *work, unsigned threads);

/* A slot's place. */
uint64_t xvf_deal_place(const struct xvf_deal *deal, uint64_t slot);

/* The operations of one thread in one phase; their number in *count. */
const struct xvm_op *xvf_deal_ops(const struct xvf_deal *deal, uint32_t phase, unsigned thread,
				  uint64_t *count);

#endif
