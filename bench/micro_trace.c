/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_trace.c: a program's use of malloc, replayed.
 *
 *   trace    every malloc, free and realloc of a recorded program, in its order; the time
 *            is of one of them. Objects still live at the end are freed with the clock
 *            stopped.
 *
 * Objects above MIX_SIZE_MAX are left out, as a malloc gives such blocks to mmap.
 *
 * Owns the list of steps. Locking: none. O(1) an iteration.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base.h"
#include "micro.h"

/* A free where size is 0; a realloc where the slot is full. */
struct step {
	uint32_t slot;
	uint32_t size;
};

static struct step *steps;
static size_t step_count;

static void make_steps(const struct xvm_workload *trace)
{
	bool *live = xvm_calloc((size_t)trace->head.slots, sizeof(*live));

	steps = xvm_calloc((size_t)trace->head.ops, sizeof(*steps));
	for (uint64_t i = 0; i < trace->head.ops; i++) {
		const struct xvm_op *op = &trace->ops[i];
		uint32_t size = op->source == XVM_NO_SOURCE ? 0 : trace->sizes.items[op->source];

		if (size > MIX_SIZE_MAX)
			size = 0;
		if (size != 0 || live[op->slot])
			steps[step_count++] = (struct step){.slot = op->slot, .size = size};
		live[op->slot] = size != 0;
	}
	free(live);
}

static int do_step(const struct heap *heap, struct step step)
{
	if (step.size == 0)
		return heap_free(heap, step.slot);
	if (heap->slot[step.slot].size != 0)
		return heap_resize(heap, step.slot, step.size);
	return heap_make(heap, step.slot, step.size);
}

static void trace_body(struct micro_run *run, void *context)
{
	struct heap *heap = micro_heap(run, context, true);
	int failures = 0;

	if (heap == NULL)
		return;
	while (micro_keep_running(run, step_count)) {
		for (size_t i = 0; i < step_count && failures == 0; i++)
			failures = do_step(heap, steps[i]);
		micro_pause(run);
		failures |= heap_clear(heap, 0, heap->spec.slots);
		micro_resume(run);
	}
	micro_check(run, failures);
}

void micro_add_trace(const struct micro_setup *setup)
{
	const struct micro_allocator *allocator;
	char name[128];

	if (setup->recorded.name == NULL)
		return;
	make_steps(&setup->trace);
	for (size_t i = 0; (allocator = micro_allocator_at(i)) != NULL; i++) {
		if (!(allocator->groups & GROUP_PROGRAM) || allocator->calls->resize == NULL)
			continue;
		snprintf(name, sizeof(name), "trace/%s", allocator->name);
		micro_register(name, trace_body,
			       micro_spec(allocator, &setup->recorded,
					  (uint32_t)setup->trace.head.slots, true),
			       1, 0);
	}
}
