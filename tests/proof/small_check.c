/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* small_check.c: what must hold after each step of small_heap.h, and what tells states apart. */
#include "small_heap.h"

#include "hole.h"

#include <stdio.h>

/* ---- blocks ---- */

static const struct small_block *block_at(uint32_t page, uint32_t unit)
{
	for (uint32_t i = 0; i < small.count; i++) {
		if (small.block[i].page == page && small.block[i].unit == unit)
			return &small.block[i];
	}
	return NULL;
}

static bool content_is_right(const struct small_block *block)
{
	const unsigned char *payload =
		(const unsigned char *)&small_words(block->page)[block->unit + 1];

	if (block_content(small_words(block->page)[block->unit]) != block->content)
		return false;
	for (uint32_t i = 0; i < block->content; i++) {
		if (payload[i] != small_fill(block->page, block->unit, i))
			return false;
	}
	return true;
}

/* The heap's walk meets the blocks that were made and not freed, and the proof says "used block"
 * for no other place. */
static const char *check_blocks(uint32_t page)
{
	const struct xvi_heap *heap = &small.heap;
	const uint32_t *words = small_words(page);
	uint32_t next = xvi_heap_next_used(heap, page, words, heap->shape.first_unit);

	for (uint32_t unit = heap->shape.first_unit; unit < heap->shape.end_unit; unit++) {
		const struct small_block *block = unit == next ? block_at(page, unit) : NULL;

		if (heap->shape.prove && start_is(heap, &heap->shape, heap_page(heap, page), page,
						  words, unit) != (unit == next))
			return "the proof is wrong";
		if (unit != next)
			continue;
		if (block == NULL)
			return "a block that nobody has";
		if (!content_is_right(block))
			return "a block's content has changed";
		next = xvi_heap_next_used(heap, page, words,
					  unit + heap_block_units(heap, words[unit]));
	}
	return NULL;
}

/* ---- memory ---- */

/* Grains with a byte of a used block or a word of a hole: only they need memory. */
static uint32_t needed_grains(uint32_t page)
{
	const struct xvi_heap *heap = &small.heap;
	const struct xvi_shape *shape = &heap->shape;
	const uint32_t *words = small_words(page);
	uint32_t unit = shape->first_unit, needed = 0;

	while (unit < shape->end_unit) {
		uint32_t next = xvi_heap_next_used(heap, page, words, unit);

		if (next != unit && unit != shape->first_unit) /* a hole's first and last word */
			needed |= grain_mask(shape, unit, unit + 1);
		if (next != unit && next != shape->end_unit)
			needed |= grain_mask(shape, next - 1, next);
		if (next == shape->end_unit)
			break;
		unit = next + heap_block_units(heap, words[next]);
		needed |= grain_mask(shape, next, unit);
	}
	return needed;
}

static const char *check_memory(uint32_t page)
{
	const struct xvi_shape *shape = &small.heap.shape;
	const struct xvi_page *record = heap_page(&small.heap, page);
	const unsigned char *bytes = (const unsigned char *)small_words(page);
	uint32_t shift = shape->grain_shift + UNIT_SHIFT;

	if (record->committed != small.committed[page])
		return "the source has committed other grains";
	for (uint32_t i = 0; i < shape->grain_count << shift; i++) {
		if ((small.committed[page] >> (i >> shift) & 1) == 0 && bytes[i] != SMALL_NOT_THERE)
			return "memory that is not there was written";
	}
	if (!small.refused && small.taken[page] && record->hot != needed_grains(page))
		return "a grain without need is hot";
	return NULL;
}

static const char *check_largest(void)
{
	const struct xvi_heap *heap = &small.heap;
	uint32_t largest = 0;

	for (uint32_t i = 1; i < heap->holes.high; i++) {
		const struct xvi_hole *hole = &heap->holes.records[i];

		if (hole->units > largest && !page_is_victim(heap_page(heap, hole->page)))
			largest = hole->units;
	}
	return largest == xvi_heap_largest(heap) ? NULL : "the largest hole is another";
}

const char *small_check(void)
{
	static char text[160];
	struct xvi_heap_fault fault;
	const char *error = NULL;

	if (!xvi_heap_check(&small.heap, &fault)) {
		(void)snprintf(text, sizeof(text), "invariant %u, page %d, unit %u: %s",
			       fault.invariant, (int)fault.page, fault.unit, fault.message);
		return text;
	}
	if (small.maps != 0)
		return "a map did not end";
	if (heap_block_count(&small.heap) != small.count)
		return "blocks are not as many as were made";
	for (uint32_t page = 0; page < SMALL_PAGES && error == NULL; page++) {
		if (small.taken[page] != heap_owns(&small.heap, page))
			return "the source has other pages";
		error = check_memory(page);
		if (error == NULL && small.taken[page])
			error = check_blocks(page);
	}
	return error != NULL ? error : check_largest();
}

/* ---- telling states apart ---- */

static uint64_t hash;

static void mix(uint64_t value)
{
	hash = (hash ^ value) * 0x9FB21C651E98DF25U;
	hash ^= hash >> 32;
}

static void mix_page(uint32_t page)
{
	const struct xvi_heap *heap = &small.heap;
	const struct xvi_page *record = heap_page(heap, page);
	const uint32_t *words = small_words(page);
	uint32_t unit = heap->shape.first_unit + record->lead_units;

	mix((uint64_t)record->lead_units << 40 | (uint64_t)record->hot << 24 |
	    (uint64_t)record->committed << 8 | (uint64_t)(record->pins != 0) << 7 | record->state);
	while (unit < heap->shape.end_unit) {
		uint32_t word = words[unit];
		uint32_t units = shape_units_at(heap, &heap->shape, word);

		mix(block_is_free(word) ? hole_is_listed(word) : 2 + block_content(word));
		mix(units);
		unit += units;
	}
}

static void mix_lists(void)
{
	const struct xvi_heap *heap = &small.heap;

	for (uint32_t list = list_next(&heap->lists, 0); list != UINT32_MAX;
	     list = list_next(&heap->lists, list + 1)) {
		mix(list);
		for (uint32_t i = heap->lists.heads[list]; i != 0; i = small.records[i].next)
			mix((uint64_t)small.records[i].page << 16 | small.records[i].first);
	}
}

uint64_t small_hash(void)
{
	const struct xvi_heap *heap = &small.heap;

	hash = 0;
	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		mix(small.taken[page]);
		if (small.taken[page])
			mix_page(page);
	}
	mix_lists();
	for (uint32_t link = heap->oldest_spare; link != 0; link = heap_page(heap, link - 1)->newer)
		mix(link);
	mix((uint64_t)heap->listed_min_units << 32 | heap->page_limit << 16 | heap->victim << 8 |
	    (uint64_t)heap->holes.ready << 48 | (uint64_t)small.refused);
	return hash != 0 ? hash : 1;
}
