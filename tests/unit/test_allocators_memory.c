/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The allocators that have memory: every object's contents are its own until it is
 * freed. Two objects that overlap would spoil each other's bytes.
 */
#include "test_allocators_support.h"

#include <errno.h>

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
	const struct xvfrag_plugin *plugin = subject->plugin;
	void *ptr = plugin->map(subject->heap, shadow->token, shadow->size);

	assert_non_null(ptr);
	pattern_make(subject, shadow);
	assert_memory_equal(ptr, subject->pattern, shadow->size);
	plugin->unmap(subject->heap, shadow->token, ptr);
}

/* Fill through write where there is one, else through map, as xvfrag does. */
static void object_fill(struct subject *subject, const struct shadow *shadow)
{
	const struct xvfrag_plugin *plugin = subject->plugin;
	void *ptr;

	pattern_make(subject, shadow);
	if (plugin->write != NULL) {
		assert_int_equal(
			plugin->write(subject->heap, shadow->token, subject->pattern, shadow->size),
			0);
		return;
	}
	ptr = plugin->map(subject->heap, shadow->token, shadow->size);
	memcpy(ptr, subject->pattern, shadow->size);
	plugin->unmap(subject->heap, shadow->token, ptr);
}

static void object_free(struct subject *subject, struct shadow *shadow)
{
	if (shadow->size == 0)
		return;
	object_verify(subject, shadow);
	subject->plugin->free(subject->heap, shadow->token, shadow->size);
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
		object_free(subject, shadow);
		if (test_random(&subject->seed) % 4 != 0)
			object_make(subject, shadow);
		requested += shadow->size;
		assert_true(held_bytes(subject) >= requested);
	}
	for (step = 0; step < OBJECTS; step++)
		object_free(subject, &objects[step]);
}

static void run(const struct xvfrag_plugin *plugin, size_t page_bytes, const char *provider)
{
	struct subject subject = {
		.plugin = plugin,
		.heap = test_heap(plugin, page_bytes, provider),
		.pattern = malloc(page_bytes),
		.max_size = page_bytes,
		.seed = test_seed(),
	};

	assert_non_null(subject.pattern);
	subject_run(&subject);
	plugin->destroy(subject.heap);
	free(subject.pattern);
}

static void malloc_objects_keep_their_contents(void **state)
{
	(void)state;
	run(&xvm_allocator_malloc, 4096, NULL);
}

static void tlsf_objects_keep_their_contents(void **state)
{
	(void)state;
	run(&xvm_allocator_tlsf, 4096, NULL);
	run(&xvm_allocator_tlsf, 65536, NULL);
}

static void xvmalloc_objects_keep_their_contents(void **state)
{
	static const char *const providers[] = {NULL, "mmap", "highmem", "buffer"};
	static const size_t pages[] = {4096, 16384, 65536};
	size_t i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 3; k++)
			run(&xvm_allocator_xvmalloc, pages[k], providers[i]);
	}
}

static void xvmalloc_nosplit_objects_keep_their_contents(void **state)
{
	(void)state;
	run(&xvm_allocator_xvmalloc_nosplit, 4096, "mmap");
	run(&xvm_allocator_xvmalloc_nosplit, 65536, "highmem");
	run(&xvm_allocator_xvmalloc_keyed, 4096, "mmap");
}

/* Larger than a page: in pieces for the one, too large for the other. */
static void xvmalloc_takes_objects_larger_than_a_page(void **state)
{
	static unsigned char data[20000];
	struct xvfrag_plugin_config config = {
		.page_bytes = 4096,
		.max_size = sizeof(data),
		.max_objects = 16,
		.total_bytes = 16 * sizeof(data),
		.seed = 1,
	};
	const struct xvfrag_plugin *plugin = &xvm_allocator_xvmalloc;
	void *heap = plugin->create(&config);
	void *whole = xvm_allocator_xvmalloc_nosplit.create(&config);
	uint64_t token;
	void *ptr;

	(void)state;
	memset(data, 0x5A, sizeof(data));
	assert_int_equal(plugin->alloc_indexed(heap, sizeof(data), 3, &token), 0);
	assert_int_equal(plugin->write(heap, token, data, sizeof(data)), 0);
	ptr = plugin->map(heap, token, sizeof(data));
	assert_non_null(ptr);
	assert_memory_equal(ptr, data, sizeof(data));
	plugin->unmap(heap, token, ptr);
	assert_int_equal(plugin->split_objects(heap), 1);
	plugin->destroy(heap);
	assert_int_equal(xvm_allocator_xvmalloc_nosplit.alloc(whole, sizeof(data), &token), -E2BIG);
	xvm_allocator_xvmalloc_nosplit.destroy(whole);
}

/* ---- compaction ---- */

/* A runner's table of objects, by index. */
struct table {
	struct subject subject;
	struct shadow objects[COMPACT_OBJECTS];
	uint32_t wrong;   /* locate lies about this index ... */
	unsigned renamed; /* objects that moved, count */
};

static uint64_t table_locate(void *context, uint32_t index)
{
	const struct table *table = context;

	assert_true(index < COMPACT_OBJECTS);
	assert_int_not_equal(table->objects[index].size, 0);
	return index == table->wrong ? 0 : table->objects[index].token;
}

static void table_renamed(void *context, uint32_t index, uint64_t token)
{
	struct table *table = context;

	assert_int_not_equal(index, table->wrong);
	table->objects[index].token = token;
	table->renamed++;
}

static void table_make(struct table *table, uint32_t index)
{
	struct subject *subject = &table->subject;
	struct shadow *shadow = &table->objects[index];

	shadow->size = 1 + (size_t)(test_random(&subject->seed) % subject->max_size);
	shadow->fill = test_random(&subject->seed) | 1;
	assert_int_equal(
		subject->plugin->alloc_indexed(subject->heap, shadow->size, index, &shadow->token),
		0);
	object_fill(subject, shadow);
}

static struct table *table_new(const char *provider)
{
	const struct xvfrag_plugin *plugin = &xvm_allocator_xvmalloc;
	struct table *table = calloc(1, sizeof(*table));

	assert_non_null(table);
	table->subject = (struct subject){
		.plugin = plugin,
		.heap = test_heap(plugin, 4096, provider),
		.pattern = malloc(700),
		.max_size = 700,
		.seed = test_seed(),
	};
	table->wrong = UINT32_MAX;
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

static struct xvfrag_plugin_compaction table_compact(struct table *table)
{
	const struct subject *subject = &table->subject;
	struct xvfrag_plugin_compaction done;

	memset(&done, 0xFF, sizeof(done));
	assert_int_equal(
		subject->plugin->compact(subject->heap, table_renamed, table_locate, table, &done),
		0);
	return done;
}

static void xvmalloc_compaction_gives_back_and_keeps_contents(void **state)
{
	static const char *const providers[] = {"mmap", "highmem", "buffer"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct table *table = table_new(providers[i]);
		uint64_t before = held_bytes(&table->subject);
		struct xvfrag_plugin_compaction done = table_compact(table);

		/* Of a buffer the tables are a fixed part, and large beside so little. */
		assert_true(held_bytes(&table->subject) < (i == 2 ? before : before / 2));
		assert_int_equal(before - held_bytes(&table->subject), done.freed_bytes);
		assert_true(table->renamed > 0);
		assert_true(done.moved_bytes > 0 && done.steps > 1);
		assert_true(done.longest_step_ns > 0);
		assert_true(done.p99_step_ns <= done.longest_step_ns);
		table_end(table);
	}
}

/* An object whose place the runner's table does not confirm stays where it is. */
static void xvmalloc_compaction_leaves_what_is_not_where_it_should_be(void **state)
{
	struct table *table = table_new("mmap");
	uint64_t token;

	(void)state;
	table->wrong = COMPACT_OBJECTS - 8;
	token = table->objects[table->wrong].token;
	(void)table_compact(table);
	assert_true(table->renamed > 0);
	assert_true(table->objects[table->wrong].token == token);
	table_end(table);
}

static void xvmalloc_refuses_unknown_providers_and_pages(void **state)
{
	struct xvfrag_plugin_config config = {
		.page_bytes = 4096,
		.max_size = 4096,
		.max_objects = 16,
		.total_bytes = 65536,
		.provider = "tape",
	};

	(void)state;
	assert_null(xvm_allocator_xvmalloc.create(&config));
	config.provider = "mmap";
	config.page_bytes = 5000;
	assert_null(xvm_allocator_xvmalloc.create(&config));
	config.provider = "buffer";
	assert_null(xvm_allocator_xvmalloc.create(&config));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malloc_objects_keep_their_contents),
		cmocka_unit_test(tlsf_objects_keep_their_contents),
		cmocka_unit_test(xvmalloc_objects_keep_their_contents),
		cmocka_unit_test(xvmalloc_nosplit_objects_keep_their_contents),
		cmocka_unit_test(xvmalloc_takes_objects_larger_than_a_page),
		cmocka_unit_test(xvmalloc_compaction_gives_back_and_keeps_contents),
		cmocka_unit_test(xvmalloc_compaction_leaves_what_is_not_where_it_should_be),
		cmocka_unit_test(xvmalloc_refuses_unknown_providers_and_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
