/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * dictionary.h: bytes that many pages have in common, and their digest for one codec.
 *
 * A dictionary belongs to one coding, and lives until no page, setting or context uses that coding
 * (rzi_codings_reap). Owns its bytes and the digest. May call: the codec, memory.h. Locking:
 * constant once made. O(bytes) to make.
 */
#ifndef RZI_DICTIONARY_H
#define RZI_DICTIONARY_H

#include <ramz/codec.h>

#include "memory.h"

enum { DICTIONARY_BYTES_MAX = 64 << 10 };

struct rzi_dictionary {
	const struct ramz_codec *codec;
	void *digest;
	unsigned char *bytes;
	uint32_t count;      /* of bytes */
	size_t digest_bytes; /* charged */
};

/* Copy the bytes and digest them. Returns 0, -XV_ENOTSUP (the codec has no dictionaries),
 * -XV_EINVAL (no dictionary of this codec), -XV_ENOMEM, -XV_ENOSPC. */
int rzi_dictionary_make(struct rzi_memory *memory, const struct ramz_codec *codec,
			const void *bytes, size_t count, struct rzi_dictionary **out);

/* NULL is allowed. */
void rzi_dictionary_free(struct rzi_memory *memory, struct rzi_dictionary *dictionary);

/* Its charged bytes. */
uint64_t rzi_dictionary_held(const struct rzi_dictionary *dictionary);

/* Train a dictionary of up to *count bytes on adjacent samples of these sizes; *count is then its
 * length. Returns 0, -XV_ENOTSUP (a build without zstd, which has the trainer), -XV_EINVAL (too few
 * or too uniform samples), -XV_ENOMEM. */
int rzi_dictionary_train(const void *samples, const size_t *sizes, uint32_t sample_count,
			 void *bytes, size_t *count);

/* The same with pages, all of one size. */
int rzi_dictionary_train_pages(const void *pages, size_t page_bytes, uint32_t page_count,
			       void *bytes, size_t *count);

#endif
