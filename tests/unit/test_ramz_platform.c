/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_platform.c: what ramz asks the system for. Yields and sleeps are the test's (the
 * linker's --wrap).
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "platform.h"

int __wrap_sched_yield(void);
int __wrap_nanosleep(const struct timespec *moment, struct timespec *rest);

static unsigned yields, sleeps;
static long slept_ns; /* the last time */

int __wrap_sched_yield(void)
{
	yields++;
	return 0;
}

int __wrap_nanosleep(const struct timespec *moment, struct timespec *rest)
{
	(void)rest;
	assert_int_equal(moment->tv_sec, 0);
	sleeps++;
	slept_ns = moment->tv_nsec;
	return 0;
}

/* At once, then yielding, then asleep: 20 us, twice as long each time, 1.3 ms at most. */
static void a_thread_that_waits_longer_takes_less_of_the_processor(void **state)
{
	long expected_ns = 20000;
	unsigned turns = 0;

	(void)state;
	while (yields == 0) {
		rzi_pause(&turns);
		assert_int_equal(sleeps, 0);
		assert_in_range(turns, 1, 64);
	}
	assert_int_equal(turns, 64);
	while (sleeps == 0) {
		rzi_pause(&turns);
		assert_in_range(turns, 65, 256);
	}
	assert_int_equal(yields, 192);
	for (unsigned i = 1; i < 1000; i++) {
		assert_int_equal(sleeps, i);
		assert_int_equal(slept_ns, expected_ns);
		if (expected_ns < 1000000)
			expected_ns *= 2;
		rzi_pause(&turns);
	}
	assert_int_equal(slept_ns, 1280000);
	assert_int_equal(yields, 192);
}

static void random_bytes_fill_their_place_and_no_more(void **state)
{
	static const size_t sizes[] = {16, 255, 256, 257, 5000};
	static unsigned char one[6000], two[6000];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i];

		memset(one, 0, sizeof(one));
		memset(two, 0, sizeof(two));
		assert_int_equal(rzi_random(one, bytes), 0);
		assert_int_equal(rzi_random(two, bytes), 0);
		/* The last eight bytes are 0 once in 2^64 times. */
		assert_memory_not_equal(one + bytes - 8, two + bytes - 8, 8);
		assert_memory_not_equal(one, two, 8);
		for (size_t k = bytes; k < sizeof(one); k++)
			assert_int_equal(one[k], 0);
	}
}

static void a_wait_ends_at_its_time(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	uint64_t until_ns = rzi_now_ns() + 30000000;
	pthread_cond_t condition;
	unsigned waits = 0;

	(void)state;
	assert_int_equal(rzi_condition_init(&condition), 0);
	assert_int_equal(pthread_mutex_lock(&lock), 0);
	while (rzi_now_ns() < until_ns) {
		rzi_condition_wait(&condition, &lock, until_ns);
		assert_in_range(++waits, 1, 1000); /* it does not return at once */
	}
	rzi_condition_wait(&condition, &lock, until_ns); /* and then it does */
	assert_int_equal(pthread_mutex_unlock(&lock), 0);
	assert_int_equal(pthread_cond_destroy(&condition), 0);
}

static void the_clock_is_the_systems_in_nanoseconds(void **state)
{
	struct timespec now;
	uint64_t before_ns, now_ns, after_ns;

	(void)state;
	before_ns = rzi_now_ns();
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	after_ns = rzi_now_ns();
	now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	assert_in_range(now_ns, before_ns, after_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_that_waits_longer_takes_less_of_the_processor),
		cmocka_unit_test(random_bytes_fill_their_place_and_no_more),
		cmocka_unit_test(a_wait_ends_at_its_time),
		cmocka_unit_test(the_clock_is_the_systems_in_nanoseconds),
	};

	return cmocka_run_group_tests_name("ramz_platform", tests, NULL, NULL);
}
