/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * malloc.c: the slow malloc of a block, when fast.h does not do it: to obtain memory, to keep a
 * larger alignment, to take records or a page, and to try further before a request fails.
 */
#include "fast.h"

enum {
	LOOKS_FIRST = 8,          /* holes that may be too short or begin at the wrong place, ... */
	LOOKS_FOR_HOT = 32,       /* ... that may need memory when there is none, ... */
	LOOKS_LAST_RESORT = 1024, /* ... and before a request fails */
};

struct request {
	uint32_t content;
	uint32_t kind;
	uint32_t units;
	uint32_t alignment; /* of the payload's offset; 1 = the alignment of the heap */
};

/* ---- choosing a hole ---- */

/* Units to leave free before a block, so that its payload's offset is a multiple of alignment. */
static uint32_t front_units(const struct xvi_heap *heap, uint32_t first, uint32_t alignment)
{
	uint32_t offset = first * UNIT_BYTES + heap->payload_at;

	XVI_ASSERT((offset & heap->shape.align_mask) == 0);
	return ((0U - offset) & (alignment - 1U)) / UNIT_BYTES;
}

/* Among the first *looks holes of a list, one that fits, and is hot if it must be; or 0. */
static uint32_t look_along(const struct xvi_heap *heap, uint32_t list,
			   const struct request *request, bool hot, uint32_t *looks)
{
	const struct xvi_hole *records = heap->holes.records;
	uint32_t index = heap->lists.heads[list];

	for (; index != 0 && *looks != 0; index = records[index].next, *looks -= 1) {
		const struct xvi_hole *hole = &records[index];
		uint32_t units =
			request->units + front_units(heap, hole->first, request->alignment);

		if (hole->units >= units &&
		    (!hot || hole_is_ready(heap, &heap->shape, hole, units)))
			return index;
	}
	return 0;
}

/* The smallest hole that fits among the first `looks`, hot if it must be. If it need not be hot,
 * also a hole that is long enough wherever it begins. Or 0. */
static uint32_t find_hole(const struct xvi_heap *heap, const struct request *request,
			  uint32_t looks, bool hot)
{
	const struct xvi_free_lists *lists = &heap->lists;
	uint32_t list = list_next(lists, list_for(&heap->shape, request->units));
	uint32_t index = 0;

	while (list != UINT32_MAX && looks != 0) {
		index = look_along(heap, list, request, hot, &looks);
		if (index != 0)
			return index;
		list = list_next(lists, list + 1);
	}
	list = list_for(&heap->shape, request->units + request->alignment / UNIT_BYTES);
	list = list_next(lists, list + 1);
	return list != UINT32_MAX && !hot ? lists->heads[list] : 0;
}

/* Another hole of the same list that would do as well, at random among the next ones; or this. */
static uint32_t choose_hole(struct xvi_heap *heap, uint32_t index, const struct request *request)
{
	const struct xvi_hole *records = heap->holes.records;
	uint32_t looks;

	XVI_ASSERT(index != 0 && records[index].units >= request->units);
	if (heap->random == 0)
		return index;
	heap->random ^= heap->random << 13; /* xorshift: Marsaglia 2003 */
	heap->random ^= heap->random >> 17;
	heap->random ^= heap->random << 5;
	for (looks = heap->random % LOOKS_FIRST; looks != 0; looks--) {
		const struct xvi_hole *next = &records[records[index].next];

		if (records[index].next == 0 || next->units != records[index].units ||
		    front_units(heap, next->first, request->alignment) + request->units >
			    next->units)
			break;
		index = records[index].next;
	}
	return index;
}

/* ---- the parts of the slow path ---- */

/* Close the page of a hole whose first word was overwritten; if holes are chosen at random, the
 * last one counts too. True: it is closed. */
static bool hole_is_broken(struct xvi_heap *heap, uint32_t index)
{
	const struct xvi_hole hole = heap->holes.records[index];
	uint32_t end = (uint32_t)hole.first + hole.units;
	uint32_t *words = heap_map(heap, hole.page);
	bool sound = hole_is_sound(&heap->shape, words, &hole, index) &&
		     (heap->random == 0 || end == heap->shape.end_unit ||
		      words[end - 1] == hole_listed_word(index));

	heap_unmap(heap, hole.page, words);
	if (!sound)
		xvi_heap_close(heap, hole.page, hole.first, "a hole's words differ");
	return !sound;
}

/*
 * Put the block into this hole. Returns 0, the error from obtaining memory, or -XV_EBADMSG when
 * the page of the hole was closed.
 *
 *   [ hole                        ]  =>  [ hole: front ][ used: units ][ hole: the rest ]
 */
static int malloc_from_hole(struct xvi_heap *heap, uint32_t index, const struct request *request,
			    struct xvi_place *place)
{
	struct xvi_hole hole = heap->holes.records[index];
	struct xvi_page *record = heap_page(heap, hole.page);
	uint32_t front = front_units(heap, hole.first, request->alignment);
	uint32_t unit = hole.first + front;
	uint32_t end = unit + request->units;
	uint32_t hole_end = (uint32_t)hole.first + hole.units;
	/* The first word of the rest and the last word of the front are written too. */
	int err;

	XVI_ASSERT(index != 0 && end <= hole_end);
	XVI_ASSERT((unit * UNIT_BYTES + heap->payload_at) % request->alignment == 0);
	XVI_ASSERT(record->state == PAGE_OURS); /* 7 */
	if (heap->shape.prove && hole_is_broken(heap, index))
		return -XV_EBADMSG;
	err = xvi_grains_heat(heap, hole.page, unit - (front != 0), end + (end < hole_end));
	if (err != 0)
		return err;
	place->page = hole.page;
	place->unit = unit;
	place->words = heap_map(heap, hole.page);
	place->header = block_put(heap, &heap->shape, record, place, request->units,
				  request->content, request->kind);
	list_unlink(heap, &heap->shape, index);
	if (front != 0) {
		place->header |= BLOCK_PREV_FREE;
		place->words[unit] = place->header;
		(void)hole_put(heap, hole.page, place->words, hole.first, front, index);
		index = 0;
	} else if (unit == heap->shape.first_unit) {
		record->lead_units = 0;
	}
	hole_put_rest(heap, hole.page, place->words, end, hole_end, index);
	return 0;
}

/* Make ready a record for each hole that one more block and `pages` more pages could leave. */
static int records_ensure(struct xvi_heap *heap, uint32_t pages)
{
	struct xvi_hole_table *holes = &heap->holes;
	uint64_t need = (uint64_t)heap_block_count(heap) + heap->page_count + pages + 2;
	uint64_t ready = need + RECORD_STEP - 1;
	int err;

	if (heap->blocks_left > pages)
		return 0;
	if (need > holes->most)
		return -XV_ENOMEM;
	ready -= ready % RECORD_STEP;
	if (ready > holes->most)
		ready = holes->most;
	err = heap->source->records_take(heap->context, (uint32_t)ready);
	if (err == 0) {
		holes->ready = (uint32_t)ready;
		heap_set_block_limit(heap);
		XVI_ASSERT(heap->blocks_left > pages);
	}
	return err;
}

static int malloc_from_new_page(struct xvi_heap *heap, const struct request *request,
				struct xvi_place *place)
{
	uint32_t page, index;
	int err;

	if (request->units + front_units(heap, heap->shape.first_unit, request->alignment) >
	    heap->shape.end_unit - heap->shape.first_unit)
		return -XV_ENOMEM;
	err = records_ensure(heap, 1);
	if (err == 0)
		err = xvi_page_take(heap, &page);
	if (err != 0)
		return err;
	index = heap_page(heap, page)->whole;
	XVI_ASSERT(index == 0 || heap->holes.records[index].page == page); /* 4 */
	/* In a bounded table the hole may have no record. */
	err = index != 0 ? malloc_from_hole(heap, index, request, place) : -XV_ENOMEM;
	if (err != 0)
		xvi_page_release(heap, page);
	return err;
}

/* Make a block in a hole or in a new page. */
static int malloc_once(struct xvi_heap *heap, const struct request *request, unsigned flags,
		       struct xvi_place *place)
{
	int err = records_ensure(heap, 0);
	uint32_t index;

	if (err != 0)
		return err;
	index = find_hole(heap, request, LOOKS_FIRST, false);
	if (index != 0)
		return malloc_from_hole(heap, choose_hole(heap, index, request), request, place);
	return (flags & HEAP_MAY_GROW) != 0 ? malloc_from_new_page(heap, request, place)
					    : -XV_ENOMEM;
}

/* There is no memory, or the heap may not take any: a hole that needs none, else any that fits. */
static uint32_t find_last(const struct xvi_heap *heap, const struct request *request)
{
	uint32_t index = find_hole(heap, request, LOOKS_FOR_HOT, true);

	return index != 0 ? index : find_hole(heap, request, LOOKS_LAST_RESORT, false);
}

/* As xvi_heap_malloc; -XV_EBADMSG: a page was closed, try again. */
static int malloc_request(struct xvi_heap *heap, const struct request *request, unsigned flags,
			  struct xvi_place *place)
{
	uint32_t index;
	int err;

	err = malloc_once(heap, request, flags, place);
	if (err != 0 && err != -XV_EBADMSG && xvi_heap_give_all(heap))
		err = malloc_once(heap, request, flags, place);
	if (err == 0 || err == -XV_EBADMSG || heap->blocks_left == 0)
		return err;
	index = find_last(heap, request);
	if (index == 0 && (flags & HEAP_KEEP_VICTIMS) == 0 && heap->victim != 0) {
		xvi_heap_victim_end(heap);
		index = find_last(heap, request);
	}
	return index != 0 ? malloc_from_hole(heap, index, request, place) : err;
}

int xvi_heap_malloc(struct xvi_heap *heap, uint32_t content, uint32_t kind, uint32_t alignment,
		    unsigned flags, struct xvi_place *place)
{
	struct request request = {.content = content,
				  .kind = kind,
				  .units = heap_units_for(heap, content),
				  .alignment = alignment};
	int err;

	XVI_ASSERT(content != 0 && content <= heap_content_max(heap));
	XVI_ASSERT((alignment & (alignment - 1U)) == 0 && alignment != 0);
	if (request.units < heap->listed_min_units)
		heap->listed_min_units = request.units;
	do
		err = malloc_request(heap, &request, flags, place);
	while (err == -XV_EBADMSG);
	xvi_heap_debug_check(heap);
	return err;
}

/* ---- a part of something larger ---- */

uint32_t xvi_heap_largest(const struct xvi_heap *heap)
{
	const struct xvi_hole *records = heap->holes.records;
	uint32_t word, list, index, best = 0, looks = LOOKS_FIRST;

	if (heap->lists.words == 0)
		return 0;
	word = 63U - xvi_clz64(heap->lists.words);
	list = (word << 6) + 63U - xvi_clz64(heap->lists.bits[word]);
	XVI_ASSERT(heap->lists.heads[list] != 0); /* 7 */
	for (index = heap->lists.heads[list]; index != 0 && looks-- != 0;
	     index = records[index].next) {
		if (records[index].units > best)
			best = records[index].units;
	}
	return best;
}

int xvi_heap_malloc_part(struct xvi_heap *heap, uint32_t content, uint32_t least, uint32_t kind,
			 unsigned flags, struct xvi_place *place)
{
	uint32_t good = content - content / 10 * 3;
	uint32_t longer = least + heap->shape.align_mask; /* units that any hole below needs */
	struct request request = {.kind = kind,
				  .units = heap_units_for(heap, good > longer ? good : longer),
				  .alignment = 1};
	uint32_t index = find_hole(heap, &request, LOOKS_FIRST, false);
	uint32_t units = index != 0 ? heap->holes.records[index].units : xvi_heap_largest(heap);
	uint32_t room;

	XVI_ASSERT(least != 0 && least <= content);
	units &= ~(heap->shape.align_mask >> UNIT_SHIFT);
	room = units * UNIT_BYTES;
	if (room < longer + BLOCK_HEADER_BYTES)
		return -XV_ENOMEM;
	room -= BLOCK_HEADER_BYTES;
	return xvi_heap_malloc(heap, room < content ? room : content, kind, 1, flags, place);
}
