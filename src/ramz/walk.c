/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * walk.c: show the caller what the slots hold.
 *
 * Owns nothing. May call: slot.c, object.c. Locking: reads some dozen slots at a time; nothing is
 * held while the caller's function runs. O(pages that hold something).
 */
#include "dedup.h"
#include "store_impl.h"

enum { WALK_BATCH = 64 };

static void info_of_object(const struct ramz *store, const struct rzi_view *view, int bytes,
			   struct ramz_page_info *info)
{
	uint32_t codec = rzi_entry_codec(view->entry);

	info->kind = codec == 0 ? RAMZ_PAGE_RAW : RAMZ_PAGE_COMPRESSED;
	info->codec = codec == 0 ? NULL : rzi_coding_codec(store, codec);
	info->stored_bytes = (uint32_t)bytes;
	info->sharers = 1;
	if (rzi_entry_is_record(view->slot_entry))
		info->sharers = rzi_dedup_refs(store->dedup, rzi_entry_record(view->slot_entry));
}

static int info_of_slot(struct rzi_context *context, uint64_t slot, struct ramz_page_info *info)
{
	struct ramz *store = context->store;
	struct rzi_view view;
	int bytes = 0;

	*info = (struct ramz_page_info){.kind = RAMZ_PAGE_ABSENT};
	rzi_view_take(context, slot, &view);
	if (rzi_view_has_object(&view) || rzi_entry_is_backed(view.slot_entry)) {
		info->backed = rzi_entry_is_backed(view.slot_entry);
		bytes = info->backed
				? (int)(rzi_entry_backed_bytes(view.slot_entry) - store->tail_bytes)
				: rzi_object_bytes(store, view.entry);
		if (bytes > 0)
			info_of_object(store, &view, bytes, info);
	} else if (view.slot_entry != 0) {
		info->kind = RAMZ_PAGE_SAME_FILLED;
		info->word = view.word;
	}
	rzi_view_drop(context, &view);
	return bytes < 0 ? bytes : 0;
}

int ramz_page_info(struct ramz *store, uint64_t page, struct ramz_page_info *info)
{
	struct ramz_page_info found;
	struct rzi_context *context;
	int err = -XV_ERANGE;

	if (store == NULL || info == NULL)
		return -XV_EINVAL;
	context = rzi_enter(store);
	if (page < rzi_pages(store))
		err = info_of_slot(context, page, &found);
	rzi_leave(context);
	if (err == 0)
		*info = found;
	return err;
}

struct walk_batch {
	uint32_t count;
	uint64_t page[WALK_BATCH];
	struct ramz_page_info info[WALK_BATCH];
};

/* The next pages that hold something, from *next on, which advances; UINT64_MAX at the end. */
static int walk_fill(struct rzi_context *context, uint64_t *next, struct walk_batch *batch)
{
	const struct ramz *store = context->store;
	uint64_t slot = rzi_sparse_next(&store->slots, *next);
	int err = 0;

	batch->count = 0;
	while (err == 0 && batch->count < WALK_BATCH && slot < rzi_pages(store)) {
		struct ramz_page_info *info = &batch->info[batch->count];

		err = info_of_slot(context, slot, info);
		if (err == 0 && info->kind != RAMZ_PAGE_ABSENT)
			batch->page[batch->count++] = slot;
		slot = rzi_sparse_after(&store->slots, slot);
	}
	*next = slot < rzi_pages(store) ? slot : UINT64_MAX;
	return err;
}

int ramz_walk(struct ramz *store, uint64_t first,
	      int (*visit)(void *context, uint64_t page, const struct ramz_page_info *info),
	      void *visit_context)
{
	struct walk_batch batch;
	int result = 0;

	if (store == NULL || visit == NULL)
		return -XV_EINVAL;
	while (result == 0 && first != UINT64_MAX) {
		struct rzi_context *context = rzi_enter(store);

		result = walk_fill(context, &first, &batch);
		rzi_leave(context);
		for (uint32_t i = 0; result == 0 && i < batch.count; i++)
			result = visit(visit_context, batch.page[i], &batch.info[i]);
	}
	return result;
}
