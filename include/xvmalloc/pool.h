/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/pool.h: the allocator. A pool is a heap of objects over one provider.
 *
 * The model:
 *   - A pool takes pages from its provider one at a time and cuts them into blocks: a 4-byte
 *     header, then the content. A block never crosses a page. A free block is a hole.
 *   - A page has one or more grains (xvmalloc/provider.h). The pool takes memory for the grains in
 *     which blocks lie, and gives it back when a hole covers a grain.
 *   - A handle (xvmalloc/base.h) names an object. xv_map makes an object addressable until
 *     xv_unmap. A provider whose pages are always addressable also has pointer calls: xv_alloc,
 *     xv_release, xv_resize, xv_usable_size.
 *   - An object is one block. In a pool made with XV_POOL_SPLIT it may be a chain of pieces, one
 *     block each. An object larger than a page is a chain. So is an object for which no hole is
 *     long enough, when the pool cannot grow, or when the object is more than an eighth of a page
 *     and the pages have many holes. A chain is read and written by copy.
 *   - In a pool made with XV_POOL_OWNERS each object has an owner: a 32-bit number that the caller
 *     chooses. Such a pool can move objects: xv_compact empties sparse pages into others and tells
 *     the owner.
 *   - A request takes the smallest hole that fits: exactly up to 4 KiB, within a 64th above. When
 *     no hole fits, the pool takes a page. (Among holes within a 64th of a request above 4 KiB, the
 *     pool looks at eight.)
 *   - Spare memory holds nothing and stays with the pool. Each shard keeps a 200th of the memory of
 *     its pages, or 8 grains if that is more, and gives the oldest back beyond that. A request that
 *     finds no memory gives all spare memory back and tries again.
 *   - Between calls, only the maps of callers are mapped. Inside a call the pool maps at most two
 *     pages in each shard. Over a window each shard keeps two window slots for this, so no call of
 *     the pool fails for want of one.
 *   - malloc and free never look at every page. free needs no memory.
 *
 * Shards. A pool has one or more shards, each with a lock and a heap, by default up to one for each
 * CPU. A thread allocates from the shard of the CPU it runs on. By default all threads use the
 * first shard until they meet at its lock often; then they are spread over more. A program of one
 * thread has one shard. An object belongs to the shard it came from. A shard without room grows
 * first. When it cannot grow, the object comes from another shard with room, and the others give
 * back their spare memory.
 *
 * To free an object of another shard, a thread takes the lock of that shard if it is free.
 * Otherwise it leaves the handle in the mailbox of that shard: xv_free returns 0, and the object is
 * freed later, by one of the next allocations or frees in that shard or by a call on the whole
 * pool, such as xv_pool_get_stats. No free is lost. Until then a call with the old handle may still
 * find the object. A bad handle in a mailbox is counted in bad_handles and not reported, and
 * neither is a closed page. A thread that ends leaves nothing behind.
 *
 * A pool has one shard when options.shards is 1, when it is made with XV_LOCK_NONE or in memory of
 * the caller, and when meta memory is scarce. It also has one shard when pages are not always
 * addressable, unless options.shards asks for more.
 *
 * Windows. Over a provider without base address each shard keeps two window slots
 * (xv_provider.window_slots) while the pool lives. The maps of callers share the others, for all
 * pools over the provider together. A window of 8 slots is enough for 4 pools, and leaves callers 6
 * slots with one pool. A window of 2 slots is enough for one pool, in which no object can be
 * mapped. xv_read, xv_write and xv_peek need only the pool's own slots.
 *
 * Thread safety. Unless a call says otherwise, any thread may make it at any time when the pool has
 * a lock (the default), and one thread at a time when the pool was made with XV_LOCK_NONE. Create
 * and destroy never run beside another call on the same pool. The caller protects the content of
 * objects.
 *
 * Tools. In a build with the CMake option XV_TOOLS, valgrind's memcheck and the address sanitizer
 * watch the pools over providers whose pages are always addressable; pages seen through a window
 * are left out. They report an access to memory of the pool outside its live objects: to an object
 * that was freed, to the place that compaction moved it from, and to the bytes before and behind
 * it. memcheck also reports a use of bytes that nobody wrote, and, at the end of the program, an
 * object of a living pool whose address is nowhere in memory. A handle is not an address: destroy
 * the pool first. The address sanitizer does not look for lost objects. To it, a long copy
 * (xv_read) whose object another thread frees is a fault. Both do not see an access to freed memory
 * that another object has got (later with hardening 2, which keeps freed objects apart), nor to an
 * object in a mailbox. memcheck is quiet inside the provider's operations. While a tool watches,
 * payloads are aligned to 8 or more, 4 bytes at the end of each page are not used, xv_usable_size
 * is the size asked for, and calls take longer.
 *
 * Errors. See xvmalloc/errors.h; each call names all errors it returns, except one: any call that
 * takes a handle, and xv_release, also return -XV_EBADMSG when they need a byte in a closed page
 * (hardening, below); other calls with an address treat that as they treat no object. A call that
 * refuses a handle checks its page, in O(blocks in a page), if hardening is above 0; one that
 * closes a page takes O(hole records) as well. A NULL pool is -XV_EINVAL in calls that return
 * errors, and the others do nothing. On error nothing has changed, except in a long copy (xv_read).
 * "The provider's" means that page_alloc, grains_take or meta_commit returned another error of
 * errors.h, which the call passes on.
 *
 * Complexity. Bounds leave out the cost of the provider's operations.
 *
 * Source: xvmalloc (N. Gupta, Linux staging, 2009) for the shape; TLSF (Masmano, Ripoll, Crespo,
 * Real, ECRTS 2004) for the two-level bitmaps; Knuth, TAOCP 1, 2.5, for the boundary tag.
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
	XV_LOCK_NONE,  /* one thread at a time. The pool executes no atomic instruction, except to
			* count window slots (in create, destroy, xv_map and xv_unmap) */
	XV_LOCK_SPIN,  /* a test-and-set lock. A waiting thread yields after a while, and later
			* sleeps */
	XV_LOCK_MUTEX, /* the platform's mutex; -XV_ENOTSUP if there is none */
};

/* Flags of xv_pool_options. */
#define XV_POOL_SPLIT 0x1U  /* an object may have several pieces, and be larger than a page */
#define XV_POOL_OWNERS 0x2U /* each object has an owner (4 bytes): xv_compact works */

/*
 * Hardening. What a pool does about bad handles, and about bytes that a caller wrote where no
 * object of his is:
 *
 *   0  For callers that keep their handles and never pass a stale one. The pool keeps no proof of
 *      where blocks begin. It checks the header that a handle leads to and what lies around it. A
 *      bad handle may pass: see xvmalloc/base.h. A free is quicker (benchmark pair/: xvmalloc-keyed
 *      beside xvmalloc-nosplit), and a page record is shorter by a byte for each KiB.
 *   1  The default. Page records prove where blocks begin. Before a call uses a header, a link or a
 *      word of free memory, it checks it against its neighbours and the records, which lie outside
 *      of the pages. Whatever was written to the pages between two calls, no call reads or writes
 *      outside of them, or runs without end.
 *   2  As 1. A canary of 4 bytes stands behind each object, and is checked when a call finds the
 *      object. Freed bytes are zero. Among the first eight free places of the same length one is
 *      taken at random. Freed objects of one piece, up to 4 KiB, are kept apart, 64 in each shard,
 *      until others take their place, a request finds no memory, or xv_pool_trim is called. They
 *      are checked for writes before their memory is used again. They take up to 257 KiB in each
 *      shard, and keep the grains in which they lie.
 *
 * A pool that finds a broken word calls options.corrupted and closes the page: a call that needs a
 * byte of an object there returns -XV_EBADMSG from then on, its memory is not used again before
 * xv_pool_reset or xv_pool_destroy, and the rest of the pool works on. The objects there count as
 * live; xv_pool_walk passes over them. What nobody can tell from the objects around, such as
 * another length within the same four bytes, is not found, and then sums of xv_pool_stats are off
 * by it. With another tag in its header an object is lost: its handle is then -XV_EINVAL. With
 * hardening 1 a call may take another length for right that leads, within a KiB, to bytes that look
 * like a header; zeros do not.
 */
#define XV_HARDENING_MOST 2U

struct xv_pool_options {
	uint32_t flags; /* XV_POOL_*; 0 = one block an object, nothing moves */
	const struct xv_owner_ops *owner_ops; /* xv_compact needs it, with `relocated` set; constant
					       * while the pool lives */
	void *owner_context;                  /* first argument of the owner calls */
	uint32_t alignment;                   /* of every payload: 4, 8 or 16 bytes; 0 = 4 */
	uint32_t hardening; /* 0 to XV_HARDENING_MOST, see above; xv_pool_options_init sets 1 */
	/* Called when a page is closed, or NULL: page number, offset in the page in bytes where the
	 * broken word was found, and one line of text in static storage. A lock of the pool is
	 * held: it must not call the pool. It may end the process. */
	void (*corrupted)(void *context, uint32_t page, uint32_t offset, const char *message);
	void *corrupted_context; /* first argument of corrupted */
	enum xv_lock_kind lock;  /* how threads are kept apart */
	uint32_t seed; /* mixed into tags, so that pools tell their handles apart; 0 = from the
			* pool's address */
	uint64_t limit_bytes; /* most held bytes (xv_pool_stats.held_bytes), plus the bytes of hole
			       * tables that the pool may touch later; 0 = no limit */
	uint32_t shards; /* most shards, at most XV_SHARDS_MAX; fewer when a pool has one shard or
			  * the window has too few slots: see above. Threads are spread over them
			  * from the beginning. 0 = up to one for each CPU, as they are needed, or
			  * 1 */
	void *memory;    /* not NULL: the pool and its tables live here, and the pool makes no meta
			  * calls of the provider. Any alignment */
	size_t memory_bytes; /* size of memory; see xv_pool_memory_bytes */
};

/* Options with every field at its default. Always start from this. */
XV_API void xv_pool_options_init(struct xv_pool_options *options);

/*
 * Bytes that options.memory must have for a pool over provider with these options: the pool (5 to 8
 * KiB); a record for each page of the provider (28 to 92 bytes, and up to 540 with alignment 16:
 * large pages and hardening above 0 need more); and 16 bytes for each KiB of pages, for
 * the hole table. The pool accepts less while 16 hole records are left. A hole without a record is
 * used again only when a neighbour is freed and joins it. A pool of many small objects may have
 * more holes than records even with all of these bytes. options may be NULL. Returns 0 when
 * provider or options are bad. O(1).
 */
XV_API size_t xv_pool_memory_bytes(const struct xv_provider *provider,
				   const struct xv_pool_options *options);

/*
 * Make a pool over provider, which must outlive it. options may be NULL. Stores the pool in *out;
 * end it with xv_pool_destroy. Takes memory from options.memory or the provider's meta calls, never
 * from malloc. Returns 0, -XV_EINVAL (null; a bad or unknown option; a bad provider; options.memory
 * too small; a page table larger than the address space), -XV_ENOMEM (no meta memory, or fewer than
 * two window slots left), -XV_ENOSPC (limit_bytes is less than an empty pool holds), -XV_ENOTSUP (a
 * lock the platform lacks; a provider without meta calls and no options.memory), or another error
 * of the provider's meta_commit. O(1); O(pages of the provider) when tables do not grow
 * (options.memory, or scarce meta memory).
 */
XV_API XV_MUST_USE int xv_pool_create(struct xv_pool **out, struct xv_provider *provider,
				      const struct xv_pool_options *options);

/*
 * Free every object and give all memory back to the provider; options.memory stays the caller's.
 * Every handle and pointer of the pool is dead. Maps must have ended. NULL is allowed. Never beside
 * another call on the pool. O(highest page number), and one call of the provider for each run of
 * adjacent pages.
 */
XV_API void xv_pool_destroy(struct xv_pool *pool);

/*
 * Allocate an object of size bytes, 1 .. xv_pool_max_size, uninitialised. Stores its handle in
 * *handle; free it with xv_free. xv_malloc sets no owner (XV_NO_OWNER); xv_malloc_owned sets one.
 * Returns 0, -XV_EINVAL (size 0, null argument), -XV_E2BIG, -XV_ENOMEM, -XV_ENOSPC, or the
 * provider's; xv_malloc_owned also -XV_ENOTSUP (a pool without owners). O(1); O(size / page size)
 * for an object larger than a page; a request that finds no memory also O(shards + spare memory
 * given back).
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
 * As xv_malloc, with the payload's offset in its page a multiple of alignment, a power of two up to
 * 256. The object is one piece for life. In a pool with XV_POOL_SPLIT, and when alignment is above
 * the pool's, compaction never moves it. xv_realloc may move it, and keeps the alignment. Returns
 * as xv_malloc; -XV_EINVAL also for a bad alignment, -XV_E2BIG also when size does not fit a page
 * at that alignment. With an alignment of 16 or more, page size - 2 * alignment - 16 bytes always
 * fit.
 */
XV_API XV_MUST_USE int xv_malloc_aligned(struct xv_pool *pool, size_t size, size_t alignment,
					 xv_handle *handle);

/* Allocate count objects of size bytes as one object, filled with zeros. Returns as xv_malloc;
 * -XV_EINVAL also for a count of 0, -XV_E2BIG also when count * size overflows. O(count * size). */
XV_API XV_MUST_USE int xv_calloc(struct xv_pool *pool, size_t count, size_t size,
				 xv_handle *handle);

/*
 * Free an object. Its handle and all pointers into it are dead. If it is mapped, its page stays
 * mapped until xv_unmap, but another object may get the bytes before. Returns 0 or -XV_EINVAL (no
 * live object of this pool). Never fails for want of memory or of a window slot. O(pieces), plus at
 * most 64 objects that other threads left to the shard.
 */
XV_API int xv_free(struct xv_pool *pool, xv_handle handle);

/*
 * Change the size of the object *handle; the first min(old, new) bytes are kept. The object stays
 * in place if its block or the hole behind it has room. Otherwise an object of one piece moves, and
 * *handle is renewed (the old handle is dead). An object of several pieces gets more pieces, or a
 * longer last one, and *handle stays. An object that grows above a page becomes one of several
 * pieces; one that shrinks into its first piece is one piece again. The owner stays, and is not
 * told. An object that moves stays in its shard while that has room; an object larger than a page
 * stays always. Returns 0, -XV_EINVAL (bad handle, null, size 0), -XV_E2BIG, -XV_ENOMEM,
 * -XV_ENOSPC, the provider's, or -XV_EBUSY (the object would have to move, but its page is mapped,
 * for this object or another, or a long copy of another thread is running there). On error the
 * object and *handle are as before. O(pieces), and copies at most a page.
 */
XV_API XV_MUST_USE int xv_realloc(struct xv_pool *pool, xv_handle *handle, size_t size);

/* Size of a live object in bytes, exactly as it was asked for: > 0. -XV_EINVAL for a bad handle.
 * O(1). */
XV_API int xv_object_size(struct xv_pool *pool, xv_handle handle);

/*
 * Map an object. *ptr is its first byte, aligned as the pool promises, until the matching xv_unmap.
 * Maps of one object nest. A mapped page is pinned: none of its memory goes back to the provider,
 * and nothing in it moves. Over a provider whose pages are always addressable, the pointer stays
 * good until the object is freed or moves. Returns 0, -XV_EINVAL (bad handle, null), -XV_ESPLIT
 * (the object has several pieces, or had several when it was made shorter in a mapped page: use
 * xv_read, xv_write or xv_peek), or -XV_EAGAIN (no window slot is left for callers, or the page has
 * 65,535 maps). O(1).
 */
XV_API XV_MUST_USE int xv_map(struct xv_pool *pool, xv_handle handle, void **ptr);

/* End one map of an object. ptr is what xv_map gave. Returns 0 or -XV_EINVAL (null; the page is
 * not mapped; or ptr is not what a map of this handle gives). The object may have been freed
 * before. O(1), plus the memory that waited for the unmap and is given back. */
XV_API int xv_unmap(struct xv_pool *pool, xv_handle handle, void *ptr);

/*
 * Copy bytes out of or into an object, from offset on. Length 0 is allowed, and checks the handle.
 * A call holds the lock of the shard for at most 32 KiB at a time. In between it pins the page as
 * xv_map does, and other calls can run. Returns 0, -XV_EINVAL (bad handle, null buffer), -XV_ERANGE
 * (offset + length is above the size of the object), or, for more than 32 KiB, -XV_EAGAIN (the page
 * has 65,535 maps). A copy of more than 32 KiB is not one step: when another thread frees or
 * shortens the object, the copy ends with -XV_EINVAL and a part is copied. After -XV_EAGAIN a part
 * may be copied too. O(length + pieces before offset).
 */
XV_API XV_MUST_USE int xv_read(struct xv_pool *pool, xv_handle handle, size_t offset, void *buffer,
			       size_t length);
XV_API XV_MUST_USE int xv_write(struct xv_pool *pool, xv_handle handle, size_t offset,
				const void *buffer, size_t length);

/*
 * Look at an object in one call. Returns its size in bytes and sets *ptr to its first byte: in the
 * page, if the object has one piece in an addressable page, otherwise in buffer (of buffer_bytes),
 * into which it was copied. Nothing has to be ended, and the object is not pinned: while the caller
 * uses *ptr, the caller makes sure that the object is neither freed nor moved (its owner refuses).
 * Returns -XV_EINVAL (bad handle, null argument), -XV_ERANGE (it has to be copied, and the buffer
 * is too small), or -XV_EAGAIN as xv_read. O(1), or O(size) for a copy.
 */
XV_API XV_MUST_USE int xv_peek(struct xv_pool *pool, xv_handle handle, void *buffer,
			       size_t buffer_bytes, const void **ptr);

/* ---- Threads and processes ---- */

/*
 * Stop the calls of all other threads on this pool, and let them go on. For pthread_atfork, so that
 * a child process finds a consistent pool: lock before fork(), unlock after it in parent and child.
 * The pool holds its provider too, for all its users, if the provider can be held
 * (xv_provider_ops.hold). A thread may lock several pools, also over one provider; all threads must
 * lock them in the same order. In between the caller must not call these pools or another pool over
 * the same provider. The child has a copy of the memory of a provider that is private to the
 * process (mmap); it shares a window over a shared file with its parent. O(shards + objects left to
 * shards).
 */
XV_API void xv_pool_lock_all(struct xv_pool *pool);
XV_API void xv_pool_unlock_all(struct xv_pool *pool);

/* ---- Pointer calls: only over a provider with a base address ---- */

/*
 * Allocate size bytes and return their address, or NULL (any error of xv_malloc_aligned, or a
 * provider without base address). Free with xv_release. The object is one piece, also in a pool
 * with XV_POOL_SPLIT, and has no owner, so compaction does not move it. xv_alloc_aligned: as
 * xv_malloc_aligned. O(1), as xv_malloc.
 */
XV_API XV_MUST_USE void *xv_alloc(struct xv_pool *pool, size_t size);
XV_API XV_MUST_USE void *xv_alloc_aligned(struct xv_pool *pool, size_t size, size_t alignment);

/*
 * Free the object at an address that xv_alloc, xv_map or xv_address_of gave. NULL is allowed and
 * does nothing. Returns 0, -XV_EINVAL (no live object of one piece begins there; with hardening 0
 * as far as the keyed check tells), or -XV_ENOTSUP (a provider without base address). May leave the
 * object to another shard, as xv_free does. O(1).
 */
XV_API int xv_release(struct xv_pool *pool, void *ptr);

/*
 * Change the size of an object, as xv_realloc; a NULL ptr allocates. Returns the new address.
 * Returns NULL and leaves the object unchanged for any error of xv_realloc, when no live object of
 * one piece begins at ptr, when the provider has no base address, and for an object that xv_malloc
 * made in a pool with XV_POOL_SPLIT: it might become several pieces without one address (resize it
 * by its handle). O(size).
 */
XV_API XV_MUST_USE void *xv_resize(struct xv_pool *pool, void *ptr, size_t size);

/* Bytes that the caller may use at ptr without xv_resize: the size asked for, rounded up to the
 * end of the block, by less than the pool's alignment. xv_resize does not keep the bytes behind
 * the size asked for. Returns 0 when no live object of one piece begins at ptr. O(1). */
XV_API size_t xv_usable_size(struct xv_pool *pool, const void *ptr);

/* The handle of a live object from its address. Returns XV_NULL_HANDLE when no object of one
 * piece begins at ptr, with any hardening. O(1); with hardening 0 O(blocks in a page). */
XV_API xv_handle xv_handle_of(struct xv_pool *pool, const void *ptr);

/* Address of a live object, or NULL (bad handle, several pieces, a provider without base). O(1). */
XV_API void *xv_address_of(struct xv_pool *pool, xv_handle handle);

/* ---- The pool as a whole ---- */

/* Largest object of this pool in bytes: the page size less 4 bytes, or less 8 with owners, and up
 * to 16 less when the alignment is above 4. With XV_POOL_SPLIT 1 GiB. 0 for NULL. O(1). */
XV_API size_t xv_pool_max_size(const struct xv_pool *pool);

/* Bytes that one step of xv_compact moves by default. */
#define XV_COMPACT_STEP_BYTES 8192U

/*
 * Do one bounded step of compaction: move about step_bytes (0 = XV_COMPACT_STEP_BYTES) of objects
 * out of the sparsest pages into holes of the others, and give the emptied memory back. When few
 * pages of many are left, so that the records of the missing pages weigh much, the cycle also moves
 * the pages with the highest numbers to new pages, of which a provider should give the lowest.
 *
 * Looking at a page record counts as 32 bytes of the step. A step moves at least one block or looks
 * at one page. The shards take turns. Call xv_compact until report->more is false: the cycle has
 * then gained all that it could, and the next call begins another. Any thread may make other calls
 * in between. Compaction leaves alone: objects without an owner, objects whose owner refuses,
 * objects of a larger alignment (xv_malloc_aligned), objects in mapped pages, and every object in a
 * page with one of the first or third kind. It also works at limit_bytes. report may be NULL.
 *
 * Returns 0, -XV_ENOTSUP (a pool without owners or owner_ops) or -XV_EINVAL. O(step_bytes + one
 * page); the last step of a shard's cycle, and the step that begins to move the highest pages, also
 * O(memory given back + hole records).
 */
XV_API int xv_compact(struct xv_pool *pool, size_t step_bytes, struct xv_compact_report *report);

/* Estimate of the bytes that compaction would give back now. It does not know about objects that
 * cannot move before a cycle has met them. 0 when xv_compact does not work. O(shards). */
XV_API uint64_t xv_compactable(struct xv_pool *pool);

/*
 * Visit every live object, in order of page and offset. visit gets a tagged handle and the exact
 * size, and returns 0 to go on; any other value ends the walk and is returned. Nothing is mapped
 * and no lock is held while visit runs, so it may call the pool: it may read, write, map and free
 * the object. An object that any thread makes or frees meanwhile is visited once or not at all; one
 * that moves meanwhile may be visited twice or not at all. Returns 0, what visit returned, or
 * -XV_EINVAL (null argument). O(highest page number ever held + objects).
 */
XV_API int xv_pool_walk(struct xv_pool *pool,
			int (*visit)(void *context, xv_handle handle, size_t size), void *context);

/* Give back memory without moving objects: spare memory, and the unused part of the hole tables.
 * Returns the bytes by which held_bytes falls. O(memory given back + hole records + shards). */
XV_API size_t xv_pool_trim(struct xv_pool *pool);

/* Free every object at once. The pool keeps its limit and options, and peak_held_bytes begins
 * anew. Returns 0, -XV_EINVAL (null), or -XV_EBUSY when a page is mapped or a long copy is
 * running (nothing is freed then). O(highest page number). */
XV_API XV_MUST_USE int xv_pool_reset(struct xv_pool *pool);

/* Change the limit on held bytes; 0 = no limit. A limit below what is held now frees nothing, but
 * the pool does not grow until it is under the limit. O(1). */
XV_API void xv_pool_set_limit(struct xv_pool *pool, uint64_t limit_bytes);

/*
 * What a pool holds and why, in bytes unless a comment says otherwise. held_bytes counts all that
 * the pool obtained, and is the sum of the lines below it:
 *
 *   held = requested + header + owner + link + rounding + free + spare + table
 *
 * With hardening 2 rounding_bytes has the canaries too, and the freed objects that are kept apart,
 * whose headers count in header_bytes.
 *
 * Memory that pages of this pool had, and that the system did not take back, counts in spare_bytes
 * until a page gets it again. held_bytes leaves out what the provider holds for itself:
 * xv_provider_ops.overhead_bytes tells that, for all pools over the provider together.
 */
struct xv_pool_stats {
	uint64_t held_bytes;      /* memory of pages, pool and tables */
	uint64_t requested_bytes; /* sum of the sizes asked for: the ideal */
	uint64_t header_bytes;    /* block headers of live objects */
	uint64_t owner_bytes;     /* owners */
	uint64_t link_bytes;      /* links between the pieces of objects */
	uint64_t rounding_bytes;  /* from the ends of objects to the ends of their blocks */
	uint64_t free_bytes; /* holes, in grains where blocks lie, and page edges that the alignment
			      * makes unusable */
	uint64_t spare_bytes; /* grains with memory that hold nothing, and memory that the system
			       * did not take back */
	uint64_t table_bytes; /* pool and shards, page table, hole tables: the part that was
			       * touched, or all of options.memory */

	uint64_t objects;         /* live objects, count */
	uint64_t split_objects;   /* live objects of several pieces, count */
	uint64_t pieces;          /* pieces of these, count */
	uint64_t pages;           /* pages held, count; some grains of a page may have no memory */
	uint64_t holes;           /* holes with a record, count */
	uint64_t peak_held_bytes; /* largest held_bytes since the pool was made or reset, or since
				   * xv_pool_reset_peak */
	uint64_t mallocs;         /* objects ever allocated, count */
	uint64_t frees;           /* objects ever freed, count */
	uint64_t failures;        /* allocations and resizes refused for want of memory, count */
	uint64_t bad_handles;     /* calls refused for a handle or address that is no live object's,
				   * count; those of xv_unmap are not included */
	uint64_t closed_pages;   /* pages closed because of broken words, count. The holes of such a
				  * page count in rounding_bytes */
	uint64_t page_allocs;    /* pages ever taken from the provider, count */
	uint64_t page_frees;     /* pages ever given back, count */
	uint64_t remote_frees;   /* frees that were left to another shard and are done, count */
	uint64_t remote_waiting; /* frees left to another shard while this call ran, count: their
				  * objects still count as live */
	uint32_t shards;         /* shards made so far, count */
	size_t page_bytes;       /* size of a page */
};

/* Fill *stats; first free the objects that were left to shards. A NULL pool gives zeros. Locks
 * all shards at once. O(shards + objects left to them). */
XV_API void xv_pool_get_stats(struct xv_pool *pool, struct xv_pool_stats *stats);

/* Let peak_held_bytes begin anew at the present held_bytes. NULL is allowed. O(1). */
XV_API void xv_pool_reset_peak(struct xv_pool *pool);

enum xv_check_level {
	XV_CHECK_QUICK, /* the sum of held bytes. O(shards) */
	XV_CHECK_DEEP,  /* every page, block, list, bitmap and byte count. O(highest page number +
			 * blocks) */
};

/* What a check found. */
struct xv_check_report {
	uint32_t invariant;  /* number of the broken invariant; 0 = none. 1 to 13 are named in
			      * src/core/heap/heap.h, 21 to 26 in src/core/object/object.h, 31 to 34
			      * in src/core/pool/pool_impl.h */
	uint32_t page;       /* page where it broke; UINT32_MAX when it is not about a page */
	uint32_t offset;     /* offset of the block header in the page, bytes */
	const char *message; /* one line, static storage; "" when nothing is broken */
};

/* Prove the invariants of the pool. Never asserts, never repairs. report may be NULL. Returns
 * 0, -XV_EBADMSG (report names the first broken invariant) or -XV_EINVAL (null pool, unknown
 * level). */
XV_API XV_MUST_USE int xv_pool_check(struct xv_pool *pool, enum xv_check_level level,
				     struct xv_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
