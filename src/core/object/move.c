/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * move.c: one block out of a page that compaction empties. A WHOLE or FIRST piece moves when its
 * owner agrees; of a REST piece only the links around it change.
 */
#include "piece.h"

/* Is a piece of the object in a page that somebody reads or writes? */
static bool chain_is_pinned(const struct xvi_objects *objects, const struct xvi_location *first)
{
	struct xvi_location at = *first;

	while (at.page != LINK_NONE && !page_is_pinned(objects, at.page))
		at = xvi_piece_next(objects, &at);
	return at.page != LINK_NONE;
}

/* Make an object of several pieces one block, if none of them is to stay where it is. */
static bool target_joined(struct xvi_objects *objects, const struct xvi_location *at,
			  struct xvi_location *to)
{
	size_t size = object_size(objects, at);

	return size <= objects->whole_max && !chain_is_pinned(objects, at) &&
	       xvi_piece_malloc(objects, (uint32_t)size + objects->prefix_bytes, KIND_WHOLE, 1,
				HEAP_KEEP_VICTIMS, to) == 0;
}

/* Where the block goes: with the rest of its object, as it is, or laid over a few holes. */
static bool target_find(struct xvi_objects *objects, const struct xvi_location *at,
			struct xvi_location *to)
{
	uint32_t kind = block_kind(at->header);

	if (kind == KIND_FIRST && target_joined(objects, at, to))
		return true;
	if (xvi_piece_malloc(objects, block_content(at->header), kind, 1, HEAP_KEEP_VICTIMS, to) ==
	    0)
		return true;
	return objects->split && xvi_chain_lay(objects, kind == KIND_REST ? KIND_REST : KIND_FIRST,
					       piece_payload_bytes(objects, at->header),
					       LAY_PIECES_FEW, HEAP_KEEP_VICTIMS, to) == 0;
}

/* Ask the owner, who has a handle of the new place then. */
static bool owner_agrees(struct xvi_objects *objects, const struct xvi_location *at,
			 const struct xvi_location *to)
{
	uint32_t owner = object_owner(objects, at);

	object_set_owner(objects, to, owner);
	return objects->owner_ops->relocated(
		       objects->owner_context, owner,
		       objects_handle(objects, at->page, at->unit, at->header),
		       objects_handle(objects, to->page, to->unit, to->header)) == 0;
}

bool xvi_block_move(struct xvi_objects *objects, const struct xvi_location *at,
		    struct xv_compact_report *report)
{
	uint32_t kind = block_kind(at->header);
	uint32_t bytes = piece_payload_bytes(objects, at->header);
	struct xvi_location to;
	bool joined;

	XVI_ASSERT(kind != KIND_FIXED && !page_is_pinned(objects, at->page));
	if (!target_find(objects, at, &to))
		return false;
	XVI_ASSERT(to.page != at->page);
	joined = kind == KIND_FIRST && block_kind(to.header) == KIND_WHOLE;
	if (joined)
		bytes = (uint32_t)object_size(objects, at);
	xvi_object_copy(objects, &to, objects, at, bytes);
	if (kind != KIND_REST && !owner_agrees(objects, at, &to)) {
		xvi_chain_free(objects, &to);
		report->refused++;
		return false;
	}
	if (joined)
		xvi_chain_free(objects, at);
	else
		xvi_piece_replace(objects, at, &to);
	report->moved_bytes += bytes;
	report->moved_blocks++;
	return true;
}
