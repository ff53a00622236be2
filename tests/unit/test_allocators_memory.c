/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The allocators that have memory: every object's contents are its own until it is
 * freed. Two objects that overlap would spoil each other's bytes.
 */
#include "test_allocators_support.h"

#include <errno.h>
#include <unistd.h>

enum { OBJECTS = 300, STEPS = 3000, COMPACT_OBJECTS = 800 };

struct shadow {
	uint64_t token;
	size_t size;   /* 0: not live */
	uint64_t fill; /* seed of the contents */
};

struct subject {
	const struct xvfrag_plugin *plugin;
	void *heap;
	unsigned char *pattern; /* of max_size bytes */
	size_t max_size;
	uint64_t seed;
};

static void pattern_make(struct subject *subject, const struct shadow *shadow)
{
	uint64_t state = shadow->fill;
	size_t i;

	for (i = 0; i < shadow->size; i++)
		subject->pattern[i] = (unsigned char)(test_random(&state) >> 32);
}

static void object_verify(struct subject *subject, const struct shadow *shadow)
{
	static unsigned char copy[TEST_SIZE_MAX];

	assert_int_equal(
		xvm_object_read(subject->plugin, subject->heap, shadow->token, copy, shadow->size),
		0);
	pattern_make(subject, shadow);
	assert_memory_equal(copy, subject->pattern, shadow->size);
}

static void object_fill(struct subject *subject, const struct shadow *shadow)
{
	pattern_make(subject, shadow);
	assert_int_equal(xvm_object_write(subject->plugin, subject->heap, shadow->token,
					  subject->pattern, shadow->size),
			 0);
}

/* The bytes that both sizes have stay. */
static void object_resize(struct subject *subject, struct shadow *shadow)
{
	size_t size = 1 + (size_t)(test_random(&subject->seed) % subject->max_size);
	size_t old = shadow->size;

	assert_int_equal(subject->plugin->resize(subject->heap, &shadow->token, old, size), 0);
	shadow->size = size < old ? size : old;
	object_verify(subject, shadow);
	shadow->size = size;
	object_fill(subject, shadow);
}

static void object_free(struct subject *subject, struct shadow *shadow)
{
	if (shadow->size == 0)
		return;
	object_verify(subject, shadow);
	assert_int_equal(subject->plugin->free(subject->heap, shadow->token, shadow->size), 0);
	shadow->size = 0;
}

static void object_make(struct subject *subject, struct shadow *shadow)
{
	shadow->size = 1 + (size_t)(test_random(&subject->seed) % subject->max_size);
	if (test_random(&subject->seed) % 4 == 0)
		shadow->size = 1 + shadow->size % 64;
	shadow->fill = test_random(&subject->seed) | 1;
	shadow->token = test_alloc(subject->plugin, subject->heap, shadow->size);
	object_fill(subject, shadow);
}

static uint64_t held_bytes(const struct subject *subject)
{
	if (subject->plugin->held_bytes == NULL)
		return UINT64_MAX;
	return subject->plugin->held_bytes(subject->heap);
}

static void subject_run(struct subject *subject)
{
	struct shadow objects[OBJECTS] = {{0, 0, 0}};
	uint64_t requested = 0;
	int step;

	for (step = 0; step < STEPS; step++) {
		struct shadow *shadow = &objects[test_random(&subject->seed) % OBJECTS];

		requested -= shadow->size;
		if (shadow->size != 0 && test_random(&subject->seed) % 4 == 0) {
			object_resize(subject, shadow);
		} else {
			object_free(subject, shadow);
			if (test_random(&subject->seed) % 4 != 0)
				object_make(subject, shadow);
		}
		requested += shadow->size;
		assert_true(held_bytes(subject) >= requested);
	}
	for (step = 0; step < OBJECTS; step++)
		object_free(subject, &objects[step]);
}

/* Pages of highmem are OS pages or more; of larger ones qemu-user maps not all (providers.c). */
static bool may_be_missing(const char *spec)
{
	return strstr(spec, "highmem") != NULL && sysconf(_SC_PAGESIZE) != 4096;
}

static void run(const char *spec, size_t max_size)
{
	const char *settings;
	const struct xvfrag_plugin *plugin = xvm_entry_find(spec, &settings)->plugin;
	struct subject subject = {
		.plugin = plugin,
		.heap = test_heap(plugin, settings),
		.pattern = malloc(max_size),
		.max_size = max_size,
		.seed = test_seed(),
	};

	assert_non_null(subject.pattern);
	subject_run(&subject);
	plugin->destroy(subject.heap);
	free(subject.pattern);
}

static void objects_keep_their_contents(void **state)
{
	static const char *const specs[] = {
		"glibc",
		"tlsf",
		"xvmalloc",
		"xvmalloc:page=16K",
		"xvmalloc:page=4K",
		"xvmalloc:provider=highmem:page=4K",
		"xvmalloc:provider=buffer:page=4K",
		"xvmalloc-nosplit:provider=highmem",
		"xvmalloc-nosplit:provider=buffer:lock=none:shards=1",
		"xvmalloc-keyed",
		"xvmalloc-hardened",
		"xvmalloc-heap",
		"xvmalloc-heap:lock=none",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		if (!may_be_missing(specs[i]))
			run(specs[i], 4000);
	}
	run("tlsf", TEST_SIZE_MAX);
	run("xvmalloc", TEST_SIZE_MAX);
}

/* Larger than a page: in pieces for the one, too large for the other. */
static void xvmalloc_takes_objects_larger_than_a_page(void **state)
{
	const struct xvfrag_plugin *plugin = &xvm_allocator_xvmalloc;
	const struct xvfrag_plugin *nosplit = &xvm_allocator_xvmalloc_nosplit;
	void *heap = test_heap(plugin, "page=4K"), *whole = test_heap(nosplit, "page=4K");
	uint64_t token;

	(void)state;
	assert_int_equal(plugin->alloc(heap, 20000, 3, &token), 0);
	assert_int_equal(plugin->split_objects(heap), 1);
	plugin->destroy(heap);
	assert_int_equal(nosplit->alloc(whole, 20000, 3, &token), -E2BIG);
	nosplit->destroy(whole);
}

/* ---- compaction ---- */

/* A runner's table of objects, by index. */
struct table {
	struct subject subject;
	struct shadow objects[COMPACT_OBJECTS];
	uint32_t stays; /* this one's move is refused */
	unsigned moved; /* objects that moved, count */
};

static int table_moved(void *context, uint32_t index, uint64_t from, uint64_t to)
{
	struct table *table = context;

	assert_true(index < COMPACT_OBJECTS);
	assert_int_not_equal(table->objects[index].size, 0);
	if (index == table->stays || table->objects[index].token != from)
		return -EBUSY;
	table->objects[index].token = to;
	table->moved++;
	return 0;
}

static void table_make(struct table *table, uint32_t index)
{
	struct subject *subject = &table->subject;
	struct shadow *shadow = &table->objects[index];

	shadow->size = 1 + (size_t)(test_random(&subject->seed) % subject->max_size);
	shadow->fill = test_random(&subject->seed) | 1;
	assert_int_equal(subject->plugin->alloc(subject->heap, shadow->size, index, &shadow->token),
			 0);
	object_fill(subject, shadow);
}

static struct table *table_new(const char *settings)
{
	const struct xvfrag_plugin *plugin = &xvm_allocator_xvmalloc;
	struct table *table = calloc(1, sizeof(*table));

	assert_non_null(table);
	table->subject = (struct subject){
		.plugin = plugin,
		.heap = test_heap_moved(plugin, settings, table_moved, table),
		.pattern = malloc(700),
		.max_size = 700,
		.seed = test_seed(),
	};
	table->stays = UINT32_MAX;
	for (uint32_t i = 0; i < COMPACT_OBJECTS; i++)
		table_make(table, i);
	for (uint32_t i = 0; i < COMPACT_OBJECTS; i++) {
		if (i % 8 != 0)
			object_free(&table->subject, &table->objects[i]);
	}
	return table;
}

/* object_free verifies what it frees. */
static void table_end(struct table *table)
{
	for (uint32_t i = 0; i < COMPACT_OBJECTS; i++)
		object_free(&table->subject, &table->objects[i]);
	table->subject.plugin->destroy(table->subject.heap);
	free(table->subject.pattern);
	free(table);
}

/* A whole cycle. Returns the bytes that it moved; the number of its steps in *steps. */
static uint64_t table_compact(struct table *table, unsigned *steps)
{
	const struct subject *subject = &table->subject;
	uint64_t moved_bytes = 0;
	int more = 1;

	for (*steps = 0; more == 1; ++*steps)
		more = subject->plugin->compact_step(subject->heap, &moved_bytes);
	assert_int_equal(more, 0);
	return moved_bytes;
}

static void xvmalloc_compaction_gives_back_and_keeps_contents(void **state)
{
	static const char *const settings[] = {"page=4K", "page=4K:provider=highmem",
					       "page=4K:provider=buffer"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct table *table;
		uint64_t before;
		unsigned steps;

		if (may_be_missing(settings[i]))
			continue;
		table = table_new(settings[i]);
		before = held_bytes(&table->subject);
		assert_true(table_compact(table, &steps) > 0);
		/* Of a buffer the tables are a fixed part, and large beside so little. */
		assert_true(held_bytes(&table->subject) < (i == 2 ? before : before / 2));
		assert_true(table->moved > 0 && steps > 1);
		table_end(table);
	}
}

/* An object whose move is refused stays where it is. */
static void xvmalloc_compaction_leaves_what_is_refused(void **state)
{
	struct table *table = table_new("page=4K");
	uint64_t token;
	unsigned steps;

	(void)state;
	table->stays = COMPACT_OBJECTS - 8;
	token = table->objects[table->stays].token;
	(void)table_compact(table, &steps);
	assert_true(table->moved > 0);
	assert_true(table->objects[table->stays].token == token);
	table_end(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_keep_their_contents),
		cmocka_unit_test(xvmalloc_takes_objects_larger_than_a_page),
		cmocka_unit_test(xvmalloc_compaction_gives_back_and_keeps_contents),
		cmocka_unit_test(xvmalloc_compaction_leaves_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
