/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Compaction: emptying some pages into the others, a bounded step at a time. Owns the
 * victim flag of pages and the cycle's state; calls split.c to lay blocks anew and the
 * owner callbacks. Under the lock of the shard that is compacted (compact_shards.c has the
 * public calls). O(budget).
 *
 * A cycle:
 *   drain   what quick reuse keeps is freed, and until the end nothing more is kept
 *   scan    the reserve goes back to its usual size; the pages are counted by how full
 *           they are, and it is decided which shall be victims
 *   mark    the victims' holes move to lists of their own: nothing is moved into a
 *           victim, and allocations take from it only before the pool would grow
 *   move    block by block, victims are emptied; an emptied page goes back
 *   unmark  victims that could not be emptied become pages like others
 *   shrink  the tables drop what they no longer need
 *
 * Which pages: as many as the others have room for. Normally the sparsest, since that
 * moves the fewest bytes. But when the objects would fit into a small part of the page
 * numbers in use, the page table would be most of what is left: then every page above
 * the number that suffices is emptied, into the pages below it, so that the table's end
 * can go too.
 *
 * Nothing here costs malloc and free anything between the cycles.
 */
#include "carve.h"
#include "compact.h"
#include "stock.h"

enum {
	/* What a step's budget pays for beside the bytes moved: about as many bytes as
	 * could be copied in that time. */
	COST_RECORD = 4,
	COST_MOVE = 512,
	COST_SHRINK = 8192,
	COST_DRAIN = 512,
	COST_PAGE = 2048,

	ROUNDS_MAX = 24,    /* of a cycle */
	ROUND_YIELD = 16,   /* of what it could, a round must give back one in so much */
	NO_ROOM_LIMIT = 16, /* moves in a row without room that end the moving */
};

/* ---- scan ---- */

/* Begin a cycle. */
static void cycle_begin(struct xv_pool *pool)
{
	struct xvi_compaction *cycle = &pool->compaction;

	memset(cycle, 0, sizeof(*cycle));
	cycle->phase = COMPACT_DRAIN;
	cycle->first_victim = UINT32_MAX;
	cycle->first_pages = pool->page_count;
	pool->cycled_pages = 0;
	xvi_stock_set_limit(pool);
}

static void cycle_end(struct xv_pool *pool)
{
	pool->compaction.phase = COMPACT_IDLE;
	pool->compaction.first_victim = UINT32_MAX;
	xvi_stock_set_limit(pool);
}

/* ---- drain ---- */

static void step_drain(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;

	for (; pool->stock.count != 0 && step->budget > 0; step->budget -= COST_DRAIN)
		xvi_stock_free_one(pool);
	if (pool->stock.count == 0)
		pool->compaction.phase = COMPACT_SCAN;
}

/* Begin another round of the cycle. */
static void round_begin(struct xvi_compaction *cycle)
{
	cycle->phase = COMPACT_SCAN;
	cycle->first_victim = UINT32_MAX;
	cycle->cursor = 0;
	cycle->unit = 0;
	cycle->no_room = 0;
	cycle->used_units = 0;
	cycle->rounds++;
	memset(cycle->pages, 0, sizeof(cycle->pages));
}

/* Give an empty page back, unless somebody has it mapped. */
static bool give_back_empty(struct xv_pool *pool, uint32_t page)
{
	const struct xvi_page *record = &pool->pages.records[page];

	if (xvi_own_page_state(pool, page) != PAGE_BLOCKS || record->used_units != 0 ||
	    record->pins != 0)
		return false;
	xvi_page_unlist_empty(pool, page);
	xvi_page_give_back(pool, page);
	return true;
}

static void scan_page(struct xv_pool *pool, struct xvi_compaction *cycle, uint32_t page)
{
	const struct xvi_page *record = &pool->pages.records[page];
	uint32_t state = xvi_own_page_state(pool, page);

	if (state == PAGE_NONE)
		return;
	cycle->span = page + 1;
	if (state != PAGE_BLOCKS || record->used_units == 0)
		return;
	cycle->pages[compact_bucket_of(pool, record)]++;
	cycle->used_units += record->used_units;
}

static void step_scan(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	struct xvi_compaction *cycle = &pool->compaction;

	while (cycle->cursor < pool->pages.capacity && step->budget > 0) {
		if (pool->empty_pages > pool->stock.reserve_pages &&
		    give_back_empty(pool, cycle->cursor))
			step->budget -= COST_PAGE;
		scan_page(pool, cycle, cycle->cursor++);
		step->budget -= COST_RECORD;
	}
	if (cycle->cursor >= pool->pages.capacity)
		xvi_compact_choose(pool);
}

/* ---- mark and unmark ---- */

enum lists_change { HOLES_OUT, HOLES_IN };

/* Take all holes of a mapped page out of the lists, or put them in. */
static void change_lists(struct xv_pool *pool, const uint32_t *words, enum lists_change change)
{
	uint32_t at = pool->first_unit;

	while (at < pool->end_unit) {
		uint32_t word = words[at];
		uint32_t units = xvi_any_units(pool, word);

		if (block_is_free(word) && block_kind(word) == FREE_LISTED) {
			if (change == HOLES_OUT)
				free_list_remove(pool, block_free_value(word));
			else
				free_list_insert(pool, block_free_value(word));
		}
		at += units;
	}
}

/* Make a page with blocks a victim, or end that. */
static int set_victim(struct xv_pool *pool, uint32_t page, bool victim)
{
	struct xvi_page *record = &pool->pages.records[page];
	uint32_t *words = xvi_page_map(pool, page);

	if (words == NULL)
		return -XV_EAGAIN;
	change_lists(pool, words, HOLES_OUT);
	record->state = (uint8_t)(victim ? record->state | PAGE_VICTIM
					 : record->state & ~(uint32_t)PAGE_VICTIM);
	change_lists(pool, words, HOLES_IN);
	xvi_page_unmap(pool, page, words);
	return 0;
}

/* Shall this page be emptied? */
static bool is_chosen(struct xv_pool *pool, struct xvi_compaction *cycle, uint32_t page)
{
	const struct xvi_page *record = &pool->pages.records[page];
	uint32_t bucket;

	if (xvi_own_page_state(pool, page) != PAGE_BLOCKS || record->used_units == 0 ||
	    record->pins != 0)
		return false;
	if (cycle->first_victim != UINT32_MAX)
		return page >= cycle->first_victim;
	bucket = compact_bucket_of(pool, record);
	if (bucket == cycle->threshold && cycle->quota != 0) {
		cycle->quota--;
		return true;
	}
	return bucket < cycle->threshold;
}

static int step_mark(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	struct xvi_compaction *cycle = &pool->compaction;

	for (; cycle->cursor < pool->pages.capacity && step->budget > 0; cycle->cursor++) {
		step->budget -= COST_RECORD;
		/* A page of the reserve would be moved into, and keep the page table long. */
		if (cycle->cursor >= cycle->first_victim)
			(void)give_back_empty(pool, cycle->cursor);
		if (!is_chosen(pool, cycle, cycle->cursor))
			continue;
		step->budget -= pool->page_bytes / 16;
		if (set_victim(pool, cycle->cursor, true) != 0)
			return -XV_EAGAIN;
	}
	if (cycle->cursor >= pool->pages.capacity) {
		cycle->cursor = 0;
		cycle->phase = COMPACT_MOVE;
	}
	return 0;
}

/* Another round, where the last one got somewhere and there is more to be had. */
static void round_end(const struct xv_pool *pool, struct xvi_compaction *cycle)
{
	uint64_t freed =
		cycle->page_count > pool->page_count ? cycle->page_count - pool->page_count : 0;

	if (cycle->rounds + 1 < ROUNDS_MAX && freed * ROUND_YIELD >= cycle->gain &&
	    xvi_compactable_pages(pool) * 1000 > pool->page_count * ROUND_PERMILLE)
		round_begin(cycle);
	else
		cycle->phase = COMPACT_SHRINK;
}

static int step_unmark(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	struct xvi_compaction *cycle = &pool->compaction;

	for (; cycle->cursor < pool->pages.capacity && step->budget > 0; cycle->cursor++) {
		const struct xvi_page *record = &pool->pages.records[cycle->cursor];

		step->budget -= COST_RECORD;
		if (!xvi_page_is_ours(pool, cycle->cursor) || (record->state & PAGE_VICTIM) == 0)
			continue;
		step->budget -= pool->page_bytes / 16;
		if (set_victim(pool, cycle->cursor, false) != 0)
			return -XV_EAGAIN;
	}
	if (cycle->cursor >= pool->pages.capacity)
		round_end(pool, cycle);
	return 0;
}

/* ---- move ---- */

/* Count the outcome of a move. Returns the error that ends the step, or 0. */
static int note_move(struct xvi_compact_step *step, int err, uint32_t bytes)
{
	struct xvi_compaction *cycle = &step->pool->compaction;

	step->budget -= COST_MOVE;
	if (err == 0) {
		step->budget -= bytes;
		step->report->moved_bytes += bytes;
		cycle->moved_bytes += bytes;
		step->report->moved_blocks++;
	}
	if (err == -XV_EBUSY)
		step->report->refused++;
	cycle->no_room = err == -XV_ENOMEM ? cycle->no_room + 1 : 0;
	return err == -XV_EAGAIN ? err : 0;
}

/* The first used block from unit on that is at or behind `unit`; end_unit when none. */
static uint32_t next_used(const struct xv_pool *pool, const uint32_t *words, uint32_t unit)
{
	uint32_t at = pool->first_unit;

	while (at < pool->end_unit && (at < unit || block_is_free(words[at])))
		at += xvi_any_units(pool, words[at]);
	return at;
}

/*
 * Move the blocks of a victim page, from the cycle's unit on. Each block is looked up
 * from the page's start, since moving one merges the free blocks around it.
 */
static int empty_page(struct xvi_compact_step *step, uint32_t page, bool *done)
{
	struct xv_pool *pool = step->pool;
	struct xvi_compaction *cycle = &pool->compaction;
	uint32_t bytes = 0;
	int err;

	*done = true;
	while (xvi_page_is_ours(pool, page) &&
	       (pool->pages.records[page].state & PAGE_VICTIM) != 0 &&
	       pool->pages.records[page].pins == 0) {
		uint32_t *words = xvi_page_map(pool, page);
		uint32_t unit;

		if (words == NULL)
			return -XV_EAGAIN;
		unit = next_used(pool, words, cycle->unit);
		xvi_page_unmap(pool, page, words);
		if (unit >= pool->end_unit)
			break;
		/* The block may be one of them. */
		if (pool->orphan_count != 0) {
			if (!xvi_orphans_free(pool))
				return -XV_EAGAIN;
			continue;
		}
		err = xvi_move_block(pool, page, unit, &bytes);
		err = note_move(step, err, bytes);
		if (err != 0)
			return err;
		cycle->unit = unit + 1;
		*done = step->budget > 0;
		if (!*done)
			break;
	}
	return 0;
}

/* One page of the sweep; *done: the sweep may go on to the next. */
static int move_from_page(struct xvi_compact_step *step, uint32_t page, bool *done)
{
	struct xv_pool *pool = step->pool;
	const struct xvi_page *record = &pool->pages.records[page];
	uint32_t state = xvi_own_page_state(pool, page);

	*done = true;
	if (state == PAGE_NONE)
		return 0;
	if (record->pins != 0 && ((record->state & PAGE_VICTIM) != 0 ||
				  (page >= pool->compaction.first_victim && state > PAGE_BLOCKS))) {
		step->report->pinned_pages++;
		return 0;
	}
	if ((record->state & PAGE_VICTIM) != 0)
		return empty_page(step, page, done);
	if (page >= pool->compaction.first_victim && state > PAGE_BLOCKS)
		return note_move(step, xvi_move_page(pool, page), pool->page_bytes);
	return 0;
}

static int step_move(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	struct xvi_compaction *cycle = &pool->compaction;

	while (cycle->cursor < pool->pages.capacity && step->budget > 0 &&
	       cycle->no_room < NO_ROOM_LIMIT) {
		bool done;
		int err = move_from_page(step, cycle->cursor, &done);

		if (err != 0)
			return err;
		step->budget -= COST_RECORD;
		if (done) {
			cycle->cursor++;
			cycle->unit = 0;
		}
	}
	if (cycle->cursor >= pool->pages.capacity || cycle->no_room >= NO_ROOM_LIMIT) {
		cycle->cursor = 0;
		cycle->phase = COMPACT_UNMARK;
	}
	return 0;
}

/* ---- shrink ---- */

static void step_shrink(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	uint32_t spare = pool->holes.live / 16;

	while (step->budget > 0) {
		step->budget -= COST_SHRINK;
		if (xvi_hole_table_shrink(pool, spare) == 0) {
			(void)xvi_page_table_trim(pool);
			cycle_end(pool);
			return;
		}
	}
}

/* ---- the steps ---- */

static int step_once(struct xvi_compact_step *step)
{
	struct xvi_compaction *cycle = &step->pool->compaction;

	switch (cycle->phase) {
	case COMPACT_IDLE:
		cycle_begin(step->pool);
		return 0;
	case COMPACT_DRAIN:
		step_drain(step);
		return 0;
	case COMPACT_SCAN:
		step_scan(step);
		return 0;
	case COMPACT_MARK:
		return step_mark(step);
	case COMPACT_MOVE:
		return step_move(step);
	case COMPACT_UNMARK:
		return step_unmark(step);
	case COMPACT_SHRINK:
		step_shrink(step);
		return 0;
	}
	return 0;
}

int xvi_compact_locked(struct xvi_compact_step *step)
{
	struct xv_pool *pool = step->pool;
	uint64_t before = xvi_held_bytes(pool);
	uint64_t after;
	int err;

	xvi_stock_settle(pool);
	do {
		err = xvi_orphans_free(pool) ? step_once(step) : -XV_EAGAIN;
	} while (err == 0 && step->budget > 0 && pool->compaction.phase != COMPACT_IDLE);
	after = xvi_held_bytes(pool);
	step->report->freed_bytes = before > after ? before - after : 0;
	step->report->more = pool->compaction.phase != COMPACT_IDLE;
	xvi_debug_check(pool);
	return err;
}
