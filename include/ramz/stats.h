/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/stats.h: the counters of a store. Each thread always counts for itself; a call for the
 * counters adds them up.
 *
 * The same numbers have three vocabularies: the store's own (struct ramz_stats), ramzswap's of
 * 2009, and zram's mm_stat and io_stat, in the order in which the kernel prints them. "Since" means
 * since the store was made or reset; the other numbers are of this moment.
 */
#ifndef RAMZ_STATS_H
#define RAMZ_STATS_H

#include <xvmalloc/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What ramzswap reported (struct ramzswap_ioctl_stats), with its meanings. */
struct ramz_ramzswap_stats {
	uint64_t num_reads;     /* pages to be read, count since; failed ones included */
	uint64_t num_writes;    /* pages to be written, count since; failed ones included */
	uint64_t failed_reads;  /* pages that could not be read, count since: damage or no memory */
	uint64_t failed_writes; /* pages that could not be stored, count since: no memory or the
				 * hard limit */
	uint64_t invalid_io;    /* calls with a range outside the store, count since */
	uint64_t notify_free;   /* pages wholly inside a discard, count since: see ramz_stats */
	uint64_t pages_zero;    /* pages of zeros stored, count */
	uint32_t good_compress_pct; /* percent of pages_stored that take at most half a page */
	uint32_t pages_expand_pct;  /* percent of pages_stored that are raw */
	uint64_t pages_stored;      /* pages that have an object, count */
	uint64_t pages_used;        /* mem_used_total in pages of the store, rounded down */
	uint64_t orig_data_size;    /* bytes: pages_stored * page size */
	uint64_t compr_data_size;   /* bytes of their compressed and raw forms */
	uint64_t mem_used_total;    /* bytes held by the pool */
	uint64_t bdev_num_reads;    /* pages read from the backing device, count */
	uint64_t bdev_num_writes;   /* pages written to it, count */
};

/* zram's mm_stat. */
struct ramz_mm_stat {
	uint64_t orig_data_size;  /* bytes: all pages stored, same-filled ones included */
	uint64_t compr_data_size; /* bytes of the compressed and raw forms */
	uint64_t mem_used_total;  /* bytes held by the pool */
	uint64_t mem_limit;       /* the hard limit, bytes; 0 = none */
	uint64_t mem_used_max; /* largest mem_used_total in bytes, since or since ramz_reset_peak */
	uint64_t same_pages;   /* same-filled pages stored, count */
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

/* zram's bd_stat, in pages of the store. */
struct ramz_bd_stat {
	uint64_t bd_count;  /* on the backing device now */
	uint64_t bd_reads;  /* read from it, count since */
	uint64_t bd_writes; /* written to it, count since */
};

struct ramz_stats {
	uint64_t size_bytes; /* of the contents */
	size_t page_bytes;

	/* Stored now: pages (slots), count. */
	uint64_t pages_stored;      /* pages that hold something: the sum of the next three */
	uint64_t pages_same_filled; /* written zero pages included */
	uint64_t pages_compressed;  /* each slot of a shared object counts */
	uint64_t pages_raw;
	uint64_t pages_zero;          /* same-filled pages of zeros */
	uint64_t pages_good_compress; /* compressed pages of at most half a page */
	uint64_t pages_shared;        /* slots that share the object of another slot */
	uint64_t pages_backed;        /* of the compressed and raw: on the backing device */

	/* Memory, in bytes. held = pool.held + slot_table + dedup +
	 * dictionary + backing + thread + store. */
	uint64_t stored_bytes; /* compressed and raw forms, a shared one once, without checksums */
	uint64_t checksum_bytes;   /* part of the pool's requested bytes */
	uint64_t held_bytes;       /* all that was obtained from the system for the store */
	uint64_t slot_table_bytes; /* the part of it that has memory */
	uint64_t dedup_bytes;      /* tables of shared pages */
	uint64_t backing_bytes;    /* table and buffers of a backing device */
	uint64_t dictionary_bytes; /* dictionaries of tiers, also older ones that pages use */
	uint64_t thread_bytes; /* buffers and counters of threads, and contexts of codecs that tell
				* their size (ramz_codec.context_bytes) */
	uint64_t store_bytes;  /* the store itself, and the provider that it made */
	uint64_t soft_limit_bytes; /* 0 = no limit */
	uint64_t hard_limit_bytes; /* 0 = no limit */

	/* Events since, count. */
	uint64_t reads;         /* pages read, wholly or in part; failed ones included */
	uint64_t writes;        /* pages written, wholly or in part; failed ones included */
	uint64_t failed_reads;  /* reads that failed */
	uint64_t failed_writes; /* writes that failed */
	uint64_t invalid_io;    /* calls refused with -XV_ERANGE */
	uint64_t notify_free; /* pages wholly inside a ramz_discard, as zram counts: those that held
			       * nothing too */
	uint64_t absent_reads; /* reads of pages that hold nothing */
	uint64_t same_writes;  /* same-filled pages written */
	uint64_t raw_writes;   /* pages written raw */
	uint64_t dedup_hits;   /* pages written that found an identical one */
	uint64_t retries;      /* partial writes repeated, since another thread changed the page */
	uint64_t deferred_frees;      /* objects freed later, since a reader used them */
	uint64_t bad_pages;           /* reads that found a damaged page: in failed_reads too */
	uint64_t soft_limit_hits;     /* times the soft limit was passed on the way up */
	uint64_t hard_limit_hits;     /* writes refused at the hard limit: in failed_writes too */
	uint64_t compact_steps;       /* compaction steps, automatic ones and by hand */
	uint64_t compact_moved_bytes; /* bytes that these steps moved */
	uint64_t compact_freed_bytes; /* bytes that these steps gave back */
	uint64_t compact_refused;     /* moves refused, since the page was in use */
	uint64_t recompress_tried;    /* pages that a tier was tried on */
	uint64_t recompressed;        /* pages that went into the tier */
	uint64_t recompress_saved_bytes; /* bytes by which forms became shorter */
	uint32_t contexts;               /* contexts of threads now, count */

	struct ramz_ramzswap_stats ramzswap;
	struct ramz_mm_stat mm_stat;
	struct ramz_io_stat io_stat;
	struct ramz_bd_stat bd_stat;
	struct xv_pool_stats pool; /* the pool's counters */
};

/* Which histogram. */
enum ramz_histogram_kind {
	RAMZ_HISTOGRAM_READ_NS,  /* duration of page reads that met an object, ns. Sampled: a random
				  * one of eight calls is timed */
	RAMZ_HISTOGRAM_WRITE_NS, /* the same for page writes that made an object */
	RAMZ_HISTOGRAM_SIZE,     /* length of new compressed and raw forms, bytes */
};

/* Buckets. Bucket n < 8 holds the value n. Above, values up to 2^37 - 1 go in steps of an eighth
 * of their power of two, and larger ones into the last bucket. */
#define RAMZ_HISTOGRAM_BUCKETS 280U

struct ramz_histogram {
	uint64_t count; /* values */
	uint64_t sum;   /* of the values */
	uint64_t bucket[RAMZ_HISTOGRAM_BUCKETS];
};

/* Least value of a bucket, and the bucket of a value. O(1). */
XV_API uint64_t ramz_histogram_floor(uint32_t bucket);
XV_API uint32_t ramz_histogram_bucket(uint64_t value);

/* The value below which this many thousandths of a percent of the values lie (50000 = the median,
 * 99990 = p99.99), to within an eighth: the middle of its bucket. 0 for an empty histogram.
 * O(buckets). */
XV_API uint64_t ramz_histogram_quantile(const struct ramz_histogram *histogram,
					uint32_t percent_thousandths);

#ifdef __cplusplus
}
#endif
#endif
