/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Compaction: what it gives back, what it must leave, how much a step may do, and what
 * may happen between two steps. May call: public headers. One thread.
 */
#include "density.h"

#include <string.h>

enum {
	MANY_PAGES = 64,
	/* The pages of a sparse pool: enough for steps, few enough to be quick. */
	SPARSE_PAGES = 40,
	EXTENTS = 8,
};

#define FOR_EACH_OWNER_FLAGS(flags)                                                                \
	for (uint32_t flags = XV_POOL_OWNERS; flags <= (XV_POOL_SPLIT | XV_POOL_OWNERS);           \
	     flags += XV_POOL_SPLIT)

/* Mixed sizes, then all but one object in `keep` freed. Returns the slot behind. */
static uint32_t open_sparse(struct density *d, struct pool_fixture *f, uint32_t flags,
			    uint32_t keep, uint32_t fault_flags)
{
	uint32_t slot = 0;

	density_open(d, f, MANY_PAGES, flags, fault_flags);
	while (density_pages(d) < SPARSE_PAGES) {
		size_t size = 64 + random_below(&f->random, f->page_bytes * 5 / 8);

		assert_int_equal(density_malloc(d, slot++, size), 0);
	}
	for (uint32_t i = 0; i < slot; i++) {
		if (random_below(&f->random, keep) != 0)
			assert_int_equal(density_free(d, i), 0);
	}
	return slot;
}

static void sparse_pool_shrinks_and_keeps_its_contents(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		struct xv_pool_stats before, after;
		struct xv_compact_report sum;
		struct density d;
		uint64_t estimate;

		(void)open_sparse(&d, f, flags, 4, 0);
		before = fixture_stats(f);
		estimate = xv_compactable(d.pool);
		sum = density_compact(&d, 0);
		after = fixture_stats(f);
		density_verify(&d);
		assert_true(sum.moved_bytes != 0 && d.moved != 0);
		assert_int_equal(sum.refused + sum.pinned_pages, 0);
		assert_int_equal(after.objects, before.objects);
		assert_int_equal(after.requested_bytes, before.requested_bytes);
		/* A step that took a page first may have been followed by one that gave two. */
		assert_true(sum.freed_bytes >= before.held_bytes - after.held_bytes);
		assert_true(before.held_bytes > after.held_bytes);
		/* What is left holds little more than the objects. */
		assert_true(after.pages * f->page_bytes <
			    after.requested_bytes * 5 / 4 + 3 * f->page_bytes);
		/* And the estimate was near. */
		/* It counts on half an object lost in each page. */
		assert_true(estimate <= 2 * sum.freed_bytes && sum.freed_bytes < 3 * estimate);
		density_close(&d);
	}
}

static void nothing_is_to_be_had_from_an_empty_or_dense_pool(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		struct xv_compact_report sum;
		struct xv_pool_stats before;
		struct density d;
		uint32_t end;

		density_open(&d, f, MANY_PAGES, flags, 0);
		assert_int_equal(xv_compactable(d.pool), 0);
		sum = density_compact(&d, 0);
		assert_int_equal(sum.moved_bytes + sum.freed_bytes + sum.refused, 0);
		end = density_fill_pages(&d, 0, 10, f->page_bytes / 4 - 16);
		before = fixture_stats(f);
		assert_true(xv_compactable(d.pool) <= f->page_bytes);
		(void)density_compact(&d, 0);
		assert_int_equal(fixture_stats(f).pages, before.pages);
		density_free_every(&d, 0, end, 1);
		assert_int_equal(xv_compactable(d.pool), 0);
		density_close(&d);
	}
}

static void compacted_pool_is_not_compacted_again(struct pool_fixture *f)
{
	struct xv_compact_report sum;
	struct density d;

	(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
	(void)density_compact(&d, 0);
	sum = density_compact(&d, 0);
	assert_true(sum.moved_bytes <= fixture_stats(f).requested_bytes);
	assert_true(sum.freed_bytes <= 2 * f->page_bytes);
	density_close(&d);
}

/* ---- steps ---- */

static size_t largest_object(const struct density *d)
{
	size_t largest = 0;

	for (uint32_t i = 0; i < DENSITY_SLOTS; i++)
		largest = d->slot[i].size > largest ? d->slot[i].size : largest;
	return largest;
}

static void step_moves_no_more_than_its_budget_and_an_object(struct pool_fixture *f)
{
	const size_t budgets[] = {1, 600, XV_COMPACT_STEP_BYTES, 100000};

	for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
		struct xv_compact_report report;
		struct density d;
		uint64_t held, freed = 0;
		size_t most;

		(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
		held = fixture_stats(f).held_bytes;
		most = budgets[b] + largest_object(&d);
		do {
			uint64_t before = fixture_stats(f).held_bytes;

			assert_int_equal(xv_compact(d.pool, budgets[b], &report), 0);
			assert_true(report.moved_bytes <= most);
			assert_true(report.freed_bytes == 0 ||
				    before - fixture_stats(f).held_bytes >= report.freed_bytes);
			freed += report.freed_bytes;
			fixture_check(f);
		} while (report.more);
		/* Nothing is left out: pages, page table and hole table. */
		assert_int_equal(held - fixture_stats(f).held_bytes, freed);
		density_close(&d);
	}
}

static void huge_budget_makes_one_step(struct pool_fixture *f)
{
	struct xv_compact_report report;
	struct density d;

	(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
	assert_int_equal(xv_compact(d.pool, SIZE_MAX, &report), 0);
	assert_false(report.more);
	assert_true(report.freed_bytes != 0);
	assert_int_equal(xv_compact(d.pool, 0, NULL), 0);
	density_close(&d);
}

/* The caller goes on between the steps. */
static void pool_is_used_between_steps(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		struct xv_compact_report report;
		struct density d;
		uint32_t slot = open_sparse(&d, f, flags, 3, 0);

		do {
			uint32_t victim = (uint32_t)random_below(&f->random, slot);

			assert_int_equal(xv_compact(d.pool, 2000, &report), 0);
			fixture_check(f);
			if (d.slot[victim].handle != XV_NULL_HANDLE)
				assert_int_equal(density_free(&d, victim), 0);
			if (slot < DENSITY_SLOTS)
				slot += density_malloc(&d, slot,
						       1 + random_below(&f->random,
									f->page_bytes / 4)) == 0;
			victim = (uint32_t)random_below(&f->random, slot);
			if (d.slot[victim].handle != XV_NULL_HANDLE)
				(void)density_realloc(
					&d, victim,
					1 + random_below(&f->random, f->page_bytes / 2));
			if (slot % 4 == 0)
				density_verify(&d);
		} while (report.more);
		density_close(&d);
	}
}

static void trim_and_reset_between_steps(struct pool_fixture *f)
{
	struct xv_compact_report report;
	struct density d;
	unsigned step = 0;

	(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
	do {
		assert_int_equal(xv_compact(d.pool, 1000, &report), 0);
		(void)xv_pool_trim(d.pool);
		fixture_check(f);
	} while (report.more && ++step < 30);
	assert_int_equal(xv_pool_reset(d.pool), 0);
	memset(d.slot, 0, DENSITY_SLOTS * sizeof(*d.slot));
	d.live = 0;
	d.requested_bytes = 0;
	fixture_check(f);
	assert_int_equal(density_malloc(&d, 0, 1000), 0);
	(void)density_compact(&d, 0);
	density_close(&d);
}

/* ---- what stays ---- */

static void refused_objects_stay(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		xv_handle before[DENSITY_SLOTS];
		struct xv_compact_report sum;
		struct density d;
		uint32_t end = open_sparse(&d, f, flags, 3, 0);

		for (uint32_t i = 0; i < end; i++) {
			before[i] = d.slot[i].handle;
			d.slot[i].stubborn = i % 3 == 0;
		}
		sum = density_compact(&d, 0);
		assert_true(sum.refused != 0 && d.refused != 0 && d.moved != 0);
		for (uint32_t i = 0; i < end; i += 3)
			assert_true(d.slot[i].handle == before[i]);
		density_close(&d);
	}
}

/* At random: what is refused now may move next time; nothing is lost or moved twice. */
static void random_refusals_lose_nothing(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		struct density d;

		(void)open_sparse(&d, f, flags, 3, 0);
		for (unsigned cycle = 0; cycle < 3; cycle++) {
			d.refuse_percent = 40;
			(void)density_compact(&d, 3000);
			density_verify(&d);
		}
		assert_true(d.refused != 0);
		density_close(&d);
	}
}

/* Each block is an object here: what owners were told is what the report says. */
static void the_report_counts_what_owners_were_told(struct pool_fixture *f)
{
	struct xv_compact_report sum;
	struct density d;
	uint32_t end = open_sparse(&d, f, XV_POOL_OWNERS, 4, 0);

	for (uint32_t i = 0; i < end; i++)
		d.slot[i].stubborn = i % 5 == 0;
	sum = density_compact(&d, 0);
	assert_true(sum.moved_blocks > 0 && sum.refused > 0);
	assert_int_equal(sum.moved_blocks, d.moved);
	assert_int_equal(sum.moved_bytes, d.moved_bytes);
	assert_int_equal(sum.refused, d.refused);
	density_close(&d);
}

static void all_refused_changes_nothing(struct pool_fixture *f)
{
	struct xv_pool_stats before, after;
	struct density d;

	(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
	d.refuse_percent = 100;
	before = fixture_stats(f);
	(void)density_compact(&d, 0);
	after = fixture_stats(f);
	/* A later piece moves without its owner's leave: pages may be won. */
	assert_true(after.pages <= before.pages);
	assert_int_equal(d.moved, 0);
	density_close(&d);
}

/* Pages that are mapped stay, with what is in them. */
static void pinned_pages_stay(struct pool_fixture *f)
{
	struct density d;
	uint32_t end = open_sparse(&d, f, XV_POOL_OWNERS, 4, 0);
	uint32_t pinned = 0;
	xv_handle handle;
	void *ptr = NULL;

	while (d.slot[pinned].handle == XV_NULL_HANDLE && pinned < end)
		pinned++;
	handle = d.slot[pinned].handle;
	assert_int_equal(xv_map(d.pool, handle, &ptr), 0);
	f->maps = f->fault.mapped_now;
	/* The page is counted once in each round, of which there are few. */
	assert_in_range(density_compact(&d, 0).pinned_pages, 1, 10);
	for (uint32_t i = 0; i < end; i++) {
		if (d.slot[i].handle != XV_NULL_HANDLE && i != pinned)
			assert_true(density_is_good(&d, i));
	}
	assert_true(d.slot[pinned].handle == handle);
	assert_memory_equal(ptr, density_bytes(&d, pinned), d.slot[pinned].size);
	assert_int_equal(xv_unmap(d.pool, handle, ptr), 0);
	f->maps = f->fault.mapped_now;
	(void)density_compact(&d, 0);
	density_close(&d);
}

/* Mapped when the cycle is under way: also in a page that is being emptied. */
static void what_is_mapped_between_steps_stays(struct pool_fixture *f)
{
	struct xv_compact_report report;
	struct density d;
	uint32_t end = open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, 0);
	unsigned mapped = 0;

	do {
		uint32_t slot = (uint32_t)random_below(&f->random, end);
		void *ptr = NULL;
		xv_handle handle;

		while (d.slot[slot].handle == XV_NULL_HANDLE ||
		       xv_map(d.pool, d.slot[slot].handle, &ptr) == -XV_ESPLIT)
			slot = (slot + 1) % end;
		assert_non_null(ptr);
		mapped++;
		handle = d.slot[slot].handle;
		assert_int_equal(xv_compact(d.pool, 1000, &report), 0);
		assert_true(d.slot[slot].handle == handle);
		assert_memory_equal(ptr, density_bytes(&d, slot), d.slot[slot].size);
		assert_int_equal(xv_unmap(d.pool, handle, ptr), 0);
	} while (report.more);
	assert_true(mapped > 1);
	density_close(&d);
}

/* ---- large and whole-page objects ---- */

/* ---- tables ---- */

/* Nine objects in ten go: with the pages, the tables shrink. */
/* Of 2,000 pages 60 are left here and there: their records come to lie together. */
static void pages_that_are_left_lie_together_in_the_end(struct pool_fixture *f)
{
	enum { OBJECTS = 4000, KEEP = 33, RECORD_BYTES = 128, HEAD_BYTES = 24576 };
	size_t size = f->page_bytes / 2 - 64;
	struct xv_pool_stats after;
	struct density d;

	density_open(&d, f, OBJECTS / 2 + 100, XV_POOL_OWNERS | XV_POOL_SPLIT, 0);
	for (uint32_t i = 0; i < OBJECTS; i++)
		assert_int_equal(density_malloc(&d, i, size), 0);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % KEEP != 0)
			assert_int_equal(density_free(&d, i), 0);
	}
	(void)density_compact(&d, 0);
	density_verify(&d);
	after = fixture_stats(f);
	assert_true(after.pages <= OBJECTS / KEEP / 2 + 2);
	/* Otherwise what is made stays, and tables go by the OS page. */
	if (f->inner->ops->meta_purge != NULL && os_page_bytes() == 4096)
		assert_true(after.table_bytes < HEAD_BYTES + after.pages * RECORD_BYTES);
	density_close(&d);
}

static void tables_shrink_after_most_is_freed(struct pool_fixture *f)
{
	enum { OBJECTS = 8000 };
	xv_handle *others = test_calloc(OBJECTS, sizeof(*others));
	struct xv_pool_stats before, after;
	struct density d;

	if (f->page_bytes != 4096) {
		test_free(others);
		return;
	}
	density_open(&d, f, OBJECTS / 8 + 100, XV_POOL_OWNERS | XV_POOL_SPLIT, 0);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % 10 == 0)
			assert_int_equal(density_malloc(&d, i / 10, f->page_bytes / 8 - 32), 0);
		else
			others[i] = fixture_malloc(f, f->page_bytes / 8 - 32);
	}
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % 10 != 0)
			fixture_free(f, others[i]);
	}
	test_free(others);
	before = fixture_stats(f);
	(void)density_compact(&d, 0);
	after = fixture_stats(f);
	assert_true(after.pages < before.pages / 5);
	/* A buffer's spare room is counted as its overhead all the time. */
	if (f->which->kind == PROVIDER_BUFFER)
		assert_true(after.table_bytes <= before.table_bytes);
	else
		assert_true(after.table_bytes < before.table_bytes);
	density_close(&d);
}

/* ---- limits and windows ---- */

static void pool_at_its_limit_is_compacted(struct pool_fixture *f)
{
	FOR_EACH_OWNER_FLAGS(flags)
	{
		struct xv_pool_stats before;
		struct density d;

		(void)open_sparse(&d, f, flags, 4, 0);
		before = fixture_stats(f);
		xv_pool_set_limit(d.pool, before.held_bytes);
		(void)density_compact(&d, 0);
		assert_true(fixture_stats(f).peak_held_bytes <= before.peak_held_bytes);
		assert_true(fixture_stats(f).pages < before.pages);
		xv_pool_set_limit(d.pool, 0);
		density_close(&d);
	}
}

static void at_most_two_pages_are_mapped(struct pool_fixture *f)
{
	struct density d;

	(void)open_sparse(&d, f, XV_POOL_OWNERS | XV_POOL_SPLIT, 4, FAULT_HIDE_BASE);
	assert_int_equal(density_malloc(&d, DENSITY_SLOTS - 1, f->page_bytes * 4 + 123), 0);
	(void)density_compact(&d, 0);
	density_close(&d);
	assert_int_equal(f->fault.mapped_peak, 2);
	assert_int_equal(f->fault.misuse, 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(sparse_pool_shrinks_and_keeps_its_contents, EACH_ALIGNMENT),
	POOL_TEST(nothing_is_to_be_had_from_an_empty_or_dense_pool, EACH_ALIGNMENT),
	POOL_TEST(compacted_pool_is_not_compacted_again, EACH_ALIGNMENT),
	POOL_TEST(step_moves_no_more_than_its_budget_and_an_object, 0),
	POOL_TEST(huge_budget_makes_one_step, 0),
	POOL_TEST(pool_is_used_between_steps, EACH_ALIGNMENT),
	POOL_TEST(trim_and_reset_between_steps, 0),
	POOL_TEST(refused_objects_stay, EACH_ALIGNMENT),
	POOL_TEST(random_refusals_lose_nothing, EACH_ALIGNMENT),
	POOL_TEST(the_report_counts_what_owners_were_told, 0),
	POOL_TEST(all_refused_changes_nothing, 0),
	POOL_TEST(pinned_pages_stay, EACH_ALIGNMENT),
	POOL_TEST(what_is_mapped_between_steps_stays, EACH_ALIGNMENT),
	POOL_TEST(pages_that_are_left_lie_together_in_the_end, 0),
	POOL_TEST(tables_shrink_after_most_is_freed, 0),
	POOL_TEST(pool_at_its_limit_is_compacted, EACH_ALIGNMENT),
	POOL_TEST(at_most_two_pages_are_mapped, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("compact", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
