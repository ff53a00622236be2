/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_random.h: random numbers that can be repeated, and numbers from the
 * environment. Owns nothing, calls the C library, no locking, O(1).
 */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

/* A number from the environment, or a default. */
static inline uint64_t environment_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : otherwise;
}

/* How many times less than usual a long test repeats itself, where programs run slowly. */
static inline uint64_t test_shorter(void)
{
	uint64_t times = environment_number("XV_TEST_SHORTER", 1);

	return times > 0 ? times : 1;
}

/* How often a test repeats itself: as the environment says, else as usual or less often. */
static inline uint64_t test_repeats(const char *name, uint64_t usual)
{
	return environment_number(name, (usual + test_shorter() - 1) / test_shorter());
}

/* Of a range of cases each is tried, or one in this many: odd, so that no power of two hides. */
static inline uint32_t test_stride(void)
{
	return (uint32_t)test_shorter() | 1;
}

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
	return z ^ (z >> 31);
}

/* 0 .. bound - 1; bound > 0. */
static inline size_t random_below(uint64_t *state, size_t bound)
{
	return (size_t)(random_next(state) % bound);
}

/* An object's size, 1 .. page_bytes: mostly small, some of every order, some large. */
static inline size_t random_size(uint64_t *state, size_t page_bytes)
{
	switch (random_below(state, 8)) {
	case 0:
		return 1 + random_below(state, page_bytes);
	case 1:
		return page_bytes - random_below(state, 24);
	case 2:
	case 3:
		return 1 + random_below(state, page_bytes / 2);
	case 4:
		return 1 + random_below(state, 24);
	default:
		return 1 + random_below(state, page_bytes / 8);
	}
}

#endif
