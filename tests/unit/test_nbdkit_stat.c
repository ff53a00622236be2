/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_stat.c: each number of the command stat is the store's own.
 */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <ramz/policy.h>

#include "stats_json.h"
#include "test_nbdkit_ask.h"

static char directory[] = "/tmp/test_nbdkit.XXXXXX";
static char file[64], file_parameter[80], backing[64];

static int setup(void **unused)
{
	(void)unused;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(file, sizeof(file), "%s/disk", directory);
	(void)snprintf(file_parameter, sizeof(file_parameter), "file=%s", file);
	(void)snprintf(backing, sizeof(backing), "%s/backing", directory);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	(void)unlink(file);
	(void)unlink(backing);
	return rmdir(directory);
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void the_disk_is_told(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer;

	(void)unused;
	disk_of(&disk, &config,
		PARAMETERS("size=1M", "page=8192", "soft-limit=9M", "hard-limit=10M",
			   file_parameter));
	rzn_disk_client_begin(&disk);
	rzn_disk_client_begin(&disk);
	disk.opened.tv_sec -= 100;
	answer = ask(&disk, "stat", true);
	assert_int_equal(number(answer, "format"), 1);
	assert_int_equal(number(answer, "pid"), getpid());
	assert_int_equal(number(answer, "size_bytes"), 1 << 20);
	assert_int_equal(number(answer, "page_bytes"), 8192);
	assert_int_equal(number(answer, "soft_limit_bytes"), 9 << 20);
	assert_int_equal(number(answer, "hard_limit_bytes"), 10 << 20);
	assert_int_equal(
		number(json_object_get(json_object_get(answer, "stats"), "mm_stat"), "mem_limit"),
		10 << 20);
	assert_int_equal(number(answer, "clients"), 2);
	assert_in_range(number(answer, "uptime_seconds"), 100, 1000);
	assert_string_equal(text(answer, "file"), file);
	assert_string_equal(text(answer, "codec"), "lz4");
	assert_int_equal(number(answer, "level"), 1);
	assert_true(json_is_null(json_object_get(answer, "backing")));
	assert_int_equal(json_array_size(json_object_get(answer, "tiers")), 0);
	json_decref(answer);
	rzn_disk_client_end(&disk);
	rzn_disk_client_end(&disk);
	disk_end(&disk, &config);
}

static void the_stores_counters_are_told(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_stats stats;
	struct ramz_histogram h;
	json_t *answer, *store, *latency;
	char page[PAGE];

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=8M"));
	fill(&disk, 1000);
	for (uint64_t i = 0; i < 1500; i++)
		assert_int_equal(ramz_read_page(disk.store, i, page), 0);
	answer = ask(&disk, "stat", true);
	store = json_object_get(answer, "stats");
	ramz_get_stats(disk.store, &stats);
	assert_int_equal(number(store, "pages_stored"), 1000);
	assert_int_equal(number(store, "held_bytes"), stats.held_bytes);
	assert_int_equal(number(store, "reads"), stats.reads);
	assert_int_equal(number(store, "absent_reads"), 500);
	assert_int_equal(number(store, "writes"), 1000);
	assert_int_equal(number(store, "contexts"), stats.contexts);
	assert_int_equal(number(json_object_get(store, "ramzswap"), "num_writes"), 1000);
	assert_int_equal(number(json_object_get(store, "ramzswap"), "good_compress_pct"),
			 stats.ramzswap.good_compress_pct);
	assert_int_equal(number(json_object_get(store, "mm_stat"), "orig_data_size"), 1000 * PAGE);
	assert_int_equal(number(json_object_get(store, "io_stat"), "failed_reads"), 0);
	assert_int_equal(number(json_object_get(store, "bd_stat"), "bd_count"), 0);
	assert_int_equal(number(json_object_get(store, "pool"), "objects"), 1000);
	for (int kind = 0; kind < 2; kind++) {
		latency = json_object_get(answer, kind == 0 ? "read_latency" : "write_latency");
		assert_int_equal(ramz_get_histogram(disk.store,
						    kind == 0 ? RAMZ_HISTOGRAM_READ_NS
							      : RAMZ_HISTOGRAM_WRITE_NS,
						    &h),
				 0);
		assert_true(h.count > 0);
		assert_int_equal(number(latency, "count"), h.count);
		assert_int_equal(number(latency, "p50_ns"), ramz_histogram_quantile(&h, 50000));
		assert_int_equal(number(latency, "p99_ns"), ramz_histogram_quantile(&h, 99000));
		assert_int_equal(number(latency, "p99_99_ns"), ramz_histogram_quantile(&h, 99990));
	}
	json_decref(answer);
	disk_end(&disk, &config);
}

static void tiers_ages_and_the_policy_are_told(void **unused)
{
	static const char *const shortages[] = {"none", "soft", "hard"};
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_tier_info info;
	struct ramz_policy_stats stats;
	struct ramz_ages ages;
	json_t *answer, *tier, *policy;

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=8M", "warm=lz4:9"));
	fill_with_text(&disk, 0, 500);
	json_decref(ask(&disk, "idle", true));
	fill_with_text(&disk, 0, 100);
	json_decref(ask(&disk, "recompress warm age=1", true));
	answer = ask(&disk, "stat", true);
	assert_int_equal(json_array_size(json_object_get(answer, "tiers")), 1);
	tier = json_array_get(json_object_get(answer, "tiers"), 0);
	assert_int_equal(ramz_get_tier(disk.store, RZN_TIER_WARM, &info), 0);
	assert_true(info.pages > 0);
	assert_int_equal(number(tier, "tier"), RZN_TIER_WARM);
	assert_string_equal(text(tier, "codec"), "lz4");
	assert_int_equal(number(tier, "level"), 9);
	assert_int_equal(number(tier, "dictionary_bytes"), info.dictionary_bytes);
	assert_int_equal(number(tier, "pages"), info.pages);
	assert_int_equal(ramz_get_ages(disk.store, &ages), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "ages")), RAMZ_AGE_BUCKETS);
	for (size_t i = 0; i < RAMZ_AGE_BUCKETS; i++)
		assert_int_equal(
			json_integer_value(json_array_get(json_object_get(answer, "ages"), i)),
			ages.pages[i]);
	policy = json_object_get(answer, "policy");
	assert_int_equal(ramz_get_policy_stats(disk.store, &stats), 0);
	assert_int_equal(number(policy, "compactions"), stats.compactions);
	assert_int_equal(json_is_true(json_object_get(policy, "running")), stats.running);
	assert_string_equal(text(policy, "shortage"), shortages[stats.shortage]);
	assert_int_equal(number(policy, "last_error"), 0);
	json_decref(answer);
	disk_end(&disk, &config);
}

static void the_device_is_told(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	struct ramz_backing_stats stats;
	json_t *answer, *told;
	char line[128];

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=8M"));
	fill(&disk, 500);
	(void)snprintf(line, sizeof(line), "backing 33554432 %s", backing);
	json_decref(ask(&disk, line, true));
	json_decref(ask(&disk, "writeback", true));
	answer = ask(&disk, "stat", true);
	told = json_object_get(answer, "backing");
	assert_int_equal(ramz_get_backing_stats(disk.store, &stats), 0);
	assert_true(stats.pages > 0);
	assert_int_equal(number(told, "pages"), stats.pages);
	assert_int_equal(number(told, "segments"), stats.segments);
	assert_int_equal(number(told, "written_bytes"), stats.written_bytes);
	assert_int_equal(
		number(json_object_get(json_object_get(answer, "stats"), "bd_stat"), "bd_writes"),
		stats.writes);
	json_decref(answer);
	disk_end(&disk, &config);
}

/* Saves that fail are counted and told, and the next one that succeeds takes that back. */
static void saves_are_told(void **unused)
{
	struct rzn_config config;
	struct rzn_disk disk;
	json_t *answer, *saves;
	struct ramz_reason reason;
	time_t begun = time(NULL);

	(void)unused;
	disk_of(&disk, &config, PARAMETERS("size=1M", file_parameter, "save-every=5"));
	for (int turn = 1; turn < 4; turn++) {
		if (turn == 2) {
			(void)unlink(file);
			assert_int_equal(mkdir(file, 0700), 0);
			assert_true(rzn_file_save(&disk, NULL, NULL, &reason) != 0);
			assert_int_equal(rmdir(file), 0);
		}
		if (turn == 3)
			assert_int_equal(rzn_file_save(&disk, NULL, NULL, &reason), 0);
		answer = ask(&disk, "stat", true);
		saves = json_object_get(answer, "saves");
		assert_int_equal(number(saves, "every_ms"), 5 * 60000);
		assert_int_equal(json_is_true(json_object_get(saves, "stale")), turn < 3);
		assert_int_equal(number(saves, "count"), turn == 3);
		assert_int_equal(number(saves, "failures"), turn >= 2);
		if (turn >= 2)
			assert_in_range(number(saves, "last_at"), begun, begun + 1000);
		else
			assert_int_equal(number(saves, "last_at"), 0);
		if (turn == 2)
			assert_string_equal(text(saves, "last_error"), reason.text);
		else
			assert_true(json_is_null(json_object_get(saves, "last_error")));
		json_decref(answer);
	}
	disk_end(&disk, &config);
}

static void text_that_is_no_utf8_is_told_with_question_marks(void **unused)
{
	json_t *value = rzn_json_text("a\xFF\x80z");

	(void)unused;
	assert_string_equal(json_string_value(value), "a??z");
	json_decref(value);
	value = rzn_json_text("a\xC3\xA4z");
	assert_string_equal(json_string_value(value), "a\xC3\xA4z");
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disk_is_told),
		cmocka_unit_test(the_stores_counters_are_told),
		cmocka_unit_test(tiers_ages_and_the_policy_are_told),
		cmocka_unit_test(the_device_is_told),
		cmocka_unit_test(saves_are_told),
		cmocka_unit_test(text_that_is_no_utf8_is_told_with_question_marks),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
