/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * object_fixture.h: objects over a test's source of memory, case by case: one layer, its
 * shape, and a table of handles by owner that its owner calls keep. Include after cmocka.h.
 */
#ifndef TEST_OBJECT_FIXTURE_H
#define TEST_OBJECT_FIXTURE_H

#include "heap_source.h"
#include "object_fast.h"
#include "piece.h"

enum { FIXTURE_OWNERS = 40000 };

struct object_fixture {
	struct heap_source source;
	struct xvi_objects objects;
	xv_handle handle[FIXTURE_OWNERS];
	bool refuse;
};

static inline int fixture_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct object_fixture *fixture = context;

	assert_true(owner < FIXTURE_OWNERS);
	assert_int_equal(fixture->handle[owner], from);
	if (fixture->refuse)
		return 1;
	fixture->handle[owner] = to;
	return 0;
}

static const struct xv_owner_ops fixture_ops = {.relocated = fixture_relocated};

static inline void fixture_open(struct object_fixture *fixture,
				const struct heap_source_shape *shape, bool split, bool owners)
{
	struct xvi_objects_config config = {.split = split,
					    .owners = owners,
					    .owner_ops = &fixture_ops,
					    .owner_context = fixture,
					    .tag_key = 3};

	heap_source_open(&fixture->source, shape, &config.heap);
	xvi_objects_init(&fixture->objects, &config);
	fixture->refuse = false;
	memset(fixture->handle, 0, sizeof(fixture->handle));
}

static inline void fixture_check(struct object_fixture *fixture)
{
	struct xvi_heap_fault fault;

	if (!xvi_objects_check(&fixture->objects, &fault))
		fail_msg("invariant %u, page %u, unit %u: %s", fault.invariant, fault.page,
			 fault.unit, fault.message);
	assert_int_equal(fixture->source.maps, 0);
}

static inline void fixture_close(struct object_fixture *fixture)
{
	fixture_check(fixture);
	xvi_objects_clear(&fixture->objects);
	heap_source_close(&fixture->source);
}

/* An object whose owner is the index of its handle in the table. */
static inline xv_handle fixture_make(struct object_fixture *fixture, uint32_t owner, size_t size)
{
	assert_int_equal(
		xvi_object_malloc(&fixture->objects, size, 1, owner, &fixture->handle[owner]), 0);
	return fixture->handle[owner];
}

static inline void fixture_drop(struct object_fixture *fixture, uint32_t owner)
{
	assert_int_equal(xvi_object_free(&fixture->objects, fixture->handle[owner]), 0);
	fixture->handle[owner] = XV_NULL_HANDLE;
}

static inline struct xvi_location fixture_find(struct object_fixture *fixture, xv_handle handle)
{
	struct xvi_location at;

	assert_int_equal(xvi_object_find(&fixture->objects, handle, &at), 0);
	return at;
}

/* The next piece of a sound chain, or piece_none. */
static inline struct xvi_location fixture_next(struct object_fixture *fixture,
					       const struct xvi_location *at)
{
	struct xvi_location next;

	assert_int_equal(xvi_piece_next(&fixture->objects, at, &next), 0);
	return next;
}

#endif
