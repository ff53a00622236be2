/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Four threads on one locked pool: each has objects of its own and verifies their
 * contents; objects change hands; another thread counts, checks, trims, walks and
 * compacts meanwhile. Meant for the thread sanitizer too. May call: public headers.
 */
#include "pool_fixture.h"

#include <pthread.h>
#include <string.h>

#include "pattern.h"

enum { THREADS = 4, SLOTS = 24, ROUNDS = 1500, SHARED = 16, WATCHES = 40, OBJECT_BYTES_MAX = 2048 };

/* An object; in a pool with owners its number in the table is its owner. */
struct slot {
	xv_handle handle;
	uint32_t size;
	uint32_t pattern;
};

struct crew {
	struct xv_pool *pool;
	pthread_mutex_t lock; /* of the shared slots */
	struct slot shared[SHARED];
	unsigned failures;
};

struct worker {
	struct crew *crew;
	pthread_t thread;
	uint64_t random;
	unsigned char buffer[OBJECT_BYTES_MAX];
	struct slot slots[SLOTS];
	unsigned failures;
	uint32_t number;
};

static bool transient(int err)
{
	return err == -XV_ENOMEM || err == -XV_EAGAIN;
}

static void slot_make(struct worker *w, struct slot *slot)
{
	size_t size = 1 + random_below(&w->random, OBJECT_BYTES_MAX);
	int err = xv_malloc(w->crew->pool, size, &slot->handle);

	if (err != 0) {
		w->failures += !transient(err);
		slot->handle = XV_NULL_HANDLE;
		return;
	}
	slot->size = (uint32_t)size;
	slot->pattern = ++w->number;
	pattern_fill(w->buffer, size, slot->pattern);
	while ((err = xv_write(w->crew->pool, slot->handle, 0, w->buffer, size)) == -XV_EAGAIN)
		;
	w->failures += err != 0;
}

static void slot_verify(struct worker *w, const struct slot *slot)
{
	int err;

	memset(w->buffer, 0, slot->size);
	while ((err = xv_read(w->crew->pool, slot->handle, 0, w->buffer, slot->size)) == -XV_EAGAIN)
		;
	w->failures += err != 0 || !pattern_matches(w->buffer, slot->size, slot->pattern);
}

static void slot_map(struct worker *w, const struct slot *slot)
{
	void *ptr;
	int err = xv_map(w->crew->pool, slot->handle, &ptr);

	if (err != 0) {
		w->failures += err != -XV_EAGAIN;
		return;
	}
	w->failures += !pattern_matches(ptr, slot->size, slot->pattern);
	w->failures += xv_unmap(w->crew->pool, slot->handle, ptr) != 0;
}

static void slot_resize(struct worker *w, struct slot *slot)
{
	size_t size = 1 + random_below(&w->random, OBJECT_BYTES_MAX);
	int err = xv_realloc(w->crew->pool, &slot->handle, size);

	/* Another thread may have the page mapped. */
	if (err != 0) {
		w->failures += !transient(err) && err != -XV_EBUSY;
		return;
	}
	if (size > slot->size) {
		slot_verify(w, slot);
		pattern_fill(w->buffer, size, slot->pattern);
		while (xv_write(w->crew->pool, slot->handle, 0, w->buffer, size) == -XV_EAGAIN)
			;
	}
	slot->size = (uint32_t)size;
}

static void slot_free(struct worker *w, struct slot *slot)
{
	int err;

	slot_verify(w, slot);
	while ((err = xv_free(w->crew->pool, slot->handle)) == -XV_EAGAIN)
		;
	w->failures += err != 0;
	slot->handle = XV_NULL_HANDLE;
}

/* Give an object to whoever comes next, and take what lies there. */
static void slot_exchange(struct worker *w, struct slot *slot)
{
	struct slot *there = &w->crew->shared[random_below(&w->random, SHARED)];
	struct slot mine = *slot;

	pthread_mutex_lock(&w->crew->lock);
	*slot = *there;
	*there = mine;
	pthread_mutex_unlock(&w->crew->lock);
}

static void work_once(struct worker *w)
{
	struct slot *slot = &w->slots[random_below(&w->random, SLOTS)];

	if (slot->handle == XV_NULL_HANDLE) {
		slot_make(w, slot);
		return;
	}
	switch (random_below(&w->random, 6)) {
	case 0:
		slot_map(w, slot);
		break;
	case 1:
		slot_resize(w, slot);
		break;
	case 2:
		slot_exchange(w, slot);
		break;
	case 3:
		slot_verify(w, slot);
		break;
	default:
		slot_free(w, slot);
		break;
	}
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (size_t i = 0; i < ROUNDS; i++)
		work_once(w);
	for (size_t i = 0; i < SLOTS; i++) {
		if (w->slots[i].handle != XV_NULL_HANDLE)
			slot_free(w, &w->slots[i]);
	}
	return NULL;
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	(void)size;
	++*(size_t *)context;
	return 0;
}

/* What an observer may do at any time. */
static void *watch(void *argument)
{
	struct crew *crew = argument;
	struct xv_pool_stats stats;
	size_t visited = 0;
	int err;

	for (size_t i = 0; i < WATCHES; i++) {
		xv_pool_get_stats(crew->pool, &stats);
		err = xv_pool_check(crew->pool, i % 4 == 0 ? XV_CHECK_DEEP : XV_CHECK_QUICK, NULL);
		crew->failures += err != 0 && err != -XV_EAGAIN;
		err = xv_pool_walk(crew->pool, count_object, &visited);
		crew->failures += err != 0 && err != -XV_EAGAIN;
		(void)xv_pool_trim(crew->pool);
	}
	return NULL;
}

static void end_shared(struct crew *crew, struct worker *w)
{
	for (size_t i = 0; i < SHARED; i++) {
		if (crew->shared[i].handle != XV_NULL_HANDLE)
			slot_free(w, &crew->shared[i]);
	}
}

static void crew_works(struct pool_fixture *f, enum xv_lock_kind lock)
{
	static struct worker workers[THREADS];
	struct crew crew = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct xv_pool_options options;
	pthread_t watcher;

	fixture_options(f, &options);
	options.lock = lock;
	fixture_remake(f, 256, &options, 0);
	crew.pool = f->pool;
	memset(workers, 0, sizeof(workers));
	for (size_t i = 0; i < THREADS; i++) {
		workers[i].crew = &crew;
		workers[i].random = f->random + i;
		workers[i].number = (uint32_t)i << 24;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	assert_int_equal(pthread_create(&watcher, NULL, watch, &crew), 0);
	assert_int_equal(pthread_join(watcher, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	end_shared(&crew, &workers[0]);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(workers[i].failures, 0);
	assert_int_equal(crew.failures, 0);
	assert_int_equal(fixture_stats(f).objects, 0);
	assert_int_equal(fixture_stats(f).bad_handles, 0);
}

static void threads_under_a_mutex_keep_their_contents(struct pool_fixture *f)
{
	crew_works(f, XV_LOCK_MUTEX);
}

static void threads_under_a_spin_lock_keep_their_contents(struct pool_fixture *f)
{
	crew_works(f, XV_LOCK_SPIN);
}

static const struct pool_test tests[] = {
	POOL_TEST(threads_under_a_mutex_keep_their_contents, 0),
	POOL_TEST(threads_under_a_spin_lock_keep_their_contents, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_threads", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
