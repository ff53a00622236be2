/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_pair.c: time of an operation pair.
 *
 *   pair   free a random live object and allocate another in its slot
 *   fill   allocate only, from an empty heap to `live` objects
 *
 * Objects are not written: the time is the allocator's, and the cache misses are those
 * of its own structures. Locking: none. O(1) an iteration.
 */
#include "micro.h"

#define BATCH 64U

static void pair_body(struct micro_run *run, const void *context)
{
	const struct scene_spec *spec = context;
	const struct bench_subject *subject = spec->subject;
	struct scene *scene = scene_get(spec);
	uint64_t random;
	int failures = 0;

	if (scene == NULL) {
		micro_fail(run, "the heap could not be filled");
		return;
	}
	random = scene->random;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct draw draw = mix_draw(spec->mix, &random, spec->live);

			failures |= subject->free(scene->heap, draw.slot);
			failures |= subject->make(scene->heap, draw.slot, draw.size);
		}
	}
	scene->random = random;
	if (failures != 0)
		micro_fail(run, "an overwrite failed");
}

/* Fill once; the heap is made and ended with the clock stopped. */
static void fill_body(struct micro_run *run, const void *context)
{
	const struct scene_spec *spec = context;
	struct scene_spec empty = *spec;
	int failures = 0;

	empty.empty = true;
	while (micro_keep_running(run, spec->live)) {
		struct scene *scene;

		micro_pause(run);
		scene = scene_get_fresh(&empty);
		micro_resume(run);
		if (scene == NULL) {
			micro_fail(run, "no heap could be made");
			break;
		}
		failures |= scene_fill(scene, 0, spec->live, &scene->random);
		micro_pause(run);
		/* Not all objects are there when one failed: nothing to end then. */
		if (failures == 0)
			failures |= scene_clear(scene, 0, spec->live);
		micro_resume(run);
	}
	if (failures != 0)
		micro_fail(run, "an allocation failed");
}

static void add_mix(const struct mix *mix, uint32_t live)
{
	const struct bench_subject *subject;

	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if (micro_pairs_with(subject, mix, live))
			micro_add("pair", pair_body, micro_spec(subject, mix, live), 0);
	}
}

static void add_fills(const struct mix *mix)
{
	const struct bench_subject *subject;

	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if ((subject->groups & micro_groups(mix)) != 0)
			micro_add("fill", fill_body, micro_spec(subject, mix, 37000), 0);
	}
}

void micro_add_pairs(const struct micro_setup *setup)
{
	const struct mix *mix;
	uint32_t live;

	for (size_t m = 0; (mix = micro_mix_at(setup, m)) != NULL; m++) {
		for (size_t l = 0; (live = micro_live_at(l)) != 0; l++)
			add_mix(mix, live);
	}
	for (size_t m = 0; (mix = micro_mix_at(setup, m)) != NULL; m++)
		add_fills(mix);
}
