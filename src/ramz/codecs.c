/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codecs.c: which codec compresses a page, and each thread's contexts for codecs.
 *
 * Owns the store's table of codings (each object keeps the index) and the codec contexts. May call:
 * codecs, through their tables; dictionary.h. Locking: the table changes under the admin lock, and
 * an index is freed with the gate closed. A reader finds an index in an entry and so sees its
 * coding. A context belongs to its taker. O(page).
 */
#include "codec_list.h"
#include "dictionary.h"
#include "store_impl.h"

/* ---- memory of codec contexts ---- */

static void codecs_discharge(struct ramz *store, size_t bytes)
{
	RZI_ASSERT(atomic_load(&store->contexts.codec_bytes) >= bytes);
	rzi_memory_discharge(&store->memory, bytes);
	atomic_fetch_sub(&store->contexts.codec_bytes, bytes);
}

static void codecs_drop(struct rzi_context *context, const struct ramz_codec *codec,
			struct rzi_codec_context *cc)
{
	codec->context_destroy(cc->context);
	cc->context = NULL;
	if (cc->bytes != 0)
		codecs_discharge(context->store, cc->bytes);
	cc->bytes = 0;
}

/* Drop the thread's context for a coding. Returns its bytes. */
static uint64_t codecs_drop_at(struct rzi_context *context, uint32_t index)
{
	struct rzi_codec_context *cc = &context->codec[index];
	uint64_t bytes = cc->bytes;

	if (cc->context != NULL)
		codecs_drop(context, rzi_coding_codec(context->store, index), cc);
	return bytes;
}

/* ---- the table ---- */

void rzi_coding_put(struct ramz *store, uint32_t index, const struct ramz_codec *codec,
		    uint32_t tier, struct rzi_dictionary *dictionary)
{
	struct rzi_coding *coding = &store->coding[index];

	RZI_ASSERT(index != 0 && index < CODECS && atomic_load(&coding->codec) == NULL);
	coding->dictionary = dictionary;
	coding->tier = tier;
	coding->serial = ++store->codings_made;
	if (dictionary != NULL)
		atomic_fetch_add(&store->dictionary_bytes, rzi_dictionary_held(dictionary));
	atomic_store(&coding->codec, codec);
}

void rzi_coding_drop(struct ramz *store, uint32_t index)
{
	RZI_ASSERT(index != 0 && index < CODECS && store->coding[index].dictionary == NULL);
	atomic_store(&store->coding[index].codec, NULL);
}

int rzi_coding_index(struct ramz *store, const struct ramz_codec *codec, uint32_t tier,
		     struct rzi_dictionary *dictionary)
{
	struct rzi_coding *unused = NULL;

	if (codec->id == RZI_CODEC_NONE)
		return 0;
	for (uint32_t i = CODECS - 1; i >= 1; i--) {
		struct rzi_coding *coding = &store->coding[i];
		const struct ramz_codec *there = atomic_load(&coding->codec);

		if (there == NULL)
			unused = coding;
		else if (there == codec && coding->tier == tier && coding->dictionary == dictionary)
			return (int)i;
	}
	if (unused == NULL)
		return -XV_E2BIG;
	rzi_coding_put(store, (uint32_t)(unused - store->coding), codec, tier, dictionary);
	return (int)(unused - store->coding);
}

static bool coding_is_set(const struct ramz *store, uint32_t index)
{
	for (uint32_t tier = 0; tier < RAMZ_TIERS; tier++) {
		if (rzi_setting_codec(atomic_load(&store->setting[tier])) == index)
			return true;
	}
	return false;
}

static void coding_free(struct ramz *store, struct rzi_coding *coding)
{
	if (coding->dictionary != NULL)
		atomic_fetch_sub(&store->dictionary_bytes, rzi_dictionary_held(coding->dictionary));
	rzi_dictionary_free(&store->memory, coding->dictionary);
	coding->dictionary = NULL;
	atomic_store(&coding->codec, NULL);
}

/* Exact with the gate closed. */
static bool coding_is_idle(const struct ramz *store, uint32_t index)
{
	enum rzi_counter gauge = (enum rzi_counter)(COUNT_RAW + index);

	return atomic_load(&store->coding[index].codec) != NULL && !coding_is_set(store, index) &&
	       atomic_load(&store->coding[index].users) == 0 && rzi_counter_sum(store, gauge) == 0;
}

void rzi_codings_reap(struct ramz *store)
{
	RZI_ASSERT(atomic_load(&store->contexts.closed));
	if (store->snapshot.active) /* its pages are not counted */
		return;
	for (uint32_t i = 1; i < CODECS; i++) {
		if (!coding_is_idle(store, i))
			continue;
		for (uint32_t c = 0; c < rzi_contexts_high(store); c++) {
			struct rzi_context *context = rzi_context_at(store, c);

			if (context != NULL)
				codecs_drop_at(context, i);
		}
		coding_free(store, &store->coding[i]);
	}
}

void rzi_codings_reap_now(struct ramz *store)
{
	bool any = false;

	(void)pthread_mutex_lock(&store->admin);
	for (uint32_t i = 1; i < CODECS; i++)
		any = any || coding_is_idle(store, i);
	if (any) {
		rzi_gate_close(store);
		rzi_codings_reap(store);
		rzi_gate_open(store);
	}
	(void)pthread_mutex_unlock(&store->admin);
}

void rzi_codings_fini(struct ramz *store)
{
	for (uint32_t i = 1; i < CODECS; i++)
		coding_free(store, &store->coding[i]);
}

void *rzi_coding_context(const struct ramz *store, uint32_t index, int32_t level)
{
	const struct rzi_coding *coding = &store->coding[index];
	const struct ramz_codec *codec = rzi_coding_codec(store, index);

	RZI_ASSERT(index != 0 && codec != NULL); /* R9 */
	level = rzi_codec_level(codec, level);
	if (coding->dictionary == NULL)
		return codec->context_create(store->page_bytes, level);
	return codec->context_create_with(store->page_bytes, level, coding->dictionary->digest);
}

bool rzi_codec_works(const struct ramz *store, const struct ramz_codec *codec, int32_t level)
{
	void *context = codec->context_create(store->page_bytes, rzi_codec_level(codec, level));

	if (context == NULL)
		return false;
	codec->context_destroy(context);
	return true;
}

uint64_t rzi_context_drop_codecs(struct rzi_context *context, uint32_t but)
{
	uint64_t bytes = 0;

	for (uint32_t i = 1; i < CODECS; i++) {
		if (i != but)
			bytes += codecs_drop_at(context, i);
	}
	return bytes;
}

/* Count the context's present bytes: codecs take memory when they are first used, and more for
 * longer input. False when the limit refuses it, unless force is set. */
static bool codecs_recount(struct rzi_context *context, const struct ramz_codec *codec,
			   struct rzi_codec_context *cc, bool force)
{
	struct ramz *store = context->store;
	size_t bytes = codec->context_bytes != NULL ? codec->context_bytes(cc->context) : 0;

	if (bytes == cc->bytes)
		return true;
	if (bytes > cc->bytes) {
		if (!rzi_memory_charge(&store->memory, bytes - cc->bytes, force))
			return false;
		atomic_fetch_add(&store->contexts.codec_bytes, bytes - cc->bytes);
	} else {
		codecs_discharge(store, cc->bytes - bytes);
	}
	cc->bytes = bytes;
	return true;
}

/* Is it the only one? Without any, nothing could be written, whatever was discarded. */
static bool codecs_is_only(const struct rzi_context *context, const struct rzi_codec_context *cc)
{
	return atomic_load(&context->store->contexts.codec_bytes) == cc->bytes;
}

/* ---- use ---- */

/* The thread's context for a codec, or NULL without memory. For decompression any level will do. */
static void *codecs_context(struct rzi_context *context, const struct ramz_codec *codec,
			    uint32_t index, const int32_t *level)
{
	const struct rzi_coding *coding = &context->store->coding[index];
	struct rzi_codec_context *cc = &context->codec[index];
	int32_t wanted = level != NULL ? *level : codec->level_default;
	void *made;

	RZI_ASSERT(index != 0 && index < CODECS && codec != NULL); /* R9 */
	if (cc->context != NULL && (level == NULL || cc->level == wanted))
		return cc->context;
	made = coding->dictionary == NULL
		       ? codec->context_create(context->store->page_bytes, wanted)
		       : codec->context_create_with(context->store->page_bytes, wanted,
						    coding->dictionary->digest);
	if (made == NULL)
		return NULL;
	if (cc->context != NULL)
		codecs_drop(context, codec, cc);
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
	struct ramz *store = context->store;
	uint64_t setting = atomic_load_explicit(&store->setting[0], memory_order_acquire);
	uint32_t index = rzi_setting_codec(setting);
	int32_t level = rzi_setting_level(setting);
	struct rzi_codec_context *cc = &context->codec[index];
	const struct ramz_codec *codec;
	void *codec_context;
	int bytes;

	form_raw(context, src, form);
	if (index == 0)
		return 0;
	codec = rzi_coding_codec(store, index);
	codec_context = codecs_context(context, codec, index, &level);
	if (codec_context == NULL)
		return -XV_ENOMEM;
	bytes = codec->compress(codec_context, src, store->page_bytes, context->packed,
				store->form_max);
	if (!codecs_recount(context, codec, cc, codecs_is_only(context, cc))) {
		codecs_drop(context, codec, cc);
		context->codec_refused = true;
		return -XV_ENOSPC;
	}
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
	int err;

	if (index == 0) {
		if (bytes != store->page_bytes)
			return -XV_EBADMSG;
		memcpy(dst, form, bytes);
		return 0;
	}
	codec = rzi_coding_codec(store, index);
	if (codec == NULL)
		return -XV_EBADMSG;
	codec_context = codecs_context(context, codec, index, NULL);
	if (codec_context == NULL)
		return -XV_ENOMEM;
	err = codec->decompress(codec_context, form, bytes, dst, store->page_bytes);
	/* Stored pages can be read at any limit. */
	(void)codecs_recount(context, codec, &context->codec[index], true);
	return err == 0 || err == -XV_ENOMEM ? err : -XV_EBADMSG;
}
