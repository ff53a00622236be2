/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mix.c: see mix.h. The pages and their compression are xvfrag's (its library does both),
 * so that both benchmarks mean the same by a page's size. Locking: none. O(pages read).
 */
#include "mix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "sizes.h"

#define MIX_PAGES_LEAST 64U
#define INPUT_BYTES_MAX (32U << 20) /*  a quarter of a second of lz4 */

static void mix_finish(struct mix *mix)
{
	uint64_t sum = 0;

	mix->max_size = 0;
	for (size_t i = 0; i < MIX_SIZES; i++) {
		sum += mix->size[i];
		if (mix->size[i] > mix->max_size)
			mix->max_size = mix->size[i];
	}
	mix->mean_size = (uint32_t)(sum / MIX_SIZES);
}

void mix_init_sample(struct mix *mix, const char *name, const uint32_t *sizes, size_t count)
{
	mix->name = name;
	for (size_t i = 0; i < MIX_SIZES; i++)
		mix->size[i] = sizes[i * count / MIX_SIZES];
	mix_finish(mix);
}

void mix_init_uniform(struct mix *mix, const char *name, uint32_t from, uint32_t to)
{
	mix->name = name;
	for (uint32_t i = 0; i < MIX_SIZES; i++)
		mix->size[i] = from + i * (to - from + 1) / MIX_SIZES;
	mix_finish(mix);
}

static int sizes_from_pages(struct xvm_sizes *sizes, const char *name)
{
	struct xvm_input input;
	int result = xvm_input_load(&input, name, INPUT_BYTES_MAX);

	if (result == 0)
		result = xvm_sizes_from_pages(sizes, &input.pages, ramz_codec_by_name("lz4"),
					      RAMZ_LEVEL_DEFAULT);
	xvm_input_fini(&input);
	return result;
}

/* For qsort, which takes no context. */
static const unsigned char *compared;

static int compare_pages(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
	int order = memcmp(compared + (size_t)one * XVM_INPUT_PAGE_BYTES,
			   compared + (size_t)other * XVM_INPUT_PAGE_BYTES, XVM_INPUT_PAGE_BYTES);

	return order != 0 ? order : (one > other) - (one < other);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

/* Of each content the first page, in the order of the input. */
static void pages_find_distinct(struct mix_pages *pages)
{
	const struct xvm_pages *all = &pages->all->pages;
	uint32_t count = 0, kept = 0;

	pages->data = all->data;
	pages->index = xvm_calloc((size_t)all->count, sizeof(*pages->index));
	for (uint32_t i = 0; i < all->count; i++) {
		if (!ramz_page_is_same_filled(xvm_pages_at(all, i), XVM_INPUT_PAGE_BYTES, NULL))
			pages->index[count++] = i;
	}
	compared = all->data;
	qsort(pages->index, count, sizeof(*pages->index), compare_pages);
	for (uint32_t i = 0; i < count; i++) {
		if (kept == 0 ||
		    memcmp(xvm_pages_at(all, pages->index[i]),
			   xvm_pages_at(all, pages->index[kept - 1]), XVM_INPUT_PAGE_BYTES) != 0)
			pages->index[kept++] = pages->index[i];
	}
	qsort(pages->index, kept, sizeof(*pages->index), compare_numbers);
	pages->count = kept;
}

bool mix_pages_read(struct mix_pages *pages, const char *name)
{
	struct xvm_input *all = xvm_calloc(1, sizeof(*all));

	*pages = (struct mix_pages){.all = all};
	if (xvm_input_load(all, name, INPUT_BYTES_MAX) == 0) {
		pages_find_distinct(pages);
		if (pages->count >= MIX_PAGES_LEAST)
			return true;
		fprintf(stderr,
			"xv_bench: %s has %u different pages that are not of one word; at least "
			"%u are needed: name more with --pages\n",
			name, (unsigned)pages->count, MIX_PAGES_LEAST);
	}
	mix_pages_fini(pages);
	return false;
}

void mix_pages_fini(struct mix_pages *pages)
{
	if (pages->all != NULL)
		xvm_input_fini(pages->all);
	free(pages->all);
	free(pages->index);
	*pages = (struct mix_pages){.count = 0};
}

static int write_sizes(const struct xvm_sizes *sizes, const char *path)
{
	FILE *file = fopen(path, "w");
	bool written = file != NULL && xvm_sizes_write(sizes, file);

	if (file != NULL)
		fclose(file);
	if (!written)
		fprintf(stderr, "xv_bench: %s cannot be written: %s\n", path, strerror(errno));
	return written ? 0 : -1;
}

bool mix_init_page(struct mix *mix, const struct mix_source *source)
{
	const char *name = source->sizes != NULL ? source->sizes : source->pages;
	struct xvm_sizes sizes = {.page_count = 0};
	int result = source->sizes != NULL ? xvm_sizes_from_file(&sizes, name)
					   : sizes_from_pages(&sizes, name);

	if (result == 0 && sizes.objects.count == 0) {
		fprintf(stderr, "xv_bench: no sizes in %s; name another with --sizes or --pages\n",
			name);
		result = -1;
	}
	if (result == 0 && source->written != NULL)
		result = write_sizes(&sizes, source->written);
	if (result == 0)
		mix_init_sample(mix, "page", sizes.objects.items, sizes.objects.count);
	xvm_sizes_fini(&sizes);
	return result == 0;
}
