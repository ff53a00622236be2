/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * registry.c: the list of built-in allocators, and whether each can run here.
 * See registry.h; preload libraries are looked for in preload.c, plugins are
 * loaded in plugin_load.c.
 */
#include "registry.h"

#include "builtin.h"
#include "preload.h"
#include "xvmalloc_settings.h"
#include "zram_device.h"

#include <stdio.h>
#include <string.h>

/* What takes several threads has a lock or the like of its own; see xvfrag_plugin.h. */
#define ENTRY_PROCESS_MALLOC (XVM_THREADS | XVM_ADDRESSES)
#define ENTRY_POOL (XVM_PAGE_SIZED | XVM_THREADS)
#define ENTRY_MODEL (XVM_MODEL | XVM_PAGE_SIZED)

static const struct xvm_entry entries[] = {
	{&xvm_allocator_xvmalloc, "xvmalloc",
	 "libxvmalloc, one pool over --provider's pages: split objects, compaction", NULL,
	 ENTRY_POOL, xvm_pool_check_settings},
	{&xvm_allocator_xvmalloc_nosplit, "xvmalloc-nosplit",
	 "libxvmalloc with both off: each object is one block and stays", NULL, ENTRY_POOL,
	 xvm_pool_check_settings},
	{&xvm_allocator_xvmalloc_keyed, "xvmalloc-keyed",
	 "as xvmalloc-nosplit, with handles checked by less (XV_POOL_KEYED)", NULL, ENTRY_POOL,
	 xvm_pool_check_settings},
	{&xvm_allocator_ideal, "ideal", "exactly the bytes requested: the line to measure against",
	 NULL, XVM_MODEL | XVM_IDEAL, NULL},
	{&xvm_allocator_malloc, "glibc", "the C library's malloc; held bytes from the resident set",
	 NULL, ENTRY_PROCESS_MALLOC, NULL},
	{&xvm_allocator_malloc, "jemalloc", "jemalloc, preloaded; held bytes from the resident set",
	 "libjemalloc.so.2", ENTRY_PROCESS_MALLOC, NULL},
	{&xvm_allocator_malloc, "mimalloc", "mimalloc, preloaded; held bytes from the resident set",
	 "libmimalloc.so.2", ENTRY_PROCESS_MALLOC, NULL},
	{&xvm_allocator_malloc, "tcmalloc",
	 "gperftools tcmalloc, preloaded; held bytes from the resident set",
	 "libtcmalloc_minimal.so.4", ENTRY_PROCESS_MALLOC, NULL},
	{&xvm_allocator_tlsf, "tlsf",
	 "TLSF from its 2004 paper: word headers, 32 lists a level, 1 MiB regions", NULL,
	 XVM_ADDRESSES, NULL},
	{NULL, "zram", "the kernel's zram, real pages on a device of its own (needs root)", NULL,
	 XVM_DEVICE, NULL},
	{&xvm_allocator_slub, "slub", "model of Linux kmalloc: SLUB's size classes and slab orders",
	 NULL, ENTRY_MODEL, NULL},
	{&xvm_allocator_slob, "slob", "model of Linux SLOB: first fit in three lists of pages",
	 NULL, ENTRY_MODEL, NULL},
};

size_t xvm_entry_count(void)
{
	return sizeof(entries) / sizeof(entries[0]);
}

const struct xvm_entry *xvm_entry_at(size_t i)
{
	return i < xvm_entry_count() ? &entries[i] : NULL;
}

const struct xvm_entry *xvm_entry_find(const char *name)
{
	size_t i;

	for (i = 0; i < xvm_entry_count(); i++) {
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	}
	return NULL;
}

int xvm_entry_available(const struct xvm_entry *entry, char *why, size_t why_bytes)
{
	if ((entry->flags & XVM_DEVICE) != 0)
		return xvm_zram_available(why, why_bytes);
	if (entry->preload_soname == NULL || xvm_preload_path(entry) != NULL)
		return 1;
	snprintf(why, why_bytes, "%s is not installed (Debian: apt-get install %s)",
		 entry->preload_soname, xvm_preload_package(entry->preload_soname));
	return 0;
}

int xvm_entry_check(const struct xvm_entry *entry, const char *argument, unsigned threads,
		    char *why, size_t why_bytes)
{
	if (entry->check != NULL)
		return entry->check(argument, threads, why, why_bytes);
	if (argument == NULL)
		return 0;
	snprintf(why, why_bytes,
		 "%s takes no settings: leave out ':%s' (rows of xvmalloc take some)", entry->name,
		 argument);
	return -1;
}
