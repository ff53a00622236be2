/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_format.c: the bytes of a saved store. See file_format.h.
 */
#include "store_impl.h"

#include "file_format.h"

void rzi_put_u32(unsigned char *at, uint32_t value)
{
	for (uint32_t i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

uint32_t rzi_get_u32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void rzi_put_u64(unsigned char *at, uint64_t value)
{
	rzi_put_u32(at, (uint32_t)value);
	rzi_put_u32(at + 4, (uint32_t)(value >> 32));
}

uint64_t rzi_get_u64(const unsigned char *at)
{
	return rzi_get_u32(at) | (uint64_t)rzi_get_u32(at + 4) << 32;
}

void rzi_file_header_put(unsigned char *at, const struct rzi_file_header *header)
{
	memset(at, 0, FILE_HEADER_BYTES);
	memcpy(at, FILE_MAGIC, 8);
	rzi_put_u32(at + 8, header->version);
	rzi_put_u32(at + 12, header->page_bytes);
	rzi_put_u32(at + 16, header->flags);
	rzi_put_u32(at + FILE_TIERS_AT, header->tiers);
	rzi_put_u64(at + 24, header->size_bytes);
	memcpy(at + FILE_NAMES_AT, header->name, sizeof(header->name));
	memcpy(at + FILE_ID_AT, header->id, FILE_ID_BYTES);
	rzi_put_u32(at + FILE_CODEC_AT, header->codec);
	rzi_put_u32(at + FILE_LEVEL_AT, (uint32_t)header->level);
	rzi_put_u64(at + FILE_SUM_AT, rzi_checksum(at, FILE_SUM_AT));
}

/* Can a store have the numbers of this header, whose checksum is right? */
static const char *header_numbers(const struct rzi_file_header *header, int *err)
{
	*err = -XV_ENOTSUP;
	if ((header->flags & ~(uint32_t)FILE_FLAGS) != 0)
		return "the file uses a feature that this version does not know";
	*err = -XV_EBADMSG;
	if (header->page_bytes < RAMZ_PAGE_BYTES_MIN || header->page_bytes > RAMZ_PAGE_BYTES_MAX ||
	    (header->page_bytes & (header->page_bytes - 1)) != 0 || header->size_bytes == 0 ||
	    header->size_bytes % header->page_bytes != 0)
		return "the file's header has a size that no store can have";
	for (uint32_t i = 0; i < FILE_NAMES; i++) {
		if (header->name[i][FILE_NAME_BYTES - 1] != '\0')
			return "the file's header has a codec's name without an end";
		if (rzi_file_tier(header, i) >= RAMZ_TIERS)
			return "the file's header has a tier that no store can have";
	}
	if (header->codec != FILE_CODEC_NOT_KEPT &&
	    (header->codec >= FILE_NAMES ||
	     (header->codec != 0 && header->name[header->codec][0] == '\0')))
		return "the file's header names no codec for the pages to come";
	*err = 0;
	return NULL;
}

/* What version 1 lacks. */
static void header_get_choice(const unsigned char *at, struct rzi_file_header *header)
{
	memcpy(header->id, at + FILE_ID_AT, FILE_ID_BYTES);
	header->codec = FILE_CODEC_NOT_KEPT;
	header->level = RAMZ_LEVEL_DEFAULT;
	if (header->version >= 2) {
		header->codec = rzi_get_u32(at + FILE_CODEC_AT);
		header->level = (int32_t)rzi_get_u32(at + FILE_LEVEL_AT);
	}
}

const char *rzi_file_header_get(const unsigned char *at, struct rzi_file_header *header, int *err)
{
	*err = -XV_EBADMSG;
	if (memcmp(at, FILE_MAGIC, 8) != 0)
		return "not a saved store: it does not begin with RAMZPAGE";
	header->version = rzi_get_u32(at + 8);
	if (rzi_get_u64(at + FILE_SUM_AT) != rzi_checksum(at, FILE_SUM_AT))
		return "the file's header is damaged";
	if (header->version < FILE_VERSION_MIN || header->version > FILE_VERSION) {
		*err = -XV_ENOTSUP;
		return "the file is of another version of the format: load it with the ramz that "
		       "saved it";
	}
	header->page_bytes = rzi_get_u32(at + 12);
	header->flags = rzi_get_u32(at + 16);
	header->tiers = rzi_get_u32(at + FILE_TIERS_AT);
	header->size_bytes = rzi_get_u64(at + 24);
	memcpy(header->name, at + FILE_NAMES_AT, sizeof(header->name));
	header_get_choice(at, header);
	return header_numbers(header, err);
}

/* Sum of the first part of the block's header, of what follows, and of the file's id. */
static uint64_t block_sum(const unsigned char *at, const struct rzi_file_header *header,
			  uint32_t bytes)
{
	unsigned char sums[16 + FILE_ID_BYTES];

	rzi_put_u64(sums, rzi_checksum(at, FILE_BLOCK_SUM_AT));
	rzi_put_u64(sums + 8, rzi_checksum(at + FILE_BLOCK_HEADER_BYTES, bytes));
	memcpy(sums + 16, header->id, FILE_ID_BYTES);
	return rzi_checksum(sums, header->version >= 2 ? sizeof(sums) : 16);
}

void rzi_file_block_put(unsigned char *at, const struct rzi_file_header *header,
			const struct rzi_file_block *block)
{
	rzi_put_u32(at, block->magic);
	rzi_put_u32(at + 4, block->sequence);
	rzi_put_u32(at + 8, block->records);
	rzi_put_u32(at + 12, block->bytes);
	rzi_put_u64(at + FILE_BLOCK_SUM_AT, block_sum(at, header, block->bytes));
}

void rzi_file_block_get(const unsigned char *at, struct rzi_file_block *block)
{
	block->magic = rzi_get_u32(at);
	block->sequence = rzi_get_u32(at + 4);
	block->records = rzi_get_u32(at + 8);
	block->bytes = rzi_get_u32(at + 12);
}

bool rzi_file_block_is_whole(const unsigned char *at, const struct rzi_file_header *header,
			     const struct rzi_file_block *block)
{
	return rzi_get_u64(at + FILE_BLOCK_SUM_AT) == block_sum(at, header, block->bytes);
}

void rzi_file_record_put(unsigned char *at, const struct rzi_file_record *record)
{
	rzi_put_u64(at, record->slot);
	rzi_put_u32(at + 8, record->kind << 8 | record->codec);
	rzi_put_u32(at + 12, record->bytes);
}

void rzi_file_record_get(const unsigned char *at, struct rzi_file_record *record)
{
	uint32_t word = rzi_get_u32(at + 8);

	record->slot = rzi_get_u64(at);
	record->kind = word >> 8;
	record->codec = word & 0xFFU;
	record->bytes = rzi_get_u32(at + 12);
}
