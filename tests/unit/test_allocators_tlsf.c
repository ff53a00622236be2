/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* TLSF: what its paper promises. */
#include "test_allocators_support.h"

/* Of the heap. */
#define REGION ((size_t)1 << 20)

static const struct xvfrag_plugin *const tlsf = &xvm_allocator_tlsf;

static void *object_make(void *heap, size_t size)
{
	uint64_t token;

	return tlsf->alloc(heap, size, 0, &token) == 0 ? (void *)(uintptr_t)token : NULL;
}

static void object_free(void *heap, void *object)
{
	assert_int_equal(tlsf->free(heap, (uintptr_t)object, 0), 0);
}

enum { OBJECTS = 400, STEPS = 30000, WORD = sizeof(size_t) };

/* What a region keeps for itself, and what a search by whole lists may pass over. */
enum { REGION_SPARE = 32768 };

static void tlsf_takes_no_region_before_the_first_object(void **state)
{
	void *heap = test_heap(tlsf, NULL);

	(void)state;
	assert_true(tlsf->held_bytes(heap) <= 16384);
	tlsf->destroy(heap);
}

static void tlsf_spends_one_word_on_an_object(void **state)
{
	void *heap = test_heap(tlsf, NULL);
	char *first = object_make(heap, 1000);
	char *second = object_make(heap, 1000);

	(void)state;
	assert_int_equal((uintptr_t)first % WORD, 0);
	assert_int_equal(second - first, 1000 + WORD);
	tlsf->destroy(heap);
}

static void tlsf_refuses_zero_and_huge_sizes(void **state)
{
	void *heap = test_heap(tlsf, NULL);

	(void)state;
	assert_null(object_make(heap, 0));
	assert_null(object_make(heap, SIZE_MAX));
	assert_null(object_make(heap, SIZE_MAX - 6));
	tlsf->destroy(heap);
}

static void tlsf_merges_both_neighbours(void **state)
{
	void *heap = test_heap(tlsf, NULL);
	char *objects[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		objects[i] = object_make(heap, 64);
	object_free(heap, objects[0]);
	object_free(heap, objects[2]);
	object_free(heap, objects[1]);
	/* The three and their two inner headers are one hole now. */
	assert_ptr_equal(object_make(heap, 3 * 64 + 2 * WORD), objects[0]);
	tlsf->destroy(heap);
}

static void tlsf_grows_by_regions_and_keeps_them(void **state)
{
	void *heap = test_heap(tlsf, NULL);
	uint64_t empty = tlsf->held_bytes(heap);
	void *small = object_make(heap, 1);
	void *large;

	(void)state;
	assert_int_equal(tlsf->held_bytes(heap) - empty, REGION);
	large = object_make(heap, REGION);
	assert_non_null(large);
	assert_int_equal(tlsf->held_bytes(heap) - empty, 3 * REGION);
	memset(large, 1, REGION);
	object_free(heap, small);
	object_free(heap, large);
	assert_int_equal(tlsf->held_bytes(heap) - empty, 3 * REGION);
	tlsf->destroy(heap);
}

/* Sizes of every scale: a word, a small list, a page, now and then much more. */
static size_t size_draw(uint64_t *seed)
{
	static const size_t limits[] = {32, 300, 4096, 4096, 4096, 70000};

	return 1 + (size_t)(test_random(seed) % limits[test_random(seed) % 6]);
}

static void tlsf_stays_sound_in_random_use(void **state)
{
	void *heap = test_heap(tlsf, NULL);
	unsigned char *objects[OBJECTS] = {NULL};
	size_t sizes[OBJECTS] = {0};
	uint64_t seed = test_seed(), held;
	int step;

	(void)state;
	for (step = 0; step < STEPS + OBJECTS; step++) {
		size_t i = step < STEPS ? (size_t)(test_random(&seed) % OBJECTS)
					: (size_t)(step - STEPS);

		if (objects[i] != NULL) {
			assert_int_equal(objects[i][0], (unsigned char)i);
			assert_int_equal(objects[i][sizes[i] - 1], (unsigned char)i);
			object_free(heap, objects[i]);
			objects[i] = NULL;
		}
		if (step >= STEPS || test_random(&seed) % 3 == 0)
			continue;
		sizes[i] = size_draw(&seed);
		objects[i] = object_make(heap, sizes[i]);
		assert_non_null(objects[i]);
		memset(objects[i], (int)(unsigned char)i, sizes[i]);
	}
	/* All is free: each region is one hole again. */
	held = tlsf->held_bytes(heap);
	for (uint64_t bytes = held; bytes > REGION; bytes -= REGION)
		assert_non_null(object_make(heap, REGION - REGION_SPARE));
	assert_int_equal(tlsf->held_bytes(heap), held);
	tlsf->destroy(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tlsf_takes_no_region_before_the_first_object),
		cmocka_unit_test(tlsf_spends_one_word_on_an_object),
		cmocka_unit_test(tlsf_refuses_zero_and_huge_sizes),
		cmocka_unit_test(tlsf_merges_both_neighbours),
		cmocka_unit_test(tlsf_grows_by_regions_and_keeps_them),
		cmocka_unit_test(tlsf_stays_sound_in_random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
