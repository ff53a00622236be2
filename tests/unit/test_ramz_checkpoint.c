/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Checkpoints: a store opens as it was at the last completed one, page for page, also when the
 * power fails at any write; or it is refused.
 *
 * The device keeps a log. At a power failure everything before the last flush is there, and of the
 * writes behind it any part: each one whole, torn at a multiple of 512 bytes, or not at all.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <ramz/backing.h>

#include "test_ramz_log_device.h"
#include "test_ramz_text.h"

enum { SLOTS = 1200, SEGMENTS = 40, STATES_MAX = 64 };

/* ---- a store and what it should hold ---- */

struct life {
	struct ramz *store;
	struct device *device;
	uint64_t seed;
	uint32_t now[SLOTS]; /* page numbers; 0 = absent */
	uint32_t number;
};

static void life_write(struct life *l, uint64_t slot)
{
	store_put(l->store, slot, ++l->number);
	l->now[slot] = l->number;
}

static void life_begin(struct life *l, uint64_t segments, bool checksum, bool dedup)
{
	l->device = device_make(segments);
	l->store = store_open_with(SLOTS, checksum, dedup);
	assert_int_equal(ramz_attach(l->store, &l->device->backing), 0);
	assert_int_equal(ramz_set_tier(l->store, 2, stronger_codec(), 3), 0);
}

static void life_end(struct life *l)
{
	store_close(l->store);
	device_free(l->device);
}

static bool store_is(struct ramz *store, const uint32_t *numbers)
{
	unsigned char page[PAGE];

	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		assert_int_equal(ramz_read_page(store, slot, page), 0);
		if (numbers[slot] == 0 ? !page_is_zero(page, PAGE)
				       : !page_is(page, PAGE, numbers[slot]))
			return false;
	}
	return true;
}

static struct ramz *open_store(const struct ramz_backing *backing)
{
	struct ramz *store = NULL;
	const char *reason = NULL;
	int err = ramz_open(&store, NULL, NULL, 0, backing, &reason);

	if (err != 0)
		print_error("%s\n", reason);
	assert_int_equal(err, 0);
	assert_string_equal(reason, "");
	return store;
}

static void stir(struct life *l)
{
	const struct ramz_writeback_options some = {.pages_max = 300};
	const struct ramz_recompress_options strong = {.tier = 2, .pages_max = 100};
	int err;

	for (uint32_t i = 0; i < 150; i++) {
		uint64_t slot = random_below(&l->seed, SLOTS);

		if (random_below(&l->seed, 6) == 0) {
			assert_int_equal(ramz_discard(l->store, slot * PAGE, PAGE), 0);
			l->now[slot] = 0;
		} else {
			life_write(l, slot);
		}
	}
	switch (random_below(&l->seed, 4)) {
	case 0:
		err = ramz_writeback(l->store, &some, NULL);
		assert_true(err == 0 || err == -XV_ENOSPC);
		break;
	case 1:
		assert_int_equal(ramz_recompress(l->store, &strong, NULL), 0);
		break;
	case 2:
		err = ramz_clean(l->store, SEGMENTS / 2);
		assert_true(err == 0 || err == -XV_ENOSPC);
		break;
	default:
		break;
	}
}

/* ---- tests ---- */

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

/* The pages of each completed checkpoint, and the length of the log then. */
struct past {
	uint32_t now[STATES_MAX][SLOTS];
	size_t begun[STATES_MAX];
	size_t done[STATES_MAX];
	uint32_t count;
};

/* What a power failure behind log entry `end` leaves. */
static void fail_power(const struct device *d, struct device *after, size_t end, uint64_t *seed)
{
	size_t flushed = 0;

	for (size_t i = 0; i < end; i++)
		if (d->log[i].bytes == 0)
			flushed = i;
	for (size_t i = 0; i < end; i++) {
		const struct logged *entry = &d->log[i];
		size_t bytes = entry->bytes;

		if (i > flushed && random_below(seed, 3) != 0)
			bytes = random_below(seed, bytes / 512 + 1) * 512;
		if (bytes != 0)
			memcpy(after->bytes + entry->offset, entry->data, bytes);
	}
}

static void expect_a_past(const struct device *d, const struct past *past, size_t end,
			  uint64_t *seed)
{
	struct device *after = device_make(SEGMENTS);
	uint32_t last = UINT32_MAX, next = UINT32_MAX;
	int held;

	for (uint32_t i = 0; i < past->count; i++) {
		if (past->done[i] <= end)
			last = i;
		else if (past->begun[i] < end)
			next = i;
	}
	fail_power(d, after, end, seed);
	held = ramz_backing_holds(&after->backing);
	if (last != UINT32_MAX)
		assert_int_equal(held, 1);
	assert_true(held >= 0 || held == -XV_EBADMSG); /* the first one, torn */
	if (held > 0) {
		struct ramz *opened = open_store(&after->backing);

		assert_true((last != UINT32_MAX && store_is(opened, past->now[last])) ||
			    (next != UINT32_MAX && store_is(opened, past->now[next])));
		store_close(opened);
	}
	device_free(after);
}

static void a_power_failure_leaves_the_last_checkpoint(void **state)
{
	struct life l = {.seed = environment_number("XV_SEED", 1)};
	struct past *past = calloc(1, sizeof(*past));
	size_t step;

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)l.seed);
	assert_non_null(past);
	life_begin(&l, SEGMENTS, false, false);
	l.device->logs = true;
	for (past->count = 0; past->count < 10; past->count++) {
		stir(&l);
		memcpy(past->now[past->count], l.now, sizeof(l.now));
		past->begun[past->count] = l.device->count;
		assert_int_equal(ramz_checkpoint(l.store), 0);
		past->done[past->count] = l.device->count;
	}
	stir(&l);
	step = l.device->count / 120 + 1;
	for (size_t end = random_below(&l.seed, step); end <= l.device->count; end += step)
		expect_a_past(l.device, past, end, &l.seed);
	for (uint32_t i = 0; i < past->count; i++) /* around the superblocks */
		for (size_t back = 0; back < 4; back++)
			expect_a_past(l.device, past, past->done[i] - back, &l.seed);
	life_end(&l);
	free(past);
}

/* Each write and flush fails once, for some calls: the store has all pages, and what the device
 * holds is the last completed checkpoint, or this one when only its end is in doubt. */
static void a_checkpoint_that_fails_spoils_nothing(void **state)
{
	for (uint64_t nth = 1;; nth++) {
		struct life l = {.seed = 7};
		uint32_t before[SLOTS];
		struct ramz *opened;
		int err;

		(void)state;
		life_begin(&l, SEGMENTS, true, false);
		stir(&l);
		assert_int_equal(ramz_checkpoint(l.store), 0);
		memcpy(before, l.now, sizeof(before));
		stir(&l);
		l.device->fail_at = l.device->calls + nth;
		l.device->fails = 1 + nth % 3;
		err = ramz_checkpoint(l.store);
		l.device->fail_at = 0;
		assert_true(store_is(l.store, l.now));
		store_check(l.store);
		opened = open_store(&l.device->backing);
		assert_true(store_is(opened, l.now) || (err != 0 && store_is(opened, before)));
		store_close(opened);
		/* Much is written, so that segments are used again; then it succeeds. */
		for (int i = 0; i < 6; i++)
			stir(&l);
		opened = open_store(&l.device->backing);
		store_close(opened);
		assert_int_equal(ramz_checkpoint(l.store), 0);
		opened = open_store(&l.device->backing);
		assert_true(store_is(opened, l.now));
		store_close(opened);
		life_end(&l);
		if (err == 0)
			break;
		assert_int_equal(err, -EIO);
	}
}

static void damage_is_refused_or_costs_its_page(void **state)
{
	struct life l = {.seed = 3};
	uint64_t seed = environment_number("XV_SEED", 5);
	unsigned char *good;
	uint64_t refused = 0, lost = 0;
	size_t size = (size_t)SEGMENTS * RAMZ_SEGMENT_BYTES;

	(void)state;
	life_begin(&l, SEGMENTS, true, false);
	stir(&l);
	stir(&l);
	assert_int_equal(ramz_checkpoint(l.store), 0);
	good = malloc(size);
	assert_non_null(good);
	memcpy(good, l.device->bytes, size);
	for (int i = 0; i < 300; i++) {
		struct ramz *opened = NULL;
		const char *reason = NULL;
		unsigned char page[PAGE];
		uint64_t at = random_below(&seed, size);
		int err;

		if (i % 2 == 0) /* the first of a segment */
			at = at / RAMZ_SEGMENT_BYTES * RAMZ_SEGMENT_BYTES +
			     random_below(&seed, 5000);
		memcpy(l.device->bytes, good, size);
		l.device->bytes[at] ^= (unsigned char)(1 + random_below(&seed, 255));
		err = ramz_open(&opened, NULL, NULL, 0, &l.device->backing, &reason);
		if (err != 0) {
			assert_int_equal(err, -XV_EBADMSG);
			assert_true(reason != NULL && reason[0] != 0);
			refused++;
			continue;
		}
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			err = ramz_read_page(opened, slot, page);
			if (err == -XV_EBADMSG)
				lost++;
			else if (l.now[slot] == 0)
				assert_true(err == 0 && page_is_zero(page, PAGE));
			else
				assert_true(err == 0 && page_is(page, PAGE, l.now[slot]));
		}
		ramz_destroy(opened);
	}
	assert_true(refused > 10 && lost > 10);
	memcpy(l.device->bytes, good, size);
	free(good);
	life_end(&l);
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
	struct writing w = {.store = store_open(SLOTS)};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_opens_as_it_was),
		cmocka_unit_test(dictionaries_and_sizes_come_back),
		cmocka_unit_test(a_store_is_saved_to_another_device),
		cmocka_unit_test(a_power_failure_leaves_the_last_checkpoint),
		cmocka_unit_test(a_checkpoint_that_fails_spoils_nothing),
		cmocka_unit_test(damage_is_refused_or_costs_its_page),
		cmocka_unit_test(one_damaged_superblock_costs_nothing),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(space_comes_back),
		cmocka_unit_test(a_checkpoint_beside_writers_is_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
