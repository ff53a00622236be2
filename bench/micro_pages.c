/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_pages.c: the pages that stores are given; see micro.h. Locking: none. O(pages).
 */
#include <stdlib.h>
#include <string.h>

#include "micro.h"

#define PAGES_LEAST 64U

/* FNV-1a over words. */
static uint64_t page_hash(const uint8_t *page)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325), word;

	for (size_t at = 0; at < XVM_INPUT_PAGE_BYTES; at += sizeof(word)) {
		memcpy(&word, page + at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x100000001B3);
	}
	return hash;
}

/* Of each content the first page. Two of one hash count as one content. */
static void find_distinct(struct micro_pages *pages)
{
	const struct xvm_input *input = &pages->input;
	size_t places = 4 * input->distinct_count + 1;
	uint64_t *seen = xvm_calloc(places, sizeof(*seen));

	pages->index = xvm_calloc(input->distinct_count + 1, sizeof(*pages->index));
	for (size_t i = 0; i < input->distinct_count; i++) {
		uint64_t hash = page_hash(xvm_pages_at(&input->pages, input->distinct[i]));
		size_t at = hash % places;

		while (seen[at] != 0 && seen[at] != hash)
			at = (at + 1) % places;
		if (seen[at] == 0)
			pages->index[pages->count++] = input->distinct[i];
		seen[at] = hash;
	}
	free(seen);
}

bool micro_pages_read(struct micro_pages *pages, const char *name, uint64_t max_bytes,
		      char why[XVFRAG_PLUGIN_WHY_BYTES])
{
	if (pages->index == NULL && xvm_input_load(&pages->input, name, max_bytes) == 0)
		find_distinct(pages);
	if (pages->count >= PAGES_LEAST)
		return true;
	snprintf(why, XVFRAG_PLUGIN_WHY_BYTES,
		 "%s has %u different pages that are not of one word; at least %u are needed: name "
		 "another input with --pages",
		 name, (unsigned)pages->count, PAGES_LEAST);
	return false;
}

void micro_pages_fini(struct micro_pages *pages)
{
	xvm_input_fini(&pages->input);
	free(pages->index);
}
