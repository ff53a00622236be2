/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_zstd.c: Zstandard, one frame for each page.
 *
 * Contexts stay for their tables: to make one for each page costs more than the page. May call
 * libzstd and the C library. Locking: none; one thread per context. O(page).
 */
#include <stdlib.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "codec_list.h"

/* libzstd's range; narrower versions clamp again. */
#define ZSTD_LEVEL_FIRST (-131072)
#define ZSTD_LEVEL_LAST 22

/* A dictionary: digested for decompression, and its bytes, from which each compressor makes what
 * its level needs. */
struct zstd_digest {
	const void *bytes;
	size_t count;
	ZSTD_DDict *decompressing;
};

struct zstd_context {
	size_t page_bytes;
	int32_t level;
	const struct zstd_digest *digest; /* NULL = no dictionary */
	ZSTD_CDict *compressing;          /* of the digest at this level */
	ZSTD_CCtx *compressor;            /* made when it is first used, as the one above */
	ZSTD_DCtx *decompressor;          /* made when it is first used */
};

static void zstd_digest_destroy(void *digest)
{
	struct zstd_digest *d = digest;

	if (d == NULL)
		return;
	ZSTD_freeDDict(d->decompressing);
	free(d);
}

static void *zstd_digest_create(const void *dictionary, size_t bytes)
{
	struct zstd_digest *d = malloc(sizeof(*d));

	if (d == NULL)
		return NULL;
	d->bytes = dictionary;
	d->count = bytes;
	d->decompressing = ZSTD_createDDict(dictionary, bytes);
	if (d->decompressing != NULL)
		return d;
	free(d);
	return NULL;
}

static size_t zstd_digest_bytes(const void *digest)
{
	const struct zstd_digest *d = digest;

	return sizeof(*d) + ZSTD_sizeof_DDict(d->decompressing);
}

static void zstd_context_destroy(void *context)
{
	struct zstd_context *c = context;

	if (c == NULL)
		return;
	ZSTD_freeCCtx(c->compressor);
	ZSTD_freeCDict(c->compressing);
	ZSTD_freeDCtx(c->decompressor);
	free(c);
}

/* Forms do not carry the number of their dictionary: the store knows it. */
static bool zstd_prepare_compressor(struct zstd_context *c)
{
	size_t result;

	if (c->digest == NULL)
		return !ZSTD_isError(
			ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_compressionLevel, c->level));
	c->compressing = ZSTD_createCDict(c->digest->bytes, c->digest->count, c->level);
	if (c->compressing == NULL)
		return false;
	result = ZSTD_CCtx_refCDict(c->compressor, c->compressing);
	if (!ZSTD_isError(result))
		result = ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_dictIDFlag, 0);
	return !ZSTD_isError(result);
}

static bool zstd_make_compressor(struct zstd_context *c)
{
	if (c->compressor != NULL)
		return true;
	c->compressor = ZSTD_createCCtx();
	if (c->compressor == NULL)
		return false;
	if (zstd_prepare_compressor(c))
		return true;
	ZSTD_freeCCtx(c->compressor);
	ZSTD_freeCDict(c->compressing);
	c->compressor = NULL;
	c->compressing = NULL;
	return false;
}

static bool zstd_make_decompressor(struct zstd_context *c)
{
	if (c->decompressor != NULL)
		return true;
	c->decompressor = ZSTD_createDCtx();
	if (c->decompressor == NULL)
		return false;
	if (c->digest == NULL ||
	    !ZSTD_isError(ZSTD_DCtx_refDDict(c->decompressor, c->digest->decompressing)))
		return true;
	ZSTD_freeDCtx(c->decompressor);
	c->decompressor = NULL;
	return false;
}

static void *zstd_context_create_with(size_t page_bytes, int32_t level, const void *digest)
{
	struct zstd_context *c;

	if (!rzi_codec_page_ok(page_bytes))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->page_bytes = page_bytes;
	c->level = rzi_codec_level(&rzi_codec_zstd, level);
	c->digest = digest;
	return c;
}

static void *zstd_context_create(size_t page_bytes, int32_t level)
{
	return zstd_context_create_with(page_bytes, level, NULL);
}

/* libzstd's contexts grow with use. */
static size_t zstd_context_bytes(const void *context)
{
	const struct zstd_context *c = context;

	return sizeof(*c) + ZSTD_sizeof_CCtx(c->compressor) + ZSTD_sizeof_CDict(c->compressing) +
	       ZSTD_sizeof_DCtx(c->decompressor);
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
	.digest_create = zstd_digest_create,
	.digest_destroy = zstd_digest_destroy,
	.digest_bytes = zstd_digest_bytes,
	.context_create_with = zstd_context_create_with,
};
