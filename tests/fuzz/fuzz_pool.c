/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_pool.c: the calls of a pool in any order, beside a table that knows what must be there.
 *
 * The input draws the provider (mmap, highmem with a small window, a buffer), the pool's options,
 * and then calls with their arguments, faults of the provider among them. The contents of an object
 * are compared whenever it is touched; at the end all are, and the pool proves its invariants and
 * gives everything back.
 *
 * Owns the table. May call: public headers, fuzz_provider.h. Locking: none; one thread. O(input).
 */
#include <xvmalloc/pool.h>

#include "fuzz_hardening.h"
#include "fuzz_provider.h"

enum {
	OBJECTS = 128,
	MAPS = 3,
	CALLS_MAX = 3000,
	OBJECT_BYTES_MAX = 200000,
	MEMORY_BYTES = 1 << 18
};

struct object {
	xv_handle handle; /* XV_NULL_HANDLE: none */
	uint32_t size;
	uint32_t owner;
	uint32_t alignment; /* that it was asked for; 0 = the pool's */
	unsigned char *bytes;
	void *map[MAPS];
	uint32_t maps;
	bool refuses; /* to be moved */
};

static struct world {
	struct fuzz_input in;
	struct fuzz_provider p;
	struct xv_pool *pool;
	struct xv_pool_options options;
	struct object object[OBJECTS];
	xv_handle stale;
	uint64_t fills;
} w;

static unsigned char pool_memory[MEMORY_BYTES];
static unsigned char scratch[OBJECT_BYTES_MAX];

/* ---- what must be there ---- */

static struct object *draw_object(void)
{
	return &w.object[fuzz_byte(&w.in) % OBJECTS];
}

static bool lives(size_t i)
{
	return w.object[i].handle != XV_NULL_HANDLE;
}

/* The first live one from a drawn place on, or NULL. */
static struct object *draw_live(void)
{
	size_t i = fuzz_index(&w.in, OBJECTS, lives);

	return i < OBJECTS ? &w.object[i] : NULL;
}

static size_t draw_size(void)
{
	static const uint32_t most[] = {16, 64, 512, 4096, 65536, OBJECT_BYTES_MAX};

	return 1 + fuzz_below(&w.in, most[fuzz_byte(&w.in) % 6]);
}

static void object_verify(const struct object *o)
{
	FUZZ_CHECK(xv_object_size(w.pool, o->handle) == (int)o->size);
	FUZZ_CHECK(xv_read(w.pool, o->handle, 0, scratch, o->size) == 0);
	FUZZ_CHECK(memcmp(scratch, o->bytes, o->size) == 0);
}

static void object_fill(struct object *o)
{
	fuzz_fill(o->bytes, o->size, (uint32_t)++w.fills);
	FUZZ_CHECK(xv_write(w.pool, o->handle, 0, o->bytes, o->size) == 0);
}

static void object_begin(struct object *o, xv_handle handle, size_t size, uint32_t owner,
			 uint32_t alignment)
{
	FUZZ_CHECK(handle != XV_NULL_HANDLE);
	*o = (struct object){.handle = handle,
			     .size = (uint32_t)size,
			     .owner = owner,
			     .alignment = alignment,
			     .bytes = malloc(size)};
	FUZZ_CHECK(o->bytes != NULL);
	if (alignment != 0)
		FUZZ_CHECK(xv_handle_offset(handle) % alignment == 0);
	object_fill(o);
	object_verify(o);
}

static void object_end(struct object *o)
{
	w.stale = o->handle;
	free(o->bytes);
	*o = (struct object){.handle = XV_NULL_HANDLE};
}

static void object_unmap(struct object *o)
{
	o->maps--;
	FUZZ_CHECK(xv_unmap(w.pool, o->handle, o->map[o->maps]) == 0);
}

static void object_free(struct object *o)
{
	object_verify(o);
	while (o->maps != 0)
		object_unmap(o);
	FUZZ_CHECK(xv_free(w.pool, o->handle) == 0);
	object_end(o);
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct object *o = &w.object[owner % OBJECTS];

	FUZZ_CHECK(context == &w && owner < OBJECTS);
	if (o->refuses || o->handle != from)
		return 1;
	o->handle = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

/* ---- the pool ---- */

static void draw_options(void)
{
	static const uint32_t alignments[] = {0, 4, 8, 16};
	struct xv_pool_options *options = &w.options;

	xv_pool_options_init(options);
	options->flags = fuzz_below(&w.in, 4); /* XV_POOL_SPLIT, XV_POOL_OWNERS */
	fuzz_draw_hardening(options, &w.in);
	options->alignment = alignments[fuzz_below(&w.in, 4)];
	options->lock = (enum xv_lock_kind)fuzz_below(&w.in, 4);
	options->seed = fuzz_byte(&w.in);
	options->owner_context = &w;
	if ((options->flags & XV_POOL_OWNERS) != 0)
		options->owner_ops = &owner_ops;
	if (fuzz_bool(&w.in))
		options->limit_bytes = 1 + fuzz_number(&w.in, 3);
	options->shards = fuzz_below(&w.in, 4);
	if (fuzz_bool(&w.in)) {
		options->memory = pool_memory + fuzz_below(&w.in, 16);
		options->memory_bytes = fuzz_below(&w.in, MEMORY_BYTES - 16);
	}
}

static void pool_prove(void)
{
	struct xv_check_report report;
	struct xv_pool_stats s;
	int err = xv_pool_check(w.pool, XV_CHECK_DEEP, &report);

	if (err != 0)
		(void)fprintf(stderr, "invariant %u, page %u, offset %u: %s\n", report.invariant,
			      report.page, report.offset, report.message);
	FUZZ_CHECK(err == 0);
	xv_pool_get_stats(w.pool, &s);
	FUZZ_CHECK(s.held_bytes == s.requested_bytes + s.header_bytes + s.owner_bytes +
					   s.link_bytes + s.rounding_bytes + s.free_bytes +
					   s.spare_bytes + s.table_bytes);
	FUZZ_CHECK(s.objects == s.mallocs - s.frees && s.pages == w.p.fault.pages_now);
}

/* ---- calls that make and end objects ---- */

static void call_malloc(uint32_t how)
{
	struct object *o = draw_object();
	uint32_t owner = XV_NO_OWNER, alignment = 0;
	xv_handle handle = XV_NULL_HANDLE;
	size_t size = draw_size();
	int err;

	if (o->handle != XV_NULL_HANDLE)
		object_free(o);
	if (how == 0) {
		err = xv_malloc(w.pool, size, &handle);
	} else if (how == 1) {
		owner = (uint32_t)(o - w.object);
		err = xv_malloc_owned(w.pool, size, owner, &handle);
	} else {
		alignment = 1U << fuzz_below(&w.in, 9);
		err = xv_malloc_aligned(w.pool, size, alignment, &handle);
	}
	if (err == 0) {
		object_begin(o, handle, size, owner, alignment);
		return;
	}
	FUZZ_CHECK(handle == XV_NULL_HANDLE);
	FUZZ_CHECK(fuzz_is_shortage(err) || err == -XV_E2BIG ||
		   (err == -XV_ENOTSUP && how == 1 && (w.options.flags & XV_POOL_OWNERS) == 0));
	if (err == -XV_E2BIG)
		FUZZ_CHECK(size > xv_pool_max_size(w.pool) || alignment != 0);
}

static void call_calloc(void)
{
	struct object *o = draw_object();
	xv_handle handle = XV_NULL_HANDLE;
	size_t count = fuzz_below(&w.in, 64), size = fuzz_below(&w.in, 1024);
	int err;

	if (o->handle != XV_NULL_HANDLE)
		object_free(o);
	err = xv_calloc(w.pool, count, size, &handle);
	if (count * size == 0)
		FUZZ_CHECK(err == -XV_EINVAL);
	if (err != 0) {
		FUZZ_CHECK(fuzz_is_shortage(err) || err == -XV_E2BIG || err == -XV_EINVAL);
		return;
	}
	FUZZ_CHECK(xv_read(w.pool, handle, 0, scratch, count * size) == 0);
	for (size_t i = 0; i < count * size; i++)
		FUZZ_CHECK(scratch[i] == 0);
	object_begin(o, handle, count * size, XV_NO_OWNER, 0);
}

static void call_realloc(void)
{
	struct object *o = draw_live();
	size_t size = draw_size(), kept;
	xv_handle handle;
	int err;

	if (o == NULL)
		return;
	handle = o->handle;
	err = xv_realloc(w.pool, &handle, size);
	if (err != 0) {
		FUZZ_CHECK(fuzz_is_shortage(err) || err == -XV_E2BIG || err == -XV_EBUSY);
		FUZZ_CHECK(handle == o->handle);
		object_verify(o);
		return;
	}
	if (o->maps != 0) /* it stayed in its place, and the maps are of that place */
		FUZZ_CHECK(handle == o->handle);
	o->handle = handle;
	kept = size < o->size ? size : o->size;
	o->size = (uint32_t)size;
	FUZZ_CHECK(xv_object_size(w.pool, handle) == (int)size);
	FUZZ_CHECK(xv_read(w.pool, handle, 0, scratch, kept) == 0);
	FUZZ_CHECK(memcmp(scratch, o->bytes, kept) == 0);
	if (o->alignment != 0)
		FUZZ_CHECK(xv_handle_offset(handle) % o->alignment == 0);
	o->bytes = realloc(o->bytes, size);
	FUZZ_CHECK(o->bytes != NULL);
	object_fill(o);
}

static void call_reset(void)
{
	bool is_mapped = false;
	int err = xv_pool_reset(w.pool);

	for (size_t i = 0; i < OBJECTS; i++)
		is_mapped = is_mapped || w.object[i].maps != 0;
	FUZZ_CHECK(err == (is_mapped ? -XV_EBUSY : 0));
	for (size_t i = 0; err == 0 && i < OBJECTS; i++)
		object_end(&w.object[i]);
	w.stale = XV_NULL_HANDLE;
}

/* ---- calls on the bytes of an object ---- */

static void call_write(bool is_read)
{
	struct object *o = draw_live();
	size_t offset, length;
	int err;

	if (o == NULL)
		return;
	offset = fuzz_below(&w.in, o->size + 2);
	length = fuzz_below(&w.in, o->size + 2);
	fuzz_fill(scratch, length < sizeof(scratch) ? length : sizeof(scratch),
		  (uint32_t)++w.fills);
	if (offset + length > o->size) {
		err = is_read ? xv_read(w.pool, o->handle, offset, scratch, length)
			      : xv_write(w.pool, o->handle, offset, scratch, length);
		FUZZ_CHECK(err == -XV_ERANGE);
	} else if (is_read) {
		FUZZ_CHECK(xv_read(w.pool, o->handle, offset, scratch, length) == 0);
		FUZZ_CHECK(memcmp(scratch, o->bytes + offset, length) == 0);
	} else {
		FUZZ_CHECK(xv_write(w.pool, o->handle, offset, scratch, length) == 0);
		memcpy(o->bytes + offset, scratch, length);
		object_verify(o);
	}
}

static void call_map(void)
{
	struct object *o = draw_live();
	uint32_t alignment = w.options.alignment != 0 ? w.options.alignment : 4;
	void *at = NULL;
	int err;

	if (o == NULL || o->maps == MAPS)
		return;
	err = xv_map(w.pool, o->handle, &at);
	if (err != 0) {
		FUZZ_CHECK(err == -XV_ESPLIT || err == -XV_EAGAIN);
		FUZZ_CHECK(err != -XV_ESPLIT || (w.options.flags & XV_POOL_SPLIT) != 0);
		return;
	}
	FUZZ_CHECK((uintptr_t)at % alignment == 0);
	FUZZ_CHECK(memcmp(at, o->bytes, o->size) == 0);
	o->map[o->maps++] = at;
	memset(at, (int)fuzz_byte(&w.in), o->size);
	memcpy(o->bytes, at, o->size);
	if (fuzz_bool(&w.in))
		object_unmap(o);
}

static void call_unmap(void)
{
	struct object *o = draw_live();

	if (o == NULL)
		return;
	if (o->maps != 0) {
		FUZZ_CHECK(xv_unmap(w.pool, o->handle, (char *)o->map[0] + 1) == -XV_EINVAL);
		object_unmap(o);
	}
	object_verify(o);
}

static void call_peek(void)
{
	struct object *o = draw_live();
	size_t room = fuzz_below(&w.in, OBJECT_BYTES_MAX);
	const void *at = NULL;
	int got;

	if (o == NULL)
		return;
	got = xv_peek(w.pool, o->handle, scratch, room, &at);
	if (got < 0) {
		FUZZ_CHECK(got == -XV_ERANGE && room < o->size);
		return;
	}
	FUZZ_CHECK(got == (int)o->size && memcmp(at, o->bytes, o->size) == 0);
}

static void call_owner(void)
{
	struct object *o = draw_live();
	uint32_t owner = 12345;
	bool has_owners = (w.options.flags & XV_POOL_OWNERS) != 0;

	if (o == NULL)
		return;
	if (!has_owners) {
		FUZZ_CHECK(xv_get_owner(w.pool, o->handle, &owner) == -XV_ENOTSUP);
		return;
	}
	FUZZ_CHECK(xv_get_owner(w.pool, o->handle, &owner) == 0 && owner == o->owner);
	o->owner = fuzz_bool(&w.in) ? XV_NO_OWNER : (uint32_t)(o - w.object);
	o->refuses = fuzz_bool(&w.in);
	FUZZ_CHECK(xv_set_owner(w.pool, o->handle, o->owner) == 0);
}

/* ---- handles that name nothing ---- */

static bool place_is_live(xv_handle handle)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].handle != XV_NULL_HANDLE &&
		    xv_handle_page(w.object[i].handle) == xv_handle_page(handle) &&
		    xv_handle_offset(w.object[i].handle) == xv_handle_offset(handle))
			return true;
	}
	return false;
}

static void call_bad_handle(void)
{
	struct object *o = draw_live();
	xv_handle handle = fuzz_bool(&w.in) ? w.stale : (xv_handle)fuzz_number(&w.in, 8);
	const void *at;
	uint32_t owner;
	int size;

	if (o != NULL && fuzz_bool(&w.in))
		handle = o->handle ^ (fuzz_number(&w.in, 2) << fuzz_below(&w.in, 49));
	size = xv_object_size(w.pool, handle);
	if (size < 0)
		FUZZ_CHECK(size == -XV_EINVAL);
	else if (fuzz_handles_are_proved(&w.options))
		FUZZ_CHECK(place_is_live(handle));
	(void)!xv_peek(w.pool, handle, scratch, sizeof(scratch), &at);
	(void)!xv_get_owner(w.pool, handle, &owner);
	if (size == -XV_EINVAL && fuzz_handles_are_proved(&w.options)) {
		FUZZ_CHECK(xv_free(w.pool, handle) == -XV_EINVAL);
		FUZZ_CHECK(xv_realloc(w.pool, &handle, 10) == -XV_EINVAL);
	}
}

/* ---- pointer calls ---- */

static void call_alloc(void)
{
	struct object *o = draw_object();
	size_t size = draw_size(), alignment = 1U << fuzz_below(&w.in, 9);
	bool is_aligned = fuzz_bool(&w.in);
	void *at;

	if (o->handle != XV_NULL_HANDLE)
		object_free(o);
	at = is_aligned ? xv_alloc_aligned(w.pool, size, alignment) : xv_alloc(w.pool, size);
	if (at == NULL)
		return;
	FUZZ_CHECK(w.p.fault.provider.base != NULL);
	FUZZ_CHECK(xv_usable_size(w.pool, at) >= size);
	memset(at, 0xA5, size);
	object_begin(o, xv_handle_of(w.pool, at), size, XV_NO_OWNER,
		     is_aligned ? (uint32_t)alignment : 0);
}

static void call_address(void)
{
	struct object *o = draw_live();
	size_t size = draw_size();
	unsigned char *at;

	if (o == NULL)
		return;
	at = xv_address_of(w.pool, o->handle);
	if (at == NULL)
		return;
	FUZZ_CHECK(memcmp(at, o->bytes, o->size) == 0);
	FUZZ_CHECK(xv_handle_of(w.pool, at) == o->handle);
	FUZZ_CHECK(xv_handle_of(w.pool, at + 1) == XV_NULL_HANDLE);
	if (o->maps != 0)
		return;
	if (fuzz_bool(&w.in)) {
		FUZZ_CHECK(xv_release(w.pool, at) == 0);
		object_end(o);
		return;
	}
	at = xv_resize(w.pool, at, size);
	if (at == NULL) {
		object_verify(o);
		return;
	}
	FUZZ_CHECK(memcmp(at, o->bytes, size < o->size ? size : o->size) == 0);
	o->handle = xv_handle_of(w.pool, at);
	o->size = (uint32_t)size;
	o->bytes = realloc(o->bytes, size);
	FUZZ_CHECK(o->bytes != NULL);
	object_fill(o);
}

/* ---- the pool as a whole ---- */

static void call_compact(void)
{
	struct xv_compact_report report = {.more = true};
	uint32_t steps = 1 + fuzz_below(&w.in, 64);
	size_t step_bytes = fuzz_below(&w.in, 1U << 16);
	int err = 0;

	for (uint32_t i = 0; i < steps && err == 0 && report.more; i++)
		err = xv_compact(w.pool, step_bytes, &report);
	FUZZ_CHECK(err == ((w.options.flags & XV_POOL_OWNERS) != 0 ? 0 : -XV_ENOTSUP));
	(void)xv_compactable(w.pool);
}

static int visited(void *context, xv_handle handle, size_t size)
{
	uint32_t *count = context;

	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].handle == handle) {
			FUZZ_CHECK(w.object[i].size == size);
			(*count)++;
			return 0;
		}
	}
	FUZZ_CHECK(handle == XV_NULL_HANDLE); /* an object of nobody */
	return 0;
}

static void call_walk(void)
{
	uint32_t count = 0, live = 0;

	for (size_t i = 0; i < OBJECTS; i++)
		live += w.object[i].handle != XV_NULL_HANDLE;
	FUZZ_CHECK(xv_pool_walk(w.pool, visited, &count) == 0 && count == live);
}

static void call_whole(void)
{
	switch (fuzz_below(&w.in, 8)) {
	case 4:
	case 5:
		fuzz_provider_fail(&w.p, &w.in);
		break;
	case 0:
		(void)xv_pool_trim(w.pool);
		break;
	case 1:
		xv_pool_set_limit(w.pool, fuzz_bool(&w.in) ? 0 : fuzz_number(&w.in, 3));
		break;
	case 2:
		xv_pool_lock_all(w.pool);
		xv_pool_unlock_all(w.pool);
		break;
	case 3:
		xv_pool_reset_peak(w.pool);
		break;
	default:
		pool_prove();
	}
}

static void call_object(uint32_t call)
{
	struct object *o = call == 4 || call == 5 ? draw_live() : NULL;

	if (call < 3)
		call_malloc(call);
	else if (call == 3)
		call_calloc();
	else if (o != NULL)
		object_free(o);
	else if (call == 6 || call == 7)
		call_realloc();
	else if (call >= 8)
		call_write(call == 8);
}

static void call_one(void)
{
	static void (*const calls[])(void) = {
		call_map,   call_unmap,   call_peek,    call_owner, call_bad_handle,
		call_alloc, call_address, call_compact, call_walk,  call_whole};
	uint32_t call = fuzz_below(&w.in, 21);

	if (call < 10)
		call_object(call);
	else if (call < 20)
		calls[call - 10]();
	else if (fuzz_below(&w.in, 8) == 0)
		call_reset();
}

static void pool_end(void)
{
	fault_provider_heal(&w.p.fault);
	pool_prove();
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].handle != XV_NULL_HANDLE)
			object_free(&w.object[i]);
	}
	pool_prove();
	xv_pool_destroy(w.pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	memset(&w, 0, sizeof(w));
	w.in = (struct fuzz_input){.at = data, .left = bytes};
	if (!fuzz_provider_make(&w.p, &w.in, FUZZ_KINDS))
		return 0;
	draw_options();
	if (xv_pool_create(&w.pool, &w.p.fault.provider, &w.options) == 0) {
		for (uint32_t i = 0; w.in.left != 0 && i < CALLS_MAX; i++)
			call_one();
		pool_end();
	}
	fuzz_provider_end(&w.p);
	return 0;
}
