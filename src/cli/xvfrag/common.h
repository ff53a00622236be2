/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * common.h: what every module of xvfrag and ramz uses: messages, memory that never runs out
 * quietly, numbers read from text, and a random generator.
 *
 * Messages go to standard error as "PROGRAM: ...". A function that reports its own
 * failure returns -1 (XVF_FAILED); the caller then says nothing more. Locking:
 * none, for one thread. O(1) unless said otherwise.
 */
#ifndef XVFRAG_COMMON_H
#define XVFRAG_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XVF_FAILED (-1)

/* Pages of the inputs, whatever the allocators' page size. */
#define XVF_INPUT_PAGE_BYTES 4096U

/* Largest object that sizes and traces may ask for. */
#define XVF_OBJECT_BYTES_MAX (64U << 20)

/* Exit statuses. */
enum xvf_exit {
	XVF_EXIT_OK = 0,
	XVF_EXIT_FAILURE = 1, /* the run could not be done */
	XVF_EXIT_USAGE = 2,   /* the command line is wrong */
};

/* The program that messages are of, kept by reference: "xvfrag" unless told otherwise. */
void xvf_set_program(const char *name);

/* Say what is wrong and what to do about it, on standard error. */
void xvf_error(const char *format, ...);

/* Something worth knowing, on standard error; silenced by xvf_be_quiet. */
void xvf_note(const char *format, ...);
void xvf_be_quiet(void);

/* As calloc and reallocarray; they end the program where memory runs out. */
void *xvf_calloc(size_t count, size_t item_bytes);
void *xvf_realloc(void *memory, size_t count, size_t item_bytes);
char *xvf_strdup(const char *text);

/*
 * Room for `need` items in an array of *capacity items: returns it, moved or not.
 * Amortised O(1) per item.
 */
void *xvf_grow(void *memory, size_t *capacity, size_t need, size_t item_bytes);

/* An array of 32-bit numbers that grows. Zero-initialise; free(items) at the end. */
struct xvf_u32s {
	uint32_t *items;
	size_t count;
	size_t capacity;
};

void xvf_u32s_append(struct xvf_u32s *list, uint32_t value);

/*
 * The whole of text is a decimal number in [min, max]: store it. text ends at end,
 * or at its null when end is NULL.
 */
bool xvf_parse_u64(const char *text, const char *end, uint64_t min, uint64_t max, uint64_t *value);

/* The same for a size as size_text.h reads it: 4096, 64K, 1.5G. */
bool xvf_parse_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/*
 * A size in [min, max] that was given for an option. memory_bytes is what a percentage is of, 0
 * for none. Returns 0, or XVF_FAILED when it was said what is wrong.
 */
int xvf_take_bytes(const char *option, const char *text, uint64_t memory_bytes, uint64_t min,
		   uint64_t max, uint64_t *value);

/*
 * Of total things in order, take `want` spread evenly: is the index-th one taken?
 * Exactly want of them are (all when want >= total).
 */
bool xvf_spread_takes(uint64_t index, uint64_t total, uint64_t want);

/* Random numbers: xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. */
struct xvf_random {
	uint64_t state[4];
};

void xvf_random_init(struct xvf_random *random, uint64_t seed);
uint64_t xvf_random_next(struct xvf_random *random);

/* Uniform in [0, limit); limit > 0. */
uint32_t xvf_random_below(struct xvf_random *random, uint32_t limit);

#endif
