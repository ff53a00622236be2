/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Handles: making them, and finding the live object that one names, or saying that
 * there is none. Owns the handle's tag; calls page mapping. Under the pool's lock.
 *
 * The tag's layout is in handle.h.
 *
 * O(1) with a tag or by pointer; without a tag O(blocks in the page).
 */
#include "composite.h"

xv_handle xvi_handle_make(const struct xv_pool *pool, uint32_t page, uint32_t unit,
			  uint32_t generation, bool whole_page)
{
	return xvi_handle_pack(pool, page, whole_page ? 0 : unit * UNIT_BYTES + pool->prefix_bytes,
			       xvi_place_hash(pool, page, unit), generation);
}

static uint32_t handle_tag(const struct xv_pool *pool, uint32_t page, uint32_t unit,
			   uint32_t generation)
{
	return xvi_tag(pool, xvi_place_hash(pool, page, unit), generation);
}

bool xvi_walk_reaches(const struct xv_pool *pool, const uint32_t *words, uint32_t unit)
{
	uint32_t at = pool->first_unit;

	while (at < unit) {
		uint32_t units = xvi_any_units(pool, words[at]);

		if (units == 0 || units > pool->end_unit - at)
			return false;
		at += units;
	}
	return at == unit;
}

/* Does the word look like the header of a used block at this place? O(1). */
static bool header_is_plausible(const struct xv_pool *pool, const uint32_t *words, uint32_t page,
				uint32_t unit)
{
	uint32_t word = words[unit];
	uint32_t units = block_units(word, pool->unit_bits);
	uint32_t hash = xvi_place_hash(pool, page, unit);

	return !block_is_free(word) && block_kind(word) < BLOCK_KINDS &&
	       block_check(word) == (hash & BLOCK_CHECK_MASK) && units <= pool->end_unit - unit &&
	       block_content_bytes(word, pool->unit_bits) > (int32_t)pool->owner_bytes;
}

bool xvi_neighbour_is_plausible(const struct xv_pool *pool, const uint32_t *words, uint32_t page,
				uint32_t unit)
{
	uint32_t next = unit + block_units(words[unit], pool->unit_bits);
	uint32_t word;

	if (next == pool->end_unit)
		return true;
	word = words[next];
	if (!block_is_free(word))
		return !block_prev_is_free(word) && header_is_plausible(pool, words, page, next);
	if (block_kind(word) != FREE_LISTED)
		return block_free_value(word) <= pool->end_unit - next;
	return block_free_value(word) < pool->holes.capacity &&
	       pool->holes.records[block_free_value(word)].page == page &&
	       pool->holes.records[block_free_value(word)].first_unit == next;
}

/* Is it the kind of block that such a handle may name? */
static bool kind_is_asked_for(uint32_t kind, enum xvi_trust trust)
{
	if (trust == TRUST_LINK)
		return kind == BLOCK_MIDDLE || kind == BLOCK_LAST;
	return trust == TRUST_POINTER ? kind == BLOCK_WHOLE : block_kind_is_head(kind);
}

static bool block_is_proved(const struct xv_pool *pool, const uint32_t *words, uint32_t page,
			    uint32_t unit, uint32_t tag, enum xvi_trust trust)
{
	uint32_t generation;

	/* First the walk, which reads headers only: what lies at unit may be the payload of
	 * another object, which its owner writes without the lock. */
	if ((XV_DEBUG >= 1 || (trust == TRUST_HANDLE && (tag & TAG_TAGGED) == 0)) &&
	    !xvi_walk_reaches(pool, words, unit))
		return false;
	if (!header_is_plausible(pool, words, page, unit) ||
	    !kind_is_asked_for(block_kind(words[unit]), trust))
		return false;
	generation = block_generation(words[unit], pool->unit_bits);
	if ((tag & TAG_TAGGED) != 0 && tag != handle_tag(pool, page, unit, generation))
		return false;
	if (trust == TRUST_POINTER)
		return xvi_neighbour_is_plausible(pool, words, page, unit);
	/* Freeing will look at the block behind: a cache miss that need not wait. */
	XVI_PREFETCH(words + unit + block_units(words[unit], pool->unit_bits));
	return true;
}

static int locate_whole_page(const struct xv_pool *pool, uint32_t page, uint32_t offset,
			     uint32_t tag, struct xvi_location *where)
{
	uint32_t generation = pool->pages.records[page].generation;

	if (offset != 0)
		return -XV_EINVAL;
	if ((tag & TAG_TAGGED) != 0 && tag != handle_tag(pool, page, 0, generation))
		return -XV_EINVAL;
	where->page = page;
	where->unit = 0;
	where->words = NULL;
	where->header = 0;
	where->whole_page = true;
	return 0;
}

static int locate_block(struct xv_pool *pool, uint32_t page, uint32_t offset, uint32_t tag,
			enum xvi_trust trust, struct xvi_location *where)
{
	uint32_t unit = (offset - pool->prefix_bytes) / UNIT_BYTES;
	uint32_t *words;

	if (offset % pool->alignment != 0 || offset < pool->prefix_bytes ||
	    unit < pool->first_unit || unit >= pool->end_unit ||
	    pool->pages.records[page].used_units == 0)
		return -XV_EINVAL;
	words = xvi_page_map(pool, page);
	if (words == NULL)
		return -XV_EAGAIN;
	if (!block_is_proved(pool, words, page, unit, tag, trust) ||
	    XVI_UNLIKELY(xvi_is_orphan(pool, page, unit))) {
		xvi_page_unmap(pool, page, words);
		return -XV_EINVAL;
	}
	where->page = page;
	where->unit = unit;
	where->words = words;
	where->header = words[unit];
	where->whole_page = false;
	return 0;
}

int xvi_locate(struct xv_pool *pool, xv_handle handle, enum xvi_trust trust,
	       struct xvi_location *where)
{
	uint32_t page = xv_handle_page(handle);
	uint32_t offset = xv_handle_offset(handle);
	uint32_t tag = (uint32_t)(handle >> HANDLE_TAG_SHIFT);
	uint32_t state;
	int err = -XV_EINVAL;

	/* A tag without its mark was never given out. */
	if ((tag == 0 || (tag & TAG_TAGGED) != 0) && xvi_page_is_ours(pool, page)) {
		state = xvi_page_state(&pool->pages.records[page]);
		if (XVI_LIKELY(state == PAGE_BLOCKS))
			err = locate_block(pool, page, offset, tag, trust, where);
		else if (state == PAGE_WHOLE && trust != TRUST_LINK)
			err = locate_whole_page(pool, page, offset, tag, where);
	}
	if (XVI_UNLIKELY(err == -XV_EINVAL))
		pool->bad_handles++;
	return err;
}

void xvi_locate_end(struct xv_pool *pool, const struct xvi_location *where)
{
	if (where->words != NULL)
		xvi_page_unmap(pool, where->page, where->words);
}

size_t xvi_simple_bytes(const struct xv_pool *pool, const struct xvi_location *where)
{
	if (where->whole_page)
		return pool->page_bytes - xvi_page_pad(&pool->pages.records[where->page]);
	return xvi_payload_bytes(pool, where->header);
}

int xvi_object_bytes(struct xv_pool *pool, const struct xvi_location *where, size_t *bytes)
{
	struct xvi_chain chain;
	int err;

	if (XVI_LIKELY(xvi_is_simple(where))) {
		*bytes = xvi_simple_bytes(pool, where);
		return 0;
	}
	err = xvi_chain_read(pool, where, &chain);
	if (err == 0)
		*bytes = chain.bytes;
	return err;
}

xv_handle xvi_location_handle(const struct xv_pool *pool, const struct xvi_location *where)
{
	uint32_t generation = where->whole_page ? pool->pages.records[where->page].generation
						: block_generation(where->header, pool->unit_bits);

	return xvi_handle_make(pool, where->page, where->unit, generation, where->whole_page);
}
