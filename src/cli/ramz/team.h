/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * team.h: threads that do one thing at the same moment, again and again.
 *
 * Between jobs they sleep; for a job all of them line up and start together, so that the
 * time to wake them is not in it. The caller is thread 0.
 *
 * Locking: a mutex for the next job, counters for the start and the end of it. One thread
 * makes, runs and ends a team.
 */
#ifndef RAMZ_CLI_TEAM_H
#define RAMZ_CLI_TEAM_H

struct rzc_team;

/* A team of so many threads, the caller counted; NULL after saying why. */
struct rzc_team *rzc_team_make(unsigned threads);
void rzc_team_end(struct rzc_team *team);

/* Have every thread call job with its number, and wait for all of them. */
void rzc_team_run(struct rzc_team *team, void (*job)(void *context, unsigned thread),
		  void *context);

#endif
