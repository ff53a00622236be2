/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A provider that fails. One scenario, which makes every kind of call, is run again and
 * again: the provider's n-th call of a kind fails, once or from then on, for n = 1, 2,
 * 3 ... until the scenario ends without a failure. After each call that failed: the
 * error is a documented one, nothing has changed, every object is intact; at the end
 * the pool is as usable as ever and the provider has everything back. May call: public
 * headers. One thread.
 */
#include "fault_scene.h"

enum { FAULT_PAGES = 24, RUNS_MAX = 5000 };

/* ---- running it ---- */

static void run_step(struct scene *s, const struct step *step)
{
	uint64_t injected = s->f->fault.injected;
	int err;

	err = scene_step(s, step);
	if (err == 0)
		return;
	if (err != -XV_EAGAIN && !(err == -XV_ENOMEM && step->needs_memory))
		print_error("%s: error %d is not documented here\n", step->name, err);
	assert_true(err == -XV_EAGAIN || (err == -XV_ENOMEM && step->needs_memory));
	if (s->f->fault.injected == injected)
		print_error("%s: error %d without a fault\n", step->name, err);
	assert_true(s->f->fault.injected > injected);
	all_is_well(s);
}

static void make_options(struct scene *s, struct xv_pool_options *options)
{
	fixture_options(s->f, options);
	options_set_flags(options, s->flags);
	if ((s->flags & XV_POOL_OWNERS) != 0) {
		options->owner_ops = &fault_owner_ops;
		options->owner_context = s;
	}
}

/* Create under the fault; where that fails, again without. */
static void create(struct scene *s, struct xv_pool_options *options)
{
	struct pool_fixture *f = s->f;
	struct xv_pool *const untouched = (struct xv_pool *)(uintptr_t)0x5A5A;
	struct xv_pool *pool = untouched;
	int err = xv_pool_create(&pool, &f->fault.provider, options);

	if (err != 0) {
		assert_int_equal(err, -XV_ENOMEM);
		assert_ptr_equal(pool, untouched);
		assert_int_equal(f->fault.meta_reservations_now, 0);
		assert_int_equal(f->fault.meta_committed_now, 0);
		pause_fault(s);
		assert_int_equal(xv_pool_create(&pool, &f->fault.provider, options), 0);
		resume_fault(s);
	}
	f->pool = pool;
}

/* What the fault prevented can be had without it, and all can be freed. */
static void finish(struct scene *s)
{
	fault_provider_heal(&s->f->fault);
	s->step = "finish";
	all_is_well(s);
	scene_make_missing(s);
	all_is_well(s);
	scene_free_all(s);
	all_is_well(s);
	(void)xv_pool_trim(s->f->pool);
	assert_int_equal(s->f->fault.pages_now, 0);
	fixture_check(s->f);
	fixture_drop_pool(s->f);
}

/* One run; false when the scenario ended before the fault came. */
static bool run_with_fault(struct pool_fixture *f, uint32_t flags, enum fault_op op, uint64_t nth,
			   enum fault_span span)
{
	struct scene s = {.f = f, .flags = flags};
	struct xv_pool_options options;
	bool injected;

	make_options(&s, &options);
	fault_provider_fail(&f->fault, op, nth, span);
	create(&s, &options);
	for (size_t i = 0; i < fault_step_count; i++)
		run_step(&s, &fault_steps[i]);
	injected = f->fault.injected != 0;
	finish(&s);
	return injected;
}

/* Every n, until the scenario ends without a failure. Returns how many failures. */
static uint64_t every_fault(struct pool_fixture *f, uint32_t flags, enum fault_op op,
			    enum fault_span span)
{
	uint64_t nth = 1;

	while (run_with_fault(f, flags, op, nth, span)) {
		nth++;
		assert_true(nth < RUNS_MAX);
	}
	print_message("%s, flags %u, operation %d: %u faults\n", f->which->name, (unsigned)flags,
		      (int)op, (unsigned)(nth - 1));
	return nth - 1;
}

static bool pool_asks_for(const struct pool_fixture *f, enum fault_op op)
{
	if (op == FAULT_PAGE_MAP)
		return f->fault.provider.base == NULL;
	return op != FAULT_GRAINS_TAKE || xv_provider_page_grains(&f->fault.provider) > 1;
}

/* Every kind of pool with the smallest pages; with others the two ends. */
static void every_fault_of_all_pools(struct pool_fixture *f, enum fault_op op, enum fault_span span)
{
	static const uint32_t kinds[] = {0, XV_POOL_SPLIT | XV_POOL_OWNERS, XV_POOL_SPLIT,
					 XV_POOL_OWNERS};
	size_t first = f->page_bytes == 65536 ? 1 : 0;
	size_t last = f->page_bytes == 4096 ? 3 : first;

	for (size_t i = first; i <= last; i++) {
		uint64_t faults = every_fault(f, kinds[i], op, span);

		if (pool_asks_for(f, op))
			assert_true(faults > 0);
	}
}

static void with_provider(struct pool_fixture *f, uint32_t fault_flags)
{
	fixture_remake(f, FAULT_PAGES, NULL, fault_flags);
	fixture_drop_pool(f);
}

static void no_page_is_to_be_had(struct pool_fixture *f)
{
	with_provider(f, 0);
	every_fault_of_all_pools(f, FAULT_PAGE_ALLOC, FAULT_ONCE);
	every_fault_of_all_pools(f, FAULT_PAGE_ALLOC, FAULT_FOREVER);
	every_fault_of_all_pools(f, FAULT_GRAINS_TAKE, FAULT_ONCE);
	every_fault_of_all_pools(f, FAULT_GRAINS_TAKE, FAULT_FOREVER);
}

static void no_meta_memory_is_to_be_had(struct pool_fixture *f)
{
	with_provider(f, 0);
	every_fault_of_all_pools(f, FAULT_META_COMMIT, FAULT_ONCE);
	every_fault_of_all_pools(f, FAULT_META_COMMIT, FAULT_FOREVER);
	every_fault_of_all_pools(f, FAULT_META_RESERVE, FAULT_ONCE);
	every_fault_of_all_pools(f, FAULT_META_RESERVE, FAULT_FOREVER);
}


static void anything_fails(struct pool_fixture *f)
{
	with_provider(f, 0); /* a window of two slots has none for the scene's maps */
	(void)every_fault(f, XV_POOL_SPLIT | XV_POOL_OWNERS, FAULT_POOL_MEETS, FAULT_FOREVER);
}

/* ---- tables that must grow ---- */

enum { MANY_PAGES = 1200, MANY = 4000, COMMITS_MAX = 120 };

/* Take all pages and make many holes; both tables grow in several steps. */
static void grow_tables(struct pool_fixture *f, enum fault_span span, uint64_t nth)
{
	static xv_handle handles[MANY];
	size_t count = 0, failed = 0;
	xv_handle handle;

	fault_provider_fail(&f->fault, FAULT_META_COMMIT, nth, span);
	for (size_t i = 0; count < MANY && failed < 5; i++) {
		int err = xv_malloc(f->pool, i % 4 == 0 ? xv_pool_max_size(f->pool) : 12, &handle);

		if (err == 0)
			handles[count++] = handle;
		else
			assert_int_equal(err, -XV_ENOMEM);
		failed += err != 0;
	}
	for (size_t i = 0; i < count; i += 2)
		fixture_free(f, handles[i]);
	fixture_check(f);
	fault_provider_heal(&f->fault);
	for (size_t i = 1; i < count; i += 2)
		fixture_free(f, handles[i]);
	fixture_check(f);
	assert_int_equal(fixture_stats(f).objects, 0);
	(void)xv_pool_trim(f->pool);
	fixture_check(f);
}

static void free_never_fails_for_want_of_memory(struct pool_fixture *f)
{
	for (uint64_t nth = 1; nth < COMMITS_MAX; nth++) {
		fixture_remake(f, MANY_PAGES, NULL, 0);
		grow_tables(f, FAULT_FOREVER, nth);
		if (f->fault.injected == 0)
			return;
		fixture_remake(f, MANY_PAGES, NULL, 0);
		grow_tables(f, FAULT_ONCE, nth);
	}
	fail();
}

static const struct pool_test tests[] = {
	POOL_TEST(no_page_is_to_be_had, 0),
	POOL_TEST(no_meta_memory_is_to_be_had, 0),
	POOL_TEST(anything_fails, ON_MMAP),
	POOL_TEST(free_never_fails_for_want_of_memory, ON_MMAP),
};

int main(int argc, char **argv)
{
	return pool_tests_run("fault", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
