/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/codec.h: compression of one page, by name.
 *
 * A codec is a constant table of functions over a context that the caller makes,
 * one per thread. lz4 is always there; lzo (LZO1X-1) and zstd where their
 * libraries were found when the library was built; none stores pages as they are.
 */
#ifndef RAMZ_CODEC_H
#define RAMZ_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Level that means "the codec's own default". */
#define RAMZ_LEVEL_DEFAULT INT32_MIN

/*
 * One codec. All functions are safe to call from several threads as long as each
 * context is used by one thread at a time.
 */
struct ramz_codec {
	const char *name;  /* "lz4", "lzo", "zstd", "none" */
	uint32_t id;       /* small number, stored with each object; never reused */
	int32_t level_min; /* lowest level, fastest or for lz4 the highest acceleration negated */
	int32_t level_max; /* highest level: smallest output */
	int32_t level_default;

	/*
	 * Make a context for compressing and decompressing pages of up to page_bytes
	 * at level (clamped to the codec's range). Returns NULL when out of memory. What only one
	 * direction needs may be taken when it is first used. End it with context_destroy.
	 */
	void *(*context_create)(size_t page_bytes, int32_t level);
	void (*context_destroy)(void *context);

	/*
	 * Compress src_bytes at src into dst. Returns the compressed bytes, > 0; 0 when
	 * the result does not fit dst_bytes; or a negative errno. Output is undefined
	 * unless the result is > 0. src may change meanwhile: the output then is of no page
	 * in particular, but it can be decompressed.
	 */
	int (*compress)(void *context, const void *src, size_t src_bytes, void *dst,
			size_t dst_bytes);

	/*
	 * Decompress exactly dst_bytes from src_bytes at src. Never reads outside src
	 * nor writes outside dst, whatever src holds. Returns 0, -XV_EBADMSG when src
	 * is not the compressed form of dst_bytes bytes, or -XV_ENOMEM.
	 */
	int (*decompress)(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes);

	/*
	 * Bytes that a context has taken until now, itself included. It may change with each use,
	 * and is asked for after each: O(1). NULL for a codec that cannot tell: its contexts are
	 * then not in a store's held bytes, and no limit is asked for them.
	 */
	size_t (*context_bytes)(const void *context);
};

/* The codec of this name or this id, or NULL. Static storage. */
XV_API const struct ramz_codec *ramz_codec_by_name(const char *name);
XV_API const struct ramz_codec *ramz_codec_by_id(uint32_t id);

/* The index-th codec of this build, or NULL past the end: lz4 is index 0. */
XV_API const struct ramz_codec *ramz_codec_at(size_t index);

/*
 * Is the page one repeated 8-byte word? Stores the word in *word when it is and
 * word is not NULL. bytes is a positive multiple of 8; page may have any alignment. O(bytes).
 */
XV_API bool ramz_page_is_same_filled(const void *page, size_t bytes, uint64_t *word);

#ifdef __cplusplus
}
#endif
#endif
