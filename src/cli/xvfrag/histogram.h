/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * histogram.h: many values in little, constant memory, for percentiles.
 *
 * Log-linear: values below 64 have a bucket each; above, every power of two is cut
 * into 32 buckets, so a percentile is at most 1/32 (3%) above the true one. The
 * sum and the largest value are exact.
 *
 * Locking: none. Recording is O(1), a percentile O(buckets).
 */
#ifndef XVFRAG_HISTOGRAM_H
#define XVFRAG_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define XVF_HISTOGRAM_SPLIT_SHIFT 5U
#define XVF_HISTOGRAM_SPLIT (1U << XVF_HISTOGRAM_SPLIT_SHIFT)
#define XVF_HISTOGRAM_BUCKETS ((64U - XVF_HISTOGRAM_SPLIT_SHIFT + 1U) * XVF_HISTOGRAM_SPLIT)

struct xvf_histogram {
	uint64_t total; /* values recorded */
	uint64_t sum;
	uint64_t max;
	uint64_t count[XVF_HISTOGRAM_BUCKETS];
};

void xvf_histogram_reset(struct xvf_histogram *histogram);
void xvf_histogram_record(struct xvf_histogram *histogram, uint64_t value);

/* Record in `into` all that was recorded in `from`. O(buckets). */
void xvf_histogram_merge(struct xvf_histogram *into, const struct xvf_histogram *from);

/*
 * The value that `per_10000` of 10,000 of those recorded do not pass: 5000 is the
 * median, 9999 p99.99. 0 when nothing was recorded.
 */
uint64_t xvf_histogram_percentile(const struct xvf_histogram *histogram, unsigned per_10000);

/* Largest value of a bucket; value's bucket. For tests. */
uint64_t xvf_histogram_bucket_top(size_t bucket);
size_t xvf_histogram_bucket(uint64_t value);

#endif
