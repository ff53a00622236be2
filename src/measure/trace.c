/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trace.c: reading recorded operations; see trace.h.
 *
 * Owns the naming of objects while a trace is read: a hash table from ID to slot
 * (linear probing; a removal moves later names back) for the first form, the list itself
 * for the second. Freed slots are used again, last freed first. Locking: none.
 */
#include "trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text_file.h"

#define TRACE_NO_SLOT UINT32_MAX

/* A place of the hash table; slot is TRACE_NO_SLOT where it is empty. */
struct trace_name {
	uint64_t id;
	uint32_t slot;
};

struct trace_reader {
	struct xvm_workload *workload;
	char form; /* 'a' or 'M' once known, else 0 */
	struct trace_name *names;
	size_t name_places; /* a power of two, or 0 */
	size_t name_count;
	struct xvm_u32s list; /* second form: slot by index */
	struct xvm_u32s free; /* slots to use again */
	uint32_t slots;
	uint64_t live_bytes;
	uint64_t peak_bytes;
	uint64_t peak_ops;          /* operations up to and with the peak */
	struct xvm_u32s slot_bytes; /* by slot */
};

/* ---- names ---------------------------------------------------------------- */

static size_t names_home(const struct trace_reader *reader, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (reader->name_places - 1);
}

/* The place that holds id, or the empty one where it would go. */
static size_t names_find(const struct trace_reader *reader, uint64_t id)
{
	size_t at = names_home(reader, id);

	while (reader->names[at].slot != TRACE_NO_SLOT && reader->names[at].id != id)
		at = (at + 1) & (reader->name_places - 1);
	return at;
}

static void names_resize(struct trace_reader *reader)
{
	struct trace_name *old = reader->names;
	size_t old_places = reader->name_places;

	reader->name_places = old_places > 0 ? old_places * 2 : 1024;
	reader->names = xvm_calloc(reader->name_places, sizeof(*reader->names));
	for (size_t i = 0; i < reader->name_places; i++)
		reader->names[i].slot = TRACE_NO_SLOT;
	for (size_t i = 0; i < old_places; i++) {
		if (old[i].slot != TRACE_NO_SLOT)
			reader->names[names_find(reader, old[i].id)] = old[i];
	}
	free(old);
}

/* Empty a place, and move back what had to step over it. */
static void names_remove(struct trace_reader *reader, size_t hole)
{
	size_t mask = reader->name_places - 1;

	for (size_t at = (hole + 1) & mask; reader->names[at].slot != TRACE_NO_SLOT;
	     at = (at + 1) & mask) {
		size_t home = names_home(reader, reader->names[at].id);

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			reader->names[hole] = reader->names[at];
			hole = at;
		}
	}
	reader->names[hole].slot = TRACE_NO_SLOT;
	reader->name_count--;
}

/* ---- operations ----------------------------------------------------------- */

/* The object of a full slot goes when the new one is there. */
static void trace_put(struct trace_reader *reader, uint32_t slot, uint32_t size)
{
	xvm_workload_put(reader->workload, slot, xvm_workload_source(reader->workload, size));
	reader->live_bytes += size;
	if (reader->live_bytes > reader->peak_bytes) {
		reader->peak_bytes = reader->live_bytes;
		reader->peak_ops = reader->workload->head.ops;
	}
	reader->live_bytes -= reader->slot_bytes.items[slot];
	reader->slot_bytes.items[slot] = size;
}

static uint32_t trace_alloc(struct trace_reader *reader, uint32_t size)
{
	uint32_t slot;

	if (reader->free.count > 0) {
		slot = reader->free.items[--reader->free.count];
	} else {
		slot = reader->slots++;
		xvm_u32s_append(&reader->slot_bytes, 0);
	}
	trace_put(reader, slot, size);
	return slot;
}

static void trace_free(struct trace_reader *reader, uint32_t slot)
{
	xvm_workload_put(reader->workload, slot, XVM_NO_SOURCE);
	xvm_u32s_append(&reader->free, slot);
	reader->live_bytes -= reader->slot_bytes.items[slot];
	reader->slot_bytes.items[slot] = 0;
}

/* ---- lines ---------------------------------------------------------------- */

static int trace_number(const struct xvm_text_line *line, unsigned word, uint64_t *value)
{
	if (xvm_parse_u64(line->words[word], NULL, 0, UINT64_MAX, value))
		return 0;
	return xvm_text_complain(line, "'%.40s' is not a decimal number", line->words[word]);
}

static int trace_size(const struct xvm_text_line *line, unsigned word, uint32_t *size)
{
	uint64_t value;

	if (!xvm_parse_u64(line->words[word], NULL, 1, XVM_OBJECT_BYTES_MAX, &value))
		return xvm_text_complain(line, "a size is 1 to %u bytes, not '%.40s'",
					 XVM_OBJECT_BYTES_MAX, line->words[word]);
	*size = (uint32_t)value;
	return 0;
}

static int trace_line_a(struct trace_reader *reader, const struct xvm_text_line *line)
{
	uint64_t id;
	uint32_t size = 0;
	size_t at;

	if (trace_number(line, 1, &id) != 0 || trace_size(line, 2, &size) != 0)
		return XVM_FAILED;
	if (reader->name_count * 2 >= reader->name_places)
		names_resize(reader);
	at = names_find(reader, id);
	if (reader->names[at].slot != TRACE_NO_SLOT)
		return xvm_text_complain(line, "object %" PRIu64 " is live already", id);
	reader->names[at] = (struct trace_name){.id = id, .slot = trace_alloc(reader, size)};
	reader->name_count++;
	return 0;
}

/* The place of the live object that the line names. */
static int trace_find(struct trace_reader *reader, const struct xvm_text_line *line, size_t *at)
{
	uint64_t id;

	if (trace_number(line, 1, &id) != 0)
		return XVM_FAILED;
	if (reader->name_places == 0)
		names_resize(reader);
	*at = names_find(reader, id);
	if (reader->names[*at].slot == TRACE_NO_SLOT)
		return xvm_text_complain(line, "no object %" PRIu64 " is live", id);
	return 0;
}

static int trace_line_f(struct trace_reader *reader, const struct xvm_text_line *line)
{
	size_t at;

	if (trace_find(reader, line, &at) != 0)
		return XVM_FAILED;
	trace_free(reader, reader->names[at].slot);
	names_remove(reader, at);
	return 0;
}

static int trace_line_r(struct trace_reader *reader, const struct xvm_text_line *line)
{
	uint32_t size = 0;
	size_t at;

	if (trace_find(reader, line, &at) != 0 || trace_size(line, 2, &size) != 0)
		return XVM_FAILED;
	trace_put(reader, reader->names[at].slot, size);
	return 0;
}

static int trace_line_m(struct trace_reader *reader, const struct xvm_text_line *line)
{
	uint32_t size = 0;

	if (trace_size(line, 1, &size) != 0)
		return XVM_FAILED;
	xvm_u32s_append(&reader->list, trace_alloc(reader, size));
	return 0;
}

static int trace_line_big_f(struct trace_reader *reader, const struct xvm_text_line *line)
{
	struct xvm_u32s *list = &reader->list;
	uint64_t index;

	if (trace_number(line, 1, &index) != 0)
		return XVM_FAILED;
	if (index >= list->count)
		return xvm_text_complain(line, "F %" PRIu64 ": only %zu objects are live", index,
					 list->count);
	trace_free(reader, list->items[index]);
	list->items[index] = list->items[--list->count];
	return 0;
}

static const struct trace_line_kind {
	char letter;
	char form;
	unsigned words;
	int (*read)(struct trace_reader *reader, const struct xvm_text_line *line);
} trace_line_kinds[] = {
	{'a', 'a', 3, trace_line_a}, {'f', 'a', 2, trace_line_f},     {'r', 'a', 3, trace_line_r},
	{'M', 'M', 2, trace_line_m}, {'F', 'M', 2, trace_line_big_f},
};

static int trace_line(void *context, struct xvm_text_line *line)
{
	struct trace_reader *reader = context;

	for (size_t i = 0; i < sizeof(trace_line_kinds) / sizeof(trace_line_kinds[0]); i++) {
		const struct trace_line_kind *kind = &trace_line_kinds[i];

		if (line->words[0][0] != kind->letter || line->words[0][1] != '\0')
			continue;
		if (line->word_count != kind->words)
			break;
		if (reader->form != 0 && reader->form != kind->form)
			return xvm_text_complain(line, "a file has a/f/r lines or M/F "
						       "lines, not both");
		reader->form = kind->form;
		return kind->read(reader, line);
	}
	return xvm_text_complain(line, "expected 'a ID SIZE', 'f ID', 'r ID SIZE', 'M SIZE' or "
				       "'F INDEX'");
}

/* Cut the operations at the peak. */
static void trace_split_phases(struct trace_reader *reader)
{
	struct xvm_workload_head *head = &reader->workload->head;
	struct xvm_phase *peak = &head->phase[0];

	xvm_workload_phase(reader->workload, "end", XVM_PHASE_COMPACTABLE);
	peak->op_count = reader->peak_ops;
	head->phase[1].first_op = reader->peak_ops;
	head->phase[1].op_count = head->ops - reader->peak_ops;
}

int xvm_trace_read(struct xvm_workload *workload, const char *path)
{
	struct trace_reader reader = {.workload = workload};
	int result;

	xvm_workload_phase(workload, "peak", 0);
	result = xvm_text_read(path, trace_line, &reader);
	if (result == 0 && reader.peak_bytes == 0) {
		xvm_error("%s allocates nothing: a trace has lines like 'a ID SIZE' or 'M SIZE'",
			  path);
		result = XVM_FAILED;
	}
	if (result == 0) {
		trace_split_phases(&reader);
		xvm_workload_finish(workload);
	}
	free(reader.names);
	free(reader.list.items);
	free(reader.free.items);
	free(reader.slot_bytes.items);
	return result;
}
