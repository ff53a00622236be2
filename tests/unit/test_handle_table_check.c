/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The table's check names the invariant that is broken: each one is broken in turn. And
 * the owner callbacks refuse while a row is busy, which only an outsider can arrange.
 */
#include "handle_table_support.h"

#include "table_impl.h"

static void open_one(struct table_fixture *f)
{
	assert_true(fixture_open(f, &provider_cases[0], 0));
	assert_int_equal(xv_handle_table_create(&f->table, &f->fault.provider, NULL), 0);
}

static void assert_broken(struct table_fixture *f, enum xv_check_level level, uint32_t invariant,
			  uint32_t index)
{
	struct xv_check_report report = {0};

	assert_int_equal(xv_handle_table_check(f->table, level, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, invariant);
	assert_int_equal(report.page, UINT32_MAX);
	assert_int_equal(report.offset, index);
	assert_string_not_equal(report.message, "");
	assert_int_equal(xv_handle_table_check(f->table, level, NULL), -XV_EBADMSG);
}

static void test_check_names_what_is_broken(void **state)
{
	struct table_fixture f;
	struct xv_handle_table *table;
	xv_id one, two;
	uint32_t first, second, saved;
	uint64_t handle;

	(void)state;
	open_one(&f);
	one = id_make(&f, 100, 1);
	two = id_make(&f, 200, 2);
	table = f.table;
	first = row_index(table, one);
	second = row_index(table, two);

	saved = row_load(table, first);
	row_settle(table, first, ROW_FREE);
	assert_broken(&f, XV_CHECK_DEEP, 101, UINT32_MAX);
	row_settle(table, first, saved);
	f.table->free_rows++;
	assert_broken(&f, XV_CHECK_DEEP, 102, f.table->last_free);
	f.table->free_rows--;

	handle = table->handles[20];
	table->handles[20] = 0; /* the queue ends early, */
	assert_broken(&f, XV_CHECK_DEEP, 102, 20);
	table->handles[20] = 19; /* or turns in a circle, */
	assert_broken(&f, XV_CHECK_DEEP, 102, 19);
	table->handles[20] = UINT64_MAX; /* or leads out of the table */
	assert_broken(&f, XV_CHECK_DEEP, 102, 20);
	table->handles[20] = handle;
	saved = row_load(table, 20);
	row_settle(table, 20, saved | ROW_USED);
	assert_broken(&f, XV_CHECK_DEEP, 102, 19);
	row_settle(table, 20, saved);

	handle = table->handles[first];
	table->handles[first] = table->handles[second];
	assert_broken(&f, XV_CHECK_DEEP, 103, first);
	table->handles[first] = handle;

	saved = row_load(table, second);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t busy[] = {ROW_CALL | ROW_USED, ROW_LOCKED | ROW_USED,
						ROW_TAKEN};

		row_settle(table, second, (saved & ROW_GENERATION_MASK) | busy[i]);
		assert_broken(&f, XV_CHECK_DEEP, 104, second);
	}
	row_settle(table, second, saved);

	fixture_check(&f);
	fixture_close(&f);
}

/* Objects that calls are busy with stay; when the calls are over they move. */
static void test_busy_objects_are_not_moved(void **state)
{
	struct xv_compact_report report;
	struct table_fixture f;
	static xv_id ids[2000];
	uint32_t index;

	(void)state;
	open_one(&f);
	for (uint32_t i = 0; i < 2000; i++)
		ids[i] = id_make(&f, 1000, i);
	for (uint32_t i = 0; i < 2000; i++) {
		if (i % 8 != 0)
			assert_int_equal(xv_id_free(f.table, ids[i]), 0);
		else if (i % 16 == 0)
			assert_int_equal(row_enter(f.table, ids[i], ROW_CALL, ROW_KIND_MASK), 0);
		else
			assert_int_equal(row_enter(f.table, ids[i], ROW_LOCKED, ROW_KIND_MASK), 0);
	}
	assert_int_equal(compact_all(&f, &report), 0);
	assert_int_equal(report.moved_blocks, 0);
	assert_true(report.refused > 0);
	for (uint32_t i = 0; i < 2000; i += 8) {
		index = row_index(f.table, ids[i]);
		row_leave(f.table, index, i % 16 == 0 ? ROW_CALL : ROW_LOCKED);
	}
	fixture_check(&f);
	assert_int_equal(compact_all(&f, &report), 0);
	assert_true(report.moved_blocks > 0);
	assert_int_equal(report.refused, 0);
	for (uint32_t i = 0; i < 2000; i += 8)
		id_verify(&f, ids[i], 1000, 1000, i);
	fixture_check(&f);
	fixture_close(&f);
}

/* An object that somebody else gave a row's number as owner is no object of the row. */
static void test_foreign_objects_are_not_taken_for_ours(void **state)
{
	struct xv_compact_report report;
	struct table_fixture f;
	struct xv_pool *pool;
	static xv_id ids[100];
	static xv_handle handles[2000];

	(void)state;
	open_one(&f);
	pool = xv_handle_table_pool(f.table);
	for (uint32_t i = 0; i < 100; i++)
		ids[i] = id_make(&f, 1000, i);
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t owner = row_index(f.table, ids[i % 100]);

		/* Some owners are no rows at all. */
		assert_int_equal(
			xv_malloc_owned(pool, 1000, i % 7 == 0 ? i * 999 : owner, &handles[i]), 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		if (i % 8 != 0)
			assert_int_equal(xv_free(pool, handles[i]), 0);
	}
	assert_int_equal(compact_all(&f, &report), 0);
	assert_true(report.refused > 0);
	for (uint32_t i = 0; i < 100; i++)
		id_verify(&f, ids[i], 1000, 1000, i);
	fixture_check(&f);
	for (uint32_t i = 0; i < 2000; i += 8)
		assert_int_equal(xv_free(pool, handles[i]), 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_names_what_is_broken),
		cmocka_unit_test(test_busy_objects_are_not_moved),
		cmocka_unit_test(test_foreign_objects_are_not_taken_for_ours),
	};

	return cmocka_run_group_tests_name("handle_table_check", tests, NULL, NULL);
}
