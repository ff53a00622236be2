/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/stats.h: what a store counts. Everything is always counted, by each thread for
 * itself, and summed when it is asked for.
 *
 * Three vocabularies for the same numbers: the store's own (struct ramz_stats), ramzswap's
 * of 2009, and zram's mm_stat and io_stat, in the order in which the kernel prints them.
 * "Since" means since the store was made or reset; the other numbers are of this moment.
 */
#ifndef RAMZ_STATS_H
#define RAMZ_STATS_H

#include <xvmalloc/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What ramzswap reported (struct ramzswap_ioctl_stats), with its meanings. */
struct ramz_ramzswap_stats {
	uint64_t num_reads;         /* pages asked for, count since; failed ones included */
	uint64_t num_writes;        /* pages given, count since; failed ones included */
	uint64_t failed_reads;      /* of them, pages that could not be read: never, but for
				     * damage or want of memory */
	uint64_t failed_writes;     /* of them, pages that could not be stored: memory or limit */
	uint64_t invalid_io;        /* calls whose range was not in the store, count since */
	uint64_t notify_free;       /* pages that discards were told to drop, count since: see
				     * struct ramz_stats */
	uint64_t pages_zero;        /* pages of zeros stored, count */
	uint32_t good_compress_pct; /* of pages_stored, those that take at most half a page */
	uint32_t pages_expand_pct;  /* of pages_stored, those kept raw */
	uint64_t pages_stored;      /* pages that have an object, count */
	uint64_t pages_used;        /* mem_used_total in pages, rounded down */
	uint64_t orig_data_size;    /* bytes: pages_stored * page size */
	uint64_t compr_data_size;   /* bytes of their compressed and raw forms */
	uint64_t mem_used_total;    /* bytes held by the pool */
	uint64_t bdev_num_reads;    /* pages read from, written to a backing store: 0, as there */
	uint64_t bdev_num_writes;   /* is none */
};

/* zram's mm_stat. */
struct ramz_mm_stat {
	uint64_t orig_data_size;   /* bytes: all pages stored, same-filled ones included */
	uint64_t compr_data_size;  /* bytes of the compressed and raw forms */
	uint64_t mem_used_total;   /* bytes held by the pool */
	uint64_t mem_limit;        /* the hard limit, bytes; 0 = none */
	uint64_t mem_used_max;     /* the largest mem_used_total, bytes since, or since
				    * ramz_reset_peak */
	uint64_t same_pages;       /* same-filled pages stored, count */
	uint64_t pages_compacted;  /* bytes freed by compaction, in pages of the store, since */
	uint64_t huge_pages;       /* raw pages stored, count */
	uint64_t huge_pages_since; /* pages ever stored raw, count since */
};

/* zram's io_stat. */
struct ramz_io_stat {
	uint64_t failed_reads;
	uint64_t failed_writes;
	uint64_t invalid_io;
	uint64_t notify_free; /* as zram counts it: see struct ramz_stats */
};

struct ramz_stats {
	uint64_t size_bytes; /* of the contents */
	size_t page_bytes;

	/* What is stored now: pages (slots), count. */
	uint64_t pages_stored;      /* all that hold something: the sum of the next three */
	uint64_t pages_same_filled; /* zero pages that were written included */
	uint64_t pages_compressed;  /* shared ones counted for each slot */
	uint64_t pages_raw;
	uint64_t pages_zero;          /* of the same-filled: zeros */
	uint64_t pages_good_compress; /* of the compressed: at most half a page */
	uint64_t pages_shared;        /* slots that need no object of their own, since they
				       * share another slot's */

	/* What it takes, bytes. held = pool.held + slot_table + dedup + thread + store. */
	uint64_t stored_bytes;   /* compressed and raw forms, shared ones once, without checksums */
	uint64_t checksum_bytes; /* part of the pool's requested bytes */
	uint64_t held_bytes;     /* everything obtained from the system for the store */
	uint64_t slot_table_bytes; /* what is allocated of it */
	uint64_t dedup_bytes;      /* tables for identical-page sharing */
	uint64_t thread_bytes;     /* buffers and counters of threads, and their codecs' contexts
				    * (of codecs that tell: ramz_codec.context_bytes) */
	uint64_t store_bytes;      /* the store itself, and the provider it made */
	uint64_t soft_limit_bytes; /* 0 = none */
	uint64_t hard_limit_bytes; /* 0 = none */

	/* What happened since, count. */
	uint64_t reads;               /* pages read, in part too; failed ones included */
	uint64_t writes;              /* pages written, in part too; failed ones included */
	uint64_t failed_reads;        /* of them */
	uint64_t failed_writes;       /* of them */
	uint64_t invalid_io;          /* calls refused with -XV_ERANGE */
	uint64_t notify_free;         /* pages that lay whole in the range of a ramz_discard,
				       * those that held nothing too, as zram counts them */
	uint64_t absent_reads;        /* reads of pages that hold nothing */
	uint64_t same_writes;         /* pages written that were same-filled */
	uint64_t raw_writes;          /* pages stored raw */
	uint64_t dedup_hits;          /* pages written that an identical one was found for */
	uint64_t retries;             /* writes of a part of a page begun again, as another thread
				       * had changed the page */
	uint64_t deferred_frees;      /* objects freed later, as a reader was in them */
	uint64_t bad_pages;           /* reads that found a page damaged: in failed_reads too */
	uint64_t soft_limit_hits;     /* times the soft mark was passed on the way up */
	uint64_t hard_limit_hits;     /* writes refused at the hard mark: in failed_writes too */
	uint64_t compact_steps;       /* steps of compaction, automatic ones and by hand */
	uint64_t compact_moved_bytes; /* bytes they moved */
	uint64_t compact_freed_bytes; /* bytes they gave back */
	uint64_t compact_refused;     /* moves refused, as the page was in use */
	uint32_t contexts;            /* threads' contexts there are now, count */

	struct ramz_ramzswap_stats ramzswap;
	struct ramz_mm_stat mm_stat;
	struct ramz_io_stat io_stat;
	struct xv_pool_stats pool; /* of the pool below */
};

/* Which histogram. */
enum ramz_histogram_kind {
	RAMZ_HISTOGRAM_READ_NS,  /* duration of page reads that met an object, ns; a sample: one
				  * call in eight, chosen at random, is timed */
	RAMZ_HISTOGRAM_WRITE_NS, /* the same of page writes that made an object */
	RAMZ_HISTOGRAM_SIZE,     /* compressed and raw forms made, bytes */
};

/*
 * Buckets: values up to 2^37 - 1 in steps of an eighth of their power of two (bucket n < 8
 * holds the value n alone); larger ones in the last.
 */
#define RAMZ_HISTOGRAM_BUCKETS 280U

struct ramz_histogram {
	uint64_t count; /* values */
	uint64_t sum;   /* of the values */
	uint64_t bucket[RAMZ_HISTOGRAM_BUCKETS];
};

/* First value of a bucket, and the bucket that a value is in. O(1). */
XV_API uint64_t ramz_histogram_floor(uint32_t bucket);
XV_API uint32_t ramz_histogram_bucket(uint64_t value);

/*
 * The value below which this many thousandths of a percent of the values lie (50000 = the
 * median, 99990 = p99.99), to within an eighth: the middle of its bucket. 0 when the
 * histogram is empty. O(buckets).
 */
XV_API uint64_t ramz_histogram_quantile(const struct ramz_histogram *histogram,
					uint32_t percent_thousandths);

#ifdef __cplusplus
}
#endif
#endif
