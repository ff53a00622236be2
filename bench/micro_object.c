/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_object.c: what is done with a random live object, beside ending it.
 *
 *   put      free it, allocate another in its slot, copy that one's bytes in
 *   get      copy its bytes out
 *   resize   give it a new size
 *   size     ask the allocator for its size
 *   map      make it addressable, and end that (a system call each with highmem)
 *
 * get needs the size, which a slot does not know: the objects of its scene are all of the
 * mean size. Locking: none. O(size) an iteration at most.
 */
#include <string.h>

#include "micro.h"

#define OBJECT_LIVE 37000U
#define BATCH 16U

static unsigned char bytes[65536];

typedef int operation(const struct scene *scene, struct draw draw);

static int put(const struct scene *scene, struct draw draw)
{
	const struct bench_subject *subject = scene->spec.subject;
	int failures = subject->free(scene->heap, draw.slot);

	failures |= subject->make(scene->heap, draw.slot, draw.size);
	return failures == 0 ? subject->write(scene->heap, draw.slot, bytes, draw.size) : failures;
}

static int get(const struct scene *scene, struct draw draw)
{
	return scene->spec.subject->read(scene->heap, draw.slot, bytes, draw.size);
}

static int resize(const struct scene *scene, struct draw draw)
{
	return scene->spec.subject->resize(scene->heap, draw.slot, draw.size);
}

static int size_of(const struct scene *scene, struct draw draw)
{
	return scene->spec.subject->size_of(scene->heap, draw.slot) <= 0;
}

static int map(const struct scene *scene, struct draw draw)
{
	return scene->spec.subject->map_unmap(scene->heap, draw.slot);
}

/* Inlined into each body, so that the operation is not one more call by pointer. */
static inline void run_operation(struct micro_run *run, const struct scene_spec *spec,
				 operation *operate)
{
	struct scene *scene = scene_get(spec);
	int failures = 0;

	if (scene == NULL) {
		micro_fail(run, "the heap could not be filled");
		return;
	}
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= operate(scene, mix_draw(spec->mix, &scene->random, spec->live));
	}
	if (failures != 0)
		micro_fail(run, "an operation failed");
}

static void put_body(struct micro_run *run, const void *context)
{
	run_operation(run, context, put);
}

static void get_body(struct micro_run *run, const void *context)
{
	run_operation(run, context, get);
}

static void resize_body(struct micro_run *run, const void *context)
{
	run_operation(run, context, resize);
}

static void size_body(struct micro_run *run, const void *context)
{
	run_operation(run, context, size_of);
}

static void map_body(struct micro_run *run, const void *context)
{
	run_operation(run, context, map);
}

static void add_subject(const struct bench_subject *subject, const struct mix *mix,
			const struct mix *mean)
{
	const struct scene_spec *spec = micro_spec(subject, mix, OBJECT_LIVE);

	if (subject->write != NULL)
		micro_add("put", put_body, spec, 0);
	if (subject->read != NULL)
		micro_add("get", get_body, micro_spec(subject, mean, OBJECT_LIVE), 0);
	if (subject->resize != NULL)
		micro_add("resize", resize_body, spec, 0);
	if (subject->size_of != NULL)
		micro_add("size", size_body, spec, 0);
	if (subject->map_unmap != NULL)
		micro_add("map", map_body, spec, 0);
}

void micro_add_objects(const struct micro_setup *setup)
{
	static struct mix mean;
	const struct bench_subject *subject;

	mix_init_uniform(&mean, "mean", setup->page.mean_size, setup->page.mean_size);
	memset(bytes, 0xa5, sizeof(bytes));
	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if ((subject->groups & (GROUP_MAIN | GROUP_PROVIDER)) != 0)
			add_subject(subject, &setup->page, &mean);
	}
}
