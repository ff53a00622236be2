/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Who waits for whom: a call is stopped inside its codec, and others are made meanwhile. An alarm
 * ends a test whose calls wait for each other.
 */
#include "test_ramz_gate.h"

#include <ramz/tiers.h>

#include <stdatomic.h>

enum { SLOTS = 16, ALARM_S = 100 };

struct call {
	struct ramz *store;
	int (*make)(struct ramz *store);
	atomic_int done;
	int err;
};

static void *call_thread(void *context)
{
	struct call *call = context;

	call->err = call->make(call->store);
	atomic_store(&call->done, 1);
	return NULL;
}

static void call_start(struct call *call, pthread_t *thread)
{
	atomic_init(&call->done, 0);
	assert_int_equal(pthread_create(thread, NULL, call_thread, call), 0);
}

static void call_end(struct call *call, pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(call->err, 0);
}

static void look_a_while(void)
{
	struct timespec a_while = {.tv_nsec = GATE_LOOK_MS * 1000000L};

	(void)nanosleep(&a_while, NULL);
}

static int write_first(struct ramz *store)
{
	unsigned char bytes[PAGE];

	gate_page(bytes, 1000);
	return ramz_write_page(store, 0, bytes);
}

static int read_first(struct ramz *store)
{
	unsigned char bytes[PAGE], old[PAGE], new[PAGE];
	int err = ramz_read_page(store, 0, bytes);

	gate_page(old, 0);
	gate_page(new, 1000);
	return err != 0                                                         ? err
	       : memcmp(bytes, old, PAGE) == 0 || memcmp(bytes, new, PAGE) == 0 ? 0
										: 1;
}

static struct ramz *open_filled(void)
{
	struct ramz *store = gate_store(SLOTS);

	(void)alarm(ALARM_S);
	for (uint64_t i = 0; i < SLOTS; i++)
		gate_put(store, i, i);
	return store;
}

static void end(struct ramz *store)
{
	store_close(store);
	(void)alarm(0);
}

/* ---- what does not wait ---- */

static void no_lock_is_held_while_a_page_is_compressed(void **unused)
{
	struct call writer = {.store = open_filled(), .make = write_first};
	struct ramz *store = writer.store;
	pthread_t thread;

	(void)unused;
	gate_close(GATE_COMPRESS);
	call_start(&writer, &thread);
	gate_await();
	/* Its page, and others; the settings. */
	gate_expect(store, 0, 0);
	gate_put(store, 0, 500);
	gate_expect(store, 0, 500);
	gate_put(store, 1, 501);
	gate_expect(store, 1, 501);
	assert_int_equal(ramz_discard(store, 2 * PAGE, PAGE), 0);
	assert_int_equal(ramz_compact(store, 0, NULL), 0);
	assert_int_equal(ramz_mark_idle(store), 0);
	assert_int_equal(ramz_set_codec(store, &gate_codec, 2), 0);
	assert_true(store_stats(store).pages_stored > 0);
	assert_int_equal(atomic_load(&writer.done), 0);
	gate_open();
	call_end(&writer, thread);
	gate_expect(store, 0, 1000);
	end(store);
}

/* The reader is inside the old page, and keeps it. What it kept goes with a later flush. */
static void a_reader_does_not_wait_for_a_writer_of_its_page(void **unused)
{
	struct call reader = {.store = open_filled(), .make = read_first};
	struct ramz *store = reader.store;
	pthread_t thread;

	(void)unused;
	gate_close(GATE_DECOMPRESS);
	call_start(&reader, &thread);
	gate_await();
	gate_expect(store, 0, 0); /* nor for another reader */
	gate_put(store, 0, 1000);
	gate_expect(store, 0, 1000);
	assert_int_equal(atomic_load(&reader.done), 0);
	gate_open();
	call_end(&reader, thread);
	end(store);
}

static void a_flush_frees_what_readers_held(void **unused)
{
	struct call reader = {.store = open_filled(), .make = read_first};
	struct ramz *store = reader.store;
	struct ramz_stats stats;
	pthread_t thread;

	(void)unused;
	gate_close(GATE_DECOMPRESS);
	call_start(&reader, &thread);
	gate_await();
	assert_int_equal(ramz_discard(store, 0, SLOTS * PAGE), 0);
	stats = store_stats(store);
	assert_int_equal(stats.pages_stored, 0);
	gate_open();
	call_end(&reader, thread);
	assert_int_equal(ramz_flush(store), 0);
	stats = store_stats(store);
	assert_int_equal(stats.pool.objects, 0);
	end(store);
}

/* ---- what waits ---- */

static int resize(struct ramz *store)
{
	return ramz_resize(store, 2 * SLOTS * PAGE);
}

static int trim(struct ramz *store)
{
	(void)ramz_trim(store);
	return 0;
}

static int set_limits(struct ramz *store)
{
	return ramz_set_limits(store, 0, 1 << 30);
}

static int check(struct ramz *store)
{
	return ramz_check(store, XV_CHECK_DEEP, NULL);
}

static void resize_reset_and_trim_wait_for_running_calls(void **unused)
{
	static int (*const waits[])(struct ramz *) = {resize, ramz_reset, trim, set_limits, check};

	(void)unused;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct call running = {.store = open_filled(), .make = read_first};
		struct call waiting = {.store = running.store, .make = waits[i]};
		struct call later = {.store = running.store, .make = write_first};
		pthread_t threads[3];

		gate_close(GATE_DECOMPRESS);
		call_start(&running, &threads[0]);
		gate_await();
		call_start(&waiting, &threads[1]);
		look_a_while();
		assert_int_equal(atomic_load(&waiting.done), 0);
		call_start(&later, &threads[2]);
		look_a_while();
		assert_int_equal(atomic_load(&later.done), 0);
		gate_open();
		call_end(&running, threads[0]);
		call_end(&waiting, threads[1]);
		call_end(&later, threads[2]);
		gate_expect(running.store, 0, 1000);
		end(running.store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_lock_is_held_while_a_page_is_compressed),
		cmocka_unit_test(a_reader_does_not_wait_for_a_writer_of_its_page),
		cmocka_unit_test(a_flush_frees_what_readers_held),
		cmocka_unit_test(resize_reset_and_trim_wait_for_running_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
