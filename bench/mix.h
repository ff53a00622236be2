/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mix.h: the sizes that objects are drawn from.
 *
 *   page       sizes of 4 KiB pages of an input after compression with lz4, whole pages
 *              where they do not compress to 3,072 bytes
 *   small      16 to 512 bytes, uniform
 *   recorded   what a program asked malloc for, when a trace was given
 *
 * A mix is a table of MIX_SIZES sizes, drawn from with equal chance: short enough to stay
 * in the second-level cache. Made once, constant then. Locking: none needed. O(1) a draw.
 */
#ifndef XV_BENCH_MIX_H
#define XV_BENCH_MIX_H

#include "base.h"

#define MIX_SIZES 4096U

/* Objects above this go past the heaps compared, as large blocks of a malloc go to mmap. */
#define MIX_SIZE_MAX 65000U

/* Of each input so much is read, spread evenly: a quarter of a second of lz4. */
#define MIX_INPUT_BYTES_MAX (UINT64_C(32) << 20)

struct mix {
	const char *name;
	uint32_t max_size;
	uint32_t mean_size;
	uint32_t size[MIX_SIZES];
};

/* Of the pages of an input, named as in xvfrag(1). False with the reason said. */
bool mix_init_page(struct mix *mix, const char *name);

void mix_init_small(struct mix *mix);

/* Of the sizes of a trace. False with the reason said. */
bool mix_init_recorded(struct mix *mix, const struct xvm_u32s *sizes);

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
