/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * race_lane.h: one subject, on so many threads, and what it was timed at.
 *
 * A lane does a batch of writes or reads: each thread has a part of it of its own. Times
 * are of one page, and of the batch by the clock.
 *
 * Locking: none; one thread runs lanes, the threads of a lane are the crew's.
 */
#ifndef RAMZ_CLI_RACE_LANE_H
#define RAMZ_CLI_RACE_LANE_H

#include "histogram.h"
#include "subject.h"
#include "team.h"
#include "timer.h"

enum rzc_phase {
	RZC_FILL,      /* empty slots written in order */
	RZC_OVERWRITE, /* slots in random order written with random pages */
	RZC_READ,      /* slots read in random order */
	RZC_PHASES,
};

/* The times of a phase. Rounds are the same batches in all lanes. */
struct rzc_speed {
	struct xvf_histogram *ticks; /* of a page */
	uint64_t preempted;          /* pages that are in no time but the clock's */
	double *page_ns;             /* by round: mean of a page; 0 = all were preempted */
	double *pages_per_s;         /* by round: of all threads, by the clock */
	size_t rounds;
	size_t page_ns_room;
	size_t pages_per_s_room;
};

struct rzc_lane {
	enum rzc_who who;
	unsigned threads;
	struct rzc_subject subject;
	struct rzc_speed speed[RZC_PHASES];
};

struct rzc_crew_member;

/* Who runs lanes. */
struct rzc_crew {
	struct xvf_timer timer;
	unsigned threads;
	struct rzc_team *team; /* of that many threads */
	struct rzc_crew_member *members;
};

/* Returns 0, or XVF_FAILED after saying why. End it with rzc_crew_fini in either case. */
int rzc_crew_init(struct rzc_crew *crew, unsigned threads);
void rzc_crew_fini(struct rzc_crew *crew);

/* Slot slots[i] and page pages[i], for each i below count. */
struct rzc_batch {
	const uint32_t *slots;
	const uint32_t *pages;
	size_t count;
};

/* Do the batch, and add its times to those of the phase: a round. lane->threads is 1 or
 * crew->threads. Returns 0, or XVF_FAILED after saying what failed. */
int rzc_lane_run(struct rzc_crew *crew, struct rzc_lane *lane, enum rzc_phase phase,
		 const struct rzc_batch *batch);

void rzc_speed_init(struct rzc_speed *speed);
void rzc_speed_fini(struct rzc_speed *speed);

/* What a lane is called in a table: "ramz", "raw lz4", "kernel zram". */
const char *rzc_who_name(enum rzc_who who);

#endif
