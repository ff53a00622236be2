/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_object_model.c: random lives of objects against a shadow, over every page size, with and
 * without grains, proof, window, alignment, split and owners; with a source that fails or is at
 * its limit, owners that refuse, pinned pages, and steps of compaction in between; some hardened.
 * Every byte of each object and all invariants are checked, and that all that the calls return is
 * the same on every machine.
 *
 * XV_TEST_SEED repeats a run, XV_TEST_OPERATIONS makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "digest.h"
#include "heap_source.h"
#include "object_fast.h"
#include "test_random.h"

enum { SLOTS = 400, PINS_MAX = 12, STALE_MAX = 64, SIZE_MAX_SPLIT = 300000 };

struct slot {
	xv_handle handle; /* 0 = no object */
	size_t size;
	size_t alignment;
	uint32_t owner;
	unsigned char fill;
};

struct model {
	struct heap_source source;
	struct xvi_objects objects;
	struct xvi_quarantine quarantine;
	struct slot slot[SLOTS];
	uint32_t pin[PINS_MAX]; /* pages */
	uint32_t pin_count;
	xv_handle stale[STALE_MAX];
	uint32_t stale_count;
	uint32_t count;
	uint64_t bytes;
	uint64_t random;
	bool owners;
	bool split;
	bool refuse;
	uint64_t moved, failed, splits; /* how often */
	uint64_t digest;                /* of what the calls returned */
};

static unsigned char buffer[SIZE_MAX_SPLIT * 2];

static size_t below(struct model *model, size_t bound)
{
	return random_below(&model->random, bound);
}

static void note(struct model *model, uint64_t value)
{
	digest_add(&model->digest, value);
}

static unsigned char pattern(const struct slot *slot, size_t offset)
{
	return (unsigned char)(slot->fill + offset * 7 + (offset >> 8));
}

static void check(struct model *model)
{
	struct xvi_heap_fault fault;

	if (below(model, 4) == 0)
		(void)xvi_objects_settle(&model->objects);
	if (model->objects.quarantine != NULL && model->quarantine.count != 0)
		; /* what it keeps looks like pieces of no object */
	else if (!xvi_objects_check(&model->objects, &fault))
		fail_msg("invariant %u, page %u, unit %u: %s", fault.invariant, fault.page,
			 fault.unit, fault.message);
	assert_int_equal(objects_count(&model->objects), model->count);
	assert_int_equal(model->objects.requested_bytes, model->bytes);
	assert_int_equal(model->objects.heap.committed_grains, model->source.grains);
	assert_int_equal(model->source.maps, 0);
	note(model, xvi_objects_compactable(&model->objects));
}

static struct xvi_location located(struct model *model, const struct slot *slot)
{
	struct xvi_location at;

	assert_int_equal(xvi_object_find(&model->objects, slot->handle, &at), 0);
	assert_int_equal(object_size(&model->objects, &at), slot->size);
	return at;
}

static void slot_fill(struct model *model, struct slot *slot)
{
	struct xvi_location at = located(model, slot);

	for (size_t i = 0; i < slot->size; i++)
		buffer[i] = pattern(slot, i);
	xvi_object_write(&model->objects, &at, 0, buffer, slot->size);
}

static void bytes_verify(const struct slot *slot, size_t offset, const unsigned char *bytes,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != pattern(slot, offset + i))
			fail_msg("byte %zu of %zu differs", offset + i, slot->size);
	}
}

static void slot_verify(struct model *model, const struct slot *slot)
{
	struct xvi_location at = located(model, slot);

	xvi_object_read(&model->objects, &at, 0, buffer, slot->size);
	bytes_verify(slot, 0, buffer, slot->size);
	if (model->owners)
		assert_int_equal(object_owner(&model->objects, &at), slot->owner);
	if (slot->alignment > 1)
		assert_int_equal(xv_handle_offset(slot->handle) % slot->alignment, 0);
}

/* ---- operations ---- */

static size_t draw_size(struct model *model)
{
	size_t most = model->objects.whole_max;
	size_t size = random_size(&model->random, most);

	if (below(model, 20) == 0)
		size = most + 1 - below(model, 3);
	if (model->split && below(model, 12) == 0)
		size = 1 + below(model, below(model, 4) == 0 ? most * 5 : most * 2);
	size = size > SIZE_MAX_SPLIT ? SIZE_MAX_SPLIT : size;
	return !model->split && size > most ? most : size;
}

static void do_malloc(struct model *model, struct slot *slot)
{
	size_t alignment = below(model, 12) == 0 ? (size_t)4 << below(model, 7) : 1;
	size_t size = alignment == 1 || below(model, 3) != 0
			      ? draw_size(model)
			      : model->objects.whole_max + 1 - below(model, 2 * alignment + 2);
	uint32_t owner = below(model, 10) == 0 ? XV_NO_OWNER : (uint32_t)(slot - model->slot);
	struct xvi_location at;
	xv_handle handle = 77;
	int err = xvi_object_malloc(&model->objects, size, alignment, owner, &handle);

	note(model, err != 0 ? (uint64_t)err : handle);
	if (err != 0) {
		assert_int_equal(handle, 77);
		model->failed++;
		check(model);
		return;
	}
	*slot = (struct slot){.handle = handle,
			      .size = size,
			      .alignment = alignment,
			      .owner = owner,
			      .fill = (unsigned char)random_next(&model->random)};
	model->count++;
	model->bytes += size;
	at = located(model, slot);
	model->splits += block_kind(at.header) == KIND_FIRST;
	if (below(model, 8) == 0) {
		xvi_object_write(&model->objects, &at, 0, NULL, size);
		xvi_object_read(&model->objects, &at, 0, buffer, size);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(buffer[i], 0);
	}
	slot_fill(model, slot);
}

static void do_free(struct model *model, struct slot *slot)
{
	slot_verify(model, slot);
	assert_int_equal(xvi_object_free(&model->objects, slot->handle), 0);
	model->stale[model->stale_count++ % STALE_MAX] = slot->handle;
	model->count--;
	model->bytes -= slot->size;
	slot->handle = XV_NULL_HANDLE;
}

static void do_realloc(struct model *model, struct slot *slot)
{
	size_t size = below(model, 3) == 0   ? draw_size(model)
		      : below(model, 4) == 0 ? slot->size + 2 - below(model, 4)
					     : slot->size / 2 + 1 + below(model, slot->size + 1);
	size_t kept = size < slot->size ? size : slot->size;
	xv_handle handle = slot->handle;
	struct xvi_location at;
	int err;

	if (size == 0 || size > SIZE_MAX_SPLIT)
		return;
	slot_verify(model, slot);
	err = xvi_object_realloc(&model->objects, &handle, size);
	note(model, err != 0 ? (uint64_t)err : handle);
	if (err != 0) {
		assert_true(err == -XV_E2BIG || err == -XV_EBUSY || err == -XV_ENOMEM ||
			    err == -XV_ENOSPC);
		assert_int_equal(handle, slot->handle);
		slot_verify(model, slot);
		model->failed++;
		return;
	}
	if (handle != slot->handle)
		model->stale[model->stale_count++ % STALE_MAX] = slot->handle;
	model->bytes = model->bytes - slot->size + size;
	slot->handle = handle;
	slot->size = size;
	at = located(model, slot);
	xvi_object_read(&model->objects, &at, 0, buffer, kept);
	bytes_verify(slot, 0, buffer, kept);
	slot_fill(model, slot);
	slot_verify(model, slot);
}

/* Read it as a pool does that lets its lock go; leave the last pin for a while. */
static void do_pin(struct model *model, const struct slot *slot)
{
	size_t offset = below(model, slot->size);
	struct xvi_pin pin;
	int err;

	if (model->pin_count == PINS_MAX)
		return;
	assert_int_equal(xvi_object_pin(&model->objects, slot->handle, slot->size, &pin),
			 -XV_ERANGE);
	assert_int_equal(xvi_object_pin(&model->objects, slot->handle, offset, &pin), 0);
	for (;;) {
		unsigned char *page = model->source.base +
				      ((size_t)pin.piece.page << model->source.shape.page_shift);

		bytes_verify(slot, offset, page + pin.offset, pin.bytes);
		offset += pin.bytes;
		if (offset == slot->size)
			break;
		err = xvi_object_pin_next(&model->objects, &pin);
		assert_int_equal(err, 0);
	}
	assert_int_equal(offset, slot->size);
	model->pin[model->pin_count++] = pin.piece.page;
}

static void do_unpin(struct model *model)
{
	if (model->pin_count != 0)
		assert_true(xvi_object_unpin(&model->objects, model->pin[--model->pin_count]));
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct model *model = context;
	struct slot *slot = &model->slot[owner];
	struct xvi_location at;

	assert_true(owner < SLOTS);
	assert_int_equal(slot->handle, from);
	assert_true(xvi_object_is(&model->objects, to, &at));
	assert_true(slot->alignment <= model->source.shape.alignment);
	for (uint32_t i = 0; i < model->pin_count; i++)
		assert_int_not_equal(model->pin[i], xv_handle_page(from));
	note(model, to);
	if (model->refuse && below(model, 3) == 0)
		return 1;
	model->stale[model->stale_count++ % STALE_MAX] = from;
	slot->handle = to;
	model->moved++;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static void do_compact(struct model *model)
{
	struct xv_compact_report report = {0};
	uint32_t steps = 1 + (uint32_t)below(model, 40);

	if (!model->owners)
		return;
	model->refuse = below(model, 4) == 0;
	do {
		xvi_objects_compact(&model->objects, below(model, 20000),
				    model->objects.heap.page_count, &report);
		note(model, model->objects.heap.committed_grains);
	} while (report.more && steps-- != 0);
	note(model, report.moved_bytes << 32 ^ report.moved_blocks << 16 ^
			    report.pinned_pages << 4 ^ report.more);
	if (below(model, 4) == 0)
		xvi_objects_compact_end(&model->objects);
}

static bool is_live(const struct model *model, xv_handle handle)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (model->slot[i].handle == handle)
			return true;
	}
	return false;
}

/* Handles that are dead, damaged or invented. */
static void do_bad(struct model *model)
{
	uint64_t bad = model->objects.bad_handles;
	xv_handle handle = model->stale[below(model, STALE_MAX)];
	xv_handle other = 5;
	struct xvi_pin pin;

	if (below(model, 3) == 0)
		handle ^= (xv_handle)1 << below(model, 64);
	if (is_live(model, handle) || handle_tag(handle) == 0)
		return;
	assert_int_equal(xvi_object_free(&model->objects, handle), -XV_EINVAL);
	other = handle;
	assert_int_equal(xvi_object_realloc(&model->objects, &other, 10), -XV_EINVAL);
	assert_int_equal(other, handle);
	assert_int_equal(xvi_object_pin(&model->objects, handle, 0, &pin), -XV_EINVAL);
	assert_int_equal(model->objects.bad_handles, bad + 3);
}

/* A handle without a tag is good exactly where an object is. */
static void do_untagged(struct model *model, const struct slot *slot)
{
	struct xvi_location at;
	uint32_t page = xv_handle_page(slot->handle);
	uint32_t offset = xv_handle_offset(slot->handle);

	assert_true(xvi_object_is(&model->objects, xv_handle_at(page, offset), &at));
	assert_int_equal(object_size(&model->objects, &at), slot->size);
	for (uint32_t i = 1; i < 4; i++)
		assert_false(xvi_object_is(&model->objects, xv_handle_at(page, offset + i), &at));
	offset = (uint32_t)below(model, 1U << model->source.shape.page_shift);
	if (xvi_object_is(&model->objects, xv_handle_at(page, offset), &at))
		assert_true(is_live(model,
				    objects_handle(&model->objects, at.page, at.unit, at.header)));
}

static void do_walk(struct model *model)
{
	struct xvi_object_seen seen[7];
	uint32_t page = 0, unit = 0, count, all = 0;
	xv_handle last = 0;

	while ((count = xvi_objects_list(&model->objects, &page, &unit, seen,
					 1 + (uint32_t)below(model, 7))) != 0) {
		for (uint32_t i = 0; i < count; i++) {
			xv_handle place = seen[i].handle & (((xv_handle)1 << TAG_SHIFT) - 1);

			assert_true(place > last);
			assert_true(is_live(model, seen[i].handle));
			last = place;
		}
		all += count;
	}
	assert_int_equal(all, model->count);
}

static void do_owner(struct model *model, struct slot *slot)
{
	struct xvi_location at = located(model, slot);

	if (!model->owners)
		return;
	slot->owner = below(model, 4) == 0 ? XV_NO_OWNER : (uint32_t)(slot - model->slot);
	object_set_owner(&model->objects, &at, slot->owner);
}

static void do_source(struct model *model)
{
	struct heap_source *source = &model->source;

	source->fail_at = below(model, 3) != 0 ? 0 : source->takes + 1 + below(model, 4);
	source->refuse_give = below(model, 10) == 0;
	source->grains_most = below(model, 3) == 0 ? source->grains + below(model, 3) : UINT64_MAX;
}

static void model_step(struct model *model, size_t tendency)
{
	struct slot *slot = &model->slot[below(model, SLOTS)];
	bool live = slot->handle != XV_NULL_HANDLE;

	switch (below(model, 36)) {
	case 0:
		do_compact(model);
		break;
	case 1:
		do_source(model);
		break;
	case 2:
		do_walk(model);
		break;
	case 3:
	case 4:
		do_bad(model);
		break;
	case 5:
		do_unpin(model);
		break;
	case 6:
		(void)xvi_heap_give_back(&model->objects.heap, below(model, 10));
		break;
	case 7:
		xvi_heap_shrink_records(&model->objects.heap);
		break;
	case 8:
		if (live)
			do_pin(model, slot);
		break;
	case 9:
		if (live)
			do_untagged(model, slot);
		break;
	case 10:
		if (live)
			do_owner(model, slot);
		break;
	case 11:
	case 12:
	case 13:
	case 14:
	case 15:
		if (live)
			do_realloc(model, slot);
		break;
	default:
		if (live && below(model, 100) >= tendency)
			do_free(model, slot);
		else if (!live && below(model, 100) < tendency)
			do_malloc(model, slot);
	}
}

static void model_end(struct model *model)
{
	while (model->pin_count != 0)
		do_unpin(model);
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (model->slot[i].handle != XV_NULL_HANDLE && i % 3 != 0)
			do_free(model, &model->slot[i]);
	}
	check(model);
	model->source.refuse_give = false;
	xvi_objects_clear(&model->objects);
	assert_int_equal(objects_count(&model->objects), 0);
	heap_source_close(&model->source);
}

/* What a step left of the source's memory. */
static void note_source(struct model *model)
{
	note(model, model->source.grains << 32 ^ model->source.takes);
	note(model, model->source.given << 32 ^ model->objects.heap.page_limit);
}

/* Returns the life's digest. */
static uint64_t run(const struct heap_source_shape *shape, bool split, bool owners, bool hardened,
		    uint64_t seed, uint64_t operations)
{
	static struct model model;
	struct xvi_objects_config config = {.split = split,
					    .owners = owners,
					    .owner_ops = &owner_ops,
					    .owner_context = &model,
					    .tag_key = (uint32_t)seed};

	memset(&model, 0, sizeof(model));
	if (hardened)
		config.quarantine = &model.quarantine;
	model.random = seed;
	model.owners = owners;
	model.split = split;
	heap_source_open(&model.source, shape, &config.heap);
	config.heap.scatter = hardened;
	xvi_objects_init(&model.objects, &config);
	for (uint64_t i = 0; i < operations; i++) {
		static const uint32_t tendency[] = {80, 25, 60, 40};

		model_step(&model, tendency[i / 500 % 4]);
		note_source(&model);
		if (i % 16 == 0)
			check(&model);
	}
	if (getenv("XV_TEST_VERBOSE") != NULL)
		print_message("%u %u %u%u%u: moved %lu failed %lu splits %lu digest %llX\n",
			      shape->page_shift, shape->grain_shift, shape->prove, split, owners,
			      (unsigned long)model.moved, (unsigned long)model.failed,
			      (unsigned long)model.splits, (unsigned long long)model.digest);
	model_end(&model);
	return model.digest;
}

static void objects_keep_every_byte_and_invariant(void **state)
{
	uint64_t seed = environment_number("XV_TEST_SEED", 1);
	uint64_t operations = test_repeats("XV_TEST_OPERATIONS", 3000);
	static const struct digest_known known[] = {{3000, 0x63E45431F18BBE30U},
						    {300, 0x0C4B347AE1ADD4CBU}};
	uint64_t digest = 0;

	(void)state;
	print_message("XV_TEST_SEED=%llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < 60; i++) {
		uint32_t page_shift = 12 + i % 5;
		struct heap_source_shape shape = {
			.page_shift = page_shift,
			.grain_shift = i / 5 % 2 == 0 ? 12 : page_shift,
			.alignment = 4U << (i / 10 % 3),
			.prove = i / 3 % 2 == 0,
			.window = i / 4 % 3 == 2,
			.bounded = i % 11 == 10 ? 60 : 0,
			.pages_max = i % 9 == 8 ? 12 : 0,
		};

		digest_add(&digest, run(&shape, i / 2 % 3 != 0, i / 7 % 3 != 0,
					shape.prove && i % 4 == 3, seed * 1000 + i, operations));
	}
	digest_verify(digest, operations, known, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_keep_every_byte_and_invariant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
