/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_quit.c: signals that end nbdkit are noticed, and still do what they did.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "quit.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]), SIGNALS_MAX = 64 };

static volatile sig_atomic_t calls[SIGNALS_MAX];

static void count_call(int number)
{
	calls[number]++;
	errno = ERANGE;
}

static void handle_all(void (*handler)(int))
{
	for (size_t i = 0; i < SIGNALS; i++) {
		struct sigaction action = {.sa_handler = handler};

		assert_int_equal(sigaction(signals[i], &action, NULL), 0);
		calls[signals[i]] = 0;
	}
}

static bool has_handler(int number, void (*handler)(int))
{
	struct sigaction action;

	assert_int_equal(sigaction(number, NULL, &action), 0);
	return action.sa_handler == handler;
}

static void signals_are_noticed_and_reach_their_handlers(void **state)
{
	(void)state;
	handle_all(count_call);
	assert_int_equal(rzn_quit_watch(), 0);
	for (size_t i = 0; i < SIGNALS; i++) {
		errno = EDOM;
		assert_int_equal(raise(signals[i]), 0);
		assert_int_equal(errno, EDOM);
		for (size_t k = 0; k < SIGNALS; k++)
			assert_int_equal(calls[signals[k]], k <= i);
		assert_int_equal(rzn_quit_wait(0), RZN_QUIT_SIGNAL);
		assert_int_equal(rzn_quit_wait(0), RZN_QUIT_NOT);
	}
	rzn_quit_unwatch();
	for (size_t i = 0; i < SIGNALS; i++)
		assert_true(has_handler(signals[i], count_call));
}

static void signals_without_a_handler_stay_so(void **state)
{
	static void (*const handlers[])(int) = {SIG_DFL, SIG_IGN};

	(void)state;
	for (size_t h = 0; h < 2; h++) {
		handle_all(handlers[h]);
		assert_int_equal(rzn_quit_watch(), 0);
		for (size_t i = 0; i < SIGNALS; i++)
			assert_true(has_handler(signals[i], handlers[h]));
		rzn_quit_unwatch();
		for (size_t i = 0; i < SIGNALS; i++)
			assert_true(has_handler(signals[i], handlers[h]));
	}
	handle_all(SIG_DFL);
}

static void a_watch_that_ended_restores_nothing_again(void **state)
{
	(void)state;
	handle_all(count_call);
	assert_int_equal(rzn_quit_watch(), 0);
	rzn_quit_unwatch();
	handle_all(SIG_IGN);
	rzn_quit_unwatch();
	for (size_t i = 0; i < SIGNALS; i++)
		assert_true(has_handler(signals[i], SIG_IGN));
	handle_all(SIG_DFL);
}

static void what_is_told_is_told_apart_and_waited_for(void **state)
{
	struct timespec before, after;
	int64_t waited_ms;

	(void)state;
	assert_int_equal(rzn_quit_watch(), 0);
	rzn_quit_tell();
	assert_int_equal(rzn_quit_wait(-1), RZN_QUIT_TOLD);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(rzn_quit_wait(50), RZN_QUIT_NOT);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	waited_ms = (int64_t)(after.tv_sec - before.tv_sec) * 1000 +
		    (after.tv_nsec - before.tv_nsec) / 1000000;
	assert_true(waited_ms >= 49);
	rzn_quit_unwatch();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_are_noticed_and_reach_their_handlers),
		cmocka_unit_test(signals_without_a_handler_stay_so),
		cmocka_unit_test(a_watch_that_ended_restores_nothing_again),
		cmocka_unit_test(what_is_told_is_told_apart_and_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
