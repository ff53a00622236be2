/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * handle_table_support.h: a handle table over each provider and page size, and objects
 * whose contents can be proved.
 *
 * Owns: provider and table of a fixture. May call: public headers, CMocka. Locking:
 * none; for one thread. O(bytes).
 */
#ifndef HANDLE_TABLE_SUPPORT_H
#define HANDLE_TABLE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <xvmalloc/handle_table.h>

#include "fault_provider.h"
#include "pattern.h"
#include "providers.h"
#include "test_random.h"

enum { PROVIDER_BYTES = 8 << 20 };

struct table_fixture {
	const struct provider_case *which;
	struct xv_provider *inner;
	struct fault_provider fault; /* what the table sees */
	struct xv_handle_table *table;
	size_t page_bytes;
	uint64_t random;
};

/* Provider only; false where there is none of this kind here. */
static inline bool fixture_open(struct table_fixture *f, const struct provider_case *which,
				uint32_t flags)
{
	*f = (struct table_fixture){.which = which, .page_bytes = which->page_bytes};
	if (provider_case_create(which, PROVIDER_BYTES, &f->inner) != 0)
		return false;
	fault_provider_init(&f->fault, f->inner, flags);
	return true;
}

/* What the provider gave for pages. */
static inline uint64_t fixture_page_bytes(const struct table_fixture *f)
{
	if (xv_provider_page_grains(&f->fault.provider) > 1)
		return (uint64_t)f->fault.grains_now << f->fault.provider.grain_shift;
	return (uint64_t)f->fault.pages_now * f->page_bytes;
}

static inline void fixture_close(struct table_fixture *f)
{
	xv_handle_table_destroy(f->table);
	f->table = NULL;
	assert_int_equal(f->fault.pages_now, 0);
	assert_int_equal(f->fault.mapped_now, 0);
	assert_int_equal(f->fault.meta_reservations_now, 0);
	assert_int_equal(f->fault.misuse, 0);
	provider_case_destroy(f->which, f->inner);
}

static inline void fixture_check(struct table_fixture *f)
{
	struct xv_check_report report = {0};
	int err = xv_handle_table_check(f->table, XV_CHECK_DEEP, &report);

	if (err != 0)
		print_error("%s: invariant %u, page %u, offset %u: %s\n", f->which->name,
			    (unsigned)report.invariant, (unsigned)report.page,
			    (unsigned)report.offset, report.message);
	assert_int_equal(err, 0);
	assert_int_equal(xv_handle_table_check(f->table, XV_CHECK_QUICK, NULL), 0);
	assert_int_equal(f->fault.mapped_now, 0);
}

static inline struct xv_handle_table_stats fixture_stats(struct table_fixture *f)
{
	struct xv_handle_table_stats stats;

	xv_handle_table_get_stats(f->table, &stats);
	return stats;
}

/* Run a test over every provider with a table made with these options (NULL: default);
 * it ends with the deep check and the proof that the provider has everything back.
 * Where programs are slow: over each kind and each page size once. */
static inline void each_provider(void (*run)(struct table_fixture *f),
				 const struct xv_handle_table_options *options)
{
	static size_t turn;
	struct xv_handle_table_options own;

	xv_handle_table_options_init(&own);
	if (options != NULL)
		own = *options;
	/* What is held must not depend on the machine's CPUs. */
	own.pool.shards = 1;
	turn++;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		struct table_fixture f;

		if (!provider_case_has_turn(&provider_cases[i], turn) ||
		    !fixture_open(&f, &provider_cases[i], 0))
			continue;
		f.random = environment_number("XV_SEED", 2009);
		assert_int_equal(xv_handle_table_create(&f.table, &f.fault.provider, &own), 0);
		run(&f);
		fixture_check(&f);
		fixture_close(&f);
	}
}

/* An object of this size filled with its own pattern; XV_NULL_ID when there is no room. */
static inline xv_id id_make(struct table_fixture *f, size_t size, uint32_t pattern)
{
	unsigned char *bytes;
	xv_id id = XV_NULL_ID;

	if (xv_id_malloc(f->table, size, &id) != 0) {
		assert_int_equal(id, XV_NULL_ID);
		return XV_NULL_ID;
	}
	bytes = malloc(size);
	assert_non_null(bytes);
	pattern_fill(bytes, size, pattern);
	assert_int_equal(xv_id_write(f->table, id, 0, bytes, size), 0);
	free(bytes);
	return id;
}

/* The object is there, with its size and the first bytes of this pattern. */
static inline void id_verify(struct table_fixture *f, xv_id id, size_t size, size_t filled,
			     uint32_t pattern)
{
	unsigned char *bytes = malloc(filled + 1);

	assert_non_null(bytes);
	assert_int_equal(xv_id_size(f->table, id), size);
	assert_int_equal(xv_id_read(f->table, id, 0, bytes, filled), 0);
	assert_true(pattern_matches(bytes, filled, pattern));
	free(bytes);
}

enum { DEAD_CALLS = 7 }; /* of assert_dead */

/* Every call refuses the id, and says that it is the id. */
static inline void assert_dead(struct table_fixture *f, xv_id id)
{
	struct xv_handle_table_stats before = fixture_stats(f);
	struct xv_id_mapping mapping = {0};
	unsigned char byte = 0;

	assert_int_equal(xv_id_size(f->table, id), -XV_EINVAL);
	assert_int_equal(xv_id_read(f->table, id, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_id_read_whole(f->table, id, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_id_write(f->table, id, 0, &byte, 1), -XV_EINVAL);
	assert_int_equal(xv_id_map(f->table, id, &mapping), -XV_EINVAL);
	assert_null(mapping.ptr);
	assert_int_equal(xv_id_realloc(f->table, id, 8), -XV_EINVAL);
	assert_int_equal(xv_id_free(f->table, id), -XV_EINVAL);
	assert_int_equal(fixture_stats(f).bad_ids, before.bad_ids + DEAD_CALLS);
	assert_int_equal(fixture_stats(f).ids, before.ids);
}

/* A whole cycle of compaction; *total gets what it did. */
static inline int compact_all(struct table_fixture *f, struct xv_compact_report *total)
{
	struct xv_compact_report step;
	int err;

	*total = (struct xv_compact_report){0};
	do {
		err = xv_handle_table_compact(f->table, 0, &step);
		total->moved_bytes += step.moved_bytes;
		total->moved_blocks += step.moved_blocks;
		total->freed_bytes += step.freed_bytes;
		total->refused += step.refused;
		total->pinned_pages += step.pinned_pages;
	} while (err == 0 && step.more);
	return err;
}

#endif
