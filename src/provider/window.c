/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * window.c: see window.h.
 */
#include "window.h"

#include "xvi_bits.h"

static uint64_t page_offset(const struct xvi_window *window, uint32_t page)
{
	return (uint64_t)page << window->page_shift;
}

static char *slot_buffer(const struct xvi_window *window, uint32_t slot)
{
	return window->buffers + ((size_t)slot << window->page_shift);
}

static bool slot_is_free(const struct xvi_window_slot *slot)
{
	return slot->maps == 0 && !slot->copied;
}

/* The slot that has this page, else a free one, else slot_count. */
static uint32_t slot_for(const struct xvi_window *window, uint32_t page)
{
	uint32_t free_slot = window->slot_count;

	for (uint32_t i = window->slot_count; i-- > 0;) {
		if (slot_is_free(&window->slots[i]))
			free_slot = i;
		else if (window->slots[i].page == page)
			return i;
	}
	return free_slot;
}

/* Remove the first run of grains from bits: its place in the page. False at the end. */
static bool next_run(const struct xvi_window *window, uint32_t *bits, size_t *at, size_t *bytes)
{
	uint32_t first, count = 0;

	if (*bits == 0)
		return false;
	first = xvi_ctz64(*bits);
	while ((*bits >> (first + count) & 1U) != 0)
		count++;
	*bits &= ~xvi_grain_bits(first, count);
	*at = (size_t)first << window->grain_shift;
	*bytes = (size_t)count << window->grain_shift;
	return true;
}

/* Copy the page into the slot's buffer. False when it cannot be read. */
static bool copy_in(struct xvi_window *window, uint32_t slot, uint32_t page)
{
	uint32_t bits = xvi_grain_taken(window->map, page);
	size_t at, bytes;

	if (window->buffers == NULL)
		return false;
	if (!window->slots[slot].buffer_is_there)
		window->buffers_used++;
	window->slots[slot].buffer_is_there = true;
	while (next_run(window, &bits, &at, &bytes)) {
		if (!xvi_backing_read(window->file, page_offset(window, page) + at,
				      slot_buffer(window, slot) + at, bytes))
			return false;
	}
	window->slots[slot].copied = true;
	window->slots[slot].at = slot_buffer(window, slot);
	window->stats->copies++;
	return true;
}

/* Copy the page out of the slot's buffer. False when it cannot be written: it stays there. */
static bool copy_out(struct xvi_window *window, uint32_t slot)
{
	uint32_t page = window->slots[slot].page;
	uint32_t bits = xvi_grain_taken(window->map, page);
	size_t at, bytes;

	while (next_run(window, &bits, &at, &bytes)) {
		if (!xvi_backing_write(window->file, page_offset(window, page) + at,
				       slot_buffer(window, slot) + at, bytes))
			return false;
	}
	window->slots[slot].copied = false;
	return true;
}

/* A slot with a copy that nobody has mapped, now written back; slot_count if there is none. */
static uint32_t slot_written_back(struct xvi_window *window)
{
	for (uint32_t i = 0; i < window->slot_count; i++) {
		if (window->slots[i].maps == 0 && copy_out(window, i))
			return i;
	}
	return window->slot_count;
}

static bool slot_show(struct xvi_window *window, uint32_t slot, uint32_t page)
{
	bool has_holes = xvi_grain_taken(window->map, page) != xvi_grain_all(window->map);

	window->slots[slot].at = xvi_backing_show(window->file, slot, page, has_holes);
	return window->slots[slot].at != NULL;
}

/* Put a page into a free slot. */
static bool slot_fill(struct xvi_window *window, uint32_t slot, uint32_t page)
{
	if (!slot_show(window, slot, page) && !copy_in(window, slot, page))
		return false;
	window->slots[slot].page = page;
	return true;
}

static void count_map(struct xv_provider_highmem_stats *stats, bool first_of_page)
{
	stats->maps++;
	if (first_of_page && ++stats->mapped_now > stats->mapped_peak)
		stats->mapped_peak = stats->mapped_now;
}

void *xvi_window_map(struct xvi_window *window, uint32_t page)
{
	uint32_t slot = slot_for(window, page);

	if (slot == window->slot_count)
		slot = slot_written_back(window);
	if (slot == window->slot_count || window->slots[slot].maps == UINT32_MAX ||
	    (slot_is_free(&window->slots[slot]) && !slot_fill(window, slot, page))) {
		window->stats->map_failures++;
		return NULL;
	}
	count_map(window->stats, window->slots[slot].maps++ == 0);
	return window->slots[slot].at;
}

int xvi_window_unmap(struct xvi_window *window, uint32_t page, const void *address)
{
	uint32_t slot = slot_for(window, page);

	if (slot == window->slot_count || window->slots[slot].maps == 0 ||
	    address != window->slots[slot].at) {
		window->stats->misuse++;
		return -XV_EINVAL;
	}
	window->stats->unmaps++;
	if (--window->slots[slot].maps > 0)
		return 0;
	window->stats->mapped_now--;
	if (window->slots[slot].copied)
		(void)copy_out(window, slot);
	else
		xvi_backing_hide(window->file, slot);
	return 0;
}

uint32_t xvi_window_mapped(struct xvi_window *window, uint32_t first, uint32_t end)
{
	uint32_t lowest = end;

	for (uint32_t i = 0; i < window->slot_count; i++) {
		struct xvi_window_slot *slot = &window->slots[i];

		if (slot->maps != 0 && slot->page >= first && slot->page < lowest)
			lowest = slot->page;
	}
	for (uint32_t i = 0; i < window->slot_count; i++) {
		struct xvi_window_slot *slot = &window->slots[i];

		if (slot->maps == 0 && slot->page >= first && slot->page < lowest)
			slot->copied = false;
	}
	return lowest;
}
