/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * dictionary.c: make and drop dictionaries; see dictionary.h.
 */
#include "dictionary.h"

#include <stdlib.h>
#include <string.h>

#if RAMZ_HAVE_ZSTD
#include <zdict.h>
#endif

static int dictionary_digest(struct rzi_memory *memory, struct rzi_dictionary *d)
{
	d->digest = d->codec->digest_create(d->bytes, d->count);
	if (d->digest == NULL)
		return -XV_EINVAL;
	d->digest_bytes = d->codec->digest_bytes(d->digest);
	if (rzi_memory_charge(memory, d->digest_bytes, false))
		return 0;
	d->digest_bytes = 0;
	return -XV_ENOSPC;
}

int rzi_dictionary_make(struct rzi_memory *memory, const struct ramz_codec *codec,
			const void *bytes, size_t count, struct rzi_dictionary **out)
{
	struct rzi_dictionary *d;
	int err = 0;

	if (codec->digest_create == NULL)
		return -XV_ENOTSUP;
	if (count == 0 || count > DICTIONARY_BYTES_MAX)
		return -XV_EINVAL;
	d = rzi_memory_alloc(memory, sizeof(*d), &err);
	if (d == NULL)
		return err;
	d->codec = codec;
	d->count = (uint32_t)count;
	d->bytes = rzi_memory_alloc(memory, count, &err);
	if (d->bytes != NULL) {
		memcpy(d->bytes, bytes, count);
		err = dictionary_digest(memory, d);
	}
	if (err != 0) {
		rzi_dictionary_free(memory, d);
		return err;
	}
	*out = d;
	return 0;
}

void rzi_dictionary_free(struct rzi_memory *memory, struct rzi_dictionary *d)
{
	if (d == NULL)
		return;
	if (d->digest != NULL)
		d->codec->digest_destroy(d->digest);
	if (d->digest_bytes != 0)
		rzi_memory_discharge(memory, d->digest_bytes);
	rzi_memory_free(memory, d->bytes, d->count);
	rzi_memory_free(memory, d, sizeof(*d));
}

uint64_t rzi_dictionary_held(const struct rzi_dictionary *d)
{
	return rzi_memory_rounded(sizeof(*d)) + rzi_memory_rounded(d->count) + d->digest_bytes;
}

#if RAMZ_HAVE_ZSTD

int rzi_dictionary_train(const void *samples, const size_t *sizes, uint32_t sample_count,
			 void *bytes, size_t *count)
{
	size_t got = ZDICT_trainFromBuffer(bytes, *count, samples, sizes, sample_count);

	if (ZDICT_isError(got))
		return -XV_EINVAL;
	*count = got;
	return 0;
}

#else

int rzi_dictionary_train(const void *samples, const size_t *sizes, uint32_t sample_count,
			 void *bytes, size_t *count)
{
	(void)samples;
	(void)sizes;
	(void)sample_count;
	(void)bytes;
	(void)count;
	return -XV_ENOTSUP;
}

#endif

int rzi_dictionary_train_pages(const void *pages, size_t page_bytes, uint32_t page_count,
			       void *bytes, size_t *count)
{
	size_t *sizes = malloc(page_count * sizeof(*sizes));
	int err;

	if (sizes == NULL)
		return -XV_ENOMEM;
	for (uint32_t i = 0; i < page_count; i++)
		sizes[i] = page_bytes;
	err = rzi_dictionary_train(pages, sizes, page_count, bytes, count);
	free(sizes);
	return err;
}
