/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * workload.h: what is done to an allocator, decided before it runs.
 *
 * Words: a slot is a place for one live object, 0 .. slots - 1. A source is a size
 * that an object may have (and the page it is the size of). An operation puts a
 * source into a slot: the new object is allocated and filled, and then the old one,
 * where the slot had one, is freed, in the order of a store that must not lose
 * data; or it empties the slot. All random choices are made here, from the seed,
 * so that every allocator sees the same operations.
 *
 * The workload is sealed into a memfd, which a child process maps as it is: the
 * child then replays it without allocating anything itself.
 *
 * May call the operating system. Locking: none. O(operations).
 */
#ifndef XVM_WORKLOAD_H
#define XVM_WORKLOAD_H

#include "sizes.h"

#define XVM_PHASES_MAX 8
#define XVM_PHASE_NAME_BYTES 24

/* Source of an operation that only frees. */
#define XVM_NO_SOURCE UINT32_MAX

/* Overwrites of each object in churn, on average. */
#define XVM_CHURN_ROUNDS 4U

struct xvm_op {
	uint32_t slot;
	uint32_t source; /* XVM_NO_SOURCE: free the slot's object */
};

enum xvm_phase_flags {
	XVM_PHASE_COMPACTABLE = 1U << 0, /* an allocator that can is asked to compact after it */
};

struct xvm_phase {
	char name[XVM_PHASE_NAME_BYTES];
	uint64_t first_op;
	uint64_t op_count;
	uint64_t flags;
};

/*
 * The head of a sealed workload. Behind it lie struct xvm_op[ops], uint32_t[sources] with sizes in
 * bytes, and uint32_t[sources] with pages of the input, where has_pages says so.
 */
struct xvm_workload_head {
	uint64_t slots;
	uint64_t sources;
	uint64_t ops;
	uint64_t peak_bytes; /* most bytes live at once */
	uint64_t max_size;   /* largest source, bytes */
	uint64_t has_pages;
	uint64_t phases;
	struct xvm_phase phase[XVM_PHASES_MAX];
};

/* A workload being made. Zero-initialise; end with xvm_workload_fini. */
struct xvm_workload {
	struct xvm_workload_head head;
	struct xvm_u32s sizes; /* by source */
	struct xvm_u32s pages; /* by source, or empty */
	struct xvm_op *ops;
	size_t op_capacity;
};

void xvm_workload_fini(struct xvm_workload *workload);

/*
 * The life cycle: fill, churn, free50, refill, free90 (see the manual page) over
 * objects slots; 0 = as many as there are sizes. More slots than sizes repeat the
 * sizes; fewer take them spread evenly. sizes has at least one object.
 */
void xvm_workload_life_cycle(struct xvm_workload *workload, const struct xvm_sizes *sizes,
			     uint32_t objects, uint64_t seed);

/*
 * Read recorded operations, as text, into an empty workload. One operation a line:
 *
 *   a ID SIZE   allocate SIZE bytes under the name ID (any number that is not in use)
 *   f ID        free what ID names
 *   r ID SIZE   give what ID names another size: a put into its full slot
 *
 * The phases are "peak", up to the operation that makes the live bytes largest, and "end", the
 * rest. Returns 0, or XVM_FAILED after naming file, line and reason. O(lines * log live objects).
 */
int xvm_trace_read(struct xvm_workload *workload, const char *path);

/* The parts from which a trace is built. */
void xvm_workload_phase(struct xvm_workload *workload, const char *name, uint32_t flags);
void xvm_workload_put(struct xvm_workload *workload, uint32_t slot, uint32_t source);
uint32_t xvm_workload_source(struct xvm_workload *workload, uint32_t size);

/* Compute head.peak_bytes, slots and the rest once all operations are there. */
void xvm_workload_finish(struct xvm_workload *workload);

/* Write the workload to a memfd. Returns it, or XVM_FAILED with the reason said. */
int xvm_workload_seal(const struct xvm_workload *workload);

/* A sealed workload, mapped. */
struct xvm_workload_view {
	const struct xvm_workload_head *head;
	const uint32_t *sizes;
	const uint32_t *pages; /* NULL: none */
	const struct xvm_op *ops;
};

/* Map a sealed workload for as long as the process lives. False when that cannot be done. */
bool xvm_workload_open(struct xvm_workload_view *view, int fd);

#endif
