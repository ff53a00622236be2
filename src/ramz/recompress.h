/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * recompress.h: a codec's context that belongs to one administrative call: it compresses with the
 * coding of a tier, dictionary included, and its memory goes when the call ends.
 *
 * May call: codecs.c. Locking: its owner's. The coding is not freed while the owner is in a call on
 * the store (context.h) or has the admin lock; a compressor may be dropped at any time.
 */
#ifndef RZI_RECOMPRESS_H
#define RZI_RECOMPRESS_H

#include "store_impl.h"

struct rzi_compressor {
	const struct ramz_codec *codec;
	void *context; /* NULL: none */
	size_t charged_bytes;
	uint32_t index; /* of the coding */
	uint32_t serial;
	int32_t level;
};

/* 0 or -XV_ENOMEM. The structure is zeroed. */
int rzi_compressor_make(struct ramz *store, struct rzi_compressor *compressor, uint32_t index,
			int32_t level);

/* Compress a page into a buffer with room for store->form_max bytes and 64 more. Bytes of the form,
 * 0 when it is longer than store->form_max, -XV_ENOSPC (no room for the context), or the codec's
 * error. */
int rzi_compressor_run(struct ramz *store, struct rzi_compressor *compressor, const void *page,
		       void *form);

void rzi_compressor_drop(struct ramz *store, struct rzi_compressor *compressor);

#endif
