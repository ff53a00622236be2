/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * base.c: messages, memory, numbers and random draws; see base.h.
 *
 * Owns the global state of a front end: its name.
 * May call the C library. Locking: none.
 */
#include "base.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "size_text.h"

/* Back to the start of the line, and erase it (ECMA-48 EL). */
#define COMMON_ERASE "\r\033[K"

static const char *common_program = "xvfrag";

static void common_say(const char *format, va_list args)
{
	xvm_progress("");
	fprintf(stderr, "%s: ", common_program);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void xvm_set_program(const char *name)
{
	common_program = name;
}

void xvm_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	common_say(format, args);
	va_end(args);
}

void xvm_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	common_say(format, args);
	va_end(args);
}

void xvm_progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDERR_FILENO))
		return;
	fputs(COMMON_ERASE, stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fflush(stderr);
}

FILE *xvm_output_open(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");

	if (file == NULL)
		xvm_error("cannot write %s: %s", path, strerror(errno));
	return file;
}

int xvm_output_close(FILE *file, const char *path)
{
	bool failed = fflush(file) != 0 || ferror(file) != 0;

	if (file != stdout)
		failed |= fclose(file) != 0;
	if (failed)
		xvm_error("cannot write %s: %s", path, strerror(errno));
	return failed ? XVM_FAILED : 0;
}

uint64_t xvm_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void *common_check(void *memory)
{
	if (memory == NULL) {
		xvm_error("out of memory; use --objects or --max-input to make the run smaller");
		exit(XVM_EXIT_FAILURE);
	}
	return memory;
}

void *xvm_calloc(size_t count, size_t item_bytes)
{
	return common_check(calloc(count > 0 ? count : 1, item_bytes));
}

void *xvm_realloc(void *memory, size_t count, size_t item_bytes)
{
	if (count > SIZE_MAX / item_bytes)
		return common_check(NULL);
	return common_check(realloc(memory, count > 0 ? count * item_bytes : 1));
}

char *xvm_strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;

	return memcpy(xvm_realloc(NULL, bytes, 1), text, bytes);
}

void *xvm_grow(void *memory, size_t *capacity, size_t need, size_t item_bytes)
{
	if (need <= *capacity)
		return memory;
	*capacity = *capacity > need / 2 ? *capacity * 2 : need + 16;
	return xvm_realloc(memory, *capacity, item_bytes);
}

void xvm_u32s_append(struct xvm_u32s *list, uint32_t value)
{
	list->items = xvm_grow(list->items, &list->capacity, list->count + 1, sizeof(value));
	list->items[list->count++] = value;
}

bool xvm_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	if (sum < min || sum > max)
		return false;
	*value = sum;
	return true;
}

int xvm_take_bytes(const char *option, const char *text, uint64_t memory_bytes, uint64_t min,
		   uint64_t max, uint64_t *value)
{
	uint64_t bytes;
	const char *fault = xvt_size_parse(text, memory_bytes, &bytes);

	if (fault != NULL)
		xvm_error("%s takes bytes, such as 512M or 1.5G, not '%s': %s", option, text,
			  fault);
	else if (bytes < min || bytes > max)
		xvm_error("%s takes bytes, %" PRIu64 " to %" PRIu64 ", not '%s'", option, min, max,
			  text);
	else
		*value = bytes;
	return fault == NULL && bytes >= min && bytes <= max ? 0 : XVM_FAILED;
}

bool xvm_spread_takes(uint64_t index, uint64_t total, uint64_t want)
{
	if (want >= total)
		return true;
	/* Bresenham's line: a step of index * want / total is one taken. */
	return (index + 1) * want / total > index * want / total;
}

static uint64_t random_rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static uint64_t random_splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void xvm_random_init(struct xvm_random *random, uint64_t seed)
{
	for (size_t i = 0; i < 4; i++)
		random->state[i] = random_splitmix(&seed);
}

uint64_t xvm_random_next(struct xvm_random *random)
{
	uint64_t *s = random->state;
	uint64_t result = random_rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotate(s[3], 45);
	return result;
}

uint32_t xvm_random_below(struct xvm_random *random, uint32_t limit)
{
	/* The high half of a product: a bias of limit / 2^32 does not matter here. */
	return (uint32_t)(((xvm_random_next(random) >> 32) * limit) >> 32);
}

/* ---- files of short lines --------------------------------------------------- */

static const char text_blanks[] = " \t\r\n";

int xvm_text_complain(const struct xvm_text_line *line, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	xvm_error("%s:%" PRIu64 ": %s; the line begins with '%.40s'", line->path, line->number,
		  what, line->words[0]);
	return XVM_FAILED;
}

static void text_split(struct xvm_text_line *line, char *text)
{
	char *rest = NULL;

	line->word_count = 0;
	for (char *word = strtok_r(text, text_blanks, &rest);
	     word != NULL && line->word_count < XVM_TEXT_WORDS_MAX;
	     word = strtok_r(NULL, text_blanks, &rest))
		line->words[line->word_count++] = word;
}

static int text_read_stream(FILE *file, const char *path, xvm_text_handler *handler, void *context)
{
	struct xvm_text_line line = {.path = path};
	char *text = NULL;
	size_t text_bytes = 0;
	int result = 0;

	while (result == 0 && getline(&text, &text_bytes, file) >= 0) {
		line.number++;
		text_split(&line, text);
		if (line.word_count > 0 && line.words[0][0] != '#')
			result = handler(context, &line);
	}
	free(text);
	if (result == 0 && ferror(file)) {
		xvm_error("cannot read %s: %s", path, strerror(errno));
		return XVM_FAILED;
	}
	return result;
}

int xvm_text_read(const char *path, xvm_text_handler *handler, void *context)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	int result;

	if (file == NULL) {
		xvm_error("cannot open %s: %s", path, strerror(errno));
		return XVM_FAILED;
	}
	result = text_read_stream(file, is_stdin ? "standard input" : path, handler, context);
	if (!is_stdin)
		fclose(file);
	return result;
}
