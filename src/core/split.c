/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Split objects: laying one over several holes, and reading the chain of its fragments.
 * Owns the plan and the links; calls carving, pages and handles. Under the pool's lock,
 * with at most two pages mapped. O(fragments) apart from the provider.
 *
 * The rule: best fit for what is left, and only when no hole takes that whole, the
 * largest hole for a part of it. When the holes do not suffice the rest goes into a new
 * page, so that the old ones are full and the new one holds less than the object.
 */
#include "carve.h"

enum { PART_TENTHS = 7 };

/* A hole, or a new page, and what goes into it. */
struct piece {
	uint32_t index; /* hole record, out of its list; 0 = a new page */
	uint32_t page;
	uint32_t first;
	uint32_t avail;
	uint32_t bytes; /* of payload */
};

struct plan {
	struct piece piece[FRAGMENTS_MAX];
	uint32_t count;
	uint32_t need; /* bytes that have no place yet */
};

/* Kind of the i-th of n blocks that replace one of this kind. */
static uint32_t kind_of_piece(uint32_t kind, uint32_t i, uint32_t n)
{
	bool has_before = i > 0 || kind == BLOCK_MIDDLE || kind == BLOCK_LAST;
	bool has_behind = i + 1 < n || kind == BLOCK_MIDDLE || kind == BLOCK_HEAD;

	if (kind == BLOCK_INDEX)
		return BLOCK_INDEX;
	if (has_before)
		return has_behind ? BLOCK_MIDDLE : BLOCK_LAST;
	return has_behind ? BLOCK_HEAD : BLOCK_WHOLE;
}

/* Note a hole in the plan and take it out of its list. */
static void plan_add_hole(struct xv_pool *pool, struct plan *plan, uint32_t index, uint32_t bytes)
{
	const struct xvi_hole *hole = &pool->holes.records[index];
	struct piece *piece = &plan->piece[plan->count++];

	piece->index = index;
	piece->page = hole->page;
	piece->first = hole->first_unit;
	piece->avail = hole->units;
	piece->bytes = bytes;
	plan->need -= bytes;
	free_list_remove(pool, index);
}

/* A new page for all that is left. */
static int plan_add_page(struct xv_pool *pool, const struct xvi_relay *relay, struct plan *plan)
{
	struct piece *piece = &plan->piece[plan->count];
	uint32_t kind = kind_of_piece(relay->kind, plan->count, plan->count + 1);
	uint32_t page;
	int err;

	if (new_block(pool, kind, plan->need, relay->owner).units > pool->page_units)
		return -XV_ENOMEM;
	err = xvi_page_take(pool, &page);
	if (err != 0)
		return err;
	if (page >= relay->page_below) {
		xvi_page_give_back(pool, page);
		return -XV_ENOMEM;
	}
	piece->index = 0;
	piece->page = page;
	piece->first = pool->first_unit;
	piece->avail = pool->page_units;
	piece->bytes = plan->need;
	plan->need = 0;
	plan->count++;
	return 0;
}

/* Give the holes and the new page of a plan's pieces [0, count) back. */
static void plan_undo(struct xv_pool *pool, const struct plan *plan, uint32_t count)
{
	for (uint32_t i = count; i-- > 0;) {
		if (plan->piece[i].index != 0)
			free_list_insert(pool, plan->piece[i].index);
		else
			xvi_page_give_back(pool, plan->piece[i].page);
	}
}

/* Best fit for all that is left, as the last of the pieces; 0 when nothing fits. */
static uint32_t find_for_rest(struct xv_pool *pool, const struct xvi_relay *relay,
			      const struct plan *plan)
{
	uint32_t kind = kind_of_piece(relay->kind, plan->count, plan->count + 1);
	struct xvi_new_block block = new_block(pool, kind, plan->need, relay->owner);
	uint32_t index = free_list_find(&pool->lists, block.units);

	if (index == 0 && relay->use_victims)
		index = free_list_find(&pool->victim_lists, block.units);
	return index;
}

static uint32_t largest_hole(const struct xv_pool *pool, const struct xvi_relay *relay)
{
	const struct xvi_hole *records = pool->holes.records;
	uint32_t index = xvi_free_list_largest(&pool->lists);
	uint32_t victim = relay->use_victims ? xvi_free_list_largest(&pool->victim_lists) : 0;

	if (index == 0 || (victim != 0 && records[victim].units > records[index].units))
		return victim;
	return index;
}

/*
 * A hole for the next part of what is left: the smallest that takes seven tenths of it,
 * so that the largest holes are there when an object needs them; else the largest.
 */
static uint32_t hole_for_part(const struct xv_pool *pool, const struct xvi_relay *relay,
			      uint32_t need)
{
	uint32_t bytes = (uint32_t)((uint64_t)need * PART_TENTHS / 10);
	uint32_t units = (bytes + pool->prefix_bytes + pool->link_bytes) / UNIT_BYTES + 1;
	uint32_t index = free_list_find(&pool->lists, units);

	if (index == 0 && relay->use_victims)
		index = free_list_find(&pool->victim_lists, units);
	return index != 0 ? index : largest_hole(pool, relay);
}

/* Payload bytes to put into a hole as a part of what is left; 0 = not worth it. */
static uint32_t bytes_for_part(const struct xv_pool *pool, uint32_t index, uint32_t need)
{
	uint32_t cost = pool->prefix_bytes + pool->link_bytes;
	uint32_t hole_bytes = pool->holes.records[index].units * UNIT_BYTES;
	uint32_t bytes = hole_bytes > cost ? hole_bytes - cost : 0;

	if (need < 2 * FRAGMENT_MIN_BYTES)
		return 0;
	if (bytes > need - FRAGMENT_MIN_BYTES)
		bytes = need - FRAGMENT_MIN_BYTES;
	return bytes >= FRAGMENT_MIN_BYTES ? bytes : 0;
}

static int plan_make(struct xv_pool *pool, const struct xvi_relay *relay, struct plan *plan)
{
	int err = -XV_ENOMEM;

	plan->count = 0;
	plan->need = relay->bytes;
	for (;;) {
		uint32_t index = find_for_rest(pool, relay, plan);
		uint32_t bytes;

		if (index != 0) {
			plan_add_hole(pool, plan, index, plan->need);
			return 0;
		}
		if (plan->count + 1 >= relay->max_fragments)
			break;
		index = hole_for_part(pool, relay, plan->need);
		bytes = index != 0 ? bytes_for_part(pool, index, plan->need) : 0;
		if (bytes == 0)
			break;
		plan_add_hole(pool, plan, index, bytes);
	}
	if (relay->may_grow)
		err = plan_add_page(pool, relay, plan);
	if (err != 0)
		plan_undo(pool, plan, plan->count);
	return err;
}

/* Carve the i-th piece; next is the link it is to have. XV_NULL_HANDLE: not mapped. */
static xv_handle carve_piece(struct xv_pool *pool, const struct xvi_relay *relay,
			     const struct plan *plan, uint32_t i, xv_handle next)
{
	const struct piece *piece = &plan->piece[i];
	uint32_t kind = kind_of_piece(relay->kind, i, plan->count);
	struct xvi_new_block block = new_block(pool, kind, piece->bytes, relay->owner);
	uint32_t *words = xvi_page_map(pool, piece->page);
	xv_handle handle;
	uint32_t unit;

	if (words == NULL)
		return XV_NULL_HANDLE;
	block.zero = relay->zero;
	handle = carve_front(pool, words, piece->page, piece->first, piece->avail, piece->index,
			     &block);
	unit = piece->first;
	if (block_kind_has_link(kind))
		xvi_link_write(pool, words, unit, next);
	xvi_page_unmap(pool, piece->page, words);
	return handle;
}

void xvi_relay_undo(struct xv_pool *pool, const xv_handle *fragment, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		xvi_free_block_at(pool, xv_handle_page(fragment[i]),
				  (xv_handle_offset(fragment[i]) - pool->prefix_bytes) /
					  UNIT_BYTES);
}

int xvi_relay(struct xv_pool *pool, const struct xvi_relay *relay,
	      xv_handle fragment[FRAGMENTS_MAX], uint32_t *count)
{
	struct plan plan;
	xv_handle next = relay->next;
	int err;

	if (!xvi_orphans_free(pool))
		return -XV_EAGAIN;
	err = plan_make(pool, relay, &plan);
	if (err != 0)
		return err;
	/* From the back, since a block's link is the handle of the one behind. */
	for (uint32_t i = plan.count; i-- > 0;) {
		fragment[i] = carve_piece(pool, relay, &plan, i, next);
		if (fragment[i] == XV_NULL_HANDLE) {
			plan_undo(pool, &plan, i + 1);
			xvi_relay_undo(pool, &fragment[i + 1], plan.count - i - 1);
			return -XV_EAGAIN;
		}
		next = fragment[i];
	}
	*count = plan.count;
	return 0;
}

/* Not even the largest hole, as often as there may be fragments, would do. */
static bool split_is_hopeless(const struct xv_pool *pool, const struct xvi_relay *relay)
{
	uint32_t index = largest_hole(pool, relay);

	return index == 0 ||
	       pool->holes.records[index].units * (uint32_t)UNIT_BYTES * FRAGMENTS_MAX <
		       relay->bytes;
}

int xvi_malloc_split(struct xv_pool *pool, const struct xvi_request *request, bool may_grow,
		     xv_handle *handle)
{
	struct xvi_relay relay = {.kind = BLOCK_WHOLE,
				  .owner = request->owner,
				  .zero = request->zero,
				  .bytes = (uint32_t)request->size,
				  .max_fragments = FRAGMENTS_MAX,
				  .page_below = UINT32_MAX,
				  .may_grow = may_grow,
				  .use_victims = true};
	xv_handle fragment[FRAGMENTS_MAX];
	uint32_t count;
	int err;

	if (!may_grow && split_is_hopeless(pool, &relay))
		return -XV_ENOMEM;
	err = xvi_relay(pool, &relay, fragment, &count);
	if (err != 0)
		return err;
	pool->split_count += count > 1;
	*handle = fragment[0];
	return 0;
}

/* ---- reading ---- */

static void chain_add(struct xvi_chain *chain, const struct xv_pool *pool,
		      const struct xvi_location *where)
{
	struct xvi_fragment *fragment = &chain->fragment[chain->count++];

	fragment->page = where->page;
	fragment->unit = where->unit;
	fragment->header = where->header;
	if (block_kind(where->header) != BLOCK_INDEX)
		chain->bytes += xvi_payload_bytes(pool, where->header);
}

int xvi_chain_read(struct xv_pool *pool, const struct xvi_location *head, struct xvi_chain *chain)
{
	xv_handle next = xvi_link_read(pool, head->words, head->unit);
	struct xvi_location where;
	int err;

	chain->count = 0;
	chain->bytes = 0;
	chain->large_pages = 0;
	chain_add(chain, pool, head);
	if (block_kind(head->header) == BLOCK_INDEX)
		chain->large_pages = xvi_index(pool, head->words, head->unit)[INDEX_COUNT];
	while (next != XV_NULL_HANDLE) {
		bool last;

		if (chain->count == CHAIN_MAX)
			return -XV_EINVAL;
		err = xvi_locate(pool, next, TRUST_LINK, &where);
		if (err != 0)
			return err;
		chain_add(chain, pool, &where);
		last = block_kind(where.header) == BLOCK_LAST;
		next = last ? XV_NULL_HANDLE : xvi_link_read(pool, where.words, where.unit);
		xvi_locate_end(pool, &where);
	}
	if (block_kind(head->header) == BLOCK_INDEX)
		chain->bytes = xvi_index(pool, head->words, head->unit)[INDEX_SIZE];
	return 0;
}
