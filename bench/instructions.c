/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * instructions.c: calls of an allocator for callgrind to count; instructions.sh runs it.
 *
 *     xv_instructions ALLOCATOR LIVE...
 *
 * First pairs: with LIVE objects in their steady state, PAIRS random ones are freed and allocated
 * anew. Then the worst calls: the heap is brought into states that are bad for one call, and that
 * call is counted; random calls are there beside those that are constructed.
 *
 * Each count is a part of callgrind's output that is called ROW, or "ROW;CALLS". A system call
 * counts as one instruction. Objects are not written. What the counting itself takes is in the row
 * "nothing", what loop and calls take in the allocator "ideal".
 *
 * Owns one heap (heap.h). One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/base.h>

#include "count.h"
#include "heap.h"

#define PAIRS 20000U
#define SLOTS 8192U
#define PAGE_BYTES 65536U /* the default */

static struct heap *heap;
static const struct micro_allocator *allocator;
static uint64_t seed = HEAP_SEED;

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "xv_instructions: %s: %s\n", allocator->name, what);
	exit(1);
}

static uint32_t draw(uint32_t below)
{
	return random_below((uint32_t)(random_next(&seed) >> 32), below);
}

/* ---- Pairs ---- */

/* Sizes like those of compressed pages: most between 300 and 2,000 bytes, one in fifty 4,096. */
static void mix_init(struct mix *mix)
{
	mix->max_size = 4096;
	mix->mean_size = 1100;
	for (size_t i = 0; i < MIX_SIZES; i++) {
		uint32_t kind = draw(50);

		mix->size[i] = kind == 0  ? 4096
			       : kind < 8 ? 40 + draw(260)
					  : 300 + (draw(1100) + draw(1100)) * 3 / 4;
	}
}

/* What is done was drawn before. */
static int run_pairs(const struct draw *next)
{
	int failures = 0;

	for (uint32_t i = 0; i < PAIRS; i++)
		failures |= heap_replace(heap, next[i].slot, next[i].size);
	return failures;
}

static void count_pairs(uint32_t live)
{
	static struct mix mix;
	static struct draw next[PAIRS];
	struct heap_spec spec = {.allocator = allocator, .mix = &mix, .slots = live};
	char row[64];
	int failures = 0;

	mix_init(&mix);
	heap = heap_get_fresh(&spec);
	need(heap != NULL, "the heap could not be filled; use fewer objects");
	for (uint32_t i = 0; i < PAIRS; i++)
		next[i] = mix_draw(&mix, &seed, live);
	snprintf(row, sizeof(row), "a pair, %u live;%u", (unsigned)live, PAIRS);
	CALLGRIND_START_INSTRUMENTATION;
	COUNT(row, failures = run_pairs(next));
	need(failures == 0, "an operation failed");
	CALLGRIND_STOP_INSTRUMENTATION;
}

/* ---- Slots of the worst calls ---- */

static void begin(void)
{
	static struct mix any = {.max_size = PAGE_BYTES * 2, .mean_size = 8192};
	struct heap_spec spec = {
		.allocator = allocator, .mix = &any, .slots = SLOTS, .empty = true};

	heap = heap_get_fresh(&spec);
	need(heap != NULL, "no heap could be made");
}

static void make(uint32_t slot, uint32_t size)
{
	need(heap_make(heap, slot, size) == 0, "an allocation failed");
}

static void release(uint32_t slot)
{
	need(heap_free(heap, slot) == 0, "an object could not be freed");
}

static void make_counted(const char *row, uint32_t slot, uint32_t size)
{
	int failed;

	COUNT(row, failed = heap_make(heap, slot, size));
	need(failed == 0, "an allocation failed");
}

static void release_counted(const char *row, uint32_t slot)
{
	int failed;

	COUNT(row, failed = heap_free(heap, slot));
	need(failed == 0, "an object could not be freed");
}

/* The same for each step-th of the slots [first, end). */
static void release_each_counted(const char *row, uint32_t first, uint32_t end, uint32_t step)
{
	for (uint32_t slot = first; slot < end; slot += step)
		release_counted(row, slot);
}

/* Objects of one size in slots [0, count). */
static void make_all(uint32_t count, uint32_t size)
{
	for (uint32_t slot = 0; slot < count; slot++)
		make(slot, size);
}

/* Free each step-th of the slots [first, end). */
static void release_each(uint32_t first, uint32_t end, uint32_t step)
{
	for (uint32_t slot = first; slot < end; slot += step)
		release(slot);
}

/* ---- States for all allocators ---- */

/* One hole, as long as can be, and a request as short as can be: every word of the bitmaps
 * between them is empty. */
static void far_apart(void)
{
	begin();
	make(0, 1);
	make_counted("malloc: fullest bitmap walk", 1, 1);
}

/* Each object in a page of its own, so that each takes one from the provider, and each
 * free gives it back; tables grow and shrink with it. */
static void page_edges(void)
{
	begin();
	for (uint32_t slot = 0; slot < 300; slot++)
		make_counted("malloc: first object of a page", slot, PAGE_BYTES * 3 / 4 + 3 * slot);
	release_each_counted("free: last object of a page", 0, 300, 1);
}

/* [ free ][ object ][ free ] => [ free ]: two records less, one anew. Others of the same
 * lengths are free too, so that no list begins or ends with it. */
static void merges(void)
{
	for (uint32_t size = 24; size < 1200; size += 97) {
		begin();
		for (uint32_t slot = 0; slot < 32; slot++)
			make(slot, size + slot % 4 * 4);
		release_each(0, 32, 4);
		release_each(2, 32, 4);
		release_each_counted("free: merges both neighbours", 1, 32, 6);
	}
}

/* Freed blocks of one size, and a request that none of them fits. And the last free of a heap. */
static void none_fits(void)
{
	begin();
	make_all(4000, 100);
	release_each(0, 4000, 2);
	make_counted("malloc: none of 2,000 free blocks fits", 4000, 3000);
	release_each(1, 4000, 2);
	release_counted("free: last object of the heap", 4000);
}

/* Overwrites of a full heap, both sides counted. */
static void random_calls(void)
{
	begin();
	for (uint32_t slot = 0; slot < 4000; slot++)
		make(slot, 16 + draw(1600));
	for (uint32_t i = 0; i < 9000; i++) {
		uint32_t slot = draw(4000), size = 16 + draw(1600);

		if (i < 8000) {
			release(slot);
			make(slot, size);
		} else {
			release_counted("free: of 1,000 random ones", slot);
			make_counted("malloc: of 1,000 random ones", slot, size);
		}
	}
}

/* ---- xvmalloc's own ---- */

/* Pages full of free blocks that are too short for any request so far. Returns the slots. */
static uint32_t make_short_holes(void)
{
	uint32_t count = 64 * 35;

	begin();
	make_all(count, 112);
	for (uint32_t slot = 0; slot < count; slot += 2) {
		release(slot);
		make(slot, 60);
	}
	return count;
}

static void short_holes(void)
{
	uint32_t count = make_short_holes();

	release_each_counted("free: beside holes without a record", 2, 600, 14);
	release_each_counted("free: beside holes without a record", 601, 1200, 14);
	count = make_short_holes();
	/* The last page's free end serves the first of them. */
	for (uint32_t slot = count; slot < count + 300; slot++)
		make_counted("malloc: among holes without a record", slot, 16);
}

/* With the keyed check a handle without tag is proved by walking the blocks of its page. */
static void untagged(void)
{
	begin();
	make_all(600, 4);
	for (uint32_t slot = 0; slot < 600; slot += 7) {
		uint64_t *token = &heap->slot[slot].token;

		*token = xv_handle_at(xv_handle_page(*token), xv_handle_offset(*token));
		release_counted("free: by untagged handle", slot);
	}
}

static void stale(void)
{
	begin();
	for (uint32_t slot = 0; slot < 64; slot++)
		make(slot, 40 + slot);
	for (uint32_t slot = 0; slot < 64; slot += 3) {
		int err = 0;

		release(slot);
		COUNT("free: refuses a stale handle",
		      err = heap->calls->free(heap->self, heap->slot[slot].token, 40 + slot));
		need(err != 0, "a stale handle was taken");
	}
}

/* Holes of a quarter page, and nothing that takes more: four pieces. Then three holes, too few. */
static void split(void)
{
	begin();
	make_all(1024, PAGE_BYTES / 4 - 16);
	release_each(0, 1024, 8);
	for (uint32_t slot = 2000; slot < 2024; slot++)
		make_counted("split malloc: four pieces", slot,
			     PAGE_BYTES * 13 / 16 + 20 * (slot - 2000));
	release_each_counted("free: of four pieces", 2000, 2024, 1);
	begin();
	make_all(120, PAGE_BYTES / 4 - 16);
	release_each(0, 12, 4);
	for (uint32_t slot = 2000; slot < 2040; slot++)
		make_counted("split malloc: beside three holes", slot, PAGE_BYTES - 200);
}

static void compact(uint32_t live, uint32_t least, uint32_t most, uint32_t keep_of_8)
{
	uint64_t moved = 0;
	int result = 1;

	begin();
	for (uint32_t slot = 0; slot < live; slot++)
		make(slot, least + draw(most - least));
	for (uint32_t slot = 0; slot < live; slot++) {
		if (draw(8) >= keep_of_8)
			release(slot);
	}
	while (result == 1)
		COUNT("compaction step, 8,192 bytes",
		      result = heap->calls->compact_step(heap->self, &moved));
	need(result == 0, "a step of compaction failed");
}

/* ---- The C library's own ---- */

/* Freed blocks wait unsorted; a request that none of them fits sorts them all. */
static void glibc_unsorted(void)
{
	begin();
	for (uint32_t slot = 0; slot < 2000; slot++)
		make(slot, 1100 + 16 * draw(100));
	release_each(0, 2000, 2);
	make_counted("malloc: 1,000 blocks unsorted", 2001, 60000);
}

/* Small blocks are freed without merging; the free of a large one merges them all. */
static void glibc_unmerged(void)
{
	begin();
	for (uint32_t slot = 0; slot < 2000; slot++)
		make(slot, 24 + 16 * (slot % 6));
	make(2000, 100000);
	release_each(0, 2000, 2);
	release_counted("free: 1,000 small blocks unmerged", 2000);
}

static void count_worst(void)
{
	uint64_t nothing = 0;

	CALLGRIND_START_INSTRUMENTATION;
	for (int i = 0; i < 8; i++)
		COUNT("nothing", nothing++);
	random_calls();
	far_apart();
	page_edges();
	merges();
	none_fits();
	if (strncmp(allocator->name, "xvmalloc", strlen("xvmalloc")) == 0) {
		short_holes();
		stale();
		untagged();
	}
	if (heap->calls->compact_step != NULL) {
		split();
		compact(2000, 200, 3000, 4);
		compact(2000, 3000, 6000, 6);
		compact(8000, 8, 40, 2);
		compact(8000, 100, 200, 1);
	}
	if (strcmp(allocator->name, "glibc") == 0) {
		glibc_unsorted();
		glibc_unmerged();
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: xv_instructions ALLOCATOR LIVE...\n", stderr);
		return 2;
	}
	if (!micro_choose_allocators(argv[1], argv))
		return 1;
	allocator = micro_allocator_at(0);
	for (int i = 2; i < argc; i++)
		count_pairs((uint32_t)strtoul(argv[i], NULL, 10));
	count_worst();
	heap_drop();
	return 0;
}
