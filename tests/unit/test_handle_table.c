/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Ids of a handle table: what they name, when they are dead, and that neither
 * compaction nor resizing changes them.
 */
#include "handle_table_support.h"

/* ---- objects ---- */

static void object_keeps_its_bytes(struct table_fixture *f)
{
	size_t sizes[] = {1,
			  7,
			  64,
			  f->page_bytes / 2,
			  f->page_bytes - 1,
			  f->page_bytes,
			  f->page_bytes + 1,
			  f->page_bytes * 3 + 100};
	xv_id ids[8];

	for (uint32_t i = 0; i < 8; i++) {
		ids[i] = id_make(f, sizes[i], i);
		assert_int_not_equal(ids[i], XV_NULL_ID);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
	}
	for (uint32_t i = 0; i < 8; i++)
		id_verify(f, ids[i], sizes[i], sizes[i], i);
	assert_int_equal(fixture_stats(f).ids, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	assert_int_equal(fixture_stats(f).ids, 0);
	assert_int_equal(fixture_stats(f).pool.objects, 0);
}

static void test_object_keeps_its_bytes(void **state)
{
	(void)state;
	each_provider(object_keeps_its_bytes, NULL);
}

static void objects_are_read_whole(struct table_fixture *f)
{
	size_t most = f->page_bytes * 3 + 100;
	unsigned char *bytes = malloc(most + 1);

	assert_non_null(bytes);
	for (size_t size = 1; size <= most; size += size < 40 ? 1 : size / 7) {
		xv_id id = id_make(f, size, 9);

		memset(bytes, 0xAA, most + 1);
		assert_int_equal(xv_id_read_whole(f->table, id, bytes, size - 1), -XV_ERANGE);
		assert_int_equal(bytes[0], 0xAA);
		assert_int_equal(xv_id_read_whole(f->table, id, bytes, size), size);
		assert_true(pattern_matches(bytes, size, 9));
		assert_int_equal(bytes[size], 0xAA);
		assert_int_equal(xv_id_read_whole(f->table, id, bytes, most), size);
		assert_int_equal(xv_id_read_whole(f->table, id, NULL, most), -XV_EINVAL);
		assert_int_equal(xv_id_free(f->table, id), 0);
	}
	assert_int_equal(xv_id_read_whole(NULL, 1, bytes, most), -XV_EINVAL);
	free(bytes);
}

static void test_objects_are_read_whole(void **state)
{
	(void)state;
	each_provider(objects_are_read_whole, NULL);
}

static void bad_arguments_are_refused(struct table_fixture *f)
{
	xv_id id = id_make(f, 100, 1);
	struct xv_id_mapping mapping = {0};
	xv_id untouched = 77;
	char bytes[101] = {0};

	assert_int_equal(xv_id_malloc(f->table, 0, &untouched), -XV_EINVAL);
	assert_int_equal(xv_id_malloc(f->table, SIZE_MAX, &untouched), -XV_E2BIG);
	assert_int_equal(xv_id_malloc(f->table, 1, NULL), -XV_EINVAL);
	assert_int_equal(xv_id_malloc(NULL, 1, &untouched), -XV_EINVAL);
	assert_int_equal(untouched, 77);
	assert_int_equal(xv_id_read(f->table, id, 0, bytes, 101), -XV_ERANGE);
	assert_int_equal(xv_id_write(f->table, id, 100, bytes, 1), -XV_ERANGE);
	assert_int_equal(xv_id_read(f->table, id, 0, NULL, 1), -XV_EINVAL);
	assert_int_equal(xv_id_map(f->table, id, NULL), -XV_EINVAL);
	assert_int_equal(xv_id_unmap(f->table, NULL), -XV_EINVAL);
	assert_int_equal(xv_id_unmap(f->table, &mapping), -XV_EINVAL);
	assert_int_equal(xv_id_realloc(f->table, id, 0), -XV_EINVAL);
	assert_int_equal(xv_id_free(NULL, id), -XV_EINVAL);
	assert_int_equal(xv_id_size(NULL, id), -XV_EINVAL);
	id_verify(f, id, 100, 100, 1);
	assert_int_equal(fixture_stats(f).ids, 1);
	/* The rows taken for what failed went back unworn. */
	assert_int_equal(fixture_stats(f).bad_ids, 0);
}

static void test_bad_arguments_are_refused(void **state)
{
	(void)state;
	each_provider(bad_arguments_are_refused, NULL);
}

static void realloc_keeps_the_id(struct table_fixture *f)
{
	size_t page = f->page_bytes;
	size_t sizes[] = {50, 3000, 60, page, page * 2 + 5, page / 2, 1};
	xv_id neighbour;
	xv_id id = id_make(f, 100, 3);
	size_t kept = 100;

	neighbour = id_make(f, 100, 4);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(xv_id_realloc(f->table, id, sizes[i]), 0);
		kept = kept < sizes[i] ? kept : sizes[i];
		id_verify(f, id, sizes[i], kept, 3);
		fixture_check(f);
	}
	id_verify(f, neighbour, 100, 100, 4);
	assert_int_equal(xv_id_free(f->table, id), 0);
	assert_dead(f, id);
}

static void test_realloc_keeps_the_id(void **state)
{
	(void)state;
	each_provider(realloc_keeps_the_id, NULL);
}

/* ---- dead ids ---- */

static void stale_id_is_refused_by_every_call(struct table_fixture *f)
{
	xv_id kept = id_make(f, 300, 1);
	xv_id stale = id_make(f, 300, 2);

	assert_int_equal(xv_id_free(f->table, stale), 0);
	assert_dead(f, stale);
	/* Also when its row and its place in the page are in use again. */
	for (uint32_t i = 0; i < 1000; i++) {
		xv_id other = id_make(f, 300, 3);

		assert_int_not_equal(other, stale);
		assert_dead(f, stale);
		assert_int_equal(xv_id_free(f->table, other), 0);
	}
	id_verify(f, kept, 300, 300, 1);
}

static void test_stale_id_is_refused_by_every_call(void **state)
{
	(void)state;
	each_provider(stale_id_is_refused_by_every_call, NULL);
}

static void invented_ids_are_refused(struct table_fixture *f)
{
	xv_id id = id_make(f, 40, 5);

	assert_dead(f, XV_NULL_ID);
	assert_dead(f, UINT32_MAX);
	assert_dead(f, id + 1);
	for (uint32_t bit = 0; bit < 32; bit++)
		assert_dead(f, id ^ ((xv_id)1 << bit));
	for (int i = 0; i < 1000; i++) {
		xv_id wild = (xv_id)random_next(&f->random);

		if (wild != id)
			assert_dead(f, wild);
	}
	id_verify(f, id, 40, 40, 5);
}

static void test_invented_ids_are_refused(void **state)
{
	(void)state;
	each_provider(invented_ids_are_refused, NULL);
}

static uint64_t free_rows(struct table_fixture *f)
{
	return fixture_stats(f).rows - 1 - fixture_stats(f).ids;
}

/* An id comes again no earlier than the header says. */
static void generation_wraps_as_documented(struct table_fixture *f)
{
	uint64_t least = fixture_stats(f).generations * XV_IDS_WAITING;
	uint64_t cycles = 0;
	xv_id first, again;

	assert_int_equal(fixture_stats(f).generations, 1024);
	assert_int_equal(xv_id_malloc(f->table, 8, &first), 0);
	/* Leave as few free rows as the table allows, on its way to the second chunk. */
	while (fixture_stats(f).ids < 256 || free_rows(f) > XV_IDS_WAITING) {
		assert_int_equal(xv_id_malloc(f->table, 8, &again), 0);
		assert_true(free_rows(f) >= XV_IDS_WAITING);
	}
	assert_int_equal(xv_id_free(f->table, first), 0);
	do {
		assert_int_equal(xv_id_malloc(f->table, 8, &again), 0);
		assert_int_equal(xv_id_free(f->table, again), 0);
		cycles++;
	} while (again != first && cycles < least * 4);
	assert_int_equal(again, first);
	assert_true(cycles >= least);
}

static void test_generation_wraps_as_documented(void **state)
{
	struct xv_handle_table_options options;
	struct table_fixture f;

	(void)state;
	xv_handle_table_options_init(&options);
	options.max_ids = 4194303;
	assert_true(fixture_open(&f, &provider_cases[0], 0));
	assert_int_equal(xv_handle_table_create(&f.table, &f.fault.provider, &options), 0);
	generation_wraps_as_documented(&f);
	fixture_check(&f);
	fixture_close(&f);
}

/* ---- mapping ---- */

static void mapped_object_stays_where_it_is(struct table_fixture *f)
{
	struct xv_compact_report report;
	struct xv_id_mapping mapping;
	xv_id ids[400];
	size_t count = 0;
	xv_id pinned = XV_NULL_ID;

	while (count < 400 && (ids[count] = id_make(f, 1000, (uint32_t)count)) != XV_NULL_ID)
		count++;
	/* The last one that is in one piece lies in a page that compaction would empty. */
	for (size_t i = count; i-- > 0;) {
		pinned = ids[i];
		if (xv_id_map(f->table, pinned, &mapping) == 0) {
			ids[i] = XV_NULL_ID;
			assert_true(pattern_matches(mapping.ptr, 1000, (uint32_t)i));
			break;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (i % 8 != 0 && ids[i] != XV_NULL_ID)
			assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	}
	pattern_fill(mapping.ptr, 1000, 4711);
	assert_int_equal(compact_all(f, &report), 0);
	assert_true(pattern_matches(mapping.ptr, 1000, 4711));
	id_verify(f, pinned, 1000, 1000, 4711);
	/* Freed, its memory stays until the map ends. */
	assert_int_equal(xv_id_free(f->table, pinned), 0);
	assert_dead(f, pinned);
	(void)*((volatile unsigned char *)mapping.ptr + 999);
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	assert_int_equal(xv_id_unmap(f->table, &mapping), -XV_EINVAL);
	for (size_t i = 0; i < count; i += 8) {
		if (ids[i] != XV_NULL_ID)
			id_verify(f, ids[i], 1000, 1000, (uint32_t)i);
	}
}

static void test_mapped_object_stays_where_it_is(void **state)
{
	(void)state;
	each_provider(mapped_object_stays_where_it_is, NULL);
}

static void map_of_a_split_object_says_so(struct table_fixture *f)
{
	struct xv_id_mapping mapping = {0};
	xv_id large = id_make(f, f->page_bytes + 500, 6);

	assert_int_equal(xv_id_map(f->table, large, &mapping), -XV_ESPLIT);
	assert_null(mapping.ptr);
	id_verify(f, large, f->page_bytes + 500, f->page_bytes + 500, 6);
}

static void test_map_of_a_split_object_says_so(void **state)
{
	(void)state;
	each_provider(map_of_a_split_object_says_so, NULL);
}

/* ---- compaction ---- */

enum { OBJECTS = 3000 };

struct object {
	xv_id id;
	size_t size;
};

/* Most objects small, some of every size, a few larger than a page; three quarters of
 * the provider at most. */
static size_t fill(struct table_fixture *f, struct object *objects)
{
	size_t bytes = 0;
	size_t count = 0;

	while (count < OBJECTS && bytes < PROVIDER_BYTES / 4 * 3) {
		size_t size = random_size(&f->random, f->page_bytes);

		if (random_below(&f->random, 40) == 0)
			size += f->page_bytes;
		objects[count].size = size;
		objects[count].id = id_make(f, size, (uint32_t)count);
		if (objects[count].id == XV_NULL_ID)
			break;
		bytes += size;
		count++;
	}
	return count;
}

static void compaction_keeps_ids_and_contents(struct table_fixture *f)
{
	static struct object objects[OBJECTS];
	size_t count = fill(f, objects);
	struct xv_handle_table_stats sparse, dense;
	struct xv_compact_report report;

	for (size_t i = 0; i < count; i++) {
		if (random_below(&f->random, 8) == 0)
			continue;
		assert_int_equal(xv_id_free(f->table, objects[i].id), 0);
		objects[i].size = 0;
	}
	sparse = fixture_stats(f);
	assert_int_equal(compact_all(f, &report), 0);
	dense = fixture_stats(f);
	fixture_check(f);
	assert_int_equal(dense.ids, sparse.ids);
	assert_int_equal(dense.pool.objects, sparse.pool.objects);
	assert_int_equal(dense.pool.requested_bytes, sparse.pool.requested_bytes);
	assert_true(report.moved_blocks > 0);
	assert_int_equal(report.refused, 0);
	assert_true(dense.pool.pages < sparse.pool.pages);
	for (size_t i = 0; i < count; i++) {
		if (objects[i].size == 0)
			assert_int_equal(xv_id_size(f->table, objects[i].id), -XV_EINVAL);
		else
			id_verify(f, objects[i].id, objects[i].size, objects[i].size, (uint32_t)i);
	}
}

static void test_compaction_keeps_ids_and_contents(void **state)
{
	(void)state;
	each_provider(compaction_keeps_ids_and_contents, NULL);
}

/* The same with steps between other calls. */
static void calls_between_steps_of_compaction(struct table_fixture *f)
{
	static struct object objects[OBJECTS];
	size_t count = fill(f, objects);

	for (uint32_t turn = 0; turn < 2000; turn++) {
		size_t i = random_below(&f->random, count);
		struct object *object = &objects[i];

		assert_int_equal(xv_handle_table_compact(f->table, 2048, NULL), 0);
		if (object->size == 0 || random_below(&f->random, 3) == 0) {
			if (object->size != 0)
				assert_int_equal(xv_id_free(f->table, object->id), 0);
			object->size = random_size(&f->random, f->page_bytes);
			object->id = id_make(f, object->size, (uint32_t)i);
			if (object->id == XV_NULL_ID)
				object->size = 0;
		} else if (random_below(&f->random, 4) == 0) {
			assert_int_equal(xv_id_free(f->table, object->id), 0);
			object->size = 0;
		} else {
			id_verify(f, object->id, object->size, object->size, (uint32_t)i);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (objects[i].size != 0)
			id_verify(f, objects[i].id, objects[i].size, objects[i].size, (uint32_t)i);
	}
}

static void test_calls_between_steps_of_compaction(void **state)
{
	(void)state;
	each_provider(calls_between_steps_of_compaction, NULL);
}

/* Without XV_POOL_SPLIT, and with each kind of lock. */
static void test_other_options_compact_too(void **state)
{
	enum xv_lock_kind kinds[] = {XV_LOCK_NONE, XV_LOCK_SPIN, XV_LOCK_MUTEX};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct xv_handle_table_options options;

		xv_handle_table_options_init(&options);
		options.pool.flags = i == 0 ? 0 : XV_POOL_SPLIT;
		options.pool.lock = kinds[i];
		options.pool.alignment = 8;
		each_provider(i == 0 ? stale_id_is_refused_by_every_call
				     : compaction_keeps_ids_and_contents,
			      &options);
		each_provider(mapped_object_stays_where_it_is, &options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object_keeps_its_bytes),
		cmocka_unit_test(test_objects_are_read_whole),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_realloc_keeps_the_id),
		cmocka_unit_test(test_stale_id_is_refused_by_every_call),
		cmocka_unit_test(test_invented_ids_are_refused),
		cmocka_unit_test(test_generation_wraps_as_documented),
		cmocka_unit_test(test_mapped_object_stays_where_it_is),
		cmocka_unit_test(test_map_of_a_split_object_says_so),
		cmocka_unit_test(test_compaction_keeps_ids_and_contents),
		cmocka_unit_test(test_calls_between_steps_of_compaction),
		cmocka_unit_test(test_other_options_compact_too),
	};

	print_message("XV_SEED=%llu\n", (unsigned long long)environment_number("XV_SEED", 2009));
	return cmocka_run_group_tests_name("handle_table", tests, NULL, NULL);
}
