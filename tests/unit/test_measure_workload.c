/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of the life cycle: what it does to each slot, and that the seed decides it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workload.h"

enum { SIZES = 1000 };

static struct xvm_sizes test_sizes;

static int setup_sizes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SIZES; i++) {
		xvm_u32s_append(&test_sizes.objects, 10 + i);
		xvm_u32s_append(&test_sizes.pages, 2 * i);
	}
	return 0;
}

static int teardown_sizes(void **state)
{
	(void)state;
	xvm_sizes_fini(&test_sizes);
	return 0;
}

static void make(struct xvm_workload *w, uint32_t objects, uint64_t seed)
{
	*w = (struct xvm_workload){.ops = NULL};
	xvm_workload_life_cycle(w, &test_sizes, objects, seed);
}

/* Play a phase on a table of slots: true for each that holds an object. */
static uint64_t play(const struct xvm_workload *w, uint32_t phase, bool *holds)
{
	const struct xvm_phase *p = &w->head.phase[phase];
	uint64_t live = 0;

	for (uint64_t i = 0; i < p->op_count; i++) {
		const struct xvm_op *op = &w->ops[p->first_op + i];

		assert_true(op->slot < w->head.slots);
		if (op->source == XVM_NO_SOURCE)
			assert_true(holds[op->slot]);
		else
			assert_true(op->source < w->head.sources);
		holds[op->slot] = op->source != XVM_NO_SOURCE;
	}
	for (uint64_t i = 0; i < w->head.slots; i++)
		live += holds[i];
	return live;
}

static void life_cycle_has_its_phases_and_counts(void **state)
{
	static const char *const names[] = {"fill", "churn", "free50", "refill", "free90"};
	static const uint64_t ops[] = {SIZES, 4 * SIZES, SIZES / 2, SIZES / 2, SIZES * 9 / 10};
	static const uint64_t live[] = {SIZES, SIZES, SIZES / 2, SIZES, SIZES / 10};
	bool holds[SIZES] = {false};
	struct xvm_workload w;

	(void)state;
	make(&w, 0, 1);
	assert_int_equal(w.head.phases, 5);
	assert_int_equal(w.head.slots, SIZES);
	for (uint32_t i = 0; i < 5; i++) {
		assert_string_equal(w.head.phase[i].name, names[i]);
		assert_int_equal(w.head.phase[i].op_count, ops[i]);
		assert_int_equal(play(&w, i, holds), live[i]);
	}
	assert_int_equal(w.head.phase[4].first_op + w.head.phase[4].op_count, w.head.ops);
	xvm_workload_fini(&w);
}

static void life_cycle_fills_in_page_order(void **state)
{
	struct xvm_workload w;

	(void)state;
	make(&w, 0, 1);
	for (uint32_t i = 0; i < SIZES; i++) {
		assert_int_equal(w.ops[i].slot, i);
		assert_int_equal(w.ops[i].source, i);
	}
	xvm_workload_fini(&w);
}

static void life_cycle_samples_evenly_or_repeats(void **state)
{
	struct xvm_workload w;

	(void)state;
	make(&w, 100, 1);
	assert_int_equal(w.head.slots, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(w.ops[i].source, 10 * i);
	xvm_workload_fini(&w);
	make(&w, 2500, 1);
	assert_int_equal(w.head.slots, 2500);
	for (uint32_t i = 0; i < 2500; i++)
		assert_int_equal(w.ops[i].source, i % SIZES);
	xvm_workload_fini(&w);
}

/* On average four overwrites each, unevenly spread, as a random choice is. */
static void life_cycle_churn_touches_slots_at_random(void **state)
{
	unsigned touched[SIZES] = {0};
	unsigned untouched = 0;
	struct xvm_workload w;

	(void)state;
	make(&w, 0, 9);
	for (uint64_t i = SIZES; i < 5 * SIZES; i++)
		touched[w.ops[i].slot]++;
	for (uint32_t i = 0; i < SIZES; i++)
		untouched += touched[i] == 0;
	/* e^-4 of them: 18 expected of 1000. */
	assert_in_range(untouched, 5, 40);
	xvm_workload_fini(&w);
}

static void life_cycle_is_decided_by_its_seed(void **state)
{
	struct xvm_workload a, b, c;

	(void)state;
	make(&a, 0, 42);
	make(&b, 0, 42);
	make(&c, 0, 43);
	assert_int_equal(a.head.ops, b.head.ops);
	assert_memory_equal(a.ops, b.ops, a.head.ops * sizeof(*a.ops));
	assert_int_equal(a.head.ops, c.head.ops);
	assert_memory_not_equal(a.ops, c.ops, a.head.ops * sizeof(*a.ops));
	xvm_workload_fini(&a);
	xvm_workload_fini(&b);
	xvm_workload_fini(&c);
}

/* The peak counts the new object before the old one goes. */
static void workload_peak_is_between_put_and_free(void **state)
{
	struct xvm_workload w = {.ops = NULL};

	(void)state;
	xvm_workload_phase(&w, "x", 0);
	xvm_workload_put(&w, 0, xvm_workload_source(&w, 100));
	xvm_workload_put(&w, 0, xvm_workload_source(&w, 60));
	xvm_workload_put(&w, 0, XVM_NO_SOURCE);
	xvm_workload_put(&w, 0, xvm_workload_source(&w, 120));
	xvm_workload_finish(&w);
	assert_int_equal(w.head.peak_bytes, 160);
	assert_int_equal(w.head.max_size, 120);
	assert_int_equal(w.head.slots, 1);
	xvm_workload_fini(&w);
}

static void workload_survives_its_file(void **state)
{
	struct xvm_workload_view view;
	struct xvm_workload w;
	int fd;

	(void)state;
	make(&w, 0, 5);
	fd = xvm_workload_seal(&w);
	assert_true(fd >= 0);
	assert_true(xvm_workload_open(&view, fd));
	assert_memory_equal(view.head, &w.head, sizeof(w.head));
	assert_memory_equal(view.ops, w.ops, w.head.ops * sizeof(*w.ops));
	assert_memory_equal(view.sizes, w.sizes.items, w.head.sources * sizeof(uint32_t));
	assert_memory_equal(view.pages, w.pages.items, w.head.sources * sizeof(uint32_t));
	close(fd);
	xvm_workload_fini(&w);
}

static void workload_open_refuses_no_file(void **state)
{
	struct xvm_workload_view view;

	(void)state;
	assert_false(xvm_workload_open(&view, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_cycle_has_its_phases_and_counts),
		cmocka_unit_test(life_cycle_fills_in_page_order),
		cmocka_unit_test(life_cycle_samples_evenly_or_repeats),
		cmocka_unit_test(life_cycle_churn_touches_slots_at_random),
		cmocka_unit_test(life_cycle_is_decided_by_its_seed),
		cmocka_unit_test(workload_peak_is_between_put_and_free),
		cmocka_unit_test(workload_survives_its_file),
		cmocka_unit_test(workload_open_refuses_no_file),
	};

	return cmocka_run_group_tests(tests, setup_sizes, teardown_sizes);
}
