/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_lzo.c: LZO1X-1, the codec that ramzswap used.
 *
 * LZO's compressor does not limit its output, so it writes to a buffer for the worst case in the
 * context, and the result is copied if it fits. May call liblzo2 and the C library. Locking: none;
 * one thread per context. O(page).
 */
#include <stdlib.h>
#include <string.h>

#include <lzo/lzo1x.h>

#include "codec_list.h"

struct lzo_context {
	size_t page_bytes;
	unsigned char *work; /* LZO1X_1_MEM_COMPRESS bytes, then lzo_worst_case(page_bytes) for the
			      * output; made when first used */
};

/* Most output bytes of LZO1X-1 for n bytes, from its documentation. */
static size_t lzo_worst_case(size_t n)
{
	return n + n / 16 + 64 + 3;
}

static void lzo_context_destroy(void *context)
{
	struct lzo_context *c = context;

	if (c == NULL)
		return;
	free(c->work);
	free(c);
}

static void *lzo_context_create(size_t page_bytes, int32_t level)
{
	struct lzo_context *c;

	(void)level; /* there is only one */
	if (!rzi_codec_page_ok(page_bytes) || lzo_init() != LZO_E_OK)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->page_bytes = page_bytes;
	return c;
}

static size_t lzo_work_bytes(const struct lzo_context *c)
{
	return LZO1X_1_MEM_COMPRESS + lzo_worst_case(c->page_bytes);
}

static size_t lzo_context_bytes(const void *context)
{
	const struct lzo_context *c = context;

	return sizeof(*c) + (c->work != NULL ? lzo_work_bytes(c) : 0);
}

static int lzo_compress(void *context, const void *src, size_t src_bytes, void *dst,
			size_t dst_bytes)
{
	struct lzo_context *c = context;
	lzo_uint out_bytes = 0;
	unsigned char *out;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	if (c->work == NULL)
		c->work = malloc(lzo_work_bytes(c));
	if (c->work == NULL)
		return -XV_ENOMEM;
	out = c->work + LZO1X_1_MEM_COMPRESS;
	if (lzo1x_1_compress(src, src_bytes, out, &out_bytes, c->work) != LZO_E_OK)
		return -XV_EINVAL;
	if (out_bytes > dst_bytes)
		return 0;
	memcpy(dst, out, out_bytes);
	return (int)out_bytes;
}

static int lzo_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes)
{
	lzo_uint got = dst_bytes;

	(void)context;
	if (src_bytes == 0 || dst_bytes > RZI_CODEC_PAGE_MAX)
		return -XV_EBADMSG;
	if (lzo1x_decompress_safe(src, src_bytes, dst, &got, NULL) != LZO_E_OK)
		return -XV_EBADMSG;
	return got == dst_bytes ? 0 : -XV_EBADMSG;
}

const struct ramz_codec rzi_codec_lzo = {
	.name = "lzo",
	.id = RZI_CODEC_LZO,
	.level_min = 1,
	.level_max = 1,
	.level_default = 1,
	.context_create = lzo_context_create,
	.context_destroy = lzo_context_destroy,
	.compress = lzo_compress,
	.decompress = lzo_decompress,
	.context_bytes = lzo_context_bytes,
};
