/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* heap_source.c: see heap_source.h. */
#define _DEFAULT_SOURCE

#include "heap_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { RECORDS_MAX = 1 << 18 };

static unsigned char *page_at(const struct heap_source *source, uint32_t page)
{
	return source->base + ((size_t)page << source->shape.page_shift);
}

static bool fails(struct heap_source *source)
{
	return ++source->takes == source->fail_at;
}

/* A grain smaller than the system's page cannot be protected: it is only filled. */
static void protect(const struct heap_source *source, uint32_t page, uint32_t first, uint32_t count,
		    bool there)
{
	unsigned char *at = page_at(source, page) + ((size_t)first << source->shape.grain_shift);
	size_t bytes = (size_t)count << source->shape.grain_shift;

	if (source->shape.grain_shift < 12) {
		memset(at, 0xDB, bytes);
		return;
	}
	if (there) {
		assert_int_equal(mprotect(at, bytes, PROT_READ | PROT_WRITE), 0);
		memset(at, 0xDB, bytes);
	} else {
		assert_int_equal(mprotect(at, bytes, PROT_NONE), 0);
	}
}

static uint32_t grain_count(const struct heap_source *source)
{
	return 1U << (source->shape.page_shift - source->shape.grain_shift);
}

static int grains_take(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct heap_source *source = context;
	uint32_t mask = ((1U << count) - 1U) << first;

	assert_true(page < SOURCE_PAGES_MAX && source->page_taken[page]);
	assert_true(first + count <= grain_count(source));
	assert_int_equal(source->committed[page] & mask, 0);
	if (fails(source))
		return -XV_ENOMEM;
	if (source->grains + count > source->grains_most)
		return -XV_ENOSPC;
	source->grains += count;
	source->taken += count;
	source->committed[page] = (uint16_t)(source->committed[page] | mask);
	protect(source, page, first, count, true);
	return 0;
}

static void page_closed(void *context, uint32_t page, uint32_t unit, const char *message)
{
	struct heap_source *source = context;

	(void)page, (void)unit, (void)message;
	source->closed++;
}

static bool grains_give(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	struct heap_source *source = context;
	uint32_t mask = ((1U << count) - 1U) << first;

	assert_true(page < SOURCE_PAGES_MAX && source->page_taken[page]);
	assert_int_equal(source->committed[page] & mask, mask);
	if (source->refuse_give)
		return false;
	source->grains -= count;
	source->given += count;
	source->committed[page] = (uint16_t)(source->committed[page] & ~mask);
	protect(source, page, first, count, false);
	return true;
}

static int page_take(void *context, uint32_t *page)
{
	struct heap_source *source = context;
	uint32_t low = source->page_low;
	int err;

	if (fails(source))
		return -XV_ENOMEM;
	while (low < source->shape.pages_max && source->page_taken[low])
		low++;
	if (low == source->shape.pages_max)
		return -XV_ENOMEM;
	source->page_low = low;
	source->page_taken[low] = true;
	if (grain_count(source) == 1) {
		err = grains_take(source, low, 0, 1);
		if (err != 0) {
			source->page_taken[low] = false;
			return err;
		}
	}
	*page = low;
	return 0;
}

static void pages_give(void *context, uint32_t page, uint32_t count, uint64_t grains)
{
	struct heap_source *source = context;
	uint64_t found = 0;

	if (page < source->page_low)
		source->page_low = page;
	for (uint32_t i = page; i < page + count; i++) {
		assert_true(i < SOURCE_PAGES_MAX && source->page_taken[i]);
		source->page_taken[i] = false;
		for (uint32_t bits = source->committed[i]; bits != 0; bits &= bits - 1)
			found++;
		source->committed[i] = 0;
		protect(source, i, 0, grain_count(source), false);
	}
	assert_int_equal(found, grains);
	source->grains -= grains;
	source->given += grains;
}

/* Records come and go by the step, which is a page of the system: no other can be touched. */
static void records_protect(struct heap_source *source, uint32_t from, uint32_t to, int how)
{
	to += (RECORD_STEP - to % RECORD_STEP) % RECORD_STEP; /* the last one may be a part */
	assert_int_equal(from % RECORD_STEP, 0);
	assert_true(from <= to && to <= RECORDS_MAX);
	if (from != to)
		assert_int_equal(
			mprotect(source->holes + from, (to - from) * sizeof(*source->holes), how),
			0);
}

static int records_take(void *context, uint32_t count)
{
	struct heap_source *source = context;

	assert_true(count > source->records_ready);
	assert_true(count % RECORD_STEP == 0 || count == source->shape.records_most);
	if (fails(source))
		return -XV_ENOMEM;
	records_protect(source, source->records_ready, count, PROT_READ | PROT_WRITE);
	memset(source->holes + source->records_ready, 0x5A,
	       (count - source->records_ready) * sizeof(*source->holes));
	source->records_ready = count;
	return 0;
}

static void records_used(void *context, uint32_t high)
{
	struct heap_source *source = context;

	assert_true(high > source->records_high && high <= source->records_ready);
	source->records_high = high;
}

static void records_give(void *context, uint32_t high, uint32_t ready)
{
	struct heap_source *source = context;

	assert_true(high <= ready && ready <= source->records_ready);
	source->records_high = high;
	memset(source->holes + high, 0x5A, (ready - (size_t)high) * sizeof(*source->holes));
	records_protect(source, ready, source->records_ready, PROT_NONE);
	source->records_ready = ready;
}

static uint32_t *page_map(void *context, uint32_t page)
{
	struct heap_source *source = context;

	assert_true(source->page_taken[page]);
	assert_true(source->maps < 2);
	source->maps++;
	return (uint32_t *)(void *)page_at(source, page);
}

static void page_unmap(void *context, uint32_t page, uint32_t *words)
{
	struct heap_source *source = context;

	assert_ptr_equal(words, page_at(source, page));
	assert_true(source->maps != 0);
	source->maps--;
}

static const struct xvi_heap_source source_ops = {
	.page_take = page_take,
	.pages_give = pages_give,
	.grains_take = grains_take,
	.grains_give = grains_give,
	.page_closed = page_closed,
	.records_take = records_take,
	.records_used = records_used,
	.records_give = records_give,
	.page_map = page_map,
	.page_unmap = page_unmap,
};

void heap_source_open(struct heap_source *source, const struct heap_source_shape *shape,
		      struct xvi_heap_config *config)
{
	uint32_t stride = xvi_heap_page_stride(shape->page_shift, shape->alignment, shape->prove);

	memset(source, 0, sizeof(*source));
	source->shape = *shape;
	if (shape->records_most == 0)
		source->shape.records_most = RECORDS_MAX;
	if (shape->pages_max == 0)
		source->shape.pages_max = SOURCE_PAGES_MAX;
	source->grains_most = UINT64_MAX;
	source->base = mmap(NULL, (size_t)SOURCE_PAGES_MAX << shape->page_shift,
			    shape->grain_shift < 12 ? PROT_READ | PROT_WRITE : PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(source->base, MAP_FAILED);
	source->records = calloc(SOURCE_PAGES_MAX, stride);
	source->holes = mmap(NULL, RECORDS_MAX * sizeof(*source->holes),
			     shape->bounded != 0 ? PROT_READ | PROT_WRITE : PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	source->records_ready = shape->bounded;
	assert_non_null(source->records);
	assert_ptr_not_equal(source->holes, MAP_FAILED);
	*config = (struct xvi_heap_config){
		.source = &source_ops,
		.context = source,
		.base = shape->window ? NULL : source->base,
		.pages = source->records,
		.records = source->holes,
		.heads = source->heads,
		.page_shift = shape->page_shift,
		.grain_shift = shape->grain_shift,
		.alignment = shape->alignment,
		.prefix_bytes = shape->prefix_bytes,
		.key = 0x1234567,
		.records_most = shape->bounded != 0 ? shape->bounded : source->shape.records_most,
		.records_ready = shape->bounded,
		.records_bounded = shape->bounded != 0,
		.prove = shape->prove};
}

void heap_source_close(struct heap_source *source)
{
	assert_int_equal(source->grains, 0);
	assert_int_equal(source->maps, 0);
	for (uint32_t i = 0; i < SOURCE_PAGES_MAX; i++)
		assert_false(source->page_taken[i]);
	assert_int_equal(munmap(source->base, (size_t)SOURCE_PAGES_MAX << source->shape.page_shift),
			 0);
	free(source->records);
	assert_int_equal(munmap(source->holes, RECORDS_MAX * sizeof(*source->holes)), 0);
}

void heap_source_init(struct heap_source *source, const struct heap_source_shape *shape)
{
	struct xvi_heap_config config;

	heap_source_open(source, shape, &config);
	memset(&source->heap, 0xA5, sizeof(source->heap)); /* what was there does not matter */
	xvi_heap_init(&source->heap, &config);
}

void heap_source_fini(struct heap_source *source)
{
	xvi_heap_clear(&source->heap);
	heap_source_close(source);
}
