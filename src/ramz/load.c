/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * load.c: make a store of what save.c wrote.
 *
 * Trusts nothing that it reads. Owns the buffer of one block during the call. May call: store.c,
 * slot.c, object.c; the source. Locking: no other thread has the store yet. O(compressed bytes).
 */
#include <stdlib.h>

#include "checkpoint.h"
#include "codec_list.h"
#include "dedup.h"
#include "dictionary.h"
#include "file_format.h"

struct loader {
	struct ramz *store;
	const struct ramz_source *source;
	const char *reason;
	struct rzi_file_header header;
	unsigned char *block;
	unsigned char *summed;                      /* a form that gets a checksum */
	uint32_t file_tail_bytes;                   /* behind a form in the file */
	const struct ramz_codec *named[FILE_NAMES]; /* NULL = this build lacks it */
	uint32_t codec[FILE_NAMES]; /* store index of each used codec; 0 = none yet, or raw */
	bool keeps_indices;         /* which are those of the names */
	uint64_t next_slot;
	uint64_t all_records;
	uint64_t all_bytes;
};

static int loader_fails(struct loader *loader, int err, const char *reason)
{
	loader->reason = reason;
	return err;
}

/* Read exactly `bytes` bytes. */
static int loader_read(struct loader *loader, unsigned char *at, size_t bytes)
{
	while (bytes != 0) {
		int64_t got = loader->source->read(loader->source->context, at, bytes);

		if (got < 0)
			return loader_fails(loader, (int)got, "the file cannot be read");
		if (got == 0)
			return loader_fails(loader, -XV_EBADMSG,
					    "torn: the file ends before its last block");
		if ((uint64_t)got > bytes)
			return loader_fails(loader, -XV_EINVAL,
					    "the source gave more than was asked for");
		at += got;
		bytes -= (size_t)got;
	}
	return 0;
}

/* ---- header ---- */

/* NULL also for a codec that does not compress: its pages are raw, and raw has no name. */
static const struct ramz_codec *
loader_codec_by_name(const char *name, const struct ramz_codec *const *codecs, size_t codec_count)
{
	const struct ramz_codec *codec = ramz_codec_by_name(name);

	for (size_t i = 0; i < codec_count; i++) {
		if (strcmp(codecs[i]->name, name) == 0) {
			codec = codecs[i];
			break;
		}
	}
	return codec != NULL && codec->id != RZI_CODEC_NONE ? codec : NULL;
}

static void loader_find_codecs(struct loader *loader, const struct ramz_codec *const *codecs,
			       size_t codec_count)
{
	for (uint32_t i = 1; i < FILE_NAMES; i++) {
		if (loader->header.name[i][0] != '\0')
			loader->named[i] =
				loader_codec_by_name(loader->header.name[i], codecs, codec_count);
	}
	loader->named[0] = ramz_codec_by_name("none");
}

/* The codec for writes: the option wins, else it is as saved. */
static int loader_choose_codec(struct loader *loader, struct ramz_options *mine)
{
	uint32_t kept = loader->header.codec;
	const struct ramz_codec *saved;

	if (kept == FILE_CODEC_NOT_KEPT)
		return 0;
	saved = loader->named[kept];
	if (mine->codec == NULL && saved == NULL)
		return loader_fails(loader, -XV_ENOTSUP,
				    "pages were written with a codec that this build lacks: give "
				    "another codec for those to come");
	if (mine->codec == NULL)
		mine->codec = saved;
	if (mine->level == RAMZ_LEVEL_DEFAULT && mine->codec == saved)
		mine->level = loader->header.level;
	return 0;
}

/* The options, with saved values where they are not set. */
static int loader_options(struct loader *loader, struct ramz_options *mine)
{
	const struct rzi_file_header *header = &loader->header;

	if (mine->page_bytes != 0 && mine->page_bytes != header->page_bytes)
		return loader_fails(loader, -XV_EINVAL,
				    "page_bytes is given, and the file was saved with pages of "
				    "another size: leave page_bytes 0");
	mine->size_bytes = header->size_bytes;
	mine->page_bytes = header->page_bytes;
	if ((header->flags & FILE_FLAG_CHECKSUM) != 0) {
		loader->file_tail_bytes = CHECKSUM_BYTES;
		mine->checksum = true;
	}
	return loader_choose_codec(loader, mine);
}

static int loader_make_store(struct loader *loader, const struct ramz_options *options)
{
	struct ramz_options mine;
	const char *reason;
	int err;

	ramz_options_init(&mine);
	if (options != NULL)
		mine = *options;
	err = loader_options(loader, &mine);
	if (err != 0)
		return err;
	err = ramz_options_check(&mine, &reason);
	if (err != 0)
		return loader_fails(loader, err, reason);
	err = rzi_store_create(&loader->store, &mine);
	return err == 0 ? 0 : loader_fails(loader, err, "the store cannot be made");
}

/* The store's index for a name. */
static int loader_coding(struct loader *loader, uint32_t name, struct rzi_dictionary *dictionary)
{
	uint32_t tier = rzi_file_tier(&loader->header, name);

	if (!loader->keeps_indices)
		return rzi_coding_index(loader->store, loader->named[name], tier, dictionary);
	rzi_coding_put(loader->store, name, loader->named[name], tier, dictionary);
	return (int)name;
}

/* ---- records ---- */

static int loader_publish(struct rzi_context *context, uint64_t slot,
			  const struct rzi_content *content)
{
	int err = rzi_slot_make(context->store, slot);

	if (err == 0)
		return rzi_publish(context, slot, content, NULL);
	rzi_content_drop(context, content);
	return err;
}

static int loader_form(struct rzi_context *context, const struct rzi_packed *packed, uint64_t slot)
{
	struct rzi_content content = {.word = 0};
	int err = rzi_content_of_form(context, slot, packed->codec, packed->data, packed->bytes,
				      &content);

	return err == 0 ? loader_publish(context, slot, &content) : err;
}

/* For a file without checksums and a store with them. */
static int loader_add_sum(struct loader *loader, struct rzi_context *context,
			  struct rzi_packed *packed)
{
	int err =
		rzi_decompress(context, packed->codec, packed->data, packed->bytes, context->page);

	if (err != 0)
		return err;
	memcpy(loader->summed, packed->data, packed->bytes);
	rzi_put_u64(loader->summed + packed->bytes,
		    rzi_checksum(context->page, loader->store->page_bytes));
	packed->data = loader->summed;
	packed->bytes += CHECKSUM_BYTES;
	return 0;
}

/* The store's index for the codec of a form. */
static int loader_use_codec(struct loader *loader, uint32_t codec)
{
	int index;

	if (codec == 0 || loader->codec[codec] != 0)
		return 0;
	if (loader->header.name[codec][0] == '\0')
		return loader_fails(loader, -XV_EBADMSG, "a page is of no known kind");
	if (loader->named[codec] == NULL)
		return loader_fails(loader, -XV_ENOTSUP,
				    "pages are compressed with a codec that this build lacks");
	index = loader_coding(loader, codec, NULL);
	if (index < 0)
		return loader_fails(loader, index, "too many codecs for one store");
	loader->codec[codec] = (uint32_t)index;
	return 0;
}

static bool loader_form_is_good(const struct loader *loader, const struct rzi_file_record *record)
{
	uint32_t page_bytes = loader->store->page_bytes + loader->file_tail_bytes;

	if (record->kind != FILE_KIND_FORM || record->codec >= FILE_NAMES ||
	    record->bytes <= loader->file_tail_bytes)
		return false;
	return record->codec == 0 ? record->bytes == page_bytes : record->bytes < page_bytes;
}

static int loader_page(struct loader *loader, struct rzi_context *context,
		       const struct rzi_file_record *record, const unsigned char *bytes)
{
	struct rzi_packed packed = {.data = bytes, .bytes = record->bytes};
	int err;

	if (!loader_form_is_good(loader, record))
		return loader_fails(loader, -XV_EBADMSG, "a page is of no known kind");
	err = loader_use_codec(loader, record->codec);
	if (err != 0)
		return err;
	packed.codec = loader->codec[record->codec];
	if (loader->store->tail_bytes != loader->file_tail_bytes)
		err = loader_add_sum(loader, context, &packed);
	return err == 0 ? loader_form(context, &packed, record->slot) : err;
}

/* ---- tiers ---- */

/* The index must have a name and no coding yet. */
static int loader_dictionary(struct loader *loader, const struct rzi_file_record *record,
			     const unsigned char *bytes)
{
	uint32_t codec = record->codec;
	struct rzi_dictionary *dictionary;
	int err;

	if (codec == 0 || codec >= FILE_NAMES || loader->header.name[codec][0] == '\0' ||
	    loader->codec[codec] != 0)
		return loader_fails(loader, -XV_EBADMSG, "a dictionary is of no known codec");
	if (loader->named[codec] == NULL || loader->named[codec]->digest_create == NULL)
		return loader_fails(loader, -XV_ENOTSUP,
				    "pages are compressed with a codec and a dictionary that this "
				    "build lacks");
	err = rzi_dictionary_make(&loader->store->memory, loader->named[codec], bytes,
				  record->bytes, &dictionary);
	if (err == -XV_EINVAL)
		return loader_fails(loader, -XV_EBADMSG, "a dictionary is damaged");
	if (err != 0)
		return err;
	err = loader_coding(loader, codec, dictionary);
	if (err > 0) {
		loader->codec[codec] = (uint32_t)err;
		return 0;
	}
	rzi_dictionary_free(&loader->store->memory, dictionary);
	return loader_fails(loader, err, "too many codecs for one store");
}

static int loader_tier(struct loader *loader, const struct rzi_file_record *record,
		       const unsigned char *bytes)
{
	uint32_t codec = record->codec;
	int err;

	if (record->slot == 0 || record->slot >= RAMZ_TIERS || codec == 0 || codec >= FILE_NAMES ||
	    record->bytes != FILE_LEVEL_BYTES ||
	    rzi_file_tier(&loader->header, codec) != record->slot)
		return loader_fails(loader, -XV_EBADMSG, "a tier is set to no known codec");
	err = loader_use_codec(loader, codec);
	if (err != 0)
		return err;
	atomic_store(&loader->store->setting[record->slot],
		     rzi_setting(loader->codec[codec], (int32_t)rzi_get_u32(bytes)));
	return 0;
}

/* Load one record, whose bytes are all there. */
static int loader_record(struct loader *loader, struct rzi_context *context,
			 const struct rzi_file_record *record, const unsigned char *bytes)
{
	struct rzi_content content = {.word = 0};
	int err;

	if ((loader->header.flags & FILE_FLAG_TIERS) != 0 && loader->next_slot == 0) {
		if (record->kind == FILE_KIND_DICTIONARY)
			return loader_dictionary(loader, record, bytes);
		if (record->kind == FILE_KIND_TIER)
			return loader_tier(loader, record, bytes);
	}
	if (record->slot < loader->next_slot || record->slot >= rzi_pages(loader->store))
		return loader_fails(loader, -XV_EBADMSG,
				    "a page is out of order or not in the "
				    "store");
	if (record->kind == FILE_KIND_WORD && record->bytes == 8) {
		err = rzi_content_of_word(loader->store, record->slot, rzi_get_u64(bytes),
					  &content);
		return err == 0 ? loader_publish(context, record->slot, &content) : err;
	}
	return loader_page(loader, context, record, bytes);
}

static int loader_records(struct loader *loader, const struct rzi_file_block *block)
{
	const unsigned char *at = loader->block + FILE_BLOCK_HEADER_BYTES;
	const unsigned char *end = at + block->bytes;
	struct rzi_context *context = rzi_enter(loader->store);
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < block->records; i++) {
		struct rzi_file_record record = {.bytes = UINT32_MAX};
		struct rzi_room room = {0};

		if ((size_t)(end - at) >= FILE_RECORD_BYTES) {
			rzi_file_record_get(at, &record);
			at += FILE_RECORD_BYTES;
		}
		if (record.bytes > (size_t)(end - at)) {
			err = loader_fails(loader, -XV_EBADMSG, "a block holds less than it says");
			break;
		}
		do
			err = loader_record(loader, context, &record, at);
		while (err != 0 && rzi_room_make(context, &room, err));
		if (record.kind == FILE_KIND_WORD || record.kind == FILE_KIND_FORM)
			loader->next_slot = record.slot + 1;
		at += record.bytes;
	}
	rzi_leave_quietly(context);
	if (err == 0 && at != end)
		err = loader_fails(loader, -XV_EBADMSG, "a block holds more than it says");
	loader->all_records += block->records;
	loader->all_bytes += block->bytes;
	return err;
}

/* ---- blocks ---- */

static int loader_end(struct loader *loader, const struct rzi_file_block *block)
{
	const unsigned char *at = loader->block + FILE_BLOCK_HEADER_BYTES;

	if (block->bytes != FILE_TOTALS_BYTES || rzi_get_u64(at) != loader->all_records ||
	    rzi_get_u64(at + 8) != loader->all_bytes)
		return loader_fails(loader, -XV_EBADMSG,
				    "the last block counts other pages than "
				    "there are");
	return 0;
}

static int loader_block(struct loader *loader, uint32_t sequence, struct rzi_file_block *block)
{
	int err = loader_read(loader, loader->block, FILE_BLOCK_HEADER_BYTES);

	if (err != 0)
		return err;
	rzi_file_block_get(loader->block, block);
	if ((block->magic != FILE_BLOCK_MAGIC && block->magic != FILE_END_MAGIC) ||
	    block->bytes > FILE_BLOCK_MAX - FILE_BLOCK_HEADER_BYTES)
		return loader_fails(loader, -XV_EBADMSG, "a block's header is damaged");
	err = loader_read(loader, loader->block + FILE_BLOCK_HEADER_BYTES, block->bytes);
	if (err != 0)
		return err;
	if (!rzi_file_block_is_whole(loader->block, &loader->header, block))
		return loader_fails(loader, -XV_EBADMSG,
				    "a block is damaged, or is one of another save");
	if (block->sequence != sequence)
		return loader_fails(loader, -XV_EBADMSG, "a block is missing or comes twice");
	return 0;
}

static int loader_blocks(struct loader *loader)
{
	struct rzi_file_block block;

	for (uint32_t sequence = 0;; sequence++) {
		int err = loader_block(loader, sequence, &block);

		if (err != 0)
			return err;
		if (block.magic == FILE_END_MAGIC)
			return loader_end(loader, &block);
		err = loader_records(loader, &block);
		if (err != 0)
			return err;
	}
}

static int loader_run(struct loader *loader, const struct ramz_options *options,
		      const struct ramz_codec *const *codecs, size_t codec_count)
{
	unsigned char bytes[FILE_HEADER_BYTES];
	int err = loader_read(loader, bytes, sizeof(bytes));

	if (err != 0)
		return err;
	loader->reason = rzi_file_header_get(bytes, &loader->header, &err);
	if (loader->reason != NULL)
		return err;
	loader_find_codecs(loader, codecs, codec_count);
	return loader_make_store(loader, options);
}

/* The codings of a head, at the indices that they have in it, for forms on the device name them.
 * That of the codec for writes makes room, and comes last. */
static int loader_head(struct loader *loader, uint32_t used)
{
	struct ramz *store = loader->store;
	uint64_t setting = atomic_load(&store->setting[0]);
	uint32_t index = rzi_setting_codec(setting);
	const struct ramz_codec *codec = index != 0 ? rzi_coding_codec(store, index) : NULL;
	int err;

	if (store->tail_bytes != loader->file_tail_bytes)
		return loader_fails(
			loader, -XV_EINVAL,
			"checksum is given, and the pages on the device have none: leave "
			"it off");
	loader->keeps_indices = true;
	if (codec != NULL)
		rzi_coding_drop(store, index);
	err = loader_blocks(loader);
	for (uint32_t i = 0; err == 0 && i < FILE_NAMES; i++) {
		if ((used >> i & 1U) != 0)
			err = loader_use_codec(loader, i);
	}
	if (err != 0 || codec == NULL)
		return err;
	err = rzi_coding_index(store, codec, 0, NULL);
	if (err < 0)
		return loader_fails(loader, err, "too many codecs for one store");
	atomic_store(&store->setting[0], rzi_setting((uint32_t)err, rzi_setting_level(setting)));
	return 0;
}

static const char *loader_reason(const struct loader *loader, int err)
{
	if (err == 0)
		return "";
	if (loader->reason != NULL)
		return loader->reason;
	if (err == -XV_EBADMSG)
		return "a page cannot be decompressed";
	return err == -XV_ENOSPC ? "the pages do not fit under the hard limit"
				 : "the pages cannot be stored";
}

/* pages: the source has pages; otherwise it is a head, and pages elsewhere use these codings. */
static int load(struct ramz **out, const struct ramz_options *options,
		const struct ramz_codec *const *codecs, size_t codec_count,
		const struct ramz_source *source, bool pages, uint32_t used, const char **reason)
{
	struct loader loader = {.source = source};
	int err;

	if (out == NULL || source == NULL || source->read == NULL ||
	    (codecs == NULL && codec_count != 0)) {
		if (reason != NULL)
			*reason = "a pointer is null";
		return -XV_EINVAL;
	}
	loader.block = malloc(FILE_BLOCK_MAX + RAMZ_PAGE_BYTES_MAX + CHECKSUM_BYTES);
	loader.summed = loader.block == NULL ? NULL : loader.block + FILE_BLOCK_MAX;
	err = loader.block != NULL ? loader_run(&loader, options, codecs, codec_count) : -XV_ENOMEM;
	if (err == 0)
		err = pages ? loader_blocks(&loader) : loader_head(&loader, used);
	free(loader.block);
	if (reason != NULL)
		*reason = loader_reason(&loader, err);
	if (err == 0)
		*out = loader.store;
	else
		ramz_destroy(loader.store);
	return err;
}

int rzi_load_head(struct ramz **out, const struct ramz_options *options,
		  const struct ramz_codec *const *codecs, size_t codec_count,
		  const struct ramz_source *source, uint32_t used, const char **reason)
{
	return load(out, options, codecs, codec_count, source, false, used, reason);
}

int ramz_load(struct ramz **out, const struct ramz_options *options,
	      const struct ramz_codec *const *codecs, size_t codec_count,
	      const struct ramz_source *source, const char **reason)
{
	return load(out, options, codecs, codec_count, source, true, 0, reason);
}
