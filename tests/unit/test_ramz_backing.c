/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A backing device: what goes there reads as it was written; what the device refuses or damages
 * costs no other page; segments are used again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <xvmalloc/provider_highmem.h>

#include "test_ramz_memory_file.h"
#include "test_ramz_text.h"

enum { SLOTS = 3000, SEGMENTS = 64 };

/* ---- a device in memory, that can fail ---- */

struct device {
	struct ramz_backing backing;
	unsigned char *bytes;
	pthread_mutex_t lock;
	uint64_t writes;
	uint64_t fail_write_at; /* 0 = never; from then on */
	bool fail_reads;
	uint64_t bad_segments; /* reads of so many, from the first on, fail */
	bool drops_writes;     /* and says that they were done */
};

static int device_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	struct device *d = context;
	bool fails;

	assert_true(offset + bytes <= d->backing.size_bytes);
	assert_true(offset % d->backing.align_bytes == 0 && bytes % d->backing.align_bytes == 0 &&
		    (uintptr_t)dst % d->backing.align_bytes == 0);
	(void)pthread_mutex_lock(&d->lock);
	fails = d->fail_reads || offset / RAMZ_SEGMENT_BYTES < d->bad_segments;
	memcpy(dst, d->bytes + offset, bytes);
	(void)pthread_mutex_unlock(&d->lock);
	return fails ? -EIO : 0;
}

static int device_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct device *d = context;
	int err = 0;

	assert_true(offset + bytes <= d->backing.size_bytes);
	assert_true(offset % RAMZ_SEGMENT_BYTES == 0 && bytes == RAMZ_SEGMENT_BYTES);
	(void)pthread_mutex_lock(&d->lock);
	d->writes++;
	if (d->fail_write_at != 0 && d->writes >= d->fail_write_at) {
		memcpy(d->bytes + offset, src, bytes / 3); /* torn */
		err = -EIO;
	} else if (!d->drops_writes) {
		memcpy(d->bytes + offset, src, bytes);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return err;
}

static void device_make(struct device *d, uint64_t segments, size_t align)
{
	*d = (struct device){.lock = PTHREAD_MUTEX_INITIALIZER};
	d->backing = (struct ramz_backing){.context = d,
					   .size_bytes = segments * RAMZ_SEGMENT_BYTES,
					   .align_bytes = align,
					   .read = device_read,
					   .write = device_write};
	d->bytes = calloc(1, (size_t)d->backing.size_bytes);
	assert_non_null(d->bytes);
}

static struct ramz *backed_store(struct device *d, bool checksum, bool dedup)
{
	struct ramz *store = store_open_with(SLOTS, checksum, dedup);

	assert_int_equal(ramz_attach(store, &d->backing), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_put(store, slot, slot);
	return store;
}

static void end(struct ramz *store, struct device *d)
{
	store_close(store);
	free(d->bytes);
}

static struct ramz_backing_stats backing_stats(struct ramz *store)
{
	struct ramz_backing_stats stats;

	assert_int_equal(ramz_get_backing_stats(store, &stats), 0);
	return stats;
}

static struct ramz_writeback_report writeback(struct ramz *store)
{
	const struct ramz_writeback_options options = {.min_age = 0};
	struct ramz_writeback_report report;

	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.next, UINT64_MAX);
	return report;
}

static void expect_all(struct ramz *store)
{
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_expect(store, slot, slot);
}

/* ---- there and back ---- */

static void pages_on_the_device_read_as_they_were_written(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		struct device d;
		struct ramz *store;
		uint64_t held, objects;

		device_make(&d, SEGMENTS, (kind & 4) != 0 ? 4096 : 1);
		store = backed_store(&d, (kind & 1) != 0, (kind & 2) != 0);
		held = store_stats(store).held_bytes;
		objects = store_stats(store).pool.objects;
		assert_int_equal(writeback(store).pages, objects);
		assert_int_equal(backing_stats(store).pages, objects);
		assert_int_equal(store_stats(store).pages_backed, objects);
		assert_int_equal(store_stats(store).pool.objects, 0);
		(void)ramz_trim(store);
		assert_true(store_stats(store).held_bytes < held / 4);
		store_check(store);
		expect_all(store);
		/* A part of a page, a discard, a whole page. */
		assert_int_equal(ramz_write(store, 3 * PAGE + 100, "xyz", 3, NULL), 0);
		assert_int_equal(ramz_discard(store, 4 * PAGE, 2 * PAGE), 0);
		store_put(store, 6, 60);
		store_expect(store, 6, 60);
		store_expect_zero(store, 4);
		assert_int_equal(backing_stats(store).pages, objects - 4);
		store_check(store);
		/* Back. */
		store_put(store, 3, 3);
		store_put(store, 4, 4);
		store_put(store, 5, 5);
		store_put(store, 6, 6);
		assert_int_equal(ramz_detach(store), 0);
		assert_int_equal(ramz_detach(store), 0);
		assert_int_equal(store_stats(store).pages_backed, 0);
		assert_false(backing_stats(store).attached);
		expect_all(store);
		end(store, &d);
	}
}

static unsigned decompressions;

/* Each second form is refused while this is counted: first a page's own, then its twin's. */
static int decompress_each_second(void *context, const void *src, size_t src_bytes, void *dst,
				  size_t dst_bytes)
{
	if (decompressions != 0 && decompressions++ % 2 == 0)
		return -XV_ENOMEM;
	return ramz_codec_at(0)->decompress(context, src, src_bytes, dst, dst_bytes);
}

/* With a window the twin's form is copied to where the page's own form was. */
static void a_twin_that_cannot_be_read_costs_no_page(void **state)
{
	enum { PAGES = 400 };
	struct xv_provider_highmem_options highmem;
	struct ramz_codec codec = *ramz_codec_at(0);
	struct xv_provider *provider;
	struct ramz_options options;
	struct ramz *store;
	struct device d;

	(void)state;
	xv_provider_highmem_options_init(&highmem);
	if (xv_provider_highmem_create(&provider, &highmem) != 0)
		skip();
	codec.name = "second";
	codec.decompress = decompress_each_second;
	store_options(&options, 2 * PAGES);
	options.provider = provider;
	options.codec = &codec;
	options.dedup = true;
	assert_int_equal(ramz_create(&store, &options), 0);
	device_make(&d, SEGMENTS, 1);
	assert_int_equal(ramz_attach(store, &d.backing), 0);
	for (uint64_t slot = 0; slot < PAGES; slot++)
		store_put(store, slot, slot);
	assert_true(writeback(store).pages > PAGES / 2);
	for (uint64_t slot = 0; slot < PAGES; slot++)
		store_put(store, PAGES + slot, slot);
	decompressions = 1;
	assert_int_equal(ramz_detach(store), 0);
	assert_true(decompressions > PAGES);
	decompressions = 0;
	store_check(store);
	for (uint64_t slot = 0; slot < 2 * PAGES; slot++)
		store_expect(store, slot, slot % PAGES);
	end(store, &d);
	xv_provider_highmem_destroy(provider);
}

static void only_what_was_asked_for_goes(void **state)
{
	struct device d;
	struct ramz *store;
	struct ramz_writeback_options options = {.min_age = 2};
	struct ramz_writeback_report report;
	struct ramz_page_info info;

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, true, false);
	assert_int_equal(ramz_mark_idle(store), 0);
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.pages, 0);
	options = (struct ramz_writeback_options){.min_bytes = PAGE};
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_true(report.pages > 0 && report.form_bytes == report.pages * PAGE);
	assert_int_equal(ramz_page_info(store, 1, &info), 0);
	assert_true(info.backed && info.kind == RAMZ_PAGE_RAW && info.stored_bytes == PAGE);
	options = (struct ramz_writeback_options){.first = 100, .pages_max = 7};
	assert_int_equal(ramz_writeback(store, &options, &report), 0);
	assert_int_equal(report.pages, 7);
	assert_true(report.next > 100 && report.next < 200);
	options = (struct ramz_writeback_options){.first = SLOTS};
	assert_int_equal(ramz_writeback(store, &options, &report), -XV_ERANGE);
	expect_all(store);
	end(store, &d);
}

static void a_store_with_pages_on_a_device_is_saved_whole(void **state)
{
	struct device d;
	struct ramz *store, *loaded = NULL;
	struct memory_file file;
	struct ramz_options options;
	const char *reason = NULL;

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, true, false);
	(void)writeback(store);
	save(store, &file);
	store_options(&options, 1);
	assert_int_equal(load(&file, &options, &loaded, &reason), 0);
	expect_all(loaded);
	store_close(loaded);
	free(file.bytes);
	assert_int_equal(ramz_resize(store, SLOTS / 2 * PAGE), 0);
	store_check(store);
	assert_int_equal(ramz_reset(store), 0);
	assert_int_equal(backing_stats(store).pages, 0);
	assert_int_equal(backing_stats(store).free_segments, SEGMENTS);
	store_expect_zero(store, 1);
	end(store, &d);
}

/* ---- segments used again ---- */

static void dead_space_is_cleaned(void **state)
{
	const uint64_t rounds = 12;
	struct device d;
	struct ramz *store;
	uint64_t seed = 1, live, segments;
	uint64_t number[SLOTS];

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, false, false);
	(void)writeback(store);
	live = backing_stats(store).live_bytes;
	assert_int_equal(ramz_detach(store), 0);
	free(d.bytes);
	/* A device of twice the live bytes. */
	segments = live * 2 / RAMZ_SEGMENT_BYTES + 1;
	device_make(&d, segments, 1);
	assert_int_equal(ramz_attach(store, &d.backing), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		number[slot] = slot;
	(void)writeback(store);
	for (uint64_t i = 0; i < rounds * SLOTS; i++) {
		uint64_t slot = random_below(&seed, SLOTS);

		number[slot] = slot + SLOTS * 8 * (1 + random_below(&seed, 20));
		store_put(store, slot, number[slot]);
		if (i % (SLOTS / 4) == 0)
			(void)writeback(store);
	}
	(void)writeback(store);
	store_check(store);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_expect(store, slot, number[slot]);
	print_message("written %.2f bytes for each of a form moved out\n",
		      (double)backing_stats(store).written_bytes /
			      ((double)backing_stats(store).writes *
			       (double)backing_stats(store).live_bytes /
			       (double)backing_stats(store).pages));
	assert_int_equal(ramz_clean(store, segments / 4), 0);
	assert_true(backing_stats(store).free_segments >= segments / 4);
	assert_int_equal(ramz_clean(store, segments), -XV_ENOSPC);
	store_check(store);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_expect(store, slot, number[slot]);
	end(store, &d);
}

static void a_full_device_takes_no_more_and_loses_nothing(void **state)
{
	const struct ramz_writeback_options options = {.min_age = 0};
	struct device d;
	struct ramz *store;

	(void)state;
	device_make(&d, 6, 1);
	store = backed_store(&d, false, false);
	assert_int_equal(ramz_writeback(store, &options, NULL), -XV_ENOSPC);
	assert_true(backing_stats(store).pages > 0);
	store_check(store);
	expect_all(store);
	end(store, &d);
}

/* ---- what a device may do ---- */

static void a_write_that_fails_loses_nothing(void **state)
{
	const struct ramz_writeback_options options = {.min_age = 0};

	(void)state;
	for (uint64_t at = 1; at < 12; at++) {
		struct device d;
		struct ramz *store;

		device_make(&d, SEGMENTS, 1);
		store = backed_store(&d, false, false);
		d.fail_write_at = at;
		assert_int_equal(ramz_writeback(store, &options, NULL), -EIO);
		store_check(store);
		expect_all(store);
		assert_int_equal(backing_stats(store).failed_writes, 1);
		d.fail_write_at = 0;
		(void)writeback(store);
		expect_all(store);
		end(store, &d);
	}
}

static void a_damaged_form_costs_its_page_alone(void **state)
{
	struct device d;
	struct ramz *store;
	unsigned char page[PAGE];
	uint64_t bad = 0;

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, false, false);
	(void)writeback(store);
	for (size_t at = 1000; at < 4 * RAMZ_SEGMENT_BYTES; at += 50021)
		d.bytes[at] ^= 1;
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		int err = ramz_read_page(store, slot, page);

		assert_true(err == 0 || err == -XV_EBADMSG);
		if (err == 0)
			assert_true(page_is(page, PAGE, slot));
		bad += err != 0;
	}
	assert_true(bad > 10 && bad < 25);
	assert_int_equal(backing_stats(store).damaged, bad);
	/* It stays where it is, and so does the device. */
	assert_int_equal(ramz_detach(store), -XV_EBADMSG);
	assert_int_equal(backing_stats(store).pages, bad);
	assert_int_equal(ramz_clean(store, SEGMENTS), -XV_ENOSPC);
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		if (ramz_read_page(store, slot, page) != 0)
			store_put(store, slot, slot);
	}
	assert_int_equal(ramz_detach(store), 0);
	expect_all(store);
	end(store, &d);
}

/* The segment is used again, and has older forms of the same pages at the same places. */
static void a_write_that_was_dropped_is_found(void **state)
{
	struct device d;
	struct ramz *store = store_open(SLOTS);
	unsigned char page[PAGE];
	uint64_t writes;

	(void)state;
	device_make(&d, SEGMENTS, 1);
	assert_int_equal(ramz_attach(store, &d.backing), 0);
	for (uint64_t slot = 0; slot < 50; slot++)
		put_text(store, slot, 7);
	(void)writeback(store);
	writes = d.writes;
	for (uint64_t slot = 0; slot < 50; slot++) { /* of the same length */
		text_fill(page, 7);
		page[0] ^= 1;
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
	d.drops_writes = true;
	(void)writeback(store);
	assert_true(d.writes > writes);
	for (uint64_t slot = 0; slot < 50; slot++) {
		assert_int_equal(ramz_read_page(store, slot, page), -XV_EBADMSG);
		assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	}
	end(store, &d);
}

static void segments_that_cannot_be_read_stop_no_cleaning(void **state)
{
	struct device d;
	struct ramz *store;
	uint64_t free_segments;

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, false, false);
	(void)writeback(store);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		if (slot % 4 != 0)
			assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	free_segments = backing_stats(store).free_segments;
	d.bad_segments = 8;
	assert_int_equal(ramz_clean(store, free_segments + 4), 0);
	d.bad_segments = 0;
	for (uint64_t slot = 0; slot < SLOTS; slot += 4)
		store_expect(store, slot, slot);
	end(store, &d);
}

static void reads_that_fail_can_be_tried_again(void **state)
{
	struct device d;
	struct ramz *store;
	unsigned char page[PAGE];
	struct memory_file file = {.bytes = NULL};
	const struct ramz_sink sink = {.write = memory_write, .context = &file};

	(void)state;
	device_make(&d, SEGMENTS, 1);
	store = backed_store(&d, false, false);
	(void)writeback(store);
	d.fail_reads = true;
	assert_int_equal(ramz_read_page(store, 2, page), -EIO);
	assert_int_equal(ramz_write(store, 2 * PAGE, "a", 1, NULL), -EIO);
	assert_int_equal(ramz_detach(store), -EIO);
	assert_int_equal(ramz_save(store, &sink), -EIO);
	free(file.bytes);
	d.fail_reads = false;
	expect_all(store);
	assert_int_equal(ramz_detach(store), 0);
	end(store, &d);
}

static void bad_devices_are_refused(void **state)
{
	const struct ramz_writeback_options options = {.min_age = 0};
	struct ramz *store = store_open(10);
	struct device d;
	struct ramz_backing bad;

	(void)state;
	device_make(&d, 4, 1);
	assert_int_equal(ramz_writeback(store, &options, NULL), -XV_EINVAL);
	assert_int_equal(ramz_clean(store, 1), -XV_EINVAL);
	bad = d.backing;
	bad.size_bytes = 4 * RAMZ_SEGMENT_BYTES - 1;
	assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
	bad = d.backing;
	bad.align_bytes = 3;
	assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
	bad = d.backing;
	bad.write = NULL;
	assert_int_equal(ramz_attach(store, &bad), -XV_EINVAL);
	assert_int_equal(ramz_attach(store, &d.backing), 0);
	assert_int_equal(ramz_attach(store, &d.backing), -XV_EBUSY);
	end(store, &d);
}

/* ---- threads ---- */

struct scene {
	struct ramz *store;
	atomic_bool done;
};

static uint64_t versioned(uint64_t slot, uint64_t version)
{
	return slot + SLOTS * 8 * version;
}

static void *mover(void *context)
{
	struct scene *scene = context;
	uint64_t seed = 9;

	while (!atomic_load(&scene->done)) {
		const struct ramz_writeback_options options = {
			.first = random_below(&seed, SLOTS), .pages_max = random_below(&seed, 300)};
		int err = random_below(&seed, 4) == 0
				  ? ramz_clean(scene->store, random_below(&seed, SEGMENTS))
				  : ramz_writeback(scene->store, &options, NULL);

		assert_true(err == 0 || err == -XV_ENOSPC);
		if (random_below(&seed, 4) == 0)
			assert_int_equal(ramz_compact(scene->store, 100000, NULL), 0);
	}
	return NULL;
}

static void *reader(void *context)
{
	struct scene *scene = context;
	unsigned char page[PAGE], wanted[PAGE];
	uint64_t seed = 4;

	while (!atomic_load(&scene->done)) {
		uint64_t slot = random_below(&seed, SLOTS);
		bool found = false;

		assert_int_equal(ramz_read_page(scene->store, slot, page), 0);
		for (uint64_t version = 0; version < 4 && !found; version++) {
			page_fill(wanted, PAGE, versioned(slot, version));
			found = memcmp(page, wanted, PAGE) == 0;
		}
		assert_true(found);
	}
	return NULL;
}

static void readers_and_writers_meet_writeback_and_cleaning(void **state)
{
	struct device d;
	struct scene scene = {.store = NULL};
	pthread_t threads[3];
	uint64_t version[SLOTS] = {0}, seed = 2;

	(void)state;
	device_make(&d, SEGMENTS / 2, 1);
	scene.store = backed_store(&d, true, false);
	assert_int_equal(pthread_create(&threads[0], NULL, mover, &scene), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, mover, &scene), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, reader, &scene), 0);
	/* On, while a busy machine has let the movers come to nothing. */
	for (uint64_t i = 0;
	     i < 10 * SLOTS || (i < 1000 * SLOTS && backing_stats(scene.store).moved == 0); i++) {
		uint64_t slot = random_below(&seed, SLOTS);

		version[slot] = (version[slot] + 1) % 4;
		store_put(scene.store, slot, versioned(slot, version[slot]));
	}
	atomic_store(&scene.done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	store_check(scene.store);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		store_expect(scene.store, slot, versioned(slot, version[slot]));
	assert_true(backing_stats(scene.store).moved > 0);
	end(scene.store, &d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_on_the_device_read_as_they_were_written),
		cmocka_unit_test(a_twin_that_cannot_be_read_costs_no_page),
		cmocka_unit_test(only_what_was_asked_for_goes),
		cmocka_unit_test(a_store_with_pages_on_a_device_is_saved_whole),
		cmocka_unit_test(dead_space_is_cleaned),
		cmocka_unit_test(a_full_device_takes_no_more_and_loses_nothing),
		cmocka_unit_test(a_write_that_fails_loses_nothing),
		cmocka_unit_test(a_damaged_form_costs_its_page_alone),
		cmocka_unit_test(a_write_that_was_dropped_is_found),
		cmocka_unit_test(segments_that_cannot_be_read_stop_no_cleaning),
		cmocka_unit_test(reads_that_fail_can_be_tried_again),
		cmocka_unit_test(bad_devices_are_refused),
		cmocka_unit_test(readers_and_writers_meet_writeback_and_cleaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
