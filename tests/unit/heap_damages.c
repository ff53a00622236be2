/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* heap_damages.c: see heap_damages.h. White box: the heap's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "heap_damages.h"
#include "hole.h"

enum { RECORD_FAR = (1 << 28) - 1 }; /* the highest number that a hole's word can name */

/* Blocks of the first page: those at an even index are freed, so that holes lie between. */
enum { LEAD, AFTER_LEAD, HOLE, AFTER_HOLE, SAME_HOLE, AFTER_SAME, OTHER_HOLE, LAST, BLOCKS };

static const uint32_t contents[BLOCKS] = {92, 108, 92, 60, 92, 76, 140, 76};

struct heap_source damaged;
static struct xvi_heap *const heap = &damaged.heap;
static uint32_t unit[BLOCKS];
static uint32_t neighbour;  /* block behind AFTER_SAME */
static uint32_t short_hole; /* behind that, without a record */

/* ---- the heap that is damaged ---- */

static struct xvi_place make(uint32_t content)
{
	struct xvi_place place;

	assert_int_equal(xvi_heap_malloc(heap, content, 0, 1, HEAP_MAY_GROW, &place), 0);
	heap_unmap(heap, place.page, place.words);
	return place;
}

static void drop(uint32_t page, uint32_t at)
{
	xvi_heap_free(heap, page, heap_map(heap, page), at);
}

/* One that is kept: it has little memory. */
static void make_empty_page(void)
{
	struct xvi_place place = make(heap_content_max(heap));

	assert_int_equal(place.page, EMPTY_PAGE);
	place.words = heap_map(heap, EMPTY_PAGE);
	assert_true(xvi_heap_resize(heap, &place, 60));
	heap_unmap(heap, EMPTY_PAGE, place.words);
	(void)xvi_heap_give_back(heap, 0);
	drop(EMPTY_PAGE, place.unit);
}

void damaged_make(const struct heap_source_shape *shape)
{
	struct xvi_place place;

	heap_source_init(&damaged, shape);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		place = make(contents[i]);
		assert_int_equal(place.page, BLOCK_PAGE);
		unit[i] = place.unit;
		if (i == AFTER_SAME) {
			neighbour = make(76).unit;
			(void)make(60);
		}
	}
	drop(BLOCK_PAGE, neighbour);
	assert_int_equal(make(60).unit, neighbour); /* what it leaves is too short for a record */
	short_hole = neighbour + heap_units_for(heap, 60);
	assert_int_equal(make(heap_content_max(heap)).page, FULL_PAGE);
	make_empty_page();
	for (uint32_t i = 0; i < BLOCKS; i += 2)
		drop(BLOCK_PAGE, unit[i]);
	assert_int_equal(heap->page_count, DAMAGED_PAGES);
	assert_int_equal(heap_page(heap, BLOCK_PAGE)->lead_units, heap_units_for(heap, 92));
	hole_give(heap, hole_take(heap)); /* a record that is not in use */
}

static uint32_t *words_of(uint32_t page)
{
	return (uint32_t *)(void *)(damaged.base + ((size_t)page << heap->shape.page_shift));
}

static uint32_t *page_words(void)
{
	return words_of(BLOCK_PAGE);
}

/* ---- the damages ---- */

static uint32_t block_units(uint32_t block)
{
	return heap_units_for(heap, contents[block]);
}

static struct xvi_hole *record_of(uint32_t block)
{
	uint32_t word = page_words()[unit[block] + block_units(block) - 1];

	assert_true(block_is_free(word) && hole_is_listed(word));
	return &heap->holes.records[hole_value(word)];
}

/* Both words of a hole. */
static int hole_words(uint32_t at, uint32_t units, uint32_t word)
{
	page_words()[at] = word;
	page_words()[at + units - 1] = word;
	return (int)at;
}

static int header_change(uint32_t block, uint32_t clear, uint32_t set)
{
	uint32_t *header = &page_words()[unit[block]];

	*header = (*header & ~clear) | set;
	return (int)unit[block];
}

static int two_holes_touch(void)
{
	uint32_t units = block_units(AFTER_HOLE);

	return hole_words(unit[AFTER_HOLE], units, hole_unlisted_word(units));
}

static int prev_free_missing(void)
{
	return header_change(AFTER_HOLE, BLOCK_PREV_FREE, 0);
}

static int prev_free_without_reason(void)
{
	page_words()[neighbour] |= BLOCK_PREV_FREE;
	return (int)neighbour;
}

static int prev_free_on_the_first_block(void)
{
	words_of(FULL_PAGE)[heap->shape.first_unit] |= BLOCK_PREV_FREE;
	return (int)heap->shape.first_unit;
}

static int last_word_lost(void)
{
	page_words()[unit[AFTER_HOLE] - 1] = 0x12345678;
	return (int)unit[HOLE];
}

static int last_word_of_the_lead_lost(void)
{
	page_words()[unit[AFTER_LEAD] - 1] = 0x12345678;
	return (int)unit[LEAD];
}

static int hole_without_length(void)
{
	return hole_words(short_hole, 4, hole_unlisted_word(0));
}

static int hole_longer_than_its_page(void)
{
	return hole_words(short_hole, 4, hole_unlisted_word(heap->shape.end_unit));
}

static int prev_free_on_a_hole(void)
{
	return hole_words(unit[HOLE], block_units(HOLE),
			  page_words()[unit[HOLE]] | BLOCK_PREV_FREE);
}

static int record_of_another_length(void)
{
	record_of(HOLE)->units = (uint16_t)(record_of(HOLE)->units - 1);
	return (int)unit[HOLE];
}

static int record_of_another_page(void)
{
	record_of(HOLE)->page = FULL_PAGE;
	return (int)unit[HOLE];
}

static int record_of_another_place(void)
{
	record_of(HOLE)->first++;
	return (int)unit[HOLE];
}

static int record_of_the_lead_of_another_length(void)
{
	record_of(LEAD)->units++;
	return (int)unit[LEAD];
}

static int record_of_an_empty_page_lost(void)
{
	heap_page(heap, EMPTY_PAGE)->whole = 0;
	return ANYWHERE;
}

static int record_of_an_empty_page_wrong(void)
{
	heap_page(heap, EMPTY_PAGE)->whole = hole_value(page_words()[unit[OTHER_HOLE]]);
	return ANYWHERE;
}

static int record_number_0(void)
{
	heap->holes.records[0].units = (uint16_t)block_units(HOLE);
	return hole_words(unit[HOLE], block_units(HOLE), hole_listed_word(0));
}

static int record_number_too_high(void)
{
	return hole_words(unit[HOLE], block_units(HOLE), hole_listed_word(RECORD_FAR));
}

static int record_number_too_high_in_the_lead(void)
{
	page_words()[unit[AFTER_LEAD] - 1] = hole_listed_word(heap->holes.high);
	return (int)unit[LEAD];
}

static int block_longer_than_its_page(void)
{
	uint32_t word = page_words()[unit[AFTER_HOLE]];

	page_words()[unit[AFTER_HOLE]] = block_with_content(word, BLOCK_CONTENT_MASK);
	return (int)unit[AFTER_HOLE];
}

static int block_without_content(void)
{
	page_words()[unit[AFTER_HOLE]] = block_with_content(page_words()[unit[AFTER_HOLE]], 0);
	return (int)unit[AFTER_HOLE];
}

static int check_field_wrong(void)
{
	page_words()[unit[AFTER_HOLE]] ^= 1U << BLOCK_STAMP_SHIFT;
	return (int)unit[AFTER_HOLE];
}

static int used_units_of_a_page_wrong(void)
{
	heap_page(heap, BLOCK_PAGE)->used_units++;
	return IN_PAGE;
}

/* HOLE and SAME_HOLE are in one list, the latter first. */
static int list_links_disagree(void)
{
	record_of(HOLE)->prev = record_of(HOLE)->next;
	return ANYWHERE;
}

static int list_link_out_of_the_table(void)
{
	record_of(HOLE)->next = heap->holes.high;
	return NO_PAGE;
}

static int list_head_out_of_the_table(void)
{
	damaged.heads[list_of(block_units(HOLE))] = UINT32_MAX;
	return NO_PAGE;
}

static int list_in_a_circle(void)
{
	struct xvi_hole *head = &heap->holes.records[damaged.heads[list_of(block_units(HOLE))]];

	record_of(LEAD)->next = damaged.heads[list_of(block_units(HOLE))];
	head->prev = hole_value(page_words()[unit[AFTER_LEAD] - 1]);
	return ANYWHERE;
}

static int list_holds_a_record_not_in_use(void)
{
	damaged.heads[list_of(block_units(HOLE))] = heap->holes.free_head;
	return ANYWHERE;
}

static int hole_in_a_list_of_another_length(void)
{
	uint32_t list = list_of(block_units(HOLE));

	damaged.heads[list + 1] = damaged.heads[list];
	heap->lists.bits[(list + 1) >> 6] |= (uint64_t)1 << ((list + 1) & 63U);
	return ANYWHERE;
}

static int bit_of_a_list_missing(void)
{
	uint32_t list = list_of(block_units(OTHER_HOLE));

	heap->lists.bits[list >> 6] &= ~((uint64_t)1 << (list & 63U));
	return NO_PAGE;
}

static int bit_without_a_list(void)
{
	heap->lists.bits[0] |= 2;
	return NO_PAGE;
}

static int bit_beyond_the_lists(void)
{
	heap->lists.bits[LIST_WORDS - 1] |= (uint64_t)1 << 63;
	heap->lists.words |= (uint64_t)1 << (LIST_WORDS - 1);
	return NO_PAGE;
}

static int bit_of_a_word_missing(void)
{
	heap->lists.words &= ~(uint64_t)1;
	return NO_PAGE;
}

static int bit_of_an_empty_word(void)
{
	heap->lists.words |= (uint64_t)1 << 1;
	return NO_PAGE;
}

static int hole_lost_from_the_lists(void)
{
	list_unlink(heap, &heap->shape, hole_value(page_words()[unit[OTHER_HOLE]]));
	return NO_PAGE;
}

static int hole_of_a_victim_in_a_list(void)
{
	heap_page(heap, BLOCK_PAGE)->state |= PAGE_VICTIM;
	return NO_PAGE;
}

static int more_records_counted_than_holes(void)
{
	heap->holes.live++;
	return NO_PAGE;
}

static int fewer_records_counted_than_holes(void)
{
	heap->holes.live--;
	return NO_PAGE;
}

static int records_not_in_use_lost(void)
{
	heap->holes.free_head = 0;
	return NO_PAGE;
}

static int records_not_in_use_out_of_the_table(void)
{
	heap->holes.free_head = heap->holes.high;
	return NO_PAGE;
}

static int records_not_in_use_in_a_circle(void)
{
	heap->holes.records[heap->holes.free_head].next = heap->holes.free_head;
	return NO_PAGE;
}

static int record_in_use_among_those_not(void)
{
	heap->holes.free_head = hole_value(page_words()[unit[OTHER_HOLE]]);
	return NO_PAGE;
}

static int grain_in_use_not_hot(void)
{
	heap_page(heap, FULL_PAGE)->hot &= 0xFFFE;
	return IN_PAGE;
}

static int hot_grain_not_committed(void)
{
	heap_page(heap, FULL_PAGE)->committed &= 0xFFFE;
	return (int)heap->shape.first_unit;
}

static int grain_inside_a_block_not_committed(void)
{
	heap_page(heap, FULL_PAGE)->committed &= 0xFFFD;
	return IN_PAGE;
}

static int committed_grains_wrong(void)
{
	heap->committed_grains++;
	return NO_PAGE;
}

static int spare_grains_wrong(void)
{
	heap->spare_grains--;
	return NO_PAGE;
}

static int page_count_wrong(void)
{
	heap->page_count--;
	return NO_PAGE;
}

static int page_lost(void)
{
	heap_page(heap, FULL_PAGE)->state = 0;
	return NO_PAGE;
}

static int block_count_wrong(void)
{
	heap->blocks_left++;
	return NO_PAGE;
}

static int used_units_wrong(void)
{
	heap->used_units++;
	return NO_PAGE;
}

static int start_is_none(void)
{
	start_remove(&heap->shape, heap_page(heap, BLOCK_PAGE), unit[AFTER_LEAD],
		     heap->shape.end_unit);
	return (int)unit[AFTER_LEAD];
}

static int start_is_a_later_block(void)
{
	*start_byte(&heap->shape, heap_page(heap, BLOCK_PAGE), 0) = (uint8_t)unit[AFTER_HOLE];
	return (int)unit[AFTER_LEAD];
}

static int start_without_a_block(void)
{
	start_add(&heap->shape, heap_page(heap, EMPTY_PAGE), heap->shape.first_unit + 64);
	return ANYWHERE;
}

/* Where the byte leads to, a payload has words that lead nowhere, or far away. */
static int start_in_a_payload(uint32_t word)
{
	page_words()[unit[AFTER_LEAD] + 1] = word;
	*start_byte(&heap->shape, heap_page(heap, BLOCK_PAGE), 0) = (uint8_t)(unit[AFTER_LEAD] + 1);
	return (int)unit[AFTER_LEAD];
}

static int start_at_a_word_without_length(void)
{
	return start_in_a_payload(hole_unlisted_word(0));
}

static int start_at_a_word_of_no_record(void)
{
	return start_in_a_payload(hole_listed_word(RECORD_FAR));
}

/* The block's byte comes from a place before it, which makes it the first. */
static int start_before_its_block(void)
{
	*start_byte(&heap->shape, heap_page(heap, BLOCK_PAGE), 0) = (uint8_t)unit[LEAD];
	page_words()[unit[LEAD]] = hole_unlisted_word(0);
	return ANYWHERE;
}

static int records_not_sure(void)
{
	heap->holes.ready = heap_block_count(heap) + heap->page_count;
	return NO_PAGE;
}

/* The page's first word then counts, which nobody has written. */
static int lead_of_no_length(void)
{
	heap_page(heap, BLOCK_PAGE)->lead_units = 0;
	return (int)unit[LEAD];
}

static int lead_longer_than_its_page(void)
{
	heap_page(heap, BLOCK_PAGE)->lead_units = UINT16_MAX;
	return (int)unit[LEAD];
}

/* Of an empty page, which has no word to read. */
static int lead_of_an_empty_page_lost(void)
{
	heap_page(heap, EMPTY_PAGE)->lead_units = 0;
	return ANYWHERE;
}

static int lead_of_an_empty_page_short(void)
{
	heap_page(heap, EMPTY_PAGE)->lead_units--;
	return ANYWHERE;
}

/* ---- their table ---- */

#define DAMAGE(number, function, where)                                                            \
	{                                                                                          \
#function, function, number, where                                                 \
	}

const struct damage damages[] = {
	DAMAGE(1, two_holes_touch, 0),
	DAMAGE(2, prev_free_missing, 0),
	DAMAGE(2, prev_free_without_reason, 0),
	DAMAGE(2, prev_free_on_the_first_block, FULL),
	DAMAGE(3, last_word_lost, 0),
	DAMAGE(3, last_word_of_the_lead_lost, 0),
	DAMAGE(3, hole_without_length, 0),
	DAMAGE(3, hole_longer_than_its_page, 0),
	DAMAGE(3, prev_free_on_a_hole, 0),
	DAMAGE(3, record_of_another_length, 0),
	DAMAGE(4, record_of_another_page, 0),
	DAMAGE(4, record_of_another_place, 0),
	DAMAGE(4, record_of_the_lead_of_another_length, 0),
	DAMAGE(4, record_of_an_empty_page_lost, 0),
	DAMAGE(4, record_of_an_empty_page_wrong, 0),
	DAMAGE(4, record_number_0, 0),
	DAMAGE(4, record_number_too_high, 0),
	DAMAGE(4, record_number_too_high_in_the_lead, 0),
	DAMAGE(5, block_longer_than_its_page, 0),
	DAMAGE(5, block_without_content, 0),
	DAMAGE(5, check_field_wrong, WITHOUT_PROOF),
	DAMAGE(6, used_units_of_a_page_wrong, 0),
	DAMAGE(7, list_links_disagree, 0),
	DAMAGE(7, list_link_out_of_the_table, 0),
	DAMAGE(7, list_head_out_of_the_table, 0),
	DAMAGE(7, list_in_a_circle, 0),
	DAMAGE(7, list_holds_a_record_not_in_use, 0),
	DAMAGE(7, hole_in_a_list_of_another_length, 0),
	DAMAGE(7, bit_of_a_list_missing, 0),
	DAMAGE(7, bit_without_a_list, 0),
	DAMAGE(7, bit_beyond_the_lists, 0),
	DAMAGE(7, bit_of_a_word_missing, 0),
	DAMAGE(7, bit_of_an_empty_word, 0),
	DAMAGE(7, hole_of_a_victim_in_a_list, 0),
	DAMAGE(8, hole_lost_from_the_lists, 0),
	DAMAGE(8, more_records_counted_than_holes, 0),
	DAMAGE(8, fewer_records_counted_than_holes, 0),
	DAMAGE(8, records_not_in_use_lost, 0),
	DAMAGE(8, records_not_in_use_out_of_the_table, 0),
	DAMAGE(8, records_not_in_use_in_a_circle, 0),
	DAMAGE(8, record_in_use_among_those_not, 0),
	DAMAGE(9, grain_in_use_not_hot, FULL),
	DAMAGE(9, hot_grain_not_committed, FULL),
	DAMAGE(9, grain_inside_a_block_not_committed, WITH_GRAINS | FULL),
	DAMAGE(9, committed_grains_wrong, 0),
	DAMAGE(9, spare_grains_wrong, 0),
	DAMAGE(10, page_count_wrong, 0),
	DAMAGE(10, page_lost, 0),
	DAMAGE(10, block_count_wrong, 0),
	DAMAGE(10, used_units_wrong, 0),
	DAMAGE(11, start_is_none, WITH_PROOF),
	DAMAGE(11, start_is_a_later_block, WITH_PROOF | WITH_BYTES),
	DAMAGE(11, start_without_a_block, WITH_PROOF),
	DAMAGE(11, start_at_a_word_without_length, WITH_PROOF | WITH_BYTES),
	DAMAGE(11, start_at_a_word_of_no_record, WITH_PROOF | WITH_BYTES),
	DAMAGE(11, start_before_its_block, WITH_PROOF | WITH_BYTES),
	DAMAGE(12, records_not_sure, 0),
	DAMAGE(0, lead_of_no_length, 0),
	DAMAGE(13, lead_longer_than_its_page, 0),
	DAMAGE(0, lead_of_an_empty_page_lost, 0),
	DAMAGE(9, lead_of_an_empty_page_short, WITH_GRAINS),
	DAMAGE(3, lead_of_an_empty_page_short, WITHOUT_GRAINS),
};

const size_t damage_count = sizeof(damages) / sizeof(damages[0]);
