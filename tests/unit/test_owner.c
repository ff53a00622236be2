/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Owner words: setting, getting, keeping them, and what they cost. May call: public
 * headers. One thread.
 */
#include "density.h"

enum { SMALL_PAGES = 24, OBJECTS = 5, OWNER_BYTES = 4 };

/* One object of each shape: small, most of a page, the longest of one piece, split, large. */
static uint32_t open_with_shapes(struct density *d, struct pool_fixture *f)
{
	const size_t sizes[OBJECTS] = {10, f->page_bytes / 2 + 10, f->page_bytes,
				       f->page_bytes * 3 / 8, f->page_bytes * 3 + 500};
	uint32_t slot;

	density_open(d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
	slot = density_make_holes(d, 4);
	density_malloc_split(d, slot + 3, sizes[3]);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i != 3)
			assert_int_equal(density_malloc(d, slot + i, sizes[i]), 0);
	}
	return slot;
}

static void assert_owner(struct density *d, uint32_t slot, uint32_t expected)
{
	uint32_t owner = ~expected;

	assert_int_equal(xv_get_owner(d->pool, d->slot[slot].handle, &owner), 0);
	assert_int_equal(owner, expected);
}

static void owner_given_at_allocation_is_kept(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_shapes(&d, f);

	for (uint32_t i = 0; i < OBJECTS; i++)
		assert_owner(&d, slot + i, slot + i);
	density_close(&d);
}

static void objects_without_an_owner_have_none(struct pool_fixture *f)
{
	const size_t sizes[] = {10, f->page_bytes, f->page_bytes * 2 + 99};
	struct density d;
	uint32_t owner;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		xv_handle plain = fixture_malloc(f, sizes[i]), zeroed = XV_NULL_HANDLE;

		assert_int_equal(xv_get_owner(d.pool, plain, &owner), 0);
		assert_int_equal(owner, XV_NO_OWNER);
		assert_int_equal(xv_calloc(d.pool, 1, sizes[i], &zeroed), 0);
		assert_int_equal(xv_get_owner(d.pool, zeroed, &owner), 0);
		assert_int_equal(owner, XV_NO_OWNER);
		fixture_free(f, plain);
		fixture_free(f, zeroed);
	}
	if (f->inner->base != NULL) {
		void *ptr = xv_alloc(d.pool, 100);

		assert_int_equal(xv_get_owner(d.pool, xv_handle_of(d.pool, ptr), &owner), 0);
		assert_int_equal(owner, XV_NO_OWNER);
		assert_int_equal(xv_release(d.pool, ptr), 0);
	}
	density_close(&d);
}

/* Every bit of the word, and no byte of the contents. */
static void owner_can_be_changed(struct pool_fixture *f)
{
	const uint32_t owners[] = {0, 1, 0x12345678, 0xFFFFFFFE, 0x80000000, XV_NO_OWNER};
	struct density d;
	uint32_t slot = open_with_shapes(&d, f);

	for (uint32_t i = 0; i < OBJECTS; i++) {
		for (size_t n = 0; n < sizeof(owners) / sizeof(owners[0]); n++) {
			assert_int_equal(xv_set_owner(d.pool, d.slot[slot + i].handle, owners[n]),
					 0);
			assert_owner(&d, slot + i, owners[n]);
		}
	}
	density_close(&d);
}

static void owner_survives_realloc(struct pool_fixture *f)
{
	struct density d;
	uint32_t slot = open_with_shapes(&d, f);
	const size_t sizes[] = {40, f->page_bytes, f->page_bytes * 2 + 1, f->page_bytes * 3 / 8, 7};

	for (uint32_t i = 0; i < OBJECTS; i++) {
		for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
			assert_int_equal(density_realloc(&d, slot + i, sizes[n]), 0);
			assert_owner(&d, slot + i, slot + i);
		}
	}
	density_close(&d);
}

/* Four bytes for every block, none for pages without blocks. */
static void owner_words_are_counted(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	struct density d;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(density_malloc(&d, i, 100 + i), 0);
	assert_int_equal(density_malloc(&d, 10, xv_pool_max_size(d.pool)), 0);
	stats = fixture_stats(f);
	assert_int_equal(stats.owner_bytes, 11 * OWNER_BYTES);
	assert_int_equal(stats.header_bytes, 11 * 4);
	density_close(&d);
}

static void fragments_have_owner_words(struct pool_fixture *f)
{
	struct xv_pool_stats before, after;
	struct density d;
	uint32_t slot;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
	slot = density_make_holes(&d, 4);
	before = fixture_stats(f);
	density_malloc_split(&d, slot, f->page_bytes * 3 / 8);
	after = fixture_stats(f);
	/* The first piece alone. */
	assert_int_equal(after.owner_bytes - before.owner_bytes, OWNER_BYTES);
	density_close(&d);
}

static void alignment_holds_with_owner_words(struct pool_fixture *f)
{
	struct density d;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	for (uint32_t i = 0; i < 60; i++) {
		assert_int_equal(
			density_malloc(&d, i, 1 + random_below(&f->random, f->page_bytes / 4)), 0);
		assert_int_equal(xv_handle_offset(d.slot[i].handle) % f->alignment, 0);
	}
	density_close(&d);
}

static void pool_without_owners_says_so(struct pool_fixture *f)
{
	struct density d;
	xv_handle handle = XV_NULL_HANDLE;
	uint32_t owner = 77;

	density_open(&d, f, SMALL_PAGES, XV_POOL_SPLIT, 0);
	assert_int_equal(density_malloc(&d, 0, 100), 0);
	assert_int_equal(xv_malloc_owned(d.pool, 100, 1, &handle), -XV_ENOTSUP);
	assert_int_equal(xv_set_owner(d.pool, d.slot[0].handle, 1), -XV_ENOTSUP);
	assert_int_equal(xv_get_owner(d.pool, d.slot[0].handle, &owner), -XV_ENOTSUP);
	assert_int_equal(xv_compact(d.pool, 0, NULL), -XV_ENOTSUP);
	assert_int_equal(xv_compactable(d.pool), 0);
	assert_int_equal(handle, XV_NULL_HANDLE);
	assert_int_equal(owner, 77);
	density_close(&d);
}

static void pool_without_owner_ops_keeps_owners_but_does_not_compact(struct pool_fixture *f)
{
	const struct xv_owner_ops half = {NULL};
	struct xv_pool_options options;
	struct density d;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	for (unsigned i = 0; i < 2; i++) {
		density_options(&d, &options);
		options.owner_ops = i == 0 ? NULL : &half;
		fixture_drop_pool(f);
		fixture_make_pool(f, &options);
		d.pool = f->pool;
		assert_int_equal(density_malloc(&d, 3, 100), 0);
		assert_owner(&d, 3, 3);
		assert_int_equal(xv_compact(d.pool, 0, NULL), -XV_ENOTSUP);
		assert_int_equal(density_free(&d, 3), 0);
	}
	density_close(&d);
}

static void bad_arguments_are_refused(struct pool_fixture *f)
{
	struct density d;
	xv_handle stale;
	uint32_t owner = 77;

	density_open(&d, f, SMALL_PAGES, XV_POOL_OWNERS, 0);
	assert_int_equal(density_malloc(&d, 1, 64), 0);
	assert_int_equal(density_malloc(&d, 0, 100), 0);
	stale = d.slot[0].handle;
	assert_int_equal(xv_get_owner(d.pool, stale, NULL), -XV_EINVAL);
	assert_int_equal(density_free(&d, 0), 0);
	assert_int_equal(xv_get_owner(d.pool, stale, &owner), -XV_EINVAL);
	assert_int_equal(xv_set_owner(d.pool, stale, 5), -XV_EINVAL);
	assert_int_equal(xv_set_owner(d.pool, XV_NULL_HANDLE, 5), -XV_EINVAL);
	assert_int_equal(xv_set_owner(NULL, stale, 5), -XV_EINVAL);
	assert_int_equal(xv_get_owner(NULL, stale, &owner), -XV_EINVAL);
	assert_int_equal(xv_malloc_owned(NULL, 1, 1, &stale), -XV_EINVAL);
	assert_int_equal(xv_malloc_owned(d.pool, 1, 1, NULL), -XV_EINVAL);
	assert_int_equal(xv_malloc_owned(d.pool, 0, 1, &stale), -XV_EINVAL);
	assert_int_equal(xv_compact(NULL, 0, NULL), -XV_EINVAL);
	assert_int_equal(xv_compactable(NULL), 0);
	assert_int_equal(owner, 77);
	density_close(&d);
}

/* ---- owners and compaction ---- */

/* A sparse pool: objects of an eighth of a page, of which few are left. */
static uint32_t open_sparse(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	uint32_t end;

	density_open(d, f, SMALL_PAGES, flags, 0);
	end = density_fill_pages(d, 0, 20, f->page_bytes / 8 - 16);
	for (uint32_t i = 0; i < end; i++) {
		if (i % 4 != 0 && d->slot[i].handle != XV_NULL_HANDLE)
			assert_int_equal(density_free(d, i), 0);
	}
	return end;
}

static void object_without_an_owner_stays(struct pool_fixture *f)
{
	struct density d;
	uint32_t end = open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT);
	xv_handle before[DENSITY_SLOTS];

	for (uint32_t i = 0; i < end; i++) {
		before[i] = d.slot[i].handle;
		if (before[i] != XV_NULL_HANDLE && i % 8 == 0)
			assert_int_equal(xv_set_owner(d.pool, before[i], XV_NO_OWNER), 0);
	}
	(void)density_compact(&d, 0);
	for (uint32_t i = 0; i < end; i++) {
		if (i % 8 == 0)
			assert_int_equal(d.slot[i].handle, before[i]);
	}
	density_close(&d);
}

/* The number that counts is the one set last, in every piece. */
static void compaction_asks_the_new_owner(struct pool_fixture *f)
{
	struct density d;
	uint32_t end = open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT);
	struct xv_compact_report sum;

	for (uint32_t i = 0; i < 6; i++)
		(void)density_malloc(&d, end + i, f->page_bytes * 7 / 8);
	for (uint32_t i = 0; i < end + 6; i++) {
		if (d.slot[i].handle == XV_NULL_HANDLE)
			continue;
		assert_int_equal(xv_set_owner(d.pool, d.slot[i].handle, i + 2000), 0);
		d.slot[i + 2000] = d.slot[i];
		d.slot[i] = (struct density_slot){0};
	}
	sum = density_compact(&d, 0);
	assert_true(d.moved != 0);
	/* Nor was there a piece whose owner nobody knew. */
	assert_int_equal(sum.refused, 0);
	density_close(&d);
}

static const struct pool_test tests[] = {
	POOL_TEST(owner_given_at_allocation_is_kept, EACH_ALIGNMENT),
	POOL_TEST(objects_without_an_owner_have_none, EACH_ALIGNMENT),
	POOL_TEST(owner_can_be_changed, EACH_ALIGNMENT),
	POOL_TEST(owner_survives_realloc, EACH_ALIGNMENT),
	POOL_TEST(owner_words_are_counted, EACH_ALIGNMENT),
	POOL_TEST(fragments_have_owner_words, EACH_ALIGNMENT),
	POOL_TEST(alignment_holds_with_owner_words, EACH_ALIGNMENT),
	POOL_TEST(pool_without_owners_says_so, 0),
	POOL_TEST(pool_without_owner_ops_keeps_owners_but_does_not_compact, 0),
	POOL_TEST(bad_arguments_are_refused, 0),
	POOL_TEST(object_without_an_owner_stays, EACH_ALIGNMENT),
	POOL_TEST(compaction_asks_the_new_owner, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("owner", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
