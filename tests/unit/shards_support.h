/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shards_support.h: for tests of pools with several shards: a thread picks its shard by
 * the CPU that it runs on, so a test that moves a thread to another CPU moves it to
 * another shard.
 *
 *	struct shard_cpus cpus;
 *
 *	shard_cpus_open(&cpus, 2);          skips the test where there is one CPU only
 *	shard_cpus_use(&cpus, 1);           what follows runs in the second shard
 *	shard_cpus_close(&cpus);
 *
 * The file that includes it defines _GNU_SOURCE first. Owns the calling thread's
 * affinity until it is closed; a test that fails in between leaves it changed, and the
 * next one begins with what the process had. Locking: none. O(CPUs).
 */
#ifndef SHARDS_SUPPORT_H
#define SHARDS_SUPPORT_H

#include "pool_fixture.h"

#include <sched.h>
#ifdef _WIN32
#define NOGDI /* its names are those of tests */
#include <windows.h>
#endif

enum { SHARD_CPUS = 2, SHARD_PAGES = 256 };

#ifdef __linux__

struct shard_cpus {
	cpu_set_t all;
	unsigned cpu[SHARD_CPUS]; /* two that are in different shards */
};

/* What the process was started with. */
static inline const cpu_set_t *shard_cpus_all(void)
{
	static cpu_set_t all;

	if (CPU_COUNT(&all) == 0)
		assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	return &all;
}

/* Run on one of the two from now on. */
static inline void shard_cpus_use(const struct shard_cpus *cpus, unsigned which)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpus->cpu[which % SHARD_CPUS], &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static inline void shard_cpus_close(const struct shard_cpus *cpus)
{
	assert_int_equal(sched_setaffinity(0, sizeof(cpus->all), &cpus->all), 0);
}

/* Find two CPUs of different shards, where the pool has so many; run on the first. */
static inline void shard_cpus_open(struct shard_cpus *cpus, unsigned shards)
{
	unsigned found = 0;

	cpus->all = *shard_cpus_all();
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && found < SHARD_CPUS; cpu++) {
		if (!CPU_ISSET(cpu, &cpus->all))
			continue;
		if (found == 0 || cpu % shards != cpus->cpu[0] % shards)
			cpus->cpu[found++] = cpu;
	}
	if (found < SHARD_CPUS)
		skip();
	shard_cpus_use(cpus, 0);
}

#elif defined(_WIN32)

struct shard_cpus {
	DWORD_PTR all;
	unsigned cpu[SHARD_CPUS]; /* two that are in different shards */
};

static inline void shard_cpus_use(const struct shard_cpus *cpus, unsigned which)
{
	DWORD_PTR one = (DWORD_PTR)1 << cpus->cpu[which % SHARD_CPUS];

	assert_true(SetThreadAffinityMask(GetCurrentThread(), one) != 0);
}

static inline void shard_cpus_close(const struct shard_cpus *cpus)
{
	assert_true(SetThreadAffinityMask(GetCurrentThread(), cpus->all) != 0);
}

static inline void shard_cpus_open(struct shard_cpus *cpus, unsigned shards)
{
	unsigned found = 0;
	DWORD_PTR system;

	assert_true(GetProcessAffinityMask(GetCurrentProcess(), &cpus->all, &system));
	for (unsigned cpu = 0; cpu < 8 * sizeof(cpus->all) && found < SHARD_CPUS; cpu++) {
		if ((cpus->all >> cpu & 1) == 0)
			continue;
		if (found == 0 || cpu % shards != cpus->cpu[0] % shards)
			cpus->cpu[found++] = cpu;
	}
	if (found < SHARD_CPUS)
		skip();
	shard_cpus_use(cpus, 0);
}

#else

struct shard_cpus {
	int none;
};

static inline void shard_cpus_use(const struct shard_cpus *cpus, unsigned which)
{
	(void)cpus;
	(void)which;
}

static inline void shard_cpus_close(const struct shard_cpus *cpus)
{
	(void)cpus;
}

static inline void shard_cpus_open(struct shard_cpus *cpus, unsigned shards)
{
	(void)cpus;
	(void)shards;
	skip();
}

#endif

/* A fresh pool of two shards; this thread is in the first. */
static inline void open_two(struct pool_fixture *f, struct shard_cpus *cpus, uint32_t flags)
{
	struct xv_pool_options options;

	shard_cpus_open(cpus, 2);
	fixture_options(f, &options);
	options_set_flags(&options, flags);
	options.shards = 2;
	fixture_remake(f, SHARD_PAGES, &options, 0);
	/* Both shards are made. */
	for (unsigned i = 0; i < SHARD_CPUS; i++) {
		shard_cpus_use(cpus, i);
		fixture_free(f, fixture_malloc(f, 100));
	}
	assert_int_equal(fixture_stats(f).shards, 2);
	shard_cpus_use(cpus, 0);
}

struct visits {
	uint32_t count;
	uint64_t bytes;
};

static inline int count_visit(void *context, xv_handle handle, size_t size)
{
	struct visits *visits = context;

	assert_int_not_equal(handle, XV_NULL_HANDLE);
	visits->count++;
	visits->bytes += size;
	return 0;
}

static inline struct visits visit_all(struct pool_fixture *f)
{
	struct visits visits = {0};

	assert_int_equal(xv_pool_walk(f->pool, count_visit, &visits), 0);
	return visits;
}

#endif
