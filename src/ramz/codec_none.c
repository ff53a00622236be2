/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_none.c: pages as they are, for a store without compression.
 *
 * May call the C library. Locking: none; the context is constant. O(page).
 */
#include <stdlib.h>
#include <string.h>

#include "codec_list.h"

struct none_context {
	size_t page_bytes;
};

static void *none_context_create(size_t page_bytes, int32_t level)
{
	struct none_context *c;

	(void)level;
	if (!rzi_codec_page_ok(page_bytes))
		return NULL;
	c = malloc(sizeof(*c));
	if (c != NULL)
		c->page_bytes = page_bytes;
	return c;
}

static void none_context_destroy(void *context)
{
	free(context);
}

static int none_compress(void *context, const void *src, size_t src_bytes, void *dst,
			 size_t dst_bytes)
{
	const struct none_context *c = context;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	if (src_bytes > dst_bytes)
		return 0;
	memcpy(dst, src, src_bytes);
	return (int)src_bytes;
}

static int none_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			   size_t dst_bytes)
{
	(void)context;
	if (src_bytes != dst_bytes)
		return -XV_EBADMSG;
	memcpy(dst, src, dst_bytes);
	return 0;
}

static size_t none_context_bytes(const void *context)
{
	(void)context;
	return sizeof(struct none_context);
}

const struct ramz_codec rzi_codec_none = {
	.name = "none",
	.id = RZI_CODEC_NONE,
	.level_min = 0,
	.level_max = 0,
	.level_default = 0,
	.context_create = none_context_create,
	.context_destroy = none_context_destroy,
	.compress = none_compress,
	.decompress = none_decompress,
	.context_bytes = none_context_bytes,
};
