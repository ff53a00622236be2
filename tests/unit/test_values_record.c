/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The bytes of a record of the cache of values: they read as they were written, damaged ones are
 * refused, and the beginning of a zstd form is left out and made again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/codec.h>

#include "record.h"
#include "test_random.h"

static void expect_record(const struct rzi_record *got, const struct rzi_record *wanted)
{
	assert_int_equal(got->flags, wanted->flags);
	assert_int_equal(got->key_bytes, wanted->key_bytes);
	assert_int_equal(got->plain_bytes, wanted->plain_bytes);
	assert_int_equal(got->head_bytes, wanted->head_bytes);
	assert_int_equal(got->form_bytes, wanted->form_bytes);
	assert_int_equal(got->expires_ms, wanted->expires_ms);
}

static void a_header_reads_as_it_was_written(void **state)
{
	static const uint32_t lengths[] = {1, 127, 128, 255, 1024, 16383, 16384, 1049600};

	(void)state;
	for (uint32_t flags = 0; flags <= RECORD_FLAGS; flags++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			uint32_t plain = lengths[i];
			struct rzi_record record = {.flags = flags,
						    .key_bytes = plain < 1024 ? plain : 1024,
						    .plain_bytes = plain,
						    .expires_ms = RECORD_TIME_MAX - i};
			unsigned char head[RECORD_HEAD_MAX + 1];
			struct rzi_record got = {.expires_ms = RECORD_TIME_MAX - i};
			uint32_t form = rzi_record_is_raw(&record) ? plain : 5;
			uint32_t bytes;

			head[RECORD_HEAD_MAX] = 0xAA;
			bytes = rzi_record_write(&record, head);
			assert_int_equal(head[RECORD_HEAD_MAX], 0xAA);
			assert_true(rzi_record_parse(&got, head, RECORD_HEAD_MAX, bytes + form));
			record.form_bytes = form;
			expect_record(&got, &record);
		}
	}
}

static void a_damaged_header_is_refused(void **state)
{
	struct rzi_record record = {.flags = RECORD_EXPIRES, .key_bytes = 300, .plain_bytes = 700};
	unsigned char head[RECORD_HEAD_MAX];
	uint32_t bytes = rzi_record_write(&record, head);

	(void)state;
	for (uint32_t cut = 0; cut < bytes; cut++)
		assert_false(rzi_record_parse(&record, head, cut, cut));
	assert_false(rzi_record_parse(&record, head, bytes, bytes)); /* no form */
	head[0] |= 16;
	assert_false(rzi_record_parse(&record, head, bytes, bytes + 9));
	head[0] = 0;
	head[1] = 0; /* an empty key */
	assert_false(rzi_record_parse(&record, head, bytes, bytes + 9));
	head[1] = 5;
	head[2] = 4; /* a key longer than the plain bytes */
	assert_false(rzi_record_parse(&record, head, bytes, bytes + 9));
	head[1] = head[2] = head[3] = 0xFF; /* a number without an end */
	assert_false(rzi_record_parse(&record, head, bytes, bytes + 9));
}

/* Text of any length: libzstd begins its forms as rzi_record_lead says. */
static void the_beginning_of_a_zstd_form_is_known(void **state)
{
	const struct ramz_codec *zstd = ramz_codec_by_name("zstd");
	enum { MOST = 70000 };
	static unsigned char plain[MOST], form[MOST + RECORD_ROOM], whole[MOST + RECORD_ROOM],
		again[MOST];
	uint64_t random = 1;
	uint32_t trimmed = 0;
	void *context;

	(void)state;
	if (zstd == NULL)
		skip();
	context = zstd->context_create(MOST, RAMZ_LEVEL_DEFAULT);
	assert_non_null(context);
	for (size_t i = 0; i < MOST; i++)
		plain[i] = (unsigned char)("eta <>inos/"[random_below(&random, 11)]);
	for (uint32_t n = 40; n < MOST; n += n / 50 + 1) {
		int got = zstd->compress(context, plain, n, form, sizeof(form));
		uint32_t lead = got > 0 ? rzi_record_trim(form, (uint32_t)got, n) : 0;
		uint32_t rest = (uint32_t)got - lead;

		if (lead == 0)
			continue;
		trimmed++;
		assert_in_range(lead, 9, RECORD_LEAD_MAX);
		assert_int_equal(rzi_record_lead(n, rest, whole), lead);
		memcpy(whole + lead, form + lead, rest);
		assert_int_equal(zstd->decompress(context, whole, lead + rest, again, n), 0);
		assert_memory_equal(again, plain, n);
	}
	assert_true(trimmed > 200);
	memset(form, 0, sizeof(form));
	assert_int_equal(rzi_record_trim(form, 50, 100), 0);
	assert_int_equal(rzi_record_trim(form, 3, 100), 0);
	zstd->context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_reads_as_it_was_written),
		cmocka_unit_test(a_damaged_header_is_refused),
		cmocka_unit_test(the_beginning_of_a_zstd_form_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
