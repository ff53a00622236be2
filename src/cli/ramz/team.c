/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * team.c: threads in step; see team.h.
 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

/* Looks at a counter before the processor is offered to another thread. */
#define TEAM_SPINS 2000U

struct team_member {
	struct rzc_team *team;
	pthread_t thread;
	unsigned number;
};

struct rzc_team {
	pthread_mutex_t lock; /* of the next four */
	pthread_cond_t posted;
	uint64_t jobs;                               /* posted so far */
	void (*job)(void *context, unsigned thread); /* NULL: go home */
	void *context;

	atomic_uint ready; /* threads at the line, since the team was made */
	atomic_uint done;  /* members that ended a job, since then too */
	unsigned size;     /* threads, the caller counted */
	unsigned members;  /* those made: size - 1, but when making failed */
	struct team_member member[];
};

static void team_await(atomic_uint *counter, unsigned value)
{
	/* The counters wrap around: compare the distance. */
	for (unsigned spins = 0;
	     (int)(atomic_load_explicit(counter, memory_order_acquire) - value) < 0; spins++) {
		if (spins >= TEAM_SPINS)
			sched_yield();
	}
}

/* Line up for the job-th job, and start when all are there. */
static void team_line_up(struct rzc_team *team, uint64_t job)
{
	atomic_fetch_add_explicit(&team->ready, 1, memory_order_acq_rel);
	team_await(&team->ready, (unsigned)job * team->size);
}

static void *team_member(void *argument)
{
	struct team_member *member = argument;
	struct rzc_team *team = member->team;
	uint64_t seen = 0;

	for (;;) {
		void (*job)(void *context, unsigned thread);
		void *context;

		pthread_mutex_lock(&team->lock);
		while (team->jobs == seen)
			pthread_cond_wait(&team->posted, &team->lock);
		seen = team->jobs;
		job = team->job;
		context = team->context;
		pthread_mutex_unlock(&team->lock);
		if (job == NULL)
			return NULL;
		team_line_up(team, seen);
		job(context, member->number);
		atomic_fetch_add_explicit(&team->done, 1, memory_order_release);
	}
}

static uint64_t team_post(struct rzc_team *team, void (*job)(void *context, unsigned thread),
			  void *context)
{
	uint64_t number;

	pthread_mutex_lock(&team->lock);
	team->job = job;
	team->context = context;
	number = ++team->jobs;
	pthread_cond_broadcast(&team->posted);
	pthread_mutex_unlock(&team->lock);
	return number;
}

struct rzc_team *rzc_team_make(unsigned threads)
{
	struct rzc_team *team = xvf_calloc(1, sizeof(*team) + threads * sizeof(team->member[0]));

	team->size = threads;
	pthread_mutex_init(&team->lock, NULL);
	pthread_cond_init(&team->posted, NULL);
	for (unsigned i = 1; i < threads; i++) {
		struct team_member *member = &team->member[i];
		int err;

		member->team = team;
		member->number = i;
		err = pthread_create(&member->thread, NULL, team_member, member);
		if (err != 0) {
			xvf_error("cannot start %u threads: %s; use a smaller --threads", threads,
				  strerror(err));
			rzc_team_end(team);
			return NULL;
		}
		team->members++;
	}
	return team;
}

void rzc_team_end(struct rzc_team *team)
{
	(void)team_post(team, NULL, NULL);
	for (unsigned i = 1; i <= team->members; i++)
		pthread_join(team->member[i].thread, NULL);
	pthread_cond_destroy(&team->posted);
	pthread_mutex_destroy(&team->lock);
	free(team);
}

void rzc_team_run(struct rzc_team *team, void (*job)(void *context, unsigned thread), void *context)
{
	uint64_t number = team_post(team, job, context);

	team_line_up(team, number);
	job(context, 0);
	team_await(&team->done, (unsigned)number * team->members);
}
