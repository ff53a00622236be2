/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz.h: what the fuzzers share: an input from which they draw, and a check that ends the program.
 *
 * A fuzzer has one entry, LLVMFuzzerTestOneInput. libFuzzer calls it, or replay.c does with files.
 * A run depends on its input alone: no clock, no random number, nothing kept from the run before.
 *
 * Owns nothing. May call: the C library. Locking: none; one thread. O(1).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What is not drawn yet. An input that is drawn to its end gives zeros. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint32_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* A number of `bytes` bytes, at most 8. */
static inline uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)fuzz_byte(in) << (8 * i);
	return number;
}

/* 0 .. bound - 1; bound is 1 .. 2^32. It takes as few bytes as the bound needs. */
static inline uint32_t fuzz_below(struct fuzz_input *in, uint64_t bound)
{
	unsigned bytes = bound <= 1U << 8 ? 1 : bound <= 1U << 16 ? 2 : 4;

	return (uint32_t)(fuzz_number(in, bytes) % bound);
}

static inline bool fuzz_bool(struct fuzz_input *in)
{
	return (fuzz_byte(in) & 1U) != 0;
}

/* The first index from a drawn one on, in a circle of `count`, for which it is true; or `count`. */
static inline size_t fuzz_index(struct fuzz_input *in, size_t count, bool (*is_true)(size_t))
{
	size_t first = fuzz_byte(in);

	for (size_t i = 0; i < count; i++) {
		if (is_true((first + i) % count))
			return (first + i) % count;
	}
	return count;
}

/* A text of at most room - 1 bytes, up to a line end or a zero, which is taken too. */
static inline void fuzz_text(struct fuzz_input *in, char *text, size_t room)
{
	size_t length = 0;

	while (in->left != 0) {
		char c = (char)fuzz_byte(in);

		if (c == '\n' || c == '\0')
			break;
		if (length + 1 < room)
			text[length++] = c;
	}
	text[length] = '\0';
}

/* Bytes that a number stands for. Those of an even one compress well. */
static inline void fuzz_fill(void *dst, size_t bytes, uint32_t number)
{
	unsigned char *at = dst;
	uint64_t word = (number + 1) * 0x9E3779B97F4A7C15U;

	for (; bytes >= 8; bytes -= 8, at += 8) {
		memcpy(at, &word, 8);
		if ((number & 1U) != 0)
			word = (word ^ word >> 29) * 0xBF58476D1CE4E5B9U + 1;
		else
			word += (bytes & 0x78U) == 0;
	}
	memcpy(at, &word, bytes);
}

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,           \
				      #condition);                                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
