/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * targets.h: what the store is to reach, and how near a run came.
 *
 * Locking: none. O(rounds).
 */
#ifndef RAMZ_CLI_TARGETS_H
#define RAMZ_CLI_TARGETS_H

#include "density.h"
#include "race.h"

/* One input with one codec. */
struct rzc_result {
	const struct rzc_codec *codec;
	struct rzc_density density;
	struct rzc_race race; /* without lanes where there was nothing to time */
};

struct rzc_target {
	const char *name;                                   /* in JSON */
	const char *what;                                   /* in the table */
	const char *limit;                                  /* in the table */
	double (*measure)(const struct rzc_result *result); /* 0: was not measured */
	double lz4, zstd, other;                            /* limit by codec; 0 = there is none */
	bool at_least;    /* the limit is the least, not the most */
	bool two_threads; /* it is about two threads */
};

/* The targets, and after the last NULL. */
const struct rzc_target *rzc_target_at(size_t index);

/* The limit for a codec on so many threads; 0 = there is none. */
double rzc_target_limit(const struct rzc_target *target, const struct rzc_codec *codec,
			unsigned threads);

/* Was it met? value is what was measured, limit above 0. */
bool rzc_target_met(const struct rzc_target *target, double value, double limit);

#endif
