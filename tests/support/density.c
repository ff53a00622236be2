/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* density.c: see density.h for what this owns, may call, how it is locked and its cost. */
#include "density.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_STEP = 257, PATTERN_RANGE = 65521, STEPS_MAX = 100000 };

/* ---- contents ---- */

const unsigned char *density_noise(uint32_t pattern)
{
	static uint64_t noise[(DENSITY_BYTES_MAX + PATTERN_RANGE) / 8 + 1];
	uint64_t state = 1;

	if (noise[0] == 0) {
		for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
			noise[i] = random_next(&state);
	}
	return (const unsigned char *)noise + (uint64_t)pattern * PATTERN_STEP % PATTERN_RANGE;
}

unsigned char *density_scratch(void)
{
	static unsigned char scratch[DENSITY_BYTES_MAX];

	return scratch;
}

const unsigned char *density_bytes(const struct density *d, uint32_t slot)
{
	return density_noise(d->slot[slot].pattern);
}

static void fill(struct density *d, uint32_t slot)
{
	struct density_slot *object = &d->slot[slot];

	object->pattern = ++d->last_pattern;
	assert_int_equal(xv_write(d->pool, object->handle, 0, density_bytes(d, slot), object->size),
			 0);
}

/* ---- owners ---- */

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct density *d = context;

	if (owner >= DENSITY_SLOTS || d->slot[owner].handle != from || from == to ||
	    to == XV_NULL_HANDLE) {
		d->strange++;
		return -1;
	}
	if (d->slot[owner].stubborn ||
	    (d->refuse_percent != 0 && random_below(&d->f->random, 100) < d->refuse_percent)) {
		d->refused++;
		return -1;
	}
	d->slot[owner].handle = to;
	d->moved++;
	d->moved_bytes += d->slot[owner].size;
	return 0;
}

const struct xv_owner_ops density_owner_ops = {relocated};

/* ---- making ---- */

void density_options(struct density *d, struct xv_pool_options *options)
{
	fixture_options(d->f, options);
	options_set_flags(options, d->flags);
	options->owner_ops = &density_owner_ops;
	options->owner_context = d;
}

static void table_init(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	*d = (struct density){.f = f, .flags = flags};
	d->slot = calloc(DENSITY_SLOTS, sizeof(*d->slot));
	assert_non_null(d->slot);
}

void density_open(struct density *d, struct pool_fixture *f, size_t pages, uint32_t flags,
		  uint32_t fault_flags)
{
	struct xv_pool_options options;

	table_init(d, f, flags);
	density_options(d, &options);
	fixture_remake(f, pages, &options, fault_flags);
	d->pool = f->pool;
}

void density_open_on(struct density *d, struct pool_fixture *f, uint32_t flags)
{
	struct xv_pool_options options;

	table_init(d, f, flags);
	density_options(d, &options);
	fixture_make_pool(f, &options);
	d->pool = f->pool;
}

uint64_t density_pages(struct density *d)
{
	struct xv_pool_stats stats = fixture_stats(d->f);

	/* Memory that stayed is no spare page. */
	if (provider_case_shares_os_pages(d->f->which)) {
		free(d->slot);
		d->slot = NULL;
		skip();
	}
	return stats.pages - stats.spare_bytes / d->f->page_bytes;
}

void density_close(struct density *d)
{
	struct xv_pool_stats stats;

	density_verify(d);
	density_free_all(d);
	fixture_check(d->f);
	(void)xv_pool_trim(d->pool);
	stats = fixture_stats(d->f);
	assert_int_equal(stats.objects, 0);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.split_objects + stats.pieces, 0);
	assert_int_equal(stats.requested_bytes + stats.header_bytes + stats.owner_bytes, 0);
	assert_int_equal(stats.link_bytes + stats.rounding_bytes + stats.free_bytes, 0);
	free(d->slot);
	d->slot = NULL;
}

/* ---- one object ---- */

void density_adopt(struct density *d, uint32_t slot, xv_handle handle, size_t size)
{
	assert_int_equal(d->slot[slot].handle, XV_NULL_HANDLE);
	d->slot[slot] = (struct density_slot){.handle = handle, .size = (uint32_t)size};
	d->live++;
	d->requested_bytes += size;
	fill(d, slot);
}

int density_malloc(struct density *d, uint32_t slot, size_t size)
{
	xv_handle handle = XV_NULL_HANDLE;
	bool owned = (d->flags & XV_POOL_OWNERS) != 0;
	int err = owned ? xv_malloc_owned(d->pool, size, slot, &handle)
			: xv_malloc(d->pool, size, &handle);

	if (err != 0) {
		assert_int_equal(handle, XV_NULL_HANDLE);
		return err;
	}
	fault_provider_heal(&d->f->fault);
	density_adopt(d, slot, handle, size);
	return 0;
}

static bool contents_are(struct density *d, uint32_t slot, size_t length)
{
	unsigned char *scratch = density_scratch();
	int err = xv_read(d->pool, d->slot[slot].handle, 0, scratch, length);

	if (err == 0 && memcmp(scratch, density_bytes(d, slot), length) == 0)
		return true;
	print_error("object %" PRIu32 " of %" PRIu32 " bytes: read %d or other contents\n", slot,
		    d->slot[slot].size, err);
	return false;
}

bool density_is_good(struct density *d, uint32_t slot)
{
	int size = xv_object_size(d->pool, d->slot[slot].handle);

	if (size == (int)d->slot[slot].size)
		return contents_are(d, slot, d->slot[slot].size);
	print_error("object %" PRIu32 " has %d bytes, not %" PRIu32 "\n", slot, size,
		    d->slot[slot].size);
	return false;
}

int density_free(struct density *d, uint32_t slot)
{
	int err = xv_free(d->pool, d->slot[slot].handle);

	if (err != 0)
		return err;
	d->live--;
	d->requested_bytes -= d->slot[slot].size;
	d->slot[slot] = (struct density_slot){0};
	return 0;
}

int density_realloc(struct density *d, uint32_t slot, size_t size)
{
	struct density_slot *object = &d->slot[slot];
	xv_handle handle = object->handle;
	size_t kept = size < object->size ? size : object->size;
	int err = xv_realloc(d->pool, &handle, size);

	if (err != 0) {
		assert_int_equal(handle, object->handle);
		return err;
	}
	fault_provider_heal(&d->f->fault);
	d->requested_bytes += (uint64_t)size - object->size;
	object->handle = handle;
	object->size = (uint32_t)size;
	assert_int_equal(xv_object_size(d->pool, handle), (int)size);
	assert_true(contents_are(d, slot, kept));
	fill(d, slot);
	return 0;
}

/* ---- all objects ---- */

void density_verify(struct density *d)
{
	struct xv_pool_stats stats = fixture_stats(d->f);

	fixture_check(d->f);
	assert_int_equal(d->strange, 0);
	assert_int_equal(stats.objects, d->live);
	assert_int_equal(stats.requested_bytes, d->requested_bytes);
	for (uint32_t i = 0; i < DENSITY_SLOTS; i++) {
		if (d->slot[i].handle != XV_NULL_HANDLE)
			assert_true(density_is_good(d, i));
	}
}

void density_free_all(struct density *d)
{
	for (uint32_t i = 0; i < DENSITY_SLOTS; i++) {
		if (d->slot[i].handle != XV_NULL_HANDLE)
			assert_int_equal(density_free(d, i), 0);
	}
}

/* ---- shapes of pools ---- */

static uint64_t pages_held(struct density *d)
{
	return density_pages(d);
}

/* As density_malloc, in one block. One that was asked for as such need not be movable. */
static int malloc_whole(struct density *d, uint32_t slot, size_t size)
{
	uint64_t split = fixture_stats(d->f).split_objects;
	xv_handle handle;
	int err = xv_malloc(d->pool, size, &handle);

	if (err == 0 && fixture_stats(d->f).split_objects != split) {
		fixture_free(d->f, handle);
		err = xv_malloc_aligned(d->pool, size, 4, &handle);
	}
	if (err != 0)
		return err;
	if ((d->flags & XV_POOL_OWNERS) != 0)
		assert_int_equal(xv_set_owner(d->pool, handle, slot), 0);
	density_adopt(d, slot, handle, size);
	return 0;
}

/* Objects of one size while they need no page beyond so many. */
static uint32_t fill_with(struct density *d, uint32_t slot, size_t pages, size_t size)
{
	for (; malloc_whole(d, slot, size) == 0; slot++) {
		if (pages_held(d) > pages) {
			assert_int_equal(density_free(d, slot), 0);
			if (pages_held(d) > pages)
				(void)xv_pool_trim(d->pool);
			break;
		}
	}
	/* No empty page is kept: what comes next takes a new one. */
	(void)xv_pool_trim(d->pool);
	return slot;
}

uint32_t density_fill_pages(struct density *d, uint32_t first, size_t pages, size_t size)
{
	uint32_t slot = first;

	for (; size >= 64; size /= 2)
		slot = fill_with(d, slot, pages, size);
	assert_int_equal(pages_held(d), pages);
	return slot;
}

void density_free_every(struct density *d, uint32_t first, uint32_t end, uint32_t n)
{
	for (uint32_t i = first; i < end; i += n) {
		if (d->slot[i].handle != XV_NULL_HANDLE)
			assert_int_equal(density_free(d, i), 0);
	}
}

uint32_t density_make_holes(struct density *d, size_t pages)
{
	size_t size = d->f->page_bytes / 8 - 16;
	uint32_t end = fill_with(d, 0, pages, size);

	/* Whole ones are wanted, so that nothing larger is left at the pages' ends. */
	end = fill_with(d, end, pages, size / 4);
	density_free_every(d, 0, end, 2);
	(void)xv_pool_trim(d->pool);
	assert_int_equal(pages_held(d), pages);
	return end;
}

void density_malloc_split(struct density *d, uint32_t slot, size_t size)
{
	uint64_t before = fixture_stats(d->f).split_objects;

	assert_int_equal(density_malloc(d, slot, size), 0);
	assert_int_equal(fixture_stats(d->f).split_objects, before + 1);
}

void density_assert_same(const struct xv_pool_stats *now, const struct xv_pool_stats *before)
{
	assert_int_equal(now->requested_bytes, before->requested_bytes);
	assert_int_equal(now->header_bytes, before->header_bytes);
	assert_int_equal(now->owner_bytes, before->owner_bytes);
	assert_int_equal(now->link_bytes, before->link_bytes);
	assert_int_equal(now->rounding_bytes, before->rounding_bytes);
	assert_int_equal(now->free_bytes, before->free_bytes);
	assert_int_equal(now->objects, before->objects);
	assert_int_equal(now->split_objects, before->split_objects);
	assert_int_equal(now->pieces, before->pieces);
	/* Pages taken on the way may have come to the reserve. */
	assert_int_equal(now->pages - now->spare_bytes / now->page_bytes,
			 before->pages - before->spare_bytes / before->page_bytes);
}

/* ---- compaction ---- */

struct xv_compact_report density_compact(struct density *d, size_t budget)
{
	struct xv_compact_report sum = {0}, step;
	uint32_t steps = 0;

	do {
		memset(&step, 0xFF, sizeof(step));
		assert_int_equal(xv_compact(d->pool, budget, &step), 0);
		sum.moved_bytes += step.moved_bytes;
		sum.moved_blocks += step.moved_blocks;
		sum.freed_bytes += step.freed_bytes;
		sum.refused += step.refused;
		sum.pinned_pages += step.pinned_pages;
		assert_true(++steps < STEPS_MAX);
	} while (step.more);
	return sum;
}
