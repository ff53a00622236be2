/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_untaken.c: calls by address over a provider where whatever is touched without having
 * been taken faults: any address may be asked about. May call: public headers. One thread.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#include "test_flags.h"

enum { PAGES = 4, PAGE_SHIFT = 16, GRAIN_SHIFT = 12, OBJECTS = 24 };

#define ARENA_BYTES ((size_t)PAGES << PAGE_SHIFT)

/* Its meta memory is the mmap provider's. */
struct guarded_provider {
	struct xv_provider provider;
	struct xv_provider_ops ops;
	struct xv_provider *inner;
	bool used[PAGES];
};

static struct guarded_provider guarded;

static char *grain_at(uint32_t page, uint32_t grain)
{
	return (char *)guarded.provider.base + ((size_t)page << PAGE_SHIFT) +
	       ((size_t)grain << GRAIN_SHIFT);
}

static int guarded_page_alloc(struct xv_provider *self, uint32_t *page)
{
	(void)self;
	for (uint32_t i = 0; i < PAGES; i++) {
		if (!guarded.used[i]) {
			guarded.used[i] = true;
			*page = i;
			return 0;
		}
	}
	return -XV_ENOMEM;
}

static int guarded_grains_take(struct xv_provider *self, uint32_t page, uint32_t first,
			       uint32_t count)
{
	(void)self;
	assert_int_equal(mprotect(grain_at(page, first), (size_t)count << GRAIN_SHIFT,
				  PROT_READ | PROT_WRITE),
			 0);
	return 0;
}

static bool guarded_grains_give(struct xv_provider *self, uint32_t page, uint32_t first,
				uint32_t count)
{
	(void)self;
	return mprotect(grain_at(page, first), (size_t)count << GRAIN_SHIFT, PROT_NONE) == 0;
}

static size_t guarded_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	(void)self;
	for (uint32_t i = first; i < first + count; i++)
		guarded.used[i] = false;
	assert_int_equal(mprotect(grain_at(first, 0), (size_t)count << PAGE_SHIFT, PROT_NONE), 0);
	return 0;
}

static void *guarded_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	(void)self;
	return guarded.inner->ops->meta_reserve(guarded.inner, max_bytes);
}

static int guarded_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			       size_t new_bytes)
{
	(void)self;
	return guarded.inner->ops->meta_commit(guarded.inner, base, old_bytes, new_bytes);
}

static void guarded_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
				 size_t committed_bytes)
{
	(void)self;
	guarded.inner->ops->meta_release(guarded.inner, base, max_bytes, committed_bytes);
}

static void guarded_make(void)
{
	void *arena = mmap(NULL, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(arena, MAP_FAILED);
	memset(&guarded, 0, sizeof(guarded));
	assert_int_equal(xv_provider_mmap_create(&guarded.inner, NULL), 0);
	guarded.ops = (struct xv_provider_ops){
		.page_alloc = guarded_page_alloc,
		.pages_free = guarded_pages_free,
		.grains_take = guarded_grains_take,
		.grains_give = guarded_grains_give,
		.meta_reserve = guarded_meta_reserve,
		.meta_commit = guarded_meta_commit,
		.meta_release = guarded_meta_release,
	};
	guarded.provider = (struct xv_provider){
		.ops = &guarded.ops,
		.base = arena,
		.max_pages = PAGES,
		.page_shift = PAGE_SHIFT,
		.grain_shift = GRAIN_SHIFT,
	};
}

static void guarded_end(void)
{
	assert_int_equal(munmap(guarded.provider.base, ARENA_BYTES), 0);
	xv_provider_mmap_destroy(guarded.inner);
}

/* Objects in some grains of each page, none in the others: memory of those goes back. */
static void fill_some_grains(struct xv_pool *pool, char **objects)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		objects[i] = xv_alloc(pool, (1U << 13) - 40);
		assert_non_null(objects[i]);
		memset(objects[i], (int)i, (1U << 13) - 40);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		if (i % 4 != 1) {
			assert_int_equal(xv_release(pool, objects[i]), 0);
			objects[i] = NULL;
		}
	}
	(void)xv_pool_trim(pool);
}

static bool begins_object(char *const *objects, const char *at)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		if (objects[i] == at)
			return true;
	}
	return false;
}

/* Addresses about every grain's ends, and some between, that are no object's. */
static void all_others_are_refused(struct xv_pool *pool, char *const *objects)
{
	for (size_t i = 0; i < ARENA_BYTES; i += i % 4096 < 64 || i % 4096 >= 4032 ? 1 : 16) {
		char *at = (char *)guarded.provider.base + i;

		if (begins_object(objects, at)) {
			assert_true(xv_usable_size(pool, at) >= (1U << 13) - 40);
			continue;
		}
		assert_int_equal(xv_usable_size(pool, at), 0);
		assert_int_equal(xv_release(pool, at), -XV_EINVAL);
		assert_null(xv_resize(pool, at, 8));
		assert_true(xv_handle_of(pool, at) == XV_NULL_HANDLE);
	}
}

static void addresses_are_asked_about(uint32_t flags, uint32_t alignment)
{
	char *objects[OBJECTS];
	struct xv_pool_options options;
	struct xv_pool *pool;

	guarded_make();
	xv_pool_options_init(&options);
	options_set_flags(&options, flags);
	options.alignment = alignment;
	options.seed = 1;
	assert_int_equal(xv_pool_create(&pool, &guarded.provider, &options), 0);
	fill_some_grains(pool, objects);
	all_others_are_refused(pool, objects);
	assert_int_equal(xv_pool_check(pool, XV_CHECK_DEEP, NULL), 0);
	xv_pool_destroy(pool);
	guarded_end();
}

static void an_address_without_memory_is_refused_untouched(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= (XV_POOL_SPLIT | XV_POOL_OWNERS | TEST_KEYED);
	     flags++) {
		for (uint32_t alignment = 4; alignment <= 16; alignment *= 2)
			addresses_are_asked_about(flags, alignment);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_without_memory_is_refused_untouched),
	};

	return cmocka_run_group_tests_name("pool_untaken", tests, NULL, NULL);
}
