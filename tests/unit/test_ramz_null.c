/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Null pointers: each public call of ramz refuses those that it needs, and takes those that it
 * does not need. Those of files are in test_ramz_file_calls.c.
 */
#include <ramz/backing.h>
#include <ramz/policy.h>
#include <ramz/tiers.h>

#include "test_ramz_support.h"

#define REFUSED(call) assert_int_equal((call), -XV_EINVAL)

static void a_store_that_is_null_is_refused(void **state)
{
	const struct ramz_writeback_options writeback = {.min_age = 0};
	const struct ramz_recompress_options recompress = {.tier = 1};
	const struct ramz_train_options train = {.tier = 1};
	struct ramz_histogram histogram;
	struct ramz_policy_stats policy;
	struct ramz_backing_stats backing;
	struct ramz_page_info info;
	struct ramz_tier_info tier;
	struct ramz_ages ages;
	unsigned char page[PAGE] = {0};

	(void)state;
	REFUSED(ramz_write_page(NULL, 0, page));
	REFUSED(ramz_read_page(NULL, 0, page));
	REFUSED(ramz_write(NULL, 0, page, PAGE, NULL));
	REFUSED(ramz_read(NULL, 0, page, PAGE));
	REFUSED(ramz_discard(NULL, 0, PAGE));
	REFUSED(ramz_flush(NULL));
	REFUSED(ramz_resize(NULL, PAGE));
	REFUSED(ramz_reset(NULL));
	REFUSED(ramz_set_codec(NULL, ramz_codec_at(0), 0));
	REFUSED(ramz_set_limits(NULL, 0, 0));
	REFUSED(ramz_compact(NULL, 0, NULL));
	REFUSED(ramz_page_info(NULL, 0, &info));
	REFUSED(ramz_walk(NULL, 0, NULL, NULL));
	REFUSED(ramz_check(NULL, XV_CHECK_QUICK, NULL));
	REFUSED(ramz_reset_peak(NULL));
	REFUSED(ramz_get_histogram(NULL, RAMZ_HISTOGRAM_READ_NS, &histogram));
	REFUSED(ramz_mark_idle(NULL));
	REFUSED(ramz_get_ages(NULL, &ages));
	REFUSED(ramz_set_tier(NULL, 1, NULL, 0));
	REFUSED(ramz_get_tier(NULL, 1, &tier));
	REFUSED(ramz_recompress(NULL, &recompress, NULL));
	REFUSED(ramz_train(NULL, &train, NULL));
	REFUSED(ramz_set_policy(NULL, NULL));
	REFUSED(ramz_policy_step(NULL, NULL));
	REFUSED(ramz_policy_start(NULL));
	REFUSED(ramz_get_policy_stats(NULL, &policy));
	REFUSED(ramz_checkpoint(NULL));
	REFUSED(ramz_detach(NULL));
	REFUSED(ramz_writeback(NULL, &writeback, NULL));
	REFUSED(ramz_clean(NULL, 1));
	REFUSED(ramz_get_backing_stats(NULL, &backing));
	assert_int_equal(ramz_trim(NULL), 0);
	assert_int_equal(ramz_size_bytes(NULL), 0);
	assert_int_equal(ramz_page_bytes(NULL), 0);
	assert_null(ramz_get_codec(NULL, NULL));
	ramz_get_stats(NULL, NULL);
	ramz_policy_stop(NULL);
	ramz_destroy(NULL);
}

static int visit(void *context, uint64_t page, const struct ramz_page_info *info)
{
	(void)context, (void)page, (void)info;
	return 0;
}

static void a_result_or_source_that_is_null_is_refused(void **state)
{
	const struct ramz_sink sink = {.write = NULL};
	const struct ramz_source source = {.read = NULL};
	const struct ramz_backing device = {.size_bytes = 64 * RAMZ_SEGMENT_BYTES};
	struct ramz_options options;
	struct ramz *store, *loaded;

	(void)state;
	store_options(&options, 16);
	assert_int_equal(ramz_create(&store, &options), 0);
	REFUSED(ramz_write_page(store, 0, NULL));
	REFUSED(ramz_read_page(store, 0, NULL));
	REFUSED(ramz_write(store, 0, NULL, PAGE, NULL));
	REFUSED(ramz_read(store, 0, NULL, PAGE));
	assert_int_equal(ramz_write(store, 0, NULL, 0, NULL), 0);
	assert_int_equal(ramz_read(store, 0, NULL, 0), 0);
	REFUSED(ramz_set_codec(store, NULL, 0));
	REFUSED(ramz_page_info(store, 0, NULL));
	REFUSED(ramz_walk(store, 0, NULL, NULL));
	assert_int_equal(ramz_walk(store, 0, visit, NULL), 0);
	REFUSED(ramz_get_histogram(store, RAMZ_HISTOGRAM_READ_NS, NULL));
	REFUSED(ramz_get_ages(store, NULL));
	REFUSED(ramz_get_tier(store, 1, NULL));
	REFUSED(ramz_recompress(store, NULL, NULL));
	REFUSED(ramz_train(store, NULL, NULL));
	REFUSED(ramz_get_policy_stats(store, NULL));
	REFUSED(ramz_attach(store, NULL));
	REFUSED(ramz_attach(store, &device));
	REFUSED(ramz_save_backing(store, NULL));
	REFUSED(ramz_backing_holds(NULL));
	REFUSED(ramz_backing_holds(&device));
	REFUSED(ramz_open(&loaded, NULL, NULL, 0, NULL, NULL));
	REFUSED(ramz_open(&loaded, NULL, NULL, 0, &device, NULL));
	REFUSED(ramz_get_backing_stats(store, NULL));
	REFUSED(ramz_save(store, NULL));
	REFUSED(ramz_save(store, &sink));
	REFUSED(ramz_load(&loaded, NULL, NULL, 0, NULL, NULL));
	REFUSED(ramz_load(&loaded, NULL, NULL, 0, &source, NULL));
	REFUSED(ramz_load(NULL, NULL, NULL, 0, &source, NULL));
	REFUSED(ramz_create(NULL, &options));
	REFUSED(ramz_options_check(NULL, NULL));
	assert_int_equal(ramz_least_limit(NULL), 0);
	assert_int_equal(ramz_histogram_quantile(NULL, 50000), 0);
	assert_null(ramz_codec_by_name(NULL));
	ramz_options_init(NULL);
	ramz_policy_init(NULL);
	ramz_get_stats(store, NULL);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_that_is_null_is_refused),
		cmocka_unit_test(a_result_or_source_that_is_null_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
