/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * free.c: freeing an object, in general, and as object_fast.h does it. Needs no memory and fails
 * for a bad handle only.
 */
#include "object_fast.h"
#include "piece.h"

int xvi_object_free(struct xvi_objects *objects, xv_handle handle)
{
	struct xvi_location at;

	if (!xvi_object_find(objects, handle, &at))
		return -XV_EINVAL;
	XVI_ASSERT(objects_count(objects) != 0);
	XVI_ASSERT(objects->requested_bytes >= object_size(objects, &at));
	objects->requested_bytes -= object_size(objects, &at);
	if (block_kind(at.header) == KIND_FIRST)
		xvi_chain_free(objects, link_to(&at));
	else
		xvi_piece_free(objects, &at);
	return 0;
}

int xvi_object_free_proved(struct xvi_objects *objects, xv_handle handle)
{
	return object_free_fast(objects, &shape_proved, handle);
}

int xvi_object_free_keyed(struct xvi_objects *objects, xv_handle handle)
{
	return object_free_fast(objects, &shape_keyed, handle);
}
