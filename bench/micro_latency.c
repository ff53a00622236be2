/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_latency.c: how long single pairs take.
 *
 *   latency   a pair as in micro_pair.c, each timed by itself; counters p50, p99, p99.99
 *             and max in nanoseconds
 *
 * The clock is xvfrag's: the processor's time-stamp counter where it is invariant. Its own
 * cost is measured at the start, is subtracted, and stands in the head of the report as
 * timer_ns. The fences around each reading keep operations from overlapping, so that a p50
 * is above the time of a pair in a loop. Interrupts and other work on the machine are in
 * the high percentiles: the subject "nothing" shows how much.
 *
 * Locking: none. O(1) an iteration.
 */
#include <stdio.h>

#include "histogram.h"
#include "micro.h"
#include "timer.h"

/* Enough that p99.99 is of a hundred pairs. */
#define LATENCY_PAIRS 1000000U

static struct xvm_timer timer;
static struct xvm_histogram histogram;

static void report(struct micro_run *run, const char *name, uint64_t ticks)
{
	micro_counter(run, name, (double)ticks * timer.ns_per_tick);
}

static void report_all(struct micro_run *run)
{
	report(run, "p50_ns", xvm_histogram_percentile(&histogram, 5000));
	report(run, "p99_ns", xvm_histogram_percentile(&histogram, 9900));
	report(run, "p9999_ns", xvm_histogram_percentile(&histogram, 9999));
	report(run, "max_ns", histogram.max);
}

static int time_pair(const struct scene *scene, struct draw draw)
{
	const struct bench_subject *subject = scene->spec.subject;
	uint64_t start = xvm_timer_start(&timer);
	int failures;
	uint64_t stop;

	failures = subject->free(scene->heap, draw.slot);
	failures |= subject->make(scene->heap, draw.slot, draw.size);
	stop = xvm_timer_stop(&timer);
	xvm_histogram_record(&histogram, xvm_timer_ticks(&timer, start, stop));
	return failures;
}

static void latency_body(struct micro_run *run, const void *context)
{
	const struct scene_spec *spec = context;
	struct scene *scene = scene_get(spec);
	int failures = 0;

	if (scene == NULL) {
		micro_fail(run, "the heap could not be filled");
		return;
	}
	xvm_histogram_reset(&histogram);
	while (micro_keep_running(run, 1))
		failures |= time_pair(scene, mix_draw(spec->mix, &scene->random, spec->live));
	report_all(run);
	if (failures != 0)
		micro_fail(run, "an overwrite failed");
}

static void add_mix(const struct mix *mix, uint32_t live)
{
	const struct bench_subject *subject;

	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if ((subject->groups & (micro_groups(mix) | GROUP_BASELINE)) != 0)
			micro_add("latency", latency_body, micro_spec(subject, mix, live),
				  LATENCY_PAIRS);
	}
}

void micro_add_latencies(const struct micro_setup *setup)
{
	const struct mix *mix;
	char text[32];

	xvm_timer_init(&timer);
	snprintf(text, sizeof(text), "%.1f", (double)timer.overhead_ticks * timer.ns_per_tick);
	micro_add_context("timer_ns", text);
	for (size_t m = 0; (mix = micro_mix_at(setup, m)) != NULL; m++) {
		add_mix(mix, 1000);
		add_mix(mix, 37000);
	}
}
