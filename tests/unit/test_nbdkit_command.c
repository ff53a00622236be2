/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_command.c: the commands of the control socket, and their answers.
 */
#include <errno.h>
#include <unistd.h>

#include "control_command.h"
#include "test_nbdkit_support.h"

enum { PAGE = 4096 };

static json_t *ask(struct rzn_disk *disk, const char *line, bool ok)
{
	json_t *answer = rzn_command_answer(disk, line);

	assert_non_null(answer);
	assert_int_equal(json_is_true(json_object_get(answer, "ok")), ok);
	return answer;
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static void fill(struct rzn_disk *disk, uint64_t pages)
{
	char page[PAGE];

	for (uint64_t i = 0; i < pages; i++) {
		page_of_noise(page, PAGE / 4, i);
		memset(page + PAGE / 4, (int)i, PAGE - PAGE / 4);
		assert_int_equal(ramz_write_page(disk->store, i, page), 0);
	}
}

static void stat_tells_what_the_store_counts(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_stats stats;
	json_t *answer, *store;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "memlimit=10M"));
	fill(&disk, 100);
	answer = ask(&disk, "stat", true);
	store = json_object_get(answer, "stats");
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(number(answer, "format"), 1);
	assert_int_equal(number(answer, "pid"), getpid());
	assert_int_equal(number(answer, "size_bytes"), 1 << 20);
	assert_int_equal(number(answer, "hard_limit_bytes"), 10 << 20);
	assert_string_equal(json_string_value(json_object_get(answer, "codec")), "lz4");
	assert_true(json_is_null(json_object_get(answer, "file")));
	assert_int_equal(number(store, "pages_stored"), 100);
	assert_int_equal(number(store, "held_bytes"), stats.held_bytes);
	assert_int_equal(number(store, "contexts"), stats.contexts);
	assert_int_equal(number(json_object_get(store, "ramzswap"), "good_compress_pct"),
			 stats.ramzswap.good_compress_pct);
	assert_int_equal(number(json_object_get(store, "mm_stat"), "mem_limit"), 10 << 20);
	assert_int_equal(number(json_object_get(store, "io_stat"), "failed_writes"), 0);
	assert_int_equal(number(json_object_get(store, "pool"), "objects"), 100);
	assert_true(number(json_object_get(answer, "write_latency"), "count") > 0);
	json_decref(answer);
	disk_end(&disk, &config);
}

static void bad_lines_get_a_reason_and_change_nothing(void **unused)
{
	static const char *const lines[] = {
		"",
		" ",
		"stats",
		"stat now",
		"sta",
		" stat",
		"trim all",
		"compact -1",
		"compact all",
		"compact 1 2",
		"limit",
		"limit 1",
		"limit 1 2 3",
		"limit 5000 1",
		"limit 1K 2K",
		"limit  1 2",
		"limit 1 2 ",
		"limit 1 -2",
		"codec",
		"codec rar",
		"codec lz4 ",
		"codec lz4 x",
		"codec lz4 999",
		"codec  lz4",
		"codec lz4 1 1",
		"save",
		"save disk",
		"save /",
		"save /nonexistent/disk",
		"limit 99999999999999999999 0",
		"codec lz4 99999999999",
		"\xff\xfe",
	};
	struct rzn_config config;
	struct ramz_stats before, after;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "softlimit=9M", "memlimit=10M"));
	fill(&disk, 100);
	ramz_get_stats(disk.store, &before);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		json_t *answer = ask(&disk, lines[i], false);

		assert_true(number(answer, "errno") > 0);
		assert_true(json_string_length(json_object_get(answer, "error")) > 20);
		json_decref(answer);
	}
	ramz_get_stats(disk.store, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_string_equal(ramz_get_codec(disk.store, NULL)->name, "lz4");
	disk_end(&disk, &config);
}

static void limit_and_codec_are_set(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "memlimit=10M"));
	answer = ask(&disk, "limit 1000000 -", true);
	assert_int_equal(number(answer, "soft_limit_bytes"), 1000000);
	assert_int_equal(number(answer, "hard_limit_bytes"), 10 << 20);
	json_decref(answer);
	answer = ask(&disk, "limit - 0", true);
	assert_int_equal(number(answer, "soft_limit_bytes"), 1000000);
	assert_int_equal(number(answer, "hard_limit_bytes"), 0);
	json_decref(answer);
	answer = ask(&disk, "codec none", true);
	assert_string_equal(json_string_value(json_object_get(answer, "codec")), "none");
	assert_string_equal(ramz_get_codec(disk.store, NULL)->name, "none");
	json_decref(answer);
	answer = ask(&disk, "codec lz4 -3", true);
	assert_int_equal(json_integer_value(json_object_get(answer, "level")), -3);
	json_decref(answer);
	disk_end(&disk, &config);
}

static void compact_and_trim_give_memory_back(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill(&disk, 2000);
	for (uint64_t i = 0; i < 2000; i++) {
		if (i % 10 != 0)
			assert_int_equal(ramz_discard(disk.store, i * PAGE, PAGE), 0);
	}
	answer = ask(&disk, "compact", true);
	assert_true(number(answer, "held_bytes_after") <= number(answer, "held_bytes_before"));
	assert_true(json_is_false(json_object_get(answer, "more")));
	json_decref(answer);
	answer = ask(&disk, "trim", true);
	(void)number(answer, "given_back_bytes");
	json_decref(answer);
	disk_end(&disk, &config);
}

/* A path may have blanks in it. */
static void save_writes_a_file_that_can_be_loaded(void **unused)
{
	char directory[] = "/tmp/test nbdkit.XXXXXX";
	char path[64], line[96];
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz *copy;
	json_t *answer;

	(void)unused;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/a disk", directory);
	(void)snprintf(line, sizeof(line), "save %s", path);
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	fill(&disk, 10);
	answer = ask(&disk, line, true);
	assert_string_equal(json_string_value(json_object_get(answer, "file")), path);
	assert_true(number(answer, "file_bytes") > 10000);
	json_decref(answer);
	assert_int_equal(ramz_load_file(&copy, NULL, NULL, 0, path, NULL), 0);
	ramz_destroy(copy);
	disk_end(&disk, &config);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_tells_what_the_store_counts),
		cmocka_unit_test(bad_lines_get_a_reason_and_change_nothing),
		cmocka_unit_test(limit_and_codec_are_set),
		cmocka_unit_test(compact_and_trim_give_memory_back),
		cmocka_unit_test(save_writes_a_file_that_can_be_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
