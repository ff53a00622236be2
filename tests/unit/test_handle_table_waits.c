/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_handle_table_waits.c: what waits for calls that run on an id. Long copies let the pool's
 * mutex go in between, and are stopped there (the linker's --wrap). May call: public headers,
 * threads. An alarm ends calls that wait for each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <xvmalloc/handle_table.h>
#include <xvmalloc/provider_mmap.h>

enum { BYTES = 100000, READERS = 63, ALARM_S = 100, LOOK_MS = 150 };

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static _Thread_local bool stops; /* this thread, at its next unlock */
static atomic_int stopped;       /* threads that did */
static atomic_int may_go_on;

static void sleep_ms(long ms)
{
	struct timespec time = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&time, NULL);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int err = __real_pthread_mutex_unlock(mutex);

	if (stops) {
		stops = false;
		atomic_fetch_add(&stopped, 1);
		while (!atomic_load(&may_go_on))
			sleep_ms(1);
	}
	return err;
}

static struct xv_provider *provider;
static struct xv_handle_table *table;
static xv_id id;

static void open_table(void)
{
	struct xv_handle_table_options options;

	(void)alarm(ALARM_S);
	atomic_store(&stopped, 0);
	atomic_store(&may_go_on, 0);
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	xv_handle_table_options_init(&options);
	options.pool.lock = XV_LOCK_MUTEX;
	options.pool.shards = 1;
	assert_int_equal(xv_handle_table_create(&table, provider, &options), 0);
	assert_int_equal(xv_id_malloc(table, BYTES, &id), 0);
}

static void close_table(void)
{
	assert_int_equal(xv_handle_table_check(table, XV_CHECK_DEEP, NULL), 0);
	xv_handle_table_destroy(table);
	xv_provider_mmap_destroy(provider);
	(void)alarm(0);
}

/* ---- calls in threads ---- */

struct call {
	pthread_t thread;
	int (*make)(void);
	bool stops;
	atomic_int done;
	int err;
};

static void *call_thread(void *context)
{
	struct call *call = context;

	stops = call->stops;
	call->err = call->make();
	stops = false;
	atomic_store(&call->done, 1);
	return NULL;
}

static void call_start(struct call *call)
{
	atomic_init(&call->done, 0);
	assert_int_equal(pthread_create(&call->thread, NULL, call_thread, call), 0);
}

static void call_end(struct call *call, int wanted)
{
	assert_int_equal(pthread_join(call->thread, NULL), 0);
	assert_int_equal(call->err, wanted);
}

static int read_all(void)
{
	char *bytes = malloc(BYTES);
	int err = xv_id_read(table, id, 0, bytes, BYTES);

	free(bytes);
	return err;
}

static int read_one(void)
{
	char byte;

	return xv_id_read(table, id, 0, &byte, 1);
}

static int free_it(void)
{
	return xv_id_free(table, id);
}

static int resize_it(void)
{
	return xv_id_realloc(table, id, 3 * BYTES);
}

static void await_stopped(int count)
{
	while (atomic_load(&stopped) < count)
		sleep_ms(1);
}

/* Each call, on an id that no other thread uses. */
static void calls_on_another_id_do_not_wait(void)
{
	struct xv_id_mapping mapping;
	unsigned char bytes[100] = {0};
	xv_id other;

	assert_int_equal(xv_id_malloc(table, 1000, &other), 0);
	assert_int_equal(xv_id_write(table, other, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(xv_id_read(table, other, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(xv_id_realloc(table, other, 700), 0);
	assert_int_equal(xv_id_size(table, other), 700);
	assert_int_equal(xv_id_map(table, other, &mapping), 0);
	assert_int_equal(xv_id_unmap(table, &mapping), 0);
	assert_int_equal(xv_id_free(table, other), 0);
	assert_int_equal(xv_id_size(table, other), -XV_EINVAL);
}

/* ---- tests ---- */

static void a_free_waits_for_calls_on_its_id(void **unused)
{
	static int (*const waits[])(void) = {free_it, resize_it};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct call reader = {.make = read_all, .stops = true};
		struct call waiting = {.make = waits[i]}, later = {.make = read_one};
		struct xv_compact_report report;

		open_table();
		call_start(&reader);
		await_stopped(1);
		call_start(&waiting);
		sleep_ms(LOOK_MS);
		assert_int_equal(atomic_load(&waiting.done), 0);
		call_start(&later);
		sleep_ms(LOOK_MS);
		assert_int_equal(atomic_load(&later.done), 0);
		/* Compaction and calls on other ids do not wait. */
		assert_int_equal(xv_handle_table_compact(table, 0, &report), 0);
		calls_on_another_id_do_not_wait();
		assert_int_equal(atomic_load(&reader.done), 0);
		assert_int_equal(atomic_load(&waiting.done), 0);
		atomic_store(&may_go_on, 1);
		call_end(&reader, 0);
		call_end(&waiting, 0);
		call_end(&later, i == 0 ? -XV_EINVAL : 0);
		close_table();
	}
}

static void sixty_three_reads_of_one_id_run_at_once(void **unused)
{
	static struct call readers[READERS + 1];

	(void)unused;
	open_table();
	for (size_t i = 0; i <= READERS; i++) {
		readers[i] = (struct call){.make = read_all, .stops = true};
		call_start(&readers[i]);
		await_stopped(i < READERS ? (int)i + 1 : READERS);
	}
	sleep_ms(LOOK_MS);
	assert_int_equal(atomic_load(&stopped), READERS);
	atomic_store(&may_go_on, 1);
	for (size_t i = 0; i <= READERS; i++)
		call_end(&readers[i], 0);
	close_table();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_waits_for_calls_on_its_id),
		cmocka_unit_test(sixty_three_reads_of_one_id_run_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
