/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codecs.h: the codecs of a run, from --codec. Locking: none.
 */
#ifndef XVM_CODECS_H
#define XVM_CODECS_H

#include <ramz/codec.h>

#include "base.h"

#define XVM_CODECS_MAX 16U
#define XVM_CODEC_LABEL_BYTES 24U

struct xvm_codec {
	const struct ramz_codec *codec;
	int32_t level;                     /* what is used: never RAMZ_LEVEL_DEFAULT */
	char label[XVM_CODEC_LABEL_BYTES]; /* "zstd", or "zstd:19" at another level */
};

struct xvm_codecs {
	struct xvm_codec items[XVM_CODECS_MAX];
	size_t count;
};

/*
 * The codecs of a comma-separated list of NAME or NAME:LEVEL. A codec without a level has its
 * default. Returns 0, or XVM_FAILED after naming what is wrong and what there is.
 */
int xvm_codecs_parse(struct xvm_codecs *codecs, const char *list);

#endif
