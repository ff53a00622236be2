/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/pool.h: the allocator. A pool is one heap over one provider.
 *
 * The model, first:
 *   - A pool takes pages from its provider one at a time and cuts them into
 *     blocks: a 4-byte header, then the payload. A block never crosses a page.
 *   - An object is named by a handle (page number, offset, tag), not by a
 *     pointer, and may be mapped only while it is touched: xv_map ... xv_unmap.
 *     Over a provider whose pages are always addressable there are pointer calls
 *     too (xv_alloc, xv_release, xv_resize, xv_usable_size).
 *   - A pool made with XV_POOL_SPLIT lays an object that fits no free block whole over
 *     several (at most 4 pieces), and takes objects larger than a page. While less
 *     than 1% of its pages is free it takes a page first, if it can: room to breathe
 *     that saves more splits than it costs.
 *     Such objects are read and written by copy.
 *   - A pool made with XV_POOL_OWNERS knows each object's owner, a 32-bit number of the
 *     caller's, and can move objects: xv_compact empties sparse pages into others and
 *     tells the owner.
 *   - Between calls the pool has nothing mapped; inside a call at most two pages.
 *   - malloc and free are O(1) apart from what the provider does. A request takes
 *     the smallest free block that fits, and the pool takes a
 *     new page only when no free block is large enough.
 *   - A page that becomes empty goes back to the provider at once, but for a few that
 *     are kept in reserve.
 *
 * Shards: a pool is made of parts, by default up to one for each CPU, that have a lock,
 * free lists and pages of their own. A thread allocates from the shard of the CPU it runs
 * on. By default all allocate from the first one until they get in each other's way, and
 * are then spread over more: a program of one thread has one shard. An object belongs to
 * the shard it came from. Freeing another shard's object takes that shard's lock if it is
 * free, and else leaves the handle for the shard to free: such a free has returned 0
 * although it is yet to come (xv_pool_stats.remote_waiting), and a bad handle among them
 * is counted in bad_handles and not reported. A shard that finds no room takes it from
 * others before the pool grows. A thread that ends leaves nothing behind. A pool has one
 * shard where options.shards is 1, where it is made with XV_LOCK_NONE or in the caller's
 * memory, where pages are not always addressable (unless options.shards asks for more and
 * the window has two slots for each), and where meta memory is scarce.
 *
 * Thread safety: unless a call says otherwise, every call may be made from any
 * thread when the pool was made with a lock (the default), and from one thread at
 * a time when it was made with XV_LOCK_NONE. Create and destroy are never
 * concurrent with another call on the same pool. What is inside an object is the
 * caller's to protect.
 *
 * Errors: see xvmalloc/base.h. On error nothing has changed.
 *
 * Source: xvmalloc (N. Gupta, Linux staging, 2009) for the shape; TLSF (Masmano,
 * Ripoll, Crespo, Real, ECRTS 2004) for the two-level bitmaps; Knuth, TAOCP 1,
 * 2.5, for the boundary tag.
 */
#ifndef XVMALLOC_POOL_H
#define XVMALLOC_POOL_H

#include <xvmalloc/owner.h>
#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xv_pool;

/* Most shards of a pool. */
#define XV_SHARDS_MAX 64U

/* How a pool keeps threads apart. */
enum xv_lock_kind {
	XV_LOCK_DEFAULT = 0, /* XV_LOCK_SPIN where there are threads, else none */
	XV_LOCK_NONE,        /* one thread at a time: no atomic instruction is executed */
	XV_LOCK_SPIN,        /* a test-and-set lock; who waits yields after a while, and in the
			      * end sleeps */
	XV_LOCK_MUTEX,       /* the platform's mutex; -XV_ENOTSUP where there is none */
};

/* Flags of xv_pool_options. */
#define XV_POOL_SPLIT 0x1U  /* objects may be split, and larger than a page */
#define XV_POOL_OWNERS 0x2U /* every block has an owner word (4 bytes): xv_compact works */
/*
 * For callers that own their handles and never pass a stale one: the pool may check them by less.
 * Without effect so far: every pool checks handles by their tag.
 */
#define XV_POOL_KEYED 0x4U

struct xv_pool_options {
	uint32_t flags;                       /* XV_POOL_*; 0 = plain blocks, nothing moves */
	const struct xv_owner_ops *owner_ops; /* needed by xv_compact; constant while the
					       * pool lives */
	void *owner_context;                  /* first argument of the owner calls */
	uint32_t alignment;                   /* of every payload: 4, 8 or 16 bytes; 0 = 4 */
	enum xv_lock_kind lock;               /* see there */
	uint32_t seed;        /* mixed into tags, so that pools tell their handles apart;
			       * 0 = taken from the pool's address */
	uint64_t limit_bytes; /* most held bytes (xv_pool_stats.held_bytes); 0 = none */
	uint32_t shards;      /* parts with a lock and free lists of their own, at most
			       * XV_SHARDS_MAX; 0 = up to one for each CPU, as they are
			       * needed, or 1: see above */
	void *memory;         /* not NULL: the pool and its tables live here and the
			       * provider's meta calls are not used. Any alignment */
	size_t memory_bytes;  /* size of memory; see xv_pool_memory_bytes */
};

/* Options with every field at its default. Always start from this. */
XV_API void xv_pool_options_init(struct xv_pool_options *options);

/*
 * Bytes of memory that a pool over provider with these options needs to be given
 * in options.memory: the pool, 8 bytes for each of the provider's pages, and 16 for each
 * KiB of them, for the records of free blocks. Less is accepted as long as 16 records
 * are left: free blocks that find no room in the table are then reused only when their
 * neighbours are freed or when nothing else is left, as they are in a pool of small
 * objects that needs more. options may be NULL. 0 when provider or options are bad.
 */
XV_API size_t xv_pool_memory_bytes(const struct xv_provider *provider,
				   const struct xv_pool_options *options);

/*
 * Make a pool over provider, which must outlive it; options may be NULL. Store it
 * in *out; end it with xv_pool_destroy. Takes memory from options.memory or from
 * the provider's meta calls, never from malloc. Returns 0, -XV_EINVAL (a bad or
 * unknown option, a bad provider, options.memory too small), -XV_ENOMEM or
 * -XV_ENOTSUP (a lock the platform lacks; a provider without meta calls and no
 * options.memory). O(size of the free-list heads).
 */
XV_API XV_MUST_USE int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
				      const struct xv_pool_options *options);

/*
 * Free every object and give all memory back to the provider (options.memory stays
 * the caller's). Every handle and pointer of the pool is dead. Maps must have
 * ended. NULL is allowed. O(pages).
 */
XV_API void xv_pool_destroy(struct xv_pool *pool);

/*
 * Allocate an object of size bytes, 1 .. xv_pool_max_size, uninitialised. Stores
 * its handle in *handle; free it with xv_free. In a pool with owners it has none
 * (XV_NO_OWNER); xv_malloc_owned gives it one from the start. Returns 0, -XV_EINVAL (size 0, null
 * argument), -XV_E2BIG, -XV_ENOMEM (the provider's error is passed on),
 * -XV_ENOSPC. O(1) apart from the provider; O(pages) for an object larger than a page, and
 * before it fails for want of memory.
 */
XV_API XV_MUST_USE int xv_malloc(struct xv_pool *pool, size_t size, xv_handle *handle);
XV_API XV_MUST_USE int xv_malloc_owned(struct xv_pool *pool, size_t size, uint32_t owner,
				       xv_handle *handle);

/*
 * Set or get the owner of a live object. -XV_EINVAL (bad handle, null), -XV_ENOTSUP (a
 * pool without owners), -XV_EAGAIN. O(pieces and pages).
 */
XV_API int xv_set_owner(struct xv_pool *pool, xv_handle handle, uint32_t owner);
XV_API XV_MUST_USE int xv_get_owner(struct xv_pool *pool, xv_handle handle, uint32_t *owner);

/*
 * As xv_malloc, with the payload's offset in its page a multiple of alignment: a
 * power of two up to 256. The object is never split, so it is at most a page. Fails
 * with -XV_E2BIG also where size does not fit a page at that alignment; a size within 31
 * bytes of the page's has a page to itself and always fits.
 */
XV_API XV_MUST_USE int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment,
					 xv_handle *handle);

/*
 * Allocate count objects of size bytes as one object, filled with zeros. As
 * xv_malloc; -XV_E2BIG where count * size is too large (overflow included);
 * -XV_EAGAIN where the page cannot be mapped. O(count * size).
 */
XV_API XV_MUST_USE int xv_calloc(struct xv_pool *pool, size_t count, size_t size,
				 xv_handle *handle);

/*
 * Free an object. Its handle is dead, and so is any pointer into it. The page goes
 * back to the provider when this was its last object and nobody has it mapped.
 * Returns 0, -XV_EINVAL (no live object of this pool), or -XV_EAGAIN (no window
 * slot to map the page). Never fails for want of memory. O(1) apart from the
 * provider.
 */
XV_API int xv_free(struct xv_pool *pool, xv_handle handle);

/*
 * Change the size of the object *handle, keeping the first min(old, new) bytes.
 * In place where the block, or the free block behind it, has room; else the object
 * moves and *handle is renewed (the old handle is dead). size 0 is -XV_EINVAL.
 * An object that moves stays in its shard: room in others does not help it.
 * Returns as xv_malloc, or -XV_EINVAL for a bad handle, -XV_EBUSY when the object
 * would have to move while its page is mapped, -XV_EAGAIN; on error the object
 * and *handle are as before. O(1) in place, O(size) when moved.
 */
XV_API XV_MUST_USE int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size);

/*
 * Exact size that was asked for, in bytes, of a live object: > 0. -XV_EINVAL for a
 * bad handle, -XV_EAGAIN where the page cannot be mapped. O(1), O(pieces) for a
 * split object.
 */
XV_API int xv_object_size(struct xv_pool *pool, xv_handle handle);

/*
 * Map an object: *ptr is its first byte, aligned as the pool promises, until the
 * matching xv_unmap. Maps of one object nest. While a page is mapped it is pinned:
 * it does not go back to the provider. Over a provider whose pages are always
 * addressable the pointer happens to stay good until xv_free. Returns 0,
 * -XV_EINVAL, -XV_ESPLIT (the object is split or larger than a page: use xv_read,
 * xv_write or xv_peek), or -XV_EAGAIN (no window slot, or 65,535
 * maps of the page). Over a provider with a window the pool keeps two of its slots for
 * itself. O(1).
 */
XV_API XV_MUST_USE int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr);

/*
 * End one map of an object. ptr is what xv_map gave. Returns 0 or -XV_EINVAL (the
 * page is not mapped, or ptr is not in a page of this handle). The object may have
 * been freed meanwhile. O(1).
 */
XV_API int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr);

/*
 * Copy bytes out of, or into, an object from offset on. length 0 is allowed and
 * checks the handle. Returns 0, -XV_EINVAL (handle, null buffer), -XV_ERANGE
 * (offset + length above the object's size), -XV_EAGAIN. O(length). The pool's lock
 * is not held while copying.
 */
XV_API XV_MUST_USE int xv_read(struct xv_pool *pool, xv_handle handle, size_t offset, void *buffer,
			       size_t length);
XV_API XV_MUST_USE int xv_write(struct xv_pool *pool, xv_handle handle, size_t offset,
				const void *buffer, size_t length);

/*
 * Look at an object in one call. Returns its size in bytes, and *ptr is its first byte where
 * it lies in one piece in an addressable page, or else buffer (of buffer_bytes), which it was
 * copied into. There is nothing to end: the object is not pinned, and it is the caller who
 * knows that it is neither freed nor moved (its owner refuses) while *ptr is used. Returns
 * -XV_EINVAL (bad handle, null argument), -XV_ERANGE (it would have to be copied, and the buffer
 * is too small) or -XV_EAGAIN. O(1), O(size) where it is copied.
 */
XV_API XV_MUST_USE int xv_peek(struct xv_pool *pool, xv_handle handle, void *buffer,
			       size_t buffer_bytes, const void **ptr);

/* ---- Threads and processes ---- */

/*
 * Hold up every other thread's calls on this pool, and let them go on. For
 * pthread_atfork, so that a child process finds the pool in one piece: lock it before
 * fork(), and unlock it after, in the parent and in the child. The provider is held with it,
 * whoever else uses it, if it can be (xv_provider_ops: hold). A thread may lock several pools, also
 * over one provider; threads that do, lock them in the same order. In between the caller must
 * not call these pools, nor another one over the same provider. The child has the memory of a
 * provider that is private to the process (mmap's) as it was; a window over a shared file is
 * shared. O(shards).
 */
XV_API void xv_pool_lock_all(struct xv_pool *pool);
XV_API void xv_pool_unlock_all(struct xv_pool *pool);

/* ---- Pointer calls: only over a provider with a base address ---- */

/*
 * Allocate size bytes and return their address, or NULL (any error of xv_malloc,
 * or a provider without base address). Free with xv_release. xv_alloc_aligned as
 * xv_malloc_aligned. O(1).
 */
XV_API XV_MUST_USE void *xv_alloc(struct xv_pool *pool, size_t size);
XV_API XV_MUST_USE void *xv_alloc_aligned(struct xv_pool *pool, size_t size, size_t alignment);

/*
 * Free what xv_alloc gave. NULL is allowed and does nothing. Returns 0, -XV_EINVAL
 * (not a live object of this pool, where that can be told in O(1): see
 * xv_handle_of for the certain way), -XV_ENOTSUP. O(1).
 */
XV_API int xv_release(struct xv_pool *pool, void *ptr);

/*
 * Change the size of an object, as xv_realloc; NULL allocates. Returns the new
 * address, or NULL with the object unchanged. size 0 is an error.
 */
XV_API XV_MUST_USE void *xv_resize(struct xv_pool *pool, void *ptr, size_t size);

/*
 * Bytes that may be used at ptr without xv_resize: at least the size asked for,
 * up to the end of the block. 0 where ptr is no live object. O(1).
 */
XV_API size_t xv_usable_size(struct xv_pool *pool, const void *ptr);

/*
 * The handle of a live object from its address, proved by walking the page's
 * blocks; XV_NULL_HANDLE where ptr is no object's first byte. O(blocks in a page).
 */
XV_API xv_handle xv_handle_of(struct xv_pool *pool, const void *ptr);

/* Address of a live object, or NULL (bad handle, provider without base). O(1). */
XV_API void *xv_address_of(struct xv_pool *pool, xv_handle handle);

/* ---- The pool as a whole ---- */

/* Largest object of this pool in bytes: the page size; with XV_POOL_SPLIT as many pages
 * as one page can list (4 MiB with 4 KiB pages), and at most 1 GiB. O(1). */
XV_API size_t xv_pool_max_size(const struct xv_pool *pool);

/* Budget that xv_compact takes for 0: bytes. */
#define XV_COMPACT_BUDGET 8192U

/*
 * One bounded step of compaction: move about budget_bytes (0 = XV_COMPACT_BUDGET) of
 * objects out of the sparsest pages into the others, and give the emptied pages back.
 * A step also looks at no more than some hundred page records. Call it until
 * report->more is false: that ends a cycle; the next call begins another. Other calls,
 * by any thread, may come in between. Objects without an owner, refused ones, and those
 * in mapped pages stay. report may be NULL. Returns 0, -XV_ENOTSUP (a pool without
 * owners or owner_ops), -XV_EINVAL, or -XV_EAGAIN (no window slot; try again).
 * O(budget).
 */
XV_API int xv_compact(struct xv_pool *pool, size_t budget_bytes, struct xv_compact_report *report);

/* Estimate, before anything is moved, of the bytes that compaction would give back. O(1). */
XV_API uint64_t xv_compactable(struct xv_pool *pool);

/*
 * Visit every live object, in order of page and offset. visit gets a tagged handle
 * and the exact size, and returns 0 to go on; any other value ends the walk and is
 * returned. Nothing is mapped and no lock is held while visit runs, so it may call
 * the pool: it may read, write, map and free the object it is given. An object
 * made or freed meanwhile by anyone is visited once or not at all. Returns 0, what
 * visit returned, -XV_EINVAL (null argument) or -XV_EAGAIN. O(pages of the table +
 * objects).
 */
XV_API int xv_pool_walk(struct xv_pool *pool,
			int (*visit)(void *context, xv_handle handle, size_t size), void *context);

/*
 * Give back what can be given back without moving objects: the reserve and the unused
 * end of the tables. Returns the bytes given back. O(pages).
 */
XV_API size_t xv_pool_trim(struct xv_pool *pool);

/*
 * Free every object at once; the pool stays usable, at its limit and options.
 * Returns 0, or -XV_EBUSY when a page is mapped (nothing is freed then). O(pages).
 */
XV_API XV_MUST_USE int xv_pool_reset(struct xv_pool *pool);

/*
 * Change the limit on held bytes; 0 = none. Below what is held now nothing is
 * freed, but the pool does not grow until it is under the limit. O(1).
 */
XV_API void xv_pool_set_limit(struct xv_pool *pool, uint64_t limit_bytes);

/*
 * What a pool holds and why, all in bytes unless named otherwise. held_bytes counts
 * everything obtained for the pool, and is the sum of the lines below it:
 *
 *   held = requested + header + owner + link + rounding + free + reserve + table
 */
struct xv_pool_stats {
	uint64_t held_bytes;      /* pages, pool, tables, the provider's own overhead: memory of
				   * free pages that the system did not take back, too */
	uint64_t requested_bytes; /* sum of the sizes asked for: "ideal" memory */
	uint64_t header_bytes;    /* block headers of live objects */
	uint64_t owner_bytes;     /* owner words */
	uint64_t link_bytes;      /* links between pieces, lists of pages */
	uint64_t rounding_bytes;  /* between an object's size and its block's end, and page
				   * edges that the alignment makes unusable */
	uint64_t free_bytes;      /* free blocks in pages that hold an object */
	uint64_t reserve_bytes;   /* empty pages kept */
	uint64_t table_bytes;     /* pool, page table, free-block table, provider overhead */

	uint64_t objects;         /* live objects, count */
	uint64_t split_objects;   /* of them in several pieces, count */
	uint64_t pieces;          /* their pieces, count */
	uint64_t pages;           /* pages held, count; the reserve included */
	uint64_t free_blocks;     /* free blocks in the lists, count */
	uint64_t peak_held_bytes; /* largest held_bytes since the pool was made or reset, or
				   * xv_pool_reset_peak */
	uint64_t mallocs;         /* objects ever allocated, count */
	uint64_t frees;           /* objects ever freed, count */
	uint64_t failures;        /* allocations refused for want of memory, count */
	uint64_t bad_handles;     /* calls refused with -XV_EINVAL for their handle, count */
	uint64_t page_allocs;     /* pages ever taken from the provider, count */
	uint64_t page_frees;      /* pages ever given back, count */
	uint64_t remote_frees;    /* frees ever left to the shard that owns the object, count */
	uint64_t remote_waiting;  /* of them not yet done, count: their objects still count as
				   * live */
	uint32_t shards;          /* shards that have been used, count */
	size_t page_bytes;        /* size of a page */
};

/* Fill *stats. O(1). */
XV_API void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats);

/* Let peak_held_bytes begin anew, with what is held now; all else stays. NULL is allowed.
 * O(shards). */
XV_API void xv_pool_reset_peak(struct xv_pool *pool);

enum xv_check_level {
	XV_CHECK_QUICK, /* O(1): the pool's counters against each other */
	XV_CHECK_DEEP,  /* O(pages + blocks): every page, block, list, bitmap and byte count */
};

/* What a check found. */
struct xv_check_report {
	uint32_t invariant;  /* number of the broken invariant (src/core/pool_impl.h); 0 = none */
	uint32_t page;       /* page where it broke, UINT32_MAX when not in a page */
	uint32_t offset;     /* offset of the block header in the page, bytes */
	const char *message; /* one line, static storage; "" when nothing is broken */
};

/*
 * Prove the pool's invariants. Never asserts, never repairs. report may be NULL.
 * Returns 0, -XV_EBADMSG (report names the first broken invariant), -XV_EINVAL
 * (null pool) or -XV_EAGAIN (no window slot to map a page).
 */
XV_API XV_MUST_USE int xv_pool_check(struct xv_pool *pool, enum xv_check_level level,
				     struct xv_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
