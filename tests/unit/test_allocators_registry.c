/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The list of allocators, and finding libraries to preload. */
#define _GNU_SOURCE
#include "test_allocators_support.h"

#include <elf.h>
#include <unistd.h>

static const char *const expected[] = {
	"xvmalloc", "xvmalloc-nosplit", "xvmalloc-keyed", "ideal", "glibc", "jemalloc",
	"mimalloc", "tcmalloc",         "tlsf",           "zram",  "slub",  "slob"};

enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

static void registry_has_every_allocator_once(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(xvm_entry_count(), EXPECTED);
	for (i = 0; i < EXPECTED; i++) {
		assert_string_equal(xvm_entry_at(i)->name, expected[i]);
		assert_ptr_equal(xvm_entry_find(expected[i]), xvm_entry_at(i));
	}
	assert_null(xvm_entry_at(EXPECTED));
	assert_null(xvm_entry_find("xv"));
	assert_null(xvm_entry_find(""));
}

static void registry_entries_are_complete(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < xvm_entry_count(); i++) {
		const struct xvm_entry *entry = xvm_entry_at(i);
		const struct xvfrag_plugin *plugin = entry->plugin;

		assert_true(entry->summary[0] != '\0');
		if ((entry->flags & XVM_DEVICE) != 0) {
			assert_null(plugin);
			continue;
		}
		assert_int_equal(plugin->abi, XVFRAG_PLUGIN_ABI);
		assert_true(plugin->create && plugin->destroy && plugin->alloc && plugin->free);
		/* A model is what has no memory, and then it must count for itself. */
		assert_int_equal((entry->flags & XVM_MODEL) != 0, plugin->map == NULL);
		assert_true(plugin->map != NULL || plugin->held_bytes != NULL);
		assert_true(plugin->compact == NULL || plugin->set_index != NULL ||
			    plugin->alloc_indexed != NULL);
	}
}

/* The default row is the library with all it has; the other one shows what that is worth. */
static void registry_xvmalloc_compacts_and_whole_does_not(void **state)
{
	const struct xvfrag_plugin *plugin = xvm_entry_find("xvmalloc")->plugin;
	const struct xvfrag_plugin *whole = xvm_entry_find("xvmalloc-nosplit")->plugin;

	(void)state;
	assert_non_null(plugin->compact);
	assert_non_null(plugin->split_objects);
	assert_null(whole->compact);
	assert_null(whole->split_objects);
	assert_string_equal(plugin->name, "xvmalloc");
	assert_string_equal(whole->name, "xvmalloc-nosplit");
}

/* What has no lock or the like of its own is not given several threads at once. */
static void registry_knows_who_takes_threads(void **state)
{
	static const char *const takes[] = {"xvmalloc", "xvmalloc-nosplit", "xvmalloc-keyed",
					    "glibc",    "jemalloc",         "mimalloc",
					    "tcmalloc"};
	size_t i, found = 0;

	(void)state;
	for (i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		assert_true((xvm_entry_find(takes[i])->flags & XVM_THREADS) != 0);
	for (i = 0; i < xvm_entry_count(); i++)
		found += (xvm_entry_at(i)->flags & XVM_THREADS) != 0;
	assert_int_equal(found, sizeof(takes) / sizeof(takes[0]));
	/* Only where map is no more than an address can objects be filled without the mutex. */
	assert_true((xvm_entry_find("tlsf")->flags & XVM_ADDRESSES) != 0);
	assert_true((xvm_entry_find("xvmalloc")->flags & XVM_ADDRESSES) == 0);
}

static void registry_says_why_an_allocator_cannot_run(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < xvm_entry_count(); i++) {
		const struct xvm_entry *entry = xvm_entry_at(i);
		char why[256] = "";

		if (xvm_entry_available(entry, why, sizeof(why)))
			continue;
		print_message("%s: %s\n", entry->name, why);
		assert_true(entry->preload_soname != NULL || (entry->flags & XVM_DEVICE) != 0);
		assert_true(why[0] != '\0');
		assert_null(strchr(why, '\n'));
	}
}

/* A file that looks like a library for this machine, or for the other word size. */
static void library_write(const char *path, int for_this_machine)
{
	unsigned char ident[EI_NIDENT] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3};
	int is_64 = sizeof(void *) == 8;
	FILE *file = fopen(path, "wb");

	ident[EI_CLASS] = is_64 == for_this_machine ? ELFCLASS64 : ELFCLASS32;
	assert_non_null(file);
	assert_int_equal(fwrite(ident, 1, sizeof(ident), file), sizeof(ident));
	fclose(file);
}

static void preload_looks_in_ld_library_path_first(void **state)
{
	const struct xvm_entry *entry = xvm_entry_find("jemalloc");
	char directory[] = "/tmp/xvfrag-test-XXXXXX";
	char path[64], list[64];
	const char *found;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/libjemalloc.so.2", directory);
	snprintf(list, sizeof(list), "/nowhere:%s", directory);
	assert_int_equal(setenv("LD_LIBRARY_PATH", list, 1), 0);
	library_write(path, 1);
	found = xvm_preload_path(entry);
	assert_non_null(found);
	assert_string_equal(found, path);
	library_write(path, 0);
	found = xvm_preload_path(entry);
	assert_true(found == NULL || strcmp(found, path) != 0);
	unsetenv("LD_LIBRARY_PATH");
	unlink(path);
	rmdir(directory);
}

static void preload_is_for_preloaded_allocators_only(void **state)
{
	struct xvm_entry unknown = {.name = "x", .preload_soname = "libno-such-thing.so.1"};
	char why[256];

	(void)state;
	assert_null(xvm_preload_path(xvm_entry_find("glibc")));
	assert_null(xvm_preload_path(&unknown));
	assert_int_equal(xvm_entry_available(&unknown, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "libno-such-thing.so.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_has_every_allocator_once),
		cmocka_unit_test(registry_entries_are_complete),
		cmocka_unit_test(registry_xvmalloc_compacts_and_whole_does_not),
		cmocka_unit_test(registry_knows_who_takes_threads),
		cmocka_unit_test(registry_says_why_an_allocator_cannot_run),
		cmocka_unit_test(preload_looks_in_ld_library_path_first),
		cmocka_unit_test(preload_is_for_preloaded_allocators_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
