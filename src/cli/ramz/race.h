/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * race.h: the speed of a store beside that of the raw codec and of kernel zram.
 *
 * All of them write and read the same pages, never same-filled ones, in the same order, in
 * turns of some hundred pages: what disturbs the machine meets all. A ratio of two lanes is
 * the median over the rounds of their ratios.
 *
 * At the end every slot is read back and compared. Locking: see race_lane.h.
 */
#ifndef RAMZ_CLI_RACE_H
#define RAMZ_CLI_RACE_H

#include "pages_of.h"
#include "race_lane.h"
#include "zram_device.h"

#define RZC_LANES_MAX (2U * RZC_WHOS)

struct rzc_race_plan {
	const struct rzc_input *input;
	const struct rzc_codec *codec;
	uint64_t budget_ns;
	uint64_t max_pages; /* 0 = as the budget allows */
	uint64_t seed;
	bool zram;
};

struct rzc_race {
	struct rzc_lane lanes[RZC_LANES_MAX];
	size_t lane_count;
	size_t pages; /* slots, each written once in a pass of the fill */
	double ns_per_tick;
	char zram_why[256];        /* why kernel zram is not in it; "" = it is */
	struct xvf_zram_stat zram; /* after the fill, where it is */
};

/* The times of a phase, told in microseconds a page. */
struct rzc_times {
	uint64_t pages;     /* timed */
	uint64_t preempted; /* and not, since another thread got the processor meanwhile */
	double mean_us;
	double p50_us;
	double p99_us;
	double p9999_us;
	double max_us;
	double pages_per_s; /* of all threads, by the clock: median of the rounds */
};

/* Run. Returns 0, or XVF_FAILED after saying why. End it with rzc_race_fini in either case. */
int rzc_race_run(struct rzc_race *race, struct rzc_crew *crew, const struct rzc_race_plan *plan);
void rzc_race_fini(struct rzc_race *race);

void rzc_race_times(const struct rzc_race *race, const struct rzc_lane *lane, enum rzc_phase phase,
		    struct rzc_times *times);

/* Time of a page in `above` by that in `below`, one thread; 0 when one was not there. */
double rzc_race_ratio(const struct rzc_race *race, enum rzc_phase phase, enum rzc_who above,
		      enum rzc_who below);

/*
 * Pages a second of `who` on several threads by those on one; 0 where there was one only.
 * From the times of pages, so that a processor that others use does not count.
 */
double rzc_race_scaling(const struct rzc_race *race, enum rzc_phase phase, enum rzc_who who);

#endif
