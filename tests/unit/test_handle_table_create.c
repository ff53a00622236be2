/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table as a whole: making and ending it, its memory, its limits, what it
 * counts, and what it does when the provider fails.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* syscall */
#endif
#include "handle_table_support.h"

#include <xvmalloc/provider_buffer.h>

#include <string.h>

#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };
#endif

/* ---- making ---- */

static void test_bad_options_are_refused(void **state)
{
	struct xv_handle_table_options options;
	struct xv_handle_table *untouched = NULL;
	struct xv_owner_ops ops = {0};
	struct table_fixture f;

	(void)state;
	assert_true(fixture_open(&f, &provider_cases[0], 0));
	xv_handle_table_options_init(NULL);
	xv_handle_table_options_init(&options);
	assert_int_equal(xv_handle_table_create(NULL, f.inner, &options), -XV_EINVAL);
	assert_int_equal(xv_handle_table_create(&untouched, NULL, &options), -XV_EINVAL);
	options.max_ids = XV_IDS_MAX + 1;
	assert_int_equal(xv_handle_table_create(&untouched, f.inner, &options), -XV_EINVAL);
	xv_handle_table_options_init(&options);
	options.pool.owner_ops = &ops;
	assert_int_equal(xv_handle_table_create(&untouched, f.inner, &options), -XV_EINVAL);
	xv_handle_table_options_init(&options);
	options.pool.owner_context = &ops;
	assert_int_equal(xv_handle_table_create(&untouched, f.inner, &options), -XV_EINVAL);
	xv_handle_table_options_init(&options);
	options.pool.alignment = 3;
	assert_int_equal(xv_handle_table_create(&untouched, f.inner, &options), -XV_EINVAL);
	xv_handle_table_options_init(&options);
	options.pool.limit_bytes = 4096;
	assert_int_equal(xv_handle_table_create(&untouched, &f.fault.provider, &options),
			 -XV_ENOSPC);
	assert_null(untouched);
	fixture_close(&f);
}

static void test_null_table_is_harmless(void **state)
{
	(void)state;
	xv_handle_table_destroy(NULL);
	xv_handle_table_set_limit(NULL, 1);
	xv_handle_table_get_stats(NULL, NULL);
	assert_null(xv_handle_table_pool(NULL));
	assert_int_equal(xv_handle_table_trim(NULL), 0);
	assert_int_equal(xv_handle_table_compact(NULL, 0, NULL), -XV_EINVAL);
	assert_int_equal(xv_handle_table_check(NULL, XV_CHECK_DEEP, NULL), -XV_EINVAL);
}

static void test_a_provider_without_meta_memory_is_refused(void **state)
{
	struct table_fixture f;

	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		if (!fixture_open(&f, &provider_cases[i], FAULT_NO_META))
			continue;
		assert_int_equal(xv_handle_table_create(&f.table, &f.fault.provider, NULL),
				 -XV_ENOTSUP);
		fixture_close(&f);
	}
}

#if defined(__linux__)
/* The life of a table in a buffer, in a process that may make no call of the system but to end. */
static int life_in_a_buffer(char *buffer, size_t bytes)
{
	struct xv_handle_table_options options;
	struct xv_compact_report report;
	struct xv_provider *provider = NULL;
	struct xv_handle_table *table = NULL;
	xv_id ids[600] = {0};

	xv_handle_table_options_init(&options);
	options.pool.shards = 1; /* the CPUs are not counted */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		return SKIPPED;
	if (xv_provider_buffer_init(&provider, buffer, bytes, 4096) != 0 ||
	    xv_handle_table_create(&table, provider, &options) != 0)
		return 1;
	for (size_t i = 0; i < 600; i++) {
		if (xv_id_malloc(table, 100, &ids[i]) != 0)
			return 2;
	}
	for (size_t i = 0; i < 600; i++) {
		if (i % 4 != 0 && xv_id_free(table, ids[i]) != 0)
			return 3;
	}
	if (xv_handle_table_compact(table, 0, &report) != 0 ||
	    xv_handle_table_check(table, XV_CHECK_DEEP, NULL) != 0)
		return 4;
	(void)xv_handle_table_trim(table);
	xv_handle_table_destroy(table);
	return 0;
}

static void test_a_table_in_a_buffer_needs_no_system_call(void **state)
{
	static char buffer[1 << 20];
	const char *preload = getenv("LD_PRELOAD");
	int status = 0;
	pid_t child;

	(void)state;
	if (preload != NULL && strstr(preload, "vgpreload") != NULL)
		skip(); /* Valgrind makes calls of its own */
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		syscall(SYS_exit, life_in_a_buffer(buffer, sizeof(buffer)));
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}
#else
static void test_a_table_in_a_buffer_needs_no_system_call(void **state)
{
	(void)state;
	skip();
}
#endif

/* ---- limits ---- */

static void max_ids_is_the_limit(struct table_fixture *f)
{
	xv_id ids[301];
	xv_id untouched = 5;

	for (size_t i = 0; i < 300; i++)
		assert_int_equal(xv_id_malloc(f->table, 10, &ids[i]), 0);
	assert_int_equal(xv_id_malloc(f->table, 10, &untouched), -XV_ENOSPC);
	assert_int_equal(untouched, 5);
	assert_int_equal(fixture_stats(f).ids, 300);
	assert_int_equal(fixture_stats(f).pool.objects, 300);
	assert_int_equal(xv_id_free(f->table, ids[7]), 0);
	assert_int_equal(xv_id_malloc(f->table, 10, &ids[300]), 0);
	assert_dead(f, ids[7]);
	assert_int_equal(xv_id_size(f->table, ids[300]), 10);
}

static void test_max_ids_is_the_limit(void **state)
{
	struct xv_handle_table_options options;

	(void)state;
	xv_handle_table_options_init(&options);
	options.max_ids = 300;
	each_provider(max_ids_is_the_limit, &options);
}

/* The limit is kept by pool and table together, whatever makes them grow. */
static void limit_counts_the_table(struct table_fixture *f)
{
	uint64_t limit = fixture_stats(f).held_bytes + 64 * 1024;
	uint32_t before, after;
	size_t size = 40;
	xv_id id;

	xv_handle_table_set_limit(f->table, limit);
	while (xv_id_malloc(f->table, size, &id) == 0) {
		assert_true(fixture_stats(f).held_bytes <= limit);
		size = 40 + fixture_stats(f).ids % 8;
	}
	before = (uint32_t)fixture_stats(f).ids;
	assert_int_equal(xv_id_malloc(f->table, size, &id), -XV_ENOSPC);
	assert_true(fixture_stats(f).held_bytes <= limit);
	xv_handle_table_set_limit(f->table, limit + 4 * 64 * 1024);
	while (xv_id_malloc(f->table, size, &id) == 0)
		assert_true(fixture_stats(f).held_bytes <= limit + 4 * 64 * 1024);
	after = (uint32_t)fixture_stats(f).ids;
	assert_true(after > before);
	xv_handle_table_set_limit(f->table, 1);
	assert_int_not_equal(xv_id_malloc(f->table, f->page_bytes, &id), 0);
	xv_handle_table_set_limit(f->table, 0);
	assert_int_equal(xv_id_malloc(f->table, f->page_bytes, &id), 0);
}

static void test_limit_counts_the_table(void **state)
{
	(void)state;
	each_provider(limit_counts_the_table, NULL);
}

/* Also what the provider rounds up, at whatever step the limit comes. */
static void limit_is_kept_to_the_byte(struct table_fixture *f)
{
	uint64_t empty = fixture_stats(f).held_bytes;
	xv_id id;

	for (uint64_t limit = empty; limit < empty + 48 * 1024; limit += 500) {
		xv_handle_table_set_limit(f->table, limit);
		while (xv_id_malloc(f->table, 4, &id) == 0)
			assert_true(fixture_stats(f).held_bytes <= limit);
		assert_true(fixture_stats(f).held_bytes <= limit);
		assert_int_equal(xv_id_malloc(f->table, 4, &id), -XV_ENOSPC);
	}
}

static void test_limit_is_kept_to_the_byte(void **state)
{
	(void)state;
	each_provider(limit_is_kept_to_the_byte, NULL);
}

/* No argument that is refused costs memory. */
static void bad_sizes_make_no_rows(struct table_fixture *f)
{
	size_t max = xv_pool_max_size(xv_handle_table_pool(f->table));
	struct xv_handle_table_stats before, after;
	xv_id id = 77;

	while (fixture_stats(f).rows - 1 - fixture_stats(f).ids > XV_IDS_WAITING)
		assert_int_equal(xv_id_malloc(f->table, 4, &id), 0);
	id = 77;
	before = fixture_stats(f);
	assert_int_equal(xv_id_malloc(f->table, 0, &id), -XV_EINVAL);
	assert_int_equal(xv_id_malloc(f->table, max + 1, &id), -XV_E2BIG);
	after = fixture_stats(f);
	assert_int_equal(id, 77);
	assert_int_equal(after.rows, before.rows);
	assert_int_equal(after.held_bytes, before.held_bytes);
	assert_int_equal(after.ids, before.ids);
}

static void test_bad_sizes_make_no_rows(void **state)
{
	(void)state;
	each_provider(bad_sizes_make_no_rows, NULL);
}

static void test_smallest_table_has_one_id(void **state)
{
	struct xv_handle_table_options options;
	struct table_fixture f;
	xv_id id, other = 5;

	(void)state;
	xv_handle_table_options_init(&options);
	options.max_ids = 1;
	assert_true(fixture_open(&f, &provider_cases[0], 0));
	assert_int_equal(xv_handle_table_create(&f.table, &f.fault.provider, &options), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(xv_id_malloc(f.table, 8, &id), 0);
		assert_int_not_equal(id, other);
		assert_int_equal(xv_id_malloc(f.table, 8, &other), -XV_ENOSPC);
		assert_int_equal(xv_id_free(f.table, id), 0);
		(void)xv_handle_table_trim(f.table);
		assert_dead(&f, id);
		other = id;
	}
	fixture_check(&f);
	fixture_close(&f);
}

/* ---- counting and trimming ---- */

static void every_byte_is_counted(struct table_fixture *f)
{
	struct xv_handle_table_stats stats = fixture_stats(f);
	uint64_t empty = stats.table_bytes;
	uint64_t pages;

	assert_int_equal(stats.ids, 0);
	assert_int_equal(stats.held_bytes, stats.pool.held_bytes + stats.table_bytes);
	assert_int_equal(stats.rows, 256);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_not_equal(id_make(f, 20, i), XV_NULL_ID);
	stats = fixture_stats(f);
	pages = fixture_page_bytes(f);
	assert_int_equal(stats.ids, 1000);
	assert_int_equal(stats.pool.objects, 1000);
	assert_int_equal(stats.rows, 1280);
	assert_int_equal(stats.table_bytes - empty, (1280 - 256) * 12);
	assert_true(stats.held_bytes > pages);
	/* A table may have memory that was never touched, which is not held. */
	assert_true(stats.held_bytes - pages <= f->fault.meta_committed_now);
}

static void test_every_byte_is_counted(void **state)
{
	(void)state;
	each_provider(every_byte_is_counted, NULL);
}

/* Free rows at the end go; ids that were theirs stay dead when rows return. */
static void trimmed_rows_keep_ids_dead(struct table_fixture *f)
{
	uint64_t empty = fixture_stats(f).held_bytes;
	xv_id kept = id_make(f, 30, 9);
	static xv_id old[2000], fresh[2000];

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 2000; i++)
			assert_int_equal(xv_id_malloc(f->table, 12, &old[i]), 0);
		assert_true(fixture_stats(f).rows > 2000);
		for (size_t i = 0; i < 2000; i++)
			assert_int_equal(xv_id_free(f->table, old[i]), 0);
		(void)xv_handle_table_trim(f->table);
		fixture_check(f);
		assert_int_equal(fixture_stats(f).rows, 256);
		/* The generations of the rows, 4 bytes each, are kept. */
		assert_true(provider_case_shares_os_pages(f->which) ||
			    fixture_stats(f).held_bytes <=
				    empty + 2 * f->page_bytes + 8192 + 2304 * 4);
		for (size_t i = 0; i < 2000; i++) {
			assert_int_equal(xv_id_size(f->table, old[i]), -XV_EINVAL);
			assert_int_equal(xv_id_malloc(f->table, 12, &fresh[i]), 0);
		}
		for (size_t i = 0; i < 2000; i++)
			assert_int_equal(xv_id_size(f->table, old[i]), -XV_EINVAL);
		for (size_t i = 0; i < 2000; i++)
			assert_int_equal(xv_id_free(f->table, fresh[i]), 0);
	}
	id_verify(f, kept, 30, 30, 9);
}

static void test_trimmed_rows_keep_ids_dead(void **state)
{
	(void)state;
	each_provider(trimmed_rows_keep_ids_dead, NULL);
}

/* A trim never brings a dead id to life: not when another row of the table's end was given
 * out so often that the dead one's generation is the next of it. */
static void test_trim_forgets_no_generation(void **state)
{
	struct xv_handle_table_options options;
	static xv_id filler[700];
	struct table_fixture f;
	uint64_t cycles;
	xv_id dead;

	(void)state;
	xv_handle_table_options_init(&options);
	options.max_ids = XV_IDS_MAX; /* 64 generations */
	assert_true(fixture_open(&f, &provider_cases[0], 0));
	assert_int_equal(xv_handle_table_create(&f.table, &f.fault.provider, &options), 0);
	for (size_t i = 0; i < 700; i++)
		assert_int_equal(xv_id_malloc(f.table, 8, &filler[i]), 0);
	dead = filler[600];
	/* Only some rows are free, in turn the same ones, until they have had each generation. */
	cycles = fixture_stats(&f).generations * (fixture_stats(&f).rows - 1 - 700);
	for (uint64_t i = 0; i < cycles; i++) {
		xv_id id = XV_NULL_ID;

		assert_int_equal(xv_id_malloc(f.table, 8, &id), 0);
		assert_int_equal(xv_id_free(f.table, id), 0);
	}
	for (size_t i = 0; i < 700; i++)
		assert_int_equal(xv_id_free(f.table, filler[i]), 0);
	(void)xv_handle_table_trim(f.table);
	assert_int_equal(fixture_stats(&f).rows, 256);
	for (size_t i = 0; i < 700; i++) {
		assert_int_equal(xv_id_malloc(f.table, 8, &filler[i]), 0);
		assert_int_not_equal(filler[i], dead);
	}
	assert_int_equal(xv_id_size(f.table, dead), -XV_EINVAL);
	fixture_check(&f);
	fixture_close(&f);
}

/* What a trim says is by how much less is held. */
static void trim_says_what_it_gives(struct table_fixture *f)
{
	static xv_id ids[3000];
	uint64_t before;
	size_t given;

	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(xv_id_malloc(f->table, 100, &ids[i]), 0);
	for (size_t i = 100; i < 3000; i++)
		assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	before = fixture_stats(f).held_bytes;
	given = xv_handle_table_trim(f->table);
	assert_true(given >= 2816 * 8 - 4096);
	assert_int_equal(before - fixture_stats(f).held_bytes, given);
	assert_int_equal(xv_handle_table_trim(f->table), 0);
}

static void test_trim_says_what_it_gives(void **state)
{
	(void)state;
	each_provider(trim_says_what_it_gives, NULL);
}

/* ---- a provider that fails ---- */

static void test_creation_survives_every_failure(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		struct table_fixture f;
		uint64_t nth = 1;

		if (!fixture_open(&f, &provider_cases[i], 0))
			continue;
		for (;; nth++) {
			fault_provider_fail(&f.fault, FAULT_ANY, nth, FAULT_ONCE);
			if (xv_handle_table_create(&f.table, &f.fault.provider, NULL) == 0)
				break;
			assert_null(f.table);
			assert_int_equal(f.fault.meta_reservations_now, 0);
		}
		/* The table's own two calls, and the pool's. */
		assert_true(nth > 4);
		fault_provider_heal(&f.fault);
		fixture_check(&f);
		fixture_close(&f);
	}
}

enum { KEPT = 40, SPAN = 300 };

/* Some of everything, with one call of the provider failing: what was refused has not
 * happened, and nothing else is lost. */
static void work_with_failure(struct table_fixture *f, enum fault_op op, uint64_t nth,
			      enum fault_span span)
{
	uint64_t ids_before = fixture_stats(f).ids;
	size_t max = xv_pool_max_size(xv_handle_table_pool(f->table)) - 200;
	xv_id ids[SPAN + KEPT];
	size_t sizes[SPAN + KEPT];

	for (size_t i = 0; i < KEPT; i++) {
		sizes[i] = 1 + i * f->page_bytes / 15 % max;
		ids[i] = id_make(f, sizes[i], (uint32_t)i);
		assert_int_not_equal(ids[i], XV_NULL_ID);
	}
	fault_provider_fail(&f->fault, op, nth, span);
	for (size_t i = KEPT; i < SPAN + KEPT; i++) {
		ids[i] = XV_NULL_ID;
		if (xv_id_malloc(f->table, 500, &ids[i]) != 0)
			assert_int_equal(ids[i], XV_NULL_ID);
	}
	for (size_t i = 0; i < KEPT; i += 3) {
		if (xv_id_realloc(f->table, ids[i], sizes[i] + 200) == 0)
			sizes[i] += 200;
	}
	fault_provider_heal(&f->fault);
	for (size_t i = 0; i < SPAN + KEPT; i++) {
		if (ids[i] != XV_NULL_ID && (i >= KEPT || i % 4 != 0))
			assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	}
	fixture_check(f);
	for (size_t i = 0; i < KEPT; i += 4) {
		size_t filled = 1 + i * f->page_bytes / 15 % max;

		id_verify(f, ids[i], sizes[i], filled, (uint32_t)i);
		assert_int_equal(xv_id_free(f->table, ids[i]), 0);
	}
	assert_int_equal(fixture_stats(f).ids, ids_before);
}

static void failures_of(struct table_fixture *f, enum fault_op op)
{
	for (uint64_t nth = 1; nth <= 6; nth++) {
		work_with_failure(f, op, nth, FAULT_ONCE);
		(void)xv_handle_table_trim(f->table);
		work_with_failure(f, op, nth, FAULT_FOREVER);
		(void)xv_handle_table_trim(f->table);
	}
}

static void failures_of_memory_change_nothing(struct table_fixture *f)
{
	failures_of(f, FAULT_PAGE_ALLOC);
	failures_of(f, FAULT_GRAINS_TAKE);
	failures_of(f, FAULT_META_COMMIT);
}

static void test_failures_change_nothing(void **state)
{
	struct xv_handle_table_options options;

	(void)state;
	each_provider(failures_of_memory_change_nothing, NULL);
	xv_handle_table_options_init(&options);
	options.pool.flags = 0;
	each_provider(failures_of_memory_change_nothing, &options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_options_are_refused),
		cmocka_unit_test(test_null_table_is_harmless),
		cmocka_unit_test(test_a_provider_without_meta_memory_is_refused),
		cmocka_unit_test(test_a_table_in_a_buffer_needs_no_system_call),
		cmocka_unit_test(test_max_ids_is_the_limit),
		cmocka_unit_test(test_limit_counts_the_table),
		cmocka_unit_test(test_limit_is_kept_to_the_byte),
		cmocka_unit_test(test_bad_sizes_make_no_rows),
		cmocka_unit_test(test_smallest_table_has_one_id),
		cmocka_unit_test(test_every_byte_is_counted),
		cmocka_unit_test(test_trimmed_rows_keep_ids_dead),
		cmocka_unit_test(test_trim_forgets_no_generation),
		cmocka_unit_test(test_trim_says_what_it_gives),
		cmocka_unit_test(test_creation_survives_every_failure),
		cmocka_unit_test(test_failures_change_nothing),
	};

	return cmocka_run_group_tests_name("handle_table_create", tests, NULL, NULL);
}
