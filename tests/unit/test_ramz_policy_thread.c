/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The policy's thread, and writers that wait for it at the hard limit.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test_ramz_policy.h"

static void writers_wait_for_the_thread_at_the_hard_limit(void **state)
{
	struct ramz *store = limited_store(0, 0);
	uint64_t half, limit;
	struct ramz_policy_stats stats;

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS / 2; slot++)
		put_text(store, slot, slot);
	half = store_stats(store).held_bytes;
	/* Room for 1.6 times as many pages as are there, in tier 0: in tier 2 all have room, with a
	 * dictionary or without. */
	limit = half + half * 6 / 10;
	assert_int_equal(ramz_set_limits(store, 0, limit), 0);
	set_policy(store, AGE_MS, 0);
	assert_int_equal(ramz_policy_start(store), 0);
	assert_int_equal(ramz_policy_start(store), 0);
	for (uint64_t slot = SLOTS / 2; slot < SLOTS; slot++) {
		put_text(store, slot, slot);
		assert_true(store_stats(store).held_bytes <= limit);
	}
	stats = policy_stats(store);
	assert_true(stats.running);
	assert_true(stats.recompressed > 0);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(stats.waits > 0, stats.wait_ns > 0);
	ramz_policy_stop(store);
	ramz_policy_stop(store);
	assert_false(policy_stats(store).running);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot);
	store_close(store);
}

static void write_until_refused(uint32_t wait_ms)
{
	struct ramz *store = limited_store(0, 0);
	struct ramz_policy policy;
	struct ramz_policy_stats stats;
	unsigned char page[PAGE];
	uint64_t slot = 0;
	int err = 0;

	ramz_policy_init(&policy);
	policy.wait_ms = wait_ms;
	assert_int_equal(ramz_set_limits(store, 0, 4 << 20), 0);
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	assert_int_equal(ramz_policy_start(store), 0);
	for (; err == 0 && slot < SLOTS; slot++) {
		page_partly_random(page, PAGE, PAGE, slot + 1); /* no codec helps */
		err = ramz_write_page(store, slot, page);
	}
	assert_int_equal(err, -XV_ENOSPC);
	stats = policy_stats(store);
	assert_int_equal(stats.refused, 1);
	assert_true(stats.waits >= 1 && stats.futile <= stats.waits);
	assert_true(stats.hard_shortages >= 1);
	/* With time enough, it ends since nothing is left to do. */
	assert_true(stats.futile >= 1 || wait_ms < 20000);
	/* Nobody waits any more, and there is room: the shortage ends. */
	ramz_policy_stop(store);
	assert_int_equal(ramz_discard(store, 0, ramz_size_bytes(store)), 0);
	assert_int_equal(ramz_policy_step(store, NULL), 0);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	assert_int_equal(ramz_policy_start(store), 0);
	assert_int_equal(ramz_set_policy(store, NULL), 0);
	stats = policy_stats(store);
	assert_false(stats.running);
	assert_int_equal(stats.shortage, RAMZ_SHORTAGE_NONE);
	assert_int_equal(stats.refused, 1); /* what was, stays */
	store_close(store);
}

static void a_write_that_cannot_be_helped_is_refused_in_time(void **state)
{
	(void)state;
	write_until_refused(50);
	write_until_refused(60000);
}

/* What pages may take of a limit: all but what is for the thread's work, while it runs. */
static uint64_t held_when_refused(uint64_t limit, bool thread)
{
	struct ramz *store = limited_store(0, 0);
	struct ramz_policy policy;
	unsigned char page[PAGE];
	uint64_t held;
	int err = 0;

	ramz_policy_init(&policy);
	policy.wait_ms = 1;
	policy.age_ms = DAY_MS;
	assert_int_equal(ramz_set_limits(store, 0, limit), 0);
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	if (thread)
		assert_int_equal(ramz_policy_start(store), 0);
	for (uint64_t slot = 0; err == 0 && slot < SLOTS; slot++) {
		page_partly_random(page, PAGE, PAGE, slot + 1);
		err = ramz_write_page(store, slot, page);
	}
	assert_int_equal(err, -XV_ENOSPC);
	held = store_stats(store).held_bytes;
	ramz_policy_stop(store);
	store_close(store);
	return held;
}

static void a_sixteenth_of_the_limit_is_for_the_thread(void **state)
{
	const uint64_t limit = 8 << 20, some = 160 << 10; /* a pool's page, and tables */

	(void)state;
	assert_in_range(held_when_refused(limit, false), limit - some, limit);
	/* The thread may take buffers of it. */
	assert_in_range(held_when_refused(limit, true), limit - limit / 16 - some,
			limit - limit / 32);
}

/* ---- a device whose writes take as long as the test likes ---- */

enum { SLOW_PAGE = 65536, SLOW_PAGES = 200, SLOW_SEGMENTS = 64 };

struct slow {
	struct ramz *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_writing;
	bool is_released;
	uint64_t slot; /* of the writer */
};

static int slow_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	(void)context, (void)offset, (void)dst, (void)bytes;
	return -EIO;
}

static int slow_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct slow *slow = context;

	(void)offset, (void)src, (void)bytes;
	(void)pthread_mutex_lock(&slow->lock);
	slow->is_writing = true;
	(void)pthread_cond_broadcast(&slow->changed);
	while (!slow->is_released)
		(void)pthread_cond_wait(&slow->changed, &slow->lock);
	(void)pthread_mutex_unlock(&slow->lock);
	return -EIO;
}

static int slow_put(struct slow *slow, uint64_t slot)
{
	static unsigned char page[SLOW_PAGE];

	page_partly_random(page, SLOW_PAGE, SLOW_PAGE / 2, slot + 1);
	return ramz_write_page(slow->store, slot, page);
}

static void *slow_writer(void *context)
{
	struct slow *slow = context;
	int err = slow_put(slow, slow->slot);

	/* Where OS pages are large, what the thread gives back may do. */
	assert_true(err == -XV_ENOSPC || err == 0);
	return NULL;
}

/* The limit allows one thread's buffers, which a write that waits does not use. */
static void a_call_does_not_wait_for_a_write_that_waits(void **state)
{
	static unsigned char page[SLOW_PAGE];
	struct slow slow = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	const struct ramz_backing device = {.context = &slow,
					    .size_bytes = SLOW_SEGMENTS * RAMZ_SEGMENT_BYTES,
					    .align_bytes = 1,
					    .read = slow_read,
					    .write = slow_write};
	struct ramz_options options;
	struct ramz_policy policy;
	pthread_t thread;

	(void)state;
	store_options(&options, 1);
	options.page_bytes = SLOW_PAGE;
	options.size_bytes = (uint64_t)SLOW_PAGES * SLOW_PAGE;
	options.hard_limit_bytes = ramz_least_limit(&options) + (1 << 20);
	assert_int_equal(ramz_create(&slow.store, &options), 0);
	assert_int_equal(ramz_attach(slow.store, &device), 0);
	while (slow_put(&slow, slow.slot) == 0)
		slow.slot++;
	assert_true(slow.slot > 0);
	ramz_policy_init(&policy);
	policy.wait_ms = 20000;
	assert_int_equal(ramz_set_policy(slow.store, &policy), 0);
	assert_int_equal(ramz_policy_start(slow.store), 0);
	assert_int_equal(pthread_create(&thread, NULL, slow_writer, &slow), 0);
	(void)pthread_mutex_lock(&slow.lock);
	while (!slow.is_writing)
		(void)pthread_cond_wait(&slow.changed, &slow.lock);
	(void)pthread_mutex_unlock(&slow.lock);
	while (policy_stats(slow.store).waits == 0)
		sleep_ms(1);
	for (uint64_t slot = 0; slot < slow.slot; slot++)
		assert_int_equal(ramz_read_page(slow.store, slot, page), 0);
	memset(page, 0, sizeof(page)); /* needs no memory */
	assert_int_equal(ramz_write_page(slow.store, 0, page), 0);
	assert_int_equal(ramz_mark_idle(slow.store), 0);
	assert_int_equal(policy_stats(slow.store).refused, 0); /* it still waits */
	(void)pthread_mutex_lock(&slow.lock);
	slow.is_released = true;
	(void)pthread_cond_broadcast(&slow.changed);
	(void)pthread_mutex_unlock(&slow.lock);
	pthread_join(thread, NULL);
	ramz_policy_stop(slow.store);
	store_close(slow.store);
}

/* ---- changes while it works ---- */

struct meddler {
	struct ramz *store;
	atomic_bool done;
};

static void *meddle(void *context)
{
	struct meddler *m = context;
	uint64_t seed = 5;

	while (!atomic_load(&m->done)) {
		switch (random_below(&seed, 6)) {
		case 0:
			set_policy(m->store, AGE_MS, (uint32_t)random_below(&seed, 3));
			break;
		case 1:
			assert_true(ramz_policy_start(m->store) <= 0);
			break;
		case 2:
			ramz_policy_stop(m->store);
			break;
		case 3:
			(void)ramz_policy_step(m->store, NULL);
			break;
		case 4:
			assert_int_equal(ramz_set_limits(m->store, random_below(&seed, 2) << 21, 0),
					 0);
			break;
		default:
			(void)policy_stats(m->store);
		}
	}
	return NULL;
}

static void it_may_be_set_and_stopped_while_it_works(void **state)
{
	struct meddler m = {.store = limited_store(0, 0)};
	pthread_t threads[2];

	(void)state;
	set_policy(m.store, AGE_MS, 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, meddle, &m), 0);
	for (uint64_t i = 0; i < 3; i++) {
		for (uint64_t slot = 0; slot < 1000; slot++)
			put_text(m.store, slot, slot + i);
		for (uint64_t slot = 0; slot < 1000; slot++)
			expect_text(m.store, slot, slot + i);
	}
	atomic_store(&m.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	store_check(m.store);
	ramz_destroy(m.store); /* ends the thread, where one runs */
}

struct setter {
	struct ramz *store;
	atomic_bool done;
};

static void *set_again_and_again(void *context)
{
	struct setter *s = context;

	while (!atomic_load(&s->done)) {
		set_policy(s->store, DAY_MS, 0);
		sleep_ms(1);
	}
	return NULL;
}

static void writers_wait_on_while_the_policy_is_set(void **state)
{
	struct setter s = {.store = limited_store(0, 0)};
	struct device *device;
	pthread_t thread;

	(void)state;
	device = give_device(s.store);
	set_policy(s.store, DAY_MS, 0);
	assert_int_equal(ramz_policy_start(s.store), 0);
	assert_int_equal(ramz_set_limits(s.store, 0, 3 << 20), 0);
	assert_int_equal(pthread_create(&thread, NULL, set_again_and_again, &s), 0);
	for (uint64_t i = 0; i < 3; i++)
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			store_put(s.store, slot, slot + i);
	atomic_store(&s.done, true);
	(void)pthread_join(thread, NULL);
	assert_true(policy_stats(s.store).waits > 0);
	assert_int_equal(policy_stats(s.store).refused, 0);
	ramz_policy_stop(s.store);
	end_device(s.store, device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_wait_for_the_thread_at_the_hard_limit),
		cmocka_unit_test(a_write_that_cannot_be_helped_is_refused_in_time),
		cmocka_unit_test(a_sixteenth_of_the_limit_is_for_the_thread),
		cmocka_unit_test(a_call_does_not_wait_for_a_write_that_waits),
		cmocka_unit_test(it_may_be_set_and_stopped_while_it_works),
		cmocka_unit_test(writers_wait_on_while_the_policy_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
