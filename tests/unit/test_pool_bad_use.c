/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Handles that name no live object: null, wild, stale, freed twice, another pool's.
 * Every call must refuse them, nothing may change, and the objects around stay as
 * they are. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include "shadow.h"

enum { OBJECTS = 20, WILD_HANDLES = 10000, REUSES = 15, FOREIGN_HANDLES = 4000 };

#define TAG_MASK ((xv_handle)0xFFFF << 48)

/* A handle of the pool with its place exchanged. */
static xv_handle retagged(xv_handle place, xv_handle tag)
{
	return (place & ~TAG_MASK) | (tag & TAG_MASK);
}

static xv_handle untagged(xv_handle handle)
{
	return handle & ~TAG_MASK;
}

/* Each call refuses the handle; nothing has changed. */
static void every_call_refuses(struct pool_fixture *f, xv_handle handle)
{
	struct xv_pool_stats before = fixture_stats(f);
	xv_handle copy = handle;
	char bytes[4] = "xyz";
	const void *seen = bytes;
	void *ptr = bytes;

	assert_int_equal(xv_free(f->pool, handle), -XV_EINVAL);
	assert_int_equal(xv_object_size(f->pool, handle), -XV_EINVAL);
	assert_int_equal(xv_realloc(f->pool, &copy, 10), -XV_EINVAL);
	assert_int_equal(xv_map(f->pool, handle, &ptr), -XV_EINVAL);
	assert_int_equal(xv_unmap(f->pool, handle, bytes), -XV_EINVAL);
	assert_int_equal(xv_read(f->pool, handle, 0, bytes, 1), -XV_EINVAL);
	assert_int_equal(xv_write(f->pool, handle, 0, bytes, 1), -XV_EINVAL);
	assert_int_equal(xv_peek(f->pool, handle, bytes, 4, &seen), -XV_EINVAL);
	assert_null(xv_address_of(f->pool, handle));
	assert_int_equal(copy, handle);
	assert_ptr_equal(ptr, bytes);
	assert_ptr_equal(seen, bytes);
	assert_string_equal(bytes, "xyz");
	/* All but xv_unmap; and xv_address_of, where there are addresses. */
	assert_int_equal(fixture_stats(f).bad_handles - before.bad_handles,
			 f->inner->base != NULL ? 8 : 7);
	fixture_assert_unchanged(f, &before);
}

/* A few objects in one page, all of them filled. */
static void make_objects(struct pool_fixture *f, struct shadow *shadow)
{
	shadow_init(shadow, f->pool);
	for (size_t i = 0; i < OBJECTS; i++)
		assert_int_equal(shadow_malloc(shadow, 1 + random_below(&f->random, 120), 0), 0);
	for (size_t i = 0; i < OBJECTS / 4; i++)
		assert_int_equal(shadow_free(shadow, random_below(&f->random, shadow->count)), 0);
}

static void end_objects(struct pool_fixture *f, struct shadow *shadow)
{
	shadow_verify_all(shadow);
	fixture_check(f);
	shadow_free_all(shadow);
	shadow_fini(shadow);
}

/* The live object of this handle, by its full name or by page and offset alone. */
static const struct shadow_object *live_object(const struct shadow *shadow, xv_handle handle)
{
	for (size_t i = 0; i < shadow->count; i++) {
		xv_handle live = shadow->objects[i].handle;

		if (handle == live || handle == untagged(live))
			return &shadow->objects[i];
	}
	return NULL;
}

static void the_handle_is_told_right(struct pool_fixture *f, const struct shadow *shadow,
				     xv_handle handle)
{
	const struct shadow_object *object = live_object(shadow, handle);

	assert_int_equal(xv_object_size(f->pool, handle),
			 object != NULL ? (int)object->size : -XV_EINVAL);
	if (object == NULL)
		assert_int_equal(xv_free(f->pool, handle), -XV_EINVAL);
}

/* ---- wild ---- */

static void the_null_handle_is_refused(struct pool_fixture *f)
{
	every_call_refuses(f, XV_NULL_HANDLE);
	(void)fixture_malloc(f, 100);
	every_call_refuses(f, XV_NULL_HANDLE);
	every_call_refuses(f, xv_handle_at(UINT32_MAX, 4));
	every_call_refuses(f, xv_handle_at(0, 0x10000));
}

static void random_handles_are_refused(struct pool_fixture *f)
{
	struct shadow shadow;

	make_objects(f, &shadow);
	for (size_t i = 0; i < WILD_HANDLES; i += test_stride())
		the_handle_is_told_right(f, &shadow, random_next(&f->random));
	end_objects(f, &shadow);
}

static void random_places_are_refused(struct pool_fixture *f)
{
	struct shadow shadow;

	make_objects(f, &shadow);
	(void)shadow_malloc(&shadow, fixture_object_max(f), 0);
	for (size_t i = 0; i < WILD_HANDLES / 25; i += test_stride()) {
		xv_handle place = xv_handle_at((uint32_t)random_below(&f->random, 4),
					       (uint32_t)random_below(&f->random, 65536));

		the_handle_is_told_right(f, &shadow, place);
		the_handle_is_told_right(f, &shadow, retagged(place, random_next(&f->random)));
		the_handle_is_told_right(
			f, &shadow, retagged(place, (xv_handle)1 << 63 | random_next(&f->random)));
	}
	end_objects(f, &shadow);
}

static void every_offset_of_a_live_page_is_told_right(struct pool_fixture *f)
{
	struct shadow shadow;
	xv_handle tag;

	make_objects(f, &shadow);
	tag = shadow.objects[0].handle;
	for (uint32_t offset = 0; offset < 0x10000;
	     offset += offset < 4200 ? test_stride() : 13 * test_stride()) {
		the_handle_is_told_right(f, &shadow, xv_handle_at(0, offset));
		the_handle_is_told_right(f, &shadow, retagged(xv_handle_at(0, offset), tag));
	}
	end_objects(f, &shadow);
}

static void every_tag_but_one_is_refused(struct pool_fixture *f)
{
	struct shadow shadow;
	xv_handle handle;

	make_objects(f, &shadow);
	(void)shadow_malloc(&shadow, fixture_object_max(f), 0);
	handle = shadow.objects[3].handle;
	for (xv_handle tag = (handle >> 48) % test_stride(); tag < 0x10000; tag += test_stride()) {
		the_handle_is_told_right(f, &shadow, retagged(handle, tag << 48));
		if (tag % 8 == 0)
			the_handle_is_told_right(
				f, &shadow,
				retagged(shadow.objects[shadow.count - 1].handle, tag << 48));
	}
	end_objects(f, &shadow);
}

static void pages_that_are_not_ours_are_refused(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);
	static const uint32_t pages[] = {1, 63, 64, 511, 512, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFE};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		xv_handle place = xv_handle_at(pages[i], xv_handle_offset(handle));

		every_call_refuses(f, place);
		every_call_refuses(f, retagged(place, handle));
	}
}

static void a_spare_empty_page_holds_no_object(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 100);

	fixture_free(f, handle);
	assert_int_equal(fixture_stats(f).pages, 1);
	for (uint32_t offset = 0; offset < 256; offset += 4)
		assert_int_equal(xv_free(f->pool, xv_handle_at(0, offset)), -XV_EINVAL);
	every_call_refuses(f, untagged(handle));
}

/* ---- stale and doubled ---- */

static void a_second_free_is_refused(struct pool_fixture *f)
{
	struct shadow shadow;
	xv_handle handle;

	make_objects(f, &shadow);
	handle = shadow.objects[4].handle;
	assert_int_equal(shadow_free(&shadow, 4), 0);
	every_call_refuses(f, handle);
	every_call_refuses(f, untagged(handle));
	end_objects(f, &shadow);
}

static void a_second_free_after_merging_is_refused(struct pool_fixture *f)
{
	static const size_t orders[4][3] = {{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}};
	xv_handle wall = fixture_malloc(f, 50);

	for (size_t i = 0; i < 4; i++) {
		xv_handle h[3];
		xv_handle end;

		for (size_t j = 0; j < 3; j++)
			h[j] = fixture_malloc(f, 60);
		end = fixture_malloc(f, 60);
		for (size_t j = 0; j < 3; j++) {
			fixture_free(f, h[orders[i][j]]);
			for (size_t k = 0; k <= j; k++) {
				every_call_refuses(f, h[orders[i][k]]);
				every_call_refuses(f, untagged(h[orders[i][k]]));
			}
		}
		fixture_free(f, end);
	}
	fixture_free(f, wall);
}

static void a_second_free_after_the_page_went_back_is_refused(struct pool_fixture *f)
{
	const size_t sizes[] = {60, fixture_object_max(f)};

	for (size_t i = 0; i < 2; i++) {
		xv_handle handle = fixture_malloc(f, sizes[i]);

		fixture_free(f, handle);
		(void)xv_pool_trim(f->pool);
		assert_int_equal(f->fault.pages_now, 0);
		every_call_refuses(f, handle);
		every_call_refuses(f, untagged(handle));
	}
}

/* Free and allocate again, so that the object comes to lie at the same place. */
static void stale_handles_are_refused(struct pool_fixture *f, size_t size, size_t reuses)
{
	xv_handle stale[REUSES];
	xv_handle handle = fixture_malloc(f, size);

	for (size_t i = 0; i < reuses; i++) {
		stale[i] = handle;
		fixture_free(f, handle);
		handle = fixture_malloc(f, size - i % 3);
		assert_int_equal(untagged(handle), untagged(stale[i]));
		fixture_fill(f, handle, (uint32_t)i);
		for (size_t j = 0; j <= i; j++)
			every_call_refuses(f, stale[j]);
		fixture_verify(f, handle, size - i % 3, (uint32_t)i);
	}
	fixture_free(f, handle);
}

static void a_stale_handle_is_refused_after_reuse_at_the_same_place(struct pool_fixture *f)
{
	xv_handle wall;

	/* Freeing a whole-page object counts a generation too. */
	stale_handles_are_refused(f, fixture_object_max(f), REUSES / 2);
	stale_handles_are_refused(f, 60, REUSES);
	wall = fixture_malloc(f, 60);
	stale_handles_are_refused(f, 60, REUSES);
	fixture_free(f, wall);
}

static void a_stale_handle_is_refused_inside_a_larger_object(struct pool_fixture *f)
{
	xv_handle a = fixture_malloc(f, 60), b = fixture_malloc(f, 60), c = fixture_malloc(f, 60);
	xv_handle all;

	fixture_free(f, b);
	fixture_free(f, c);
	fixture_free(f, a);
	all = fixture_malloc(f, 300);
	assert_int_equal(untagged(all), untagged(a));
	every_call_refuses(f, a);
	every_call_refuses(f, b);
	every_call_refuses(f, c);
	every_call_refuses(f, untagged(b));
	fixture_free(f, all);
}

static void a_stale_handle_is_refused_after_growing_over_it(struct pool_fixture *f)
{
	xv_handle a = fixture_malloc(f, 60), b = fixture_malloc(f, 60), c = fixture_malloc(f, 60);

	(void)fixture_malloc(f, 60);
	fixture_free(f, b);
	fixture_free(f, c);
	assert_int_equal(xv_realloc(f->pool, &a, 188), 0);
	every_call_refuses(f, b);
	every_call_refuses(f, c);
	assert_int_equal(xv_realloc(f->pool, &a, 60), 0);
	every_call_refuses(f, b);
	every_call_refuses(f, c);
}

static void the_old_handle_is_refused_after_a_move(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 60), old = handle;

	(void)fixture_malloc(f, 60);
	assert_int_equal(xv_realloc(f->pool, &handle, 200), 0);
	every_call_refuses(f, old);
	every_call_refuses(f, untagged(old));
}

static void a_block_handle_is_refused_when_its_page_became_one_object(struct pool_fixture *f)
{
	xv_handle block = fixture_malloc(f, 60), whole;

	fixture_free(f, block);
	whole = fixture_malloc(f, fixture_object_max(f));
	assert_int_equal(xv_handle_page(whole), xv_handle_page(block));
	every_call_refuses(f, block);
	/* Both begin at the same place: without a tag it is good for the new one. */
	if (untagged(block) != untagged(whole))
		every_call_refuses(f, untagged(block));
	fixture_free(f, whole);
	block = fixture_malloc(f, 60);
	every_call_refuses(f, whole);
	if (untagged(block) != untagged(whole))
		every_call_refuses(f, untagged(whole));
}

/* Fill page 0 with objects, end them all at once in this way, and use it again. */
static void handles_are_refused_after(struct pool_fixture *f, void (*end)(struct pool_fixture *f))
{
	xv_handle stale[OBJECTS], fresh;

	for (size_t i = 0; i < OBJECTS; i++)
		stale[i] = fixture_malloc(f, 60);
	end(f);
	for (size_t i = 0; i < OBJECTS; i++)
		every_call_refuses(f, stale[i]);
	fresh = fixture_malloc(f, 60);
	assert_int_equal(untagged(fresh), untagged(stale[0]));
	for (size_t i = 0; i < OBJECTS; i++) {
		assert_int_equal(xv_object_size(f->pool, stale[i]), -XV_EINVAL);
		assert_int_equal(xv_free(f->pool, stale[i]), -XV_EINVAL);
		fixture_check(f);
	}
	assert_int_equal(xv_object_size(f->pool, fresh), 60);
}

static void by_reset(struct pool_fixture *f)
{
	assert_int_equal(xv_pool_reset(f->pool), 0);
}

static int free_visited(void *context, xv_handle handle, size_t size)
{
	struct pool_fixture *f = context;

	(void)size;
	return xv_free(f->pool, handle);
}

static void by_freeing_and_trimming(struct pool_fixture *f)
{
	assert_int_equal(xv_pool_walk(f->pool, free_visited, f), 0);
	(void)xv_pool_trim(f->pool);
	assert_int_equal(f->fault.pages_now, 0);
}

static void handles_from_before_a_reset_are_refused(struct pool_fixture *f)
{
	handles_are_refused_after(f, by_reset);
}

static void handles_from_before_a_trim_are_refused(struct pool_fixture *f)
{
	handles_are_refused_after(f, by_freeing_and_trimming);
}

/* ---- another pool's ---- */

static struct xv_pool *make_other(struct pool_fixture *f, struct xv_provider *provider)
{
	struct xv_pool_options options;
	struct xv_pool *other;

	fixture_options(f, &options);
	options.seed = FIXTURE_SEED + 1;
	assert_int_equal(xv_pool_create(&other, provider, &options), 0);
	return other;
}

static void a_handle_of_another_pool_over_the_same_provider_is_refused(struct pool_fixture *f)
{
	struct xv_pool *other;
	xv_handle block, whole;

	f->shared = true;
	other = make_other(f, &f->fault.provider);
	(void)fixture_malloc(f, 60);
	assert_int_equal(xv_malloc(other, 60, &block), 0);
	assert_int_equal(xv_malloc(other, fixture_object_max(f), &whole), 0);
	every_call_refuses(f, block);
	every_call_refuses(f, untagged(block));
	every_call_refuses(f, whole);
	every_call_refuses(f, untagged(whole));
	assert_int_equal(xv_object_size(other, block), 60);
	assert_int_equal(xv_pool_check(other, XV_CHECK_DEEP, NULL), 0);
	xv_pool_destroy(other);
}

/* Pools without a seed take it from their address: of many that live at once not all have the same
 * key. */
static void pools_without_a_seed_differ(struct pool_fixture *f)
{
	enum { POOLS = 16 };
	struct xv_pool *pools[POOLS];
	struct xv_pool_options options;
	xv_handle first = 0;
	size_t differ = 0;

	f->shared = true;
	fixture_options(f, &options);
	for (size_t i = 0; i < POOLS; i++) {
		xv_handle handle;

		options.seed = 0;
		assert_int_equal(xv_pool_create(&pools[i], f->inner, &options), 0);
		assert_int_equal(xv_malloc(pools[i], 36, &handle), 0);
		first = i == 0 ? handle : first;
		differ += ((handle ^ first) & TAG_MASK) != 0;
	}
	for (size_t i = 0; i < POOLS; i++)
		xv_pool_destroy(pools[i]);
	assert_true(differ > 0);
}

/*
 * Two pools over providers of their own that do the same: each handle of the one has
 * page, offset and age in common with one of the other. Only the tag tells them apart,
 * so a few of very many may pass.
 */
static void handles_of_a_pool_with_the_same_history_are_refused(struct pool_fixture *f)
{
	struct pool_fixture g;
	size_t taken = 0;

	assert_int_equal(fixture_open(&g, f->which, f->alignment, FIXTURE_PAGES, 0), 0);
	g.pool = make_other(f, &g.fault.provider);
	for (size_t i = 0; i < FOREIGN_HANDLES; i++) {
		xv_handle ours = fixture_malloc(f, 36), theirs = fixture_malloc(&g, 36);

		assert_int_equal(untagged(ours), untagged(theirs));
		taken += xv_object_size(f->pool, theirs) != -XV_EINVAL;
	}
	if (taken > 4)
		print_error("%zu of %d foreign handles were taken for our own\n", taken,
			    FOREIGN_HANDLES);
	assert_true(taken <= 4);
	fixture_drop_pool(&g);
	fixture_close(&g);
}

static const struct pool_test tests[] = {
	POOL_TEST(the_null_handle_is_refused, EACH_ALIGNMENT),
	POOL_TEST(random_handles_are_refused, EACH_ALIGNMENT),
	POOL_TEST(random_places_are_refused, EACH_ALIGNMENT),
	POOL_TEST(every_offset_of_a_live_page_is_told_right, EACH_ALIGNMENT),
	POOL_TEST(every_tag_but_one_is_refused, 0),
	POOL_TEST(pages_that_are_not_ours_are_refused, EACH_ALIGNMENT),
	POOL_TEST(a_spare_empty_page_holds_no_object, EACH_ALIGNMENT),
	POOL_TEST(a_second_free_is_refused, EACH_ALIGNMENT),
	POOL_TEST(a_second_free_after_merging_is_refused, EACH_ALIGNMENT),
	POOL_TEST(a_second_free_after_the_page_went_back_is_refused, EACH_ALIGNMENT),
	POOL_TEST(a_stale_handle_is_refused_after_reuse_at_the_same_place, EACH_ALIGNMENT),
	POOL_TEST(a_stale_handle_is_refused_inside_a_larger_object, EACH_ALIGNMENT),
	POOL_TEST(a_stale_handle_is_refused_after_growing_over_it, EACH_ALIGNMENT),
	POOL_TEST(the_old_handle_is_refused_after_a_move, EACH_ALIGNMENT),
	POOL_TEST(a_block_handle_is_refused_when_its_page_became_one_object, EACH_ALIGNMENT),
	POOL_TEST(handles_from_before_a_reset_are_refused, EACH_ALIGNMENT),
	POOL_TEST(handles_from_before_a_trim_are_refused, EACH_ALIGNMENT),
	POOL_TEST(a_handle_of_another_pool_over_the_same_provider_is_refused, EACH_ALIGNMENT),
	POOL_TEST(pools_without_a_seed_differ, ON_MMAP),
	POOL_TEST(handles_of_a_pool_with_the_same_history_are_refused, 0),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_bad_use", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
