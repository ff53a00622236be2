/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_command.c: the commands of the control socket, and their answers.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "test_nbdkit_ask.h"

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
		"state",
		"state 1",
		"state 0 0",
		"state 0 8193",
		"state -1 5",
		"state 0 5 5",
		"reset all",
		"reset force force",
		"reset-peak now",
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
		"codec lz4:x",
		"codec lz4:999",
		"codec  lz4",
		"codec lz4 1",
		"save",
		"save disk",
		"save /",
		"save /nonexistent/disk",
		"snapshot",
		"snapshot disk",
		"snapshot /nonexistent/disk",
		"resize",
		"resize 0",
		"resize -1",
		"resize 1M",
		"resize 2097152 now",
		"resize 2097152 force force",
		"resize 2097152 ",
		"resize 9223372036854775807",
		"resize 4096",
		"limit 99999999999999999999 0",
		"codec lz4:99999999999",
		"\xff\xfe",
	};
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "soft-limit=9M", "hard-limit=10M"));
	fill(&disk, 100);
	ask_refuses_all(&disk, lines, sizeof(lines) / sizeof(lines[0]));
	ask_refused(&disk, "stats", EINVAL, "no such command: 'stats'; there are stat, ");
	ask_refused(&disk, "stats", EINVAL, ", reset and reset-peak");
	ask_refused(&disk, "snapshot", EINVAL, "say snapshot PATH");
	assert_string_equal(ramz_get_codec(disk.store, NULL)->name, "lz4");
	assert_int_equal(ramz_size_bytes(disk.store), 1 << 20);
	disk_end(&disk, &config);
}

static void limit_and_codec_are_set(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "hard-limit=10M"));
	answer = ask(&disk, "limit 1000000 -", true);
	assert_int_equal(number(answer, "soft_limit_bytes"), 1000000);
	assert_int_equal(number(answer, "hard_limit_bytes"), 10 << 20);
	json_decref(answer);
	answer = ask(&disk, "limit - 0", true);
	assert_int_equal(number(answer, "soft_limit_bytes"), 1000000);
	assert_int_equal(number(answer, "hard_limit_bytes"), 0);
	json_decref(answer);
	ask_refused(&disk, "limit 3000000 2000000", EINVAL,
		    "3000000 bytes, is above the hard one, 2000000");
	answer = ask(&disk, "codec none", true);
	assert_string_equal(json_string_value(json_object_get(answer, "codec")), "none");
	assert_string_equal(ramz_get_codec(disk.store, NULL)->name, "none");
	json_decref(answer);
	answer = ask(&disk, "codec lz4:-3", true);
	assert_int_equal(json_integer_value(json_object_get(answer, "level")), -3);
	json_decref(answer);
	disk_end(&disk, &config);
}

static void compact_and_trim_give_memory_back(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_stats before, after;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill(&disk, 2000);
	for (uint64_t i = 0; i < 2000; i++) {
		if (i % 10 != 0)
			assert_int_equal(ramz_discard(disk.store, i * PAGE, PAGE), 0);
	}
	answer = ask(&disk, "compact 4096", true);
	if (sysconf(_SC_PAGESIZE) == 4096) { /* with larger ones there is less to gain */
		assert_true(json_is_true(json_object_get(answer, "more")));
		assert_true(number(answer, "moved_bytes") > 0);
	}
	assert_in_range(number(answer, "moved_bytes"), 0, 4096 + PAGE);
	json_decref(answer);
	answer = ask(&disk, "compact", true);
	assert_true(number(answer, "held_bytes_after") < number(answer, "held_bytes_before"));
	assert_true(json_is_false(json_object_get(answer, "more")));
	json_decref(answer);
	assert_int_equal(ramz_discard(disk.store, 0, 64 << 20), 0);
	ramz_get_stats(disk.store, &before);
	answer = ask(&disk, "trim", true);
	ramz_get_stats(disk.store, &after);
	assert_true(number(answer, "given_back_bytes") > 0);
	assert_true(after.held_bytes < before.held_bytes);
	json_decref(answer);
	disk_end(&disk, &config);
}

static void reset_empties_the_disk_unless_clients_are_connected(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_stats stats;
	int32_t level;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", "hard-limit=10M"));
	fill(&disk, 100);
	atomic_store(&disk.clients, 2);
	answer = ask(&disk, "reset", false);
	assert_int_equal(number(answer, "errno"), EBUSY);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), "2 clients"));
	json_decref(answer);
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(stats.pages_stored, 100);
	json_decref(ask(&disk, "reset force", true));
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(stats.pages_stored, 0);
	fill(&disk, 100);
	json_decref(ask(&disk, "codec lz4:-3", true));
	atomic_store(&disk.clients, 0);
	answer = ask(&disk, "reset", true);
	assert_true(number(answer, "held_bytes_after") < number(answer, "held_bytes_before"));
	json_decref(answer);
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(stats.pages_stored + stats.writes, 0);
	assert_int_equal(stats.hard_limit_bytes, 10 << 20);
	assert_int_equal(stats.size_bytes, 1 << 20);
	(void)ramz_get_codec(disk.store, &level);
	assert_int_equal(level, -3);
	disk_end(&disk, &config);
}

static uint64_t peak(struct rzn_disk *disk)
{
	json_t *answer = ask(disk, "stat", true);
	const json_t *stats = json_object_get(answer, "stats");
	uint64_t bytes = number(json_object_get(stats, "mm_stat"), "mem_used_max");

	json_decref(answer);
	return bytes;
}

static void reset_peak_begins_the_largest_held_bytes_anew(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_stats stats;
	uint64_t before;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill(&disk, 2000);
	before = peak(&disk);
	assert_int_equal(ramz_discard(disk.store, 0, 2000 * PAGE), 0);
	json_decref(ask(&disk, "trim", true));
	assert_true(peak(&disk) >= before);
	json_decref(ask(&disk, "reset-peak", true));
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(peak(&disk), stats.pool.held_bytes);
	assert_true(peak(&disk) < before);
	assert_int_equal(stats.notify_free, 2000); /* the rest stays */
	disk_end(&disk, &config);
}

/* One answer of `state`: its pages are counted into kinds. */
static const json_t *state_next(struct rzn_disk *disk, uint64_t first, uint64_t count,
				json_t **answer)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "state %llu %llu", (unsigned long long)first,
		       (unsigned long long)count);
	*answer = ask(disk, line, true);
	return json_object_get(*answer, "next");
}

static uint64_t state_page(const json_t *answer, size_t at, const char *kind)
{
	const json_t *one = json_array_get(json_object_get(answer, "state"), at);

	assert_int_equal(json_array_size(one), 5);
	assert_string_equal(json_string_value(json_array_get(one, 1)), kind);
	return (uint64_t)json_integer_value(json_array_get(one, 0));
}

static void state_tells_of_each_page_that_holds_something(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	const json_t *next, *one;
	char page[PAGE];
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1T", "dedup=true"));
	fill(&disk, 3);
	memset(page, 7, PAGE);
	assert_int_equal(ramz_write_page(disk.store, 5, page), 0);
	page_of_noise(page, PAGE, 1);
	assert_int_equal(ramz_write_page(disk.store, 100000, page), 0);
	assert_int_equal(ramz_write_page(disk.store, (1U << 28) - 1, page), 0);
	next = state_next(&disk, 0, 4, &answer);
	assert_int_equal(number(answer, "pages"), 1 << 28);
	assert_int_equal(state_page(answer, 0, "compressed"), 0);
	assert_int_equal(state_page(answer, 2, "compressed"), 2);
	assert_int_equal(state_page(answer, 3, "same"), 5);
	assert_int_equal(json_integer_value(next), 6);
	json_decref(answer);
	next = state_next(&disk, 6, 4, &answer);
	assert_true(json_is_null(next));
	assert_int_equal(json_array_size(json_object_get(answer, "state")), 2);
	assert_int_equal(state_page(answer, 0, "raw"), 100000);
	assert_int_equal(state_page(answer, 1, "raw"), (1U << 28) - 1);
	one = json_array_get(json_object_get(answer, "state"), 1);
	assert_int_equal(json_integer_value(json_array_get(one, 2)), PAGE);
	assert_true(json_is_null(json_array_get(one, 3)));
	assert_int_equal(json_integer_value(json_array_get(one, 4)), 2);
	json_decref(answer);
	/* Behind the end there is nothing. */
	next = state_next(&disk, 1U << 28, 4, &answer); /* json_is_null asks for it twice */
	assert_true(json_is_null(next));
	json_decref(answer);
	next = state_next(&disk, INT64_MAX, 1, &answer);
	assert_true(json_is_null(next));
	json_decref(answer);
	disk_end(&disk, &config);
}

static void resize_keeps_what_it_does_not_drop(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	char page[PAGE];
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	fill(&disk, 100);
	atomic_store(&disk.clients, 1); /* who is connected need not notice that it grows */
	answer = ask(&disk, "resize 2000001", true);
	assert_int_equal(number(answer, "size_bytes_before"), 1 << 20);
	assert_int_equal(number(answer, "size_bytes"), 489 * PAGE);
	assert_int_equal(number(answer, "clients"), 1);
	json_decref(answer);
	assert_int_equal(ramz_size_bytes(disk.store), 489 * PAGE);
	memset(page, 0, PAGE);
	assert_int_equal(ramz_write_page(disk.store, 488, page), 0);
	ask_refused(&disk, "resize 1048576", EBUSY, "1 client is connected");
	ask_refused(&disk, "resize 1048576 force", EBUSY, "1 client is connected");
	json_decref(ask(&disk, "resize 2000001", true)); /* nothing to refuse */
	atomic_store(&disk.clients, 0);
	ask_refused(&disk, "resize 200000", ENOTEMPTY,
		    "51 pages behind the new end hold data, which would be lost: the least size "
		    "that keeps all is 409600;");
	assert_int_equal(ramz_size_bytes(disk.store), 489 * PAGE);
	answer = ask(&disk, "resize 409600", true); /* a page of zeros is no loss */
	assert_int_equal(number(answer, "pages_dropped"), 1);
	json_decref(answer);
	answer = ask(&disk, "resize 200000 force", true);
	assert_int_equal(number(answer, "pages_dropped"), 51);
	json_decref(answer);
	answer = ask(&disk, "state 0 8192", true);
	assert_int_equal(number(answer, "pages"), 49);
	assert_int_equal(json_array_size(json_object_get(answer, "state")), 49);
	json_decref(answer);
	answer = ask(&disk, "stat", true);
	assert_int_equal(number(answer, "size_bytes"), 49 * PAGE);
	json_decref(answer);
	json_decref(ask(&disk, "resize 1048576", true)); /* what was dropped does not come back */
	assert_int_equal(ramz_read_page(disk.store, 60, page), 0);
	assert_true(ramz_page_is_same_filled(page, PAGE, NULL) && page[0] == 0);
	disk_end(&disk, &config);
}

#define SAVED_DIRECTORY "/tmp/test_nbdkit.XXXXXX"

enum { SAVED_FILE_ROOM = 64 };

/* A disk with a file, in a directory that is made: file gets its parameter. */
static void saved_disk_of(struct rzn_disk *disk, struct rzn_config *config, char *directory,
			  char file[SAVED_FILE_ROOM])
{
	assert_non_null(mkdtemp(directory));
	(void)snprintf(file, SAVED_FILE_ROOM, "file=%s/disk", directory);
	disk_of(disk, config, PARAMETERS("size=1M", file));
}

/* The size in the file, in the disk and in the answers is one. */
static void resize_is_saved(void **unused)
{
	char directory[] = SAVED_DIRECTORY, file[SAVED_FILE_ROOM];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	saved_disk_of(&disk, &config, directory, file);
	fill(&disk, 100);
	json_decref(ask(&disk, "save", true));
	assert_false(rzn_file_is_stale(&disk));
	json_decref(ask(&disk, "resize 2097152", true));
	assert_true(rzn_file_is_stale(&disk));
	json_decref(ask(&disk, "save", true));
	ask_refused(&disk, "snapshot /nonexistent/disk", ENOENT, "left as it was");
	rzn_disk_freeze(&disk);
	ask_refused(&disk, "resize 3000000", ESHUTDOWN, "ending");
	disk_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS(file));
	assert_int_equal(ramz_size_bytes(disk.store), 2 << 20);
	assert_false(rzn_file_is_stale(&disk));
	json_decref(ask(&disk, "resize 409600", true));
	assert_int_equal(rzn_file_save_at_end(&disk), RZN_SAVED);
	disk_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS(file));
	assert_int_equal(ramz_size_bytes(disk.store), 409600);
	disk_end(&disk, &config);
	assert_int_equal(unlink(file + strlen("file=")), 0);
	assert_int_equal(rmdir(directory), 0);
}

struct growth {
	struct rzn_disk *disk;
	_Atomic bool ended;
};

static void *grow_and_shrink(void *context)
{
	struct growth *growth = context;

	for (unsigned i = 0; i < 2000; i++)
		json_decref(rzn_command_answer(
			growth->disk, i % 2 != 0 ? "resize 1048576" : "resize 2097152", NULL));
	atomic_store(&growth->ended, true);
	return NULL;
}

/* A connection that has asked for the size has it for as long as it lasts. */
static void a_disk_does_not_shrink_under_a_client_that_comes(void **unused)
{
	struct growth growth = {.ended = false};
	struct rzn_config config;
	struct rzn_disk disk;
	pthread_t thread;
	uint64_t size_bytes;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	growth.disk = &disk;
	assert_int_equal(pthread_create(&thread, NULL, grow_and_shrink, &growth), 0);
	while (!atomic_load(&growth.ended)) {
		rzn_disk_client_begin(&disk);
		size_bytes = ramz_size_bytes(disk.store);
		for (unsigned i = 0; i < 100; i++)
			assert_true(ramz_size_bytes(disk.store) >= size_bytes);
		rzn_disk_client_end(&disk);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	disk_end(&disk, &config);
}

/* What is looked at or set never waits for what works on the whole disk. */
static void commands_have_a_pace(void **unused)
{
	static const char *const slow[] = {"save",  "save /x",     "compact",  "compact 5",  "trim",
					   "reset", "reset force", "resize 1", "snapshot /x"};
	static const char *const prompt[] = {"limit - -", "codec lz4", "state 0 1", "reset-peak"};

	(void)unused;
	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		assert_int_equal(rzn_command_pace(slow[i]), RZN_PACE_SLOW);
	for (size_t i = 0; i < sizeof(prompt) / sizeof(prompt[0]); i++)
		assert_int_equal(rzn_command_pace(prompt[i]), RZN_PACE_PROMPT);
	assert_int_equal(rzn_command_pace("stat"), RZN_PACE_NOW);
	assert_int_equal(rzn_command_pace(""), RZN_PACE_NOW);
	assert_int_equal(rzn_command_pace("frobnicate"), RZN_PACE_NOW);
}

static void a_compaction_that_nobody_wants_ends_early(void **unused)
{
	const _Atomic bool stopped = true;
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill(&disk, 2000);
	for (uint64_t i = 0; i < 2000; i++) {
		if (i % 3 != 0)
			assert_int_equal(ramz_discard(disk.store, i * PAGE, PAGE), 0);
	}
	answer = rzn_command_answer(&disk, "compact", &stopped);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(number(answer, "moved_bytes"), 0);
	json_decref(answer);
	answer = ask(&disk, "compact", true); /* there was something to move */
	assert_true(number(answer, "moved_bytes") > 0);
	json_decref(answer);
	disk_end(&disk, &config);
}

/* A path may have blanks in it. */
static void save_and_snapshot_write_a_file_that_can_be_loaded(void **unused)
{
	static const char *const commands[] = {"save", "snapshot"};
	char directory[] = "/tmp/test nbdkit.XXXXXX";
	char path[64], line[96];
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz *copy;
	json_t *answer;

	(void)unused;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/a disk", directory);
	disk_of(&disk, &config, PARAMETERS("size=1M"));
	fill(&disk, 10);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)snprintf(line, sizeof(line), "%s %s", commands[i], path);
		answer = ask(&disk, line, true);
		assert_string_equal(json_string_value(json_object_get(answer, "file")), path);
		assert_true(number(answer, "file_bytes") > 10000);
		json_decref(answer);
		assert_int_equal(ramz_load_file(&copy, NULL, NULL, 0, path, NULL), 0);
		ramz_destroy(copy);
		assert_int_equal(unlink(path), 0);
	}
	disk_end(&disk, &config);
	assert_int_equal(rmdir(directory), 0);
}

static void a_snapshot_is_not_the_disks_own_file(void **unused)
{
	char directory[] = "/tmp/test_nbdkit.XXXXXX", file[64], line[96], path[64];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(file, sizeof(file), "file=%s/disk", directory);
	(void)snprintf(path, sizeof(path), "%s/link", directory);
	disk_of(&disk, &config, PARAMETERS("size=1M", file));
	assert_int_equal(symlink("disk", path), 0);
	(void)snprintf(line, sizeof(line), "snapshot %s", config.file);
	ask_refused(&disk, line, EINVAL, "the disk's own file");
	(void)snprintf(line, sizeof(line), "snapshot %s/../%s/disk", directory,
		       strrchr(directory, '/'));
	ask_refused(&disk, line, EINVAL, "the disk's own file");
	(void)snprintf(line, sizeof(line), "snapshot %s", path);
	ask_refused(&disk, line, EINVAL, "the disk's own file");
	disk_end(&disk, &config);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(file + strlen("file=")), 0);
	assert_int_equal(rmdir(directory), 0);
}

struct turn {
	struct rzn_disk *disk;
	void (*call)(struct rzn_disk *disk);
	_Atomic bool ended;
};

static void *take_turn(void *context)
{
	struct turn *turn = context;

	turn->call(turn->disk);
	atomic_store(&turn->ended, true);
	return NULL;
}

/* It must not end while the mutex is locked. */
static void expect_turn(struct rzn_disk *disk, pthread_mutex_t *mutex,
			void (*call)(struct rzn_disk *))
{
	struct turn turn = {.disk = disk, .call = call};
	pthread_t thread;

	assert_int_equal(pthread_mutex_lock(mutex), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_turn, &turn), 0);
	(void)usleep(50000);
	assert_false(atomic_load(&turn.ended));
	assert_int_equal(pthread_mutex_unlock(mutex), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void is_stale(struct rzn_disk *disk)
{
	(void)rzn_file_is_stale(disk);
}

static void save(struct rzn_disk *disk)
{
	struct ramz_reason reason;

	(void)rzn_file_save(disk, NULL, NULL, &reason);
}

static void look(struct rzn_disk *disk)
{
	json_decref(rzn_command_answer(disk, "stat", NULL));
}

static void saves_take_their_turn_and_are_looked_at_whole(void **unused)
{
	char directory[] = SAVED_DIRECTORY, file[SAVED_FILE_ROOM];
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	saved_disk_of(&disk, &config, directory, file);
	expect_turn(&disk, &disk.saves.saving, save);
	expect_turn(&disk, &disk.saves.lock, save);
	expect_turn(&disk, &disk.saves.lock, is_stale);
	expect_turn(&disk, &disk.saves.lock, look);
	expect_turn(&disk, &disk.coming, rzn_disk_client_begin);
	rzn_disk_client_end(&disk);
	disk_end(&disk, &config);
	assert_int_equal(unlink(file + strlen("file=")), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lines_get_a_reason_and_change_nothing),
		cmocka_unit_test(limit_and_codec_are_set),
		cmocka_unit_test(compact_and_trim_give_memory_back),
		cmocka_unit_test(reset_empties_the_disk_unless_clients_are_connected),
		cmocka_unit_test(reset_peak_begins_the_largest_held_bytes_anew),
		cmocka_unit_test(state_tells_of_each_page_that_holds_something),
		cmocka_unit_test(commands_have_a_pace),
		cmocka_unit_test(a_compaction_that_nobody_wants_ends_early),
		cmocka_unit_test(resize_keeps_what_it_does_not_drop),
		cmocka_unit_test(resize_is_saved),
		cmocka_unit_test(a_disk_does_not_shrink_under_a_client_that_comes),
		cmocka_unit_test(save_and_snapshot_write_a_file_that_can_be_loaded),
		cmocka_unit_test(a_snapshot_is_not_the_disks_own_file),
		cmocka_unit_test(saves_take_their_turn_and_are_looked_at_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
