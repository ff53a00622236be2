/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Settings behind the name of an xvmalloc row: what they set, and that each mistake is
 * named and changes nothing.
 */
#include "test_allocators_support.h"
#include "xvmalloc_settings.h"

#include <errno.h>

static struct xv_pool_options parsed(const char *text)
{
	struct xv_pool_options options;
	char why[200] = "";

	xv_pool_options_init(&options);
	if (xvm_pool_settings(text, &options, why, sizeof(why)) != 0)
		fail_msg("'%s': %s", text, why);
	return options;
}

static void assert_same(const struct xv_pool_options *a, const struct xv_pool_options *b)
{
	assert_int_equal(a->shards, b->shards);
	assert_int_equal(a->lock, b->lock);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->alignment, b->alignment);
	assert_true(a->limit_bytes == b->limit_bytes);
}

static void settings_set_what_they_name_and_nothing_else(void **state)
{
	struct xv_pool_options options, fresh;

	(void)state;
	xv_pool_options_init(&fresh);
	options = parsed(NULL);
	assert_same(&options, &fresh);
	options = parsed("shards=3:lock=spin");
	assert_int_equal(options.shards, 3);
	assert_int_equal(options.lock, XV_LOCK_SPIN);
	options = parsed("lock=mutex");
	assert_int_equal(options.shards, fresh.shards);
	assert_int_equal(options.lock, XV_LOCK_MUTEX);
	assert_int_equal(parsed("lock=none:shards=1").lock, XV_LOCK_NONE);
	assert_int_equal(parsed("shards=0").shards, 0);
	assert_int_equal(parsed("shards=64").shards, XV_SHARDS_MAX);
}

static void settings_refuse_with_cause_and_fix(void **state)
{
	static const char *const bad[][2] = {
		{"", "'' is no setting; write NAME=VALUE"},
		{"fast", "'fast' is no setting; write NAME=VALUE"},
		{"shards=2:", "'' is no setting"},
		{"speed=1", "no setting 'speed'; write"},
		{"reuse=20", "no setting 'reuse'; write NAME=VALUE"},
		{"lazy=1", "no setting 'lazy'; write NAME=VALUE"},
		{"shards=4294967297", "0 to 64"},
		{"shards=", "not ''"},
		{"shards=2x", "not '2x'"},
		{"shards=-1", "not '-1'"},
		{"shards=65", "shards takes a number of shards, 0 to 64, not '65'"},
		{"lock=futex", "lock takes default, none, spin or mutex, not 'futex'"},
		{"shards=1:shards=2", "shards is set twice"},
		{"lock=none:shards=2", "lock=none is for one shard"},
	};
	struct xv_pool_options options, fresh;

	(void)state;
	xv_pool_options_init(&fresh);
	options = fresh;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char why[200] = "";

		assert_int_equal(xvm_pool_settings(bad[i][0], &options, why, sizeof(why)), -1);
		if (strstr(why, bad[i][1]) == NULL)
			fail_msg("'%s' gives \"%s\", not \"%s\"", bad[i][0], why, bad[i][1]);
		assert_same(&options, &fresh);
	}
}

static void settings_without_a_lock_are_for_one_thread(void **state)
{
	const struct xvm_entry *entry = xvm_entry_find("xvmalloc");
	char why[200] = "";

	(void)state;
	assert_int_equal(xvm_entry_check(entry, "lock=none", 1, why, sizeof(why)), 0);
	assert_int_equal(xvm_entry_check(entry, "lock=none", 2, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "--threads 2"));
	assert_int_equal(xvm_entry_check(entry, "lock=spin", 2, why, sizeof(why)), 0);
	assert_int_equal(xvm_entry_check(entry, NULL, 64, why, sizeof(why)), 0);
}

static void settings_are_for_xvmalloc_only(void **state)
{
	char why[200];

	(void)state;
	for (size_t i = 0; i < xvm_entry_count(); i++) {
		const struct xvm_entry *entry = xvm_entry_at(i);
		int takes = strncmp(entry->name, "xvmalloc", 8) == 0;

		assert_int_equal(xvm_entry_check(entry, NULL, 1, why, sizeof(why)), 0);
		assert_int_equal(xvm_entry_check(entry, "shards=1", 1, why, sizeof(why)),
				 takes ? 0 : -1);
		if (!takes)
			assert_non_null(strstr(why, "takes no settings"));
	}
}

static void settings_reach_the_pool(void **state)
{
	struct xvfrag_plugin_config config = {
		.page_bytes = 4096,
		.max_size = 4096,
		.max_objects = 16,
		.total_bytes = 65536,
		.argument = "shards=1:lock=spin",
	};
	const struct xvfrag_plugin *plugin = &xvm_allocator_xvmalloc;
	void *heap = plugin->create(&config);

	(void)state;
	assert_non_null(heap);
	plugin->free(heap, test_alloc(plugin, heap, 100), 100);
	plugin->destroy(heap);
	config.argument = "shards=2000";
	errno = 0;
	assert_null(plugin->create(&config));
	assert_int_equal(errno, EINVAL);
	assert_null(xvm_allocator_xvmalloc_nosplit.create(&config));
	assert_null(xvm_allocator_xvmalloc_keyed.create(&config));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_set_what_they_name_and_nothing_else),
		cmocka_unit_test(settings_refuse_with_cause_and_fix),
		cmocka_unit_test(settings_without_a_lock_are_for_one_thread),
		cmocka_unit_test(settings_are_for_xvmalloc_only),
		cmocka_unit_test(settings_reach_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
