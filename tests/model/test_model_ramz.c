/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The model test of the page store: random byte ranges written, read, discarded, in a store beside
 * a plain array, with codecs, sizes and limits changed on the way, the store saved and loaded. What
 * the store says must be what the array says, after every operation.
 *
 * XV_SEED and XV_OPS choose another run. One thread. May call: public headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/ramz.h>
#include <ramz/tiers.h>

#include "memory_file.h"
#include "test_random.h"

enum { BYTES_MAX = 3 << 20, RANGE_MAX = 200000 };

struct model {
	struct ramz *store;
	struct ramz_options options;
	unsigned char *bytes; /* what the store should hold, BYTES_MAX of them */
	unsigned char *buffer;
	uint64_t size;
	uint64_t seed;
	uint64_t refused;
};

static uint64_t below(struct model *m, uint64_t bound)
{
	return random_next(&m->seed) % bound;
}

/* A range: mostly small, some of whole pages, some long. */
static void random_range(struct model *m, uint64_t *offset, size_t *length)
{
	size_t page = ramz_page_bytes(m->store);

	*offset = below(m, m->size + 1);
	*length = (size_t)below(m, 300);
	switch (below(m, 4)) {
	case 0:
		*offset -= *offset % page;
		*length = page * (1 + (size_t)below(m, 4));
		break;
	case 1:
		*length = (size_t)below(m, RANGE_MAX);
		break;
	default:
		break;
	}
	if (*length > m->size - *offset)
		*length = (size_t)(m->size - *offset);
}

/* Contents that compress well, badly, not at all, or are one word. */
static void random_contents(struct model *m, unsigned char *dst, size_t length)
{
	uint64_t kind = below(m, 4);
	uint64_t word = random_next(&m->seed);

	for (size_t i = 0; i < length; i++) {
		if (i % 8 == 0 && kind != 0)
			word = random_next(&m->seed);
		dst[i] = (unsigned char)(word >> (8 * (i % 8)));
		if (kind == 1)
			dst[i] &= 3;
		if (kind == 2 && i % 64 > 8)
			dst[i] = 'x';
	}
}

static void op_write(struct model *m)
{
	uint64_t offset;
	size_t length, done = 0;
	int err;

	random_range(m, &offset, &length);
	random_contents(m, m->buffer, length);
	err = ramz_write(m->store, offset, m->buffer, length, &done);
	if (err != 0) {
		assert_int_equal(err, -XV_ENOSPC);
		assert_true(m->options.hard_limit_bytes != 0);
		assert_true(done < length);
		m->refused++;
	} else {
		assert_int_equal(done, length);
	}
	memcpy(m->bytes + offset, m->buffer, done);
}

static void op_write_page(struct model *m)
{
	size_t page = ramz_page_bytes(m->store);
	uint64_t number = below(m, m->size / page);
	int err;

	random_contents(m, m->buffer, page);
	err = ramz_write_page(m->store, number, m->buffer);
	assert_true(err == 0 || (err == -XV_ENOSPC && m->options.hard_limit_bytes != 0));
	if (err == 0)
		memcpy(m->bytes + number * page, m->buffer, page);
}

static void op_read(struct model *m)
{
	uint64_t offset;
	size_t length;

	random_range(m, &offset, &length);
	memset(m->buffer, 0x5A, length);
	assert_int_equal(ramz_read(m->store, offset, m->buffer, length), 0);
	assert_memory_equal(m->buffer, m->bytes + offset, length);
}

/* Where it fails, which it does at edges only, the whole pages are gone all the same. */
static void op_discard(struct model *m)
{
	size_t page = ramz_page_bytes(m->store);
	uint64_t offset, first, end;
	size_t length;
	int err;

	random_range(m, &offset, &length);
	err = ramz_discard(m->store, offset, length);
	assert_true(err == 0 || (err == -XV_ENOSPC && m->options.hard_limit_bytes != 0));
	if (err == 0) {
		memset(m->bytes + offset, 0, length);
		return;
	}
	first = (offset + page - 1) / page * page;
	end = (offset + length) / page * page;
	if (first < end)
		memset(m->bytes + first, 0, (size_t)(end - first));
	/* The edges: one may have been done, or both not. */
	assert_int_equal(ramz_read(m->store, 0, m->bytes, (size_t)m->size), 0);
}

static void op_resize(struct model *m)
{
	size_t page = ramz_page_bytes(m->store);
	uint64_t size = page * (1 + below(m, BYTES_MAX / page));

	if (m->options.hard_limit_bytes != 0)
		return;
	assert_int_equal(ramz_resize(m->store, size), 0);
	if (size > m->size)
		memset(m->bytes + m->size, 0, (size_t)(size - m->size));
	m->size = size;
}

static void op_save_and_load(struct model *m)
{
	struct memory_file file = {.bytes = NULL};
	struct ramz_sink sink = {.write = memory_write, .context = &file};
	struct ramz_source source = {.read = memory_read, .context = &file};
	struct ramz *loaded = NULL;
	const char *reason = NULL;

	assert_int_equal(ramz_save(m->store, &sink), 0);
	m->options.codec = ramz_get_codec(m->store, &m->options.level);
	if (m->options.hard_limit_bytes != 0)
		ramz_destroy(m->store), m->store = NULL;
	/* What fitted as it grew might not fit as it is loaded: a table more, a hole less. */
	if (m->options.hard_limit_bytes != 0) {
		struct ramz_options roomy = m->options;

		roomy.hard_limit_bytes = 0;
		assert_int_equal(ramz_load(&loaded, &roomy, NULL, 0, &source, &reason), 0);
		assert_int_equal(ramz_set_limits(loaded, 0, m->options.hard_limit_bytes), 0);
	} else {
		assert_int_equal(ramz_load(&loaded, &m->options, NULL, 0, &source, &reason), 0);
		ramz_destroy(m->store);
	}
	assert_int_equal(ramz_size_bytes(loaded), m->size);
	m->store = loaded;
	free(file.bytes);
}

/* None of it changes what the pages hold. */
static void op_tier(struct model *m)
{
	const struct ramz_codec *codec = ramz_codec_at((size_t)below(m, 3));
	uint32_t tier = 1 + (uint32_t)below(m, RAMZ_TIERS - 1);
	struct ramz_recompress_options options = {.tier = tier,
						  .min_age = (uint32_t)below(m, 3),
						  .min_bytes = (uint32_t)below(m, 2) * 1000,
						  .pages_max = below(m, 50)};
	struct ramz_train_options training = {.tier = tier, .samples = 100};
	int err = 0;

	switch (below(m, 6)) {
	case 0:
		err = codec != NULL && codec->id != 0
			      ? ramz_set_tier(m->store, tier, codec, codec->level_default)
			      : 0;
		break;
	case 1:
		err = below(m, 4) == 0 ? ramz_train(m->store, &training, NULL) : 0;
		break;
	case 2:
		err = ramz_mark_idle(m->store);
		break;
	default:
		err = ramz_recompress(m->store, &options, NULL);
	}
	/* The tier is not set; pages are in as many codings as there may be; the limit. */
	assert_true(err == 0 || err == -XV_EINVAL || err == -XV_ENOTSUP || err == -XV_E2BIG ||
		    (err == -XV_ENOSPC && m->options.hard_limit_bytes != 0));
}

static void op_administer(struct model *m)
{
	const struct ramz_codec *codec = ramz_codec_at((size_t)below(m, 4));
	int err;

	switch (below(m, 9)) {
	case 6:
	case 7:
	case 8:
		op_tier(m);
		break;
	case 0:
		err = codec != NULL ? ramz_set_codec(m->store, codec, codec->level_default) : 0;
		assert_true(err == 0 || err == -XV_E2BIG);
		break;
	case 1:
		assert_int_equal(ramz_compact(m->store, below(m, 100000), NULL), 0);
		break;
	case 2:
		(void)ramz_trim(m->store);
		break;
	case 3:
		op_resize(m);
		break;
	case 4:
		assert_int_equal(ramz_flush(m->store), 0);
		break;
	default:
		if (below(m, 10) == 0)
			op_save_and_load(m);
	}
}

static void verify_all(struct model *m)
{
	struct ramz_check_report report;
	int err = ramz_check(m->store, XV_CHECK_DEEP, &report);

	if (err != 0)
		print_error("page %llu: %s %s\n", (unsigned long long)report.page, report.message,
			    report.pool.message);
	assert_int_equal(err, 0);
	for (uint64_t at = 0; at < m->size; at += RANGE_MAX) {
		size_t part = m->size - at < RANGE_MAX ? (size_t)(m->size - at) : RANGE_MAX;

		assert_int_equal(ramz_read(m->store, at, m->buffer, part), 0);
		assert_true(memcmp(m->buffer, m->bytes + at, part) == 0);
	}
}

static void run_op(struct model *m)
{
	switch (below(m, 16)) {
	case 0:
	case 1:
		op_discard(m);
		break;
	case 2:
		op_administer(m);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		op_write_page(m);
		break;
	case 7:
	case 8:
	case 9:
	case 10:
		op_write(m);
		break;
	default:
		op_read(m);
	}
}

static void run(uint64_t seed, uint64_t ops, uint32_t page_bytes, unsigned kind)
{
	struct model m = {.seed = seed, .size = BYTES_MAX / 2};

	print_message("XV_SEED=%llu XV_OPS=%llu, pages of %u, kind %u\n", (unsigned long long)seed,
		      (unsigned long long)ops, (unsigned)page_bytes, kind);
	m.bytes = calloc(1, BYTES_MAX);
	m.buffer = malloc(BYTES_MAX);
	ramz_options_init(&m.options);
	m.options.size_bytes = m.size;
	m.options.page_bytes = page_bytes;
	m.options.checksum = (kind & 1) != 0;
	m.options.dedup = (kind & 2) != 0;
	m.options.shards = kind % 3; /* 0: one for each CPU */
	if ((kind & 4) != 0)
		m.options.hard_limit_bytes = 500 << 10;
	assert_int_equal(ramz_create(&m.store, &m.options), 0);
	for (uint64_t i = 0; i < ops; i++) {
		run_op(&m);
		if (i % (ops / 8 + 1) == 0)
			verify_all(&m);
	}
	verify_all(&m);
	if ((kind & 4) != 0)
		assert_true(m.refused > 0);
	ramz_destroy(m.store);
	free(m.bytes);
	free(m.buffer);
}

static void a_store_is_an_array_of_bytes(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 20091121);
	uint64_t ops = environment_number("XV_OPS", 1500);

	(void)state;
	for (unsigned kind = 0; kind < 8; kind++)
		run(seed + kind, ops, 4096, kind);
	run(seed, ops, 16384, 1);
	run(seed, ops, 65536, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_is_an_array_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
