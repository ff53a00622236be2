/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Who holds a provider waits for operations that let the lock go, and for no later one. */
#include "provider_support.h"

#include "hold.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct shared {
	struct xvi_lock lock;
	struct xvi_hold hold;
	atomic_bool held;
	uint32_t released;
};

static void *hold_and_release(void *argument)
{
	struct shared *shared = argument;

	xvi_hold(&shared->hold, &shared->lock, 2);
	atomic_store(&shared->held, true);
	shared->released = xvi_hold_release(&shared->hold, &shared->lock);
	return NULL;
}

static bool hold_is_wanted(struct shared *shared)
{
	bool wanted;

	xvi_lock_acquire(&shared->lock);
	wanted = shared->hold.wanted;
	xvi_lock_release(&shared->lock);
	return wanted;
}

static void hold_waits_for_what_is_outside_and_lets_nothing_more_out(void **state)
{
	struct shared shared = {.released = 0};
	pthread_t thread;
	bool first, second;

	(void)state;
	assert_int_equal(xvi_lock_init(&shared.lock, XV_LOCK_DEFAULT), 0);
	xvi_lock_acquire(&shared.lock);
	first = xvi_hold_let_go(&shared.hold, &shared.lock);
	assert_true(first);
	assert_int_equal(pthread_create(&thread, NULL, hold_and_release, &shared), 0);
	while (!hold_is_wanted(&shared) && !atomic_load(&shared.held))
		sched_yield();
	assert_false(atomic_load(&shared.held));
	xvi_lock_acquire(&shared.lock);
	second = xvi_hold_let_go(&shared.hold, &shared.lock);
	assert_false(second);
	xvi_hold_take_again(&shared.hold, &shared.lock, second);
	xvi_lock_release(&shared.lock);
	assert_false(atomic_load(&shared.held));
	xvi_hold_take_again(&shared.hold, &shared.lock, first);
	xvi_lock_release(&shared.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(shared.released, 2);
	assert_false(shared.hold.wanted);
	xvi_lock_fini(&shared.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_waits_for_what_is_outside_and_lets_nothing_more_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
