/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/ramz.h: the compressed page store. A store is an array of bytes in memory that takes less
 * memory than it has bytes.
 *
 * The model:
 *   - A store has a size and a page size. It has a slot for each page. A page that was never
 *     written, or was discarded, reads as zeros and takes nothing.
 *   - A written page is kept in one of three ways. A same-filled page is one repeated 8-byte word,
 *     and takes no object. A compressed page is an object in a pool (xvmalloc/pool.h). If
 *     compression saves too little, the object is the page itself (raw).
 *   - Calls read and write whole pages or ranges of bytes. A range that covers part of a page
 *     reads, changes and writes that page.
 *   - A write does this: compress, allocate, publish, free the old object. A write that fails
 *     leaves the old contents. Each page changes at once: a reader sees the old page or the new
 *     one, never a mixture. A range of several pages is written page by page.
 *   - Each object names its codec, so the codec may change at any time.
 *   - Two limits bound the held bytes. At the soft limit a callback is called. At the hard limit a
 *     write gets -XV_ENOSPC, and everything stored stays readable.
 *   - When much was freed, writes and discards compact the pool in small steps;
 *     ramz_compact does it by hand.
 *
 * Caveats: the contents do not outlive the store (see ramz_save). A write of a page never makes its
 * readers wait, but may leave the old object to be freed by a later call. After a fork the child
 * must not touch the store.
 *
 * Thread safety: unless a call says otherwise, any thread may make it at any time, also while other
 * threads change the codec, resize or reset. No lock is held while a page is compressed or
 * decompressed. Calls on different pages do not wait for each other, nor do readers of one page.
 * ramz_resize, ramz_reset, ramz_trim, ramz_set_limits and the deep check wait for running calls,
 * and make new ones wait. Create, load and destroy never run beside another call on the same store.
 *
 * Errors: 0 (or a value >= 0) or a negative number of the table in xvmalloc/errors.h, and here
 *
 *   XV_EINVAL   a null pointer, an unknown option, a bad value
 *   XV_ERANGE   the page or the range is not inside the store
 *   XV_ENOMEM   no memory: from the provider, or for a thread's codec context
 *   XV_ENOSPC   the hard limit
 *   XV_EBADMSG  a stored page is damaged; or a file is torn, foreign or damaged
 *   XV_E2BIG    more pages than a store can have
 *   XV_ENOTSUP  this build, codec or provider cannot do it
 *
 * On error nothing has changed, and outputs are untouched, unless a call says otherwise.
 *
 * Source: compcache / ramzswap (N. Gupta, Linux staging, 2009) for the store and the first list of
 * counters; zram (Linux, Documentation/admin-guide/blockdev/zram.rst) for the second; XXH3 (Y.
 * Collet) for checksums.
 */
#ifndef RAMZ_RAMZ_H
#define RAMZ_RAMZ_H

#include <xvmalloc/pool.h>

#include <ramz/codec.h>
#include <ramz/file.h>
#include <ramz/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A store. */
struct ramz;

/* Most pages of a store: a slot number is an owner in the pool. The provider that a store makes
 * gives at most 1 TiB. */
#define RAMZ_PAGES_MAX 0xFFFFFFFEULL

/* Default of raw_above_permille. src/ramz/README.md has the measurement. */
#define RAMZ_RAW_ABOVE_PERMILLE 990U

/* How a store is made. Start from ramz_options_init. */
struct ramz_options {
	uint64_t size_bytes; /* size of the contents, rounded up to whole pages; 0 = a quarter of
			      * ramz_memory_bytes() */
	uint32_t page_bytes; /* a power of two 4096 .. 65536; 0 = 4096 */

	const struct ramz_codec
		*codec; /* for pages written from now on; must outlive the store; NULL = lz4 */
	int32_t level;  /* of that codec; RAMZ_LEVEL_DEFAULT = its own */
	uint32_t raw_above_permille; /* 1 .. 1000: a page is kept raw if its compressed form is
				      * longer than this many thousandths of it, or not
				      * shorter than it; 0 = RAMZ_RAW_ABOVE_PERMILLE */

	struct xv_provider *provider; /* pages for the pool, any page size; must outlive the store;
				       * NULL = the store makes an mmap provider with pages of 64
				       * KiB, whatever page_bytes is, and destroys it */

	uint64_t soft_limit_bytes; /* see ramz_set_limits; 0 = no limit */
	uint64_t hard_limit_bytes; /* 0 = no limit */
	/* Held bytes have passed the soft limit on the way up. Called once each time, by the
	 * thread that passed it, with no lock held. May call the store, except ramz_destroy. May
	 * be NULL. */
	void (*on_soft_limit)(void *context, struct ramz *store, uint64_t held_bytes);
	void *limit_context; /* its first argument */

	bool checksum; /* keep an XXH3 checksum (8 bytes) of each page that has an object, and
			* verify it on each read; default off */
	bool dedup; /* keep identical pages once: see ramz_write_page; default off. Takes 24 bytes
		     * and more for each distinct page, and hashes each page written */
	bool huge_pages; /* the provider that the store makes asks for huge pages: a growing store
			  * writes a tenth faster, but an emptying one gives almost nothing back
			  * (src/ramz/README.md); default off */
	bool no_auto_compact; /* compact only in ramz_compact */

	uint32_t shards; /* as xv_pool_options.shards */
};

/* Memory of the machine in bytes, or the least limit of the control groups of this process if
 * that is less (Linux cgroup version 1 and 2: a container, a systemd unit). 0 if the system does
 * not tell. Reads files of the system: call it once. O(depth of the control group). */
XV_API uint64_t ramz_memory_bytes(void);

/* Options with every field at its default. Always start from this. O(1). */
XV_API void ramz_options_init(struct ramz_options *options);

/* Would ramz_create take these options? Returns 0 or its error. On an error *reason, if reason is
 * not NULL, is one line that says what is wrong and how to mend it (static storage). Refuses a
 * hard limit below ramz_least_limit with -XV_EINVAL; only that needs memory. O(1); with a hard
 * limit as ramz_least_limit. */
XV_API XV_MUST_USE int ramz_options_check(const struct ramz_options *options, const char **reason);

/*
 * Least hard_limit_bytes of a store with these options: what it holds after a write of one page
 * that does not compress, and a fifteenth more for the buffers of further threads. Ignores the
 * limits in options. Takes pages from the caller's provider, if there is one, and gives them back.
 * 0 when it cannot tell: ramz_create refuses the options for another reason, or no memory. Makes
 * and destroys stores: O(pages / 2^18).
 */
XV_API uint64_t ramz_least_limit(const struct ramz_options *options);

/*
 * Make a store, all zeros; options may be NULL for the defaults. Stores it in *out; end it with
 * ramz_destroy. It takes little memory at first: the slot table grows as pages are written. Returns
 * 0, -XV_EINVAL (see ramz_options_check), -XV_E2BIG (more than RAMZ_PAGES_MAX pages: take a larger
 * page_bytes), -XV_ENOMEM, -XV_ENOTSUP (a provider that a pool cannot use). O(1); with a hard limit
 * as ramz_least_limit.
 */
XV_API XV_MUST_USE int ramz_create(struct ramz **out, const struct ramz_options *options);

/* Destroy the store and give all memory back. Walks must have ended. NULL is allowed. O(slot
 * table + pages of the pool). */
XV_API void ramz_destroy(struct ramz *store);

/* Size of the contents and of a page, in bytes. O(1). */
XV_API uint64_t ramz_size_bytes(const struct ramz *store);
XV_API size_t ramz_page_bytes(const struct ramz *store);

/* ---- Pages ---- */

/*
 * Write page number page from src, which has page-size bytes of any alignment. A page of one
 * repeated 8-byte word makes no object. With dedup a page that equals a stored one, compared byte
 * by byte, shares its object. If src changes during the call, the page can still be read: with
 * checksums or dedup each of its bytes is one that src had during the call; without them its
 * contents are undefined. Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_ENOSPC, -XV_ENOMEM, or an
 * error of the codec. On error the page is as before.
 *
 * At the hard limit a write first frees tables that hold nothing, unused contexts of codecs and
 * empty pages, and compacts the pool. Only then it returns -XV_ENOSPC. A write that waits for that
 * lets ramz_resize and ramz_reset go first. O(page size), and at times a compaction step of bounded
 * length; at the hard limit O(slot table + pages of the pool).
 */
XV_API XV_MUST_USE int ramz_write_page(struct ramz *store, uint64_t page, const void *src);

/*
 * Read a page into dst, which has page-size bytes of any alignment. A page that was never written
 * is zeros. Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_ENOMEM (no memory for the codec's
 * context), -XV_EAGAIN (no free window slot in the provider), or -XV_EBADMSG (the stored page is
 * damaged). On error the contents of dst are undefined. O(page size).
 */
XV_API XV_MUST_USE int ramz_read_page(struct ramz *store, uint64_t page, void *dst);

/* ---- Ranges of bytes ---- */

/*
 * Read or write [offset, offset + length), in bytes; length 0 is allowed. A write of a part of a
 * page keeps the rest, also when other threads write other parts of it at the same time. Errors as
 * for pages. When ramz_write fails, it may have written the range up to the beginning of a page:
 * *done, if done is not NULL, is the number of bytes written, and length on success. -XV_EINVAL,
 * and -XV_ERANGE for a range outside the store, leave *done untouched. A write that waits at the
 * hard limit while the store shrinks may get -XV_ERANGE after its first pages. O(length).
 */
XV_API XV_MUST_USE int ramz_read(struct ramz *store, uint64_t offset, void *dst, size_t length);
XV_API XV_MUST_USE int ramz_write(struct ramz *store, uint64_t offset, const void *src,
				  size_t length, size_t *done);

/*
 * Make [offset, offset + length) read as zeros. Pages wholly inside are dropped: that frees their
 * memory and never fails. At an edge a part of a page is written with zeros, which can fail as a
 * write does. Returns 0, -XV_EINVAL (null), -XV_ERANGE, or an error of an edge; the whole pages are
 * dropped even then. O(pages that hold something + length / 2^40).
 */
XV_API int ramz_discard(struct ramz *store, uint64_t offset, uint64_t length);

/* ---- The store as a whole ---- */

/* Free objects that earlier calls could not free because a reader used them. Everything is in
 * memory, so nothing else depends on a flush. Returns 0 or -XV_EINVAL. O(threads). */
XV_API int ramz_flush(struct ramz *store);

/*
 * Change the size in bytes, rounded up to whole pages. Pages behind the new end are dropped; a
 * longer store reads as zeros behind the old end. Waits for running calls. Returns 0, -XV_EINVAL
 * (null, size 0), -XV_E2BIG, -XV_ENOMEM, -XV_ENOSPC (the hard limit leaves no room for a larger
 * table). O(slots dropped).
 */
XV_API XV_MUST_USE int ramz_resize(struct ramz *store, uint64_t size_bytes);

/* Drop every page and set every counter to 0. Size, codec, limits and options stay. Waits for
 * running calls. Returns 0 or -XV_EINVAL. O(slot table + pages of the pool). */
XV_API int ramz_reset(struct ramz *store);

/*
 * Write pages with this codec and level from now on; stored pages stay as they are. codec must
 * outlive the store. Running writes may still use the old one. Returns 0, -XV_EINVAL (null, or a
 * codec without its functions), -XV_ENOMEM (no context can be made), or -XV_E2BIG (pages are in
 * RAMZ_CODECS_MAX other codings: see ramz/tiers.h). To free a coding that no page is in, the call
 * may wait for running calls. O(threads).
 */
XV_API XV_MUST_USE int ramz_set_codec(struct ramz *store, const struct ramz_codec *codec,
				      int32_t level);

/* Codec and level of writes. level may be NULL. O(1). */
XV_API const struct ramz_codec *ramz_get_codec(const struct ramz *store, int32_t *level);

/*
 * Set the limits on held bytes (ramz_stats.held_bytes); 0 = no limit. Nothing is dropped when held
 * bytes are above a new hard limit: writes that need memory fail until enough was discarded. Below
 * ramz_least_limit all of these fail. When held bytes are above a new soft limit, the next write
 * calls the callback. The store notices a passed soft limit at the latest after one more write by
 * each thread. Returns 0 or -XV_EINVAL (null; a soft limit above the hard one). O(threads).
 */
XV_API int ramz_set_limits(struct ramz *store, uint64_t soft_limit_bytes,
			   uint64_t hard_limit_bytes);

/*
 * Compact the pool: move about move_bytes of objects out of sparse pages, at most until a cycle
 * ends; 0 = until a cycle gains nothing, at most 16 cycles. Other calls go on meanwhile. *report,
 * if report is not NULL, is the sum of the steps. Returns 0, -XV_EINVAL (null) or -XV_EAGAIN (no
 * free window slot in the provider; try again). O(move_bytes + pages of the pool).
 */
XV_API int ramz_compact(struct ramz *store, uint64_t move_bytes, struct xv_compact_report *report);

/*
 * Give back memory without moving objects: parts of the slot table and of the dedup tables that
 * hold nothing, empty pages and table ends of the pool, contexts of codecs. A store from which
 * everything was discarded then holds what a new one does, plus the buffers of threads
 * (ramz_stats.thread_bytes). Waits for running calls. Returns the bytes given back. O(slot table +
 * pages of the pool).
 */
XV_API uint64_t ramz_trim(struct ramz *store);

/* ---- Looking inside ---- */

enum ramz_page_kind {
	RAMZ_PAGE_ABSENT,      /* never written, or discarded */
	RAMZ_PAGE_SAME_FILLED, /* one repeated word */
	RAMZ_PAGE_COMPRESSED,
	RAMZ_PAGE_RAW, /* an object as long as the page */
};

/* What a slot holds. */
struct ramz_page_info {
	enum ramz_page_kind kind;
	const struct ramz_codec *codec; /* of a compressed page, else NULL */
	uint32_t stored_bytes;          /* length of the compressed or raw form, else 0 */
	uint32_t sharers; /* slots that share the object, itself included; 0 = no object */
	uint64_t word;    /* of a same-filled page, else 0 */
	bool backed;      /* the form is on the backing device: see ramz/backing.h */
};

/* Describe a page. Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_EBADMSG (damaged). O(1). */
XV_API XV_MUST_USE int ramz_page_info(struct ramz *store, uint64_t page,
				      struct ramz_page_info *info);

/*
 * Visit the pages that hold something, in order, from page first on. visit returns 0 to go on; any
 * other value ends the walk and is returned. No lock is held while visit runs: it may call the
 * store. Pages that are written or discarded meanwhile may be visited or not. Returns 0, what visit
 * returned, -XV_EINVAL (null) or -XV_EBADMSG (damaged). O(pages that hold something).
 */
XV_API int ramz_walk(struct ramz *store, uint64_t first,
		     int (*visit)(void *context, uint64_t page, const struct ramz_page_info *info),
		     void *context);

/* The first thing that ramz_check found. */
struct ramz_check_report {
	uint32_t invariant;  /* number in src/ramz/store_impl.h of the broken invariant; 0 when the
			      * pool is broken (see pool) or nothing is */
	uint64_t page;       /* where; UINT64_MAX when it is not about a page */
	const char *message; /* one line, static storage; "" when nothing is broken */
	struct xv_check_report pool;
};

/*
 * Prove the invariants of the store. The quick check is the pool's. The deep check also
 * decompresses every page, and compares the slots with the objects of the pool and with the
 * counters; it waits for running calls, and new ones wait for it. Never repairs. report may be
 * NULL. Returns 0, -XV_EINVAL, -XV_EBADMSG, -XV_ENOMEM, -XV_EAGAIN. O(1), or O(everything).
 */
XV_API XV_MUST_USE int ramz_check(struct ramz *store, enum xv_check_level level,
				  struct ramz_check_report *report);

/* ---- Counters: see ramz/stats.h ---- */

/* Fill *stats. Each number is right by itself; a running call may count in one and not yet in
 * another. O(threads), plus xv_pool_get_stats. */
XV_API void ramz_get_stats(struct ramz *store, struct ramz_stats *stats);

/* Let the peaks (mm_stat.mem_used_max, pool.peak_held_bytes) begin anew at what is held now.
 * Other counters stay, and running calls go on. Returns 0 or -XV_EINVAL (null). O(shards of the
 * pool). */
XV_API int ramz_reset_peak(struct ramz *store);

/* Fill *histogram with one of the store's histograms. Returns 0 or -XV_EINVAL. O(threads *
 * buckets). */
XV_API int ramz_get_histogram(struct ramz *store, enum ramz_histogram_kind kind,
			      struct ramz_histogram *histogram);

/* ---- Saving and loading; files are in ramz/file.h ---- */

/*
 * Where a saved store goes to or comes from: a sequence of bytes.
 *
 * write: take exactly `bytes` bytes. Returns 0 or a negative errno.
 *
 * read: store 1 .. `bytes` bytes in data. Returns their number, 0 at the end, or a negative errno.
 */
struct ramz_sink {
	int (*write)(void *context, const void *data, size_t bytes);
	void *context;
};

struct ramz_source {
	int64_t (*read)(void *context, void *data, size_t bytes);
	void *context;
};

/*
 * Save the contents of the store, compressed as they are. The format has a version, a checksum on
 * everything, and a random id in each block, so that blocks of two saves never pass for one save.
 * Every machine reads it. Codec, level, checksums, size and page size are kept. Pages that share an
 * object are saved one by one.
 *
 * The image is that of one moment, soon after the call begins, for all pages together. Other calls
 * go on meanwhile, resize and reset too. A page that is overwritten before it was saved is kept in
 * memory until then. If a write would be refused for want of that memory, the save ends with
 * -XV_EBUSY instead, and can be tried again. One save runs at a time; another waits for its end.
 * The sink gets blocks of up to 128 KiB. It may call the store, but not ramz_save, ramz_checkpoint,
 * ramz_save_backing and ramz_detach, which would wait for it.
 *
 * Returns 0, -XV_EINVAL (null), -XV_EBUSY (see above), -XV_EBADMSG (a stored page is damaged),
 * -XV_ENOMEM, -XV_EAGAIN (no free window slot in the provider), an error of the sink or of the
 * backing device, or a negative errno when the system gives no random bytes. O(compressed bytes).
 */
XV_API XV_MUST_USE int ramz_save(struct ramz *store, const struct ramz_sink *sink);

/*
 * Make a store with the contents that ramz_save wrote. Options that are set win; the others are as
 * saved. options may be NULL:
 *
 *   codec, level   NULL, RAMZ_LEVEL_DEFAULT: as saved. For pages written from now on: loaded pages
 *                  stay as they are. The saved level is used with the saved codec only
 *   checksum       true: also give a checksum to each page that was saved without; false: as saved
 *   page_bytes     0: as saved; another size than the saved one is refused
 *   size_bytes     ignored: as saved (ramz_resize changes it)
 *
 * All other options are as for ramz_create. Codecs that are not in this build are looked up in
 * `codecs`, an array of `codec_count` (NULL and 0 for none). Reads to the end of the saved bytes
 * and no further. On an error there is no store, and *reason, if reason is not NULL, is one line
 * that says why (static storage).
 *
 * Returns 0, -XV_EINVAL (null, bad options, page_bytes), -XV_EBADMSG (not a saved store, or one
 * that is torn, damaged, or of blocks of two saves), -XV_ENOTSUP (a newer version of the format, or
 * a codec that this build lacks), -XV_ENOMEM, -XV_ENOSPC (the hard limit in options), -XV_E2BIG, or
 * an error of the source. O(compressed bytes); to add checksums, every page is decompressed.
 */
XV_API XV_MUST_USE int ramz_load(struct ramz **out, const struct ramz_options *options,
				 const struct ramz_codec *const *codecs, size_t codec_count,
				 const struct ramz_source *source, const char **reason);

#ifdef __cplusplus
}
#endif
#endif
