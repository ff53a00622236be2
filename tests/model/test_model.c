/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The model test: random calls on a pool and on a list of what it should hold, over
 * every provider, page size and alignment, with and without splitting and owners.
 * Contents are verified as objects are touched, and all of them at the deep check every
 * CHECK_INTERVAL calls. Repeat a run with XV_SEED, make it longer with XV_OPS (calls a
 * combination). May call: public headers. One thread.
 */
#include "pool_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <unistd.h>
#endif

#include "digest.h"
#include "pattern.h"
#include "shadow.h"

enum {
	OPS_DEFAULT = 600,
	CHECK_INTERVAL = 100,
	MAPS_MAX = 4,
	MODEL_PAGES = 40,
	ALIGNMENT_MAX = 256,
	RUNS_IN_ALL = 108 /* with all flags, over all providers and alignments of a Linux */
};

/* A map that the model holds. The object stays while it does. */
struct model_map {
	xv_handle handle;
	void *ptr;
};

struct model {
	struct pool_fixture *f;
	struct shadow shadow;
	struct model_map maps[MAPS_MAX];
	size_t map_count;
	uint64_t limit;
	uint32_t flags; /* XV_POOL_* */
};

static uint32_t runs;   /* so far, of all providers and alignments */
static uint64_t digest; /* of the statistics after each call of all runs so far */

/* All numbers, in their order: those behind remote_waiting are no results. */
static void note_stats(const struct xv_pool_stats *stats)
{
	const uint64_t *number = &stats->held_bytes;

	for (size_t i = 0; i < offsetof(struct xv_pool_stats, shards) / sizeof(*number); i++)
		digest_add(&digest, number[i]);
}

static size_t below(struct model *m, size_t bound)
{
	return random_below(&m->f->random, bound);
}

static size_t any_object(struct model *m)
{
	return below(m, m->shadow.count);
}

static bool is_mapped(const struct model *m, xv_handle handle)
{
	for (size_t i = 0; i < m->map_count; i++) {
		if (m->maps[i].handle == handle)
			return true;
	}
	return false;
}

/* What may go wrong for want of room. */
static void assert_room_error(const struct model *m, int err)
{
	if (err != 0 && err != -XV_ENOMEM)
		assert_int_equal(err, -XV_ENOSPC);
	if (err == -XV_ENOSPC)
		assert_int_not_equal(m->limit, 0);
}

static size_t any_size(struct model *m)
{
	size_t size = random_size(&m->f->random, m->f->page_bytes);

	if ((m->flags & XV_POOL_SPLIT) != 0 && m->f->page_bytes <= 16384 && below(m, 40) == 0)
		size = 1 + below(m, 65536 - 1);
	if (size > xv_pool_max_size(m->f->pool))
		size = xv_pool_max_size(m->f->pool);
	return size;
}

/* ---- the calls ---- */

static void op_malloc(struct model *m)
{
	size_t size = any_size(m);

	assert_room_error(m, shadow_malloc(&m->shadow, size, 0));
}

static void op_malloc_aligned(struct model *m)
{
	size_t alignment = (size_t)1 << below(m, 9);
	size_t size = 1 + below(m, m->f->page_bytes);
	int err = shadow_malloc(&m->shadow, size, alignment);

	if (err == -XV_E2BIG)
		assert_true(size + alignment + 32 > m->f->page_bytes);
	else
		assert_room_error(m, err);
}

static void op_calloc(struct model *m)
{
	assert_room_error(m, shadow_calloc(&m->shadow, any_size(m)));
}

static void op_free(struct model *m)
{
	size_t i = any_object(m);
	xv_handle handle = m->shadow.objects[i].handle;

	if (is_mapped(m, handle))
		return;
	assert_int_equal(shadow_free(&m->shadow, i), 0);
	assert_int_equal(xv_object_size(m->f->pool, handle), -XV_EINVAL);
	assert_int_equal(xv_free(m->f->pool, handle), -XV_EINVAL);
}

static void op_realloc(struct model *m)
{
	size_t i = any_object(m);
	size_t size = any_size(m);
	int err;

	if (is_mapped(m, m->shadow.objects[i].handle))
		return;
	err = shadow_realloc(&m->shadow, i, size);
	if (err == -XV_EBUSY)
		assert_int_not_equal(m->map_count, 0);
	else if (err == -XV_E2BIG) /* one of xv_malloc_aligned's keeps its alignment */
		assert_true(size + ALIGNMENT_MAX + 32 > m->f->page_bytes);
	else
		assert_room_error(m, err);
}

static void op_write(struct model *m)
{
	assert_int_equal(shadow_fill(&m->shadow, any_object(m)), 0);
}

static void op_read(struct model *m)
{
	shadow_verify(&m->shadow, any_object(m));
}

/* A part of an object, and a range that is not one. */
static void op_read_part(struct model *m)
{
	const struct shadow_object *object = &m->shadow.objects[any_object(m)];
	unsigned char byte;
	size_t at = below(m, object->size);

	assert_int_equal(xv_read(m->f->pool, object->handle, at, &byte, 1), 0);
	assert_int_equal(byte, pattern_byte(object->pattern, at));
	assert_int_equal(xv_read(m->f->pool, object->handle, object->size, &byte, 1), -XV_ERANGE);
}

static void op_map(struct model *m)
{
	const struct shadow_object *object = &m->shadow.objects[any_object(m)];
	struct model_map *map = &m->maps[m->map_count];
	int err;

	if (m->map_count == MAPS_MAX)
		return;
	err = xv_map(m->f->pool, object->handle, &map->ptr);
	if (err != 0) {
		assert_true(err == -XV_EAGAIN || err == -XV_ESPLIT);
		assert_true(err != -XV_ESPLIT || (m->flags & XV_POOL_SPLIT) != 0);
		return;
	}
	assert_true(pattern_matches(map->ptr, object->size, object->pattern));
	map->handle = object->handle;
	m->map_count++;
	m->f->maps = m->f->fault.mapped_now;
}

static void unmap_last(struct model *m)
{
	const struct model_map *map = &m->maps[--m->map_count];

	assert_int_equal(xv_unmap(m->f->pool, map->handle, map->ptr), 0);
	m->f->maps = m->f->fault.mapped_now;
}

static void op_unmap(struct model *m)
{
	if (m->map_count > 0)
		unmap_last(m);
}

static void op_trim(struct model *m)
{
	uint64_t held = fixture_stats(m->f).held_bytes;

	(void)xv_pool_trim(m->f->pool);
	assert_true(fixture_stats(m->f).held_bytes <= held);
}

static void op_limit(struct model *m)
{
	uint64_t held = fixture_stats(m->f).held_bytes;

	m->limit = below(m, 3) == 0 ? held + below(m, 6 * m->f->page_bytes) : 0;
	xv_pool_set_limit(m->f->pool, m->limit);
}

struct visits {
	struct model *m;
	size_t count;
	uint64_t bytes;
};

static int visit(void *context, xv_handle handle, size_t size)
{
	struct visits *v = context;

	assert_int_equal(xv_object_size(v->m->f->pool, handle), (int)size);
	v->count++;
	v->bytes += size;
	return 0;
}

static void op_walk(struct model *m)
{
	struct visits v = {.m = m};

	assert_int_equal(xv_pool_walk(m->f->pool, visit, &v), 0);
	assert_int_equal(v.count, m->shadow.count);
	assert_int_equal(v.bytes, m->shadow.requested_bytes);
}

static void op_bad_handle(struct model *m)
{
	const struct shadow_object *object = &m->shadow.objects[any_object(m)];
	xv_handle bad = object->handle ^ (xv_handle)1 << (48 + below(m, 16));

	assert_int_equal(xv_free(m->f->pool, bad), -XV_EINVAL);
	bad = object->handle + m->f->alignment;
	assert_int_equal(xv_free(m->f->pool, bad), -XV_EINVAL);
}

static void op_free_many(struct model *m)
{
	for (size_t n = below(m, 30); n > 0 && m->shadow.count > 0; n--)
		op_free(m);
}

/* The weights make a pool that fills slowly and is often partly emptied. */
struct op {
	void (*run)(struct model *m);
	unsigned weight;
	bool needs_object;
};

static const struct op ops[] = {
	{op_malloc, 30, false}, {op_malloc_aligned, 4, false}, {op_calloc, 3, false},
	{op_free, 20, true},    {op_realloc, 12, true},        {op_write, 6, true},
	{op_read, 8, true},     {op_read_part, 4, true},       {op_map, 3, true},
	{op_unmap, 3, false},   {op_trim, 1, false},           {op_limit, 2, false},
	{op_walk, 1, false},    {op_bad_handle, 2, true},      {op_free_many, 1, true},
};

static const struct op *any_op(struct model *m)
{
	size_t total = 0, at;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	at = below(m, total);
	for (size_t i = 0;; i++) {
		if (at < ops[i].weight)
			return &ops[i];
		at -= ops[i].weight;
	}
}

/* ---- a run ---- */

static void model_check(struct model *m)
{
	fixture_check(m->f);
	assert_int_equal(fixture_stats(m->f).objects, m->shadow.count);
	assert_int_equal(fixture_stats(m->f).requested_bytes, m->shadow.requested_bytes);
	shadow_verify_all(&m->shadow);
}

static void model_end(struct model *m)
{
	while (m->map_count > 0)
		unmap_last(m);
	model_check(m);
	xv_pool_set_limit(m->f->pool, 0);
	shadow_free_all(&m->shadow);
	fixture_check(m->f);
	(void)xv_pool_trim(m->f->pool);
	assert_int_equal(m->f->fault.pages_now, 0);
	shadow_fini(&m->shadow);
}

static void model_run(struct pool_fixture *f, uint32_t flags)
{
	struct model m = {.f = f, .flags = flags};
	uint64_t count = test_repeats("XV_OPS", OPS_DEFAULT);
	struct xv_pool_options options;
	struct xv_pool_stats stats;

	fixture_options(f, &options);
	options_set_flags(&options, flags);
	fixture_remake(f, MODEL_PAGES, &options, 0);
	shadow_init(&m.shadow, f->pool);
	runs++;
	for (uint64_t i = 1; i <= count; i++) {
		const struct op *op = any_op(&m);

		if (op->needs_object && m.shadow.count == 0)
			continue;
		op->run(&m);
		stats = fixture_stats(f);
		note_stats(&stats);
		if (i % CHECK_INTERVAL == 0)
			model_check(&m);
	}
	model_end(&m);
}

static void a_pool_holds_what_it_should(struct pool_fixture *f)
{
	model_run(f, 0);
}

static void a_pool_that_splits_holds_what_it_should(struct pool_fixture *f)
{
	model_run(f, XV_POOL_SPLIT);
}

static void a_pool_with_owners_holds_what_it_should(struct pool_fixture *f)
{
	model_run(f, XV_POOL_OWNERS);
}

static void a_pool_with_both_holds_what_it_should(struct pool_fixture *f)
{
	model_run(f, XV_POOL_SPLIT | XV_POOL_OWNERS);
}

/* Statistics count memory, of which pointers and the system's pages take as much as they do; a
 * build for the tools has other alignments. */
static void all_of_it_is_the_same_everywhere(struct pool_fixture *f)
{
	(void)f;
#if defined(__linux__) && !defined(TEST_WITH_TOOLS)
	static const struct digest_known known = {OPS_DEFAULT, 0xCADB8F0DDECE1345U};

	if (sizeof(void *) == 8 && sysconf(_SC_PAGESIZE) == 4096 && runs == RUNS_IN_ALL &&
	    getenv("XV_SEED") == NULL)
		digest_verify(digest, test_repeats("XV_OPS", OPS_DEFAULT), &known, 1);
#endif
}

static const struct pool_test tests[] = {
	POOL_TEST(a_pool_holds_what_it_should, EACH_ALIGNMENT),
	POOL_TEST(a_pool_that_splits_holds_what_it_should, EACH_ALIGNMENT),
	POOL_TEST(a_pool_with_owners_holds_what_it_should, EACH_ALIGNMENT),
	POOL_TEST(a_pool_with_both_holds_what_it_should, EACH_ALIGNMENT),
	POOL_TEST(all_of_it_is_the_same_everywhere, ANYWHERE_ONCE),
};

int main(int argc, char **argv)
{
	return pool_tests_run("model", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
