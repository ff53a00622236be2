/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object_check.c: the checker of objects names each invariant of object.h that is broken, by
 * its number and place, changes nothing, and comes to an end. A header that a payload has in it
 * makes no object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "object_fixture.h"
#include "piece.h"

enum { RECORD_FAR = (1 << 28) - 1 }; /* the highest number that a hole's word can name */
enum { LARGE = 0, SECOND_LARGE, SMALL, CHAIN_BYTES = 14000, SMALL_BYTES = 12 };

static struct object_fixture fixture;
static struct xvi_objects *const objects = &fixture.objects;
static struct xvi_heap *const heap = &fixture.objects.heap;

static struct xvi_location first, second, other, small;

static uint32_t *words_at(const struct xvi_location *at)
{
	return (uint32_t *)(void *)(fixture.source.base +
				    ((size_t)at->page << heap->shape.page_shift)) +
	       at->unit;
}

/* Two objects of several pieces, and a small one. */
static void objects_make(const struct heap_source_shape *shape)
{
	fixture_open(&fixture, shape, true, true);
	first = fixture_find(&fixture, fixture_make(&fixture, LARGE, CHAIN_BYTES));
	other = fixture_find(&fixture, fixture_make(&fixture, SECOND_LARGE, CHAIN_BYTES));
	small = fixture_find(&fixture, fixture_make(&fixture, SMALL, SMALL_BYTES));
	second = fixture_next(&fixture, &first);
}

/* ---- the damages, each with where it is told to be ---- */

static const struct xvi_location *payload_missing(void)
{
	uint32_t *header = words_at(&small);

	*header = block_with_kind(*header, KIND_REST);
	return &small;
}

static const struct xvi_location *pieces_where_nothing_is_split(void)
{
	objects->split = false;
	return &first;
}

static const struct xvi_location *link_out_of_the_heap(void)
{
	words_at(&second)[1] = 123456;
	return &second;
}

static const struct xvi_location *link_past_the_page(void)
{
	words_at(&second)[2] = heap->shape.end_unit;
	return &second;
}

static const struct xvi_location *link_to_no_block(void)
{
	words_at(&second)[2] += 1;
	return &second;
}

static const struct xvi_location *link_to_a_first_piece(void)
{
	words_at(&second)[1] = other.page;
	words_at(&second)[2] = other.unit;
	return &second;
}

static const struct xvi_location *link_in_a_circle(void)
{
	words_at(&second)[1] = second.page;
	words_at(&second)[2] = second.unit;
	words_at(&second)[3] = second.page; /* instead of first's */
	words_at(&second)[4] = second.unit;
	return &second;
}

static const struct xvi_location *link_into_another_chain(void)
{
	struct xvi_location next = fixture_next(&fixture, &other);

	words_at(&second)[1] = next.page;
	words_at(&second)[2] = next.unit;
	return NULL;
}

static const struct xvi_location *previous_link_of_another(void)
{
	words_at(&second)[4]++;
	return &second;
}

static const struct xvi_location *piece_in_no_chain(void)
{
	struct xvi_location next = fixture_next(&fixture, &first);
	uint32_t size = piece_payload_bytes(objects, words_at(&first)[0]);

	assert_int_not_equal(next.page, LINK_NONE);
	objects->requested_bytes -= object_size(objects, &first) - size;
	words_at(&first)[piece_link_unit(objects, 0, KIND_FIRST)] = LINK_NONE;
	xvi_piece_set_size(objects, &first, size);
	return NULL;
}

static const struct xvi_location *size_is_not_the_sum(void)
{
	xvi_piece_set_size(objects, &first, CHAIN_BYTES - 1);
	return &first;
}

static const struct xvi_location *requested_bytes_wrong(void)
{
	objects->requested_bytes--;
	return NULL;
}

static const struct xvi_location *split_objects_miscounted(void)
{
	objects->split_objects--;
	return NULL;
}

static const struct xvi_location *pieces_miscounted(void)
{
	objects->rest_pieces++;
	return NULL;
}

/* The heap is looked at first. */
static const struct xvi_location *used_units_wrong(void)
{
	heap->used_units++;
	return NULL;
}

static const struct damage {
	const char *name;
	uint32_t invariant;
	const struct xvi_location *(*make)(void);
} damages[] = {
	{"payload_missing", 21, payload_missing},
	{"pieces_where_nothing_is_split", 22, pieces_where_nothing_is_split},
	{"link_out_of_the_heap", 23, link_out_of_the_heap},
	{"link_past_the_page", 23, link_past_the_page},
	{"link_to_no_block", 23, link_to_no_block},
	{"link_to_a_first_piece", 23, link_to_a_first_piece},
	{"link_in_a_circle", 23, link_in_a_circle},
	{"link_into_another_chain", 23, link_into_another_chain},
	{"previous_link_of_another", 23, previous_link_of_another},
	{"piece_in_no_chain", 23, piece_in_no_chain},
	{"size_is_not_the_sum", 24, size_is_not_the_sum},
	{"requested_bytes_wrong", 25, requested_bytes_wrong},
	{"split_objects_miscounted", 25, split_objects_miscounted},
	{"pieces_miscounted", 25, pieces_miscounted},
	{"used_units_wrong", 10, used_units_wrong},
};

/* ---- proving that they are found ---- */

/* Checks change nothing: pages, records and counters together. */
static uint64_t state_hash(void)
{
	uint64_t hash = 0xCBF29CE484222325U;
	const unsigned char *bytes = (const unsigned char *)objects;

	for (size_t i = 0; i < sizeof(*objects); i++)
		hash = (hash ^ bytes[i]) * 0x100000001B3U;
	for (uint32_t page = 0; page < heap->page_limit; page++) {
		bytes = fixture.source.base + ((size_t)page << heap->shape.page_shift);
		for (size_t i = 0; i < (size_t)1 << heap->shape.page_shift; i++)
			hash = (hash ^ bytes[i]) * 0x100000001B3U;
	}
	return hash;
}

static bool damage_is_found(const struct damage *damage)
{
	const struct xvi_location *at = damage->make();
	struct xvi_heap_fault fault = {0, 0, 0, ""};
	uint64_t before = state_hash();
	bool right = !xvi_objects_check(objects, &fault) && fault.invariant == damage->invariant &&
		     fault.message[0] != '\0' &&
		     (at == NULL || (fault.page == at->page && fault.unit == at->unit));

	if (!right)
		print_error("%s: invariant %u not %u, page %u, unit %u: %s\n", damage->name,
			    fault.invariant, damage->invariant, fault.page, fault.unit,
			    fault.message);
	assert_true(state_hash() == before);
	assert_int_equal(fixture.source.maps, 0);
	return right;
}

/* What is damaged is not repaired: it is thrown away. */
static void objects_drop(const struct xvi_objects *whole)
{
	*objects = *whole;
	xvi_objects_clear(objects);
	heap_source_close(&fixture.source);
}

static void each_broken_invariant_is_named_and_left_as_it_is(void **state)
{
	static const struct heap_source_shape shapes[] = {
		{.page_shift = 12, .grain_shift = 12, .alignment = 4, .prove = true},
		{.page_shift = 12, .grain_shift = 12, .alignment = 16, .window = true},
		{.page_shift = 12, .grain_shift = 12, .alignment = 8},
	};
	bool all = true;

	(void)state;
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
		for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
			static struct xvi_objects whole;

			objects_make(&shapes[shape]);
			fixture_check(&fixture);
			whole = *objects;
			all = damage_is_found(&damages[i]) && all;
			objects_drop(&whole);
		}
	}
	assert_true(all);
}

/* ---- a link that was overwritten ---- */

enum { CHAINS = 2, PIECES = 4, VALUES = 2 * CHAINS * PIECES + 5 };

static struct xvi_location chain[CHAINS][PIECES];
static size_t chain_bytes;

/* Two chains, each piece of which but the last fills a page, between pages of other objects. The
 * last page of large ones has grains without memory. */
static void chains_make(uint32_t page_shift)
{
	const struct heap_source_shape shape = {
		.page_shift = page_shift, .grain_shift = 12, .alignment = 4, .prove = true};

	fixture_open(&fixture, &shape, true, true);
	chain_bytes = (size_t)CHAIN_BYTES << (page_shift - 12);
	for (uint32_t i = 0; i < CHAINS; i++) {
		chain[i][0] = fixture_find(&fixture, fixture_make(&fixture, i, chain_bytes));
		for (uint32_t k = 1; k < PIECES; k++)
			chain[i][k] = fixture_next(&fixture, &chain[i][k - 1]);
		(void)fixture_make(&fixture, CHAINS + i, 3000);
	}
}

/* What is written over a word: the page or unit of a piece, what ends a chain, a bit more. */
static uint32_t value_of(uint32_t value, uint32_t old)
{
	const struct xvi_location *to = &chain[value / 2 / PIECES % CHAINS][value / 2 % PIECES];

	switch (value) {
	case 2 * CHAINS *PIECES:
		return LINK_NONE;
	case 2 * CHAINS *PIECES + 1:
		return 0;
	case 2 * CHAINS *PIECES + 2:
		return old ^ 1;
	case 2 * CHAINS *PIECES + 3:
		return old ^ 0x80000000U;
	case 2 * CHAINS *PIECES + 4:
		return old + 100;
	default:
		return value % 2 == 0 ? to->page : to->unit;
	}
}

static int all_read(xv_handle handle)
{
	static unsigned char bytes[CHAIN_BYTES << 4];
	struct xvi_location at;
	int err = xvi_object_find(objects, handle, &at);

	return err != 0 ? err : xvi_object_read(objects, &at, 0, bytes, chain_bytes);
}

static int all_pinned(xv_handle handle)
{
	struct xvi_pin pin;
	int err = xvi_object_pin(objects, handle, 0, &pin);

	for (uint32_t i = 1; err == 0 && i < PIECES; i++) {
		int next = xvi_object_pin_next(objects, &pin);

		if (next == -XV_EINVAL) /* the last one */
			break;
		err = next;
	}
	return err;
}

static int compacted(void)
{
	struct xv_compact_report report = {0};

	for (uint32_t i = 0; i < CHAINS; i++)
		fixture_drop(&fixture, CHAINS + i);
	xvi_objects_compact(objects, SIZE_MAX, heap->page_count, &report);
	return 0;
}

enum { CALLS = 8 + PIECES };

static int call(uint32_t which)
{
	xv_handle handle = fixture.handle[0];
	struct xvi_location at;

	switch (which) {
	case 0:
		return xvi_object_free(objects, handle);
	case 1:
		return xvi_object_realloc(objects, &handle, chain_bytes + 3000);
	case 2:
		return xvi_object_realloc(objects, &handle, chain_bytes - 3000);
	case 3:
		return xvi_object_realloc(objects, &handle, 100);
	case 4:
		return all_read(handle);
	case 5:
		return all_pinned(handle);
	case 6:
		return compacted();
	case 7:
		at = fixture_find(&fixture, handle);
		return xvi_piece_last(objects, &at, &at);
	default:
		return xvi_piece_check(objects, &chain[0][which - 8]);
	}
}

/* Write over a word of a link; the last value is a place without memory, in both words. */
static void link_overwrite(uint32_t *link, uint32_t word, uint32_t value)
{
	if (value < VALUES) {
		link[word] = value_of(value, link[word]);
	} else {
		link[word & ~1U] = chain[1][PIECES - 1].page;
		link[word | 1U] = heap->shape.end_unit - 100;
	}
}

/* Whatever is called: no page but the one that was written to is closed. Objects elsewhere live. */
static bool a_link_is_overwritten(uint32_t page_shift, uint32_t which, uint32_t piece,
				  uint32_t word, uint32_t value)
{
	struct xvi_location at;
	uint32_t kept[REST_LINK_WORDS], *link;
	bool found = false;

	chains_make(page_shift);
	at = chain[0][piece];
	link = words_at(&at) + piece_link_unit(objects, 0, block_kind(at.header));
	memcpy(kept, link, sizeof(kept));
	link_overwrite(link, word, value);
	if (memcmp(kept, link, sizeof(kept)) != 0) {
		int err = call(which);

		found = heap->closed_pages != 0;
		if (heap->closed_pages > 1 || (found && !heap_is_closed(heap, at.page)))
			fail_msg("call %u, piece %u, word %u, value %u: another page was closed",
				 which, piece, word, value);
		assert_true(err == 0 || err == -XV_EBADMSG || err == -XV_ERANGE);
		assert_int_equal(fixture.source.maps, 0);
	}
	xvi_objects_clear(objects);
	heap_source_close(&fixture.source);
	return found;
}

static void a_link_that_is_overwritten_closes_its_own_page(void **state)
{
	uint32_t found = 0, tried = 0;

	(void)state;
	for (uint32_t piece = 0; piece < PIECES; piece++) {
		uint32_t words = piece == 0 ? FIRST_LINK_WORDS : REST_LINK_WORDS;

		for (uint32_t i = 0; i < CALLS * words * VALUES; i++, tried++)
			found += a_link_is_overwritten(12, i % CALLS, piece, i / CALLS % words,
						       i / CALLS / words);
		for (uint32_t i = 0; i < CALLS * words; i++, tried++)
			found += a_link_is_overwritten(16, i % CALLS, piece,
						       i / CALLS % (words & ~1U), VALUES);
	}
	assert_true(found > tried / 3);
}

/* ---- headers that payloads have in them ---- */

/* The stamp of a place, without the generation. */
static uint32_t place_check(uint32_t page, uint32_t unit)
{
	return heap_place_hash(heap, page, unit) & BLOCK_STAMP_BITS;
}

/* A header as the heap would write it, `at` units into an object's payload, of a block of so many
 * units. Returns the handle that it would have. */
static xv_handle header_forge(const struct xvi_location *inside, uint32_t at, uint32_t units,
			      uint32_t kind)
{
	uint32_t unit = inside->unit + at;
	uint32_t check = place_check(inside->page, unit);
	uint32_t word = block_word(kind, units * UNIT_BYTES - BLOCK_HEADER_BYTES, check);

	words_at(inside)[at] = word;
	return objects_handle(objects, inside->page, unit, word);
}

static void refused_by_every_call(xv_handle handle)
{
	xv_handle other_handle = handle;
	struct xvi_pin pin;

	assert_int_equal(xvi_object_free(objects, handle), -XV_EINVAL);
	assert_int_equal(xvi_object_realloc(objects, &other_handle, 1000), -XV_EINVAL);
	assert_int_equal(xvi_object_pin(objects, handle, 0, &pin), -XV_EINVAL);
}

static xv_handle without_tag(xv_handle handle)
{
	return xv_handle_at(xv_handle_page(handle), xv_handle_offset(handle));
}

/* All of a block's surroundings are forged as well: a header behind it, and a hole before. */
static void forged_header_makes_no_object_by_the_proof(void **state)
{
	(void)state;
	for (uint32_t page_shift = 12; page_shift <= 16; page_shift += 2) {
		struct heap_source_shape shape = {
			.page_shift = page_shift, .grain_shift = 12, .alignment = 4, .prove = true};
		struct xvi_location inside;

		fixture_open(&fixture, &shape, true, false);
		inside = fixture_find(&fixture, fixture_make(&fixture, 0, 3000));
		for (uint32_t kind = 0; kind < 4; kind++) {
			for (uint32_t at = 3; at < 700; at++) {
				xv_handle handle = header_forge(&inside, at, 16, kind);

				(void)header_forge(&inside, at + 16, 16, KIND_WHOLE);
				refused_by_every_call(handle);
				refused_by_every_call(without_tag(handle));
				words_at(&inside)[at] |= BLOCK_PREV_FREE;
				words_at(&inside)[at - 1] = hole_unlisted_word(2);
				words_at(&inside)[at - 2] = hole_unlisted_word(2);
				refused_by_every_call(handle);
				refused_by_every_call(without_tag(handle));
			}
		}
		fixture_close(&fixture);
	}
}

/* Under the keyed check the block behind must be one too; without a tag the way over the page
 * proves it. */
static void forged_header_makes_no_object_by_the_keyed_check(void **state)
{
	static const struct heap_source_shape shape = {
		.page_shift = 12, .grain_shift = 12, .alignment = 4};
	enum { AT = 20, UNITS = 8, CONTENT = 28 };
	struct xvi_location inside;
	uint32_t behind[9];
	xv_handle handle;

	(void)state;
	fixture_open(&fixture, &shape, true, false);
	inside = fixture_find(&fixture, fixture_make(&fixture, 0, 400));
	(void)fixture_make(&fixture, 1, 400);
	handle = header_forge(&inside, AT, UNITS, KIND_WHOLE);
	behind[0] = UINT32_MAX;
	behind[1] = hole_listed_word(0);
	behind[2] = hole_listed_word(1); /* of the page's end */
	behind[3] = hole_listed_word(heap->holes.high);
	behind[4] = hole_listed_word(RECORD_FAR);
	behind[5] = hole_unlisted_word(0);
	behind[6] = hole_unlisted_word(heap->shape.end_unit);
	behind[7] = hole_unlisted_word(10); /* its last word is not there */
	behind[8] = block_word(KIND_WHOLE, CONTENT, 0) | BLOCK_PREV_FREE;
	for (uint32_t i = 0; i < 9; i++) {
		words_at(&inside)[AT + UNITS] = behind[i];
		refused_by_every_call(handle);
		refused_by_every_call(without_tag(handle));
	}
	/* Forged as well, it passes, as the header of the check says; without a tag never. */
	(void)header_forge(&inside, AT + UNITS, UNITS, KIND_WHOLE);
	assert_true(xvi_object_is(objects, handle, &small));
	refused_by_every_call(without_tag(handle));
	/* A hole before it that is none. */
	words_at(&inside)[AT] |= BLOCK_PREV_FREE;
	for (uint32_t i = 0; i < 8; i++) {
		words_at(&inside)[AT - 1] = i == 7 ? 0 : behind[i];
		refused_by_every_call(handle);
	}
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_broken_invariant_is_named_and_left_as_it_is),
		cmocka_unit_test(a_link_that_is_overwritten_closes_its_own_page),
		cmocka_unit_test(forged_header_makes_no_object_by_the_proof),
		cmocka_unit_test(forged_header_makes_no_object_by_the_keyed_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
