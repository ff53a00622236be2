/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * race_lane.c: batches on a lane; see race_lane.h. A page is timed alone; bookkeeping is
 * between the times. Each thread writes only its own member record meanwhile.
 */
#include "race_lane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "density.h"

/* Longer than this, and it is looked into whether the kernel gave the processor away. */
#define LANE_SLOW_NS 30000

struct rzc_crew_member {
	struct xvf_histogram ticks; /* of the batch */
	uint64_t preempted;         /* pages of the batch that are not in ticks */
	long switches;              /* of this thread, against its will, when last looked */
	uint64_t start_ns;
	uint64_t stop_ns;
	int err;
	uint8_t *dst; /* a page, aligned to one */
};

struct lane_job {
	struct rzc_crew *crew;
	struct rzc_lane *lane;
	enum rzc_phase phase;
	const struct rzc_batch *batch;
};

const char *rzc_who_name(enum rzc_who who)
{
	static const char *const names[] = {"ramz", "raw codec", "kernel zram"};

	return names[who];
}

/* ---- crew ---- */

static int crew_fill_member(struct rzc_crew_member *member)
{
	void *dst;

	if (posix_memalign(&dst, XVF_INPUT_PAGE_BYTES, XVF_INPUT_PAGE_BYTES) != 0) {
		xvf_error("out of memory; use a smaller --max-input");
		return XVF_FAILED;
	}
	memset(dst, 0, XVF_INPUT_PAGE_BYTES);
	member->dst = dst;
	return 0;
}

int rzc_crew_init(struct rzc_crew *crew, unsigned threads)
{
	*crew = (struct rzc_crew){.threads = threads};
	crew->members = xvf_calloc(threads, sizeof(*crew->members));
	xvf_timer_init(&crew->timer);
	for (unsigned i = 0; i < threads; i++) {
		if (crew_fill_member(&crew->members[i]) != 0)
			return XVF_FAILED;
	}
	crew->team = rzc_team_make(threads);
	return crew->team != NULL ? 0 : XVF_FAILED;
}

void rzc_crew_fini(struct rzc_crew *crew)
{
	if (crew->team != NULL)
		rzc_team_end(crew->team);
	for (unsigned i = 0; i < crew->threads; i++)
		free(crew->members[i].dst);
	free(crew->members);
}

/* ---- times ---- */

void rzc_speed_init(struct rzc_speed *speed)
{
	*speed = (struct rzc_speed){.ticks = xvf_calloc(1, sizeof(*speed->ticks))};
}

void rzc_speed_fini(struct rzc_speed *speed)
{
	free(speed->ticks);
	free(speed->page_ns);
	free(speed->pages_per_s);
}

static void speed_add_round(struct rzc_speed *speed, double page_ns, double pages_per_s)
{
	size_t need = speed->rounds + 1;

	speed->page_ns = xvf_grow(speed->page_ns, &speed->page_ns_room, need, sizeof(page_ns));
	speed->pages_per_s =
		xvf_grow(speed->pages_per_s, &speed->pages_per_s_room, need, sizeof(pages_per_s));
	speed->page_ns[speed->rounds] = page_ns;
	speed->pages_per_s[speed->rounds++] = pages_per_s;
}

/* ---- a batch ---- */

/* How often the kernel took the processor from this thread for another one. */
static long lane_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* A page during which another thread had the processor says nothing: it is counted only. */
static void lane_record(const struct lane_job *job, struct rzc_crew_member *member, uint64_t ticks)
{
	if ((double)ticks * job->crew->timer.ns_per_tick > LANE_SLOW_NS) {
		long switches = lane_switches();
		bool preempted = switches != member->switches;

		member->switches = switches;
		if (preempted) {
			member->preempted++;
			return;
		}
	}
	xvf_histogram_record(&member->ticks, ticks);
}

/* One page, timed. Returns 0 or a negative errno. */
static int lane_page(const struct lane_job *job, struct rzc_crew_member *member, unsigned thread,
		     size_t i)
{
	const struct rzc_subject *subject = &job->lane->subject;
	const struct xvf_timer *timer = &job->crew->timer;
	uint32_t slot = job->batch->slots[i];
	uint32_t page = job->batch->pages[i];
	uint64_t start = xvf_timer_start(timer);
	uint64_t stop;
	int err;

	if (job->phase == RZC_READ)
		err = subject->read(subject->self, thread, slot, page, member->dst);
	else
		err = subject->write(subject->self, thread, slot, page);
	stop = xvf_timer_stop(timer);
	lane_record(job, member, xvf_timer_ticks(timer, start, stop));
	return err;
}

static void lane_part(void *context, unsigned thread)
{
	const struct lane_job *job = context;
	struct rzc_crew_member *member = &job->crew->members[thread];
	size_t count = job->batch->count;
	size_t end = count * (thread + 1) / job->lane->threads;

	xvf_histogram_reset(&member->ticks);
	member->preempted = 0;
	member->switches = lane_switches();
	member->err = 0;
	member->start_ns = xvf_timer_clock_ns();
	for (size_t i = count * thread / job->lane->threads; i < end && member->err == 0; i++)
		member->err = lane_page(job, member, thread, i);
	member->stop_ns = xvf_timer_clock_ns();
}

static int lane_complain(const struct lane_job *job, int err)
{
	xvf_error("%s a page %s %s failed: %s", job->phase == RZC_READ ? "reading" : "writing",
		  job->phase == RZC_READ ? "from" : "to", rzc_who_name(job->lane->who),
		  rzc_store_error(err));
	return XVF_FAILED;
}

/* What the threads measured becomes a round. */
static int lane_collect(const struct lane_job *job)
{
	struct rzc_speed *speed = &job->lane->speed[job->phase];
	uint64_t start_ns = UINT64_MAX;
	uint64_t stop_ns = 0;
	uint64_t ticks = 0;
	uint64_t pages = 0;

	for (unsigned t = 0; t < job->lane->threads; t++) {
		const struct rzc_crew_member *member = &job->crew->members[t];

		if (member->err != 0)
			return lane_complain(job, member->err);
		start_ns = member->start_ns < start_ns ? member->start_ns : start_ns;
		stop_ns = member->stop_ns > stop_ns ? member->stop_ns : stop_ns;
		ticks += member->ticks.sum;
		pages += member->ticks.total;
		speed->preempted += member->preempted;
		xvf_histogram_merge(speed->ticks, &member->ticks);
	}
	speed_add_round(
		speed, pages > 0 ? (double)ticks * job->crew->timer.ns_per_tick / (double)pages : 0,
		(double)job->batch->count * 1e9 / (double)(stop_ns - start_ns + 1));
	return 0;
}

int rzc_lane_run(struct rzc_crew *crew, struct rzc_lane *lane, enum rzc_phase phase,
		 const struct rzc_batch *batch)
{
	struct lane_job job = {.crew = crew, .lane = lane, .phase = phase, .batch = batch};

	if (lane->threads == 1)
		lane_part(&job, 0);
	else
		rzc_team_run(crew->team, lane_part, &job);
	return lane_collect(&job);
}
