/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A save while writes go on is the image of one moment, and no write fails for its sake.
 *
 * The writer numbers its writes, and write number n goes to slot n modulo COUNTED. So the numbers
 * in an image of one moment are COUNTED consecutive ones, one in each slot.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <ramz/backing.h>

#include "test_ramz_memory_file.h"
#include "test_ramz_text.h"

enum { COUNTED = 700, OTHERS = 300, SAVES = 12, SEGMENTS = 64, NEW = 5000 };

#define ODD UINT64_C(0x9E3779B97F4A7C15) /* so that few words fit into an entry */
#define ODD_INVERSE UINT64_C(0xF1DE83E19937733D)

struct writing {
	struct ramz *store;
	_Atomic bool stop;
	_Atomic uint64_t number; /* of the last finished write */
	unsigned char *device;
};

static void numbered_fill(unsigned char *page, uint64_t number)
{
	uint64_t word = number * ODD;

	if (number % 3 == 0) {
		for (size_t at = 0; at < PAGE; at += 8)
			memcpy(page + at, &word, 8);
		return;
	}
	if (number % 3 == 1)
		text_fill(page, number);
	else
		page_partly_random(page, PAGE, PAGE, number);
	memcpy(page, &word, 8);
}

static uint64_t numbered_read(struct ramz *store, uint64_t slot)
{
	unsigned char page[PAGE], wanted[PAGE];
	uint64_t word;

	assert_int_equal(ramz_read_page(store, slot, page), 0);
	memcpy(&word, page, 8);
	numbered_fill(wanted, word * ODD_INVERSE);
	assert_memory_equal(page, wanted, PAGE);
	return word * ODD_INVERSE;
}

static void write_number(struct writing *w, uint64_t number)
{
	unsigned char page[PAGE];

	numbered_fill(page, number);
	assert_int_equal(ramz_write_page(w->store, number % COUNTED, page), 0);
	atomic_store(&w->number, number);
}

static void *write_numbers(void *context)
{
	struct writing *w = context;

	for (uint64_t number = COUNTED; !atomic_load(&w->stop); number++)
		write_number(w, number);
	return NULL;
}

/* What changes forms and places, and slots behind the counted ones. */
static void *stir(void *context)
{
	struct writing *w = context;
	const struct ramz_recompress_options strong = {.tier = 2};
	const struct ramz_writeback_options some = {.pages_max = 50};
	uint64_t seed = 5;

	for (uint64_t i = 0; !atomic_load(&w->stop); i++) {
		uint64_t slot = COUNTED + random_below(&seed, OTHERS - 3);

		store_put(w->store, slot, i);
		if (i % 7 == 0)
			assert_int_equal(ramz_discard(w->store, slot * PAGE, 3 * PAGE), 0);
		if (i % 50 == 0)
			assert_int_equal(ramz_recompress(w->store, &strong, NULL), 0);
		if (i % 60 == 0)
			assert_int_equal(ramz_compact(w->store, 0, NULL), 0);
		if (i % 90 == 0 && w->device != NULL)
			assert_int_equal(ramz_writeback(w->store, &some, NULL), 0);
		if (i % 80 == 0)
			(void)ramz_trim(w->store);
		if (i % 100 == 0)
			store_check(w->store);
	}
	return NULL;
}

/* Returns the least number in the image. */
static uint64_t expect_one_moment(struct memory_file *file)
{
	struct ramz *loaded;
	const char *reason;
	uint64_t least = UINT64_MAX, most = 0;

	assert_int_equal(load(file, NULL, &loaded, &reason), 0);
	for (uint64_t slot = 0; slot < COUNTED; slot++) {
		uint64_t number = numbered_read(loaded, slot);

		assert_int_equal(number % COUNTED, slot);
		least = number < least ? number : least;
		most = number > most ? number : most;
	}
	assert_int_equal(most - least, COUNTED - 1);
	store_close(loaded);
	return most;
}

static int device_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	struct writing *w = context;

	memcpy(dst, w->device + offset, bytes);
	return 0;
}

static int device_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct writing *w = context;

	memcpy(w->device + offset, src, bytes);
	return 0;
}

static void saves_of_one_moment(bool dedup, bool backed)
{
	struct writing w = {.store = store_open_with(COUNTED + OTHERS, dedup, dedup)};
	struct ramz_backing device = {.context = &w,
				      .size_bytes = SEGMENTS * RAMZ_SEGMENT_BYTES,
				      .align_bytes = 1,
				      .read = device_read,
				      .write = device_write};
	pthread_t writer, stirrer;

	if (backed) {
		w.device = calloc(SEGMENTS, RAMZ_SEGMENT_BYTES);
		assert_non_null(w.device);
		assert_int_equal(ramz_attach(w.store, &device), 0);
	}
	assert_int_equal(ramz_set_tier(w.store, 2, stronger_codec(), 3), 0);
	for (uint64_t number = 0; number < COUNTED; number++)
		write_number(&w, number);
	assert_int_equal(pthread_create(&writer, NULL, write_numbers, &w), 0);
	assert_int_equal(pthread_create(&stirrer, NULL, stir, &w), 0);
	for (int i = 0; i < SAVES; i++) {
		struct memory_file file;
		uint64_t before = atomic_load(&w.number);

		save(w.store, &file);
		assert_true(expect_one_moment(&file) >= before);
		free(file.bytes);
	}
	atomic_store(&w.stop, true);
	(void)pthread_join(writer, NULL);
	(void)pthread_join(stirrer, NULL);
	store_close(w.store);
	free(w.device);
}

static void a_save_is_of_one_moment(void **state)
{
	(void)state;
	saves_of_one_moment(false, false);
	saves_of_one_moment(true, false);
}

static void a_save_is_of_one_moment_with_a_device(void **state)
{
	(void)state;
	saves_of_one_moment(false, true);
	saves_of_one_moment(true, true);
}

/* ---- at the hard limit ---- */

struct full_file {
	struct memory_file file;
	struct ramz *store;
	uint64_t pages;
};

/* Overwrite all pages while the first block waits. */
static int full_write(void *context, const void *data, size_t bytes)
{
	struct full_file *full = context;

	if (full->file.calls == 0) {
		for (uint64_t slot = 0; slot < full->pages; slot++)
			put_text(full->store, slot, slot + NEW);
		store_check(full->store);
	}
	return memory_write(&full->file, data, bytes);
}

static void a_save_gives_way_to_writes_at_the_limit(void **state)
{
	(void)state;
	for (int dedup = 0; dedup < 2; dedup++) {
		struct full_file full = {.pages = COUNTED};
		struct ramz_sink sink = {.write = full_write, .context = &full};
		struct ramz *loaded;
		const char *reason;
		uint64_t held;

		full.store = store_open_with(COUNTED, false, dedup != 0);
		for (uint64_t slot = 0; slot < COUNTED; slot++)
			put_text(full.store, slot, slot);
		held = store_stats(full.store).held_bytes;
		assert_int_equal(ramz_set_limits(full.store, 0, held + held / 4), 0);
		assert_int_equal(ramz_save(full.store, &sink), -XV_EBUSY);
		assert_true(store_stats(full.store).held_bytes <= held + held / 4);
		free(full.file.bytes);
		/* With room for both it is saved. */
		memset(&full.file, 0, sizeof(full.file));
		assert_int_equal(ramz_set_limits(full.store, 0, 0), 0);
		assert_int_equal(ramz_save(full.store, &sink), 0);
		assert_int_equal(load(&full.file, NULL, &loaded, &reason), 0);
		for (uint64_t slot = 0; slot < COUNTED; slot++) {
			expect_text(loaded, slot, slot + NEW);
			expect_text(full.store, slot, slot + NEW);
		}
		store_close(loaded);
		store_close(full.store);
		free(full.file.bytes);
	}
}

/* ---- a save that fails ---- */

static int failing_write(void *context, const void *data, size_t bytes)
{
	struct writing *w = context;

	(void)data, (void)bytes;
	for (uint64_t slot = 0; slot < COUNTED; slot += 3)
		put_text(w->store, slot, atomic_fetch_add(&w->number, 1));
	return -EIO;
}

static void *reset_and_write(void *context)
{
	struct writing *w = context;

	while (!atomic_load(&w->stop)) {
		for (uint64_t slot = 0; slot < COUNTED; slot += 2)
			put_text(w->store, slot, slot);
		assert_int_equal(ramz_reset(w->store), 0);
		store_check(w->store);
	}
	return NULL;
}

/* What was kept for it goes, and a reset meanwhile takes nothing of it away. */
static void a_save_that_fails_leaves_nothing(void **state)
{
	(void)state;
	for (int dedup = 0; dedup < 2; dedup++) {
		struct writing w = {.store = store_open_with(COUNTED, false, dedup != 0)};
		struct ramz_sink sink = {.write = failing_write, .context = &w};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, reset_and_write, &w), 0);
		for (int i = 0; i < 20; i++)
			assert_int_equal(ramz_save(w.store, &sink), -EIO);
		atomic_store(&w.stop, true);
		(void)pthread_join(thread, NULL);
		assert_int_equal(ramz_reset(w.store), 0);
		assert_int_equal(store_stats(w.store).pool.objects, 0);
		store_close(w.store);
	}
}

/* ---- two at once ---- */

static void *save_once(void *context)
{
	struct writing *w = context;
	struct memory_file file;

	for (int i = 0; i < 4; i++) {
		save(w->store, &file);
		(void)expect_one_moment(&file);
		free(file.bytes);
	}
	return NULL;
}

static void two_saves_at_once_are_both_whole(void **state)
{
	struct writing w = {.store = store_open(COUNTED)};
	pthread_t writer, saver;

	(void)state;
	for (uint64_t number = 0; number < COUNTED; number++)
		write_number(&w, number);
	assert_int_equal(pthread_create(&writer, NULL, write_numbers, &w), 0);
	assert_int_equal(pthread_create(&saver, NULL, save_once, &w), 0);
	(void)save_once(&w);
	(void)pthread_join(saver, NULL);
	atomic_store(&w.stop, true);
	(void)pthread_join(writer, NULL);
	store_close(w.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_save_is_of_one_moment),
		cmocka_unit_test(a_save_is_of_one_moment_with_a_device),
		cmocka_unit_test(a_save_gives_way_to_writes_at_the_limit),
		cmocka_unit_test(a_save_that_fails_leaves_nothing),
		cmocka_unit_test(two_saves_at_once_are_both_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
