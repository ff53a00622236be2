/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fault_scene.h: a scenario in steps that makes every kind of call on a pool, and what
 * must be true after any of them, whether it succeeded or failed.
 *
 * Owns: the scene's objects. May call: public headers, CMocka. One thread.
 */
#ifndef FAULT_SCENE_H
#define FAULT_SCENE_H

#include "pool_fixture.h"

enum {
	THINGS = 8,
	SMALL = 5,
	LARGEST = 5 * 65536,
	COMPACT_STEPS_MAX = 2000,
};

struct thing {
	xv_handle handle;
	size_t size; /* 0: there is none */
	uint32_t pattern;
};

struct scene {
	struct pool_fixture *f;
	struct thing things[THINGS]; /* the number is the owner, where there are owners */
	struct thing small[SMALL];
	uint32_t flags;
	uint32_t last_pattern;
	bool paused;
	const char *step;
};

struct step {
	const char *name;
	int (*run)(struct scene *s);
	bool needs_memory; /* may fail with -XV_ENOMEM */
};

extern const struct step fault_steps[];
extern const size_t fault_step_count;

/* For pools with owners; the context is the scene. */
extern const struct xv_owner_ops fault_owner_ops;

/* Set the planned fault aside, so that it neither fails nor counts; and go on. */
void pause_fault(struct scene *s);
void resume_fault(struct scene *s);

/* The pool is sound, and every object is there with its contents, and no other. */
void all_is_well(struct scene *s);

/* Run one step. Returns its error. */
int scene_step(struct scene *s, const struct step *step);

/* Calls that must succeed: make what is missing; free all. */
void scene_make_missing(struct scene *s);
void scene_free_all(struct scene *s);

#endif
