/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * registry.h: the allocators that xvfrag and the micro benchmarks compare.
 *
 * Owns the fixed list of allocators and the loading of plugins. May call dlopen
 * and read the file system; never allocates through an allocator under test.
 * Locking: none; call from one thread. The list is constant, entries of it live
 * for ever. Look-ups are O(entries).
 *
 * `why` has XVFRAG_PLUGIN_WHY_BYTES. A function that fails puts one line there, which
 * names the cause and what would be right.
 */
#ifndef XVM_ALLOCATORS_REGISTRY_H
#define XVM_ALLOCATORS_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include <xvmalloc/xvfrag_plugin.h>

/* One allocator. */
struct xvm_entry {
	const struct xvfrag_plugin *plugin;

	/* The library to preload into the process that runs it, its names with ':' between, best
	 * first; and its package. NULL: none. */
	const char *soname;
	const char *package;

	/* Optional. Can it run on this machine? 0, or -1. */
	int (*available)(char *why);

	/* Optional; NULL: it takes no settings. Are they good for so many threads? 0, or -1. */
	int (*check)(const char *settings, unsigned threads, char *why);
};

/* The built-in allocators in the order of the table's rows; NULL behind the last. */
const struct xvm_entry *xvm_entry_at(size_t i);

/*
 * The built-in allocator of NAME or NAME:SETTINGS, or NULL. *settings is what stands behind the
 * colon, or NULL.
 */
const struct xvm_entry *xvm_entry_find(const char *spec, const char **settings);

/* Can the allocator run on this machine? 0, or -1. */
int xvm_entry_available(const struct xvm_entry *entry, char *why);

/* Does the entry take the settings (NULL = none) in a run on so many threads? 0, or -1. */
int xvm_entry_check(const struct xvm_entry *entry, const char *settings, unsigned threads,
		    char *why);

/*
 * Load the plugin at path. The object stays loaded until the process ends. Returns NULL on
 * failure.
 */
const struct xvfrag_plugin *xvm_plugin_load(const char *path, char *why);

/*
 * Absolute path of the entry's preload library, or NULL when there is none to
 * preload or none was found. Static storage, good until the next call.
 */
const char *xvm_preload_path(const struct xvm_entry *entry);

/* An allocator that only counts: it has no memory, and its time means nothing. */
bool xvm_plugin_is_model(const struct xvfrag_plugin *plugin);

/*
 * Fill an object or read it, in whichever way the allocator has; both do nothing for a model.
 * Return 0 or a negative errno.
 */
int xvm_object_write(const struct xvfrag_plugin *plugin, void *heap, uint64_t token,
		     const void *data, size_t size);
int xvm_object_read(const struct xvfrag_plugin *plugin, void *heap, uint64_t token, void *data,
		    size_t size);

/* Print a line to why, unless that is NULL. Returns -1. */
int xvm_entry_complain(char *why, const char *format, ...);

/* For registry.c: the check of xvmalloc's settings, see xvmalloc_pool.c. */
int xvm_pool_check(const char *settings, unsigned threads, char *why);

/*
 * Kernel zram: could it run here? 0, or -1; makes no device. The number N of a heap's /dev/zramN.
 * Its pages are of 4096 bytes and aligned to that.
 */
int xvm_zram_available(char *why);
unsigned xvm_zram_number(const void *heap);

/* The built-in allocators. */
extern const struct xvfrag_plugin xvm_allocator_xvmalloc;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_nosplit;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_keyed;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_hardened;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_heap;
extern const struct xvfrag_plugin xvm_allocator_ideal;
extern const struct xvfrag_plugin xvm_allocator_glibc;
extern const struct xvfrag_plugin xvm_allocator_jemalloc;
extern const struct xvfrag_plugin xvm_allocator_mimalloc;
extern const struct xvfrag_plugin xvm_allocator_tcmalloc;
extern const struct xvfrag_plugin xvm_allocator_tlsf;
extern const struct xvfrag_plugin xvm_allocator_zram;
extern const struct xvfrag_plugin xvm_allocator_slub;
extern const struct xvfrag_plugin xvm_allocator_slob;

#endif
