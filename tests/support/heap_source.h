/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap_source.h: a heap over pages whose memory is really not there while a grain is not
 * committed, and over a hole table of which only the ready records are there: touching others
 * ends the test. Calls can be made to fail. For tests of the heap alone; one thread.
 */
#ifndef TEST_HEAP_SOURCE_H
#define TEST_HEAP_SOURCE_H

#include "heap.h"

enum { SOURCE_PAGES_MAX = 1 << 15 };

struct heap_source_shape {
	uint32_t page_shift;
	uint32_t grain_shift;
	uint32_t alignment;
	uint32_t prefix_bytes;
	bool prove;
	bool window;           /* pages must be mapped: at most two at a time */
	uint32_t bounded;      /* records, 0 = as many as wanted */
	uint32_t records_most; /* of a table that grows; 0 = many */
	uint32_t pages_max;    /* that the source has; 0 = SOURCE_PAGES_MAX */
};

struct heap_source {
	struct heap_source_shape shape;
	struct xvi_heap heap;
	unsigned char *base;
	unsigned char *records; /* of pages */
	struct xvi_hole *holes;
	uint32_t heads[LIST_COUNT_MAX];
	uint32_t page_low; /* none below is free */
	bool page_taken[SOURCE_PAGES_MAX];
	uint16_t committed[SOURCE_PAGES_MAX];
	uint64_t grains;      /* committed, count */
	uint64_t grains_most; /* that may be committed; more is -XV_ENOSPC */
	uint32_t maps;        /* under way */
	uint32_t records_high;
	uint32_t records_ready; /* that can be touched */
	uint64_t taken;         /* grains ever taken */
	uint64_t given;         /* grains ever given back */
	uint64_t takes;         /* calls that obtain something */
	uint64_t fail_at;       /* the takes-th fails with -XV_ENOMEM; 0 = none */
	bool refuse_give;       /* grains cannot be given back */
	uint32_t closed;        /* pages that the heap closed, count */
};

/* What the source has for a heap of this shape: for who makes the heap. End it with
 * heap_source_close, when the heap has given everything back. */
void heap_source_open(struct heap_source *source, const struct heap_source_shape *shape,
		      struct xvi_heap_config *config);
void heap_source_close(struct heap_source *source);

/* The same with a heap: source->heap. */
void heap_source_init(struct heap_source *source, const struct heap_source_shape *shape);

/* Ends the heap; asserts that the source has everything back. */
void heap_source_fini(struct heap_source *source);

#endif
