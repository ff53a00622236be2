/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The account of the store's own memory: what the limit leaves, and the reserve of the policy. That
 * a function has the lock is asserted by the account itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xvmalloc/errors.h>
#include <xvmalloc/handle_table.h>
#include <xvmalloc/provider_mmap.h>

#include "memory.h"

#define LIMIT ((uint64_t)1 << 20)
#define RESERVE (LIMIT / 16)

static struct rzi_memory account;

static int account_open(void **state)
{
	(void)state;
	memset(&account, 0, sizeof(account));
	return rzi_memory_init(&account, 0);
}

static int account_close(void **state)
{
	(void)state;
	rzi_memory_fini(&account);
	return 0;
}

static void reserve_is_a_sixteenth_and_2_mib_at_most(void **state)
{
	(void)state;
	assert_int_equal(rzi_memory_reserve(LIMIT), RESERVE);
	assert_int_equal(rzi_memory_reserve(LIMIT << 5), RZI_RESERVE_MAX);
	assert_int_equal(rzi_memory_reserve(LIMIT << 6), RZI_RESERVE_MAX);
}

static void reserve_is_for_the_policy_while_it_has_it(void **state)
{
	(void)state;
	rzi_memory_set_limit(&account, LIMIT);
	rzi_memory_keep_reserve(&account, true);
	assert_false(rzi_memory_charge(&account, LIMIT - RESERVE + 1, false));
	assert_true(rzi_memory_charge(&account, LIMIT - RESERVE, false));
	assert_false(rzi_memory_charge(&account, 1, false));
	rzi_memory_lend_reserve(&account, true);
	assert_false(rzi_memory_is_short(&account)); /* a writer has all that is its own */
	assert_true(rzi_memory_charge(&account, 1, false));
	assert_true(rzi_memory_is_short(&account));
	assert_true(rzi_memory_charge(&account, RESERVE - 1, false));
	assert_false(rzi_memory_charge(&account, 1, false));
	rzi_memory_lend_reserve(&account, false);
	assert_false(rzi_memory_is_short(&account)); /* nobody asks: the limit refuses */
	rzi_memory_keep_reserve(&account, false);
	assert_false(rzi_memory_charge(&account, 1, false));
	rzi_memory_discharge(&account, 1);
	assert_true(rzi_memory_charge(&account, 1, false));
	rzi_memory_discharge(&account, LIMIT);
}

static void what_a_handle_table_holds_counts(void **state)
{
	struct xv_provider *provider;
	struct xv_handle_table *table;

	(void)state;
	assert_int_equal(xv_provider_mmap_create(&provider, NULL), 0);
	assert_int_equal(xv_handle_table_create(&table, provider, NULL), 0);
	rzi_memory_set_limit(&account, LIMIT);
	assert_true(rzi_memory_charge(&account, LIMIT, false));
	rzi_memory_discharge(&account, LIMIT);
	rzi_memory_set_table(&account, table);
	assert_false(rzi_memory_charge(&account, LIMIT, false));
	xv_handle_table_destroy(table);
	xv_provider_mmap_destroy(provider);
}

static void expect_nothing_is_lent(void)
{
	rzi_memory_lend_reserve(&account, true);
	assert_true(rzi_memory_charge(&account, LIMIT, false));
	assert_false(rzi_memory_is_short(&account));
	rzi_memory_discharge(&account, LIMIT);
}

static void without_a_reserve_nothing_is_lent(void **state)
{
	(void)state;
	rzi_memory_set_limit(&account, LIMIT);
	expect_nothing_is_lent();
}

static void without_a_limit_nothing_is_short(void **state)
{
	(void)state;
	rzi_memory_keep_reserve(&account, true);
	expect_nothing_is_lent();
}

#define ACCOUNT_TEST(name) cmocka_unit_test_setup_teardown(name, account_open, account_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserve_is_a_sixteenth_and_2_mib_at_most),
		ACCOUNT_TEST(reserve_is_for_the_policy_while_it_has_it),
		ACCOUNT_TEST(what_a_handle_table_holds_counts),
		ACCOUNT_TEST(without_a_reserve_nothing_is_lent),
		ACCOUNT_TEST(without_a_limit_nothing_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
