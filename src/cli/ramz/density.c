/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * density.c: what a store takes; see density.h. Locking: none.
 */
#include "density.h"

#include <inttypes.h>
#include <string.h>

#include "timer.h"

static const char *density_error(int err)
{
	if (err == -XV_ENOSPC)
		return "the limit of the store is reached";
	if (err == -XV_ENOMEM)
		return "out of memory; use a smaller --max-input";
	if (err == -XV_EBADMSG)
		return "a stored page is damaged";
	return strerror(-err);
}

/* Everything but codec and level at its default. Returns 0, or XVM_FAILED after saying why. */
static int density_store(struct ramz **out, uint64_t pages, const struct xvm_codec *codec)
{
	struct ramz_options options;
	int err;

	ramz_options_init(&options);
	options.size_bytes = pages * XVM_INPUT_PAGE_BYTES;
	options.codec = codec->codec;
	options.level = codec->level;
	err = ramz_create(out, &options);
	if (err == 0)
		return 0;
	xvm_error("cannot make a store for %" PRIu64 " pages with %s: %s", pages, codec->label,
		  density_error(err));
	return XVM_FAILED;
}

static int density_complain(const char *what, int err)
{
	xvm_error("%s: %s", what, density_error(err));
	return XVM_FAILED;
}

static uint64_t density_held(struct ramz *store)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	return stats.pages_compressed + stats.pages_raw > 0 ? stats.held_bytes : 0;
}

/* Write the sample; slot n gets its n-th page. */
static int density_fill(struct ramz *store, const struct xvm_input *input,
			struct rzc_density *density)
{
	uint64_t total = input->pages.count;
	uint64_t want = density->pages;
	uint64_t start = xvm_timer_clock_ns();
	uint64_t slot = 0;

	for (uint64_t i = 0; i < total; i++) {
		int err;

		if (!xvm_spread_takes(i, total, want))
			continue;
		err = ramz_write_page(store, slot++, xvm_pages_at(&input->pages, i));
		if (err != 0)
			return density_complain("writing a page", err);
		if (density->base_bytes == 0)
			density->base_bytes = density_held(store);
	}
	density->write_us = (double)(xvm_timer_clock_ns() - start) / 1000 / (double)want;
	return 0;
}

static void density_describe(struct ramz *store, struct rzc_density *density)
{
	struct ramz_stats stats;

	ramz_get_stats(store, &stats);
	density->same_filled = stats.pages_same_filled;
	density->raw = stats.pages_raw;
	density->stored_bytes = stats.stored_bytes;
	density->held_bytes = stats.held_bytes;
	(void)ramz_get_histogram(store, RAMZ_HISTOGRAM_SIZE, &density->sizes);
}

int rzc_density_measure(const struct xvm_input *input, const struct xvm_codec *codec,
			uint64_t max_pages, struct rzc_density *density)
{
	struct ramz *store;
	int result;

	*density = (struct rzc_density){.pages = input->pages.count < max_pages ? input->pages.count
										: max_pages};
	if (density_store(&store, density->pages, codec) != 0)
		return XVM_FAILED;
	result = density_fill(store, input, density);
	if (result == 0)
		density_describe(store, density);
	ramz_destroy(store);
	return result;
}

double rzc_density_ratio(const struct rzc_density *density)
{
	if (density->stored_bytes == 0)
		return 0;
	return (double)(density->pages * XVM_INPUT_PAGE_BYTES) / (double)density->stored_bytes;
}
