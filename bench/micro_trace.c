/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_trace.c: a program's use of malloc, replayed.
 *
 *   trace    every malloc, free and realloc of a recorded program, in its order; the time
 *            is of one of them. Objects still live at the end are freed with the clock
 *            stopped.
 *
 * The counter steps says how many there are, held_per_peak what the heap held when the
 * replay ended over the most bytes that were live at once, where the subject can tell.
 *
 * Locking: none. O(1) an iteration.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base.h"
#include "micro.h"

struct replay {
	const struct bench_subject *subject;
	const struct trace *trace;
	struct scene_spec spec;
};

static int replay_step(const struct bench_subject *subject, void *heap, struct trace_step step)
{
	if (step.size == 0)
		return subject->free(heap, step.slot);
	if ((step.size & TRACE_STEP_RESIZE) != 0)
		return subject->resize(heap, step.slot, step.size & ~TRACE_STEP_RESIZE);
	return subject->make(heap, step.slot, step.size);
}

static int replay_all(const struct replay *replay, void *heap)
{
	const struct trace *trace = replay->trace;
	int failures = 0;

	for (size_t i = 0; i < trace->count; i++)
		failures |= replay_step(replay->subject, heap, trace->steps[i]);
	return failures;
}

/* Free what the trace leaves: a slot is live when its last step was not a free. */
static int end_objects(const struct replay *replay, void *heap, bool *live)
{
	const struct trace *trace = replay->trace;
	int failures = 0;

	for (size_t i = 0; i < trace->count; i++)
		live[trace->steps[i].slot] = trace->steps[i].size != 0;
	for (uint32_t slot = 0; slot < trace->slots; slot++) {
		if (live[slot])
			failures |= replay->subject->free(heap, slot);
	}
	return failures;
}

static void trace_body(struct micro_run *run, const void *context)
{
	const struct replay *replay = context;
	struct scene *scene = scene_get_fresh(&replay->spec);
	bool *live = xvm_calloc(replay->trace->slots, sizeof(*live));
	double held = 0;
	int failures = scene == NULL;

	while (failures == 0 && micro_keep_running(run, replay->trace->count)) {
		failures |= replay_all(replay, scene->heap);
		micro_pause(run);
		if (failures == 0 && replay->subject->held_bytes != NULL)
			held = (double)replay->subject->held_bytes(scene->heap);
		if (failures == 0)
			failures |= end_objects(replay, scene->heap, live);
		micro_resume(run);
	}
	free(live);
	micro_counter(run, "steps", (double)replay->trace->count);
	micro_counter(run, "left_out", (double)replay->trace->left_out);
	if (held > 0)
		micro_counter(run, "held_per_peak", held / (double)replay->trace->peak_bytes);
	if (failures != 0)
		micro_fail(run, "a step of the trace failed");
}

static void add_replay(const struct micro_setup *setup, const struct bench_subject *subject)
{
	struct replay *replay = xvm_calloc(1, sizeof(*replay));
	struct micro_entry entry = {.body = trace_body, .context = replay};
	char name[96];

	*replay = (struct replay){
		.subject = subject,
		.trace = &setup->trace,
		.spec = {.subject = subject,
			 .mix = &setup->recorded,
			 .live = setup->trace.slots,
			 .empty = true},
	};
	snprintf(name, sizeof(name), "trace/%s", subject->name);
	entry.name = name;
	micro_register(&entry);
}

void micro_add_traces(const struct micro_setup *setup)
{
	const struct bench_subject *subject;

	if (setup->recorded.name == NULL)
		return;
	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if ((subject->groups & GROUP_POINTER) != 0)
			add_replay(setup, subject);
	}
}
