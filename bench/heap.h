/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.h: the allocators that the benchmarks run, out of xvfrag's list, and a heap of any of
 * them, whose objects lie in numbered slots. So one benchmark runs over every allocator.
 *
 * The table of slots is the caller's in real programs too: they keep handles or pointers
 * somewhere. What it and the calls by pointer cost is the same for all; the row "ideal",
 * which only counts, shows it. Objects are not written unless it is said.
 *
 * One heap is kept, in its steady state, since Google Benchmark calls a benchmark several
 * times; asking for another one ends it.
 *
 * Owns the list of allocators, which lives as long as the process, and the heap. May start the
 * process anew, with a malloc preloaded. Locking: all from one thread, but for heap_make and
 * heap_free, from several for different slots, where the allocator allows it. They cost what
 * the allocator's calls do.
 */
#ifndef XV_BENCH_HEAP_H
#define XV_BENCH_HEAP_H

#include "mix.h"
#include "registry.h"

/* ---- Allocators: rows are called what xvfrag calls them, settings included ---- */

/* What an allocator takes part in. */
enum micro_group {
	GROUP_ALL = 1U,      /* every benchmark of objects up to 4 KiB */
	GROUP_PAIRS = 2U,    /* pairs */
	GROUP_PROVIDER = 4U, /* 1,000 compressed pages: a call may be a system call */
	GROUP_PROGRAM = 8U,  /* larger objects by address: sizes and calls of programs */
};

struct micro_allocator {
	const char *name; /* NAME or NAME:SETTINGS */
	unsigned groups;  /* of enum micro_group */
	const struct xvfrag_plugin *calls;
	const char *settings; /* or NULL */
};

/*
 * Choose the rows: those of the project's tables, or the one called `only` where that is not
 * NULL. An allocator that has to be preloaded starts the process anew with its library.
 * False, after saying why, when there is no such allocator here.
 */
bool micro_choose_allocators(const char *only, char **argv);

/* The rows in order; NULL behind the last. */
const struct micro_allocator *micro_allocator_at(size_t index);

/* ---- Heaps ---- */

struct heap_spec {
	const struct micro_allocator *allocator;
	const struct mix *mix;
	uint32_t slots;
	bool empty; /* else full, and overwritten at random twice over */
};

struct heap_slot {
	uint64_t token;
	uint64_t size; /* 0: empty */
};

struct heap {
	const struct xvfrag_plugin *calls;
	void *self; /* the allocator's */
	struct heap_slot *slot;
	struct heap_spec spec;
	uint64_t random; /* state */
};

/* Of all random numbers. */
#define HEAP_SEED UINT64_C(20261121)

/* The heap, or NULL when an allocation failed; the one before it has ended then too. */
struct heap *heap_get(const struct heap_spec *spec);

/* The same, made anew even if it is the last one. */
struct heap *heap_get_fresh(const struct heap_spec *spec);

/* End the heap that is kept. */
void heap_drop(void);

/* Fill empty slots [first, first + count). Returns 0, or what the allocator said. */
int heap_fill(struct heap *heap, uint32_t first, uint32_t count, uint64_t *random);

/* Free the slots of [first, first + count) that are full. */
int heap_clear(struct heap *heap, uint32_t first, uint32_t count);

/* ---- Inline: they are inside what is timed. 0, or what the allocator said ---- */

/* Put an object into an empty slot. */
static inline int heap_make(const struct heap *heap, uint32_t slot, uint32_t size)
{
	int failed = heap->calls->alloc(heap->self, size, slot, &heap->slot[slot].token);

	heap->slot[slot].size = failed ? 0 : size;
	return failed;
}

/* Empty a full slot. */
static inline int heap_free(const struct heap *heap, uint32_t slot)
{
	uint64_t size = heap->slot[slot].size;

	heap->slot[slot].size = 0;
	return heap->calls->free(heap->self, heap->slot[slot].token, size);
}

/* A pair: free the object of a full slot, allocate another there. */
static inline int heap_replace(const struct heap *heap, uint32_t slot, uint32_t size)
{
	int failures = heap_free(heap, slot);

	return failures | heap_make(heap, slot, size);
}

/* Give the object of a full slot another size. */
static inline int heap_resize(const struct heap *heap, uint32_t slot, uint32_t size)
{
	uint64_t old_size = heap->slot[slot].size;

	heap->slot[slot].size = size;
	return heap->calls->resize(heap->self, &heap->slot[slot].token, old_size, size);
}

#endif
