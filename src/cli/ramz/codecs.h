/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codecs.h: the codecs of a run, from --codec and --level. Locking: none.
 */
#ifndef RAMZ_CLI_CODECS_H
#define RAMZ_CLI_CODECS_H

#include <ramz/codec.h>

#include "common.h"

#define RZC_CODECS_MAX 16U
#define RZC_CODEC_LABEL_BYTES 24U

struct rzc_codec {
	const struct ramz_codec *codec;
	int32_t level;                     /* what is used: never RAMZ_LEVEL_DEFAULT */
	char label[RZC_CODEC_LABEL_BYTES]; /* "zstd", or "zstd:19" at another level */
};

struct rzc_codecs {
	struct rzc_codec items[RZC_CODECS_MAX];
	size_t count;
};

/*
 * The codecs of a comma-separated list of NAME or NAME:LEVEL; NULL or "all" stands for
 * all of this build but none. level is for those without one of their own. Returns 0, or
 * XVF_FAILED after naming what is wrong and what there is.
 */
int rzc_codecs_parse(struct rzc_codecs *codecs, const char *list, int32_t level);

/*
 * About how long the codec takes to compress one of these pages, ns (1 or more): the mean
 * over a few of them, spread evenly. 0 when there is no memory for its context.
 */
uint64_t rzc_codec_ns_per_page(const struct rzc_codec *codec, const uint8_t *pages,
			       const uint32_t *index, size_t count);

#endif
