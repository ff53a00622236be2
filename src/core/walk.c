/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Visiting every object. The blocks of a page are noted in a bitmap first; each is
 * then looked at again, under the lock, before it is shown, so that the visitor may
 * change the pool. Owns nothing; calls handle.c. O(pages + objects).
 */
#include "shard.h"

enum {
	UNITS_MAX = (1 << XV_PAGE_SHIFT_MAX) / UNIT_BYTES,
	BITMAP_WORDS = UNITS_MAX / 64,
};

/* Units where a used block of the page begins. */
struct block_map {
	uint64_t bits[BITMAP_WORDS];
};

static void note_blocks(const struct xv_pool *pool, const uint32_t *words, struct block_map *map)
{
	uint32_t at = pool->first_unit;

	while (at < pool->end_unit) {
		uint32_t units = xvi_any_units(pool, words[at]);

		if (units == 0)
			return;
		if (!block_is_free(words[at]) && block_kind_is_head(block_kind(words[at])))
			map->bits[at / 64] |= (uint64_t)1 << (at % 64);
		at += units;
	}
}

/* Note what is in a page; *whole says that it is one object. Under the lock. */
static int note_page(struct xv_pool *pool, uint32_t page, struct block_map *map, bool *whole)
{
	const struct xvi_page *record = &pool->pages.records[page];
	uint32_t state = xvi_own_page_state(pool, page);
	uint32_t *words;

	*whole = state == PAGE_WHOLE;
	if (state != PAGE_BLOCKS || record->used_units == 0)
		return 0;
	words = xvi_page_map(pool, page);
	if (words == NULL)
		return -XV_EAGAIN;
	note_blocks(pool, words, map);
	xvi_page_unmap(pool, page, words);
	return 0;
}

/* The object at this offset, if it is still one: else *handle stays XV_NULL_HANDLE. */
static int object_at(struct xv_pool *pool, uint32_t page, uint32_t offset, xv_handle *handle,
		     size_t *size)
{
	struct xvi_location where;
	uint64_t bad_handles;
	int err;

	pool = xvi_enter_page(pool, page);
	bad_handles = pool->bad_handles;
	err = xvi_locate(pool, xv_handle_at(page, offset), TRUST_HANDLE, &where);
	if (err == 0) {
		err = xvi_object_bytes(pool, &where, size);
		if (err == 0)
			*handle = xvi_location_handle(pool, &where);
		if (*handle == pool->doomed)
			*handle = XV_NULL_HANDLE;
		xvi_locate_end(pool, &where);
	}
	/* An object that went meanwhile is not a caller's bad handle. */
	pool->bad_handles = bad_handles;
	xvi_leave(pool);
	return err == -XV_EINVAL ? 0 : err;
}

static int visit_at(struct xv_pool *pool, uint32_t page, uint32_t offset,
		    int (*visit)(void *context, xv_handle handle, size_t size), void *context)
{
	xv_handle handle = XV_NULL_HANDLE;
	size_t size = 0;
	int err = object_at(pool, page, offset, &handle, &size);

	return err != 0 || handle == XV_NULL_HANDLE ? err : visit(context, handle, size);
}

static int visit_page(struct xv_pool *pool, uint32_t page, struct block_map *map,
		      int (*visit)(void *context, xv_handle handle, size_t size), void *context)
{
	int result = 0;

	for (uint32_t i = 0; i < pool->page_bytes / UNIT_BYTES / 64; i++) {
		while (map->bits[i] != 0 && result == 0) {
			uint32_t unit = i * 64 + xvi_ctz64(map->bits[i]);

			map->bits[i] &= map->bits[i] - 1;
			result = visit_at(pool, page, unit * UNIT_BYTES + pool->prefix_bytes, visit,
					  context);
		}
		map->bits[i] = 0;
	}
	return result;
}

int xv_pool_walk(struct xv_pool *pool, int (*visit)(void *context, xv_handle handle, size_t size),
		 void *context)
{
	struct block_map map = {{0}};
	int result = 0;

	if (pool == NULL || visit == NULL)
		return -XV_EINVAL;
	/* What was freed before is not visited: frees that wait are done now. */
	xvi_enter_all(pool);
	xvi_leave_all(pool);
	for (uint32_t page = 0; result == 0; page++) {
		struct xv_pool *shard;
		bool whole = false;
		bool past_end;

		shard = xvi_enter_page(pool, page);
		past_end = page >= xvi_pages_end(pool);
		if (!past_end)
			result = note_page(shard, page, &map, &whole);
		xvi_leave(shard);
		if (past_end || result != 0)
			break;
		result = whole ? visit_at(pool, page, 0, visit, context)
			       : visit_page(pool, page, &map, visit, context);
	}
	return result;
}
