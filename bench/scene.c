/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * scene.c: see scene.h. Owns the one scene there is. Locking: none.
 */
#include "scene.h"

static struct scene current;
static uint64_t seed = 20261121;

void scene_set_seed(uint64_t value)
{
	seed = value;
}

uint64_t scene_seed(void)
{
	return seed;
}

void scene_drop(void)
{
	if (current.heap != NULL)
		current.spec.subject->destroy(current.heap);
	current = (struct scene){.heap = NULL};
}

int scene_fill(struct scene *scene, uint32_t first, uint32_t count, uint64_t *random)
{
	const struct bench_subject *subject = scene->spec.subject;
	const struct mix *mix = scene->spec.mix;
	int failures = 0;

	for (uint32_t i = 0; i < count && failures == 0; i++)
		failures = subject->make(scene->heap, first + i, mix_draw(mix, random, 1).size);
	return failures;
}

int scene_clear(struct scene *scene, uint32_t first, uint32_t count)
{
	const struct bench_subject *subject = scene->spec.subject;
	int failures = 0;

	for (uint32_t i = 0; i < count; i++)
		failures |= subject->free(scene->heap, first + i);
	return failures;
}

int scene_overwrite(struct scene *scene, uint64_t count)
{
	const struct bench_subject *subject = scene->spec.subject;
	int failures = 0;

	while (count-- > 0 && failures == 0) {
		struct draw draw = mix_draw(scene->spec.mix, &scene->random, scene->spec.live);

		failures = subject->free(scene->heap, draw.slot);
		failures |= subject->make(scene->heap, draw.slot, draw.size);
	}
	return failures;
}

static bool spec_is_same(const struct scene_spec *a, const struct scene_spec *b)
{
	return a->subject == b->subject && a->mix == b->mix && a->live == b->live &&
	       a->empty == b->empty;
}

static int scene_warm_up(struct scene *scene)
{
	if (scene->spec.empty)
		return 0;
	if (scene_fill(scene, 0, scene->spec.live, &scene->random) != 0)
		return -1;
	return scene_overwrite(scene, 2 * (uint64_t)scene->spec.live);
}

struct scene *scene_get_fresh(const struct scene_spec *spec)
{
	struct subject_config config = {
		.slots = spec->live,
		.max_size = spec->mix->max_size,
		.total_bytes = (uint64_t)spec->live * spec->mix->mean_size,
	};

	scene_drop();
	current.spec = *spec;
	current.random = seed;
	current.heap = spec->subject->create(spec->subject->recipe, &config);
	if (current.heap != NULL && scene_warm_up(&current) == 0)
		return &current;
	/* What was made of it is lost: destroying could free what is not there. */
	current.heap = NULL;
	return NULL;
}

struct scene *scene_get(const struct scene_spec *spec)
{
	if (current.heap != NULL && spec_is_same(&current.spec, spec))
		return &current;
	return scene_get_fresh(spec);
}
