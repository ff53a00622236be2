/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A real-time thread that waits for a writer on its own CPU lets it run. Skipped where the right to
 * real-time priorities is missing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "test_ramz_support.h"

#define WORK_NS UINT64_C(100000000)

static _Atomic bool compressing;

static uint64_t thread_cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void *slow_create(size_t page_bytes, int32_t level)
{
	(void)level;
	return malloc(page_bytes);
}

static int slow_compress(void *context, const void *src, size_t src_bytes, void *dst,
			 size_t dst_bytes)
{
	uint64_t begun = thread_cpu_ns();

	(void)context;
	(void)src;
	(void)src_bytes;
	(void)dst;
	(void)dst_bytes;
	atomic_store(&compressing, true);
	while (thread_cpu_ns() - begun < WORK_NS)
		;
	return 0;
}

static int slow_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			   size_t dst_bytes)
{
	(void)context;
	(void)src;
	(void)src_bytes;
	(void)dst;
	(void)dst_bytes;
	return -XV_EBADMSG;
}

static const struct ramz_codec slow = {
	.name = "slow",
	.id = 1000,
	.context_create = slow_create,
	.context_destroy = free,
	.compress = slow_compress,
	.decompress = slow_decompress,
};

static void *write_slowly(void *context)
{
	struct ramz *store = context;
	unsigned char page[PAGE];

	page_partly_random(page, PAGE, PAGE, 1);
	assert_int_equal(ramz_write_page(store, 0, page), 0);
	return NULL;
}

/* Waits for the writer; *context becomes the processor's time that the waiting took. */
static void *trim(void *context)
{
	struct ramz **store = context;
	static uint64_t used_ns;

	(void)ramz_trim(*store);
	used_ns = thread_cpu_ns();
	return &used_ns;
}

/* Keep this thread, and those that it makes, on a CPU. */
static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void a_realtime_thread_sleeps_while_it_waits(void **state)
{
	struct sched_param first = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
	pthread_attr_t realtime;
	pthread_t writer, trimmer;
	struct ramz_options options;
	struct ramz *store;
	int cpu = sched_getcpu();
	void *used_ns;

	(void)state;
	pthread_attr_init(&realtime);
	if (cpu < 0 || pin(cpu) != 0)
		skip();
	pthread_attr_setinheritsched(&realtime, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&realtime, SCHED_FIFO);
	pthread_attr_setschedparam(&realtime, &first);
	store_options(&options, 8);
	options.codec = &slow;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_slowly, store), 0);
	while (!atomic_load(&compressing))
		sched_yield();
	if (pthread_create(&trimmer, &realtime, trim, &store) != 0) {
		pthread_join(writer, NULL);
		ramz_destroy(store);
		skip();
	}
	pthread_join(trimmer, &used_ns);
	pthread_join(writer, NULL);
	/* Not a time on the clock, but of the processor: less than the writer needed to be done. */
	assert_true(*(uint64_t *)used_ns < WORK_NS / 2);
	store_close(store);
	pthread_attr_destroy(&realtime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_realtime_thread_sleeps_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
