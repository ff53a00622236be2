/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * digest.h: one number for all that a random life returned. The same calls must lay objects at the
 * same places on every machine and by every compiler, and what a change of the code moves, it must
 * move on purpose: then the new number is written down, and the commit says what it changed.
 */
#ifndef TEST_DIGEST_H
#define TEST_DIGEST_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "test_random.h"

static inline void digest_add(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * 0x9E3779B97F4A7C15U;
	*digest ^= *digest >> 32;
}

/* In words: fewer than eight bytes at the end are left out. */
static inline void digest_add_bytes(uint64_t *digest, const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i + 8 <= length; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		digest_add(digest, word);
	}
}

struct digest_known {
	uint64_t operations; /* of each life */
	uint64_t digest;     /* of all lives with seed 1 */
};

/* Compare with what is known for so many operations, if anything is. XV_TEST_VERBOSE prints the
 * digests of single lives (see who calls this). */
static inline void digest_verify(uint64_t digest, uint64_t operations,
				 const struct digest_known *known, size_t count)
{
	if (environment_number("XV_TEST_SEED", 1) != 1)
		return;
	for (size_t i = 0; i < count; i++) {
		if (known[i].operations == operations && known[i].digest != digest)
			fail_msg("after %llu operations the digest is 0x%016llX, not 0x%016llX: "
				 "calls return something else",
				 (unsigned long long)operations, (unsigned long long)digest,
				 (unsigned long long)known[i].digest);
	}
}

#endif
