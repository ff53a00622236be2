/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Bit scanning, branch hints and assertions. The core uses compiler builtins only here, with a
 * portable form beside each. No state, O(1).
 */
#ifndef XVI_BITS_H
#define XVI_BITS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__GNUC__)
#define XVI_LIKELY(x) __builtin_expect(!!(x), 1)
#define XVI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define XVI_PREFETCH(p) __builtin_prefetch((p), 1, 3)
#define XVI_ALWAYS_INLINE static inline __attribute__((always_inline))
#define XVI_NOINLINE __attribute__((noinline))
#define XVI_TRAP() __builtin_trap()
#else
#define XVI_LIKELY(x) (x)
#define XVI_UNLIKELY(x) (x)
#define XVI_PREFETCH(p) ((void)(p))
#define XVI_ALWAYS_INLINE static inline
#define XVI_NOINLINE
#define XVI_TRAP() (*(volatile int *)0 = 0)
#endif

/* Position of the lowest set bit. x is not 0. */
static inline unsigned xvi_ctz64(uint64_t x)
{
#if defined(__GNUC__)
	return (unsigned)__builtin_ctzll(x);
#else
	unsigned n = 0;

	for (unsigned step = 32; step != 0; step /= 2) {
		if ((x & (((uint64_t)1 << step) - 1)) == 0) {
			x >>= step;
			n += step;
		}
	}
	return n;
#endif
}

/* Number of zero bits above the highest set bit. x is not 0. */
static inline unsigned xvi_clz64(uint64_t x)
{
#if defined(__GNUC__)
	return (unsigned)__builtin_clzll(x);
#else
	unsigned n = 0;

	for (unsigned step = 32; step != 0; step /= 2) {
		if ((x >> (64 - step)) == 0) {
			x <<= step;
			n += step;
		}
	}
	return n;
#endif
}

/* Assertions in three tiers: XV_DEBUG 0 none, 1 cheap ones, 2 also a deep check of a heap every
 * HEAP_DEBUG_INTERVAL operations. They guard the library against itself; bad arguments are
 * errors, never assertions. */
#ifndef XV_DEBUG
#define XV_DEBUG 0
#endif

#if XV_DEBUG >= 1
#define XVI_ASSERT(x) ((x) ? (void)0 : XVI_TRAP())
#else
#define XVI_ASSERT(x) ((void)0)
#endif

#endif
