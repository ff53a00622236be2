/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The interface that xvmalloc had in 2009, over libxvmalloc: code written for it
 * compiles unchanged after including this file.
 *
 *   2009                                              here
 *   xv_create_pool()                                  a pool over one mmap provider
 *   xv_destroy_pool(pool)
 *   xv_malloc(pool, size, &pagenum, &offset)          xv_malloc + page and offset of
 *   xv_malloc(pool, size, &pagenum, &offset, flags)   the handle; flags are dropped
 *   xv_free(pool, pagenum, offset)                    xv_free of xv_handle_at
 *   xv_get_object_size(obj)                           xv_handle_of, xv_object_size
 *   xv_get_total_size_bytes(pool)                     xv_pool_get_stats
 *   kmap_atomic(pagenum) + offset ... kunmap_atomic   port_2009_map ... _unmap
 *
 * One source file of the program says `struct port_2009 port_2009;`.
 *
 * What differs, all of it because a page number and an offset are all the caller has:
 *   - The old calls hide the new ones of the same name; write (xv_malloc)(...) for
 *     the new one. Macros do it, so that no two functions of one name are linked.
 *   - Page numbers start at 1, since old code takes 0 for "nothing stored".
 *   - A handle without its tag names whatever object begins at its place: a stale one is taken
 *     for the next object there. Code that can keep 8 bytes per object should keep the whole
 *     xv_handle.
 *   - Pages are of 64 KiB, of which the parts that hold something have memory.
 *   - xv_get_object_size is given an address and no pool, hence the mmap provider
 *     (always addressable, shared by all pools) and the list of pools: O(pools).
 *   - xv_create_pool and xv_destroy_pool are not for two threads at once, nor
 *     beside xv_get_object_size. The other calls are thread-safe.
 */
#ifndef PORT_2009_H
#define PORT_2009_H

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#ifndef PORT_2009_HAS_TYPES /* define it where u16, u32 and u64 exist already */
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

enum { PORT_2009_POOLS_MAX = 16 };

struct port_2009 {
	struct xv_provider *provider; /* of all pools, made with the first */
	struct xv_pool *pools[PORT_2009_POOLS_MAX];
};

extern struct port_2009 port_2009;

static inline xv_handle port_2009_handle(u32 pagenum, u32 offset)
{
	return xv_handle_at(pagenum - 1U, offset);
}

/* NULL where there is no memory, or PORT_2009_POOLS_MAX pools live. */
static inline struct xv_pool *port_2009_create_pool(void)
{
	struct xv_pool **slot = port_2009.pools;

	while (slot < port_2009.pools + PORT_2009_POOLS_MAX && *slot != NULL)
		slot++;
	if (slot == port_2009.pools + PORT_2009_POOLS_MAX ||
	    (port_2009.provider == NULL && xv_provider_mmap_create(&port_2009.provider, NULL) != 0))
		return NULL;
	return xv_pool_create(slot, port_2009.provider, NULL) == 0 ? *slot : NULL;
}

/* The provider goes with the last pool. */
static inline void port_2009_destroy_pool(struct xv_pool *pool)
{
	bool others = false;

	for (int i = 0; i < PORT_2009_POOLS_MAX; i++) {
		if (port_2009.pools[i] == pool)
			port_2009.pools[i] = NULL;
		others = others || port_2009.pools[i] != NULL;
	}
	xv_pool_destroy(pool);
	if (!others) {
		xv_provider_mmap_destroy(port_2009.provider);
		port_2009.provider = NULL;
	}
}

/* 0, or -ENOMEM with page and offset 0, whatever the cause, as it was. */
static inline int port_2009_malloc(struct xv_pool *pool, u32 size, u32 *pagenum, u32 *offset)
{
	xv_handle handle = XV_NULL_HANDLE;
	int err = xv_malloc(pool, size, &handle);

	*pagenum = err == 0 ? xv_handle_page(handle) + 1U : 0;
	*offset = xv_handle_offset(handle);
	return err == 0 ? 0 : -XV_ENOMEM;
}

/* A bad pair changes nothing; it is counted in xv_pool_stats.bad_handles. */
static inline void port_2009_free(struct xv_pool *pool, u32 pagenum, u32 offset)
{
	(void)xv_free(pool, port_2009_handle(pagenum, offset));
}

/* Address of an object, or NULL where the pair names none; end with _unmap. */
static inline void *port_2009_map(struct xv_pool *pool, u32 pagenum, u32 offset)
{
	void *obj;

	return xv_map(pool, port_2009_handle(pagenum, offset), &obj) == 0 ? obj : NULL;
}

static inline void port_2009_unmap(struct xv_pool *pool, u32 pagenum, u32 offset, void *obj)
{
	(void)xv_unmap(pool, port_2009_handle(pagenum, offset), obj);
}

/* Bytes asked for; 0 where obj is no object of any pool. */
static inline u32 port_2009_object_size(void *obj)
{
	for (int i = 0; i < PORT_2009_POOLS_MAX; i++) {
		xv_handle handle = xv_handle_of(port_2009.pools[i], obj);

		if (handle != XV_NULL_HANDLE)
			return (u32)xv_object_size(port_2009.pools[i], handle);
	}
	return 0;
}

/* Bytes of the pages held, as it was; xv_pool_stats.held_bytes counts tables too. */
static inline u64 port_2009_total_size_bytes(struct xv_pool *pool)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats.held_bytes - stats.table_bytes;
}

/* From here on the names mean what they meant. flags need not even be defined. */
#define PORT_2009_FIRST(first, ...) (first)
#define xv_create_pool() port_2009_create_pool()
#define xv_destroy_pool(pool) port_2009_destroy_pool(pool)
#define xv_malloc(pool, size, pagenum, ...)                                                        \
	port_2009_malloc(pool, size, pagenum, PORT_2009_FIRST(__VA_ARGS__, 0))
#define xv_free(pool, pagenum, offset) port_2009_free(pool, pagenum, offset)
#define xv_get_object_size(obj) port_2009_object_size(obj)
#define xv_get_total_size_bytes(pool) port_2009_total_size_bytes(pool)

#endif
