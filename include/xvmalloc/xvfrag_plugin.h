/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/xvfrag_plugin.h: how an allocator joins the fragmentation benchmark.
 *
 * Build a shared object that exports one constant, XVFRAG_PLUGIN_SYMBOL, of type
 * struct xvfrag_plugin, and name it: xvfrag --allocator plugin:./mine.so. The
 * allocators built into xvfrag and into the micro benchmarks are written to the same
 * interface. xvfrag runs each in a process of its own, so a plugin may use global state.
 * Its calls come one at a time unless XVFRAG_PLUGIN_THREADS says that it takes more.
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

#define XVFRAG_PLUGIN_ABI 2U
#define XVFRAG_PLUGIN_SYMBOL xvfrag_plugin
#define XVFRAG_PLUGIN_SYMBOL_NAME "xvfrag_plugin"

/* Room for the reason that create gives, bytes with the null. */
#define XVFRAG_PLUGIN_WHY_BYTES 240U

/* Bits of xvfrag_plugin.flags. */
enum xvfrag_plugin_flags {
	/*
	 * alloc, free, resize, write and read may be called by several threads at once, for
	 * different objects. Without the flag the allocator is not run with --threads. The
	 * other calls are never made beside any call.
	 */
	XVFRAG_PLUGIN_THREADS = 0x1U,

	/*
	 * A token is the address of its object, which is filled and read there: write and read
	 * are not called.
	 */
	XVFRAG_PLUGIN_ADDRESSES = 0x2U,

	/*
	 * A store of pages that compresses by itself: it is not given random bytes but the
	 * pages of the input, 4096 bytes each, in an object for each index. A page is
	 * overwritten by write alone, without alloc and free. Runs without times, and
	 * needs write and requested_bytes.
	 */
	XVFRAG_PLUGIN_PAGES = 0x4U,
};

/* What is asked of the heap that is created. */
struct xvfrag_plugin_config {
	size_t max_size;      /* largest object that will be asked for, bytes */
	uint64_t max_objects; /* most objects live at once; above every index */
	uint64_t total_bytes; /* upper estimate of live bytes at any time */
	uint64_t seed;        /* of the run */
	const char *settings; /* what came after ':' in --allocator, or NULL */
	const char *codec;    /* that pages are compressed with: "lz4"; or NULL */
	char *why;            /* create may put a reason here when it fails: one line, at most
			       * XVFRAG_PLUGIN_WHY_BYTES with the null */

	/*
	 * For compact_step, during which it is called: the object `index` was copied from one
	 * token to another. 0: it has the new token from now on. Otherwise it stays where it
	 * was. context is the first argument.
	 */
	int (*moved)(void *context, uint32_t index, uint64_t from, uint64_t to);
	void *context;
};

struct xvfrag_plugin {
	uint32_t abi;        /* XVFRAG_PLUGIN_ABI */
	uint32_t flags;      /* enum xvfrag_plugin_flags */
	const char *name;    /* one word, without ',' ':' and '/': the row's name */
	const char *summary; /* one line for --list */

	/*
	 * Make a heap, or return NULL with errno set; ENODEV means that it cannot run on this
	 * machine. destroy ends it with all objects.
	 */
	void *(*create)(const struct xvfrag_plugin_config *config);
	void (*destroy)(void *heap);

	/*
	 * Make an object of size bytes and store any 64-bit name for it in *token. index is a
	 * number below max_objects that no other object has, but for one that is about to be
	 * freed. Returns 0 or a negative errno. free ends it; size is what was asked for.
	 */
	int (*alloc)(void *heap, size_t size, uint32_t index, uint64_t *token);
	int (*free)(void *heap, uint64_t token, size_t size);

	/* Optional. Give the object another size; the bytes that both sizes have stay. */
	int (*resize)(void *heap, uint64_t *token, size_t old_size, size_t new_size);

	/*
	 * Optional, both or neither. Copy the object's first size bytes in or out. Return 0 or a
	 * negative errno. An allocator that has neither, nor XVFRAG_PLUGIN_ADDRESSES, is a model:
	 * it only counts.
	 */
	int (*write)(void *heap, uint64_t token, const void *data, size_t size);
	int (*read)(void *heap, uint64_t token, void *data, size_t size);

	/*
	 * Optional. Bytes the heap holds from the system, all of its structures
	 * included. Where NULL, the growth of the process's resident set is taken.
	 */
	uint64_t (*held_bytes)(void *heap);

	/* Optional. Bytes that are stored, where that is not the sum of the sizes. */
	uint64_t (*requested_bytes)(void *heap);

	/*
	 * Optional. One short step of giving memory back by moving objects; moves are told
	 * through config.moved. Adds the bytes that it copied to *moved_bytes. Returns 1 when
	 * there is more to do, 0 when the cycle is over, or a negative errno. NULL: the
	 * allocator has no compaction phases.
	 */
	int (*compact_step)(void *heap, uint64_t *moved_bytes);

	/* Optional. Live objects that lie in more than one piece, count. */
	uint64_t (*split_objects)(void *heap);
};

#ifdef __cplusplus
}
#endif
#endif
