/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Pools of several shards as a whole: what would fit, limit, walk, reset, trim and
 * compaction are of all shards together. One thread, which moves from CPU to CPU. May
 * call: public headers.
 */
#define _GNU_SOURCE

#include "density.h"
#include "shards_support.h"

enum { OBJECTS = 2000 };

/* ---- truth about room ---- */

struct objects {
	struct pool_fixture *f;
	const struct shard_cpus *cpus;
	xv_handle handle[OBJECTS];
	uint32_t size[OBJECTS];
	uint32_t count;
};

/* To another CPU, or not. On a busy machine that takes its time: not before each call. */
static void move_on(struct objects *o)
{
	shard_cpus_use(o->cpus, (unsigned)random_below(&o->f->random, SHARD_CPUS));
}

static void take_one(struct objects *o, size_t size)
{
	xv_handle handle;

	if (o->count == OBJECTS || xv_malloc(o->f->pool, size, &handle) != 0)
		return;
	o->handle[o->count] = handle;
	o->size[o->count++] = (uint32_t)size;
}

static void drop_one(struct objects *o)
{
	size_t i;

	if (o->count == 0)
		return;
	i = random_below(&o->f->random, o->count);
	fixture_free(o->f, o->handle[i]);
	o->handle[i] = o->handle[--o->count];
	o->size[i] = o->size[o->count];
}

static void churn(struct objects *o, uint32_t ops)
{
	struct pool_fixture *f = o->f;

	for (uint32_t i = 0; i < ops; i++) {
		if (i % 20 == 0)
			move_on(o);
		if (random_below(&f->random, 5) < 3)
			take_one(o, 1 + random_below(&f->random, f->page_bytes / 2));
		else
			drop_one(o);
	}
}

/* Under a limit shards take room from one another, and none passes the limit. */
static void churn_under_a_limit(struct pool_fixture *f, uint32_t flags)
{
	struct objects *o;
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	uint64_t limit;

	open_two(f, &cpus, flags);
	o = test_calloc(1, sizeof(*o));
	o->f = f;
	o->cpus = &cpus;
	limit = fixture_stats(f).held_bytes + 60 * f->page_bytes;
	xv_pool_set_limit(f->pool, limit);
	for (uint32_t round = 0; round < 12; round++) {
		churn(o, 300);
		stats = fixture_stats(f);
		assert_true(stats.held_bytes <= stats.peak_held_bytes);
		assert_true(stats.peak_held_bytes <= limit);
		fixture_check(f);
	}
	assert_true(stats.failures != 0);
	test_free(o);
	shard_cpus_close(&cpus);
}

static void the_limit_is_kept_over_shards(struct pool_fixture *f)
{
	churn_under_a_limit(f, 0);
}

static void the_limit_is_kept_over_shards_that_split(struct pool_fixture *f)
{
	churn_under_a_limit(f, XV_POOL_SPLIT);
}

/* ---- the pool as a whole ---- */

static void limit_and_peak_are_of_the_sum(struct pool_fixture *f)
{
	struct xv_pool_stats stats;
	struct shard_cpus cpus;
	uint64_t limit;
	xv_handle handle, last = XV_NULL_HANDLE;
	int err = 0;

	if (provider_case_shares_os_pages(f->which))
		skip();
	open_two(f, &cpus, 0);
	limit = fixture_stats(f).held_bytes + 40 * f->page_bytes;
	xv_pool_set_limit(f->pool, limit);
	for (unsigned i = 0; err == 0; i++) {
		shard_cpus_use(&cpus, i);
		err = xv_malloc(f->pool, xv_pool_max_size(f->pool), &handle);
		if (err == 0)
			last = handle;
		stats = fixture_stats(f);
		assert_true(stats.held_bytes <= limit);
		assert_true(stats.peak_held_bytes <= limit);
		assert_true(i < 60);
	}
	assert_int_equal(err, -XV_ENOSPC);
	assert_true(stats.held_bytes + f->page_bytes + f->page_bytes / 2 > limit);
	assert_int_equal(stats.peak_held_bytes, stats.held_bytes);
	assert_int_equal(stats.failures, 1);
	fixture_free(f, last);
	(void)xv_pool_trim(f->pool);
	assert_true(fixture_stats(f).held_bytes < stats.held_bytes);
	assert_int_equal(fixture_stats(f).peak_held_bytes, stats.peak_held_bytes);
	shard_cpus_close(&cpus);
}

/* A peak between two looks at the statistics is seen, too. */
static void a_peak_that_nobody_saw_is_noted(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	struct xv_pool_stats before, after;
	xv_handle handle[20];

	open_two(f, &cpus, 0);
	before = fixture_stats(f);
	for (unsigned i = 0; i < 20; i++) {
		shard_cpus_use(&cpus, i);
		handle[i] = fixture_malloc(f, xv_pool_max_size(f->pool));
	}
	for (unsigned i = 0; i < 20; i++)
		fixture_free(f, handle[i]);
	(void)xv_pool_trim(f->pool);
	after = fixture_stats(f);
	/* Tables stay where the provider cannot purge them. */
	assert_true(after.held_bytes - after.table_bytes <= before.held_bytes - before.table_bytes);
	/* Of the pages that were there two may have been empty in each shard. */
	assert_true(after.peak_held_bytes >= before.held_bytes + (20 - 4) * f->page_bytes);
	shard_cpus_close(&cpus);
}

static int free_visit(void *context, xv_handle handle, size_t size)
{
	struct pool_fixture *f = context;

	(void)size;
	return xv_free(f->pool, handle);
}

static void a_walk_sees_every_shard(struct pool_fixture *f, uint32_t flags)
{
	struct objects *o = test_calloc(1, sizeof(*o));
	struct shard_cpus cpus;
	struct visits visits;
	uint64_t bytes = 0;

	open_two(f, &cpus, flags);
	o->f = f;
	o->cpus = &cpus;
	churn(o, 600);
	take_one(o, f->page_bytes);
	for (uint32_t i = 0; i < o->count; i++)
		bytes += o->size[i];
	visits = visit_all(f);
	assert_int_equal(visits.count, o->count);
	assert_int_equal(visits.bytes, bytes);
	assert_int_equal(xv_pool_walk(f->pool, free_visit, f), 0);
	assert_int_equal(fixture_stats(f).objects, 0);
	assert_int_equal(fixture_stats(f).bad_handles, 0);
	assert_int_equal(visit_all(f).count, 0);
	test_free(o);
	shard_cpus_close(&cpus);
}

static void a_walk_visits_each_object_of_all_shards(struct pool_fixture *f)
{
	a_walk_sees_every_shard(f, 0);
	a_walk_sees_every_shard(f, XV_POOL_SPLIT);
}

static void a_reset_empties_every_shard(struct pool_fixture *f)
{
	struct objects *o = test_calloc(1, sizeof(*o));
	struct xv_pool_stats stats;
	struct shard_cpus cpus;

	open_two(f, &cpus, XV_POOL_SPLIT);
	o->f = f;
	o->cpus = &cpus;
	churn(o, 600);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	stats = fixture_stats(f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.peak_held_bytes, stats.held_bytes);
	assert_int_equal(stats.frees, stats.mallocs);
	for (uint32_t i = 0; i < o->count; i++)
		assert_int_equal(xv_object_size(f->pool, o->handle[i]), -XV_EINVAL);
	o->count = 0;
	churn(o, 600);
	fixture_check(f);
	test_free(o);
	shard_cpus_close(&cpus);
}

static void a_map_in_any_shard_holds_up_a_reset(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	xv_handle handle;
	void *ptr;

	open_two(f, &cpus, 0);
	(void)fixture_malloc(f, 100);
	shard_cpus_use(&cpus, 1);
	handle = fixture_malloc(f, 100);
	assert_int_equal(xv_map(f->pool, handle, &ptr), 0);
	shard_cpus_use(&cpus, 0);
	assert_int_equal(xv_pool_reset(f->pool), -XV_EBUSY);
	assert_int_equal(fixture_stats(f).objects, 2);
	assert_int_equal(xv_unmap(f->pool, handle, ptr), 0);
	assert_int_equal(xv_pool_reset(f->pool), 0);
	shard_cpus_close(&cpus);
}

static void a_trim_is_of_every_shard(struct pool_fixture *f)
{
	struct objects *o = test_calloc(1, sizeof(*o));
	struct xv_pool_stats before, after;
	struct shard_cpus cpus;
	size_t given;

	open_two(f, &cpus, 0);
	o->f = f;
	o->cpus = &cpus;
	churn(o, 900);
	while (o->count != 0)
		drop_one(o);
	before = fixture_stats(f);
	assert_true(before.spare_bytes != 0);
	given = xv_pool_trim(f->pool);
	after = fixture_stats(f);
	assert_int_equal(after.pages, 0);
	assert_true(given >= before.held_bytes - after.held_bytes);
	assert_true(before.held_bytes - after.held_bytes >= before.spare_bytes);
	test_free(o);
	shard_cpus_close(&cpus);
}

static void a_trim_gives_back_what_every_shard_keeps(struct pool_fixture *f)
{
	a_trim_is_of_every_shard(f);
}

/* ---- compaction ---- */

static void open_owned(struct density *d, struct pool_fixture *f, struct shard_cpus *cpus,
		       uint32_t flags)
{
	struct xv_pool_options options;

	shard_cpus_open(cpus, 2);
	/* The table is made; the pool is made anew with two shards. */
	density_open(d, f, 2048, flags, 0);
	density_options(d, &options);
	options.shards = 2;
	fixture_drop_pool(f);
	fixture_make_pool(f, &options);
	d->pool = f->pool;
}

static void compact_until_done(struct density *d)
{
	for (uint32_t i = 0; i < 4; i++)
		(void)density_compact(d, 0);
}

static void two_shards_are_compacted(struct pool_fixture *f, uint32_t flags)
{
	struct xv_pool_stats before, after;
	struct shard_cpus cpus;
	struct density d;
	uint64_t needed;

	open_owned(&d, f, &cpus, flags);
	for (uint32_t slot = 0; slot < 3000; slot++) {
		if (slot % 50 == 0)
			shard_cpus_use(&cpus, slot / 50);
		assert_int_equal(
			density_malloc(&d, slot, 1 + random_below(&f->random, f->page_bytes / 4)),
			0);
	}
	assert_int_equal(fixture_stats(f).shards, 2);
	for (uint32_t slot = 0; slot < 3000; slot++) {
		if (slot % 35 == 0)
			shard_cpus_use(&cpus, slot / 35);
		if (random_below(&f->random, 10) != 0)
			assert_int_equal(density_free(&d, slot), 0);
	}
	before = fixture_stats(f);
	assert_true(xv_compactable(d.pool) > before.free_bytes / 2);
	compact_until_done(&d);
	after = fixture_stats(f);
	needed = (after.requested_bytes + after.header_bytes + after.owner_bytes) / f->page_bytes;
	if (after.pages > needed + needed / 8 + 4)
		print_error("%llu pages, were %llu, needed %llu\n", (unsigned long long)after.pages,
			    (unsigned long long)before.pages, (unsigned long long)needed);
	assert_true(after.pages <= needed + needed / 8 + 4);
	assert_true(d.moved != 0);
	assert_int_equal(d.strange, 0);
	assert_int_equal(after.objects, before.objects);
	assert_true(xv_compactable(d.pool) <= after.pages * f->page_bytes / 4);
	fixture_check(f);
	density_close(&d);
	shard_cpus_close(&cpus);
}

static void compaction_is_of_all_shards(struct pool_fixture *f)
{
	two_shards_are_compacted(f, XV_POOL_OWNERS);
}

static void compaction_is_of_all_shards_that_split(struct pool_fixture *f)
{
	two_shards_are_compacted(f, XV_POOL_OWNERS | XV_POOL_SPLIT);
}

/* What waits to be freed is freed first, not moved. */
static void compaction_does_not_move_the_dead(struct pool_fixture *f)
{
	struct shard_cpus cpus;
	struct density d;

	open_owned(&d, f, &cpus, XV_POOL_OWNERS);
	shard_cpus_use(&cpus, 0);
	for (uint32_t slot = 0; slot < 200; slot++)
		assert_int_equal(density_malloc(&d, slot, 300), 0);
	for (uint32_t slot = 0; slot < 200; slot++) {
		if (slot % 11 != 0)
			assert_int_equal(density_free(&d, slot), 0);
	}
	compact_until_done(&d);
	assert_int_equal(d.strange, 0);
	assert_int_equal(d.refused, 0);
	density_verify(&d);
	density_close(&d);
	shard_cpus_close(&cpus);
}

static const struct pool_test tests[] = {
	POOL_TEST(the_limit_is_kept_over_shards, ON_MMAP),
	POOL_TEST(the_limit_is_kept_over_shards_that_split, ON_MMAP),
	POOL_TEST(limit_and_peak_are_of_the_sum, ON_MMAP),
	POOL_TEST(a_peak_that_nobody_saw_is_noted, ON_MMAP),
	POOL_TEST(a_walk_visits_each_object_of_all_shards, ON_MMAP),
	POOL_TEST(a_reset_empties_every_shard, ON_MMAP),
	POOL_TEST(a_map_in_any_shard_holds_up_a_reset, ON_MMAP),
	POOL_TEST(a_trim_gives_back_what_every_shard_keeps, ON_MMAP),
	POOL_TEST(compaction_is_of_all_shards, ON_MMAP),
	POOL_TEST(compaction_is_of_all_shards_that_split, ON_MMAP),
	POOL_TEST(compaction_does_not_move_the_dead, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_shards_whole", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
