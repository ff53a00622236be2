/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A mapped object is its mapper's until the map ends, whatever becomes of its id: nobody
 * else gets its bytes, it keeps its size, and the memory is freed once, after the last map.
 */
#include "handle_table_support.h"

#include <string.h>

enum { SIZE = 1000, OTHERS = 40 };

/* A new object that lies in one piece, and its map. */
static xv_id make_mapped(struct table_fixture *f, size_t size, struct xv_id_mapping *mapping)
{
	xv_id id = id_make(f, size, 1);

	assert_int_not_equal(id, XV_NULL_ID);
	assert_int_equal(xv_id_map(f->table, id, mapping), 0);
	return id;
}

/* Objects that would get the mapped one's bytes, if they were to be had. */
static void make_others(struct table_fixture *f, xv_id *ids, size_t size)
{
	for (uint32_t i = 0; i < OTHERS; i++) {
		ids[i] = id_make(f, size, i);
		assert_int_not_equal(ids[i], XV_NULL_ID);
	}
}

static void verify_and_free_others(struct table_fixture *f, const xv_id *ids, size_t size)
{
	for (uint32_t i = 0; i < OTHERS; i++) {
		id_verify(f, ids[i], size, size, i);
		assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	}
}

static void map_of_a_freed_object_is_its_own(struct table_fixture *f)
{
	struct xv_compact_report report;
	struct xv_id_mapping mapping;
	xv_id others[OTHERS];
	xv_id id = make_mapped(f, SIZE, &mapping);

	assert_int_equal(xv_id_free(f->table, id), 0);
	assert_dead(f, id);
	make_others(f, others, SIZE);
	assert_true(pattern_matches(mapping.ptr, SIZE, 1));
	memset(mapping.ptr, 0xA5, SIZE);
	assert_int_equal(compact_all(f, &report), 0);
	verify_and_free_others(f, others, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(((unsigned char *)mapping.ptr)[i], 0xA5);
	/* It counts until the map ends. */
	assert_int_equal(fixture_stats(f).pool.objects, 1);
	assert_int_equal(fixture_stats(f).ids, 1);
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	assert_int_equal(fixture_stats(f).pool.objects, 0);
	assert_int_equal(fixture_stats(f).ids, 0);
	assert_int_equal(xv_id_unmap(f->table, &mapping), -XV_EINVAL);
	assert_dead(f, id);
}

static void test_map_of_a_freed_object_is_its_own(void **state)
{
	(void)state;
	each_provider(map_of_a_freed_object_is_its_own, NULL);
}

static void mapped_object_keeps_its_size(struct table_fixture *f)
{
	struct xv_id_mapping mapping;
	xv_id others[OTHERS];
	xv_id id = make_mapped(f, SIZE, &mapping);

	/* Shorter, longer, and too long for its page. */
	assert_int_equal(xv_id_realloc(f->table, id, 16), -XV_EBUSY);
	assert_int_equal(xv_id_realloc(f->table, id, SIZE + 8), -XV_EBUSY);
	assert_int_equal(xv_id_realloc(f->table, id, f->page_bytes), -XV_EBUSY);
	make_others(f, others, 16);
	memset(mapping.ptr, 0x5A, SIZE);
	verify_and_free_others(f, others, 16);
	assert_int_equal(xv_id_size(f->table, id), SIZE);
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	assert_int_equal(xv_id_realloc(f->table, id, 16), 0);
	assert_int_equal(xv_id_size(f->table, id), 16);
	assert_int_equal(xv_id_free(f->table, id), 0);
}

static void test_mapped_object_keeps_its_size(void **state)
{
	(void)state;
	each_provider(mapped_object_keeps_its_size, NULL);
}

/* Only the last of several maps frees; each ends once; a wrong one changes nothing. */
static void maps_end_once_each(struct table_fixture *f)
{
	struct xv_id_mapping first, second, wrong;
	xv_id neighbour_others[OTHERS];
	struct xv_id_mapping neighbour;
	xv_id kept = make_mapped(f, SIZE, &neighbour);
	xv_id id = make_mapped(f, SIZE, &first);

	assert_int_equal(xv_id_map(f->table, id, &second), 0);
	assert_ptr_equal(first.ptr, second.ptr);
	assert_int_equal(xv_id_free(f->table, id), 0);
	wrong = first;
	wrong.ptr = (char *)wrong.ptr + 4;
	assert_int_equal(xv_id_unmap(f->table, &wrong), -XV_EINVAL);
	wrong = first;
	wrong.id = kept ^ 0x10000U;
	assert_int_equal(xv_id_unmap(f->table, &wrong), -XV_EINVAL);
	assert_int_equal(xv_id_unmap(f->table, &first), 0);
	make_others(f, neighbour_others, SIZE);
	memset(second.ptr, 0x77, SIZE);
	verify_and_free_others(f, neighbour_others, SIZE);
	assert_int_equal(xv_id_unmap(f->table, &second), 0);
	/* Its page is still mapped, by another object: not this one's map to end. */
	assert_int_equal(xv_id_unmap(f->table, &second), -XV_EINVAL);
	assert_int_equal(xv_id_unmap(f->table, &neighbour), 0);
	assert_int_equal(xv_id_unmap(f->table, &neighbour), -XV_EINVAL);
	id_verify(f, kept, SIZE, SIZE, 1);
	assert_int_equal(xv_id_free(f->table, kept), 0);
	assert_int_equal(fixture_stats(f).pool.objects, 0);
}

static void test_maps_end_once_each(void **state)
{
	(void)state;
	each_provider(maps_end_once_each, NULL);
}

/* At the most maps the next is refused, and other calls do not wait. */
static void most_maps_are_refused_not_waited_for(struct table_fixture *f)
{
	static struct xv_id_mapping mappings[XV_ID_MAPS_MAX];
	struct xv_id_mapping untouched = {.ptr = f, .id = 99};
	xv_id id = id_make(f, 300, 4);

	for (size_t i = 0; i < XV_ID_MAPS_MAX; i++) {
		int err = xv_id_map(f->table, id, &mappings[i]);

		/* A small window is full sooner. */
		if (err == -XV_EAGAIN) {
			while (i-- > 0)
				assert_int_equal(xv_id_unmap(f->table, &mappings[i]), 0);
			assert_int_equal(xv_id_free(f->table, id), 0);
			return;
		}
		assert_int_equal(err, 0);
	}
	assert_int_equal(xv_id_map(f->table, id, &untouched), -XV_EAGAIN);
	assert_ptr_equal(untouched.ptr, f);
	assert_int_equal(untouched.id, 99);
	id_verify(f, id, 300, 300, 4);
	assert_int_equal(xv_id_realloc(f->table, id, 10), -XV_EBUSY);
	assert_int_equal(xv_id_unmap(f->table, &mappings[0]), 0);
	assert_int_equal(xv_id_map(f->table, id, &mappings[0]), 0);
	assert_int_equal(xv_id_free(f->table, id), 0);
	for (size_t i = 0; i < XV_ID_MAPS_MAX; i++)
		assert_int_equal(xv_id_unmap(f->table, &mappings[i]), 0);
	assert_int_equal(fixture_stats(f).pool.objects, 0);
}

static void test_most_maps_are_refused_not_waited_for(void **state)
{
	(void)state;
	each_provider(most_maps_are_refused_not_waited_for, NULL);
}

/* The row of a freed, mapped object is not given out, nor trimmed away. */
static void mapped_row_is_kept(struct table_fixture *f)
{
	struct xv_id_mapping mapping;
	static xv_id ids[600];
	xv_id last;

	for (size_t i = 0; i < 600; i++)
		assert_int_equal(xv_id_malloc(f->table, 16, &ids[i]), 0);
	last = make_mapped(f, 16, &mapping);
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	assert_int_equal(xv_id_free(f->table, last), 0);
	assert_int_equal(fixture_stats(f).ids, 1);
	(void)xv_handle_table_trim(f->table);
	assert_true(fixture_stats(f).rows > 600);
	assert_true(pattern_matches(mapping.ptr, 16, 1));
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	(void)xv_handle_table_trim(f->table);
	assert_int_equal(fixture_stats(f).rows, 256);
	assert_dead(f, last);
}

static void test_mapped_row_is_kept(void **state)
{
	(void)state;
	each_provider(mapped_row_is_kept, NULL);
}

/* The header of an object that lies where ptr says. */
static void overwrite_header(void *ptr)
{
	memset((unsigned char *)ptr - 8, 0xFF, 4); /* before the owner */
}

/* Objects in a page whose words were overwritten cannot be freed; their ids stay, and no map. */
static void closed_page_keeps_its_ids(struct table_fixture *f)
{
	struct xv_id_mapping mapping, freed;
	xv_id id = id_make(f, 200, 1), other = id_make(f, 200, 2), last = id_make(f, 200, 3);
	struct xv_handle_table_stats before;
	struct xv_compact_report report;
	unsigned char byte = 7;

	assert_int_equal(xv_id_map(f->table, id, &mapping), 0);
	assert_int_equal(xv_id_map(f->table, last, &freed), 0);
	assert_int_equal(xv_id_free(f->table, last), 0);
	before = fixture_stats(f);
	overwrite_header(mapping.ptr);
	assert_int_equal(xv_id_size(f->table, id), -XV_EBADMSG);
	assert_int_equal(xv_id_read(f->table, other, 0, &byte, 1), -XV_EBADMSG);
	assert_int_equal(xv_id_write(f->table, other, 0, &byte, 1), -XV_EBADMSG);
	assert_int_equal(xv_id_realloc(f->table, other, 10), -XV_EBADMSG);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(xv_id_free(f->table, other), -XV_EBADMSG);
	assert_int_equal(xv_id_unmap(f->table, &mapping), 0);
	assert_int_equal(xv_id_free(f->table, id), -XV_EBADMSG);
	assert_int_equal(xv_id_unmap(f->table, &freed), 0);
	assert_dead(f, last);
	assert_int_equal(fixture_stats(f).ids, before.ids - 1);
	assert_int_equal(fixture_stats(f).bad_ids, before.bad_ids + DEAD_CALLS);
	assert_int_equal(compact_all(f, &report), 0);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(xv_id_free(f->table, id_make(f, 200, i)), 0);
	assert_int_equal(byte, 7);
}

static void test_closed_page_keeps_its_ids(void **state)
{
	(void)state;
	each_provider(closed_page_keeps_its_ids, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_of_a_freed_object_is_its_own),
		cmocka_unit_test(test_mapped_object_keeps_its_size),
		cmocka_unit_test(test_maps_end_once_each),
		cmocka_unit_test(test_most_maps_are_refused_not_waited_for),
		cmocka_unit_test(test_mapped_row_is_kept),
		cmocka_unit_test(test_closed_page_keeps_its_ids),
	};

	return cmocka_run_group_tests_name("handle_table_maps", tests, NULL, NULL);
}
