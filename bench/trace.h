/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trace.h: what a real program asked of malloc.
 *
 * record_malloc.so, preloaded into a program, writes a trace file: records of 16 bytes in
 * the byte order of the machine, after a header of the same size. A loaded trace names
 * objects by slots 0 .. slots - 1 instead of by address; a slot is used again after its
 * object ended, so that there are no more slots than objects were ever live at once.
 *
 * Locking: none. O(records) to load.
 */
#ifndef XV_BENCH_TRACE_H
#define XV_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The file ---- */

#define TRACE_MAGIC UINT64_C(0x31304341525456) /* "VTRAC01" as bytes, on x86 */

enum trace_kind {
	TRACE_MAKE = 1,   /* address, size: an object was made there */
	TRACE_FREE = 2,   /* address: it ended */
	TRACE_RESIZE = 3, /* address before; the next record, a MAKE, has address and size
			   * after */
};

struct trace_record {
	uint64_t address; /* in the low 56 bits; kind in the high 8. The header: TRACE_MAGIC */
	uint64_t size;    /* bytes; the header: bytes of a record */
};

#define TRACE_KIND_SHIFT 56U
#define TRACE_ADDRESS_MASK ((UINT64_C(1) << TRACE_KIND_SHIFT) - 1U)

/* ---- Loaded ---- */

/* Objects above this go past the heaps compared, as large blocks of malloc go to mmap. */
#define TRACE_SIZE_MAX 65000U

struct trace_step {
	uint32_t slot;
	uint32_t size; /* 0: free. Else make, or resize where TRACE_STEP_RESIZE is set */
};

#define TRACE_STEP_RESIZE 0x80000000U

struct trace_sizes {
	uint32_t *items;
	size_t count;
	size_t capacity;
};

struct trace {
	struct trace_step *steps;
	size_t count;
	size_t capacity;
	struct trace_sizes made; /* sizes of all makes and resizes, in order */
	uint32_t slots;
	uint64_t peak_bytes; /* most live bytes at once */
	uint64_t left_out;   /* objects above TRACE_SIZE_MAX */
	uint32_t max_size;
};

/* Load a file; false with the reason said on standard error. */
bool trace_load(struct trace *trace, const char *path);

#endif
