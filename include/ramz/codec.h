/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/codec.h: compression of one page, by name.
 *
 * A codec is a constant table of functions over a context. The caller makes one context for each
 * thread. lz4 is always there. lzo (LZO1X-1) and zstd are there if the build found their libraries.
 * none stores pages as they are.
 */
#ifndef RAMZ_CODEC_H
#define RAMZ_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most codings that the pages of one store can have at a time; `none` is not counted. A coding is
 * a codec in a tier, with or without a dictionary (ramz/tiers.h). */
#define RAMZ_CODECS_MAX 7U

/* The codec's own default level. */
#define RAMZ_LEVEL_DEFAULT INT32_MIN

/* One codec. Several threads may call its functions at once, as long as one thread at a time uses
 * a context. */
struct ramz_codec {
	const char *name;  /* "lz4", "lzo", "zstd", "none" */
	uint32_t id;       /* stored with each object; never reused */
	int32_t level_min; /* fastest; for lz4 the highest acceleration, negated */
	int32_t level_max; /* smallest output */
	int32_t level_default;

	/* Make a context to compress and decompress pages of up to page_bytes at level (clamped
	 * to the codec's range). Returns NULL when out of memory. A context may take memory for
	 * one direction when that direction is first used. End it with context_destroy. */
	void *(*context_create)(size_t page_bytes, int32_t level);
	void (*context_destroy)(void *context);

	/*
	 * Compress src_bytes at src into dst. Returns the compressed bytes, > 0; 0 when the result
	 * does not fit dst_bytes; or a negative errno. The output is undefined unless the result is
	 * > 0. src may change during the call: the output can then be decompressed, but to bytes of
	 * no page in particular.
	 */
	int (*compress)(void *context, const void *src, size_t src_bytes, void *dst,
			size_t dst_bytes);

	/* Decompress src_bytes at src to exactly dst_bytes. Never reads outside src nor writes
	 * outside dst, whatever src holds. Returns 0, -XV_EBADMSG when src is not the compressed
	 * form of dst_bytes bytes, or -XV_ENOMEM. */
	int (*decompress)(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes);

	/* Bytes that a context has taken so far, itself included. Each use may change them, so
	 * the store asks after each use: O(1). NULL for a codec that cannot tell: a store then
	 * leaves its contexts out of held bytes and limits. */
	size_t (*context_bytes)(const void *context);

	/*
	 * Optional, all four or none: dictionaries. A digest is a dictionary prepared for contexts,
	 * for any number of threads at once. It refers to the dictionary's bytes, which must not
	 * change until digest_destroy. digest_create returns NULL when out of memory, or when the
	 * bytes are no dictionary of this codec. digest_bytes is what the digest takes, without the
	 * bytes. context_create_with is context_create for forms made with the digest, which must
	 * outlive the context; only a context with the same dictionary decompresses them.
	 */
	void *(*digest_create)(const void *dictionary, size_t bytes);
	void (*digest_destroy)(void *digest);
	size_t (*digest_bytes)(const void *digest);
	void *(*context_create_with)(size_t page_bytes, int32_t level, const void *digest);
};

/* The codec of this name or this id, or NULL. Static storage. */
XV_API const struct ramz_codec *ramz_codec_by_name(const char *name);
XV_API const struct ramz_codec *ramz_codec_by_id(uint32_t id);

/* Codec number index of this build, or NULL past the end: lz4 is index 0. */
XV_API const struct ramz_codec *ramz_codec_at(size_t index);

/* Is the page one repeated 8-byte word? If so, and word is not NULL, stores it in *word. bytes is
 * a positive multiple of 8; page may have any alignment. O(bytes). */
XV_API bool ramz_page_is_same_filled(const void *page, size_t bytes, uint64_t *word);

#ifdef __cplusplus
}
#endif
#endif
