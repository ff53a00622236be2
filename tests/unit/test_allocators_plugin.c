/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Loading plugins: the example works, and each mistake is named. */
#define _GNU_SOURCE
#include "test_allocators_support.h"

#include <unistd.h>

/* Loading the file must fail, and say so with this text. */
static void assert_refused(const char *path, const char *text)
{
	struct xvm_entry entry = {.name = "untouched"};
	char why[512] = "";

	assert_int_equal(xvm_plugin_load(path, &entry, why, sizeof(why)), -1);
	if (strstr(why, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, text);
	assert_non_null(strstr(why, path));
	assert_string_equal(entry.name, "untouched");
}

static void example_plugin_loads_and_works(void **state)
{
	struct xvm_entry entry;
	char why[512] = "";
	uint64_t token;
	void *heap, *ptr;

	(void)state;
	if (xvm_plugin_load(PLUGIN_DIRECTORY "/test_plugin_example.so", &entry, why, sizeof(why)))
		fail_msg("%s", why);
	assert_string_equal(entry.name, "malloc-example");
	assert_int_equal(entry.flags, 0);
	assert_null(entry.preload_soname);
	assert_int_equal(xvm_entry_available(&entry, why, sizeof(why)), 1);
	heap = test_heap(entry.plugin, 4096, NULL);
	token = test_alloc(entry.plugin, heap, 100);
	ptr = entry.plugin->map(heap, token, 100);
	memset(ptr, 1, 100);
	entry.plugin->unmap(heap, token, ptr);
	entry.plugin->free(heap, token, 100);
	entry.plugin->destroy(heap);
}

/* A bare name is a file here, not something of the loader's search path. */
static void plugin_without_slash_is_taken_from_here(void **state)
{
	struct xvm_entry entry;
	char why[512] = "";

	(void)state;
	assert_int_equal(chdir(PLUGIN_DIRECTORY), 0);
	assert_int_equal(xvm_plugin_load("test_plugin_example.so", &entry, why, sizeof(why)), 0);
}

/* The one has no such constant, as plugins had none before there were threads. */
static void plugin_takes_threads_where_it_says_so(void **state)
{
	struct xvm_entry entry;
	char why[512] = "";

	(void)state;
	if (xvm_plugin_load(PLUGIN_DIRECTORY "/test_plugin_NONE.so", &entry, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(entry.flags, XVM_MODEL | XVM_THREADS);
	if (xvm_plugin_load(PLUGIN_DIRECTORY "/test_plugin_example.so", &entry, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(entry.flags & (XVM_THREADS | XVM_ADDRESSES), 0);
}

static void plugin_faults_are_named(void **state)
{
	(void)state;
	assert_refused("/nowhere/x.so", "no such file");
	assert_refused("/dev/null", "cannot be loaded");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_NO_SYMBOL.so", "no symbol xvfrag_plugin");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_ABI.so", "plugin interface 2");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_NAME.so", "one word");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_ALLOC.so", "function alloc");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_UNMAP.so", "function unmap");
	assert_refused(PLUGIN_DIRECTORY "/test_plugin_SET_INDEX.so", "function set_index");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_plugin_loads_and_works),
		cmocka_unit_test(plugin_without_slash_is_taken_from_here),
		cmocka_unit_test(plugin_takes_threads_where_it_says_so),
		cmocka_unit_test(plugin_faults_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
