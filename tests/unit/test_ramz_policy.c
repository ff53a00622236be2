/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The policy: what its steps do at which shortage.
 */
#include <unistd.h>

#include "test_ramz_policy.h"

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
	uint64_t stored;

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
	stored = store_stats(store).stored_bytes;
	set_policy(store, DAY_MS, 3); /* which begins to look again */
	run_steps(store);
	assert_int_equal(policy_stats(store).recompressed, 500);
	assert_true(policy_stats(store).saved_bytes > 0);
	assert_int_equal(policy_stats(store).saved_bytes, stored - store_stats(store).stored_bytes);
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
	assert_true(policy_stats(store).compactions > 0);
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

/* The pages of the last bucket of ages are due as well. */
static void the_oldest_pages_are_due(void **state)
{
	struct ramz *store = limited_store(0, 0);
	uint32_t oldest = ramz_age_floor(RAMZ_AGE_BUCKETS - 1);

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	for (uint32_t age = 0; age <= oldest; age++)
		assert_int_equal(ramz_mark_idle(store), 0);
	set_policy(store, AGE_MS, oldest);
	run_ages(store, 1);
	assert_int_equal(policy_stats(store).dictionaries, 1);
	assert_int_equal(policy_stats(store).recompressed, SLOTS);
	store_close(store);
}

/* Pages of which a few words are text and the rest is noise: a dictionary gains little. */
static void put_noise(struct ramz *store, uint64_t slot, uint64_t number)
{
	unsigned char page[PAGE], text[PAGE];

	page_partly_random(page, PAGE, PAGE, number + 1);
	text_fill(text, number);
	memcpy(page, text, PAGE / 3);
	assert_int_equal(ramz_write_page(store, slot, page), 0);
}

static void a_new_dictionary_is_trained_when_pages_gain_less(void **state)
{
	struct ramz *store = limited_store(0, 0);
	uint64_t number = 0, age;

	(void)state;
	set_policy(store, AGE_MS, 1);
	for (age = 0; age < 8 && policy_stats(store).trainings < 2; age++) {
		for (uint64_t slot = 0; slot < SLOTS; slot++, number++) {
			if (age < 4)
				put_text(store, slot, number);
			else
				put_noise(store, slot, number);
		}
		run_ages(store, 2);
	}
	/* The first ones gained as much as ever. */
	assert_in_range(age, 5, 8);
	assert_int_equal(policy_stats(store).trainings, 2);
	store_close(store);
}

/* The segments of pages that were written again are full of what the last checkpoint needs. */
static void a_device_full_of_an_old_checkpoint_gets_another(void **state)
{
	enum { PAGES = 1500 }; /* of what the device has room for */
	struct ramz *store = limited_store(0, 0);
	struct device *device;
	struct ramz_policy policy;

	(void)state;
	device = give_device(store);
	ramz_policy_init(&policy);
	policy.age_ms = DAY_MS;
	policy.backing_age = 1;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	for (uint64_t i = 0; i < 8 && policy_stats(store).checkpoints == 0; i++) {
		for (uint64_t slot = 0; slot < PAGES; slot++)
			put_noise(store, slot, i * PAGES + slot);
		mark(store, 1);
		assert_int_equal(ramz_set_policy(store, &policy), 0); /* which looks again */
		for (uint32_t wait_ms = 0; wait_ms == 0;)
			(void)ramz_policy_step(store, &wait_ms);
		if (i == 0)
			assert_int_equal(ramz_checkpoint(store), 0);
	}
	assert_true(policy_stats(store).checkpoints > 0);
	end_device(store, device);
}

static void what_goes_to_the_device_is_bounded(void **state)
{
	struct ramz *store = limited_store(0, 0);
	struct device *device;
	struct ramz_policy policy;

	(void)state;
	device = give_device(store);
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
	end_device(store, device);
}

/* ---- pressure ---- */

#if !defined(_WIN32)
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
#else
static void under_pressure_memory_is_short(void **state)
{
	struct ramz *store = limited_store(0, 0);
	struct ramz_policy policy;

	(void)state;
	ramz_policy_init(&policy);
	policy.pressure_percent = 10;
	assert_int_equal(ramz_set_policy(store, &policy), -XV_ENOTSUP); /* nothing tells it */
	store_close(store);
}
#endif

/* Without a tier's time for each page, and in full segments: only the last one may have dead space.
 */
static void at_the_hard_limit_the_device_comes_first(void **state)
{
	struct ramz *store = limited_store(0, 0);
	struct ramz_backing_stats stats;
	struct device *device;

	(void)state;
	device = give_device(store);
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
	end_device(store, device);
}

/* The policy has found that nothing is left to do, and nobody writes meanwhile. */
static void what_comes_while_it_rests_is_used(void **state)
{
	const struct ramz_codec *strong = strong_codec();
	struct ramz *store = store_open(SLOTS);
	struct device *device;
	uint64_t recompressed;

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	mark(store, 1);
	assert_int_equal(ramz_set_limits(store, 1 << 20, 0), 0);
	set_policy(store, DAY_MS, 0);
	run_steps(store);
	assert_int_equal(ramz_set_tier(store, 2, strong, 3), 0);
	run_steps(store);
	recompressed = policy_stats(store).recompressed;
	assert_true(recompressed > 0);
	device = give_device(store);
	run_steps(store);
	assert_true(policy_stats(store).written_back > 0);
	assert_int_equal(policy_stats(store).recompressed, recompressed);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		expect_text(store, slot, slot);
	end_device(store, device);
}

static void a_tier_that_changes_while_it_rests_is_used(void **state)
{
	const struct ramz_codec *strong = strong_codec();
	struct ramz *store = store_open(SLOTS);
	uint64_t recompressed;

	(void)state;
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(store, slot, slot);
	mark(store, 1);
	assert_int_equal(ramz_set_limits(store, 1 << 20, 0), 0);
	assert_int_equal(ramz_set_tier(store, 2, ramz_codec_by_name("lz4"), 12), 0);
	set_policy(store, DAY_MS, 0);
	run_steps(store);
	recompressed = policy_stats(store).recompressed;
	assert_int_equal(ramz_set_tier(store, 2, strong, 3), 0);
	run_steps(store);
	assert_true(policy_stats(store).recompressed > recompressed);
	store_close(store);
}

static void the_defaults_are_those_of_the_header(void **state)
{
	struct ramz_policy policy;

	(void)state;
	memset(&policy, 0xa5, sizeof(policy));
	ramz_policy_init(&policy);
	assert_int_equal(policy.age_ms, 60000);
	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++)
		assert_int_equal(policy.tier_age[tier], 0);
	assert_int_equal(policy.backing_age, 0);
	assert_true(policy.day_bytes == 0 && policy.all_bytes == 0);
	assert_int_equal(policy.wait_ms, 5000);
	assert_true(policy.train);
	assert_int_equal(policy.pressure_percent, 0);
	assert_null(policy.pressure_file);
	ramz_policy_init(NULL);
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
		cmocka_unit_test(the_oldest_pages_are_due),
		cmocka_unit_test(a_new_dictionary_is_trained_when_pages_gain_less),
		cmocka_unit_test(a_device_full_of_an_old_checkpoint_gets_another),
		cmocka_unit_test(what_goes_to_the_device_is_bounded),
		cmocka_unit_test(under_pressure_memory_is_short),
		cmocka_unit_test(at_the_hard_limit_the_device_comes_first),
		cmocka_unit_test(what_comes_while_it_rests_is_used),
		cmocka_unit_test(a_tier_that_changes_while_it_rests_is_used),
		cmocka_unit_test(the_defaults_are_those_of_the_header),
		cmocka_unit_test(bad_policies_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
