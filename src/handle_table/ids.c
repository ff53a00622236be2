/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The calls on ids, and what compaction asks of the table. Who may touch a slot when is told
 * in slot.h. The owner callbacks run under the pool's lock and wait for nothing. O(1) apart
 * from the pool.
 */
#include "table_impl.h"

/* ---- what compaction asks: under the pool's lock ---- */

static int table_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	const struct xv_handle_table *table = context;
	bool known;

	if (!slot_try_lock(&table->slots, owner))
		return -XV_EBUSY;
	known = table->slots.handles[owner] == from;
	if (known)
		table->slots.handles[owner] = to;
	slot_leave(&table->slots, owner, SLOT_LOCKED);
	return known ? 0 : -XV_EINVAL;
}

const struct xv_owner_ops xvi_ids_owner_ops = {
	.relocated = table_relocated,
};

/* ---- making and freeing ---- */

/* Enter the slot of a live id, *index; refusals are counted. */
static int enter(struct xv_handle_table *table, xv_id id, uint32_t how, uint32_t *index)
{
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	*index = slot_index(&table->slots, id);
	err = slot_enter(&table->slots, id, how, SLOT_KIND_MASK);
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
	err = xvi_ids_take(table, &index);
	if (err != 0)
		return err;
	err = xv_malloc_owned(table->pool, size, index, &handle);
	if (err != 0) {
		xvi_ids_give(table, index);
		return err;
	}
	state = (slot_load(&table->slots, index) & SLOT_GENERATION_MASK) + SLOT_GENERATION_ONE +
		SLOT_USED;
	table->slots.handles[index] = handle;
	*id = slot_id(&table->slots, index, state);
	slot_settle(&table->slots, index, state);
	return 0;
}

/* Free the object of a locked slot without maps. */
static void free_object(struct xv_handle_table *table, uint32_t index)
{
	int err = xv_free(table->pool, table->slots.handles[index]);

	XVI_ASSERT(err == 0);
	(void)err; /* the handle is good */
	xvi_ids_give(table, index);
}

int xv_id_free(struct xv_handle_table *table, xv_id id)
{
	uint32_t index, state;
	int err = enter(table, id, SLOT_LOCKED, &index);

	if (err != 0)
		return err;
	state = slot_load(&table->slots, index) - SLOT_LOCKED;
	if ((state & SLOT_MAPS_MASK) == 0)
		free_object(table, index);
	else
		slot_settle(&table->slots, index, state | SLOT_FREED);
	return 0;
}

int xv_id_realloc(struct xv_handle_table *table, xv_id id, size_t size)
{
	uint32_t index;
	int err = enter(table, id, SLOT_LOCKED, &index);

	if (err != 0)
		return err;
	err = (slot_load(&table->slots, index) & SLOT_MAPS_MASK) != 0
		      ? -XV_EBUSY
		      : xv_realloc(table->pool, &table->slots.handles[index], size);
	slot_leave(&table->slots, index, SLOT_LOCKED);
	return err;
}

/* ---- looking into an object ---- */

/* What a call on an entered slot returns. */
static int leave(struct xv_handle_table *table, uint32_t index, int result)
{
	slot_leave(&table->slots, index, SLOT_CALL);
	return result;
}

int xv_id_size(struct xv_handle_table *table, xv_id id)
{
	uint32_t index;
	int err = enter(table, id, SLOT_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index, xv_object_size(table->pool, table->slots.handles[index]));
}

int xv_id_read(struct xv_handle_table *table, xv_id id, size_t offset, void *buffer, size_t length)
{
	uint32_t index;
	int err = enter(table, id, SLOT_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index,
		     xv_read(table->pool, table->slots.handles[index], offset, buffer, length));
}

int xv_id_write(struct xv_handle_table *table, xv_id id, size_t offset, const void *buffer,
		size_t length)
{
	uint32_t index;
	int err = enter(table, id, SLOT_CALL, &index);

	if (err != 0)
		return err;
	return leave(table, index,
		     xv_write(table->pool, table->slots.handles[index], offset, buffer, length));
}

int xv_id_map(struct xv_handle_table *table, xv_id id, struct xv_id_mapping *mapping)
{
	void *ptr;
	uint32_t index;
	int err;

	if (mapping == NULL)
		return -XV_EINVAL;
	err = enter(table, id, SLOT_CALL + SLOT_MAP, &index);
	if (err != 0)
		return err;
	err = xv_map(table->pool, table->slots.handles[index], &ptr);
	slot_leave(&table->slots, index, err == 0 ? SLOT_CALL : SLOT_CALL + SLOT_MAP);
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
	    slot_enter(&table->slots, mapping->id, SLOT_LOCKED, SLOT_OBJECT_MASK) != 0)
		return -XV_EINVAL;
	index = slot_index(&table->slots, mapping->id);
	state = slot_load(&table->slots, index) - SLOT_LOCKED;
	if ((state & SLOT_MAPS_MASK) != 0)
		err = xv_unmap(table->pool, table->slots.handles[index], mapping->ptr);
	if (err == 0)
		state -= SLOT_MAP;
	if ((state & (SLOT_MAPS_MASK | SLOT_KIND_MASK)) == SLOT_FREED)
		free_object(table, index);
	else
		slot_settle(&table->slots, index, state);
	return err;
}
