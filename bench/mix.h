/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mix.h: the sizes that objects are drawn from.
 *
 *   page       sizes of 4 KiB pages of programs after compression with lz4, whole pages
 *              where they do not compress to 3,072 bytes; or a list from a file
 *   small      16 to 512 bytes, uniform
 *   recorded   what a program asked malloc for, when a trace was given
 *
 * A mix is a table of MIX_SIZES sizes, drawn from with equal chance: short enough to stay
 * in the second-level cache. Made once, constant then. Locking: none needed. O(1) a draw.
 */
#ifndef XV_BENCH_MIX_H
#define XV_BENCH_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIX_SIZES 4096U

struct xvm_input;

struct mix {
	const char *name;
	uint32_t max_size;
	uint32_t mean_size;
	uint32_t size[MIX_SIZES];
};

/* Where the sizes of the mix "page" come from, and where they are written to. */
struct mix_source {
	const char *sizes;   /* a file, one number a line; or NULL */
	const char *pages;   /* else: pages of a file, of a directory's files, or of "pid:N" */
	const char *written; /* a file to write all of the sizes to; or NULL */
};

/* False with the reason said on standard error. */
bool mix_init_page(struct mix *mix, const struct mix_source *source);

/* Pages to write to a store: none of one repeated word, and none twice. */
struct mix_pages {
	unsigned char *data; /* aligned to a page */
	uint32_t *index;     /* the pages of data that are meant, in order */
	uint32_t count;
	struct xvm_input *all;
};

/*
 * The pages of name, as in struct mix_source, evenly spread, 32 MiB at most. False with the reason
 * said on standard error; then there are none. End them with mix_pages_fini. O(n log n).
 */
bool mix_pages_read(struct mix_pages *pages, const char *name);
void mix_pages_fini(struct mix_pages *pages);

/* From to by, inclusive, evenly spaced. */
void mix_init_uniform(struct mix *mix, const char *name, uint32_t from, uint32_t to);

/* MIX_SIZES out of many, spread evenly over them. count > 0. */
void mix_init_sample(struct mix *mix, const char *name, const uint32_t *sizes, size_t count);

/* ---- Random numbers: xorshift64*, Vigna 2016. Inline: it is inside what is timed. ---- */

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* Uniform in [0, limit) from 32 random bits. */
static inline uint32_t random_below(uint32_t bits, uint32_t limit)
{
	return (uint32_t)(((uint64_t)bits * limit) >> 32);
}

/* One overwrite: which object, and its new size. One random number gives both. */
struct draw {
	uint32_t slot;
	uint32_t size;
};

static inline struct draw mix_draw(const struct mix *mix, uint64_t *state, uint32_t slots)
{
	uint64_t bits = random_next(state);
	struct draw draw = {
		.slot = random_below((uint32_t)(bits >> 32), slots),
		.size = mix->size[random_below((uint32_t)bits, MIX_SIZES)],
	};

	return draw;
}

#endif
