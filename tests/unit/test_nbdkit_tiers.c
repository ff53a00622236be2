/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_tiers.c: the commands about unused pages: idle, recompress, writeback, backing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test_nbdkit_ask.h"

enum { PAGES = 3000 };

static char directory[] = "/tmp/test_nbdkit.XXXXXX";
static char backing[64];

static int setup(void **unused)
{
	(void)unused;
	strcpy(directory, "/tmp/test_nbdkit.XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(backing, sizeof(backing), "%s/backing", directory);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	(void)unlink(backing);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

/* The backing file, as the commands give and take it. */
static void give(struct rzn_disk *disk, uint64_t bytes)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "backing %llu %s", (unsigned long long)bytes, backing);
	json_decref(ask(disk, line, true));
}

static void text_is_whole(struct rzn_disk *disk, uint64_t first, uint64_t pages)
{
	struct rzn_config config;
	struct rzn_disk other;
	char page[PAGE], wanted[PAGE];

	disk_of(&other, &config, PARAMETERS("size=1T"));
	fill_with_text(&other, first, pages);
	for (uint64_t i = first; i < first + pages; i++) {
		assert_int_equal(ramz_read_page(disk->store, i, page), 0);
		assert_int_equal(ramz_read_page(other.store, i, wanted), 0);
		assert_memory_equal(page, wanted, PAGE);
	}
	disk_end(&other, &config);
}

/* The number under this key of what the command answers. */
static uint64_t number_of(struct rzn_disk *disk, const char *line, const char *key)
{
	json_t *answer = ask(disk, line, true);
	uint64_t value = number(answer, key);

	json_decref(answer);
	return value;
}

static void bad_lines_get_a_reason_and_change_nothing(void **unused)
{
	static const char *const lines[] = {
		"idle now",
		"idle 5",
		"recompress lukewarm",
		"recompress warmer",
		"recompress warm cold",
		"recompress age=",
		"recompress age=128",
		"recompress age=-1",
		"recompress warm age=1 ",
		"recompress warm  age=1",
		"recompress min-bytes=4097",
		"recompress min-bytes=1K",
		"recompress min-bytes=rawer",
		"recompress max-pages=99999999999999999999",
		"recompress age",
		"recompress first=1",
		"recompress age=1 warm",
		"recompress cold",
		"writeback",
		"writeback warm",
		"writeback age=300",
		"writeback raw",
		"backing",
		"backing none now",
		"backing 1048576",
		"backing 1048576 ",
		"backing 1048576 relative",
		"backing 1M /tmp/x",
		"backing -1 /tmp/x",
		"backing 1048576 /",
		"backing 1048576 /nonexistent/backing",
		"backing 0 /nonexistent/backing",
	};
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=16M", "warm=lz4:9"));
	fill(&disk, 100);
	ask_refuses_all(&disk, lines, sizeof(lines) / sizeof(lines[0]));
	disk_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS("size=16M"));
	ask_refused(&disk, "recompress", EINVAL, "no warm or cold tier; serve it with cold=");
	ask_refused(&disk, "recompress warm", EINVAL, "no warm tier; serve it with warm=");
	disk_end(&disk, &config);
}

static uint64_t pages_of_age(const json_t *answer, size_t bucket)
{
	const json_t *ages = json_object_get(answer, "ages");

	assert_int_equal(json_array_size(ages), RAMZ_AGE_BUCKETS);
	return (uint64_t)json_integer_value(json_array_get(ages, bucket));
}

static void recompress_takes_the_pages_that_are_meant(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;
	char page[PAGE];

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M", "warm=lz4:9"));
	fill_with_text(&disk, 0, PAGES);
	json_decref(ask(&disk, "idle", true));
	answer = ask(&disk, "idle", true);
	assert_int_equal(pages_of_age(answer, 2), PAGES); /* of age 2 or 3 */
	json_decref(answer);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(ramz_read_page(disk.store, i, page), 0);
	assert_int_equal(number_of(&disk, "recompress age=3", "tried"), 0);
	assert_int_equal(number_of(&disk, "recompress min-bytes=raw", "tried"), 0);
	assert_int_equal(number_of(&disk, "recompress min-bytes=4096", "tried"), 0);
	/* More than a part, to the page. */
	assert_int_equal(number_of(&disk, "recompress warm age=2 max-pages=1111", "recompressed"),
			 1111);
	assert_int_equal(number_of(&disk, "recompress age=2", "recompressed"), 2000 - 1111);
	answer = ask(&disk, "recompress min-bytes=10", true);
	assert_int_equal(number(answer, "recompressed"), 1000);
	assert_string_equal(json_string_value(json_object_get(answer, "tier")), "warm");
	assert_true(number(answer, "saved_bytes") > 1000 * 100);
	assert_int_equal(number(answer, "damaged"), 0);
	json_decref(answer);
	assert_int_equal(number_of(&disk, "recompress", "tried"), 0);
	text_is_whole(&disk, 0, PAGES);
	disk_end(&disk, &config);
}

/* Pages far apart are in parts of their own. */
static void recompress_looks_at_the_whole_disk(void **unused)
{
	static const uint64_t places[] = {0, 65535, 65536, 123456789, (1U << 28) - 1};
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1T", "cold=lz4:12"));
	for (size_t i = 0; i < 5; i++)
		fill_with_text(&disk, places[i], 1);
	assert_int_equal(number_of(&disk, "recompress", "recompressed"), 5);
	for (size_t i = 0; i < 5; i++)
		text_is_whole(&disk, places[i], 1);
	disk_end(&disk, &config);
}

static void what_nobody_wants_ends_early(void **unused)
{
	const _Atomic bool stopped = true;
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M", "warm=lz4:9"));
	fill_with_text(&disk, 0, PAGES);
	answer = rzn_command_answer(&disk, "recompress", &stopped);
	assert_in_range(number(answer, "recompressed"), 1, 1000);
	json_decref(answer);
	fill(&disk, 16000);
	give(&disk, 64 << 20);
	answer = rzn_command_answer(&disk, "writeback", &stopped);
	assert_in_range(number(answer, "written_bytes"), 1, 17 << 20);
	json_decref(answer);
	assert_true(number_of(&disk, "writeback", "pages") > 0); /* there was more */
	disk_end(&disk, &config);
}

static void writeback_moves_the_pages_that_are_meant(void **unused)
{
	struct rzn_config config;
	struct ramz_stats stats;
	struct rzn_disk disk;
	char page[PAGE];
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill_with_text(&disk, 0, PAGES);
	json_decref(ask(&disk, "idle", true));
	page_of_noise(page, PAGE, 1);
	assert_int_equal(ramz_write_page(disk.store, 5000, page), 0);
	give(&disk, 32 << 20);
	assert_int_equal(number_of(&disk, "writeback min-bytes=raw", "pages"), 1);
	answer = ask(&disk, "writeback age=1 max-pages=7", true);
	assert_int_equal(number(answer, "pages"), 7);
	assert_true(number(answer, "form_bytes") < number(answer, "written_bytes"));
	json_decref(answer);
	assert_int_equal(number_of(&disk, "writeback age=1", "pages"), PAGES - 7);
	assert_int_equal(number_of(&disk, "writeback", "pages"), 0);
	text_is_whole(&disk, 0, PAGES);
	answer = ask(&disk, "backing none", true);
	assert_true(json_is_null(json_object_get(answer, "backing")));
	json_decref(answer);
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(stats.pages_backed, 0);
	text_is_whole(&disk, 0, PAGES);
	disk_end(&disk, &config);
}

static void a_full_file_says_so(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill_with_text(&disk, 0, PAGES);
	give(&disk, 1 << 20);
	ask_refused(&disk, "writeback", ENOSPC, "the backing file is full; give the disk a larger");
	text_is_whole(&disk, 0, PAGES);
	json_decref(ask(&disk, "backing none", true));
	disk_end(&disk, &config);
}

/* Another error of the file has its own text. */
static void a_file_that_may_not_grow_is_not_called_full(void **unused)
{
	struct rlimit limit, none;
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill_with_text(&disk, 0, PAGES);
	give(&disk, 16 << 20);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max};
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	ask_refused(&disk, "writeback", EFBIG, strerror(EFBIG));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	text_is_whole(&disk, 0, PAGES);
	json_decref(ask(&disk, "backing none", true));
	disk_end(&disk, &config);
}

static void damage(uint64_t offset)
{
	char bytes[PAGE];
	int fd = open(backing, O_RDWR);

	page_of_noise(bytes, PAGE, offset);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, PAGE, (off_t)offset), PAGE);
	assert_int_equal(close(fd), 0);
}

/* The other pages come back, and it can be given up. */
static void a_damaged_page_keeps_its_file(void **unused)
{
	struct rzn_config config;
	struct ramz_stats stats;
	struct rzn_disk disk;
	char page[PAGE];

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	fill_with_text(&disk, 0, 100);
	give(&disk, 8 << 20);
	assert_int_equal(number_of(&disk, "writeback", "pages"), 100);
	damage((64 << 10) + RAMZ_SEGMENT_BYTES); /* behind the first segment, of superblocks */
	ask_refused(&disk, "backing none", EBADMSG, "a page on it cannot be read");
	ramz_get_stats(disk.store, &stats);
	assert_in_range(stats.pages_backed, 1, 4);
	for (uint64_t i = 0; i < 100; i++) {
		if (ramz_read_page(disk.store, i, page) != 0)
			assert_int_equal(ramz_discard(disk.store, i * PAGE, PAGE), 0);
	}
	json_decref(ask(&disk, "backing none", true));
	give(&disk, 8 << 20);
	json_decref(ask(&disk, "backing none", true));
	disk_end(&disk, &config);
}

static bool policy_runs(struct rzn_disk *disk)
{
	json_t *answer = ask(disk, "stat", true);
	bool runs = json_is_true(json_object_get(json_object_get(answer, "policy"), "running"));

	json_decref(answer);
	return runs;
}

/* A policy without tiers and file has nothing to do. */
static void the_policy_runs_while_there_is_a_file(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=64M"));
	assert_false(policy_runs(&disk));
	give(&disk, 8 << 20);
	assert_true(policy_runs(&disk));
	json_decref(ask(&disk, "backing none", true));
	assert_false(policy_runs(&disk));
	disk_end(&disk, &config);
	disk_of(&disk, &config, PARAMETERS("size=64M", "warm=lz4:9"));
	give(&disk, 8 << 20);
	json_decref(ask(&disk, "backing none", true));
	assert_true(policy_runs(&disk));
	disk_end(&disk, &config);
}

static bool resize_fails;

int __real_ramz_resize(struct ramz *store, uint64_t size_bytes);
int __wrap_ramz_resize(struct ramz *store, uint64_t size_bytes);

int __wrap_ramz_resize(struct ramz *store, uint64_t size_bytes)
{
	return resize_fails ? -XV_ENOSPC : __real_ramz_resize(store, size_bytes);
}

/* A disk that is kept in its backing file, as a server begins it. */
static void begin_kept(struct rzn_disk *disk, struct rzn_config *config, const char *size)
{
	char file[80];

	(void)snprintf(file, sizeof(file), "backing=%s", backing);
	config_of(config,
		  size == NULL ? PARAMETERS(file, "backing-size=32M", "backing-keep=true")
			       : PARAMETERS(file, "backing-size=32M", "backing-keep=true", size));
	rzn_disk_init(disk, config);
	assert_int_equal(rzn_backing_open(disk), 0);
	assert_int_equal(rzn_disk_open(disk), 0);
	assert_int_equal(rzn_backing_attach(disk), 0);
	assert_string_equal(said.error, "");
}

static void a_disk_kept_in_its_backing_file_stays_there(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	char file[80];

	(void)unused;
	begin_kept(&disk, &config, "size=16M");
	assert_true(rzn_file_is_stale(&disk));
	fill(&disk, 100);
	ask_refused(&disk, "backing none", EBUSY, "the disk is kept in it (backing-keep=)");
	json_decref(ask(&disk, "save", true));
	assert_false(rzn_file_is_stale(&disk));
	disk_end(&disk, &config);
	/* What was given on the command line is to be kept, too. */
	begin_kept(&disk, &config, "size=32M");
	assert_true(rzn_file_is_stale(&disk));
	json_decref(ask(&disk, "save", true));
	disk_end(&disk, &config);
	begin_kept(&disk, &config, NULL);
	assert_int_equal(ramz_size_bytes(disk.store), 32 << 20);
	assert_int_equal(number_of(&disk, "stat", "size_bytes"), 32 << 20);
	assert_false(rzn_file_is_stale(&disk));
	disk_end(&disk, &config);
	(void)snprintf(file, sizeof(file), "backing=%s", backing);
	config_of(&config, PARAMETERS(file, "backing-size=32M", "backing-keep=true", "size=64M"));
	rzn_disk_init(&disk, &config);
	assert_int_equal(rzn_backing_open(&disk), 0);
	resize_fails = true;
	assert_int_equal(rzn_disk_open(&disk), -1);
	resize_fails = false;
	assert_null(disk.store);
	assert_non_null(strstr(said.error, "cannot grow so far"));
	rzn_backing_close(&disk);
	rzn_config_fini(&config);
}

static void commands_have_a_pace(void **unused)
{
	(void)unused;
	assert_int_equal(rzn_command_pace("idle"), RZN_PACE_PROMPT);
	assert_int_equal(rzn_command_pace("recompress warm age=1"), RZN_PACE_SLOW);
	assert_int_equal(rzn_command_pace("writeback"), RZN_PACE_SLOW);
	assert_int_equal(rzn_command_pace("backing none"), RZN_PACE_SLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lines_get_a_reason_and_change_nothing),
		cmocka_unit_test(recompress_takes_the_pages_that_are_meant),
		cmocka_unit_test(recompress_looks_at_the_whole_disk),
		cmocka_unit_test_setup_teardown(what_nobody_wants_ends_early, setup, teardown),
		cmocka_unit_test_setup_teardown(writeback_moves_the_pages_that_are_meant, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_file_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_is_not_called_full, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_damaged_page_keeps_its_file, setup, teardown),
		cmocka_unit_test_setup_teardown(the_policy_runs_while_there_is_a_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_disk_kept_in_its_backing_file_stays_there, setup,
						teardown),
		cmocka_unit_test(commands_have_a_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
