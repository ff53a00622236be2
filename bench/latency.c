/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * latency.c: the most instructions that one operation takes, for callgrind to count; see
 * latency.sh, which builds and runs it.
 *
 *     latency embedded|default|keyed|split|tlsf|glibc
 *
 * Brings a heap of that kind into states that are bad for one operation, by its public
 * calls only, and does the operation with counting on. Each counted operation is a part
 * of its own in callgrind's output, called after its row. A state is made with many sizes,
 * and random ones are there beside those that are constructed: what is looked for is the
 * maximum. System calls count as one instruction.
 *
 *   embedded   xvmalloc over a buffer, one shard, no lock: nothing of the system is in it
 *   default    xvmalloc over mmap with default options, so with its locks
 *   keyed      the same with XV_POOL_KEYED: handles are checked by less
 *   split      as default, with split objects and owners
 *
 * Owns one heap. One thread.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <valgrind/callgrind.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_mmap.h>

#include "tlsf.h"

/* Count what statement does, as a part of the output that is called row. */
#define COUNT(row, statement)                                                                      \
	do {                                                                                       \
		CALLGRIND_ZERO_STATS;                                                              \
		CALLGRIND_TOGGLE_COLLECT;                                                          \
		statement;                                                                         \
		CALLGRIND_TOGGLE_COLLECT;                                                          \
		CALLGRIND_DUMP_STATS_AT(row);                                                      \
	} while (0)

#define BUFFER_BYTES ((size_t)64 << 20)
#define OBJECTS_MAX 8192U
#define PAGE_BYTES 65536U /* the default */
#define NONE UINT64_MAX

static struct xv_pool *pool;
static struct xv_provider *provider;
static struct xvm_tlsf *tlsf;
static uint64_t object[OBJECTS_MAX]; /* handles or addresses; NONE where there is none */
static uint64_t seed = 20261121;

static void fail(const char *what)
{
	fprintf(stderr, "latency: %s\n", what);
	exit(1);
}

/* xorshift64*, Vigna 2016. */
static uint32_t draw_number(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 32) % below;
}

/* ---- Heaps ---- */

struct kind {
	const char *name;
	uint32_t flags;
	bool embedded;
	void (*begin)(const struct kind *kind, uint32_t page_bytes);
	void (*end)(void);
	uint64_t (*make)(uint32_t slot, size_t size);
	void (*free)(uint64_t object);
};

static const struct kind *heap;

static int owner_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	if (object[owner] != from)
		return -1;
	object[owner] = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {
	.relocated = owner_relocated,
};

static void begin_provider(const struct kind *kind, uint32_t page_bytes)
{
	static void *buffer;
	struct xv_provider_mmap_options options;
	int err;

	if (kind->embedded) {
		if (buffer == NULL)
			buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (buffer == MAP_FAILED)
			fail("no memory");
		err = xv_provider_buffer_init(&provider, buffer, BUFFER_BYTES, page_bytes);
	} else {
		xv_provider_mmap_options_init(&options);
		options.page_bytes = page_bytes;
		options.reserve_bytes = UINT64_C(1) << 30;
		err = xv_provider_mmap_create(&provider, &options);
	}
	if (err != 0)
		fail("no provider could be made");
}

static void pool_begin(const struct kind *kind, uint32_t page_bytes)
{
	struct xv_pool_options options;

	begin_provider(kind, page_bytes);
	xv_pool_options_init(&options);
	options.flags = kind->flags;
	options.owner_ops = &owner_ops;
	options.lock = kind->embedded ? XV_LOCK_NONE : XV_LOCK_DEFAULT;
	options.shards = kind->embedded ? 1 : 0;
	options.seed = 1;
	if (xv_pool_create(&pool, provider, &options) != 0)
		fail("no pool could be made");
}

static void pool_end(void)
{
	xv_pool_destroy(pool);
	if (!heap->embedded)
		xv_provider_mmap_destroy(provider);
}

static uint64_t pool_make(uint32_t slot, size_t size)
{
	xv_handle handle;

	(void)slot;
	return xv_malloc(pool, size, &handle) == 0 ? handle : NONE;
}

static uint64_t pool_make_owned(uint32_t slot, size_t size)
{
	xv_handle handle;

	return xv_malloc_owned(pool, size, slot, &handle) == 0 ? handle : NONE;
}

static void pool_free(uint64_t handle)
{
	if (xv_free(pool, handle) != 0)
		fail("an object could not be freed");
}

static void tlsf_begin(const struct kind *kind, uint32_t page_bytes)
{
	(void)kind;
	(void)page_bytes;
	tlsf = xvm_tlsf_create();
	if (tlsf == NULL)
		fail("no TLSF heap could be made");
}

static void tlsf_end(void)
{
	xvm_tlsf_destroy(tlsf);
}

static uint64_t tlsf_make(uint32_t slot, size_t size)
{
	void *made = xvm_tlsf_alloc(tlsf, size);

	(void)slot;
	return made != NULL ? (uintptr_t)made : NONE;
}

static void tlsf_free(uint64_t address)
{
	xvm_tlsf_free(tlsf, (void *)(uintptr_t)address);
}

static void glibc_begin(const struct kind *kind, uint32_t page_bytes)
{
	(void)kind;
	(void)page_bytes;
}

static void glibc_end(void)
{
}

static uint64_t glibc_make(uint32_t slot, size_t size)
{
	void *made = malloc(size);

	(void)slot;
	return made != NULL ? (uintptr_t)made : NONE;
}

static void glibc_free(uint64_t address)
{
	free((void *)(uintptr_t)address);
}

#define POOL_CALLS .begin = pool_begin, .end = pool_end, .free = pool_free

static const struct kind kinds[] = {
	{"embedded", .embedded = true, POOL_CALLS, .make = pool_make},
	{"default", POOL_CALLS, .make = pool_make},
	{"keyed", .flags = XV_POOL_KEYED, POOL_CALLS, .make = pool_make},
	{"split", .flags = XV_POOL_SPLIT | XV_POOL_OWNERS, POOL_CALLS, .make = pool_make_owned},
	{"tlsf", .begin = tlsf_begin, .end = tlsf_end, .make = tlsf_make, .free = tlsf_free},
	{"glibc", .begin = glibc_begin, .end = glibc_end, .make = glibc_make, .free = glibc_free},
};

static bool is_pool(void)
{
	return heap->begin == pool_begin;
}

static bool is_split(void)
{
	return (heap->flags & XV_POOL_SPLIT) != 0;
}

/* ---- Slots ---- */

static void make(uint32_t slot, size_t size)
{
	object[slot] = heap->make(slot, size);
	if (object[slot] == NONE)
		fail("an allocation failed");
}

static void release(uint32_t slot)
{
	uint64_t old = object[slot];

	object[slot] = NONE;
	heap->free(old);
}

static void make_counted(const char *row, uint32_t slot, size_t size)
{
	uint64_t made;

	COUNT(row, made = heap->make(slot, size));
	object[slot] = made;
	if (made == NONE)
		fail("an allocation failed");
}

static void release_counted(const char *row, uint32_t slot)
{
	uint64_t old = object[slot];

	object[slot] = NONE;
	COUNT(row, heap->free(old));
}

static void release_all(uint32_t count)
{
	for (uint32_t slot = 0; slot < count; slot++) {
		if (object[slot] != NONE)
			release(slot);
	}
}

static void begin(uint32_t page_bytes)
{
	heap->begin(heap, page_bytes);
	for (uint32_t slot = 0; slot < OBJECTS_MAX; slot++)
		object[slot] = NONE;
}

/* ---- States ---- */

/* One hole, as long as can be, and a request as short as can be: every word of the bitmaps
 * between them is empty. */
static void malloc_walk(void)
{
	static const uint32_t page_bytes[] = {4096, 16384, 65536};

	for (size_t i = 0; i < sizeof(page_bytes) / sizeof(page_bytes[0]); i++) {
		begin(page_bytes[i]);
		make(0, 1);
		make_counted("malloc: fullest bitmap walk", 1, 1);
		release_all(2);
		heap->end();
	}
}

/* Each object in a page of its own, so that each takes one from the provider, and each
 * free gives it back; tables grow and shrink with it. */
static void page_edges(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 300; slot++)
		make_counted("malloc: first object of a page", slot, PAGE_BYTES * 3 / 4 + 3 * slot);
	for (uint32_t slot = 0; slot < 300; slot++)
		release_counted("free: last object of a page", slot);
	heap->end();
}

/* [ free ][ object ][ free ] => [ free ]: two records less, one anew. Others of the same
 * lengths are free too, so that no list begins or ends with it. */
static void free_between(uint32_t size)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 32; slot++)
		make(slot, size + slot % 4 * 4);
	for (uint32_t slot = 0; slot < 32; slot += 4)
		release(slot);
	for (uint32_t slot = 2; slot < 32; slot += 4)
		release(slot);
	for (uint32_t slot = 1; slot < 32; slot += 6)
		release_counted("free: merges both neighbours", slot);
	release_all(32);
	heap->end();
}

static void free_merges(void)
{
	for (uint32_t size = 24; size < 1200; size += 97)
		free_between(size);
}

/* Pages full of free blocks that are too short for any request so far. Returns the slots. */
static uint32_t make_short_holes(void)
{
	uint32_t count = 64 * 35;

	for (uint32_t slot = 0; slot < count; slot++)
		make(slot, 112);
	for (uint32_t slot = 0; slot < count; slot += 2) {
		release(slot);
		make(slot, 60);
	}
	return count;
}

static void short_holes(void)
{
	uint32_t count;

	begin(PAGE_BYTES);
	count = make_short_holes();
	for (uint32_t slot = 2; slot < 600; slot += 14)
		release_counted("free: beside holes without a record", slot);
	for (uint32_t slot = 601; slot < 1200; slot += 14)
		release_counted("free: beside holes without a record", slot);
	heap->end();

	begin(PAGE_BYTES);
	count = make_short_holes();
	/* The last page's free end serves the first of them. */
	for (uint32_t slot = count; slot < count + 300; slot++)
		make_counted("malloc: among holes without a record", slot, 16);
	heap->end();
}

/* Freed blocks of one size, and a request that none of them fits. And the last free of a pool. */
static void small_holes(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 4000; slot++)
		make(slot, 100);
	for (uint32_t slot = 0; slot < 4000; slot += 2)
		release(slot);
	for (uint32_t slot = 4000; slot < 4010; slot++)
		make_counted("malloc: none of 2,000 free blocks fits", slot, 3000);
	for (uint32_t slot = 1; slot < 4009; slot++) {
		if (object[slot] != NONE)
			release(slot);
	}
	release_counted("free: last object of the pool", 4009);
	heap->end();
}

/* With the keyed check a handle without tag is proved by walking the blocks of its page. */
static void free_untagged(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 600; slot++)
		make(slot, 4);
	for (uint32_t slot = 0; slot < 600; slot += 7) {
		object[slot] =
			xv_handle_at(xv_handle_page(object[slot]), xv_handle_offset(object[slot]));
		release_counted("free: by untagged handle", slot);
	}
	heap->end();
}

static void free_stale(void)
{
	int err = 0;

	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 64; slot++)
		make(slot, 40 + slot);
	for (uint32_t slot = 0; slot < 64; slot += 3) {
		xv_handle stale = object[slot];

		release(slot);
		COUNT("free: refuses a stale handle", err = xv_free(pool, stale));
	}
	if (err == 0)
		fail("a stale handle was taken");
	heap->end();
}

/* Overwrites of a full heap, both sides counted. */
static void random_pairs(void)
{
	const uint32_t live = 4000;

	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < live; slot++)
		make(slot, 16 + draw_number(1600));
	for (uint32_t i = 0; i < 2 * live; i++) {
		uint32_t slot = draw_number(live);

		release(slot);
		make(slot, 16 + draw_number(1600));
	}
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t slot = draw_number(live);

		release_counted("free: of random pairs", slot);
		make_counted("malloc: of random pairs", slot, 16 + draw_number(1600));
	}
	release_all(live);
	heap->end();
}

/* Holes of a quarter page, and nothing that takes more: four pieces. */
static void split(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 1024; slot++)
		make(slot, PAGE_BYTES / 4 - 16);
	for (uint32_t slot = 0; slot < 1024; slot += 8)
		release(slot);
	for (uint32_t slot = 2000; slot < 2024; slot++)
		make_counted("split malloc: four pieces", slot,
			     PAGE_BYTES * 13 / 16 + 20 * (slot - 2000));
	for (uint32_t slot = 2000; slot < 2024; slot++)
		release_counted("free: of four pieces", slot);
	heap->end();
}

/* Three holes, too few for it. */
static void split_and_grow(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 120; slot++)
		make(slot, PAGE_BYTES / 4 - 16);
	for (uint32_t slot = 0; slot < 12; slot += 4)
		release(slot);
	for (uint32_t slot = 2000; slot < 2040; slot++)
		make_counted("split malloc: beside three holes", slot, PAGE_BYTES - 200);
	heap->end();
}

static void compact_cycle(uint32_t live, uint32_t least, uint32_t most, uint32_t keep_of_8)
{
	struct xv_compact_report report = {.more = true};

	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < live; slot++)
		make(slot, least + draw_number(most - least));
	for (uint32_t slot = 0; slot < live; slot++) {
		if (draw_number(8) >= keep_of_8)
			release(slot);
	}
	while (report.more) {
		int err = 0;

		COUNT("compaction step, 8,192 bytes", err = xv_compact(pool, 0, &report));
		if (err != 0)
			fail("a step of compaction failed");
	}
	heap->end();
}

static void compact(void)
{
	compact_cycle(2000, 200, 3000, 4);
	compact_cycle(2000, 3000, 6000, 6);
	compact_cycle(8000, 8, 40, 2);
	compact_cycle(8000, 100, 200, 1);
}

/* ---- The C library's own worst ---- */

/* Freed blocks wait unsorted; a request that none of them fits sorts them all. */
static void glibc_unsorted(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 2000; slot++)
		make(slot, 1100 + 16 * draw_number(100));
	for (uint32_t slot = 0; slot < 2000; slot += 2)
		release(slot);
	make_counted("malloc: 1,000 blocks unsorted", 2001, 60000);
	release_all(2002);
}

/* Small blocks are freed without merging; the free of a large one merges them all. */
static void glibc_fastbins(void)
{
	begin(PAGE_BYTES);
	for (uint32_t slot = 0; slot < 2000; slot++)
		make(slot, 24 + 16 * (slot % 6));
	make(2000, 100000);
	for (uint32_t slot = 0; slot < 2000; slot += 2)
		release(slot);
	release_counted("free: 1,000 small blocks unmerged", 2000);
	release_all(2001);
}

static void run_rows(void)
{
	uint64_t nothing = 0;

	for (int i = 0; i < 8; i++)
		COUNT("nothing", nothing++);
	random_pairs();
	malloc_walk();
	page_edges();
	free_merges();
	if (is_pool()) {
		short_holes();
		small_holes();
		free_stale();
		free_untagged();
	}
	if (is_split()) {
		split();
		split_and_grow();
		compact();
	}
	if (heap->begin == glibc_begin) {
		glibc_unsorted();
		glibc_fastbins();
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) == 0)
			heap = &kinds[i];
	}
	if (heap == NULL) {
		fputs("usage: latency embedded|default|keyed|split|tlsf|glibc\n", stderr);
		return 2;
	}
	run_rows();
	return 0;
}
