/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * histogram.c: log-linear histogram; see histogram.h. Locking: none.
 */
#include "histogram.h"

#include <string.h>

void xvm_histogram_reset(struct xvm_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

/* Position of the highest bit set; value > 0. */
static unsigned histogram_msb(uint64_t value)
{
	unsigned bit = 0;

	for (unsigned step = 32; step > 0; step /= 2) {
		if (value >> step != 0) {
			value >>= step;
			bit += step;
		}
	}
	return bit;
}

size_t xvm_histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < 2 * XVM_HISTOGRAM_SPLIT)
		return (size_t)value;
	/* value >> shift keeps its six highest bits: 32 .. 63. */
	shift = histogram_msb(value) - XVM_HISTOGRAM_SPLIT_SHIFT;
	return (size_t)shift * XVM_HISTOGRAM_SPLIT + (size_t)(value >> shift);
}

uint64_t xvm_histogram_bucket_top(size_t bucket)
{
	unsigned shift;
	uint64_t high;

	if (bucket < 2 * XVM_HISTOGRAM_SPLIT)
		return bucket;
	shift = (unsigned)(bucket / XVM_HISTOGRAM_SPLIT) - 1;
	high = bucket - (size_t)shift * XVM_HISTOGRAM_SPLIT;
	return ((high + 1) << shift) - 1;
}

void xvm_histogram_record(struct xvm_histogram *histogram, uint64_t value)
{
	histogram->total++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->count[xvm_histogram_bucket(value)]++;
}

void xvm_histogram_merge(struct xvm_histogram *into, const struct xvm_histogram *from)
{
	into->total += from->total;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	for (size_t i = 0; i < XVM_HISTOGRAM_BUCKETS; i++)
		into->count[i] += from->count[i];
}

uint64_t xvm_histogram_percentile(const struct xvm_histogram *histogram, unsigned per_10000)
{
	uint64_t rank = (histogram->total * per_10000 + 9999) / 10000;
	uint64_t seen = 0;

	if (rank == 0)
		rank = 1;
	for (size_t i = 0; i < XVM_HISTOGRAM_BUCKETS; i++) {
		uint64_t top = xvm_histogram_bucket_top(i);

		seen += histogram->count[i];
		if (seen >= rank)
			return top < histogram->max ? top : histogram->max;
	}
	return histogram->max;
}
