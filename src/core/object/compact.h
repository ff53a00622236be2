/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * compact.h: moving a block, which compact.c asks of move.c.
 */
#ifndef XVI_OBJECT_COMPACT_H
#define XVI_OBJECT_COMPACT_H

#include "piece.h"

/* May the block be moved at all? The page is mapped. */
static inline bool block_is_movable(const uint32_t *words, uint32_t unit)
{
	uint32_t kind = block_kind(words[unit]);

	if (kind == KIND_REST)
		return true;
	return kind != KIND_FIXED && words[unit + 1] != XV_NO_OWNER;
}

/*
 * Move a block that may be moved into holes of pages that are no victims. True when it is gone;
 * its page may be gone with it. False: nothing fits, or its owner refused, which is added to
 * *report. O(bytes).
 */
bool xvi_block_move(struct xvi_objects *objects, const struct xvi_location *at,
		    struct xv_compact_report *report);

#endif
