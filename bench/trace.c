/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trace.c: loads a recorded trace; see trace.h. Addresses are turned into slots through a
 * hash table (open addressing, linear probing) that lives while a file is loaded.
 *
 * A free of an address that was never seen is passed over: the object was made before the
 * recorder was ready. An address made twice ended without a word (a realloc inside the C
 * library): the older object ends there.
 */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

struct entry {
	uint64_t address; /* 0: empty */
	uint32_t slot;
	uint32_t size;
};

struct loader {
	struct trace *trace;
	struct entry *table;
	size_t table_size; /* a power of two */
	size_t used;
	struct xvm_u32s free_slots;
	uint64_t live_bytes;
};

static size_t home_of(const struct loader *loader, uint64_t address)
{
	return (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) &
	       (loader->table_size - 1);
}

/* The address's entry, or the empty one where it would go. */
static struct entry *find(const struct loader *loader, uint64_t address)
{
	size_t i = home_of(loader, address);

	while (loader->table[i].address != 0 && loader->table[i].address != address)
		i = (i + 1) & (loader->table_size - 1);
	return &loader->table[i];
}

static void double_table(struct loader *loader)
{
	struct entry *old = loader->table;
	size_t old_size = loader->table_size;

	loader->table_size = old_size * 2;
	loader->table = xvm_calloc(loader->table_size, sizeof(*loader->table));
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].address != 0)
			*find(loader, old[i].address) = old[i];
	}
	free(old);
}

/* Empty an entry; those behind it that probing would no longer find move up. */
static void erase(struct loader *loader, struct entry *entry)
{
	size_t mask = loader->table_size - 1;
	size_t hole = (size_t)(entry - loader->table);

	for (size_t i = (hole + 1) & mask; loader->table[i].address != 0; i = (i + 1) & mask) {
		size_t home = home_of(loader, loader->table[i].address);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			loader->table[hole] = loader->table[i];
			hole = i;
		}
	}
	loader->table[hole].address = 0;
	loader->used--;
}

static void add_step(struct loader *loader, uint32_t slot, uint32_t size)
{
	struct trace *trace = loader->trace;

	trace->steps =
		xvm_grow(trace->steps, &trace->capacity, trace->count + 1, sizeof(*trace->steps));
	trace->steps[trace->count++] = (struct trace_step){.slot = slot, .size = size};
}

static void note_size(struct loader *loader, uint32_t size)
{
	struct trace *trace = loader->trace;
	struct trace_sizes *made = &trace->made;

	made->items = xvm_grow(made->items, &made->capacity, made->count + 1, sizeof(*made->items));
	made->items[made->count++] = size;
	if (size > trace->max_size)
		trace->max_size = size;
	loader->live_bytes += size;
	if (loader->live_bytes > trace->peak_bytes)
		trace->peak_bytes = loader->live_bytes;
}

static uint32_t take_slot(struct loader *loader)
{
	if (loader->free_slots.count > 0)
		return loader->free_slots.items[--loader->free_slots.count];
	return loader->trace->slots++;
}

static void step_free(struct loader *loader, uint64_t address)
{
	struct entry *entry = find(loader, address);

	if (entry->address == 0)
		return;
	add_step(loader, entry->slot, 0);
	loader->live_bytes -= entry->size;
	xvm_u32s_append(&loader->free_slots, entry->slot);
	erase(loader, entry);
}

static void enter(struct loader *loader, uint64_t address, uint32_t slot, uint32_t size)
{
	if (2 * (loader->used + 1) > loader->table_size)
		double_table(loader);
	*find(loader, address) = (struct entry){address, slot, size};
	loader->used++;
	note_size(loader, size);
}

static void step_make(struct loader *loader, uint64_t address, uint64_t size)
{
	uint32_t slot;

	step_free(loader, address);
	if (size > TRACE_SIZE_MAX) {
		loader->trace->left_out++;
		return;
	}
	if (size == 0)
		size = 1;
	slot = take_slot(loader);
	add_step(loader, slot, (uint32_t)size);
	enter(loader, address, slot, (uint32_t)size);
}

static void step_resize(struct loader *loader, uint64_t from, uint64_t to, uint64_t size)
{
	struct entry *entry = find(loader, from);
	uint32_t slot;

	if (entry->address == 0 || size == 0 || size > TRACE_SIZE_MAX) {
		step_free(loader, from);
		step_make(loader, to, size);
		return;
	}
	slot = entry->slot;
	loader->live_bytes -= entry->size;
	erase(loader, entry);
	step_free(loader, to);
	add_step(loader, slot, (uint32_t)size | TRACE_STEP_RESIZE);
	enter(loader, to, slot, (uint32_t)size);
}

static void load_records(struct loader *loader, FILE *file)
{
	struct trace_record record;
	uint64_t resized = 0;

	while (fread(&record, sizeof(record), 1, file) == 1) {
		uint64_t address = record.address & TRACE_ADDRESS_MASK;

		switch (record.address >> TRACE_KIND_SHIFT) {
		case TRACE_MAKE:
			if (resized != 0)
				step_resize(loader, resized, address, record.size);
			else
				step_make(loader, address, record.size);
			resized = 0;
			break;
		case TRACE_FREE:
			step_free(loader, address);
			break;
		case TRACE_RESIZE:
			resized = address;
			break;
		default:
			break;
		}
	}
}

static bool header_is_good(FILE *file)
{
	struct trace_record header;

	return fread(&header, sizeof(header), 1, file) == 1 && header.address == TRACE_MAGIC &&
	       header.size == sizeof(header);
}

bool trace_load(struct trace *trace, const char *path)
{
	struct loader loader = {.trace = trace, .table_size = 1024};
	FILE *file = fopen(path, "rb");

	*trace = (struct trace){.steps = NULL};
	if (file == NULL) {
		fprintf(stderr, "xv_bench: %s: %s\n", path, strerror(errno));
		return false;
	}
	if (header_is_good(file)) {
		loader.table = xvm_calloc(loader.table_size, sizeof(*loader.table));
		load_records(&loader, file);
		free(loader.table);
		free(loader.free_slots.items);
	}
	fclose(file);
	if (trace->made.count == 0)
		fprintf(stderr,
			"xv_bench: %s is no trace of a program: record one with "
			"XV_TRACE=FILE LD_PRELOAD=record_malloc.so PROGRAM\n",
			path);
	return trace->made.count != 0;
}
