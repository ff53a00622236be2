/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Checkpoints: a store opens as it was at the last completed one, page for page, also beside
 * writers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test_ramz_checkpoint.h"

static void a_store_opens_as_it_was(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct life l = {.seed = kind};
		struct ramz_backing_stats stats;

		life_begin(&l, SEGMENTS, (kind & 1) != 0, (kind & 2) != 0);
		for (int round = 0; round < 12; round++) {
			struct ramz *opened;

			stir(&l);
			assert_int_equal(ramz_checkpoint(l.store), 0);
			store_check(l.store);
			opened = open_store(&l.device->backing);
			assert_true(store_is(opened, l.now));
			assert_true(store_is(l.store, l.now));
			store_check(opened);
			if (round % 3 == 0) { /* go on with it */
				store_close(l.store);
				l.store = opened;
				assert_int_equal(ramz_set_tier(l.store, 2, stronger_codec(), 3), 0);
			} else {
				store_close(opened);
			}
		}
		assert_int_equal(ramz_get_backing_stats(l.store, &stats), 0);
		assert_true(stats.checkpoints > 0);
		life_end(&l);
	}
}

static void dictionaries_and_sizes_come_back(void **state)
{
	const struct ramz_train_options train = {.tier = 2};
	const struct ramz_recompress_options strong = {.tier = 2};
	struct ramz_train_report trained;
	struct ramz_tier_info info, found;
	const struct ramz_codec *codec = strong_codec();
	struct device *d = device_make(SEGMENTS);
	struct ramz *store = store_open(3 * SLOTS), *opened;

	(void)state;
	assert_int_equal(ramz_attach(store, &d->backing), 0);
	assert_int_equal(ramz_set_tier(store, 2, codec, 5), 0);
	for (uint64_t slot = 0; slot < 3 * SLOTS; slot++)
		put_text(store, slot, slot);
	assert_int_equal(ramz_train(store, &train, &trained), 0);
	assert_true(trained.used);
	assert_int_equal(ramz_recompress(store, &strong, NULL), 0);
	assert_int_equal(ramz_resize(store, (3 * (uint64_t)SLOTS - 7) * PAGE), 0);
	assert_int_equal(ramz_checkpoint(store), 0);
	info = tier_info(store, 2);
	store_close(store);
	opened = open_store(&d->backing);
	found = tier_info(opened, 2);
	assert_ptr_equal(found.codec, info.codec);
	assert_int_equal(found.level, 5);
	assert_int_equal(found.dictionary_bytes, info.dictionary_bytes);
	assert_int_equal(ramz_size_bytes(opened), (3 * (uint64_t)SLOTS - 7) * PAGE);
	for (uint64_t slot = 0; slot < 3 * SLOTS - 7; slot++)
		expect_text(opened, slot, slot);
	store_close(opened);
	device_free(d);
}

/* Wherever the pages are, the other device has all of them, and neither needs the other. */
static void a_store_is_saved_to_another_device(void **state)
{
	const struct ramz_writeback_options some = {.pages_max = 500};

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct life l = {.seed = 20 + kind};
		struct device *other = device_make(SEGMENTS);
		struct ramz *opened;

		life_begin(&l, SEGMENTS, (kind & 1) != 0, (kind & 2) != 0);
		stir(&l);
		stir(&l);
		assert_int_equal(ramz_writeback(l.store, &some, NULL), 0);
		stir(&l);
		assert_int_equal(ramz_save_backing(l.store, &other->backing), 0);
		assert_int_equal(ramz_save_backing(l.store, &other->backing), -EEXIST);
		opened = open_store(&other->backing);
		assert_true(store_is(opened, l.now));
		store_close(opened);
		store_check(l.store);
		assert_true(store_is(l.store, l.now));
		assert_int_equal(ramz_backing_holds(&l.device->backing), 0);
		other->backing.flush = NULL;
		assert_int_equal(ramz_save_backing(l.store, &other->backing), -XV_ENOTSUP);
		device_free(other);
		life_end(&l);
	}
}

/* The tables and buffers of a save find the room that compaction makes. */
static void a_save_to_another_device_makes_room_at_the_limit(void **state)
{
	enum { MANY = 6 * SLOTS };
	struct device *other = device_make(2 * SEGMENTS);
	struct ramz *store = store_open(MANY), *opened;
	uint64_t held_bytes;

	(void)state;
	for (uint64_t slot = 0; slot < MANY; slot++)
		put_text(store, slot, slot);
	for (uint64_t slot = 0; slot < MANY; slot++) {
		if (slot % 4 != 0)
			assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
	}
	held_bytes = store_stats(store).held_bytes;
	assert_int_equal(ramz_set_limits(store, 0, held_bytes), 0);
	assert_int_equal(ramz_save_backing(store, &other->backing), 0);
	assert_true(store_stats(store).held_bytes <= held_bytes);
	opened = open_store(&other->backing);
	for (uint64_t slot = 0; slot < MANY; slot += 4)
		expect_text(opened, slot, slot);
	store_close(opened);
	store_close(store);
	device_free(other);
}

/* None leads to the checkpoint before, whose segments may have been used again. */
static void one_damaged_superblock_costs_nothing(void **state)
{
	struct life l = {.seed = 9};

	(void)state;
	life_begin(&l, SEGMENTS, false, false);
	for (int round = 0; round < 5; round++) {
		stir(&l);
		assert_int_equal(ramz_checkpoint(l.store), 0);
		for (uint64_t which = 0; which < 2; which++) {
			uint64_t at = which * (RAMZ_SEGMENT_BYTES / 2) + 30;
			struct ramz *opened;

			l.device->bytes[at] ^= 16;
			opened = open_store(&l.device->backing);
			assert_true(store_is(opened, l.now));
			store_close(opened);
			l.device->bytes[at] ^= 16;
		}
	}
	life_end(&l);
}

/* A process that was killed may have left its superblock in a cache: what only the checkpoint
 * before needs is not written before this one is durable. */
static void an_opened_checkpoint_is_made_durable_first(void **state)
{
	const struct ramz_writeback_options all = {.min_age = 0};
	struct life l = {.seed = 13};
	struct ramz *opened;

	(void)state;
	life_begin(&l, SEGMENTS, false, false);
	stir(&l);
	assert_int_equal(ramz_checkpoint(l.store), 0);
	store_close(l.store);
	l.device->logs = true;
	opened = open_store(&l.device->backing);
	assert_true(l.device->count >= 2);
	assert_true(l.device->log[0].offset < RAMZ_SEGMENT_BYTES && l.device->log[0].bytes == 4096);
	assert_int_equal(l.device->log[1].bytes, 0); /* a flush */
	l.store = opened;
	stir(&l);
	assert_int_equal(ramz_writeback(l.store, &all, NULL), 0);
	assert_true(store_is(l.store, l.now));
	life_end(&l);
}

static uint32_t flushes_until_error; /* 0 = none fails */

static int flush_that_fails(void *context)
{
	if (flushes_until_error != 0 && --flushes_until_error == 0)
		return -EIO;
	return device_flush(context);
}

/* Each may be on the device all the same, so none is overwritten before one is surely there. */
static void many_checkpoints_in_doubt_keep_the_last_good_one(void **state)
{
	struct life l = {.seed = 6};
	struct ramz *opened;

	(void)state;
	life_begin(&l, 4 * SEGMENTS, true, false);
	l.device->backing.flush = flush_that_fails;
	assert_int_equal(ramz_detach(l.store), 0);
	memset(l.device->bytes, 0, RAMZ_SEGMENT_BYTES);
	assert_int_equal(ramz_attach(l.store, &l.device->backing), 0);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 9; i++) {
			life_write(&l, i);
			flushes_until_error = 2; /* the one behind the superblock */
			assert_int_equal(ramz_checkpoint(l.store), -EIO);
			assert_int_equal(flushes_until_error, 0);
		}
		assert_int_equal(ramz_checkpoint(l.store), 0);
		opened = open_store(&l.device->backing);
		assert_true(store_is(opened, l.now));
		store_close(opened);
	}
	life_end(&l);
}

static void a_codec_that_no_file_can_name_is_refused(void **state)
{
	struct ramz_codec odd = *ramz_codec_by_name("lz4");
	struct life l = {.seed = 14};
	struct ramz *opened;
	uint32_t before[SLOTS];

	(void)state;
	odd.name = "a name of twenty-four bytes";
	odd.id = 4711;
	life_begin(&l, SEGMENTS, false, false);
	stir(&l);
	memcpy(before, l.now, sizeof(before));
	assert_int_equal(ramz_checkpoint(l.store), 0);
	assert_int_equal(ramz_set_codec(l.store, &odd, 1), 0);
	stir(&l);
	assert_int_equal(ramz_checkpoint(l.store), -XV_ENOTSUP);
	opened = open_store(&l.device->backing);
	assert_true(store_is(opened, before));
	store_close(opened);
	assert_true(store_is(l.store, l.now));
	life_end(&l);
}

static void what_cannot_be_is_refused(void **state)
{
	struct life l = {.seed = 1};
	struct ramz_backing other;
	struct ramz *store = store_open(SLOTS), *opened;
	struct ramz_options options;
	const char *reason;

	(void)state;
	assert_int_equal(ramz_checkpoint(NULL), -XV_EINVAL);
	assert_int_equal(ramz_checkpoint(store), -XV_EINVAL);
	assert_int_equal(ramz_backing_holds(NULL), -XV_EINVAL);
	life_begin(&l, SEGMENTS, false, false);
	assert_int_equal(ramz_backing_holds(&l.device->backing), 0);
	assert_int_equal(ramz_open(&opened, NULL, NULL, 0, &l.device->backing, &reason),
			 -XV_EBADMSG);
	assert_string_equal(reason, "the backing device holds no checkpoint");
	stir(&l);
	assert_int_equal(ramz_checkpoint(l.store), 0);
	assert_int_equal(ramz_backing_holds(&l.device->backing), 1);
	assert_int_equal(ramz_attach(store, &l.device->backing), -EEXIST);
	other = l.device->backing;
	other.size_bytes /= 2;
	assert_int_equal(ramz_open(&opened, NULL, NULL, 0, &other, &reason), -XV_EINVAL);
	assert_non_null(strstr(reason, "smaller"));
	other = l.device->backing;
	other.flush = NULL;
	assert_int_equal(ramz_open(&opened, NULL, NULL, 0, &other, &reason), -XV_EINVAL);
	assert_int_equal(ramz_attach(store, &other), -EEXIST);
	ramz_options_init(&options);
	options.checksum = true;
	assert_int_equal(ramz_open(&opened, &options, NULL, 0, &l.device->backing, &reason),
			 -XV_EINVAL);
	assert_non_null(strstr(reason, "checksum"));
	life_end(&l);
	l.device = device_make(SEGMENTS);
	l.device->backing.flush = NULL;
	assert_int_equal(ramz_attach(store, &l.device->backing), 0);
	assert_int_equal(ramz_checkpoint(store), -XV_ENOTSUP);
	store_close(store);
	device_free(l.device);
}

/* On a device of some times the pages, checkpoints and cleaning give room to each other for ever.
 */
static void space_comes_back(void **state)
{
	const struct ramz_writeback_options all = {.min_age = 0};
	struct life l = {.seed = 11};

	(void)state;
	life_begin(&l, SEGMENTS, false, false);
	for (int round = 0; round < 100; round++) {
		int err;

		stir(&l);
		stir(&l);
		err = ramz_writeback(l.store, &all, NULL);
		assert_true(err == 0 || err == -XV_ENOSPC);
		if (err != 0 || round % 4 == 3)
			assert_int_equal(ramz_checkpoint(l.store), 0);
		if (round % 20 == 3) {
			struct ramz *opened = open_store(&l.device->backing);

			assert_true(store_is(opened, l.now));
			store_close(opened);
		}
	}
	assert_true(store_is(l.store, l.now));
	life_end(&l);
}

/* ---- beside writers ---- */

struct writing {
	struct ramz *store;
	_Atomic bool stop;
	_Atomic uint64_t number;
};

/* Write number n goes to slot n modulo SLOTS, as in test_ramz_snapshot.c. */
static void *write_numbers(void *context)
{
	struct writing *w = context;
	const struct ramz_writeback_options some = {.pages_max = 100};

	for (uint64_t number = SLOTS; !atomic_load(&w->stop); number++) {
		put_text(w->store, number % SLOTS, number);
		atomic_store(&w->number, number);
		if (number % 300 == 0)
			(void)ramz_trim(w->store);
		if (number % 500 == 0) {
			int err = ramz_writeback(w->store, &some, NULL);

			assert_true(err == 0 || err == -XV_ENOSPC);
		}
	}
	return NULL;
}

/* The number in a slot is between these two. */
static uint64_t number_in(struct ramz *store, uint64_t slot, uint64_t from, uint64_t to)
{
	unsigned char page[PAGE], wanted[PAGE];

	assert_int_equal(ramz_read_page(store, slot, page), 0);
	for (uint64_t number = from - from % SLOTS + slot; number <= to; number += SLOTS) {
		text_fill(wanted, number);
		if (memcmp(page, wanted, PAGE) == 0)
			return number;
	}
	fail_msg("no page that was ever written");
	return 0;
}

static void a_checkpoint_beside_writers_is_of_one_moment(void **state)
{
	struct device *d = device_make(3 * SEGMENTS);
	struct writing w = {.store = store_open(SLOTS), .number = SLOTS - 1};
	pthread_t thread;

	(void)state;
	assert_int_equal(ramz_attach(w.store, &d->backing), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		put_text(w.store, slot, slot);
	assert_int_equal(pthread_create(&thread, NULL, write_numbers, &w), 0);
	for (int i = 0; i < 5; i++) {
		struct device *copy = device_make(3 * SEGMENTS);
		struct ramz *opened;
		uint64_t least = UINT64_MAX, most = 0;
		uint64_t from = atomic_load(&w.number), to;

		assert_int_equal(ramz_checkpoint(w.store), 0);
		to = atomic_load(&w.number) + 1;
		(void)pthread_mutex_lock(&d->lock);
		memcpy(copy->bytes, d->bytes, (size_t)d->backing.size_bytes);
		(void)pthread_mutex_unlock(&d->lock);
		opened = open_store(&copy->backing);
		from = from > 2 * SLOTS ? from - 2 * SLOTS : 0;
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			uint64_t number = number_in(opened, slot, from, to);

			least = number < least ? number : least;
			most = number > most ? number : most;
		}
		assert_int_equal(most - least, SLOTS - 1);
		store_close(opened);
		device_free(copy);
	}
	atomic_store(&w.stop, true);
	(void)pthread_join(thread, NULL);
	store_close(w.store);
	device_free(d);
}

/* Nothing of the process's memory gets onto the device with the pages. */
static void behind_the_last_form_are_zeros(void **state)
{
	static const unsigned char zeros[PAGE];
	const struct ramz_writeback_options all = {0};
	struct life l = {.seed = 1};

	(void)state;
	life_begin(&l, SEGMENTS, true, false);
	for (uint64_t slot = 0; slot < 10; slot++)
		life_write(&l, slot);
	assert_int_equal(ramz_writeback(l.store, &all, NULL), 0);
	for (uint64_t slot = 10; slot < 20; slot++)
		life_write(&l, slot);
	assert_int_equal(ramz_checkpoint(l.store), 0);
	for (size_t i = 1; i < SEGMENTS; i++)
		assert_memory_equal(l.device->bytes + (i + 1) * RAMZ_SEGMENT_BYTES - PAGE, zeros,
				    PAGE);
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_opens_as_it_was),
		cmocka_unit_test(dictionaries_and_sizes_come_back),
		cmocka_unit_test(a_store_is_saved_to_another_device),
		cmocka_unit_test(a_save_to_another_device_makes_room_at_the_limit),
		cmocka_unit_test(one_damaged_superblock_costs_nothing),
		cmocka_unit_test(an_opened_checkpoint_is_made_durable_first),
		cmocka_unit_test(a_codec_that_no_file_can_name_is_refused),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(many_checkpoints_in_doubt_keep_the_last_good_one),
		cmocka_unit_test(space_comes_back),
		cmocka_unit_test(behind_the_last_form_are_zeros),
		cmocka_unit_test(a_checkpoint_beside_writers_is_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
