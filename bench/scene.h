/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * scene.h: a heap in its steady state: filled with objects of a mix, then overwritten at
 * random twice over.
 *
 * The last scene is kept, since Google Benchmark calls a benchmark several times over;
 * asking for another one ends it. So there is one heap at a time.
 *
 * Locking: scene_get from one thread; what is in a scene is the subject's to protect.
 * O(objects) to make.
 */
#ifndef XV_BENCH_SCENE_H
#define XV_BENCH_SCENE_H

#include "mix.h"
#include "subject.h"

struct scene_spec {
	const struct bench_subject *subject;
	const struct mix *mix;
	uint32_t live; /* objects */
	bool empty;    /* slots without objects: no fill, no overwrites */
};

struct scene {
	struct scene_spec spec;
	void *heap;
	uint64_t random; /* state */
};

/* Seed of all scenes; 0 is not one. Default 20261121. */
void scene_set_seed(uint64_t seed);
uint64_t scene_seed(void);

/* The scene, or NULL when an allocation failed; the one before it has ended then too. */
struct scene *scene_get(const struct scene_spec *spec);

/* The same, made anew even if it is the last one. */
struct scene *scene_get_fresh(const struct scene_spec *spec);

/* End the scene that is kept. */
void scene_drop(void);

/* Fill empty slots [first, first + count); free them. 0, or not. */
int scene_fill(struct scene *scene, uint32_t first, uint32_t count, uint64_t *random);
int scene_clear(struct scene *scene, uint32_t first, uint32_t count);

/* `count` overwrites of random objects in slots [0, live). 0, or not. */
int scene_overwrite(struct scene *scene, uint64_t count);

#endif
