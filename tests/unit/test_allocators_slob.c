/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The SLOB model and the tree that it searches in. */
#include "test_allocators_support.h"

#include "max_tree.h"

enum { PAGE = 4096, ELEMENTS = 300 };

static const struct xvfrag_plugin *const slob = &xvm_allocator_slob;

static void slob_puts_a_header_before_each_object(void **state)
{
	void *heap = test_heap(slob, NULL);
	int i;

	(void)state;
	/* 248 bytes with their header are 256: of the list of medium requests. */
	for (i = 0; i < 16; i++)
		test_alloc(slob, heap, 248);
	assert_int_equal(slob->held_bytes(heap), PAGE);
	test_alloc(slob, heap, 248);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	slob->destroy(heap);
}

static void slob_keeps_three_lists_by_size(void **state)
{
	void *heap = test_heap(slob, NULL);

	(void)state;
	test_alloc(slob, heap, 247);
	assert_int_equal(slob->held_bytes(heap), PAGE);
	test_alloc(slob, heap, 248);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	test_alloc(slob, heap, 1016);
	assert_int_equal(slob->held_bytes(heap), 3 * PAGE);
	test_alloc(slob, heap, 1);
	test_alloc(slob, heap, 1015);
	test_alloc(slob, heap, 2000);
	assert_int_equal(slob->held_bytes(heap), 3 * PAGE);
	slob->destroy(heap);
}

static void slob_gives_whole_pages_to_large_objects(void **state)
{
	void *heap = test_heap(slob, NULL);
	uint64_t token;

	(void)state;
	token = test_alloc(slob, heap, PAGE - 8);
	test_alloc(slob, heap, 100);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	slob->free(heap, token, PAGE - 8);
	assert_int_equal(slob->held_bytes(heap), PAGE);
	test_alloc(slob, heap, 2 * PAGE + 1);
	assert_int_equal(slob->held_bytes(heap), 5 * PAGE);
	slob->destroy(heap);
}

static void slob_merges_what_is_freed(void **state)
{
	void *heap = test_heap(slob, NULL);
	uint64_t tokens[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		tokens[i] = test_alloc(slob, heap, 1016);
	slob->free(heap, tokens[0], 1016);
	slob->free(heap, tokens[2], 1016);
	test_alloc(slob, heap, 2040);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	slob->free(heap, tokens[1], 1016);
	/* The three in one piece; the second page has 2048 left. */
	test_alloc(slob, heap, 3064);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	slob->destroy(heap);
}

static void slob_full_page_serves_its_list_again(void **state)
{
	void *heap = test_heap(slob, NULL);
	uint64_t tokens[17];
	int i;

	(void)state;
	for (i = 0; i < 16; i++)
		tokens[i] = test_alloc(slob, heap, 248);
	/* Full, then a hole of 256: a small request goes elsewhere, a medium one in. */
	slob->free(heap, tokens[5], 248);
	test_alloc(slob, heap, 8);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	test_alloc(slob, heap, 248);
	assert_int_equal(slob->held_bytes(heap), 2 * PAGE);
	slob->destroy(heap);
}

static uint32_t find_plainly(const uint16_t *values, uint32_t from, uint16_t wanted)
{
	for (; from < ELEMENTS; from++) {
		if (values[from] >= wanted)
			return from;
	}
	return MAX_TREE_NONE;
}

static void max_tree_finds_what_a_walk_finds(void **state)
{
	struct max_tree tree = {NULL, 0};
	uint16_t values[ELEMENTS] = {0};
	uint64_t seed = test_seed();
	int step;

	(void)state;
	assert_int_equal(max_tree_find(&tree, 0, 1), MAX_TREE_NONE);
	for (step = 0; step < 20000; step++) {
		/* The tree grows as the run goes on. */
		uint32_t used = 1 + (uint32_t)step * (ELEMENTS - 1) / 20000;
		uint32_t element = (uint32_t)(test_random(&seed) % used);
		uint32_t from = (uint32_t)(test_random(&seed) % ELEMENTS);
		uint16_t wanted = (uint16_t)(1 + test_random(&seed) % 1000);

		assert_int_equal(max_tree_reserve(&tree, used), 0);
		values[element] = (uint16_t)(test_random(&seed) % 1000);
		max_tree_set(&tree, element, values[element]);
		assert_int_equal(max_tree_find(&tree, from, wanted),
				 find_plainly(values, from, wanted));
	}
	max_tree_fini(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slob_puts_a_header_before_each_object),
		cmocka_unit_test(slob_keeps_three_lists_by_size),
		cmocka_unit_test(slob_gives_whole_pages_to_large_objects),
		cmocka_unit_test(slob_merges_what_is_freed),
		cmocka_unit_test(slob_full_page_serves_its_list_again),
		cmocka_unit_test(max_tree_finds_what_a_walk_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
