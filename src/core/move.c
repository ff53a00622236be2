/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Moving one block, one split object, or one page without blocks, out of a page that
 * compaction is emptying, and telling who knows it. Calls split.c and the owner
 * callbacks. Under the pool's lock, with at most two pages mapped. O(fragments), O(bytes).
 *
 * The order is always: make room, copy, announce, free the old. Until the announcement
 * is accepted the object is where it was, and the new blocks can be undone.
 */
#include "carve.h"

/* ---- moving one block ---- */

/* A block that is to move. */
struct mover {
	struct xv_pool *pool;
	uint32_t page;
	uint32_t unit;
	uint32_t header;
	struct xvi_relay relay;
	struct xvi_fragment before; /* the block whose link names this one */
	xv_handle fragment[FRAGMENTS_MAX];
	uint32_t count;
};

/* The chain of the owner's object, found by asking the owner. */
static int read_owners_chain(const struct mover *mover, struct xvi_chain *chain)
{
	struct xv_pool *pool = mover->pool;
	xv_handle head = pool->owner_ops->locate(pool->owner_context, mover->relay.owner);
	uint64_t bad_handles = pool->bad_handles;
	struct xvi_location where;
	int err = xvi_locate(pool, head, TRUST_HANDLE, &where);

	pool->bad_handles = bad_handles;
	if (err != 0)
		return err;
	err = xvi_is_simple(&where) ? -XV_EINVAL : xvi_chain_read(pool, &where, chain);
	xvi_locate_end(pool, &where);
	return err;
}

/* Fragments that the object may still gain, and the block before this one. */
static int find_in_chain(struct mover *mover, const struct xvi_chain *chain)
{
	bool large = block_kind(chain->fragment[0].header) == BLOCK_INDEX;

	mover->relay.max_fragments = FRAGMENTS_MAX - (chain->count - large) + 1;
	for (uint32_t i = 0; i < chain->count; i++) {
		if (chain->fragment[i].page == mover->page &&
		    chain->fragment[i].unit == mover->unit) {
			if (i > 0)
				mover->before = chain->fragment[i - 1];
			return 0;
		}
	}
	return -XV_EBUSY;
}

/* Read what there is to know of the block from its mapped page. */
static void mover_init(struct mover *mover, struct xv_pool *pool, uint32_t page, uint32_t unit,
		       const uint32_t *words)
{
	uint32_t kind = block_kind(words[unit]);

	memset(mover, 0, sizeof(*mover));
	mover->pool = pool;
	mover->page = page;
	mover->unit = unit;
	mover->header = words[unit];
	mover->relay.kind = kind;
	mover->relay.owner = words[unit + 1];
	mover->relay.bytes = xvi_payload_bytes(pool, words[unit]);
	mover->relay.max_fragments =
		(pool->flags & XV_POOL_SPLIT) != 0 && kind == BLOCK_WHOLE ? FRAGMENTS_MAX : 1;
	mover->relay.page_below = pool->compaction.first_victim;
	/* A new page for whole objects would hold no more than the old one. */
	mover->relay.may_grow =
		(pool->flags & XV_POOL_SPLIT) != 0 || pool->compaction.first_victim != UINT32_MAX;
	if (block_kind_has_link(kind))
		mover->relay.next = xvi_link_read(pool, words, unit);
}

/* Bytes of a mapped block before its payload. */
static uint32_t payload_skip(const struct xv_pool *pool, uint32_t header)
{
	return pool->prefix_bytes + xvi_kind_link_bytes(pool, block_kind(header));
}

static int copy_payload(const struct mover *mover)
{
	struct xv_pool *pool = mover->pool;
	const uint32_t *src = xvi_page_map(pool, mover->page);
	const unsigned char *from;
	int err = 0;

	if (src == NULL)
		return -XV_EAGAIN;
	from = (const unsigned char *)(src + mover->unit) + payload_skip(pool, mover->header);
	for (uint32_t i = 0; i < mover->count && err == 0; i++) {
		uint32_t page = xv_handle_page(mover->fragment[i]);
		uint32_t unit =
			(xv_handle_offset(mover->fragment[i]) - pool->prefix_bytes) / UNIT_BYTES;
		uint32_t *dst = xvi_page_map(pool, page);
		uint32_t bytes;

		if (dst == NULL) {
			err = -XV_EAGAIN;
			break;
		}
		bytes = xvi_payload_bytes(pool, dst[unit]);
		memcpy((unsigned char *)(dst + unit) + payload_skip(pool, dst[unit]), from, bytes);
		from += bytes;
		xvi_page_unmap(pool, page, dst);
	}
	xvi_page_unmap(pool, mover->page, (uint32_t *)(uintptr_t)src);
	return err;
}

/* Let whoever knows the block by its handle know the new one: the owner, or the block
 * before it in the chain. */
static int announce(const struct mover *mover)
{
	struct xv_pool *pool = mover->pool;
	uint32_t *words;

	if (block_kind_is_head(mover->relay.kind)) {
		xv_handle from =
			xvi_handle_make(pool, mover->page, mover->unit,
					block_generation(mover->header, pool->unit_bits), false);

		return pool->owner_ops->relocated(pool->owner_context, mover->relay.owner, from,
						  mover->fragment[0]) == 0
			       ? 0
			       : -XV_EBUSY;
	}
	words = xvi_page_map(pool, mover->before.page);
	if (words == NULL)
		return -XV_EAGAIN;
	xvi_link_write(pool, words, mover->before.unit, mover->fragment[0]);
	xvi_page_unmap(pool, mover->before.page, words);
	return 0;
}

/*
 * A fragment is to move: lay the whole object anew, so that it has no more fragments
 * than it must. Errors as move_block.
 */
static int move_object(struct mover *mover, const struct xvi_chain *chain)
{
	struct xv_pool *pool = mover->pool;
	const struct xvi_fragment *head = &chain->fragment[0];
	xv_handle from = xvi_handle_make(pool, head->page, head->unit,
					 block_generation(head->header, pool->unit_bits), false);
	int err;

	mover->relay.kind = BLOCK_WHOLE;
	mover->relay.bytes = (uint32_t)chain->bytes;
	mover->relay.max_fragments = FRAGMENTS_MAX;
	err = xvi_relay(pool, &mover->relay, mover->fragment, &mover->count);
	if (err != 0)
		return err == -XV_EAGAIN ? err : -XV_ENOMEM;
	err = xvi_copy_object(pool, from, mover->fragment[0], chain->bytes);
	if (err == 0 && pool->owner_ops->relocated(pool->owner_context, mover->relay.owner, from,
						   mover->fragment[0]) != 0)
		err = -XV_EBUSY;
	if (err != 0) {
		xvi_relay_undo(pool, mover->fragment, mover->count);
		return err;
	}
	pool->split_count -= mover->count == 1;
	xvi_free_chain(pool, chain);
	return 0;
}

/* Move just this block. */
static int move_one_block(struct mover *mover)
{
	struct xv_pool *pool = mover->pool;
	int err = xvi_relay(pool, &mover->relay, mover->fragment, &mover->count);

	if (err != 0)
		return err == -XV_EAGAIN ? err : -XV_ENOMEM;
	err = copy_payload(mover);
	if (err == 0)
		err = announce(mover);
	if (err != 0) {
		xvi_relay_undo(pool, mover->fragment, mover->count);
		return err;
	}
	pool->split_count += mover->relay.kind == BLOCK_WHOLE && mover->count > 1;
	xvi_free_block_at(pool, mover->page, mover->unit);
	return 0;
}

/* Is a page of the chain mapped by somebody? */
static bool chain_is_pinned(const struct xv_pool *pool, const struct xvi_chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		if (pool->pages.records[chain->fragment[i].page].pins != 0)
			return true;
	}
	return false;
}

static int move_fragment(struct mover *mover)
{
	struct xvi_chain chain;
	int err = read_owners_chain(mover, &chain);

	if (err != 0 || find_in_chain(mover, &chain) != 0)
		return -XV_EBUSY;
	if (block_kind(chain.fragment[0].header) != BLOCK_INDEX &&
	    !chain_is_pinned(mover->pool, &chain)) {
		struct xvi_relay relay = mover->relay;

		err = move_object(mover, &chain);
		if (err != -XV_ENOMEM)
			return err;
		mover->relay = relay;
	}
	return move_one_block(mover);
}

int xvi_move_block(struct xv_pool *pool, uint32_t page, uint32_t unit, uint32_t *bytes)
{
	uint32_t *words = xvi_page_map(pool, page);
	struct mover mover;
	int err;

	if (words == NULL)
		return -XV_EAGAIN;
	mover_init(&mover, pool, page, unit, words);
	xvi_page_unmap(pool, page, words);
	if (mover.relay.owner == XV_NO_OWNER)
		return -XV_EBUSY;
	err = block_kind_is_fragment(mover.relay.kind) ? move_fragment(&mover)
						       : move_one_block(&mover);
	*bytes = mover.relay.bytes;
	return err;
}

/* ---- moving a page that has no blocks ---- */

/* Let the index of the owner's object list another page. */
static int relist_part(struct xv_pool *pool, uint32_t owner, uint32_t from, uint32_t to)
{
	xv_handle head = pool->owner_ops->locate(pool->owner_context, owner);
	uint64_t bad_handles = pool->bad_handles;
	struct xvi_location where;
	uint32_t *index;
	int err = xvi_locate(pool, head, TRUST_HANDLE, &where);

	pool->bad_handles = bad_handles;
	if (err != 0)
		return -XV_EBUSY;
	err = -XV_EBUSY;
	if (!where.whole_page && block_kind(where.header) == BLOCK_INDEX) {
		index = xvi_index(pool, where.words, where.unit);
		for (uint32_t i = 0; i < index[INDEX_COUNT]; i++) {
			if (index[INDEX_PAGES + i] != from)
				continue;
			index[INDEX_PAGES + i] = to;
			err = 0;
			break;
		}
	}
	xvi_locate_end(pool, &where);
	return err;
}

static int copy_page(struct xv_pool *pool, uint32_t from, uint32_t to)
{
	uint32_t *src = xvi_page_map(pool, from);
	uint32_t *dst = src != NULL ? xvi_page_map(pool, to) : NULL;

	if (dst != NULL) {
		memcpy(dst, src, pool->page_bytes);
		xvi_page_unmap(pool, to, dst);
	}
	if (src != NULL)
		xvi_page_unmap(pool, from, src);
	return dst != NULL ? 0 : -XV_EAGAIN;
}

static int announce_page(struct xv_pool *pool, uint32_t owner, uint32_t from, uint32_t to)
{
	const struct xvi_page *records = pool->pages.records;

	if (xvi_page_state(&records[from]) == PAGE_PART)
		return relist_part(pool, owner, from, to);
	return pool->owner_ops->relocated(
		       pool->owner_context, owner,
		       xvi_handle_make(pool, from, 0, records[from].generation, true),
		       xvi_handle_make(pool, to, 0, records[to].generation, true)) == 0
		       ? 0
		       : -XV_EBUSY;
}

int xvi_move_page(struct xv_pool *pool, uint32_t from)
{
	struct xvi_page record = pool->pages.records[from];
	uint32_t owner = xvi_page_owner(&record);
	uint32_t to;
	int err;

	if (owner == XV_NO_OWNER)
		return -XV_EBUSY;
	if (xvi_page_take_whole(pool, xvi_page_state(&record), xvi_page_pad(&record), owner, &to) !=
	    0)
		return -XV_ENOMEM;
	err = to < pool->compaction.first_victim ? copy_page(pool, from, to) : -XV_ENOMEM;
	if (err == 0)
		err = announce_page(pool, owner, from, to);
	xvi_page_free_whole(pool, err == 0 ? from : to);
	return err;
}
