/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * map.c: the pages of an xvmalloc pool as a picture; see report.h. A page is a row, from its first
 * byte on the left to its last one on the right: dark where an object lies, light where memory is
 * held for none, white where there is no memory. The picture is SVG, as one path for each colour.
 *
 * Owns a pool for the time of the call, and the handles of its objects by slot. It sees the
 * pool through its public header: a handle names the page and the place in it.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

#define MAP_GRAIN_BYTES 4096U  /* pages have memory in parts of this size */
#define MAP_HEADER_BYTES 4U    /* in front of an object, so that its grain is held too */
#define MAP_BYTES_A_PIXEL 192U /* across */
#define MAP_HEIGHT 900U        /* of the rows, pixels: a row has 1 to 8 */
#define MAP_GAP 30U            /* between the pictures and around them */
#define MAP_TEXT_HEIGHT 64U

struct map {
	struct xv_provider *provider;
	struct xv_pool *pool;
	uint32_t page_bytes;
	uint64_t slots;
	xv_handle *handle; /* by slot; XV_NULL_HANDLE where it is empty */
};

/* ---- the pool ------------------------------------------------------------- */

static int map_relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	struct map *map = context;

	if (map->handle[owner] != from)
		return -1;
	map->handle[owner] = to;
	return 0;
}

static const struct xv_owner_ops map_owner_ops = {.relocated = map_relocated};

static int map_create(struct map *map, const struct xvm_workload *workload, uint64_t seed)
{
	struct xv_provider_mmap_options provider;
	struct xv_pool_options options;
	int err;

	map->slots = workload->head.slots;
	map->handle = xvm_calloc((size_t)map->slots, sizeof(*map->handle));
	xv_provider_mmap_options_init(&provider);
	map->page_bytes = provider.page_bytes;
	xv_pool_options_init(&options);
	options.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	options.owner_ops = &map_owner_ops;
	options.owner_context = map;
	options.seed = (uint32_t)seed;
	options.shards = 1;
	err = xv_provider_mmap_create(&map->provider, &provider);
	return err != 0 ? err : xv_pool_create(&map->pool, map->provider, &options);
}

static void map_destroy(struct map *map)
{
	xv_pool_destroy(map->pool);
	if (map->provider != NULL)
		xv_provider_mmap_destroy(map->provider);
	free(map->handle);
}

static int map_play(struct map *map, const struct xvm_workload *workload)
{
	for (uint64_t i = 0; i < workload->head.ops; i++) {
		const struct xvm_op *op = &workload->ops[i];
		xv_handle old = map->handle[op->slot];
		int err = 0;

		map->handle[op->slot] = XV_NULL_HANDLE;
		if (op->source != XVM_NO_SOURCE)
			err = xv_malloc_owned(map->pool, workload->sizes.items[op->source],
					      op->slot, &map->handle[op->slot]);
		if (err == 0 && old != XV_NULL_HANDLE)
			err = xv_free(map->pool, old);
		if (err != 0)
			return err;
	}
	return 0;
}

static int map_compact(struct map *map)
{
	struct xv_compact_report report;
	int err;

	do {
		err = xv_compact(map->pool, 0, &report);
	} while (err == 0 && report.more);
	return err;
}

/* ---- the picture ---------------------------------------------------------- */

/* What one picture is drawn from. */
struct map_picture {
	const struct map *map;
	uint8_t *held;  /* by grain of all pages */
	uint32_t pages; /* highest one with an object, and one */
	uint64_t split; /* objects in pieces, which are left out */
	uint64_t live_bytes;
	struct xv_pool_stats stats;
};

static void picture_look(struct map_picture *p, const struct map *map)
{
	uint32_t grains = map->page_bytes / MAP_GRAIN_BYTES;

	*p = (struct map_picture){.map = map};
	xv_pool_get_stats(map->pool, &p->stats);
	for (uint64_t i = 0; i < map->slots; i++) {
		if (map->handle[i] != XV_NULL_HANDLE && xv_handle_page(map->handle[i]) >= p->pages)
			p->pages = xv_handle_page(map->handle[i]) + 1;
	}
	p->held = xvm_calloc((size_t)p->pages * grains, 1);
	for (uint64_t i = 0; i < map->slots; i++) {
		xv_handle handle = map->handle[i];
		uint32_t offset = xv_handle_offset(handle), bytes;

		if (handle == XV_NULL_HANDLE)
			continue;
		bytes = (uint32_t)xv_object_size(map->pool, handle);
		p->live_bytes += bytes;
		if (xv_address_of(map->pool, handle) == NULL) {
			p->split++;
			continue;
		}
		for (uint32_t g = (offset - MAP_HEADER_BYTES) / MAP_GRAIN_BYTES;
		     g <= (offset + bytes - 1) / MAP_GRAIN_BYTES; g++)
			p->held[(size_t)xv_handle_page(handle) * grains + g] = 1;
	}
}

/* Bytes [from, from + bytes) of a page as a rectangle of a path. */
static void picture_bytes(const struct map_picture *p, uint32_t page, uint32_t from, uint32_t bytes,
			  double row, FILE *out)
{
	(void)p;
	fprintf(out, "M%.1f %.2fh%.1fv%.2fh-%.1fz", from / (double)MAP_BYTES_A_PIXEL, page * row,
		bytes / (double)MAP_BYTES_A_PIXEL, row, bytes / (double)MAP_BYTES_A_PIXEL);
}

static void picture_held(const struct map_picture *p, double row, FILE *out)
{
	uint32_t grains = p->map->page_bytes / MAP_GRAIN_BYTES;

	for (uint32_t page = 0; page < p->pages; page++) {
		const uint8_t *held = p->held + (size_t)page * grains;

		for (uint32_t g = 0, end; g < grains; g = end) {
			for (end = g + 1; end < grains && held[end] == held[g]; end++)
				continue;
			if (held[g])
				picture_bytes(p, page, g * MAP_GRAIN_BYTES,
					      (end - g) * MAP_GRAIN_BYTES, row, out);
		}
	}
}

static void picture_objects(const struct map_picture *p, double row, FILE *out)
{
	for (uint64_t i = 0; i < p->map->slots; i++) {
		xv_handle handle = p->map->handle[i];

		if (handle != XV_NULL_HANDLE && xv_address_of(p->map->pool, handle) != NULL)
			picture_bytes(p, xv_handle_page(handle), xv_handle_offset(handle),
				      (uint32_t)xv_object_size(p->map->pool, handle), row, out);
	}
}

static void picture_write(const struct map_picture *p, const char *title, unsigned left,
			  unsigned width, double row, FILE *out)
{
	fprintf(out,
		"<g transform=\"translate(%u,%u)\">\n"
		"<text y=\"-42\" font-weight=\"bold\">%s</text>\n"
		"<text y=\"-26\">%.1f MiB held for %.1f MiB of objects: overhead %.3f</text>\n"
		"<text y=\"-10\">%" PRIu32 " pages of %" PRIu32 " KiB; not drawn: %" PRIu64
		" objects in pieces</text>\n"
		"<rect width=\"%u\" height=\"%.2f\" fill=\"none\" stroke=\"#999\"/>\n"
		"<path stroke=\"none\" fill=\"#f4c27a\" d=\"",
		left, MAP_GAP + MAP_TEXT_HEIGHT, title, (double)p->stats.held_bytes / 1048576,
		(double)p->live_bytes / 1048576,
		(double)p->stats.held_bytes / (double)p->live_bytes, p->pages,
		p->map->page_bytes / 1024, p->split, width, p->pages * row);
	picture_held(p, row, out);
	fputs("\"/>\n<path stroke=\"none\" fill=\"#1f5fa8\" d=\"", out);
	picture_objects(p, row, out);
	fputs("\"/>\n</g>\n", out);
}

/* Both side by side, rows of one height. What is drawn last is on the left. */
static int map_write(struct map *map, const char *path)
{
	unsigned width = map->page_bytes / MAP_BYTES_A_PIXEL;
	FILE *out = xvm_output_open(path);
	struct map_picture p;
	double row;
	int err;

	if (out == NULL)
		return XVM_FAILED;
	picture_look(&p, map);
	row = (double)MAP_HEIGHT / p.pages;
	row = row < 1 ? 1 : row > 8 ? 8 : row;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%.0f\" "
		"stroke=\"none\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"%u\" y=\"20\">A row is a page. Blue: objects; orange: held for none; "
		"white: no memory.</text>\n",
		2 * width + 3 * MAP_GAP, p.pages * row + 2 * MAP_GAP + MAP_TEXT_HEIGHT, MAP_GAP);
	picture_write(&p, "before compaction", MAP_GAP, width, row, out);
	free(p.held);
	err = map_compact(map);
	if (err == 0) {
		picture_look(&p, map);
		picture_write(&p, "after compaction", width + 2 * MAP_GAP, width, row, out);
		free(p.held);
	} else {
		xvm_error("no map: compaction failed: %s", xv_strerror(err));
	}
	fputs("</svg>\n", out);
	return xvm_output_close(out, path) == 0 && err == 0 ? 0 : XVM_FAILED;
}

int xvf_write_map(const struct xvm_workload *workload, uint64_t seed, const char *path)
{
	struct map map = {.pool = NULL};
	int err = map_create(&map, workload, seed);
	int result = XVM_FAILED;

	if (err == 0)
		err = map_play(&map, workload);
	if (err == 0)
		result = map_write(&map, path);
	else
		xvm_error("no map: the pool failed: %s", xv_strerror(err));
	map_destroy(&map);
	return result;
}
