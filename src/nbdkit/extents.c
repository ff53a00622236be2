/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * extents.c: which parts of the disk hold data; see extents.h.
 *
 * Walks over the pages that hold something, and collects runs of one kind, so that nbdkit is called
 * once for each. Gaps between visited pages are holes.
 *
 * Owns nothing. May call: ramz, nbdkit_add_extent. Locking: none; pages written during the walk may
 * be seen or not.
 */
#include "extents.h"

#include <assert.h>

#include "nbdkit_api.h"

/* An answer may be shorter than asked for, so that a full disk does not keep a thread for long. */
enum { PAGES_MAX = 1 << 17, EXTENTS_MAX = 1 << 14 };

enum { KIND_DATA = 0, KIND_HOLE = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO };

struct collector {
	struct nbdkit_extents *extents;
	uint64_t page_bytes;
	uint64_t from; /* start of the run; everything below is reported */
	uint64_t at;   /* its present end */
	uint64_t end;  /* of the range asked for */
	uint32_t kind; /* of the run */
	bool one_only;
	uint32_t pages; /* visited */
	uint32_t runs;  /* reported */
};

enum { COLLECT_FAILED = -1, COLLECT_ON = 0, COLLECT_ENOUGH = 1 };

static int run_report(struct collector *c)
{
	assert(c->from <= c->at && c->at <= c->end);
	if (c->from == c->at)
		return COLLECT_ON;
	if (nbdkit_add_extent(c->extents, c->from, c->at - c->from, c->kind) < 0)
		return COLLECT_FAILED;
	c->from = c->at;
	c->runs++;
	return c->one_only || c->runs == EXTENTS_MAX ? COLLECT_ENOUGH : COLLECT_ON;
}

/* Extend the run to `to`, or end it and begin another. */
static int run_extend(struct collector *c, uint32_t kind, uint64_t to)
{
	int result = COLLECT_ON;

	if (to > c->end)
		to = c->end;
	if (to <= c->at)
		return COLLECT_ON;
	if (kind != c->kind)
		result = run_report(c);
	if (result != COLLECT_ON)
		return result;
	c->kind = kind;
	c->at = to;
	return COLLECT_ON;
}

static int collect_page(void *context, uint64_t page, const struct ramz_page_info *info)
{
	struct collector *c = context;
	uint64_t begin = page * c->page_bytes;
	bool zero = info->kind == RAMZ_PAGE_SAME_FILLED && info->word == 0;
	int result;

	if (begin >= c->end)
		return COLLECT_ENOUGH;
	result = run_extend(c, KIND_HOLE, begin);
	if (result == COLLECT_ON)
		result = run_extend(c, zero ? KIND_HOLE : KIND_DATA, begin + c->page_bytes);
	if (result == COLLECT_ON && ++c->pages == PAGES_MAX)
		result = COLLECT_ENOUGH;
	return result;
}

/* Report the rest after the walk: a hole, unless the walk was cut short. After a damaged page it
 * is data, which is always allowed; a read then reports the damage. */
static int collect_rest(struct collector *c, int result)
{
	uint32_t rest = result < COLLECT_FAILED ? KIND_DATA : KIND_HOLE;
	bool cut = c->pages == PAGES_MAX || c->runs == EXTENTS_MAX || (c->one_only && c->runs != 0);

	if (result == COLLECT_FAILED || cut)
		return result == COLLECT_FAILED ? result : run_report(c);
	result = run_extend(c, rest, c->end);
	return result == COLLECT_ON ? run_report(c) : result;
}

int rzn_disk_extents(struct rzn_disk *disk, uint32_t count, uint64_t offset, bool one_only,
		     struct nbdkit_extents *extents)
{
	struct collector c = {.extents = extents,
			      .page_bytes = disk->page_bytes,
			      .from = offset,
			      .at = offset,
			      .end = offset + count,
			      .one_only = one_only};
	int result = ramz_walk(disk->store, offset / disk->page_bytes, collect_page, &c);

	return collect_rest(&c, result) == COLLECT_FAILED ? -1 : 0;
}
