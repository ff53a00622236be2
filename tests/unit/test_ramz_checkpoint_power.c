/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Checkpoints on devices that fail: the power goes at any write, a call fails, bytes are damaged. A
 * store opens as it was at the last completed checkpoint, or it is refused.
 *
 * At a power failure everything before the last flush is there, and of the writes behind it any
 * part: each one whole, torn at a multiple of 512 bytes, or not at all.
 *
 * And on devices with parts of another time or place: each page is of one checkpoint, or damaged.
 */
#include <errno.h>

#include "test_ramz_checkpoint.h"

enum { STATES_MAX = 64 };

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

/* Open what is on the device; true: it is refused, with a reason. */
static bool is_refused(struct life *l, struct ramz **opened)
{
	const char *reason = NULL;
	int err = ramz_open(opened, NULL, NULL, 0, &l->device->backing, &reason);

	if (err == 0)
		return false;
	assert_int_equal(err, -XV_EBADMSG);
	assert_true(reason != NULL && reason[0] != 0);
	return true;
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
		unsigned char page[PAGE];
		uint64_t at = random_below(&seed, size);
		int err;

		if (i % 2 == 0) /* the first of a segment */
			at = at / RAMZ_SEGMENT_BYTES * RAMZ_SEGMENT_BYTES +
			     random_below(&seed, 5000);
		memcpy(l.device->bytes, good, size);
		l.device->bytes[at] ^= (unsigned char)(1 + random_below(&seed, 255));
		if (is_refused(&l, &opened)) {
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

enum { TIMES = 6, MIXES = 80, TIMED = 300 };

/* Of one length at all times, so that its forms lie at equal places. */
static void time_page(unsigned char *page, uint64_t slot, uint64_t time)
{
	text_fill(page, slot);
	memset(page, (int)('A' + time), 4);
}

/* The pages that can be read are all of one time. Returns how many cannot. */
static uint64_t expect_one_time(struct ramz *store, uint64_t only)
{
	unsigned char page[PAGE], wanted[PAGE];
	uint64_t damaged = 0, time = only;

	for (uint64_t slot = 0; slot < TIMED; slot++) {
		int err = ramz_read_page(store, slot, page);

		if (err != 0) {
			assert_int_equal(err, -XV_EBADMSG);
			damaged++;
			continue;
		}
		if (time == UINT64_MAX)
			time = (uint64_t)(page[0] - 'A');
		time_page(wanted, slot, time);
		assert_memory_equal(page, wanted, PAGE);
	}
	return damaged;
}

/* Put parts of another time, or of another place, into an image of the device. True: the
 * superblocks may be of another time. */
static bool mix(unsigned char *bytes, const unsigned char *other, uint64_t *seed)
{
	size_t to = random_below(seed, SEGMENTS) * RAMZ_SEGMENT_BYTES;
	size_t from = random_below(seed, SEGMENTS) * RAMZ_SEGMENT_BYTES;
	size_t block = random_below(seed, SEGMENTS * RAMZ_SEGMENT_BYTES / 4096 - 16) * 4096;

	switch (random_below(seed, 5)) {
	case 0: /* a segment as it was */
		memcpy(bytes + to, other + to, RAMZ_SEGMENT_BYTES);
		return to == 0;
	case 1: /* some blocks as they were */
		memcpy(bytes + block, other + block, 4096 * (1 + random_below(seed, 16)));
		return block < RAMZ_SEGMENT_BYTES;
	case 2: /* the superblocks as they were */
		memcpy(bytes, other, RAMZ_SEGMENT_BYTES);
		return true;
	case 3: /* a segment in another's place */
		memmove(bytes + to, bytes + from, RAMZ_SEGMENT_BYTES);
		return false;
	default: /* many segments as they were */
		for (size_t i = 1; i < SEGMENTS; i++)
			if (random_below(seed, 3) == 0)
				memcpy(bytes + i * RAMZ_SEGMENT_BYTES,
				       other + i * RAMZ_SEGMENT_BYTES, RAMZ_SEGMENT_BYTES);
		return false;
	}
}

/* Images of the device at some times, each with every page written anew. */
static unsigned char *make_times(struct life *l, size_t size)
{
	const struct ramz_writeback_options all = {0};
	unsigned char *images = malloc(TIMES * size);
	unsigned char page[PAGE];

	assert_non_null(images);
	for (uint64_t time = 0; time < TIMES; time++) {
		for (uint64_t slot = 0; slot < TIMED; slot++) {
			time_page(page, slot, time);
			assert_int_equal(ramz_write_page(l->store, slot, page), 0);
		}
		assert_int_equal(ramz_writeback(l->store, &all, NULL), 0);
		assert_int_equal(ramz_checkpoint(l->store), 0);
		memcpy(images + time * size, l->device->bytes, size);
	}
	return images;
}

static void parts_of_other_times_never_pass_for_pages(void **state)
{
	struct life l = {.seed = environment_number("XV_SEED", 1)};
	const size_t size = (size_t)SEGMENTS * RAMZ_SEGMENT_BYTES;
	unsigned char *images;
	uint64_t refused = 0, damaged = 0;

	(void)state;
	life_begin(&l, SEGMENTS, false, false);
	images = make_times(&l, size);
	for (int i = 0; i < MIXES; i++) {
		uint64_t time = random_below(&l.seed, TIMES);
		uint64_t other = random_below(&l.seed, TIMES);
		struct ramz *opened = NULL;
		bool any;

		memcpy(l.device->bytes, images + time * size, size);
		any = mix(l.device->bytes, images + other * size, &l.seed);
		if (is_refused(&l, &opened)) {
			refused++;
			continue;
		}
		damaged += expect_one_time(opened, any ? UINT64_MAX : time);
		ramz_destroy(opened);
	}
	assert_true(refused > 0 && damaged > 0);
	free(images);
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_failure_leaves_the_last_checkpoint),
		cmocka_unit_test(a_checkpoint_that_fails_spoils_nothing),
		cmocka_unit_test(damage_is_refused_or_costs_its_page),
		cmocka_unit_test(parts_of_other_times_never_pass_for_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
