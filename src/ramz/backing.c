/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing.c: a device attached and detached, its segments, and reading a page; see backing.h.
 */
#include "backing.h"

#include <errno.h>
#include <stdlib.h>

#include "file_format.h"
#include "policy.h"

/* ---- segments ---- */

void rzi_segment_free(struct rzi_backing *b, uint32_t number)
{
	/* Before it can be taken again. */
	if (b->device.discard != NULL)
		b->device.discard(b->device.context, (uint64_t)number * RAMZ_SEGMENT_BYTES,
				  RAMZ_SEGMENT_BYTES);
	(void)pthread_mutex_lock(&b->lock);
	RZI_ASSERT(rzi_segment_at(b, number)->state == SEGMENT_OPEN &&
		   rzi_segment_at(b, number)->live_bytes == 0); /* B2 */
	*rzi_segment_at(b, number) = (struct rzi_segment){.state = SEGMENT_FREE, .next = b->free};
	b->free = number + 1;
	b->free_count++;
	RZI_ASSERT(b->free_count <= b->segments);
	(void)pthread_mutex_unlock(&b->lock);
}

/* Does nothing need it? Under the lock. */
static bool segment_is_unused(const struct rzi_segment *segment)
{
	return segment->live_bytes == 0 && segment->pins == 0;
}

bool rzi_segment_is_left(struct rzi_segment *segment)
{
	if (segment->state != SEGMENT_FULL || !segment_is_unused(segment))
		return false;
	segment->state = SEGMENT_OPEN;
	return true;
}

void rzi_backing_count_write(struct rzi_backing *b, int err)
{
	(void)pthread_mutex_lock(&b->lock);
	b->written_bytes += RAMZ_SEGMENT_BYTES;
	b->failed_writes += err != 0;
	(void)pthread_mutex_unlock(&b->lock);
}

uint32_t rzi_segment_take(struct rzi_backing *b, uint32_t kept)
{
	uint32_t number = UINT32_MAX;

	(void)pthread_mutex_lock(&b->lock);
	if (b->free_count > kept) {
		number = b->free - 1;
		b->free = rzi_segment_at(b, number)->next;
		b->free_count--;
		RZI_ASSERT(segment_is_unused(rzi_segment_at(b, number))); /* B2 */
		RZI_ASSERT(rzi_segment_at(b, number)->state == SEGMENT_FREE);
		RZI_ASSERT((b->free == 0) == (b->free_count == 0));
		*rzi_segment_at(b, number) = (struct rzi_segment){.state = SEGMENT_OPEN};
		atomic_store(&b->serial[number], ++b->serials);
	}
	(void)pthread_mutex_unlock(&b->lock);
	return number;
}

void rzi_segment_close(struct rzi_backing *b, uint32_t number)
{
	bool is_unused;

	(void)pthread_mutex_lock(&b->lock);
	RZI_ASSERT(rzi_segment_at(b, number)->state == SEGMENT_OPEN);
	is_unused = segment_is_unused(rzi_segment_at(b, number));
	if (!is_unused)
		rzi_segment_at(b, number)->state = SEGMENT_FULL;
	(void)pthread_mutex_unlock(&b->lock);
	if (is_unused)
		rzi_segment_free(b, number);
}

void rzi_segments_list(struct rzi_backing *b)
{
	b->free = 0;
	b->free_count = 0;
	for (uint32_t i = b->segments; i-- > rzi_backing_first(b);) {
		struct rzi_segment *segment = &b->segment[i];

		if (segment->state == SEGMENT_OPEN) /* a call is writing it */
			continue;
		if (!segment_is_unused(segment)) {
			segment->state = SEGMENT_FULL;
			continue;
		}
		*segment = (struct rzi_segment){.state = SEGMENT_FREE, .next = b->free};
		b->free = i + 1;
		b->free_count++;
	}
}

void rzi_backing_release(struct ramz *store, uint64_t entry)
{
	struct rzi_backing *b = store->backing;
	uint32_t number = (uint32_t)(rzi_entry_backed_offset(entry) / RAMZ_SEGMENT_BYTES);
	struct rzi_segment *segment;
	bool is_unused;

	RZI_ASSERT(rzi_entry_is_backed(entry));
	(void)pthread_mutex_lock(&b->lock);
	segment = rzi_segment_at(b, number);
	RZI_ASSERT(segment->live_bytes >= rzi_backing_form_bytes(entry)); /* B1 */
	segment->live_bytes -= rzi_backing_form_bytes(entry);
	is_unused = rzi_segment_is_left(segment);
	(void)pthread_mutex_unlock(&b->lock);
	if (is_unused)
		rzi_segment_free(b, number);
}

void rzi_backing_reset(struct ramz *store)
{
	struct rzi_backing *b = store->backing;

	if (b == NULL)
		return;
	(void)pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < b->segments; i++)
		rzi_segment_at(b, i)->live_bytes = 0;
	rzi_segments_list(b);
	(void)pthread_mutex_unlock(&b->lock);
}

uint64_t rzi_backing_sum(const struct rzi_backing *b, const unsigned char *at, uint32_t bytes,
			 uint32_t number)
{
	unsigned char all[40] = {0};

	RZI_ASSERT(number < b->segments);
	memcpy(all, at, 16);
	rzi_put_u64(all + 16, b->id);
	rzi_put_u64(all + 24, rzi_checksum(at + FORM_HEADER_BYTES, bytes));
	rzi_put_u32(all + 32, atomic_load(&b->serial[number]));
	return rzi_checksum(all, sizeof(all));
}

void rzi_form_put(unsigned char *at, uint64_t slot, uint32_t coding, const void *form,
		  uint32_t bytes)
{
	rzi_put_u64(at, slot);
	rzi_put_u32(at + 8, bytes);
	rzi_put_u32(at + 12, coding);
	memcpy(at + FORM_HEADER_BYTES, form, bytes);
	/* Up to the next form: what was in memory is none of the device's. */
	memset(at + FORM_HEADER_BYTES + bytes, 0, (0U - bytes) & (FORM_ALIGN_BYTES - 1U));
}

void rzi_form_seal(const struct rzi_backing *b, unsigned char *at, uint32_t bytes, uint32_t number)
{
	rzi_put_u64(at + 16, rzi_backing_sum(b, at, bytes, number));
}

void rzi_backing_unstick(struct rzi_backing *b)
{
	(void)pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < b->segments; i++)
		rzi_segment_at(b, i)->stuck = false;
	(void)pthread_mutex_unlock(&b->lock);
}

/* ---- reading ---- */

/* The context's buffer for reads, aligned to 4096; NULL without memory. */
static unsigned char *backing_io(struct rzi_context *context)
{
	size_t bytes = rzi_context_io_bytes(context->store);

	if (context->io == NULL)
		context->io = rzi_memory_force(&context->store->memory, bytes);
	return context->io != NULL ? rzi_io_aligned(context->io) : NULL;
}

/* Is it the form that the entry means? */
static bool backing_form_is_good(const struct rzi_backing *b, const unsigned char *at,
				 uint64_t slot, uint64_t entry)
{
	uint32_t bytes = rzi_entry_backed_bytes(entry);

	return rzi_get_u64(at) == slot && rzi_get_u32(at + 8) == bytes &&
	       rzi_get_u32(at + 12) == rzi_entry_codec(entry) &&
	       rzi_get_u64(at + 16) == rzi_backing_sum(b, at, bytes,
						       (uint32_t)(rzi_entry_backed_offset(entry) /
								  RAMZ_SEGMENT_BYTES));
}

/* The form, behind its header, in the context's io buffer. */
static int backing_fetch(struct rzi_context *context, uint64_t slot, const struct rzi_view *view,
			 const unsigned char **form)
{
	const uint64_t entry = view->slot_entry;
	struct ramz *store = context->store;
	struct rzi_backing *b = store->backing;
	uint64_t align = b->device.align_bytes;
	uint64_t offset = rzi_entry_backed_offset(entry);
	uint64_t first = offset & ~(align - 1);
	uint64_t end = offset + FORM_HEADER_BYTES + rzi_entry_backed_bytes(entry);
	const _Atomic uint32_t *serial = &b->serial[offset / RAMZ_SEGMENT_BYTES];
	uint32_t filling = atomic_load(serial);
	unsigned char *io = backing_io(context);
	int err;

	RZI_ASSERT(rzi_entry_is_backed(entry));
	if (io == NULL)
		return -XV_ENOMEM;
	if (!view->is_kept && atomic_load(rzi_slot(store, slot)) != entry)
		return -XV_EBUSY;
	end = (end + align - 1) & ~(align - 1);
	RZI_ASSERT(end - first <= rzi_context_io_bytes(store) - IO_ALIGN_BYTES);
	err = b->device.read(b->device.context, first, io, (size_t)(end - first));
	rzi_count(&context->counters, COUNT_BACKING_READS, 1);
	if (err == 0 && !backing_form_is_good(b, io + (offset - first), slot, entry))
		err = -XV_EBADMSG;
	if (err == 0) {
		*form = io + (offset - first) + FORM_HEADER_BYTES;
		return 0;
	}
	/* It may have been moved or replaced meanwhile, and its segment filled again: perhaps with
	 * the same page at the same place. While the entry was seen after the serial, and the
	 * serial is the same, its form was there. */
	if (!view->is_kept &&
	    (atomic_load(serial) != filling || atomic_load(rzi_slot(store, slot)) != entry))
		return -XV_EBUSY;
	rzi_count(&context->counters,
		  err == -XV_EBADMSG ? COUNT_BACKING_DAMAGED : COUNT_BACKING_READ_ERRORS, 1);
	return err;
}

int rzi_backing_copy(struct rzi_context *context, uint64_t slot, const struct rzi_view *view)
{
	uint32_t bytes = rzi_entry_backed_bytes(view->slot_entry);
	const unsigned char *form;
	int err = backing_fetch(context, slot, view, &form);

	if (err != 0)
		return err;
	RZI_ASSERT(bytes <= context->store->page_bytes + context->store->tail_bytes);
	memcpy(context->packed, form, bytes);
	return (int)bytes;
}

int rzi_backing_read(struct rzi_context *context, uint64_t slot, const struct rzi_view *view,
		     void *dst)
{
	uint64_t entry = view->slot_entry;
	uint32_t tail_bytes = context->store->tail_bytes;
	const unsigned char *form;
	int err = backing_fetch(context, slot, view, &form);

	return err == 0 ? rzi_object_unpack(context, rzi_entry_codec(entry), form,
					    rzi_entry_backed_bytes(entry) - tail_bytes, dst)
			: err;
}

/* ---- attach and detach ---- */

struct rzi_backing *rzi_backing_begin(struct ramz *store)
{
	struct rzi_backing *b;

	(void)pthread_mutex_lock(&store->backing_writing);
	b = store->backing;
	if (b == NULL)
		(void)pthread_mutex_unlock(&store->backing_writing);
	return b;
}

void rzi_backing_end(struct ramz *store)
{
	(void)pthread_mutex_unlock(&store->backing_writing);
}

bool rzi_backing_device_is_good(const struct ramz_backing *device)
{
	return device != NULL && device->read != NULL && device->write != NULL &&
	       device->size_bytes >= RAMZ_BACKING_BYTES_MIN &&
	       device->size_bytes <= RAMZ_BACKING_BYTES_MAX && device->align_bytes != 0 &&
	       device->align_bytes <= IO_ALIGN_BYTES &&
	       (device->align_bytes & (device->align_bytes - 1)) == 0;
}

static size_t backing_items_bytes(void)
{
	return SEGMENT_ITEMS_MAX * sizeof(struct rzi_segment_item);
}

/* Two segments, aligned: rzi_memory aligns to less. */
static size_t backing_buffers_bytes(void)
{
	return 2 * RAMZ_SEGMENT_BYTES + IO_ALIGN_BYTES;
}

static uint64_t backing_bytes(const struct rzi_backing *b)
{
	return rzi_memory_rounded(sizeof(*b)) + rzi_memory_rounded(backing_items_bytes()) +
	       rzi_memory_rounded(b->segments * sizeof(*b->segment)) +
	       rzi_memory_rounded(b->segments * sizeof(*b->serial)) +
	       rzi_memory_rounded(backing_buffers_bytes());
}

void rzi_backing_drop(struct ramz *store, struct rzi_backing *b)
{
	struct rzi_memory *memory = &store->memory;

	rzi_memory_free(memory, b->buffers, backing_buffers_bytes());
	rzi_memory_free(memory, b->item, backing_items_bytes());
	rzi_memory_free(memory, b->segment, b->segments * sizeof(*b->segment));
	rzi_memory_free(memory, b->serial, b->segments * sizeof(*b->serial));
	(void)pthread_mutex_destroy(&b->lock);
	rzi_memory_free(memory, b, sizeof(*b));
}

static int backing_try(struct ramz *store, const struct ramz_backing *device,
		       struct rzi_backing **out)
{
	int err = 0;
	struct rzi_memory *memory = &store->memory;
	struct rzi_backing *b = rzi_memory_alloc(memory, sizeof(*b), &err);

	if (b == NULL)
		return err;
	(void)pthread_mutex_init(&b->lock, NULL);
	b->device = *device;
	b->segments = (uint32_t)(device->size_bytes / RAMZ_SEGMENT_BYTES);
	err = rzi_random(&b->id, sizeof(b->id));
	if (err == 0)
		err = rzi_random(&b->serials, sizeof(b->serials));
	if (err == 0)
		b->segment = rzi_memory_alloc(memory, b->segments * sizeof(*b->segment), &err);
	if (err == 0)
		b->serial = rzi_memory_alloc(memory, b->segments * sizeof(*b->serial), &err);
	if (err == 0)
		b->item = rzi_memory_alloc(memory, backing_items_bytes(), &err);
	if (err == 0)
		b->buffers = rzi_memory_alloc(memory, backing_buffers_bytes(), &err);
	if (err != 0) {
		rzi_backing_drop(store, b);
		return err;
	}
	b->buffer = rzi_io_aligned(b->buffers);
	b->read_buffer = b->buffer + RAMZ_SEGMENT_BYTES;
	*out = b;
	return 0;
}

void rzi_backing_adopt(struct ramz *store, struct rzi_backing *b)
{
	RZI_ASSERT(store->backing == NULL);
	store->backing = b;
	atomic_store(&store->backing_bytes, backing_bytes(b));
}

int rzi_backing_make(struct ramz *store, const struct ramz_backing *device,
		     struct rzi_backing **out)
{
	struct rzi_room room = {0};
	bool may_help;
	int err;

	do {
		struct rzi_context *context;

		err = backing_try(store, device, out);
		if (err == 0)
			break;
		context = rzi_enter(store);
		may_help = rzi_room_make(context, &room, err);
		rzi_leave(context);
	} while (may_help);
	return err;
}

static bool is_attached(struct ramz *store)
{
	bool attached;

	(void)pthread_mutex_lock(&store->admin);
	attached = store->backing != NULL;
	(void)pthread_mutex_unlock(&store->admin);
	return attached;
}

/* -XV_EBUSY: another call was faster. */
static int attach(struct ramz *store, struct rzi_backing *b)
{
	int err = 0;

	(void)pthread_mutex_lock(&store->backing_writing);
	(void)pthread_mutex_lock(&store->admin);
	if (store->backing == NULL) {
		rzi_segments_list(b);
		rzi_gate_close(store);
		rzi_backing_adopt(store, b);
		rzi_gate_open(store);
	} else {
		err = -XV_EBUSY;
	}
	(void)pthread_mutex_unlock(&store->admin);
	(void)pthread_mutex_unlock(&store->backing_writing);
	return err;
}

int ramz_attach(struct ramz *store, const struct ramz_backing *device)
{
	struct rzi_backing *b;
	int err;

	if (store == NULL || !rzi_backing_device_is_good(device))
		return -XV_EINVAL;
	err = ramz_backing_holds(device);
	if (err > 0)
		return -EEXIST;
	if (err != 0 && device->flush != NULL)
		return err;
	if (is_attached(store))
		return -XV_EBUSY;
	err = rzi_backing_make(store, device, &b);
	if (err != 0)
		return err;
	err = attach(store, b);
	if (err != 0)
		rzi_backing_drop(store, b);
	else
		rzi_policy_news(store);
	return err;
}

/* One page back into memory. */
static int backing_fetch_home(struct rzi_context *context, uint64_t slot)
{
	struct rzi_room room = {0};
	struct rzi_view view;
	struct rzi_content content = {.same_page = true};
	const unsigned char *form;
	int err;

	do {
		rzi_view_take(context, slot, &view);
		if (!rzi_entry_is_backed(view.slot_entry)) {
			rzi_view_drop(context, &view);
			return 0;
		}
		err = backing_fetch(context, slot, &view, &form);
		if (err == 0)
			err = rzi_content_of_form(context, slot, rzi_entry_codec(view.slot_entry),
						  form, rzi_entry_backed_bytes(view.slot_entry),
						  &content);
		if (err == 0) {
			err = rzi_publish(context, slot, &content, &view);
			if (err != 0)
				rzi_content_drop(context, &content);
		}
	} while (err == -XV_EBUSY || (err != 0 && rzi_room_make(context, &room, err)));
	return err;
}

/* Has it no page? */
static bool backing_is_empty(struct rzi_backing *b)
{
	bool is_empty = true;

	(void)pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < b->segments && is_empty; i++) {
		const struct rzi_segment *segment = rzi_segment_at(b, i);

		is_empty = segment->live_bytes == 0 && segment->state != SEGMENT_OPEN;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return is_empty;
}

int ramz_detach(struct ramz *store)
{
	struct rzi_backing *b;
	uint64_t slot = 0;
	int err = 0, first_err = 0;

	if (store == NULL)
		return -XV_EINVAL;
	while (slot != UINT64_MAX && err != -XV_ENOSPC && err != -XV_ENOMEM) {
		struct rzi_context *context = rzi_enter(store);

		slot = rzi_sparse_next(&store->slots, slot);
		if (store->backing != NULL && slot < rzi_pages(store)) {
			err = rzi_entry_is_backed(atomic_load(rzi_slot(store, slot)))
				      ? backing_fetch_home(context, slot)
				      : 0;
			slot++;
		} else {
			slot = UINT64_MAX;
		}
		rzi_leave(context);
		if (first_err == 0)
			first_err = err;
	}
	(void)pthread_mutex_lock(&store->snapshot.lock); /* no checkpoint is under way */
	(void)pthread_mutex_lock(&store->backing_writing);
	(void)pthread_mutex_lock(&store->admin);
	rzi_gate_close(store);
	b = store->backing;
	if (b == NULL || backing_is_empty(b)) {
		store->backing = NULL;
		atomic_store(&store->backing_bytes, 0);
		first_err = 0;
	} else {
		b = NULL;
		if (first_err == 0) /* pages went there meanwhile */
			first_err = -XV_EBUSY;
	}
	rzi_gate_open(store);
	(void)pthread_mutex_unlock(&store->admin);
	(void)pthread_mutex_unlock(&store->backing_writing);
	(void)pthread_mutex_unlock(&store->snapshot.lock);
	if (b != NULL)
		rzi_backing_drop(store, b);
	return first_err;
}

void rzi_backing_destroy(struct ramz *store)
{
	if (store->backing != NULL)
		rzi_backing_drop(store, store->backing);
	store->backing = NULL;
}

/* ---- telling ---- */

int ramz_get_backing_stats(struct ramz *store, struct ramz_backing_stats *stats)
{
	struct ramz_backing_stats found = {.attached = false};
	struct rzi_context *context;

	if (store == NULL || stats == NULL)
		return -XV_EINVAL;
	context = rzi_enter(store);
	if (store->backing != NULL) {
		struct rzi_backing *b = store->backing;

		found.attached = true;
		found.holds = b->good_pin != 0;
		found.segments = b->segments;
		(void)pthread_mutex_lock(&b->lock);
		found.free_segments = b->free_count;
		found.written_bytes = b->written_bytes;
		found.failed_writes = b->failed_writes;
		found.checkpoints = b->checkpoints;
		for (uint32_t i = 0; i < b->segments; i++) {
			const struct rzi_segment *segment = rzi_segment_at(b, i);

			found.live_bytes += segment->live_bytes;
			found.kept_segments += segment->live_bytes == 0 && segment->pins != 0;
		}
		(void)pthread_mutex_unlock(&b->lock);
	}
	rzi_leave(context);
	found.pages = rzi_counter_sum(store, COUNT_BACKED);
	found.reads = rzi_counter_sum(store, COUNT_BACKING_READS);
	found.writes = rzi_counter_sum(store, COUNT_BACKING_WRITES);
	found.moved = rzi_counter_sum(store, COUNT_BACKING_MOVED);
	found.failed_reads = rzi_counter_sum(store, COUNT_BACKING_READ_ERRORS);
	found.damaged = rzi_counter_sum(store, COUNT_BACKING_DAMAGED);
	*stats = found;
	return 0;
}
