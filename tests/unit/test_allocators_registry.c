/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The list of allocators, settings behind their names, libraries to preload, and plugins. */
#define _GNU_SOURCE
#include "test_allocators_support.h"

#include <errno.h>
#include <unistd.h>

static void registry_has_every_allocator_once(void **state)
{
	static const char *const expected[] = {"xvmalloc",       "xvmalloc-nosplit",
					       "xvmalloc-keyed", "xvmalloc-hardened",
					       "xvmalloc-heap",  "glibc",
					       "jemalloc",       "mimalloc",
					       "tcmalloc",       "tlsf",
					       "zram",           "slub",
					       "slob",           "ideal"};
	const char *settings;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_string_equal(xvm_entry_at(i)->plugin->name, expected[i]);
		assert_ptr_equal(xvm_entry_find(expected[i], &settings), xvm_entry_at(i));
		assert_null(settings);
		assert_int_equal(xvm_entry_at(i)->plugin->abi, XVFRAG_PLUGIN_ABI);
	}
	assert_null(xvm_entry_at(i));
	assert_null(xvm_entry_find("xv", &settings));
	assert_null(xvm_entry_find("", &settings));
	assert_ptr_equal(xvm_entry_find("xvmalloc:shards=1:lock=none", &settings), xvm_entry_at(0));
	assert_string_equal(settings, "shards=1:lock=none");
}

static void registry_says_why_an_allocator_cannot_run(void **state)
{
	const struct xvm_entry unknown = {.soname = "libno-such-thing.so.1", .package = "none"};
	const struct xvm_entry *entry;
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	(void)state;
	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		why[0] = '\0';
		if (xvm_entry_available(entry, why) == 0)
			continue;
		assert_true(entry->soname != NULL || entry->available != NULL);
		assert_true(why[0] != '\0' && strchr(why, '\n') == NULL);
	}
	assert_null(xvm_preload_path(&unknown));
	assert_int_equal(xvm_entry_available(&unknown, why), -1);
	assert_non_null(strstr(why, "libno-such-thing.so.1"));
}

static void preload_looks_in_ld_library_path_first(void **state)
{
	char directory[] = "/tmp/xvfrag-test-XXXXXX";
	char path[64], list[64];
	const char *settings;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/libjemalloc.so.2", directory);
	snprintf(list, sizeof(list), "/nowhere:%s", directory);
	file = fopen(path, "wb");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(setenv("LD_LIBRARY_PATH", list, 1), 0);
	assert_string_equal(xvm_preload_path(xvm_entry_find("jemalloc", &settings)), path);
	assert_null(xvm_preload_path(xvm_entry_find("glibc", &settings)));
	unsetenv("LD_LIBRARY_PATH");
	unlink(path);
	rmdir(directory);
}

/* ---- settings ---- */

static void settings_are_refused_with_cause_and_fix(void **state)
{
	static const char *const bad[][2] = {
		{"", "'' is no setting: write NAME=VALUE"},
		{"fast", "'fast' is no setting: write NAME=VALUE"},
		{"shards=2:", "'' is no setting"},
		{"speed=1", "'speed' is no setting: write"},
		{"shards=4294967297", "0 to 64"},
		{"shards=", "not ''"},
		{"shards=2x", "not '2x'"},
		{"shards=65", "shards takes 0 to 64, not '65'"},
		{"lock=futex", "lock takes default, none, spin or mutex, not 'futex'"},
		{"provider=tape", "provider takes mmap, highmem or buffer, not 'tape'"},
		{"page=5000", "page takes 4K, 8K, 16K, 32K or 64K, not '5000'"},
		{"page=128K", "not '128K'"},
		{"shards=1:shards=2", "shards is set twice"},
		{"lock=none:shards=2", "lock=none is for one shard"},
	};
	const struct xvm_entry *xvmalloc = xvm_entry_at(0);
	struct xvfrag_plugin_config config = {.max_size = 100, .max_objects = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char why[XVFRAG_PLUGIN_WHY_BYTES] = "";

		assert_int_equal(xvm_entry_check(xvmalloc, bad[i][0], 1, why), -1);
		if (strstr(why, bad[i][1]) == NULL)
			fail_msg("'%s' gives \"%s\", not \"%s\"", bad[i][0], why, bad[i][1]);
		config.settings = bad[i][0];
		assert_null(xvmalloc->plugin->create(&config));
		assert_int_equal(errno, EINVAL);
	}
}

static void settings_are_for_xvmalloc_only(void **state)
{
	static const char good[] = "shards=3:lock=spin:provider=mmap:page=16K";
	const struct xvm_entry *entry;
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	(void)state;
	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		bool takes = strncmp(entry->plugin->name, "xvmalloc", 8) == 0;

		assert_int_equal(xvm_entry_check(entry, NULL, 64, why), 0);
		assert_int_equal(xvm_entry_check(entry, good, 2, why), takes ? 0 : -1);
		if (!takes)
			assert_non_null(strstr(why, "takes no settings"));
	}
	entry = xvm_entry_at(0);
	assert_int_equal(xvm_entry_check(entry, "lock=none", 1, why), 0);
	assert_int_equal(xvm_entry_check(entry, "lock=none", 2, why), -1);
	assert_non_null(strstr(why, "--threads 2"));
}

/* ---- plugins ---- */

static void assert_refused(const char *path, const char *text)
{
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";

	assert_null(xvm_plugin_load(path, why));
	if (strstr(why, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, text);
	assert_non_null(strstr(why, path));
}

static void plugin_faults_are_named(void **state)
{
	(void)state;
	assert_int_equal(chdir(PLUGIN_DIRECTORY), 0);
	assert_refused("/nowhere/x.so", "No such file");
	assert_refused("/dev/null", "cannot be loaded");
	assert_refused("test_plugin_NO_SYMBOL.so", "no symbol xvfrag_plugin");
	assert_refused("test_plugin_ABI.so", "built for plugin interface 1, this xvfrag has 2");
	assert_refused("test_plugin_NAME.so", "one word");
	assert_refused("test_plugin_ALLOC.so", "alloc and free");
	assert_refused("test_plugin_READ.so", "both of write and read");
	assert_refused("test_plugin_HELD.so", "does not set held_bytes");
}

static void plugins_load_and_work(void **state)
{
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";
	const struct xvfrag_plugin *plugin;
	uint64_t token;
	void *heap;
	char data[100] = {1}, copy[100];

	(void)state;
	/* A bare name is a file here, not something of the loader's search path. */
	assert_int_equal(chdir(PLUGIN_DIRECTORY), 0);
	plugin = xvm_plugin_load("test_plugin_NONE.so", why);
	if (plugin == NULL)
		fail_msg("%s", why);
	assert_true(xvm_plugin_is_model(plugin));
	plugin = xvm_plugin_load("test_plugin_example.so", why);
	if (plugin == NULL)
		fail_msg("%s", why);
	assert_string_equal(plugin->name, "malloc-example");
	heap = test_heap(plugin, NULL);
	token = test_alloc(plugin, heap, sizeof(data));
	assert_int_equal(xvm_object_write(plugin, heap, token, data, sizeof(data)), 0);
	assert_int_equal(xvm_object_read(plugin, heap, token, copy, sizeof(copy)), 0);
	assert_memory_equal(data, copy, sizeof(data));
	assert_int_equal(plugin->free(heap, token, sizeof(data)), 0);
	plugin->destroy(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_has_every_allocator_once),
		cmocka_unit_test(registry_says_why_an_allocator_cannot_run),
		cmocka_unit_test(preload_looks_in_ld_library_path_first),
		cmocka_unit_test(settings_are_refused_with_cause_and_fix),
		cmocka_unit_test(settings_are_for_xvmalloc_only),
		cmocka_unit_test(plugin_faults_are_named),
		cmocka_unit_test(plugins_load_and_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
