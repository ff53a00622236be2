/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* The fault provider that other tests rely on: it fails when told, and counts. */
#include "provider_support.h"

#include "fault_provider.h"
#include "providers.h"

struct fixture {
	struct xv_provider *inner;
	struct fault_provider fault;
};

static const struct provider_case *case_named(const char *name)
{
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		if (strcmp(provider_cases[i].name, name) == 0)
			return &provider_cases[i];
	}
	return NULL;
}

static int fixture_make(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (fixture == NULL ||
	    provider_case_create(case_named("buffer/4K"), MIB, &fixture->inner) != 0)
		return -1;
	fault_provider_init(&fixture->fault, fixture->inner, FAULT_HIDE_BASE);
	*state = fixture;
	return 0;
}

static int fixture_end(void **state)
{
	struct fixture *fixture = *state;

	provider_case_destroy(case_named("buffer/4K"), fixture->inner);
	free(fixture);
	return 0;
}

static int alloc(struct fault_provider *fault)
{
	uint32_t page;

	return fault->ops.page_alloc(&fault->provider, &page);
}

static void fault_fails_the_nth_call_once(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;

	fault_provider_fail(fault, FAULT_PAGE_ALLOC, 3, FAULT_ONCE);
	assert_int_equal(alloc(fault), 0);
	assert_int_equal(alloc(fault), 0);
	assert_int_equal(alloc(fault), -XV_ENOMEM);
	assert_int_equal(alloc(fault), 0);
	assert_int_equal(fault->injected, 1);
	assert_int_equal(fault->pages_now, 3);
	assert_int_equal(fault->calls[FAULT_PAGE_ALLOC], 4);
	assert_int_equal(fault->failures[FAULT_PAGE_ALLOC], 1);
}

static void fault_fails_for_ever_until_healed(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;

	fault_provider_fail(fault, FAULT_PAGE_ALLOC, 2, FAULT_FOREVER);
	assert_int_equal(alloc(fault), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(alloc(fault), -XV_ENOMEM);
	fault_provider_heal(fault);
	assert_int_equal(alloc(fault), 0);
	assert_int_equal(fault->injected, 5);
}

static void fault_fails_only_the_operation_it_was_told(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;
	struct xv_provider *provider = &fault->provider;
	void *meta;

	fault_provider_fail(fault, FAULT_META_COMMIT, 1, FAULT_FOREVER);
	assert_int_equal(alloc(fault), 0);
	assert_non_null(provider->ops->page_map(provider, 0));
	meta = provider->ops->meta_reserve(provider, 100);
	assert_non_null(meta);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 0, 100), -XV_ENOMEM);
	fault_provider_heal(fault);
	assert_int_equal(provider->ops->meta_commit(provider, meta, 0, 100), 0);
	assert_int_equal(fault->meta_committed_now, 100);
	fault_provider_fail(fault, FAULT_META_COMMIT, 1, FAULT_FOREVER);
	/* Shrinking cannot fail. */
	assert_int_equal(provider->ops->meta_commit(provider, meta, 100, 10), 0);
	assert_int_equal(fault->meta_committed_now, 10);
	provider->ops->meta_release(provider, meta, 100, 10);
	assert_int_equal(fault->meta_reservations_now, 0);
	assert_int_equal(fault->meta_committed_now, 0);
}

static void fault_any_counts_all_failable_operations_together(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;
	struct xv_provider *provider = &fault->provider;

	fault_provider_fail(fault, FAULT_ANY, 3, FAULT_ONCE);
	assert_int_equal(alloc(fault), 0);
	assert_non_null(provider->ops->meta_reserve(provider, 100));
	assert_null(provider->ops->page_map(provider, 0));
	assert_non_null(provider->ops->page_map(provider, 0));
	assert_int_equal(fault->injected, 1);
}

static void fault_hidden_base_maps_through_slots_that_run_out(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;
	struct xv_provider *provider = &fault->provider;
	void *first, *second;

	assert_null(provider->base);
	assert_int_equal(provider->window_slots, FAULT_HIDDEN_BASE_SLOTS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(alloc(fault), 0);
	first = provider->ops->page_map(provider, 0);
	second = provider->ops->page_map(provider, 1);
	assert_non_null(first);
	assert_ptr_equal((char *)first + 4096, second);
	assert_null(provider->ops->page_map(provider, 2));
	provider->ops->page_unmap(provider, 0, first);
	assert_int_equal(fault->mapped_now, 1);
	assert_int_equal(fault->mapped_peak, 2);
	fault_provider_reset_peak(fault);
	assert_int_equal(fault->mapped_peak, 1);
	assert_non_null(provider->ops->page_map(provider, 2));
}

static void fault_counts_frees_of_mapped_pages_and_false_unmaps(void **state)
{
	struct fault_provider *fault = &((struct fixture *)*state)->fault;
	struct xv_provider *provider = &fault->provider;
	void *address;

	for (int i = 0; i < 3; i++)
		assert_int_equal(alloc(fault), 0);
	address = provider->ops->page_map(provider, 0);
	assert_ptr_equal(provider->ops->page_map(provider, 0), address);
	assert_int_equal(fault->mapped_now, 1);
	provider->ops->page_unmap(provider, 0, address);
	provider->ops->pages_free(provider, 1, 1);
	assert_int_equal(fault->misuse, 0);
	provider->ops->pages_free(provider, 0, 1);
	assert_int_equal(fault->misuse, 1);
	provider->ops->page_unmap(provider, 0, address);
	assert_int_equal(fault->misuse, 1);
	provider->ops->page_unmap(provider, 0, address);
	assert_int_equal(fault->misuse, 2);
	assert_int_equal(fault->mapped_now, 0);
}

static void fault_fails_grains_at_the_nth_call(void **state)
{
	struct provider_case which = {"mmap/64K", PROVIDER_MMAP, 65536, true};
	struct fault_provider fault;
	struct xv_provider *inner = NULL;
	uint32_t page;

	(void)state;
	assert_int_equal(provider_case_create(&which, MIB, &inner), 0);
	fault_provider_init(&fault, inner, 0);
	assert_int_equal(fault.provider.grain_shift, inner->grain_shift);
	if (xv_provider_page_grains(inner) < 4) {
		assert_null(fault.ops.grains_take);
		provider_case_destroy(&which, inner);
		skip();
	}
	assert_int_equal(fault.ops.page_alloc(&fault.provider, &page), 0);
	fault_provider_fail(&fault, FAULT_GRAINS_TAKE, 2, FAULT_ONCE);
	assert_int_equal(fault.ops.grains_take(&fault.provider, page, 0, 1), 0);
	assert_int_equal(fault.ops.grains_take(&fault.provider, page, 1, 3), -XV_ENOMEM);
	assert_int_equal(fault.ops.grains_take(&fault.provider, page, 1, 3), 0);
	fault_provider_fail(&fault, FAULT_GRAINS_GIVE, 2, FAULT_FOREVER);
	assert_true(fault.ops.grains_give(&fault.provider, page, 0, 1));
	assert_false(fault.ops.grains_give(&fault.provider, page, 1, 1));
	assert_false(fault.ops.grains_give(&fault.provider, page, 1, 1));
	fault_provider_heal(&fault);
	assert_true(fault.ops.grains_give(&fault.provider, page, 1, 1)); /* it stayed taken */
	assert_false(fault.ops.grains_give(&fault.provider, page, 1, 1));
	assert_int_equal(fault.failures[FAULT_GRAINS_TAKE], 1);
	assert_int_equal(fault.failures[FAULT_GRAINS_GIVE], 3);
	provider_case_destroy(&which, inner);
}

static void fault_leaves_out_the_operations_it_was_told_to(void **state)
{
	struct fixture *fixture = *state;
	struct fault_provider *fault = &fixture->fault;

	fault_provider_init(fault, fixture->inner, FAULT_NO_META);
	assert_null(fault->ops.meta_reserve);
	assert_null(fault->ops.meta_purge); /* the buffer provider has none */
	assert_ptr_equal(fault->provider.base, fixture->inner->base);
	assert_int_equal(fault->provider.flags, XV_PROVIDER_META_IS_SCARCE);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(fault_fails_the_nth_call_once),
		WITH_FIXTURE(fault_fails_for_ever_until_healed),
		WITH_FIXTURE(fault_fails_only_the_operation_it_was_told),
		WITH_FIXTURE(fault_any_counts_all_failable_operations_together),
		WITH_FIXTURE(fault_hidden_base_maps_through_slots_that_run_out),
		WITH_FIXTURE(fault_counts_frees_of_mapped_pages_and_false_unmaps),
		cmocka_unit_test(fault_fails_grains_at_the_nth_call),
		WITH_FIXTURE(fault_leaves_out_the_operations_it_was_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
