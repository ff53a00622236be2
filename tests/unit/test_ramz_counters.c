/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Every counter's meaning, in all three vocabularies; the histograms; the sum of held bytes.
 */
#include "test_ramz_support.h"

static void write_kind(struct ramz *store, uint64_t slot, size_t random_bytes)
{
	unsigned char page[PAGE];

	page_partly_random(page, PAGE, random_bytes, slot + 100);
	assert_int_equal(ramz_write_page(store, slot, page), 0);
}

static void write_word(struct ramz *store, uint64_t slot, uint64_t word)
{
	unsigned char page[PAGE];

	page_same(page, PAGE, word);
	assert_int_equal(ramz_write_page(store, slot, page), 0);
}

/* 10 pages: 2 zero, 1 other same-filled, 4 good, 2 fair, 1 raw. */
static void fill(struct ramz *store)
{
	write_word(store, 0, 0);
	write_word(store, 1, 0);
	write_word(store, 2, 0x5151515151515151U);
	for (uint64_t slot = 3; slot < 7; slot++)
		write_kind(store, slot, PAGE / 8);
	write_kind(store, 7, PAGE / 4 * 3);
	write_kind(store, 8, PAGE / 4 * 3);
	write_kind(store, 9, PAGE);
}

static void pages_are_counted_by_kind(void **state)
{
	struct ramz *store = store_open(32);
	struct ramz_stats stats;

	(void)state;
	fill(store);
	stats = store_stats(store);
	assert_int_equal(stats.size_bytes, 32 * PAGE);
	assert_int_equal(stats.page_bytes, PAGE);
	assert_int_equal(stats.pages_stored, 10);
	assert_int_equal(stats.pages_same_filled, 3);
	assert_int_equal(stats.pages_zero, 2);
	assert_int_equal(stats.pages_compressed, 6);
	assert_int_equal(stats.pages_good_compress, 4);
	assert_int_equal(stats.pages_raw, 1);
	assert_int_equal(stats.pages_shared, 0);
	assert_int_equal(stats.writes, 10);
	assert_int_equal(stats.same_writes, 3);
	assert_int_equal(stats.raw_writes, 1);
	/* Each kind becomes another one, and its count follows. */
	for (uint64_t slot = 0; slot < 10; slot++)
		write_kind(store, 9 - slot, slot % 2 != 0 ? PAGE : PAGE / 8);
	stats = store_stats(store);
	assert_int_equal(stats.pages_stored, 10);
	assert_int_equal(stats.pages_same_filled, 0);
	assert_int_equal(stats.pages_zero, 0);
	assert_int_equal(stats.pages_compressed, 5);
	assert_int_equal(stats.pages_good_compress, 5);
	assert_int_equal(stats.pages_raw, 5);
	assert_int_equal(stats.raw_writes, 6);
	store_close(store);
}

static void stored_bytes_are_what_the_pages_take(void **state)
{
	struct ramz_options options;
	struct ramz *store;
	struct ramz_page_info info;
	struct ramz_stats stats;
	uint64_t sum = 0;

	(void)state;
	store_options(&options, 32);
	options.checksum = true;
	assert_int_equal(ramz_create(&store, &options), 0);
	fill(store);
	for (uint64_t slot = 0; slot < 10; slot++) {
		assert_int_equal(ramz_page_info(store, slot, &info), 0);
		sum += info.stored_bytes;
	}
	stats = store_stats(store);
	assert_int_equal(stats.stored_bytes, sum);
	assert_int_equal(stats.checksum_bytes, 7 * 8);
	assert_int_equal(stats.pool.requested_bytes, sum + (uint64_t)7 * 8);
	store_close(store);
}

static void held_bytes_are_the_sum_of_their_parts(void **state)
{
	struct ramz_options options;
	struct ramz_stats stats;
	struct ramz *store;

	(void)state;
	store_options(&options, 4096);
	options.dedup = true;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t slot = 0; slot < 4096; slot++)
		store_put(store, slot, slot % 1000);
	stats = store_stats(store);
	assert_int_equal(stats.held_bytes, stats.pool.held_bytes + stats.slot_table_bytes +
						   stats.dedup_bytes + stats.thread_bytes +
						   stats.store_bytes);
	assert_true(stats.slot_table_bytes >= 4096 * 8);
	assert_true(stats.slot_table_bytes <= 4096 * 9 + 3 * 4096 * 8);
	assert_true(stats.dedup_bytes >= 800 * 24);
	assert_true(stats.contexts >= 1);
	assert_true(stats.thread_bytes >= stats.contexts * (uint64_t)2 * PAGE);
	store_close(store);
}

static void ramzswap_counters_mean_what_they_meant(void **state)
{
	struct ramz *store = store_open(32);
	struct ramz_ramzswap_stats old;
	unsigned char page[PAGE];

	(void)state;
	fill(store);
	for (uint64_t slot = 0; slot < 5; slot++)
		assert_int_equal(ramz_read_page(store, slot, page), 0);
	assert_int_equal(ramz_discard(store, 0, PAGE), 0);
	assert_int_equal(ramz_discard(store, 20 * PAGE, PAGE), 0);     /* nothing there: counted */
	assert_int_equal(ramz_discard(store, 21 * PAGE + 1, PAGE), 0); /* no whole page: not */
	assert_int_equal(ramz_read_page(store, 32, page), -XV_ERANGE);
	old = store_stats(store).ramzswap;
	assert_int_equal(old.num_reads, 5);
	assert_int_equal(old.num_writes, 10);
	assert_int_equal(old.failed_reads, 0);
	assert_int_equal(old.failed_writes, 0);
	assert_int_equal(old.invalid_io, 1);
	assert_int_equal(old.notify_free, 2);
	assert_int_equal(old.pages_zero, 1);
	assert_int_equal(old.pages_stored, 7); /* same-filled ones are not in it */
	assert_int_equal(old.good_compress_pct, 57);
	assert_int_equal(old.pages_expand_pct, 14);
	assert_int_equal(old.orig_data_size, 7 * PAGE);
	assert_int_equal(old.compr_data_size, store_stats(store).stored_bytes);
	assert_int_equal(old.mem_used_total, store_stats(store).pool.held_bytes);
	assert_int_equal(old.pages_used, old.mem_used_total / PAGE);
	assert_int_equal(old.bdev_num_reads, 0);
	assert_int_equal(old.bdev_num_writes, 0);
	store_close(store);
}

static void zram_counters_mean_what_they_mean_there(void **state)
{
	struct ramz_options options;
	struct ramz *store;
	struct ramz_stats stats;

	(void)state;
	store_options(&options, 2000);
	options.hard_limit_bytes = 64 << 20;
	assert_int_equal(ramz_create(&store, &options), 0);
	for (uint64_t slot = 0; slot < 2000; slot++)
		store_put(store, slot, slot);
	stats = store_stats(store);
	assert_int_equal(stats.mm_stat.orig_data_size, 2000 * PAGE); /* same-filled ones too */
	assert_int_equal(stats.mm_stat.compr_data_size, stats.stored_bytes);
	assert_int_equal(stats.mm_stat.mem_used_total, stats.pool.held_bytes);
	assert_int_equal(stats.mm_stat.mem_limit, 64 << 20);
	assert_true(stats.mm_stat.mem_used_max >= stats.mm_stat.mem_used_total);
	assert_int_equal(stats.mm_stat.same_pages, 250);
	assert_int_equal(stats.mm_stat.huge_pages, stats.pages_raw);
	assert_int_equal(stats.mm_stat.huge_pages_since, stats.raw_writes);
	assert_int_equal(stats.mm_stat.pages_compacted, 0);
	for (uint64_t slot = 0; slot < 2000; slot += 2)
		assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	assert_int_equal(ramz_compact(store, 0, NULL), 0);
	stats = store_stats(store);
	assert_true(stats.mm_stat.pages_compacted > 0);
	assert_true(stats.mm_stat.mem_used_max > stats.mm_stat.mem_used_total);
	assert_int_equal(stats.mm_stat.pages_compacted, stats.compact_freed_bytes / PAGE);
	assert_true(stats.mm_stat.huge_pages < stats.mm_stat.huge_pages_since);
	assert_int_equal(stats.io_stat.notify_free, 1000);
	assert_int_equal(stats.io_stat.failed_reads, 0);
	assert_int_equal(stats.io_stat.failed_writes, 0);
	assert_int_equal(stats.io_stat.invalid_io, 0);
	store_close(store);
}

/* What zram of Linux 6.18 said after each of these requests. */
static void notify_free_is_what_zram_was_seen_to_count(void **state)
{
	static const struct {
		bool write;
		uint64_t first, pages;
		uint64_t notify_free;
	} seen[] = {
		{true, 0, 20, 0},     /* new pages */
		{true, 0, 5, 0},      /* overwritten */
		{false, 0, 2, 2},     /* stored */
		{false, 0, 2, 4},     /* once more */
		{false, 100, 28, 32}, /* never written */
		{false, 13, 2, 34},   /* by writing zeros */
		{false, 15, 1, 35},   /* one by one, as swap tells which slots are free */
		{false, 16, 1, 36},   {false, 0, 1024, 1060},
	};
	struct ramz *store = store_open(1024);

	(void)state;
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		for (uint64_t page = 0; seen[i].write && page < seen[i].pages; page++)
			store_put(store, seen[i].first + page, page);
		if (!seen[i].write)
			assert_int_equal(
				ramz_discard(store, seen[i].first * PAGE, seen[i].pages * PAGE), 0);
		assert_int_equal(store_stats(store).io_stat.notify_free, seen[i].notify_free);
		assert_int_equal(store_stats(store).notify_free, seen[i].notify_free);
	}
	store_close(store);
}

static void the_largest_held_bytes_begin_anew(void **state)
{
	struct ramz *store = store_open(2000);
	uint64_t before, writes;

	(void)state;
	assert_int_equal(ramz_reset_peak(NULL), -XV_EINVAL);
	for (uint64_t slot = 0; slot < 2000; slot++)
		store_put(store, slot, slot);
	before = store_stats(store).mm_stat.mem_used_max;
	writes = store_stats(store).writes;
	assert_int_equal(ramz_discard(store, 0, 2000 * PAGE), 0);
	(void)ramz_trim(store);
	assert_int_equal(store_stats(store).mm_stat.mem_used_max, before);
	assert_int_equal(ramz_reset_peak(store), 0);
	assert_int_equal(store_stats(store).mm_stat.mem_used_max,
			 store_stats(store).pool.held_bytes);
	assert_true(store_stats(store).mm_stat.mem_used_max < before);
	assert_int_equal(store_stats(store).writes, writes);
	for (uint64_t slot = 0; slot < 2000; slot++)
		store_put(store, slot, slot);
	assert_true(store_stats(store).mm_stat.mem_used_max >= store_stats(store).pool.held_bytes);
	store_close(store);
}

static void a_part_of_a_page_counts_as_a_page(void **state)
{
	struct ramz *store = store_open(8);
	unsigned char bytes[3 * PAGE];
	struct ramz_stats stats;

	(void)state;
	memset(bytes, 9, sizeof(bytes));
	assert_int_equal(ramz_write(store, 100, bytes, 2 * PAGE, NULL), 0);
	assert_int_equal(ramz_read(store, 50, bytes, 3 * PAGE), 0);
	stats = store_stats(store);
	assert_int_equal(stats.writes, 3);
	assert_int_equal(stats.reads, 4);
	assert_int_equal(stats.absent_reads, 1);
	store_close(store);
}

/* ---- histograms ---- */

static void histogram_of(struct ramz *store, enum ramz_histogram_kind kind,
			 struct ramz_histogram *histogram)
{
	uint64_t count = 0;

	assert_int_equal(ramz_get_histogram(store, kind, histogram), 0);
	for (uint32_t i = 0; i < RAMZ_HISTOGRAM_BUCKETS; i++)
		count += histogram->bucket[i];
	assert_int_equal(histogram->count, count);
}

static void sizes_count_what_made_an_object(void **state)
{
	struct ramz *store = store_open(32);
	struct ramz_histogram histogram;
	unsigned char page[PAGE];

	(void)state;
	fill(store);
	for (uint64_t slot = 0; slot < 12; slot++)
		assert_int_equal(ramz_read_page(store, slot, page), 0);
	histogram_of(store, RAMZ_HISTOGRAM_SIZE, &histogram);
	assert_int_equal(histogram.count, 7);
	assert_int_equal(histogram.sum, store_stats(store).stored_bytes);
	assert_int_equal(histogram.bucket[ramz_histogram_bucket(PAGE)], 1);
	assert_int_equal(ramz_get_histogram(store, (enum ramz_histogram_kind)9, &histogram),
			 -XV_EINVAL);
	assert_int_equal(ramz_get_histogram(store, RAMZ_HISTOGRAM_SIZE, NULL), -XV_EINVAL);
	store_close(store);
}

/* The histogram holds about one in eight of so many calls. */
static void assert_is_sample(struct ramz *store, enum ramz_histogram_kind kind, uint64_t calls)
{
	struct ramz_histogram histogram;

	histogram_of(store, kind, &histogram);
	assert_in_range(histogram.count, calls / 10, calls / 6);
	assert_true(histogram.sum > histogram.count * 100);
}

static void one_in_eight_of_what_met_an_object_is_timed(void **state)
{
	enum { CALLS = 4000 };
	struct ramz *store = store_open(32);
	unsigned char page[PAGE];

	(void)state;
	page_partly_random(page, PAGE, PAGE / 8, 50);
	for (uint32_t i = 0; i < CALLS; i++)
		assert_int_equal(ramz_write_page(store, i % 8, page), 0);
	assert_is_sample(store, RAMZ_HISTOGRAM_WRITE_NS, CALLS);
	for (uint32_t i = 0; i < CALLS; i++)
		assert_int_equal(ramz_read_page(store, i % 8, page), 0);
	assert_is_sample(store, RAMZ_HISTOGRAM_READ_NS, CALLS);
	/* Every second call is on a page that is absent: no pattern hides the others. */
	for (uint32_t i = 0; i < CALLS; i++)
		assert_int_equal(ramz_read_page(store, i % 2 * 16, page), 0);
	assert_is_sample(store, RAMZ_HISTOGRAM_READ_NS, CALLS + CALLS / 2);
	store_close(store);
}

static void absent_and_same_filled_pages_are_not_timed(void **state)
{
	struct ramz *store = store_open(32);
	struct ramz_histogram histogram;
	unsigned char page[PAGE] = {0};

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(ramz_write_page(store, 1, page), 0);
		assert_int_equal(ramz_read_page(store, i % 2, page), 0);
	}
	histogram_of(store, RAMZ_HISTOGRAM_WRITE_NS, &histogram);
	assert_int_equal(histogram.count, 0);
	histogram_of(store, RAMZ_HISTOGRAM_READ_NS, &histogram);
	assert_int_equal(histogram.count, 0);
	store_close(store);
}

static void buckets_are_an_eighth_wide(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (uint32_t bucket = 0; bucket + 1 < RAMZ_HISTOGRAM_BUCKETS; bucket++) {
		uint64_t floor = ramz_histogram_floor(bucket);
		uint64_t next = ramz_histogram_floor(bucket + 1);

		assert_true(next > floor);
		assert_true(floor < 8 || (next - floor) * 8 <= floor);
		assert_int_equal(ramz_histogram_bucket(floor), bucket);
		assert_int_equal(ramz_histogram_bucket(next - 1), bucket);
	}
	assert_int_equal(ramz_histogram_bucket(UINT64_MAX), RAMZ_HISTOGRAM_BUCKETS - 1);
	for (int i = 0; i < 1000; i++) {
		uint64_t value = random_next(&seed) >> (27 + i % 36);

		assert_true(ramz_histogram_floor(ramz_histogram_bucket(value)) <= value);
	}
}

static void quantiles_are_found(void **state)
{
	struct ramz_histogram histogram = {.count = 0};
	uint64_t median, high;

	(void)state;
	assert_int_equal(ramz_histogram_quantile(&histogram, 50000), 0);
	assert_int_equal(ramz_histogram_quantile(NULL, 50000), 0);
	histogram.bucket[ramz_histogram_bucket(1000)] = 9990;
	histogram.bucket[ramz_histogram_bucket(100000)] = 10;
	histogram.count = 10000;
	median = ramz_histogram_quantile(&histogram, 50000);
	high = ramz_histogram_quantile(&histogram, 99990);
	assert_true(median > 875 && median < 1125);
	assert_true(ramz_histogram_quantile(&histogram, 99800) == median);
	assert_true(high > 87500 && high < 112500);
	assert_true(ramz_histogram_quantile(&histogram, 100000) == high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_counted_by_kind),
		cmocka_unit_test(stored_bytes_are_what_the_pages_take),
		cmocka_unit_test(held_bytes_are_the_sum_of_their_parts),
		cmocka_unit_test(ramzswap_counters_mean_what_they_meant),
		cmocka_unit_test(zram_counters_mean_what_they_mean_there),
		cmocka_unit_test(notify_free_is_what_zram_was_seen_to_count),
		cmocka_unit_test(the_largest_held_bytes_begin_anew),
		cmocka_unit_test(a_part_of_a_page_counts_as_a_page),
		cmocka_unit_test(sizes_count_what_made_an_object),
		cmocka_unit_test(one_in_eight_of_what_met_an_object_is_timed),
		cmocka_unit_test(absent_and_same_filled_pages_are_not_timed),
		cmocka_unit_test(buckets_are_an_eighth_wide),
		cmocka_unit_test(quantiles_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
