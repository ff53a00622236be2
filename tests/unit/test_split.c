/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Split objects: how a request that fits no hole whole is laid over several, what may
 * and may not be done with the result, and that nothing stays behind. May call: public
 * headers. One thread.
 */
#include "density.h"

#include <string.h>

enum { SMALL_PAGES = 12, LINK_BYTES_MOST = 16 };

/* There is no bound; the sizes here need no more. */
enum { PIECES_MOST = 64 };

/* Fits no hole of density_make_holes whole, but four of them. */
static size_t split_size(const struct pool_fixture *f)
{
	return f->page_bytes * 3 / 8;
}

static void request_that_fits_no_hole_is_laid_over_several(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct xv_pool_stats before, after;
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		slot = density_make_holes(&d, 4);
		before = fixture_stats(f);
		density_malloc_split(&d, slot, split_size(f));
		after = fixture_stats(f);
		assert_int_equal(after.page_allocs, before.page_allocs);
		assert_int_equal(after.requested_bytes, before.requested_bytes + split_size(f));
		assert_int_equal(after.split_objects, 1);
		assert_in_range(after.pieces, 2, PIECES_MOST);
		assert_in_range(after.link_bytes, 1, after.pieces * LINK_BYTES_MOST);
		assert_int_equal(xv_object_size(d.pool, d.slot[slot].handle), (int)split_size(f));
		density_close(&d);
	}
}

static void request_that_fits_a_hole_is_not_split(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	assert_int_equal(density_malloc(&d, slot, f->page_bytes / 8 - 16), 0);
	assert_int_equal(fixture_stats(f).split_objects, 0);
	density_close(&d);
}

static void nothing_is_split_without_the_flag(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	slot = density_make_holes(&d, 4);
	assert_int_equal(density_malloc(&d, slot, split_size(f)), 0);
	assert_int_equal(fixture_stats(f).split_objects, 0);
	assert_int_equal(density_pages(&d), 5);
	density_close(&d);
}

/* What an object adds to the counters of pieces: as many as allowed. Returns them. */
static uint64_t pieces_added(struct density *d, uint32_t slot, size_t size)
{
	struct xv_pool_stats before = fixture_stats(d->f);
	int err = density_malloc(d, slot, size);
	struct xv_pool_stats after = fixture_stats(d->f);
	uint64_t added = after.pieces - before.pieces;

	if (err != 0 || added == 0) {
		assert_int_equal(after.pieces, before.pieces);
		assert_int_equal(after.split_objects, before.split_objects);
		assert_int_equal(after.link_bytes, before.link_bytes);
		return 0;
	}
	assert_in_range(added, 2, PIECES_MOST);
	assert_int_equal(after.split_objects, before.split_objects + 1);
	assert_in_range(after.link_bytes - before.link_bytes, 1, added * LINK_BYTES_MOST);
	return added;
}

/* Many objects of random sizes until the pool is full: none has more pieces than
 * allowed, and each takes its own out of the counters again. */
static void pieces_add_up_in_a_full_pool(struct pool_fixture *f)
{
	enum { OBJECTS = 60 };

	FOR_EACH_SPLIT_FLAGS(flags)
	{
		uint64_t pieces[OBJECTS], split = 0;
		struct density d;
		uint32_t end;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		end = density_make_holes(&d, SMALL_PAGES);
		for (uint32_t i = 0; i < OBJECTS; i++) {
			pieces[i] = pieces_added(&d, end + i,
						 64 + random_below(&f->random, f->page_bytes / 2));
			split += pieces[i] != 0;
		}
		assert_true(split > 0);
		for (uint32_t i = 0; i < OBJECTS; i++) {
			uint64_t before = fixture_stats(f).pieces;

			if (d.slot[end + i].handle == XV_NULL_HANDLE)
				continue;
			assert_int_equal(density_free(&d, end + i), 0);
			split -= pieces[i] != 0;
			assert_int_equal(fixture_stats(f).pieces, before - pieces[i]);
			assert_int_equal(fixture_stats(f).split_objects, split);
		}
		density_close(&d);
	}
}

/* ---- reading and writing ---- */

static void check_range(struct density *d, uint32_t slot, unsigned char *shadow, size_t offset,
			size_t length)
{
	unsigned char *scratch = density_scratch();
	const unsigned char *fresh = density_noise((uint32_t)(offset * 31 + length));
	xv_handle handle = d->slot[slot].handle;

	memset(scratch, 0xA5, length + 1);
	assert_int_equal(xv_read(d->pool, handle, offset, scratch, length), 0);
	assert_memory_equal(scratch, shadow + offset, length);
	assert_int_equal(scratch[length], 0xA5);
	assert_int_equal(xv_write(d->pool, handle, offset, fresh, length), 0);
	memcpy(shadow + offset, fresh, length);
}

/* Short ranges one after the other, so that some cross each border between pieces. */
static void ranges_across_pieces_read_and_write(struct pool_fixture *f)
{
	size_t size = split_size(f), step = f->page_bytes / 4096 * 2 - 1;
	unsigned char *shadow;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	shadow = test_malloc(f->page_bytes);
	density_malloc_split(&d, slot, size);
	memcpy(shadow, density_bytes(&d, slot), size);
	for (size_t begin = 0; begin <= size; begin += step) {
		size_t length = step + begin % 8;

		check_range(&d, slot, shadow, begin, length < size - begin ? length : size - begin);
	}
	for (unsigned i = 0; i < 50; i++) {
		size_t begin = random_below(&f->random, size);

		check_range(&d, slot, shadow, begin, random_below(&f->random, size - begin + 1));
	}
	assert_int_equal(xv_read(d.pool, d.slot[slot].handle, 0, density_scratch(), size), 0);
	assert_memory_equal(density_scratch(), shadow, size);
	assert_int_equal(xv_write(d.pool, d.slot[slot].handle, 0, density_bytes(&d, slot), size),
			 0);
	test_free(shadow);
	density_close(&d);
}

static void range_past_the_end_is_refused(struct pool_fixture *f)
{
	size_t size = split_size(f);
	struct density d;
	xv_handle handle;
	uint32_t slot;
	char byte = 'x';

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	density_malloc_split(&d, slot, size);
	handle = d.slot[slot].handle;
	assert_int_equal(xv_read(d.pool, handle, size, &byte, 1), -XV_ERANGE);
	assert_int_equal(xv_read(d.pool, handle, 1, density_scratch(), size), -XV_ERANGE);
	assert_int_equal(xv_read(d.pool, handle, SIZE_MAX, &byte, 1), -XV_ERANGE);
	assert_int_equal(xv_write(d.pool, handle, SIZE_MAX, &byte, 2), -XV_ERANGE);
	assert_int_equal(xv_write(d.pool, handle, 2, density_bytes(&d, slot), SIZE_MAX - 1),
			 -XV_ERANGE);
	assert_int_equal(xv_read(d.pool, handle, size, &byte, 0), 0);
	assert_int_equal(xv_read(d.pool, handle, size + 1, &byte, 0), -XV_ERANGE);
	assert_int_equal(byte, 'x');
	density_close(&d);
}

/* ---- freeing, handles ---- */

static void free_gives_everything_back(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct xv_pool_stats before, after;
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		slot = density_make_holes(&d, 4);
		before = fixture_trimmed_stats(f);
		for (unsigned i = 0; i < 3; i++)
			density_malloc_split(&d, slot + i, split_size(f) - i);
		density_verify(&d);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(density_free(&d, slot + i), 0);
		after = fixture_trimmed_stats(f);
		density_assert_same(&after, &before);
		density_close(&d);
	}
}

static void freed_split_object_is_dead(struct pool_fixture *f)
{
	struct density d;
	xv_handle handle;
	uint32_t slot;
	char byte;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	density_malloc_split(&d, slot, split_size(f));
	handle = d.slot[slot].handle;
	assert_int_equal(density_free(&d, slot), 0);
	assert_int_equal(xv_free(d.pool, handle), -XV_EINVAL);
	assert_int_equal(xv_read(d.pool, handle, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_object_size(d.pool, handle), -XV_EINVAL);
	/* The same place, allocated anew, is not the old object. */
	density_malloc_split(&d, slot, split_size(f));
	assert_int_not_equal(d.slot[slot].handle, handle);
	assert_int_equal(xv_free(d.pool, handle), -XV_EINVAL);
	density_close(&d);
}

static void refuse_place(struct density *d, xv_handle handle)
{
	char byte = 0;

	assert_int_equal(xv_object_size(d->pool, handle), -XV_EINVAL);
	assert_int_equal(xv_read(d->pool, handle, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_free(d->pool, handle), -XV_EINVAL);
}

/* Zeros in every object, or what belongs there. */
static void fill_all(struct density *d, bool zeros)
{
	for (uint32_t i = 0; i < DENSITY_SLOTS; i++) {
		size_t size = d->slot[i].size;

		if (d->slot[i].handle == XV_NULL_HANDLE)
			continue;
		memset(density_scratch(), 0, size);
		assert_int_equal(xv_write(d->pool, d->slot[i].handle, 0,
					  zeros ? density_scratch() : density_bytes(d, i), size),
				 0);
	}
}

static bool is_start_of_an_object(const struct density *d, uint32_t end, uint32_t page,
				  uint32_t offset)
{
	for (uint32_t i = 0; i < end; i++) {
		xv_handle handle = d->slot[i].handle;

		if (handle != XV_NULL_HANDLE && xv_handle_page(handle) == page &&
		    xv_handle_offset(handle) == offset)
			return true;
	}
	return false;
}

/* Places all over a pool with a split object, its later pieces, links and headers among
 * them: every one of small pages. The contents are zeros, so that none of them looks like a header.
 */
static void places_inside_objects_are_refused(struct pool_fixture *f)
{
	enum { PAGES = 4 };
	uint32_t step = 4 * (uint32_t)(f->page_bytes / 4096 * 2 - 1);

	FOR_EACH_SPLIT_FLAGS(flags)
	{
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		slot = density_make_holes(&d, PAGES);
		density_malloc_split(&d, slot, split_size(f));
		fill_all(&d, true);
		for (uint32_t page = 0; page <= PAGES; page++) {
			for (uint32_t offset = 0; offset < f->page_bytes; offset += step) {
				if (!is_start_of_an_object(&d, slot + 1, page, offset))
					refuse_place(&d, xv_handle_at(page, offset));
			}
		}
		fill_all(&d, false);
		density_close(&d);
	}
}

/* ---- what never splits ---- */

static void pointers_are_never_to_split_objects(struct pool_fixture *f)
{
	size_t size = split_size(f);
	struct density d;
	char *first, *second;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	(void)density_make_holes(&d, 4);
	first = xv_alloc(d.pool, size);
	second = xv_alloc_aligned(d.pool, size, 64);
	assert_non_null(first);
	assert_non_null(second);
	first = xv_resize(d.pool, first, size * 2);
	assert_non_null(first);
	assert_null(xv_alloc(d.pool, f->page_bytes + 1));
	assert_null(xv_resize(d.pool, second, f->page_bytes + 1));
	assert_int_equal(fixture_stats(f).split_objects, 0);
	xv_pool_set_limit(d.pool, 1);
	assert_null(xv_alloc(d.pool, f->page_bytes / 2));
	assert_null(xv_resize(d.pool, second, f->page_bytes));
	xv_pool_set_limit(d.pool, 0);
	assert_int_equal(xv_release(d.pool, first), 0);
	assert_int_equal(xv_release(d.pool, second), 0);
	density_close(&d);
}

/* An object that may be split is resized by its handle alone. */
static void objects_that_may_split_are_not_resized_by_address(struct pool_fixture *f)
{
	xv_handle handle;
	struct density d;
	void *ptr;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(xv_malloc(d.pool, 210, &handle), 0);
	ptr = xv_address_of(d.pool, handle);
	assert_non_null(ptr);
	assert_null(xv_resize(d.pool, ptr, f->page_bytes + 2000));
	assert_null(xv_resize(d.pool, ptr, 100));
	assert_int_equal(xv_object_size(d.pool, handle), 210);
	assert_int_equal(xv_free(d.pool, handle), 0);
	density_close(&d);
}

static void aligned_objects_are_never_split(struct pool_fixture *f)
{
	struct density d;
	xv_handle handle = XV_NULL_HANDLE;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	(void)density_make_holes(&d, 4);
	xv_pool_set_limit(d.pool, 1);
	assert_int_equal(xv_malloc_aligned(d.pool, split_size(f), 32, &handle), -XV_ENOSPC);
	xv_pool_set_limit(d.pool, 0);
	assert_int_equal(xv_malloc_aligned(d.pool, f->page_bytes + 1, 4, &handle), -XV_E2BIG);
	assert_int_equal(handle, XV_NULL_HANDLE);
	assert_int_equal(xv_malloc_aligned(d.pool, split_size(f), 256, &handle), 0);
	assert_int_equal(xv_handle_offset(handle) % 256, 0);
	assert_int_equal(fixture_stats(f).split_objects, 0);
	assert_int_equal(xv_free(d.pool, handle), 0);
	density_close(&d);
}

/* ---- realloc, calloc, walk ---- */

static void realloc_of_split_objects_keeps_contents(struct pool_fixture *f)
{
	FOR_EACH_SPLIT_FLAGS(flags)
	{
		const size_t sizes[] = {split_size(f) + 1, split_size(f) / 2, 100,
					split_size(f),     f->page_bytes,     split_size(f) - 7,
					f->page_bytes * 2, split_size(f),     1};
		struct density d;
		uint32_t slot;

		density_open(&d, f, SMALL_PAGES, flags, 0);
		slot = density_make_holes(&d, 4);
		density_malloc_split(&d, slot, split_size(f));
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_int_equal(density_realloc(&d, slot, sizes[i]), 0);
			density_verify(&d);
		}
		density_close(&d);
	}
}

static void realloc_that_fails_leaves_a_split_object_alone(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	density_malloc_split(&d, slot, split_size(f));
	before = fixture_trimmed_stats(f);
	fault_provider_fail(&f->fault, FAULT_PAGE_ALLOC, 1, FAULT_FOREVER);
	assert_int_equal(density_realloc(&d, slot, f->page_bytes * 3), -XV_ENOMEM);
	assert_int_equal(density_realloc(&d, slot, xv_pool_max_size(d.pool) + 1), -XV_E2BIG);
	assert_int_equal(density_realloc(&d, slot, 0), -XV_EINVAL);
	(void)xv_pool_trim(d.pool);
	fixture_assert_unchanged(f, &before);
	density_close(&d);
}

static void calloc_over_dirty_holes_is_all_zero(struct pool_fixture *f)
{
	size_t size = split_size(f);
	struct density d;
	xv_handle handle = XV_NULL_HANDLE;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 4);
	assert_int_equal(xv_calloc(d.pool, size / 4, 4, &handle), 0);
	assert_int_equal(fixture_stats(f).split_objects, 1);
	assert_int_equal(xv_read(d.pool, handle, 0, density_scratch(), size), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(density_scratch()[i], 0);
	density_adopt(&d, slot, handle, size);
	density_close(&d);
}

struct seen {
	struct density *d;
	uint32_t times[DENSITY_SLOTS];
	uint32_t unknown;
};

static int see(void *context, xv_handle handle, size_t size)
{
	struct seen *seen = context;

	for (uint32_t i = 0; i < DENSITY_SLOTS; i++) {
		if (seen->d->slot[i].handle == handle && seen->d->slot[i].size == size) {
			seen->times[i]++;
			return 0;
		}
	}
	seen->unknown++;
	return 0;
}

static void walk_shows_each_object_once(struct pool_fixture *f)
{
	struct seen *seen;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
	slot = density_make_holes(&d, 4);
	seen = test_calloc(1, sizeof(*seen));
	for (uint32_t i = 0; i < 3; i++)
		density_malloc_split(&d, slot + i, split_size(f));
	for (uint32_t i = 3; i < 5; i++)
		assert_int_equal(density_malloc(&d, slot + i, split_size(f)), 0);
	assert_int_equal(density_malloc(&d, slot + 5, f->page_bytes * 2 + 500), 0);
	assert_int_equal(density_malloc(&d, slot + 6, f->page_bytes), 0);
	seen->d = &d;
	assert_int_equal(xv_pool_walk(d.pool, see, seen), 0);
	assert_int_equal(seen->unknown, 0);
	for (uint32_t i = 0; i < DENSITY_SLOTS; i++)
		assert_int_equal(seen->times[i], d.slot[i].handle != XV_NULL_HANDLE);
	test_free(seen);
	density_close(&d);
}

/* ---- want of memory ---- */

/* More than the holes of three pages can take, in four pieces or in as many as there are. */
static size_t no_room_size(const struct pool_fixture *f)
{
	return f->page_bytes * 7 / 4;
}

static void limit_reached_with_no_room_leaves_all_unchanged(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 3);
	before = fixture_trimmed_stats(f);
	xv_pool_set_limit(d.pool, before.held_bytes);
	assert_int_equal(density_malloc(&d, slot, no_room_size(f)), -XV_ENOSPC);
	(void)xv_pool_trim(d.pool);
	fixture_assert_unchanged(f, &before);
	/* What the holes can take is granted at the limit, where they have their memory. */
	if (fixture_grain_bytes(f) == f->page_bytes)
		density_malloc_split(&d, slot, split_size(f));
	density_close(&d);
}

static void full_provider_leaves_all_unchanged(struct pool_fixture *f)
{
	struct xv_pool_stats before;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	slot = density_make_holes(&d, 3);
	before = fixture_trimmed_stats(f);
	fault_provider_fail(&f->fault, FAULT_PAGE_ALLOC, 1, FAULT_FOREVER);
	assert_int_equal(density_malloc(&d, slot, no_room_size(f)), -XV_ENOMEM);
	(void)xv_pool_trim(d.pool);
	fixture_assert_unchanged(f, &before);
	density_close(&d);
}

static const struct pool_test tests[] = {
	POOL_TEST(request_that_fits_no_hole_is_laid_over_several, EACH_ALIGNMENT),
	POOL_TEST(request_that_fits_a_hole_is_not_split, EACH_ALIGNMENT),
	POOL_TEST(nothing_is_split_without_the_flag, EACH_ALIGNMENT),
	POOL_TEST(pieces_add_up_in_a_full_pool, EACH_ALIGNMENT),
	POOL_TEST(ranges_across_pieces_read_and_write, EACH_ALIGNMENT),
	POOL_TEST(range_past_the_end_is_refused, EACH_ALIGNMENT),
	POOL_TEST(free_gives_everything_back, EACH_ALIGNMENT),
	POOL_TEST(freed_split_object_is_dead, EACH_ALIGNMENT),
	POOL_TEST(places_inside_objects_are_refused, EACH_ALIGNMENT),
	POOL_TEST(pointers_are_never_to_split_objects, EACH_ALIGNMENT | WITH_BASE),
	POOL_TEST(objects_that_may_split_are_not_resized_by_address, EACH_ALIGNMENT | WITH_BASE),
	POOL_TEST(aligned_objects_are_never_split, EACH_ALIGNMENT),
	POOL_TEST(realloc_of_split_objects_keeps_contents, EACH_ALIGNMENT),
	POOL_TEST(realloc_that_fails_leaves_a_split_object_alone, EACH_ALIGNMENT),
	POOL_TEST(calloc_over_dirty_holes_is_all_zero, EACH_ALIGNMENT),
	POOL_TEST(walk_shows_each_object_once, EACH_ALIGNMENT),
	POOL_TEST(limit_reached_with_no_room_leaves_all_unchanged, EACH_ALIGNMENT),
	POOL_TEST(full_provider_leaves_all_unchanged, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("split", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
