/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * state.c: ramz state: what each page of a served disk is. Pages are asked for and printed some
 * thousand at a time, so neither side needs memory for more. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client.h"
#include "command.h"

/* So many pages at a time; the server takes up to 8192. */
#define STATE_STEP 4096U

#define STATE_PAGE_MAX ((uint64_t)INT64_MAX)

static int state_words(const struct rzc_client *client, uint64_t *first, uint64_t *count)
{
	*first = 0;
	*count = STATE_PAGE_MAX;
	if (client->words.count > 0 &&
	    !xvm_parse_u64(client->words.word[0], NULL, 0, STATE_PAGE_MAX, first)) {
		xvm_error("FIRST is the number of a page, from 0 on, not '%s'",
			  client->words.word[0]);
		return XVM_FAILED;
	}
	if (client->words.count > 1 &&
	    !xvm_parse_u64(client->words.word[1], NULL, 1, STATE_PAGE_MAX, count)) {
		xvm_error("COUNT is a number of pages, from 1 on, not '%s'", client->words.word[1]);
		return XVM_FAILED;
	}
	return 0;
}

static int state_check(struct rzc_client *client)
{
	uint64_t first, count;

	return state_words(client, &first, &count);
}

struct state_page {
	uint64_t page, bytes, sharers;
	const char *kind;
	const char *codec; /* NULL = none */
};

static struct state_page state_page(const json_t *one)
{
	const char *kind = json_string_value(json_array_get(one, 1));

	return (struct state_page){
		.page = (uint64_t)json_integer_value(json_array_get(one, 0)),
		.kind = kind != NULL ? kind : "?",
		.bytes = (uint64_t)json_integer_value(json_array_get(one, 2)),
		.codec = json_string_value(json_array_get(one, 3)),
		.sharers = (uint64_t)json_integer_value(json_array_get(one, 4)),
	};
}

static void state_print_line(const struct state_page *page)
{
	printf("%12" PRIu64 "  %-10s  %5" PRIu64 "  %-5s", page->page, page->kind, page->bytes,
	       page->codec != NULL ? page->codec : "-");
	if (page->sharers > 1)
		printf("  %" PRIu64 " share it", page->sharers);
	putchar('\n');
}

/* Kinds and names of codecs are plain words. */
static void state_print_json(const struct state_page *page)
{
	const char *quote = page->codec != NULL ? "\"" : "";

	printf("{\"page\": %" PRIu64 ", \"kind\": \"%s\", \"bytes\": %" PRIu64
	       ", \"codec\": %s%s%s, \"sharers\": %" PRIu64 "}\n",
	       page->page, page->kind, page->bytes, quote,
	       page->codec != NULL ? page->codec : "null", quote, page->sharers);
}

/* What one answer tells below *end. */
static void state_print(const struct rzc_client *client, const json_t *answer, uint64_t end)
{
	const json_t *pages = json_object_get(answer, "state");

	for (size_t i = 0; i < json_array_size(pages); i++) {
		struct state_page page = state_page(json_array_get(pages, i));

		if (page.page >= end)
			return;
		if (client->lines)
			state_print_json(&page);
		else
			state_print_line(&page);
	}
}

/* Where to go on behind an answer; UINT64_MAX: nowhere. */
static uint64_t state_next(const json_t *answer, uint64_t first)
{
	const json_t *next = json_object_get(answer, "next");
	uint64_t page = json_is_integer(next) ? (uint64_t)json_integer_value(next) : UINT64_MAX;

	return page > first ? page : UINT64_MAX;
}

static int state_run(struct rzc_client *client)
{
	uint64_t first, count, end;

	(void)state_words(client, &first, &count);
	end = count > STATE_PAGE_MAX - first ? STATE_PAGE_MAX : first + count;
	while (first < end) {
		json_t *answer = rzc_client_ask(client, "state %" PRIu64 " %" PRIu64, first,
						end - first < STATE_STEP ? end - first
									 : (uint64_t)STATE_STEP);

		if (answer == NULL)
			return XVM_FAILED;
		state_print(client, answer, end);
		first = state_next(answer, first);
		json_decref(answer);
		if (fflush(stdout) != 0)
			return XVM_FAILED;
	}
	return 0;
}

static int state_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_STATE,
		.words_max = 2,
		.use = "Usage: ramz state [OPTION...] [FIRST [COUNT]]\n"
		       "Show what each page of a served disk is, of those that hold something: its "
		       "number,\n"
		       "same (filled with one word), compressed or raw, bytes of its form, codec.\n"
		       "\n"
		       "  FIRST                the number of the page to begin with (0)\n"
		       "  COUNT                look at so many pages (all)\n"
		       "\n"
		       "OPTION\n",
		.end = "\nExit status: 0, 1 when it could not be told, 2 when the command line is "
		       "wrong.\n",
		.run = state_run,
		.check = state_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_state = {
	.name = "state",
	.summary = "what each page of a served disk is",
	.run = state_main,
};
