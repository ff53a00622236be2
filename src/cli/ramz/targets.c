/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * targets.c: the targets; see targets.h. Locking: none.
 */
#include "targets.h"

#include <string.h>

static double target_fill_raw(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_FILL, RZC_STORE, RZC_RAW);
}

static double target_overwrite_zram(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_OVERWRITE, RZC_STORE, RZC_ZRAM);
}

static double target_fill_zram(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_FILL, RZC_STORE, RZC_ZRAM);
}

static double target_read_zram(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_READ, RZC_STORE, RZC_ZRAM);
}

static double target_full(const struct rzc_result *r)
{
	return rzc_density_full(&r->density);
}

static double target_sparse(const struct rzc_result *r)
{
	return rzc_density_sparse(&r->density);
}

static double target_fill_threads(const struct rzc_result *r)
{
	return rzc_race_scaling(&r->race, RZC_FILL, RZC_STORE);
}

static double target_overwrite_threads(const struct rzc_result *r)
{
	return rzc_race_scaling(&r->race, RZC_OVERWRITE, RZC_STORE);
}

static double target_read_threads(const struct rzc_result *r)
{
	return rzc_race_scaling(&r->race, RZC_READ, RZC_STORE);
}

/* ---- without a target: what the codec, or the machine, leaves possible ---- */

static double target_raw_fill_zram(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_FILL, RZC_RAW, RZC_ZRAM);
}

static double target_raw_read_zram(const struct rzc_result *r)
{
	return rzc_race_ratio(&r->race, RZC_READ, RZC_RAW, RZC_ZRAM);
}

static double target_raw_threads(const struct rzc_result *r)
{
	return rzc_race_scaling(&r->race, RZC_FILL, RZC_RAW);
}

static const struct rzc_target targets[] = {
	{"fill_by_raw", "sequential write / raw codec", "<= 1.15 (lz4)", target_fill_raw, 1.15, 0,
	 0, false, false},
	{"overwrite_by_zram", "random overwrite / kernel zram", "<= 0.65", target_overwrite_zram,
	 0.65, 0.65, 0.65, false, false},
	{"fill_by_zram", "sequential write / kernel zram", "<= 0.80", target_fill_zram, 0.80, 0.80,
	 0.80, false, false},
	{"read_by_zram", "random read / kernel zram", "<= 0.50", target_read_zram, 0.50, 0.50, 0.50,
	 false, false},
	{"held_by_compressed", "held / compressed, full", "<= 1.025 (zstd 1.04)", target_full,
	 1.025, 1.04, 0, false, false},
	{"held_by_compressed_sparse", "90% discarded and compacted", "<= 1.04", target_sparse, 1.04,
	 1.04, 1.04, false, false},
	{"fill_threads", "threads / one thread, write", ">= 1.9 (two)", target_fill_threads, 1.9,
	 1.9, 1.9, true, true},
	{"overwrite_threads", "threads / one thread, overwrite", ">= 1.9 (two)",
	 target_overwrite_threads, 1.9, 1.9, 1.9, true, true},
	{"read_threads", "threads / one thread, read", ">= 1.9 (two)", target_read_threads, 1.9,
	 1.9, 1.9, true, true},
	{"raw_write_by_zram", "raw codec / kernel zram, write", "-", target_raw_fill_zram, 0, 0, 0,
	 false, false},
	{"raw_read_by_zram", "raw codec / kernel zram, read", "-", target_raw_read_zram, 0, 0, 0,
	 false, false},
	{"raw_write_threads", "threads / one thread, raw codec", "-", target_raw_threads, 0, 0, 0,
	 true, false},
};

const struct rzc_target *rzc_target_at(size_t index)
{
	return index < sizeof(targets) / sizeof(targets[0]) ? &targets[index] : NULL;
}

double rzc_target_limit(const struct rzc_target *target, const struct rzc_codec *codec,
			unsigned threads)
{
	const char *name = codec->codec->name;

	if (target->two_threads && threads != 2)
		return 0;
	if (strcmp(name, "lz4") == 0)
		return target->lz4;
	if (strcmp(name, "none") == 0)
		return 0;
	return strcmp(name, "zstd") == 0 ? target->zstd : target->other;
}

bool rzc_target_met(const struct rzc_target *target, double value, double limit)
{
	return target->at_least ? value >= limit : value <= limit;
}
