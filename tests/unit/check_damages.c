/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* check_damages.c: see check_damages.h. O(blocks of a page). */
#include "check_damages.h"

#include <string.h>

#include "free_list.h"

void scene_make(struct scene *s, struct pool_fixture *f)
{
	static const size_t sizes[BLOCKS] = {28, 60, 28, 28, 40, 28, 36, 28};
	xv_handle empty;

	*s = (struct scene){.f = f, .pool = f->pool};
	for (size_t i = 0; i < BLOCKS; i++) {
		s->handles[i] = fixture_malloc(f, sizes[i]);
		s->unit[i] = handle_unit(s->handles[i]);
	}
	(void)fixture_malloc(f, f->page_bytes - 1);
	empty = fixture_malloc(f, f->page_bytes);
	assert_int_equal(xv_handle_page(empty), EMPTY_PAGE);
	fixture_free(f, empty);
	fixture_free(f, s->handles[ODD_HOLE]);
	fixture_free(f, s->handles[EVEN_HOLE]);
	fixture_free(f, s->handles[HOLE]);
	assert_string_equal(page_layout(s->pool, BLOCK_PAGE), "UfUUfUfUf");
	assert_string_equal(page_layout(s->pool, WHOLE_PAGE), "W");
}

static struct poke *next_poke(struct scene *s)
{
	assert_true(s->poke_count < POKES_MAX);
	return &s->pokes[s->poke_count++];
}

/* Put a value of 1, 2, 4 or 8 bytes somewhere. */
static void poke(struct scene *s, void *where, uint64_t value, size_t bytes)
{
	struct poke *p = next_poke(s);

	p->memory = where;
	p->bytes = bytes;
	memcpy(p->old, where, bytes);
	if (bytes == 1)
		*(uint8_t *)where = (uint8_t)value;
	else if (bytes == 2)
		*(uint16_t *)where = (uint16_t)value;
	else if (bytes == 4)
		*(uint32_t *)where = (uint32_t)value;
	else
		*(uint64_t *)where = value;
}

#define POKE(s, place, value) poke((s), &(place), (uint64_t)(value), sizeof(place))

static uint32_t word_of(struct scene *s, uint32_t unit)
{
	return page_word(s->pool, BLOCK_PAGE, unit);
}

static void poke_word(struct scene *s, uint32_t unit, uint32_t word)
{
	struct poke *p = next_poke(s);

	p->memory = NULL;
	p->unit = unit;
	p->old_word = page_word_set(s->pool, BLOCK_PAGE, unit, word);
}

/* Both words of a free block. */
static void poke_free_block(struct scene *s, uint32_t unit, uint32_t units, uint32_t word)
{
	poke_word(s, unit, word);
	poke_word(s, unit + units - 1, word);
}

void scene_undo(struct scene *s)
{
	while (s->poke_count > 0) {
		struct poke *p = &s->pokes[--s->poke_count];

		if (p->memory != NULL)
			memcpy(p->memory, p->old, p->bytes);
		else
			(void)page_word_set(s->pool, BLOCK_PAGE, p->unit, p->old_word);
	}
}

static uint32_t record_of(struct scene *s, size_t block)
{
	return block_free_value(word_of(s, s->unit[block]));
}

static struct xvi_hole *hole_of(struct scene *s, size_t block)
{
	return &s->pool->holes.records[record_of(s, block)];
}

static uint32_t list_of(struct scene *s, size_t block)
{
	return hole_of(s, block)->units;
}

/* ---- the damages, by the invariant they break ---- */

static void page_state_unknown(struct scene *s)
{
	POKE(s, s->pool->pages.records[BLOCK_PAGE].state, 7);
}

static void page_count_wrong(struct scene *s)
{
	POKE(s, s->pool->page_count, s->pool->page_count + 1);
}

static void victim_without_blocks(struct scene *s)
{
	struct xvi_page *page = &s->pool->pages.records[WHOLE_PAGE];

	POKE(s, page->state, page->state | PAGE_VICTIM);
}

static void page_of_nobody_with_a_state(struct scene *s)
{
	POKE(s, s->pool->pages.records[UNUSED_PAGE].state, PAGE_VICTIM);
}

static void used_block_too_long(struct scene *s)
{
	uint32_t word = word_of(s, s->unit[LAST]);

	poke_word(s, s->unit[LAST],
		  block_resized(word, s->pool->unit_bits, s->pool->page_units, block_pad(word)));
}

static void hole_too_long(struct scene *s)
{
	POKE(s, hole_of(s, HOLE)->units, s->pool->page_units);
}

static void unlisted_block_without_length(struct scene *s)
{
	poke_word(s, s->unit[HOLE], block_free_word(FREE_UNLISTED, 0));
}

static void free_block_behind_a_free_one(struct scene *s)
{
	poke_free_block(s, s->unit[AFTER_HOLE], 8, block_free_word(FREE_UNLISTED, 8));
}

static void prev_free_on_a_free_block(struct scene *s)
{
	uint32_t word = word_of(s, s->unit[HOLE]) | BLOCK_PREV_FREE;

	poke_free_block(s, s->unit[HOLE], 16, word);
}

static void prev_free_missing(struct scene *s)
{
	uint32_t word = word_of(s, s->unit[AFTER_HOLE]);

	poke_word(s, s->unit[AFTER_HOLE], word & ~(uint32_t)BLOCK_PREV_FREE);
}

static void prev_free_without_reason(struct scene *s)
{
	poke_word(s, s->unit[SECOND], word_of(s, s->unit[SECOND]) | BLOCK_PREV_FREE);
}

static void prev_free_on_the_first_block(struct scene *s)
{
	poke_word(s, s->unit[USED], word_of(s, s->unit[USED]) | BLOCK_PREV_FREE);
}

static void boundary_tag_lost(struct scene *s)
{
	poke_word(s, s->unit[AFTER_HOLE] - 1, 0x12345678);
}

static void record_of_another_page(struct scene *s)
{
	POKE(s, hole_of(s, HOLE)->page, WHOLE_PAGE);
}

static void record_of_another_place(struct scene *s)
{
	POKE(s, hole_of(s, HOLE)->first_unit, s->unit[HOLE] + 1);
}

static void record_number_0(struct scene *s)
{
	poke_free_block(s, s->unit[HOLE], 16, block_free_word(FREE_LISTED, 0));
}

static void record_number_too_high(struct scene *s)
{
	poke_free_block(s, s->unit[HOLE], 16,
			block_free_word(FREE_LISTED, s->pool->holes.capacity));
}

static void record_that_is_free(struct scene *s)
{
	poke_free_block(s, s->unit[HOLE], 16,
			block_free_word(FREE_LISTED, s->pool->holes.free_head));
}

static void free_block_of_no_kind(struct scene *s)
{
	poke_free_block(s, s->unit[HOLE], 16, block_free_word(7, 16));
}

static void check_field_wrong(struct scene *s)
{
	poke_word(s, s->unit[SECOND], word_of(s, s->unit[SECOND]) ^ 1U << BLOCK_CHECK_SHIFT);
}

static void used_block_of_no_kind(struct scene *s)
{
	poke_word(s, s->unit[SECOND], word_of(s, s->unit[SECOND]) | 7U << BLOCK_KIND_SHIFT);
}

static void pad_larger_than_the_block(struct scene *s)
{
	poke_word(s, s->unit[SECOND],
		  block_resized(word_of(s, s->unit[SECOND]), s->pool->unit_bits, 8, 28));
}

static void used_units_wrong(struct scene *s)
{
	struct xvi_page *page = &s->pool->pages.records[BLOCK_PAGE];

	POKE(s, page->used_units, page->used_units + 1);
}

static void list_links_disagree(struct scene *s)
{
	POKE(s, hole_of(s, EVEN_HOLE)->prev, record_of(s, HOLE));
}

static void list_link_out_of_the_table(struct scene *s)
{
	POKE(s, hole_of(s, EVEN_HOLE)->next, s->pool->holes.capacity);
}

static void list_head_out_of_the_table(struct scene *s)
{
	POKE(s, s->pool->lists.heads[list_of(s, HOLE)], s->pool->holes.capacity + 5);
}

static void list_holds_a_free_record(struct scene *s)
{
	POKE(s, s->pool->lists.heads[list_of(s, HOLE)], s->pool->holes.free_head);
}

static void hole_in_the_list_of_another_size(struct scene *s)
{
	uint32_t list = list_of(s, HOLE);

	POKE(s, s->pool->lists.heads[list + 1], s->pool->lists.heads[list]);
	POKE(s, s->pool->lists.list_bits[(list + 1) / 64],
	     s->pool->lists.list_bits[(list + 1) / 64] | (uint64_t)1 << (list + 1) % 64);
}

static void list_bit_missing_of(struct scene *s, size_t block)
{
	uint32_t list = list_of(s, block);
	uint64_t *word = &s->pool->lists.list_bits[list / 64];

	POKE(s, *word, *word & ~((uint64_t)1 << list % 64));
}

static void list_bit_missing(struct scene *s)
{
	list_bit_missing_of(s, HOLE);
}

static void list_bit_without_list(struct scene *s)
{
	uint32_t list = list_of(s, HOLE) + 1;
	uint64_t *word = &s->pool->lists.list_bits[list / 64];

	POKE(s, *word, *word | (uint64_t)1 << list % 64);
}

static void word_bit_missing(struct scene *s)
{
	POKE(s, s->pool->lists.word_bits[0], s->pool->lists.word_bits[0] & ~(uint64_t)1);
}

static void word_bit_without_word(struct scene *s)
{
	/* Between the small holes and those of nearly a page. */
	POKE(s, s->pool->lists.word_bits[0], s->pool->lists.word_bits[0] | 2);
}

static void more_holes_listed_than_counted(struct scene *s)
{
	POKE(s, s->pool->holes.live, s->pool->holes.live - 1);
}

static void more_holes_counted_than_listed(struct scene *s)
{
	POKE(s, s->pool->holes.live, s->pool->holes.live + 1);
}

static void more_holes_counted_than_records(struct scene *s)
{
	POKE(s, s->pool->holes.live, s->pool->holes.capacity + 1);
}

static void free_records_lost(struct scene *s)
{
	POKE(s, s->pool->holes.free_head, 0);
}

static void free_records_out_of_the_table(struct scene *s)
{
	POKE(s, s->pool->holes.free_head, s->pool->holes.capacity);
}

static void free_records_in_a_circle(struct scene *s)
{
	uint32_t head = s->pool->holes.free_head;

	POKE(s, s->pool->holes.records[head].next, head);
}

/* A hole that the lists do not know: out of its list, bit and head kept right. */
static void hole_lost_from_the_lists(struct scene *s)
{
	struct xvi_hole *records = s->pool->holes.records;
	const struct xvi_hole *lost = hole_of(s, ODD_HOLE);
	uint32_t prev = lost->prev, next = lost->next;

	if (next != 0)
		POKE(s, records[next].prev, prev);
	if (prev != 0)
		POKE(s, records[prev].next, next);
	else
		POKE(s, s->pool->lists.heads[list_of(s, ODD_HOLE)], next);
	if (prev == 0 && next == 0)
		list_bit_missing_of(s, ODD_HOLE);
}

static void object_count_wrong(struct scene *s)
{
	POKE(s, s->pool->object_count, s->pool->object_count + 1);
	POKE(s, s->pool->mallocs, s->pool->mallocs + 1);
}

static void mallocs_less_frees_is_not_the_count(struct scene *s)
{
	POKE(s, s->pool->mallocs, s->pool->mallocs + 1);
}

static void whole_page_count_wrong(struct scene *s)
{
	POKE(s, s->pool->whole_page_count, 0);
}

static void requested_bytes_wrong(struct scene *s)
{
	POKE(s, s->pool->requested_bytes, s->pool->requested_bytes + 1);
}

static void pad_bytes_wrong(struct scene *s)
{
	POKE(s, s->pool->pad_bytes, s->pool->pad_bytes + 1);
}

static void pin_count_wrong(struct scene *s)
{
	POKE(s, s->pool->pin_count, 1);
}

static void unlisted_bytes_wrong(struct scene *s)
{
	POKE(s, s->pool->unlisted_bytes, 4);
}

static void more_empty_pages_than_pages(struct scene *s)
{
	POKE(s, s->pool->empty_pages, 100);
}

static void reserve_too_large(struct scene *s)
{
	POKE(s, s->pool->reserve_pages, 0);
}

static void parts_larger_than_what_is_held(struct scene *s)
{
	POKE(s, s->pool->requested_bytes, (uint64_t)1 << 40);
}

#define DAMAGE(number, function)                                                                   \
	{                                                                                          \
#function, function, number, false, false                                          \
	}
#define DAMAGE_IN_PAGE(number, function)                                                           \
	{                                                                                          \
#function, function, number, false, true                                           \
	}
#define DAMAGE_QUICK(number, function)                                                             \
	{                                                                                          \
#function, function, number, true, false                                           \
	}

const struct damage damages[] = {
	DAMAGE_IN_PAGE(1, page_state_unknown),
	DAMAGE(1, page_count_wrong),
	DAMAGE(1, victim_without_blocks),
	DAMAGE(1, page_of_nobody_with_a_state),
	DAMAGE_IN_PAGE(2, used_block_too_long),
	DAMAGE_IN_PAGE(2, hole_too_long),
	DAMAGE_IN_PAGE(2, unlisted_block_without_length),
	DAMAGE_IN_PAGE(3, free_block_behind_a_free_one),
	DAMAGE_IN_PAGE(3, prev_free_on_a_free_block),
	DAMAGE_IN_PAGE(4, prev_free_missing),
	DAMAGE_IN_PAGE(4, prev_free_without_reason),
	DAMAGE_IN_PAGE(4, prev_free_on_the_first_block),
	DAMAGE_IN_PAGE(5, boundary_tag_lost),
	DAMAGE_IN_PAGE(6, record_of_another_page),
	DAMAGE_IN_PAGE(6, record_of_another_place),
	DAMAGE_IN_PAGE(6, record_number_0),
	DAMAGE_IN_PAGE(6, record_number_too_high),
	DAMAGE_IN_PAGE(6, record_that_is_free),
	DAMAGE_IN_PAGE(6, free_block_of_no_kind),
	DAMAGE_IN_PAGE(7, check_field_wrong),
	DAMAGE_IN_PAGE(7, used_block_of_no_kind),
	DAMAGE_IN_PAGE(7, pad_larger_than_the_block),
	DAMAGE_IN_PAGE(8, used_units_wrong),
	DAMAGE(9, list_links_disagree),
	DAMAGE(9, list_link_out_of_the_table),
	DAMAGE(9, list_head_out_of_the_table),
	DAMAGE(9, list_holds_a_free_record),
	DAMAGE(9, hole_in_the_list_of_another_size),
	DAMAGE(10, list_bit_missing),
	DAMAGE(10, list_bit_without_list),
	DAMAGE(10, word_bit_missing),
	DAMAGE(10, word_bit_without_word),
	DAMAGE(11, more_holes_listed_than_counted),
	DAMAGE(11, more_holes_counted_than_listed),
	DAMAGE_QUICK(11, more_holes_counted_than_records),
	DAMAGE(11, free_records_lost),
	DAMAGE(11, free_records_out_of_the_table),
	DAMAGE(11, free_records_in_a_circle),
	DAMAGE(11, hole_lost_from_the_lists),
	DAMAGE(12, object_count_wrong),
	DAMAGE_QUICK(12, mallocs_less_frees_is_not_the_count),
	DAMAGE(12, whole_page_count_wrong),
	DAMAGE(12, requested_bytes_wrong),
	DAMAGE(12, pad_bytes_wrong),
	DAMAGE(12, pin_count_wrong),
	DAMAGE(12, unlisted_bytes_wrong),
	DAMAGE_QUICK(12, more_empty_pages_than_pages),
	DAMAGE(13, reserve_too_large),
	DAMAGE_QUICK(14, parts_larger_than_what_is_held),
};

const size_t damage_count = sizeof(damages) / sizeof(damages[0]);

void scene_damage(struct scene *s, const char *name)
{
	for (size_t i = 0; i < damage_count; i++) {
		if (strcmp(damages[i].name, name) == 0) {
			damages[i].make(s);
			return;
		}
	}
	fail_msg("there is no damage %s", name);
}
