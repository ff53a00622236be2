/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The handle table: ids over a pool that compacts. Owns the table's life and the calls
 * on ids; calls handle_ring.h, public headers and the platform. Who may touch a slot when
 * is told in handle_slot.h. The owner callbacks run under the pool's lock and wait for
 * nothing. O(1) apart from the pool.
 */
#include "handle_ring.h"
#include "xvi_mem.h"

enum {
	IDS_DEFAULT = 4194303,
	BYTES_PER_ID = 512, /* of the provider, for the default of max_ids */
	INDEX_BITS_MIN = 32 - SLOT_WEAR_BITS,
};

static size_t chunks_for(uint32_t max_ids)
{
	return (size_t)max_ids / CHUNK_SLOTS + 1;
}

static int bad_id(struct xv_handle_table *table)
{
	xvi_lock_acquire(&table->lock);
	table->bad_ids++;
	xvi_lock_release(&table->lock);
	return -XV_EINVAL;
}

/* ---- what compaction asks: under the pool's lock ---- */

static xv_handle table_locate(void *context, uint32_t owner)
{
	const struct xv_handle_table *table = context;
	xv_handle handle;
	uint32_t state;

	if (!slot_try_seize(&table->slots, owner, &state))
		return XV_NULL_HANDLE;
	handle = *slot_handle(&table->slots, owner);
	slot_settle(&table->slots, owner, state);
	return handle;
}

static int table_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	const struct xv_handle_table *table = context;
	uint64_t *handle;
	uint32_t state;
	bool known;

	if (!slot_try_seize(&table->slots, owner, &state))
		return -XV_EBUSY;
	handle = slot_handle(&table->slots, owner);
	known = *handle == from;
	if (known)
		*handle = to;
	slot_settle(&table->slots, owner, state);
	return known ? 0 : -XV_EINVAL;
}

static const struct xv_owner_ops table_owner_ops = {
	.locate = table_locate,
	.relocated = table_relocated,
};

/* ---- making and ending ---- */

void xv_handle_table_options_init(struct xv_handle_table_options *options)
{
	if (options == NULL)
		return;
	memset(options, 0, sizeof(*options));
	xv_pool_options_init(&options->pool);
	options->pool.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
}

size_t xv_handle_table_memory_bytes(uint32_t max_ids)
{
	if (max_ids == 0 || max_ids > XV_IDS_MAX)
		return 0;
	return TABLE_ALIGNMENT - 1 + xvi_handle_table_bytes(chunks_for(max_ids));
}

static bool options_are_good(const struct xv_provider *provider,
			     const struct xv_handle_table_options *options)
{
	return provider != NULL && provider->ops != NULL && options->max_ids <= XV_IDS_MAX &&
	       options->pool.owner_ops == NULL && options->pool.owner_context == NULL &&
	       xv_pool_memory_bytes(provider, &options->pool) != 0;
}

/* Most ids, when the caller does not say: never less than fill a chunk. */
static uint32_t default_ids(const struct xv_provider *provider)
{
	uint64_t ids = (provider->max_pages << provider->page_shift) / BYTES_PER_ID;

	if (ids < CHUNK_SLOTS)
		return CHUNK_SLOTS - 1;
	return ids < IDS_DEFAULT ? (uint32_t)ids : IDS_DEFAULT;
}

static uint32_t bits_of(uint32_t number)
{
	uint32_t bits = 64 - xvi_clz64(number);

	return bits > INDEX_BITS_MIN ? bits : INDEX_BITS_MIN;
}

/* Fill in a zeroed table whose memory is known, and make its first slots and its pool. */
static int table_init(struct xv_handle_table *table, struct xv_provider *provider,
		      const struct xv_handle_table_options *options, uint32_t max_ids)
{
	struct xv_pool_options pool_options = options->pool;
	int err = xvi_lock_init(&table->lock, options->pool.lock);

	if (err != 0)
		return err;
	table->provider = provider;
	table->max_ids = max_ids;
	table->slots.threaded = table->lock.kind != XV_LOCK_NONE;
	table->slots.index_bits = bits_of(max_ids);
	table->slots.chunks = (void *)((char *)table + xvi_handle_table_bytes(0));
	table->limit_bytes = options->pool.limit_bytes;
	pool_options.flags |= XV_POOL_OWNERS;
	pool_options.owner_ops = &table_owner_ops;
	pool_options.owner_context = table;
	pool_options.limit_bytes = xvi_pool_limit(table);
	err = xvi_slots_grow(table);
	if (err == 0)
		err = xv_pool_create(&table->pool, provider, &pool_options);
	if (err == 0 && table->limit_bytes != 0 &&
	    xvi_pool_held_bytes(table) + table->committed_bytes > table->limit_bytes) {
		xv_pool_destroy(table->pool);
		err = -XV_ENOSPC;
	}
	if (err != 0)
		xvi_lock_fini(&table->lock);
	return err;
}

static int create_in_memory(struct xv_handle_table **out, struct xv_provider *provider,
			    const struct xv_handle_table_options *options)
{
	size_t skip = (size_t)(-(uintptr_t)options->memory & (TABLE_ALIGNMENT - 1));
	struct xv_handle_table *table = (void *)((char *)options->memory + skip);
	uint32_t max_ids = options->max_ids != 0 ? options->max_ids : XV_IDS_MAX;
	size_t chunks;
	int err;

	if (options->memory_bytes < skip ||
	    options->memory_bytes - skip < xvi_handle_table_bytes(1))
		return -XV_EINVAL;
	chunks = (options->memory_bytes - skip - xvi_handle_table_bytes(0)) /
		 sizeof(struct handle_chunk);
	if (chunks < chunks_for(max_ids))
		max_ids = (uint32_t)(chunks * CHUNK_SLOTS) - 1;
	memset(table, 0, sizeof(*table));
	table->reserved_bytes = options->memory_bytes;
	table->committed_bytes = options->memory_bytes;
	err = table_init(table, provider, options, max_ids);
	if (err == 0)
		*out = table;
	return err;
}

static int create_from_provider(struct xv_handle_table **out, struct xv_provider *provider,
				const struct xv_handle_table_options *options)
{
	const struct xv_provider_ops *ops = provider->ops;
	bool scarce = (provider->flags & XV_PROVIDER_META_IS_SCARCE) != 0;
	uint32_t max_ids = options->max_ids != 0 ? options->max_ids : default_ids(provider);
	size_t reserved = xvi_handle_table_bytes(chunks_for(max_ids));
	/* Scarce memory is used up by reserving it. */
	size_t committed = scarce ? reserved : xvi_handle_table_bytes(1);
	struct xv_handle_table *table;
	int err;

	if (ops->meta_reserve == NULL || ops->meta_commit == NULL || ops->meta_release == NULL)
		return -XV_ENOTSUP;
	table = ops->meta_reserve(provider, reserved);
	if (table == NULL)
		return -XV_ENOMEM;
	err = ops->meta_commit(provider, table, 0, committed);
	if (err != 0) {
		ops->meta_release(provider, table, reserved, 0);
		return err;
	}
	table->owned = true;
	table->reserved_bytes = reserved;
	table->committed_bytes = committed;
	err = table_init(table, provider, options, max_ids);
	if (err == 0)
		*out = table;
	else
		ops->meta_release(provider, table, reserved, committed);
	return err;
}

int xv_handle_table_create(struct xv_handle_table **out, struct xv_provider *provider,
			   const struct xv_handle_table_options *options)
{
	struct xv_handle_table_options defaults;

	if (options == NULL) {
		xv_handle_table_options_init(&defaults);
		options = &defaults;
	}
	if (out == NULL || !options_are_good(provider, options))
		return -XV_EINVAL;
	return options->memory != NULL ? create_in_memory(out, provider, options)
				       : create_from_provider(out, provider, options);
}

void xv_handle_table_destroy(struct xv_handle_table *table)
{
	if (table == NULL)
		return;
	xv_pool_destroy(table->pool);
	xvi_lock_fini(&table->lock);
	if (table->owned)
		table->provider->ops->meta_release(table->provider, table, table->reserved_bytes,
						   table->committed_bytes);
}

/* ---- objects ---- */

int xv_id_malloc(struct xv_handle_table *table, size_t size, xv_id *id)
{
	xv_handle handle;
	uint32_t index = 0;
	uint32_t wear;
	int err;

	if (table == NULL || id == NULL)
		return -XV_EINVAL;
	err = xvi_slot_take(table, &index);
	if (err != 0)
		return err;
	wear = slot_load(&table->slots, index) & SLOT_WEAR_MASK;
	err = xv_malloc_owned(table->pool, size, index, &handle);
	if (err != 0) {
		xvi_slot_give(table, index, wear, true);
		return err;
	}
	*slot_handle(&table->slots, index) = handle;
	*id = slot_id(&table->slots, index, wear);
	slot_settle(&table->slots, index, wear | SLOT_USED);
	return 0;
}

int xv_id_free(struct xv_handle_table *table, xv_id id)
{
	uint32_t index, wear;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	index = slot_seize(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	wear = slot_load(&table->slots, index) & SLOT_WEAR_MASK;
	err = xv_free(table->pool, *slot_handle(&table->slots, index));
	if (err == 0)
		xvi_slot_give(table, index, wear + SLOT_WEAR_ONE, false);
	else
		slot_settle(&table->slots, index, wear | SLOT_USED);
	return err;
}

int xv_id_realloc(struct xv_handle_table *table, xv_id id, size_t size)
{
	uint32_t index;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	index = slot_seize(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	err = xv_realloc(table->pool, slot_handle(&table->slots, index), size);
	slot_settle(&table->slots, index, slot_load(&table->slots, index) & ~(uint32_t)SLOT_SEIZED);
	return err;
}

int xv_id_size(struct xv_handle_table *table, xv_id id)
{
	uint32_t index;
	int result;

	if (table == NULL)
		return -XV_EINVAL;
	index = slot_hold(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	result = xv_object_size(table->pool, *slot_handle(&table->slots, index));
	slot_release(&table->slots, index);
	return result;
}

int xv_id_read(struct xv_handle_table *table, xv_id id, size_t offset, void *buffer, size_t length)
{
	uint32_t index;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	index = slot_hold(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	err = xv_read(table->pool, *slot_handle(&table->slots, index), offset, buffer, length);
	slot_release(&table->slots, index);
	return err;
}

int xv_id_write(struct xv_handle_table *table, xv_id id, size_t offset, const void *buffer,
		size_t length)
{
	uint32_t index;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	index = slot_hold(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	err = xv_write(table->pool, *slot_handle(&table->slots, index), offset, buffer, length);
	slot_release(&table->slots, index);
	return err;
}

int xv_id_map(struct xv_handle_table *table, xv_id id, struct xv_id_mapping *mapping)
{
	struct xv_id_mapping made;
	uint32_t index;
	int err;

	if (table == NULL || mapping == NULL)
		return -XV_EINVAL;
	index = slot_hold(&table->slots, id);
	if (index == 0)
		return bad_id(table);
	/* From here on it is the pin that keeps the object where it is. */
	made.handle = *slot_handle(&table->slots, index);
	err = xv_map(table->pool, made.handle, &made.ptr);
	slot_release(&table->slots, index);
	if (err == 0)
		*mapping = made;
	return err;
}

int xv_id_unmap(struct xv_handle_table *table, const struct xv_id_mapping *mapping)
{
	if (table == NULL || mapping == NULL)
		return -XV_EINVAL;
	return xv_unmap(table->pool, mapping->handle, mapping->ptr);
}

/* ---- the table as a whole ---- */

int xv_handle_table_compact(struct xv_handle_table *table, size_t budget_bytes,
			    struct xv_compact_report *report)
{
	return table == NULL ? -XV_EINVAL : xv_compact(table->pool, budget_bytes, report);
}

size_t xv_handle_table_trim(struct xv_handle_table *table)
{
	size_t bytes;

	if (table == NULL)
		return 0;
	bytes = xv_pool_trim(table->pool);
	xvi_lock_acquire(&table->lock);
	bytes += xvi_slots_trim(table);
	xvi_lock_release(&table->lock);
	return bytes;
}

void xv_handle_table_set_limit(struct xv_handle_table *table, uint64_t limit_bytes)
{
	if (table == NULL)
		return;
	xvi_lock_acquire(&table->lock);
	table->limit_bytes = limit_bytes;
	xv_pool_set_limit(table->pool, xvi_pool_limit(table));
	xvi_lock_release(&table->lock);
}

struct xv_pool *xv_handle_table_pool(struct xv_handle_table *table)
{
	return table != NULL ? table->pool : NULL;
}

void xv_handle_table_get_stats(struct xv_handle_table *table, struct xv_handle_table_stats *stats)
{
	if (table == NULL || stats == NULL)
		return;
	xvi_lock_acquire(&table->lock);
	xv_pool_get_stats(table->pool, &stats->pool);
	stats->table_bytes = table->committed_bytes;
	stats->held_bytes = stats->pool.held_bytes + stats->table_bytes;
	stats->ids = table->used_slots;
	stats->slots = slot_count(&table->slots);
	stats->max_ids = table->max_ids;
	stats->generations = (uint64_t)1 << (32 - table->slots.index_bits);
	stats->bad_ids = table->bad_ids;
	xvi_lock_release(&table->lock);
}

/* ---- proving it ---- */

static int broken(struct xv_check_report *report, uint32_t invariant, uint32_t index,
		  const char *message)
{
	report->invariant = invariant;
	report->page = UINT32_MAX;
	report->offset = index;
	report->message = message;
	return -XV_EBADMSG;
}

static int check_counts(const struct xv_handle_table *table, struct xv_check_report *report)
{
	if ((uint64_t)table->free_slots + table->used_slots + 1 != slot_count(&table->slots))
		return broken(report, 101, UINT32_MAX,
			      "free slots and slots in use are not all there are");
	return 0;
}

static int check_ring(const struct xv_handle_table *table, struct xv_check_report *report)
{
	const struct handle_slots *slots = &table->slots;
	uint32_t count = 0;
	uint32_t at = 0;

	do {
		uint32_t next = ring_next(slots, at);

		if (next >= slot_count(slots) || ring_prev(slots, next) != at)
			return broken(report, 102, at, "the ring of free slots is broken");
		at = next;
		count += at != 0;
		if (at != 0 && (slot_load(slots, at) & SLOT_KIND_MASK) != SLOT_FREE)
			return broken(report, 102, at, "a slot in the ring is not free");
	} while (at != 0 && count <= table->free_slots);
	if (count != table->free_slots)
		return broken(report, 102, at, "the ring has not as many slots as are free");
	return 0;
}

static int check_slot(const struct xv_handle_table *table, uint32_t index,
		      struct xv_check_report *report)
{
	uint32_t state = slot_load(&table->slots, index);
	uint32_t owner;
	int err;

	if ((state & (SLOT_SEIZED | SLOT_HOLDS_MASK)) != 0 ||
	    (state & SLOT_KIND_MASK) == SLOT_TAKEN)
		return broken(report, 104, index, "a slot is held, seized or half made");
	if ((state & SLOT_KIND_MASK) == SLOT_FREE)
		return 0;
	err = xv_get_owner(table->pool, *slot_handle(&table->slots, index), &owner);
	if (err == -XV_EAGAIN)
		return err;
	if (err != 0 || owner != index)
		return broken(report, 103, index, "a slot in use has no object, or another's");
	return 0;
}

static int check_locked(const struct xv_handle_table *table, enum xv_check_level level,
			struct xv_check_report *report)
{
	int err = check_counts(table, report);

	if (err != 0 || level != XV_CHECK_DEEP)
		return err;
	err = check_ring(table, report);
	for (uint32_t i = 1; err == 0 && i < slot_count(&table->slots); i++)
		err = check_slot(table, i, report);
	return err;
}

int xv_handle_table_check(struct xv_handle_table *table, enum xv_check_level level,
			  struct xv_check_report *report)
{
	struct xv_check_report unused;
	int err;

	if (table == NULL)
		return -XV_EINVAL;
	if (report == NULL)
		report = &unused;
	err = xv_pool_check(table->pool, level, report);
	if (err != 0)
		return err;
	xvi_lock_acquire(&table->lock);
	err = check_locked(table, level, report);
	xvi_lock_release(&table->lock);
	return err;
}
