/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * train.c: train a dictionary for a tier on the store's own pages, and use it if it pays.
 *
 * Every eighth page of the sample is left out of the training, to compare forms with the dictionary
 * and as the tier makes them now, with its present dictionary if it has one.
 *
 * Owns the sample during the call. May call: slot.c, dictionary.h, recompress.h, codecs.c. Locking:
 * none while it samples and trains. The tier changes under admin, and only if its setting is the
 * same. O(slot table + samples).
 */
#include <stdlib.h>

#include "age.h"
#include "dictionary.h"
#include "recompress.h"

enum {
	SAMPLES = 1024,
	SAMPLES_MIN = 64,
	SAMPLES_MAX = 16384,
	TEST_ONE_IN = 8,
	GAIN_PERCENT = 3, /* forms must become shorter by this */
	FORM_SLACK = 64,
};

struct trainer {
	struct ramz *store;
	const struct ramz_train_options *options;
	struct ramz_train_report report;
	uint64_t setting;     /* of the tier when the call began */
	unsigned char *pages; /* pages to train on, then pages to test on */
	uint32_t room;        /* pages */
	uint32_t got;
};

/* ---- the sample ---- */

static bool trainer_wants(const struct trainer *t, uint64_t slot)
{
	const struct ramz *store = t->store;
	_Atomic uint64_t *place = rzi_slot(store, slot);
	uint64_t entry = place != NULL ? atomic_load(place) : 0;

	return (rzi_entry_kind(entry) == ENTRY_OBJECT || rzi_entry_is_record(entry)) &&
	       rzi_age(store, slot, place) >= t->options->min_age;
}

/* Read the page into the sample, if it still has an object. */
static int trainer_take(struct trainer *t, struct rzi_context *context, uint64_t slot)
{
	struct rzi_view view;
	int err = 0;

	rzi_view_take(context, slot, &view);
	if (rzi_view_has_object(&view)) {
		err = rzi_view_read(context, slot, &view,
				    t->pages + (size_t)t->got * t->store->page_bytes);
		t->got += err == 0;
	}
	rzi_view_drop(context, &view);
	return err;
}

/* Visit the candidates in order and take `room` of them, evenly spread; with room 0 count them.
 * Leaves the store between leaves. */
static int trainer_walk(struct trainer *t, uint64_t candidates, uint64_t *seen)
{
	const struct ramz *store = t->store;
	uint64_t slot = 0;
	int err = 0;

	*seen = 0;
	while (err == 0 && slot != UINT64_MAX) {
		struct rzi_context *context = rzi_enter(t->store);

		slot = rzi_sparse_next(&store->slots, slot);
		for (; err == 0 && slot < rzi_pages(store); slot++) {
			if (trainer_wants(t, slot)) {
				if (t->got < t->room && *seen * t->room / candidates >= t->got)
					err = trainer_take(t, context, slot);
				++*seen;
			}
			if ((slot & (SPARSE_LEAF_COUNT - 1)) == SPARSE_LEAF_COUNT - 1)
				break;
		}
		slot = slot < rzi_pages(store) ? slot + 1 : UINT64_MAX;
		rzi_leave(context);
	}
	return err;
}

/* Put every eighth page of the sample behind the others. */
static void trainer_set_apart(struct trainer *t, unsigned char *spare)
{
	size_t bytes = t->store->page_bytes;
	uint32_t last = t->got;

	for (uint32_t i = 0; i < last; i += TEST_ONE_IN) {
		last--;
		memcpy(spare, t->pages + i * bytes, bytes);
		memcpy(t->pages + i * bytes, t->pages + last * bytes, bytes);
		memcpy(t->pages + last * bytes, spare, bytes);
	}
	t->report.samples = last;
	t->report.tested = t->got - last;
}

/* ---- with and without ---- */

/* Bytes of the test pages with this coding. */
static int trainer_measure(struct trainer *t, const struct ramz_codec *codec, void *context,
			   unsigned char *form, uint64_t *sum)
{
	const struct ramz *store = t->store;
	const unsigned char *at = t->pages + (size_t)t->report.samples * store->page_bytes;

	*sum = 0;
	for (uint32_t i = 0; i < t->report.tested; i++, at += store->page_bytes) {
		int bytes = codec->compress(context, at, store->page_bytes, form, store->form_max);

		if (bytes < 0)
			return bytes;
		*sum += bytes > 0 ? (uint32_t)bytes : store->page_bytes;
	}
	return 0;
}

static int trainer_compare(struct trainer *t, const struct rzi_dictionary *dictionary,
			   unsigned char *form)
{
	const struct ramz *store = t->store;
	int32_t level = rzi_setting_level(t->setting);
	void *without = rzi_coding_context(store, rzi_setting_codec(t->setting), level);
	void *with = dictionary->codec->context_create_with(store->page_bytes, level,
							    dictionary->digest);
	int err = -XV_ENOMEM;

	if (without != NULL && with != NULL)
		err = trainer_measure(t, dictionary->codec, without, form,
				      &t->report.without_bytes);
	if (err == 0)
		err = trainer_measure(t, dictionary->codec, with, form, &t->report.with_bytes);
	dictionary->codec->context_destroy(without);
	dictionary->codec->context_destroy(with);
	return err;
}

static bool trainer_pays(const struct trainer *t, const struct rzi_dictionary *dictionary)
{
	const struct ramz_train_report *r = &t->report;
	uint64_t gained_bytes;

	if (r->with_bytes * 100 > r->without_bytes * (100 - GAIN_PERCENT))
		return false;
	gained_bytes = (r->without_bytes - r->with_bytes) * r->candidates / r->tested;
	return gained_bytes > rzi_dictionary_held(dictionary);
}

/* Give the dictionary to the tier; -XV_EBUSY if its setting has changed. */
static int trainer_adopt(struct trainer *t, struct rzi_dictionary *dictionary)
{
	struct ramz *store = t->store;
	_Atomic uint64_t *setting = &store->setting[t->options->tier];
	int index = -XV_EBUSY;

	(void)pthread_mutex_lock(&store->admin);
	if (atomic_load(setting) == t->setting) {
		index = rzi_coding_index(store, dictionary->codec, t->options->tier, dictionary);
		if (index == -XV_E2BIG) {
			rzi_gate_close(store);
			rzi_codings_reap(store);
			rzi_gate_open(store);
			index = rzi_coding_index(store, dictionary->codec, t->options->tier,
						 dictionary);
		}
	}
	if (index >= 0)
		atomic_store(setting, rzi_setting((uint32_t)index, rzi_setting_level(t->setting)));
	(void)pthread_mutex_unlock(&store->admin);
	return index < 0 ? index : 0;
}

/* The codec of the tier, whose coding is kept until trainer_end. NULL: the tier is not set. */
static const struct ramz_codec *trainer_begin(struct trainer *t)
{
	struct ramz *store = t->store;
	const struct ramz_codec *codec = NULL;
	uint32_t index;

	(void)pthread_mutex_lock(&store->admin);
	t->setting = atomic_load(&store->setting[t->options->tier]);
	index = rzi_setting_codec(t->setting);
	if (index != 0) {
		atomic_fetch_add(&store->coding[index].users, 1);
		codec = rzi_coding_codec(store, index);
	}
	(void)pthread_mutex_unlock(&store->admin);
	return codec;
}

static void trainer_end(const struct trainer *t)
{
	atomic_fetch_sub(&t->store->coding[rzi_setting_codec(t->setting)].users, 1);
}

/* buffer: a dictionary's bytes, then room for a form. */
static int trainer_train(struct trainer *t, const struct ramz_codec *codec, unsigned char *buffer)
{
	struct ramz *store = t->store;
	struct rzi_dictionary *dictionary;
	size_t count = DICTIONARY_BYTES_MAX;
	int err = rzi_dictionary_train_pages(t->pages, store->page_bytes, t->report.samples, buffer,
					     &count);

	if (err != 0) /* pages without anything in common are no error */
		return err == -XV_EINVAL ? 0 : err;
	err = rzi_dictionary_make(&store->memory, codec, buffer, count, &dictionary);
	if (err != 0) /* what the trainer made is a good dictionary */
		return err == -XV_EINVAL ? -XV_ENOMEM : err;
	t->report.dictionary_bytes = (uint32_t)count;
	err = trainer_compare(t, dictionary, buffer);
	if (err == 0 && trainer_pays(t, dictionary)) {
		err = trainer_adopt(t, dictionary);
		t->report.used = err == 0;
	}
	if (t->report.used)
		rzi_recompress_again(store, t->options->tier);
	else
		rzi_dictionary_free(&store->memory, dictionary);
	return err == -XV_EBUSY ? 0 : err;
}

static int trainer_run(struct trainer *t, const struct ramz_codec *codec)
{
	size_t bytes = t->store->page_bytes;
	uint64_t seen;
	int err = trainer_walk(t, 0, &t->report.candidates);

	t->room = t->options->samples != 0 ? t->options->samples : SAMPLES;
	if (t->room > SAMPLES_MAX)
		t->room = SAMPLES_MAX;
	if (t->room > t->report.candidates)
		t->room = (uint32_t)t->report.candidates;
	if (err != 0 || t->room < SAMPLES_MIN)
		return err;
	/* Behind the pages: a dictionary, or a form. */
	t->pages = malloc(t->room * bytes + DICTIONARY_BYTES_MAX + bytes + FORM_SLACK);
	if (t->pages == NULL)
		return -XV_ENOMEM;
	err = trainer_walk(t, t->report.candidates, &seen);
	if (err == 0 && t->got >= SAMPLES_MIN) {
		unsigned char *buffer = t->pages + t->room * bytes;

		trainer_set_apart(t, buffer);
		err = trainer_train(t, codec, buffer);
	}
	free(t->pages);
	rzi_give_back_heap();
	return err;
}

int ramz_train(struct ramz *store, const struct ramz_train_options *options,
	       struct ramz_train_report *report)
{
	struct trainer t = {.store = store, .options = options};
	const struct ramz_codec *codec;
	int err;

	if (store == NULL || options == NULL || options->tier == 0 || options->tier >= RAMZ_TIERS ||
	    options->min_age > RAMZ_AGE_MAX)
		return -XV_EINVAL;
	codec = trainer_begin(&t);
	if (codec == NULL)
		return -XV_EINVAL;
	err = codec->digest_create != NULL ? trainer_run(&t, codec) : -XV_ENOTSUP;
	trainer_end(&t);
	if (report != NULL && err == 0)
		*report = t.report;
	return err;
}
