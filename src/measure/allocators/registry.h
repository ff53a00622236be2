/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * registry.h: the allocators that xvfrag can compare.
 *
 * Owns the fixed list of allocators and the loading of plugins. May call dlopen
 * and read the file system; never allocates through an allocator under test.
 * Locking: none; call from one thread. The list is constant, entries of it live
 * for ever. Look-ups are O(entries).
 */
#ifndef XVM_ALLOCATORS_REGISTRY_H
#define XVM_ALLOCATORS_REGISTRY_H

#include <stddef.h>

#include <xvmalloc/xvfrag_plugin.h>

/* What a row of the table may be told about an allocator. */
enum xvm_entry_flags {
	XVM_MODEL = 1U << 0,      /* counts only: has no memory, its time means nothing */
	XVM_IDEAL = 1U << 1,      /* held is what was requested */
	XVM_DEVICE = 1U << 2,     /* kernel zram: wants pages, not sizes (zram_device.h) */
	XVM_PAGE_SIZED = 1U << 3, /* config.page_bytes changes its result */
	XVM_THREADS = 1U << 4,    /* XVFRAG_PLUGIN_THREADS */
	XVM_ADDRESSES = 1U << 5,  /* XVFRAG_PLUGIN_ADDRESSES */
	XVM_GUARDED = 1U << 6,    /* of an outcome: a mutex of the run's kept its threads apart */
};

/* One allocator. */
struct xvm_entry {
	const struct xvfrag_plugin *plugin; /* NULL for XVM_DEVICE */
	const char *name;                   /* as in --allocator */
	const char *summary;                /* one line for --list */
	const char *preload_soname;         /* library to preload into the child, or NULL */
	unsigned flags;                     /* enum xvm_entry_flags */

	/*
	 * Can what came after ':' in its name be run on so many threads? 0, or -1 with one
	 * line in why. argument is NULL where there was none. NULL: it takes no argument.
	 */
	int (*check)(const char *argument, unsigned threads, char *why, size_t why_bytes);
};

/* The built-in allocators, in the order of the table's rows. */
size_t xvm_entry_count(void);
const struct xvm_entry *xvm_entry_at(size_t i);

/* The built-in allocator of that name, or NULL. */
const struct xvm_entry *xvm_entry_find(const char *name);

/*
 * Can the allocator run on this machine? 1, or 0 with one line in why that names
 * the cause and the package or privilege that would help.
 */
int xvm_entry_available(const struct xvm_entry *entry, char *why, size_t why_bytes);

/*
 * Does the entry take the argument (what came after ':'; NULL = none) in a run on so many
 * threads? 0, or -1 with one line in why that names the cause and what would be right.
 */
int xvm_entry_check(const struct xvm_entry *entry, const char *argument, unsigned threads,
		    char *why, size_t why_bytes);

/*
 * Load the plugin at path and describe it in *entry. The object stays loaded until
 * the process ends, and *entry points into it. Returns 0, or -1 with one line in
 * why.
 */
int xvm_plugin_load(const char *path, struct xvm_entry *entry, char *why, size_t why_bytes);

/*
 * Absolute path of the entry's preload library, or NULL when there is none to
 * preload or none was found. Static storage, good until the next call.
 */
const char *xvm_preload_path(const struct xvm_entry *entry);

#endif
