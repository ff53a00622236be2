/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Many threads on one store: reads, writes, parts of pages, discards, compaction, codec changes,
 * resizing, saving and statistics at once, contents verified. Every page carries its own number
 * and a version in its first words, and the rest follows from them, so that a reader can tell a
 * whole page from a mixture of two.
 *
 * XV_SEED picks another run, XV_OPS another length. Best run under ThreadSanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <ramz/tiers.h>

#include "test_ramz_support.h"

enum {
	SLOTS = 512,
	PART_PAGES = 8, /* at the end: each thread writes its own bytes of them */
	WRITERS = 2,
	PART_WRITERS = 3,
	PART_BYTES = PAGE / PART_WRITERS,
	GROWN = SLOTS * 3,
};

struct scene {
	struct ramz *store;
	uint64_t ops;
	uint64_t seed;
	atomic_bool done;
};

struct worker {
	pthread_t thread;
	struct scene *scene;
	uint64_t seed;
	uint64_t index;
};

/* ---- pages that tell what they are ---- */

static void versioned_fill(unsigned char *page, uint64_t slot, uint64_t version)
{
	uint64_t words[2] = {slot, version};

	if (version % 16 == 0) {
		page_same(page, PAGE, slot << 32 | version);
		return;
	}
	page_fill(page, PAGE, slot * 1000003 + version);
	memcpy(page, words, sizeof(words));
}

static void versioned_verify(const unsigned char *page, uint64_t slot)
{
	unsigned char wanted[PAGE];
	uint64_t words[2], word;

	if (ramz_page_is_same_filled(page, PAGE, &word)) {
		/* Discarded, or one of the same-filled versions. */
		assert_true(word == 0 || word >> 32 == slot);
		return;
	}
	memcpy(words, page, sizeof(words));
	assert_int_equal(words[0], slot);
	versioned_fill(wanted, slot, words[1]);
	assert_true(memcmp(page, wanted, PAGE) == 0);
}

/* ---- what the threads do ---- */

/* Half of all calls fall on a few pages, where they meet. */
static uint64_t random_slot(struct worker *worker)
{
	return random_below(&worker->seed, random_below(&worker->seed, 2) != 0 ? SLOTS : 4);
}

static void *writer_run(void *context)
{
	struct worker *worker = context;
	struct ramz *store = worker->scene->store;
	unsigned char page[PAGE];

	for (uint64_t i = 0; i < worker->scene->ops; i++) {
		uint64_t slot = random_slot(worker);

		if (random_below(&worker->seed, 8) == 0) {
			assert_int_equal(ramz_discard(store, slot * PAGE, PAGE), 0);
			continue;
		}
		versioned_fill(page, slot, 1 + random_below(&worker->seed, 1 << 20));
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
	return NULL;
}

static void *reader_run(void *context)
{
	struct worker *worker = context;
	unsigned char page[PAGE];

	while (!atomic_load(&worker->scene->done)) {
		uint64_t slot = random_slot(worker);

		assert_int_equal(ramz_read_page(worker->scene->store, slot, page), 0);
		versioned_verify(page, slot);
	}
	return NULL;
}

static uint64_t part_offset(uint64_t page, uint64_t index)
{
	return (SLOTS + page) * PAGE + index * PART_BYTES;
}

/* Writes its own part of the shared pages, and finds it there again whatever the others do. */
static void *part_run(void *context)
{
	struct worker *worker = context;
	struct ramz *store = worker->scene->store;
	unsigned char mine[PART_PAGES][PART_BYTES], back[PART_BYTES];

	memset(mine, 0, sizeof(mine));
	for (uint64_t i = 0; i < worker->scene->ops; i++) {
		uint64_t page = random_below(&worker->seed, PART_PAGES);
		uint64_t at = part_offset(page, worker->index);

		assert_int_equal(ramz_read(store, at, back, PART_BYTES), 0);
		assert_memory_equal(back, mine[page], PART_BYTES);
		page_partly_random(mine[page], PART_BYTES, random_below(&worker->seed, PART_BYTES),
				   worker->seed);
		assert_int_equal(ramz_write(store, at, mine[page], PART_BYTES, NULL), 0);
	}
	return NULL;
}

static int sink_nothing(void *context, const void *data, size_t bytes)
{
	*(uint64_t *)context += bytes + *(const unsigned char *)data;
	return 0;
}

static int visit_nothing(void *context, uint64_t page, const struct ramz_page_info *info)
{
	*(uint64_t *)context += page + info->stored_bytes;
	return 0;
}

static void administer(struct scene *scene, uint64_t *seed)
{
	struct ramz *store = scene->store;
	uint64_t sum = 0;
	struct ramz_sink sink = {.write = sink_nothing, .context = &sum};
	struct ramz_stats stats;
	struct ramz_histogram histogram;
	size_t codec;

	struct ramz_recompress_options recompress = {.tier = 1 + (uint32_t)random_below(seed, 2),
						     .min_age = (uint32_t)random_below(seed, 2)};
	struct ramz_train_options training = {.tier = recompress.tier, .samples = 64};
	struct ramz_ages ages;
	int err;

	switch (random_below(seed, 14)) {
	case 10:
		codec = random_below(seed, 3);
		if (ramz_codec_at(codec) == NULL || ramz_codec_at(codec)->id == 0)
			break;
		err = ramz_set_tier(store, recompress.tier, ramz_codec_at(codec),
				    (int32_t)random_below(seed, 9));
		assert_true(err == 0 || err == -XV_E2BIG);
		break;
	case 11:
		assert_int_equal(ramz_mark_idle(store), 0);
		assert_int_equal(ramz_get_ages(store, &ages), 0);
		break;
	case 12:
		err = random_below(seed, 4) == 0 ? ramz_train(store, &training, NULL) : 0;
		assert_true(err == 0 || err == -XV_EINVAL || err == -XV_ENOTSUP ||
			    err == -XV_E2BIG);
		break;
	case 13:
		err = ramz_recompress(store, &recompress, NULL);
		assert_true(err == 0 || err == -XV_EINVAL);
		break;
	case 0:
		codec = random_below(seed, 4);
		if (ramz_codec_at(codec) != NULL)
			(void)!ramz_set_codec(store, ramz_codec_at(codec), RAMZ_LEVEL_DEFAULT);
		break;
	case 1:
		/* Never below what the others use. */
		assert_int_equal(
			ramz_resize(store, (SLOTS + PART_PAGES + random_below(seed, GROWN)) * PAGE),
			0);
		break;
	case 2:
		(void)ramz_trim(store);
		break;
	case 3:
		assert_int_equal(ramz_save(store, &sink), 0);
		break;
	case 4:
		assert_int_equal(ramz_walk(store, 0, visit_nothing, &sum), 0);
		break;
	case 5:
		assert_int_equal(ramz_flush(store), 0);
		break;
	case 6:
		store_check(store);
		break;
	case 7:
		ramz_get_stats(store, &stats);
		assert_true(stats.pages_stored <= GROWN + SLOTS);
		assert_int_equal(ramz_get_histogram(store, RAMZ_HISTOGRAM_READ_NS, &histogram), 0);
		break;
	default:
		assert_int_equal(ramz_compact(store, random_below(seed, 2) * 50000, NULL), 0);
	}
}

static void *administrator_run(void *context)
{
	struct worker *worker = context;

	while (!atomic_load(&worker->scene->done))
		administer(worker->scene, &worker->seed);
	return NULL;
}

/* ---- running them ---- */

static void begin(struct worker *worker, struct scene *scene, uint64_t index,
		  void *(*run)(void *context))
{
	worker->scene = scene;
	worker->index = index;
	worker->seed = scene->seed + index * 7919 + (uint64_t)(uintptr_t)worker % 64;
	assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void stress(struct scene *scene)
{
	struct worker writers[WRITERS], parts[PART_WRITERS], readers[2], administrators[2];

	for (uint64_t i = 0; i < WRITERS; i++)
		begin(&writers[i], scene, 10 + i, writer_run);
	for (uint64_t i = 0; i < PART_WRITERS; i++)
		begin(&parts[i], scene, i, part_run);
	for (uint64_t i = 0; i < 2; i++) {
		begin(&readers[i], scene, 20 + i, reader_run);
		begin(&administrators[i], scene, 30 + i, administrator_run);
	}
	for (uint64_t i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	for (uint64_t i = 0; i < PART_WRITERS; i++)
		pthread_join(parts[i].thread, NULL);
	atomic_store(&scene->done, true);
	for (uint64_t i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		pthread_join(administrators[i].thread, NULL);
	}
}

static void stress_with(bool checksum, bool dedup, uint32_t shards)
{
	struct scene scene = {.seed = environment_number("XV_SEED", 1),
			      .ops = test_repeats("XV_OPS", 6000)};
	struct ramz_options options;
	struct ramz_stats stats;

	print_message("XV_SEED=%llu\n", (unsigned long long)scene.seed);
	store_options(&options, SLOTS + PART_PAGES);
	options.checksum = checksum;
	options.dedup = dedup;
	options.shards = shards;
	assert_int_equal(ramz_create(&scene.store, &options), 0);
	stress(&scene);
	stats = store_stats(scene.store);
	assert_int_equal(stats.failed_reads, 0);
	assert_int_equal(stats.failed_writes, 0);
	store_close(scene.store);
}

static void everything_at_once(void **state)
{
	(void)state;
	stress_with(false, false, 1);
}

static void everything_at_once_with_checksums(void **state)
{
	(void)state;
	stress_with(true, false, 0);
}

static void everything_at_once_in_two_shards(void **state)
{
	(void)state;
	stress_with(false, false, 2);
}

static void everything_at_once_with_sharing(void **state)
{
	(void)state;
	stress_with(true, true, 0);
}

/* Threads that come and go leave nothing, and their counts stay. */
static void *short_life(void *context)
{
	store_put(context, 1, 2);
	return NULL;
}

static void threads_that_end_leave_their_counts(void **state)
{
	struct ramz *store = store_open(4);
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(pthread_create(&thread, NULL, short_life, store), 0);
		pthread_join(thread, NULL);
	}
	assert_int_equal(store_stats(store).writes, 200);
	/* One after the other, on whichever CPUs: one context does for all. */
	assert_int_equal(store_stats(store).contexts, 1);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(everything_at_once_with_checksums),
		cmocka_unit_test(everything_at_once_in_two_shards),
		cmocka_unit_test(everything_at_once_with_sharing),
		cmocka_unit_test(threads_that_end_leave_their_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
