/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec_list.h: what the codec files of ramz share: their tables, their numbers and the checks of
 * arguments.
 *
 * RAMZ_HAVE_LZO and RAMZ_HAVE_ZSTD (0 or 1) come from the build. Locking: none. All O(1).
 */
#ifndef RAMZ_CODEC_LIST_H
#define RAMZ_CODEC_LIST_H

#include <ramz/codec.h>

/* Stored with each object: a number is never given to another codec. */
enum rzi_codec_id {
	RZI_CODEC_NONE = 0,
	RZI_CODEC_LZ4 = 1,
	RZI_CODEC_LZO = 2,
	RZI_CODEC_ZSTD = 3,
};

extern const struct ramz_codec rzi_codec_lz4;
extern const struct ramz_codec rzi_codec_lzo;
extern const struct ramz_codec rzi_codec_zstd;
extern const struct ramz_codec rzi_codec_none;

/* Largest page of a codec: every length, expansion included, stays below INT_MAX. */
#define RZI_CODEC_PAGE_MAX ((size_t)1 << 30)

/* The level to use: the codec's default, or the level clamped to the codec's range. */
static inline int32_t rzi_codec_level(const struct ramz_codec *codec, int32_t level)
{
	if (level == RAMZ_LEVEL_DEFAULT)
		return codec->level_default;
	if (level < codec->level_min)
		return codec->level_min;
	return level > codec->level_max ? codec->level_max : level;
}

/* Can a page of this size have a context? */
static inline bool rzi_codec_page_ok(size_t page_bytes)
{
	return page_bytes > 0 && page_bytes <= RZI_CODEC_PAGE_MAX;
}

/* Room for output, at most what a compressor can write. */
static inline int rzi_codec_room(size_t dst_bytes)
{
	return (int)(dst_bytes < RZI_CODEC_PAGE_MAX ? dst_bytes : RZI_CODEC_PAGE_MAX);
}

#endif
