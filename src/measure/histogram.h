/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * histogram.h: many values in little, constant memory, for percentiles.
 *
 * Log-linear: values below 64 have a bucket each; above, every power of two is cut
 * into 32 buckets, so a percentile is at most 1/32 (3%) above the true one. The
 * sum and the largest value are exact.
 *
 * Locking: none. Recording is O(1), the rest O(buckets).
 */
#ifndef XVM_HISTOGRAM_H
#define XVM_HISTOGRAM_H

#include <stdint.h>

#define XVM_HISTOGRAM_BUCKETS 1920U

/* Zeroed, it is empty. */
struct xvm_histogram {
	uint64_t total; /* values recorded */
	uint64_t sum;
	uint64_t max;
	uint64_t count[XVM_HISTOGRAM_BUCKETS];
};

void xvm_histogram_record(struct xvm_histogram *histogram, uint64_t value);

/* Record in `into` all that was recorded in `from`. */
void xvm_histogram_merge(struct xvm_histogram *into, const struct xvm_histogram *from);

/*
 * The value that `per_10000` of 10,000 of those recorded do not pass: 5000 is the
 * median, 9999 p99.99. 0 when nothing was recorded.
 */
uint64_t xvm_histogram_percentile(const struct xvm_histogram *histogram, unsigned per_10000);

#endif
