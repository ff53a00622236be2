/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_zstd.c: Zstandard frames, one a page.
 *
 * Contexts are kept for their tables: making one per page costs more than the
 * page. May call libzstd and the C library. Locking: none; one thread per
 * context. O(page).
 */
#include <stdlib.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "codec_list.h"

/* The range libzstd gives; narrower libraries clamp again. */
#define ZSTD_LEVEL_FIRST (-131072)
#define ZSTD_LEVEL_LAST 22

struct zstd_context {
	size_t page_bytes;
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor;
};

static void zstd_context_destroy(void *context)
{
	struct zstd_context *c = context;

	if (c == NULL)
		return;
	ZSTD_freeCCtx(c->compressor);
	ZSTD_freeDCtx(c->decompressor);
	free(c);
}

static bool zstd_context_setup(struct zstd_context *c, int32_t level)
{
	c->compressor = ZSTD_createCCtx();
	c->decompressor = ZSTD_createDCtx();
	if (c->compressor == NULL || c->decompressor == NULL)
		return false;
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_compressionLevel, level));
}

static void *zstd_context_create(size_t page_bytes, int32_t level)
{
	struct zstd_context *c;

	if (!rzi_codec_page_ok(page_bytes))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->page_bytes = page_bytes;
	if (!zstd_context_setup(c, rzi_codec_level(&rzi_codec_zstd, level))) {
		zstd_context_destroy(c);
		return NULL;
	}
	return c;
}

static int zstd_error(size_t result)
{
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_dstSize_tooSmall:
		return 0;
	case ZSTD_error_memory_allocation:
		return -XV_ENOMEM;
	default:
		return -XV_EINVAL;
	}
}

static int zstd_compress(void *context, const void *src, size_t src_bytes, void *dst,
			 size_t dst_bytes)
{
	const struct zstd_context *c = context;
	size_t result;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	result = ZSTD_compress2(c->compressor, dst, (size_t)rzi_codec_room(dst_bytes), src,
				src_bytes);
	return ZSTD_isError(result) ? zstd_error(result) : (int)result;
}

static int zstd_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			   size_t dst_bytes)
{
	const struct zstd_context *c = context;
	size_t got;

	got = ZSTD_decompressDCtx(c->decompressor, dst, dst_bytes, src, src_bytes);
	return !ZSTD_isError(got) && got == dst_bytes ? 0 : -XV_EBADMSG;
}

const struct ramz_codec rzi_codec_zstd = {
	.name = "zstd",
	.id = RZI_CODEC_ZSTD,
	.level_min = ZSTD_LEVEL_FIRST,
	.level_max = ZSTD_LEVEL_LAST,
	.level_default = ZSTD_CLEVEL_DEFAULT,
	.context_create = zstd_context_create,
	.context_destroy = zstd_context_destroy,
	.compress = zstd_compress,
	.decompress = zstd_decompress,
};
