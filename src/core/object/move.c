/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * move.c: one block out of a page that compaction empties. A WHOLE or FIRST piece moves when its
 * owner agrees; of a REST piece only the links around it change.
 */
#include "piece.h"

/* Where a block goes: one piece, or a chain. */
struct target {
	struct xvi_location first;
	struct xvi_location last;
	bool joined; /* the whole object, of which the block was the first piece */
};

/* Is a piece of the object in a page that somebody reads or writes? */
static bool chain_is_pinned(const struct xvi_objects *objects, const struct xvi_location *first)
{
	struct xvi_link link = link_to(first);

	while (link.page != LINK_NONE && !link_is_pinned(objects, link.page)) {
		struct xvi_location at;

		xvi_piece_at(objects, link, &at);
		link = xvi_piece_next(objects, &at);
	}
	return link.page != LINK_NONE;
}

/* An object of several pieces as one block, if there is a hole for it and none of them is to
 * stay where it is. */
static bool target_joined(struct xvi_objects *objects, const struct xvi_location *at,
			  struct target *target)
{
	size_t size = object_size(objects, at);

	if (size > objects->whole_max || chain_is_pinned(objects, at) ||
	    xvi_piece_malloc(objects, (uint32_t)size + objects->prefix_bytes, KIND_WHOLE, 1,
			     HEAP_KEEP_VICTIMS, &target->first) != 0)
		return false;
	target->last = target->first;
	target->joined = true;
	return true;
}

/* The block as it is, or laid over a few holes. */
static bool target_same(struct xvi_objects *objects, const struct xvi_location *at,
			struct target *target)
{
	uint32_t kind = block_kind(at->header);
	struct xvi_lay lay = {.bytes = piece_payload_bytes(objects, at->header),
			      .kind = kind == KIND_REST ? KIND_REST : KIND_FIRST,
			      .pieces_most = LAY_PIECES_FEW,
			      .flags = HEAP_KEEP_VICTIMS};

	target->joined = false;
	if (xvi_piece_malloc(objects, block_content(at->header), kind, 1, HEAP_KEEP_VICTIMS,
			     &target->first) == 0) {
		target->last = target->first;
		return true;
	}
	if (!objects->split || xvi_chain_lay(objects, &lay) != 0)
		return false;
	target->first = lay.first;
	target->last = lay.last;
	return true;
}

static bool target_find(struct xvi_objects *objects, const struct xvi_location *at,
			struct target *target)
{
	if (block_kind(at->header) == KIND_FIRST && target_joined(objects, at, target))
		return true;
	return target_same(objects, at, target);
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

/* Take the block's place in its chain. */
static void target_link(struct xvi_objects *objects, const struct xvi_location *at, size_t size,
			const struct target *target)
{
	struct xvi_link next = xvi_piece_next(objects, at);

	if (block_kind(at->header) == KIND_REST)
		xvi_pieces_join(objects, xvi_piece_previous(objects, at), link_to(&target->first));
	else if (block_kind(target->first.header) == KIND_FIRST)
		xvi_piece_set_size(objects, &target->first, size);
	if (next.page != LINK_NONE)
		xvi_pieces_join(objects, link_to(&target->last), next);
}

bool xvi_block_move(struct xvi_objects *objects, const struct xvi_location *at,
		    struct xv_compact_report *report)
{
	bool rest = block_kind(at->header) == KIND_REST;
	uint32_t bytes = piece_payload_bytes(objects, at->header);
	size_t size = rest ? bytes : object_size(objects, at);
	struct target target;

	XVI_ASSERT(block_kind(at->header) != KIND_FIXED && !link_is_pinned(objects, at->page));
	if (!target_find(objects, at, &target))
		return false;
	XVI_ASSERT(target.first.page != at->page && target.last.page != at->page);
	if (target.joined)
		bytes = (uint32_t)size;
	xvi_object_copy(objects, &target.first, objects, at, bytes);
	if (!rest && !owner_agrees(objects, at, &target.first)) {
		xvi_chain_free(objects, link_to(&target.first));
		report->refused++;
		return false;
	}
	if (target.joined) {
		xvi_chain_free(objects, link_to(at));
	} else {
		target_link(objects, at, size, &target);
		xvi_piece_free(objects, at);
	}
	report->moved_bytes += bytes;
	report->moved_blocks++;
	return true;
}
