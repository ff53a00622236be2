/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Pages that change while they are written: another thread scribbles over the source. What is
 * stored can be read, and nothing is taken for the same as another page that is not. (That each
 * byte is one of the source's holds here without checksums as well: bytes of two values stay that.)
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test_ramz_support.h"

enum { SLOTS = 64, KINDS = 4, MARK = 0x5A };

/*
 * The source goes through pages of one kind; its bytes are always 0 or MARK, at each place, or a
 * number's that stands still. The thread writes bytes without a lock, by volatile stores: that is
 * the fault of the caller that is tried here.
 */
struct source {
	unsigned char *bytes;
	_Atomic bool over;
};

static void *scribble(void *context)
{
	struct source *source = context;
	volatile unsigned char *at = source->bytes;
	uint64_t seed = 3;

	while (!atomic_load_explicit(&source->over, memory_order_relaxed)) {
		unsigned char value = (random_next(&seed) & 1) != 0 ? MARK : 0;
		size_t from = (size_t)random_below(&seed, PAGE);
		size_t to = from + (size_t)random_below(&seed, PAGE - from) + 1;

		/* Mostly the whole page, so that it is same-filled for moments. */
		if (random_below(&seed, 4) != 0) {
			from = 0;
			to = PAGE;
		}
		for (size_t i = from; i < to; i++)
			at[i] = value;
	}
	return NULL;
}

static struct ramz *open_kind(int kind)
{
	struct ramz_options options;
	struct ramz *store;

	store_options(&options, SLOTS);
	options.checksum = (kind & 1) != 0;
	options.dedup = (kind & 2) != 0;
	assert_int_equal(ramz_create(&store, &options), 0);
	return store;
}

static void expect_of_source(const unsigned char *page)
{
	for (size_t i = 0; i < PAGE; i++)
		assert_true(page[i] == 0 || page[i] == MARK);
}

static void try_kind(int kind, const char *codec)
{
	struct ramz *store = open_kind(kind);
	unsigned char still[PAGE], page[PAGE];
	struct source source = {.bytes = calloc(1, PAGE)};
	pthread_t thread;

	if (ramz_codec_by_name(codec) == NULL) {
		ramz_destroy(store);
		free(source.bytes);
		return;
	}
	assert_int_equal(ramz_set_codec(store, ramz_codec_by_name(codec), RAMZ_LEVEL_DEFAULT), 0);
	/* Pages that the source is like at times. */
	memset(still, MARK, PAGE);
	memset(still, 0, PAGE / 2);
	assert_int_equal(ramz_write_page(store, SLOTS - 1, still), 0);
	assert_int_equal(pthread_create(&thread, NULL, scribble, &source), 0);
	for (uint64_t i = 0; i < test_repeats("XV_ROUNDS", 20000); i++) {
		uint64_t slot = i % (SLOTS - 1);

		assert_int_equal(ramz_write_page(store, slot, source.bytes), 0);
		assert_int_equal(ramz_read_page(store, slot, page), 0);
		expect_of_source(page);
	}
	atomic_store(&source.over, true);
	pthread_join(thread, NULL);
	assert_int_equal(ramz_read_page(store, SLOTS - 1, page), 0);
	assert_memory_equal(page, still, PAGE);
	for (uint64_t slot = 0; slot < SLOTS - 1; slot++) {
		assert_int_equal(ramz_read_page(store, slot, page), 0);
		expect_of_source(page);
	}
	store_close(store);
	free(source.bytes);
}

static void a_page_that_changes_can_be_read(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__)
	skip(); /* the race is the test */
#endif
	for (int kind = 0; kind < KINDS; kind++) {
		try_kind(kind, "lz4");
		try_kind(kind, "none");
		try_kind(kind, "zstd");
		try_kind(kind, "lzo");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_changes_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
