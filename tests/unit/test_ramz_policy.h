/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_policy.h: a store with a tier and limits, and its policy.
 *
 * Owns nothing. May call: public headers, CMocka. Locking: none. O(1).
 */
#ifndef TEST_RAMZ_POLICY_H
#define TEST_RAMZ_POLICY_H

#include <time.h>

#include <ramz/backing.h>
#include <ramz/policy.h>

#include "test_ramz_log_device.h"
#include "test_ramz_text.h"

enum { SLOTS = 4000, AGE_MS = 20, DAY_MS = 86400000 };

static inline void sleep_ms(long ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&time, NULL);
}

static inline struct ramz *limited_store(uint64_t soft, uint64_t hard)
{
	const struct ramz_codec *strong = strong_codec();
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, SLOTS);
	options.soft_limit_bytes = soft;
	options.hard_limit_bytes = hard;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(ramz_set_tier(store, 2, strong, 3), 0);
	return store;
}

static inline struct ramz_policy_stats policy_stats(struct ramz *store)
{
	struct ramz_policy_stats stats;

	assert_int_equal(ramz_get_policy_stats(store, &stats), 0);
	return stats;
}

static inline void set_policy(struct ramz *store, uint32_t age_ms, uint32_t cold_age)
{
	struct ramz_policy policy;

	ramz_policy_init(&policy);
	policy.age_ms = age_ms;
	policy.tier_age[2] = cold_age;
	policy.wait_ms = 60000; /* a training may take long here */
	assert_int_equal(ramz_set_policy(store, &policy), 0);
}

static inline void mark(struct ramz *store, uint32_t ages)
{
	for (uint32_t i = 0; i < ages; i++)
		assert_int_equal(ramz_mark_idle(store), 0);
}

static inline struct device *give_device(struct ramz *store)
{
	struct device *device = device_make(64);

	assert_int_equal(ramz_attach(store, &device->backing), 0);
	return device;
}

static inline void end_device(struct ramz *store, struct device *device)
{
	store_close(store);
	device_free(device);
}

#endif
