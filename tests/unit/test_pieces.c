/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Objects of several pieces have no address: what maps refuse, what xv_peek gives instead,
 * and that a window of two pages is enough for them. May call: public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum { SMALL_PAGES = 24 };

static size_t split_size(const struct pool_fixture *f)
{
	return f->page_bytes * 3 / 8;
}

/* A pool with a split object (slot), a large one (slot + 1) and a small one (slot + 2). */
static uint32_t open_with_objects(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	uint32_t slot;

	density_open(d, f, SMALL_PAGES, flags, 0);
	slot = density_make_holes(d, 4);
	density_malloc_split(d, slot, split_size(f));
	assert_int_equal(density_malloc(d, slot + 1, f->page_bytes + f->page_bytes / 3), 0);
	assert_int_equal(density_malloc(d, slot + 2, 100), 0);
	return slot;
}

static void map_of_what_has_several_pieces_is_refused(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	void *ptr = &d;

	assert_int_equal(xv_map(d.pool, d.slot[slot].handle, &ptr), -XV_ESPLIT);
	assert_int_equal(xv_map(d.pool, d.slot[slot + 1].handle, &ptr), -XV_ESPLIT);
	assert_ptr_equal(ptr, &d);
	assert_int_equal(f->fault.mapped_now, 0);
	assert_non_null(strstr(xv_strerror(-XV_ESPLIT), "xv_read"));
	density_close(&d);
}

static void address_of_what_has_several_pieces_is_null(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);

	assert_null(xv_address_of(d.pool, d.slot[slot].handle));
	assert_null(xv_address_of(d.pool, d.slot[slot + 1].handle));
	assert_non_null(xv_address_of(d.pool, d.slot[slot + 2].handle));
	density_close(&d);
}

static void peek_copies_what_has_several_pieces(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_objects(&d, f, XV_POOL_SPLIT);
	unsigned char *buffer = density_scratch();

	for (uint32_t i = slot; i < slot + 2; i++) {
		size_t size = d.slot[i].size;
		xv_handle handle = d.slot[i].handle;
		const void *ptr = NULL;

		assert_int_equal(xv_peek(d.pool, handle, buffer, size - 1, &ptr), -XV_ERANGE);
		assert_null(ptr);
		buffer[size] = 0xA5;
		assert_int_equal(xv_peek(d.pool, handle, buffer, size, &ptr), (int)size);
		assert_ptr_equal(ptr, buffer);
		assert_memory_equal(buffer, density_bytes(&d, i), size);
		assert_int_equal(buffer[size], 0xA5);
		assert_int_equal(f->fault.mapped_now, 0);
	}
	density_close(&d);
}

/* A window of two pages is enough. */
static void two_slots_do(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, FAULT_HIDE_BASE);
	slot = density_make_holes(&d, 4);
	density_malloc_split(&d, slot, split_size(f));
	assert_int_equal(density_malloc(&d, slot + 1, f->page_bytes * 3 + 1000), 0);
	assert_int_equal(density_realloc(&d, slot, split_size(f) + 200), 0);
	assert_int_equal(density_realloc(&d, slot + 1, f->page_bytes * 2 + 10), 0);
	density_free_every(&d, 0, slot, 3);
	(void)density_compact(&d, 0);
	density_close(&d);
	assert_in_range(f->fault.mapped_peak, 1, 2);
	assert_int_equal(f->fault.misuse, 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(map_of_what_has_several_pieces_is_refused, EACH_ALIGNMENT),
	POOL_TEST(address_of_what_has_several_pieces_is_null, WITH_BASE),
	POOL_TEST(peek_copies_what_has_several_pieces, EACH_ALIGNMENT),
	POOL_TEST(two_slots_do, EACH_ALIGNMENT | WITH_BASE),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pieces", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
