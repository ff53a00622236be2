/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codec.c: the list of codecs of this build.
 *
 * Owns only the table; each codec has its own file. May call only the C library. Locking: none, the
 * table is constant. Look-ups are O(codecs).
 */
#include <string.h>

#include "codec_list.h"

static const struct ramz_codec *const codec_list[] = {
	&rzi_codec_lz4,
#if RAMZ_HAVE_LZO
	&rzi_codec_lzo,
#endif
#if RAMZ_HAVE_ZSTD
	&rzi_codec_zstd,
#endif
	&rzi_codec_none,
};

#define CODEC_COUNT (sizeof(codec_list) / sizeof(codec_list[0]))

const struct ramz_codec *ramz_codec_at(size_t index)
{
	return index < CODEC_COUNT ? codec_list[index] : NULL;
}

const struct ramz_codec *ramz_codec_by_name(const char *name)
{
	if (name == NULL)
		return NULL;
	for (size_t i = 0; i < CODEC_COUNT; i++) {
		if (strcmp(codec_list[i]->name, name) == 0)
			return codec_list[i];
	}
	return NULL;
}

const struct ramz_codec *ramz_codec_by_id(uint32_t id)
{
	for (size_t i = 0; i < CODEC_COUNT; i++) {
		if (codec_list[i]->id == id)
			return codec_list[i];
	}
	return NULL;
}
