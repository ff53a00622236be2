/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Whole lives of pools beside a model of them, over a provider that numbers its pages in a strange
 * order, fails now and then, and proves that nothing is touched but what was taken. May call:
 * public headers. One thread. Arguments: first seed, number of seeds.
 */
#define _DEFAULT_SOURCE /* mmap's flags */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>

#include "odd_provider.h"
#include "test_flags.h"

enum { OBJECTS = 600, MAPS = 6, STEPS = 3000, BYTES_MAX = 200000 };

struct object {
	xv_handle handle; /* 0: none */
	uint32_t size;
	uint32_t pattern;
	uint32_t alignment; /* 0: the pool's own, and it may be split */
};

struct map {
	xv_handle handle; /* 0: none */
	void *ptr;
	uint32_t object;
};

struct life {
	struct odd_provider odd;
	struct xv_pool *pool;
	struct xv_pool_options options;
	struct object objects[OBJECTS];
	struct map maps[MAPS];
	xv_handle stale;
	uint64_t random;
	uint32_t last_pattern;
	uint64_t requested;
	uint64_t count;
	uint64_t bad;
	uint64_t limit;
	uint64_t over; /* held above the limit that was allowed, as it was lowered */
	void *memory;
};

static uint64_t first_seed = 1;
static uint64_t seeds = 12;
static unsigned char buffer[BYTES_MAX];
static unsigned char wanted[BYTES_MAX];

static uint32_t draw(struct life *l, uint32_t below)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)((l->random >> 20) % below);
}

/* ---- the model ---- */

static void pattern(unsigned char *to, uint32_t pattern, size_t from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		to[i] = (unsigned char)((pattern * 131U + (from + i) * 7U) ^ ((from + i) >> 8));
}

static bool is_mapped(const struct life *l, uint32_t i)
{
	for (uint32_t m = 0; m < MAPS; m++)
		if (l->maps[m].handle != 0 && l->maps[m].object == i)
			return true;
	return false;
}

static uint32_t alignment_of(const struct life *l, const struct object *ob)
{
	return ob->alignment > l->options.alignment ? ob->alignment : l->options.alignment;
}

static void verify(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];
	size_t from = draw(l, ob->size);
	size_t length =
		draw(l, 3) == 0 ? draw(l, (uint32_t)(ob->size - from) + 1) : ob->size - from;

	from = draw(l, 2) ? 0 : from;
	HOLDS(xv_object_size(l->pool, ob->handle) == (int)ob->size);
	HOLDS(xv_read(l->pool, ob->handle, from, buffer, length) == 0);
	pattern(wanted, ob->pattern, from, length);
	HOLDS(memcmp(buffer, wanted, length) == 0);
	HOLDS(xv_handle_offset(ob->handle) % alignment_of(l, ob) == 0);
	HOLDS(xv_read(l->pool, ob->handle, ob->size, buffer, 1) == -XV_ERANGE);
	HOLDS(xv_write(l->pool, ob->handle, SIZE_MAX, buffer, 2) == -XV_ERANGE);
	HOLDS(xv_read(l->pool, ob->handle, ob->size, buffer, 0) == 0);
}

static void fill(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];
	uint32_t cut = draw(l, ob->size + 1);

	ob->pattern = ++l->last_pattern;
	pattern(wanted, ob->pattern, 0, ob->size);
	HOLDS(xv_write(l->pool, ob->handle, 0, wanted, cut) == 0);
	HOLDS(xv_write(l->pool, ob->handle, cut, wanted + cut, ob->size - cut) == 0);
}

static void check(struct life *l)
{
	struct xv_check_report report = {0};
	struct xv_pool_stats s;

	if (xv_pool_check(l->pool, XV_CHECK_DEEP, &report) != 0)
		print_error("invariant %u: %s\n", report.invariant, report.message);
	HOLDS(report.invariant == 0);
	xv_pool_get_stats(l->pool, &s);
	HOLDS(s.held_bytes == s.requested_bytes + s.header_bytes + s.owner_bytes + s.link_bytes +
				      s.rounding_bytes + s.free_bytes + s.spare_bytes +
				      s.table_bytes);
	HOLDS(s.objects == l->count && s.requested_bytes == l->requested);
	HOLDS(s.mallocs - s.frees == l->count);
	HOLDS(s.page_allocs - s.page_frees == s.pages);
	HOLDS(s.bad_handles == l->bad);
	HOLDS(s.held_bytes <= s.peak_held_bytes);
	if (l->limit != 0) {
		HOLDS(s.held_bytes <= (l->over > l->limit ? l->over : l->limit));
		l->over = s.held_bytes;
	}
	HOLDS(l->odd.windows_full == 0);
}

static bool is_want(int err)
{
	return err == -XV_ENOMEM || err == -XV_ENOSPC;
}

static uint32_t any_size(struct life *l)
{
	uint32_t page = (uint32_t)xv_provider_page_bytes(&l->odd.provider);
	uint32_t most = (uint32_t)xv_pool_max_size(l->pool);

	switch (draw(l, 8)) {
	case 0:
		return 1 + draw(l, page);
	case 1:
		return most > page ? 1 + draw(l, BYTES_MAX - 1) : most - draw(l, 8);
	case 2:
	case 3:
		return 1 + draw(l, page / 4);
	default:
		return 1 + draw(l, 200);
	}
}

/* *alignment 0: the pool's own, and it may be split. */
static int make(struct life *l, uint32_t i, uint32_t size, xv_handle *handle, uint32_t *alignment)
{
	*alignment = 0;
	switch (draw(l, 5)) {
	case 0:
		*alignment = 1U << draw(l, 9);
		return xv_malloc_aligned(l->pool, size, *alignment, handle);
	case 1:
		return xv_calloc(l->pool, 1, size, handle);
	case 2:
		return xv_malloc(l->pool, size, handle);
	default:
		if ((l->options.flags & XV_POOL_OWNERS) == 0)
			return xv_malloc(l->pool, size, handle);
		return xv_malloc_owned(l->pool, size, i, handle);
	}
}

static void step_malloc(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];
	uint32_t size = any_size(l);
	xv_handle handle = 77;
	uint32_t alignment;
	int err = make(l, i, size, &handle, &alignment);

	if (err != 0) {
		HOLDS(handle == 77);
		HOLDS(is_want(err) ||
		      (err == -XV_E2BIG && (size > xv_pool_max_size(l->pool) || alignment != 0)));
		return;
	}
	HOLDS(size <= xv_pool_max_size(l->pool));
	*ob = (struct object){handle, size, 0, alignment};
	l->count++;
	l->requested += size;
	fill(l, i);
}

static void step_free(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];

	verify(l, i);
	HOLDS(xv_free(l->pool, ob->handle) == 0);
	l->stale = ob->handle;
	l->count--;
	l->requested -= ob->size;
	ob->handle = 0;
	if (l->options.hardening == 0)
		return;
	HOLDS(xv_free(l->pool, l->stale) == -XV_EINVAL);
	HOLDS(xv_object_size(l->pool, l->stale) == -XV_EINVAL);
	HOLDS(xv_read(l->pool, l->stale, 0, buffer, 1) == -XV_EINVAL);
	l->bad += 3;
}

static void step_realloc(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];
	xv_handle handle = ob->handle;
	uint32_t size = any_size(l);
	uint32_t kept = size < ob->size ? size : ob->size;
	bool big = size > xv_pool_max_size(l->pool);
	int err = xv_realloc(l->pool, &handle, size);

	if (err != 0) {
		HOLDS(handle == ob->handle);
		HOLDS(is_want(err) || err == -XV_EBUSY ||
		      (err == -XV_E2BIG && (big || ob->alignment != 0)));
		verify(l, i);
		return;
	}
	HOLDS(!big);
	HOLDS(handle == ob->handle || !is_mapped(l, i));
	l->requested += (uint64_t)size - ob->size;
	ob->handle = handle;
	ob->size = size;
	HOLDS(xv_read(l->pool, handle, 0, buffer, kept) == 0);
	pattern(wanted, ob->pattern, 0, kept);
	HOLDS(memcmp(buffer, wanted, kept) == 0);
	fill(l, i);
}

static void step_map(struct life *l, uint32_t i)
{
	struct map *m = &l->maps[draw(l, MAPS)];
	struct object *ob = &l->objects[i];
	void *ptr = NULL;
	int err;

	if (m->handle != 0) {
		HOLDS(xv_unmap(l->pool, m->handle, (char *)m->ptr + 1) == -XV_EINVAL);
		HOLDS(xv_unmap(l->pool, m->handle, m->ptr) == 0);
		m->handle = 0;
		return;
	}
	err = xv_map(l->pool, ob->handle, &ptr);
	if (err != 0) {
		HOLDS(ptr == NULL && (err == -XV_EAGAIN || err == -XV_ESPLIT));
		return;
	}
	*m = (struct map){ob->handle, ptr, i};
	pattern(wanted, ob->pattern, 0, ob->size);
	HOLDS(memcmp(ptr, wanted, ob->size) == 0 && (uintptr_t)ptr % alignment_of(l, ob) == 0);
}

static void step_peek(struct life *l, uint32_t i)
{
	struct object *ob = &l->objects[i];
	const void *ptr = NULL;

	HOLDS(xv_peek(l->pool, ob->handle, buffer, ob->size, &ptr) == (int)ob->size);
	pattern(wanted, ob->pattern, 0, ob->size);
	HOLDS(memcmp(ptr, wanted, ob->size) == 0);
	ptr = NULL;
	HOLDS(xv_peek(l->pool, ob->handle, buffer, ob->size - 1, &ptr) == -XV_ERANGE);
	HOLDS(ptr == NULL);
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct life *l = context;
	struct object *ob = &l->objects[owner];

	HOLDS(owner < OBJECTS && ob->handle == from && !is_mapped(l, owner));
	if (draw(l, 6) == 0)
		return 1;
	ob->handle = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static void step_compact(struct life *l)
{
	struct xv_compact_report report = {.more = true};
	uint32_t rounds = 0;

	if ((l->options.flags & XV_POOL_OWNERS) == 0) {
		HOLDS(xv_compact(l->pool, 0, NULL) == -XV_ENOTSUP && xv_compactable(l->pool) == 0);
		return;
	}
	for (; report.more && rounds < 100000; rounds++)
		HOLDS(xv_compact(l->pool, draw(l, 100000), &report) == 0);
	HOLDS(rounds < 100000);
}

static void step_trim(struct life *l)
{
	struct xv_pool_stats before;
	struct xv_pool_stats after;
	size_t bytes;

	xv_pool_get_stats(l->pool, &before);
	bytes = xv_pool_trim(l->pool);
	xv_pool_get_stats(l->pool, &after);
	HOLDS(before.held_bytes - after.held_bytes == bytes);
	l->over = l->over == 0 ? 0 : after.held_bytes;
}

static void step_limit(struct life *l)
{
	struct xv_pool_stats s;

	xv_pool_get_stats(l->pool, &s);
	l->limit = draw(l, 3) == 0 ? 0 : s.held_bytes - 20000 + draw(l, 100000);
	l->over = s.held_bytes;
	xv_pool_set_limit(l->pool, l->limit);
}

static int count_one(void *context, xv_handle handle, size_t size)
{
	struct life *l = context;

	HOLDS(xv_object_size(l->pool, handle) == (int)size);
	l->bad += 1U << 31;
	l->bad += 1U << 31;
	return 0;
}

static void step_walk(struct life *l)
{
	HOLDS(xv_pool_walk(l->pool, count_one, l) == 0);
	HOLDS(l->bad >> 32 == l->count);
	l->bad &= UINT32_MAX;
}

static void step_reset(struct life *l)
{
	bool mapped = false;

	for (uint32_t m = 0; m < MAPS; m++)
		mapped = mapped || l->maps[m].handle != 0;
	HOLDS(xv_pool_reset(l->pool) == (mapped ? -XV_EBUSY : 0));
	if (mapped)
		return;
	memset(l->objects, 0, sizeof(l->objects));
	l->count = 0;
	l->requested = 0;
}

static void step(struct life *l, uint32_t wish)
{
	uint32_t i = draw(l, OBJECTS);
	uint32_t kind = draw(l, 100);
	bool live = l->objects[i].handle != 0;

	if (kind == 0)
		l->odd.fail_after = draw(l, 3) == 0 ? draw(l, 6) : UINT32_MAX;
	else if (kind == 1)
		step_limit(l);
	else if (kind == 2)
		step_trim(l);
	else if (kind == 3)
		step_compact(l);
	else if (kind == 4)
		step_walk(l);
	else if (kind == 5 && draw(l, 20) == 0)
		step_reset(l);
	else if (!live && kind < wish)
		step_malloc(l, i);
	else if (live && kind < 30)
		step_realloc(l, i);
	else if (live && kind < 40)
		step_map(l, i);
	else if (live && kind < 50)
		step_peek(l, i);
	else if (live && kind > wish && !is_mapped(l, i))
		step_free(l, i);
}

/* ---- lives ---- */

static void choose(struct life *l)
{
	static const uint64_t most[] = {PAGES, 20, 5000, 1U << 14, 1U << 16};
	struct xv_provider *p = &l->odd.provider;

	p->ops = &odd_ops;
	p->max_pages = most[draw(l, 5)];
	p->page_shift = 12 + draw(l, 5);
	p->grain_shift = p->page_shift - draw(l, 5);
	p->window_slots = 2 + draw(l, 7);
	l->odd.order = p->max_pages <= PAGES ? draw(l, 2) : draw(l, 3);
	l->odd.fail_after = UINT32_MAX;
	xv_pool_options_init(&l->options);
	options_set_flags(&l->options, draw(l, 16));
	l->options.alignment = 4U << draw(l, 3);
	l->options.owner_ops = (l->options.flags & XV_POOL_OWNERS) != 0 ? &owner_ops : NULL;
	l->options.owner_context = l;
	l->options.lock = draw(l, 2) ? XV_LOCK_NONE : XV_LOCK_DEFAULT;
	if (p->max_pages <= PAGES && draw(l, 2) == 0) {
		l->options.memory_bytes = xv_pool_memory_bytes(p, &l->options);
		l->options.memory_bytes -= draw(l, 2) * (uint32_t)(l->options.memory_bytes / 4);
		l->options.memory = l->memory = malloc(l->options.memory_bytes);
	}
}

static void live(uint64_t seed)
{
	struct life *l = calloc(1, sizeof(*l));

	seed_now = seed;
	step_now = 0;
	l->random = seed * 0x9E3779B97F4A7C15U + 1;
	choose(l);
	if (xv_pool_create(&l->pool, &l->odd.provider, &l->options) == 0) {
		for (step_now = 1; step_now <= STEPS; step_now++) {
			step(l, step_now / 500 % 2 ? 55 : 90);
			if (step_now % 16 == 0)
				check(l);
		}
		for (uint32_t i = 0; i < OBJECTS; i++)
			if (l->objects[i].handle != 0)
				verify(l, i);
		for (uint32_t m = 0; m < MAPS; m++)
			if (l->maps[m].handle != 0)
				HOLDS(xv_unmap(l->pool, l->maps[m].handle, l->maps[m].ptr) == 0);
		xv_pool_destroy(l->pool);
	} else {
		print_message("seed %llu: no pool\n", (unsigned long long)seed);
	}
	for (uint32_t i = 0; i < PAGES; i++)
		HOLDS(l->odd.pages[i].bytes == NULL);
	HOLDS(l->odd.committed == 0 && l->odd.mapped == 0 &&
	      l->odd.provider.window_slots_taken == 0);
	free(l->memory);
	free(l);
}

static void whole_lives_go_as_their_model(void **state)
{
	(void)state;
	for (uint64_t s = 0; s < seeds; s++)
		live(first_seed + s);
}

/* Whole chunks of the table have room for more records than there are numbers of pages. */
static void objects_in_the_highest_pages_are_found(void **state)
{
	struct life *l;
	struct xv_provider *p;
	size_t size = 3 * 4096;
	int err;

	(void)state;
	if (SIZE_MAX == UINT32_MAX)
		skip(); /* no address space for such a table, nor under Valgrind */
	l = calloc(1, sizeof(*l));
	assert_non_null(l);
	p = &l->odd.provider;
	*p = (struct xv_provider){
		.ops = &odd_ops, .max_pages = XV_PAGES_MAX, .page_shift = 12, .window_slots = 4};
	l->odd.order = 1;
	l->odd.fail_after = UINT32_MAX;
	xv_pool_options_init(&l->options);
	options_set_flags(&l->options, XV_POOL_SPLIT | TEST_KEYED);
	err = xv_pool_create(&l->pool, p, &l->options);
	if (err == -XV_ENOMEM) {
		free(l);
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(xv_malloc(l->pool, size, &l->stale), 0);
	assert_int_equal(xv_handle_page(l->stale), XV_PAGES_MAX - 1);
	assert_int_equal(xv_object_size(l->pool, l->stale), size);
	pattern(wanted, 1, 0, size);
	assert_int_equal(xv_write(l->pool, l->stale, 0, wanted, size), 0);
	assert_int_equal(xv_read(l->pool, l->stale, 0, buffer, size), 0);
	assert_memory_equal(buffer, wanted, size);
	assert_int_equal(xv_free(l->pool, l->stale), 0);
	(void)xv_pool_trim(l->pool);
	for (uint32_t i = 0; i < PAGES; i++)
		assert_null(l->odd.pages[i].bytes);
	xv_pool_destroy(l->pool);
	free(l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_in_the_highest_pages_are_found),
		cmocka_unit_test(whole_lives_go_as_their_model),
	};

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		seeds = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
