/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * open.c: make a store of the checkpoint that a device holds; see checkpoint.h.
 *
 * Trusts nothing that it reads. Reads the table of pages, and no page. Owns its buffers during the
 * call. May call: load.c, backing.c; the device. Locking: no other thread has the store yet.
 * O(table).
 */
#include "checkpoint.h"

#include <stdlib.h>

#include "file_format.h"

struct opener {
	const struct ramz_backing *device;
	const char *reason;
	struct ramz *store;
	struct rzi_backing *b;
	struct rzi_super super;
	uint32_t which;
	void *buffers; /* the next two, a segment each */
	unsigned char *root;
	unsigned char *segment;
	uint32_t maps;
	uint32_t used;

	/* The head, as a source. */
	uint32_t head_at;
	uint32_t head_bytes;
	uint32_t stream_bytes; /* with the serials */

	uint64_t next_leaf; /* least number that may come */
};

static int opener_fails(struct opener *o, int err, const char *reason)
{
	o->reason = reason;
	return err;
}

/* ---- segments ---- */

static int opener_read(struct opener *o, uint32_t number, unsigned char *dst)
{
	int err;

	if (number == 0 || number >= o->super.segments)
		return opener_fails(o, -XV_EBADMSG,
				    "the checkpoint is damaged: a segment that is "
				    "not on the device");
	err = o->device->read(o->device->context, (uint64_t)number * RAMZ_SEGMENT_BYTES, dst,
			      RAMZ_SEGMENT_BYTES);
	return err == 0 ? 0 : opener_fails(o, err, "the backing device cannot be read");
}

static int opener_read_root(struct opener *o)
{
	int err = opener_read(o, o->super.root, o->root);

	if (err != 0)
		return err;
	if (rzi_checksum(o->root, RAMZ_SEGMENT_BYTES) != o->super.root_sum ||
	    memcmp(o->root, ROOT_MAGIC, 8) != 0)
		return opener_fails(o, -XV_EBADMSG, "the checkpoint's root is damaged");
	o->head_bytes = rzi_get_u32(o->root + 24);
	o->maps = rzi_get_u32(o->root + 28);
	o->used = rzi_get_u32(o->root + 32);
	o->stream_bytes = o->head_bytes + 4 * o->super.segments;
	if (o->head_bytes > ROOT_HEADS_MAX * RAMZ_SEGMENT_BYTES ||
	    o->stream_bytes > ROOT_HEADS_MAX * RAMZ_SEGMENT_BYTES || o->maps > ROOT_MAPS_MAX)
		return opener_fails(o, -XV_EBADMSG, "the checkpoint's root is damaged");
	return 0;
}

/* ---- head ---- */

static int64_t head_read(void *context, void *data, size_t bytes)
{
	struct opener *o = context;
	uint32_t at = o->head_at % RAMZ_SEGMENT_BYTES;
	int err = 0;

	if (at == 0 && o->head_at < o->stream_bytes)
		err = opener_read(
			o,
			rzi_get_u32(o->root + ROOT_HEAD_AT + 4 * (o->head_at / RAMZ_SEGMENT_BYTES)),
			o->segment);
	if (err != 0)
		return err;
	if (bytes > o->stream_bytes - o->head_at)
		bytes = o->stream_bytes - o->head_at;
	if (bytes > RAMZ_SEGMENT_BYTES - at)
		bytes = RAMZ_SEGMENT_BYTES - at;
	memcpy(data, o->segment + at, bytes);
	o->head_at += (uint32_t)bytes;
	return (int64_t)bytes;
}

static int opener_serials(struct opener *o)
{
	size_t bytes = (size_t)o->super.segments * 4, done = 0;
	unsigned char *all = malloc(bytes);
	int err = all != NULL ? 0 : -XV_ENOMEM;

	if (o->head_at != o->head_bytes)
		err = -XV_EBADMSG;
	while (err == 0 && done < bytes) {
		int64_t got = head_read(o, all + done, bytes - done);

		err = got < 0 ? (int)got : got == 0 ? -XV_EBADMSG : 0;
		done += got > 0 ? (size_t)got : 0;
	}
	if (err == 0 && rzi_checksum(all, bytes) != rzi_get_u64(o->root + 40))
		err = -XV_EBADMSG;
	for (uint32_t i = 0; err == 0 && i < o->super.segments; i++)
		atomic_store(&o->b->serial[i], rzi_get_u32(all + (size_t)i * 4));
	free(all);
	return err == 0 ? 0 : opener_fails(o, err, "the checkpoint's serials cannot be read");
}

/* ---- maps ---- */

static void opener_pin(struct opener *o, uint32_t number)
{
	if (number >= o->b->segments)
		return;
	o->b->segment[number].state = SEGMENT_FULL;
	o->b->segment[number].pins = o->b->good_pin;
}

/* Take an entry. False: no checkpoint has such an entry. */
static bool opener_entry(struct opener *o, uint64_t entry)
{
	const struct ramz *store = o->store;
	uint64_t offset = rzi_entry_backed_offset(entry);
	uint32_t bytes = rzi_entry_backed_bytes(entry), coding = rzi_entry_codec(entry);
	uint64_t number = offset / RAMZ_SEGMENT_BYTES;

	if (rzi_entry_locked(entry))
		return false;
	if (rzi_entry_kind(entry) == ENTRY_SAME)
		return true;
	if (!rzi_entry_is_backed(entry) || (o->used >> coding & 1U) == 0 || number == 0 ||
	    number >= o->super.segments || bytes <= store->tail_bytes ||
	    bytes > store->page_bytes + store->tail_bytes ||
	    rzi_entry_good(entry) != (bytes - store->tail_bytes <= store->page_bytes / 2) ||
	    offset % RAMZ_SEGMENT_BYTES + FORM_HEADER_BYTES + bytes > RAMZ_SEGMENT_BYTES)
		return false;
	opener_pin(o, (uint32_t)number);
	o->b->segment[number].live_bytes += rzi_backing_form_bytes(entry);
	return o->b->segment[number].live_bytes <= RAMZ_SEGMENT_BYTES;
}

static int opener_leaf(struct opener *o, struct rzi_context *context, uint64_t number,
		       const unsigned char *from)
{
	struct ramz *store = o->store;
	uint64_t slot = number << SPARSE_LEAF_SHIFT;
	_Atomic uint64_t *place;
	int err = 0;

	if (number < o->next_leaf || slot >= rzi_pages(store))
		return opener_fails(o, -XV_EBADMSG, "a map of the checkpoint is damaged");
	o->next_leaf = number + 1;
	place = rzi_sparse_make(&store->slots, slot, &err);
	if (place == NULL)
		return opener_fails(o, err, "there is no memory for the table of pages");
	for (uint32_t i = 0; i < SPARSE_LEAF_COUNT; i++, from += 8) {
		uint64_t entry = rzi_get_u64(from);

		if (entry == 0)
			continue;
		if (slot + i >= rzi_pages(store) || !opener_entry(o, entry))
			return opener_fails(o, -XV_EBADMSG, "a map of the checkpoint is damaged");
		atomic_store_explicit(&place[i], entry, memory_order_relaxed);
		rzi_sparse_use(&store->slots, slot + i);
		rzi_slot_gauge(context, entry, 1);
	}
	return 0;
}

static int opener_map(struct opener *o, struct rzi_context *context, uint32_t i)
{
	uint32_t number = rzi_get_u32(o->root + ROOT_MAPS_AT + 4 * i);
	const unsigned char *map = o->segment;
	uint32_t leaves;
	int err = opener_read(o, number, o->segment);

	if (err != 0)
		return err;
	opener_pin(o, number);
	leaves = rzi_get_u32(map + 24);
	if (memcmp(map, MAP_MAGIC, 8) != 0 || rzi_get_u64(map + 8) != o->super.id ||
	    rzi_get_u64(map + 16) != o->super.generation || rzi_get_u32(map + 28) != i ||
	    rzi_get_u64(map + MAP_SUM_AT) != rzi_map_sum(map) || leaves > MAP_LEAVES_MAX)
		return opener_fails(o, -XV_EBADMSG, "a map of the checkpoint is damaged");
	for (uint32_t leaf = 0; err == 0 && leaf < leaves; leaf++)
		err = opener_leaf(o, context, rzi_get_u32(map + MAP_NUMBERS_AT + 4 * leaf),
				  map + MAP_LEAVES_AT + (size_t)leaf * MAP_LEAF_BYTES);
	return err;
}

static int opener_maps(struct opener *o)
{
	struct rzi_context *context = rzi_enter(o->store);
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < o->maps; i++)
		err = opener_map(o, context, i);
	rzi_leave_quietly(context);
	return err;
}

/* ---- the whole ---- */

/* A process that was killed may have left the superblock where a power failure still takes it. What
 * only the checkpoint before needs may be overwritten from now on, so it is made durable first. */
static int opener_settle(struct opener *o)
{
	int err;

	rzi_super_put(o->segment, &o->super);
	err = o->device->write(o->device->context, rzi_super_offset(o->which), o->segment,
			       SUPER_BYTES);
	if (err == 0)
		err = o->device->flush(o->device->context);
	return err == 0 ? 0 : opener_fails(o, err, "the backing device cannot be written");
}

/* The device, as the checkpoint left it. */
static int opener_attach(struct opener *o)
{
	int err = rzi_backing_make(o->store, o->device, &o->b);

	if (err != 0)
		return opener_fails(o, err, "there is no memory for the table of segments");
	o->b->id = o->super.id;
	o->b->generation = o->super.generation;
	o->b->super = o->which;
	o->b->good_pin = 1;
	rzi_backing_adopt(o->store, o->b);
	opener_pin(o, o->super.root);
	for (uint32_t at = 0; at < o->stream_bytes; at += RAMZ_SEGMENT_BYTES)
		opener_pin(o, rzi_get_u32(o->root + ROOT_HEAD_AT +
					  4 * (at / (uint32_t)RAMZ_SEGMENT_BYTES)));
	err = opener_serials(o);
	if (err == 0)
		err = opener_maps(o);
	if (err == 0)
		err = opener_settle(o);
	rzi_segments_list(o->b);
	rzi_keep_for_checkpoint(o->b);
	return err;
}

static int opener_run(struct opener *o, const struct ramz_options *options,
		      const struct ramz_codec *const *codecs, size_t codec_count)
{
	const struct ramz_source source = {.read = head_read, .context = o};
	int err = rzi_super_find(o->device, &o->super, &o->which);

	if (err == -XV_EBADMSG)
		return opener_fails(o, err, "both superblocks of the checkpoint are damaged");
	if (err < 0)
		return opener_fails(o, err, "the backing device cannot be read");
	if (err == 0)
		return opener_fails(o, -XV_EBADMSG, "the backing device holds no checkpoint");
	if (o->super.segments > o->device->size_bytes / RAMZ_SEGMENT_BYTES)
		return opener_fails(o, -XV_EINVAL, "the backing device is smaller than it was");
	o->buffers = malloc(2 * RAMZ_SEGMENT_BYTES + IO_ALIGN_BYTES);
	if (o->buffers == NULL)
		return opener_fails(o, -XV_ENOMEM, "there is no memory");
	o->root = rzi_io_aligned(o->buffers);
	o->segment = o->root + RAMZ_SEGMENT_BYTES;
	err = opener_read_root(o);
	if (err == 0) {
		const char *reason = NULL;

		err = rzi_load_head(&o->store, options, codecs, codec_count, &source, o->used,
				    &reason);
		if (err != 0 && o->reason == NULL)
			o->reason =
				err == -XV_EBADMSG ? "the checkpoint's head is damaged" : reason;
	}
	return err == 0 ? opener_attach(o) : err;
}

int ramz_open(struct ramz **out, const struct ramz_options *options,
	      const struct ramz_codec *const *codecs, size_t codec_count,
	      const struct ramz_backing *device, const char **reason)
{
	struct opener o = {.device = device};
	int err;

	if (out == NULL || (codecs == NULL && codec_count != 0) ||
	    !rzi_backing_device_is_good(device) || device->flush == NULL)
		err = opener_fails(&o, -XV_EINVAL,
				   "a pointer is null, or the device is not one for checkpoints");
	else
		err = opener_run(&o, options, codecs, codec_count);
	free(o.buffers);
	if (reason != NULL)
		*reason = err == 0 ? "" : o.reason;
	if (err == 0)
		*out = o.store;
	else
		ramz_destroy(o.store);
	return err;
}
