/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap.c: see heap.h. Owns the one heap there is. Locking: none.
 */
#include "heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Allocators ---- */

static struct micro_allocator rows[] = {
	{"xvmalloc", GROUP_ALL, NULL, NULL},
	{"xvmalloc-nosplit", GROUP_ALL, NULL, NULL},
	{"xvmalloc-keyed", GROUP_ALL, NULL, NULL},
	{"xvmalloc-hardened", GROUP_PAIRS, NULL, NULL},
	{"xvmalloc:shards=1:lock=none", GROUP_PAIRS, NULL, NULL}, /* TLSF has no lock either */
	{"xvmalloc-nosplit:provider=highmem", GROUP_PROVIDER, NULL, NULL},
	{"xvmalloc-nosplit:provider=buffer", GROUP_PROVIDER, NULL, NULL},
	{"xvmalloc-heap", GROUP_PROGRAM, NULL, NULL},
	{"tlsf", GROUP_ALL | GROUP_PROGRAM, NULL, NULL},
	{"glibc", GROUP_ALL | GROUP_PROGRAM, NULL, NULL},
	{"ideal", GROUP_PAIRS | GROUP_PROGRAM, NULL, NULL}, /* what the loop and its calls cost */
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct micro_allocator chosen;

/* With its library this process has the malloc that is asked for. */
static bool preload(const struct xvm_entry *entry, char **argv)
{
	const char *path = xvm_preload_path(entry);
	const char *loaded = getenv("LD_PRELOAD");

	if (loaded != NULL && strcmp(loaded, path) == 0)
		return true;
	setenv("LD_PRELOAD", path, 1);
	execv("/proc/self/exe", argv);
	xvm_error("cannot start with %s: %s", path, strerror(errno));
	return false;
}

static bool row_find(struct micro_allocator *row, char **argv)
{
	const struct xvm_entry *entry = xvm_entry_find(row->name, &row->settings);
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "see xvfrag --list for those that there are";

	if (entry == NULL || entry->plugin->flags & XVFRAG_PLUGIN_PAGES ||
	    xvm_entry_available(entry, why) != 0 ||
	    xvm_entry_check(entry, row->settings, 1, why) != 0) {
		xvm_error("no allocator %s: %s", row->name, why);
		return false;
	}
	row->calls = entry->plugin;
	return entry->soname == NULL || preload(entry, argv);
}

bool micro_choose_allocators(const char *only, char **argv)
{
	bool good = true;

	if (only == NULL) {
		for (size_t i = 0; i < ROWS && good; i++)
			good = row_find(&rows[i], argv);
		return good;
	}
	chosen = (struct micro_allocator){.name = only, .groups = GROUP_ALL};
	if (!row_find(&chosen, argv))
		return false;
	if (chosen.calls->flags & XVFRAG_PLUGIN_ADDRESSES)
		chosen.groups |= GROUP_PROGRAM;
	return true;
}

const struct micro_allocator *micro_allocator_at(size_t index)
{
	if (chosen.name != NULL)
		return index == 0 ? &chosen : NULL;
	return index < ROWS ? &rows[index] : NULL;
}

/* ---- The heap ---- */

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
