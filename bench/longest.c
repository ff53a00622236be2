/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * longest.c: the longest step of each call of a pool, in states made to be bad, for callgrind to
 * count; longest.sh runs it. docs/bound.md has the table.
 *
 * Pools of one shard over the mmap provider: a system call counts as one instruction. Public
 * headers only. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#include "count.h"

#define PAGE_BYTES 65536U
#define SLOTS 65536U

static struct xv_provider *provider;
static struct xv_pool *pool;
static xv_handle handle[SLOTS];

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "xv_longest: %s\n", what);
	exit(1);
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	if (owner >= SLOTS || handle[owner] != from)
		return -1;
	handle[owner] = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static void begin(void)
{
	struct xv_pool_options options;

	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
	xv_pool_options_init(&options);
	options.flags = XV_POOL_OWNERS | XV_POOL_SPLIT;
	options.owner_ops = &owner_ops;
	options.shards = 1;
	need(xv_provider_mmap_create(&provider, NULL) == 0, "no provider");
	need(xv_pool_create(&pool, provider, &options) == 0, "no pool");
	memset(handle, 0, sizeof(handle));
}

static void make(uint32_t slot, size_t size)
{
	need(xv_malloc_owned(pool, size, slot, &handle[slot]) == 0, "no object");
}

static void make_all(uint32_t count, size_t size)
{
	for (uint32_t slot = 0; slot < count; slot++)
		make(slot, size);
}

static void drop(uint32_t slot)
{
	need(xv_free(pool, handle[slot]) == 0, "an object could not be freed");
}

/* No memory is left, and holes in the list of the request are all a little too short: the whole
 * bounded search comes before the refusal. */
static void malloc_refused(void)
{
	struct xv_pool_stats stats;
	int err;

	begin();
	make_all(12000, 5000);
	for (uint32_t slot = 1; slot < 12000; slot += 2)
		drop(slot);
	(void)xv_pool_trim(pool);
	xv_pool_get_stats(pool, &stats);
	(void)xv_pool_set_limit(pool, stats.held_bytes);
	COUNT("xv_malloc, refused after the longest search",
	      err = xv_malloc(pool, 5040, &handle[1]));
	(void)err; /* perhaps laid over several holes instead */
}

static void malloc_of_new_page(void)
{
	begin();
	make(0, PAGE_BYTES - 8);
	COUNT("xv_malloc, of a new page", make(1, PAGE_BYTES - 8));
	COUNT("xv_free, of a whole page", drop(1));
}

/* Eight pieces and more in holes between others. */
static void malloc_of_pieces(void)
{
	begin();
	make_all(512, PAGE_BYTES / 16 - 16);
	for (uint32_t slot = 0; slot < 512; slot += 2)
		drop(slot);
	COUNT("xv_malloc, 4 pages over holes and new pages", make(0, 4 * PAGE_BYTES));
	COUNT("xv_read, 8 bytes at the end of it", {
		uint64_t word;

		need(xv_read(pool, handle[0], 4 * PAGE_BYTES - 8, &word, 8) == 0, "not read");
	});
	COUNT("xv_free, of all its pieces", drop(0));
}

static void calls_on_small_objects(void)
{
	uint64_t word;

	begin();
	make_all(4000, 4); /* the proof of a place follows up to 85 blocks */
	for (uint32_t slot = 60; slot < 150; slot++)
		COUNT("xv_read, 4 bytes among the smallest objects",
		      need(xv_read(pool, handle[slot], 0, &word, 4) == 0, "not read"));
	for (uint32_t slot = 300; slot < 400; slot += 3)
		COUNT("xv_free, among the smallest objects", drop(slot));
	for (uint32_t slot = 500; slot < 600; slot += 3)
		COUNT("xv_realloc, one byte more, among the smallest objects",
		      need(xv_realloc(pool, &handle[slot], 5) == 0, "not resized"));
}

/* A page's object moves to a new page: all of it is copied. */
static void realloc_moves(void)
{
	begin();
	make(0, PAGE_BYTES - 4096);
	make(1, 2000);
	COUNT("xv_realloc, a page moves",
	      need(xv_realloc(pool, &handle[0], PAGE_BYTES - 8) == 0, "not resized"));
}

static void compaction(void)
{
	struct xv_compact_report report = {.more = true};

	begin();
	make_all(40000, 4);
	for (uint32_t slot = 0; slot < 40000; slot++) {
		if (slot % 8 != 0)
			drop(slot);
	}
	while (report.more)
		COUNT("xv_compact, a step of 8,192 bytes",
		      need(xv_compact(pool, 0, &report) == 0, "no compaction"));
}

/* Spare grains in 64 pages, and a hole table that was long. */
static void trim(void)
{
	begin();
	make_all(60000, 60);
	for (uint32_t slot = 0; slot < 60000; slot++) {
		if (slot % 512 != 0)
			drop(slot);
	}
	COUNT("xv_pool_trim, 60,000 objects freed", (void)xv_pool_trim(pool));
}

int main(void)
{
	uint64_t nothing = 0;

	CALLGRIND_START_INSTRUMENTATION;
	for (int i = 0; i < 8; i++)
		COUNT("nothing", nothing++);
	malloc_refused();
	malloc_of_new_page();
	malloc_of_pieces();
	calls_on_small_objects();
	realloc_moves();
	compaction();
	trim();
	return 0;
}
