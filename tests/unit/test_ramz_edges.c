/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What the store's headers promise at edges: defaults, bounds to the byte, calls that fail in the
 * middle, what a caller's provider has afterwards, and what a sink and a source see.
 */
#include "test_ramz_gate.h"
#include "test_ramz_memory_file.h"

#include <ramz/backing.h>
#include <ramz/policy.h>
#include <xvmalloc/provider_highmem.h>

enum { SLOTS = 16 };

/* ---- null ---- */

static int never(void *context, uint64_t page, const struct ramz_page_info *info)
{
	(void)context, (void)page, (void)info;
	fail();
	return 0;
}

static void every_call_refuses_null(void **unused)
{
	struct ramz *store = store_open(SLOTS);
	struct ramz_sink sink = {.context = NULL};
	unsigned char page[PAGE];
	struct ramz_page_info info;
	size_t done = 77;

	(void)unused;
	assert_int_equal(ramz_create(NULL, NULL), -XV_EINVAL);
	for (unsigned i = 0; i < 2; i++) {
		struct ramz *it = i == 0 ? NULL : store;
		void *bytes = i == 0 ? page : NULL;

		assert_int_equal(ramz_write_page(it, 0, bytes), -XV_EINVAL);
		assert_int_equal(ramz_read_page(it, 0, bytes), -XV_EINVAL);
		assert_int_equal(ramz_read(it, 0, bytes, 1), -XV_EINVAL);
		assert_int_equal(ramz_write(it, 0, bytes, 1, &done), -XV_EINVAL);
		assert_int_equal(ramz_page_info(it, 0, i == 0 ? &info : NULL), -XV_EINVAL);
		assert_int_equal(ramz_walk(it, 0, i == 0 ? never : NULL, NULL), -XV_EINVAL);
		assert_int_equal(ramz_set_codec(it, i == 0 ? ramz_codec_at(0) : NULL, 0),
				 -XV_EINVAL);
		assert_int_equal(ramz_save(it, i == 0 ? &sink : NULL), -XV_EINVAL);
	}
	assert_int_equal(done, 77);
	assert_int_equal(ramz_discard(NULL, 0, PAGE), -XV_EINVAL);
	assert_int_equal(ramz_flush(NULL), -XV_EINVAL);
	assert_int_equal(ramz_resize(NULL, PAGE), -XV_EINVAL);
	assert_int_equal(ramz_reset(NULL), -XV_EINVAL);
	assert_int_equal(ramz_set_limits(NULL, 0, 0), -XV_EINVAL);
	assert_int_equal(ramz_compact(NULL, 0, NULL), -XV_EINVAL);
	assert_int_equal(ramz_check(NULL, XV_CHECK_DEEP, NULL), -XV_EINVAL);
	assert_int_equal(ramz_reset_peak(NULL), -XV_EINVAL);
	assert_null(ramz_get_codec(NULL, NULL));
	assert_int_equal(ramz_trim(NULL), 0);
	store_close(store);
}

static void every_call_on_tiers_and_devices_refuses_null(void **unused)
{
	struct ramz *store = store_open(SLOTS);
	struct ramz_recompress_options recompress = {.tier = 1};
	struct ramz_train_options train = {.tier = 1};
	struct ramz_writeback_options writeback = {.min_age = RAMZ_AGE_MAX + 1};
	struct ramz_tier_info info;
	struct ramz_backing_stats stats;
	struct ramz_policy_stats policy;

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct ramz *it = i == 0 ? NULL : store;

		assert_int_equal(ramz_recompress(it, i == 0 ? &recompress : NULL, NULL),
				 -XV_EINVAL);
		assert_int_equal(ramz_train(it, i == 0 ? &train : NULL, NULL), -XV_EINVAL);
		assert_int_equal(ramz_writeback(it, i == 0 ? &writeback : NULL, NULL), -XV_EINVAL);
		assert_int_equal(ramz_get_tier(it, 1, i == 0 ? &info : NULL), -XV_EINVAL);
		assert_int_equal(ramz_get_backing_stats(it, i == 0 ? &stats : NULL), -XV_EINVAL);
		assert_int_equal(ramz_get_policy_stats(it, i == 0 ? &policy : NULL), -XV_EINVAL);
		assert_int_equal(ramz_attach(it, NULL), -XV_EINVAL);
		assert_int_equal(ramz_save_backing(it, NULL), -XV_EINVAL);
		assert_int_equal(ramz_checkpoint(it), -XV_EINVAL); /* or no device */
		assert_int_equal(ramz_clean(it, 1), -XV_EINVAL);
	}
	assert_int_equal(ramz_backing_holds(NULL), -XV_EINVAL);
	assert_int_equal(ramz_detach(NULL), -XV_EINVAL);
	assert_int_equal(ramz_detach(store), 0);
	assert_int_equal(ramz_mark_idle(NULL), -XV_EINVAL);
	assert_int_equal(ramz_get_ages(NULL, &(struct ramz_ages){{0}}), -XV_EINVAL);
	assert_int_equal(ramz_policy_start(NULL), -XV_EINVAL);
	assert_int_equal(ramz_policy_step(NULL, NULL), -XV_EINVAL);
	store_close(store);
}

/* ---- options ---- */

static void store_options_have_the_documented_defaults(void **unused)
{
	struct ramz_options options;
	struct ramz *store;
	int32_t level = 77;

	(void)unused;
	memset(&options, 0xA5, sizeof(options));
	ramz_options_init(&options);
	assert_true(options.size_bytes == 0 && options.soft_limit_bytes == 0 &&
		    options.hard_limit_bytes == 0 && options.shards == 0);
	assert_true(!options.checksum && !options.dedup && !options.huge_pages &&
		    !options.no_auto_compact);
	assert_true(options.provider == NULL && options.on_soft_limit == NULL);
	options.size_bytes = 1;
	assert_int_equal(ramz_create(&store, &options), 0);
	assert_int_equal(ramz_page_bytes(store), 4096);
	assert_string_equal(ramz_get_codec(store, &level)->name, "lz4");
	assert_int_equal(level, RAMZ_LEVEL_DEFAULT);
	store_close(store);
}

/* A form of that many thousandths of the page is kept, a byte more is not. */
static void the_raw_bound_is_kept_to_the_byte(void **unused)
{
	static const uint32_t bounds[] = {0, 1, 250, 500, 1000};

	(void)unused;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		uint32_t permille = bounds[i] != 0 ? bounds[i] : RAMZ_RAW_ABOVE_PERMILLE;
		int most = (int)(PAGE * permille / 1000);
		struct ramz_options options;
		struct ramz_page_info info;
		struct ramz *store;

		gate_options(&options, SLOTS);
		options.raw_above_permille = bounds[i];
		assert_int_equal(ramz_create(&store, &options), 0);
		gate.form_bytes = most;
		gate_put(store, 0, 1);
		assert_int_equal(ramz_page_info(store, 0, &info), 0);
		if (most < PAGE) {
			assert_int_equal(info.kind, RAMZ_PAGE_COMPRESSED);
			assert_int_equal(info.stored_bytes, most);
			gate.form_bytes = most + 1;
			gate_put(store, 0, 1);
			assert_int_equal(ramz_page_info(store, 0, &info), 0);
		}
		assert_int_equal(info.kind, RAMZ_PAGE_RAW);
		assert_int_equal(info.stored_bytes, PAGE);
		gate.form_bytes = GATE_FORM_BYTES;
		ramz_destroy(store);
	}
}

static void policies_have_the_documented_defaults_and_ranges(void **unused)
{
	struct ramz *store = store_open(SLOTS);
	struct ramz_policy policy;

	(void)unused;
	memset(&policy, 0xA5, sizeof(policy));
	ramz_policy_init(&policy);
	assert_int_equal(policy.age_ms, 60000);
	assert_int_equal(policy.wait_ms, 5000);
	assert_true(policy.train);
	assert_true(policy.pressure_percent == 0 && policy.pressure_file == NULL);
	assert_true(policy.day_bytes == 0 && policy.all_bytes == 0 && policy.backing_age == 0);
	for (size_t i = 0; i < RAMZ_TIERS; i++)
		assert_int_equal(policy.tier_age[i], 0);
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	for (unsigned i = 0; i < 8; i++) {
		bool good = i % 2 == 0;

		ramz_policy_init(&policy);
		policy.age_ms = i == 0 ? 10 : i == 1 ? 9 : i == 2 ? 86400000 : 60000;
		if (i == 3)
			policy.age_ms = 86400001;
		policy.wait_ms = i == 4 ? 60000 : i == 5 ? 60001 : 5000;
		policy.tier_age[1] = i == 6 ? RAMZ_AGE_MAX : i == 7 ? RAMZ_AGE_MAX + 1 : 0;
		assert_int_equal(ramz_set_policy(store, &policy), good ? 0 : -XV_EINVAL);
	}
	store_close(store);
}

/* ---- in the middle ---- */

static void a_range_that_fails_says_how_much_was_written(void **unused)
{
	enum { FROM = 100, PAGES = 5 };
	static unsigned char bytes[PAGES * PAGE], now[PAGE];
	struct ramz *store = gate_store(SLOTS);
	size_t done = 77;

	(void)unused;
	for (uint64_t i = 0; i < SLOTS; i++)
		gate_put(store, i, i);
	memset(bytes, 0, sizeof(bytes));
	for (size_t i = 0; i < PAGES; i++)
		memset(bytes + i * PAGE, 200 + (int)i, 300);
	assert_int_equal(ramz_write(store, SLOTS * PAGE - 10, bytes, 20, &done), -XV_ERANGE);
	assert_int_equal(ramz_write(store, 0, NULL, 20, &done), -XV_EINVAL);
	assert_int_equal(done, 77);
	gate.fail_at = 3;
	assert_int_equal(ramz_write(store, FROM, bytes, sizeof(bytes), &done), -EIO);
	gate.fail_at = 0;
	assert_int_equal(done, 2 * PAGE - FROM);
	for (uint64_t i = 2; i < SLOTS; i++)
		gate_expect(store, i, i);
	assert_int_equal(ramz_read(store, PAGE + FROM, now, 300), 0);
	assert_memory_equal(now, bytes + PAGE, 300);
	assert_int_equal(ramz_write(store, FROM, bytes, 2 * PAGE, &done), 0);
	assert_int_equal(done, 2 * PAGE);
	store_close(store);
}

static void a_discard_drops_its_pages_when_an_edge_fails(void **unused)
{
	struct ramz *store = gate_store(SLOTS);

	(void)unused;
	for (unsigned edge = 0; edge < 2; edge++) {
		for (uint64_t i = 0; i < SLOTS; i++)
			gate_put(store, i, i);
		gate.fail_at = 1;
		assert_int_equal(ramz_discard(store, edge == 0 ? 50 : PAGE,
					      edge == 0 ? 4 * PAGE - 50 : 3 * PAGE + 50),
				 -EIO);
		gate.fail_at = 0;
		gate_expect(store, edge == 0 ? 0 : 4, edge == 0 ? 0 : 4);
		for (uint64_t i = 1; i < 4; i++)
			store_expect_zero(store, i);
		for (uint64_t i = 5; i < SLOTS; i++)
			gate_expect(store, i, i);
	}
	store_close(store);
}

/* ---- the caller's provider ---- */

static struct xv_provider_highmem_stats highmem_stats(struct xv_provider *provider)
{
	struct xv_provider_highmem_stats stats;

	xv_provider_highmem_stats(provider, &stats);
	return stats;
}

static void the_least_limit_leaves_the_provider_as_it_was(void **unused)
{
	struct ramz_options options;
	struct xv_provider *provider;
	uint64_t least, limited;

	(void)unused;
	assert_int_equal(xv_provider_highmem_create(&provider, NULL), 0);
	store_options(&options, SLOTS);
	options.provider = provider;
	least = ramz_least_limit(&options);
	assert_true(least > 0);
	options.hard_limit_bytes = 1;
	options.soft_limit_bytes = 1;
	limited = ramz_least_limit(&options);
	assert_int_equal(limited, least); /* limits are ignored */
	assert_true(highmem_stats(provider).maps > 0);
	assert_int_equal(highmem_stats(provider).pages, 0);
	assert_int_equal(provider->window_slots_taken, 0);
	options.page_bytes = 5;
	assert_int_equal(ramz_least_limit(&options), 0);
	xv_provider_highmem_destroy(provider);
}

static void a_store_gives_its_provider_everything_back(void **unused)
{
	struct ramz_options options;
	struct xv_provider *provider;
	struct ramz *store;

	(void)unused;
	assert_int_equal(xv_provider_highmem_create(&provider, NULL), 0);
	store_options(&options, SLOTS);
	options.provider = provider;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, i);
	assert_true(highmem_stats(provider).pages > 0);
	ramz_destroy(store);
	assert_int_equal(highmem_stats(provider).pages, 0);
	assert_int_equal(highmem_stats(provider).mapped_now, 0);
	assert_int_equal(highmem_stats(provider).misuse, 0);
	assert_int_equal(provider->window_slots_taken, 0);
	xv_provider_highmem_destroy(provider);
}

/* ---- sinks and sources ---- */

struct seen {
	struct ramz *store;
	size_t calls;
	size_t most;
};

static int sink_looks(void *context, const void *data, size_t bytes)
{
	struct seen *seen = context;

	(void)data;
	seen->calls++;
	seen->most = bytes > seen->most ? bytes : seen->most;
	return 0;
}

static void a_sink_gets_blocks_of_128_kib(void **unused)
{
	struct ramz *store = store_open(512);
	struct seen seen = {.store = store};
	struct ramz_sink sink = {.write = sink_looks, .context = &seen};

	(void)unused;
	for (uint64_t i = 0; i < 512; i++)
		store_put(store, i, 8 * i + 1); /* raw */
	assert_int_equal(ramz_save(store, &sink), 0);
	assert_in_range(seen.calls, 16, 64);
	assert_in_range(seen.most, 1, 128 << 10);
	store_close(store);
}

static int sink_calls(void *context, const void *data, size_t bytes)
{
	struct seen *seen = context;
	struct ramz *store = seen->store;
	struct ramz_stats stats;

	(void)data;
	(void)bytes;
	if (seen->calls++ > 3)
		return 0;
	store_put(store, 3, seen->calls);
	store_expect(store, 3, seen->calls);
	assert_int_equal(ramz_discard(store, 5 * PAGE, PAGE), 0);
	assert_int_equal(ramz_set_limits(store, 0, 0), 0);
	(void)ramz_trim(store);
	assert_int_equal(ramz_resize(store, (SLOTS + seen->calls) * PAGE), 0);
	assert_int_equal(ramz_check(store, XV_CHECK_DEEP, NULL), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, 8 * i + 1);
	assert_int_equal(ramz_discard(store, 0, SLOTS * PAGE), 0);
	(void)ramz_trim(store);
	assert_int_equal(ramz_reset(store), 0);
	stats = store_stats(store);
	assert_int_equal(stats.writes, 0);
	assert_int_equal(stats.mm_stat.mem_used_max, stats.mm_stat.mem_used_total);
	return 0;
}

static void a_sink_may_call_the_store(void **unused)
{
	struct ramz *store = store_open(SLOTS);
	struct seen seen = {.store = store};
	struct ramz_sink sink = {.write = sink_calls, .context = &seen};

	(void)unused;
	(void)alarm(100); /* one that waits for itself waits for ever */
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, i);
	assert_int_equal(ramz_save(store, &sink), 0);
	assert_true(seen.calls > 0);
	(void)alarm(0);
	store_close(store);
}

static void a_load_reads_to_the_end_of_the_saved_bytes(void **unused)
{
	struct ramz *store = store_open(SLOTS), *loaded;
	struct memory_file file;
	size_t length;

	(void)unused;
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, i);
	save(store, &file);
	length = file.length;
	assert_int_equal(memory_write(&file, "and more", 8), 0);
	assert_int_equal(load(&file, NULL, &loaded, NULL), 0);
	assert_int_equal(file.at, length);
	store_expect(loaded, 3, 3);
	store_close(loaded);
	store_close(store);
	free(file.bytes);
}

/* ---- codecs ---- */

static void a_codec_that_lacks_a_function_is_refused(void **unused)
{
	struct ramz *store = store_open(SLOTS);

	(void)unused;
	for (unsigned i = 0; i < 6; i++) {
		struct ramz_codec codec = gate_codec;

		if (i == 0)
			codec.context_create = NULL;
		else if (i == 1)
			codec.context_destroy = NULL;
		else if (i == 2)
			codec.compress = NULL;
		else if (i == 3)
			codec.decompress = NULL;
		else if (i == 4)
			codec.name = NULL;
		else
			codec.digest_bytes = (size_t(*)(const void *))(void (*)(void))free;
		assert_int_equal(ramz_set_codec(store, &codec, 0), -XV_EINVAL);
		assert_string_equal(ramz_get_codec(store, NULL)->name, "lz4");
	}
	store_close(store);
}

static void a_codec_that_cannot_tell_its_size_is_left_out(void **unused)
{
	struct ramz *store = gate_store(SLOTS);
	struct ramz_stats stats;

	(void)unused;
	assert_null(gate_codec.context_bytes);
	gate_put(store, 0, 1);
	stats = store_stats(store);
	assert_true(stats.contexts > 0);
	assert_true(stats.held_bytes < GATE_CONTEXT_BYTES);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_refuses_null),
		cmocka_unit_test(every_call_on_tiers_and_devices_refuses_null),
		cmocka_unit_test(store_options_have_the_documented_defaults),
		cmocka_unit_test(the_raw_bound_is_kept_to_the_byte),
		cmocka_unit_test(policies_have_the_documented_defaults_and_ranges),
		cmocka_unit_test(a_range_that_fails_says_how_much_was_written),
		cmocka_unit_test(a_discard_drops_its_pages_when_an_edge_fails),
		cmocka_unit_test(the_least_limit_leaves_the_provider_as_it_was),
		cmocka_unit_test(a_store_gives_its_provider_everything_back),
		cmocka_unit_test(a_sink_gets_blocks_of_128_kib),
		cmocka_unit_test(a_sink_may_call_the_store),
		cmocka_unit_test(a_load_reads_to_the_end_of_the_saved_bytes),
		cmocka_unit_test(a_codec_that_lacks_a_function_is_refused),
		cmocka_unit_test(a_codec_that_cannot_tell_its_size_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
