/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pattern.h: contents that can be told apart. Byte i of an object depends on the
 * object's pattern number and on i, so that a byte of another object, or of another
 * place of the same one, is noticed. Owns nothing, no locking, O(bytes).
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PATTERN_WORD_BYTES = 8 };

/* Bytes [8n, 8n + 8) of a pattern. */
static inline uint64_t pattern_word(uint32_t pattern, size_t n)
{
	uint64_t x = (pattern + 1U) * 0x9E3779B97F4A7C15U + n * 0xD1B54A32D192ED03U;

	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93U;
	return x ^ (x >> 32);
}

static inline unsigned char pattern_byte(uint32_t pattern, size_t i)
{
	uint64_t word = pattern_word(pattern, i / PATTERN_WORD_BYTES);
	unsigned char bytes[PATTERN_WORD_BYTES];

	memcpy(bytes, &word, sizeof(word));
	return bytes[i % PATTERN_WORD_BYTES];
}

static inline void pattern_fill(void *memory, size_t bytes, uint32_t pattern)
{
	unsigned char *at = memory;

	for (size_t n = 0; bytes > 0; n++) {
		size_t part = bytes < PATTERN_WORD_BYTES ? bytes : PATTERN_WORD_BYTES;
		uint64_t word = pattern_word(pattern, n);

		memcpy(at, &word, part);
		at += part;
		bytes -= part;
	}
}

static inline bool pattern_matches(const void *memory, size_t bytes, uint32_t pattern)
{
	const unsigned char *at = memory;

	for (size_t n = 0; bytes > 0; n++) {
		size_t part = bytes < PATTERN_WORD_BYTES ? bytes : PATTERN_WORD_BYTES;
		uint64_t word = pattern_word(pattern, n);

		if (memcmp(at, &word, part) != 0)
			return false;
		at += part;
		bytes -= part;
	}
	return true;
}

#endif
