/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record.h: the bytes of a record.
 *
 *   [flags][expires: 5 bytes, if RECORD_EXPIRES][key bytes: varint]
 *   [plain bytes: varint, unless RECORD_RAW][form]
 *
 * Numbers are little-endian; a varint has 7 bits a byte, the lowest first. A raw form is the plain
 * bytes. The form of zstd begins with a header that follows from its length and that of the plain
 * bytes (RFC 8878, 3.1.1): RECORD_TRIMMED says that it is left out, 9 of some 90 bytes.
 *
 * Owns nothing. May call the C library. Locking: none. O(1).
 */
#ifndef RZI_VALUES_RECORD_H
#define RZI_VALUES_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_CODING = 1, /* the number of the coding: one bit */
	RECORD_RAW = 2,
	RECORD_TRIMMED = 4,
	RECORD_EXPIRES = 8,
	RECORD_FLAGS = 15,
	RECORD_TIME_BYTES = 5,
	RECORD_HEAD_MAX = 1 + RECORD_TIME_BYTES + 3 + 3,
	RECORD_LEAD_MAX = 4 + 1 + 4 + 3, /* what is trimmed */
	RECORD_ROOM = 16,                /* in front of a form, for its header or its lead */
};

#define RECORD_TIME_MAX (((uint64_t)1 << (8 * RECORD_TIME_BYTES)) - 1)

_Static_assert(RECORD_HEAD_MAX <= RECORD_ROOM && RECORD_LEAD_MAX <= RECORD_ROOM,
	       "both fit in front of a form");

struct rzi_record {
	uint32_t flags;
	uint32_t key_bytes;
	uint32_t plain_bytes;
	uint32_t head_bytes;
	uint32_t form_bytes;
	uint64_t expires_ms; /* if RECORD_EXPIRES */
};

/* Write the header and set head_bytes. Returns it. */
uint32_t rzi_record_write(struct rzi_record *record, unsigned char head[RECORD_HEAD_MAX]);

/* Parse the header of a record of record_bytes, of which the first `bytes` are at `at`: all, or
 * RECORD_HEAD_MAX of them. False when it is damaged. */
bool rzi_record_parse(struct rzi_record *record, const unsigned char *at, size_t bytes,
		      size_t record_bytes);

static inline uint32_t rzi_record_coding(const struct rzi_record *record)
{
	return record->flags & RECORD_CODING;
}

static inline bool rzi_record_is_raw(const struct rzi_record *record)
{
	return (record->flags & RECORD_RAW) != 0;
}

static inline bool rzi_record_has_expired(const struct rzi_record *record, uint64_t now_ms)
{
	return (record->flags & RECORD_EXPIRES) != 0 && record->expires_ms <= now_ms;
}

/* The first bytes of a zstd frame of one compressed block without a checksum: `rest` bytes follow.
 * Returns their number. */
uint32_t rzi_record_lead(uint32_t plain_bytes, uint32_t rest, unsigned char lead[RECORD_LEAD_MAX]);

/* Bytes at the beginning of a zstd form that can be left out, or 0. */
uint32_t rzi_record_trim(const unsigned char *form, uint32_t form_bytes, uint32_t plain_bytes);

#endif
