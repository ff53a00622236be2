/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* fault_scene.c: see fault_scene.h for what this owns and may call. */
#include "fault_scene.h"

#include <string.h>

#include "pattern.h"

static unsigned char scratch[LARGEST];

/* ---- the fault, set aside for a while ---- */

void pause_fault(struct scene *s)
{
	assert_false(s->paused);
	s->paused = s->f->fault.planned;
	s->f->fault.planned = false;
}

void resume_fault(struct scene *s)
{
	s->f->fault.planned = s->paused;
	s->paused = false;
}

/* ---- things: each has contents of its own ---- */

static void thing_fill(struct scene *s, struct thing *thing)
{
	pause_fault(s);
	thing->pattern = ++s->last_pattern;
	pattern_fill(scratch, thing->size, thing->pattern);
	assert_int_equal(xv_write(s->f->pool, thing->handle, 0, scratch, thing->size), 0);
	resume_fault(s);
}

static bool thing_is_good(struct scene *s, const struct thing *thing)
{
	return thing->size == 0 ||
	       (xv_object_size(s->f->pool, thing->handle) == (int)thing->size &&
		xv_read(s->f->pool, thing->handle, 0, scratch, thing->size) == 0 &&
		pattern_matches(scratch, thing->size, thing->pattern));
}

static size_t live_things(const struct scene *s)
{
	size_t count = 0;

	for (size_t i = 0; i < THINGS; i++)
		count += s->things[i].size != 0;
	for (size_t i = 0; i < SMALL; i++)
		count += s->small[i].size != 0;
	return count;
}

void all_is_well(struct scene *s)
{
	size_t things_good = 0;

	pause_fault(s);
	if (!fixture_is_sound(s->f)) {
		print_error("after step %s\n", s->step);
		fail();
	}
	for (size_t i = 0; i < THINGS; i++)
		things_good += thing_is_good(s, &s->things[i]);
	for (size_t i = 0; i < SMALL; i++)
		things_good += thing_is_good(s, &s->small[i]);
	if (things_good != THINGS + SMALL || fixture_stats(s->f).objects != live_things(s))
		print_error("after step %s: %zu objects are not as they were, %zu not %zu\n",
			    s->step, THINGS + SMALL - things_good,
			    (size_t)fixture_stats(s->f).objects, live_things(s));
	assert_int_equal(things_good, THINGS + SMALL);
	assert_int_equal(fixture_stats(s->f).objects, live_things(s));
	resume_fault(s);
}

static int thing_made(struct scene *s, struct thing *thing, size_t size, xv_handle handle, int err)
{
	if (err != 0) {
		assert_int_equal(handle, 77);
		return err;
	}
	thing->handle = handle;
	thing->size = size;
	thing_fill(s, thing);
	return 0;
}

/* Of an object of about a page. */
static size_t size_allowed(const struct scene *s, size_t size)
{
	size_t most = xv_pool_max_size(s->f->pool);

	return size < most ? size : most;
}

static int make(struct scene *s, size_t i, size_t size)
{
	xv_handle handle = 77;
	int err;

	size = size_allowed(s, size);
	if ((s->flags & XV_POOL_OWNERS) != 0)
		err = xv_malloc_owned(s->f->pool, size, (uint32_t)i, &handle);
	else
		err = xv_malloc(s->f->pool, size, &handle);
	return thing_made(s, &s->things[i], size, handle, err);
}

static int resize(struct scene *s, size_t i, size_t size)
{
	struct thing *thing = &s->things[i];
	size_t kept;
	xv_handle handle = thing->handle;
	int err;

	size = size_allowed(s, size);
	kept = thing->size < size ? thing->size : size;
	if (thing->size == 0)
		return 0;
	err = xv_realloc(s->f->pool, &handle, size);
	if (err != 0) {
		assert_int_equal(handle, thing->handle);
		return err;
	}
	thing->handle = handle;
	thing->size = size;
	pause_fault(s);
	assert_int_equal(xv_read(s->f->pool, handle, 0, scratch, kept), 0);
	assert_true(pattern_matches(scratch, kept, thing->pattern));
	resume_fault(s);
	thing_fill(s, thing);
	return 0;
}

static int end(struct scene *s, struct thing *thing)
{
	int err;

	if (thing->size == 0)
		return 0;
	err = xv_free(s->f->pool, thing->handle);
	if (err == 0)
		thing->size = 0;
	return err;
}

/* ---- the scenario's steps ---- */

static int make_small(struct scene *s)
{
	return make(s, 0, 100);
}

static int make_middle(struct scene *s)
{
	return make(s, 1, 700);
}

static int make_whole(struct scene *s)
{
	return make(s, 2, s->f->page_bytes);
}

static int make_half(struct scene *s)
{
	return make(s, 3, s->f->page_bytes / 2);
}

static int make_aligned(struct scene *s)
{
	xv_handle handle = 77;
	int err = xv_malloc_aligned(s->f->pool, 50, 128, &handle);

	return thing_made(s, &s->things[4], 50, handle, err);
}

static int make_zeroed(struct scene *s)
{
	size_t size = s->f->page_bytes - 300;
	xv_handle handle = 77;
	int err = xv_calloc(s->f->pool, 1, size, &handle);

	if (err == 0) {
		pause_fault(s);
		assert_int_equal(xv_read(s->f->pool, handle, 0, scratch, size), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(scratch[i], 0);
		resume_fault(s);
	}
	return thing_made(s, &s->things[5], size, handle, err);
}

/* What fits in no hole: in a pool that splits, two pages and a tail. */
static int make_large(struct scene *s)
{
	bool splits = (s->flags & XV_POOL_SPLIT) != 0;

	return make(s, 6, splits ? 2 * s->f->page_bytes + 900 : s->f->page_bytes - 60);
}

/* In a pool that splits, this finds only holes that are smaller. */
static int make_over_holes(struct scene *s)
{
	return make(s, 7, s->f->page_bytes * 3 / 4);
}

static int make_five(struct scene *s)
{
	for (size_t i = 0; i < SMALL; i++) {
		xv_handle handle = 77;
		int err;

		if (s->small[i].size != 0)
			continue;
		err = xv_malloc(s->f->pool, 40, &handle);
		err = thing_made(s, &s->small[i], 40, handle, err);
		if (err != 0)
			return err;
	}
	return 0;
}

/* Merging with neither, both, the one before, the one behind. */
static int free_five(struct scene *s)
{
	static const size_t order[SMALL] = {1, 3, 2, 0, 4};

	for (size_t i = 0; i < SMALL; i++) {
		int err = end(s, &s->small[order[i]]);

		if (err != 0)
			return err;
	}
	return 0;
}

static int free_middle(struct scene *s)
{
	return end(s, &s->things[1]);
}

static int free_whole(struct scene *s)
{
	return end(s, &s->things[2]);
}

static int free_large(struct scene *s)
{
	return end(s, &s->things[6]);
}

static int shrink_in_place(struct scene *s)
{
	return resize(s, 3, s->f->page_bytes / 3);
}

static int grow_by_moving(struct scene *s)
{
	return resize(s, 0, s->f->page_bytes / 2 + 50);
}

static int grow_to_a_whole_page(struct scene *s)
{
	return resize(s, 3, s->f->page_bytes - 1);
}

static int shrink_from_a_whole_page(struct scene *s)
{
	return resize(s, 2, 64);
}

static int resize_large(struct scene *s)
{
	return resize(s, 6, 500);
}

static int map_and_unmap(struct scene *s)
{
	const struct thing *thing = &s->things[0];
	void *ptr = scratch;
	int err;

	if (thing->size == 0)
		return 0;
	err = xv_map(s->f->pool, thing->handle, &ptr);
	if (err == -XV_ESPLIT)
		return 0;
	if (err != 0) {
		assert_ptr_equal(ptr, scratch);
		return err;
	}
	assert_true(pattern_matches(ptr, thing->size, thing->pattern));
	return xv_unmap(s->f->pool, thing->handle, ptr);
}

/* An object in pieces: a copy of it, or the error. */
static int peek(struct scene *s)
{
	const struct thing *thing = &s->things[7];
	const void *ptr = NULL;
	int size;

	if (thing->size == 0)
		return 0;
	size = xv_peek(s->f->pool, thing->handle, scratch, sizeof(scratch), &ptr);
	if (size < 0) {
		assert_null(ptr);
		return size;
	}
	assert_int_equal(size, thing->size);
	assert_true(pattern_matches(ptr, thing->size, thing->pattern));
	return 0;
}

static int read_all(struct scene *s)
{
	for (size_t i = 0; i < THINGS; i++) {
		const struct thing *thing = &s->things[i];
		int err;

		if (thing->size == 0)
			continue;
		err = xv_read(s->f->pool, thing->handle, 0, scratch, thing->size);
		if (err != 0)
			return err;
		assert_true(pattern_matches(scratch, thing->size, thing->pattern));
	}
	return 0;
}

static int write_one(struct scene *s)
{
	const struct thing *thing = &s->things[4];

	if (thing->size == 0)
		return 0;
	pattern_fill(scratch, thing->size, thing->pattern);
	return xv_write(s->f->pool, thing->handle, 0, scratch, thing->size);
}

static int ask_sizes(struct scene *s)
{
	for (size_t i = 0; i < THINGS; i++) {
		int size = s->things[i].size != 0 ? xv_object_size(s->f->pool, s->things[i].handle)
						  : 0;

		if (size < 0)
			return size;
		assert_int_equal(size, s->things[i].size);
	}
	return 0;
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	(void)size;
	++*(size_t *)context;
	return 0;
}

static int walk(struct scene *s)
{
	size_t count = 0;
	int err = xv_pool_walk(s->f->pool, count_object, &count);

	if (err == 0)
		assert_int_equal(count, live_things(s));
	return err;
}

static int trim(struct scene *s)
{
	(void)xv_pool_trim(s->f->pool);
	return 0;
}

static int check(struct scene *s)
{
	return xv_pool_check(s->f->pool, XV_CHECK_DEEP, NULL);
}

static int change_owners(struct scene *s)
{
	uint32_t owner = 99;
	int err;

	if ((s->flags & XV_POOL_OWNERS) == 0)
		return 0;
	for (uint32_t i = 0; i < THINGS; i++) {
		if (s->things[i].size == 0)
			continue;
		err = xv_set_owner(s->f->pool, s->things[i].handle, i);
		if (err == 0)
			err = xv_get_owner(s->f->pool, s->things[i].handle, &owner);
		if (err != 0)
			return err;
		assert_int_equal(owner, i);
	}
	return 0;
}

static int compact(struct scene *s)
{
	struct xv_compact_report report = {.more = true};

	if ((s->flags & XV_POOL_OWNERS) == 0)
		return 0;
	for (size_t i = 0; report.more; i++) {
		int err = xv_compact(s->f->pool, 1000, &report);

		assert_true(i < COMPACT_STEPS_MAX);
		if (err != 0)
			return err;
	}
	return 0;
}

#define STEP(function)                                                                             \
	{                                                                                          \
#function, function, false                                                         \
	}
#define STEP_MEMORY(function)                                                                      \
	{                                                                                          \
#function, function, true                                                          \
	}

const struct step fault_steps[] = {
	STEP_MEMORY(make_small),
	STEP_MEMORY(make_middle),
	STEP_MEMORY(make_whole),
	STEP_MEMORY(make_half),
	STEP_MEMORY(make_aligned),
	STEP_MEMORY(make_five),
	STEP(read_all),
	STEP_MEMORY(make_zeroed),
	STEP(check),
	STEP(free_middle),
	STEP(walk),
	STEP_MEMORY(shrink_in_place),
	STEP_MEMORY(grow_by_moving),
	STEP_MEMORY(make_large),
	STEP(free_five),
	STEP(map_and_unmap),
	STEP_MEMORY(grow_to_a_whole_page),
	STEP_MEMORY(make_over_holes),
	STEP(peek),
	STEP(write_one),
	STEP(ask_sizes),
	STEP(change_owners),
	STEP_MEMORY(shrink_from_a_whole_page),
	STEP(compact),
	STEP(trim),
	STEP_MEMORY(make_middle),
	STEP_MEMORY(resize_large),
	STEP_MEMORY(make_five),
	STEP(free_whole),
	STEP(compact),
	STEP(free_large),
	STEP(free_five),
	STEP(trim),
};

/* ---- owners ---- */

static int thing_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct scene *s = context;

	if (owner >= THINGS || s->things[owner].size == 0 || s->things[owner].handle != from)
		return 1;
	s->things[owner].handle = to;
	return 0;
}

const struct xv_owner_ops fault_owner_ops = {thing_relocated};

/* ---- the scene as a whole ---- */

const size_t fault_step_count = sizeof(fault_steps) / sizeof(fault_steps[0]);

/* make_... of what is there already. */
static void forget_before(struct scene *s, const struct step *step)
{
	if (step->run == make_middle && s->things[1].size != 0) {
		pause_fault(s);
		assert_int_equal(end(s, &s->things[1]), 0);
		resume_fault(s);
	}
}

int scene_step(struct scene *s, const struct step *step)
{
	s->step = step->name;
	forget_before(s, step);
	return step->run(s);
}

void scene_make_missing(struct scene *s)
{
	for (size_t i = 0; i < THINGS; i++) {
		if (s->things[i].size == 0)
			assert_int_equal(make(s, i, 200 + 100 * i), 0);
	}
	assert_int_equal(make_five(s), 0);
}

void scene_free_all(struct scene *s)
{
	assert_int_equal(free_five(s), 0);
	for (size_t i = 0; i < THINGS; i++)
		assert_int_equal(end(s, &s->things[i]), 0);
}
