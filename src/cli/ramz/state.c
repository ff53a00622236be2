/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * state.c: ramz state: what each page of a served disk is. Pages are asked for and printed some
 * thousand at a time, so neither side needs memory for more. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "control.h"

/* So many pages at a time; the server takes up to 8192. */
#define STATE_STEP 4096U

#define STATE_PAGE_MAX ((uint64_t)INT64_MAX)

/* What of a page stands where in its array. */
enum { STATE_PAGE, STATE_KIND, STATE_BYTES, STATE_CODEC, STATE_SHARERS };

static int state_words(const struct xvm_words *words, uint64_t *first, uint64_t *count)
{
	*first = 0;
	*count = STATE_PAGE_MAX;
	if (words->count > 0 && !xvm_parse_u64(words->word[0], 0, STATE_PAGE_MAX, first)) {
		xvm_error("FIRST is the number of a page, from 0 on, not '%s'", words->word[0]);
		return XVM_FAILED;
	}
	if (words->count > 1 && !xvm_parse_u64(words->word[1], 1, STATE_PAGE_MAX, count)) {
		xvm_error("COUNT is a number of pages, from 1 on, not '%s'", words->word[1]);
		return XVM_FAILED;
	}
	return 0;
}

static json_int_t state_number(const json_t *page, size_t index)
{
	return json_integer_value(json_array_get(page, index));
}

static void state_print_line(const json_t *page)
{
	const char *kind = json_string_value(json_array_get(page, STATE_KIND));
	const char *codec = json_string_value(json_array_get(page, STATE_CODEC));

	printf("%12" JSON_INTEGER_FORMAT "  %-10s  %5" JSON_INTEGER_FORMAT "  %-5s",
	       state_number(page, STATE_PAGE), kind != NULL ? kind : "?",
	       state_number(page, STATE_BYTES), codec != NULL ? codec : "-");
	if (state_number(page, STATE_SHARERS) > 1)
		printf("  %" JSON_INTEGER_FORMAT " share it", state_number(page, STATE_SHARERS));
	putchar('\n');
}

/* What one answer tells below `end`. */
static void state_print(const json_t *answer, uint64_t end)
{
	const json_t *pages = json_object_get(answer, "state");

	for (size_t i = 0; i < json_array_size(pages); i++) {
		const json_t *page = json_array_get(pages, i);

		if ((uint64_t)state_number(page, STATE_PAGE) >= end)
			return;
		state_print_line(page);
	}
}

/* Where to go on behind an answer; UINT64_MAX: nowhere. */
static uint64_t state_next(const json_t *answer, uint64_t first)
{
	uint64_t page = rzc_count(answer, "next");

	return page > first ? page : UINT64_MAX;
}

static int state_run(const struct rzc_server *server, uint64_t first, uint64_t end)
{
	while (first < end) {
		uint64_t step = end - first < STATE_STEP ? end - first : STATE_STEP;
		json_t *answer = rzc_ask(server, "state %" PRIu64 " %" PRIu64, first, step);

		if (answer == NULL)
			return XVM_EXIT_FAILURE;
		state_print(answer, end);
		first = state_next(answer, first);
		json_decref(answer);
		if (fflush(stdout) != 0)
			return XVM_EXIT_FAILURE;
	}
	return XVM_EXIT_OK;
}

int rzc_state(const struct rzc_options *options)
{
	struct rzc_server server;
	uint64_t first, count;

	if (state_words(&options->words, &first, &count) != 0)
		return XVM_EXIT_USAGE;
	if (rzc_server_find(&server, options) != 0)
		return XVM_EXIT_FAILURE;
	return state_run(&server, first,
			 count > STATE_PAGE_MAX - first ? STATE_PAGE_MAX : first + count);
}
