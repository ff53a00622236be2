/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvi_tools.h: what memcheck and the address sanitizer are told about memory. All requests to them
 * are made here. Owns nothing, calls only the tools, no locking: the caller has the lock of what it
 * tells about. O(bytes), and nothing in a build without XV_TOOLS.
 *
 * Memory is hidden (each access of the program is an error) or shown. Objects have names: the heap
 * that made them and the address of their payload. memcheck tells by name where an object was made
 * and freed, and reports it as a leak; the address sanitizer knows only what is hidden.
 *
 * The library itself reads and writes hidden memory: headers, canaries, the words of holes. For the
 * address sanitizer, heap and objects are compiled without checks, and XVI_READS_HEADERS marks what
 * else reads them; memcpy and memset of many bytes check always, so a payload is shown when it is
 * copied. memcheck is quiet while a thread has the lock of a shard.
 *
 * XVI_TOOLS_ASAN and XVI_TOOLS_VALGRIND come from the build.
 */
#ifndef XVI_TOOLS_H
#define XVI_TOOLS_H

#include "xvi_bits.h"

#include <stddef.h>

#ifndef XVI_TOOLS_ASAN
#define XVI_TOOLS_ASAN 0
#endif
#ifndef XVI_TOOLS_VALGRIND
#define XVI_TOOLS_VALGRIND 0
#endif

#if XVI_TOOLS_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if XVI_TOOLS_VALGRIND
#include <valgrind/memcheck.h>
#endif

enum {
	/* The sanitizer knows for each 8 bytes how many of them, from the first on, are shown: a
	 * payload must begin there. */
	TOOLS_ALIGNMENT = 8,

	/* Bytes around a payload that are always hidden: memcheck names the object to which they
	 * belong. */
	TOOLS_MARGIN = 4,
};

/* Does a tool watch this program? */
static inline bool xvi_tools_watch(void)
{
#if XVI_TOOLS_ASAN
	return true;
#elif XVI_TOOLS_VALGRIND
	return RUNNING_ON_VALGRIND != 0;
#else
	return false;
#endif
}

static inline void xvi_tools_hide(const void *p, size_t bytes)
{
	(void)p, (void)bytes;
#if XVI_TOOLS_ASAN /* its macros do nothing in files without checks */
	__asan_poison_memory_region(p, bytes);
#endif
#if XVI_TOOLS_VALGRIND
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, bytes);
#endif
}

/* Its bytes are undefined. */
static inline void xvi_tools_show(const void *p, size_t bytes)
{
	(void)p, (void)bytes;
#if XVI_TOOLS_ASAN
	__asan_unpoison_memory_region(p, bytes);
#endif
#if XVI_TOOLS_VALGRIND
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, bytes);
#endif
}

/* ---- names ---- */

/* This heap now has no names; the objects that had one are hidden. */
static inline void xvi_tools_heap_begin(const void *heap)
{
	(void)heap;
#if XVI_TOOLS_VALGRIND
	if (VALGRIND_MEMPOOL_EXISTS(heap))
		VALGRIND_DESTROY_MEMPOOL(heap);
	VALGRIND_CREATE_MEMPOOL(heap, TOOLS_MARGIN, 0);
#endif
}

static inline void xvi_tools_heap_end(const void *heap)
{
	(void)heap;
#if XVI_TOOLS_VALGRIND
	if (VALGRIND_MEMPOOL_EXISTS(heap))
		VALGRIND_DESTROY_MEMPOOL(heap);
#endif
}

/* An object, whose payload is shown, gets a name. */
static inline void xvi_tools_made(const void *heap, const void *payload, size_t bytes)
{
	(void)heap;
	xvi_tools_show(payload, bytes);
#if XVI_TOOLS_VALGRIND
	VALGRIND_MEMPOOL_ALLOC(heap, payload, bytes);
#endif
}

/* It loses its name, and its payload is hidden. */
static inline void xvi_tools_freed(const void *heap, const void *payload, size_t bytes)
{
	(void)heap;
#if XVI_TOOLS_VALGRIND
	VALGRIND_MEMPOOL_FREE(heap, payload);
#endif
	xvi_tools_hide(payload, bytes);
}

/* The object's name is now `to`, with this length; nothing is shown or hidden. */
static inline void xvi_tools_renamed(const void *heap, const void *from, const void *to,
				     size_t bytes)
{
	(void)heap, (void)from, (void)to, (void)bytes;
#if XVI_TOOLS_VALGRIND
	VALGRIND_MEMPOOL_CHANGE(heap, from, to, bytes);
#endif
}

/* A pool was made in memory that is not the caller's, and is ended. To memcheck it is a block that
 * leaks when the pool is lost; while it has no blocks at all, it looks for no lost object. */
static inline void xvi_tools_pool_begin(const void *pool, size_t bytes)
{
	(void)pool, (void)bytes;
#if XVI_TOOLS_VALGRIND
	VALGRIND_MALLOCLIKE_BLOCK(pool, bytes, 0, true);
#endif
}

static inline void xvi_tools_pool_end(const void *pool, size_t bytes)
{
	(void)pool, (void)bytes;
#if XVI_TOOLS_VALGRIND
	VALGRIND_FREELIKE_BLOCK(pool, 0);
	(void)VALGRIND_MAKE_MEM_DEFINED(pool, bytes);
#endif
}

/* ---- the library's own accesses ---- */

#if XVI_TOOLS_ASAN
#define XVI_READS_HEADERS __attribute__((no_sanitize("address")))
#else
#define XVI_READS_HEADERS
#endif

/* memcheck reports nothing of this thread until xvi_tools_loud; they nest. */
static inline void xvi_tools_quiet(void)
{
#if XVI_TOOLS_VALGRIND
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void xvi_tools_loud(void)
{
#if XVI_TOOLS_VALGRIND
	VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/* Report a caller's buffer that is hidden, which is used while memcheck is quiet. */
static inline void xvi_tools_check(const void *p, size_t bytes)
{
	(void)p, (void)bytes;
#if XVI_TOOLS_VALGRIND
	(void)VALGRIND_CHECK_MEM_IS_ADDRESSABLE(p, bytes);
#endif
}

#endif
