/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ids.c: the memory of rows, the queue of free rows, the calls on ids, and what compaction asks the
 * table. O(1), plus the pool. See table_impl.h.
 */
#include "table_impl.h"
#include "xvi_mem.h"

/* ---- the queue of free rows: under the table's lock ---- */

static void queue_put_last(struct xv_handle_table *table, uint32_t index)
{
	XVI_ASSERT(index != 0 && row_kind(table, index) == ROW_FREE);
	XVI_ASSERT((table->last_free == 0) == (table->free_rows == 0)); /* 102 */
	table->handles[index] = 0;
	table->handles[table->last_free] = index;
	table->last_free = index;
	table->free_rows++;
}

static uint32_t queue_take_first(struct xv_handle_table *table)
{
	xv_handle *handles = table->handles;
	uint32_t index = (uint32_t)handles[0];

	XVI_ASSERT(xvi_lock_is_taken(&table->lock) && table->free_rows != 0);
	XVI_ASSERT(index != 0 && row_kind(table, index) == ROW_FREE);
	handles[0] = handles[index];
	if (handles[0] == 0)
		table->last_free = 0;
	table->free_rows--;
	XVI_ASSERT((table->last_free == 0) == (table->free_rows == 0)); /* 102 */
	return index;
}

/* ---- memory and limit: under the table's lock ---- */

void xvi_ids_limit_pool(struct xv_handle_table *table, size_t more)
{
	uint64_t table_bytes = xvi_ids_table_held_bytes(table) + more;
	uint64_t limit = table->limit_bytes;

	if (limit != 0)
		limit = limit > table_bytes ? limit - table_bytes : 1; /* 0 would mean no limit */
	xv_pool_set_limit(table->pool, limit);
}

/* Get memory for this many rows. On error nothing has changed. */
static int commit(struct xv_handle_table *table, uint32_t rows)
{
	size_t old_states = table->state_memory.committed;
	size_t states =
		xvi_ids_table_bytes(rows) > old_states ? xvi_ids_table_bytes(rows) : old_states;
	size_t handles = (size_t)rows * sizeof(xv_handle);
	struct xv_pool_stats stats;
	int err = 0;

	XVI_ASSERT(rows > row_count(table) && rows <= table->max_ids + 1);
	XVI_ASSERT(states + handles >= xvi_ids_table_held_bytes(table));
	/* The pool must not grow into what the table is about to take. */
	xvi_ids_limit_pool(table, states + handles - xvi_ids_table_held_bytes(table));
	xv_pool_get_stats(table->pool, &stats);
	if (table->limit_bytes != 0 && stats.held_bytes + states + handles > table->limit_bytes)
		err = -XV_ENOSPC;
	if (err == 0)
		err = meta_commit(table->provider, &table->state_memory, states);
	if (err == 0)
		err = meta_commit(table->provider, &table->handle_memory, handles);
	if (err != 0) {
		/* Shrinking cannot fail. */
		(void)meta_commit(table->provider, &table->state_memory, old_states);
		xvi_ids_limit_pool(table, 0);
	}
	return err;
}

/* States that become usable are zero, which is ROW_FREE; those of trimmed rows are still
 * ROW_FREE. */
int xvi_ids_grow(struct xv_handle_table *table)
{
	uint32_t from = row_count(table);
	uint32_t to = (from / GROWTH_ROWS + 1) * GROWTH_ROWS;
	int err;

	if (from > table->max_ids)
		return -XV_ENOSPC;
	if (to > table->max_ids + 1)
		to = table->max_ids + 1;
	err = commit(table, to);
	if (err != 0)
		return err;
	for (uint32_t i = from; i < to; i++)
		queue_put_last(table, i);
	xvi_atomic_store_release(&table->count, to);
	return 0;
}

/* No other call runs: the lock is not needed. */
void xvi_ids_trim(struct xv_handle_table *table)
{
	uint32_t keep = row_count(table);
	uint64_t at = table->handles[0];

	while (keep > 1 && row_kind(table, keep - 1) == ROW_FREE)
		keep--;
	keep = (keep + GROWTH_ROWS - 1) / GROWTH_ROWS * GROWTH_ROWS;
	if (keep >= row_count(table))
		return;
	table->handles[0] = 0;
	table->last_free = 0;
	table->free_rows = 0;
	while (at != 0) {
		uint64_t next = table->handles[at];

		if (at < keep)
			queue_put_last(table, (uint32_t)at);
		at = next;
	}
	xvi_atomic_store(&table->count, keep);
	(void)meta_commit(table->provider, &table->handle_memory, (size_t)keep * sizeof(xv_handle));
	xvi_ids_limit_pool(table, 0);
}

/* ---- rows out of the queue and back ---- */

/* Take the row that has been free longest; it becomes ROW_TAKEN. Errors as xvi_ids_grow. */
static int row_take(struct xv_handle_table *table, uint32_t *index)
{
	int err = 0;

	xvi_ids_enter(table);
	if (table->free_rows <= XV_IDS_WAITING)
		err = xvi_ids_grow(table);
	if (table->free_rows != 0) {
		*index = queue_take_first(table);
		row_settle(table, *index, row_load(table, *index) | ROW_TAKEN);
		err = 0;
	}
	xvi_lock_release(&table->lock);
	return err;
}

/* Queue a row that only the caller has. */
static void row_give(struct xv_handle_table *table, uint32_t index)
{
	uint32_t generation = row_load(table, index) & ROW_GENERATION_MASK;

	XVI_ASSERT((row_load(table, index) & ROW_CALLS_MASK) == 0);
	XVI_ASSERT((row_load(table, index) & ROW_LOCKED) != 0 ||
		   row_kind(table, index) == ROW_TAKEN);
	xvi_lock_acquire(&table->lock);
	row_settle(table, index, generation | ROW_FREE);
	queue_put_last(table, index);
	xvi_lock_release(&table->lock);
}

/* ---- what compaction asks: under the pool's lock ---- */

static int table_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct xv_handle_table *table = context;
	bool known;

	if (!row_try_lock(table, owner))
		return -XV_EBUSY;
	known = table->handles[owner] == from;
	if (known)
		table->handles[owner] = to;
	row_leave(table, owner, ROW_LOCKED);
	return known ? 0 : -XV_EINVAL;
}

const struct xv_owner_ops xvi_ids_owner_ops = {
	.relocated = table_relocated,
};

/* ---- making and freeing ---- */

/* Enter the row of a live id, *index; counts refusals. */
static int enter(struct xv_handle_table *table, xv_id id, uint32_t how, uint32_t *index)
{
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	*index = row_index(table, id);
	err = row_enter(table, id, how, ROW_KIND_MASK);
	if (err == -XV_EINVAL) {
		xvi_lock_acquire(&table->lock);
		table->bad_ids++;
		xvi_lock_release(&table->lock);
	}
	return err;
}

int xv_id_malloc(struct xv_handle_table *table, size_t size, xv_id *id)
{
	xv_handle handle;
	uint32_t index = 0;
	uint32_t state;
	int err;

	if (table == NULL || id == NULL || size == 0)
		return -XV_EINVAL;
	if (size > xv_pool_max_size(table->pool))
		return -XV_E2BIG;
	err = row_take(table, &index);
	if (err != 0)
		return err;
	XVI_ASSERT(index != 0 && row_kind(table, index) == ROW_TAKEN);
	err = xv_malloc_owned(table->pool, size, index, &handle);
	if (err != 0) {
		row_give(table, index);
		return err;
	}
	state = (row_load(table, index) & ROW_GENERATION_MASK) + ROW_GENERATION_ONE + ROW_USED;
	table->handles[index] = handle;
	*id = row_id(table, index, state);
	row_settle(table, index, state);
	return 0;
}

/* Free the object of a locked row without maps, and the row. Returns 0, or -XV_EBADMSG when the
 * page of the object is closed: the row is then as it was. The handle is good otherwise. */
static int free_object(struct xv_handle_table *table, uint32_t index)
{
	int err = xv_free(table->pool, table->handles[index]);

	XVI_ASSERT(err == 0 || err == -XV_EBADMSG);
	if (err == 0)
		row_give(table, index);
	return err;
}

int xv_id_free(struct xv_handle_table *table, xv_id id)
{
	uint32_t index, state;
	int err = enter(table, id, ROW_LOCKED, &index);

	if (err != 0)
		return err;
	state = row_load(table, index) - ROW_LOCKED;
	if ((state & ROW_MAPS_MASK) == 0)
		err = free_object(table, index);
	else
		row_settle(table, index, state | ROW_FREED);
	if (err != 0)
		row_leave(table, index, ROW_LOCKED);
	return err;
}

int xv_id_realloc(struct xv_handle_table *table, xv_id id, size_t size)
{
	uint32_t index;
	int err = enter(table, id, ROW_LOCKED, &index);

	if (err != 0)
		return err;
	err = (row_load(table, index) & ROW_MAPS_MASK) != 0
		      ? -XV_EBUSY
		      : xv_realloc(table->pool, &table->handles[index], size);
	row_leave(table, index, ROW_LOCKED);
	return err;
}

/* ---- looking into an object ---- */

/* Leave the row that a call entered, and return its result. */
static int leave(struct xv_handle_table *table, uint32_t index, int result)
{
	row_leave(table, index, ROW_CALL);
	return result;
}

int xv_id_size(struct xv_handle_table *table, xv_id id)
{
	uint32_t index;
	int err = enter(table, id, ROW_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index, xv_object_size(table->pool, table->handles[index]));
}

int xv_id_read(struct xv_handle_table *table, xv_id id, size_t offset, void *buffer, size_t length)
{
	uint32_t index;
	int err = enter(table, id, ROW_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index,
		     xv_read(table->pool, table->handles[index], offset, buffer, length));
}

int xv_id_write(struct xv_handle_table *table, xv_id id, size_t offset, const void *buffer,
		size_t length)
{
	uint32_t index;
	int err = enter(table, id, ROW_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index,
		     xv_write(table->pool, table->handles[index], offset, buffer, length));
}

/* The object stays where it is while the call is counted in its row. */
int xv_id_read_whole(struct xv_handle_table *table, xv_id id, void *buffer, size_t buffer_bytes)
{
	const void *ptr = NULL;
	uint32_t index;
	int size = enter(table, id, ROW_CALL, &index);

	if (size != 0)
		return size;
	size = xv_peek(table->pool, table->handles[index], buffer, buffer_bytes, &ptr);
	if (size > 0 && (size_t)size > buffer_bytes)
		size = -XV_ERANGE;
	if (size > 0 && ptr != buffer)
		memcpy(buffer, ptr, (size_t)size);
	return leave(table, index, size);
}

int xv_id_map(struct xv_handle_table *table, xv_id id, struct xv_id_mapping *mapping)
{
	void *ptr;
	uint32_t index;
	int err;

	if (mapping == NULL)
		return -XV_EINVAL;
	err = enter(table, id, ROW_CALL + ROW_MAP, &index);
	if (err != 0)
		return err;
	err = xv_map(table->pool, table->handles[index], &ptr);
	row_leave(table, index, err == 0 ? ROW_CALL : ROW_CALL + ROW_MAP);
	if (err == 0) {
		mapping->ptr = ptr;
		mapping->id = id;
	}
	return err;
}

int xv_id_unmap(struct xv_handle_table *table, const struct xv_id_mapping *mapping)
{
	uint32_t index, state;
	int err = -XV_EINVAL;

	if (table == NULL || mapping == NULL ||
	    row_enter(table, mapping->id, ROW_LOCKED, ROW_OBJECT_MASK) != 0)
		return -XV_EINVAL;
	index = row_index(table, mapping->id);
	state = row_load(table, index) - ROW_LOCKED;
	if ((state & ROW_MAPS_MASK) != 0)
		err = xv_unmap(table->pool, table->handles[index], mapping->ptr);
	if (err == 0)
		state -= ROW_MAP;
	if ((state & (ROW_MAPS_MASK | ROW_KIND_MASK)) != ROW_FREED)
		row_settle(table, index, state);
	else if (free_object(table, index) != 0)
		row_give(table, index); /* the object is lost with its page */
	return err;
}
