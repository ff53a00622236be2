/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * buffer.c: the provider inside the caller's memory.
 *
 * Owns: only the buffer. May call: page_bitmap.h and memset; freestanding, no system call, no
 * malloc. Locking: none (see the header). Complexity: page_alloc O(log64 pages), pages_free the
 * same for each page; meta_reserve O(bytes / page size / 64); meta_release O(regions released out
 * of order).
 *
 *   head           base                        meta_low                       end
 *   [record|bitmap][page 0][page 1][page 2] ... [region n] ... [region 1][region 0]
 *                  ---- lowest first --->        <--- meta regions grow down ---
 *
 * A meta region that is released while a lower one lives cannot go yet: it keeps a note in its own
 * memory, and goes after the lower ones.
 */
#include <xvmalloc/provider_buffer.h>

#include "page_bitmap.h"
#include "page_size.h"
#include "xvi_mem.h"

#define BASE_ALIGNMENT 256U /* xv_provider: base */
#define META_ALIGNMENT 64U  /* xv_provider_ops: meta memory */

/* A released region that is not the lowest; lies in its first bytes. */
struct released_region {
	struct released_region *next;
	size_t bytes;
};

_Static_assert(sizeof(struct released_region) <= META_ALIGNMENT, "fits the smallest region");

struct buffer_provider {
	struct xv_provider provider; /* must be first */
	struct xvi_page_bitmap used;
	char *meta_low;                   /* lowest byte of the meta regions */
	char *end;                        /* end of meta memory, exclusive */
	size_t meta_committed_bytes;      /* of all live regions */
	size_t head_bytes;                /* record, bitmap and their alignment */
	struct released_region *released; /* unordered list */
};

static struct buffer_provider *buffer_of(struct xv_provider *self)
{
	return (struct buffer_provider *)self;
}

static char *base_of(const struct buffer_provider *buf)
{
	return buf->provider.base;
}

/* Pages wholly below this address, which is base or above. */
static uint32_t pages_below(const struct buffer_provider *buf, const char *address)
{
	return (uint32_t)((size_t)(address - base_of(buf)) >> buf->provider.page_shift);
}

static uint32_t smaller_of(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Pages that no meta region reaches. All pages that were handed out are among them. */
static uint32_t pages_reachable(const struct buffer_provider *buf)
{
	return smaller_of(pages_below(buf, buf->meta_low), buf->used.pages);
}

static int buffer_page_alloc(struct xv_provider *self, uint32_t *page)
{
	struct buffer_provider *buf = buffer_of(self);
	uint32_t lowest;

	if (!xvi_page_bitmap_lowest_free(&buf->used, &lowest) || lowest >= pages_reachable(buf))
		return -XV_ENOMEM;
	xvi_page_bitmap_set(&buf->used, lowest);
	*page = lowest;
	return 0;
}

/* The memory is the caller's: none stays. */
static size_t buffer_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	struct buffer_provider *buf = buffer_of(self);
	uint32_t end = xvi_page_bitmap_end(&buf->used, first, count);

	for (uint32_t page = first; page < end; page++) {
		if (xvi_page_bitmap_is_set(&buf->used, page))
			xvi_page_bitmap_clear(&buf->used, page);
	}
	return 0;
}

static void *buffer_page_map(struct xv_provider *self, uint32_t page)
{
	return base_of(buffer_of(self)) + ((size_t)page << self->page_shift);
}

static int buffer_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	return addr == buffer_page_map(self, page) ? 0 : -XV_EINVAL;
}

static void *buffer_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	struct buffer_provider *buf = buffer_of(self);
	size_t room = (size_t)(buf->meta_low - base_of(buf));
	size_t bytes = (max_bytes + META_ALIGNMENT - 1) & ~(size_t)(META_ALIGNMENT - 1);
	uint32_t first;

	if (max_bytes == 0 || bytes < max_bytes || bytes > room)
		return NULL;
	first = pages_below(buf, buf->meta_low - bytes);
	if (!xvi_page_bitmap_range_is_clear(&buf->used, first, buf->used.pages))
		return NULL;
	buf->meta_low -= bytes;
	return buf->meta_low;
}

static int buffer_meta_commit(struct xv_provider *self, void *base, size_t old_bytes,
			      size_t new_bytes)
{
	if (new_bytes > old_bytes)
		memset((char *)base + old_bytes, 0, new_bytes - old_bytes);
	buffer_of(self)->meta_committed_bytes += new_bytes - old_bytes;
	return 0;
}

/* Remove the released region that starts at meta_low from the list, if there is one. */
static size_t take_lowest_released(struct buffer_provider *buf)
{
	struct released_region **link = &buf->released;

	while (*link != NULL && (char *)*link != buf->meta_low)
		link = &(*link)->next;
	if (*link == NULL)
		return 0;
	size_t bytes = (*link)->bytes;

	*link = (*link)->next;
	return bytes;
}

static void buffer_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
				size_t committed_bytes)
{
	struct buffer_provider *buf = buffer_of(self);
	struct released_region *region = base;
	size_t bytes;

	buf->meta_committed_bytes -= committed_bytes;
	region->bytes = (max_bytes + META_ALIGNMENT - 1) & ~(size_t)(META_ALIGNMENT - 1);
	region->next = buf->released;
	buf->released = region;
	while ((bytes = take_lowest_released(buf)) != 0)
		buf->meta_low += bytes;
}

/* Reserved meta memory is real here, so the part that is not committed is overhead. */
static size_t buffer_overhead_bytes(struct xv_provider *self)
{
	struct buffer_provider *buf = buffer_of(self);

	return buf->head_bytes + (size_t)(buf->end - buf->meta_low) - buf->meta_committed_bytes;
}

static const struct xv_provider_ops buffer_ops = {
	.page_alloc = buffer_page_alloc,
	.pages_free = buffer_pages_free,
	.page_map = buffer_page_map,
	.page_unmap = buffer_page_unmap,
	.meta_reserve = buffer_meta_reserve,
	.meta_commit = buffer_meta_commit,
	.meta_release = buffer_meta_release,
	.overhead_bytes = buffer_overhead_bytes,
};

static size_t aligned_up(uintptr_t address, size_t alignment)
{
	return (size_t)((address + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

/* Bytes before page 0 with this many pages; record_at is the address of the record. */
static size_t head_bytes_for(uintptr_t buffer, uintptr_t record_at, uint32_t pages)
{
	uintptr_t tables_end =
		record_at + sizeof(struct buffer_provider) + xvi_page_bitmap_bytes(pages, 0);

	return aligned_up(tables_end, BASE_ALIGNMENT) - (size_t)buffer;
}

/* Most pages that fit beside their tables; 0 when none does. */
static uint32_t pages_that_fit(uintptr_t buffer, uintptr_t record_at, size_t bytes,
			       uint32_t page_shift)
{
	uint32_t pages = xvi_page_count(bytes, page_shift);

	/* Tables take about 1/32768 of the pages, so this ends after a few steps. */
	while (pages > 0) {
		size_t head = head_bytes_for(buffer, record_at, pages);

		if (head <= bytes && (bytes - head) >> page_shift >= pages)
			break;
		pages--;
	}
	return pages;
}

/* Set the record. Its memory, and the bitmap's behind it, is all zero. */
static void provider_fill(struct buffer_provider *buf, char *base, char *end, uint32_t pages,
			  uint32_t page_shift)
{
	/* Pages end at a multiple of BASE_ALIGNMENT, so this does not reach into them. */
	buf->end = end - (uintptr_t)end % META_ALIGNMENT;
	buf->meta_low = buf->end;
	xvi_page_bitmap_init(&buf->used, buf + 1, pages, 0);
	buf->provider = (struct xv_provider){
		.ops = &buffer_ops,
		.base = base,
		.max_pages = pages,
		.page_shift = page_shift,
		.grain_shift = page_shift,
		.window_slots = UINT32_MAX,
		.flags = XV_PROVIDER_META_IS_SCARCE,
	};
}

int xv_provider_buffer_init(struct xv_provider **out, void *buffer, size_t bytes,
			    uint32_t page_bytes)
{
	uint32_t page_shift = xvi_page_shift(page_bytes);
	uintptr_t start = (uintptr_t)buffer;
	uintptr_t record_at = aligned_up(start, _Alignof(struct buffer_provider));
	struct buffer_provider *buf;
	uint32_t pages;

	if (out == NULL || buffer == NULL || page_shift == 0 || bytes > UINTPTR_MAX - start)
		return -XV_EINVAL;
	pages = pages_that_fit(start, record_at, bytes, page_shift);
	if (pages == 0)
		return -XV_EINVAL;
	buf = (void *)((char *)buffer + (record_at - start));
	memset(buf, 0, sizeof(*buf) + xvi_page_bitmap_bytes(pages, 0));
	buf->head_bytes = head_bytes_for(start, record_at, pages);
	provider_fill(buf, (char *)buffer + buf->head_bytes, (char *)buffer + bytes, pages,
		      page_shift);
	*out = &buf->provider;
	return 0;
}
