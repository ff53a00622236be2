/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object_hardened.c: what level 2 adds, one write at a time: freed objects that are written
 * to, canaries, zeros, and which freed objects are kept, how many and how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "heap_source.h"
#include "object_fast.h"

enum { SLOTS = 200, PAGES = 64 };

static struct heap_source source;
static struct xvi_objects objects;
static struct xvi_quarantine quarantine;
static xv_handle handles[SLOTS];

static void hardened_open(void)
{
	static const struct heap_source_shape shape = {.page_shift = 16,
						       .grain_shift = 12,
						       .alignment = 4,
						       .prove = true,
						       .pages_max = PAGES};
	struct xvi_objects_config config = {.tag_key = 1, .quarantine = &quarantine};

	memset(&quarantine, 0, sizeof(quarantine));
	heap_source_open(&source, &shape, &config.heap);
	xvi_objects_init(&objects, &config);
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_int_equal(objects.make(&objects, 100, XV_NO_OWNER, &handles[i]), 0);
}

static unsigned char *payload(uint32_t slot)
{
	xv_handle handle = handles[slot];

	return source.base + ((size_t)xv_handle_page(handle) << 16) + xv_handle_offset(handle);
}

static int drop(uint32_t slot)
{
	return objects.free(&objects, handles[slot]);
}

static void hardened_close(void)
{
	xvi_objects_clear(&objects);
	heap_source_close(&source);
}

/* Write to one byte of a freed object, or to a header beside it; then it leaves the quarantine. */
static void freed_is_written(ptrdiff_t at, unsigned char value)
{
	struct xvi_heap_fault fault;

	hardened_open();
	assert_int_equal(drop(100), 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(payload(100)[i], 0);
	payload(100)[at] ^= value;
	assert_true(xvi_objects_settle(&objects));
	assert_int_equal(objects.heap.closed_pages, value != 0);
	assert_true(xvi_objects_check(&objects, &fault)); /* of the other pages */
	assert_int_equal(quarantine.count, 0);
	assert_int_equal(drop(1), value != 0 ? -XV_EBADMSG : 0);
	hardened_close();
}

static void a_freed_object_that_is_written_closes_its_page(void **state)
{
	(void)state;
	freed_is_written(0, 0);
	freed_is_written(0, 1);
	freed_is_written(57, 0x80);
	freed_is_written(99, 1);
	freed_is_written(-1, 1);
	freed_is_written(-4, 0x80);
}

static void a_write_behind_an_object_is_found_when_it_is_freed(void **state)
{
	(void)state;
	hardened_open();
	payload(100)[100] ^= 1;
	assert_int_equal(drop(100), -XV_EBADMSG);
	assert_int_equal(objects.heap.closed_pages, 1);
	hardened_close();
}

static void a_walk_closes_a_page_whose_blocks_lead_nowhere(void **state)
{
	struct xvi_object_seen seen[SLOTS];
	uint32_t page = 0, unit = 0, count = 0, got;

	(void)state;
	hardened_open();
	memset(payload(100) - 4, 0, 4);
	while ((got = xvi_objects_list(&objects, &page, &unit, seen, SLOTS)) != 0)
		count += got;
	assert_int_equal(count, 100); /* those before it */
	assert_int_equal(objects.heap.closed_pages, 1);
	hardened_close();
}

/* Zeros in freed memory: what an object leaves when it becomes shorter, too. */
static void what_a_shorter_object_leaves_is_zeros(void **state)
{
	(void)state;
	hardened_open();
	memset(payload(100), 0xFF, 100);
	for (size_t size = 99; size > 96; size--) { /* in the same units */
		/* The canary's last byte. */
		assert_int_not_equal(payload(100)[size + CANARY_BYTES], 0);
		assert_int_equal(xvi_object_realloc(&objects, &handles[100], size), 0);
		assert_int_equal(payload(100)[size + CANARY_BYTES], 0);
	}
	assert_int_equal(drop(100), 0);
	hardened_close();
}

/* Only blocks of objects up to that size are kept. */
static void long_freed_objects_are_not_kept(void **state)
{
	xv_handle handle;

	(void)state;
	hardened_open();
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(
			objects.make(&objects, QUARANTINE_BYTES_MOST + i, XV_NO_OWNER, &handle), 0);
		assert_int_equal(objects.free(&objects, handle), 0);
		assert_int_equal(quarantine.count, 1);
	}
	hardened_close();
}

/* The oldest leaves when another one comes; the closed page's are dropped. */
static void so_many_freed_objects_are_kept(void **state)
{
	(void)state;
	hardened_open();
	for (uint32_t i = 0; i < QUARANTINE_OBJECTS; i++) {
		assert_int_equal(drop(i), 0);
		assert_int_equal(quarantine.count, i + 1);
		assert_int_equal(drop(i), -XV_EINVAL);
	}
	payload(0)[0] = 1;
	assert_int_equal(drop(QUARANTINE_OBJECTS), 0);
	assert_int_equal(quarantine.count, QUARANTINE_OBJECTS);
	assert_int_equal(objects.heap.closed_pages, 1);
	assert_int_equal(drop(SLOTS - 1), -XV_EBADMSG);
	assert_true(xvi_objects_settle(&objects));
	assert_false(xvi_objects_settle(&objects));
	assert_int_equal(objects.heap.closed_pages, 1);
	hardened_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_freed_object_that_is_written_closes_its_page),
		cmocka_unit_test(a_write_behind_an_object_is_found_when_it_is_freed),
		cmocka_unit_test(a_walk_closes_a_page_whose_blocks_lead_nowhere),
		cmocka_unit_test(what_a_shorter_object_leaves_is_zeros),
		cmocka_unit_test(long_freed_objects_are_not_kept),
		cmocka_unit_test(so_many_freed_objects_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
