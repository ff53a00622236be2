/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * allocators.c: see allocators.h. Locking: none. O(allocators).
 */
#include "allocators.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

static struct micro_allocator rows[] = {
	{"xvmalloc", GROUP_ALL, NULL, NULL},
	{"xvmalloc-nosplit", GROUP_ALL, NULL, NULL},
	{"xvmalloc-keyed", GROUP_ALL, NULL, NULL},
	{"xvmalloc:shards=1:lock=none", GROUP_PAIRS, NULL, NULL}, /* TLSF has no lock either */
	{"xvmalloc-nosplit:provider=highmem", GROUP_PROVIDER, NULL, NULL},
	{"xvmalloc-nosplit:provider=buffer", GROUP_PROVIDER, NULL, NULL},
	{"xvmalloc-heap", GROUP_PROGRAM, NULL, NULL},
	{"tlsf", GROUP_ALL | GROUP_PROGRAM, NULL, NULL},
	{"glibc", GROUP_ALL | GROUP_PROGRAM, NULL, NULL},
	{"ideal", GROUP_PAIRS | GROUP_PROGRAM, NULL, NULL}, /* what the loop and its calls cost */
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct micro_allocator chosen;

/* With its library this process has the malloc that is asked for. */
static bool preload(const struct xvm_entry *entry, char **argv)
{
	const char *path = xvm_preload_path(entry);
	const char *loaded = getenv("LD_PRELOAD");

	if (loaded != NULL && strcmp(loaded, path) == 0)
		return true;
	setenv("LD_PRELOAD", path, 1);
	execv("/proc/self/exe", argv);
	xvm_error("cannot start with %s: %s", path, strerror(errno));
	return false;
}

static bool row_find(struct micro_allocator *row, char **argv)
{
	const struct xvm_entry *entry = xvm_entry_find(row->name, &row->settings);
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "see xvfrag --list for those that there are";

	if (entry == NULL || entry->plugin->flags & XVFRAG_PLUGIN_PAGES ||
	    xvm_entry_available(entry, why) != 0 ||
	    xvm_entry_check(entry, row->settings, 1, why) != 0) {
		xvm_error("no allocator %s: %s", row->name, why);
		return false;
	}
	row->calls = entry->plugin;
	return entry->library == NULL || preload(entry, argv);
}

bool micro_choose_allocators(const char *only, char **argv)
{
	bool good = true;

	if (only == NULL) {
		for (size_t i = 0; i < ROWS && good; i++)
			good = row_find(&rows[i], argv);
		return good;
	}
	chosen = (struct micro_allocator){.name = only, .groups = GROUP_ALL};
	if (!row_find(&chosen, argv))
		return false;
	if (chosen.calls->flags & XVFRAG_PLUGIN_ADDRESSES)
		chosen.groups |= GROUP_PROGRAM;
	return true;
}

const struct micro_allocator *micro_allocator_at(size_t index)
{
	if (chosen.name != NULL)
		return index == 0 ? &chosen : NULL;
	return index < ROWS ? &rows[index] : NULL;
}
