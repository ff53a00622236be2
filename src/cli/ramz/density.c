/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * density.c: what a store takes; see density.h. Locking: none.
 */
#include "density.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "timer.h"

#define DENSITY_LEFT_PERCENT 10U

const char *rzc_store_error(int err)
{
	if (err == -XV_ENOSPC)
		return "the limit of the store is reached";
	if (err == -XV_ENOMEM)
		return "out of memory; use a smaller --max-input";
	if (err == -XV_EBADMSG)
		return "a stored page is damaged";
	return strerror(-err);
}

int rzc_store_make(struct ramz **out, uint64_t pages, const struct rzc_codec *codec)
{
	struct ramz_options options;
	int err;

	ramz_options_init(&options);
	options.size_bytes = pages * XVF_INPUT_PAGE_BYTES;
	options.codec = codec->codec;
	options.level = codec->level;
	err = ramz_create(out, &options);
	if (err == 0)
		return 0;
	xvf_error("cannot make a store for %" PRIu64 " pages with %s: %s", pages, codec->label,
		  rzc_store_error(err));
	return XVF_FAILED;
}

void rzc_shuffle(uint32_t *numbers, size_t count, struct xvf_random *random)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = xvf_random_below(random, (uint32_t)i);
		uint32_t number = numbers[i - 1];

		numbers[i - 1] = numbers[other];
		numbers[other] = number;
	}
}

static void density_footprint(struct ramz *store, struct rzc_footprint *footprint)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	*footprint = (struct rzc_footprint){
		.stored_pages = stats.pages_compressed + stats.pages_raw,
		.stored_bytes = stats.stored_bytes,
		.held_bytes = stats.held_bytes,
		.pool_bytes = stats.pool.held_bytes,
		.slot_table_bytes = stats.slot_table_bytes,
		.thread_bytes = stats.thread_bytes,
		.store_bytes = stats.store_bytes,
	};
}

static int density_complain(const char *what, int err)
{
	xvf_error("%s: %s", what, rzc_store_error(err));
	return XVF_FAILED;
}

static uint64_t density_held(struct ramz *store)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	return stats.pages_compressed + stats.pages_raw > 0 ? stats.held_bytes : 0;
}

/* Write the sample; slot n gets its n-th page. */
static int density_fill(struct ramz *store, const struct rzc_input *input,
			struct rzc_density *density)
{
	uint64_t total = input->pages.count;
	uint64_t want = density->pages;
	uint64_t start = xvf_timer_clock_ns();
	uint64_t slot = 0;

	for (uint64_t i = 0; i < total; i++) {
		int err;

		if (!xvf_spread_takes(i, total, want))
			continue;
		err = ramz_write_page(store, slot++, xvf_pages_at(&input->pages, i));
		if (err != 0)
			return density_complain("writing a page", err);
		if (density->base_bytes == 0)
			density->base_bytes = density_held(store);
	}
	density->write_us = (double)(xvf_timer_clock_ns() - start) / 1000 / (double)want;
	return 0;
}

static int density_discard(struct ramz *store, uint64_t pages, uint64_t seed)
{
	uint32_t *order = xvf_calloc((size_t)pages, sizeof(*order));
	uint64_t left = pages * DENSITY_LEFT_PERCENT / 100;
	struct xvf_random random;
	int err = 0;

	for (uint64_t i = 0; i < pages; i++)
		order[i] = (uint32_t)i;
	xvf_random_init(&random, seed);
	rzc_shuffle(order, (size_t)pages, &random);
	for (uint64_t i = left; i < pages && err == 0; i++)
		err = ramz_discard(store, (uint64_t)order[i] * XVF_INPUT_PAGE_BYTES,
				   XVF_INPUT_PAGE_BYTES);
	free(order);
	return err == 0 ? 0 : density_complain("discarding a page", err);
}

static int density_make_sparse(struct ramz *store, uint64_t seed, struct rzc_density *density)
{
	uint64_t start;
	int err;

	if (density_discard(store, density->pages, seed) != 0)
		return XVF_FAILED;
	start = xvf_timer_clock_ns();
	err = ramz_compact(store, 0, NULL);
	if (err != 0)
		return density_complain("compacting", err);
	density->compact_ms = (double)(xvf_timer_clock_ns() - start) / 1e6;
	density_footprint(store, &density->sparse);
	return 0;
}

static void density_describe(struct ramz *store, struct rzc_density *density)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	density->same_filled = stats.pages_same_filled;
	density->raw = stats.pages_raw;
	density_footprint(store, &density->full);
	(void)ramz_get_histogram(store, RAMZ_HISTOGRAM_SIZE, &density->sizes);
}

int rzc_density_measure(const struct rzc_input *input, const struct rzc_codec *codec,
			uint64_t max_pages, bool sparse, uint64_t seed, struct rzc_density *density)
{
	struct ramz *store;
	int result;

	*density = (struct rzc_density){.pages = input->pages.count < max_pages ? input->pages.count
										: max_pages};
	if (rzc_store_make(&store, density->pages, codec) != 0)
		return XVF_FAILED;
	result = density_fill(store, input, density);
	if (result == 0)
		density_describe(store, density);
	if (result == 0 && sparse)
		result = density_make_sparse(store, seed, density);
	ramz_destroy(store);
	return result;
}

static double density_divide(uint64_t a, uint64_t b)
{
	return b > 0 ? (double)a / (double)b : 0;
}

double rzc_density_full(const struct rzc_density *density)
{
	return density_divide(density->full.held_bytes, density->full.stored_bytes);
}

double rzc_density_sparse(const struct rzc_density *density)
{
	const struct rzc_footprint *f = &density->sparse;

	return density_divide(f->held_bytes - f->slot_table_bytes, f->stored_bytes);
}

double rzc_density_ratio(const struct rzc_density *density)
{
	return density_divide(density->pages * XVF_INPUT_PAGE_BYTES, density->full.stored_bytes);
}
