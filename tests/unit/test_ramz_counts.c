/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Counters of events that others cause (readers, writers, a device, ages), and options whose effect
 * only a counter shows. Threads are stopped inside a codec, so that what meets is decided.
 */
#include "test_ramz_gate.h"
#include "test_ramz_log_device.h"

#include <ramz/policy.h>
#include <ramz/tiers.h>

enum { SLOTS = 512 };

static struct ramz *open_filled(void)
{
	struct ramz *store = store_open(SLOTS);

	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, 8 * i + 1); /* raw */
	return store;
}

/* ---- a device ---- */

static void pages_on_the_device_are_counted_as_zram_does(void **unused)
{
	struct ramz_writeback_options all = {0};
	struct ramz *store = open_filled();
	struct device *d = device_make(40);
	struct ramz_stats stats;

	(void)unused;
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	assert_int_equal(ramz_writeback(store, &all, NULL), 0);
	for (uint64_t i = 0; i < 3; i++)
		store_expect(store, i, 8 * i + 1);
	store_put(store, 7, 9);
	stats = store_stats(store);
	assert_int_equal(stats.bd_stat.bd_count, SLOTS - 1);
	assert_int_equal(stats.pages_backed, SLOTS - 1);
	assert_int_equal(stats.bd_stat.bd_writes, SLOTS);
	assert_int_equal(stats.bd_stat.bd_reads, 3);
	assert_int_equal(stats.ramzswap.bdev_num_reads, 3);
	assert_int_equal(stats.ramzswap.bdev_num_writes, SLOTS);
	store_close(store);
	device_free(d);
}

/* What the policy may write in a day does not bound what a caller asks for. */
static void writeback_is_not_bounded_by_the_day(void **unused)
{
	struct ramz_writeback_options all = {0};
	struct ramz *store = open_filled();
	struct device *d = device_make(40);
	struct ramz_policy policy;

	(void)unused;
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	ramz_policy_init(&policy);
	policy.day_bytes = policy.all_bytes = RAMZ_SEGMENT_BYTES;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	assert_int_equal(ramz_writeback(store, &all, NULL), 0);
	assert_int_equal(store_stats(store).pages_backed, SLOTS);
	store_close(store);
	device_free(d);
}

static void devices_of_a_bad_shape_are_refused(void **unused)
{
	struct ramz *store = store_open(SLOTS);
	struct device *d = device_make(4);
	static const size_t bad_aligns[] = {0, 3, 8192};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad_aligns) / sizeof(bad_aligns[0]); i++) {
		struct ramz_backing bad = d->backing;

		bad.align_bytes = bad_aligns[i];
		assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
		bad = d->backing;
		bad.size_bytes = i == 0   ? RAMZ_BACKING_BYTES_MIN - 1
				 : i == 1 ? RAMZ_BACKING_BYTES_MAX + 1
					  : 0;
		assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
		bad = d->backing;
		bad.read = i == 0 ? NULL : bad.read;
		bad.write = i == 0 ? bad.write : NULL;
		assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
	}
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	store_close(store);
	device_free(d);
}

/* Each end of a writeback: by pages looked at, by what is held, and by what is written. */
static void writeback_ends_where_it_was_told(void **unused)
{
	struct ramz_writeback_options options = {.first = 100, .count = 50};
	struct ramz_writeback_report report;
	struct ramz *store = open_filled();
	struct device *d = device_make(40);
	struct ramz_backing_stats stats;

	(void)unused;
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.pages, 50);
	assert_int_equal(report.form_bytes, 50 * PAGE);
	assert_true(report.next == UINT64_MAX);
	options.pages_max = 10;
	options.first = 200;
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.next, 210);
	assert_int_equal(report.written_bytes, RAMZ_SEGMENT_BYTES);
	options = (struct ramz_writeback_options){.goal_bytes = store_stats(store).held_bytes};
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.pages, 0);
	options = (struct ramz_writeback_options){.write_max = 2 * RAMZ_SEGMENT_BYTES};
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.written_bytes, 2 * RAMZ_SEGMENT_BYTES);
	assert_in_range(report.pages, 100, 128);
	options = (struct ramz_writeback_options){.min_age = RAMZ_AGE_MAX + 1};
	assert_int_equal(ramz_writeback(store, &options, &report), -XV_EINVAL);
	options = (struct ramz_writeback_options){.min_bytes = PAGE + 1};
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.pages, 0);
	assert_true(report.next == UINT64_MAX);
	assert_int_equal(ramz_get_backing_stats(store, &stats), 0);
	assert_true(stats.attached && !stats.holds);
	assert_int_equal(stats.segments, 40);
	assert_int_equal(stats.written_bytes, 4 * RAMZ_SEGMENT_BYTES);
	assert_int_equal(stats.writes, stats.pages);
	assert_true(stats.live_bytes >= stats.pages * PAGE);
	store_close(store);
	device_free(d);
}

/* Three times the forms, twice the table, and a few segments: any number of checkpoints. */
static void three_times_the_forms_are_room_enough(void **unused)
{
	enum { FORMS = SLOTS * PAGE / RAMZ_SEGMENT_BYTES, SOME = 6, ROUNDS = 12 };
	struct ramz *store = open_filled();
	struct device *d = device_make(3 * FORMS + SOME);

	(void)unused;
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		for (uint64_t i = 0; i < SLOTS; i++)
			store_put(store, i, 8 * (SLOTS * round + i) + 1);
		assert_int_equal(ramz_checkpoint(store), 0);
	}
	store_expect(store, 5, 8 * (SLOTS * (ROUNDS - 1) + 5) + 1);
	store_close(store);
	device_free(d);
}

/* ---- ages ---- */

static void ages_are_counted_in_buckets(void **unused)
{
	static const uint32_t floors[RAMZ_AGE_BUCKETS] = {0, 1, 2, 4, 8, 16, 32, 64};
	struct ramz *store = store_open(SLOTS);
	struct ramz_ages ages;

	(void)unused;
	/* Page n has age 99 - n in the end: one of each. */
	for (uint64_t i = 0; i < 100; i++) {
		store_put(store, i, i + 1);
		assert_int_equal(i < 99 ? ramz_mark_idle(store) : 0, 0);
	}
	memset(&ages, 0xA5, sizeof(ages));
	assert_int_equal(ramz_get_ages(store, &ages), 0);
	for (uint32_t i = 0; i < RAMZ_AGE_BUCKETS; i++) {
		uint32_t end = i + 1 < RAMZ_AGE_BUCKETS ? floors[i + 1] : 100;

		assert_int_equal(ramz_age_floor(i), floors[i]);
		assert_int_equal(ages.pages[i], end - floors[i]);
	}
	assert_int_equal(ramz_age_floor(RAMZ_AGE_BUCKETS), UINT32_MAX);
	assert_int_equal(ramz_age_floor(UINT32_MAX), UINT32_MAX);
	store_close(store);
}

static void recompressing_leaves_ages_alone(void **unused)
{
	struct ramz_recompress_options options = {.tier = 1};
	struct ramz_recompress_report report;
	struct ramz *store = store_open(SLOTS);
	struct ramz_ages before, after;

	(void)unused;
	for (uint64_t i = 0; i < SLOTS; i++) {
		store_put(store, i, i);
		if (i % 100 == 0)
			assert_int_equal(ramz_mark_idle(store), 0);
	}
	assert_int_equal(ramz_set_tier(store, 1, &gate_codec, 0), 0);
	assert_int_equal(ramz_get_ages(store, &before), 0);
	assert_int_equal(ramz_recompress(store, &options, &report), 0);
	assert_true(report.tried > 0);
	assert_int_equal(ramz_get_ages(store, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	ramz_destroy(store); /* the codec of this test loses what does not begin a page */
}

static void an_age_that_is_missed_is_not_made_up(void **unused)
{
	enum { AGE_MS = 50, MISSED = 12 };
	struct ramz *store = open_filled();
	struct timespec missed = {.tv_nsec = MISSED * AGE_MS * 1000000L}, begun, now;
	struct ramz_policy_stats stats;
	struct ramz_policy policy;
	uint32_t wait_ms = 0;
	int64_t later_ms;

	(void)unused;
	ramz_policy_init(&policy);
	policy.age_ms = AGE_MS;
	assert_int_equal(ramz_set_policy(store, &policy), 0);
	(void)nanosleep(&missed, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	while (wait_ms == 0)
		assert_int_equal(ramz_policy_step(store, &wait_ms), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	later_ms = (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
	assert_int_equal(ramz_get_policy_stats(store, &stats), 0);
	assert_in_range(stats.ages, 1, 2 + (uint64_t)later_ms / AGE_MS);
	store_close(store);
}

/* ---- options ---- */

static void sharing_takes_24_bytes_a_page(void **unused)
{
	struct ramz *store = store_open_with(8 * SLOTS, false, true);
	uint64_t before = store_stats(store).dedup_bytes, taken;

	(void)unused;
	for (uint64_t i = 0; i < 8 * SLOTS; i++)
		store_put(store, i, 8 * i + 2);
	taken = store_stats(store).dedup_bytes - before;
	assert_in_range(taken, 24 * 8 * SLOTS, 64 * 8 * SLOTS);
	store_close(store);
}

static void compaction_is_left_to_the_caller_where_it_was_asked_for(void **unused)
{
	(void)unused;
	for (unsigned by_hand = 0; by_hand < 2; by_hand++) {
		struct ramz_options options;
		struct ramz *store;

		store_options(&options, 16 * SLOTS);
		options.no_auto_compact = by_hand != 0;
		assert_int_equal(ramz_create(&store, &options), 0);
		for (uint64_t i = 0; i < 16 * SLOTS; i++)
			store_put(store, i, i);
		for (uint64_t i = 0; i < 16 * SLOTS; i++) {
			if (i % 16 != 3)
				assert_int_equal(ramz_discard(store, i * PAGE, PAGE), 0);
		}
		assert_int_equal(store_stats(store).compact_steps == 0, by_hand);
		assert_int_equal(ramz_compact(store, 0, NULL), 0);
		assert_true(store_stats(store).compact_steps > 0);
		store_close(store);
	}
}

static void a_soft_limit_needs_no_callback(void **unused)
{
	struct ramz_options options;
	struct ramz *store;

	(void)unused;
	store_options(&options, SLOTS);
	options.soft_limit_bytes = 1 << 20;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, 8 * i + 1);
	assert_int_equal(store_stats(store).soft_limit_hits, 1);
	store_close(store);
}

/* ---- threads that meet ---- */

static void *write_a_part(void *store)
{
	return (void *)(intptr_t)ramz_write(store, 10, "part", 4, NULL);
}

static void *read_first(void *store)
{
	unsigned char bytes[PAGE];

	return (void *)(intptr_t)ramz_read_page(store, 0, bytes);
}

static struct ramz *gate_filled(void)
{
	struct ramz *store = gate_store(SLOTS);

	for (uint64_t i = 0; i < SLOTS; i++)
		gate_put(store, i, i);
	return store;
}

static void events_that_threads_make_are_counted(void **unused)
{
	struct ramz *store = gate_filled();
	struct ramz_stats stats;
	pthread_t thread;
	char part[5] = "";
	uint64_t deferred;
	void *err;

	(void)unused;
	(void)alarm(100);
	/* A part is written while another thread writes the page. */
	gate_close(GATE_COMPRESS);
	assert_int_equal(pthread_create(&thread, NULL, write_a_part, store), 0);
	gate_await();
	gate_put(store, 0, 77);
	gate_open();
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_null(err);
	assert_int_equal(store_stats(store).retries, 1);
	assert_int_equal(ramz_read(store, 10, part, 4), 0);
	assert_string_equal(part, "part");
	/* A reader is in an object that is to go. */
	gate_close(GATE_DECOMPRESS);
	assert_int_equal(pthread_create(&thread, NULL, read_first, store), 0);
	gate_await();
	assert_int_equal(ramz_discard(store, PAGE, (SLOTS - 1) * PAGE), 0);
	deferred = store_stats(store).deferred_frees;
	assert_int_equal(ramz_discard(store, 0, PAGE), 0);
	gate_open();
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_null(err);
	assert_int_equal(ramz_flush(store), 0);
	stats = store_stats(store);
	assert_int_equal(stats.deferred_frees, deferred + 1);
	(void)alarm(0);
	store_close(store);
}

/* A reader is in an object that compaction wants to move: that one stays. */
static void a_move_of_a_page_in_use_is_refused(void **unused)
{
	enum { EACH = 8 };
	struct xv_compact_report report;
	struct ramz *store;
	struct ramz_options options;
	pthread_t thread;
	void *err;

	(void)unused;
	(void)alarm(100);
	gate_options(&options, 8 * SLOTS);
	options.no_auto_compact = true;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t i = 0; i < 8 * SLOTS; i++)
		gate_put(store, i, i);
	for (uint64_t i = 0; i < 8 * SLOTS; i++) {
		if (i % EACH != 0)
			assert_int_equal(ramz_discard(store, i * PAGE, PAGE), 0);
	}
	gate_close(GATE_DECOMPRESS);
	assert_int_equal(pthread_create(&thread, NULL, read_first, store), 0);
	gate_await();
	assert_int_equal(ramz_compact(store, 0, &report), 0);
	assert_true(report.moved_blocks > 0);
	assert_true(store_stats(store).compact_refused > 0);
	assert_int_equal(store_stats(store).compact_refused, report.refused);
	assert_int_equal(store_stats(store).compact_moved_bytes, report.moved_bytes);
	assert_int_equal(store_stats(store).compact_freed_bytes, report.freed_bytes);
	gate_open();
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_null(err);
	for (uint64_t i = 0; i < 8 * SLOTS; i += EACH)
		gate_expect(store, i, i);
	(void)alarm(0);
	store_close(store);
}

/* ---- sums, and their end ---- */

static void parts_add_up(struct ramz *store)
{
	struct ramz_stats stats = store_stats(store);

	assert_int_equal(stats.held_bytes, stats.pool.held_bytes + stats.slot_table_bytes +
						   stats.dedup_bytes + stats.dictionary_bytes +
						   stats.backing_bytes + stats.thread_bytes +
						   stats.store_bytes);
	assert_true(stats.dedup_bytes > 0 && stats.backing_bytes > 0 && stats.thread_bytes > 0 &&
		    stats.store_bytes > 0);
}

/* Something of everything that is counted. */
static struct ramz *open_eventful(struct device *d)
{
	struct ramz_writeback_options some = {.pages_max = 20};
	struct ramz_recompress_options strong = {.tier = 1};
	unsigned char page[PAGE] = {0};
	struct ramz *store = store_open_with(SLOTS, true, true);
	int err = 0;

	assert_int_equal(ramz_attach(store, &d->backing), 0);
	assert_int_equal(ramz_set_tier(store, 1, ramz_codec_by_name("lz4"), 12), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		store_put(store, i, i % 400);
	assert_int_equal(ramz_recompress(store, &strong, NULL), 0);
	assert_int_equal(ramz_writeback(store, &some, NULL), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		store_expect(store, i, i % 400);
	assert_int_equal(ramz_read_page(store, SLOTS, page), -XV_ERANGE);
	assert_int_equal(ramz_set_limits(store, 1, 2), 0);
	for (uint64_t i = 0; err == 0; i++) { /* until the pool's holes are full */
		page_partly_random(page, PAGE, PAGE, i + 9);
		err = ramz_write_page(store, i, page);
	}
	assert_int_equal(err, -XV_ENOSPC);
	assert_int_equal(ramz_set_limits(store, 0, 0), 0);
	for (uint64_t i = 0; i < SLOTS; i += 2)
		assert_int_equal(ramz_discard(store, i * PAGE, PAGE), 0);
	assert_int_equal(ramz_read_page(store, 0, page), 0);
	assert_int_equal(ramz_compact(store, 0, NULL), 0);
	return store;
}

static void a_reset_sets_every_counter_to_zero(void **unused)
{
	struct device *d = device_make(40);
	struct ramz *store = open_eventful(d);
	struct ramz_stats stats = store_stats(store);
	struct ramz_histogram histogram;
	const uint64_t *since = &stats.reads, *end = &stats.recompress_saved_bytes + 1;
	unsigned counted = 0;

	(void)unused;
	parts_add_up(store);
	for (const uint64_t *at = since; at < end; at++)
		counted += *at != 0;
	assert_true(counted >= 14); /* the others need threads, damage or a better tier */
	assert_true(stats.bd_stat.bd_writes > 0 && stats.bd_stat.bd_reads > 0);
	assert_int_equal(ramz_set_codec(store, ramz_codec_by_name("lz4"), 3), 0);
	assert_int_equal(ramz_set_limits(store, 1 << 29, 1 << 30), 0);
	assert_int_equal(ramz_reset(store), 0);
	stats = store_stats(store);
	for (const uint64_t *at = since; at < end; at++)
		assert_int_equal(*at, 0);
	assert_int_equal(stats.stored_bytes + stats.checksum_bytes + stats.pages_stored, 0);
	assert_int_equal(stats.bd_stat.bd_writes + stats.bd_stat.bd_reads, 0);
	assert_int_equal(stats.bd_stat.bd_count + stats.pages_backed, 0);
	assert_int_equal(stats.ramzswap.num_reads + stats.ramzswap.num_writes, 0);
	assert_int_equal(stats.mm_stat.pages_compacted + stats.mm_stat.huge_pages_since, 0);
	assert_int_equal(stats.mm_stat.mem_used_max, stats.mm_stat.mem_used_total);
	for (int kind = RAMZ_HISTOGRAM_READ_NS; kind <= RAMZ_HISTOGRAM_SIZE; kind++) {
		assert_int_equal(
			ramz_get_histogram(store, (enum ramz_histogram_kind)kind, &histogram), 0);
		assert_int_equal(histogram.count + histogram.sum, 0);
	}
	/* Codec, limits and options stay. */
	assert_int_equal(stats.soft_limit_bytes, 1 << 29);
	assert_int_equal(stats.hard_limit_bytes, 1 << 30);
	store_put(store, 1, 7);
	store_put(store, 2, 7);
	assert_int_equal(store_stats(store).dedup_hits, 1);
	assert_int_equal(store_stats(store).checksum_bytes, 8);
	parts_add_up(store);
	store_close(store);
	device_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_on_the_device_are_counted_as_zram_does),
		cmocka_unit_test(writeback_is_not_bounded_by_the_day),
		cmocka_unit_test(devices_of_a_bad_shape_are_refused),
		cmocka_unit_test(writeback_ends_where_it_was_told),
		cmocka_unit_test(three_times_the_forms_are_room_enough),
		cmocka_unit_test(ages_are_counted_in_buckets),
		cmocka_unit_test(recompressing_leaves_ages_alone),
		cmocka_unit_test(an_age_that_is_missed_is_not_made_up),
		cmocka_unit_test(sharing_takes_24_bytes_a_page),
		cmocka_unit_test(compaction_is_left_to_the_caller_where_it_was_asked_for),
		cmocka_unit_test(a_soft_limit_needs_no_callback),
		cmocka_unit_test(events_that_threads_make_are_counted),
		cmocka_unit_test(a_move_of_a_page_in_use_is_refused),
		cmocka_unit_test(a_reset_sets_every_counter_to_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
