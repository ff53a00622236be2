/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/xvfrag_plugin.h: how an allocator joins the fragmentation benchmark.
 *
 * Build a shared object that exports one constant, XVFRAG_PLUGIN_SYMBOL, of type
 * struct xvfrag_plugin, and name it: xvfrag --allocator plugin:./mine.so. The
 * allocators built into xvfrag are written to the same interface. Each runs in a
 * process of its own, so a plugin may use global state. Its calls come one at a time,
 * with --threads from several threads in turn, unless it says that it can take more:
 * see XVFRAG_PLUGIN_FLAGS_SYMBOL.
 *
 * Only this header and the freestanding headers of C11 are needed: a plugin does
 * not link to libxvmalloc.
 */
#ifndef XVMALLOC_XVFRAG_PLUGIN_H
#define XVMALLOC_XVFRAG_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XVFRAG_PLUGIN_ABI 1U
#define XVFRAG_PLUGIN_SYMBOL xvfrag_plugin
#define XVFRAG_PLUGIN_SYMBOL_NAME "xvfrag_plugin"

/*
 * Optional: a second constant, a uint32_t of enum xvfrag_plugin_flags; none is 0. It is a
 * symbol of its own so that plugins built before there were flags go on working.
 */
#define XVFRAG_PLUGIN_FLAGS_SYMBOL xvfrag_plugin_flags
#define XVFRAG_PLUGIN_FLAGS_SYMBOL_NAME "xvfrag_plugin_flags"

enum xvfrag_plugin_flags {
	/*
	 * alloc, alloc_indexed, set_index, free and write (where there is none: map and
	 * unmap) may be called by several threads at once, for different objects; an object
	 * may be freed by another thread than the one that made it. Without it one mutex
	 * around every call keeps the threads of --threads apart, and the row says so. The
	 * other calls are never made beside any call.
	 */
	XVFRAG_PLUGIN_THREADS = 0x1U,

	/*
	 * map does no more than tell the object's address, and unmap nothing: any number of
	 * objects may be mapped at once. Spares an allocator without XVFRAG_PLUGIN_THREADS
	 * the mutex while its objects are filled.
	 */
	XVFRAG_PLUGIN_ADDRESSES = 0x2U,
};

/* What xvfrag asks of the heap that it creates. */
struct xvfrag_plugin_config {
	size_t page_bytes;    /* page size the run compares at, bytes; a power of two */
	size_t max_size;      /* largest object the run will ask for, bytes */
	uint64_t max_objects; /* most objects live at once */
	uint64_t total_bytes; /* upper estimate of live bytes at any time */
	uint64_t seed;        /* of the run */
	const char *provider; /* page source asked for by --provider: "mmap", "highmem" or
			       * "buffer"; an allocator that has none ignores it */
	const char *argument; /* what came after ':' in --allocator, or NULL */
};

/* What one compaction did. All bytes. */
struct xvfrag_plugin_compaction {
	uint64_t moved_bytes;     /* object bytes copied */
	uint64_t freed_bytes;     /* held bytes given back */
	uint64_t longest_step_ns; /* longest uninterrupted step, nanoseconds of CPU time */
	uint64_t p99_step_ns;
	uint64_t steps;
};

struct xvfrag_plugin {
	uint32_t abi;        /* XVFRAG_PLUGIN_ABI */
	const char *name;    /* short, lower case, no spaces: the row's name */
	const char *summary; /* one line for --list */

	/* Make a heap, or return NULL with errno set. destroy ends it. */
	void *(*create)(const struct xvfrag_plugin_config *config);
	void (*destroy)(void *heap);

	/*
	 * Allocate size bytes and store any 64-bit name for the object in *token.
	 * Returns 0 or a negative errno. free ends it; size is what was asked for.
	 */
	int (*alloc)(void *heap, size_t size, uint64_t *token);
	void (*free)(void *heap, uint64_t token, size_t size);

	/*
	 * Optional. The object's memory, to be filled by xvfrag so that it becomes
	 * resident; unmap ends it. NULL for a model that only counts.
	 */
	void *(*map)(void *heap, uint64_t token, size_t size);
	void (*unmap)(void *heap, uint64_t token, void *ptr);

	/*
	 * Optional. Copy into the object instead of map: for allocators whose objects
	 * may lie in several pieces. Preferred over map where both are there.
	 */
	int (*write)(void *heap, uint64_t token, const void *data, size_t size);

	/*
	 * Optional. Bytes the heap holds from the system, all of its structures
	 * included. Where NULL, the growth of the process's resident set is taken.
	 */
	uint64_t (*held_bytes)(void *heap);

	/*
	 * Optional. Give back what can be given back by moving objects. Objects that
	 * move are renamed through renamed(context, index, token), where index is the
	 * one given to set_index. NULL: the allocator has no compaction phases.
	 */
	int (*compact)(void *heap, void (*renamed)(void *context, uint32_t index, uint64_t token),
		       uint64_t (*locate)(void *context, uint32_t index), void *context,
		       struct xvfrag_plugin_compaction *result);

	/*
	 * The object's index, for compact, which needs one of these. set_index is told it
	 * once, after alloc. alloc_indexed is alloc for an allocator that wants the index
	 * at once, as a store that makes an object for a slot of its own gives it;
	 * preferred where both are there. Both are timed.
	 */
	void (*set_index)(void *heap, uint64_t token, uint32_t index);

	/* Optional. Live objects that lie in more than one piece, count. */
	uint64_t (*split_objects)(void *heap);

	/* Optional: see set_index. */
	int (*alloc_indexed)(void *heap, size_t size, uint32_t index, uint64_t *token);
};

#ifdef __cplusplus
}
#endif
#endif
