/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * instructions.c: pairs of xv_free and xv_malloc for callgrind to count; see
 * instructions.sh, which builds and runs it.
 *
 *     instructions keyed|whole|split LIVE PAIRS
 *
 * Makes a pool (split: with split objects and owners, as a store that compacts uses it;
 * whole: with neither; keyed: whole, with the keyed check), fills it with LIVE objects, overwrites 2 * LIVE of them at random
 * so that the pool is in its steady state, and then runs PAIRS more overwrites inside
 * run_pairs, the only function that is to be counted. What to overwrite, and with what
 * size, is drawn before. Objects are not written: only the allocator's work is there.
 *
 * Sizes are like those of compressed 4 KiB pages: most between 300 and 2,000 bytes, about
 * 1,100 on average, one in fifty 4,096. One thread, no lock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

struct draw {
	uint32_t slot;
	uint32_t size;
};

struct bench {
	struct xv_provider *provider;
	struct xv_pool *pool;
	xv_handle *handle; /* by slot */
	uint32_t live;
	bool owners;
	uint64_t seed;
};

static void fail(const char *what)
{
	fprintf(stderr, "instructions: %s\n", what);
	exit(1);
}

/* xorshift64*, Vigna 2016. */
static uint32_t draw_number(struct bench *bench, uint32_t below)
{
	bench->seed ^= bench->seed >> 12;
	bench->seed ^= bench->seed << 25;
	bench->seed ^= bench->seed >> 27;
	return (uint32_t)((bench->seed * UINT64_C(2685821657736338717)) >> 32) % below;
}

static uint32_t draw_size(struct bench *bench)
{
	uint32_t kind = draw_number(bench, 50);

	if (kind == 0)
		return 4096;
	if (kind < 8)
		return 40 + draw_number(bench, 260);
	return 300 + (draw_number(bench, 1100) + draw_number(bench, 1100)) * 3 / 4;
}

static void *take(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (memory == NULL)
		fail("no memory; use fewer objects");
	return memory;
}

static inline int make(const struct bench *bench, uint32_t slot, uint32_t size)
{
	if (bench->owners)
		return xv_malloc_owned(bench->pool, size, slot, &bench->handle[slot]);
	return xv_malloc(bench->pool, size, &bench->handle[slot]);
}

/* What is counted: of a pair some ten instructions are this loop's. */
__attribute__((noinline)) int run_pairs(const struct bench *bench, const struct draw *draws,
					size_t count);

int run_pairs(const struct bench *bench, const struct draw *draws, size_t count)
{
	int failures = 0;

	for (size_t i = 0; i < count; i++) {
		failures |= xv_free(bench->pool, bench->handle[draws[i].slot]);
		failures |= make(bench, draws[i].slot, draws[i].size);
	}
	return failures;
}

static void bench_fill(struct bench *bench)
{
	for (uint32_t slot = 0; slot < bench->live; slot++) {
		if (make(bench, slot, draw_size(bench)) != 0)
			fail("xv_malloc failed; use fewer objects");
	}
}

/* The same as run_pairs, under a name that is not counted. */
static void bench_warm_up(struct bench *bench)
{
	for (uint64_t i = 0; i < 2 * (uint64_t)bench->live; i++) {
		uint32_t slot = draw_number(bench, bench->live);

		if (xv_free(bench->pool, bench->handle[slot]) != 0 ||
		    make(bench, slot, draw_size(bench)) != 0)
			fail("an overwrite failed");
	}
}

static void bench_measure(struct bench *bench, size_t pairs)
{
	struct draw *draws = take(pairs, sizeof(*draws));

	for (size_t i = 0; i < pairs; i++) {
		draws[i].slot = draw_number(bench, bench->live);
		draws[i].size = draw_size(bench);
	}
	if (run_pairs(bench, draws, pairs) != 0)
		fail("an overwrite failed");
	free(draws);
}

/* Flags of a pool, by the name of the kind; UINT32_MAX where there is none. */
static uint32_t kind_flags(const char *kind)
{
	if (strcmp(kind, "split") == 0)
		return XV_POOL_SPLIT | XV_POOL_OWNERS;
	if (strcmp(kind, "keyed") == 0)
		return XV_POOL_KEYED;
	return strcmp(kind, "whole") == 0 ? 0 : UINT32_MAX;
}

static void bench_init(struct bench *bench, uint32_t flags, uint32_t live)
{
	struct xv_provider_mmap_options provider_options;
	struct xv_pool_options options;

	*bench = (struct bench){.live = live, .owners = (flags & XV_POOL_OWNERS) != 0, .seed = 20261121};
	bench->handle = take(live, sizeof(*bench->handle));
	xv_provider_mmap_options_init(&provider_options);
	provider_options.page_bytes = 65536;
	provider_options.reserve_bytes = (uint64_t)live * 8192 + (UINT64_C(16) << 20);
	xv_pool_options_init(&options);
	options.lock = XV_LOCK_NONE;
	options.flags = flags;
	if (xv_provider_mmap_create(&bench->provider, &provider_options) != 0 ||
	    xv_pool_create(&bench->pool, bench->provider, &options) != 0)
		fail("no pool could be made");
}

static void bench_fini(struct bench *bench)
{
	xv_pool_destroy(bench->pool);
	xv_provider_mmap_destroy(bench->provider);
	free(bench->handle);
}

int main(int argc, char **argv)
{
	struct bench bench;
	uint64_t live = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	uint64_t pairs = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
	uint32_t flags = argc == 4 ? kind_flags(argv[1]) : UINT32_MAX;

	if (live == 0 || pairs == 0 || live > UINT32_MAX || flags == UINT32_MAX) {
		fputs("usage: instructions keyed|whole|split LIVE PAIRS\n", stderr);
		return 2;
	}
	bench_init(&bench, flags, (uint32_t)live);
	bench_fill(&bench);
	bench_warm_up(&bench);
	bench_measure(&bench, (size_t)pairs);
	bench_fini(&bench);
	return 0;
}
