/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record.c: writes and parses the bytes of a record; see record.h.
 */
#include "record.h"

#include "platform.h"

#include <string.h>

enum {
	ZSTD_LENGTH_1 = 256,          /* a frame with one byte of length has less */
	ZSTD_LENGTH_2 = 65536 + 256,  /* with two */
	ZSTD_SINGLE_SEGMENT = 1 << 5, /* flags of a frame's header */
	ZSTD_LENGTH_SHIFT = 6,
	ZSTD_BLOCK_LAST_COMPRESSED = 1 | 2 << 1,
	ZSTD_BLOCK_MAX = 128 << 10,
	VARINT_BYTES = 3,
};

static void number_write(unsigned char *at, uint64_t number, unsigned bytes)
{
	RZI_ASSERT(bytes < sizeof(number) && number >> (8 * bytes) == 0);
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t number_read(const unsigned char *at, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)at[i] << (8 * i);
	return number;
}

static uint32_t varint_write(unsigned char *at, uint32_t number)
{
	uint32_t n = 0;

	RZI_ASSERT(number >> (7 * VARINT_BYTES) == 0);
	for (; number > 0x7F; number >>= 7)
		at[n++] = (unsigned char)(number | 0x80);
	at[n++] = (unsigned char)number;
	return n;
}

/* Returns the bytes read, or 0. */
static uint32_t varint_read(const unsigned char *at, size_t bytes, uint32_t *number)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && i < VARINT_BYTES; i++) {
		value |= (uint32_t)(at[i] & 0x7F) << (7 * i);
		if ((at[i] & 0x80) == 0) {
			*number = value;
			return i + 1;
		}
	}
	return 0;
}

uint32_t rzi_record_write(struct rzi_record *record, unsigned char head[RECORD_HEAD_MAX])
{
	uint32_t n = 0;

	RZI_ASSERT(record->key_bytes != 0 && record->key_bytes <= record->plain_bytes);
	RZI_ASSERT((record->flags & ~(uint32_t)RECORD_FLAGS) == 0);
	head[n++] = (unsigned char)record->flags;
	if ((record->flags & RECORD_EXPIRES) != 0) {
		number_write(head + n, record->expires_ms, RECORD_TIME_BYTES);
		n += RECORD_TIME_BYTES;
	}
	n += varint_write(head + n, record->key_bytes);
	if (!rzi_record_is_raw(record))
		n += varint_write(head + n, record->plain_bytes);
	RZI_ASSERT(n <= RECORD_HEAD_MAX);
	record->head_bytes = n;
	return n;
}

bool rzi_record_parse(struct rzi_record *record, const unsigned char *at, size_t bytes,
		      size_t record_bytes)
{
	uint32_t n = 1;
	uint32_t got;

	if (bytes == 0 || (at[0] & ~(unsigned)RECORD_FLAGS) != 0)
		return false;
	record->flags = at[0];
	if ((record->flags & RECORD_EXPIRES) != 0) {
		if (bytes < 1 + RECORD_TIME_BYTES)
			return false;
		record->expires_ms = number_read(at + 1, RECORD_TIME_BYTES);
		n += RECORD_TIME_BYTES;
	}
	got = varint_read(at + n, bytes - n, &record->key_bytes);
	if (got == 0)
		return false;
	n += got;
	if (!rzi_record_is_raw(record)) {
		got = varint_read(at + n, bytes - n, &record->plain_bytes);
		if (got == 0)
			return false;
		n += got;
	}
	record->head_bytes = n;
	record->form_bytes = (uint32_t)record_bytes - n;
	if (rzi_record_is_raw(record))
		record->plain_bytes = record->form_bytes;
	return record->form_bytes != 0 && record->key_bytes != 0 &&
	       record->key_bytes <= record->plain_bytes;
}

uint32_t rzi_record_lead(uint32_t plain_bytes, uint32_t rest, unsigned char lead[RECORD_LEAD_MAX])
{
	static const unsigned char magic[] = {0x28, 0xB5, 0x2F, 0xFD};
	uint32_t code = plain_bytes < ZSTD_LENGTH_1 ? 0 : plain_bytes < ZSTD_LENGTH_2 ? 1 : 2;
	uint32_t n = sizeof(magic);

	memcpy(lead, magic, sizeof(magic));
	lead[n++] = (unsigned char)(code << ZSTD_LENGTH_SHIFT | ZSTD_SINGLE_SEGMENT);
	number_write(lead + n, code == 1 ? plain_bytes - ZSTD_LENGTH_1 : plain_bytes, 1U << code);
	n += 1U << code;
	number_write(lead + n, rest << 3 | ZSTD_BLOCK_LAST_COMPRESSED, 3);
	return n + 3;
}

uint32_t rzi_record_trim(const unsigned char *form, uint32_t form_bytes, uint32_t plain_bytes)
{
	unsigned char lead[RECORD_LEAD_MAX];
	uint32_t bytes = rzi_record_lead(plain_bytes, 0, lead);

	if (form_bytes <= bytes || form_bytes - bytes >= ZSTD_BLOCK_MAX)
		return 0;
	(void)rzi_record_lead(plain_bytes, form_bytes - bytes, lead);
	return memcmp(form, lead, bytes) == 0 ? bytes : 0;
}
