/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_bound.c: adversaries against the bounds of docs/bound.md, which has their names (A to D). A
 * pool of one shard, each object with an owner. Prints how near each adversary gets. Public headers
 * only. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum {
	PAGE = 65536,
	FINE_MAX = 4096, /* longest hole in a list of one length */
	HEADER = 8,      /* with the owner */
	SLOTS = 1 << 19,
	UNLISTED_MAX = 52, /* longest hole that may have no record */
};

struct world {
	struct xv_provider *provider;
	struct xv_pool *pool;
	xv_handle handle[SLOTS];
	uint32_t block[SLOTS]; /* bytes; 0 = no object */
	uint64_t objects;
	uint64_t blocks_bytes;
	uint64_t page;         /* bytes */
	uint64_t grain;        /* bytes, as the system has it */
	uint64_t grains_bytes; /* of bound A */
	uint64_t pages;
	uint64_t objects_most;
	uint64_t pages_most;
	uint32_t block_most;
	double nearest; /* share of bound B that was reached */
};

static struct world world;

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	if (world.handle[owner] != from)
		return -1;
	world.handle[owner] = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static void begin_in(uint32_t page_bytes, uint32_t alignment, bool one_grain)
{
	struct xv_provider_mmap_options source;
	struct xv_pool_options options;

	world = (struct world){.page = page_bytes};
	xv_provider_mmap_options_init(&source);
	source.page_bytes = page_bytes;
	source.huge_pages = one_grain;
	xv_pool_options_init(&options);
	options.flags = XV_POOL_OWNERS;
	options.owner_ops = &owner_ops;
	options.alignment = alignment;
	options.shards = 1;
	assert_int_equal(xv_provider_mmap_create(&world.provider, &source), 0);
	assert_int_equal(xv_pool_create(&world.pool, world.provider, &options), 0);
	world.grain = page_bytes / xv_provider_page_grains(world.provider);
}

static void begin(void)
{
	begin_in(PAGE, 4, false);
}

static void end(void)
{
	xv_pool_destroy(world.pool);
	xv_provider_mmap_destroy(world.provider);
}

static struct xv_pool_stats stats_now(void)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(world.pool, &stats);
	return stats;
}

/* Longest hole that does not serve a request for a block of this many bytes: in a list of holes
 * above 4 KiB, one that is up to a 64th longer may be passed over. */
static uint64_t hole_max(uint64_t block)
{
	uint64_t hole = block > FINE_MAX ? block + block / 64 : block - 4;

	return hole > UNLISTED_MAX ? hole : UNLISTED_MAX;
}

/* Bound B when a page was just taken for a block: the others had no hole that serves it. */
static void check_growth(uint64_t pages, uint32_t block)
{
	uint64_t hole = hole_max(block);
	uint64_t others = pages - 1, blocks = world.blocks_bytes - block;
	uint64_t bound = blocks + (world.objects - 1 + others) * hole;

	assert_true(others * world.page <= bound);
	if (bound != 0 && (double)(others * world.page) / (double)bound > world.nearest)
		world.nearest = (double)(others * world.page) / (double)bound;
}

/* Bound A of one block. */
static uint64_t grains_for(uint32_t block)
{
	return ((block + 4 + world.grain - 1) / world.grain + 1) * world.grain;
}

static void make(uint32_t slot, uint32_t block)
{
	uint64_t pages;

	assert_int_equal(world.block[slot], 0);
	assert_int_equal(xv_malloc_owned(world.pool, block - HEADER, slot, &world.handle[slot]), 0);
	world.block[slot] = block;
	world.objects++;
	world.blocks_bytes += block;
	world.grains_bytes += grains_for(block);
	if (world.objects > world.objects_most)
		world.objects_most = world.objects;
	if (block > world.block_most)
		world.block_most = block;
	pages = stats_now().pages;
	if (pages > world.pages)
		check_growth(pages, block);
	world.pages = pages;
	if (pages > world.pages_most)
		world.pages_most = pages;
}

static void drop(uint32_t slot)
{
	uint32_t block = world.block[slot];

	assert_int_equal(xv_free(world.pool, world.handle[slot]), 0);
	world.block[slot] = 0;
	world.objects--;
	world.blocks_bytes -= block;
	world.grains_bytes -= grains_for(block);
}

/* Bounds A, the reserve, and D, at any time. */
static void check_now(const char *what)
{
	struct xv_pool_stats stats = stats_now();
	uint64_t committed = stats.held_bytes - stats.table_bytes;
	uint64_t hot = committed - stats.spare_bytes;
	uint64_t reserve = committed / 200 > 8 * world.grain ? committed / 200 : 8 * world.grain;
	uint64_t tables = 16384 + 16 * (world.objects_most + world.pages_most + 2 + 2 * 256) +
			  93 * (world.pages_most + 1) + 2 * world.grain;

	print_message("%-40s blocks %9llu, hot %9llu: %5.1f%% of A; tables %5.1f%% of D\n", what,
		      (unsigned long long)world.blocks_bytes, (unsigned long long)hot,
		      100.0 * (double)hot / (double)world.grains_bytes,
		      100.0 * (double)stats.table_bytes / (double)tables);
	assert_int_equal(stats.objects, world.objects);
	assert_true(hot <= world.grains_bytes);
	assert_true(stats.spare_bytes <= reserve);
	assert_true(stats.table_bytes <= tables);
	assert_int_equal(xv_pool_check(world.pool, XV_CHECK_DEEP, NULL), 0);
}

/* Bound C, after a cycle of compaction. Spare memory may stay where the system does not take it
 * back by the page. */
static struct xv_pool_stats compact_to_bound(const char *what)
{
	struct xv_compact_report report = {.more = true};
	struct xv_pool_stats stats;
	uint64_t hot, bound;

	while (report.more)
		assert_int_equal(xv_compact(world.pool, XV_COMPACT_STEP_BYTES, &report), 0);
	stats = stats_now();
	hot = stats.held_bytes - stats.table_bytes - stats.spare_bytes;
	bound = world.blocks_bytes + (world.objects + stats.pages) * hole_max(world.block_most) +
		world.page;
	print_message("%-40s blocks %9llu, hot %9llu: %5.1f%% of C\n", what,
		      (unsigned long long)world.blocks_bytes, (unsigned long long)hot,
		      100.0 * (double)hot / (double)bound);
	assert_true(hot <= bound);
	return stats;
}

static void compact(const char *what)
{
	assert_int_equal(compact_to_bound(what).spare_bytes, 0);
	check_now("... and of the others");
}

/* Fill with the smallest objects, and keep one in two grains: the one that ends at the end of a
 * grain, so that the word of the hole behind it needs the next one. */
static void small_objects_keep_two_grains_each(void **state)
{
	uint32_t slot;

	(void)state;
	begin();
	if (world.grain == PAGE) { /* a page has no words of another */
		end();
		skip();
	}
	for (slot = 0; world.pages < 24; slot++)
		make(slot, 12);
	for (uint32_t i = 0; i < slot; i++) {
		uint32_t first = xv_handle_offset(world.handle[i]) - HEADER;

		/* Blocks of 12 bytes end at a grain's end in one of three grains. */
		if ((first + 12) % world.grain != 0)
			drop(i);
	}
	check_now("kept: what ends a grain");
	assert_true(stats_now().held_bytes - stats_now().table_bytes >=
		    2 * world.grain * world.objects * 99 / 100);
	compact("compacted");
	end();
}

/* Keep of the objects of one size what makes the holes too short for the next size, and fill up to
 * the same live bytes with that (Robson 1971). */
static void sieve(uint32_t block)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t first;

		if (world.block[i] == 0)
			continue;
		first = xv_handle_offset(world.handle[i]) - HEADER;
		/* One block covers the last byte before a multiple of `block`. */
		if ((first + world.block[i] - 1) / block == (first - 1) / block + (first == 0) &&
		    (first + world.block[i]) % block != 0)
			drop(i);
	}
}

static void doubling_sizes_find_no_hole(void **state)
{
	const uint64_t live_most = 2 << 20;
	uint32_t slot = 0;
	char what[64];

	(void)state;
	begin();
	for (uint32_t block = 16; block <= PAGE / 4; block *= 2) {
		sieve(block);
		while (world.blocks_bytes + block <= live_most) {
			while (world.block[slot % SLOTS] != 0)
				slot++;
			make(slot % SLOTS, block);
		}
		(void)snprintf(what, sizeof(what), "doubled to %u, %llu pages, %.0f%% of B",
			       (unsigned)block, (unsigned long long)world.pages,
			       100 * world.nearest);
		check_now(what);
	}
	assert_true(world.pages_most * PAGE > 2 * live_most);
	compact("compacted");
	end();
}

/* Random sizes and frees, with long and short holes; then most objects go, and compaction. */
static void overwrites_stay_within_the_bounds(void **state)
{
	uint32_t random = 7;

	(void)state;
	begin();
	for (uint32_t i = 0; i < 60000; i++) {
		uint32_t slot = (random >> 8) % 4000;

		random = random * 1664525 + 1013904223;
		if (world.block[slot] != 0)
			drop(slot);
		make(slot, 12 + (random >> 10) % 1500 / 4 * 4);
	}
	check_now("overwritten");
	for (uint32_t i = 0; i < 4000; i++) {
		if (i % 16 != 0 && world.block[i] != 0)
			drop(i);
	}
	check_now("15 of 16 freed");
	compact("compacted");
	end();
}

/* Fill 24 pages with objects of 12 bytes, and keep one in each: the first, or the last. All holes
 * are then nearly as long as an empty page. */
static void keep_one_in_each_page(bool first)
{
	uint32_t slot = 0;

	while (world.pages <= 24)
		make(slot++, 12 + HEADER);
	for (uint32_t i = 0; i < slot; i++) {
		uint32_t other = first ? i - 1 : i + 1; /* in this page, or not */

		if (other < slot &&
		    xv_handle_page(world.handle[i]) == xv_handle_page(world.handle[other]))
			drop(i);
	}
	assert_int_equal(world.objects, world.pages);
}

static void an_object_in_each_page_joins_the_others(void **state)
{
	char what[64];

	(void)state;
	for (uint32_t i = 0; i < 5 * 3 * 2 * 2; i++) {
		uint32_t page_bytes = 4096U << i % 5, alignment = 4U << i / 5 % 3;
		bool one_grain = i / 15 % 2 != 0;

		begin_in(page_bytes, alignment, one_grain);
		keep_one_in_each_page(i >= 30);
		(void)snprintf(what, sizeof(what), "pages of %u, alignment %u, %s", page_bytes,
			       alignment, one_grain ? "one grain" : "grains of the system");
		assert_int_equal(compact_to_bound(what).pages, 1);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_objects_keep_two_grains_each),
		cmocka_unit_test(doubling_sizes_find_no_hole),
		cmocka_unit_test(overwrites_stay_within_the_bounds),
		cmocka_unit_test(an_object_in_each_page_joins_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
