/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* page_table.c: records of pages by chunks; see page_table.h. */
#include "page_table.h"

static size_t record_at(const struct xvi_page_table *table, uint32_t page)
{
	return table->at + (size_t)page * table->stride;
}

/* Chunks of the head, the last of which may have records too. */
static size_t head_chunks(const struct xvi_page_table *table)
{
	return meta_round(table->at, META_CHUNK_BYTES) / META_CHUNK_BYTES;
}

/* Chunks that have a part of these pages' records, the head's left out: [*from, *to). */
static void chunks_of(const struct xvi_page_table *table, uint32_t first, uint32_t count,
		      size_t *from, size_t *to)
{
	size_t head = head_chunks(table);

	*from = record_at(table, first) / META_CHUNK_BYTES;
	*to = meta_round(record_at(table, first + count), META_CHUNK_BYTES) / META_CHUNK_BYTES;
	if (*from < head)
		*from = head;
	if (*to < *from)
		*to = *from;
}

/* Is there a page whose record lies in the chunk, or in part? With `kept`, a mark that says that
 * the chunk is charged counts as one. */
static bool chunk_is_used(const struct xvi_page_table *table, size_t chunk, bool kept)
{
	size_t begin = chunk * META_CHUNK_BYTES;
	size_t end = begin + META_CHUNK_BYTES;
	uint32_t covered = xvi_atomic_load(&table->covered);
	uint32_t page = (uint32_t)((begin - table->at) / table->stride);

	for (; page < covered && record_at(table, page) < end; page++) {
		uint32_t owner = xvi_atomic8_load(page_table_byte(table, page));
		size_t byte = record_at(table, page) + offsetof(struct xvi_page, source);

		if (owner != PAGE_NOBODY && owner != PAGE_KEPT)
			return true;
		if (kept && owner == PAGE_KEPT && byte >= begin && byte < end)
			return true;
	}
	return false;
}

/* The chunk has no page's record any more. */
static void chunk_purge(struct xvi_page_table *table, size_t chunk)
{
	size_t begin = chunk * META_CHUNK_BYTES;
	uint32_t page = (uint32_t)((begin - table->at) / table->stride);

	while (record_at(table, page) + offsetof(struct xvi_page, source) < begin)
		page++;
	if (table->provider->ops->meta_purge(table->provider, table->memory->base, begin,
					     META_CHUNK_BYTES) >= META_CHUNK_BYTES)
		xvi_budget_give(table->budget, META_CHUNK_BYTES);
	else if (page < xvi_atomic_load(&table->covered))
		xvi_atomic8_store(page_table_byte(table, page), PAGE_KEPT);
}

/* Charge the chunks of a page that is to be added. */
static int chunks_charge(struct xvi_page_table *table, uint32_t page)
{
	size_t from, to;
	uint64_t bytes = 0;

	chunks_of(table, page, 1, &from, &to);
	for (size_t chunk = from; chunk < to; chunk++)
		bytes += chunk_is_used(table, chunk, true) ? 0 : META_CHUNK_BYTES;
	return bytes != 0 ? xvi_budget_take(table->budget, bytes) : 0;
}

/* Make records up to this page's usable. */
static int cover(struct xvi_page_table *table, uint32_t page)
{
	size_t step = META_CHUNK_BYTES * (table->sparse ? META_STEP_CHUNKS : 1);
	size_t bytes = meta_round(record_at(table, page + 1), step);
	size_t more;
	int err;

	if (bytes > table->memory->reserved) /* whole chunks, too */
		bytes = table->memory->reserved;
	more = bytes - table->memory->committed;
	err = table->sparse ? 0 : xvi_budget_take(table->budget, more);
	if (err != 0)
		return err;
	err = meta_commit(table->provider, table->memory, bytes);
	if (err != 0 && !table->sparse)
		xvi_budget_give(table->budget, more);
	if (err == 0)
		xvi_atomic_store_release(&table->covered,
					 (uint32_t)((bytes - table->at) / table->stride));
	return err;
}

int xvi_page_table_add(struct xvi_page_table *table, uint32_t page, uint32_t shard)
{
	int err = 0;

	if (page >= table->most)
		return -XV_ENOMEM;
	xvi_lock_acquire(&table->lock);
	if (page >= xvi_atomic_load(&table->covered))
		err = cover(table, page);
	if (err == 0 && table->sparse)
		err = chunks_charge(table, page);
	if (err == 0)
		xvi_atomic8_store(page_table_byte(table, page), (uint8_t)(shard + 1));
	xvi_lock_release(&table->lock);
	return err;
}

void xvi_page_table_remove(struct xvi_page_table *table, uint32_t first, uint32_t count)
{
	size_t from, to;

	xvi_lock_acquire(&table->lock);
	for (uint32_t page = first; page < first + count; page++)
		xvi_atomic8_store(page_table_byte(table, page), PAGE_NOBODY);
	if (table->sparse) {
		chunks_of(table, first, count, &from, &to);
		for (size_t chunk = from; chunk < to; chunk++) {
			if (!chunk_is_used(table, chunk, false))
				chunk_purge(table, chunk);
		}
	}
	xvi_lock_release(&table->lock);
}

uint64_t xvi_page_table_charged(struct xvi_page_table *table)
{
	uint64_t bytes = 0;

	if (table->memory == NULL)
		return 0;
	if (!table->sparse)
		return table->memory->committed -
		       (uint64_t)head_chunks(table) * META_CHUNK_BYTES;
	for (size_t chunk = head_chunks(table);
	     chunk < table->memory->committed / META_CHUNK_BYTES; chunk++)
		bytes += chunk_is_used(table, chunk, true) ? META_CHUNK_BYTES : 0;
	return bytes;
}
