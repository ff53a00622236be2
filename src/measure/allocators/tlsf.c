/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tlsf.c: Two-Level Segregated Fit, as a peer for the benchmark.
 *
 * Source: M. Masmano, I. Ripoll, A. Crespo, J. Real: "TLSF: a New Dynamic Memory
 * Allocator for Real-Time Systems", ECRTS 2004. Parameters are those in common
 * use: one word before each used block, 32 second-level lists, alignment of one
 * word, growth by regions of 1 MiB. A region stays with the heap until the heap is
 * destroyed, empty or not, as in the usual implementations.
 *
 * Words: a block is one size word and the payload behind it. The two low bits of
 * the size word say whether this block and the one before it are free.
 *
 *   used   [ size | flags ][ payload ............................ ]
 *   free   [ size | flags ][ next ][ prev ][ ......... ][ to head ]
 *
 * "to head", the last word of a free payload, points to the size word of its own
 * block, so that the block behind it can find it to merge. A used block pays for
 * its size word only. A region begins with struct tlsf_region and ends with a used
 * block of size 0, so neither edge needs a special case when merging.
 *
 * Lists: sizes under SMALL_BYTES have one list per word of size; above, each
 * power of two is cut into LISTS_PER_LEVEL equal ranges.
 *
 * Owns regions and its own record, both from mmap. No locking. O(1) but for destroy
 * and growth.
 */
#include "registry.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum {
	WORD_BYTES = sizeof(size_t),
	WORD_SHIFT = sizeof(size_t) == 8 ? 3 : 2,
	LIST_SHIFT = 5, /* log2 of lists per level */
	LISTS_PER_LEVEL = 1 << LIST_SHIFT,
	SMALL_SHIFT = LIST_SHIFT + WORD_SHIFT,
	SMALL_BYTES = 1 << SMALL_SHIFT,
	SIZE_SHIFT_MAX = 31, /* log2 of the largest object */
	LEVELS = SIZE_SHIFT_MAX - SMALL_SHIFT + 2,
};

#define BLOCK_FREE ((size_t)1)
#define PREV_FREE ((size_t)2)
#define FLAG_BITS (BLOCK_FREE | PREV_FREE)
#define REGION_BYTES ((size_t)1 << 20)
#define OBJECT_BYTES_MAX ((size_t)1 << SIZE_SHIFT_MAX)

struct tlsf_block {
	size_t word;             /* payload bytes, a multiple of WORD_BYTES, and flags */
	struct tlsf_block *next; /* in its list; these two only while free */
	struct tlsf_block *prev;
};

/* A free payload holds two links and the word at its end. */
#define PAYLOAD_BYTES_MIN (3 * (size_t)WORD_BYTES)

struct tlsf_region {
	struct tlsf_region *next;
	size_t bytes; /* mapped, this record included */
};

/* Room in a region that no payload can use: the record, first header, last header. */
#define REGION_EDGE_BYTES (sizeof(struct tlsf_region) + 2 * (size_t)WORD_BYTES)

struct tlsf_heap {
	uint32_t level_bitmap;        /* bit l: list_bitmap[l] is not 0 */
	uint32_t list_bitmap[LEVELS]; /* bit i: lists[l][i] is not empty */
	struct tlsf_block *lists[LEVELS][LISTS_PER_LEVEL];
	struct tlsf_region *regions;
	uint64_t held_bytes;
};

static_assert(sizeof(struct tlsf_block) == 3 * WORD_BYTES, "a block head is three words");
static_assert(LEVELS <= 32, "levels fit a bitmap word");

/* A place in the two-level table. */
struct tlsf_place {
	unsigned level;
	unsigned list;
};

/* ---- Bits ---- */

static unsigned bit_highest(size_t value)
{
	return (unsigned)(sizeof(unsigned long long) * 8 - 1) -
	       (unsigned)__builtin_clzll((unsigned long long)value);
}

static unsigned bit_lowest(uint32_t value)
{
	return (unsigned)__builtin_ctz(value);
}

/* ---- Blocks ---- */

static size_t block_bytes(const struct tlsf_block *block)
{
	return block->word & ~FLAG_BITS;
}

static bool block_is_free(const struct tlsf_block *block)
{
	return (block->word & BLOCK_FREE) != 0;
}

static bool block_prev_is_free(const struct tlsf_block *block)
{
	return (block->word & PREV_FREE) != 0;
}

static struct tlsf_block *block_at(void *start, size_t offset)
{
	return (struct tlsf_block *)(void *)((char *)start + offset);
}

static struct tlsf_block *block_next(const struct tlsf_block *block)
{
	return (struct tlsf_block *)((uintptr_t)block + WORD_BYTES + block_bytes(block));
}

/* The word before a block: "to head" of the block before it, while that is free. */
static struct tlsf_block **block_prev_link(const struct tlsf_block *block)
{
	return (struct tlsf_block **)((uintptr_t)block - WORD_BYTES);
}

static void block_set_bytes(struct tlsf_block *block, size_t bytes)
{
	block->word = bytes | (block->word & FLAG_BITS);
}

/* Say in the block, at its end and behind it that it is free. */
static void block_mark_free(struct tlsf_block *block)
{
	struct tlsf_block *next = block_next(block);

	block->word |= BLOCK_FREE;
	next->word |= PREV_FREE;
	*block_prev_link(next) = block;
}

static void block_mark_used(struct tlsf_block *block)
{
	block->word &= ~BLOCK_FREE;
	block_next(block)->word &= ~PREV_FREE;
}

/* ---- Lists ---- */

/* The list that a block of this size belongs to. */
static struct tlsf_place place_of(size_t bytes)
{
	struct tlsf_place place = {0, (unsigned)(bytes >> WORD_SHIFT)};

	if (bytes >= SMALL_BYTES) {
		unsigned high = bit_highest(bytes);

		place.level = high - SMALL_SHIFT + 1;
		place.list = (unsigned)(bytes >> (high - LIST_SHIFT)) - LISTS_PER_LEVEL;
	}
	return place;
}

/* The first list of which every block has this size or more. */
static struct tlsf_place place_to_search(size_t bytes)
{
	if (bytes >= SMALL_BYTES)
		bytes += ((size_t)1 << (bit_highest(bytes) - LIST_SHIFT)) - 1;
	return place_of(bytes);
}

static void list_push(struct tlsf_heap *heap, struct tlsf_block *block)
{
	struct tlsf_place place = place_of(block_bytes(block));
	struct tlsf_block **head = &heap->lists[place.level][place.list];

	block->prev = NULL;
	block->next = *head;
	if (*head != NULL)
		(*head)->prev = block;
	*head = block;
	heap->list_bitmap[place.level] |= 1U << place.list;
	heap->level_bitmap |= 1U << place.level;
}

static void list_clear_bits(struct tlsf_heap *heap, struct tlsf_place place)
{
	heap->list_bitmap[place.level] &= ~(1U << place.list);
	if (heap->list_bitmap[place.level] == 0)
		heap->level_bitmap &= ~(1U << place.level);
}

static void list_remove(struct tlsf_heap *heap, struct tlsf_block *block)
{
	if (block->next != NULL)
		block->next->prev = block->prev;
	if (block->prev != NULL) {
		block->prev->next = block->next;
	} else {
		struct tlsf_place place = place_of(block_bytes(block));

		heap->lists[place.level][place.list] = block->next;
		if (block->next == NULL)
			list_clear_bits(heap, place);
	}
}

/* Take the first block of the first list from place on that has one, or NULL. */
static struct tlsf_block *list_take(struct tlsf_heap *heap, struct tlsf_place place)
{
	struct tlsf_block *block;
	uint32_t bits;

	if (place.level >= LEVELS)
		return NULL;
	bits = heap->list_bitmap[place.level] & (~0U << place.list);
	if (bits == 0) {
		uint32_t levels = heap->level_bitmap & (~1U << place.level);

		if (levels == 0)
			return NULL;
		place.level = bit_lowest(levels);
		bits = heap->list_bitmap[place.level];
	}
	block = heap->lists[place.level][bit_lowest(bits)];
	list_remove(heap, block);
	return block;
}

/* ---- Regions ---- */

static void *map_bytes(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Make the region one free block between its record and its last header. */
static struct tlsf_block *region_format(struct tlsf_region *region)
{
	struct tlsf_block *block = block_at(region, sizeof(*region));

	block->word = region->bytes - REGION_EDGE_BYTES;
	block_next(block)->word = 0;
	block_mark_free(block);
	return block;
}

/* Grow so that an object of this size fits, and return the new free block. */
static struct tlsf_block *region_add(struct tlsf_heap *heap, size_t bytes)
{
	size_t region_bytes = REGION_BYTES;
	struct tlsf_region *region;

	while (region_bytes < bytes + REGION_EDGE_BYTES)
		region_bytes += REGION_BYTES;
	region = map_bytes(region_bytes);
	if (region == NULL)
		return NULL;
	region->bytes = region_bytes;
	region->next = heap->regions;
	heap->regions = region;
	heap->held_bytes += region_bytes;
	return region_format(region);
}

/* ---- Split and merge ---- */

/* [ block ............ ] => [ block ][ rest, free ] where a rest can be a block */
static void block_split(struct tlsf_heap *heap, struct tlsf_block *block, size_t bytes)
{
	size_t spare = block_bytes(block) - bytes;
	struct tlsf_block *rest;

	if (spare < PAYLOAD_BYTES_MIN + WORD_BYTES)
		return;
	block_set_bytes(block, bytes);
	rest = block_next(block);
	rest->word = spare - WORD_BYTES;
	block_mark_free(rest);
	list_push(heap, rest);
}

/* [ prev, free ][ block ] => [ prev ............ ] */
static struct tlsf_block *block_merge_prev(struct tlsf_heap *heap, struct tlsf_block *block)
{
	struct tlsf_block *prev;

	if (!block_prev_is_free(block))
		return block;
	prev = *block_prev_link(block);
	list_remove(heap, prev);
	block_set_bytes(prev, block_bytes(prev) + WORD_BYTES + block_bytes(block));
	return prev;
}

/* [ block ][ next, free ] => [ block ........... ] */
static void block_merge_next(struct tlsf_heap *heap, struct tlsf_block *block)
{
	struct tlsf_block *next = block_next(block);

	if (!block_is_free(next))
		return;
	list_remove(heap, next);
	block_set_bytes(block, block_bytes(block) + WORD_BYTES + block_bytes(next));
}

/* ---- The heap ---- */

static void *tlsf_create(const struct xvfrag_plugin_config *config)
{
	struct tlsf_heap *heap = map_bytes(sizeof(*heap));

	(void)config;
	if (heap != NULL)
		heap->held_bytes = (sizeof(*heap) + 4095) & ~(size_t)4095;
	return heap;
}

static void tlsf_destroy(void *context)
{
	struct tlsf_heap *heap = context;
	struct tlsf_region *region, *next;

	for (region = heap->regions; region != NULL; region = next) {
		next = region->next;
		munmap(region, region->bytes);
	}
	munmap(heap, sizeof(*heap));
}

static int tlsf_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct tlsf_heap *heap = context;
	size_t bytes = (size + WORD_BYTES - 1) & ~(size_t)(WORD_BYTES - 1);
	struct tlsf_block *block;

	(void)index;
	if (size == 0 || size > OBJECT_BYTES_MAX)
		return -EINVAL;
	if (bytes < PAYLOAD_BYTES_MIN)
		bytes = PAYLOAD_BYTES_MIN;
	block = list_take(heap, place_to_search(bytes));
	if (block == NULL)
		block = region_add(heap, bytes);
	if (block == NULL)
		return -ENOMEM;
	block_split(heap, block, bytes);
	block_mark_used(block);
	*token = (uintptr_t)block + WORD_BYTES;
	return 0;
}

static int tlsf_free(void *context, uint64_t token, size_t size)
{
	struct tlsf_heap *heap = context;
	struct tlsf_block *block = (void *)(uintptr_t)(token - WORD_BYTES);

	(void)size;
	block = block_merge_prev(heap, block);
	block_merge_next(heap, block);
	block_mark_free(block);
	list_push(heap, block);
	return 0;
}

/* It has no realloc: a new object and a copy. */
static int tlsf_resize(void *context, uint64_t *token, size_t old_size, size_t new_size)
{
	uint64_t old = *token;
	int result = tlsf_alloc(context, new_size, 0, token);

	if (result != 0)
		return result;
	memcpy((void *)(uintptr_t)*token, (const void *)(uintptr_t)old,
	       old_size < new_size ? old_size : new_size);
	return tlsf_free(context, old, old_size);
}

static uint64_t tlsf_held_bytes(void *context)
{
	return ((const struct tlsf_heap *)context)->held_bytes;
}

const struct xvfrag_plugin xvm_allocator_tlsf = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_ADDRESSES,
	.name = "tlsf",
	.summary = "TLSF from its 2004 paper: word headers, 32 lists a level, 1 MiB regions",
	.create = tlsf_create,
	.destroy = tlsf_destroy,
	.alloc = tlsf_alloc,
	.free = tlsf_free,
	.resize = tlsf_resize,
	.held_bytes = tlsf_held_bytes,
};
