/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * writeback.c: move pages to the device, and empty segments; see backing.h.
 *
 * Forms are copied into a buffer of one segment, which is written whole. Only then do the slots get
 * their new entries, each only if its page is the one that was copied: a page that was written
 * meanwhile keeps what was written, and leaves dead space in the segment.
 *
 * A few free segments are kept for cleaning. It takes the segments with the fewest live bytes,
 * several of them for one that it writes.
 *
 * Owns the segment being filled. Locking: `writing` during a call. The store is left while the
 * device works. O(pages looked at).
 */
#include "age.h"
#include "backing.h"
#include "dedup.h"
#include "file_format.h"
#include "xvi_probe.h"

enum {
	CLEAN_RESERVE = 2, /* segments that only cleaning may take */
	LOOKED = 4096,     /* slots looked at before the store is left */
	PUBLISHED = 64,    /* items published before it is left */
	FUTILE_MAX = 16,   /* segments that cleaning writes before one more is free: a 16th each */
	GAIN_SHIFT = 4,    /* a segment with fewer dead bytes than a 16th is not worth cleaning */
};

/* ---- the segment being filled ---- */

static bool fill_has_room(const struct rzi_backing *b, uint32_t bytes)
{
	return b->items < SEGMENT_ITEMS_MAX &&
	       b->used_bytes + FORM_HEADER_BYTES + bytes + FORM_ALIGN_BYTES <= RAMZ_SEGMENT_BYTES;
}

/* form with its tail, `bytes` of them. The caller has looked for room. */
static void fill_add(struct rzi_backing *b, uint64_t slot, uint64_t entry, uint32_t coding,
		     const void *form, uint32_t bytes)
{
	unsigned char *at = b->buffer + b->used_bytes;
	struct rzi_segment_item *item = &b->item[b->items++];

	RZI_ASSERT(b->items <= SEGMENT_ITEMS_MAX &&
		   b->used_bytes + FORM_HEADER_BYTES + bytes <= RAMZ_SEGMENT_BYTES);

	*item = (struct rzi_segment_item){.slot = slot,
					  .entry = entry,
					  .at = b->used_bytes,
					  .bytes = bytes,
					  .coding = coding};
	rzi_form_put(at, slot, coding, form, bytes);
	b->used_bytes += (FORM_HEADER_BYTES + bytes + FORM_ALIGN_BYTES - 1) &
			 ~(uint32_t)(FORM_ALIGN_BYTES - 1);
}

static void fill_reset(struct rzi_backing *b)
{
	b->items = 0;
	b->used_bytes = 0;
}

/* Does the slot still hold the page that was copied? An object may have been moved, so its form is
 * compared. A form on the device is where it was, or another one. */
static bool item_is_same(struct rzi_context *context, const struct rzi_view *view,
			 const struct rzi_segment_item *item)
{
	const struct rzi_backing *b = context->store->backing;

	if (!rzi_view_has_object(view))
		return view->slot_entry == item->entry;
	return rzi_entry_codec(view->entry) == item->coding && !rzi_entry_is_backed(item->entry) &&
	       rzi_object_copy(context, view->entry) == (int)item->bytes &&
	       memcmp(context->packed, b->buffer + item->at + FORM_HEADER_BYTES, item->bytes) == 0;
}

/* Add to a segment's live bytes. */
static void segment_count(struct rzi_backing *b, uint32_t number, int32_t bytes)
{
	(void)pthread_mutex_lock(&b->lock);
	RZI_ASSERT(bytes >= 0 ||
		   rzi_segment_at(b, number)->live_bytes >= (uint32_t)-bytes); /* B1 */
	rzi_segment_at(b, number)->live_bytes += (uint32_t)bytes;
	(void)pthread_mutex_unlock(&b->lock);
}

/* Give the slot its new entry; false: it has changed. */
static bool item_publish(struct rzi_context *context, const struct rzi_segment_item *item,
			 uint32_t number)
{
	struct ramz *store = context->store;
	struct rzi_content content = {.same_page = true};
	struct rzi_view view;
	int32_t bytes;

	content.entry = rzi_entry_of_backed(
		(uint64_t)number * RAMZ_SEGMENT_BYTES + item->at, item->bytes, item->coding,
		item->bytes - store->tail_bytes <= store->page_bytes / 2);
	if (item->slot >= rzi_pages(store))
		return false;
	rzi_view_take(context, item->slot, &view);
	if (!item_is_same(context, &view, item)) {
		rzi_view_drop(context, &view);
		return false;
	}
	bytes = (int32_t)rzi_backing_form_bytes(content.entry);
	segment_count(store->backing, number, bytes);
	if (rzi_publish(context, item->slot, &content, &view) == 0)
		return true;
	segment_count(store->backing, number, -bytes);
	return false;
}

/* Publish the items; `counter` counts them. Returns how many were. */
static uint64_t fill_publish(struct ramz *store, uint32_t number, enum rzi_counter counter,
			     uint64_t *form_bytes)
{
	struct rzi_backing *b = store->backing;
	uint64_t published = 0;

	for (uint32_t i = 0; i < b->items;) {
		struct rzi_context *context = rzi_enter(store);

		for (uint32_t n = 0; n < PUBLISHED && i < b->items; n++, i++) {
			if (!item_publish(context, &b->item[i], number))
				continue;
			published++;
			XVI_PROBE4(ramz, writeback, store, b->item[i].slot, b->item[i].bytes,
				   number);
			*form_bytes += b->item[i].bytes - store->tail_bytes;
			rzi_count(&context->counters, counter, 1);
		}
		rzi_leave(context);
	}
	return published;
}

/* Write the segment being filled and publish its items; it is empty then. */
static int fill_write(struct ramz *store, uint32_t kept, enum rzi_counter counter,
		      struct ramz_writeback_report *report)
{
	struct rzi_backing *b = store->backing;
	uint32_t number;
	int err;

	RZI_ASSERT(rzi_mutex_is_taken(&store->backing_writing));
	if (b->items == 0)
		return 0;
	number = rzi_segment_take(b, kept);
	if (number == UINT32_MAX) {
		fill_reset(b);
		return -XV_ENOSPC;
	}
	for (uint32_t i = 0; i < b->items; i++)
		rzi_form_seal(b, b->buffer + b->item[i].at, b->item[i].bytes, number);
	RZI_ASSERT(b->used_bytes <= RAMZ_SEGMENT_BYTES);
	memset(b->buffer + b->used_bytes, 0, RAMZ_SEGMENT_BYTES - b->used_bytes);
	err = b->device.write(b->device.context, (uint64_t)number * RAMZ_SEGMENT_BYTES, b->buffer,
			      RAMZ_SEGMENT_BYTES);
	report->written_bytes += RAMZ_SEGMENT_BYTES;
	if (err == 0)
		report->pages += fill_publish(store, number, counter, &report->form_bytes);
	rzi_backing_count_write(b, err);
	rzi_segment_close(b, number);
	fill_reset(b);
	return err;
}

/* ---- cleaning ---- */

/* The full segment with the fewest live bytes of those that are worth it, and, unless pinned_too,
 * of those that no checkpoint needs; UINT32_MAX: none. */
static uint32_t clean_choose(struct rzi_backing *b, bool pinned_too)
{
	uint32_t best = UINT32_MAX;

	(void)pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < b->segments; i++) {
		const struct rzi_segment *segment = rzi_segment_at(b, i);

		if (segment->state == SEGMENT_FULL && !segment->stuck &&
		    (pinned_too ? segment->live_bytes != 0 : segment->pins == 0) &&
		    segment->live_bytes <=
			    RAMZ_SEGMENT_BYTES - (RAMZ_SEGMENT_BYTES >> GAIN_SHIFT) &&
		    (best == UINT32_MAX ||
		     segment->live_bytes < rzi_segment_at(b, best)->live_bytes))
			best = i;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return best;
}

/* The live forms of the segment in read_buffer, into the one being filled. False: there was no
 * room. */
static bool clean_copy(struct ramz *store, uint32_t number)
{
	struct rzi_backing *b = store->backing;
	const uint64_t base = (uint64_t)number * RAMZ_SEGMENT_BYTES;
	const uint32_t longest = store->page_bytes + store->tail_bytes;
	struct rzi_context *context = rzi_enter(store);
	bool room = true;

	for (uint32_t at = 0; room && at + FORM_HEADER_BYTES < RAMZ_SEGMENT_BYTES;) {
		const unsigned char *form = b->read_buffer + at;
		uint64_t slot = rzi_get_u64(form);
		uint32_t bytes = rzi_get_u32(form + 8);
		uint64_t entry;

		if (bytes == 0 || bytes > longest ||
		    at + FORM_HEADER_BYTES + bytes > RAMZ_SEGMENT_BYTES)
			break; /* the end, or damage: what is behind it stays */
		entry = slot < rzi_pages(store) && rzi_slot(store, slot) != NULL
				? atomic_load(rzi_slot(store, slot))
				: 0;
		if (rzi_entry_is_backed(entry) && rzi_entry_backed_offset(entry) == base + at &&
		    rzi_get_u64(form + 16) == rzi_backing_sum(b, form, bytes, number)) {
			room = fill_has_room(b, bytes);
			if (room)
				fill_add(b, slot, entry, rzi_entry_codec(entry),
					 form + FORM_HEADER_BYTES, bytes);
		}
		at += (FORM_HEADER_BYTES + bytes + FORM_ALIGN_BYTES - 1) &
		      ~(uint32_t)(FORM_ALIGN_BYTES - 1);
	}
	rzi_leave(context);
	return room;
}

/* Segments that were read into one that is written. */
struct cleaning {
	uint32_t number[64];
	uint32_t count;
};

static void clean_set_stuck(struct rzi_backing *b, uint32_t number, bool stuck)
{
	(void)pthread_mutex_lock(&b->lock);
	rzi_segment_at(b, number)->stuck = stuck;
	(void)pthread_mutex_unlock(&b->lock);
}

/* Several segments into one. -XV_ENOSPC: there is nothing to gain. */
static int clean_once(struct ramz *store, bool pinned_too, struct ramz_writeback_report *report)
{
	struct rzi_backing *b = store->backing;
	struct cleaning c = {.count = 0};
	struct ramz_writeback_report moved = {.pages = 0};
	bool room = true;
	int err = 0, read_err = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&store->backing_writing) && b->items == 0);
	while (room && c.count < sizeof(c.number) / sizeof(c.number[0])) {
		uint32_t number = clean_choose(b, pinned_too);

		if (number == UINT32_MAX)
			break;
		err = b->device.read(b->device.context, (uint64_t)number * RAMZ_SEGMENT_BYTES,
				     b->read_buffer, RAMZ_SEGMENT_BYTES);
		/* It is not chosen again before its forms are where they go; or at all, when it
		 * cannot be read. */
		clean_set_stuck(b, number, true);
		if (err != 0) {
			read_err = err;
			continue;
		}
		c.number[c.count++] = number;
		room = clean_copy(store, number);
	}
	if (c.count == 0)
		return read_err != 0 ? read_err : -XV_ENOSPC;
	err = 0;
	if (b->items != 0)
		err = fill_write(store, 0, COUNT_BACKING_MOVED, &moved);
	report->written_bytes += moved.written_bytes;
	/* What could not be moved (damage) is left alone from now on; the last may have more. */
	if (err != 0 || !room)
		for (uint32_t i = err != 0 ? 0 : c.count - 1; i < c.count; i++)
			clean_set_stuck(b, c.number[i], false);
	return err;
}

static uint32_t clean_free_count(struct rzi_backing *b)
{
	uint32_t count;

	(void)pthread_mutex_lock(&b->lock);
	count = b->free_count;
	(void)pthread_mutex_unlock(&b->lock);
	return count;
}

static int clean_until(struct ramz *store, uint64_t free_segments,
		       struct ramz_writeback_report *report)
{
	uint64_t most = clean_free_count(store->backing);
	uint32_t futile = 0;
	int err = 0;

	while (err == 0 && clean_free_count(store->backing) < free_segments) {
		err = futile < FUTILE_MAX ? clean_once(store, false, report) : -XV_ENOSPC;
		futile++;
		if (clean_free_count(store->backing) > most) {
			most = clean_free_count(store->backing);
			futile = 0;
		}
	}
	return err;
}

void rzi_keep_for_checkpoint(struct rzi_backing *b)
{
	atomic_store(&b->kept, b->good_pin != 0 ? clean_free_count(b) / 2 : 0);
}

void rzi_clean_for_checkpoint(struct ramz *store)
{
	struct rzi_backing *b = rzi_backing_begin(store);
	struct ramz_writeback_report report = {.pages = 0};
	uint32_t enough, writes;

	if (b == NULL)
		return;
	enough = b->segments / 4;
	(void)clean_until(store, enough, &report);
	/* Half of the free ones are left to the checkpoint. */
	writes = clean_free_count(b) < enough ? clean_free_count(b) / 2 : 0;
	while (writes != 0 && clean_once(store, true, &report) == 0)
		writes--;
	rzi_backing_end(store);
}

int ramz_clean(struct ramz *store, uint64_t free_segments)
{
	struct ramz_writeback_report report = {.pages = 0};
	int err;

	if (store == NULL)
		return -XV_EINVAL;
	if (rzi_backing_begin(store) == NULL)
		return -XV_EINVAL;
	rzi_backing_unstick(store->backing);
	err = clean_until(store, free_segments, &report);
	rzi_backing_end(store);
	return err;
}

/* ---- writeback ---- */

struct writeback {
	struct ramz *store;
	const struct ramz_writeback_options *options;
	struct ramz_writeback_report report;
	uint64_t end;
};

static bool writeback_is_due(const struct writeback *w, uint64_t slot, const struct rzi_view *view)
{
	const struct ramz *store = w->store;

	if (!rzi_view_has_object(view) ||
	    rzi_age(store, slot, rzi_slot(store, slot)) < w->options->min_age)
		return false;
	return !rzi_entry_is_record(view->slot_entry) ||
	       rzi_dedup_refs(store->dedup, rzi_entry_record(view->slot_entry)) == 1;
}

/* Copy the page's form into the segment being filled. Positive: there is no room. */
static int writeback_copy(struct writeback *w, struct rzi_context *context, uint64_t slot)
{
	struct rzi_backing *b = w->store->backing;
	struct rzi_view view;
	int bytes = 0, full = 0;

	rzi_view_take(context, slot, &view);
	if (writeback_is_due(w, slot, &view))
		bytes = rzi_object_copy(context, view.entry);
	if (bytes > 0 && (uint32_t)bytes - w->store->tail_bytes >= w->options->min_bytes) {
		full = !fill_has_room(b, (uint32_t)bytes);
		if (!full)
			fill_add(b, slot, view.slot_entry, rzi_entry_codec(view.entry),
				 context->packed, (uint32_t)bytes);
	}
	rzi_view_drop(context, &view);
	return bytes < 0 ? bytes : full;
}

/* Go on from report.next until the segment is full. */
static int writeback_fill(struct writeback *w)
{
	const struct ramz *store = w->store;
	const uint64_t most = w->options->pages_max;
	int err = 0;

	while (err == 0 && w->report.next != UINT64_MAX &&
	       (most == 0 || w->report.pages + store->backing->items < most)) {
		struct rzi_context *context = rzi_enter(w->store);
		uint64_t end = w->end < rzi_pages(store) ? w->end : rzi_pages(store);
		uint64_t slot = rzi_sparse_next(&store->slots, w->report.next);

		for (uint32_t i = 0; i < LOOKED && slot < end; i++) {
			if (most != 0 && w->report.pages + store->backing->items >= most)
				break;
			err = writeback_copy(w, context, slot);
			if (err > 0)
				break;
			slot = rzi_sparse_after(&store->slots, slot);
			if (err < 0)
				break;
		}
		w->report.next = slot < end ? slot : UINT64_MAX;
		rzi_leave(context);
	}
	return err < 0 ? err : 0;
}

static bool writeback_is_done(const struct writeback *w)
{
	const struct ramz_writeback_options *o = w->options;
	struct xv_pool_stats pool;

	if (w->report.next == UINT64_MAX || (o->pages_max != 0 && w->report.pages >= o->pages_max))
		return true;
	if (o->write_max != 0 && w->report.written_bytes + RAMZ_SEGMENT_BYTES > o->write_max)
		return true;
	if (o->goal_bytes == 0)
		return false;
	xv_pool_get_stats(w->store->pool, &pool);
	return rzi_held_bytes(w->store, &pool) <= o->goal_bytes;
}

static int writeback_run(struct writeback *w)
{
	struct rzi_backing *b = w->store->backing;
	/* For cleaning and, where there are checkpoints, for the next one. */
	uint32_t kept = CLEAN_RESERVE + atomic_load(&b->kept);
	int err = 0;

	while (err == 0 && !writeback_is_done(w)) {
		int write_err;

		if (clean_free_count(b) <= kept)
			err = clean_until(w->store, kept + 1, &w->report);
		if (err != 0)
			break;
		err = writeback_fill(w);
		write_err = fill_write(w->store, kept, COUNT_BACKING_WRITES, &w->report);
		if (err == 0)
			err = write_err;
	}
	return err;
}

int ramz_writeback(struct ramz *store, const struct ramz_writeback_options *options,
		   struct ramz_writeback_report *report)
{
	struct writeback w = {.store = store, .options = options, .end = UINT64_MAX};
	int err;

	if (report != NULL)
		*report = (struct ramz_writeback_report){.next = UINT64_MAX};
	if (store == NULL || options == NULL || options->min_age > RAMZ_AGE_MAX)
		return -XV_EINVAL;
	if (options->first >= rzi_pages(store))
		return -XV_ERANGE;
	if (rzi_backing_begin(store) == NULL)
		return -XV_EINVAL;
	w.report.next = options->first;
	if (options->count != 0 && options->count < UINT64_MAX - options->first)
		w.end = options->first + options->count;
	err = writeback_run(&w);
	rzi_backing_end(store);
	if (report != NULL)
		*report = w.report;
	return err;
}
