/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * counters.h: the counters of one thread.
 *
 * Owns only the numbers. Locking: one thread at a time adds, and others may read at any time. So
 * the cells are atomic, but without read-modify-write instructions. O(1), sums O(cells).
 *
 * Gauges go up and down. The share of one thread may be negative (two's complement); the sum over
 * all threads is not.
 */
#ifndef RZI_COUNTERS_H
#define RZI_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include <ramz/codec.h>
#include <ramz/stats.h>

enum rzi_counter {
	/* gauges */
	COUNT_SAME,
	COUNT_ZERO,
	COUNT_GOOD,
	COUNT_SHARED, /* slots that name a record */
	COUNT_BACKED, /* pages on the device; their codings count, too */
	COUNT_RAW,    /* and one for each coding behind it: see store_impl.h */
	COUNT_CODING_LAST = COUNT_RAW + RAMZ_CODECS_MAX,
	COUNT_GAUGES,
	/* counts */
	COUNT_READS = COUNT_GAUGES,
	COUNT_WRITES,
	COUNT_FAILED_READS,
	COUNT_FAILED_WRITES,
	COUNT_INVALID_IO,
	COUNT_NOTIFY_FREE,
	COUNT_ABSENT_READS,
	COUNT_SAME_WRITES,
	COUNT_RAW_WRITES,
	COUNT_DEDUP_HITS,
	COUNT_RETRIES,
	COUNT_DEFERRED_FREES,
	COUNT_BAD_PAGES,
	COUNT_SOFT_HITS,
	COUNT_HARD_HITS,
	COUNT_COMPACT_STEPS,
	COUNT_COMPACT_MOVED,
	COUNT_COMPACT_FREED,
	COUNT_COMPACT_REFUSED,
	COUNT_RECOMPRESS_TRIED,
	COUNT_RECOMPRESSED,
	COUNT_RECOMPRESS_SAVED,
	COUNT_BACKING_READS,
	COUNT_BACKING_READ_ERRORS,
	COUNT_BACKING_DAMAGED,
	COUNT_BACKING_WRITES,
	COUNT_BACKING_MOVED,
	COUNTERS,
};

enum { HISTOGRAMS = RAMZ_HISTOGRAM_SIZE + 1 };

struct rzi_histogram {
	_Atomic uint64_t sum;
	_Atomic uint64_t bucket[RAMZ_HISTOGRAM_BUCKETS];
};

struct rzi_counters {
	_Atomic uint64_t count[COUNTERS];
	struct rzi_histogram histogram[HISTOGRAMS];
};

/* Add to a cell that no other thread adds to. */
static inline void rzi_cell_add(_Atomic uint64_t *cell, uint64_t n)
{
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void rzi_count(struct rzi_counters *counters, enum rzi_counter which, uint64_t n)
{
	rzi_cell_add(&counters->count[which], n);
}

void rzi_histogram_add(struct rzi_counters *counters, enum ramz_histogram_kind kind,
		       uint64_t value);

/* Add a histogram to a sum. */
void rzi_histogram_sum(const struct rzi_histogram *from, struct ramz_histogram *to);

/* Set all to 0, gauges too. */
void rzi_counters_clear(struct rzi_counters *counters);

#endif
