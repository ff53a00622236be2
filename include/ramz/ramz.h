/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/ramz.h: the compressed page store. A store is an array of bytes that lives in
 * memory and takes less of it than its contents are long.
 *
 * The model, first:
 *   - A store has a size and a page size. It is cut into slots, one for each page. A
 *     page that was never written, or was discarded, reads as zeros and takes nothing.
 *   - A written page is one repeated 8-byte word (same-filled: it takes no object), or
 *     an object in a pool (xvmalloc/pool.h) that holds its compressed form, or the page
 *     itself where compressing saves too little (raw).
 *   - Pages are written and read whole, or any range of bytes is; a range that covers
 *     part of a page reads, changes and writes that page.
 *   - Writing is: compress, allocate, publish, free the old. A write that fails leaves
 *     the old contents. Every page changes at once: a reader sees the old one or the new
 *     one, never a mixture. A range of several pages is written page by page.
 *   - Each object remembers its codec, so the codec may be changed at any time.
 *   - What the store holds is bounded by two marks on its held bytes. At the soft one a
 *     callback is told; at the hard one a write gets -XV_ENOSPC, and everything stored
 *     stays readable.
 *   - The pool is compacted on the way, in small steps, when much was freed; ramz_compact
 *     does it by hand.
 *
 * Caveats: the contents do not outlive the store (see ramz_save). A thread that writes a
 * page while others read it makes them wait for nothing, but the old object may be freed
 * a little later, by one of the next calls. A fork must not touch the parent's store.
 *
 * Thread safety: unless a call says otherwise, every call may be made from any thread at
 * any time, also while the codec is changed and the store is resized or reset. No lock is
 * held while a page is compressed or decompressed; calls on different pages do not wait
 * for each other, and readers of one page do not either. ramz_resize, ramz_reset,
 * ramz_trim, ramz_set_limits and the deep check wait for the calls under way and
 * hold new ones up while they work. Create, load and destroy are never concurrent with
 * another call on the same store.
 *
 * Errors: 0 (or a value >= 0) or a negative number of the table in xvmalloc/base.h, and
 * here
 *
 *   XV_EINVAL   a null pointer, an unknown option, a bad value
 *   XV_ERANGE   the page or the range is not inside the store
 *   XV_ENOMEM   no memory: from the provider, or for a thread's codec context
 *   XV_ENOSPC   the hard limit
 *   XV_EBADMSG  a stored page is damaged; or a file is torn, foreign or damaged
 *   XV_E2BIG    more pages than a store can have
 *   XV_ENOTSUP  this build, codec or provider cannot do it
 *
 * On error nothing has changed, and outputs are untouched, except where a call says so.
 *
 * Source: compcache / ramzswap (N. Gupta, Linux staging, 2009) for the store and the
 * first list of counters; zram (Linux, Documentation/admin-guide/blockdev/zram.rst) for
 * the second; XXH3 (Y. Collet) for checksums.
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

/* Most pages of a store: slot numbers are owner words of the pool. What they are kept in can
 * grow to 1 TiB. */
#define RAMZ_PAGES_MAX 0xFFFFFFFEULL

/* Most codecs that one store can hold pages of at a time, `none` not counted. */
#define RAMZ_CODECS_MAX 7U

/* Largest compressed form that is kept, in thousandths of the page: the default of
 * raw_above_permille. src/ramz/README.md has the measurement. */
#define RAMZ_RAW_ABOVE_PERMILLE 990U

/* How a store is made. Start from ramz_options_init. */
struct ramz_options {
	uint64_t size_bytes; /* of the contents, rounded up to whole pages; 0 = a quarter of
			      * ramz_memory_bytes() */
	uint32_t page_bytes; /* a power of two 4096 .. 65536; 0 = 4096 */

	const struct ramz_codec *codec; /* for pages written from now on; must outlive the
					 * store; NULL = lz4 */
	int32_t level;                  /* of that codec; RAMZ_LEVEL_DEFAULT = its own */
	uint32_t raw_above_permille;    /* a page whose compressed form is longer than so many
					 * thousandths of it is kept raw: 1 .. 1000; 0 =
					 * RAMZ_RAW_ABOVE_PERMILLE */

	struct xv_provider *provider; /* pages for the pool, any page size; must outlive the
				       * store; NULL = the store makes an mmap provider with
				       * pages of 64 KiB, whatever page_bytes is, and
				       * destroys it */

	uint64_t soft_limit_bytes; /* see ramz_set_limits; 0 = none */
	uint64_t hard_limit_bytes; /* 0 = none */
	/* Held bytes have come to the soft mark. Called by the thread that brought them there,
	 * with no lock held, once each time the mark is passed on the way up; it may call the
	 * store, but for ramz_destroy. May be NULL. */
	void (*on_soft_limit)(void *context, struct ramz *store, uint64_t held_bytes);
	void *limit_context; /* its first argument */

	bool checksum;   /* keep an XXH3 checksum of every page that has an object (8 bytes) and
			  * verify it on each read; default off */
	bool dedup;      /* keep identical pages once: see ramz_write_page; default off. Takes 24
			  * bytes and more for each distinct page, and a hash of each page written */
	bool huge_pages; /* the provider that the store makes asks for huge pages: a store that
			  * grows is written a tenth faster, but one that empties gives next to
			  * nothing back (src/ramz/README.md); default off */
	bool no_auto_compact; /* compact only when ramz_compact is called */

	uint32_t shards; /* as xv_pool_options.shards */
};

/*
 * Memory there is for this process, bytes: the machine's, or the least limit of the control groups
 * (Linux cgroup version 1 and 2; a container, a systemd unit) that the process is in, where that is
 * less. 0 where the system does not tell. Reads files of the system: ask once. O(depth of the
 * control group).
 */
XV_API uint64_t ramz_memory_bytes(void);

/* Options with every field at its default. Always start from this. O(1). */
XV_API void ramz_options_init(struct ramz_options *options);

/*
 * Would ramz_create take these options? Returns 0 or its error; then *reason, where
 * reason is not NULL, is one line that says what is wrong and what would be right (static
 * storage). A hard limit below ramz_least_limit is refused with -XV_EINVAL. Memory is not tried,
 * but for that. O(1).
 */
XV_API XV_MUST_USE int ramz_options_check(const struct ramz_options *options, const char **reason);

/*
 * The least hard_limit_bytes that such a store can be made with: what it holds when one page that
 * does not compress is written to it, and a fifteenth of that for the buffers of more threads than
 * one. The limits in options are not looked at; with a provider of
 * the caller's, pages are taken from it and given back. 0 where it could not be found out: options
 * that ramz_create refuses for another reason, or no memory. O(1), but stores are made and
 * destroyed for it.
 */
XV_API uint64_t ramz_least_limit(const struct ramz_options *options);

/*
 * Make a store, all zeros; options may be NULL for the defaults. Store it in *out; end it
 * with ramz_destroy. It takes little memory at first: the slot table grows as pages are
 * written. Returns 0, -XV_EINVAL (see ramz_options_check), -XV_E2BIG (more than
 * RAMZ_PAGES_MAX pages: take a larger page_bytes), -XV_ENOMEM, -XV_ENOTSUP (a provider
 * that a pool cannot use). O(1).
 */
XV_API XV_MUST_USE int ramz_create(struct ramz **out, const struct ramz_options *options);

/* Drop everything and give all memory back. Walks must have ended. NULL is allowed.
 * O(slot table + pool pages). */
XV_API void ramz_destroy(struct ramz *store);

/* Size of the contents and of a page, in bytes. O(1). */
XV_API uint64_t ramz_size_bytes(const struct ramz *store);
XV_API size_t ramz_page_bytes(const struct ramz *store);

/* ---- Pages ---- */

/*
 * Write the page number page from src, page-size bytes of any alignment. Where the page is
 * one repeated 8-byte word no object is made. With identical-page sharing a page that is
 * the same as a stored one, compared byte by byte, takes a reference to it. Where src
 * changes during the call, the page can be read all the same; with checksums or sharing each of its
 * bytes is one that src had during the call, without them nothing is said of what it holds.
 * Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_ENOSPC, -XV_ENOMEM, or what the codec
 * failed with. On error the page is as before. At the hard limit tables that hold nothing,
 * codecs' contexts that are not used, and empty pages are given up, and the pool is compacted,
 * before -XV_ENOSPC is returned; a call that waits for that lets ramz_resize and ramz_reset go
 * first. O(page size), and at times a step of compaction of bounded length; at the hard limit
 * O(slot table + pool pages).
 */
XV_API XV_MUST_USE int ramz_write_page(struct ramz *store, uint64_t page, const void *src);

/*
 * Read a page into dst, page-size bytes of any alignment: zeros when it was never
 * written. Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_ENOMEM (no memory for the codec's
 * context), -XV_EAGAIN (a provider with a window has no slot free), or -XV_EBADMSG: the
 * stored page is damaged. What dst holds after an error is undefined. O(page size).
 */
XV_API XV_MUST_USE int ramz_read_page(struct ramz *store, uint64_t page, void *dst);

/* ---- Ranges of bytes ---- */

/*
 * Read or write [offset, offset + length), bytes; length 0 is allowed. A part of a page
 * that is written keeps the rest of the page, also when other threads write other parts
 * of it at the same time. Errors as for pages. When ramz_write fails, the range may have
 * been written up to the beginning of a page: *done, where done is not NULL, is set to that
 * number of bytes (untouched by -XV_EINVAL and by a -XV_ERANGE for a range that is not in the
 * store), and to length on success. A write that waits for room at the hard limit while the store
 * is made smaller may get -XV_ERANGE after its first pages.
 * O(length).
 */
XV_API XV_MUST_USE int ramz_read(struct ramz *store, uint64_t offset, void *dst, size_t length);
XV_API XV_MUST_USE int ramz_write(struct ramz *store, uint64_t offset, const void *src,
				  size_t length, size_t *done);

/*
 * Make [offset, offset + length) read as zeros. Pages that lie wholly inside are dropped,
 * which frees their memory and never fails; of a page at an edge the part is written with
 * zeros, and that can fail as a write does. Returns 0, -XV_EINVAL (null), -XV_ERANGE, or
 * an error of the edges: the whole pages are then dropped all the same. O(pages that hold
 * something + length / 2^40).
 */
XV_API int ramz_discard(struct ramz *store, uint64_t offset, uint64_t length);

/* ---- The store as a whole ---- */

/*
 * Nothing stored depends on a flush, since everything is in memory; it frees objects whose
 * freeing was put off because a reader was in them. Returns 0 or -XV_EINVAL. O(threads).
 */
XV_API int ramz_flush(struct ramz *store);

/*
 * Change the size, bytes, rounded up to whole pages. What is behind the new end is dropped;
 * a grown store reads as zeros behind the old one. Calls under way end first. Returns 0,
 * -XV_EINVAL (null, size 0), -XV_E2BIG, -XV_ENOMEM, -XV_ENOSPC (the hard limit: no room for a
 * larger table). O(slots dropped).
 */
XV_API XV_MUST_USE int ramz_resize(struct ramz *store, uint64_t size_bytes);

/*
 * Drop every page and set every counter to 0. Size, codec, limits and options stay. Calls
 * under way end first. Returns 0 or -XV_EINVAL. O(slot table + pool pages).
 */
XV_API int ramz_reset(struct ramz *store);

/*
 * Write pages with this codec and level from now on; stored ones stay as they are. codec
 * must outlive the store. Writes under way may still use the old one. Returns 0,
 * -XV_EINVAL (null), -XV_ENOMEM (no context can be made), or -XV_E2BIG (RAMZ_CODECS_MAX
 * other codecs were used with this store before). O(1).
 */
XV_API XV_MUST_USE int ramz_set_codec(struct ramz *store, const struct ramz_codec *codec,
				      int32_t level);

/* The codec and level for writes. level may be NULL. O(1). */
XV_API const struct ramz_codec *ramz_get_codec(const struct ramz *store, int32_t *level);

/*
 * Set the marks, in held bytes (ramz_stats.held_bytes); 0 = none. Held bytes above a new
 * hard mark stay: writes that need more memory fail until enough was discarded; so does every
 * write under a mark below ramz_least_limit. When the
 * held bytes already are above a new soft mark, the callback is told by the next write. The
 * soft mark is noticed at the latest when one more write by each thread has passed it.
 * Returns 0 or -XV_EINVAL (null; a soft mark above the hard one). O(1).
 */
XV_API int ramz_set_limits(struct ramz *store, uint64_t soft_limit_bytes,
			   uint64_t hard_limit_bytes);

/*
 * Compact the pool: move objects out of sparse pages until about budget_bytes were moved or
 * a cycle has ended; budget 0 = until nothing more is gained. Other calls go on meanwhile.
 * report, which may be NULL, is the sum of the steps. Returns 0, -XV_EINVAL (null) or
 * -XV_EAGAIN (a provider with a window has no slot free; try again). O(budget + pool pages).
 */
XV_API int ramz_compact(struct ramz *store, uint64_t budget_bytes,
			struct xv_compact_report *report);

/*
 * Give back what can be given back without moving objects: parts of the slot table and of the
 * tables for sharing that hold nothing, empty pages and table ends of the pool, codecs' contexts.
 * A store of which everything was discarded then holds what a new one does, and the buffers of the
 * threads' contexts (ramz_stats.thread_bytes). Calls under way end first. Returns the bytes given
 * back. O(slot table + pool pages).
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
	uint32_t stored_bytes;          /* length of the compressed or raw form; else 0 */
	uint32_t sharers;               /* slots that share the object: 1 and more; 0: none */
	uint64_t word;                  /* of a same-filled page, else 0 */
};

/* Describe a page. Returns 0, -XV_EINVAL (null), -XV_ERANGE, -XV_EBADMSG (damaged). O(1). */
XV_API XV_MUST_USE int ramz_page_info(struct ramz *store, uint64_t page,
				      struct ramz_page_info *info);

/*
 * Visit the pages from first on that hold something, in order. visit returns 0 to go on;
 * any other value ends the walk and is returned. No lock is held while visit runs: it may
 * call the store. Pages written or discarded meanwhile are visited or not. Returns 0, what
 * visit returned, -XV_EINVAL (null) or -XV_EBADMSG (damaged). O(pages that hold something).
 */
XV_API int ramz_walk(struct ramz *store, uint64_t first,
		     int (*visit)(void *context, uint64_t page, const struct ramz_page_info *info),
		     void *context);

/* What ramz_check found first. */
struct ramz_check_report {
	uint32_t invariant;  /* number of the broken invariant of src/ramz/store_impl.h; 0 when
			      * the pool is broken (see pool) or nothing is */
	uint64_t page;       /* where, UINT64_MAX when not in a page */
	const char *message; /* one line, static storage; "" when nothing is broken */
	struct xv_check_report pool;
};

/*
 * Prove the store's invariants: quick is the pool's quick check; deep also decompresses
 * every page, and compares the slots with the pool's objects and with the counters. The
 * deep check is for a store at rest: calls under way end first and new ones wait. Never
 * repairs. report may be NULL. Returns 0, -XV_EINVAL, -XV_EBADMSG, -XV_ENOMEM,
 * -XV_EAGAIN. O(1), or O(everything).
 */
XV_API XV_MUST_USE int ramz_check(struct ramz *store, enum xv_check_level level,
				  struct ramz_check_report *report);

/* ---- Counters: see ramz/stats.h ---- */

/* Fill *stats. Each number is right; numbers of calls under way may be counted in one and
 * not yet in another. O(threads). */
XV_API void ramz_get_stats(struct ramz *store, struct ramz_stats *stats);

/*
 * Let the largest held bytes (mm_stat.mem_used_max, pool.peak_held_bytes) begin anew, with what is
 * held now; every other counter stays, and calls under way go on. Returns 0 or -XV_EINVAL (null).
 * O(shards of the pool).
 */
XV_API int ramz_reset_peak(struct ramz *store);

/* Fill *histogram with one of the store's histograms. O(threads * buckets). Returns 0 or
 * -XV_EINVAL. */
XV_API int ramz_get_histogram(struct ramz *store, enum ramz_histogram_kind kind,
			      struct ramz_histogram *histogram);

/* ---- Saving and loading; files are in ramz/file.h ---- */

/*
 * Where a saved store goes or comes from: a sequence of bytes.
 *
 * write: take exactly bytes bytes; 0 or a negative errno.
 * read: store up to bytes bytes, at least one, in data; returns their number, 0 at the
 *   end, or a negative errno.
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
 * Save the store's contents, compressed as they are: a versioned format with a checksum on
 * everything, that every machine reads, and a random id in it: blocks of two saves never pass for
 * one. Codec, level, checksums, size and page size are kept. Pages that share an object are saved
 * one by one. Other calls go on meanwhile, and each page is saved as it is at some moment of the
 * call: for the image of one moment, do not write. The image has the size that the store has at the
 * start, also where it is resized or reset meanwhile: pages behind it are left out, pages that go
 * read as zeros. The sink gets blocks of up to 128 KiB, and may call the store. Returns 0,
 * -XV_EINVAL (null), -XV_EBADMSG (a stored page is damaged), -XV_ENOMEM, -XV_EAGAIN (a provider
 * with a window has no slot free), what the sink failed with, or a negative errno where the system
 * gives no random bytes. O(compressed bytes).
 */
XV_API XV_MUST_USE int ramz_save(struct ramz *store, const struct ramz_sink *sink);

/*
 * Make a store with the contents that ramz_save wrote. What options give wins, and what they do
 * not is as it was saved; options may be NULL:
 *   codec, level   NULL, RAMZ_LEVEL_DEFAULT: as saved. They are for the pages to come; stored ones
 *                  stay as they are. A saved level is for the saved codec only
 *   checksum       true: each page that was saved without a checksum is given one; false: as saved
 *   page_bytes     0: as saved; another size than that is refused
 *   size_bytes     is not looked at: the saved one (ramz_resize changes it)
 * The rest is as for ramz_create. Codecs other than this build's are found in `codecs`, an array of
 * `codec_count` (NULL and 0 for none). Reads to the end of the saved bytes, not beyond. When the
 * answer is not 0, *reason, where reason is not NULL, is one line that says why (static storage),
 * and there is no store. Returns 0, -XV_EINVAL (null, bad options, page_bytes), -XV_EBADMSG (not a
 * saved store; torn; damaged; of blocks of two saves), -XV_ENOTSUP (a newer version of the format,
 * or a codec that is needed and this build lacks), -XV_ENOMEM, -XV_ENOSPC (the hard limit in
 * options), -XV_E2BIG, or what the source failed with. O(compressed bytes); with checksums to add,
 * every page is decompressed.
 */
XV_API XV_MUST_USE int ramz_load(struct ramz **out, const struct ramz_options *options,
				 const struct ramz_codec *const *codecs, size_t codec_count,
				 const struct ramz_source *source, const char **reason);

#ifdef __cplusplus
}
#endif
#endif
