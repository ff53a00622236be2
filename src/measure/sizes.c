/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sizes.c: the compressed sizes of pages; see sizes.h. Locking: none.
 */
#include "sizes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void xvm_sizes_fini(struct xvm_sizes *sizes)
{
	free(sizes->objects.items);
	free(sizes->pages.items);
	*sizes = (struct xvm_sizes){.page_count = 0};
}

/* One page of `size` bytes stored, 0 for same-filled. */
static void sizes_add(struct xvm_sizes *sizes, uint32_t size)
{
	uint32_t page = (uint32_t)sizes->page_count++;

	if (size == 0) {
		sizes->same_filled++;
		return;
	}
	if (size == XVM_INPUT_PAGE_BYTES)
		sizes->raw++;
	xvm_u32s_append(&sizes->objects, size);
	xvm_u32s_append(&sizes->pages, page);
	sizes->object_bytes += size;
}

static int sizes_compress(const struct ramz_codec *codec, void *context, const uint8_t *page)
{
	uint8_t out[XVM_STORE_BYTES_MAX];
	int bytes;

	if (ramz_page_is_same_filled(page, XVM_INPUT_PAGE_BYTES, NULL))
		return 0;
	bytes = codec->compress(context, page, XVM_INPUT_PAGE_BYTES, out, sizeof(out));
	return bytes == 0 ? (int)XVM_INPUT_PAGE_BYTES : bytes;
}

int xvm_sizes_from_pages(struct xvm_sizes *sizes, const struct xvm_pages *pages,
			 const struct ramz_codec *codec, int32_t level)
{
	void *context = codec->context_create(XVM_INPUT_PAGE_BYTES, level);
	int result = 0;

	*sizes = (struct xvm_sizes){.page_count = 0};
	if (context == NULL) {
		xvm_error("codec %s could not start: out of memory", codec->name);
		return XVM_FAILED;
	}
	for (uint64_t i = 0; i < pages->count && result == 0; i++) {
		int size = sizes_compress(codec, context, xvm_pages_at(pages, i));

		if (size < 0) {
			xvm_error("codec %s failed on a page: %s", codec->name, strerror(-size));
			result = XVM_FAILED;
		} else {
			sizes_add(sizes, (uint32_t)size);
		}
	}
	codec->context_destroy(context);
	return result;
}

static int sizes_add_line(void *context, struct xvm_text_line *line)
{
	uint64_t size;

	if (line->word_count != 1 || !xvm_parse_u64(line->words[0], 0, XVM_OBJECT_BYTES_MAX, &size))
		return xvm_text_complain(line, "expected one size in bytes, 0 to %u",
					 XVM_OBJECT_BYTES_MAX);
	sizes_add(context, (uint32_t)size);
	return 0;
}

int xvm_sizes_from_file(struct xvm_sizes *sizes, const char *path)
{
	int result;

	*sizes = (struct xvm_sizes){.page_count = 0};
	result = xvm_text_read(path, sizes_add_line, sizes);
	/* The file has no pages to go with its sizes. */
	free(sizes->pages.items);
	sizes->pages = (struct xvm_u32s){.items = NULL};
	return result;
}

bool xvm_sizes_write(const struct xvm_sizes *sizes, FILE *out)
{
	uint64_t page = 0;

	for (size_t i = 0; i < sizes->objects.count; i++) {
		while (sizes->pages.count > 0 && page < sizes->pages.items[i]) {
			fputs("0\n", out);
			page++;
		}
		fprintf(out, "%u\n", (unsigned)sizes->objects.items[i]);
		page++;
	}
	for (; sizes->pages.count > 0 && page < sizes->page_count; page++)
		fputs("0\n", out);
	return fflush(out) == 0 && !ferror(out);
}
