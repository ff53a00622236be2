/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The policy: what it does at which shortage, by steps and by its thread; and writers that wait for
 * it at the hard limit.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <ramz/policy.h>

#include "test_ramz_text.h"

enum { SLOTS = 4000, AGE_MS = 20, DAY_MS = 86400000 };

static void sleep_ms(long ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&time, NULL);
}

static struct ramz *limited_store(uint64_t soft, uint64_t hard)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, SLOTS);
	options.soft_limit_bytes = soft;
	options.hard_limit_bytes = hard;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(ramz_set_tier(store, 2, strong_codec(), 3), 0);
	return store;
}

static struct ramz_policy_stats policy_stats(struct ramz *store)
{
	struct ramz_policy_stats stats;

	assert_int_equal(ramz_get_policy_stats(store, &stats), 0);
	return stats;
}

static void set_policy(struct ramz *store, uint32_t age_ms, uint32_t cold_age)
{
	struct ramz_policy policy;

	ramz_policy_init(&policy);
	policy.age_ms = age_ms;
	policy.tier_age[2] = cold_age;
	policy.wait_ms = 60000; /* a training may take long here */
	assert_int_equal(ramz_set_policy(store, &policy), 0);
}

static void mark(struct ramz *store, uint32_t ages)
{
	for (uint32_t i = 0; i < ages; i++)
		assert_int_equal(ramz_mark_idle(store), 0);
}

/* Steps until nothing is due. */
static void run_steps(struct ramz *store)
{
	uint32_t wait_ms = 0;

	for (uint32_t i = 0; wait_ms == 0; i++) {
		assert_int_equal(ramz_policy_step(store, &wait_ms), 0);
		assert_true(i < 100000);
	}
}

/* Steps over so many ages. */
static void run_ages(struct ramz *store, uint64_t ages)
{
	uint64_t end = policy_stats(store).ages + ages;

	while (policy_stats(store).ages < end) {
		run_steps(store);
		sleep_ms(AGE_MS / 4);
	}
	run_steps(store);
}

static void pages_go_into_the_tier_when_they_are_old_enough(void **state)
{
	struct ramz *store = limited_store(0, 0);

	(void)state;
	for (uint64_t slot = 0; slot < 600; slot++)
		put_text(store, slot, slot);
	mark(store, 2);
	set_policy(store, DAY_MS, 3);
	run_steps(store);
	assert_int_equal(policy_stats(store).recompressed, 0);
	for (uint64_t slot = 0; slot < 100; slot++)
		expect_text(store, slot, slot);
	mark(store, 1);
	set_policy(store, DAY_MS, 3); /* which begins to look again */
	run_steps(store);
	assert_int_equal(policy_stats(store).recompressed, 500);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	assert_int_equal(policy_stats(store).compactions, 0);
	for (uint64_t slot = 0; slot < 600; slot++)
		expect_text(store, slot, slot);
	store_close(store);
}

static void without_ages_and_limits_nothing_is_recompressed(void **state)
{
	struct ramz *store = limited_store(0, 0);

	(void)state;
	for (uint64_t slot = 0; slot < 300; slot++)
		put_text(store, slot, slot);
	set_policy(store, AGE_MS, 0);
	run_ages(store, 3);
	assert_int_equal(policy_stats(store).recompressed, 0);
	assert_true(policy_stats(store).ages >= 3);
	store_close(store);
}

static void at_the_soft_limit_younger_and_younger_pages_go(void **state)
{
	struct ramz *store = limited_store(0, 0);
	uint64_t held;

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	mark(store, 1);
	set_policy(store, DAY_MS, 0); /* no age ends on the way */
	held = store_stats(store).held_bytes;
	assert_int_equal(ramz_set_limits(store, held - held / 8, 0), 0);
	run_steps(store);
	assert_true(store_stats(store).held_bytes < held - held / 8);
	/* Not all of them: it was enough. */
	assert_true(policy_stats(store).recompressed < SLOTS);
	assert_true(policy_stats(store).squeeze > 0 ||
		    policy_stats(store).shortage == RAMZ_SHORTAGE_NONE);
	/* A limit that cannot be had ends in rest, not in endless work. */
	assert_int_equal(ramz_set_limits(store, 1 << 20, 0), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_SOFT);
	assert_true(policy_stats(store).soft_shortages >= 1);
	assert_int_equal(policy_stats(store).hard_shortages, 0);
	assert_true(policy_stats(store).squeezes >= policy_stats(store).squeeze);
	assert_true(policy_stats(store).squeeze > 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot);
	store_close(store);
}

static void a_dictionary_is_trained_when_enough_pages_are_due(void **state)
{
	struct ramz *store = limited_store(0, 0);

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	set_policy(store, AGE_MS, 1);
	run_ages(store, 1);
	assert_int_equal(policy_stats(store).dictionaries, 1);
	assert_int_equal(policy_stats(store).recompressed, SLOTS);
	assert_true(tier_info(store, 2).dictionary_bytes > 0);
	run_ages(store, 2);
	assert_int_equal(policy_stats(store).trainings, 1);
	store_close(store);
}

static void what_goes_to_the_device_is_bounded(void **state)
{
	char path[] = "/tmp/xv-policy.XXXXXX";
	int fd = mkstemp(path);
	struct ramz *store = limited_store(0, 0);
	struct ramz_backing file;
	struct ramz_policy policy;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ramz_backing_file_open(&file, path, 64 * RAMZ_SEGMENT_BYTES, false), 0);
	assert_int_equal(ramz_attach(store, &file), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	mark(store, 2);
	ramz_policy_init(&policy);
	policy.age_ms = DAY_MS;
	policy.backing_age = 2;
	policy.day_bytes = 3 * RAMZ_SEGMENT_BYTES;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).written_bytes, 3 * RAMZ_SEGMENT_BYTES);
	assert_true(policy_stats(store).written_back > 0);
	assert_int_equal(policy_stats(store).held_back, 1);
	run_steps(store);
	assert_int_equal(policy_stats(store).held_back, 1);
	policy.day_bytes = 0;
	policy.all_bytes = 5 * RAMZ_SEGMENT_BYTES;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).written_bytes, 5 * RAMZ_SEGMENT_BYTES);
	assert_int_equal(policy_stats(store).held_back, 2);
	policy.all_bytes = 0;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	run_steps(store);
	assert_int_equal(store_stats(store).pages_backed, SLOTS);
	assert_int_equal(store_stats(store).bd_stat.bd_count, SLOTS);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot);
	assert_int_equal(store_stats(store).bd_stat.bd_reads, SLOTS);
	store_close(store);
	ramz_backing_file_close(&file);
	(void)close(fd);
	(void)unlink(path);
}

/* ---- pressure ---- */

static void put_pressure(const char *path, const char *avg10)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fprintf(file, "some avg10=%s avg60=0.00 avg300=0.00 total=1\n", avg10) > 0);
	assert_int_equal(fclose(file), 0);
}

static int step_later(struct ramz *store)
{
	int err;

	sleep_ms(1010); /* it looks once a second */
	err = ramz_policy_step(store, NULL);
	assert_int_equal(policy_stats(store).last_error, err);
	return err;
}

static void under_pressure_memory_is_short(void **state)
{
	char path[] = "/tmp/xv-pressure.XXXXXX";
	int fd = mkstemp(path);
	struct ramz *store = limited_store(0, 0);
	struct ramz_policy policy;
	uint32_t wait_ms;

	(void)state;
	assert_true(fd >= 0);
	for (uint64_t slot = 0; slot < 600; slot++)
		put_text(store, slot, slot);
	mark(store, 1);
	ramz_policy_init(&policy);
	policy.age_ms = DAY_MS;
	policy.pressure_percent = 10;
	policy.pressure_file = path;
	put_pressure(path, "9.99");
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).pressure, 999);
	assert_int_equal(policy_stats(store).recompressed, 0);
	put_pressure(path, "10.00");
	assert_int_equal(ramz_policy_step(store, &wait_ms), 0);
	assert_true(wait_ms > 0 && wait_ms <= 1001); /* when it will look again */
	assert_int_equal(policy_stats(store).pressures, 0);
	assert_int_equal(step_later(store), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_SOFT);
	assert_int_equal(policy_stats(store).pressures, 1);
	assert_int_equal(policy_stats(store).soft_shortages, 0);
	assert_int_equal(policy_stats(store).recompressed, 600);
	put_pressure(path, "5.00");
	assert_int_equal(step_later(store), 0);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_SOFT);
	put_pressure(path, "4.99");
	assert_int_equal(step_later(store), 0);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(step_later(store), -XV_ENOTSUP);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	/* What tells nothing is refused, and the policy stays. */
	assert_int_equal(ramz_set_policy(store, &policy), -XV_ENOTSUP);
	put_pressure(path, "20.00");
	assert_int_equal(step_later(store), 0);
	assert_int_equal(policy_stats(store).pressures, 2);
	policy.pressure_percent = 0; /* then nobody looks */
	policy.pressure_file = "/nowhere";
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	store_close(store);
	(void)close(fd);
	(void)unlink(path);
}

/* Without a tier's time for each page, and in full segments: only the last one may have dead space.
 */
static void at_the_hard_limit_the_device_comes_first(void **state)
{
	char path[] = "/tmp/xv-policy.XXXXXX";
	int fd = mkstemp(path);
	struct ramz *store = limited_store(0, 0);
	struct ramz_backing_stats stats;
	struct ramz_backing file;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ramz_backing_file_open(&file, path, 64 * RAMZ_SEGMENT_BYTES, false), 0);
	assert_int_equal(ramz_attach(store, &file), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	assert_int_equal(ramz_set_limits(store, 0, store_stats(store).held_bytes), 0);
	set_policy(store, DAY_MS, 0);
	run_steps(store);
	assert_int_equal(policy_stats(store).shortage, RAMZ_SHORTAGE_NONE);
	assert_int_equal(policy_stats(store).recompressed, 0);
	assert_true(policy_stats(store).written_back > 0);
	assert_int_equal(ramz_get_backing_stats(store, &stats), 0);
	assert_true(stats.live_bytes > stats.written_bytes - stats.written_bytes / 16);
	store_close(store);
	ramz_backing_file_close(&file);
	(void)close(fd);
	(void)unlink(path);
}

/* ---- the thread ---- */

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

	assert_int_equal(slow_put(slow, slow->slot), -XV_ENOSPC);
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

static void bad_policies_are_refused(void **state)
{
	struct ramz *store = store_open(10);
	struct ramz_policy policy;
	uint32_t wait_ms;

	(void)state;
	ramz_policy_init(&policy);
	assert_int_equal(ramz_policy_step(store, &wait_ms), -XV_EINVAL);
	assert_int_equal(ramz_policy_start(store), -XV_EINVAL);
	assert_int_equal(ramz_set_policy(NULL, &policy), -XV_EINVAL);
	policy.age_ms = 9;
	assert_int_equal(ramz_set_policy(store, &policy), -XV_EINVAL);
	ramz_policy_init(&policy);
	policy.tier_age[3] = RAMZ_AGE_MAX + 1;
	assert_int_equal(ramz_set_policy(store, &policy), -XV_EINVAL);
	ramz_policy_init(&policy);
	policy.pressure_percent = 101;
	assert_int_equal(ramz_set_policy(store, &policy), -XV_EINVAL);
	policy.pressure_percent = 1;
	policy.pressure_file = "/nowhere";
	assert_int_equal(ramz_set_policy(store, &policy), -XV_ENOTSUP);
	ramz_policy_init(&policy);
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	assert_int_equal(ramz_policy_step(store, &wait_ms), 0);
	assert_int_equal(ramz_set_policy(store, NULL), 0);
	assert_int_equal(ramz_policy_step(store, &wait_ms), -XV_EINVAL);
	ramz_policy_stop(store);
	ramz_policy_stop(NULL);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_go_into_the_tier_when_they_are_old_enough),
		cmocka_unit_test(without_ages_and_limits_nothing_is_recompressed),
		cmocka_unit_test(at_the_soft_limit_younger_and_younger_pages_go),
		cmocka_unit_test(a_dictionary_is_trained_when_enough_pages_are_due),
		cmocka_unit_test(what_goes_to_the_device_is_bounded),
		cmocka_unit_test(under_pressure_memory_is_short),
		cmocka_unit_test(at_the_hard_limit_the_device_comes_first),
		cmocka_unit_test(writers_wait_for_the_thread_at_the_hard_limit),
		cmocka_unit_test(a_write_that_cannot_be_helped_is_refused_in_time),
		cmocka_unit_test(a_call_does_not_wait_for_a_write_that_waits),
		cmocka_unit_test(it_may_be_set_and_stopped_while_it_works),
		cmocka_unit_test(bad_policies_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
