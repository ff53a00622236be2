/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Several pools over one provider: each has its own objects, tables and limit, and
 * they share the pages. May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include "shadow.h"

#include <xvmalloc/provider_highmem.h>

enum { POOLS = 3, MANY_PAGES = 1300, TABLE_STEP_PAGES = 512 };

struct pools {
	struct xv_pool *pool[POOLS];
	struct shadow shadow[POOLS];
};

static struct xv_pool *another_pool(struct pool_fixture *f, uint32_t seed)
{
	struct xv_pool_options options;
	struct xv_pool *pool;

	f->shared = true;
	fixture_options(f, &options);
	options.seed = seed;
	assert_int_equal(xv_pool_create(&pool, &f->fault.provider, &options), 0);
	return pool;
}

static void pools_make(struct pool_fixture *f, struct pools *p)
{
	for (size_t i = 0; i < POOLS; i++) {
		p->pool[i] = i == 0 ? f->pool : another_pool(f, (uint32_t)i);
		shadow_init(&p->shadow[i], p->pool[i]);
	}
}

static void pools_end(struct pools *p)
{
	for (size_t i = 0; i < POOLS; i++) {
		shadow_free_all(&p->shadow[i]);
		shadow_fini(&p->shadow[i]);
		if (i > 0)
			xv_pool_destroy(p->pool[i]);
	}
}

static uint64_t pages_of(struct xv_pool *pool)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(pool, &stats);
	return stats.pages;
}

static void pools_check(struct pool_fixture *f, struct pools *p)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < POOLS; i++) {
		assert_int_equal(xv_pool_check(p->pool[i], XV_CHECK_DEEP, NULL), 0);
		pages += pages_of(p->pool[i]);
	}
	assert_int_equal(pages, f->fault.pages_now);
	fixture_check(f);
}

static void pools_do_not_disturb_each_other(struct pool_fixture *f)
{
	struct pools p;

	pools_make(f, &p);
	for (size_t i = 0; i < 900; i++) {
		struct shadow *shadow = &p.shadow[i % POOLS];

		if (shadow->count == 0 || random_below(&f->random, 5) < 3)
			(void)shadow_malloc(shadow, random_size(&f->random, fixture_object_max(f)),
					    0);
		else
			assert_int_equal(
				shadow_free(shadow, random_below(&f->random, shadow->count)), 0);
		if (i % 64 == 0)
			pools_check(f, &p);
	}
	for (size_t i = 0; i < POOLS; i++)
		shadow_verify_all(&p.shadow[i]);
	pools_check(f, &p);
	pools_end(&p);
}

static void a_pool_that_ends_leaves_the_others(struct pool_fixture *f)
{
	struct pools p;

	pools_make(f, &p);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(
			shadow_malloc(&p.shadow[i % POOLS], 1 + random_below(&f->random, 900), 0),
			0);
	xv_pool_destroy(p.pool[1]);
	shadow_fini(&p.shadow[1]);
	p.pool[1] = another_pool(f, 9);
	shadow_init(&p.shadow[1], p.pool[1]);
	shadow_verify_all(&p.shadow[0]);
	shadow_verify_all(&p.shadow[2]);
	pools_check(f, &p);
	assert_int_equal(xv_pool_reset(p.pool[2]), 0);
	shadow_fini(&p.shadow[2]);
	shadow_init(&p.shadow[2], p.pool[2]);
	shadow_verify_all(&p.shadow[0]);
	pools_check(f, &p);
	pools_end(&p);
}

static void pages_that_one_pool_gives_back_serve_another(struct pool_fixture *f)
{
	struct pools p;
	size_t pages = 0;

	pools_make(f, &p);
	while (shadow_malloc(&p.shadow[1], fixture_object_max(f), 0) == 0)
		pages++;
	assert_int_equal(shadow_malloc(&p.shadow[0], fixture_object_max(f), 0), -XV_ENOMEM);
	assert_int_equal(shadow_malloc(&p.shadow[0], 1, 0), -XV_ENOMEM);
	shadow_free_all(&p.shadow[1]);
	(void)xv_pool_trim(p.pool[1]);
	for (size_t i = 0; i + 1 < pages; i++)
		assert_int_equal(shadow_malloc(&p.shadow[0], fixture_object_max(f), 0), 0);
	pools_check(f, &p);
	pools_end(&p);
}

/*
 * The next page's number may lie beyond the page table although the pool has few
 * pages, because the other pool has the low ones.
 */
static void a_page_table_that_must_grow_counts_under_the_limit(struct pool_fixture *f)
{
	struct xv_pool *other;
	uint64_t limit;
	xv_handle handle;
	int err;

	fixture_remake(f, MANY_PAGES, NULL, 0);
	(void)fixture_malloc(f, fixture_object_max(f));
	other = another_pool(f, 1);
	for (size_t i = 0; i < TABLE_STEP_PAGES + 8; i++)
		assert_int_equal(xv_malloc(other, fixture_object_max(f), &handle), 0);
	limit = fixture_stats(f).held_bytes + f->page_bytes;
	do {
		xv_pool_set_limit(f->pool, limit);
		err = xv_malloc(f->pool, fixture_object_max(f), &handle);
		assert_true(err == 0 || err == -XV_ENOSPC);
		assert_true(fixture_stats(f).held_bytes <= limit);
		limit += 512;
	} while (err != 0);
	xv_pool_destroy(other);
}

static struct xv_pool *pool_of_window(struct xv_provider *provider)
{
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;

	xv_pool_options_init(&options);
	options.flags = XV_POOL_SPLIT;
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	return pool;
}

/* Callers of one pool do not take the slots that another one needs for itself. */
static void pools_that_share_a_window_keep_their_slots(struct pool_fixture *f)
{
	enum { SHARED_SLOTS = 6, SHARING = 2, OBJECTS = 8 };
	struct xv_provider_highmem_options options;
	struct xv_provider *provider;
	struct xv_pool *pool[SHARING], *none = NULL;
	xv_handle handle[SHARING][OBJECTS];
	void *ptr[SHARING][OBJECTS];
	uint32_t maps = 0;
	size_t size;

	(void)f; /* a provider of its own */
	xv_provider_highmem_options_init(&options);
	options.window_slots = SHARED_SLOTS;
	assert_int_equal(xv_provider_highmem_create(&provider, &options), 0);
	for (uint32_t p = 0; p < SHARING; p++)
		pool[p] = pool_of_window(provider);
	size = xv_provider_page_bytes(provider) - 100;
	for (uint32_t i = 0; i < OBJECTS; i++) {
		for (uint32_t p = 0; p < SHARING; p++) {
			int err;

			assert_int_equal(xv_malloc(pool[p], size, &handle[p][i]), 0);
			ptr[p][i] = NULL;
			err = xv_map(pool[p], handle[p][i], &ptr[p][i]);
			assert_true(err == 0 || err == -XV_EAGAIN);
			maps += err == 0;
			/* Over two pages, with every other slot mapped. */
			assert_int_equal(xv_realloc(pool[p], &handle[p][i], 2 * size) == 0,
					 err != 0);
			assert_int_equal(xv_pool_check(pool[p], XV_CHECK_DEEP, NULL), 0);
		}
	}
	assert_int_equal(maps, SHARED_SLOTS - 2 * SHARING);
	/* What is left is taken: there is no third pool while those are mapped. */
	assert_int_equal(xv_pool_create(&none, provider, NULL), -XV_ENOMEM);
	for (uint32_t p = 0; p < SHARING; p++) {
		for (uint32_t i = 0; i < OBJECTS; i++) {
			if (ptr[p][i] != NULL)
				assert_int_equal(xv_unmap(pool[p], handle[p][i], ptr[p][i]), 0);
		}
	}
	assert_int_equal(xv_pool_create(&none, provider, NULL), 0);
	xv_pool_destroy(none);
	for (uint32_t p = 0; p < SHARING; p++)
		xv_pool_destroy(pool[p]);
	assert_int_equal(provider->window_slots_taken, 0);
	xv_provider_highmem_destroy(provider);
}

static const struct pool_test tests[] = {
	POOL_TEST(pools_do_not_disturb_each_other, EACH_ALIGNMENT),
	POOL_TEST(a_pool_that_ends_leaves_the_others, EACH_ALIGNMENT),
	POOL_TEST(pages_that_one_pool_gives_back_serve_another, 0),
	POOL_TEST(a_page_table_that_must_grow_counts_under_the_limit, ANYWHERE_ONCE),
	POOL_TEST(pools_that_share_a_window_keep_their_slots, ANYWHERE_ONCE),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_shared", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
