/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free.c: a block becomes part of a hole (fast.h), in a heap of any shape; and what follows where
 * the hole is of a grain or more. Cannot fail: the record it may need was made sure of when the
 * block was made.
 */
#include "fast.h"

void xvi_free_end(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t first,
		  uint32_t end, uint32_t index)
{
	struct xvi_page *record = heap_page(heap, page);

	if (record->used_units == 0 && page_is_victim(record)) {
		xvi_victim_forget(heap, page);
		if (index != 0)
			list_push(heap, index, end - first);
	}
	heap_unmap(heap, page, words); /* before the page, or another, is given back */
	if (heap->shape.grain_count > 1) {
		page_grains(record)->whole = index; /* of use once the page is empty */
		xvi_grains_cool(heap, page, first, end);
	} else if (record->used_units == 0) {
		xvi_page_cool(heap, page, index);
	}
}

void xvi_heap_free(struct xvi_heap *heap, uint32_t page, uint32_t *words, uint32_t unit)
{
	struct xvi_around around = around_look(heap, &heap->shape, words, unit, words[unit]);

	XVI_ASSERT(heap_owns(heap, page));
	heap_free_in(heap, &heap->shape, heap_page(heap, page), page, words, unit, words[unit],
		     &around);
	xvi_heap_debug_check(heap);
}
