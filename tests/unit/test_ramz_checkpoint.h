/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_checkpoint.h: a store on a device with a log, and what it should hold.
 *
 * Owns nothing. May call: public headers, CMocka. Locking: none. O(pages).
 */
#ifndef TEST_RAMZ_CHECKPOINT_H
#define TEST_RAMZ_CHECKPOINT_H

#include "test_ramz_log_device.h"
#include "test_ramz_text.h"

enum { SLOTS = 1200, SEGMENTS = 40 };

/* ---- a store and what it should hold ---- */

struct life {
	struct ramz *store;
	struct device *device;
	uint64_t seed;
	uint32_t now[SLOTS]; /* page numbers; 0 = absent */
	uint32_t number;
};

static inline void life_write(struct life *l, uint64_t slot)
{
	store_put(l->store, slot, ++l->number);
	l->now[slot] = l->number;
}

static inline void life_begin(struct life *l, uint64_t segments, bool checksum, bool dedup)
{
	l->device = device_make(segments);
	l->store = store_open_with(SLOTS, checksum, dedup);
	assert_int_equal(ramz_attach(l->store, &l->device->backing), 0);
	assert_int_equal(ramz_set_tier(l->store, 2, stronger_codec(), 3), 0);
}

static inline void life_end(struct life *l)
{
	store_close(l->store);
	device_free(l->device);
}

static inline bool store_is(struct ramz *store, const uint32_t *numbers)
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

static inline struct ramz *open_store(const struct ramz_backing *backing)
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

static inline void stir(struct life *l)
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

#endif
