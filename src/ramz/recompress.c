/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * recompress.c: put pages into a tier.
 *
 * A page is read, compressed with a codec context of the call, and published over what was read: a
 * page that was written meanwhile keeps what was written. When the form does not become clearly
 * shorter, the entry notes it (`tried`).
 *
 * Owns the call's codec context and form buffer. May call: slot.c, object.c, dedup.c, codecs.c.
 * Locking: the call leaves the store after every batch of pages, so that administrative calls can
 * run. It then looks at the tier's setting again, since it may have changed. O(pages looked at).
 */
#include <stdlib.h>

#include "age.h"
#include "dedup.h"
#include "recompress.h"
#include "xvi_probe.h"

enum {
	BATCH_BYTES = 64 << 10, /* pages compressed before it leaves the store, for which others
				 * may be waiting */
	BATCH_LOOKED = 4096,    /* pages looked at before it leaves the store */
	GAIN_SHIFT = 5,         /* a form that is shorter by a 32nd is kept */
	FORM_SLACK = 64, /* behind the form, for its tail and what a codec writes past its end */
};

struct recompress {
	struct ramz *store;
	const struct ramz_recompress_options *options;
	struct ramz_recompress_report report;
	struct rzi_sweep sweep;
	uint64_t end; /* behind the last page to look at */
	unsigned char *form;
	struct rzi_compressor *compressor;
};

/* ---- the codec's context ---- */

void rzi_compressor_drop(struct ramz *store, struct rzi_compressor *c)
{
	if (c->context != NULL) {
		c->codec->context_destroy(c->context);
		RZI_ASSERT(atomic_load(&store->coding[c->index].users) != 0);
		atomic_fetch_sub(&store->coding[c->index].users, 1);
	}
	if (c->charged_bytes != 0)
		rzi_memory_discharge(&store->memory, c->charged_bytes);
	*c = (struct rzi_compressor){.codec = NULL};
}

int rzi_compressor_make(struct ramz *store, struct rzi_compressor *c, uint32_t index, int32_t level)
{
	RZI_ASSERT(index != 0 && index < CODECS && c->context == NULL);
	c->codec = rzi_coding_codec(store, index);
	c->index = index;
	c->level = level;
	c->context = rzi_coding_context(store, index, level);
	if (c->context == NULL)
		return -XV_ENOMEM;
	atomic_fetch_add(&store->coding[index].users, 1);
	return 0;
}

int rzi_compressor_run(struct ramz *store, struct rzi_compressor *c, const void *page, void *form)
{
	int bytes = c->codec->compress(c->context, page, store->page_bytes, form, store->form_max);
	size_t taken = c->codec->context_bytes != NULL ? c->codec->context_bytes(c->context) : 0;

	/* It grows with its first page. */
	if (taken > c->charged_bytes) {
		if (!rzi_memory_charge(&store->memory, taken - c->charged_bytes, false))
			return -XV_ENOSPC;
		c->charged_bytes = taken;
	}
	return bytes;
}

/* Make the compressor for the present setting of the tier, in a call on the store. */
static int recompress_prepare(struct recompress *r)
{
	uint64_t setting = atomic_load(&r->store->setting[r->options->tier]);
	uint32_t index = rzi_setting_codec(setting);
	int32_t level = rzi_setting_level(setting);
	struct rzi_compressor *c = r->compressor;

	if (index == 0)
		return -XV_EINVAL;
	if (c->context != NULL && c->index == index && c->level == level)
		return 0;
	rzi_compressor_drop(r->store, c);
	return rzi_compressor_make(r->store, c, index, level);
}

/* ---- one page ---- */

/* Would the tier's present coding be a step up from this one? From an older coding of the same tier
 * it is: the dictionary is newer. */
static bool recompress_is_lower(const struct recompress *r, uint32_t index)
{
	uint32_t tier = r->options->tier;

	return index == 0 || r->store->coding[index].tier < tier ||
	       (r->store->coding[index].tier == tier && index != r->compressor->index);
}

static bool recompress_is_due(const struct recompress *r, uint64_t slot,
			      const struct rzi_view *view)
{
	const struct ramz *store = r->store;

	if (!rzi_view_has_object(view) || rzi_entry_tried(view->entry) >= r->options->tier ||
	    !recompress_is_lower(r, rzi_entry_codec(view->entry)))
		return false;
	if (rzi_age(store, slot, rzi_slot(store, slot)) < r->options->min_age)
		return false;
	return !rzi_entry_is_record(view->slot_entry) ||
	       rzi_dedup_refs(store->dedup, rzi_entry_record(view->slot_entry)) == 1;
}

/* Note that the tier did not help. If the entry has changed, its new form will be tried. */
static void recompress_note(const struct recompress *r, uint64_t slot, const struct rzi_view *view)
{
	_Atomic uint64_t *place = rzi_slot(r->store, slot);
	uint64_t entry = view->entry;

	if (rzi_entry_is_record(view->slot_entry))
		place = rzi_dedup_place(r->store->dedup, rzi_entry_record(view->slot_entry));
	(void)atomic_compare_exchange_strong(place, &entry,
					     rzi_entry_with_tried(entry, r->options->tier));
}

static int recompress_content(struct rzi_context *context, uint64_t slot,
			      const struct rzi_view *view, const struct rzi_packed *packed,
			      struct rzi_content *content)
{
	content->word = 0;
	content->same_page = true;
	if (!rzi_entry_is_record(view->slot_entry))
		return rzi_object_make_packed(context, (uint32_t)slot, packed->codec, packed->data,
					      packed->bytes, &content->entry);
	return rzi_dedup_content(context, context->page, packed, rzi_entry_record(view->slot_entry),
				 content);
}

/* Put the new form, with its tail, over what the view saw. Drops the view. */
static int recompress_publish(struct recompress *r, struct rzi_context *context, uint64_t slot,
			      const struct rzi_view *view, uint32_t bytes)
{
	const struct ramz *store = r->store;
	struct rzi_packed packed = {
		.data = r->form, .bytes = bytes + store->tail_bytes, .codec = r->compressor->index};
	struct rzi_content content;
	int err;

	RZI_ASSERT(bytes != 0 && bytes <= store->form_max); /* R3 */
	if (store->tail_bytes != 0)
		rzi_put_checksum(r->form + bytes, rzi_checksum(context->page, store->page_bytes));
	err = recompress_content(context, slot, view, &packed, &content);
	if (err != 0) {
		rzi_view_drop(context, view);
		return err;
	}
	err = rzi_publish(context, slot, &content, view);
	if (err != 0)
		rzi_content_drop(context, &content);
	return err;
}

static uint64_t recompress_joins(const struct rzi_context *context)
{
	return atomic_load_explicit(&context->counters.count[COUNT_DEDUP_HITS],
				    memory_order_relaxed);
}

/* A page was published: its form became shorter by `saved` bytes. */
static void recompress_count(struct recompress *r, struct rzi_context *context,
			     const struct rzi_view *view, uint32_t saved)
{
	uint32_t from = rzi_entry_codec(view->entry);

	r->report.recompressed++;
	r->report.saved_bytes += saved;
	if (from == 0 || r->store->coding[from].tier < r->options->tier) {
		r->sweep.risen_pages++;
		r->sweep.risen_bytes += saved;
	}
	rzi_count(&context->counters, COUNT_RECOMPRESSED, 1);
	rzi_count(&context->counters, COUNT_RECOMPRESS_SAVED, saved);
}

/* The page is in context->page; its form had `old` bytes. Drops the view. */
static int recompress_page(struct recompress *r, struct rzi_context *context, uint64_t slot,
			   const struct rzi_view *view, uint32_t old)
{
	int bytes = rzi_compressor_run(r->store, r->compressor, context->page, r->form);
	uint64_t joins = recompress_joins(context);
	int err;

	if (bytes < 0) {
		rzi_view_drop(context, view);
		return bytes;
	}
	r->report.tried++;
	rzi_count(&context->counters, COUNT_RECOMPRESS_TRIED, 1);
	if (bytes == 0 || (uint32_t)bytes + (old >> GAIN_SHIFT) > old) {
		recompress_note(r, slot, view);
		rzi_view_drop(context, view);
		return 0;
	}
	err = recompress_publish(r, context, slot, view, (uint32_t)bytes);
	if (err != 0)
		return err == -XV_EBUSY ? 0 : err; /* it was written meanwhile */
	XVI_PROBE4(ramz, recompress, r->store, slot, old, bytes);
	/* Where it joined an identical page, nothing of its own is left. */
	recompress_count(r, context, view,
			 recompress_joins(context) != joins ? old : old - (uint32_t)bytes);
	return 0;
}

static int recompress_slot(struct recompress *r, struct rzi_context *context, uint64_t slot)
{
	struct rzi_view view;
	int bytes = 0, err;

	rzi_view_take(context, slot, &view);
	if (recompress_is_due(r, slot, &view))
		bytes = rzi_object_bytes(r->store, view.entry);
	if (bytes <= 0 || (uint32_t)bytes < r->options->min_bytes) {
		rzi_view_drop(context, &view);
		return bytes < 0 ? bytes : 0;
	}
	err = rzi_object_read(context, view.entry, context->page);
	if (err == 0)
		return recompress_page(r, context, slot, &view, (uint32_t)bytes);
	rzi_view_drop(context, &view);
	return err;
}

/* ---- what did not help ---- */

/* Set the mark back in an entry that names an object. */
static void again_entry(_Atomic uint64_t *place, uint32_t tier)
{
	uint64_t entry = atomic_load(place);
	unsigned turns = 0;

	while (rzi_entry_kind(entry) == ENTRY_OBJECT && rzi_entry_tried(entry) >= tier &&
	       (rzi_entry_locked(entry) ||
		!atomic_compare_exchange_strong(place, &entry,
						rzi_entry_with_tried(entry, tier - 1)))) {
		rzi_pause(&turns);
		entry = atomic_load(place);
	}
}

/* The object's entry is the slot's, or its record's. */
static void again_slot(struct ramz *store, uint64_t slot, uint32_t tier)
{
	_Atomic uint64_t *place = rzi_slot(store, slot);
	uint64_t entry = atomic_load(place);

	if (rzi_entry_is_record(entry))
		place = rzi_dedup_place(store->dedup, rzi_entry_record(entry));
	again_entry(place, tier);
}

void rzi_recompress_again(struct ramz *store, uint32_t tier)
{
	uint64_t slot = 0;

	while (slot != UINT64_MAX) {
		struct rzi_context *context = rzi_enter(store);

		slot = rzi_sparse_next(&store->slots, slot);
		for (uint32_t i = 0; i < SPARSE_LEAF_COUNT && slot < rzi_pages(store); i++, slot++)
			again_slot(store, slot, tier);
		slot = slot < rzi_pages(store) ? slot : UINT64_MAX;
		rzi_leave(context);
	}
}

/* ---- many pages ---- */

static bool recompress_is_done(const struct recompress *r)
{
	const struct ramz_recompress_options *o = r->options;
	struct xv_pool_stats pool;

	if (r->report.next == UINT64_MAX ||
	    (o->pages_max != 0 && r->report.recompressed >= o->pages_max) ||
	    (r->sweep.until_ns != 0 && r->report.next != o->first &&
	     rzi_now_ns() >= r->sweep.until_ns))
		return true;
	if (o->goal_bytes == 0)
		return false;
	xv_pool_get_stats(r->store->pool, &pool);
	return rzi_held_bytes(r->store, &pool) <= o->goal_bytes;
}

/* Recompress some pages in one call on the store. */
static int recompress_batch(struct recompress *r, struct rzi_context *context)
{
	const struct ramz *store = r->store;
	uint64_t tried = r->report.tried + (BATCH_BYTES >> store->page_shift);
	uint64_t end = r->end < rzi_pages(store) ? r->end : rzi_pages(store);
	uint64_t slot = rzi_sparse_next(&store->slots, r->report.next);
	int err = recompress_prepare(r);

	for (uint32_t i = 0; err == 0 && i < BATCH_LOOKED && slot < end; i++) {
		if (r->report.tried == tried ||
		    (r->options->pages_max != 0 && r->report.recompressed >= r->options->pages_max))
			break;
		err = recompress_slot(r, context, slot);
		slot = rzi_sparse_after(&store->slots, slot);
	}
	r->report.next = slot < end ? slot : UINT64_MAX;
	return err;
}

static int recompress_run(struct recompress *r)
{
	int err = 0;

	while (err == 0 && !recompress_is_done(r)) {
		struct rzi_context *context = rzi_enter(r->store);

		err = recompress_batch(r, context);
		rzi_leave(context);
	}
	return err;
}

static int recompress_check(const struct ramz *store, const struct ramz_recompress_options *options)
{
	if (store == NULL || options == NULL || options->tier == 0 || options->tier >= RAMZ_TIERS ||
	    options->min_age > RAMZ_AGE_MAX ||
	    rzi_setting_codec(atomic_load(&store->setting[options->tier])) == 0)
		return -XV_EINVAL;
	return options->first < rzi_pages(store) ? 0 : -XV_ERANGE;
}

int rzi_recompress(struct ramz *store, struct rzi_compressor *compressor,
		   const struct ramz_recompress_options *options,
		   struct ramz_recompress_report *report, struct rzi_sweep *sweep)
{
	struct recompress r = {
		.store = store, .options = options, .end = UINT64_MAX, .compressor = compressor};
	int err = recompress_check(store, options);

	if (report != NULL)
		*report = (struct ramz_recompress_report){.next = UINT64_MAX};
	if (err != 0)
		return err;
	if (sweep != NULL)
		r.sweep = *sweep;
	r.report.next = options->first;
	if (options->count != 0 && options->count < UINT64_MAX - options->first)
		r.end = options->first + options->count;
	r.form = malloc(store->page_bytes + FORM_SLACK);
	err = r.form != NULL ? recompress_run(&r) : -XV_ENOMEM;
	free(r.form);
	if (report != NULL)
		*report = r.report;
	if (sweep != NULL)
		*sweep = r.sweep;
	/* The last page of an older dictionary may be gone. */
	if (r.report.next == UINT64_MAX && r.report.recompressed != 0)
		rzi_codings_reap_now(store);
	return err;
}

int ramz_recompress(struct ramz *store, const struct ramz_recompress_options *options,
		    struct ramz_recompress_report *report)
{
	struct rzi_compressor compressor = {.context = NULL};
	int err = rzi_recompress(store, &compressor, options, report, NULL);

	if (store != NULL)
		rzi_compressor_drop(store, &compressor);
	return err;
}
