/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object_overwritten.c: words of pages are overwritten between the calls of random lives, over
 * every kind of heap that keeps the proof. Memory that is not committed is really not there, and
 * pages lie next to nothing: a call that leaves the heap's pages ends the test. Objects in pages
 * that nobody wrote to keep their bytes, nothing runs without end, and what is refused and closed
 * is the same on every machine.
 *
 * XV_TEST_SEED repeats a run, XV_TEST_OPERATIONS makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "digest.h"
#include "heap_source.h"
#include "object_fast.h"
#include "piece.h"
#include "test_random.h"

enum { SLOTS = 200, PAGES = 64, SIZE_MOST = 200000, BUFFER = 1 << 18 };

struct slot {
	xv_handle handle; /* 0 = no object */
	size_t size;
	unsigned char fill;
	bool was_written; /* a page in which a part of it was then */
};

struct life {
	struct heap_source source;
	struct xvi_objects objects;
	struct xvi_quarantine quarantine;
	struct slot slot[SLOTS];
	bool written[SOURCE_PAGES_MAX];
	uint64_t random;
	uint64_t writes, refused, closed, kept; /* how often */
	uint64_t digest;                        /* of what the calls returned */
	bool owners;
};

static struct life life;
static unsigned char buffer[BUFFER];

static size_t below(size_t bound)
{
	return random_below(&life.random, bound);
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	if (owner >= SLOTS || life.slot[owner].handle != from)
		return 1; /* the owner's word was overwritten */
	if (below(8) == 0)
		return 1;
	digest_add(&life.digest, to);
	life.slot[owner].handle = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

/* ---- what anybody may do ---- */

static bool is_committed(uint32_t page, uint32_t offset)
{
	const struct heap_source_shape *shape = &life.source.shape;

	return life.source.page_taken[page] &&
	       (life.source.committed[page] >> (offset >> shape->grain_shift) & 1) != 0;
}

static const uint32_t *words_of(uint32_t page)
{
	return (const uint32_t *)(const void *)(life.source.base +
						((size_t)page << life.source.shape.page_shift));
}

/* Is a part of the object, which was not written to, in this page? UINT32_MAX: in one that was
 * written to before. */
static bool lies_in(const struct slot *slot, uint32_t page)
{
	struct xvi_location at = {
		xv_handle_page(slot->handle),
		(xv_handle_offset(slot->handle) - life.objects.heap.payload_at) / UNIT_BYTES, 0};

	while (at.page != LINK_NONE) {
		if (page == UINT32_MAX ? life.written[at.page] : at.page == page)
			return true;
		at = words_next(&life.objects, words_of(at.page), at.unit);
	}
	return false;
}

/* Before it is. */
static void page_is_written(uint32_t page)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &life.slot[i];

		if (slot->handle != 0 && !slot->was_written)
			slot->was_written = lies_in(slot, page);
	}
	life.written[page] = true;
	life.writes++;
}

/* Overwrite a few bytes of a page: one bit, a random word, or a word of another place. */
static void overwrite(void)
{
	uint32_t page_bytes = 1U << life.source.shape.page_shift;
	uint32_t page = (uint32_t)below(PAGES);
	uint32_t at = (uint32_t)below(page_bytes / 4) * 4;
	uint32_t from = (uint32_t)below(page_bytes / 4) * 4;
	unsigned char *bytes = life.source.base + (size_t)page * page_bytes;
	uint32_t word;

	if (!is_committed(page, at) || !is_committed(page, from))
		return;
	page_is_written(page);
	memcpy(&word, bytes + from, 4);
	switch (below(4)) { /* one draw in each expression: their order would be the compiler's */
	case 0:
		at += (uint32_t)below(4);
		bytes[at] ^= (unsigned char)(1U << below(8));
		break;
	case 1:
		word = (uint32_t)random_next(&life.random);
		memcpy(bytes + at, &word, 4);
		break;
	case 2:
		memcpy(bytes + at, &word, 4);
		break;
	default:
		word = (uint32_t)below(64);
		word <<= 4 * below(8);
		memcpy(bytes + at, &word, 4);
		break;
	}
}

/* A header of a live object, which random places seldom hit. */
static void overwrite_header(void)
{
	const struct slot *slot = &life.slot[below(SLOTS)];
	uint32_t page_bytes = 1U << life.source.shape.page_shift;
	uint32_t page = xv_handle_page(slot->handle);
	unsigned char *at;

	if (slot->handle == 0 || !life.source.page_taken[page])
		return;
	at = life.source.base + (size_t)page * page_bytes + xv_handle_offset(slot->handle) -
	     life.objects.heap.payload_at;
	page_is_written(page);
	at += below(4);
	*at ^= (unsigned char)(1U << below(8));
}

/* One of the words of a piece that lead to others: beside it, to none, or where another leads. */
static void overwrite_link(void)
{
	const struct slot *slot = &life.slot[below(SLOTS)];
	const struct slot *other = &life.slot[below(SLOTS)];
	struct xvi_location at, from;
	uint32_t *link;
	uint32_t word;

	if (slot->handle == 0 || other->handle == 0 ||
	    xvi_object_find(&life.objects, slot->handle, &at) != 0 ||
	    xvi_object_find(&life.objects, other->handle, &from) != 0)
		return;
	for (size_t pieces = below(4); pieces != 0 && block_kind(at.header) != KIND_WHOLE;
	     pieces--) {
		struct xvi_location next;

		if (xvi_piece_next(&life.objects, &at, &next) != 0)
			return;
		if (next.page == LINK_NONE)
			break;
		at = next;
	}
	if (block_kind(at.header) != KIND_FIRST && block_kind(at.header) != KIND_REST)
		return;
	word = (uint32_t)below(block_kind(at.header) == KIND_REST ? 4 : 2);
	link = (uint32_t *)(void *)(life.source.base +
				    ((size_t)at.page << life.source.shape.page_shift)) +
	       piece_link_unit(&life.objects, at.unit, block_kind(at.header)) + word;
	page_is_written(at.page);
	switch (below(4)) {
	case 0:
		*link = LINK_NONE;
		break;
	case 1:
		*link ^= 1U << below(12);
		break;
	default:
		*link = word % 2 == 0 ? from.page : from.unit;
		break;
	}
}

/* ---- calls ---- */

static void fill(const struct slot *slot)
{
	for (size_t i = 0; i < slot->size; i++)
		buffer[i] = (unsigned char)(slot->fill + i * 7);
}

/* Must the object be as it was? */
static bool is_untouched(const struct slot *slot)
{
	return !slot->was_written && !lies_in(slot, UINT32_MAX);
}

/* An object with its page overwritten may be refused; then it is given up. */
static bool may_go_on(struct slot *slot, int err)
{
	digest_add(&life.digest, (uint64_t)err ^ slot->handle);
	if (err == 0)
		return true;
	if (is_untouched(slot))
		fail_msg("error %d for an object in a page that nobody wrote to", err);
	assert_true(err == -XV_EINVAL || err == -XV_EBADMSG);
	life.refused++;
	slot->handle = 0;
	return false;
}

static void make(struct slot *slot)
{
	size_t page_bytes = (size_t)1 << life.source.shape.page_shift;
	size_t size = random_size(&life.random, page_bytes - 128);
	struct xvi_location at;
	int err;

	if (life.objects.split && below(20) == 0)
		size = 1 + below(SIZE_MOST);
	*slot = (struct slot){.size = size, .fill = (unsigned char)below(256)};
	err = life.objects.make(&life.objects, size, (uint32_t)(slot - life.slot), &slot->handle);
	if (err != 0) {
		assert_int_equal(err, -XV_ENOMEM);
		slot->handle = 0;
		return;
	}
	err = xvi_object_find(&life.objects, slot->handle, &at);
	if (!may_go_on(slot, err))
		return;
	fill(slot);
	(void)may_go_on(slot, xvi_object_write(&life.objects, &at, 0, buffer, size));
}

static void look(struct slot *slot)
{
	struct xvi_location at;
	static unsigned char copy[BUFFER];
	size_t size;
	int err = xvi_object_find(&life.objects, slot->handle, &at);

	if (!may_go_on(slot, err))
		return;
	size = object_size(&life.objects, &at);
	if (size > BUFFER)
		size = BUFFER;
	err = xvi_object_read(&life.objects, &at, 0, copy, size);
	if (!may_go_on(slot, err) || !is_untouched(slot))
		return;
	assert_int_equal(size, slot->size);
	fill(slot);
	assert_memory_equal(copy, buffer, size);
	life.kept++;
}

static void resize(struct slot *slot)
{
	size_t page_bytes = (size_t)1 << life.source.shape.page_shift;
	size_t size = random_size(&life.random, page_bytes - 128);
	struct xvi_location at;
	int err = xvi_object_realloc(&life.objects, &slot->handle, size);

	if (err == -XV_ENOMEM || !may_go_on(slot, err))
		return;
	if (!xvi_object_is(&life.objects, slot->handle, &at)) {
		slot->handle = 0;
		return;
	}
	slot->size = size;
	slot->was_written = false;
	fill(slot);
	(void)may_go_on(slot, xvi_object_write(&life.objects, &at, 0, buffer, size));
}

/* Over the pinned parts, with other calls in between. */
static void pin(struct slot *slot)
{
	struct xvi_pin part;
	int err = xvi_object_pin(&life.objects, slot->handle, 0, &part);

	if (!may_go_on(slot, err))
		return;
	do {
		if (below(4) == 0)
			overwrite();
		err = xvi_object_pin_next(&life.objects, &part);
	} while (err == 0);
	assert_true(xvi_object_unpin(&life.objects, part.piece.page));
}

static void walk(void)
{
	struct xvi_object_seen seen[16];
	uint32_t page = 0, unit = 0;

	uint32_t count;

	while ((count = xvi_objects_list(&life.objects, &page, &unit, seen, 16)) != 0)
		digest_add(&life.digest, seen[count - 1].handle);
}

static void operate(void)
{
	struct slot *slot = &life.slot[below(SLOTS)];
	struct xv_compact_report report = {.more = false};
	struct xvi_heap_fault fault;

	switch (below(16)) {
	case 0:
		if (below(4) == 0)
			overwrite();
		break;
	case 1:
		if (below(8) == 0)
			overwrite_header();
		if (life.objects.split && below(16) == 0)
			overwrite_link();
		break;
	case 2:
	case 3:
		if (life.owners)
			xvi_objects_compact(&life.objects, below(20000), 0, &report);
		break;
	case 4:
		if (below(8) == 0)
			walk();
		if (below(64) == 0)
			digest_add(&life.digest, xvi_objects_check(&life.objects, &fault));
		if (below(16) == 0)
			xvi_heap_shrink_records(&life.objects.heap);
		break;
	case 5:
		if (slot->handle != 0)
			pin(slot);
		break;
	case 6:
	case 7:
		if (slot->handle != 0)
			resize(slot);
		break;
	case 8:
	case 9:
	case 10:
		if (slot->handle != 0)
			look(slot);
		break;
	default:
		if (slot->handle == 0)
			make(slot);
		else if (may_go_on(slot, life.objects.free(&life.objects, slot->handle)))
			slot->handle = 0;
		break;
	}
}

static void live(const struct heap_source_shape *shape, bool split, bool hardened, uint64_t seed,
		 uint64_t operations)
{
	struct xvi_objects_config config = {.split = split,
					    .owners = (seed & 1) != 0,
					    .owner_ops = &owner_ops,
					    .tag_key = (uint32_t)seed,
					    .quarantine = hardened ? &life.quarantine : NULL};

	memset(&life.quarantine, 0, sizeof(life.quarantine));
	memset(life.slot, 0, sizeof(life.slot));
	memset(life.written, 0, sizeof(life.written));
	life.random = seed;
	life.owners = config.owners;
	heap_source_open(&life.source, shape, &config.heap);
	config.heap.scatter = hardened;
	xvi_objects_init(&life.objects, &config);
	for (uint64_t i = 0; i < operations; i++) {
		operate();
		digest_add(&life.digest, life.source.grains << 32 ^ life.source.closed);
		assert_int_equal(life.source.maps, 0);
		assert_int_equal(life.objects.heap.committed_grains, life.source.grains);
	}
	life.closed += life.objects.heap.closed_pages;
	for (uint32_t page = 0; page < life.objects.heap.page_limit; page++) {
		while (heap_owns(&life.objects.heap, page) &&
		       heap_page(&life.objects.heap, page)->pins != 0)
			(void)xvi_object_unpin(&life.objects, page);
	}
	xvi_objects_clear(&life.objects);
	heap_source_close(&life.source);
}

static void pages_are_overwritten_and_nothing_else_is_harmed(void **state)
{
	uint64_t seed = environment_number("XV_TEST_SEED", 0);
	uint64_t operations = environment_number("XV_TEST_OPERATIONS", 1500);
	uint64_t end = seed != 0 ? seed + 1 : 201;
	static const struct digest_known known[] = {{1500, 0xBCC0BCBDA12BCFC5U}};
	static const uint32_t one = 1;
	static const uint32_t alignments[] = {4, 8, 16};

	(void)state;
	for (seed = seed != 0 ? seed : 1; seed < end; seed += test_stride()) {
		struct heap_source_shape shape = {
			.page_shift = seed % 3 == 0 ? 12 : 16,
			.grain_shift = seed % 3 == 2 ? 16 : 12,
			.alignment = alignments[seed / 3 % 3],
			.prefix_bytes = (seed & 1) != 0 ? 4 : 0,
			.prove = true,
			.window = seed / 9 % 3 == 2,
			.bounded = seed / 27 % 3 == 2 ? 300 : 0,
			.pages_max = PAGES,
		};

		if (environment_number("XV_TEST_SEED", 0) != 0 || operations > 10000)
			print_message("XV_TEST_SEED=%llu\n", (unsigned long long)seed);
		if (environment_number("XV_TEST_VERBOSE", 0) != 0)
			print_message("before %llu: digest %llX\n", (unsigned long long)seed,
				      (unsigned long long)life.digest);
		live(&shape, seed / 2 % 2 == 0, seed % 5 == 0, seed, operations);
	}
	print_message("%llu writes, %llu objects refused, %llu pages closed, %llu objects kept\n",
		      (unsigned long long)life.writes, (unsigned long long)life.refused,
		      (unsigned long long)life.closed, (unsigned long long)life.kept);
	if (environment_number("XV_TEST_SEED", 0) != 0 || test_stride() != 1)
		return;
	if (operations >= 1500)
		assert_true(life.refused > 1000 && life.closed > 100 && life.kept > 1000);
	if (*(const unsigned char *)&one == 1) /* bytes are overwritten, not numbers */
		digest_verify(life.digest, operations, known, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_overwritten_and_nothing_else_is_harmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
