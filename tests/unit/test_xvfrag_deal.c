/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of dealing operations out to threads: nothing is lost, nothing changes its
 * order within a slot, and no two threads have a place in common.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "deal.h"
#include "handover.h"

enum { SLOTS = 333 };

static struct xvm_workload_view view;

static int setup_view(void **state)
{
	struct xvm_workload workload = {.ops = NULL};
	struct xvm_sizes sizes = {.objects = {.items = NULL}};
	int fd;

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++)
		xvm_u32s_append(&sizes.objects, 10 + i);
	xvm_workload_life_cycle(&workload, &sizes, 0, 3);
	fd = xvm_workload_seal(&workload);
	assert_true(xvm_workload_open(&view, fd));
	close(fd);
	xvm_workload_fini(&workload);
	xvm_sizes_fini(&sizes);
	return 0;
}

/* The next operation on this slot in [*at, end), or NULL. */
static const struct xvm_op *next_of_slot(const struct xvm_op *ops, uint64_t *at, uint64_t end,
					 uint64_t slot)
{
	while (*at < end) {
		const struct xvm_op *op = &ops[(*at)++];

		if (op->slot == slot)
			return op;
	}
	return NULL;
}

/* Are the slot's operations of a phase, in order, what its thread got for its place? */
static void check_slot(const struct xvf_deal *deal, uint32_t phase, uint64_t slot)
{
	const struct xvm_phase *p = &view.head->phase[phase];
	unsigned thread = (unsigned)(slot % deal->threads);
	uint64_t at = p->first_op, dealt_at = 0, count;
	const struct xvm_op *dealt = xvf_deal_ops(deal, phase, thread, &count);
	const struct xvm_op *op;

	do {
		const struct xvm_op *got =
			next_of_slot(dealt, &dealt_at, count, xvf_deal_place(deal, slot));

		op = next_of_slot(view.ops, &at, p->first_op + p->op_count, slot);
		assert_true((op == NULL) == (got == NULL));
		if (op != NULL)
			assert_int_equal(op->source, got->source);
	} while (op != NULL);
}

static void deal_gives_each_operation_to_the_thread_of_its_slot(void **state)
{
	static const unsigned threads[] = {2, 3, 7, 64};
	struct xvf_deal deal;

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		assert_true(xvf_deal_make(&deal, &view, threads[i]));
		for (uint32_t p = 0; p < view.head->phases; p++) {
			uint64_t total = 0, count;

			for (unsigned t = 0; t < threads[i]; t++) {
				(void)xvf_deal_ops(&deal, p, t, &count);
				total += count;
			}
			assert_int_equal(total, view.head->phase[p].op_count);
			for (uint64_t slot = 0; slot < SLOTS; slot++)
				check_slot(&deal, p, slot);
		}
	}
}

/* 32 places of 4 bytes: two cache lines of 64, one of 128. */
static void deal_places_are_apart(void **state)
{
	unsigned char taken[64 * 64] = {0};
	struct xvf_deal deal;

	(void)state;
	assert_true(xvf_deal_make(&deal, &view, 5));
	assert_true(deal.places <= sizeof(taken));
	assert_int_equal(deal.places_a_thread % 32, 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		uint64_t place = xvf_deal_place(&deal, slot);

		assert_true(place < deal.places);
		assert_int_equal(taken[place]++, 0);
		assert_int_equal(place / deal.places_a_thread, slot % 5);
	}
}

static void deal_for_one_thread_is_the_workload(void **state)
{
	struct xvf_deal deal;
	uint64_t count;

	(void)state;
	assert_true(xvf_deal_make(&deal, &view, 1));
	assert_int_equal(deal.places, SLOTS);
	for (uint32_t p = 0; p < view.head->phases; p++) {
		assert_ptr_equal(xvf_deal_ops(&deal, p, 0, &count),
				 view.ops + view.head->phase[p].first_op);
		assert_int_equal(count, view.head->phase[p].op_count);
	}
	assert_int_equal(xvf_deal_place(&deal, 17), 17);
}

static void handover_gives_in_order_and_has_a_limit(void **state)
{
	static struct xvf_handover h = {.limit = 3};
	struct xvf_handed item = {0, 0};
	uint64_t next = 0;

	(void)state;
	assert_false(xvf_handover_take(&h, &item));
	for (uint64_t i = 0; i < 200; i += 3) {
		for (uint64_t k = 0; k < 3; k++)
			assert_true(xvf_handover_put(&h, (struct xvf_handed){i + k, 7}));
		assert_false(xvf_handover_put(&h, (struct xvf_handed){999, 7}));
		while (xvf_handover_take(&h, &item))
			assert_int_equal(item.token, next++);
	}
	assert_int_equal(next, 201);
	assert_int_equal(item.size, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deal_gives_each_operation_to_the_thread_of_its_slot),
		cmocka_unit_test(deal_places_are_apart),
		cmocka_unit_test(deal_for_one_thread_is_the_workload),
		cmocka_unit_test(handover_gives_in_order_and_has_a_limit),
	};

	return cmocka_run_group_tests(tests, setup_view, NULL);
}
