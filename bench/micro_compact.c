/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_compact.c: steps of compaction.
 *
 *   compact    one xv_compact at the default budget. A cycle begins with a heap of which
 *              half of the objects were freed at random, and goes on until there is
 *              nothing left to do; refilling and freeing are not timed. Counters p50, p99
 *              and max in microseconds of the clock, of all steps of the last run.
 *
 * Locking: none. O(budget) an iteration.
 */
#include <stdio.h>

#include "histogram.h"
#include "micro.h"
#include "timer.h"

#define COMPACT_LIVE 37000U

static struct xvm_timer timer;
static struct xvm_histogram histogram;
static bool is_empty[COMPACT_LIVE];

/* From any state to one half empty: fill every slot, free half of them. */
static int make_sparse(struct scene *scene)
{
	const struct bench_subject *subject = scene->spec.subject;
	int failures = 0;

	for (uint32_t slot = 0; slot < COMPACT_LIVE && failures == 0; slot++) {
		if (is_empty[slot])
			failures |=
				subject->make(scene->heap, slot,
					      mix_draw(scene->spec.mix, &scene->random, 1).size);
		is_empty[slot] = false;
	}
	for (uint32_t slot = 0; slot < COMPACT_LIVE && failures == 0; slot++) {
		if (random_next(&scene->random) >> 63 == 0)
			continue;
		failures |= subject->free(scene->heap, slot);
		is_empty[slot] = true;
	}
	return failures;
}

/* One step, and when it was the cycle's last the state for another one. */
static int timed_step(struct micro_run *run, struct scene *scene, bool *more)
{
	uint64_t start = xvm_timer_start(&timer), ticks;
	int result = scene->spec.subject->compact_step(scene->heap);

	ticks = xvm_timer_ticks(&timer, start, xvm_timer_stop(&timer));
	xvm_histogram_record(&histogram, ticks);
	micro_set_seconds(run, (double)ticks * timer.ns_per_tick * 1e-9);
	*more = result == 1;
	return result < 0 ? result : 0;
}

static void report(struct micro_run *run, const char *name, uint64_t ticks)
{
	micro_counter(run, name, (double)ticks * timer.ns_per_tick / 1000);
}

static void compact_body(struct micro_run *run, const void *context)
{
	struct scene *scene = scene_get_fresh(context);
	bool more = false;
	int failures = 0;

	if (scene == NULL) {
		micro_fail(run, "the heap could not be filled");
		return;
	}
	for (uint32_t slot = 0; slot < COMPACT_LIVE; slot++)
		is_empty[slot] = false;
	xvm_histogram_reset(&histogram);
	while (micro_keep_running(run, 1)) {
		if (!more && failures == 0)
			failures |= make_sparse(scene);
		if (failures == 0)
			failures |= timed_step(run, scene, &more);
	}
	scene_drop(); /* slots are empty: nobody else can use it */
	report(run, "p50_us", xvm_histogram_percentile(&histogram, 5000));
	report(run, "p99_us", xvm_histogram_percentile(&histogram, 9900));
	report(run, "max_us", histogram.max);
	if (failures != 0)
		micro_fail(run, "a step of compaction failed");
}

void micro_add_compaction(const struct micro_setup *setup)
{
	const struct bench_subject *subject;
	char name[96];

	xvm_timer_init(&timer);
	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		struct micro_entry entry = {.body = compact_body,
					    .context =
						    micro_spec(subject, &setup->page, COMPACT_LIVE),
					    .manual_time = true};

		if (subject->compact_step == NULL)
			continue;
		snprintf(name, sizeof(name), "compact/%s/page", subject->name);
		entry.name = name;
		micro_register(&entry);
	}
}
