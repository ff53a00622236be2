/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_object.c: calls on objects of a heap in its steady state, by one thread.
 *
 *   pair      free a random live object, allocate another in its slot
 *   put       the same, and copy the new object's bytes in
 *   get       copy the bytes of a random object out
 *   resize    give it a new size
 *   fill      allocate only, from an empty heap to all objects
 *   trace     every malloc, free and realloc of a recorded program, in its order; the time is of
 *             one of them. Objects still live at the end are freed with the clock stopped.
 *             Those above MIX_SIZE_MAX are left out, as a malloc gives such blocks to mmap
 *   compact   a step of compaction at the default budget; a cycle begins with a heap of which
 *             half of the objects were freed at random
 *
 * The time of pair and fill is the allocator's: objects are not written, and the cache misses are
 * those of its own structures. Locking: none. O(size) an operation at
 * most.
 */
#include <stdio.h>

#include "micro.h"

#define BATCH 64U
#define LIVE 37000U

static unsigned char bytes[4096];

static struct heap *get_heap(struct micro_run *run, const struct heap_spec *spec, bool fresh)
{
	struct heap *heap = fresh ? heap_get_fresh(spec) : heap_get(spec);

	if (heap == NULL)
		micro_fail(run, "the heap could not be made or filled");
	return heap;
}

typedef int operation(const struct heap *heap, uint32_t slot, uint32_t size);

static int put(const struct heap *heap, uint32_t slot, uint32_t size)
{
	int failures = heap_replace(heap, slot, size);

	return failures |
	       xvm_object_write(heap->calls, heap->self, heap->slot[slot].token, bytes, size);
}

static int get(const struct heap *heap, uint32_t slot, uint32_t size)
{
	(void)size;
	return xvm_object_read(heap->calls, heap->self, heap->slot[slot].token, bytes,
			       heap->slot[slot].size);
}

/* Inlined into each body, so that the operation is not one more call by pointer. */
static inline void run_operation(struct micro_run *run, const struct heap_spec *spec,
				 operation *operate)
{
	struct heap *heap = get_heap(run, spec, false);
	uint64_t random;
	int failures = 0;

	if (heap == NULL)
		return;
	random = heap->random;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct draw draw = mix_draw(spec->mix, &random, spec->slots);

			failures |= operate(heap, draw.slot, draw.size);
		}
	}
	heap->random = random;
	micro_check(run, failures);
}

static void pair_body(struct micro_run *run, void *context)
{
	run_operation(run, context, heap_replace);
}

static void put_body(struct micro_run *run, void *context)
{
	run_operation(run, context, put);
}

static void get_body(struct micro_run *run, void *context)
{
	run_operation(run, context, get);
}

static void resize_body(struct micro_run *run, void *context)
{
	run_operation(run, context, heap_resize);
}

static void fill_body(struct micro_run *run, void *context)
{
	const struct heap_spec *spec = context;
	int failures = 0;

	while (micro_keep_running(run, spec->slots)) {
		struct heap *heap;

		micro_pause(run);
		heap = get_heap(run, spec, true);
		micro_resume(run);
		if (heap == NULL)
			break;
		failures |= heap_fill(heap, 0, spec->slots, &heap->random);
	}
	micro_check(run, failures);
}

/* From any state to half full: fill every slot, free half of them. */
static int make_sparse(struct heap *heap)
{
	uint32_t slots = heap->spec.slots;
	int failures = 0;

	for (uint32_t slot = 0; slot < slots && failures == 0; slot++) {
		if (heap->slot[slot].size == 0)
			failures |= heap_fill(heap, slot, 1, &heap->random);
	}
	for (uint32_t slot = 0; slot < slots && failures == 0; slot++) {
		if (random_next(&heap->random) >> 63 != 0)
			failures |= heap_free(heap, slot);
	}
	return failures;
}

static void compact_body(struct micro_run *run, void *context)
{
	struct heap *heap = get_heap(run, context, true);
	uint64_t moved = 0;
	int result = 0, failures = 0;

	if (heap == NULL)
		return;
	while (micro_keep_running(run, 1)) {
		if (result != 1) {
			micro_pause(run);
			failures |= make_sparse(heap);
			micro_resume(run);
		}
		result = heap->calls->compact_step(heap->self, &moved);
		failures |= result < 0;
	}
	heap_drop(); /* slots are empty: nobody else can use it */
	micro_check(run, failures);
}

/* ---- A recorded program ---- */

static const struct xvm_workload *trace; /* NULL: there is none */

/* A put into a full slot is a realloc. What is too large is not there. */
static int replay(const struct heap *heap, const struct xvm_op *op)
{
	uint32_t size = op->source == XVM_NO_SOURCE ? 0 : trace->sizes.items[op->source];
	bool full = heap->slot[op->slot].size != 0;

	if (size == 0 || size > MIX_SIZE_MAX)
		return full ? heap_free(heap, op->slot) : 0;
	return full ? heap_resize(heap, op->slot, size) : heap_make(heap, op->slot, size);
}

static void trace_body(struct micro_run *run, void *context)
{
	struct heap *heap = get_heap(run, context, true);
	int failures = 0;

	if (heap == NULL)
		return;
	while (micro_keep_running(run, trace->head.ops)) {
		for (uint64_t i = 0; i < trace->head.ops && failures == 0; i++)
			failures = replay(heap, &trace->ops[i]);
		micro_pause(run);
		failures |= heap_clear(heap, 0, heap->spec.slots);
		micro_resume(run);
	}
	micro_check(run, failures);
}

/* ---- The list ---- */

static void add(const char *part, micro_body *body, const struct micro_allocator *allocator,
		const struct mix *mix, uint32_t live)
{
	struct heap_spec *spec = xvm_calloc(1, sizeof(*spec));
	char name[128];

	*spec = (struct heap_spec){.allocator = allocator, .mix = mix, .slots = live};
	spec->empty = body == fill_body || body == trace_body;
	if (body == trace_body)
		snprintf(name, sizeof(name), "%s/%s", part, allocator->name);
	else
		snprintf(name, sizeof(name), "%s/%s/%s/live:%u", part, allocator->name, mix->name,
			 (unsigned)live);
	micro_register(name, body, spec, 1, 0);
}

static void add_pairs(const struct mix *mix, uint32_t live, unsigned groups)
{
	const struct micro_allocator *allocator;

	for (size_t i = 0; (allocator = micro_allocator_at(i)) != NULL; i++) {
		if (allocator->groups & groups)
			add("pair", pair_body, allocator, mix, live);
	}
}

static void add_others(const struct micro_allocator *allocator, const struct mix *page)
{
	const struct xvfrag_plugin *calls = allocator->calls;
	uint32_t live = allocator->groups & GROUP_ALL ? LIVE : 1000;

	add("put", put_body, allocator, page, live);
	add("get", get_body, allocator, page, live);
	if (calls->resize != NULL)
		add("resize", resize_body, allocator, page, live);
	if (allocator->groups & GROUP_ALL)
		add("fill", fill_body, allocator, page, live);
	if (calls->compact_step != NULL)
		add("compact", compact_body, allocator, page, live);
}

void micro_add_objects(const struct micro_setup *setup)
{
	const struct micro_allocator *allocator;

	add_pairs(&setup->page, 1000, GROUP_ALL | GROUP_PAIRS | GROUP_PROVIDER);
	add_pairs(&setup->page, LIVE, GROUP_ALL | GROUP_PAIRS);
	add_pairs(&setup->small, 1000, GROUP_ALL | GROUP_PAIRS);
	add_pairs(&setup->small, LIVE, GROUP_ALL | GROUP_PAIRS);
	if (setup->recorded.name != NULL) {
		trace = &setup->trace;
		add_pairs(&setup->recorded, 1000, GROUP_PROGRAM);
		add_pairs(&setup->recorded, LIVE, GROUP_PROGRAM);
	}
	for (size_t i = 0; (allocator = micro_allocator_at(i)) != NULL; i++) {
		if (allocator->groups & (GROUP_ALL | GROUP_PROVIDER))
			add_others(allocator, &setup->page);
		if (trace != NULL && allocator->groups & GROUP_PROGRAM &&
		    allocator->calls->resize != NULL)
			add("trace", trace_body, allocator, &setup->recorded,
			    (uint32_t)trace->head.slots);
	}
}
