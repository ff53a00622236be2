/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/pool.h: the allocator. A pool is a heap of objects over one provider.
 *
 * The model, first:
 *   - A pool takes pages from its provider one at a time and cuts them into blocks: a 4-byte
 *     header, then the content. A block never crosses a page. A free block is a hole.
 *   - A page may have several grains (xvmalloc/provider.h): then the pool takes memory for the
 *     grains in which something lies, and gives it back when a hole covers them.
 *   - An object is named by a handle (xvmalloc/base.h), not by a pointer, and may be mapped only
 *     while it is touched: xv_map ... xv_unmap. Over a provider whose pages are always
 *     addressable there are pointer calls too (xv_alloc, xv_release, xv_resize,
 *     xv_usable_size).
 *   - An object is one block. In a pool made with XV_POOL_SPLIT it may be a chain of pieces, one
 *     block each: one that is larger than a page; and one for which no hole is long enough, where
 *     the pool cannot grow, or where it is more than an eighth of a page and pages have many
 *     holes. Such an object is read and written by copy.
 *   - A pool made with XV_POOL_OWNERS knows each object's owner, a 32-bit number of the
 *     caller's, and can move objects: xv_compact empties sparse pages into others and
 *     tells the owner.
 *   - A request takes the smallest hole that fits, exactly up to 4 KiB and within a 64th above;
 *     the pool takes a page when there is none. (Of holes above 4 KiB that are within a 64th of the
 *     request, it looks at eight.)
 *   - Memory that holds nothing is kept up to a 200th of the memory of pages, or 8 grains if
 *     that is more, in each shard; beyond that the oldest goes back. A request that finds no
 *     memory gives all of it back and tries again.
 *   - Between calls the pool has nothing mapped but what callers mapped; inside a call it maps
 *     at most two pages in each shard. Over a window it keeps two slots for each of its shards,
 *     so that none of its own calls fails for want of one.
 *   - malloc and free never look at every page, and free needs no memory.
 *
 * Shards: a pool is made of parts, by default up to one for each CPU, each with a lock and a
 * heap of its own. A thread allocates from the shard of the CPU it runs on. By default all
 * allocate from the first one until they get in each other's way, and are then spread over
 * more: a program of one thread has one shard. An object belongs to the shard it came from.
 * A shard that has no room grows first. When it cannot, the object comes from another shard
 * that has room, and the others give back what they keep. Freeing another shard's object takes
 * that shard's lock if it is free, and else leaves the handle in that shard's mailbox: such a
 * free has returned 0 although it is yet to come. It comes with one of the shard's next
 * allocations or frees, or with a call on the pool as a whole, such as xv_pool_get_stats; no
 * free is lost, and until it comes a call with the old handle may still find the object. A bad
 * handle among them is counted in bad_handles and not reported. A thread that ends leaves nothing
 * behind. A pool has one shard where options.shards is 1, where it is made with XV_LOCK_NONE or in
 * the caller's memory, where meta memory is scarce, and, unless options.shards asks for more, where
 * pages are not always addressable.
 *
 * Windows: over a provider without base address each shard keeps two slots of the window
 * (xv_provider.map_slots) as long as the pool lives, and callers' maps share the others, all
 * pools over the provider together. So a window of 8 slots is enough for 4 pools, and leaves
 * callers 6 with one pool; a window of 2 slots is enough for one pool, and no object can be
 * mapped. xv_read, xv_write and xv_peek need no slot beyond the pool's own.
 *
 * Thread safety: unless a call says otherwise, every call may be made from any
 * thread when the pool was made with a lock (the default), and from one thread at
 * a time when it was made with XV_LOCK_NONE. Create and destroy are never
 * concurrent with another call on the same pool. What is inside an object is the
 * caller's to protect.
 *
 * Errors: see xvmalloc/errors.h. Each call names all that it returns. A NULL pool is -XV_EINVAL
 * where a call returns errors, and does nothing elsewhere. On error nothing has changed, but for
 * a long copy (xv_read). "The provider's": its page_alloc, grains_take or meta_commit returned
 * another error of errors.h, which is passed on.
 *
 * Complexity: bounds leave out what the provider's operations cost.
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
	XV_LOCK_NONE,        /* one thread at a time: no atomic instruction is executed, but
			      * where slots of a window are counted (create, destroy, xv_map and
			      * xv_unmap) */
	XV_LOCK_SPIN,        /* a test-and-set lock; who waits yields after a while, and in the
			      * end sleeps */
	XV_LOCK_MUTEX,       /* the platform's mutex; -XV_ENOTSUP where there is none */
};

/* Flags of xv_pool_options. */
#define XV_POOL_SPLIT 0x1U  /* objects may be split, and larger than a page */
#define XV_POOL_OWNERS 0x2U /* every object has an owner word (4 bytes): xv_compact works */
/*
 * For callers that own their handles and never pass a stale one. The pool keeps no proof of where
 * blocks begin, but looks at the header that a handle leads to and at what lies around it: a free
 * is a little quicker (bench/micro.sh --pairs: xvmalloc-keyed beside xvmalloc-nosplit), and a
 * page's record is shorter by a byte for each KiB. A bad handle may slip: see xvmalloc/base.h.
 */
#define XV_POOL_KEYED 0x4U

struct xv_pool_options {
	uint32_t flags;                       /* XV_POOL_*; 0 = plain blocks, nothing moves */
	const struct xv_owner_ops *owner_ops; /* needed by xv_compact, with its call set;
					       * constant while the pool lives */
	void *owner_context;                  /* first argument of the owner calls */
	uint32_t alignment;                   /* of every payload: 4, 8 or 16 bytes; 0 = 4 */
	enum xv_lock_kind lock;               /* see there */
	uint32_t seed;        /* mixed into tags, so that pools tell their handles apart;
			       * 0 = taken from the pool's address */
	uint64_t limit_bytes; /* most held bytes (xv_pool_stats.held_bytes), together with what
			       * the tables of holes may come to touch; 0 = none */
	uint32_t shards;      /* most parts with a lock and a heap of their own, at most
			       * XV_SHARDS_MAX, less where a pool has one, or the window has
			       * no slots for more: see above. Threads are spread over them
			       * from the beginning. 0 = up to one for each CPU, as they are
			       * needed, or 1 */
	void *memory;         /* not NULL: the pool and its tables live here and the
			       * provider's meta calls are not used. Any alignment */
	size_t memory_bytes;  /* size of memory; see xv_pool_memory_bytes */
};

/* Options with every field at its default. Always start from this. */
XV_API void xv_pool_options_init(struct xv_pool_options *options);

/*
 * Bytes of memory that a pool over provider with these options needs to be given in
 * options.memory: the pool (6 to 8 KiB), a record for each of the provider's pages (28 to 92
 * bytes, and with alignment 16 up to 540: more for a large page and without XV_POOL_KEYED), and
 * 16 bytes for each KiB of them, for the records of holes. Less is accepted as long as 16 records
 * of holes are left. A
 * hole that finds no record is used again only once a neighbour is freed, and joined to it; so it
 * is also in a pool of many small objects, which has more holes than records. options may be
 * NULL. 0 when provider or options are bad. O(1).
 */
XV_API size_t xv_pool_memory_bytes(const struct xv_provider *provider,
				   const struct xv_pool_options *options);

/*
 * Make a pool over provider, which must outlive it; options may be NULL. Store it
 * in *out; end it with xv_pool_destroy. Takes memory from options.memory or from
 * the provider's meta calls, never from malloc. Returns 0, -XV_EINVAL (null, a bad or unknown
 * option, a bad provider, options.memory too small, or a page table that would not fit the
 * address space), -XV_ENOMEM (no meta memory, or no two slots of the window are left),
 * -XV_ENOSPC (limit_bytes is less than an empty pool holds), -XV_ENOTSUP (a lock the platform
 * lacks; a provider without meta calls and no options.memory), or another error of the provider's
 * meta_commit. O(1); where tables do not grow (options.memory, or scarce meta memory) O(pages of
 * the provider).
 */
XV_API XV_MUST_USE int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
				      const struct xv_pool_options *options);

/*
 * Free every object and give all memory back to the provider (options.memory stays
 * the caller's). Every handle and pointer of the pool is dead. Maps must have
 * ended. NULL is allowed. Never beside another call on the pool. O(highest number of a page), and a
 * call of the
 * provider for each run of pages that follow each other.
 */
XV_API void xv_pool_destroy(struct xv_pool *pool);

/*
 * Allocate an object of size bytes, 1 .. xv_pool_max_size, uninitialised. Stores
 * its handle in *handle; free it with xv_free. xv_malloc gives it no owner (XV_NO_OWNER);
 * xv_malloc_owned gives it one from the start. Returns 0, -XV_EINVAL (size 0, null
 * argument), -XV_E2BIG, -XV_ENOMEM, -XV_ENOSPC, or the provider's; xv_malloc_owned also
 * -XV_ENOTSUP (a pool without owners). O(1); O(size / page size) for an object larger than a
 * page; a request that finds no memory also O(shards + memory that was kept and is given back).
 */
XV_API XV_MUST_USE int xv_malloc(struct xv_pool *pool, size_t size, xv_handle *handle);
XV_API XV_MUST_USE int xv_malloc_owned(struct xv_pool *pool, size_t size, uint32_t owner,
				       xv_handle *handle);

/*
 * Set or get the owner of a live object. Returns 0, -XV_EINVAL (bad handle, null) or
 * -XV_ENOTSUP (a pool without owners). O(1).
 */
XV_API int xv_set_owner(struct xv_pool *pool, xv_handle handle, uint32_t owner);
XV_API XV_MUST_USE int xv_get_owner(struct xv_pool *pool, xv_handle handle, uint32_t *owner);

/*
 * As xv_malloc, with the payload's offset in its page a multiple of alignment: a
 * power of two up to 256. The object is one piece for life. In a pool with XV_POOL_SPLIT, and in
 * every pool where alignment is above the pool's, compaction never moves it; xv_realloc may, and
 * keeps the alignment. Returns as xv_malloc; -XV_EINVAL also for a bad alignment, -XV_E2BIG also
 * where size does not fit a page at that alignment: with 16 or more, page size - 2 * alignment -
 * 16 bytes always fit.
 */
XV_API XV_MUST_USE int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment,
					 xv_handle *handle);

/*
 * Allocate count objects of size bytes as one object, filled with zeros. Returns as
 * xv_malloc; -XV_EINVAL also for a count of 0, -XV_E2BIG also where count * size overflows.
 * O(count * size).
 */
XV_API XV_MUST_USE int xv_calloc(struct xv_pool *pool, size_t count, size_t size,
				 xv_handle *handle);

/*
 * Free an object. Its handle is dead, and so is any pointer into it: where it is mapped, the
 * pointer stays mapped until xv_unmap, but the bytes may be another object's by then. Returns 0
 * or -XV_EINVAL (no live object of this pool). Never fails for want of memory or of a window
 * slot. O(pieces), and at most 64 objects that others left to the shard.
 */
XV_API int xv_free(struct xv_pool *pool, xv_handle handle);

/*
 * Change the size of the object *handle, keeping the first min(old, new) bytes.
 * In place where the block, or the hole behind it, has room. Else an object of one piece moves,
 * and *handle is renewed (the old handle is dead); one of several pieces gets more of them, or a
 * longer last one, and *handle stays. An object that grows above a page becomes one of several,
 * and one that shrinks into its first piece is of one piece again. Its owner is kept, and not
 * told. An object that moves stays in its shard while that has room; one larger than a page
 * always. Returns 0,
 * -XV_EINVAL (bad handle, null, size 0), -XV_E2BIG, -XV_ENOMEM, -XV_ENOSPC, the provider's, or
 * -XV_EBUSY (it would have to move, and its page is mapped, for this object or another, or is
 * being copied by another thread); on error the object and *handle are as before. O(pieces), and
 * copies at most a page.
 */
XV_API XV_MUST_USE int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size);

/* Exact size that was asked for, in bytes, of a live object: > 0. -XV_EINVAL for a bad handle.
 * O(1). */
XV_API int xv_object_size(struct xv_pool *pool, xv_handle handle);

/*
 * Map an object: *ptr is its first byte, aligned as the pool promises, until the
 * matching xv_unmap. Maps of one object nest. While a page is mapped it is pinned: nothing of it
 * goes back to the provider, and nothing in it is moved. Over a provider whose pages are always
 * addressable the pointer stays good until the object is freed or moves. Returns 0, -XV_EINVAL
 * (bad handle, null), -XV_ESPLIT (the object is of several pieces, or was while its page was
 * mapped and it was made shorter: use xv_read, xv_write or xv_peek), or -XV_EAGAIN (no window
 * slot but the pools' own, or 65,535 maps of the page). O(1).
 */
XV_API XV_MUST_USE int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr);

/*
 * End one map of an object. ptr is what xv_map gave. Returns 0 or -XV_EINVAL (null, the page is
 * not mapped, or ptr is not what a map of this handle gives). The object may have been freed
 * meanwhile. O(1), and gives back memory that waited for it.
 */
XV_API int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr);

/*
 * Copy bytes out of, or into, an object from offset on. length 0 is allowed and
 * checks the handle. The shard's lock is held for at most 32 KiB at a time; in between the page
 * is pinned, as by xv_map, and other calls come through. Returns 0, -XV_EINVAL (bad handle, null
 * buffer), -XV_ERANGE (offset + length above the object's size), or, for more than 32 KiB,
 * -XV_EAGAIN (its page is mapped 65,535 times). A copy of more than 32 KiB is not one step: when
 * another thread frees the object or makes it shorter meanwhile the copy ends with -XV_EINVAL, and
 * a part is copied; so it is with -XV_EAGAIN. O(length + pieces before offset).
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
 * is too small), or -XV_EAGAIN as xv_read. O(1), O(size) where it is copied.
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
 * shared. O(shards + objects left to shards).
 */
XV_API void xv_pool_lock_all(struct xv_pool *pool);
XV_API void xv_pool_unlock_all(struct xv_pool *pool);

/* ---- Pointer calls: only over a provider with a base address ---- */

/*
 * Allocate size bytes and return their address, or NULL (any error of xv_malloc_aligned,
 * or a provider without base address). Free with xv_release. The object is one piece, also in a
 * pool with XV_POOL_SPLIT, and has no owner, so that compaction does not move it.
 * xv_alloc_aligned as xv_malloc_aligned. O(1), as xv_malloc.
 */
XV_API XV_MUST_USE void *xv_alloc(struct xv_pool *pool, size_t size);
XV_API XV_MUST_USE void *xv_alloc_aligned(struct xv_pool *pool, size_t size, size_t alignment);

/*
 * Free the object at an address, as xv_alloc, xv_map or xv_address_of gave it. NULL is allowed
 * and does nothing. Returns 0, -XV_EINVAL (no live object of this pool of one piece begins there;
 * with XV_POOL_KEYED as far as the keyed check tells), or -XV_ENOTSUP (a provider without base
 * address). May leave the object to another shard, as xv_free. O(1).
 */
XV_API int xv_release(struct xv_pool *pool, void *ptr);

/*
 * Change the size of an object, as xv_realloc; a NULL ptr allocates. Returns the new
 * address, or NULL with the object unchanged: any error of xv_realloc; no live object of one piece
 * begins at ptr; no base address; an object that xv_malloc made in a pool with
 * XV_POOL_SPLIT, which might become several pieces without one address (resize it by its handle).
 * O(size).
 */
XV_API XV_MUST_USE void *xv_resize(struct xv_pool *pool, void *ptr, size_t size);

/*
 * Bytes that may be used at ptr without xv_resize: the size asked for, rounded up to the end of
 * the block, which is less than the pool's alignment more. What is behind the size asked for is
 * not kept by xv_resize. 0 where no live object of one piece begins at ptr. O(1).
 */
XV_API size_t xv_usable_size(struct xv_pool *pool, const void *ptr);

/*
 * The handle of a live object from its address; XV_NULL_HANDLE where no object of one piece
 * begins at ptr, which is always told. O(1); with XV_POOL_KEYED O(blocks in a page).
 */
XV_API xv_handle xv_handle_of(struct xv_pool *pool, const void *ptr);

/* Address of a live object, or NULL (bad handle, several pieces, provider without base). O(1). */
XV_API void *xv_address_of(struct xv_pool *pool, xv_handle handle);

/* ---- The pool as a whole ---- */

/* Largest object of this pool in bytes: the page size less 4, or 8 with owners, and less up to
 * 16 more where the alignment is above 4; with XV_POOL_SPLIT 1 GiB. 0 for NULL. O(1). */
XV_API size_t xv_pool_max_size(const struct xv_pool *pool);

/* Budget that xv_compact takes for 0: bytes. */
#define XV_COMPACT_STEP_BYTES 8192U

/*
 * One bounded step of compaction: move about step_bytes (0 = XV_COMPACT_STEP_BYTES) of
 * objects out of the sparsest pages into holes of the others, and give the emptied memory back.
 * Where few pages are left of many, so that the records of those that are gone weigh much, the
 * cycle also moves the pages with the highest numbers to new ones, of which a provider should give
 * the lowest.
 * Looking at a page's record costs 32 bytes of the budget; at least one block is moved, or one
 * page looked at. The shards take turns. Call it until report->more is false: that ends a cycle,
 * in which what could be gained was gained; the next call begins another. Other calls, by any
 * thread, may come in between. What stays: objects without an owner, those whose owner refuses,
 * those of a larger alignment (xv_malloc_aligned), those in mapped pages, and whole pages that
 * have one of the first or third kind. It works at limit_bytes too. report may be NULL. Returns 0,
 * -XV_ENOTSUP (a pool without owners or owner_ops) or -XV_EINVAL. O(budget + one page); the last
 * step of a shard's cycle, and the one that begins to move pages down, also O(memory given back +
 * records of holes).
 */
XV_API int xv_compact(struct xv_pool *pool, size_t step_bytes, struct xv_compact_report *report);

/* Estimate, before anything is moved, of the bytes that compaction would give back. Objects that
 * cannot be moved are not known to it before a cycle has met them. 0 where xv_compact does not
 * work. O(shards). */
XV_API uint64_t xv_compactable(struct xv_pool *pool);

/*
 * Visit every live object, in order of page and offset. visit gets a tagged handle
 * and the exact size, and returns 0 to go on; any other value ends the walk and is
 * returned. Nothing is mapped and no lock is held while visit runs, so it may call
 * the pool: it may read, write, map and free the object it is given. An object
 * made or freed meanwhile by anyone is visited once or not at all; one that moves meanwhile
 * may be visited twice or not at all. Returns 0, what visit returned, or -XV_EINVAL (null
 * argument). O(highest page number ever held + objects).
 */
XV_API int xv_pool_walk(struct xv_pool *pool,
			int (*visit)(void *context, xv_handle handle, size_t size), void *context);

/*
 * Give back what can be given back without moving objects: memory that is kept and holds
 * nothing, and the unused part of the tables of holes. Returns the bytes by which held_bytes is
 * less. O(memory given back + records of holes + shards).
 */
XV_API size_t xv_pool_trim(struct xv_pool *pool);

/*
 * Free every object at once; the pool stays usable, at its limit and options, and
 * peak_held_bytes begins anew. Returns 0, -XV_EINVAL (null), or -XV_EBUSY when a page is mapped,
 * or a long copy is under way (nothing is freed then). O(highest number of a page).
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
 *
 * Memory of this pool's pages that the system did not take back is in spare_bytes until it is
 * taken again. What the provider holds for itself besides is not in held_bytes: the provider says
 * that (xv_provider_ops.overhead_bytes), for all pools over it together.
 */
struct xv_pool_stats {
	uint64_t held_bytes;      /* memory of pages, pool, tables */
	uint64_t requested_bytes; /* sum of the sizes asked for: "ideal" memory */
	uint64_t header_bytes;    /* block headers of live objects */
	uint64_t owner_bytes;     /* owner words */
	uint64_t link_bytes;      /* links between the pieces of objects */
	uint64_t rounding_bytes;  /* between an object's end and its block's */
	uint64_t free_bytes;      /* holes, in grains in which something lies, and page edges that
				   * the alignment makes unusable */
	uint64_t spare_bytes;     /* grains that are kept and hold nothing, and what stayed */
	uint64_t table_bytes;     /* pool and shards, page table, tables of holes: what is touched
				   * of them, or all of options.memory where it was given */

	uint64_t objects;         /* live objects, count */
	uint64_t split_objects;   /* of them in several pieces, count */
	uint64_t pieces;          /* their pieces, count */
	uint64_t pages;           /* pages held, count; of one with several grains not all need
				   * have memory */
	uint64_t holes;           /* holes that have a record, count */
	uint64_t peak_held_bytes; /* largest held_bytes since the pool was made or reset, or
				   * xv_pool_reset_peak */
	uint64_t mallocs;         /* objects ever allocated, count */
	uint64_t frees;           /* objects ever freed, count */
	uint64_t failures;        /* allocations and resizes refused for want of memory, count */
	uint64_t bad_handles;     /* calls refused with -XV_EINVAL for their handle, count */
	uint64_t page_allocs;     /* pages ever taken from the provider, count */
	uint64_t page_frees;      /* pages ever given back, count */
	uint64_t remote_frees;    /* frees ever left to the shard that owns the object, and done,
				   * count */
	uint64_t remote_waiting;  /* those left while this call ran, count: their objects still
				   * count as live */
	uint32_t shards;          /* shards that have been used, count */
	size_t page_bytes;        /* size of a page */
};

/* Fill *stats, after what was left to the shards is freed; a NULL pool gives zeros. O(shards +
 * objects left to them), with all of them locked. */
XV_API void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats);

/* Let peak_held_bytes begin anew, with what is held now; all else stays. NULL is allowed.
 * O(1). */
XV_API void xv_pool_reset_peak(struct xv_pool *pool);

enum xv_check_level {
	XV_CHECK_QUICK, /* O(shards): the bytes held against the parts' */
	XV_CHECK_DEEP,  /* O(highest number of a page + blocks): every page, block, list, bitmap
			 * and byte count */
};

/* What a check found. */
struct xv_check_report {
	uint32_t invariant;  /* number of the broken invariant; 0 = none. 1 to 13 are named in
			      * src/core/heap/heap.h, 21 to 25 in src/core/object/object.h,
			      * 31 to 34 in src/core/pool/pool_impl.h */
	uint32_t page;       /* page where it broke, UINT32_MAX when not in a page */
	uint32_t offset;     /* offset of the block header in the page, bytes */
	const char *message; /* one line, static storage; "" when nothing is broken */
};

/*
 * Prove the pool's invariants. Never asserts, never repairs. report may be NULL.
 * Returns 0, -XV_EBADMSG (report names the first broken invariant) or -XV_EINVAL
 * (null pool, unknown level).
 */
XV_API XV_MUST_USE int xv_pool_check(struct xv_pool *pool, enum xv_check_level level,
				     struct xv_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
