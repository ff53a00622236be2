/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The checker: proves the invariants that pool_impl.h numbers. Reads everything,
 * changes nothing, never asserts. Takes the pool's lock. Quick: O(1). Deep:
 * O(pages + blocks + lists).
 */
#include "composite.h"
#include "free_list.h"
#include "stock.h"
#include "table.h"

/* Sums over the pages, to be held against the pool's counters. */
struct tally {
	uint64_t pages;
	uint64_t empty;
	uint64_t empty_pinned;
	uint64_t whole;
	uint64_t objects;
	uint64_t requested;
	uint64_t pad;
	uint64_t pins;
	uint64_t unlisted;
	uint64_t holes; /* listed free blocks met in pages */
	uint64_t parts;
	uint64_t blocks;
	uint64_t link_bytes;
	uint64_t split;
	uint64_t large;
	uint64_t stock;         /* kept for quick reuse */
	uint64_t stock_bytes;   /* of them */
	uint64_t orphans;       /* of used blocks */
	uint64_t fragments;     /* of kind HEAD, MIDDLE and LAST, met in pages */
	uint64_t behind_heads;  /* of kind MIDDLE and LAST, met in pages */
	uint64_t reached;       /* MIDDLE and LAST, reached from heads */
	uint64_t parts_reached; /* pages listed in INDEX blocks */
};

struct checker {
	struct xv_pool *pool;
	struct xv_check_report *report;
	struct tally tally;
	uint32_t page;
};

static int broken(struct checker *c, uint32_t invariant, uint32_t page, uint32_t unit,
		  const char *message)
{
	c->report->invariant = invariant;
	c->report->page = page;
	c->report->offset = unit * UNIT_BYTES;
	c->report->message = message;
	return -XV_EBADMSG;
}

static int broken_pool(struct checker *c, uint32_t invariant, const char *message)
{
	return broken(c, invariant, UINT32_MAX, 0, message);
}

/* ---- blocks of a page: invariants 2 to 8 ---- */

static int check_listed(struct checker *c, uint32_t word, uint32_t at)
{
	const struct xvi_hole_table *holes = &c->pool->holes;
	uint32_t index = block_free_value(word);

	if (index == 0 || index >= holes->capacity || holes->records[index].units == 0)
		return broken(c, 6, c->page, at, "a free block names no hole record");
	if (holes->records[index].page != c->page || holes->records[index].first_unit != at)
		return broken(c, 6, c->page, at, "a free block's record is of another place");
	return 0;
}

static int check_free_block(struct checker *c, const uint32_t *words, uint32_t at, uint32_t *units)
{
	struct xv_pool *pool = c->pool;
	uint32_t word = words[at];
	int err;

	if (block_prev_is_free(word))
		return broken(c, 3, c->page, at, "two free blocks touch");
	if (block_kind(word) == FREE_LISTED) {
		err = check_listed(c, word, at);
		if (err != 0)
			return err;
		c->tally.holes++;
	} else if (block_kind(word) != FREE_UNLISTED) {
		return broken(c, 6, c->page, at, "a free block is of no known kind");
	}
	*units = xvi_free_units(pool, word);
	if (*units == 0 || *units > pool->end_unit - at)
		return broken(c, 2, c->page, at, "a free block reaches past the page's end");
	if (at + *units < pool->end_unit && words[at + *units - 1] != word)
		return broken(c, 5, c->page, at, "a free block's first and last word differ");
	if (block_kind(word) == FREE_UNLISTED)
		c->tally.unlisted += *units * UNIT_BYTES;
	return 0;
}

static void tally_used_block(struct checker *c, uint32_t word, bool orphan)
{
	uint32_t kind = block_kind(word);
	struct tally *t = &c->tally;

	if (kind == BLOCK_STOCK) {
		t->stock++;
		t->stock_bytes += block_units(word, c->pool->unit_bits) * (uint64_t)UNIT_BYTES;
		return;
	}
	t->blocks++;
	t->fragments += block_kind_is_fragment(kind);
	t->link_bytes += xvi_link_cost(c->pool, word);
	t->pad += block_pad(word);
	t->orphans += orphan;
	if (orphan)
		return;
	t->objects += block_kind_is_head(kind);
	t->split += kind == BLOCK_HEAD;
	t->large += kind == BLOCK_INDEX;
	t->behind_heads += kind == BLOCK_MIDDLE || kind == BLOCK_LAST;
	if (kind != BLOCK_INDEX)
		t->requested += xvi_payload_bytes(c->pool, word);
}

static int check_used_block(struct checker *c, const uint32_t *words, uint32_t at, uint32_t *units)
{
	struct xv_pool *pool = c->pool;
	uint32_t word = words[at];

	*units = block_units(word, pool->unit_bits);
	if (*units > pool->end_unit - at)
		return broken(c, 2, c->page, at, "a used block reaches past the page's end");
	if (block_check(word) != (xvi_place_hash(pool, c->page, at) & BLOCK_CHECK_MASK))
		return broken(c, 7, c->page, at, "a used block's check field is wrong");
	if (block_kind(word) >= BLOCK_KINDS ||
	    block_content_bytes(word, pool->unit_bits) <=
		    (int32_t)(pool->owner_bytes +
			      xvi_link_cost(pool, word) * (block_kind(word) != BLOCK_INDEX)))
		return broken(c, 7, c->page, at, "a used block has no size or no known kind");
	tally_used_block(c, word, xvi_is_orphan(pool, c->page, at));
	return 0;
}

static int check_blocks(struct checker *c, const uint32_t *words, uint32_t *used_units)
{
	struct xv_pool *pool = c->pool;
	bool prev_free = false;
	uint32_t units = 0;
	int err;

	for (uint32_t at = pool->first_unit; at != pool->end_unit; at += units) {
		uint32_t word = words[at];

		if (block_is_free(word) && prev_free)
			return broken(c, 3, c->page, at, "two free blocks touch");
		if (!block_is_free(word) && block_prev_is_free(word) != prev_free)
			return broken(c, 4, c->page, at, "PREV_FREE is wrong");
		if (block_is_free(word)) {
			err = check_free_block(c, words, at, &units);
		} else {
			err = check_used_block(c, words, at, &units);
			*used_units += units;
		}
		if (err != 0)
			return err;
		prev_free = block_is_free(word);
	}
	return 0;
}

static int check_block_page(struct checker *c, const struct xvi_page *record)
{
	struct xv_pool *pool = c->pool;
	uint32_t used_units = 0;
	uint32_t *words;
	int err;

	if (record->used_units == 0) {
		c->tally.empty++;
		c->tally.empty_pinned += record->pins != 0;
		return 0;
	}
	words = xvi_page_map(pool, c->page);
	if (words == NULL)
		return -XV_EAGAIN;
	err = check_blocks(c, words, &used_units);
	xvi_page_unmap(pool, c->page, words);
	if (err == 0 && used_units != record->used_units)
		err = broken(c, 8, c->page, 0, "used units are not the sum of the used blocks");
	return err;
}

static int check_page(struct checker *c)
{
	const struct xvi_page *record = &c->pool->pages.records[c->page];
	uint32_t state = xvi_own_page_state(c->pool, c->page);

	if (state == PAGE_NONE && c->pool->shared == NULL && record->state != PAGE_NONE)
		return broken(c, 1, c->page, 0, "a page that is not ours has a state");
	if (state == PAGE_NONE)
		return 0;
	c->tally.pages++;
	c->tally.pins += record->pins;
	if (state == PAGE_BLOCKS)
		return check_block_page(c, record);
	if ((record->state & PAGE_VICTIM) != 0)
		return broken(c, 1, c->page, 0, "a page without blocks is being emptied");
	c->tally.whole += state == PAGE_WHOLE;
	c->tally.objects += state == PAGE_WHOLE;
	c->tally.parts += state == PAGE_PART;
	c->tally.pad += xvi_page_pad(record);
	c->tally.requested += c->pool->page_bytes - xvi_page_pad(record);
	return 0;
}

/* ---- lists: invariants 9 to 11 ---- */

/* Where a listed record is of an empty page, it must be all of that page. */
static bool record_is_sane(const struct xv_pool *pool, const struct xvi_free_lists *lists,
			   const struct xvi_hole *hole)
{
	const struct xvi_page *page;
	bool victim;

	if (!xvi_page_is_ours(pool, hole->page) || hole->units == 0 ||
	    hole->first_unit < pool->first_unit ||
	    (uint32_t)hole->first_unit + hole->units > pool->end_unit)
		return false;
	page = &pool->pages.records[hole->page];
	victim = (page->state & PAGE_VICTIM) != 0;
	if (xvi_page_state(page) != PAGE_BLOCKS || victim != (lists == &pool->victim_lists))
		return false;
	return (page->used_units == 0) == (hole->units == pool->page_units);
}

static int check_list(struct checker *c, const struct xvi_free_lists *lists, uint32_t list,
		      uint64_t *listed, uint64_t *empty)
{
	const struct xv_pool *pool = c->pool;
	const struct xvi_hole *records = pool->holes.records;
	uint32_t prev = 0;

	for (uint32_t at = lists->heads[list]; at != 0; at = records[at].next) {
		const struct xvi_hole *hole = &records[at];

		if (at >= pool->holes.capacity || !record_is_sane(pool, lists, hole))
			return broken_pool(c, 9, "a list holds what is no hole");
		if (hole->units != list)
			return broken_pool(c, 9, "a list holds a hole of another size");
		if (hole->prev != prev)
			return broken_pool(c, 9, "a list's links do not agree");
		*empty += hole->units == pool->page_units;
		prev = at;
		if (++*listed > pool->holes.live)
			return broken_pool(c, 11, "the lists hold more holes than are counted");
	}
	return 0;
}

static int check_bitmaps(struct checker *c, const struct xvi_free_lists *lists, uint32_t list)
{
	uint32_t word = list >> WORD_LISTS_SHIFT;
	bool list_bit = (lists->list_bits[word] >> (list & 63U) & 1U) != 0;
	bool word_bit = (lists->word_bits[word >> 6] >> (word & 63U) & 1U) != 0;

	if (list_bit != (lists->heads[list] != 0))
		return broken_pool(c, 10,
				   "a second-level bit does not say whether its list is empty");
	if (word_bit != (lists->list_bits[word] != 0))
		return broken_pool(c, 10, "a first-level bit does not say whether its word is 0");
	return 0;
}

static int check_free_records(struct checker *c)
{
	const struct xvi_hole_table *holes = &c->pool->holes;
	uint32_t total = holes->capacity == 0 ? 0 : holes->capacity - 1;
	uint32_t count = 0;

	for (uint32_t at = holes->free_head; at != 0; at = holes->records[at].next) {
		if (at >= holes->capacity || holes->records[at].units != 0 || ++count > total)
			return broken_pool(c, 11, "the list of free records is not in order");
	}
	if (count + holes->live != total)
		return broken_pool(c, 11, "free and used records do not make up the table");
	return 0;
}

static int check_list_set(struct checker *c, const struct xvi_free_lists *lists, uint64_t *listed,
			  uint64_t *empty)
{
	for (uint32_t list = 0; list < lists->list_count; list++) {
		int err = check_bitmaps(c, lists, list);

		if (err == 0 && lists->heads[list] != 0)
			err = check_list(c, lists, list, listed, empty);
		if (err != 0)
			return err;
	}
	return 0;
}

static int check_lists(struct checker *c)
{
	const struct xv_pool *pool = c->pool;
	uint64_t listed = 0, empty = 0;
	int err = check_list_set(c, &pool->lists, &listed, &empty);

	if (err == 0)
		err = check_list_set(c, &pool->victim_lists, &listed, &empty);
	if (err != 0)
		return err;
	if (listed + pool->stock.count != pool->holes.live || listed != c->tally.holes + empty)
		return broken_pool(c, 11, "holes in pages, in lists and as counted differ");
	if (empty > c->tally.empty || empty + c->tally.empty_pinned < c->tally.empty)
		return broken_pool(c, 11, "an empty page is not listed");
	return check_free_records(c);
}

/* Blocks kept for quick reuse, by their bins, against those met in pages. */
static int check_stock(struct checker *c)
{
	const struct xv_pool *pool = c->pool;
	uint64_t count = 0, bytes = 0;

	for (uint32_t bin = 0; bin < pool->stock.bin_count; bin++) {
		for (uint32_t at = pool->stock.heads[bin]; at != 0;
		     at = pool->holes.records[at].next) {
			const struct xvi_hole *block = &pool->holes.records[at];

			if (at >= pool->holes.capacity || ++count > pool->stock.count ||
			    stock_bin(block->units) != bin)
				return broken_pool(c, 17, "a bin holds what is not its");
			bytes += block->units * (uint64_t)UNIT_BYTES;
		}
	}
	if (count != pool->stock.count || count != c->tally.stock)
		return broken_pool(c, 17, "blocks in bins, in pages and as counted differ");
	if (bytes != pool->stock.bytes || bytes != c->tally.stock_bytes)
		return broken_pool(c, 17, "the sum of what is kept is wrong");
	return 0;
}

/* ---- chains: invariant 15 ---- */

/* The pages that a mapped INDEX block lists, and the sum of sizes. */
static int check_index(struct checker *c, const struct xvi_location *head, size_t tail_bytes)
{
	struct xv_pool *pool = c->pool;
	const uint32_t *index = xvi_index(pool, head->words, head->unit);
	size_t bytes = tail_bytes;

	for (uint32_t i = 0; i < index[INDEX_COUNT]; i++) {
		uint32_t page = index[INDEX_PAGES + i];

		if (page >= pool->pages.capacity ||
		    xvi_page_state(&pool->pages.records[page]) != PAGE_PART)
			return broken(c, 15, head->page, head->unit,
				      "a large object lists a page that is not one of its parts");
		bytes += pool->page_bytes - xvi_page_pad(&pool->pages.records[page]);
	}
	c->tally.parts_reached += index[INDEX_COUNT];
	if (bytes != index[INDEX_SIZE])
		return broken(c, 15, head->page, head->unit,
			      "a large object's parts do not make up its size");
	return 0;
}

static int check_chain(struct checker *c, uint32_t unit)
{
	struct xvi_location where;
	struct xvi_chain chain;
	uint64_t bad_handles = c->pool->bad_handles;
	size_t tail = 0;
	int err = xvi_locate(c->pool,
			     xv_handle_at(c->page, unit * UNIT_BYTES + c->pool->prefix_bytes),
			     TRUST_HANDLE, &where);

	if (err == 0) {
		err = xvi_chain_read(c->pool, &where, &chain);
		for (uint32_t i = 1; err == 0 && i < chain.count; i++)
			tail += xvi_payload_bytes(c->pool, chain.fragment[i].header);
		if (err == 0 && block_kind(where.header) == BLOCK_INDEX)
			err = check_index(c, &where, tail);
		xvi_locate_end(c->pool, &where);
	}
	c->pool->bad_handles = bad_handles;
	if (err == -XV_EINVAL)
		return broken(c, 15, c->page, unit, "a chain of fragments is broken");
	if (err == 0)
		c->tally.reached += chain.count - 1;
	return err;
}

/* The next head with a link in a page, from unit on; end_unit when there is none. */
static uint32_t next_chain(const struct xv_pool *pool, uint32_t page, const uint32_t *words,
			   uint32_t unit)
{
	while (unit < pool->end_unit) {
		uint32_t kind = block_kind(words[unit]);

		if (!block_is_free(words[unit]) && (kind == BLOCK_HEAD || kind == BLOCK_INDEX) &&
		    !xvi_is_orphan(pool, page, unit))
			break;
		unit += xvi_any_units(pool, words[unit]);
	}
	return unit;
}

/* Block by block, since a page must not stay mapped while a chain is read. */
static int check_page_chains(struct checker *c)
{
	struct xv_pool *pool = c->pool;
	const struct xvi_page *record = &pool->pages.records[c->page];
	uint32_t unit = pool->first_unit;
	int err = 0;

	if (xvi_own_page_state(pool, c->page) != PAGE_BLOCKS || record->used_units == 0)
		return 0;
	while (err == 0) {
		uint32_t *words = xvi_page_map(pool, c->page);
		uint32_t units;

		if (words == NULL)
			return -XV_EAGAIN;
		unit = next_chain(pool, c->page, words, unit);
		units = unit < pool->end_unit ? xvi_any_units(pool, words[unit]) : 0;
		xvi_page_unmap(pool, c->page, words);
		if (units == 0)
			return 0;
		err = check_chain(c, unit);
		unit += units;
	}
	return err;
}

static int check_chains(struct checker *c)
{
	const struct tally *t = &c->tally;
	int err = 0;

	if ((c->pool->flags & XV_POOL_SPLIT) == 0)
		return 0;
	for (c->page = 0; err == 0 && c->page < c->pool->pages.capacity; c->page++)
		err = check_page_chains(c);
	if (err != 0)
		return err;
	if (t->reached != t->behind_heads || t->parts_reached != t->parts)
		return broken_pool(c, 15,
				   "a fragment or part is not reached from exactly one head");
	return 0;
}

/* ---- counters: invariants 12 to 14 ---- */

static int check_counters(struct checker *c)
{
	const struct xv_pool *pool = c->pool;
	const struct tally *t = &c->tally;
	uint64_t doomed = pool->doomed != XV_NULL_HANDLE;

	if (t->pages != pool->page_count)
		return broken_pool(c, 1, "the count of pages is wrong");
	if (t->objects != pool->object_count + doomed || t->whole != pool->whole_page_count)
		return broken_pool(c, 12, "the count of objects is wrong");
	if (t->parts != pool->part_page_count || t->blocks != pool->block_count ||
	    t->split != pool->split_count || t->large != pool->large_count ||
	    t->fragments != pool->fragment_count || t->link_bytes != pool->linkage_bytes)
		return broken_pool(c, 12, "a count of blocks, fragments or links is wrong");
	if (t->requested != pool->requested_bytes + pool->doomed_bytes || t->pad != pool->pad_bytes)
		return broken_pool(c, 12, "the sum of sizes is wrong");
	if (t->orphans != pool->orphan_count)
		return broken_pool(c, 16, "an orphan is no used block");
	if (t->empty != pool->empty_pages || t->pins != pool->pin_count)
		return broken_pool(c, 12, "the count of empty pages or of maps is wrong");
	if (t->unlisted != pool->unlisted_bytes)
		return broken_pool(c, 12, "the sum of unlisted bytes is wrong");
	if (t->empty - t->empty_pinned > xvi_reserve_most(pool))
		return broken_pool(c, 13, "more empty pages are kept than the reserve allows");
	return 0;
}

static int check_quick(struct checker *c)
{
	const struct xv_pool *pool = c->pool;
	struct xv_pool_stats s;

	xvi_fill_stats(pool, &s);
	if (pool->empty_pages + pool->whole_page_count > pool->page_count ||
	    pool->whole_page_count > pool->object_count ||
	    pool->mallocs - pool->frees != pool->object_count)
		return broken_pool(c, 12, "the counters contradict each other");
	if (pool->holes.live > pool->holes.capacity)
		return broken_pool(c, 11, "more holes are counted than the table has records");
	/* free is what is left; wrapping around shows as more than the pages. */
	if (s.free_bytes > s.held_bytes || s.held_bytes != s.requested_bytes + s.header_bytes +
								   s.owner_bytes + s.link_bytes +
								   s.rounding_bytes + s.free_bytes +
								   s.reserve_bytes + s.table_bytes)
		return broken_pool(c, 14, "held bytes are not the sum of their parts");
	return 0;
}

int xvi_check_locked(struct xv_pool *pool, enum xv_check_level level,
		     struct xv_check_report *report)
{
	struct checker c = {.pool = pool, .report = report};
	int err = check_quick(&c);

	if (level != XV_CHECK_DEEP)
		return err;
	for (c.page = 0; err == 0 && c.page < pool->pages.capacity; c.page++)
		err = check_page(&c);
	if (err == 0)
		err = check_lists(&c);
	if (err == 0)
		err = check_stock(&c);
	if (err == 0)
		err = check_counters(&c);
	return err == 0 ? check_chains(&c) : err;
}

/* What shards hold together, and whose the pages are. All are locked. */
static int check_shared(struct xv_pool *pool, struct xv_check_report *report)
{
	struct checker c = {.pool = pool, .report = report};
	struct xvi_shared *shared = pool->shared;
	uint64_t held = shared->pages.memory.committed_bytes + shared->map_memory.committed_bytes;
	uint64_t pages = 0, mapped = 0;

	for (uint32_t i = 0; i < shared->count; i++) {
		const struct xv_pool *shard = xvi_shard(pool, i);

		if (shard == NULL)
			continue;
		held += (shard->page_count << shard->page_shift) +
			shard->self_memory.committed_bytes + shard->holes.memory.committed_bytes;
		pages += shard->page_count;
	}
	for (uint32_t page = 0; page < shared->pages.capacity; page++)
		mapped += xvi_is_spread(shared)
				  ? xvi_atomic8_load(&shared->map[page]) != SHARD_NONE
				  : xvi_page_state(&shared->pages.records[page]) != PAGE_NONE;
	if (pages != mapped)
		return broken_pool(&c, 18, "the map has another number of pages than the shards");
	if (held != shared->held_bytes)
		return broken_pool(&c, 18, "held bytes are not the sum over the shards");
	return 0;
}

int xv_pool_check(struct xv_pool *pool, enum xv_check_level level, struct xv_check_report *report)
{
	struct xv_check_report unused;
	int err = 0;

	if (report == NULL)
		report = &unused;
	report->invariant = 0;
	report->page = UINT32_MAX;
	report->offset = 0;
	report->message = "";
	if (pool == NULL || (level != XV_CHECK_QUICK && level != XV_CHECK_DEEP))
		return -XV_EINVAL;
	xvi_enter_all(pool);
	for (uint32_t i = 0; i < xvi_shard_count(pool) && err == 0; i++) {
		struct xv_pool *shard = xvi_shard(pool, i);

		if (shard != NULL)
			err = xvi_check_locked(shard, level, report);
	}
	if (err == 0 && pool->shared != NULL)
		err = check_shared(pool, report);
	xvi_leave_all(pool);
	return err;
}

#if XV_DEBUG >= 2
void xvi_debug_check(struct xv_pool *pool)
{
	struct xv_check_report report;

	if (++pool->debug_countdown < XVI_DEBUG_CHECK_INTERVAL)
		return;
	pool->debug_countdown = 0;
	XVI_ASSERT(xvi_check_locked(pool, XV_CHECK_DEEP, &report) != -XV_EBADMSG);
}
#endif
