/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* TLSF: what its paper promises. */
#include "test_allocators_support.h"

#include "tlsf.h"

enum { OBJECTS = 400, STEPS = 30000, WORD = sizeof(size_t) };

/* What a region keeps for itself, and what a search by whole lists may pass over. */
enum { REGION_SPARE = 32768 };

static void tlsf_takes_no_region_before_the_first_object(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();

	(void)state;
	assert_non_null(tlsf);
	assert_true(xvm_tlsf_held_bytes(tlsf) <= 16384);
	xvm_tlsf_destroy(tlsf);
}

static void tlsf_spends_one_word_on_an_object(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();
	char *first = xvm_tlsf_alloc(tlsf, 1000);
	char *second = xvm_tlsf_alloc(tlsf, 1000);

	(void)state;
	assert_int_equal((uintptr_t)first % WORD, 0);
	assert_int_equal(second - first, 1000 + WORD);
	xvm_tlsf_destroy(tlsf);
}

static void tlsf_refuses_zero_and_huge_sizes(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();

	(void)state;
	assert_null(xvm_tlsf_alloc(tlsf, 0));
	assert_null(xvm_tlsf_alloc(tlsf, SIZE_MAX));
	assert_null(xvm_tlsf_alloc(tlsf, SIZE_MAX - 6));
	xvm_tlsf_free(tlsf, NULL);
	xvm_tlsf_destroy(tlsf);
	xvm_tlsf_destroy(NULL);
}

static void tlsf_merges_both_neighbours(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();
	char *objects[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		objects[i] = xvm_tlsf_alloc(tlsf, 64);
	xvm_tlsf_free(tlsf, objects[0]);
	xvm_tlsf_free(tlsf, objects[2]);
	xvm_tlsf_free(tlsf, objects[1]);
	/* The three and their two inner headers are one hole now. */
	assert_ptr_equal(xvm_tlsf_alloc(tlsf, 3 * 64 + 2 * WORD), objects[0]);
	xvm_tlsf_destroy(tlsf);
}

static void tlsf_grows_by_regions_and_keeps_them(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();
	uint64_t empty = xvm_tlsf_held_bytes(tlsf);
	void *small = xvm_tlsf_alloc(tlsf, 1);
	void *large;

	(void)state;
	assert_int_equal(xvm_tlsf_held_bytes(tlsf) - empty, XVM_TLSF_REGION_BYTES);
	large = xvm_tlsf_alloc(tlsf, XVM_TLSF_REGION_BYTES);
	assert_non_null(large);
	assert_int_equal(xvm_tlsf_held_bytes(tlsf) - empty, 3 * XVM_TLSF_REGION_BYTES);
	memset(large, 1, XVM_TLSF_REGION_BYTES);
	xvm_tlsf_free(tlsf, small);
	xvm_tlsf_free(tlsf, large);
	assert_int_equal(xvm_tlsf_held_bytes(tlsf) - empty, 3 * XVM_TLSF_REGION_BYTES);
	xvm_tlsf_destroy(tlsf);
}

/* Sizes of every scale: a word, a small list, a page, now and then much more. */
static size_t size_draw(uint64_t *seed)
{
	static const size_t limits[] = {32, 300, 4096, 4096, 4096, 70000};

	return 1 + (size_t)(test_random(seed) % limits[test_random(seed) % 6]);
}

static void tlsf_stays_sound_in_random_use(void **state)
{
	struct xvm_tlsf *tlsf = xvm_tlsf_create();
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
			xvm_tlsf_free(tlsf, objects[i]);
			objects[i] = NULL;
		}
		if (step >= STEPS || test_random(&seed) % 3 == 0)
			continue;
		sizes[i] = size_draw(&seed);
		objects[i] = xvm_tlsf_alloc(tlsf, sizes[i]);
		assert_non_null(objects[i]);
		memset(objects[i], (int)(unsigned char)i, sizes[i]);
	}
	/* All is free: each region is one hole again. */
	held = xvm_tlsf_held_bytes(tlsf);
	for (uint64_t bytes = held; bytes > XVM_TLSF_REGION_BYTES; bytes -= XVM_TLSF_REGION_BYTES)
		assert_non_null(xvm_tlsf_alloc(tlsf, XVM_TLSF_REGION_BYTES - REGION_SPARE));
	assert_int_equal(xvm_tlsf_held_bytes(tlsf), held);
	xvm_tlsf_destroy(tlsf);
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
