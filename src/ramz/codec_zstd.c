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
	int32_t level;
	ZSTD_CCtx *compressor;   /* made when it is first used */
	ZSTD_DCtx *decompressor; /* the same */
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

static bool zstd_make_compressor(struct zstd_context *c)
{
	if (c->compressor != NULL)
		return true;
	c->compressor = ZSTD_createCCtx();
	if (c->compressor == NULL)
		return false;
	if (!ZSTD_isError(ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_compressionLevel, c->level)))
		return true;
	ZSTD_freeCCtx(c->compressor);
	c->compressor = NULL;
	return false;
}

static bool zstd_make_decompressor(struct zstd_context *c)
{
	if (c->decompressor == NULL)
		c->decompressor = ZSTD_createDCtx();
	return c->decompressor != NULL;
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
	c->level = rzi_codec_level(&rzi_codec_zstd, level);
	return c;
}

/* libzstd's own contexts grow with use. */
static size_t zstd_context_bytes(const void *context)
{
	const struct zstd_context *c = context;

	return sizeof(*c) + ZSTD_sizeof_CCtx(c->compressor) + ZSTD_sizeof_DCtx(c->decompressor);
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
	struct zstd_context *c = context;
	size_t result;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	if (!zstd_make_compressor(c))
		return -XV_ENOMEM;
	result = ZSTD_compress2(c->compressor, dst, (size_t)rzi_codec_room(dst_bytes), src,
				src_bytes);
	return ZSTD_isError(result) ? zstd_error(result) : (int)result;
}

static int zstd_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			   size_t dst_bytes)
{
	struct zstd_context *c = context;
	size_t got;

	if (!zstd_make_decompressor(c))
		return -XV_ENOMEM;
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
	.context_bytes = zstd_context_bytes,
};
