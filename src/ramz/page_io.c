/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_io.c: write, read, or partly write one page.
 *
 * Owns the order: same-filled? identical to another? compress, allocate, publish, free the old. May
 * call: slot.c, object.c, dedup.c, codecs.c, limit.c. Locking: see store_impl.h; nothing is locked
 * while a page is compressed or decompressed. O(page).
 */
#include "age.h"
#include "backing.h"
#include "dedup.h"
#include "xvi_probe.h"

/* One of so many reads and writes is timed: two looks at the clock take a fortieth of a read, and
 * far more if the clock is a system call. */
enum { TIMED_ONE_IN = 8 };

/* ---- times ---- */

/* When this call began, or 0 if it is not timed. The choice is random, so that no pattern in the
 * calls is preferred. The first call in a context is timed. */
static uint64_t page_begin(struct rzi_context *context)
{
	if (context->calls_until_timed != 0) {
		context->calls_until_timed--;
		return 0;
	}
	context->timing_random = context->timing_random * 1664525U + 1013904223U;
	context->calls_until_timed = (context->timing_random >> 16) % (2 * TIMED_ONE_IN - 1);
	context->timed_ns = rzi_now_ns();
	return context->timed_ns;
}

static void page_timed(struct rzi_context *context, enum ramz_histogram_kind kind,
		       uint64_t begun_ns)
{
	if (begun_ns != 0)
		rzi_histogram_add(&context->counters, kind, rzi_now_ns() - begun_ns);
}

/* ---- content ---- */

int rzi_content_of_word(struct ramz *store, uint64_t slot, uint64_t word,
			struct rzi_content *content)
{
	int err = 0;

	content->word = word;
	if (rzi_entry_of_word(word, &content->entry))
		return 0;
	content->entry = rzi_entry_of_side(word);
	return rzi_sparse_make(&store->words, slot, &err) != NULL ? 0 : err;
}

/* A page that does not change. Another thread or a device may change the source during a write:
 * the codec, the checksum and the comparison would then see three different pages. So if more
 * than the codec looks at it, it is copied. A copy of each page takes 4% of a write. */
static const void *page_stable(struct rzi_context *context, const void *src)
{
	const struct ramz *store = context->store;

	if (src == context->page || (store->tail_bytes == 0 && store->dedup == NULL))
		return src;
	memcpy(context->page, src, store->page_bytes);
	return context->page;
}

static int page_content(struct rzi_context *context, uint64_t slot, const void *src,
			struct rzi_content *content)
{
	struct ramz *store = context->store;
	struct rzi_form form;
	uint64_t word;
	int err;

	if (ramz_page_is_same_filled(src, store->page_bytes, &word))
		return rzi_content_of_word(store, slot, word, content);
	if (rzi_memory_is_short(&store->memory))
		return -XV_ENOSPC;
	src = page_stable(context, src);
	if (store->dedup != NULL)
		return rzi_dedup_content(context, src, NULL, UINT32_MAX, content);
	content->word = 0;
	err = rzi_compress(context, src, &form);
	return err == 0 ? rzi_object_make(context, (uint32_t)slot, &form, src, &content->entry)
			: err;
}

int rzi_content_of_form(struct rzi_context *context, uint64_t slot, uint32_t codec,
			const void *packed, size_t bytes, struct rzi_content *content)
{
	const struct rzi_packed form = {.data = packed, .bytes = bytes, .codec = codec};
	const struct ramz *store = context->store;
	int err;

	RZI_ASSERT(packed != context->packed && packed != context->page);
	content->word = 0;
	if (store->dedup == NULL)
		return rzi_object_make_packed(context, (uint32_t)slot, codec, packed, bytes,
					      &content->entry);
	err = rzi_decompress(context, codec, packed, bytes - store->tail_bytes, context->page);
	return err == 0 ? rzi_dedup_content(context, context->page, &form, UINT32_MAX, content)
			: err;
}

void rzi_content_drop(struct rzi_context *context, const struct rzi_content *content)
{
	if (rzi_entry_kind(content->entry) == ENTRY_OBJECT)
		rzi_object_free(context, content->entry, UINT32_MAX);
	else if (rzi_entry_is_record(content->entry))
		rzi_dedup_unref(context, rzi_entry_record(content->entry));
}

/* ---- writing ---- */

/* Write a page; with expected only over what it saw, otherwise -XV_EBUSY. */
static int page_store(struct rzi_context *context, uint64_t slot, const void *src,
		      const struct rzi_view *expected)
{
	struct rzi_content content = {.word = 0};
	int err;

	rzi_slot_expect_change(context->store, slot);
	err = page_content(context, slot, src, &content);
	if (err == 0) {
		/* The place comes last, so that a refused write leaves no empty leaf. */
		err = rzi_slot_make(context->store, slot);
		if (err != 0)
			rzi_content_drop(context, &content);
	}
	if (err != 0) {
		if (expected != NULL)
			rzi_view_drop(context, expected);
		return err;
	}
	err = rzi_publish(context, slot, &content, expected);
	if (err != 0) {
		rzi_content_drop(context, &content);
		return err;
	}
	rzi_touch(context->store, slot, rzi_slot(context->store, slot));
	if (rzi_entry_is_same(content.entry))
		rzi_count(&context->counters, COUNT_SAME_WRITES, 1);
	return 0;
}

/* Is the slot in the store? It was when the call began, but the call may have waited for room. */
static int page_in_range(const struct rzi_context *context, uint64_t slot)
{
	return slot < rzi_pages(context->store) ? 0 : -XV_ERANGE;
}

/* Count a finished write; returns err. */
static int page_wrote(struct rzi_context *context, uint64_t begun_ns, uint64_t objects_before,
		      int err)
{
	struct rzi_counters *counters = &context->counters;

	rzi_count(counters, COUNT_WRITES, 1);
	if (err != 0) {
		rzi_count(counters, COUNT_FAILED_WRITES, 1);
		if (err == -XV_ENOSPC)
			rzi_count(counters, COUNT_HARD_HITS, 1);
	} else if (atomic_load_explicit(&counters->count[COUNT_SAME_WRITES],
					memory_order_relaxed) == objects_before) {
		page_timed(context, RAMZ_HISTOGRAM_WRITE_NS, begun_ns);
	}
	rzi_limit_watch(context);
	return err;
}

static uint64_t page_same_writes(const struct rzi_context *context)
{
	return atomic_load_explicit(&context->counters.count[COUNT_SAME_WRITES],
				    memory_order_relaxed);
}

int rzi_page_write(struct rzi_context *context, uint64_t slot, const void *src)
{
	uint64_t begun_ns = page_begin(context);
	uint64_t same = page_same_writes(context);

	struct rzi_room room = {0};
	int err;

	rzi_prefetch(src);
	context->codec_refused = false;
	do {
		err = page_in_range(context, slot);
		if (err == 0)
			err = page_store(context, slot, src, NULL);
	} while (err != 0 && rzi_room_make(context, &room, err));
	XVI_PROBE3(ramz, page_write, context->store, slot, err);
	return page_wrote(context, begun_ns, same, err);
}

/* One try to write a part of a page; -XV_EBUSY when another thread changed the page meanwhile. */
static int page_patch(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
		      const void *src)
{
	struct rzi_view view;
	int err = page_in_range(context, slot);

	RZI_ASSERT(from < context->store->page_bytes && bytes <= context->store->page_bytes - from);
	if (err != 0)
		return err;
	rzi_view_take(context, slot, &view);
	err = rzi_view_read(context, slot, &view, context->page);
	if (err != 0) {
		rzi_view_drop(context, &view);
		return err;
	}
	if (src != NULL)
		memcpy(context->page + from, src, bytes);
	else
		memset(context->page + from, 0, bytes);
	return page_store(context, slot, context->page, &view);
}

int rzi_page_write_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
			const void *src)
{
	uint64_t begun_ns = page_begin(context);
	uint64_t same = page_same_writes(context);
	struct rzi_room room = {0};
	int err;

	context->codec_refused = false;
	for (;;) {
		err = page_patch(context, slot, from, bytes, src);
		if (err == -XV_EBUSY)
			rzi_count(&context->counters, COUNT_RETRIES, 1);
		else if (err == 0 || !rzi_room_make(context, &room, err))
			break;
	}
	XVI_PROBE3(ramz, page_write, context->store, slot, err);
	return page_wrote(context, begun_ns, same, err);
}

/* ---- reading ---- */

static void page_fill(void *dst, uint64_t word, size_t bytes)
{
	unsigned char *at = dst;

	if (word == 0) {
		memset(dst, 0, bytes);
		return;
	}
	for (size_t i = 0; i < bytes; i += sizeof(word))
		memcpy(at + i, &word, sizeof(word));
}

int rzi_view_read(struct rzi_context *context, uint64_t slot, const struct rzi_view *view,
		  void *dst)
{
	if (rzi_view_has_object(view))
		return rzi_object_read(context, view->entry, dst);
	if (rzi_entry_is_backed(view->slot_entry))
		return rzi_backing_read(context, slot, view, dst);
	page_fill(dst, view->word, context->store->page_bytes);
	return 0;
}

/* Count a finished read; returns err. */
static int page_was_read(struct rzi_context *context, uint64_t begun_ns,
			 const struct rzi_view *view, int err)
{
	struct rzi_counters *counters = &context->counters;

	rzi_count(counters, COUNT_READS, 1);
	if (rzi_view_has_object(view))
		page_timed(context, RAMZ_HISTOGRAM_READ_NS, begun_ns);
	else if (view->slot_entry == 0)
		rzi_count(counters, COUNT_ABSENT_READS, 1);
	if (err != 0)
		rzi_count(counters, COUNT_FAILED_READS, 1);
	if (err == -XV_EBADMSG)
		rzi_count(counters, COUNT_BAD_PAGES, 1);
	return err;
}

int rzi_page_read(struct rzi_context *context, uint64_t slot, void *dst)
{
	uint64_t begun_ns = page_begin(context);
	struct rzi_view view;
	int err;

	rzi_slot_expect_read(context->store, slot);
	do {
		rzi_view_take(context, slot, &view);
		if (view.slot_entry != 0)
			rzi_touch(context->store, slot, rzi_slot(context->store, slot));
		err = rzi_view_read(context, slot, &view, dst);
		rzi_view_drop(context, &view);
	} while (err == -XV_EBUSY);
	XVI_PROBE3(ramz, page_read, context->store, slot, err);
	return page_was_read(context, begun_ns, &view, err);
}

int rzi_page_read_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
		       void *dst)
{
	int err = rzi_page_read(context, slot, context->page);

	RZI_ASSERT(from < context->store->page_bytes && bytes <= context->store->page_bytes - from);
	if (err == 0)
		memcpy(dst, context->page + from, bytes);
	return err;
}

/* ---- public ---- */

/* Begin a call on one page. NULL: it is not in the store; counted. */
static struct rzi_context *page_enter(struct ramz *store, uint64_t page)
{
	struct rzi_context *context = rzi_enter(store);

	if (page < rzi_pages(store))
		return context;
	rzi_count(&context->counters, COUNT_INVALID_IO, 1);
	rzi_leave(context);
	return NULL;
}

int ramz_write_page(struct ramz *store, uint64_t page, const void *src)
{
	struct rzi_context *context;
	int err;

	if (store == NULL || src == NULL)
		return -XV_EINVAL;
	context = page_enter(store, page);
	if (context == NULL)
		return -XV_ERANGE;
	err = rzi_page_write(context, page, src);
	rzi_leave(context);
	return err;
}

int ramz_read_page(struct ramz *store, uint64_t page, void *dst)
{
	struct rzi_context *context;
	int err;

	if (store == NULL || dst == NULL)
		return -XV_EINVAL;
	context = page_enter(store, page);
	if (context == NULL)
		return -XV_ERANGE;
	err = rzi_page_read(context, page, dst);
	rzi_leave(context);
	return err;
}
