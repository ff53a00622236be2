/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_state.c: the content of each page; see control_state.h.
 */
#include "control_state.h"

#include "stats_json.h"

enum { STATE_ENOUGH = 1 };

struct state {
	json_t *pages;
	uint64_t next; /* behind the last reported page */
	uint64_t left; /* pages that may still be reported */
	const _Atomic bool *stopped;
};

static const char *state_kind(const struct ramz_page_info *info)
{
	switch (info->kind) {
	case RAMZ_PAGE_SAME_FILLED:
		return "same";
	case RAMZ_PAGE_COMPRESSED:
		return "compressed";
	case RAMZ_PAGE_RAW:
		return "raw";
	case RAMZ_PAGE_ABSENT:
		break;
	}
	return "absent";
}

static int state_visit(void *context, uint64_t page, const struct ramz_page_info *info)
{
	struct state *state = context;
	json_t *one = json_array();

	json_array_append_new(one, rzn_json_count(page));
	json_array_append_new(one, json_string(state_kind(info)));
	json_array_append_new(one, rzn_json_count(info->stored_bytes));
	json_array_append_new(one,
			      info->codec != NULL ? json_string(info->codec->name) : json_null());
	json_array_append_new(one, rzn_json_count(info->sharers));
	json_array_append_new(state->pages, one);
	state->next = page + 1;
	if (--state->left == 0 || (state->stopped != NULL && atomic_load(state->stopped)))
		return STATE_ENOUGH;
	return 0;
}

int rzn_state_into(json_t *object, struct rzn_disk *disk, uint64_t first, uint64_t count,
		   const _Atomic bool *stopped, uint64_t *damaged)
{
	struct state state = {
		.pages = json_array(), .next = first, .left = count, .stopped = stopped};
	uint64_t pages = ramz_size_bytes(disk->store) / disk->page_bytes;
	int result = first < pages ? ramz_walk(disk->store, first, state_visit, &state) : 0;

	if (result < 0) {
		json_decref(state.pages);
		*damaged = state.next;
		return result;
	}
	json_object_set_new(object, "pages", rzn_json_count(pages));
	json_object_set_new(object, "page_bytes", rzn_json_count(disk->page_bytes));
	json_object_set_new(object, "next",
			    result == STATE_ENOUGH ? rzn_json_count(state.next) : json_null());
	json_object_set_new(object, "state", state.pages);
	return 0;
}
