/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check.c: proves the invariants of heap.h by number. Reads everything, repairs nothing, and
 * follows nothing that a broken heap could make endless or lead outside.
 */
#include "hole.h"

/* What the pages add up to. */
struct sums {
	uint32_t pages;
	uint32_t blocks;
	uint32_t listed; /* holes with a record */
	uint32_t empty;  /* pages without a block: their holes have no word to tell */
	uint64_t used_units;
	uint64_t committed;
	uint64_t spare;
};

struct check {
	struct xvi_heap *heap;
	struct xvi_heap_fault *fault;
	struct sums sums;
	uint32_t in_lists; /* holes that should be in lists */
};

static bool fail(struct check *check, uint32_t invariant, uint32_t page, uint32_t unit,
		 const char *message)
{
	*check->fault = (struct xvi_heap_fault){
		.invariant = invariant, .page = page, .unit = unit, .message = message};
	return false;
}

/* ---- a page ---- */

/* What the walk over a page's blocks knows. */
struct walk {
	uint32_t page;
	struct xvi_page *record;
	const uint32_t *words;
	uint32_t unit;
	uint32_t used_units;
	uint32_t wanted_hot; /* grains */
	bool after_hole;
};

static bool check_listed(struct check *check, const struct walk *walk, uint32_t index,
			 uint32_t units)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_hole *hole;

	if (index == 0 || index >= heap->holes.high)
		return fail(check, 4, walk->page, walk->unit, "a hole names no record");
	hole = &heap->holes.records[index];
	if (hole->page != walk->page || hole->first != walk->unit || hole->units != units)
		return fail(check, 4, walk->page, walk->unit,
			    "a hole's record says another place or length");
	check->sums.listed++;
	check->in_lists += !page_is_victim(walk->record);
	return true;
}

/* The word that says what the hole at the walk's place is, and its length. */
static bool hole_read(struct check *check, const struct walk *walk, uint32_t *word, uint32_t *units)
{
	const struct xvi_heap *heap = check->heap;
	uint32_t left = heap->end_unit - walk->unit;

	if (walk->unit == heap->first_unit) {
		*units = walk->record->lead_units;
		if (*units == 0 || *units > left)
			return fail(check, 13, walk->page, walk->unit, "the lead's length is none");
		*word = *units < left ? walk->words[walk->unit + *units - 1]
				      : hole_unlisted_word(*units);
	} else {
		*word = walk->words[walk->unit];
		if (hole_is_listed(*word) && hole_value(*word) >= heap->holes.high)
			return fail(check, 4, walk->page, walk->unit, "a hole names no record");
		*units = heap_hole_units(heap, *word);
	}
	if (!block_is_free(*word) || block_prev_is_free(*word) || *units == 0 || *units > left)
		return fail(check, 3, walk->page, walk->unit, "a hole's word says no length");
	return true;
}

static bool check_hole(struct check *check, struct walk *walk)
{
	const struct xvi_heap *heap = check->heap;
	uint32_t word, units, end;

	if (walk->after_hole)
		return fail(check, 1, walk->page, walk->unit, "two holes touch");
	if (!hole_read(check, walk, &word, &units))
		return false;
	end = walk->unit + units;
	if (end < heap->end_unit && walk->words[end - 1] != word)
		return fail(check, 3, walk->page, walk->unit, "a hole's words differ");
	if (end == heap->end_unit && walk->unit == heap->first_unit)
		check->sums.empty++;
	else if (hole_is_listed(word) && !check_listed(check, walk, hole_value(word), units))
		return false;
	if (walk->unit != heap->first_unit)
		walk->wanted_hot |= grain_mask(heap, walk->unit, walk->unit + 1);
	if (end < heap->end_unit)
		walk->wanted_hot |= grain_mask(heap, end - 1, end);
	walk->after_hole = true;
	walk->unit = end;
	return true;
}

static bool check_used(struct check *check, struct walk *walk)
{
	struct xvi_heap *heap = check->heap;
	uint32_t word = walk->words[walk->unit];
	uint32_t units = heap_block_units(heap, word);

	if (block_prev_is_free(word) != walk->after_hole)
		return fail(check, 2, walk->page, walk->unit, "PREV_FREE is wrong");
	if (block_content(word) == 0 || units > heap->end_unit - walk->unit)
		return fail(check, 5, walk->page, walk->unit, "a block is longer than its page");
	if (!heap_check_is_keyed(heap, walk->page, walk->unit, word))
		return fail(check, 5, walk->page, walk->unit, "a block's check field is wrong");
	if (heap->prove && !start_is(heap, walk->record, walk->words, walk->unit))
		return fail(check, 11, walk->page, walk->unit, "a block cannot be proved");
	walk->wanted_hot |= grain_mask(heap, walk->unit, walk->unit + units);
	walk->used_units += units;
	check->sums.blocks++;
	walk->after_hole = false;
	walk->unit += units;
	return true;
}

static bool check_grains(struct check *check, const struct walk *walk)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_grains *grains = page_grains(walk->record);

	if (heap->grain_count == 1) {
		check->sums.committed++;
		check->sums.spare += walk->record->used_units == 0;
		return true;
	}
	if ((walk->wanted_hot & ~(uint32_t)grains->hot) != 0)
		return fail(check, 9, walk->page, 0, "a grain in use is not hot");
	if (((uint32_t)grains->hot & ~(uint32_t)grains->committed) != 0)
		return fail(check, 9, walk->page, 0, "a hot grain is not committed");
	check->sums.committed += grain_bits(grains->committed);
	check->sums.spare += grain_bits(grains->committed & ~(uint32_t)grains->hot);
	return true;
}

static bool walk_page(struct check *check, struct walk *walk)
{
	const struct xvi_heap *heap = check->heap;

	while (walk->unit < heap->end_unit) {
		bool lead = walk->unit == heap->first_unit && walk->record->lead_units != 0;

		if (lead || block_is_free(walk->words[walk->unit])) {
			if (!check_hole(check, walk))
				return false;
		} else if (!check_used(check, walk)) {
			return false;
		}
	}
	if (walk->unit != heap->end_unit)
		return fail(check, 1, walk->page, walk->unit, "blocks pass the page's end");
	if (walk->used_units != walk->record->used_units)
		return fail(check, 6, walk->page, 0, "used_units is not the blocks' sum");
	return check_grains(check, walk);
}

static bool check_page(struct check *check, uint32_t page)
{
	struct xvi_heap *heap = check->heap;
	uint32_t *words = heap_map(heap, page);
	struct walk walk = {.page = page,
			    .record = heap_page(heap, page),
			    .words = words,
			    .unit = heap->first_unit};
	bool good = walk_page(check, &walk);

	heap_unmap(heap, page, words);
	check->sums.pages++;
	check->sums.used_units += walk.used_units;
	return good;
}

/* ---- lists ---- */

static bool check_list(struct check *check, uint32_t list, uint32_t *left)
{
	const struct xvi_heap *heap = check->heap;
	const struct xvi_hole *records = heap->holes.records;
	uint32_t prev = 0;

	for (uint32_t index = heap->lists.heads[list]; index != 0; index = records[index].next) {
		if (index >= heap->holes.high || (*left)-- == 0)
			return fail(check, 7, UINT32_MAX, list, "a list has no end");
		if (list_of(records[index].units) != list || records[index].units == 0)
			return fail(check, 7, records[index].page, records[index].first,
				    "a hole is in a list of another length");
		if (records[index].prev != prev)
			return fail(check, 7, records[index].page, records[index].first,
				    "a list's links disagree");
		prev = index;
	}
	return true;
}

static bool check_lists(struct check *check)
{
	const struct xvi_heap *heap = check->heap;
	uint32_t left = check->in_lists + check->sums.empty;

	for (uint32_t list = 0; list < xvi_heap_list_count(heap->page_shift); list++) {
		bool bit = (heap->lists.bits[list >> 6] >> (list & 63U) & 1U) != 0;

		if (bit != (heap->lists.heads[list] != 0))
			return fail(check, 7, UINT32_MAX, list, "a list's bit is wrong");
		if (!check_list(check, list, &left))
			return false;
	}
	for (uint32_t word = 0; word < LIST_WORDS; word++) {
		if ((heap->lists.words >> word & 1U) != (heap->lists.bits[word] != 0))
			return fail(check, 7, UINT32_MAX, word << 6, "a word's bit is wrong");
	}
	/* In a bounded table the hole of an empty page may have found no record. */
	if (left != 0 && !(heap->holes.bounded && left <= check->sums.empty))
		return fail(check, 8, UINT32_MAX, 0, "a hole is in no list");
	check->sums.listed += check->sums.empty - left;
	return true;
}

/* ---- sums ---- */

static bool check_sums(struct check *check)
{
	const struct xvi_heap *heap = check->heap;
	const struct sums *sums = &check->sums;
	const struct xvi_hole_table *holes = &heap->holes;

	if (sums->listed != holes->live)
		return fail(check, 8, UINT32_MAX, 0, "records in use are not as many as holes");
	if (sums->pages != heap->page_count || sums->blocks != heap->block_count ||
	    sums->used_units != heap->used_units)
		return fail(check, 10, UINT32_MAX, 0, "pages, blocks or units are not the sum");
	if (sums->committed != heap->committed_grains || sums->spare != heap->spare_grains)
		return fail(check, 9, UINT32_MAX, 0, "committed or spare grains are not the sum");
	if (!holes->bounded && heap->page_count != 0 &&
	    (uint64_t)heap->block_count + heap->page_count + 1 > holes->sure)
		return fail(check, 12, UINT32_MAX, 0, "a hole might find no record");
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
	return check_lists(&check) && check_sums(&check);
}

#if XV_DEBUG >= 2
void xvi_heap_debug_check(struct xvi_heap *heap)
{
	if (++heap->debug_countdown % HEAP_DEBUG_INTERVAL == 0)
		XVI_ASSERT(xvi_heap_check(heap, NULL));
}
#endif
