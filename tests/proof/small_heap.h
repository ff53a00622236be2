/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * small_heap.h: a heap of two small pages with all that changes in one structure, which is copied
 * to go back; the operations on it, and what must hold after each. Owns the heap's memory. Calls
 * the heap only. One thread. A step is O(bytes of the pages).
 *
 * A call of the source fails when the step says so: bit i of its `fails` is the i-th call in the
 * step that may fail (a page, grains or records taken, grains given back).
 */
#ifndef SMALL_HEAP_H
#define SMALL_HEAP_H

#include "heap.h"

enum {
	SMALL_PAGES = 2,
	SMALL_PAGE_UNITS = 64, /* 256 bytes */
	SMALL_STRIDE = 40,     /* most bytes of a page record */
	SMALL_RECORDS = 160,
	SMALL_LISTS = SMALL_PAGE_UNITS + 1,
	SMALL_BLOCKS = SMALL_PAGES * SMALL_PAGE_UNITS / 2,
	SMALL_CALLS = 16, /* calls in a step that may fail */
	SMALL_SIZES = 5,
	SMALL_FEW_SIZES = 3,
	SMALL_ALIGNMENT = 32,   /* of SMALL_ALIGNED, bytes */
	SMALL_NOT_THERE = 0xDB, /* each byte of memory that is not there */
};

struct small_shape {
	const char *name;
	uint32_t page_shift;
	uint32_t grain_shift;
	uint32_t alignment;
	uint32_t prefix_bytes;
	uint32_t records; /* most, record 0 included */
	bool bounded;
	bool prove;
	bool window; /* pages must be mapped: at most two at a time */
	bool few; /* only mallocs of three sizes, frees, victims and memory given back: for longer
		   * sequences */
	uint32_t content[SMALL_SIZES];
};

struct small_block {
	uint32_t page;
	uint32_t unit;
	uint32_t content;
};

enum small_action {
	SMALL_MALLOC,    /* a: size, b: flags */
	SMALL_ALIGNED,   /* a: size; to 32 bytes */
	SMALL_FAST,      /* a: size */
	SMALL_PART,      /* a: size */
	SMALL_FREE,      /* a: block */
	SMALL_FREE_FAST, /* a: block */
	SMALL_RESIZE,    /* a: block, b: size */
	SMALL_VICTIM,    /* a: page */
	SMALL_NO_VICTIM,
	SMALL_PIN,  /* a: page; or the opposite */
	SMALL_GIVE, /* a: spare grains that stay */
	SMALL_GIVE_ALL,
	SMALL_SHRINK,
	SMALL_CLEAR,
};

struct small_step {
	uint8_t action;
	uint8_t a;
	uint8_t b;
	uint16_t fails;
};

/* All that changes. */
struct small_heap {
	struct xvi_heap heap;
	struct xvi_hole records[SMALL_RECORDS];
	uint32_t heads[SMALL_LISTS];
	uint32_t page_records[SMALL_PAGES * SMALL_STRIDE / 4];
	uint32_t words[SMALL_PAGES * SMALL_PAGE_UNITS];
	struct small_block block[SMALL_BLOCKS];
	uint32_t count;
	/* The source. */
	bool taken[SMALL_PAGES];
	uint16_t committed[SMALL_PAGES];
	bool refused; /* grains were not taken back, once */
	uint32_t maps;
	uint32_t calls; /* that may fail, in this step */
	uint32_t fails; /* which of them do */
};

/* The only one: the heap has pointers into it. */
extern struct small_heap small;

static inline uint32_t *small_words(uint32_t page)
{
	return &small.words[page << (small.heap.shape.page_shift - UNIT_SHIFT)];
}

/* Byte i of the payload of each block at this place. */
static inline unsigned char small_fill(uint32_t page, uint32_t unit, uint32_t i)
{
	return (unsigned char)(page * 101 + unit * 37 + i * 11 + 1);
}

void small_init(const struct small_shape *shape);

/* The steps that are possible now. Returns their number, at most `most`. */
uint32_t small_steps(const struct small_shape *shape, struct small_step *steps, uint32_t most);

/* Do a step. Returns NULL, or what is wrong with its result. */
const char *small_do(const struct small_shape *shape, const struct small_step *step);

/* What is wrong with the heap, or NULL: invariants, contents, proofs, memory that is not there. */
const char *small_check(void);

/* A hash of all that decides what later steps do. Stamps, the numbers of records, and bytes of
 * payloads do not. */
uint64_t small_hash(void);

#endif
