/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * handover.h: a bounded queue from one thread to another, for objects that another
 * thread shall free than the one that made them (--cross).
 *
 * One thread puts, one thread takes; neither waits. Locking: none, each end has an
 * index of its own that the other end only reads. O(1).
 */
#ifndef XVFRAG_HANDOVER_H
#define XVFRAG_HANDOVER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Most that wait; a power of two. */
#define XVF_HANDOVER_ITEMS 64U

struct xvf_handed {
	uint64_t token;
	uint64_t size; /* bytes asked for */
};

/* Zeroed, but for a limit above 0, it is empty. */
struct xvf_handover {
	uint32_t limit;                      /* of what waits, up to XVF_HANDOVER_ITEMS */
	alignas(128) _Atomic uint64_t put;   /* ever put, by the one end */
	alignas(128) _Atomic uint64_t taken; /* ever taken, by the other */
	alignas(128) struct xvf_handed items[XVF_HANDOVER_ITEMS];
};

/* False when it is full. */
static inline bool xvf_handover_put(struct xvf_handover *h, struct xvf_handed item)
{
	uint64_t put = atomic_load_explicit(&h->put, memory_order_relaxed);

	if (put - atomic_load_explicit(&h->taken, memory_order_acquire) >= h->limit)
		return false;
	h->items[put % XVF_HANDOVER_ITEMS] = item;
	atomic_store_explicit(&h->put, put + 1, memory_order_release);
	return true;
}

/* False when it is empty. */
static inline bool xvf_handover_take(struct xvf_handover *h, struct xvf_handed *item)
{
	uint64_t taken = atomic_load_explicit(&h->taken, memory_order_relaxed);

	if (taken == atomic_load_explicit(&h->put, memory_order_acquire))
		return false;
	*item = h->items[taken % XVF_HANDOVER_ITEMS];
	atomic_store_explicit(&h->taken, taken + 1, memory_order_release);
	return true;
}

#endif
