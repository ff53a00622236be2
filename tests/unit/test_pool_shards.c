/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Pools of several shards, by a thread that moves from CPU to CPU, so that what happens
 * is the same in every run. Threads that really run at once are in
 * test_pool_shards_threads.c. May call: public headers, POSIX threads.
 */
#define _GNU_SOURCE

#include "pool_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "shards_support.h"

enum { OBJECTS = 2000, LEFT = 32 };

/* ---- options ---- */

static int try_shards(struct pool_fixture *f, struct xv_provider *provider, uint32_t shards,
		      enum xv_lock_kind lock)
{
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;
	int err;

	fixture_options(f, &options);
	options.shards = shards;
	options.lock = lock;
	err = xv_pool_create(&pool, provider, &options);
	if (err != 0)
		assert_null(pool);
	xv_pool_destroy(pool);
	return err;
}

static void shards_have_a_most(struct pool_fixture *f)
{
	struct xv_pool_options options;

	fixture_options(f, &options);
	assert_int_equal(try_shards(f, f->inner, XV_SHARDS_MAX, XV_LOCK_DEFAULT), 0);
	assert_int_equal(try_shards(f, f->inner, XV_SHARDS_MAX + 1, XV_LOCK_DEFAULT), -XV_EINVAL);
	assert_int_equal(try_shards(f, f->inner, UINT32_MAX, XV_LOCK_DEFAULT), -XV_EINVAL);
	options.shards = XV_SHARDS_MAX + 1;
	assert_int_equal(xv_pool_memory_bytes(f->inner, &options), 0);
}

/* So many shards for 0; counted when each CPU has used the pool. */
static uint32_t shards_by_default(struct pool_fixture *f, struct xv_pool_options *options,
				  const struct shard_cpus *cpus)
{
	uint32_t shards;

	options->shards = 0;
	fixture_drop_pool(f);
	fixture_make_pool(f, options);
	for (unsigned i = 0; i < SHARD_CPUS; i++) {
		shard_cpus_use(cpus, i);
		fixture_free(f, fixture_malloc(f, 100));
	}
	shards = fixture_stats(f).shards;
	fixture_drop_pool(f);
	return shards;
}

/* Where more shards than one are asked for and cannot be: as many as can be. */
enum { NO_SUCH_SHARDS = 0 };

static void without_a_lock_there_is_one_shard(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct shard_cpus cpus;

	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	options.lock = XV_LOCK_NONE;
	assert_int_equal(try_shards(f, f->inner, 2, XV_LOCK_NONE), NO_SUCH_SHARDS);
	assert_int_equal(try_shards(f, f->inner, 1, XV_LOCK_NONE), 0);
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	shard_cpus_close(&cpus);
}

static void one_thread_has_one_shard_wherever_it_runs(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct shard_cpus cpus;

	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	options.shards = 1;
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	shard_cpus_close(&cpus);
}

static void in_the_callers_memory_there_is_one_shard(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;
	struct shard_cpus cpus;

	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	options.memory_bytes = xv_pool_memory_bytes(f->inner, &options);
	options.memory = test_malloc(options.memory_bytes);
	options.shards = 2;
	assert_int_equal(xv_pool_create(&pool, f->inner, &options), NO_SUCH_SHARDS);
	xv_pool_destroy(pool);
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	test_free(options.memory);
	shard_cpus_close(&cpus);
}

static void scarce_meta_memory_allows_one_shard(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct shard_cpus cpus;

	if (f->which->kind != PROVIDER_BUFFER)
		return;
	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	fixture_drop_pool(f);
	assert_int_equal(try_shards(f, f->inner, 2, XV_LOCK_DEFAULT), NO_SUCH_SHARDS);
	assert_int_equal(try_shards(f, f->inner, 1, XV_LOCK_DEFAULT), 0);
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	shard_cpus_close(&cpus);
}

static void each_shard_needs_two_slots_of_a_window(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct shard_cpus cpus;
	uint32_t slots = f->fault.provider.window_slots;

	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	assert_int_equal(shards_by_default(f, &options, &cpus), 1);
	f->fault.provider.window_slots = 5;
	assert_int_equal(try_shards(f, &f->fault.provider, 2, XV_LOCK_DEFAULT), 0);
	assert_int_equal(try_shards(f, &f->fault.provider, 3, XV_LOCK_DEFAULT), NO_SUCH_SHARDS);
	assert_int_equal(try_shards(f, &f->fault.provider, 1, XV_LOCK_DEFAULT), 0);
	f->fault.provider.window_slots = slots;
	shard_cpus_close(&cpus);
}

static void a_window_serves_two_shards(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	xv_handle handle[2];
	void *ptr;

	open_two(f, &cpus, 0);
	for (unsigned i = 0; i < 2; i++) {
		shard_cpus_use(&cpus, i);
		handle[i] = fixture_malloc(f, 1000 + i);
		fixture_fill(f, handle[i], i);
	}
	/* From the second shard: both. */
	for (unsigned i = 0; i < 2; i++) {
		fixture_verify(f, handle[i], 1000 + i, i);
		assert_int_equal(xv_map(f->pool, handle[i], &ptr), 0);
		assert_true(pattern_matches(ptr, 1000 + i, i));
		assert_int_equal(xv_unmap(f->pool, handle[i], ptr), 0);
		fixture_free(f, handle[i]);
	}
	assert_int_equal(fixture_stats(f).objects, 0);
	shard_cpus_close(&cpus);
}

/* ---- frees from elsewhere ---- */

static void another_shards_object_is_freed(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	static xv_handle handle[OBJECTS];

	open_two(f, &cpus, 0);
	for (uint32_t i = 0; i < 200; i++) {
		shard_cpus_use(&cpus, i);
		handle[i] = fixture_malloc(f, 50 + 3 * i);
		fixture_fill(f, handle[i], i);
	}
	fixture_check(f);
	for (uint32_t i = 0; i < 200; i++) {
		shard_cpus_use(&cpus, i + 1);
		fixture_verify(f, handle[i], 50 + 3 * i, i);
		fixture_free(f, handle[i]);
		assert_int_equal(xv_free(f->pool, handle[i]), -XV_EINVAL);
	}
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.bad_handles, 200);
	/* Their shard's lock was free: nothing had to be left. */
	assert_int_equal(stats.remote_frees, 0);
	shard_cpus_close(&cpus);
}

static void another_shards_object_is_resized(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	unsigned char bytes[100];
	xv_handle handle, old;

	open_two(f, &cpus, 0);
	old = handle = fixture_malloc(f, 100);
	fixture_fill(f, handle, 7);
	(void)fixture_malloc(f, 100);
	shard_cpus_use(&cpus, 1);
	assert_int_equal(xv_realloc(f->pool, &handle, 2000), 0);
	assert_int_equal(xv_object_size(f->pool, handle), 2000);
	assert_int_equal(xv_read(f->pool, handle, 0, bytes, sizeof(bytes)), 0);
	assert_true(pattern_matches(bytes, sizeof(bytes), 7));
	assert_int_equal(xv_free(f->pool, old), -XV_EINVAL);
	assert_int_equal(fixture_stats(f).objects, 2);
	shard_cpus_close(&cpus);
}

/* A thread of the second shard frees what lies in the first. */
struct freer {
	struct xv_pool *pool;
	const struct shard_cpus *cpus;
	const xv_handle *handle;
	uint32_t count;
	_Atomic uint32_t done;
	_Atomic uint32_t errors;
};

static void *free_them(void *argument)
{
	struct freer *freer = argument;

	shard_cpus_use(freer->cpus, 1);
	for (uint32_t i = 0; i < freer->count; i++) {
		if (xv_free(freer->pool, freer->handle[i]) != 0)
			atomic_fetch_add(&freer->errors, 1);
		atomic_fetch_add(&freer->done, 1);
	}
	return NULL;
}

/* Free while the pool is locked; the lock is given back when `until` frees are over. */
static void free_while_locked(struct pool_fixture *f, const struct shard_cpus *cpus,
			      const xv_handle *handle, uint32_t count, uint32_t until)
{
	struct freer freer = {.pool = f->pool, .cpus = cpus, .handle = handle, .count = count};
	pthread_t thread;

	xv_pool_lock_all(f->pool);
	assert_int_equal(pthread_create(&thread, NULL, free_them, &freer), 0);
	while (atomic_load(&freer.done) < until)
		sched_yield();
	xv_pool_unlock_all(f->pool);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&freer.errors), 0);
}

static void some_objects(struct pool_fixture *f, xv_handle *handle, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		handle[i] = fixture_malloc(f, 40 + 17 * (size_t)(i % 100));
}

static void frees_do_not_wait_for_the_owners_lock(struct pool_fixture *f)
{
	xv_handle handle[LEFT];
	struct xv_pool_stats stats;
	struct shard_cpus cpus;

	open_two(f, &cpus, 0);
	some_objects(f, handle, LEFT);
	free_while_locked(f, &cpus, handle, LEFT, LEFT);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.remote_frees, LEFT);
	assert_int_equal(stats.remote_waiting, 0);
	assert_int_equal(stats.bad_handles, 0);
	assert_int_equal(stats.frees, stats.mallocs);
	shard_cpus_close(&cpus);
}

/* Callers map what they get, of both shards; the pool has the slots that it needs all the same. */
static void no_free_is_lost_while_callers_have_all_slots(struct pool_fixture *f)
{
	xv_handle mapped[2 * FIXTURE_PAGES], handle[LEFT];
	void *ptr[2 * FIXTURE_PAGES];
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	uint32_t maps = 0;

	open_two(f, &cpus, 0);
	some_objects(f, handle, LEFT);
	for (;; maps++) {
		int err;

		assert_in_range(maps, 0, 2 * FIXTURE_PAGES - 1);
		shard_cpus_use(&cpus, maps);
		mapped[maps] = fixture_malloc(f, f->page_bytes / 8 * 7);
		err = xv_map(f->pool, mapped[maps], &ptr[maps]);
		if (err == 0)
			continue;
		assert_int_equal(err, -XV_EAGAIN);
		break;
	}
	assert_int_equal(maps, f->fault.provider.window_slots - 2 * 2);
	shard_cpus_use(&cpus, 0);
	free_while_locked(f, &cpus, handle, LEFT, LEFT);
	for (uint32_t i = 0; i <= maps; i++) {
		shard_cpus_use(&cpus, i + 1); /* the other shard */
		fixture_fill(f, mapped[i], i);
		fixture_free(f, mapped[i]);
		fixture_free(f, fixture_malloc(f, 500));
	}
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.bad_handles, 0);
	assert_true(stats.remote_frees >= LEFT);
	for (uint32_t i = 0; i < maps; i++)
		assert_int_equal(xv_unmap(f->pool, mapped[i], ptr[i]), 0);
	shard_cpus_close(&cpus);
}

/* As many as there may be no slots for: some then wait for the lock, and none is lost. */
static void many_frees_at_once_are_not_lost(struct pool_fixture *f)
{
	xv_handle handle[8 * LEFT];
	struct xv_pool_stats stats;
	struct shard_cpus cpus;

	open_two(f, &cpus, 0);
	some_objects(f, handle, 8 * LEFT);
	free_while_locked(f, &cpus, handle, 8 * LEFT, LEFT);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_true(stats.remote_frees >= LEFT);
	assert_int_equal(stats.frees, stats.mallocs);
	shard_cpus_close(&cpus);
}

/* A bad handle left to the owner has been taken with 0: it is counted, and frees nothing. */
static void a_bad_handle_that_was_left_is_counted(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	xv_handle handle[4];

	open_two(f, &cpus, 0);
	some_objects(f, handle, 2);
	handle[2] = handle[0];
	handle[3] = handle[1] + 4;
	free_while_locked(f, &cpus, handle, 4, 4);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.remote_frees, 2);
	assert_int_equal(stats.bad_handles, 2);
	shard_cpus_close(&cpus);
}

/* One whose page is closed is not counted; the object stays. */
static void an_object_of_a_closed_page_may_be_left(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	xv_handle handle[4];
	void *ptr;

	open_two(f, &cpus, 0);
	some_objects(f, handle, 4);
	assert_int_equal(xv_map(f->pool, handle[1], &ptr), 0);
	memset((char *)ptr - 4, 0xFF, 4);
	assert_int_equal(xv_unmap(f->pool, handle[1], ptr), 0);
	assert_int_equal(xv_free(f->pool, handle[1]), -XV_EBADMSG);
	free_while_locked(f, &cpus, handle, 4, 4);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 4);
	assert_int_equal(stats.remote_frees + stats.bad_handles, 0);
	shard_cpus_close(&cpus);
}

/* Allocations find what was left, also after all slots were looked through. */
static void what_was_left_is_found_in_turn(struct pool_fixture *f)
{
	enum { SIZE = 332 };
	xv_handle handle[LEFT], other;
	struct shard_cpus cpus;
	uint32_t same = 0;

	open_two(f, &cpus, 0);
	for (uint32_t i = 0; i < LEFT; i++) {
		handle[i] = fixture_malloc(f, SIZE);
		(void)fixture_malloc(f, SIZE); /* keeps the next one apart */
	}
	free_while_locked(f, &cpus, handle, 5, 5);
	assert_int_equal(fixture_stats(f).remote_frees, 5);
	for (uint32_t i = 0; i < 5; i++)
		(void)fixture_malloc(f, SIZE);
	free_while_locked(f, &cpus, handle + 5, LEFT - 5, LEFT - 5);
	for (uint32_t i = 0; i < 3 * LEFT; i++) {
		other = fixture_malloc(f, SIZE);
		for (uint32_t n = 5; n < LEFT; n++)
			same += xv_handle_page(other) == xv_handle_page(handle[n]) &&
				xv_handle_offset(other) == xv_handle_offset(handle[n]);
	}
	assert_int_equal(same, LEFT - 5);
	shard_cpus_close(&cpus);
}

/* What was freed before a walk is not visited, also if it waits for its owner. */
static void what_was_left_is_dead_for_a_walk(struct pool_fixture *f)
{
	xv_handle handle[20];
	struct shard_cpus cpus;

	open_two(f, &cpus, 0);
	some_objects(f, handle, 20);
	free_while_locked(f, &cpus, handle, 15, 15);
	assert_int_equal(visit_all(f).count, 5);
	assert_int_equal(xv_object_size(f->pool, handle[19]), 40 + 17 * 19);
	shard_cpus_close(&cpus);
}

/* ---- room ---- */

/* The holes are the first shard's. The second one grows where it may, and else takes room there. */
static void room_is_taken_from_others(struct pool_fixture *f, bool limited)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats before, now;
	struct shard_cpus cpus;

	open_two(f, &cpus, 0);
	for (uint32_t i = 0; i < OBJECTS / 2; i++)
		handle[i] = fixture_malloc(f, 200);
	/* Let every page keep an object, so that none goes back. */
	for (uint32_t i = 0; i < OBJECTS / 2; i++) {
		if (i % 5 != 0)
			fixture_free(f, handle[i]);
	}
	before = fixture_stats(f);
	if (limited)
		xv_pool_set_limit(f->pool, before.held_bytes);
	shard_cpus_use(&cpus, 1);
	for (uint32_t i = 0; i < OBJECTS / 2; i++) {
		if (i % 5 == 0)
			continue;
		handle[i] = fixture_malloc(f, 200);
		fixture_fill(f, handle[i], i);
	}
	now = fixture_stats(f);
	if (limited)
		assert_true(now.pages <= before.pages);
	else
		assert_true(now.held_bytes > before.held_bytes + f->page_bytes);
	assert_int_equal(now.objects, OBJECTS / 2);
	assert_int_equal(now.failures, 0);
	for (uint32_t i = 0; i < OBJECTS / 2; i++) {
		if (i % 5 != 0)
			fixture_verify(f, handle[i], 200, i);
	}
	fixture_check(f);
	shard_cpus_close(&cpus);
}

static void room_is_taken_from_others_before_the_pool_grows(struct pool_fixture *f)
{
	room_is_taken_from_others(f, true);
}

static void a_shard_without_room_grows_first(struct pool_fixture *f)
{
	room_is_taken_from_others(f, false);
}

/* A page in another shard's reserve serves an object of a whole page. */
static void an_empty_page_of_another_shard_is_taken(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	xv_handle handle;

	open_two(f, &cpus, 0);
	handle = fixture_malloc(f, xv_pool_max_size(f->pool));
	(void)fixture_malloc(f, 100);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	fixture_free(f, handle);
	shard_cpus_use(&cpus, 1);
	handle = fixture_malloc(f, xv_pool_max_size(f->pool));
	assert_int_equal(xv_object_size(f->pool, handle), (int)xv_pool_max_size(f->pool));
	shard_cpus_close(&cpus);
}

/* Where a second shard would pass the limit, the first one stands for it. */
static void a_shard_that_cannot_be_made_is_done_without(struct pool_fixture *f)
{
	struct xv_pool_options options;
	struct shard_cpus cpus;
	xv_handle handle;

	shard_cpus_open(&cpus, 2);
	fixture_options(f, &options);
	options.shards = 2;
	fixture_remake(f, SHARD_PAGES, &options, 0);
	shard_cpus_use(&cpus, 0);
	handle = fixture_malloc(f, 1000);
	(void)fixture_malloc(f, 1000);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	shard_cpus_use(&cpus, 1);
	fixture_free(f, handle);
	handle = fixture_malloc(f, 1000);
	fixture_fill(f, handle, 3);
	fixture_check(f);
	fixture_verify(f, handle, 1000, 3);
	shard_cpus_close(&cpus);
}

/* ---- ends ---- */

static void *leave_objects(void *argument)
{
	struct freer *one = argument;
	xv_handle handle;

	shard_cpus_use(one->cpus, 1);
	for (uint32_t i = 0; i < one->count; i++) {
		if (xv_malloc(one->pool, 100 + i, &handle) != 0)
			atomic_fetch_add(&one->errors, 1);
	}
	return NULL;
}

/* The proof that the provider has everything back is the fixture's. */
static void a_pool_ends_with_objects_of_other_threads(struct pool_fixture *f)
{
	struct freer one = {.count = 300};
	struct shard_cpus cpus;
	pthread_t thread;

	open_two(f, &cpus, 0);
	one.pool = f->pool;
	one.cpus = &cpus;
	assert_int_equal(pthread_create(&thread, NULL, leave_objects, &one), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&one.errors), 0);
	assert_int_equal(fixture_stats(f).objects, 300);
	fixture_drop_pool(f);
	shard_cpus_close(&cpus);
}

/* A locked pool is as it was when it is unlocked. */
static void locking_all_changes_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct shard_cpus cpus;

	open_two(f, &cpus, 0);
	(void)fixture_malloc(f, 100);
	before = fixture_stats(f);
	for (uint32_t i = 0; i < 3; i++) {
		xv_pool_lock_all(f->pool);
		xv_pool_unlock_all(f->pool);
	}
	fixture_assert_unchanged(f, &before);
	shard_cpus_close(&cpus);
}

static const struct pool_test tests[] = {
	POOL_TEST(shards_have_a_most, ON_MMAP),
	POOL_TEST(without_a_lock_there_is_one_shard, ON_MMAP),
	POOL_TEST(one_thread_has_one_shard_wherever_it_runs, ON_MMAP),
	POOL_TEST(in_the_callers_memory_there_is_one_shard, ON_MMAP),
	POOL_TEST(scarce_meta_memory_allows_one_shard, WITH_BASE),
	POOL_TEST(each_shard_needs_two_slots_of_a_window, WITHOUT_BASE),
	POOL_TEST(a_window_serves_two_shards, WITHOUT_BASE),
	POOL_TEST(no_free_is_lost_while_callers_have_all_slots, WITHOUT_BASE),
	POOL_TEST(another_shards_object_is_freed, ON_MMAP | EACH_ALIGNMENT),
	POOL_TEST(another_shards_object_is_resized, ON_MMAP),
	POOL_TEST(frees_do_not_wait_for_the_owners_lock, ON_MMAP),
	POOL_TEST(many_frees_at_once_are_not_lost, ON_MMAP),
	POOL_TEST(what_was_left_is_found_in_turn, ON_MMAP),
	POOL_TEST(an_object_of_a_closed_page_may_be_left, ON_MMAP),
	POOL_TEST(a_bad_handle_that_was_left_is_counted, ON_MMAP),
	POOL_TEST(what_was_left_is_dead_for_a_walk, ON_MMAP),
	POOL_TEST(room_is_taken_from_others_before_the_pool_grows, ON_MMAP),
	POOL_TEST(a_shard_without_room_grows_first, ON_MMAP),
	POOL_TEST(an_empty_page_of_another_shard_is_taken, ON_MMAP),
	POOL_TEST(a_shard_that_cannot_be_made_is_done_without, ON_MMAP),
	POOL_TEST(a_pool_ends_with_objects_of_other_threads, ON_MMAP),
	POOL_TEST(locking_all_changes_nothing, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_shards", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
