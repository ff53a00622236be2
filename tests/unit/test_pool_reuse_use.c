/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Quick reuse, from the caller's side: bad use, pointers, anything at random, and
 * compaction. What can be seen is as without it, but for when a bad handle is reported.
 * One thread. May call: public headers.
 */
#include "density.h"
#include "pattern.h"
#include "reuse_support.h"

enum { OBJECT_BYTES_MAX = 65536 };

/* ---- bad use ---- */

static void a_double_free_frees_nothing(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_stats stats;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		handle[i] = fixture_malloc(f, 300);
		fixture_fill(f, handle[i], i);
	}
	for (uint32_t i = 0; i < OBJECTS; i += 3) {
		fixture_free(f, handle[i]);
		assert_int_equal(xv_free(f->pool, handle[i]), 0);
	}
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, OBJECTS - OBJECTS / 3);
	assert_int_equal(stats.bad_handles, OBJECTS / 3);
	assert_int_equal(stats.frees, OBJECTS / 3);
	fixture_check(f);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % 3 != 0)
			fixture_verify(f, handle[i], 300, i);
	}
}

/* Without XV_POOL_LAZY_FREE a free is looked at at once, whatever is kept. */
static void a_double_free_is_told_unless_frees_are_lazy(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	struct xv_pool_options options;

	fixture_options(f, &options);
	options.shards = 1;
	options.reuse_permille = PERMILLE;
	fixture_remake(f, REUSE_PAGES, &options, 0);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 300);
	for (uint32_t i = 0; i < OBJECTS; i += 3) {
		fixture_free(f, handle[i]);
		assert_int_equal(xv_free(f->pool, handle[i]), -XV_EINVAL);
	}
	assert_true(fixture_stats(f).reuse_bytes != 0);
	assert_int_equal(fixture_stats(f).objects, OBJECTS - OBJECTS / 3);
	fixture_check(f);
}

/* Blocks that nobody asks for again are not kept for ever. */
static void a_stock_that_serves_nobody_rests(struct pool_fixture *f)
{
	enum { MANY = 4000 };
	static xv_handle handle[MANY];
	uint64_t kept = 0;

	open_reuse(f, 0, 20);
	for (uint32_t i = 0; i < MANY; i++)
		handle[i] = fixture_malloc(f, 200);
	for (uint32_t i = 0; i < MANY; i++) {
		if (i % 8 != 0)
			fixture_free(f, handle[i]);
		if (i == MANY / 8)
			kept = fixture_stats(f).reuse_bytes;
	}
	assert_true(kept != 0);
	assert_int_equal(fixture_stats(f).reuse_bytes, 0);
	fixture_check(f);
}

/* Of a block that is an object again the old handle is dead. */
static void an_old_handle_does_not_free_the_new_object(struct pool_fixture *f)
{
	static xv_handle old[OBJECTS], handle[OBJECTS];
	struct xv_pool_stats stats;
	uint32_t same = 0, dead = 0;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++)
		old[i] = fixture_malloc(f, 300);
	for (uint32_t i = 0; i < 60; i++)
		fixture_free(f, old[i]);
	/* Let none of them wait any more. */
	assert_int_equal(fixture_stats(f).objects, OBJECTS - 60);
	for (uint32_t i = 0; i < 60; i++)
		handle[i] = fixture_malloc(f, 300);
	assert_true(fixture_stats(f).reuses >= 50);
	for (uint32_t i = 0; i < 60; i++) {
		if (xv_object_size(f->pool, old[i]) == -XV_EINVAL) {
			assert_null(xv_address_of(f->pool, old[i]));
			assert_int_equal(xv_free(f->pool, old[i]), 0);
			dead++;
		}
		for (uint32_t n = 0; n < 60; n++)
			same += xv_handle_page(handle[i]) == xv_handle_page(old[n]) &&
				xv_handle_offset(handle[i]) == xv_handle_offset(old[n]);
	}
	assert_true(same >= 50);
	/* A handle tells so many allocations of its page apart: 256, with 64 KiB 16. */
	assert_true(dead == 60 || (f->page_bytes > 16384 && dead >= 45));
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, OBJECTS);
	/* Asking for the size counts too. */
	assert_int_equal(stats.bad_handles, 3 * dead);
	for (uint32_t i = 0; i < 60; i++)
		assert_int_equal(xv_object_size(f->pool, handle[i]), 300);
}

/* What lies in the stock is no object, by handle or by address. */
static void a_kept_block_is_no_object(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	void *address[30];
	unsigned char byte = 0;
	void *ptr;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++)
		handle[i] = fixture_malloc(f, 300);
	for (uint32_t i = 0; i < 30; i++) {
		address[i] = xv_address_of(f->pool, handle[7 * i]);
		fixture_free(f, handle[7 * i]);
	}
	assert_true(fixture_stats(f).reuse_bytes >= 30 * 304);
	for (uint32_t i = 0; i < 30; i++) {
		xv_handle dead = handle[7 * i];

		assert_int_equal(xv_object_size(f->pool, dead), -XV_EINVAL);
		assert_int_equal(xv_read(f->pool, dead, 0, &byte, 1), -XV_EINVAL);
		assert_int_equal(xv_write(f->pool, dead, 0, &byte, 1), -XV_EINVAL);
		assert_int_equal(xv_map(f->pool, dead, &ptr), -XV_EINVAL);
		assert_int_equal(xv_realloc(f->pool, &dead, 10), -XV_EINVAL);
		assert_int_equal(xv_release(f->pool, address[i]), -XV_EINVAL);
		assert_int_equal(xv_usable_size(f->pool, address[i]), 0);
		assert_int_equal(xv_handle_of(f->pool, address[i]), XV_NULL_HANDLE);
		assert_null(xv_resize(f->pool, address[i], 10));
	}
	assert_int_equal(fixture_stats(f).objects, OBJECTS - 30);
}

static void wild_handles_free_nothing(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	uint64_t bad = 0;
	struct xv_pool_stats stats;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		handle[i] = fixture_malloc(f, 300);
		fixture_fill(f, handle[i], i);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		xv_handle wild = random_next(&f->random);

		/* Its tag proves a handle: let the one in 32,768 that is right be wrong. */
		switch (i % 4) {
		case 0:
			wild = handle[i % OBJECTS] + f->alignment;
			break;
		case 1:
			wild = handle[i % OBJECTS] ^ ((xv_handle)1 << (48 + i % 15));
			break;
		case 2:
			wild &= ~((xv_handle)3 << 0);
			wild |= 2;
			break;
		default:
			wild = XV_NULL_HANDLE;
			break;
		}
		bad += xv_free(f->pool, wild) == 0;
	}
	stats = fixture_stats(f);
	assert_int_equal(stats.bad_handles, 2000);
	assert_true(bad != 0);
	assert_int_equal(stats.objects, OBJECTS);
	fixture_check(f);
	for (uint32_t i = 0; i < OBJECTS; i++)
		fixture_verify(f, handle[i], 300, i);
}

static int count_visit(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	*(size_t *)context += size;
	return 0;
}

static void a_walk_visits_no_dead(struct pool_fixture *f)
{
	static xv_handle handle[OBJECTS];
	size_t bytes = 0;

	open_reuse(f, 0, PERMILLE);
	some_live_some_freed(f, handle, 300);
	assert_int_equal(xv_pool_walk(f->pool, count_visit, &bytes), 0);
	assert_int_equal(bytes, 300 * (OBJECTS - OBJECTS / 3));
}

/* ---- pointers ---- */

static void pointers_are_reused_too(struct pool_fixture *f)
{
	static unsigned char *at[OBJECTS];
	uint64_t reuses;

	open_reuse(f, 0, PERMILLE);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		at[i] = xv_alloc(f->pool, 300);
		assert_non_null(at[i]);
		pattern_fill(at[i], 300, i);
	}
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(xv_release(f->pool, at[7 * i]), 0);
		/* Nothing waits: the second time is noticed at once. */
		assert_int_equal(xv_release(f->pool, at[7 * i]), -XV_EINVAL);
	}
	assert_true(fixture_stats(f).reuse_bytes >= 30 * 304);
	for (uint32_t i = 0; i < 30; i++) {
		at[7 * i] = xv_alloc(f->pool, 300);
		assert_int_equal((uintptr_t)at[7 * i] % f->alignment, 0);
		pattern_fill(at[7 * i], 300, 7 * i);
	}
	reuses = fixture_stats(f).reuses;
	assert_int_equal(reuses, 30);
	for (uint32_t i = 0; i < OBJECTS; i++)
		assert_true(pattern_matches(at[i], 300, i));
	assert_int_equal(fixture_stats(f).objects, OBJECTS);
}

/* ---- everything at random ---- */

struct model {
	struct pool_fixture *f;
	xv_handle handle[OBJECTS];
	uint32_t size[OBJECTS];
	uint32_t pattern[OBJECTS];
	uint32_t patterns;
};

static void model_fill(struct model *m, size_t i, xv_handle handle, size_t size)
{
	static unsigned char bytes[OBJECT_BYTES_MAX];

	m->handle[i] = handle;
	m->size[i] = (uint32_t)size;
	m->pattern[i] = ++m->patterns;
	pattern_fill(bytes, size, m->pattern[i]);
	assert_int_equal(xv_write(m->f->pool, handle, 0, bytes, size), 0);
}

static void model_step(struct model *m)
{
	struct pool_fixture *f = m->f;
	size_t i = random_below(&f->random, OBJECTS);
	size_t size = random_below(&f->random, 40) == 0
			      ? f->page_bytes - random_below(&f->random, 30)
			      : 1 + random_below(&f->random, 700);
	xv_handle handle = m->handle[i];

	if (handle == XV_NULL_HANDLE) {
		if (xv_malloc(f->pool, size, &handle) == 0)
			model_fill(m, i, handle, size);
		return;
	}
	fixture_verify(f, handle, m->size[i], m->pattern[i]);
	if (random_below(&f->random, 4) != 0) {
		fixture_free(f, handle);
		m->handle[i] = XV_NULL_HANDLE;
	} else if (xv_realloc(f->pool, &handle, size) == 0) {
		model_fill(m, i, handle, size);
	}
}

static void model_whole(struct model *m)
{
	struct pool_fixture *f = m->f;

	switch (random_below(&f->random, 5)) {
	case 0:
		(void)xv_pool_trim(f->pool);
		break;
	case 1:
		xv_pool_set_reuse(f->pool, (uint32_t)random_below(&f->random, 500));
		break;
	case 2:
		xv_pool_set_limit(f->pool, fixture_stats(f).held_bytes);
		break;
	case 3:
		xv_pool_set_limit(f->pool, 0);
		break;
	default:
		(void)xv_pool_largest_allocatable(f->pool);
		break;
	}
	fixture_check(f);
}

static void model_runs(struct pool_fixture *f, uint32_t flags)
{
	struct model *m = test_calloc(1, sizeof(*m));
	uint64_t objects = 0;

	open_reuse(f, flags, PERMILLE);
	m->f = f;
	for (uint32_t i = 0; i < 6000; i++) {
		model_step(m);
		if (i % 100 == 99)
			model_whole(m);
	}
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (m->handle[i] == XV_NULL_HANDLE)
			continue;
		fixture_verify(f, m->handle[i], m->size[i], m->pattern[i]);
		objects++;
	}
	assert_int_equal(fixture_stats(f).objects, objects);
	assert_int_equal(fixture_stats(f).bad_handles, 0);
	assert_true(fixture_stats(f).reuses != 0);
	test_free(m);
}

static void contents_survive_anything(struct pool_fixture *f)
{
	model_runs(f, 0);
	model_runs(f, XV_POOL_SPLIT);
	model_runs(f, XV_POOL_SPLIT | XV_POOL_OWNERS);
}

/* ---- compaction ---- */

static void open_owned(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	density_open(d, f, 2048, flags, 0);
	xv_pool_set_reuse(f->pool, PERMILLE);
}

static void compaction_gives_the_stock_back(struct pool_fixture *f, uint32_t flags)
{
	struct xv_pool_stats stats;
	struct density d;
	uint64_t needed;

	open_owned(&d, f, flags);
	for (uint32_t slot = 0; slot < 2000; slot++)
		assert_int_equal(
			density_malloc(&d, slot, 1 + random_below(&f->random, f->page_bytes / 4)),
			0);
	for (uint32_t slot = 0; slot < 2000; slot++) {
		if (slot % 10 != 0)
			assert_int_equal(density_free(&d, slot), 0);
		if (slot == 400)
			assert_true(fixture_stats(f).reuse_bytes != 0);
	}
	(void)density_compact(&d, 0);
	(void)density_compact(&d, 0);
	stats = fixture_stats(f);
	needed = (stats.requested_bytes + stats.header_bytes + stats.owner_bytes) / f->page_bytes;
	assert_int_equal(stats.reuse_bytes, 0);
	assert_true(stats.pages <= needed + needed / 8 + 3);
	assert_int_equal(d.strange, 0);
	fixture_check(f);
	/* Between the steps of a cycle objects come and go. */
	for (uint32_t slot = 0; slot < 1500; slot++) {
		struct xv_compact_report report;

		if (d.slot[slot].handle != XV_NULL_HANDLE)
			assert_int_equal(density_free(&d, slot), 0);
		else
			assert_int_equal(density_malloc(&d, slot, 1 + slot), 0);
		assert_int_equal(xv_compact(d.pool, 512, &report), 0);
	}
	fixture_check(f);
	assert_int_equal(d.strange, 0);
	density_close(&d);
}

static void a_step_of_compaction_frees_the_stock(struct pool_fixture *f)
{
	compaction_gives_the_stock_back(f, XV_POOL_OWNERS);
	compaction_gives_the_stock_back(f, XV_POOL_OWNERS | XV_POOL_SPLIT);
}

static const struct pool_test tests[] = {
	POOL_TEST(a_double_free_frees_nothing, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_double_free_is_told_unless_frees_are_lazy, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_stock_that_serves_nobody_rests, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(an_old_handle_does_not_free_the_new_object, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_kept_block_is_no_object, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(wild_handles_free_nothing, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_walk_visits_no_dead, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(pointers_are_reused_too, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(contents_survive_anything, WITH_BASE | EACH_ALIGNMENT),
	POOL_TEST(a_step_of_compaction_frees_the_stock, ON_MMAP | EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_reuse_use", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
