/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_bitmap.c: see page_bitmap.h. Freestanding: no library call.
 */
#include "page_bitmap.h"

#include "xvi_bits.h"

#define WORD_BITS 64U
#define WORD_SHIFT 6U
#define WORD_MASK (WORD_BITS - 1U)
#define WORD_FULL UINT64_MAX

static uint32_t words_for(uint32_t bits)
{
	return bits / WORD_BITS + (bits % WORD_BITS != 0);
}

static uint64_t bit_of(uint32_t index)
{
	return (uint64_t)1 << (index & WORD_MASK);
}

/* Words of a level with `words` words of bits; the marks of a leaf lie behind its word. */
static size_t level_size(uint32_t level, uint32_t words, uint32_t mark_bits)
{
	return level == 0 ? (size_t)words * (1 + mark_bits) : words;
}

static uint64_t *word_at(const struct xvi_page_bitmap *map, uint32_t level, uint32_t word)
{
	return &map->level[level][level_size(level, word, map->mark_bits)];
}

size_t xvi_page_bitmap_bytes(uint32_t pages, uint32_t mark_bits)
{
	size_t words = 0;
	uint32_t level_words = pages;
	uint32_t level = 0;

	do {
		level_words = words_for(level_words);
		words += level_size(level++, level_words, mark_bits);
	} while (level_words > 1);
	return words * sizeof(uint64_t);
}

/* The top comes first, so that the small upper levels share one OS page. */
void xvi_page_bitmap_init(struct xvi_page_bitmap *map, void *memory, uint32_t pages,
			  uint32_t mark_bits)
{
	uint64_t *end =
		(uint64_t *)memory + xvi_page_bitmap_bytes(pages, mark_bits) / sizeof(uint64_t);
	uint32_t level_words = pages;

	*map = (struct xvi_page_bitmap){.pages = pages, .mark_bits = mark_bits};
	do {
		level_words = words_for(level_words);
		end -= level_size(map->levels, level_words, mark_bits);
		map->level[map->levels++] = end;
	} while (level_words > 1);
}

bool xvi_page_bitmap_lowest_free(const struct xvi_page_bitmap *map, uint32_t *page)
{
	uint64_t index = 0;

	if (map->used == map->pages)
		return false;
	for (uint32_t l = map->levels; l-- > 0;) {
		uint64_t word = *word_at(map, l, (uint32_t)index);

		/* Not full: a page below it is free. */
		index = index << WORD_SHIFT | xvi_ctz64(~word);
	}
	*page = (uint32_t)index;
	return true;
}

void xvi_page_bitmap_set(struct xvi_page_bitmap *map, uint32_t page)
{
	uint32_t index = page;

	for (uint32_t l = 0; l < map->levels; l++) {
		uint64_t *word = word_at(map, l, index >> WORD_SHIFT);

		*word |= bit_of(index);
		if (*word != WORD_FULL)
			break;
		index >>= WORD_SHIFT;
	}
	map->used++;
	if (page >= map->high_water)
		map->high_water = page + 1;
}

void xvi_page_bitmap_clear(struct xvi_page_bitmap *map, uint32_t page)
{
	uint32_t index = page;

	for (uint32_t l = 0; l < map->levels; l++) {
		uint64_t *word = word_at(map, l, index >> WORD_SHIFT);
		bool was_full = *word == WORD_FULL;

		*word &= ~bit_of(index);
		if (!was_full)
			break;
		index >>= WORD_SHIFT;
	}
	map->used--;
}

bool xvi_page_bitmap_is_set(const struct xvi_page_bitmap *map, uint32_t page)
{
	return page < map->pages && (*word_at(map, 0, page >> WORD_SHIFT) & bit_of(page)) != 0;
}

/* The word with a page's marks, and their first bit in it. */
static uint64_t *marks_at(const struct xvi_page_bitmap *map, uint32_t page, uint32_t *bit)
{
	uint32_t at = (page & WORD_MASK) * map->mark_bits;

	*bit = at & WORD_MASK;
	return word_at(map, 0, page >> WORD_SHIFT) + 1 + (at >> WORD_SHIFT);
}

uint32_t xvi_page_bitmap_marks(const struct xvi_page_bitmap *map, uint32_t page)
{
	uint32_t bit;
	const uint64_t *word = marks_at(map, page, &bit);

	return (uint32_t)(*word >> bit & (((uint64_t)1 << map->mark_bits) - 1));
}

void xvi_page_bitmap_set_marks(struct xvi_page_bitmap *map, uint32_t page, uint32_t marks)
{
	uint32_t changes = xvi_page_bitmap_marks(map, page) ^ marks;
	uint64_t *word;
	uint32_t bit;

	if (changes == 0)
		return;
	word = marks_at(map, page, &bit);
	*word ^= (uint64_t)changes << bit;
	if (page >= map->high_water)
		map->high_water = page + 1;
}

uint32_t xvi_page_bitmap_run(const struct xvi_page_bitmap *map, uint32_t *first, uint32_t end)
{
	uint32_t at = *first;
	uint32_t count = 0;

	while (at < end && !xvi_page_bitmap_is_set(map, at))
		at++;
	while (at + count < end && xvi_page_bitmap_is_set(map, at + count))
		count++;
	*first = at;
	return count;
}

/* Bits [low, high) of a word, 0 <= low < high <= 64. */
static uint64_t bits_between(uint32_t low, uint32_t high)
{
	return (WORD_FULL << low) & (WORD_FULL >> (WORD_BITS - high));
}

bool xvi_page_bitmap_range_is_clear(const struct xvi_page_bitmap *map, uint32_t first,
				    uint32_t count)
{
	uint32_t end = xvi_page_bitmap_end(map, first, count);

	while (first < end) {
		uint32_t word = first >> WORD_SHIFT;
		uint32_t low = first & WORD_MASK;
		uint32_t high = end - first < WORD_BITS - low ? low + (end - first) : WORD_BITS;

		if ((*word_at(map, 0, word) & bits_between(low, high)) != 0)
			return false;
		first += high - low;
	}
	return true;
}

void *xvi_page_bitmap_untouched(const struct xvi_page_bitmap *map, size_t *bytes)
{
	uint64_t *from = word_at(map, 0, words_for(map->high_water));

	*bytes = (size_t)(word_at(map, 0, words_for(map->pages)) - from) * sizeof(uint64_t);
	return from;
}

static size_t round_up(size_t bytes, size_t granule_bytes)
{
	return (bytes + granule_bytes - 1) & ~(granule_bytes - 1);
}

size_t xvi_page_bitmap_touched_bytes(const struct xvi_page_bitmap *map, const void *area,
				     size_t head_bytes, size_t granule_bytes)
{
	uint32_t touched_words[XVI_PAGE_BITMAP_LEVELS_MAX];
	uint32_t bits = map->high_water;
	size_t counted_end = round_up(head_bytes, granule_bytes);
	size_t total = counted_end;

	for (uint32_t l = 0; l < map->levels; l++)
		touched_words[l] = bits = words_for(bits);
	/* In address order: levels lie close together, and a shared granule counts once. */
	for (uint32_t l = map->levels; l-- > 0;) {
		size_t start = (size_t)((const char *)map->level[l] - (const char *)area);
		size_t bytes = level_size(l, touched_words[l], map->mark_bits) * sizeof(uint64_t);
		size_t end = round_up(start + bytes, granule_bytes);

		start &= ~(granule_bytes - 1);
		if (start < counted_end)
			start = counted_end;
		if (touched_words[l] == 0 || end <= start)
			continue;
		total += end - start;
		counted_end = end;
	}
	return total;
}
