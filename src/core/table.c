/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* Page table and hole table. See table.h. */
#include "table.h"

#include "free_list.h"

enum { HOLES_PER_GROWTH = 32 };

int xvi_table_reserve(struct xv_provider *provider, struct xvi_table *table, size_t max_bytes)
{
	void *base = provider->ops->meta_reserve(provider, max_bytes);

	if (base == NULL)
		return -XV_ENOMEM;
	table->base = base;
	table->reserved_bytes = max_bytes;
	table->committed_bytes = 0;
	table->owned = true;
	return 0;
}

int xvi_table_commit(struct xv_provider *provider, struct xvi_table *table, size_t new_bytes)
{
	int err;

	if (!table->owned) {
		if (new_bytes > table->committed_bytes)
			memset((char *)table->base + table->committed_bytes, 0,
			       new_bytes - table->committed_bytes);
		table->committed_bytes = new_bytes;
		return 0;
	}
	err = provider->ops->meta_commit(provider, table->base, table->committed_bytes, new_bytes);
	if (err == 0)
		table->committed_bytes = new_bytes;
	return err;
}

void xvi_table_release(struct xv_provider *provider, struct xvi_table *table)
{
	if (table->owned)
		provider->ops->meta_release(provider, table->base, table->reserved_bytes,
					    table->committed_bytes);
	table->owned = false;
}

size_t xvi_table_step(const struct xvi_table *table, size_t bytes)
{
	size_t rounded = (bytes + TABLE_STEP_BYTES - 1) / TABLE_STEP_BYTES * TABLE_STEP_BYTES;

	return rounded < table->reserved_bytes ? rounded : table->reserved_bytes;
}

/* Count what a table is to grow by. False where it would pass the pool's limit. */
static bool growth_allowed(struct xv_pool *pool, size_t more_bytes)
{
	if (pool->shared != NULL)
		return xvi_shared_hold(pool->shared, pool->provider, more_bytes, true) == 0;
	return pool->limit_bytes == 0 || xvi_held_bytes(pool) + more_bytes <= pool->limit_bytes;
}

/* A table did not grow after all, or has shrunk. */
static void growth_over(struct xv_pool *pool, size_t bytes)
{
	if (pool->shared != NULL)
		xvi_shared_release(pool->shared, bytes);
}

int xvi_page_table_cover(struct xv_pool *pool, uint32_t page)
{
	struct xvi_page_table *pages = &pool->pages;
	size_t bytes;
	int err;

	if (pool->shared != NULL)
		return xvi_shared_cover(pool, page);
	if (XVI_LIKELY(page < pages->capacity))
		return 0;
	if (page >= pages->capacity_max)
		return -XV_ENOMEM;
	bytes = xvi_table_step(&pages->memory, ((size_t)page + 1) * sizeof(struct xvi_page));
	if (!growth_allowed(pool, bytes - pages->memory.committed_bytes))
		return -XV_ENOSPC;
	err = xvi_table_commit(pool->provider, &pages->memory, bytes);
	if (err != 0)
		return err;
	pages->capacity = (uint32_t)(bytes / sizeof(struct xvi_page));
	xvi_note_held(pool);
	return 0;
}

size_t xvi_page_table_trim(struct xv_pool *pool)
{
	struct xvi_page_table *pages = &pool->pages;
	size_t old_bytes = pages->memory.committed_bytes;
	uint32_t used = pages->capacity;
	size_t bytes;

	/* Of several shards the page table is trimmed when all are locked. */
	if (!pages->memory.owned || pool->shared != NULL)
		return 0;
	while (used > 0 && xvi_page_state(&pages->records[used - 1]) == PAGE_NONE)
		used--;
	bytes = xvi_table_step(&pages->memory, used * sizeof(struct xvi_page));
	if (bytes >= old_bytes)
		return 0;
	if (xvi_table_commit(pool->provider, &pages->memory, bytes) != 0)
		return 0;
	pages->capacity = (uint32_t)(bytes / sizeof(struct xvi_page));
	return old_bytes - bytes;
}

/* Put records [from, to) on the list of free records, lowest in front. */
static void hole_table_chain(struct xvi_hole_table *holes, uint32_t from, uint32_t to)
{
	for (uint32_t i = to; i-- > from;) {
		holes->records[i].units = 0;
		holes->records[i].prev = 0;
		holes->records[i].next = holes->free_head;
		holes->records[holes->free_head].prev = i;
		holes->free_head = i;
	}
}

bool xvi_hole_table_grow(struct xv_pool *pool)
{
	struct xvi_hole_table *holes = &pool->holes;
	uint32_t old = holes->capacity == 0 ? 1 : holes->capacity;
	size_t used = holes->capacity * sizeof(struct xvi_hole);
	size_t bytes = xvi_table_step(&holes->memory, used + sizeof(struct xvi_hole));
	size_t more = bytes - holes->memory.committed_bytes;
	uint32_t capacity = (uint32_t)(bytes / sizeof(struct xvi_hole));

	/* A few at a time, so that no call pays for chaining a step's worth. */
	if (capacity > old + HOLES_PER_GROWTH)
		capacity = old + HOLES_PER_GROWTH;
	if (capacity > holes->capacity_max)
		capacity = holes->capacity_max;
	if (capacity <= old)
		return false;
	if (more != 0) {
		if (holes->memory.owned && !growth_allowed(pool, more))
			return false;
		if (xvi_table_commit(pool->provider, &holes->memory, bytes) != 0) {
			growth_over(pool, more);
			return false;
		}
	}
	holes->capacity = capacity;
	hole_table_chain(holes, old, capacity);
	xvi_note_held(pool);
	return true;
}

/* Write the word of a hole at both of its ends. */
static void hole_write_words(const struct xv_pool *pool, uint32_t *words,
			     const struct xvi_hole *hole, uint32_t index)
{
	uint32_t word = block_free_word(FREE_LISTED, index);
	uint32_t end = (uint32_t)hole->first_unit + hole->units;

	words[hole->first_unit] = word;
	if (end < pool->end_unit)
		words[end - 1] = word;
}

/* Take a free record out of the list of free ones. */
static void hole_unchain(struct xvi_hole_table *holes, uint32_t index)
{
	struct xvi_hole *hole = &holes->records[index];

	if (hole->prev != 0)
		holes->records[hole->prev].next = hole->next;
	else
		holes->free_head = hole->next;
	holes->records[hole->next].prev = hole->prev;
}

/* Let record `to`, free, take the place of record `from`. */
static bool hole_move(struct xv_pool *pool, uint32_t from, uint32_t to)
{
	struct xvi_hole *records = pool->holes.records;
	uint32_t page = records[from].page;
	uint32_t *words = xvi_page_map(pool, page);

	if (words == NULL)
		return false;
	hole_unchain(&pool->holes, to);
	free_list_remove(pool, from);
	records[to].page = page;
	records[to].first_unit = records[from].first_unit;
	records[to].units = records[from].units;
	free_list_insert(pool, to);
	if (pool->pages.records[page].used_units != 0)
		hole_write_words(pool, words, &records[to], to);
	records[from].units = 0;
	xvi_page_unmap(pool, page, words);
	return true;
}

/* Clear records [from, to): unchain the free ones, then move the used ones below. */
static bool hole_table_clear(struct xv_pool *pool, uint32_t from, uint32_t to)
{
	struct xvi_hole_table *holes = &pool->holes;

	for (uint32_t i = from; i < to; i++) {
		if (holes->records[i].units == 0)
			hole_unchain(holes, i);
	}
	for (uint32_t i = from; i < to; i++) {
		uint32_t low = holes->free_head;

		if (holes->records[i].units == 0)
			continue;
		if (!hole_move(pool, i, low))
			return false;
	}
	return true;
}

/* Chain the free records of [from, to) again, after a clearing that stopped half way. */
static void hole_table_restore(struct xvi_hole_table *holes, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (holes->records[i].units == 0)
			hole_table_chain(holes, i, i + 1);
	}
}

size_t xvi_hole_table_shrink(struct xv_pool *pool, uint32_t spare)
{
	struct xvi_hole_table *holes = &pool->holes;
	size_t old_bytes = holes->memory.committed_bytes;
	uint32_t low;

	if (!holes->memory.owned || old_bytes <= TABLE_STEP_BYTES)
		return 0;
	low = (uint32_t)((old_bytes - 1) / TABLE_STEP_BYTES * TABLE_STEP_BYTES /
			 sizeof(struct xvi_hole));
	if (holes->live + 1 + spare > low)
		return 0;
	if (!hole_table_clear(pool, low, holes->capacity)) {
		hole_table_restore(holes, low, holes->capacity);
		return 0;
	}
	if (xvi_table_commit(pool->provider, &holes->memory, low * sizeof(struct xvi_hole)) != 0) {
		hole_table_restore(holes, low, holes->capacity);
		return 0;
	}
	if (holes->capacity > low)
		holes->capacity = low;
	growth_over(pool, old_bytes - holes->memory.committed_bytes);
	return old_bytes - holes->memory.committed_bytes;
}
