/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What xv_realloc finds at the limit in a pool of several shards: all that xv_malloc would. May
 * call: public headers, POSIX threads.
 */
#define _GNU_SOURCE

#include "pool_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "shards_support.h"

enum { SMALL = 100, PATTERN = 7, OWNER = 77 };

struct freer {
	struct pool_fixture *f;
	const struct shard_cpus *cpus;
	xv_handle handle;
	atomic_int done; /* 1: it returned 0 */
};

static void *free_there(void *context)
{
	struct freer *freer = context;

	shard_cpus_use(freer->cpus, 1);
	atomic_store(&freer->done, xv_free(freer->f->pool, freer->handle) == 0 ? 1 : -1);
	return NULL;
}

/* The object, of the first shard, is freed from the second while the first is locked. */
static void leave_a_free(struct pool_fixture *f, const struct shard_cpus *cpus, xv_handle handle)
{
	struct freer freer = {.f = f, .cpus = cpus, .handle = handle};
	pthread_t thread;

	xv_pool_lock_all(f->pool);
	assert_int_equal(pthread_create(&thread, NULL, free_there, &freer), 0);
	while (atomic_load(&freer.done) == 0)
		sched_yield();
	xv_pool_unlock_all(f->pool);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&freer.done), 1);
}

/* Of one piece, with an owner or without. */
static size_t most(const struct pool_fixture *f)
{
	return fixture_object_max(f) - 16;
}

/* Nothing is left but what `victim` has, an object of a page: no hole, no spare memory. */
static void fill_to_the_limit(struct pool_fixture *f, xv_handle *victim)
{
	xv_handle handle;

	*victim = fixture_malloc(f, most(f));
	(void)xv_pool_trim(f->pool);
	xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
	for (unsigned i = 0; i < 8; i++) {
		while (xv_malloc(f->pool, (size_t)SMALL << (7 - i), &handle) == 0)
			;
	}
}

static xv_handle patterned(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, SMALL);

	fixture_fill(f, handle, PATTERN);
	return handle;
}

static void a_free_that_was_left_makes_room(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	xv_handle handle, victim;
	uint64_t failures;

	open_two(f, &cpus, 0);
	handle = patterned(f);
	fill_to_the_limit(f, &victim);
	failures = fixture_stats(f).failures;
	assert_int_equal(xv_realloc(f->pool, &handle, most(f)), -XV_ENOSPC);
	assert_int_equal(fixture_stats(f).failures, failures + 1);
	leave_a_free(f, &cpus, victim);
	assert_int_equal(xv_realloc(f->pool, &handle, most(f)), 0);
	assert_int_equal(fixture_stats(f).failures, failures + 1);
	fixture_check(f);
	shard_cpus_close(&cpus);
}

/* The second shard has room, in a page that it keeps. */
static void an_object_moves_to(struct pool_fixture *f, uint32_t flags, size_t alignment)
{
	size_t half = f->page_bytes / 2;
	struct xv_pool_stats before, after;
	struct shard_cpus cpus;
	xv_handle handle, other, victim;
	uint32_t owner;

	open_two(f, &cpus, flags);
	shard_cpus_use(&cpus, 1);
	(void)fixture_malloc(f, half / 2);
	other = fixture_malloc(f, half);
	shard_cpus_use(&cpus, 0);
	assert_int_equal(xv_malloc_aligned(f->pool, SMALL, alignment, &handle), 0);
	fixture_fill(f, handle, PATTERN);
	if ((flags & XV_POOL_OWNERS) != 0)
		assert_int_equal(xv_set_owner(f->pool, handle, OWNER), 0);
	fill_to_the_limit(f, &victim);
	fixture_free(f, other);
	before = fixture_stats(f);
	assert_int_equal(xv_realloc(f->pool, &handle, half - 512), 0);
	after = fixture_stats(f);
	assert_int_equal(after.mallocs, before.mallocs);
	assert_int_equal(after.frees, before.frees);
	assert_int_equal(xv_handle_offset(handle) % alignment, 0);
	if ((flags & XV_POOL_OWNERS) != 0) {
		assert_int_equal(xv_get_owner(f->pool, handle, &owner), 0);
		assert_int_equal(owner, OWNER);
	}
	assert_int_equal(xv_realloc(f->pool, &handle, SMALL), 0);
	fixture_verify(f, handle, SMALL, PATTERN);
	fixture_check(f);
	shard_cpus_close(&cpus);
}

static void room_in_another_shard_is_found(struct pool_fixture *f)
{
	an_object_moves_to(f, 0, 4);
	an_object_moves_to(f, TEST_KEYED, 4);
	an_object_moves_to(f, XV_POOL_OWNERS, 4);
}

static void an_alignment_stays_in_another_shard(struct pool_fixture *f)
{
	for (size_t alignment = 8; alignment <= 256; alignment *= 2) {
		an_object_moves_to(f, 0, alignment);
		an_object_moves_to(f, XV_POOL_SPLIT, alignment);
	}
}

/* The second shard keeps memory that it does not need; a chain cannot move there. */
static void spare_memory_of_another_shard_is_found(struct pool_fixture *f)
{
	size_t half = f->page_bytes / 2;
	struct shard_cpus cpus;
	xv_handle handle, other, victim;

	if (f->page_bytes < 1 << 16 || fixture_grain_bytes(f) > 4096)
		return; /* nothing is spare, or too little */
	open_two(f, &cpus, XV_POOL_SPLIT);
	shard_cpus_use(&cpus, 1);
	(void)fixture_malloc(f, half / 2);
	other = fixture_malloc(f, half);
	shard_cpus_use(&cpus, 0);
	handle = fixture_malloc(f, 4 * half);
	fixture_fill(f, handle, PATTERN);
	fill_to_the_limit(f, &victim);
	assert_int_equal(xv_realloc(f->pool, &handle, 4 * half + half / 2), -XV_ENOSPC);
	fixture_free(f, other);
	assert_int_equal(xv_realloc(f->pool, &handle, 4 * half + half / 2), 0);
	assert_int_equal(xv_realloc(f->pool, &handle, 4 * half), 0);
	fixture_verify(f, handle, 4 * half, PATTERN);
	fixture_check(f);
	shard_cpus_close(&cpus);
}

/* By its address. */
static void xv_resize_finds_room_too(struct pool_fixture *f)
{
	size_t half = f->page_bytes / 2;
	struct shard_cpus cpus;
	xv_handle other, victim;
	void *ptr;

	open_two(f, &cpus, 0);
	shard_cpus_use(&cpus, 1);
	(void)fixture_malloc(f, half / 2);
	other = fixture_malloc(f, half);
	shard_cpus_use(&cpus, 0);
	ptr = xv_alloc(f->pool, SMALL);
	assert_non_null(ptr);
	fill_to_the_limit(f, &victim);
	fixture_free(f, other);
	ptr = xv_resize(f->pool, ptr, half - 512);
	assert_non_null(ptr);
	assert_int_equal(xv_object_size(f->pool, xv_handle_of(f->pool, ptr)), (int)half - 512);
	shard_cpus_close(&cpus);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_free_that_was_left_makes_room, ON_MMAP),
	POOL_TEST(room_in_another_shard_is_found, ON_MMAP),
	POOL_TEST(an_alignment_stays_in_another_shard, ON_MMAP),
	POOL_TEST(spare_memory_of_another_shard_is_found, ON_MMAP),
	POOL_TEST(xv_resize_finds_room_too, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_shards_realloc", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
