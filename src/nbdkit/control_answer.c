/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_answer.c: arguments and answers of commands; see control_answer.h. O(their length).
 */
#include "control_answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats_json.h"

bool rzn_request_is_stopped(const struct rzn_request *request)
{
	return request->stopped != NULL && atomic_load(request->stopped);
}

/* ---- answers ---- */

json_t *rzn_answer_ok(void)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_true());
	return answer;
}

json_t *rzn_answer_held(struct rzn_disk *disk, uint64_t before)
{
	json_t *answer = rzn_answer_ok();

	json_object_set_new(answer, "held_bytes_before", rzn_json_count(before));
	json_object_set_new(answer, "held_bytes_after", rzn_json_count(rzn_held_bytes(disk)));
	return answer;
}

json_t *rzn_answer_error(int error, const char *format, ...)
{
	json_t *answer = json_object();
	char text[8192];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", rzn_json_text(text));
	json_object_set_new(answer, "errno", json_integer(error));
	return answer;
}

uint64_t rzn_held_bytes(struct rzn_disk *disk)
{
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	return stats.held_bytes;
}

/* ---- arguments ---- */

bool rzn_parse_count(const char *text, uint64_t *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *count <= INT64_MAX;
}

bool rzn_take_word(const char **arguments, char word[RZN_WORD_BYTES])
{
	size_t length = strcspn(*arguments, " ");
	const char *end = *arguments + length;

	if (length == 0 || length >= RZN_WORD_BYTES || (*end == ' ' && end[1] == '\0'))
		return false;
	memcpy(word, *arguments, length);
	word[length] = '\0';
	*arguments = end + (*end == ' ');
	return true;
}
