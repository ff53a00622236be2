/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_sums.h: makes the checksums of a changed saved store right again, so that a fuzzer comes
 * behind them. The layout is that of src/ramz/file_format.h.
 *
 * Owns nothing. May call: xxhash. Locking: none; one thread. O(bytes).
 */
#ifndef FUZZ_SUMS_H
#define FUZZ_SUMS_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "file_format.h"
#include "fuzz.h"

static inline uint32_t fuzz_get_u32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t fuzz_get_u64(const unsigned char *at)
{
	return fuzz_get_u32(at) | (uint64_t)fuzz_get_u32(at + 4) << 32;
}

static inline void fuzz_put(unsigned char *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

/* Of a block that lies at `at`, with `bytes` behind its header. */
static inline void fuzz_sum_block(const unsigned char *file, unsigned char *at, size_t bytes)
{
	unsigned char all[16 + FILE_ID_BYTES];
	size_t summed = fuzz_get_u32(file + 8) == 1 ? 16 : sizeof(all);

	fuzz_put(all, XXH3_64bits(at, FILE_BLOCK_SUM_AT), 8);
	fuzz_put(all + 8, XXH3_64bits(at + FILE_BLOCK_HEADER_BYTES, bytes), 8);
	memcpy(all + 16, file + FILE_ID_AT, FILE_ID_BYTES);
	fuzz_put(at + FILE_BLOCK_SUM_AT, XXH3_64bits(all, summed), 8);
}

/* A block as long as it says, but at most `room`; its records as long as they say, but within it.
 * So bytes that come or go leave the rest in its place. Returns the bytes behind its header. */
static inline size_t fuzz_fit_block(unsigned char *block, size_t room)
{
	size_t bytes = fuzz_get_u32(block + 12), at = 0;
	uint32_t records = 0;

	if (bytes > room || room - bytes < FILE_BLOCK_HEADER_BYTES)
		bytes = room;
	while (bytes - at >= FILE_RECORD_BYTES) {
		unsigned char *length = block + FILE_BLOCK_HEADER_BYTES + at + 12;
		size_t left = bytes - at - FILE_RECORD_BYTES;

		if (fuzz_get_u32(length) > left)
			fuzz_put(length, left, 4);
		at += FILE_RECORD_BYTES + fuzz_get_u32(length);
		records++;
	}
	fuzz_put(block, FILE_BLOCK_MAGIC, 4);
	fuzz_put(block + 8, records, 4);
	fuzz_put(block + 12, bytes, 4);
	return bytes;
}

/* All that the parts of a file say of each other. */
static inline void fuzz_fit_file(unsigned char *file, size_t length)
{
	size_t end = length - FILE_BLOCK_HEADER_BYTES - FILE_TOTALS_BYTES, at = FILE_HEADER_BYTES;
	uint64_t records = 0, all = 0;
	uint32_t sequence = 0;

	while (at < end && end - at >= FILE_BLOCK_HEADER_BYTES) {
		size_t bytes = fuzz_fit_block(file + at, end - at - FILE_BLOCK_HEADER_BYTES);

		fuzz_put(file + at + 4, sequence++, 4);
		records += fuzz_get_u32(file + at + 8);
		all += bytes;
		at += FILE_BLOCK_HEADER_BYTES + bytes;
	}
	fuzz_put(file + at, FILE_END_MAGIC, 4);
	fuzz_put(file + at + 4, sequence, 4);
	fuzz_put(file + at + 8, 0, 4);
	fuzz_put(file + at + 12, FILE_TOTALS_BYTES, 4);
	fuzz_put(file + at + FILE_BLOCK_HEADER_BYTES, records, 8);
	fuzz_put(file + at + FILE_BLOCK_HEADER_BYTES + 8, all, 8);
}

/* Make the sums of the header and of the blocks right, as far as they go. With fit, first the
 * lengths and counts. */
static inline void fuzz_sum_file(unsigned char *file, size_t length, bool fit)
{
	if (length < FILE_HEADER_BYTES + FILE_BLOCK_HEADER_BYTES + FILE_TOTALS_BYTES)
		return;
	if (fit)
		fuzz_fit_file(file, length);
	fuzz_put(file + FILE_SUM_AT, XXH3_64bits(file, FILE_SUM_AT), 8);
	for (size_t at = FILE_HEADER_BYTES; length - at >= FILE_BLOCK_HEADER_BYTES;) {
		size_t bytes = fuzz_get_u32(file + at + 12);

		if (bytes > length - at - FILE_BLOCK_HEADER_BYTES)
			return;
		fuzz_sum_block(file, file + at, bytes);
		at += FILE_BLOCK_HEADER_BYTES + bytes;
	}
}

#endif
