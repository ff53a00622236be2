/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mix.c: see mix.h. The pages and their compression are xvfrag's, so that both benchmarks
 * mean the same by a page's size. Locking: none. O(pages read).
 */
#include "mix.h"

#include <stdlib.h>

#include "input.h"
#include "sizes.h"

/* MIX_SIZES out of many, spread evenly over them. count > 0. */
static void mix_init_sample(struct mix *mix, const char *name, const uint32_t *sizes, size_t count)
{
	uint64_t sum = 0;

	*mix = (struct mix){.name = name};
	for (size_t i = 0; i < MIX_SIZES; i++) {
		uint32_t size = sizes[i * count / MIX_SIZES];

		mix->size[i] = size;
		sum += size;
		if (size > mix->max_size)
			mix->max_size = size;
	}
	mix->mean_size = (uint32_t)(sum / MIX_SIZES);
}

void mix_init_small(struct mix *mix)
{
	uint32_t sizes[512 - 16 + 1];

	for (uint32_t i = 0; i <= 512 - 16; i++)
		sizes[i] = 16 + i;
	mix_init_sample(mix, "small", sizes, 512 - 16 + 1);
}

bool mix_init_recorded(struct mix *mix, const struct xvm_u32s *sizes)
{
	struct xvm_u32s kept = {.count = 0};

	for (size_t i = 0; i < sizes->count; i++) {
		if (sizes->items[i] <= MIX_SIZE_MAX)
			xvm_u32s_append(&kept, sizes->items[i]);
	}
	if (kept.count > 0)
		mix_init_sample(mix, "recorded", kept.items, kept.count);
	else
		xvm_error("the trace has no object of %u bytes or less", MIX_SIZE_MAX);
	free(kept.items);
	return mix->name != NULL;
}

bool mix_init_page(struct mix *mix, const char *name)
{
	struct xvm_sizes sizes = {.page_count = 0};
	struct xvm_input input;
	int result = xvm_input_load(&input, name, MIX_INPUT_BYTES_MAX);

	if (result == 0)
		result = xvm_sizes_from_pages(&sizes, &input.pages, ramz_codec_by_name("lz4"),
					      RAMZ_LEVEL_DEFAULT);
	if (result == 0 && sizes.objects.count == 0) {
		xvm_error("all pages of %s are of one repeated word: name another input with "
			  "--sizes",
			  name);
		result = XVM_FAILED;
	}
	if (result == 0)
		mix_init_sample(mix, "page", sizes.objects.items, sizes.objects.count);
	xvm_sizes_fini(&sizes);
	xvm_input_fini(&input);
	return result == 0;
}
