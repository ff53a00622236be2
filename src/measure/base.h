/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * base.h: what every module of xvfrag and ramz uses: messages, outputs, a clock, memory that
 * never runs out quietly, numbers read from text, and a random generator.
 *
 * Messages go to standard error as "PROGRAM: ...". A function that reports its own
 * failure returns -1 (XVM_FAILED); the caller then says nothing more. Locking:
 * none, for one thread. O(1) unless said otherwise.
 */
#ifndef XVM_BASE_H
#define XVM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define XVM_FAILED (-1)

/* Pages of the inputs, whatever the allocators' page size. */
#define XVM_INPUT_PAGE_BYTES 4096U

/* Largest object that sizes and traces may ask for. */
#define XVM_OBJECT_BYTES_MAX (64U << 20)

/* Exit statuses. */
enum xvm_exit {
	XVM_EXIT_OK = 0,
	XVM_EXIT_FAILURE = 1, /* the run could not be done */
	XVM_EXIT_USAGE = 2,   /* the command line is wrong */
};

/* The program that messages are of, kept by reference: "xvfrag" unless told otherwise. */
void xvm_set_program(const char *name);

/* Say what is wrong and what to do about it, on standard error. */
void xvm_error(const char *format, ...);

/* Something worth knowing, on standard error. */
void xvm_note(const char *format, ...);

/* What is being done, in a line of a terminal that the next message overwrites; "": take it away.
 */
void xvm_progress(const char *format, ...);

/* Open path for writing; "-" is standard output. NULL after saying why. */
FILE *xvm_output_open(const char *path);

/* Close it (standard output is flushed). 0, or XVM_FAILED after saying why. */
int xvm_output_close(FILE *file, const char *path);

/* Nanoseconds of a clock that only goes forward. */
uint64_t xvm_clock_ns(void);

/* As calloc and reallocarray; they end the program where memory runs out. */
void *xvm_calloc(size_t count, size_t item_bytes);
void *xvm_realloc(void *memory, size_t count, size_t item_bytes);
char *xvm_strdup(const char *text);

/*
 * Room for `need` items in an array of *capacity items: returns it, moved or not.
 * Amortised O(1) per item.
 */
void *xvm_grow(void *memory, size_t *capacity, size_t need, size_t item_bytes);

/* An array of 32-bit numbers that grows. Zero-initialise; free(items) at the end. */
struct xvm_u32s {
	uint32_t *items;
	size_t count;
	size_t capacity;
};

void xvm_u32s_append(struct xvm_u32s *list, uint32_t value);

/*
 * The whole of text is a decimal number in [min, max]: store it.
 */
bool xvm_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/*
 * A size in [min, max] that was given for an option. memory_bytes is what a percentage is of, 0
 * for none. Returns 0, or XVM_FAILED when it was said what is wrong.
 */
int xvm_take_bytes(const char *option, const char *text, uint64_t memory_bytes, uint64_t min,
		   uint64_t max, uint64_t *value);

/*
 * Of total things in order, take `want` spread evenly: is the index-th one taken?
 * Exactly want of them are (all when want >= total).
 */
bool xvm_spread_takes(uint64_t index, uint64_t total, uint64_t want);

#define XVM_TEXT_WORDS_MAX 4

/* A line of a file, cut into words. */
struct xvm_text_line {
	const char *path;
	uint64_t number;                 /* of the line, from 1 */
	char *words[XVM_TEXT_WORDS_MAX]; /* good until the handler returns */
	unsigned word_count;             /* XVM_TEXT_WORDS_MAX when there are that many or more */
};

typedef int xvm_text_handler(void *context, struct xvm_text_line *line);

/*
 * Call handler for each line of the file ("-": of standard input) until it returns other than 0.
 * Empty lines and lines whose first word begins with # are skipped. Returns what it returned, or
 * XVM_FAILED with the reason said when the file cannot be read.
 */
int xvm_text_read(const char *path, xvm_text_handler *handler, void *context);

/* Say what is wrong with a line, and where it is; returns XVM_FAILED. */
int xvm_text_complain(const struct xvm_text_line *line, const char *format, ...);

/* Random numbers: xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. */
struct xvm_random {
	uint64_t state[4];
};

void xvm_random_init(struct xvm_random *random, uint64_t seed);
uint64_t xvm_random_next(struct xvm_random *random);

/* Uniform in [0, limit); limit > 0. */
uint32_t xvm_random_below(struct xvm_random *random, uint32_t limit);

#endif
