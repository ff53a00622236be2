/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_handle_table.c: the calls of a handle table in any order, beside a table of its own.
 *
 * The input draws provider and options as in fuzz_pool.c, then calls. Ids that were freed are kept
 * and tried again: each is refused for as long as the header promises. A freed object that is
 * mapped keeps its bytes.
 *
 * Owns the table. May call: public headers, fuzz_provider.h. Locking: none; one thread. O(input).
 */
#include <xvmalloc/handle_table.h>

#include "fuzz_hardening.h"
#include "fuzz_provider.h"

enum { OBJECTS = 64, MAPS = 24, STALE = 32, CALLS_MAX = 3000, OBJECT_BYTES_MAX = 100000 };

struct object {
	xv_id id; /* XV_NULL_ID: none */
	uint32_t size;
	uint32_t maps;
	unsigned char *bytes;
};

/* A map, with what must be there until it ends. */
struct map {
	struct xv_id_mapping mapping; /* ptr NULL: none */
	struct object *object;        /* NULL: it was freed */
	uint32_t size;
	unsigned char byte; /* of all its bytes, when it was freed */
};

static struct world {
	struct fuzz_input in;
	struct fuzz_provider p;
	struct xv_handle_table *table;
	struct xv_handle_table_options options;
	struct object object[OBJECTS];
	struct map map[MAPS];
	xv_id stale[STALE];
	uint32_t stales;
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
	return w.object[i].id != XV_NULL_ID;
}

/* The first live one from a drawn place on, or NULL. */
static struct object *draw_live(void)
{
	size_t i = fuzz_index(&w.in, OBJECTS, lives);

	return i < OBJECTS ? &w.object[i] : NULL;
}

static size_t draw_size(void)
{
	static const uint32_t most[] = {16, 128, 4096, OBJECT_BYTES_MAX};

	return 1 + fuzz_below(&w.in, most[fuzz_byte(&w.in) % 4]);
}

static void object_verify(const struct object *o)
{
	FUZZ_CHECK(xv_id_size(w.table, o->id) == (int)o->size);
	FUZZ_CHECK(xv_id_read(w.table, o->id, 0, scratch, o->size) == 0);
	FUZZ_CHECK(memcmp(scratch, o->bytes, o->size) == 0);
}

static void object_fill(struct object *o)
{
	fuzz_fill(o->bytes, o->size, ++w.fills);
	FUZZ_CHECK(xv_id_write(w.table, o->id, 0, o->bytes, o->size) == 0);
}

/* Its maps go on, over bytes that are all one byte. */
static void maps_part(const struct object *o)
{
	for (size_t i = 0; i < MAPS; i++) {
		struct map *map = &w.map[i];

		if (map->mapping.ptr == NULL || map->object != o)
			continue;
		map->object = NULL;
		map->size = o->size;
		map->byte = (unsigned char)w.fills;
		memset(map->mapping.ptr, map->byte, map->size);
	}
}

static void object_free(struct object *o)
{
	object_verify(o);
	maps_part(o);
	FUZZ_CHECK(xv_id_free(w.table, o->id) == 0);
	FUZZ_CHECK(xv_id_free(w.table, o->id) == -XV_EINVAL);
	w.stale[w.stales++ % STALE] = o->id;
	free(o->bytes);
	*o = (struct object){.id = XV_NULL_ID};
}

/* ---- calls ---- */

static void call_malloc(void)
{
	struct object *o = draw_object();
	size_t size = draw_size();
	xv_id id = XV_NULL_ID;
	int err;

	if (o->id != XV_NULL_ID)
		object_free(o);
	err = xv_id_malloc(w.table, size, &id);
	if (err != 0) {
		FUZZ_CHECK(fuzz_is_shortage(err) || err == -XV_E2BIG);
		FUZZ_CHECK(id == XV_NULL_ID);
		return;
	}
	FUZZ_CHECK(id != XV_NULL_ID);
	for (size_t i = 0; i < OBJECTS; i++)
		FUZZ_CHECK(w.object[i].id != id);
	*o = (struct object){.id = id, .size = (uint32_t)size, .bytes = malloc(size)};
	FUZZ_CHECK(o->bytes != NULL);
	object_fill(o);
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
	size_t size = draw_size(), kept;
	int err;

	if (o == NULL)
		return;
	err = xv_id_realloc(w.table, o->id, size);
	if (o->maps != 0)
		FUZZ_CHECK(err == -XV_EBUSY || err == -XV_E2BIG);
	if (err != 0) {
		FUZZ_CHECK(fuzz_is_shortage(err) || err == -XV_E2BIG || err == -XV_EBUSY);
		object_verify(o);
		return;
	}
	kept = size < o->size ? size : o->size;
	o->size = (uint32_t)size;
	FUZZ_CHECK(xv_id_size(w.table, o->id) == (int)size);
	FUZZ_CHECK(xv_id_read(w.table, o->id, 0, scratch, kept) == 0);
	FUZZ_CHECK(memcmp(scratch, o->bytes, kept) == 0);
	o->bytes = realloc(o->bytes, size);
	FUZZ_CHECK(o->bytes != NULL);
	object_fill(o);
}

static void call_copy(void)
{
	struct object *o = draw_live();
	size_t offset, length;
	int err;

	if (o == NULL)
		return;
	offset = fuzz_below(&w.in, o->size + 2);
	length = fuzz_below(&w.in, o->size + 2);
	if (length > sizeof(scratch))
		length = sizeof(scratch);
	fuzz_fill(scratch, length, ++w.fills);
	err = xv_id_write(w.table, o->id, offset, scratch, length);
	FUZZ_CHECK(err == (offset + length > o->size ? -XV_ERANGE : 0));
	if (err == 0)
		memcpy(o->bytes + offset, scratch, length);
	object_verify(o);
}

static void call_map(void)
{
	struct map *map = &w.map[fuzz_byte(&w.in) % MAPS];
	struct object *o = draw_live();
	int err;

	if (o == NULL || map->mapping.ptr != NULL)
		return;
	err = xv_id_map(w.table, o->id, &map->mapping);
	if (err != 0) {
		FUZZ_CHECK(err == -XV_ESPLIT || err == -XV_EAGAIN);
		FUZZ_CHECK(map->mapping.ptr == NULL);
		return;
	}
	FUZZ_CHECK(map->mapping.id == o->id && memcmp(map->mapping.ptr, o->bytes, o->size) == 0);
	map->object = o;
	o->maps++;
	memset(map->mapping.ptr, (int)fuzz_byte(&w.in), o->size);
	memcpy(o->bytes, map->mapping.ptr, o->size);
}

static void map_end(struct map *map)
{
	const unsigned char *at = map->mapping.ptr;

	if (map->object != NULL)
		map->object->maps--;
	for (uint32_t i = 0; map->object == NULL && i < map->size; i++)
		FUZZ_CHECK(at[i] == map->byte);
	FUZZ_CHECK(xv_id_unmap(w.table, &map->mapping) == 0);
	*map = (struct map){.object = NULL};
}

static void call_unmap(void)
{
	struct map *map = &w.map[fuzz_byte(&w.in) % MAPS];
	struct xv_id_mapping none = {.ptr = scratch, .id = w.stale[0]};

	if (map->mapping.ptr != NULL)
		map_end(map);
	else
		FUZZ_CHECK(xv_id_unmap(w.table, &none) == -XV_EINVAL);
}

static bool is_live(xv_id id)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].id == id)
			return true;
	}
	return false;
}

/* No table has lived long enough for a generation to come again. */
static void call_bad_id(void)
{
	xv_id id =
		fuzz_bool(&w.in) ? w.stale[fuzz_byte(&w.in) % STALE] : (xv_id)fuzz_number(&w.in, 4);
	struct xv_id_mapping mapping;

	if (id != XV_NULL_ID && is_live(id))
		return;
	FUZZ_CHECK(xv_id_size(w.table, id) == -XV_EINVAL);
	FUZZ_CHECK(xv_id_free(w.table, id) == -XV_EINVAL);
	FUZZ_CHECK(xv_id_realloc(w.table, id, 5) == -XV_EINVAL);
	FUZZ_CHECK(xv_id_map(w.table, id, &mapping) == -XV_EINVAL);
	FUZZ_CHECK(xv_id_read(w.table, id, 0, scratch, 0) == -XV_EINVAL);
}

static void call_compact(void)
{
	struct xv_compact_report report = {.more = true};
	uint32_t steps = 1 + fuzz_below(&w.in, 64);
	size_t step_bytes = fuzz_below(&w.in, 1U << 16);

	for (uint32_t i = 0; i < steps && report.more; i++)
		FUZZ_CHECK(xv_handle_table_compact(w.table, step_bytes, &report) == 0);
}

static void call_provider(void)
{
	fuzz_provider_fail(&w.p, &w.in);
}

static void prove(void)
{
	struct xv_check_report report;
	struct xv_handle_table_stats s;
	int err = xv_handle_table_check(w.table, XV_CHECK_DEEP, &report);

	if (err != 0)
		(void)fprintf(stderr, "invariant %u, page %u, offset %u: %s\n", report.invariant,
			      report.page, report.offset, report.message);
	FUZZ_CHECK(err == 0);
	xv_handle_table_get_stats(w.table, &s);
	FUZZ_CHECK(s.held_bytes == s.pool.held_bytes + s.table_bytes && s.ids <= s.rows);
	FUZZ_CHECK(s.ids == s.pool.objects);
}

static void call_whole(void)
{
	switch (fuzz_below(&w.in, 4)) {
	case 0:
		(void)xv_handle_table_trim(w.table);
		break;
	case 1:
		xv_handle_table_set_limit(w.table, fuzz_bool(&w.in) ? 0 : fuzz_number(&w.in, 3));
		break;
	case 2:
		xv_handle_table_lock_all(w.table);
		xv_handle_table_unlock_all(w.table);
		break;
	default:
		prove();
	}
}

/* ---- a run ---- */

static void draw_options(void)
{
	static const uint32_t alignments[] = {0, 4, 8, 16}, ids[] = {0, 8, 300, 100000, XV_IDS_MAX};

	xv_handle_table_options_init(&w.options);
	w.options.pool.flags = fuzz_below(&w.in, 4); /* XV_POOL_SPLIT, XV_POOL_OWNERS */
	fuzz_draw_hardening(&w.options.pool, &w.in);
	w.options.pool.alignment = alignments[fuzz_below(&w.in, 4)];
	w.options.pool.lock = (enum xv_lock_kind)fuzz_below(&w.in, 4);
	w.options.pool.shards = fuzz_below(&w.in, 4);
	if (fuzz_bool(&w.in))
		w.options.pool.limit_bytes = 1 + fuzz_number(&w.in, 3);
	w.options.max_ids = ids[fuzz_below(&w.in, 5)];
}

static void run(void)
{
	static void (*const calls[])(void) = {
		call_malloc, call_malloc,  call_malloc,   call_free,   call_realloc,
		call_copy,   call_map,     call_unmap,    call_bad_id, call_compact,
		call_copy,   call_compact, call_provider, call_whole};

	for (uint32_t i = 0; w.in.left != 0 && i < CALLS_MAX; i++)
		calls[fuzz_below(&w.in, sizeof(calls) / sizeof(calls[0]))]();
	fault_provider_heal(&w.p.fault);
	prove();
	for (size_t i = 0; i < OBJECTS; i++) {
		if (w.object[i].id != XV_NULL_ID)
			object_free(&w.object[i]);
	}
	for (size_t i = 0; i < MAPS; i++) {
		if (w.map[i].mapping.ptr != NULL)
			map_end(&w.map[i]);
	}
	prove();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	memset(&w, 0, sizeof(w));
	w.in = (struct fuzz_input){.at = data, .left = bytes};
	/* A buffer has no memory for tables. */
	if (!fuzz_provider_make(&w.p, &w.in, FUZZ_BUFFER))
		return 0;
	draw_options();
	if (xv_handle_table_create(&w.table, &w.p.fault.provider, &w.options) == 0) {
		run();
		xv_handle_table_destroy(w.table);
	}
	fuzz_provider_end(&w.p);
	return 0;
}
