/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * window.h: the few slots that show pages of the highmem provider.
 *
 * Owns: the slots, which views of the file they show, and their buffers; counts maps in the
 * provider's statistics. May call: backing_file.h, grain_map.h. Locking: the provider
 * holds its lock. Complexity: O(slots) and up to three system calls; if the system refuses those,
 * one for each run of taken grains of the page.
 *
 *   file    [page 0][page 1][page 2][ hole ][page 4] ...
 *                      |________________        |
 *   window  [ no access ][ page 2 ][ no access ][ page 4 ]    slot_count of them
 *   buffers [           ][        ][ page 1    ][        ]    the same number
 *
 * All maps of a page share one slot, which counts them. If the system does not show a page in its
 * slot, the slot's buffer has a copy of the page's taken grains. The copy is the page until it is
 * written back: all maps see it. Other grains are neither read nor written, since that would give
 * them memory.
 *
 * A slot is free when it has no maps and no copy. Its view then shows nothing, or, if the system
 * refused that, a page that nobody asks for.
 */
#ifndef XVI_WINDOW_H
#define XVI_WINDOW_H

#include "backing_file.h"
#include "grain_map.h"

#include <xvmalloc/provider_highmem.h>

struct xvi_window_slot {
	uint32_t page; /* undefined while the slot is free */
	uint32_t maps; /* page_map calls that have not ended */
	char *at;      /* where the page is seen, in a view or in the buffer, until the next map */
	bool copied;   /* the page is in the slot's buffer; without maps, because it could not be
			* written back */
	bool buffer_is_there; /* the buffer was used, and has memory */
};

struct xvi_window {
	struct xvi_window_slot *slots;
	uint32_t slot_count;
	uint32_t page_shift;
	uint32_t grain_shift;
	uint32_t buffers_used; /* buffers with memory, count */
	char *buffers;         /* memory for a page of each slot; NULL if pages cannot be copied */
	const struct xvi_backing_file *file;
	const struct xvi_grain_map *map;
	struct xv_provider_highmem_stats *stats;
};

/* The two map operations of struct xv_provider_ops, for a page that was handed out. */
void *xvi_window_map(struct xvi_window *window, uint32_t page);
int xvi_window_unmap(struct xvi_window *window, uint32_t page, const void *address);

/* The lowest mapped page in [first, end), else end. The caller frees the pages below it: copies
 * of them are dropped. */
uint32_t xvi_window_mapped(struct xvi_window *window, uint32_t first, uint32_t end);

#endif
