/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * compact.c: empty sparse pages into the others, a bounded step at a time.
 *
 * A cycle has rounds. A round scans the page records and counts hot grains by the fullness of their
 * pages. It chooses the emptiest pages whose blocks fit, by their sum, into what is free in the hot
 * grains of the others. Then it sweeps over the pages: each chosen page becomes the victim, which
 * gets no new blocks, and its blocks move into holes of other pages; without memory, only into
 * holes that need none. A victim that cannot be emptied becomes a normal page. The first round that
 * does not pay is the last one.
 *
 * A few scattered pages keep the records of all pages around them. So among pages that have a
 * quarter free or more, the highest are emptied. When the records of missing pages weigh much, the
 * cycle ends with a sweep that moves the highest pages to new ones, of which the source has the
 * lowest.
 *
 * A WHOLE or FIRST piece moves if its owner agrees; for a REST piece only the links around it
 * change.
 */
#include "grain.h"
#include "piece.h"
#include "prove.h"

enum {
	RECORD_COST = 32,    /* bytes of a step for a look at a page record, ... */
	BLOCK_COST = 16,     /* ... for a look at a block, ... */
	MOVE_COST = 64,      /* ... and for a move, beside its bytes */
	ROUND_SHARE = 16384, /* a round must gain a grain of so many to be followed by another */
	MORE_SHARE = 128,  /* one grain of so many is tried beyond those that must fit, since joined
			    * pieces need less */
	TABLE_SHARE = 256, /* of used bytes: page records weigh much from there on, ... */
	TABLE_BYTES = 16384, /* ... and at least so many bytes */
};

struct step {
	struct xvi_objects *objects;
	struct xv_compact_report *report;
	int64_t left;
	uint32_t pages; /* of the whole pool: pages with lower numbers are low enough */
};

/* ---- what a page is to compaction ---- */

static uint32_t page_bucket(const struct xvi_heap *heap, struct xvi_page *record)
{
	uint32_t quarter, above, bucket;

	XVI_ASSERT(record->hot != 0 && record->used_units != 0);
	quarter = grain_bits(record->hot) << heap->shape.grain_shift >> 2;
	above = record->used_units > 3 * quarter ? record->used_units - 3 * quarter : 0;
	bucket = above * (uint32_t)COMPACT_BUCKETS / quarter;
	return bucket < COMPACT_BUCKETS ? bucket : COMPACT_BUCKETS - 1;
}

/* May compaction move the block at all? The page is mapped. */
static bool block_is_movable(const struct xvi_objects *objects, const uint32_t *words,
			     uint32_t unit)
{
	uint32_t kind = block_kind(words[unit]);

	if (kind == KIND_REST || !piece_has_payload(objects, words[unit]))
		return kind == KIND_REST;
	return kind != KIND_FIXED && words[unit + 1] != XV_NO_OWNER;
}

/* May compaction move every block of the page, if its words are right? */
static bool page_is_movable(struct step *step, uint32_t page)
{
	struct xvi_heap *heap = &step->objects->heap;
	uint32_t *words = heap_map(heap, page);
	uint32_t unit = xvi_heap_next_used(heap, page, words, heap->shape.first_unit);
	bool movable = true;

	XVI_ASSERT(!heap_is_closed(heap, page) && heap->victim == 0);
	while (movable && unit < heap->shape.end_unit) {
		movable = block_is_movable(step->objects, words, unit);
		unit = page_next_used(heap, page, words, unit);
		step->left -= BLOCK_COST;
	}
	heap_unmap(heap, page, words);
	return movable;
}

/* ---- moving a block ---- */

/* Is a piece of the object, which was checked, in a pinned page? */
static bool chain_is_pinned(struct xvi_objects *objects, const struct xvi_location *first)
{
	struct xvi_location at = *first;
	int err = 0;

	while (err == 0 && at.page != LINK_NONE && !page_is_pinned(objects, at.page))
		err = xvi_piece_next(objects, &at, &at);
	return at.page != LINK_NONE;
}

/* Make an object of several pieces one block, unless a piece must stay where it is. */
static bool target_joined(struct xvi_objects *objects, const struct xvi_location *at,
			  struct xvi_location *to)
{
	size_t size = object_size(objects, at);

	XVI_ASSERT(block_kind(at->header) == KIND_FIRST);
	return size <= objects->whole_max && !chain_is_pinned(objects, at) &&
	       xvi_piece_malloc(objects, object_content(objects, size), KIND_WHOLE, 1,
				HEAP_KEEP_VICTIMS, to) == 0;
}

/* Make the new place of a block: joined with the rest of its object, as it is, or laid over a few
 * holes; when pages move down, in a new page. */
static bool target_find(struct xvi_objects *objects, const struct xvi_location *at,
			struct xvi_location *to)
{
	uint32_t kind = block_kind(at->header);
	uint32_t content = block_content(at->header);

	XVI_ASSERT(objects->split || kind == KIND_WHOLE); /* 22 */
	if (kind == KIND_FIRST && target_joined(objects, at, to))
		return true;
	if (xvi_piece_malloc(objects, content, kind, 1, HEAP_KEEP_VICTIMS, to) == 0)
		return true;
	if (objects->split && xvi_chain_lay(objects, kind == KIND_REST ? KIND_REST : KIND_FIRST,
					    piece_payload_bytes(objects, at->header),
					    LAY_PIECES_FEW, HEAP_KEEP_VICTIMS, to) == 0)
		return true;
	return objects->compaction.phase == COMPACT_DOWN &&
	       xvi_piece_malloc(objects, content, kind, 1, HEAP_KEEP_VICTIMS | HEAP_MAY_GROW, to) ==
		       0;
}

/* Tell the owner the handle of the new place, and ask. */
static bool owner_agrees(struct xvi_objects *objects, const struct xvi_location *at,
			 const struct xvi_location *to)
{
	uint32_t owner = object_owner(objects, at);
	bool agrees;

	object_set_owner(objects, to, owner);
	if (objects_watched(objects))
		xvi_tools_loud();
	agrees = objects->owner_ops->relocated(
			 objects->owner_context, owner,
			 objects_handle(objects, at->page, at->unit, at->header),
			 objects_handle(objects, to->page, to->unit, to->header)) == 0;
	if (objects_watched(objects))
		xvi_tools_quiet();
	return agrees;
}

/* Move a block that may move. True when it is gone, and perhaps its page with it. False: no
 * place, its owner refused, or it is not sound: its page may be closed then. O(bytes). */
static bool block_move(struct xvi_objects *objects, const struct xvi_location *at,
		       struct xv_compact_report *report)
{
	uint32_t kind = block_kind(at->header);
	uint32_t bytes = piece_payload_bytes(objects, at->header);
	struct xvi_location to;
	bool joined;
	int err;

	XVI_ASSERT(kind != KIND_FIXED && !page_is_pinned(objects, at->page));
	XVI_ASSERT(objects->heap.victim == at->page + 1);
	if (xvi_piece_check(objects, at) != 0 || !xvi_piece_has_canary(objects, at) ||
	    !target_find(objects, at, &to))
		return false;
	XVI_ASSERT(to.page != at->page);
	XVI_ASSERT((kind == KIND_REST) == (block_kind(to.header) == KIND_REST));
	joined = kind == KIND_FIRST && block_kind(to.header) == KIND_WHOLE;
	if (joined)
		bytes = (uint32_t)object_size(objects, at);
	/* The chain was checked, but the search for the target may have closed a page of it. */
	err = xvi_object_copy(objects, &to, objects, at, bytes);
	if (err != 0) {
		xvi_chain_free(objects, &to);
		return false;
	}
	if (kind != KIND_REST && !owner_agrees(objects, at, &to)) {
		xvi_chain_free(objects, &to);
		report->refused++;
		return false;
	}
	piece_tell_moved(objects, at, &to);
	if (joined)
		xvi_chain_free(objects, at);
	else
		xvi_piece_replace(objects, at, &to);
	report->moved_bytes += bytes;
	report->moved_blocks++;
	if (to.page > at->page && objects->compaction.phase == COMPACT_DOWN)
		objects->compaction.cursor = 0; /* the source has no lower page */
	return true;
}

/* ---- choosing ---- */

/* Set threshold and quota from the counted grains. False: nothing can be gained. The content of
 * the victims fits into the others if the victims have no more grains than are free in all;
 * MORE_SHARE says why a few more are tried. */
static bool round_choose(struct xvi_compaction *cycle)
{
	cycle->threshold = 0;
	if (cycle->quota == 0)
		return false;
	while (cycle->threshold < COMPACT_BUCKETS - 1 &&
	       cycle->grains[cycle->threshold] <= cycle->quota)
		cycle->quota -= cycle->grains[cycle->threshold++];
	return true;
}

static void round_begin(struct xvi_objects *objects)
{
	struct xvi_compaction *cycle = &objects->compaction;

	XVI_ASSERT(objects->heap.victim == 0);
	cycle->phase = COMPACT_SCAN;
	cycle->cursor = objects->heap.page_base;
	cycle->round_grains = objects->heap.committed_grains - objects->heap.spare_grains;
	cycle->free_units = 0;
	memset(cycle->grains, 0, sizeof(cycle->grains));
}

void xvi_objects_compact_end(struct xvi_objects *objects)
{
	xvi_heap_victim_end(&objects->heap);
	XVI_ASSERT(objects->heap.victim == 0);
	objects->compaction.phase = COMPACT_IDLE;
}

/* Should pages move down? */
static bool pages_are_sparse(const struct step *step)
{
	const struct xvi_heap *heap = &step->objects->heap;
	uint64_t records = (uint64_t)heap->page_limit * heap->shape.page_stride;

	return heap->page_limit / 2 > step->pages && records > TABLE_BYTES &&
	       records > heap->used_units * UNIT_BYTES / TABLE_SHARE;
}

/* The sweep is over: start another round, move pages down, or end the cycle. */
static void sweep_end(struct step *step)
{
	struct xvi_heap *heap = &step->objects->heap;
	struct xvi_compaction *cycle = &step->objects->compaction;
	uint64_t grains = heap->committed_grains - heap->spare_grains;
	bool down = cycle->phase == COMPACT_DOWN;

	XVI_ASSERT(down || cycle->phase == COMPACT_SWEEP);
	if (down ? !pages_are_sparse(step)
		 : grains + cycle->round_grains / ROUND_SHARE < cycle->round_grains) {
		round_begin(step->objects);
	} else if (!down && pages_are_sparse(step)) {
		(void)xvi_heap_give_back(heap, 0);
		cycle->phase = COMPACT_DOWN;
		cycle->cursor = heap->page_limit;
	} else {
		xvi_objects_compact_end(step->objects);
		cycle->left_units = heap_free_units(heap);
		cycle->left_of_used = heap->used_units;
		(void)xvi_heap_give_back(heap, 0);
	}
}

/* ---- the phases ---- */

static void scan_page(struct step *step)
{
	struct xvi_objects *objects = step->objects;
	struct xvi_heap *heap = &objects->heap;
	struct xvi_compaction *cycle = &objects->compaction;

	XVI_ASSERT(heap->victim == 0 && cycle->cursor >= heap->page_base);
	if (cycle->cursor >= heap->page_limit) {
		cycle->phase = COMPACT_SWEEP;
		cycle->quota = (cycle->free_units >> heap->shape.grain_shift) +
			       cycle->round_grains / MORE_SHARE;
		cycle->cursor = round_choose(cycle) ? heap->page_limit : 0;
		return;
	}
	if (page_has_blocks(heap, cycle->cursor)) {
		struct xvi_page *record = heap_page(heap, cycle->cursor);

		step->report->pinned_pages += record->pins != 0;
		if (record->pins == 0) {
			uint32_t grains = grain_bits(record->hot);

			cycle->grains[page_bucket(heap, record)] += grains;
			cycle->free_units +=
				(grains << heap->shape.grain_shift) - record->used_units;
		}
	}
	cycle->cursor++;
	step->left -= RECORD_COST;
}

static bool is_chosen(const struct xvi_compaction *cycle, uint32_t bucket)
{
	return bucket < cycle->threshold || (bucket == cycle->threshold && cycle->quota != 0);
}

/* Make the page below the cursor the victim, if it is chosen or moves down. */
static void sweep_page(struct step *step)
{
	struct xvi_heap *heap = &step->objects->heap;
	struct xvi_compaction *cycle = &step->objects->compaction;
	uint32_t page = --cycle->cursor;
	struct xvi_page *record;
	uint32_t bucket;

	XVI_ASSERT(heap->victim == 0); /* the page may be gone */
	step->left -= RECORD_COST;
	if (!page_has_blocks(heap, page))
		return;
	record = heap_page(heap, page);
	bucket = page_bucket(heap, record);
	if (record->pins != 0 || (cycle->phase == COMPACT_SWEEP && !is_chosen(cycle, bucket)) ||
	    !page_is_movable(step, page))
		return;
	xvi_heap_victim_begin(heap, page);
	cycle->victim_grains = bucket == cycle->threshold ? grain_bits(record->hot) : 0;
}

/* The victim is gone. */
static void victim_emptied(struct xvi_objects *objects)
{
	struct xvi_compaction *cycle = &objects->compaction;

	cycle->quota -= cycle->victim_grains < cycle->quota ? cycle->victim_grains : cycle->quota;
	if (cycle->phase == COMPACT_DOWN) /* no block goes into it again: it is high */
		(void)xvi_heap_give_back(&objects->heap, 0);
}

/* Move one block out of the victim. */
static void empty_victim(struct step *step)
{
	struct xvi_objects *objects = step->objects;
	struct xvi_heap *heap = &objects->heap;
	uint32_t page = heap->victim - 1;
	uint32_t *words = heap_map(heap, page);
	struct xvi_location at = {page,
				  xvi_heap_next_used(heap, page, words, heap->shape.first_unit), 0};
	bool sound = at.unit < heap->shape.end_unit && xvi_unit_is_used(heap, page, words, at.unit);
	bool movable = sound && block_is_movable(objects, words, at.unit) &&
		       heap_page(heap, page)->pins == 0;
	uint64_t moved_bytes = step->report->moved_bytes;

	XVI_ASSERT((heap_page(heap, page)->state & PAGE_VICTIM) != 0);
	at.header = sound ? words[at.unit] : 0;
	heap_unmap(heap, page, words);
	if (movable && block_move(objects, &at, step->report)) {
		step->left -= MOVE_COST + (int64_t)(step->report->moved_bytes - moved_bytes);
		if (heap->victim == 0)
			victim_emptied(objects);
	} else {
		step->left -= MOVE_COST + block_content(at.header);
		xvi_heap_victim_end(heap);
	}
}

static void sweep(struct step *step)
{
	struct xvi_heap *heap = &step->objects->heap;
	const struct xvi_compaction *cycle = &step->objects->compaction;
	uint32_t least = cycle->phase == COMPACT_DOWN ? step->pages : heap->page_base;

	XVI_ASSERT(cycle->phase == COMPACT_SWEEP || cycle->phase == COMPACT_DOWN);
	if (heap->victim != 0) {
		empty_victim(step);
	} else if (cycle->cursor > least) {
		sweep_page(step);
	} else if (heap->page_limit > heap->page_base && !heap_holds(heap, heap->page_limit - 1)) {
		heap->page_limit--;
		step->left -= RECORD_COST;
	} else {
		sweep_end(step);
	}
}

void xvi_objects_compact(struct xvi_objects *objects, size_t step_bytes, uint32_t pages,
			 struct xv_compact_report *report)
{
	struct step step = {.objects = objects, .report = report, .pages = pages};
	struct xvi_compaction *cycle = &objects->compaction;

	XVI_ASSERT(objects->owner_ops != NULL);
	(void)xvi_objects_settle(objects);
	step.left = step_bytes < INT32_MAX ? (int64_t)step_bytes : INT32_MAX;
	if (cycle->phase == COMPACT_IDLE)
		round_begin(objects);
	do {
		if (cycle->phase == COMPACT_SCAN)
			scan_page(&step);
		else
			sweep(&step);
	} while (step.left > 0 && cycle->phase != COMPACT_IDLE);
	report->more = cycle->phase != COMPACT_IDLE;
}

/* ---- the estimate ---- */

uint64_t xvi_objects_compactable(const struct xvi_objects *objects)
{
	const struct xvi_heap *heap = &objects->heap;
	const struct xvi_compaction *cycle = &objects->compaction;
	uint64_t free_units = heap_free_units(heap);
	uint64_t used = heap->used_units;
	uint64_t left = free_units; /* free at the end */
	uint64_t block, lost;

	/* Lengths that were overwritten and believed may have made the sum too small. */
	if (objects->owner_ops == NULL || heap_block_count(heap) == 0 ||
	    used < heap_block_count(heap))
		return 0;
	block = used / heap_block_count(heap);
	if (cycle->left_of_used != 0) {
		/* What the last cycle left, scaled to the units used now. */
		left = used < cycle->left_of_used ? cycle->left_units * used / cycle->left_of_used
						  : cycle->left_units;
	} else if (heap->page_count > 1) {
		/* Each page loses half a block, or the rest of blocks of one size, or half a
		 * grain, whichever is least; with split objects, a small piece. */
		lost = (heap->shape.end_unit - heap->shape.first_unit) % block;
		if (lost > block / 2)
			lost = block / 2;
		if (lost > 1U << heap->shape.grain_shift >> 1)
			lost = 1U << heap->shape.grain_shift >> 1;
		if (objects->split)
			lost = PIECE_MIN_BYTES / UNIT_BYTES;
		left = used * lost / (heap->shape.end_unit - lost);
	}
	left += left / 64 + (1U << heap->shape.grain_shift);
	/* Spare grains go back at the end of a cycle. */
	return ((free_units > left ? free_units - left : 0) +
		(heap->spare_grains << heap->shape.grain_shift)) *
	       UNIT_BYTES;
}
