/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * save.c: write a store's contents to a sink, forms as they are.
 *
 * The image is that of one moment: see snapshot.h.
 *
 * Owns the buffer of one block during the call. May call: snapshot.c, object.c; the sink, without a
 * context. Locking: each page is protected while it is copied. O(compressed bytes).
 */
#include <stdlib.h>

#include "checkpoint.h"
#include "dictionary.h"
#include "file_format.h"
#include "snapshot.h"

struct saver {
	struct ramz *store;
	const struct ramz_sink *sink;
	struct rzi_file_header header;
	unsigned char *block;
	uint32_t used;           /* bytes behind the block's header */
	uint32_t records;        /* in the block */
	uint32_t sequence;       /* blocks written */
	uint32_t serial[CODECS]; /* of the codings in the header; 0 = not in it */
	uint64_t all_records;
	uint64_t all_bytes; /* of all blocks written */
};

/* The present codings. An index may be used again during the save: the serial tells. */
static void saver_codings(struct saver *saver)
{
	const struct ramz *store = saver->store;
	struct rzi_file_header *header = &saver->header;

	for (uint32_t i = 1; i < CODECS; i++) {
		const struct ramz_codec *codec = rzi_coding_codec(store, i);
		const struct rzi_coding *coding = &store->coding[i];

		if (codec == NULL || strlen(codec->name) >= FILE_NAME_BYTES)
			continue;
		memcpy(header->name[i], codec->name, strlen(codec->name));
		header->tiers |= coding->tier << (FILE_TIER_BITS * i);
		saver->serial[i] = coding->serial;
	}
	if (header->tiers != 0)
		header->flags |= FILE_FLAG_TIERS;
}

static bool saver_has_coding(const struct saver *saver, uint32_t index)
{
	/* The codec first: it is published after the rest. */
	return index == 0 || (rzi_coding_codec(saver->store, index) != NULL &&
			      saver->serial[index] == saver->store->coding[index].serial);
}

static int saver_header(struct saver *saver)
{
	const struct ramz *store = saver->store;
	unsigned char bytes[FILE_HEADER_BYTES];
	struct rzi_context *context;
	uint64_t setting;
	int err;

	saver->header =
		(struct rzi_file_header){.version = FILE_VERSION,
					 .page_bytes = store->page_bytes,
					 .flags = store->checksum ? FILE_FLAG_CHECKSUM : 0,
					 .size_bytes = store->snapshot.pages << store->page_shift,
					 .codec = FILE_CODEC_NOT_KEPT,
					 .level = RAMZ_LEVEL_DEFAULT};
	err = rzi_random(saver->header.id, FILE_ID_BYTES);
	if (err != 0)
		return err;
	context = rzi_enter(saver->store);
	setting = atomic_load(&store->setting[0]); /* before its codec's name is read */
	saver_codings(saver);
	rzi_leave(context);
	if (saver_has_coding(saver, rzi_setting_codec(setting))) {
		saver->header.codec = rzi_setting_codec(setting);
		saver->header.level = rzi_setting_level(setting);
	}
	rzi_file_header_put(bytes, &saver->header);
	return saver->sink->write(saver->sink->context, bytes, sizeof(bytes));
}

/* ---- records ---- */

static void saver_add(struct saver *saver, const struct rzi_file_record *record, const void *bytes)
{
	unsigned char *at = saver->block + FILE_BLOCK_HEADER_BYTES + saver->used;

	RZI_ASSERT(FILE_BLOCK_HEADER_BYTES + saver->used + FILE_RECORD_BYTES + record->bytes <=
		   FILE_BLOCK_MAX);
	rzi_file_record_put(at, record);
	memcpy(at + FILE_RECORD_BYTES, bytes, record->bytes);
	saver->used += FILE_RECORD_BYTES + record->bytes;
	saver->records++;
}

static void saver_add_word(struct saver *saver, uint64_t slot, uint64_t word)
{
	struct rzi_file_record record = {.slot = slot, .kind = FILE_KIND_WORD, .bytes = 8};
	unsigned char bytes[8];

	rzi_put_u64(bytes, word);
	saver_add(saver, &record, bytes);
}

/* The form of a view, with its tail, into the context's packed buffer. Its bytes, or an error;
 * -XV_EBUSY: see rzi_view_read. */
static int saver_copy(struct rzi_context *context, uint64_t slot, const struct rzi_view *view)
{
	return rzi_view_has_object(view) ? rzi_object_copy(context, view->entry)
					 : rzi_backing_copy(context, slot, view);
}

/* Its codec came after the header was written: the page itself. */
static int saver_copy_raw(struct rzi_context *context, uint64_t slot, const struct rzi_view *view)
{
	const struct ramz *store = context->store;
	int err = rzi_view_read(context, slot, view, context->page);

	if (err != 0)
		return err;
	memcpy(context->packed, context->page, store->page_bytes);
	if (store->tail_bytes != 0)
		rzi_put_checksum(context->packed + store->page_bytes,
				 rzi_checksum(context->page, store->page_bytes));
	return (int)(store->page_bytes + store->tail_bytes);
}

static int saver_add_form(struct saver *saver, struct rzi_context *context, uint64_t slot,
			  const struct rzi_view *view)
{
	struct rzi_file_record record = {
		.slot = slot, .kind = FILE_KIND_FORM, .codec = rzi_entry_codec(view->entry)};
	int bytes;

	if (saver_has_coding(saver, record.codec)) {
		bytes = saver_copy(context, slot, view);
	} else {
		bytes = saver_copy_raw(context, slot, view);
		record.codec = 0;
	}
	if (bytes < 0)
		return bytes;
	RZI_ASSERT((uint32_t)bytes > saver->store->tail_bytes);
	record.bytes = (uint32_t)bytes;
	saver_add(saver, &record, context->packed);
	return 0;
}

static int saver_add_slot(struct saver *saver, struct rzi_context *context, uint64_t slot)
{
	struct rzi_view view;
	int err;

	for (;;) {
		err = rzi_snapshot_look(context, slot, &view);
		if (err != 0)
			return err;
		if (rzi_view_has_object(&view) || rzi_entry_is_backed(view.slot_entry))
			err = saver_add_form(saver, context, slot, &view);
		else if (view.slot_entry != 0)
			saver_add_word(saver, slot, view.word);
		if (err != -XV_EBUSY)
			break;
		rzi_view_drop(context, &view);
	}
	rzi_snapshot_done(context, slot, &view);
	return err;
}

/* ---- blocks ---- */

static bool saver_has_room(const struct saver *saver)
{
	uint32_t most = FILE_RECORD_BYTES + saver->store->page_bytes + CHECKSUM_BYTES;

	return FILE_BLOCK_HEADER_BYTES + saver->used + most <= FILE_BLOCK_MAX;
}

static int saver_emit(struct saver *saver, uint32_t magic)
{
	struct rzi_file_block block = {.magic = magic,
				       .sequence = saver->sequence++,
				       .records = saver->records,
				       .bytes = saver->used};

	rzi_file_block_put(saver->block, &saver->header, &block);
	saver->all_records += saver->records;
	saver->all_bytes += saver->used;
	saver->records = 0;
	saver->used = 0;
	return saver->sink->write(saver->sink->context, saver->block,
				  FILE_BLOCK_HEADER_BYTES + block.bytes);
}

/* Fill the block from *slot on, and advance it; UINT64_MAX at the end. */
static int saver_fill(struct saver *saver, struct rzi_context *context, uint64_t *slot)
{
	const struct ramz *store = saver->store;
	int err = 0;

	*slot = rzi_snapshot_next(store, *slot);
	while (err == 0 && *slot != UINT64_MAX && saver_has_room(saver)) {
		err = saver_add_slot(saver, context, *slot);
		++*slot;
		if ((*slot & (SPARSE_LEAF_COUNT - 1)) == 0 || *slot >= store->snapshot.pages)
			*slot = rzi_snapshot_next(store, *slot);
	}
	return err;
}

static int saver_blocks(struct saver *saver)
{
	uint64_t slot = 0;
	int err = 0;

	while (err == 0 && slot != UINT64_MAX) {
		struct rzi_context *context = rzi_enter(saver->store);

		err = saver_fill(saver, context, &slot);
		rzi_leave(context);
		if (err == 0 && saver->records != 0)
			err = saver_emit(saver, FILE_BLOCK_MAGIC);
	}
	return err;
}

/* ---- tiers ---- */

/* Put the dictionary of a coding into an empty block, if the coding is still that of the header. */
static void saver_add_dictionary(struct saver *saver, uint32_t index)
{
	const struct rzi_coding *coding = &saver->store->coding[index];
	struct rzi_file_record record = {.kind = FILE_KIND_DICTIONARY, .codec = index};

	if (index == 0 || !saver_has_coding(saver, index) || coding->dictionary == NULL)
		return;
	RZI_ASSERT(saver->records == 0 && saver->used == 0);
	record.bytes = coding->dictionary->count;
	saver_add(saver, &record, coding->dictionary->bytes);
}

static void saver_add_tier(struct saver *saver, uint32_t tier)
{
	uint64_t setting = atomic_load(&saver->store->setting[tier]);
	struct rzi_file_record record = {.slot = tier,
					 .kind = FILE_KIND_TIER,
					 .codec = rzi_setting_codec(setting),
					 .bytes = FILE_LEVEL_BYTES};
	unsigned char level[FILE_LEVEL_BYTES];

	if (record.codec == 0 || !saver_has_coding(saver, record.codec))
		return;
	rzi_put_u32(level, (uint32_t)rzi_setting_level(setting));
	saver_add(saver, &record, level);
}

static int saver_tiers(struct saver *saver)
{
	int err = 0;

	if ((saver->header.flags & FILE_FLAG_TIERS) == 0)
		return 0;
	for (uint32_t i = 1; err == 0 && i <= CODECS; i++) {
		struct rzi_context *context = rzi_enter(saver->store);

		if (i < CODECS)
			saver_add_dictionary(saver, i);
		else
			for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++)
				saver_add_tier(saver, tier);
		rzi_leave(context);
		if (saver->records != 0)
			err = saver_emit(saver, FILE_BLOCK_MAGIC);
	}
	return err;
}

static int saver_end(struct saver *saver)
{
	unsigned char *at = saver->block + FILE_BLOCK_HEADER_BYTES;

	RZI_ASSERT(saver->records == 0 && saver->used == 0); /* all is counted */
	rzi_put_u64(at, saver->all_records);
	rzi_put_u64(at + 8, saver->all_bytes);
	saver->used = FILE_TOTALS_BYTES;
	return saver_emit(saver, FILE_END_MAGIC);
}

int rzi_save_head(struct ramz *store, const struct ramz_sink *sink)
{
	struct saver saver = {.store = store, .sink = sink, .block = malloc(FILE_BLOCK_MAX)};
	int err;

	if (saver.block == NULL)
		return -XV_ENOMEM;
	err = saver_header(&saver);
	if (err == 0)
		err = saver_tiers(&saver);
	if (err == 0)
		err = saver_end(&saver);
	free(saver.block);
	return err;
}

int ramz_save(struct ramz *store, const struct ramz_sink *sink)
{
	struct saver saver = {.store = store, .sink = sink};
	int err;

	if (store == NULL || sink == NULL || sink->write == NULL)
		return -XV_EINVAL;
	saver.block = malloc(FILE_BLOCK_MAX);
	if (saver.block == NULL)
		return -XV_ENOMEM;
	rzi_snapshot_begin(store);
	err = saver_header(&saver);
	if (err == 0)
		err = saver_tiers(&saver);
	if (err == 0)
		err = saver_blocks(&saver);
	if (err == 0)
		err = saver_end(&saver);
	rzi_snapshot_end(store);
	free(saver.block);
	return err;
}
