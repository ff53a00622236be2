/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * checkpoint.c: write the store to its device, or to a new one, as it is at one moment; see
 * checkpoint.h.
 */
#include "checkpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "file_format.h"
#include "snapshot.h"

struct checkpoint {
	struct ramz *store;
	struct rzi_backing *b;
	uint64_t generation;
	bool elsewhere;      /* the device is not the store's */
	uint8_t pin;         /* of this checkpoint */
	bool in_doubt;       /* its superblock may be on the device */
	void *buffers;       /* the next three, a segment each */
	unsigned char *data; /* forms, or the head */
	unsigned char *map;
	unsigned char *root;
	uint32_t data_segment; /* UINT32_MAX = none yet */
	uint32_t data_used;
	uint32_t heads;
	uint32_t stream_bytes;
	uint32_t head_bytes;  /* of these */
	uint64_t serials_sum; /* of the rest */
	uint32_t leaves;      /* in the map; the last may be empty so far */
	uint32_t maps;
	uint32_t used;   /* codings, a bit each */
	uint32_t pinned; /* the segment that was pinned last, for a form there */
};

/* ---- segments ---- */

static void checkpoint_pin(struct checkpoint *c, uint32_t number)
{
	RZI_ASSERT(c->pin != 0);
	(void)pthread_mutex_lock(&c->b->lock);
	rzi_segment_at(c->b, number)->pins |= c->pin;
	(void)pthread_mutex_unlock(&c->b->lock);
}

/* A free segment, pinned. */
static int checkpoint_take(struct checkpoint *c, uint32_t *number)
{
	*number = rzi_segment_take(c->b, 0);
	if (*number == UINT32_MAX && !c->elsewhere && ramz_clean(c->store, 1) == 0)
		*number = rzi_segment_take(c->b, 0);
	if (*number == UINT32_MAX)
		return -XV_ENOSPC;
	checkpoint_pin(c, *number);
	return 0;
}

static int checkpoint_write(struct checkpoint *c, uint32_t number, const unsigned char *from)
{
	struct rzi_backing *b = c->b;
	int err = b->device.write(b->device.context, (uint64_t)number * RAMZ_SEGMENT_BYTES, from,
				  RAMZ_SEGMENT_BYTES);

	rzi_backing_count_write(b, err);
	rzi_segment_close(b, number);
	return err;
}

/* Write the forms that were gathered. */
static int checkpoint_write_data(struct checkpoint *c)
{
	uint32_t number = c->data_segment;

	c->data_segment = UINT32_MAX;
	if (number == UINT32_MAX)
		return 0;
	RZI_ASSERT(c->data_used <= RAMZ_SEGMENT_BYTES);
	memset(c->data + c->data_used, 0, RAMZ_SEGMENT_BYTES - c->data_used);
	c->data_used = 0;
	return checkpoint_write(c, number, c->data);
}

/* ---- one page ---- */

static bool checkpoint_has_room(const struct checkpoint *c)
{
	const struct ramz *store = c->store;

	return c->data_segment != UINT32_MAX &&
	       c->data_used + FORM_HEADER_BYTES + store->page_bytes + store->tail_bytes +
			       FORM_ALIGN_BYTES <=
		       RAMZ_SEGMENT_BYTES;
}

/* Add a form of `bytes` bytes, tail included. Its entry. */
static uint64_t checkpoint_add(struct checkpoint *c, uint64_t slot, uint32_t coding,
			       const void *form, uint32_t bytes)
{
	const struct ramz *store = c->store;
	uint32_t at = c->data_used;
	uint64_t entry =
		rzi_entry_of_backed((uint64_t)c->data_segment * RAMZ_SEGMENT_BYTES + at, bytes,
				    coding, bytes - store->tail_bytes <= store->page_bytes / 2);

	RZI_ASSERT(checkpoint_has_room(c));
	rzi_form_put(c->data + at, slot, coding, form, bytes);
	rzi_form_seal(c->b, c->data + at, bytes, c->data_segment);
	c->data_used += rzi_backing_form_bytes(entry);
	return entry;
}

/* A page of a word that no entry can hold, as a form. */
static uint64_t checkpoint_add_word(struct checkpoint *c, struct rzi_context *context,
				    uint64_t slot, uint64_t word)
{
	const struct ramz *store = c->store;
	unsigned char *page = context->page;
	struct rzi_form form;

	for (uint32_t at = 0; at < store->page_bytes; at += 8)
		memcpy(page + at, &word, 8);
	if (rzi_compress(context, page, &form) != 0)
		form = (struct rzi_form){.data = page, .bytes = store->page_bytes};
	memmove(context->packed, form.data, form.bytes);
	if (store->tail_bytes != 0)
		rzi_put_checksum(context->packed + form.bytes,
				 rzi_checksum(page, store->page_bytes));
	return checkpoint_add(c, slot, form.codec, context->packed, form.bytes + store->tail_bytes);
}

/* Pin the segment of a form that is on the device. False: the page has moved meanwhile. A pinned
 * segment is not written again, so what names it later is right. Otherwise the pin may have come
 * too late, unless the entry is still there, or is kept. */
static bool checkpoint_pin_form(struct checkpoint *c, uint64_t slot, const struct rzi_view *view)
{
	uint32_t number =
		(uint32_t)(rzi_entry_backed_offset(view->slot_entry) / RAMZ_SEGMENT_BYTES);

	if (number == c->pinned)
		return true;
	checkpoint_pin(c, number);
	if (!view->is_kept && atomic_load(rzi_slot(c->store, slot)) != view->slot_entry)
		return false;
	c->pinned = number;
	return true;
}

/* The entry for the map: of what the slot held. -XV_EBUSY: look again. */
static int checkpoint_entry(struct checkpoint *c, struct rzi_context *context, uint64_t slot,
			    const struct rzi_view *view, uint64_t *entry)
{
	int bytes;

	*entry = view->slot_entry;
	if (rzi_entry_is_backed(view->slot_entry) && !c->elsewhere) {
		if (!checkpoint_pin_form(c, slot, view))
			return -XV_EBUSY;
	} else if (rzi_view_has_object(view) || rzi_entry_is_backed(view->slot_entry)) {
		bytes = rzi_view_has_object(view) ? rzi_object_copy(context, view->entry)
						  : rzi_backing_copy(context, slot, view);
		if (bytes < 0)
			return bytes;
		*entry = checkpoint_add(c, slot, rzi_entry_codec(view->entry), context->packed,
					(uint32_t)bytes);
	} else if (rzi_entry_is_side(view->slot_entry)) {
		*entry = checkpoint_add_word(c, context, slot, view->word);
	}
	if (rzi_entry_is_backed(*entry))
		c->used |= 1U << rzi_entry_codec(*entry);
	return 0;
}

/* ---- maps ---- */

static unsigned char *map_leaf(const struct checkpoint *c, uint32_t leaf)
{
	return c->map + MAP_LEAVES_AT + (size_t)leaf * MAP_LEAF_BYTES;
}

static int checkpoint_write_map(struct checkpoint *c)
{
	uint32_t number;
	int err;

	if (c->leaves == 0)
		return 0;
	if (c->maps == ROOT_MAPS_MAX)
		return -XV_E2BIG;
	err = checkpoint_take(c, &number);
	if (err != 0)
		return err;
	memcpy(c->map, MAP_MAGIC, 8);
	rzi_put_u64(c->map + 8, c->b->id);
	rzi_put_u64(c->map + 16, c->generation);
	rzi_put_u32(c->map + 24, c->leaves);
	rzi_put_u32(c->map + 28, c->maps);
	rzi_put_u64(c->map + MAP_SUM_AT, rzi_map_sum(c->map));
	rzi_put_u32(c->root + ROOT_MAPS_AT + 4 * c->maps, number);
	c->maps++;
	c->leaves = 0;
	err = checkpoint_write(c, number, c->map);
	memset(c->map, 0, RAMZ_SEGMENT_BYTES);
	return err;
}

/* Put an entry that is not 0 into the map, which has room. */
static void map_put(struct checkpoint *c, uint64_t slot, uint64_t entry)
{
	uint32_t number = (uint32_t)(slot >> SPARSE_LEAF_SHIFT);
	unsigned char *numbers = c->map + MAP_NUMBERS_AT;

	RZI_ASSERT(entry != 0 && slot < c->store->snapshot.pages);
	if (c->leaves == 0 || rzi_get_u32(numbers + 4 * (c->leaves - 1)) != number)
		rzi_put_u32(numbers + 4 * c->leaves++, number);
	RZI_ASSERT(c->leaves <= MAP_LEAVES_MAX);
	rzi_put_u64(map_leaf(c, c->leaves - 1) + 8 * (slot & (SPARSE_LEAF_COUNT - 1)), entry);
}

/* ---- the walk ---- */

static int checkpoint_slot(struct checkpoint *c, struct rzi_context *context, uint64_t slot)
{
	struct rzi_view view;
	uint64_t entry;
	int err;

	for (;;) {
		err = rzi_snapshot_look(context, slot, &view);
		if (err != 0)
			return err;
		err = checkpoint_entry(c, context, slot, &view, &entry);
		if (err != -XV_EBUSY)
			break;
		rzi_view_drop(context, &view);
	}
	rzi_snapshot_done(context, slot, &view);
	if (err == 0 && entry != 0)
		map_put(c, slot, entry);
	return err;
}

/* From *slot to the end of its leaf, or until there is no room for a form. */
static int checkpoint_leaf(struct checkpoint *c, uint64_t *slot)
{
	struct rzi_context *context = rzi_enter(c->store);
	uint64_t end = (*slot | (SPARSE_LEAF_COUNT - 1)) + 1;
	int err = 0;

	if (end > c->store->snapshot.pages)
		end = c->store->snapshot.pages;
	while (err == 0 && *slot < end && checkpoint_has_room(c)) {
		err = checkpoint_slot(c, context, *slot);
		++*slot;
	}
	rzi_leave(context);
	return err;
}

static uint64_t checkpoint_next(const struct checkpoint *c, uint64_t slot)
{
	struct rzi_context *context = rzi_enter(c->store);

	slot = rzi_snapshot_next(c->store, slot);
	rzi_leave(context);
	return slot;
}

static int checkpoint_walk(struct checkpoint *c)
{
	uint64_t slot = checkpoint_next(c, 0);
	int err = 0;

	while (err == 0 && slot != UINT64_MAX) {
		if (!checkpoint_has_room(c)) {
			err = checkpoint_write_data(c);
			if (err == 0)
				err = checkpoint_take(c, &c->data_segment);
		}
		/* A leaf that was begun is the last one. */
		if (err == 0 && (slot & (SPARSE_LEAF_COUNT - 1)) == 0 &&
		    c->leaves == MAP_LEAVES_MAX)
			err = checkpoint_write_map(c);
		if (err == 0)
			err = checkpoint_leaf(c, &slot);
		if (err == 0 &&
		    ((slot & (SPARSE_LEAF_COUNT - 1)) == 0 || slot >= c->store->snapshot.pages))
			slot = checkpoint_next(c, slot);
	}
	if (err == 0)
		err = checkpoint_write_data(c);
	return err == 0 ? checkpoint_write_map(c) : err;
}

/* ---- head, root, superblock ---- */

static int head_flush(struct checkpoint *c)
{
	uint32_t number = c->data_segment;

	if (number == UINT32_MAX)
		return 0;
	RZI_ASSERT(c->heads < ROOT_HEADS_MAX);
	rzi_put_u32(c->root + ROOT_HEAD_AT + 4 * c->heads++, number);
	return checkpoint_write_data(c);
}

static int head_write(void *context, const void *data, size_t bytes)
{
	struct checkpoint *c = context;
	const char *from = data;

	c->stream_bytes += (uint32_t)bytes;
	while (bytes != 0) {
		size_t part = RAMZ_SEGMENT_BYTES - c->data_used;
		int err = 0;

		if (c->heads == ROOT_HEADS_MAX)
			return -XV_E2BIG;
		if (c->data_segment == UINT32_MAX)
			err = checkpoint_take(c, &c->data_segment);
		if (err != 0)
			return err;
		RZI_ASSERT(part != 0);
		part = part < bytes ? part : bytes;
		memcpy(c->data + c->data_used, from, part);
		c->data_used += (uint32_t)part;
		from += part;
		bytes -= part;
		if (c->data_used == RAMZ_SEGMENT_BYTES)
			err = head_flush(c);
		if (err != 0)
			return err;
	}
	return 0;
}

/* Those of segments that this checkpoint does not need do not matter. */
static int checkpoint_write_serials(struct checkpoint *c)
{
	unsigned char *bytes = malloc((size_t)c->b->segments * 4);
	int err;

	if (bytes == NULL)
		return -XV_ENOMEM;
	for (uint32_t i = 0; i < c->b->segments; i++)
		rzi_put_u32(bytes + (size_t)i * 4, atomic_load(&c->b->serial[i]));
	c->serials_sum = rzi_checksum(bytes, (size_t)c->b->segments * 4);
	err = head_write(c, bytes, (size_t)c->b->segments * 4);
	free(bytes);
	return err;
}

/* Can the head name the codings of all forms? */
static bool checkpoint_has_names(const struct checkpoint *c)
{
	for (uint32_t i = 1; i < CODECS; i++) {
		const struct ramz_codec *codec = rzi_coding_codec(c->store, i);

		if ((c->used >> i & 1U) != 0 && (codec == NULL || codec->name[0] == '\0' ||
						 strlen(codec->name) >= FILE_NAME_BYTES))
			return false;
	}
	return true;
}

static int checkpoint_write_head(struct checkpoint *c)
{
	const struct ramz_sink sink = {.write = head_write, .context = c};
	int err = checkpoint_has_names(c) ? rzi_save_head(c->store, &sink) : -XV_ENOTSUP;

	c->head_bytes = c->stream_bytes;
	if (err == 0)
		err = checkpoint_write_serials(c);
	return err == 0 ? head_flush(c) : err;
}

static int checkpoint_flush(const struct checkpoint *c)
{
	return c->b->device.flush(c->b->device.context);
}

static int checkpoint_write_root(struct checkpoint *c, struct rzi_super *super)
{
	int err = checkpoint_take(c, &super->root);

	if (err != 0)
		return err;
	memcpy(c->root, ROOT_MAGIC, 8);
	rzi_put_u64(c->root + 8, c->b->id);
	rzi_put_u64(c->root + 16, c->generation);
	rzi_put_u32(c->root + 24, c->head_bytes);
	rzi_put_u32(c->root + 28, c->maps);
	rzi_put_u32(c->root + 32, c->used);
	rzi_put_u64(c->root + 40, c->serials_sum);
	super->root_sum = rzi_checksum(c->root, RAMZ_SEGMENT_BYTES);
	return checkpoint_write(c, super->root, c->root);
}

static int checkpoint_write_super(struct checkpoint *c, const struct rzi_super *super)
{
	struct rzi_backing *b = c->b;
	uint32_t which = b->good_pin != 0 ? 1 - b->super : 0;
	int err;

	/* The place that is written is not the one that is needed. */
	RZI_ASSERT(b->good_pin == 0 || which != b->super);
	RZI_ASSERT(c->pin != b->good_pin && (c->pin & (c->pin - 1)) == 0);
	RZI_ASSERT(c->data_segment == UINT32_MAX); /* its buffer is used now */
	rzi_super_put(c->data, super);
	c->in_doubt = true;
	err = b->device.write(b->device.context, rzi_super_offset(which), c->data, SUPER_BYTES);
	if (err == 0)
		err = checkpoint_flush(c);
	if (err != 0)
		return err;
	b->super = which;
	/* The other place too, so that none leads back to what may be overwritten now. */
	(void)b->device.write(b->device.context, rzi_super_offset(1 - which), c->data, SUPER_BYTES);
	return 0;
}

static int checkpoint_run(struct checkpoint *c)
{
	struct rzi_super super = {
		.id = c->b->id, .generation = c->generation, .segments = c->b->segments};
	int err = checkpoint_walk(c);

	if (err == 0)
		err = checkpoint_write_head(c);
	if (err == 0)
		err = checkpoint_write_root(c, &super);
	if (err == 0)
		err = checkpoint_flush(c);
	return err == 0 ? checkpoint_write_super(c, &super) : err;
}

/* ---- begin and end ---- */

/* Keep only these pins, and free what nothing needs. */
static void checkpoint_unpin(struct rzi_backing *b, uint8_t kept)
{
	for (uint32_t i = rzi_backing_first(b); i < b->segments; i++) {
		bool is_unused;

		(void)pthread_mutex_lock(&b->lock);
		rzi_segment_at(b, i)->pins &= kept;
		is_unused = rzi_segment_is_left(rzi_segment_at(b, i));
		(void)pthread_mutex_unlock(&b->lock);
		if (is_unused)
			rzi_segment_free(b, i);
	}
}

/* A bit that no checkpoint has which may be found later. If all are taken, tries in doubt share
 * one. */
static uint8_t checkpoint_choose_pin(const struct rzi_backing *b)
{
	uint8_t last = b->good_pin == 1U << 7 ? 1U << 6 : 1U << 7;
	uint8_t pin = 1;

	while ((pin & (b->good_pin | b->doubt_pins)) != 0 && pin != last)
		pin = (uint8_t)(pin << 1);
	return pin;
}

static void checkpoint_end(struct checkpoint *c, int err)
{
	struct rzi_backing *b = c->b;

	/* A segment that was taken and not written. */
	if (c->data_segment != UINT32_MAX)
		rzi_segment_close(b, c->data_segment);
	if (err == 0) {
		b->good_pin = c->pin;
		b->doubt_pins = 0;
		(void)pthread_mutex_lock(&b->lock);
		b->checkpoints++;
		(void)pthread_mutex_unlock(&b->lock);
	} else if (c->in_doubt) {
		b->doubt_pins |= c->pin;
	}
	checkpoint_unpin(b, b->good_pin | b->doubt_pins);
	rzi_keep_for_checkpoint(b);
	free(c->buffers);
}

static int checkpoint_begin(struct checkpoint *c)
{
	uint32_t step;
	int err;

	c->buffers = malloc(3 * RAMZ_SEGMENT_BYTES + IO_ALIGN_BYTES);
	if (c->buffers == NULL)
		return -XV_ENOMEM;
	c->data = rzi_io_aligned(c->buffers);
	c->map = c->data + RAMZ_SEGMENT_BYTES;
	c->root = c->map + RAMZ_SEGMENT_BYTES;
	memset(c->map, 0, RAMZ_SEGMENT_BYTES);
	memset(c->root, 0, RAMZ_SEGMENT_BYTES);
	c->pin = checkpoint_choose_pin(c->b);
	/* Random steps: no other try, not even one that was cut off, has this one's number. */
	err = rzi_random(&step, sizeof(step));
	c->b->generation += 1 + (uint64_t)step;
	c->generation = c->b->generation;
	return err;
}

/* In the snapshot. */
static int checkpoint_make(struct ramz *store, struct rzi_backing *b, bool elsewhere)
{
	struct checkpoint c = {.store = store,
			       .b = b,
			       .elsewhere = elsewhere,
			       .data_segment = UINT32_MAX,
			       .pinned = UINT32_MAX};
	int err = checkpoint_begin(&c);

	if (err != 0) {
		free(c.buffers);
		return err;
	}
	if (!elsewhere)
		rzi_clean_for_checkpoint(store);
	err = checkpoint_run(&c);
	checkpoint_end(&c, err);
	return err;
}

/* The snapshot is begun, and ends here. */
static int checkpoint_own(struct ramz *store)
{
	struct rzi_context *context = rzi_enter(store);
	struct rzi_backing *b = store->backing; /* no detach comes in between */
	int err = -XV_EINVAL;

	rzi_leave(context);
	if (b != NULL)
		err = b->device.flush != NULL ? checkpoint_make(store, b, false) : -XV_ENOTSUP;
	rzi_snapshot_end(store);
	return err;
}

int ramz_checkpoint(struct ramz *store)
{
	if (store == NULL)
		return -XV_EINVAL;
	rzi_snapshot_begin(store);
	return checkpoint_own(store);
}

int rzi_checkpoint_try(struct ramz *store)
{
	return rzi_snapshot_try_begin(store) ? checkpoint_own(store) : -XV_EAGAIN;
}

int ramz_save_backing(struct ramz *store, const struct ramz_backing *device)
{
	struct rzi_backing *b;
	int err;

	if (store == NULL || !rzi_backing_device_is_good(device))
		return -XV_EINVAL;
	if (device->flush == NULL)
		return -XV_ENOTSUP;
	err = ramz_backing_holds(device);
	if (err != 0)
		return err > 0 ? -EEXIST : err;
	err = rzi_backing_make(store, device, &b);
	if (err != 0)
		return err;
	rzi_segments_list(b);
	rzi_snapshot_begin(store);
	err = checkpoint_make(store, b, true);
	rzi_snapshot_end(store);
	rzi_backing_drop(store, b);
	return err;
}
