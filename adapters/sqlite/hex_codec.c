/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hex_codec.c: the codec lz4-hex; see hex_codec.h.
 *
 * A form begins with a byte that says which of two it is:
 *
 *   plain   0, lz4 of the page
 *   packed  1, runs (2 bytes), a record for each run, the packed digits, lz4 of the text
 *
 * A record has the bytes of text before the run (2 bytes), and the pairs of digits in it (7 bits)
 * with a bit for capital letters. The text is the page without its runs. Numbers are little-endian.
 */
#include "hex_codec.h"

#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lz4hc.h>

#include <xvmalloc/errors.h>

enum {
	HEX_CODEC_ID = 0x68657834, /* no codec of ramz has it */
	FORM_PLAIN = 0,
	FORM_PACKED = 1,
	KIND_BYTES = 1,
	COUNT_BYTES = 2,
	RECORD_BYTES = 3,
	RUN_PAIRS_MIN = 8, /* a shorter run may be a word, and gains little */
	RUN_PAIRS_MAX = 127,
	RUN_CAPITALS = 128,
	PAGE_MAX = 65536,
	DICTIONARY_MAX = 64 << 10, /* liblz4 does not look back further */
	LEVEL_MIN = 3,
	LEVEL_MAX = 12,
	LEVEL_DEFAULT = 9,
};

struct hex_digest {
	int count;
	char bytes[]; /* the dictionary without its runs */
};

struct hex_context {
	size_t page_bytes;
	int32_t level;
	const struct hex_digest *digest; /* NULL = no dictionary */
	LZ4_streamHC_t *stream;          /* made when it is first used, as those below */
	struct hex_split *split;
	char *window; /* the dictionary and a text behind it */
};

/* A page, taken apart. */
struct hex_split {
	size_t text_bytes;
	size_t digit_bytes; /* packed */
	size_t runs;
	unsigned char *records;
	unsigned char *digits;
	char *text;
	unsigned char room[]; /* of the three, page_bytes each at most; later for a packed form */
};

/* ---- digits ---- */

/* What a byte may be part of. */
enum hex_kind {
	HEX_NONE,
	HEX_SMALL = 1,    /* digits with small letters */
	HEX_CAPITALS = 2, /* digits with capitals */
	HEX_BOTH = HEX_SMALL | HEX_CAPITALS,
};

static unsigned hex_kind(unsigned char c)
{
	if ((unsigned char)(c - '0') < 10)
		return HEX_BOTH;
	if ((unsigned char)(c - 'a') < 6)
		return HEX_SMALL;
	return (unsigned char)(c - 'A') < 6 ? HEX_CAPITALS : HEX_NONE;
}

static unsigned hex_value(unsigned char c)
{
	return (c <= '9' ? (unsigned)c - '0' : (c | 0x20U) - 'a' + 10) & 15;
}

/* The run at the beginning of these bytes, as in a record; 0 if there are too few digits. */
static unsigned hex_run(const unsigned char *at, size_t bytes)
{
	unsigned kind = HEX_BOTH, pairs;
	size_t length = 0;

	while (length < bytes && length < 2 * RUN_PAIRS_MAX && (kind & hex_kind(at[length])) != 0)
		kind &= hex_kind(at[length++]);
	pairs = (unsigned)length / 2;
	if (pairs < RUN_PAIRS_MIN)
		return 0;
	return kind == HEX_CAPITALS ? pairs | RUN_CAPITALS : pairs;
}

static size_t run_pairs(unsigned run)
{
	return run & RUN_PAIRS_MAX;
}

static void hex_add_run(struct hex_split *s, size_t gap, const unsigned char *at, unsigned run)
{
	unsigned char *record = s->records + s->runs * RECORD_BYTES;

	record[0] = (unsigned char)gap;
	record[1] = (unsigned char)(gap >> 8);
	record[2] = (unsigned char)run;
	s->runs++;
	for (size_t i = 0; i < run_pairs(run); i++)
		s->digits[s->digit_bytes++] =
			(unsigned char)(hex_value(at[2 * i]) << 4 | hex_value(at[2 * i + 1]));
}

/* A run is where a word of digits begins: the bytes behind a digit that begins none are of the
 * same word, and begin none either. */
static void hex_take_apart(struct hex_split *s, const unsigned char *page, size_t bytes)
{
	size_t gap = 0, at = 0;
	bool in_word = false;

	s->text_bytes = 0;
	s->digit_bytes = 0;
	s->runs = 0;
	while (at < bytes) {
		unsigned run = in_word ? 0 : hex_run(page + at, bytes - at);

		if (run != 0) {
			hex_add_run(s, gap, page + at, run);
			at += 2 * run_pairs(run);
			gap = 0;
			continue;
		}
		in_word = hex_kind(page[at]) != HEX_NONE;
		s->text[s->text_bytes++] = (char)page[at++];
		gap++;
	}
}

static size_t hex_split_bytes(size_t page_bytes)
{
	return sizeof(struct hex_split) + 3 * page_bytes;
}

static struct hex_split *hex_split_create(size_t page_bytes)
{
	struct hex_split *s = malloc(hex_split_bytes(page_bytes));

	if (s == NULL)
		return NULL;
	s->records = s->room;
	s->digits = s->room + page_bytes;
	s->text = (char *)s->room + 2 * page_bytes;
	return s;
}

/* ---- digests and contexts ---- */

static void *hex_digest_create(const void *dictionary, size_t bytes)
{
	struct hex_split *s;
	struct hex_digest *d = NULL;
	size_t kept = bytes < DICTIONARY_MAX ? bytes : DICTIONARY_MAX;

	if (kept == 0)
		return NULL;
	s = hex_split_create(kept);
	if (s == NULL)
		return NULL;
	hex_take_apart(s, (const unsigned char *)dictionary + (bytes - kept), kept);
	d = malloc(sizeof(*d) + s->text_bytes);
	if (d != NULL) {
		d->count = (int)s->text_bytes;
		memcpy(d->bytes, s->text, s->text_bytes);
	}
	free(s);
	return d;
}

static void hex_digest_destroy(void *digest)
{
	free(digest);
}

static size_t hex_digest_bytes(const void *digest)
{
	const struct hex_digest *d = digest;

	return sizeof(*d) + (size_t)d->count;
}

static void hex_context_destroy(void *context)
{
	struct hex_context *c = context;

	if (c == NULL)
		return;
	LZ4_freeStreamHC(c->stream);
	free(c->split);
	free(c->window);
	free(c);
}

static void *hex_context_create_with(size_t page_bytes, int32_t level, const void *digest)
{
	struct hex_context *c;

	if (page_bytes == 0 || page_bytes > PAGE_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->page_bytes = page_bytes;
	if (level == RAMZ_LEVEL_DEFAULT)
		level = LEVEL_DEFAULT;
	c->level = level < LEVEL_MIN ? LEVEL_MIN : level > LEVEL_MAX ? LEVEL_MAX : level;
	c->digest = digest;
	return c;
}

static void *hex_context_create(size_t page_bytes, int32_t level)
{
	return hex_context_create_with(page_bytes, level, NULL);
}

static size_t hex_dictionary_bytes(const struct hex_context *c)
{
	return c->digest != NULL ? (size_t)c->digest->count : 0;
}

static size_t hex_context_bytes(const void *context)
{
	const struct hex_context *c = context;

	return sizeof(*c) + (c->stream != NULL ? sizeof(*c->stream) : 0) +
	       (c->split != NULL ? hex_split_bytes(c->page_bytes) : 0) +
	       (c->window != NULL ? hex_dictionary_bytes(c) + c->page_bytes : 0);
}

/* ---- compress ---- */

/* Bytes of the lz4 form, 0 if it does not fit. */
static size_t hex_lz4(struct hex_context *c, const char *src, size_t bytes, unsigned char *dst,
		      size_t room)
{
	int got;

	LZ4_resetStreamHC_fast(c->stream, c->level);
	if (c->digest != NULL)
		(void)LZ4_loadDictHC(c->stream, c->digest->bytes, c->digest->count);
	got = LZ4_compress_HC_continue(c->stream, src, (char *)dst, (int)bytes,
				       (int)(room < 2 * PAGE_MAX ? room : 2 * PAGE_MAX));
	return got > 0 ? (size_t)got : 0;
}

static size_t hex_plain(struct hex_context *c, const void *src, size_t bytes, unsigned char *dst,
			size_t room)
{
	size_t got = hex_lz4(c, src, bytes, dst + KIND_BYTES, room - KIND_BYTES);

	dst[0] = FORM_PLAIN;
	return got != 0 ? KIND_BYTES + got : 0;
}

/* The packed form of what was taken apart. */
static size_t hex_packed(struct hex_context *c, unsigned char *dst, size_t room)
{
	const struct hex_split *s = c->split;
	size_t record_bytes = s->runs * RECORD_BYTES;
	size_t head = KIND_BYTES + COUNT_BYTES + record_bytes + s->digit_bytes;
	size_t got;

	if (room <= head)
		return 0;
	dst[0] = FORM_PACKED;
	dst[1] = (unsigned char)s->runs;
	dst[2] = (unsigned char)(s->runs >> 8);
	memcpy(dst + KIND_BYTES + COUNT_BYTES, s->records, record_bytes);
	memcpy(dst + KIND_BYTES + COUNT_BYTES + record_bytes, s->digits, s->digit_bytes);
	got = hex_lz4(c, s->text, s->text_bytes, dst + head, room - head);
	return got != 0 ? head + got : 0;
}

static bool hex_ready(struct hex_context *c)
{
	if (c->stream == NULL)
		c->stream = LZ4_createStreamHC();
	if (c->split == NULL)
		c->split = hex_split_create(c->page_bytes);
	return c->stream != NULL && c->split != NULL;
}

/* Digits that repeat are better left to lz4, so the packed form stays only if it is shorter. */
static int hex_compress(void *context, const void *src, size_t src_bytes, void *dst,
			size_t dst_bytes)
{
	struct hex_context *c = context;
	size_t packed, plain;

	if (src_bytes == 0 || src_bytes > c->page_bytes)
		return -XV_EINVAL;
	if (dst_bytes <= KIND_BYTES)
		return 0;
	if (!hex_ready(c))
		return -XV_ENOMEM;
	hex_take_apart(c->split, src, src_bytes);
	if (c->split->runs == 0)
		return (int)hex_plain(c, src, src_bytes, dst, dst_bytes);
	packed = hex_packed(c, dst, dst_bytes);
	if (packed == 0)
		return (int)hex_plain(c, src, src_bytes, dst, dst_bytes);
	/* The plain form is made no further than it is the shorter one. */
	memcpy(c->split->room, dst, packed);
	plain = hex_plain(c, src, src_bytes, dst, packed - 1);
	if (plain != 0)
		return (int)plain;
	memcpy(dst, c->split->room, packed);
	return (int)packed;
}

/* ---- decompress ---- */

/* Read the lz4 form of `bytes` bytes. With a dictionary the text is put behind a copy of it:
 * liblz4 then takes 30% less time, the copy included. Returns the text, or NULL. */
static const char *hex_read_lz4(struct hex_context *c, const unsigned char *src, size_t src_bytes,
				size_t bytes)
{
	size_t dictionary = hex_dictionary_bytes(c);
	char *text = c->window + dictionary;
	int got = LZ4_decompress_safe_usingDict((const char *)src, text, (int)src_bytes, (int)bytes,
						c->window, (int)dictionary);

	return got >= 0 && (size_t)got == bytes ? text : NULL;
}

static void hex_unpack(unsigned char *dst, const unsigned char *digits, unsigned run)
{
	const char *digit = (run & RUN_CAPITALS) != 0 ? "0123456789ABCDEF" : "0123456789abcdef";

	for (size_t i = 0; i < run_pairs(run); i++) {
		dst[2 * i] = (unsigned char)digit[digits[i] >> 4];
		dst[2 * i + 1] = (unsigned char)digit[digits[i] & 15];
	}
}

/* Put text and runs together. The records are known to fit. */
static void hex_put_together(const unsigned char *record, size_t runs, const unsigned char *digits,
			     const char *text, size_t text_bytes, unsigned char *dst)
{
	size_t used = 0;

	for (size_t i = 0; i < runs; i++, record += RECORD_BYTES) {
		size_t gap = record[0] | (size_t)record[1] << 8;

		memcpy(dst, text + used, gap);
		hex_unpack(dst + gap, digits, record[2]);
		used += gap;
		dst += gap + 2 * run_pairs(record[2]);
		digits += run_pairs(record[2]);
	}
	memcpy(dst, text + used, text_bytes - used);
}

static int hex_read_packed(struct hex_context *c, const unsigned char *src, size_t src_bytes,
			   unsigned char *dst, size_t dst_bytes)
{
	const unsigned char *record = src + COUNT_BYTES, *digits;
	size_t runs, pairs = 0, gaps = 0, head;
	const char *text;

	if (src_bytes < COUNT_BYTES)
		return -XV_EBADMSG;
	runs = src[0] | (size_t)src[1] << 8;
	if (src_bytes < COUNT_BYTES + runs * RECORD_BYTES)
		return -XV_EBADMSG;
	for (size_t i = 0; i < runs; i++) {
		gaps += record[i * RECORD_BYTES] | (size_t)record[i * RECORD_BYTES + 1] << 8;
		pairs += run_pairs(record[i * RECORD_BYTES + 2]);
	}
	digits = record + runs * RECORD_BYTES;
	head = COUNT_BYTES + runs * RECORD_BYTES + pairs;
	if (head > src_bytes || 2 * pairs > dst_bytes || gaps > dst_bytes - 2 * pairs)
		return -XV_EBADMSG;
	text = hex_read_lz4(c, src + head, src_bytes - head, dst_bytes - 2 * pairs);
	if (text == NULL)
		return -XV_EBADMSG;
	hex_put_together(record, runs, digits, text, dst_bytes - 2 * pairs, dst);
	return 0;
}

static bool hex_window(struct hex_context *c)
{
	if (c->window != NULL)
		return true;
	c->window = malloc(hex_dictionary_bytes(c) + c->page_bytes);
	if (c->window != NULL && c->digest != NULL)
		memcpy(c->window, c->digest->bytes, hex_dictionary_bytes(c));
	return c->window != NULL;
}

static int hex_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes)
{
	struct hex_context *c = context;
	const unsigned char *form = src;
	const char *text;

	if (src_bytes <= KIND_BYTES || src_bytes > 2 * PAGE_MAX || dst_bytes > c->page_bytes)
		return -XV_EBADMSG;
	if (!hex_window(c))
		return -XV_ENOMEM;
	if (form[0] == FORM_PACKED)
		return hex_read_packed(c, form + KIND_BYTES, src_bytes - KIND_BYTES, dst,
				       dst_bytes);
	if (form[0] != FORM_PLAIN)
		return -XV_EBADMSG;
	text = hex_read_lz4(c, form + KIND_BYTES, src_bytes - KIND_BYTES, dst_bytes);
	if (text == NULL)
		return -XV_EBADMSG;
	memcpy(dst, text, dst_bytes);
	return 0;
}

const struct ramz_codec rzs_hex_codec = {
	.name = "lz4-hex",
	.id = HEX_CODEC_ID,
	.level_min = LEVEL_MIN,
	.level_max = LEVEL_MAX,
	.level_default = LEVEL_DEFAULT,
	.context_create = hex_context_create,
	.context_destroy = hex_context_destroy,
	.compress = hex_compress,
	.decompress = hex_decompress,
	.context_bytes = hex_context_bytes,
	.digest_create = hex_digest_create,
	.digest_destroy = hex_digest_destroy,
	.digest_bytes = hex_digest_bytes,
	.context_create_with = hex_context_create_with,
};
