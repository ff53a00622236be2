/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.c: see heap.h. Owns the one heap there is. Locking: none.
 */
#include "heap.h"

#include <sys/mman.h>

static struct heap current;

/* Not from malloc: that may be the heap that is measured. */
static size_t table_bytes(const struct heap_spec *spec)
{
	return spec->slots * sizeof(struct heap_slot);
}

/* A process's malloc outlives the heap, so each object is freed. */
void heap_drop(void)
{
	if (current.self != NULL) {
		(void)heap_clear(&current, 0, current.spec.slots);
		current.calls->destroy(current.self);
	}
	if (current.slot != NULL)
		munmap(current.slot, table_bytes(&current.spec));
	current = (struct heap){.self = NULL};
}

/* Compaction has moved an object. */
static int heap_moved(void *context, uint32_t index, uint64_t from, uint64_t to)
{
	struct heap *heap = context;

	if (index >= heap->spec.slots || heap->slot[index].token != from)
		return -1;
	heap->slot[index].token = to;
	return 0;
}

int heap_fill(struct heap *heap, uint32_t first, uint32_t count, uint64_t *random)
{
	int failures = 0;

	for (uint32_t i = 0; i < count && failures == 0; i++)
		failures = heap_make(heap, first + i, mix_draw(heap->spec.mix, random, 1).size);
	return failures;
}

int heap_clear(struct heap *heap, uint32_t first, uint32_t count)
{
	int failures = 0;

	for (uint32_t slot = first; slot < first + count; slot++) {
		if (heap->slot[slot].size != 0)
			failures |= heap_free(heap, slot);
	}
	return failures;
}

static int warm_up(struct heap *heap)
{
	uint32_t slots = heap->spec.slots;
	int failures = heap_fill(heap, 0, slots, &heap->random);

	for (uint64_t i = 0; i < 2 * (uint64_t)slots && failures == 0; i++) {
		struct draw draw = mix_draw(heap->spec.mix, &heap->random, slots);

		failures = heap_replace(heap, draw.slot, draw.size);
	}
	return failures;
}

static bool heap_create(struct heap *heap)
{
	const struct heap_spec *spec = &heap->spec;
	struct xvfrag_plugin_config config = {
		.max_size = spec->mix->max_size,
		.max_objects = spec->slots,
		.total_bytes = (uint64_t)spec->slots * spec->mix->mean_size,
		.seed = 1,
		.settings = spec->allocator->settings,
		.moved = heap_moved,
		.context = heap,
	};
	void *table = mmap(NULL, table_bytes(spec), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return false;
	heap->slot = table;
	heap->self = heap->calls->create(&config);
	return heap->self != NULL;
}

struct heap *heap_get_fresh(const struct heap_spec *spec)
{
	heap_drop();
	current =
		(struct heap){.calls = spec->allocator->calls, .spec = *spec, .random = HEAP_SEED};
	if (heap_create(&current) && (spec->empty || warm_up(&current) == 0))
		return &current;
	heap_drop();
	return NULL;
}

static bool spec_is_same(const struct heap_spec *a, const struct heap_spec *b)
{
	return a->allocator == b->allocator && a->mix == b->mix && a->slots == b->slots &&
	       a->empty == b->empty;
}

struct heap *heap_get(const struct heap_spec *spec)
{
	if (current.self != NULL && spec_is_same(&current.spec, spec))
		return &current;
	return heap_get_fresh(spec);
}
