/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_corrupt.c: a pool with hardening, in whose pages bytes change between the calls.
 *
 * The input draws the pool, calls, and changes of any byte of a page with a live object. Objects
 * with no byte in a changed page keep their contents, and calls on them succeed. Calls on others
 * return, whatever they return: the sanitizer sees what they touch outside, and the fuzzer sees if
 * they do not return.
 *
 * Owns the table of objects. May call: public headers, fuzz_provider.h. Locking: none; one thread.
 * O(input).
 */
#include <xvmalloc/pool.h>

#include "fuzz_hardening.h"
#include "fuzz_provider.h"

enum { OBJECTS = 64, CALLS_MAX = 1500, OBJECT_BYTES_MAX = 40000, PAGES = 4096 };

struct object {
	xv_handle handle; /* XV_NULL_HANDLE: none */
	uint32_t size;
	unsigned char *bytes;
	bool is_exposed; /* it has or had bytes in a changed page */
	bool is_chain;   /* so it may have them anywhere */
};

static struct world {
	struct fuzz_input in;
	struct fuzz_provider p;
	struct xv_pool *pool;
	struct xv_pool_options options;
	struct object object[OBJECTS];
	bool changed[PAGES];
	uint64_t changes;
	uint64_t closed; /* calls of corrupted() */
	uint32_t fills;
} w;

static unsigned char scratch[OBJECT_BYTES_MAX];

/* ---- objects ---- */

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

static void object_expose(struct object *o)
{
	uint32_t page = xv_handle_page(o->handle) % PAGES;

	o->is_exposed = o->is_exposed || w.changed[page] || (o->is_chain && w.changes != 0);
}

static void objects_expose(void)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].handle != XV_NULL_HANDLE)
			object_expose(&w.object[i]);
	}
}

/* Whatever comes of an exposed one, and right contents of another. */
static void object_verify(const struct object *o)
{
	int size = xv_object_size(w.pool, o->handle);
	int err = xv_read(w.pool, o->handle, 0, scratch, o->size);

	if (o->is_exposed)
		return;
	FUZZ_CHECK(size == (int)o->size && err == 0);
	FUZZ_CHECK(memcmp(scratch, o->bytes, o->size) == 0);
}

static void object_fill(struct object *o)
{
	int err;

	fuzz_fill(o->bytes, o->size, ++w.fills);
	err = xv_write(w.pool, o->handle, 0, o->bytes, o->size);
	FUZZ_CHECK(err == 0 || o->is_exposed);
}

static void object_end(struct object *o)
{
	free(o->bytes);
	*o = (struct object){.handle = XV_NULL_HANDLE};
}

static void object_free(struct object *o)
{
	int err;

	object_verify(o);
	err = xv_free(w.pool, o->handle);
	FUZZ_CHECK(err == 0 || o->is_exposed);
	object_end(o);
}

static void object_look(struct object *o)
{
	void *at = NULL;
	int err = xv_map(w.pool, o->handle, &at);

	o->is_chain = o->is_chain || err == -XV_ESPLIT;
	if (err == 0)
		FUZZ_CHECK(xv_unmap(w.pool, o->handle, at) == 0 || w.changes != 0);
	object_expose(o);
}

/* ---- calls ---- */

static size_t draw_size(void)
{
	static const uint32_t most[] = {16, 128, 1024, OBJECT_BYTES_MAX};

	return 1 + fuzz_below(&w.in, most[fuzz_byte(&w.in) % 4]);
}

static void call_malloc(void)
{
	struct object *o = draw_object();
	size_t size = draw_size();
	xv_handle handle = XV_NULL_HANDLE;
	int err;

	if (o->handle != XV_NULL_HANDLE)
		object_free(o);
	if ((w.options.flags & XV_POOL_OWNERS) != 0)
		err = xv_malloc_owned(w.pool, size, (uint32_t)(o - w.object), &handle);
	else
		err = xv_malloc(w.pool, size, &handle);
	if (err != 0)
		return;
	*o = (struct object){.handle = handle, .size = (uint32_t)size, .bytes = malloc(size)};
	FUZZ_CHECK(o->bytes != NULL);
	object_look(o);
	object_fill(o);
	object_verify(o);
}

static void call_free(void)
{
	struct object *o = draw_live();

	if (o != NULL)
		object_free(o);
}

static void call_realloc(void)
{
	struct object *o = draw_live();
	size_t size = draw_size();

	if (o == NULL)
		return;
	if (xv_realloc(w.pool, &o->handle, size) != 0) {
		object_verify(o);
		return;
	}
	o->size = (uint32_t)size;
	o->bytes = realloc(o->bytes, size);
	FUZZ_CHECK(o->bytes != NULL);
	object_look(o);
	object_fill(o);
}

static void call_read(void)
{
	struct object *o = draw_live();
	const void *at;
	uint32_t owner;

	if (o == NULL)
		return;
	object_verify(o);
	(void)!xv_peek(w.pool, o->handle, scratch, sizeof(scratch), &at);
	(void)!xv_get_owner(w.pool, o->handle, &owner);
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct object *o = owner < OBJECTS ? &w.object[owner] : NULL;

	(void)context;
	if (o == NULL || o->handle != from)
		return 1;
	object_expose(o); /* what it takes along */
	o->is_chain = o->is_chain || (w.options.flags & XV_POOL_SPLIT) != 0; /* now, perhaps */
	o->handle = to;
	object_expose(o);
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static void call_compact(void)
{
	struct xv_compact_report report = {.more = true};

	for (uint32_t i = 0; i < 64 && report.more; i++) {
		if (xv_compact(w.pool, 4096, &report) != 0)
			break;
	}
}

static int visited(void *context, xv_handle handle, size_t size)
{
	(void)context;
	(void)handle;
	(void)size;
	return 0;
}

static void call_whole(void)
{
	switch (fuzz_below(&w.in, 6)) {
	case 0:
		(void)xv_pool_trim(w.pool);
		break;
	case 1:
		(void)xv_pool_walk(w.pool, visited, NULL);
		break;
	case 2:
		xv_pool_set_limit(w.pool, fuzz_bool(&w.in) ? 0 : fuzz_number(&w.in, 3));
		break;
	case 3:
		fuzz_provider_fail(&w.p, &w.in);
		break;
	default:
		(void)!xv_pool_check(w.pool, XV_CHECK_DEEP, NULL);
	}
}

/* ---- changes ---- */

/* Is there memory at this place of a page? */
static bool page_has(uint32_t page, uint32_t offset)
{
	const struct xv_provider *provider = &w.p.fault.provider;

	return xv_provider_page_grains(provider) == 1 ||
	       ((uint32_t)w.p.fault.taken[page] >> (offset >> provider->grain_shift) & 1U) != 0;
}

/* Change drawn bytes from `offset` on. */
static void page_change(uint32_t page, uint32_t offset)
{
	struct xv_provider *inner = w.p.inner;
	size_t page_bytes = xv_provider_page_bytes(inner);
	uint32_t count = 1U << fuzz_below(&w.in, 5);
	unsigned char *at = inner->base != NULL ? (unsigned char *)inner->base + page * page_bytes
						: inner->ops->page_map(inner, page);

	if (at == NULL)
		return;
	w.changed[page] = true;
	w.changes++;
	for (uint32_t i = offset; i < offset + count && i < page_bytes; i++) {
		if (page_has(page, i))
			at[i] = (unsigned char)fuzz_byte(&w.in);
	}
	if (inner->base == NULL)
		FUZZ_CHECK(inner->ops->page_unmap(inner, page, at) == 0);
	objects_expose();
}

/* Near the beginning of an object, or behind its end, or anywhere in its page. */
static void call_change(void)
{
	struct object *o = draw_live();
	uint32_t page, offset, kind = fuzz_byte(&w.in) % 4;
	size_t page_bytes = xv_provider_page_bytes(w.p.inner);

	if (o == NULL)
		return;
	page = xv_handle_page(o->handle);
	offset = xv_handle_offset(o->handle);
	if (page >= PAGES)
		return;
	if (kind < 2)
		offset -= fuzz_below(&w.in, offset < 16 ? offset + 1 : 16);
	else if (kind == 2)
		offset += o->size + fuzz_below(&w.in, 16);
	else
		offset = fuzz_below(&w.in, page_bytes);
	if (offset < page_bytes)
		page_change(page, offset);
}

/* ---- a run ---- */

static void corrupted(void *context, uint32_t page, uint32_t offset, const char *message)
{
	FUZZ_CHECK(context == &w && message != NULL && message[0] != '\0');
	FUZZ_CHECK(page < PAGES && offset <= 65536);
	FUZZ_CHECK(w.changes != 0);
	w.closed++;
}

static void draw_options(void)
{
	static const uint32_t alignments[] = {0, 4, 8, 16};

	xv_pool_options_init(&w.options);
	w.options.flags = fuzz_below(&w.in, 4); /* XV_POOL_SPLIT, XV_POOL_OWNERS */
	w.options.hardening = 1 + fuzz_below(&w.in, XV_HARDENING_MOST);
	w.options.alignment = alignments[fuzz_below(&w.in, 4)];
	w.options.lock = XV_LOCK_NONE;
	w.options.seed = 1 + (uint32_t)w.in.left; /* not from an address: a run repeats */
	w.options.corrupted = corrupted;
	w.options.corrupted_context = &w;
	if ((w.options.flags & XV_POOL_OWNERS) != 0)
		w.options.owner_ops = &owner_ops;
}

static void run(void)
{
	static void (*const calls[])(void) = {call_malloc, call_malloc, call_malloc,  call_free,
					      call_free,   call_change, call_realloc, call_read,
					      call_read,   call_change, call_compact, call_whole};

	for (uint32_t i = 0; w.in.left != 0 && i < CALLS_MAX; i++)
		calls[fuzz_below(&w.in, sizeof(calls) / sizeof(calls[0]))]();
	fault_provider_heal(&w.p.fault);
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].handle != XV_NULL_HANDLE)
			object_verify(&w.object[i]);
	}
	if (fuzz_bool(&w.in))
		FUZZ_CHECK(xv_pool_reset(w.pool) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	memset(&w, 0, sizeof(w));
	w.in = (struct fuzz_input){.at = data, .left = bytes};
	if (!fuzz_provider_make(&w.p, &w.in, FUZZ_KINDS))
		return 0;
	draw_options();
	if (xv_pool_create(&w.pool, &w.p.fault.provider, &w.options) == 0) {
		run();
		xv_pool_destroy(w.pool);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		free(w.object[i].bytes);
	fuzz_provider_end(&w.p);
	return 0;
}
