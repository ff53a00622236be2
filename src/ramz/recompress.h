/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * recompress.h: a codec context for one administrative call. It compresses with the coding of a
 * tier, dictionary included, and its memory goes when the call ends.
 *
 * May call: codecs.c. Locking: one thread uses it. It is made in a call on the store (context.h),
 * so that the coding is not freed meanwhile; then it keeps the coding, until it is dropped.
 */
#ifndef RZI_RECOMPRESS_H
#define RZI_RECOMPRESS_H

#include "store_impl.h"

struct rzi_compressor {
	const struct ramz_codec *codec;
	void *context; /* NULL = none */
	size_t charged_bytes;
	uint32_t index; /* of the coding, which is kept while there is a context */
	int32_t level;
};

/* What a part of a policy's sweep adds to ramz_recompress. */
struct rzi_sweep {
	uint64_t until_ns; /* when to end, by rzi_now_ns, after 64 KiB of pages at least */
	uint64_t
		risen_pages; /* that came from a lower tier, not from an older coding of this one */
	uint64_t risen_bytes; /* that these pages gained */
};

/* Returns 0 or -XV_ENOMEM. The structure is zeroed before. */
int rzi_compressor_make(struct ramz *store, struct rzi_compressor *compressor, uint32_t index,
			int32_t level);

/* Compress a page into a buffer of store->form_max bytes and 64 more. Returns the bytes of the
 * form, 0 when it is longer than store->form_max, -XV_ENOSPC (no room for the context), or an
 * error of the codec. */
int rzi_compressor_run(struct ramz *store, struct rzi_compressor *compressor, const void *page,
		       void *form);

void rzi_compressor_drop(struct ramz *store, struct rzi_compressor *compressor);

/* ramz_recompress, with a compressor that the caller keeps for the next call. sweep may be NULL. */
int rzi_recompress(struct ramz *store, struct rzi_compressor *compressor,
		   const struct ramz_recompress_options *options,
		   struct ramz_recompress_report *report, struct rzi_sweep *sweep);

/* The tier has a new coding: forget which pages its earlier ones did not help. Outside of any call
 * on the store. O(slot table). */
void rzi_recompress_again(struct ramz *store, uint32_t tier);

#endif
