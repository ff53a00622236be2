/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* A user of ramz: each codec of this build compresses a page and gives it back. */
#include <stdio.h>
#include <string.h>

#include <ramz/codec.h>
#include <xvmalloc/base.h>

static int round_trip(const struct ramz_codec *codec)
{
	static unsigned char page[4096];
	static unsigned char packed[8192];
	static unsigned char back[4096];
	void *context = codec->context_create(sizeof(page), RAMZ_LEVEL_DEFAULT);
	int bytes;
	int failed;

	if (context == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (unsigned char)(i / 64);
	bytes = codec->compress(context, page, sizeof(page), packed, sizeof(packed));
	failed = bytes <= 0 ||
		 codec->decompress(context, packed, (size_t)bytes, back, sizeof(back)) != 0 ||
		 memcmp(page, back, sizeof(page)) != 0;
	codec->context_destroy(context);
	printf("%s: %d bytes: %s\n", codec->name, bytes, failed ? "failed" : "works");
	return failed;
}

int main(void)
{
	const struct ramz_codec *codec;
	int failed = ramz_codec_by_name("lz4") == NULL;

	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++)
		failed |= round_trip(codec);
	return failed;
}
