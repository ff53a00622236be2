/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * meta_memory.c: see meta_memory.h.
 */
#include "meta_memory.h"

#include "os_memory.h"

#include <stdint.h>
#include <string.h>

void xvi_meta_init(struct xvi_meta_memory *meta, size_t os_page_bytes)
{
	*meta = (struct xvi_meta_memory){.os_page_bytes = os_page_bytes};
}

void *xvi_meta_reserve(const struct xvi_meta_memory *meta, size_t max_bytes)
{
	if (max_bytes == 0 || max_bytes > SIZE_MAX - meta->os_page_bytes)
		return NULL;
	return xvi_os_reserve(xvi_round_up(max_bytes, meta->os_page_bytes), meta->os_page_bytes);
}

static void count_rounding(struct xvi_meta_memory *meta, size_t old_bytes, size_t new_bytes)
{
	size_t unit = meta->os_page_bytes;

	meta->rounding_bytes -= xvi_round_up(old_bytes, unit) - old_bytes;
	meta->rounding_bytes += xvi_round_up(new_bytes, unit) - new_bytes;
}

/* Space that is not committed has memory only if that stayed. */
static void stayed_leave(struct xvi_meta_memory *meta, const char *base, size_t from, size_t to)
{
	size_t bytes;

	if (meta->stayed_bytes == 0 || from >= to)
		return;
	bytes = xvi_os_resident_bytes(base + from, to - from);
	meta->stayed_bytes -= bytes < meta->stayed_bytes ? bytes : meta->stayed_bytes;
}

/* The last OS page may have been in use further than now: clear its end. */
static void clear_partial_page(char *base, size_t from, size_t to, size_t unit)
{
	size_t page_end = xvi_round_up(from, unit);

	memset(base + from, 0, (page_end < to ? page_end : to) - from);
}

int xvi_meta_commit(struct xvi_meta_memory *meta, void *base, size_t old_bytes, size_t new_bytes)
{
	size_t old_end = xvi_round_up(old_bytes, meta->os_page_bytes);
	size_t new_end = xvi_round_up(new_bytes, meta->os_page_bytes);

	if (new_end > old_end) {
		size_t stayed = meta->stayed_bytes;
		int err;

		stayed_leave(meta, base, old_end, new_end);
		err = xvi_os_commit((char *)base + old_end, new_end - old_end);
		if (err != 0) {
			meta->stayed_bytes = stayed;
			return err;
		}
	} else if (new_end < old_end &&
		   !xvi_os_decommit((char *)base + new_end, old_end - new_end)) {
		meta->stayed_bytes += old_end - new_end;
	}
	if (new_bytes > old_bytes)
		clear_partial_page(base, old_bytes, new_bytes, meta->os_page_bytes);
	count_rounding(meta, old_bytes, new_bytes);
	return 0;
}

size_t xvi_meta_purge(const struct xvi_meta_memory *meta, void *base, size_t offset, size_t bytes)
{
	size_t unit = meta->os_page_bytes;
	char *from = (char *)base + xvi_round_up(offset, unit);
	char *end = (char *)base + ((offset + bytes) & ~(unit - 1));

	if (from >= end)
		return 0;
	if (xvi_os_discard(from, (size_t)(end - from)).given)
		return (size_t)(end - from);
	memset(from, 0, (size_t)(end - from));
	return 0;
}

void xvi_meta_release(struct xvi_meta_memory *meta, void *base, size_t max_bytes,
		      size_t committed_bytes)
{
	stayed_leave(meta, base, xvi_round_up(committed_bytes, meta->os_page_bytes),
		     xvi_round_up(max_bytes, meta->os_page_bytes));
	xvi_os_release(base, xvi_round_up(max_bytes, meta->os_page_bytes));
	count_rounding(meta, committed_bytes, 0);
}
