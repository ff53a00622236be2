/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trace.c: recorded operations; see workload.h. Locking: none.
 */
#include "workload.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* A live object: a node of a tree by id. */
struct trace_object {
	uint64_t id;
	uint32_t slot;
	uint32_t size;
};

struct trace_reader {
	struct xvm_workload *workload;
	void *live;           /* tree of objects */
	struct xvm_u32s free; /* slots to use again */
	uint32_t slots;
	uint64_t live_bytes;
	uint64_t peak_bytes;
	uint64_t peak_ops; /* operations up to and with the peak */
};

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = ((const struct trace_object *)a)->id, y = ((const struct trace_object *)b)->id;

	return (x > y) - (x < y);
}

/* The object gets a size; the old one, where it had one, goes when the new one is there. */
static void trace_put(struct trace_reader *reader, struct trace_object *object, uint32_t size)
{
	xvm_workload_put(reader->workload, object->slot,
			 xvm_workload_source(reader->workload, size));
	reader->live_bytes += size;
	if (reader->live_bytes > reader->peak_bytes) {
		reader->peak_bytes = reader->live_bytes;
		reader->peak_ops = reader->workload->head.ops;
	}
	reader->live_bytes -= object->size;
	object->size = size;
}

static int trace_add(struct trace_reader *reader, const struct xvm_text_line *line, uint64_t id,
		     uint32_t size)
{
	struct trace_object *object = xvm_calloc(1, sizeof(*object));
	struct trace_object **found;

	object->id = id;
	found = tsearch(object, &reader->live, compare_ids);
	if (found == NULL || *found != object) {
		free(object);
		return xvm_text_complain(line, "object %" PRIu64 " is live already", id);
	}
	object->slot =
		reader->free.count > 0 ? reader->free.items[--reader->free.count] : reader->slots++;
	trace_put(reader, object, size);
	return 0;
}

static void trace_free(struct trace_reader *reader, struct trace_object *object)
{
	xvm_workload_put(reader->workload, object->slot, XVM_NO_SOURCE);
	xvm_u32s_append(&reader->free, object->slot);
	reader->live_bytes -= object->size;
	tdelete(object, &reader->live, compare_ids);
	free(object);
}

static int trace_line(void *context, struct xvm_text_line *line)
{
	struct trace_reader *reader = context;
	const char *kind = line->words[0];
	bool is_free = strcmp(kind, "f") == 0;
	struct trace_object key, **found;
	uint64_t size = 0;

	if ((!is_free && strcmp(kind, "a") != 0 && strcmp(kind, "r") != 0) ||
	    line->word_count != (is_free ? 2 : 3))
		return xvm_text_complain(line, "expected 'a ID SIZE', 'f ID' or 'r ID SIZE'");
	if (!xvm_parse_u64(line->words[1], 0, UINT64_MAX, &key.id))
		return xvm_text_complain(line, "'%.40s' is not a decimal number", line->words[1]);
	if (!is_free && !xvm_parse_u64(line->words[2], 1, XVM_OBJECT_BYTES_MAX, &size))
		return xvm_text_complain(line, "a size is 1 to %u bytes, not '%.40s'",
					 XVM_OBJECT_BYTES_MAX, line->words[2]);
	if (*kind == 'a')
		return trace_add(reader, line, key.id, (uint32_t)size);
	found = tfind(&key, &reader->live, compare_ids);
	if (found == NULL)
		return xvm_text_complain(line, "no object %" PRIu64 " is live", key.id);
	if (is_free)
		trace_free(reader, *found);
	else
		trace_put(reader, *found, (uint32_t)size);
	return 0;
}

/* Cut the operations at the peak. */
static void trace_split_phases(struct trace_reader *reader)
{
	struct xvm_workload_head *head = &reader->workload->head;

	xvm_workload_phase(reader->workload, "end", XVM_PHASE_COMPACTABLE);
	head->phase[0].op_count = reader->peak_ops;
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
		xvm_error("%s allocates nothing: a trace has lines like 'a ID SIZE'", path);
		result = XVM_FAILED;
	}
	if (result == 0) {
		trace_split_phases(&reader);
		xvm_workload_finish(workload);
	}
	tdestroy(reader.live, free);
	free(reader.free.items);
	return result;
}
