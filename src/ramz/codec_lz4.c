/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_lz4.c: LZ4 block format.
 *
 * Owns the meaning of levels: below 0 the fast compressor with that acceleration, 0 to 2 the plain
 * fast compressor, 3 to 12 the high-compression one. May call liblz4 and the C library. Locking:
 * none; one thread per context. O(page).
 */
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lz4hc.h>

#include "codec_list.h"

/* Beyond this, liblz4 treats all accelerations alike. */
#define LZ4_ACCELERATION_LIMIT 65537
#define LZ4_LEVEL_HC_FIRST 3
#define LZ4_LEVEL_HC_LAST 12

/* liblz4 does not look back further. */
#define LZ4_DICTIONARY_MAX ((size_t)64 << 10)

/* The end of a dictionary, to which forms refer. */
struct lz4_digest {
	const char *bytes;
	int count;
};

struct lz4_context {
	size_t page_bytes;
	int32_t level;
	const struct lz4_digest *digest; /* NULL = no dictionary */
	void *state;                     /* of the level's compressor; made when it is first used */
	char *window; /* the dictionary and a page behind it; made when one is first decompressed */
};

static void lz4_digest_destroy(void *digest)
{
	free(digest);
}

static void *lz4_digest_create(const void *dictionary, size_t bytes)
{
	struct lz4_digest *digest;
	size_t kept = bytes < LZ4_DICTIONARY_MAX ? bytes : LZ4_DICTIONARY_MAX;

	if (kept == 0)
		return NULL;
	digest = malloc(sizeof(*digest));
	if (digest == NULL)
		return NULL;
	digest->bytes = (const char *)dictionary + (bytes - kept);
	digest->count = (int)kept;
	return digest;
}

static size_t lz4_digest_bytes(const void *digest)
{
	const struct lz4_digest *d = digest;

	return sizeof(*d);
}

static void lz4_context_destroy(void *context)
{
	struct lz4_context *c = context;

	if (c == NULL)
		return;
	free(c->state);
	free(c->window);
	free(c);
}

static void *lz4_context_create_with(size_t page_bytes, int32_t level, const void *digest)
{
	struct lz4_context *c;

	if (!rzi_codec_page_ok(page_bytes))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->page_bytes = page_bytes;
	c->level = rzi_codec_level(&rzi_codec_lz4, level);
	c->digest = digest;
	return c;
}

static void *lz4_context_create(size_t page_bytes, int32_t level)
{
	return lz4_context_create_with(page_bytes, level, NULL);
}

static bool lz4_is_hc(const struct lz4_context *c)
{
	return c->level >= LZ4_LEVEL_HC_FIRST;
}

static size_t lz4_state_bytes(const struct lz4_context *c)
{
	return (size_t)(lz4_is_hc(c) ? LZ4_sizeofStateHC() : LZ4_sizeofState());
}

static size_t lz4_window_bytes(const struct lz4_context *c)
{
	return (size_t)c->digest->count + c->page_bytes;
}

static size_t lz4_context_bytes(const void *context)
{
	const struct lz4_context *c = context;

	return sizeof(*c) + (c->state != NULL ? lz4_state_bytes(c) : 0) +
	       (c->window != NULL ? lz4_window_bytes(c) : 0);
}

static int lz4_acceleration(const struct lz4_context *c)
{
	return c->level < 0 ? -c->level : 1;
}

static int lz4_compress_alone(struct lz4_context *c, const void *src, int src_bytes, void *dst,
			      int room)
{
	if (lz4_is_hc(c))
		return LZ4_compress_HC_extStateHC(c->state, src, dst, src_bytes, room, c->level);
	return LZ4_compress_fast_extState(c->state, src, dst, src_bytes, room, lz4_acceleration(c));
}

/* Loads the dictionary for each page: liblz4 has no public call that keeps it. */
static int lz4_compress_with(struct lz4_context *c, const void *src, int src_bytes, void *dst,
			     int room)
{
	const struct lz4_digest *d = c->digest;

	if (lz4_is_hc(c)) {
		LZ4_streamHC_t *stream = LZ4_initStreamHC(c->state, lz4_state_bytes(c));

		LZ4_resetStreamHC_fast(stream, c->level);
		(void)LZ4_loadDictHC(stream, d->bytes, d->count);
		return LZ4_compress_HC_continue(stream, src, dst, src_bytes, room);
	}
	(void)LZ4_initStream(c->state, lz4_state_bytes(c));
	(void)LZ4_loadDict(c->state, d->bytes, d->count);
	return LZ4_compress_fast_continue(c->state, src, dst, src_bytes, room, lz4_acceleration(c));
}

static int lz4_compress(void *context, const void *src, size_t src_bytes, void *dst,
			size_t dst_bytes)
{
	struct lz4_context *c = context;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	if (dst_bytes == 0)
		return 0;
	if (c->state == NULL)
		c->state = malloc(lz4_state_bytes(c));
	if (c->state == NULL)
		return -XV_ENOMEM;
	if (c->digest != NULL)
		return lz4_compress_with(c, src, (int)src_bytes, dst, rzi_codec_room(dst_bytes));
	return lz4_compress_alone(c, src, (int)src_bytes, dst, rzi_codec_room(dst_bytes));
}

/* liblz4 takes 30% less time when the page follows its dictionary in memory, the copy included:
 * tiers/ramz/read/warm/p50. */
static int lz4_decompress_with(struct lz4_context *c, const void *src, int src_bytes, void *dst,
			       int dst_bytes)
{
	const struct lz4_digest *d = c->digest;
	char *page;
	int got;

	if (c->window == NULL) {
		c->window = malloc(lz4_window_bytes(c));
		if (c->window == NULL)
			return LZ4_decompress_safe_usingDict(src, dst, src_bytes, dst_bytes,
							     d->bytes, d->count);
		memcpy(c->window, d->bytes, (size_t)d->count);
	}
	page = c->window + d->count;
	got = LZ4_decompress_safe_usingDict(src, page, src_bytes, dst_bytes, c->window, d->count);
	if (got == dst_bytes)
		memcpy(dst, page, (size_t)got);
	return got;
}

static int lz4_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes)
{
	struct lz4_context *c = context;
	int got;

	if (src_bytes == 0 || src_bytes > RZI_CODEC_PAGE_MAX || dst_bytes > c->page_bytes)
		return -XV_EBADMSG;
	if (c->digest != NULL)
		got = lz4_decompress_with(c, src, (int)src_bytes, dst, (int)dst_bytes);
	else
		got = LZ4_decompress_safe(src, dst, (int)src_bytes, (int)dst_bytes);
	return got >= 0 && (size_t)got == dst_bytes ? 0 : -XV_EBADMSG;
}

const struct ramz_codec rzi_codec_lz4 = {
	.name = "lz4",
	.id = RZI_CODEC_LZ4,
	.level_min = -LZ4_ACCELERATION_LIMIT,
	.level_max = LZ4_LEVEL_HC_LAST,
	.level_default = 1,
	.context_create = lz4_context_create,
	.context_destroy = lz4_context_destroy,
	.compress = lz4_compress,
	.decompress = lz4_decompress,
	.context_bytes = lz4_context_bytes,
	.digest_create = lz4_digest_create,
	.digest_destroy = lz4_digest_destroy,
	.digest_bytes = lz4_digest_bytes,
	.context_create_with = lz4_context_create_with,
};
