/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_table.c: page records by chunks; see page_table.h. The index of a record is its page less
 * the origin.
 */
#include "page_table.h"

enum { NEXT_RECORDS = 4096 }; /* records that are read under the lock at a time */

static size_t record_at(const struct xvi_page_table *table, uint32_t index)
{
	return table->at + (size_t)index * table->stride;
}

static bool record_is_used(const struct xvi_page_table *table, uint32_t index)
{
	return page_table_shard(table, table->origin + index) != PAGE_NOBODY;
}

/* Chunks of the head; the last one may have records too. */
static size_t head_chunks(const struct xvi_page_table *table)
{
	return meta_round(table->at, META_CHUNK_BYTES) / META_CHUNK_BYTES;
}

/* Chunks with a part of these records, without those of the head: [*from, *to). */
static void chunks_of(const struct xvi_page_table *table, uint32_t first, uint32_t count,
		      size_t *from, size_t *to)
{
	size_t head = head_chunks(table);

	XVI_ASSERT(count != 0 && first < table->most && count <= table->most - first);
	*from = record_at(table, first) / META_CHUNK_BYTES;
	*to = meta_round(record_at(table, first + count), META_CHUNK_BYTES) / META_CHUNK_BYTES;
	if (*from < head)
		*from = head;
	if (*to < *from)
		*to = *from;
}

/* Does the chunk have a part of the record of a held page? */
static bool chunk_is_used(const struct xvi_page_table *table, size_t chunk)
{
	size_t end = (chunk + 1) * META_CHUNK_BYTES;
	uint32_t covered = xvi_atomic_load(&table->covered);
	uint32_t index = (uint32_t)((chunk * META_CHUNK_BYTES - table->at) / table->stride);

	XVI_ASSERT(chunk >= head_chunks(table));
	for (; index < covered && record_at(table, index) < end; index++) {
		if (record_is_used(table, index))
			return true;
	}
	return false;
}

/* Place of a usable chunk's mark: the first byte in it that names a shard. Behind the last record
 * there may be no more than the place, which nothing else uses. */
static struct xvi_atomic8 *chunk_mark(const struct xvi_page_table *table, size_t chunk)
{
	size_t byte_at = table->at + offsetof(struct xvi_page, source);
	size_t index = (chunk * META_CHUNK_BYTES + table->stride - 1 - byte_at) / table->stride;

	XVI_ASSERT(table->stride <= META_CHUNK_BYTES);
	return page_table_byte(table, (uint32_t)index);
}

static bool chunk_is_charged(const struct xvi_page_table *table, size_t chunk)
{
	return chunk_is_used(table, chunk) ||
	       xvi_atomic8_load(chunk_mark(table, chunk)) == PAGE_STAYED;
}

/* The OS may take memory back only in units above a chunk: purge the step that begins at chunk
 * `first`, if it has no record of a held page. Marks what stays. */
static void step_purge(struct xvi_page_table *table, size_t first, int64_t *held)
{
	const size_t bytes = (size_t)META_STEP_CHUNKS * META_CHUNK_BYTES;
	uint32_t charged = 0; /* a bit for each chunk */
	int64_t discharge = 0;

	XVI_ASSERT(table->sparse && first % META_STEP_CHUNKS == 0);
	if (first < head_chunks(table) ||
	    (first + META_STEP_CHUNKS) * META_CHUNK_BYTES > table->memory->committed)
		return;
	for (uint32_t i = 0; i < META_STEP_CHUNKS; i++) {
		if (chunk_is_used(table, first + i))
			return;
		if (chunk_is_charged(table, first + i)) {
			charged |= 1U << i;
			discharge += META_CHUNK_BYTES;
		}
	}
	if (table->provider->ops->meta_purge(table->provider, table->memory->base,
					     first * META_CHUNK_BYTES, bytes) >= bytes) {
		(void)budget_change(table->budget, -discharge, 0, 0, held);
		return;
	}
	for (uint32_t i = 0; i < META_STEP_CHUNKS; i++) {
		if ((charged >> i & 1U) != 0)
			xvi_atomic8_store(chunk_mark(table, first + i), PAGE_STAYED);
	}
}

/* No record in chunks [from, to) is of a held page: purge them. Marks those that stay. */
static void chunks_purge(struct xvi_page_table *table, size_t from, size_t to, int64_t *held)
{
	size_t bytes = (to - from) * META_CHUNK_BYTES;

	XVI_ASSERT(from <= to && to * META_CHUNK_BYTES <= table->memory->committed);
	if (from == to)
		return;
	if (table->provider->ops->meta_purge(table->provider, table->memory->base,
					     from * META_CHUNK_BYTES, bytes) >= bytes) {
		(void)budget_change(table->budget, -(int64_t)bytes, 0, 0, held);
		return;
	}
	for (size_t chunk = from; chunk < to; chunk++)
		xvi_atomic8_store(chunk_mark(table, chunk), PAGE_STAYED);
	for (from -= from % META_STEP_CHUNKS; from < to; from += META_STEP_CHUNKS)
		step_purge(table, from, held);
}

/* Make records up to this one readable. */
static int cover(struct xvi_page_table *table, uint32_t index, int64_t *held)
{
	size_t step = META_CHUNK_BYTES * (table->sparse ? META_STEP_CHUNKS : 1);
	size_t bytes = meta_round(record_at(table, index + 1), step);
	size_t records;
	int64_t more;
	int err;

	XVI_ASSERT(index < table->most);
	if (index < xvi_atomic_load(&table->covered))
		return 0;
	if (bytes > table->memory->reserved) /* also whole chunks */
		bytes = table->memory->reserved;
	more = table->sparse ? 0 : (int64_t)bytes - (int64_t)table->memory->committed;
	err = budget_change(table->budget, more, 0, 0, held);
	if (err != 0)
		return err;
	err = meta_commit(table->provider, table->memory, bytes);
	if (err != 0) {
		(void)budget_change(table->budget, -more, 0, 0, held);
		return err;
	}
	records = (bytes - table->at) / table->stride;
	xvi_atomic_store_release(&table->covered,
				 records < table->most ? (uint32_t)records : table->most);
	XVI_ASSERT(index < xvi_atomic_load(&table->covered));
	return 0;
}

/* Charge the chunks of records that will be used. */
static int chunks_charge(struct xvi_page_table *table, uint32_t first, uint32_t count,
			 int64_t *held)
{
	int64_t bytes = 0;
	size_t from, to;

	if (!table->sparse)
		return 0;
	chunks_of(table, first, count, &from, &to);
	for (size_t chunk = from; chunk < to; chunk++)
		bytes += chunk_is_charged(table, chunk) ? 0 : META_CHUNK_BYTES;
	return budget_change(table->budget, bytes, 0, 0, held);
}

/* The records of the head move. There are few, in at most two chunks. */
int xvi_page_table_widen(struct xvi_page_table *table, int64_t *held)
{
	uint32_t origin = table->origin;
	uint32_t low = 0, high = table->window - 1;
	int err;

	XVI_ASSERT(xvi_lock_is_taken(&table->budget->lock));
	table->origin = table->pages == 0 ? 0 : origin;
	if (table->origin == 0)
		return 0;
	XVI_ASSERT(origin >= table->window);
	while (!record_is_used(table, low))
		low++;
	while (!record_is_used(table, high))
		high--;
	XVI_ASSERT(low <= high && high < table->window);
	err = cover(table, origin + high, held);
	if (err == 0)
		err = chunks_charge(table, origin + low, high - low + 1, held);
	if (err != 0)
		return err;
	for (uint32_t index = low; index <= high; index++) {
		unsigned char *record = table->records + (size_t)index * table->stride;

		memcpy(record + (size_t)origin * table->stride, record, table->stride);
		memset(record, 0, table->stride);
	}
	table->origin = 0;
	return 0;
}

int xvi_page_table_add(struct xvi_page_table *table, uint32_t page, uint32_t shard, int64_t *held)
{
	int err = page < table->most ? 0 : -XV_ENOMEM;

	XVI_ASSERT(xvi_lock_is_taken(&table->budget->lock));
	if (err == 0 && table->window != 0) {
		if (table->pages == 0)
			table->origin = page < table->window ? 0 : page;
		else if (page - table->origin >= table->window)
			err = xvi_page_table_widen(table, held);
	}
	if (err == 0)
		err = cover(table, page - table->origin, held);
	if (err == 0)
		err = chunks_charge(table, page - table->origin, 1, held);
	if (err != 0)
		return err;
	XVI_ASSERT(!record_is_used(table, page - table->origin) && shard + 1 < PAGE_STAYED);
	xvi_atomic8_store(page_table_byte(table, page - table->origin), (uint8_t)(shard + 1));
	table->pages++;
	return 0;
}

void xvi_page_table_remove(struct xvi_page_table *table, uint32_t first, uint32_t count,
			   int64_t *held)
{
	size_t from, to;

	XVI_ASSERT(xvi_lock_is_taken(&table->budget->lock));
	XVI_ASSERT(first >= table->origin && count != 0 && count <= table->pages);
	first -= table->origin;
	for (uint32_t index = first; index < first + count; index++) {
		XVI_ASSERT(record_is_used(table, index));
		xvi_atomic8_store(page_table_byte(table, index), PAGE_NOBODY);
	}
	table->pages -= count;
	if (table->sparse) {
		chunks_of(table, first, count, &from, &to);
		/* Only the chunks at both ends may have records of other pages. */
		if (from < to && chunk_is_used(table, from))
			from++;
		if (from < to && chunk_is_used(table, to - 1))
			to--;
		chunks_purge(table, from, to, held);
	}
}

bool xvi_page_table_next(struct xvi_page_table *table, uint32_t *page)
{
	uint32_t index, covered, end;

	xvi_lock_acquire(&table->budget->lock);
	index = *page > table->origin ? *page - table->origin : 0;
	covered = xvi_atomic_load(&table->covered);
	end = index < covered && covered - index > NEXT_RECORDS ? index + NEXT_RECORDS : covered;
	while (index < end && !record_is_used(table, index))
		index++;
	*page = table->origin + index;
	xvi_lock_release(&table->budget->lock);
	return index < covered;
}

uint64_t xvi_page_table_charged(struct xvi_page_table *table)
{
	uint64_t bytes = 0;

	if (table->memory == NULL)
		return 0;
	if (!table->sparse)
		return table->memory->committed - (uint64_t)head_chunks(table) * META_CHUNK_BYTES;
	for (size_t chunk = head_chunks(table); chunk < table->memory->committed / META_CHUNK_BYTES;
	     chunk++)
		bytes += chunk_is_charged(table, chunk) ? META_CHUNK_BYTES : 0;
	return bytes;
}
