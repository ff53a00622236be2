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
		{"warm", "rar", "there are lz4"},
		{"warm", "none", "does not compress"},
		{"cold", "lz4:1000", "levels of lz4 are"},
		{"cold-after", "0", "minutes"},
		{"warm-after", "5m", "minutes"},
		{"page", "5000", "64K"},
		{"page", "2K", "64K"},
		{"page", "128K", "64K"},
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
	complete_refused("size", "17T", "page", "4K", "page=");
	complete_refused("size", "1G", "save-every", "5", "no file=");
	complete_refused("size", "1G", "save-fallback", "/tmp", "no file=");
	complete_refused("file", "/tmp/no-such", "stats-file", "/tmp/no-such", "file of file=");
	complete_refused("file", "/tmp/no-such", "stats-file", "/tmp/./no-such", "file of file=");
	complete_refused("file", "/dev/null", "stats-file", "/proc/self/root/dev/null", "file of");
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
		cmocka_unit_test(a_bad_value_is_refused),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(a_parameter_is_given_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
