/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_ask.h: asking the commands of the control socket, without the socket.
 *
 * Owns nothing. May call: the plugin's headers, CMocka. Locking: none; one thread.
 */
#ifndef TEST_NBDKIT_ASK_H
#define TEST_NBDKIT_ASK_H

#include "control_command.h"
#include "test_nbdkit_support.h"

enum { PAGE = 4096 };

static inline json_t *ask(struct rzn_disk *disk, const char *line, bool ok)
{
	json_t *answer = rzn_command_answer(disk, line, NULL);

	assert_non_null(answer);
	assert_int_equal(json_is_true(json_object_get(answer, "ok")), ok);
	return answer;
}

static inline uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static inline void fill(struct rzn_disk *disk, uint64_t pages)
{
	char page[PAGE];

	for (uint64_t i = 0; i < pages; i++) {
		page_of_noise(page, PAGE / 4, i);
		memset(page + PAGE / 4, (int)i, PAGE - PAGE / 4);
		assert_int_equal(ramz_write_page(disk->store, i, page), 0);
	}
}

/* Words of few letters: lz4 makes them half as long, a stronger level less. */
static inline void fill_with_text(struct rzn_disk *disk, uint64_t first, uint64_t pages)
{
	char page[PAGE];

	for (uint64_t i = first; i < first + pages; i++) {
		uint64_t state = i + 1;

		for (size_t at = 0; at < PAGE; at += 4) {
			uint64_t word = random_next(&state) % 300;

			page[at] = ' ';
			page[at + 1] = (char)('a' + word % 7);
			page[at + 2] = (char)('a' + word / 7 % 7);
			page[at + 3] = (char)('a' + word / 49);
		}
		assert_int_equal(ramz_write_page(disk->store, i, page), 0);
	}
}

/* A command that must be refused with this errno and a text that has these words in it. */
static inline void ask_refused(struct rzn_disk *disk, const char *line, int error,
			       const char *words)
{
	json_t *answer = ask(disk, line, false);

	assert_int_equal(number(answer, "errno"), error);
	if (strstr(json_string_value(json_object_get(answer, "error")), words) == NULL)
		fail_msg("%s: %s", line, json_string_value(json_object_get(answer, "error")));
	json_decref(answer);
}

/* Commands that must be refused with a text, and change nothing. */
static inline void ask_refuses_all(struct rzn_disk *disk, const char *const *lines, size_t count)
{
	struct ramz_stats before, after;

	ramz_get_stats(disk->store, &before);
	for (size_t i = 0; i < count; i++) {
		json_t *answer = ask(disk, lines[i], false);

		assert_true(number(answer, "errno") > 0);
		assert_true(json_string_length(json_object_get(answer, "error")) > 20);
		json_decref(answer);
	}
	ramz_get_stats(disk->store, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

#endif
