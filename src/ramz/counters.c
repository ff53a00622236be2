/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * counters.c: counters, histograms, and the public arithmetic on histograms. See counters.h.
 */
#include "counters.h"

#include "platform.h"

enum {
	STEP_SHIFT = 3, /* 8 buckets for each power of two */
	STEPS = 1 << STEP_SHIFT,
};

uint32_t ramz_histogram_bucket(uint64_t value)
{
	uint32_t shift, bucket;

	if (value < STEPS)
		return (uint32_t)value;
	shift = rzi_log2(value) - STEP_SHIFT;
	bucket = (shift + 1) * STEPS + ((uint32_t)(value >> shift) & (STEPS - 1));
	return bucket < RAMZ_HISTOGRAM_BUCKETS ? bucket : RAMZ_HISTOGRAM_BUCKETS - 1;
}

uint64_t ramz_histogram_floor(uint32_t bucket)
{
	if (bucket < STEPS)
		return bucket;
	return (uint64_t)(STEPS + bucket % STEPS) << (bucket / STEPS - 1);
}

uint64_t ramz_histogram_quantile(const struct ramz_histogram *histogram,
				 uint32_t percent_thousandths)
{
	uint64_t below = 0;
	double rank;

	if (histogram == NULL || histogram->count == 0)
		return 0;
	rank = (double)histogram->count * percent_thousandths / 100000.0;
	for (uint32_t i = 0; i < RAMZ_HISTOGRAM_BUCKETS; i++) {
		below += histogram->bucket[i];
		if (histogram->bucket[i] != 0 &&
		    ((double)below >= rank || below == histogram->count))
			return ramz_histogram_floor(i) +
			       (ramz_histogram_floor(i + 1) - ramz_histogram_floor(i)) / 2;
	}
	return 0;
}

void rzi_histogram_add(struct rzi_counters *counters, enum ramz_histogram_kind kind, uint64_t value)
{
	struct rzi_histogram *histogram = &counters->histogram[kind];

	rzi_cell_add(&histogram->bucket[ramz_histogram_bucket(value)], 1);
	rzi_cell_add(&histogram->sum, value);
}

static uint64_t counters_load(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

void rzi_histogram_sum(const struct rzi_histogram *from, struct ramz_histogram *to)
{
	to->sum += counters_load(&from->sum);
	for (uint32_t i = 0; i < RAMZ_HISTOGRAM_BUCKETS; i++) {
		uint64_t values = counters_load(&from->bucket[i]);

		to->bucket[i] += values;
		to->count += values;
	}
}

void rzi_counters_clear(struct rzi_counters *counters)
{
	for (uint32_t i = 0; i < COUNTERS; i++)
		atomic_store_explicit(&counters->count[i], 0, memory_order_relaxed);
	for (uint32_t kind = 0; kind < HISTOGRAMS; kind++) {
		atomic_store_explicit(&counters->histogram[kind].sum, 0, memory_order_relaxed);
		for (uint32_t i = 0; i < RAMZ_HISTOGRAM_BUCKETS; i++)
			atomic_store_explicit(&counters->histogram[kind].bucket[i], 0,
					      memory_order_relaxed);
	}
}
