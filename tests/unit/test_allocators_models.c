/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The models that only count, on cases small enough to work out by hand. */
#include "test_allocators_support.h"

enum { PAGE = 4096 };

static const struct xvfrag_plugin *const models[] = {
	&xvm_allocator_ideal,
	&xvm_allocator_slub,
	&xvm_allocator_slob,
};

enum { MODELS = sizeof(models) / sizeof(models[0]) };

static void ideal_holds_what_is_requested(void **state)
{
	const struct xvfrag_plugin *ideal = &xvm_allocator_ideal;
	void *heap = test_heap(ideal, NULL);
	uint64_t token = test_alloc(ideal, heap, 1000);

	(void)state;
	test_alloc(ideal, heap, 23);
	assert_int_equal(ideal->held_bytes(heap), 1023);
	ideal->free(heap, token, 1000);
	assert_int_equal(ideal->held_bytes(heap), 23);
	ideal->destroy(heap);
}

/* Bytes that the first object of this size makes SLUB take: its slab. */
static uint64_t slub_slab_bytes(size_t size)
{
	const struct xvfrag_plugin *slub = &xvm_allocator_slub;
	void *heap = test_heap(slub, NULL);
	uint64_t held;

	test_alloc(slub, heap, size);
	held = slub->held_bytes(heap);
	slub->destroy(heap);
	return held;
}

static void slub_has_the_slab_orders_of_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(slub_slab_bytes(8), PAGE);
	assert_int_equal(slub_slab_bytes(192), PAGE);
	assert_int_equal(slub_slab_bytes(256), PAGE);
	assert_int_equal(slub_slab_bytes(257), 2 * PAGE);
	assert_int_equal(slub_slab_bytes(1024), 4 * PAGE);
	assert_int_equal(slub_slab_bytes(2048), 8 * PAGE);
	assert_int_equal(slub_slab_bytes(8192), 8 * PAGE);
	assert_int_equal(slub_slab_bytes(8193), 4 * PAGE);
}

/* Objects of this size that fit before SLUB takes another slab. */
static unsigned slub_objects_in_slab(size_t size)
{
	const struct xvfrag_plugin *slub = &xvm_allocator_slub;
	void *heap = test_heap(slub, NULL);
	unsigned objects = 1;
	uint64_t slab;

	test_alloc(slub, heap, size);
	slab = slub->held_bytes(heap);
	for (;;) {
		test_alloc(slub, heap, size);
		if (slub->held_bytes(heap) != slab)
			break;
		objects++;
	}
	assert_int_equal(slub->held_bytes(heap), 2 * slab);
	slub->destroy(heap);
	return objects;
}

static void slub_rounds_up_to_its_classes(void **state)
{
	(void)state;
	assert_int_equal(slub_objects_in_slab(2049), 8);
	assert_int_equal(slub_objects_in_slab(2048), 16);
	assert_int_equal(slub_objects_in_slab(129), 21);
	assert_int_equal(slub_objects_in_slab(65), 42);
	assert_int_equal(slub_objects_in_slab(1), 512);
}

static void slub_reuses_partial_slabs_and_keeps_a_few_empty(void **state)
{
	enum { SLABS = 20, OBJECTS = SLABS * 8, KEPT = 6 };
	const struct xvfrag_plugin *slub = &xvm_allocator_slub;
	void *heap = test_heap(slub, NULL);
	uint64_t tokens[OBJECTS], full;
	unsigned i;

	(void)state;
	for (i = 0; i < OBJECTS; i++)
		tokens[i] = test_alloc(slub, heap, 4096);
	full = slub->held_bytes(heap);
	assert_int_equal(full, SLABS * 8 * PAGE);
	slub->free(heap, tokens[3], 4096);
	tokens[3] = test_alloc(slub, heap, 4096);
	assert_int_equal(slub->held_bytes(heap), full);
	for (i = 0; i < OBJECTS; i++)
		slub->free(heap, tokens[i], 4096);
	/* min_partial of the 4096 class is 6; the current slab comes on top of it. */
	assert_in_range(slub->held_bytes(heap), KEPT * 8 * PAGE, (KEPT + 1) * 8 * PAGE);
	slub->destroy(heap);
}

/* ---- slob ---- */

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

/* ---- all ---- */

struct model_object {
	uint64_t token;
	size_t size;
};

/* Random life of 500 objects: never less held than requested, all given back. */
static void model_run(const struct xvfrag_plugin *model, uint64_t seed)
{
	enum { OBJECTS = 500, STEPS = 20000 };
	struct model_object objects[OBJECTS] = {{0, 0}};
	void *heap = test_heap(model, NULL);
	uint64_t empty = model->held_bytes(heap), requested = 0;
	int step;

	for (step = 0; step < STEPS; step++) {
		struct model_object *object = &objects[test_random(&seed) % OBJECTS];

		requested -= object->size;
		if (object->size != 0)
			model->free(heap, object->token, object->size);
		object->size = 1 + (size_t)(test_random(&seed) % PAGE);
		requested += object->size;
		object->token = test_alloc(model, heap, object->size);
		assert_true(model->held_bytes(heap) >= requested);
	}
	for (step = 0; step < OBJECTS; step++) {
		if (objects[step].size != 0)
			model->free(heap, objects[step].token, objects[step].size);
	}
	/* SLUB alone keeps empty slabs: 13 classes, at most 7 slabs of 8 pages each. */
	if (model == &xvm_allocator_slub)
		assert_true(model->held_bytes(heap) <= 13 * 7 * 8 * PAGE);
	else
		assert_int_equal(model->held_bytes(heap), empty);
	model->destroy(heap);
}

static void models_hold_enough_and_give_all_back(void **state)
{
	uint64_t seed = test_seed();
	int i;

	(void)state;
	for (i = 0; i < MODELS; i++)
		model_run(models[i], seed);
}

/* Objects still live at destroy: valgrind and the sanitizers see what is lost. */
static void models_destroy_with_live_objects(void **state)
{
	int i, k;

	(void)state;
	for (i = 0; i < MODELS; i++) {
		void *heap = test_heap(models[i], NULL);

		for (k = 1; k < 4000; k += 7)
			test_alloc(models[i], heap, (size_t)k);
		models[i]->destroy(heap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ideal_holds_what_is_requested),
		cmocka_unit_test(slub_has_the_slab_orders_of_the_kernel),
		cmocka_unit_test(slub_rounds_up_to_its_classes),
		cmocka_unit_test(slub_reuses_partial_slabs_and_keeps_a_few_empty),
		cmocka_unit_test(slob_puts_a_header_before_each_object),
		cmocka_unit_test(slob_keeps_three_lists_by_size),
		cmocka_unit_test(slob_gives_whole_pages_to_large_objects),
		cmocka_unit_test(slob_merges_what_is_freed),
		cmocka_unit_test(slob_full_page_serves_its_list_again),
		cmocka_unit_test(models_hold_enough_and_give_all_back),
		cmocka_unit_test(models_destroy_with_live_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
