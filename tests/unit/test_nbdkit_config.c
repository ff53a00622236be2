/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_config.c: parameters of the plugin: what is taken, and what is refused with a
 * reason.
 */
#include "test_nbdkit_support.h"

static void every_parameter_is_taken(void **unused)
{
	struct rzn_config config;

	(void)unused;
	config_of(&config, PARAMETERS("size=1G", "codec=lz4:9", "hard-limit=100M", "soft-limit=50M",
				      "checksum=true", "dedup=true", "page=16K", "provider=huge",
				      "file=/tmp/disk", "save-every=0.5", "save-fallback=/tmp"));
	assert_int_equal(config.options.size_bytes, 1 << 30);
	assert_string_equal(config.options.codec->name, "lz4");
	assert_int_equal(config.options.level, 9);
	assert_int_equal(config.options.hard_limit_bytes, 100 << 20);
	assert_int_equal(config.options.soft_limit_bytes, 50 << 20);
	assert_true(config.options.checksum && config.options.dedup);
	assert_int_equal(config.options.page_bytes, 16384);
	assert_int_equal(config.provider, RZN_PROVIDER_HUGE);
	assert_string_equal(config.file, "/tmp/disk");
	assert_int_equal(config.save_every_ms, 30000);
	assert_string_equal(config.save_fallback, "/tmp");
	rzn_config_fini(&config);
	config_of(&config, PARAMETERS("size=1G", "warm=lz4:9", "cold=lz4:2", "warm-after=5",
				      "cold-after=1.25", "pressure=10%", "backing=/tmp/backing",
				      "backing-size=2G", "backing-day=3G", "backing-after=60",
				      "backing-keep=true"));
	assert_int_equal(config.tier[RZN_TIER_WARM].level, 9);
	assert_int_equal(config.tier[RZN_TIER_COLD].level, 2);
	assert_int_equal(config.tier[RZN_TIER_WARM].after_ms, 300000);
	assert_int_equal(config.tier[RZN_TIER_COLD].after_ms, 75000);
	assert_int_equal(config.pressure_percent, 10);
	assert_string_equal(config.backing, "/tmp/backing");
	assert_int_equal(config.backing_bytes, UINT64_C(2) << 30);
	assert_int_equal(config.backing_day_bytes, UINT64_C(3) << 30);
	assert_int_equal(config.backing_after_ms, 3600000);
	assert_true(config.backing_keep);
	rzn_config_fini(&config);
}

/* The first and the last value of what has ends. */
static void the_ends_are_taken(void **unused)
{
	struct rzn_config config;

	(void)unused;
	config_of(&config, PARAMETERS("size=17592186036224", "page=4K", "cold=lz4:12",
				      "cold-after=525600", "pressure=100", "file=/tmp/disk"));
	assert_int_equal(config.options.page_bytes, 4096);
	assert_int_equal(config.tier[RZN_TIER_COLD].level, 12);
	assert_int_equal(config.tier[RZN_TIER_COLD].after_ms, UINT64_C(525600) * 60000);
	rzn_config_fini(&config);
	config_of(&config, PARAMETERS("size=255T", "page=64K", "hard-limit=1G", "soft-limit=1G",
				      "pressure=1", "backing=/tmp/backing"));
	assert_int_equal(config.options.page_bytes, 65536);
	rzn_config_fini(&config);
}

/* They are asked for again and again. */
static void codecs_are_named(void **unused)
{
	char names[128];

	(void)unused;
	(void)snprintf(names, sizeof(names), "%s", rzn_codec_names(", "));
	assert_int_equal(strncmp(names, "lz4, ", 5), 0);
	assert_string_equal(rzn_codec_names(", "), names);
}

static void a_bad_value_is_refused(void **unused)
{
	static const struct {
		const char *key, *value, *why;
	} cases[] = {
		{"size", "0", "size above 0"},
		{"size", "much", "a size is a number"},
		{"size", "1GB", "1000"},
		{"hard-limit", "101%", "100%"},
		{"page", "25%", "no percentage"},
		{"codec", "rar", "there are lz4"},
		{"codec", "", "there are lz4"},
		{"codec", "lz4:1000", "levels of lz4 are"},
		{"codec", "lz4:", "levels of lz4 are"},
		{"codec", "lz4:-", "levels of lz4 are"},
		{"codec", "lz4:1x", "levels of lz4 are"},
		{"codec", "lz4: 1", "levels of lz4 are"},
		{"codec", "lz4:99999999999999999999", "levels of lz4 are"},
		{"codec", "lz4:13", "give it as lz4:1"},
		{"warm", "rar", "there are lz4"},
		{"warm", "none", "does not compress"},
		{"cold", "lz4:1000", "levels of lz4 are"},
		{"cold-after", "0", "minutes"},
		{"warm-after", "5m", "minutes"},
		{"page", "5000", "64K"},
		{"page", "2K", "64K"},
		{"page", "128K", "64K"},
		{"pressure", "0", "1 to 100"},
		{"pressure", "101", "1 to 100"},
		{"pressure", "5x", "1 to 100"},
		{"pressure", "%", "1 to 100"},
		{"backing", "", "path is missing"},
		{"backing-size", "0", "size above 0"},
		{"backing-after", "0", "minutes"},
		{"backing-keep", "perhaps", ""},
		{"provider", "disk", "highmem"},
		{"file", "", "path is missing"},
		{"save-every", "", "minutes"},
		{"save-every", "0", "minutes"},
		{"save-every", "0.000001", "minutes"},
		{"save-every", "-1", "minutes"},
		{"save-every", "1e3", "minutes"},
		{"save-every", "5m", "minutes"},
		{"save-every", ".", "minutes"},
		{"save-every", "525601", "minutes"},
		{"save-every", "99999999999999999999999", "minutes"},
		{"save-fallback", "", "path is missing"},
		{"compression", "yes", "hard-limit"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rzn_config config;

		said_reset();
		rzn_config_init(&config);
		assert_int_equal(rzn_config_set(&config, cases[i].key, cases[i].value), -1);
		assert_non_null(strstr(said.error, cases[i].why));
		rzn_config_fini(&config);
	}
}

static void complete_refused(const char *first, const char *first_value, const char *second,
			     const char *second_value, const char *why)
{
	struct rzn_config config;

	said_reset();
	rzn_config_init(&config);
	assert_int_equal(rzn_config_set(&config, first, first_value), 0);
	assert_int_equal(rzn_config_set(&config, second, second_value), 0);
	assert_int_equal(rzn_config_complete(&config), -1);
	assert_non_null(strstr(said.error, why));
	rzn_config_fini(&config);
}

static void what_does_not_go_together_is_refused(void **unused)
{
	(void)unused;
	complete_refused("hard-limit", "1M", "soft-limit", "2M", "soft-limit=");
	complete_refused("size", "17592186036225", "page", "4K", "page=");
	complete_refused("size", "17592186036225", "checksum", "true", "page=");
	complete_refused("size", "1G", "save-every", "5", "no file=");
	complete_refused("size", "1G", "save-fallback", "/tmp", "no file=");
	complete_refused("size", "1G", "warm-after", "5", "no warm= for it");
	complete_refused("warm", "lz4", "cold-after", "5", "no cold= for it");
	complete_refused("size", "1G", "pressure", "5", "no warm=, cold= or backing=");
	complete_refused("size", "1G", "backing-size", "1G", "backing-size=: there is no backing=");
	complete_refused("size", "1G", "backing-after", "5",
			 "backing-after=: there is no backing=");
	complete_refused("size", "1G", "backing-day", "1G", "backing-day=: there is no backing=");
	complete_refused("size", "1G", "backing-keep", "true", "backing-keep=: there is no");
	complete_refused("file", "/tmp/no-such", "backing", "/tmp/./no-such", "file of file=");
	complete_refused("file", "/tmp/no-such", "stats-file", "/tmp/no-such", "file of file=");
	complete_refused("file", "/tmp/no-such", "stats-file", "/tmp/./no-such", "file of file=");
	complete_refused("file", "/dev/null", "stats-file", "/proc/self/root/dev/null", "file of");
}

static void one_place_keeps_the_disk(void **unused)
{
	static const char *const parameters[][2] = {
		{"file", "/tmp/no-such"}, {"backing", "/tmp/other"}, {"backing-keep", "true"}};
	struct rzn_config config;

	(void)unused;
	said_reset();
	rzn_config_init(&config);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(rzn_config_set(&config, parameters[i][0], parameters[i][1]), 0);
	assert_int_equal(rzn_config_complete(&config), -1);
	assert_non_null(strstr(said.error, "would both keep the disk"));
	rzn_config_fini(&config);
}

static void a_parameter_is_given_once(void **unused)
{
	struct rzn_config config;

	(void)unused;
	said_reset();
	rzn_config_init(&config);
	assert_int_equal(rzn_config_set(&config, "size", "1G"), 0);
	assert_int_equal(rzn_config_set(&config, "page", "8K"), 0);
	assert_int_equal(rzn_config_set(&config, "size", "2G"), -1);
	assert_string_equal(said.error, "size=2G: size= is given twice; give it once");
	rzn_config_fini(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_parameter_is_taken),
		cmocka_unit_test(the_ends_are_taken),
		cmocka_unit_test(codecs_are_named),
		cmocka_unit_test(a_bad_value_is_refused),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(one_place_keeps_the_disk),
		cmocka_unit_test(a_parameter_is_given_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
