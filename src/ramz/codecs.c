/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codecs.c: which codec a page is compressed with, and each thread's contexts for them.
 *
 * Owns the store's table of codecs (the index is kept with each object) and the contexts'
 * codec contexts. May call: codecs, through their tables.
 * Locking: the table only grows, under the store's admin lock; a reader finds an index in an
 * entry and so sees its codec. Contexts are their taker's. O(page).
 */
#include "codec_list.h"
#include "store_impl.h"

int rzi_codec_index(struct ramz *store, const struct ramz_codec *codec)
{
	if (codec->id == RZI_CODEC_NONE)
		return 0;
	for (uint32_t i = 1; i < CODECS; i++) {
		const struct ramz_codec *there = atomic_load(&store->codec[i]);

		if (there == codec)
			return (int)i;
		if (there == NULL) {
			atomic_store(&store->codec[i], codec);
			return (int)i;
		}
	}
	return -XV_E2BIG;
}

bool rzi_codec_works(const struct ramz *store, const struct ramz_codec *codec, int32_t level)
{
	void *context = codec->context_create(store->page_bytes, rzi_codec_level(codec, level));

	if (context == NULL)
		return false;
	codec->context_destroy(context);
	return true;
}

void rzi_context_drop_codecs(struct rzi_context *context)
{
	for (uint32_t i = 1; i < CODECS; i++) {
		struct rzi_codec_context *cc = &context->codec[i];

		if (cc->context != NULL)
			atomic_load(&context->store->codec[i])->context_destroy(cc->context);
		cc->context = NULL;
	}
}

/* The thread's context for a codec, or NULL without memory. To decompress any level will do. */
static void *codecs_context(struct rzi_context *context, const struct ramz_codec *codec,
			    uint32_t index, const int32_t *level)
{
	struct rzi_codec_context *cc = &context->codec[index];
	int32_t wanted = level != NULL ? *level : codec->level_default;
	void *made;

	if (cc->context != NULL && (level == NULL || cc->level == wanted))
		return cc->context;
	made = codec->context_create(context->store->page_bytes, wanted);
	if (made == NULL)
		return NULL;
	if (cc->context != NULL)
		codec->context_destroy(cc->context);
	cc->context = made;
	cc->level = wanted;
	return made;
}

static void form_raw(const struct rzi_context *context, const void *src, struct rzi_form *form)
{
	form->data = src;
	form->bytes = context->store->page_bytes;
	form->codec = 0;
}

int rzi_compress(struct rzi_context *context, const void *src, struct rzi_form *form)
{
	const struct ramz *store = context->store;
	uint64_t setting = atomic_load_explicit(&store->setting, memory_order_acquire);
	uint32_t index = rzi_setting_codec(setting);
	int32_t level = rzi_setting_level(setting);
	const struct ramz_codec *codec;
	void *codec_context;
	int bytes;

	form_raw(context, src, form);
	if (index == 0)
		return 0;
	codec = atomic_load_explicit(&store->codec[index], memory_order_acquire);
	codec_context = codecs_context(context, codec, index, &level);
	if (codec_context == NULL)
		return -XV_ENOMEM;
	bytes = codec->compress(codec_context, src, store->page_bytes, context->packed,
				store->form_max);
	if (bytes < 0)
		return bytes;
	if (bytes == 0 || (uint32_t)bytes > store->form_max)
		return 0;
	form->data = context->packed;
	form->bytes = (uint32_t)bytes;
	form->codec = index;
	return 0;
}

int rzi_decompress(struct rzi_context *context, uint32_t index, const void *form, size_t bytes,
		   void *dst)
{
	const struct ramz *store = context->store;
	const struct ramz_codec *codec;
	void *codec_context;

	if (index == 0) {
		if (bytes != store->page_bytes)
			return -XV_EBADMSG;
		memcpy(dst, form, bytes);
		return 0;
	}
	codec = atomic_load_explicit(&store->codec[index], memory_order_acquire);
	if (codec == NULL)
		return -XV_EBADMSG;
	codec_context = codecs_context(context, codec, index, NULL);
	if (codec_context == NULL)
		return -XV_ENOMEM;
	return codec->decompress(codec_context, form, bytes, dst, store->page_bytes) == 0
		       ? 0
		       : -XV_EBADMSG;
}
