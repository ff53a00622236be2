/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * window.h: the few slots through which the highmem provider's pages are seen.
 *
 * Owns: the slots, what is mapped over their address space, and their buffers; counts maps in
 * the provider's statistics. May call: os_memory.h, backing_file.h, grain_map.h.
 * Locking: the provider holds its lock. Complexity: O(slots) and up to three system calls; where
 * the system refuses those, one for each run of taken grains of the page.
 *
 *   file    [page 0][page 1][page 2][ hole ][page 4] ...
 *                      |________________        |
 *   window  [ no access ][ page 2 ][ no access ][ page 4 ]    slot_count of them
 *   buffers [           ][        ][ page 1    ][        ]    the same number
 *
 * A page mapped twice shares one slot, which counts its maps. Where the system does not show
 * a page in its slot, the slot's buffer holds a copy of the page's taken grains, which is the
 * page until it is written back: all maps see the slot that has the page. Grains that are not
 * taken are neither read nor written: that would put memory under them.
 *
 * A slot is free when it has no maps and no copy. Its place in the window shows nothing then,
 * or, where the system refused that, a page that nobody asks for.
 */
#ifndef XVI_WINDOW_H
#define XVI_WINDOW_H

#include "backing_file.h"
#include "grain_map.h"

#include <xvmalloc/provider_highmem.h>

struct xvi_window_slot {
	uint32_t page; /* meaningful while the slot is not free */
	uint32_t maps; /* page_map calls not yet ended */
	bool copied;   /* the page is in the slot's buffer; with no maps, since it could not be
			* written back */
	bool buffer_is_there; /* the buffer was used, and has memory */
};

struct xvi_window {
	struct xvi_window_slot *slots;
	uint32_t slot_count;
	uint32_t page_shift;
	uint32_t grain_shift;
	uint32_t buffers_used; /* that have memory, count */
	char *base;            /* address space of the slots */
	char *buffers;         /* memory, as long */
	const struct xvi_backing_file *file;
	const struct xvi_grain_map *map;
	struct xv_provider_highmem_stats *stats;
};

/* The two map operations of struct xv_provider_ops, for a page that is handed out. */
void *xvi_window_map(struct xvi_window *window, uint32_t page);
int xvi_window_unmap(struct xvi_window *window, uint32_t page, const void *address);

/*
 * The lowest mapped page in [first, end), else end. The pages below it are to be freed: what
 * is in a buffer of theirs is forgotten.
 */
uint32_t xvi_window_mapped(struct xvi_window *window, uint32_t first, uint32_t end);

#endif
