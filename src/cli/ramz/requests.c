/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * requests.c: the commands that are one request: what they ask for, and what they print of the
 * answer. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ramz/backing.h>
#include <ramz/ramz.h>

#include "control.h"
#include "place.h"
#include "size.h"

/* The largest size that is taken anywhere: 2^60 bytes. */
#define REQUESTS_BYTES_MAX (UINT64_C(1) << 60)

/* The word of the command line, or NULL. */
static const char *requests_word(const struct rzc_options *options)
{
	return options->words.count > 0 ? options->words.word[0] : NULL;
}

/* The path of a request, as the server is in another directory. */
static int requests_path(char path[PATH_MAX], const char *word)
{
	if (strchr(word, '\n') == NULL)
		return rzc_place_absolute(path, word);
	xvm_error("a path with an end of line in it cannot be asked for: take another one");
	return XVM_FAILED;
}

/* The end of a line. */
static void requests_tell_held(const json_t *answer)
{
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	printf("held %s, now %s\n", rzc_size_text(before, rzc_count(answer, "held_bytes_before")),
	       rzc_size_text(after, rzc_count(answer, "held_bytes_after")));
}

/* ---- compact ---- */

int rzc_request_compact(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);
	uint64_t bytes;

	if (word == NULL)
		return 0;
	if (xvm_take_bytes("ramz compact", word, 0, 1, REQUESTS_BYTES_MAX, &bytes) != 0)
		return XVM_FAILED;
	snprintf(request, RZC_REQUEST_BYTES, "compact %" PRIu64, bytes);
	return 0;
}

void rzc_tell_compact(const json_t *answer)
{
	char moved[RZC_SIZE_TEXT_BYTES], freed[RZC_SIZE_TEXT_BYTES];

	printf("moved %s, gave back %s; ", rzc_size_text(moved, rzc_count(answer, "moved_bytes")),
	       rzc_size_text(freed, rzc_count(answer, "freed_bytes")));
	requests_tell_held(answer);
	if (json_is_true(json_object_get(answer, "more")))
		puts("there is more to move: call it again, or without BYTES");
}

/* ---- trim ---- */

void rzc_tell_trim(const json_t *answer)
{
	char bytes[RZC_SIZE_TEXT_BYTES];

	printf("gave back %s\n", rzc_size_text(bytes, rzc_count(answer, "given_back_bytes")));
}

/* ---- idle, recompress, writeback ---- */

void rzc_tell_idle(const json_t *answer)
{
	const json_t *ages = json_object_get(answer, "ages");
	const char *between = "";

	printf("pages by age:");
	for (uint32_t i = 0; i < RAMZ_AGE_BUCKETS; i++) {
		json_int_t pages = json_integer_value(json_array_get(ages, i));
		uint32_t first = ramz_age_floor(i), next = ramz_age_floor(i + 1);

		if (pages == 0)
			continue;
		printf("%s %" PRIu32, between, first);
		if (i + 1 == RAMZ_AGE_BUCKETS)
			putchar('+');
		else if (next - first > 1)
			printf("-%" PRIu32, next - 1);
		printf(": %" JSON_INTEGER_FORMAT, pages);
		between = ",";
	}
	puts(between[0] == '\0' ? " none" : "");
}

/* Append which pages are meant. */
static int requests_select(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	char *end = request + strlen(request);
	uint64_t bytes;

	if (options->age > 0)
		end += sprintf(end, " age=%" PRIu64, options->age);
	if (options->max_pages > 0)
		end += sprintf(end, " max-pages=%" PRIu64, options->max_pages);
	if (options->min_bytes == NULL)
		return 0;
	if (strcmp(options->min_bytes, "raw") == 0) {
		strcpy(end, " min-bytes=raw");
		return 0;
	}
	if (xvm_take_bytes("--min-bytes", options->min_bytes, 0, 0, REQUESTS_BYTES_MAX, &bytes) !=
	    0)
		return XVM_FAILED;
	sprintf(end, " min-bytes=%" PRIu64, bytes);
	return 0;
}

int rzc_request_recompress(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);

	if (word != NULL && strcmp(word, "warm") != 0 && strcmp(word, "cold") != 0) {
		xvm_error("'%s' is no tier: give warm or cold", word);
		return XVM_FAILED;
	}
	if (word != NULL)
		snprintf(request, RZC_REQUEST_BYTES, "recompress %s", word);
	return requests_select(options, request);
}

static void requests_tell_damaged(const json_t *answer)
{
	uint64_t damaged = rzc_count(answer, "damaged");

	if (damaged > 0)
		printf("passed over %" PRIu64 " damaged pages\n", damaged);
}

void rzc_tell_recompress(const json_t *answer)
{
	const char *tier = json_string_value(json_object_get(answer, "tier"));
	char saved[RZC_SIZE_TEXT_BYTES];

	printf("%" PRIu64 " of %" PRIu64 " pages that were tried went into the %s tier, and saved "
	       "%s; ",
	       rzc_count(answer, "recompressed"), rzc_count(answer, "tried"),
	       tier != NULL ? tier : "?", rzc_size_text(saved, rzc_count(answer, "saved_bytes")));
	requests_tell_held(answer);
	requests_tell_damaged(answer);
}

int rzc_request_writeback(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	return requests_select(options, request);
}

void rzc_tell_writeback(const json_t *answer)
{
	char forms[RZC_SIZE_TEXT_BYTES], written[RZC_SIZE_TEXT_BYTES];

	printf("%" PRIu64 " pages of %s went to the backing file, with %s written; ",
	       rzc_count(answer, "pages"), rzc_size_text(forms, rzc_count(answer, "form_bytes")),
	       rzc_size_text(written, rzc_count(answer, "written_bytes")));
	requests_tell_held(answer);
	requests_tell_damaged(answer);
}

/* ---- backing ---- */

int rzc_request_backing(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);
	char path[PATH_MAX];
	uint64_t bytes = 0;

	if (word == NULL) {
		snprintf(request, RZC_REQUEST_BYTES, "stat");
		return 0;
	}
	if (options->words.count > 1 && xvm_take_bytes("ramz backing", options->words.word[1], 0, 1,
						       REQUESTS_BYTES_MAX, &bytes) != 0)
		return XVM_FAILED;
	if (strcmp(word, "none") == 0 && options->words.count == 1) {
		snprintf(request, RZC_REQUEST_BYTES, "backing none");
		return 0;
	}
	if (requests_path(path, word) != 0)
		return XVM_FAILED;
	snprintf(request, RZC_REQUEST_BYTES, "backing %" PRIu64 " %s", bytes, path);
	return 0;
}

void rzc_tell_backing(const json_t *answer)
{
	const json_t *backing = json_object_get(answer, "backing");
	char size[RZC_SIZE_TEXT_BYTES], room[RZC_SIZE_TEXT_BYTES], live[RZC_SIZE_TEXT_BYTES];

	if (!json_is_object(backing)) {
		puts("no backing file");
		return;
	}
	printf("backing file of %s, %s free; %" PRIu64 " pages of %s on it\n",
	       rzc_size_text(size, rzc_count(backing, "segments") * RAMZ_SEGMENT_BYTES),
	       rzc_size_text(room, rzc_count(backing, "free_segments") * RAMZ_SEGMENT_BYTES),
	       rzc_count(backing, "pages"), rzc_size_text(live, rzc_count(backing, "live_bytes")));
}

/* ---- limit ---- */

/* A word of the request: bytes, 0 for none, "-" to leave the limit as it is. */
static int limit_word(char word[24], const char *option, const char *text)
{
	uint64_t bytes = 0;

	snprintf(word, 24, "-");
	if (text == NULL)
		return 0;
	if (strcmp(text, "none") != 0 &&
	    xvm_take_bytes(option, text, ramz_memory_bytes(), 0, REQUESTS_BYTES_MAX, &bytes) != 0)
		return XVM_FAILED;
	snprintf(word, 24, "%" PRIu64, bytes);
	return 0;
}

int rzc_request_limit(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	char soft[24], hard[24];

	if (limit_word(soft, "--soft", options->soft) != 0 ||
	    limit_word(hard, "--hard", options->hard) != 0)
		return XVM_FAILED;
	snprintf(request, RZC_REQUEST_BYTES, "limit %s %s", soft, hard);
	return 0;
}

static const char *limit_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes)
{
	return bytes > 0 ? rzc_size_text(text, bytes) : "none";
}

void rzc_tell_limit(const json_t *answer)
{
	char soft[RZC_SIZE_TEXT_BYTES], hard[RZC_SIZE_TEXT_BYTES];

	printf("soft %s, hard %s\n", limit_text(soft, rzc_count(answer, "soft_limit_bytes")),
	       limit_text(hard, rzc_count(answer, "hard_limit_bytes")));
}

/* ---- codec ---- */

/* The server knows its codecs and their levels; another build may have others. */
int rzc_request_codec(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);

	if (word == NULL) {
		snprintf(request, RZC_REQUEST_BYTES, "stat");
		return 0;
	}
	if (word[0] == '\0' || word[strcspn(word, " \t\n")] != '\0') {
		xvm_error("'%s' is no codec: give NAME or NAME:LEVEL, such as zstd:3", word);
		return XVM_FAILED;
	}
	snprintf(request, RZC_REQUEST_BYTES, "codec %s", word);
	return 0;
}

void rzc_tell_codec(const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "codec"));

	printf("%s level %" JSON_INTEGER_FORMAT "\n", name != NULL ? name : "?",
	       json_integer_value(json_object_get(answer, "level")));
}

/* ---- save and snapshot ---- */

static int requests_with_path(const char *command, const char *word,
			      char request[RZC_REQUEST_BYTES])
{
	char path[PATH_MAX];

	if (requests_path(path, word) != 0)
		return XVM_FAILED;
	snprintf(request, RZC_REQUEST_BYTES, "%s %s", command, path);
	return 0;
}

int rzc_request_save(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);

	return word != NULL ? requests_with_path("save", word, request) : 0;
}

int rzc_request_snapshot(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);

	if (word != NULL)
		return requests_with_path("snapshot", word, request);
	xvm_error("ramz snapshot needs the path of a file; see ramz snapshot --help");
	return XVM_FAILED;
}

void rzc_tell_save(const json_t *answer)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	char bytes[RZC_SIZE_TEXT_BYTES];

	printf("saved to %s, %s\n", file != NULL ? file : "?",
	       rzc_size_text(bytes, rzc_count(answer, "file_bytes")));
}

/* ---- resize ---- */

int rzc_request_resize(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	const char *word = requests_word(options);
	uint64_t bytes;

	if (word == NULL) {
		xvm_error("ramz resize needs the new size; see ramz resize --help");
		return XVM_FAILED;
	}
	if (xvm_take_bytes("ramz resize", word, ramz_memory_bytes(), 1, REQUESTS_BYTES_MAX,
			   &bytes) != 0)
		return XVM_FAILED;
	snprintf(request, RZC_REQUEST_BYTES, "resize %" PRIu64 "%s", bytes,
		 options->force ? " force" : "");
	return 0;
}

void rzc_tell_resize(const json_t *answer)
{
	uint64_t dropped = rzc_count(answer, "pages_dropped"),
		 clients = rzc_count(answer, "clients");
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	printf("was %s, now %s\n", rzc_size_text(before, rzc_count(answer, "size_bytes_before")),
	       rzc_size_text(after, rzc_count(answer, "size_bytes")));
	if (dropped > 0)
		printf("dropped %" PRIu64 " pages behind the new end\n", dropped);
	if (clients > 0)
		printf("clients connected now (%" PRIu64 ") see it when they connect again\n",
		       clients);
}

/* ---- reset ---- */

int rzc_request_reset(const struct rzc_options *options, char request[RZC_REQUEST_BYTES])
{
	if (!options->yes) {
		xvm_error("ramz reset drops all that the disk holds: give --yes if you mean that");
		return XVM_FAILED;
	}
	if (options->force)
		snprintf(request, RZC_REQUEST_BYTES, "reset force");
	return 0;
}

void rzc_tell_reset(const json_t *answer)
{
	printf("emptied; ");
	requests_tell_held(answer);
}
