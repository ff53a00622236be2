/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Operations of the provider that fail inside compaction, and inside the calls on
 * objects of several parts: whatever fails, every object is there once, with its
 * contents, and the pool's invariants hold. May call: public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum { SMALL_PAGES = 64, OBJECTS = 40, CALLS_MOST = 5000 };

/* A small sparse pool with objects of every shape. */
static void open_small(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	uint32_t slot = 0;

	density_open(d, f, SMALL_PAGES, flags, FAULT_HIDE_BASE);
	for (; slot < OBJECTS; slot++) {
		size_t size = 64 + random_below(&f->random, f->page_bytes / 2);

		assert_int_equal(density_malloc(d, slot, size), 0);
	}
	for (uint32_t i = 0; i < slot; i++) {
		if (i % 4 != 0)
			assert_int_equal(density_free(d, i), 0);
	}
	/* Over the holes now, where the pool may split. */
	for (uint32_t i = 0; i < 4 && (flags & XV_POOL_SPLIT) != 0; i++)
		assert_int_equal(density_malloc(d, slot + i, f->page_bytes * 7 / 8 + i), 0);
	if ((flags & XV_POOL_SPLIT) != 0)
		assert_int_equal(density_malloc(d, slot + 4, f->page_bytes * 2 + 500), 0);
	for (uint32_t i = 0; i < slot; i += 8)
		assert_int_equal(density_free(d, i), 0);
}

/* The nth call of this operation fails within one long step. False: there was none. */
static bool compact_with_failure(struct pool_fixture *f, uint32_t flags, enum fault_op op,
				 uint64_t n, enum fault_span span)
{
	uint64_t random = f->random;
	struct density d;
	bool injected;
	int err;

	open_small(&d, f, flags);
	fault_provider_fail(&f->fault, op, n, span);
	err = xv_compact(d.pool, SIZE_MAX, NULL);
	injected = f->fault.injected != 0;
	fault_provider_heal(&f->fault);
	assert_true(err == 0 || err == -XV_EAGAIN);
	density_verify(&d);
	(void)density_compact(&d, 0);
	density_close(&d);
	f->random = random;
	return injected;
}

static void compact_with_each_failure(struct pool_fixture *f, enum fault_op op,
				      enum fault_span span)
{
	if (f->page_bytes > 16384)
		return;
	for (uint32_t flags = XV_POOL_OWNERS; flags <= (XV_POOL_OWNERS | XV_POOL_SPLIT);
	     flags += XV_POOL_SPLIT) {
		uint64_t n = 1;

		/* Each of the first calls, then fewer and fewer. */
		while (compact_with_failure(f, flags, op, n, span)) {
			n += n < 30 ? 1 : n / 12;
			assert_true(n < CALLS_MOST);
		}
		assert_true(n > 1 || op != FAULT_PAGE_MAP);
	}
}


static void page_that_is_not_to_be_had_loses_nothing(struct pool_fixture *f)
{
	compact_with_each_failure(f, FAULT_PAGE_ALLOC, FAULT_ONCE);
	compact_with_each_failure(f, FAULT_PAGE_ALLOC, FAULT_FOREVER);
	compact_with_each_failure(f, FAULT_GRAINS_TAKE, FAULT_ONCE);
}

static void table_that_cannot_grow_loses_nothing(struct pool_fixture *f)
{
	compact_with_each_failure(f, FAULT_META_COMMIT, FAULT_ONCE);
	compact_with_each_failure(f, FAULT_META_COMMIT, FAULT_FOREVER);
}

/* Step by step, each with a failure somewhere, and owners who refuse. */
static void failures_in_every_step_lose_nothing(struct pool_fixture *f)
{
	struct xv_compact_report report = {.more = true};
	struct density d;

	open_small(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT);
	d.refuse_percent = 20;
	for (unsigned step = 0; step < 150; step++) {
		int err;

		fault_provider_fail(&f->fault, FAULT_POOL_MEETS, 1 + random_below(&f->random, 60),
				    step % 3 == 0 ? FAULT_FOREVER : FAULT_ONCE);
		err = xv_compact(d.pool, 3000, &report);
		fault_provider_heal(&f->fault);
		assert_true(err == 0 || err == -XV_EAGAIN);
		density_verify(&d);
	}
	(void)density_compact(&d, 0);
	density_close(&d);
}

/* ---- calls on objects of several parts ---- */


static const struct pool_test tests[] = {
	POOL_TEST(page_that_is_not_to_be_had_loses_nothing, 0),
	POOL_TEST(table_that_cannot_grow_loses_nothing, 0),
	POOL_TEST(failures_in_every_step_lose_nothing, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("fault_compact", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
