/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * histogram.c: see histogram.h. A value of n bits, n > 6, is in the bucket of its six highest
 * ones, 32 .. 63, behind 32 * (n - 6) others. Locking: none.
 */
#include "histogram.h"

#include <stddef.h>

/* Bits below the six highest of the value. */
static unsigned histogram_shift(uint64_t value)
{
	unsigned shift = 0;

	while (value >> shift >= 64)
		shift++;
	return shift;
}

/* Largest value of a bucket. */
static uint64_t histogram_top(size_t bucket)
{
	size_t shift = bucket < 64 ? 0 : bucket / 32 - 1;

	return ((uint64_t)(bucket - shift * 32 + 1) << shift) - 1;
}

void xvm_histogram_record(struct xvm_histogram *histogram, uint64_t value)
{
	unsigned shift = histogram_shift(value);

	histogram->total++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->count[shift * 32 + (size_t)(value >> shift)]++;
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
	uint64_t seen = histogram->count[0];
	size_t bucket = 0;

	while ((seen < rank || seen == 0) && bucket + 1 < XVM_HISTOGRAM_BUCKETS)
		seen += histogram->count[++bucket];
	return histogram_top(bucket) < histogram->max ? histogram_top(bucket) : histogram->max;
}
