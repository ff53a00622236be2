/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Handles: their tag, making them, finding what they name, and what a block's header or a
 * page's record says of it. What handle.c offers the rest of the core. Under the pool's
 * lock. O(1), but where it says otherwise.
 */
#ifndef XVI_HANDLE_H
#define XVI_HANDLE_H

#include "pool_impl.h"

/* Hash of pool, page and header position: check field and epoch come from it. */
static inline uint32_t xvi_place_hash(const struct xv_pool *pool, uint32_t page, uint32_t unit)
{
	uint32_t h = (page * 0x9E3779B1U) ^ (unit * 0x85EBCA77U) ^ pool->seed;

	h ^= h >> 15;
	h *= 0x2C1B3C6DU;
	return h ^ (h >> 13);
}

/*
 * The tag of a handle, 16 bits from bit 48:
 *
 *   15        14                                        4 3       0
 *   [tagged=1][ hash, in its low bits xor generation    ][ check ]
 *
 * G = 18 - U bits of generation (8 with 4 KiB pages, 4 with 64 KiB). All but the
 * generation is recomputed from pool, page and offset, so a handle of another pool, or
 * one made up, must guess 15 bits.
 */
enum {
	HANDLE_PAGE_SHIFT = 16,
	HANDLE_TAG_SHIFT = 48,
	TAG_BITS = 15,
	TAG_TAGGED = 1U << TAG_BITS,
	TAG_MASK = TAG_TAGGED - 1,
};

/* The tag of a block at a place of this hash. */
static inline uint32_t xvi_tag(const struct xv_pool *pool, uint32_t hash, uint32_t generation)
{
	uint32_t upper = (generation & pool->generation_mask) << BLOCK_CHECK_BITS;

	/* The hash's low bits are the check field; the generation goes above them. */
	return TAG_TAGGED | ((hash ^ upper) & TAG_MASK);
}

static inline xv_handle xvi_handle_pack(const struct xv_pool *pool, uint32_t page, uint32_t offset,
					uint32_t hash, uint32_t generation)
{
	return ((xv_handle)xvi_tag(pool, hash, generation) << HANDLE_TAG_SHIFT) |
	       ((xv_handle)(page + 1U) << HANDLE_PAGE_SHIFT) | offset;
}

xv_handle xvi_handle_make(const struct xv_pool *pool, uint32_t page, uint32_t unit,
			  uint32_t generation, bool whole_page);

/*
 * Find the live object that a handle names and map its page (not for a whole-page
 * object). Returns 0, or -XV_EINVAL / -XV_EAGAIN with nothing mapped.
 */
int xvi_locate(struct xv_pool *pool, xv_handle handle, enum xvi_trust trust,
	       struct xvi_location *where);
void xvi_locate_end(struct xv_pool *pool, const struct xvi_location *where);

/* Bytes of the link in blocks of this kind. */
static inline uint32_t xvi_kind_link_bytes(const struct xv_pool *pool, uint32_t kind)
{
	if (kind == BLOCK_INDEX)
		return BLOCK_INDEX_LINK_BYTES;
	return block_kind_has_link(kind) ? pool->link_bytes : 0;
}

/* Payload bytes of a used block, from its header. */
static inline uint32_t xvi_payload_bytes(const struct xv_pool *pool, uint32_t header)
{
	uint32_t link = xvi_kind_link_bytes(pool, block_kind(header));

	return (uint32_t)block_content_bytes(header, pool->unit_bits) - pool->owner_bytes - link;
}

static inline uint32_t xvi_page_state(const struct xvi_page *page)
{
	return page->state & PAGE_STATE_MASK;
}

static inline uint32_t xvi_page_pad(const struct xvi_page *page)
{
	return (uint32_t)page->state >> PAGE_PAD_SHIFT;
}

static inline uint32_t xvi_page_owner(const struct xvi_page *page)
{
	return page->used_units | ((uint32_t)page->owner_high << 16);
}

static inline void xvi_page_set_owner(struct xvi_page *page, uint32_t owner)
{
	page->used_units = (uint16_t)(owner & 0xFFFFU);
	page->owner_high = (uint16_t)(owner >> 16);
}

/* Is there a block boundary at unit, on the way from the page's first block? */
bool xvi_walk_reaches(const struct xv_pool *pool, const uint32_t *words, uint32_t unit);

/* Does the block behind know that this one is in use, and look like a block? O(1). */
bool xvi_neighbour_is_plausible(const struct xv_pool *pool, const uint32_t *words, uint32_t page,
				uint32_t unit);

/* Bytes of a located object that is one block, or has a page to itself. */
size_t xvi_simple_bytes(const struct xv_pool *pool, const struct xvi_location *where);

/* Is it such an object? */
static inline bool xvi_is_simple(const struct xvi_location *where)
{
	return where->whole_page || block_kind(where->header) == BLOCK_WHOLE;
}

/* Exact size of a located object. 0 or -XV_EAGAIN. O(fragments). */
int xvi_object_bytes(struct xv_pool *pool, const struct xvi_location *where, size_t *bytes);

/* Handle of a located object. */
xv_handle xvi_location_handle(const struct xv_pool *pool, const struct xvi_location *where);

/* Units of the free block whose first word this is. */
static inline uint32_t xvi_free_units(const struct xv_pool *pool, uint32_t word)
{
	uint32_t value = block_free_value(word);

	if (block_kind(word) != FREE_LISTED)
		return value;
	return value < pool->holes.capacity ? pool->holes.records[value].units : 0;
}

/* Units of the block at this word, 0 when it is not a block. */
static inline uint32_t xvi_any_units(const struct xv_pool *pool, uint32_t word)
{
	return block_is_free(word) ? xvi_free_units(pool, word)
				   : block_units(word, pool->unit_bits);
}

#endif
