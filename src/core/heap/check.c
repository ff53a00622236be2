/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check.c: proves the invariants of heap.h by number. Reads everything and repairs nothing. In a
 * broken heap it neither loops forever nor reads outside.
 */
#include "hole.h"

struct check {
	struct xvi_heap *heap;
	struct xvi_heap_fault *fault;
	/* Sums over the pages. */
	uint32_t pages;
	uint32_t blocks;
	uint32_t listed;   /* holes with a record */
	uint32_t in_lists; /* holes that should be in lists */
	uint64_t used_units;
	uint64_t committed;
	uint64_t spare;
	/* The page of the walk. */
	uint32_t page;
	struct xvi_page *record;
	const uint32_t *words;
	uint32_t unit;
	uint32_t page_used_units;
	uint32_t wanted_hot; /* grains */
	uint32_t starts;     /* bytes of the proof that were checked, or blocks that have a bit */
	bool after_hole;
};

/* A fault at the place of the walk. */
static bool fail(struct check *check, uint32_t invariant, const char *message)
{
	*check->fault = (struct xvi_heap_fault){.invariant = invariant,
						.page = check->page,
						.unit = check->unit,
						.message = message};
	return false;
}

/* ---- a page ---- */

/* Does the grain of this unit have memory? Otherwise it must not be read. */
static bool is_there(const struct check *check, uint32_t unit)
{
	const struct xvi_shape *shape = &check->heap->shape;

	return (check->record->committed >> (unit >> shape->grain_shift) & 1) != 0;
}

/* If blocks have bits: the bit of this block is set. A count at the end shows that no others
 * are. */
static bool start_bits_are_right(struct check *check, uint32_t unit)
{
	const struct xvi_shape *shape = &check->heap->shape;
	const uint8_t *bytes = start_byte(shape, check->record, 0);
	uint32_t count = 0;

	if (unit < shape->end_unit) {
		check->starts++;
		return start_is(check->heap, shape, check->record, check->page, check->words, unit);
	}
	for (uint32_t i = 0; i < start_bytes(shape->page_shift, true); i++)
		count += grain_bits(bytes[i]);
	return count == check->starts;
}

/* The proof is right up to the next used block, at unit, or to the end. */
static bool starts_are_right(struct check *check, uint32_t unit)
{
	const struct xvi_shape *shape = &check->heap->shape;
	const uint8_t *bytes = start_byte(shape, check->record, 0);
	uint32_t count = start_bytes(shape->page_shift, false);
	uint32_t at = unit < shape->end_unit ? unit >> START_SHIFT : count;

	if (!shape->prove)
		return true;
	if (shape->start_bits)
		return start_bits_are_right(check, unit);
	if (at < check->starts)
		return true;
	while (check->starts < at) {
		if (bytes[check->starts++] != START_NONE)
			return false;
	}
	return at == count || bytes[check->starts++] == (unit & START_MASK);
}

/* Read the word that describes the hole at the place of the walk, and its length. */
static bool hole_read(struct check *check, uint32_t *word, uint32_t *units)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_page *record = check->record;
	bool lead = check->unit == heap->shape.first_unit;
	uint32_t at = lead ? check->unit + record->lead_units - 1 : check->unit;
	uint32_t left = heap->shape.end_unit - check->unit;

	if (lead && record->lead_units - 1U >= left)
		return fail(check, 13, "the lead's length is none");
	if (lead && record->lead_units == left) /* an empty page has no words */
		*word = record->whole != 0 || !heap->holes.bounded ? hole_listed_word(record->whole)
								   : hole_unlisted_word(left);
	else if (is_there(check, at))
		*word = check->words[at];
	else
		return fail(check, 9, "a word has no memory");
	if (!block_is_free(*word) || block_prev_is_free(*word))
		return fail(check, 3, "a hole's last word is none");
	if (hole_is_listed(*word) &&
	    (hole_value(*word) == 0 || hole_value(*word) >= heap->holes.high))
		return fail(check, 4, "a hole names no record");
	*units = lead ? record->lead_units : heap_hole_units(heap, *word);
	return (*units != 0 && *units <= left) || fail(check, 3, "a hole's word says no length");
}

static bool check_listed(struct check *check, uint32_t index, uint32_t units)
{
	const struct xvi_hole *hole = &check->heap->holes.records[index];

	if (hole->page != check->page || hole->first != check->unit || hole->units != units)
		return fail(check, 4, "a hole's record says another place or length");
	check->listed++;
	check->in_lists += !page_is_victim(check->record);
	return true;
}

static bool check_hole(struct check *check)
{
	const struct xvi_shape *shape = &check->heap->shape;
	uint32_t word = 0, units = 0, end;

	if (check->after_hole)
		return fail(check, 1, "two holes touch");
	if (!hole_read(check, &word, &units))
		return false;
	end = check->unit + units;
	if (end < shape->end_unit && (!is_there(check, end - 1) || check->words[end - 1] != word))
		return fail(check, 3, "a hole's words differ");
	if (hole_is_listed(word) && !check_listed(check, hole_value(word), units))
		return false;
	if (check->unit != shape->first_unit)
		check->wanted_hot |= grain_mask(shape, check->unit, check->unit + 1);
	if (end < shape->end_unit)
		check->wanted_hot |= grain_mask(shape, end - 1, end);
	check->after_hole = true;
	check->unit = end;
	return true;
}

static bool check_used(struct check *check)
{
	struct xvi_heap *heap = check->heap;
	uint32_t word = check->words[check->unit];
	uint32_t units = heap_block_units(heap, word);

	if (block_prev_is_free(word) != check->after_hole)
		return fail(check, 2, "PREV_FREE is wrong");
	if (block_content(word) == 0 || units > heap->shape.end_unit - check->unit)
		return fail(check, 5, "a block is longer than its page");
	if (!heap->shape.prove && !heap_stamp_is_keyed(heap, check->page, check->unit, word))
		return fail(check, 5, "a block's check field is wrong");
	if (!starts_are_right(check, check->unit))
		return fail(check, 11, "the proof does not name a block");
	check->wanted_hot |= grain_mask(&heap->shape, check->unit, check->unit + units);
	check->page_used_units += units;
	check->blocks++;
	check->after_hole = false;
	check->unit += units;
	return true;
}

static bool check_grains(struct check *check)
{
	const struct xvi_page *record = check->record;

	if ((check->wanted_hot & ~(uint32_t)record->hot) != 0)
		return fail(check, 9, "a grain in use is not hot");
	if (((uint32_t)record->hot & ~(uint32_t)record->committed) != 0)
		return fail(check, 9, "a hot grain is not committed");
	check->committed += grain_bits(record->committed);
	check->spare += grain_bits(record->committed & ~(uint32_t)record->hot);
	return true;
}

static bool walk_page(struct check *check)
{
	const struct xvi_shape *shape = &check->heap->shape;
	bool good = true;

	check->unit = shape->first_unit;
	check->page_used_units = 0;
	check->wanted_hot = 0;
	check->starts = 0;
	check->after_hole = false;
	while (good && check->unit < shape->end_unit) {
		bool lead = check->unit == shape->first_unit && check->record->lead_units != 0;

		if (!lead && !is_there(check, check->unit))
			return fail(check, 9, "a word has no memory");
		good = lead || block_is_free(check->words[check->unit]) ? check_hole(check)
									: check_used(check);
	}
	if (!good)
		return false;
	if (!starts_are_right(check, shape->end_unit))
		return fail(check, 11, "the proof names what is no block");
	if (check->page_used_units != check->record->used_units)
		return fail(check, 6, "used_units is not the blocks' sum");
	check->pages++;
	check->used_units += check->page_used_units;
	return check_grains(check);
}

/* A closed page counts as its record says; its blocks cannot be counted. */
static bool check_closed(struct check *check)
{
	const struct xvi_page *record = check->record;

	if (record->hot != record->committed)
		return fail(check, 9, "a grain of a closed page is not hot");
	check->pages++;
	check->used_units += record->used_units;
	check->committed += grain_bits(record->committed);
	return true;
}

static bool check_page(struct check *check, uint32_t page)
{
	uint32_t *words;
	bool good;

	check->page = page;
	check->record = heap_page(check->heap, page);
	if ((check->record->state & PAGE_CLOSED) != 0)
		return check_closed(check);
	words = heap_map(check->heap, page);
	check->words = words;
	good = walk_page(check);
	heap_unmap(check->heap, page, words);
	return good;
}

/* ---- lists and sums ---- */

static bool check_list(struct check *check, uint32_t list, uint32_t *left)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_hole *records = heap->holes.records;
	uint32_t prev = 0;

	for (uint32_t index = heap->lists.heads[list]; index != 0; index = records[index].next) {
		if (index >= heap->holes.high || (*left)-- == 0)
			return fail(check, 7, "a list has no end");
		if (list_for(&heap->shape, records[index].units) != list ||
		    records[index].units == 0)
			return fail(check, 7, "a hole is in a list of another length");
		if (records[index].prev != prev)
			return fail(check, 7, "a list's links disagree");
		prev = index;
	}
	return true;
}

/* All unused records are in their list. */
static bool check_free_records(struct check *check)
{
	const struct xvi_hole_table *holes = &check->heap->holes;
	uint32_t left = holes->high - 1 - holes->live;

	for (uint32_t index = holes->free_head; index != 0; index = holes->records[index].next) {
		if (index >= holes->high || holes->records[index].units != 0 || left-- == 0)
			return fail(check, 8, "a record not in use is none");
	}
	return left == 0 || fail(check, 8, "a record not in use is in no list");
}

static bool check_lists(struct check *check)
{
	const struct xvi_heap *heap = check->heap;
	uint32_t left = check->in_lists;
	uint32_t count = xvi_heap_list_count(heap->shape.page_shift);

	for (uint32_t list = 0; list < LIST_WORDS * 64; list++) {
		uint64_t bits = heap->lists.bits[list >> 6];
		bool bit = (bits >> (list & 63U) & 1U) != 0;

		check->unit = list;
		if ((heap->lists.words >> (list >> 6) & 1U) != (bits != 0))
			return fail(check, 7, "a word's bit is wrong");
		if (bit != (list < count && heap->lists.heads[list] != 0))
			return fail(check, 7, "a list's bit is wrong");
		if (bit && !check_list(check, list, &left))
			return false;
	}
	return left == 0 || fail(check, 8, "a hole is in no list");
}

static bool check_sums(struct check *check)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_hole_table *holes = &heap->holes;

	if (check->listed != holes->live)
		return fail(check, 8, "records in use are not as many as holes");
	if (check->pages != heap->page_count || check->used_units != heap->used_units ||
	    check->blocks > heap_block_count(heap) ||
	    (check->blocks != heap_block_count(heap) && heap->closed_pages == 0))
		return fail(check, 10, "pages, blocks or units are not the sum");
	if (check->committed != heap->committed_grains || check->spare != heap->spare_grains)
		return fail(check, 9, "committed or spare grains are not the sum");
	if (!holes->bounded && heap->page_count != 0 &&
	    (uint64_t)heap_block_count(heap) + heap->page_count + 1 > holes->ready)
		return fail(check, 12, "a hole might find no record");
	return true;
}

bool xvi_heap_check(struct xvi_heap *heap, struct xvi_heap_fault *fault)
{
	struct xvi_heap_fault unused;
	struct check check = {.heap = heap, .fault = fault != NULL ? fault : &unused};

	*check.fault = (struct xvi_heap_fault){.page = UINT32_MAX, .message = ""};
	for (uint32_t page = heap->page_base; page < heap->page_limit; page++) {
		if (heap_holds(heap, page) && !check_page(&check, page))
			return false;
	}
	check.page = UINT32_MAX;
	return check_lists(&check) && check_sums(&check) && check_free_records(&check);
}

bool xvi_heap_page_check(struct xvi_heap *heap, uint32_t page, uint32_t *unit, const char **message)
{
	struct xvi_heap_fault fault;
	struct check check = {.heap = heap, .fault = &fault};

	XVI_ASSERT(heap_owns(heap, page));
	if (check_page(&check, page))
		return true;
	*unit = fault.unit;
	*message = fault.message;
	return false;
}

#if XV_DEBUG >= 2
void xvi_heap_debug_check(struct xvi_heap *heap)
{
	if (++heap->debug_countdown % HEAP_DEBUG_INTERVAL == 0)
		XVI_ASSERT(xvi_heap_check(heap, NULL));
}
#endif
