/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Codecs' contexts: they count as held, stay within the hard limit, and go when they are idle.
 */
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "test_ramz_support.h"

enum { THREADS = 6, BIG_PAGE = 65536 };

struct writer {
	pthread_t thread;
	struct ramz *store;
	pthread_barrier_t *barrier;
	uint64_t index;
};

static void *writer_run(void *context)
{
	struct writer *writer = context;
	unsigned char *page = malloc(BIG_PAGE);

	for (uint64_t i = 0; i < 30; i++) {
		/* All begin at once, so that each has a context of its own. */
		pthread_barrier_wait(writer->barrier);
		page_partly_random(page, BIG_PAGE, BIG_PAGE / 2, writer->index * 100 + i);
		assert_int_equal(ramz_write_page(writer->store, writer->index, page), 0);
		assert_int_equal(ramz_read_page(writer->store, writer->index, page), 0);
	}
	free(page);
	return NULL;
}

static void run_writers(struct ramz *store)
{
	struct writer writers[THREADS];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uint64_t i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){.store = store, .barrier = &barrier, .index = i};
		assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]),
				 0);
	}
	for (uint64_t i = 0; i < THREADS; i++)
		pthread_join(writers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static uint64_t malloced_bytes(void)
{
#if defined(__GLIBC__)
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

/* A sanitizer or Valgrind has a malloc of its own, which the C library does not count. */
static bool malloc_is_counted(void)
{
	uint64_t before = malloced_bytes(), bytes;
	void *volatile block = malloc(BIG_PAGE);

	bytes = malloced_bytes() - before;
	free(block);
	return bytes >= BIG_PAGE;
}

/* What malloc keeps beside what it gives, of large blocks to the end of an OS page, and threads'
 * leavings of the C library. */
static void assert_near(uint64_t own, uint64_t taken)
{
	uint64_t slack = taken / 16 + 16 * (uint64_t)sysconf(_SC_PAGESIZE);

	assert_in_range(own, taken > slack ? taken - slack : 0, taken + taken / 16);
}

static void codecs_contexts_are_counted(void **state)
{
	const char *names[] = {"lz4", "lzo", "zstd"};
	const int32_t levels[] = {12, 1, 19};

	(void)state;
	if (!malloc_is_counted())
		skip();
	for (size_t i = 0; i < 3; i++) {
		struct ramz_options options;
		struct ramz_stats stats, after;
		uint64_t before = malloced_bytes(), own, taken;
		struct ramz *store;

		store_options(&options, 1);
		options.page_bytes = BIG_PAGE;
		options.size_bytes = (uint64_t)BIG_PAGE * 64;
		options.codec = ramz_codec_by_name(names[i]);
		options.level = levels[i];
		if (options.codec == NULL)
			continue;
		assert_int_equal(ramz_create(&store, &options), 0);
		run_writers(store);
		stats = store_stats(store);
		taken = malloced_bytes() - before;
		own = stats.held_bytes - stats.pool.held_bytes;
		assert_near(own, taken);
		(void)ramz_trim(store);
		after = store_stats(store);
		assert_true(after.thread_bytes < stats.thread_bytes);
		taken = malloced_bytes() - before;
		own = after.held_bytes - after.pool.held_bytes;
		assert_near(own, taken);
		store_close(store);
	}
}

/* Six threads with contexts of more than a MiB each, under a limit of 16 MiB. */
static void codecs_contexts_are_bound_by_the_limit(void **state)
{
	struct ramz_options options;
	struct ramz_stats stats;
	struct ramz *store;

	(void)state;
	store_options(&options, 1);
	options.page_bytes = BIG_PAGE;
	options.size_bytes = (uint64_t)BIG_PAGE * 64;
	options.codec = ramz_codec_by_name("zstd");
	options.level = 19;
	options.hard_limit_bytes = 16 << 20;
	if (options.codec == NULL)
		skip();
	assert_int_equal(ramz_create(&store, &options), 0);
	run_writers(store);
	stats = store_stats(store);
	assert_true(stats.thread_bytes > 1 << 20);
	assert_true(stats.held_bytes <= options.hard_limit_bytes);
	store_close(store);
}

/* The context of one thread is given up for another's page. */
static void *write_one(void *context)
{
	struct ramz *store = context;
	unsigned char page[PAGE];

	page_partly_random(page, PAGE, 2000, 5);
	assert_int_equal(ramz_write_page(store, 0, page), 0);
	return NULL;
}

static void idle_contexts_go_before_a_write_is_refused(void **state)
{
	struct ramz_options options;
	struct ramz *store;
	unsigned char page[PAGE];
	pthread_t thread;
	uint64_t limit, held;

	(void)state;
	store_options(&options, 4096);
	options.codec = ramz_codec_by_name("zstd");
	options.level = 19;
	if (options.codec == NULL)
		skip();
	limit = ramz_least_limit(&options) + 100 * PAGE;
	options.hard_limit_bytes = limit;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_one, store), 0);
	pthread_join(thread, NULL);
	held = store_stats(store).thread_bytes;
	usleep(300000);
	/* Raw pages from now on: the context of zstd is of use to nobody. */
	assert_int_equal(ramz_set_codec(store, ramz_codec_by_name("none"), 0), 0);
	for (uint64_t i = 1; i < 4096; i++) {
		page_partly_random(page, PAGE, PAGE, i);
		if (ramz_write_page(store, i, page) != 0)
			break;
	}
	assert_true(store_stats(store).thread_bytes < held);
	assert_true(store_stats(store).pages_stored > 140);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_contexts_are_counted),
		cmocka_unit_test(codecs_contexts_are_bound_by_the_limit),
		cmocka_unit_test(idle_contexts_go_before_a_write_is_refused),
	};

	return cmocka_run_group_tests_name("ramz contexts", tests, NULL, NULL);
}
