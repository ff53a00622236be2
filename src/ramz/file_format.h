/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_format.h: the format of a saved store, version 2. All numbers are little-endian.
 *
 *   header, 256 bytes
 *     0  "RAMZPAGE"
 *     8  u32 version          12  u32 page size, bytes
 *    16  u32 flags            20  u32 tiers of the names, 4 bits each
 *    24  u64 size of the contents, bytes
 *    32  8 names of codecs, 24 bytes each, filled with zeros; the codec of a form is an index of
 *        these. The first name is empty and means raw. Two may be equal, for two tiers or
 *        dictionaries
 *   224  file id, 16 random bytes of each save
 *   240  u32 codec for writes, an index of the names; UINT32_MAX: not kept
 *   244  i32 its level; the least number: the codec's own
 *   248  u64 XXH3 of bytes 0 .. 247
 *
 *   blocks
 *     0  u32 "BLK1", or "END1" for the last      4  u32 sequence number, from 0
 *     8  u32 records                            12  u32 bytes behind the block's header
 *    16  u64 XXH3 of 32 bytes: u64 XXH3 of bytes 0 .. 15, u64 XXH3 of the bytes from 24 on, the
 *        file id. So a block of another save is as wrong as a damaged one
 *    24  records: u64 slot, u32 kind << 8 | codec, u32 bytes, then that many bytes: a word, or a
 *        form with its tail (object.c). Slots ascend over the whole file. With FILE_FLAG_TIERS
 *        two more kinds come before all pages: the dictionary of a codec index (slot 0), and the
 *        setting of a tier (the slot is the tier, the bytes are the i32 level)
 *   the last block has no records but 16 bytes: u64 records, u64 bytes of all blocks before
 *
 * A file that ends before its last block is torn. Version 1, which is still read, has zeros from
 * 224 to 247, and the sums of its blocks cover the first 16 of the 32 bytes. Owns the layout. No
 * locking, O(bytes).
 */
#ifndef RZI_FILE_FORMAT_H
#define RZI_FILE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FILE_VERSION = 2,
	FILE_VERSION_MIN = 1,
	FILE_HEADER_BYTES = 256,
	FILE_NAME_BYTES = 24,
	FILE_NAMES = 8,
	FILE_TIERS_AT = 20,
	FILE_NAMES_AT = 32,
	FILE_ID_AT = 224,
	FILE_ID_BYTES = 16,
	FILE_CODEC_AT = 240,
	FILE_LEVEL_AT = 244,
	FILE_SUM_AT = 248,
	FILE_BLOCK_HEADER_BYTES = 24,
	FILE_BLOCK_SUM_AT = 16,
	FILE_BLOCK_MAX = 128 << 10, /* header and records */
	FILE_RECORD_BYTES = 16,     /* before the record's own bytes */
	FILE_TOTALS_BYTES = 16,
	FILE_FLAG_CHECKSUM = 1,
	FILE_FLAG_TIERS = 2,
	FILE_FLAGS = FILE_FLAG_CHECKSUM | FILE_FLAG_TIERS, /* known flags */
	FILE_TIER_BITS = 4,
	FILE_LEVEL_BYTES = 4,
};

#define FILE_MAGIC "RAMZPAGE"
#define FILE_BLOCK_MAGIC 0x314B4C42U /* "BLK1" */
#define FILE_END_MAGIC 0x31444E45U   /* "END1" */

#define FILE_CODEC_NOT_KEPT UINT32_MAX

enum file_kind {
	FILE_KIND_WORD = 1,
	FILE_KIND_FORM = 2,
	FILE_KIND_DICTIONARY = 3,
	FILE_KIND_TIER = 4,
};

struct rzi_file_header {
	uint32_t version;
	uint32_t page_bytes;
	uint32_t flags;
	uint64_t size_bytes;
	uint32_t tiers; /* of the names: rzi_file_tier */
	char name[FILE_NAMES][FILE_NAME_BYTES];
	unsigned char id[FILE_ID_BYTES];
	uint32_t codec; /* for writes: an index of name, or FILE_CODEC_NOT_KEPT */
	int32_t level;  /* of that codec */
};

struct rzi_file_block {
	uint32_t magic;
	uint32_t sequence;
	uint32_t records;
	uint32_t bytes; /* behind the block's header */
};

struct rzi_file_record {
	uint64_t slot;
	uint32_t kind;
	uint32_t codec;
	uint32_t bytes;
};

void rzi_file_header_put(unsigned char *at, const struct rzi_file_header *header);

/* NULL, or the reason of a refusal, with *err. */
const char *rzi_file_header_get(const unsigned char *at, struct rzi_file_header *header, int *err);

/* The bytes of the block are behind its header already. header is the file's. */
void rzi_file_block_put(unsigned char *at, const struct rzi_file_header *header,
			const struct rzi_file_block *block);
void rzi_file_block_get(const unsigned char *at, struct rzi_file_block *block);
bool rzi_file_block_is_whole(const unsigned char *at, const struct rzi_file_header *header,
			     const struct rzi_file_block *block);

void rzi_file_record_put(unsigned char *at, const struct rzi_file_record *record);
void rzi_file_record_get(const unsigned char *at, struct rzi_file_record *record);

static inline uint32_t rzi_file_tier(const struct rzi_file_header *header, uint32_t name)
{
	return (header->tiers >> (FILE_TIER_BITS * name)) & ((1U << FILE_TIER_BITS) - 1);
}

void rzi_put_u32(unsigned char *at, uint32_t value);
uint32_t rzi_get_u32(const unsigned char *at);
void rzi_put_u64(unsigned char *at, uint64_t value);
uint64_t rzi_get_u64(const unsigned char *at);

#endif
