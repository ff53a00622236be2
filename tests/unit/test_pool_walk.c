/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Visiting every object: completeness, order, early end, and visitors that change the
 * pool. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include <string.h>

#include "shadow.h"

enum { OBJECTS = 300 };

struct visits {
	struct pool_fixture *f;
	struct shadow *shadow;
	xv_handle last;
	size_t count;
	size_t stop_after; /* end the walk with result after so many; 0 = never */
	int result;
	bool free_visited;
	bool free_next; /* free the object of the shadow that was not visited yet */
	bool allocate;
};

static void fill_pool(struct pool_fixture *f, struct shadow *shadow)
{
	shadow_init(shadow, f->pool);
	for (size_t i = 0; i < OBJECTS; i++)
		(void)shadow_malloc(shadow, random_size(&f->random, f->page_bytes / 4), 0);
	for (size_t i = 0; i < 3; i++)
		(void)shadow_malloc(shadow, fixture_object_max(f) - i, 0);
	for (size_t i = 0; i < OBJECTS / 3; i++)
		assert_int_equal(shadow_free(shadow, random_below(&f->random, shadow->count)), 0);
}

static size_t find(const struct shadow *shadow, xv_handle handle)
{
	for (size_t i = 0; i < shadow->count; i++) {
		if (shadow->objects[i].handle == handle)
			return i;
	}
	return SIZE_MAX;
}

static uint64_t place(xv_handle handle)
{
	return (uint64_t)xv_handle_page(handle) << 16 | xv_handle_offset(handle);
}

static void change_pool(struct visits *v, size_t i)
{
	xv_handle handle;

	if (v->free_visited)
		assert_int_equal(shadow_free(v->shadow, i), 0);
	if (v->free_next && v->shadow->count > 1)
		assert_int_equal(shadow_free(v->shadow, v->shadow->count - 1), 0);
	if (v->allocate && v->count % 2 == 0 && xv_malloc(v->f->pool, 40, &handle) == 0)
		fixture_free(v->f, handle);
}

static int visit(void *context, xv_handle handle, size_t size)
{
	struct visits *v = context;
	size_t i = find(v->shadow, handle);

	assert_int_not_equal(i, SIZE_MAX);
	assert_int_equal(v->shadow->objects[i].size, size);
	assert_true(v->count == 0 || place(handle) > place(v->last));
	assert_int_equal(v->f->fault.mapped_now, 0);
	shadow_verify(v->shadow, i);
	v->last = handle;
	v->count++;
	change_pool(v, i);
	return v->stop_after != 0 && v->count == v->stop_after ? v->result : 0;
}

static void walk_visits_every_object_once_in_order(struct pool_fixture *f)
{
	struct shadow shadow;
	struct visits v = {.f = f, .shadow = &shadow};
	struct xv_pool_stats before;

	fill_pool(f, &shadow);
	before = fixture_stats(f);
	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	assert_int_equal(v.count, shadow.count);
	assert_int_equal(fixture_stats(f).bad_handles, before.bad_handles);
	fixture_assert_unchanged(f, &before);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void walk_of_an_empty_pool_visits_nothing(struct pool_fixture *f)
{
	struct shadow shadow = {0};
	struct visits v = {.f = f, .shadow = &shadow};

	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	fixture_free(f, fixture_malloc(f, 10));
	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	assert_int_equal(v.count, 0);
}

static void walk_ends_when_the_visitor_says_so(struct pool_fixture *f)
{
	static const int results[] = {1, -7, 1000};
	struct shadow shadow;

	fill_pool(f, &shadow);
	for (size_t i = 0; i < 3; i++) {
		struct visits v = {.f = f, .shadow = &shadow, .stop_after = 1 + 20 * i};

		v.result = results[i];
		assert_int_equal(xv_pool_walk(f->pool, visit, &v), results[i]);
		assert_int_equal(v.count, v.stop_after);
	}
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void the_visitor_may_free_what_it_visits(struct pool_fixture *f)
{
	struct shadow shadow;
	struct visits v = {.f = f, .shadow = &shadow, .free_visited = true};
	size_t count;

	fill_pool(f, &shadow);
	count = shadow.count;
	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	assert_int_equal(v.count, count);
	assert_int_equal(fixture_stats(f).objects, 0);
	assert_int_equal(fixture_stats(f).bad_handles, 0);
	fixture_check(f);
	shadow_fini(&shadow);
}

static void the_visitor_may_free_others(struct pool_fixture *f)
{
	struct shadow shadow;
	struct visits v = {.f = f, .shadow = &shadow, .free_next = true};

	fill_pool(f, &shadow);
	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	assert_true(v.count >= shadow.count);
	fixture_check(f);
	shadow_verify_all(&shadow);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static void the_visitor_may_allocate(struct pool_fixture *f)
{
	struct shadow shadow;
	struct visits v = {.f = f, .shadow = &shadow, .allocate = true};
	size_t count;

	fill_pool(f, &shadow);
	count = shadow.count;
	assert_int_equal(xv_pool_walk(f->pool, visit, &v), 0);
	assert_int_equal(v.count, count);
	shadow_free_all(&shadow);
	shadow_fini(&shadow);
}

static int map_and_change(void *context, xv_handle handle, size_t size)
{
	struct pool_fixture *f = context;
	void *ptr;

	assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	memset(ptr, 0xFE, size);
	assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	return 0;
}

static void the_visitor_may_map_and_write(struct pool_fixture *f)
{
	struct shadow shadow;

	fill_pool(f, &shadow);
	assert_int_equal(xv_pool_walk(f->pool, map_and_change, f), 0);
	fixture_check(f);
	while (shadow.count > 0) {
		fixture_free(f, shadow.objects[0].handle);
		shadow_forget(&shadow, 0);
	}
	shadow_fini(&shadow);
}

static int reset_pool(void *context, xv_handle handle, size_t size)
{
	struct pool_fixture *f = context;

	(void)handle;
	(void)size;
	return xv_pool_reset(f->pool);
}

static void the_visitor_may_reset_the_pool(struct pool_fixture *f)
{
	struct shadow shadow;

	fill_pool(f, &shadow);
	assert_int_equal(xv_pool_walk(f->pool, reset_pool, f), 0);
	assert_int_equal(fixture_stats(f).objects, 0);
	fixture_check(f);
	shadow_fini(&shadow);
}

static const struct pool_test tests[] = {
	POOL_TEST(walk_visits_every_object_once_in_order, EACH_ALIGNMENT),
	POOL_TEST(walk_of_an_empty_pool_visits_nothing, EACH_ALIGNMENT),
	POOL_TEST(walk_ends_when_the_visitor_says_so, EACH_ALIGNMENT),
	POOL_TEST(the_visitor_may_free_what_it_visits, EACH_ALIGNMENT),
	POOL_TEST(the_visitor_may_free_others, EACH_ALIGNMENT),
	POOL_TEST(the_visitor_may_allocate, EACH_ALIGNMENT),
	POOL_TEST(the_visitor_may_map_and_write, EACH_ALIGNMENT),
	POOL_TEST(the_visitor_may_reset_the_pool, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_walk", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
