/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * requests.c: the commands that are one request: what they ask for, and what they print of the
 * answer. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	printf("moved %s, gave back %s; held %s, now %s\n",
	       rzc_size_text(moved, rzc_count(answer, "moved_bytes")),
	       rzc_size_text(freed, rzc_count(answer, "freed_bytes")),
	       rzc_size_text(before, rzc_count(answer, "held_bytes_before")),
	       rzc_size_text(after, rzc_count(answer, "held_bytes_after")));
	if (json_is_true(json_object_get(answer, "more")))
		puts("there is more to move: call it again, or without BYTES");
}

/* ---- trim ---- */

void rzc_tell_trim(const json_t *answer)
{
	char bytes[RZC_SIZE_TEXT_BYTES];

	printf("gave back %s\n", rzc_size_text(bytes, rzc_count(answer, "given_back_bytes")));
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

/* The path of a request, as the server is in another directory. */
static int requests_path(char path[PATH_MAX], const char *word)
{
	if (strchr(word, '\n') == NULL)
		return rzc_place_absolute(path, word);
	xvm_error("a path with an end of line in it cannot be asked for: take another one");
	return XVM_FAILED;
}

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
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	printf("emptied; held %s, now %s\n",
	       rzc_size_text(before, rzc_count(answer, "held_bytes_before")),
	       rzc_size_text(after, rzc_count(answer, "held_bytes_after")));
}
