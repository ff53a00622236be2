/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * values.c: a cache of values (ramz/values.h) filled from a file: what it holds, how long reads
 * take with compression and without, and two threads on one cache beside two caches.
 *
 *   xv_values FILE [CODEC [LEVEL [DICTIONARY_BYTES]]]
 *
 * Each line of FILE is a key, a tab, and a value. bench/values.sh makes such files. An eighth of
 * the values is set, a dictionary is trained on them if it pays, and again at the half. The decoder
 * alone is timed on forms with a dictionary of the same length, made of values as they are.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ramz/values.h>

#include "base.h"
#include "histogram.h"

enum {
	TRAIN_SHARE = 8,
	READS = 100000,
	THREADS = 2,
	TURNS = 15,
	VALUE_MAX = 2048,
	TEND_VALUES = 1000,
};

struct pair {
	const char *key;
	const char *value;
	size_t key_bytes;
	size_t value_bytes;
};

static struct pair *pairs;
static size_t pair_count;
static size_t plain_bytes;

static _Noreturn void fail(const char *what, int err)
{
	xvm_error("%s: error %d", what, err);
	exit(XVM_EXIT_FAILURE);
}

/* ---- input ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9E3779B97F4A7C15U;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
	return x ^ (x >> 31);
}

static void pairs_read(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t room = 0, line_room = 0;
	char *line = NULL;
	ssize_t bytes;

	if (file == NULL) {
		xvm_error("%s: cannot be opened; bench/values.sh makes such files", path);
		exit(XVM_EXIT_FAILURE);
	}
	while ((bytes = getline(&line, &line_room, file)) > 0) {
		char *tab = strchr(line, '\t');

		if (line[bytes - 1] == '\n')
			line[--bytes] = '\0';
		if (tab == NULL || tab == line || bytes - (tab + 1 - line) > VALUE_MAX)
			continue;
		*tab = '\0';
		pairs = xvm_grow(pairs, &room, pair_count + 1, sizeof(*pairs));
		pairs[pair_count++] = (struct pair){.key = xvm_strdup(line),
						    .value = xvm_strdup(tab + 1),
						    .key_bytes = (size_t)(tab - line),
						    .value_bytes = strlen(tab + 1)};
		plain_bytes += strlen(tab + 1);
	}
	free(line);
	(void)fclose(file);
	if (pair_count < 1000) {
		xvm_error("%s: only %zu lines with a key, a tab and a value", path, pair_count);
		exit(XVM_EXIT_FAILURE);
	}
}

/* The order of a file says too much: the first names of a list are alike. */
static void pairs_shuffle(void)
{
	uint64_t random = 2;

	for (size_t i = pair_count - 1; i > 0; i--) {
		size_t j = next_random(&random) % (i + 1);
		struct pair pair = pairs[i];

		pairs[i] = pairs[j];
		pairs[j] = pair;
	}
}

/* ---- a filled cache ---- */

static void fill_some(struct ramz_values *cache, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct pair *p = &pairs[i];
		int err = ramz_values_set(cache, p->key, p->key_bytes, p->value, p->value_bytes,
					  RAMZ_VALUES_FOREVER);

		if (err != 0)
			fail("set", err);
	}
}

static void tend(struct ramz_values *cache)
{
	struct ramz_values_tend_report report = {.more = true};

	while (report.more) {
		int err = ramz_values_tend(cache, TEND_VALUES, &report);

		if (err != 0)
			fail("tend", err);
	}
}

static void train(struct ramz_values *cache, size_t dictionary_bytes)
{
	uint64_t began = xvm_clock_ns();
	struct ramz_values_train_report report;
	int err = ramz_values_train(cache, dictionary_bytes, &report);

	if (err == -XV_ENOTSUP)
		return;
	if (err != 0)
		fail("train", err);
	printf("dictionary_bytes %u used %d, trained in %.1f s: %.3f of the forms without it\n",
	       report.dictionary_bytes, report.used, (double)(xvm_clock_ns() - began) / 1e9,
	       report.without_bytes != 0 ? (double)report.with_bytes / (double)report.without_bytes
					 : 0.0);
	tend(cache);
}

static struct ramz_values *cache_fill(const struct ramz_codec *codec, int32_t level,
				      size_t dictionary_bytes)
{
	struct ramz_values_options options;
	struct ramz_values *cache;
	uint64_t began;
	int err;

	ramz_values_options_init(&options);
	options.codec = codec;
	options.level = level;
	options.max_value_bytes = VALUE_MAX;
	err = ramz_values_create(&cache, &options);
	if (err != 0)
		fail("create", err);
	fill_some(cache, 0, pair_count / TRAIN_SHARE);
	train(cache, dictionary_bytes);
	fill_some(cache, pair_count / TRAIN_SHARE, pair_count / 2);
	train(cache, dictionary_bytes);
	began = xvm_clock_ns();
	fill_some(cache, pair_count / 2, pair_count);
	printf("set: %.1f us a value\n",
	       (double)(xvm_clock_ns() - began) / 1e3 / (double)(pair_count - pair_count / 2));
	tend(cache);
	return cache;
}

static void say_memory(struct ramz_values *cache)
{
	struct ramz_values_stats s;
	double values;

	if (ramz_values_get_stats(cache, &s) != 0)
		fail("stats", 0);
	values = (double)s.values;
	printf("held_bytes %llu\n", (unsigned long long)s.held_bytes);
	printf("a_value: held %.1f = record %.1f + index %.1f + ids %.1f + pool %.1f + own %.1f\n",
	       (double)s.held_bytes / values, (double)s.record_bytes / values,
	       (double)s.index_bytes / values, (double)s.table.table_bytes / values,
	       ((double)s.table.pool.held_bytes - (double)s.record_bytes) / values - 7,
	       (double)s.own_bytes / values);
	printf("pool: headers %.1f rounding %.1f links %.1f free %.1f spare %.1f tables %.1f\n",
	       (double)(s.table.pool.header_bytes + s.table.pool.owner_bytes) / values,
	       (double)s.table.pool.rounding_bytes / values,
	       (double)s.table.pool.link_bytes / values, (double)s.table.pool.free_bytes / values,
	       (double)s.table.pool.spare_bytes / values,
	       (double)s.table.pool.table_bytes / values);
	printf("fixed: dictionary %llu contexts %llu, raw %llu\n",
	       (unsigned long long)s.dictionary_bytes, (unsigned long long)s.context_bytes,
	       (unsigned long long)s.raw);
	printf("of_values %.4f\n", (double)s.held_bytes / (double)plain_bytes);
}

/* ---- time ---- */

/* Returns the time that the read took: the key is in the processor's cache, and the value is
 * compared afterwards. */
static uint64_t read_one(struct ramz_values *cache, uint64_t random)
{
	const struct pair *p = &pairs[random % pair_count];
	char buffer[VALUE_MAX], key[RAMZ_VALUES_KEY_MAX];
	uint64_t began, took;
	size_t bytes;
	int found;

	memcpy(key, p->key, p->key_bytes);
	began = xvm_clock_ns();
	found = ramz_values_get(cache, key, p->key_bytes, buffer, sizeof(buffer), &bytes);
	took = xvm_clock_ns() - began;
	if (found != 1 || bytes != p->value_bytes || memcmp(buffer, p->value, bytes) != 0)
		fail("get: another value", found);
	return took;
}

/* Reads in turns, so that what else the machine does meets both caches alike. */
static void say_reads(struct ramz_values *const cache[2], const char *const name[2])
{
	static struct xvm_histogram histogram[2];
	uint64_t random = 1;

	for (int i = 0; i < 2 * READS; i++) {
		uint64_t key = next_random(&random);

		xvm_histogram_record(&histogram[i & 1], read_one(cache[i & 1], key));
	}
	for (int i = 0; i < 2; i++)
		printf("get %s: p50 %llu p99 %llu ns\n", name[i],
		       (unsigned long long)xvm_histogram_percentile(&histogram[i], 5000),
		       (unsigned long long)xvm_histogram_percentile(&histogram[i], 9900));
}

/* ---- the decoder alone ---- */

struct form {
	unsigned char *bytes;
	int count;
	size_t plain_bytes;
};

static struct form form_make(const struct ramz_codec *codec, void *context, const struct pair *p)
{
	unsigned char plain[VALUE_MAX + RAMZ_VALUES_KEY_MAX], out[2 * sizeof(plain)];
	struct form form = {.plain_bytes = p->key_bytes + p->value_bytes};

	memcpy(plain, p->key, p->key_bytes);
	memcpy(plain + p->key_bytes, p->value, p->value_bytes);
	form.count = codec->compress(context, plain, form.plain_bytes, out, sizeof(out));
	if (form.count <= 0)
		fail("compress", form.count);
	form.bytes = xvm_calloc((size_t)form.count, 1);
	memcpy(form.bytes, out, (size_t)form.count);
	return form;
}

static void say_decode(const struct ramz_codec *codec, int32_t level)
{
	static unsigned char dictionary[RAMZ_VALUES_DICTIONARY_MAX];
	unsigned char plain[VALUE_MAX + RAMZ_VALUES_KEY_MAX];
	static struct xvm_histogram histogram;
	struct form *forms = xvm_calloc(pair_count, sizeof(*forms));
	uint64_t random = 7;
	void *digest, *context;
	size_t at = 0;

	for (size_t i = 0; at + pairs[i].value_bytes <= sizeof(dictionary); i++) {
		memcpy(dictionary + at, pairs[i].value, pairs[i].value_bytes);
		at += pairs[i].value_bytes;
	}
	digest = codec->digest_create(dictionary, at);
	context = digest != NULL ? codec->context_create_with(sizeof(plain), level, digest) : NULL;
	if (context == NULL)
		fail("context", -XV_ENOMEM);
	for (size_t i = 0; i < pair_count; i++)
		forms[i] = form_make(codec, context, &pairs[i]);
	for (int i = 0; i < READS; i++) {
		const struct form *form = &forms[next_random(&random) % pair_count];
		uint64_t began = xvm_clock_ns();
		int err = codec->decompress(context, form->bytes, (size_t)form->count, plain,
					    form->plain_bytes);

		xvm_histogram_record(&histogram, xvm_clock_ns() - began);
		if (err != 0)
			fail("decompress", err);
	}
	printf("decode: p50 %llu p99 %llu ns\n",
	       (unsigned long long)xvm_histogram_percentile(&histogram, 5000),
	       (unsigned long long)xvm_histogram_percentile(&histogram, 9900));
	for (size_t i = 0; i < pair_count; i++)
		free(forms[i].bytes);
	free(forms);
	codec->context_destroy(context);
	codec->digest_destroy(digest);
}

/* ---- threads ---- */

struct reader {
	pthread_t thread;
	struct ramz_values *cache;
	pthread_barrier_t *barrier;
	uint64_t random;
	uint64_t cpu_ns;
};

static uint64_t thread_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void *reader_run(void *context)
{
	struct reader *reader = context;

	(void)pthread_barrier_wait(reader->barrier);
	for (int i = 0; i < READS; i++)
		(void)read_one(reader->cache, next_random(&reader->random));
	reader->cpu_ns = thread_ns();
	return NULL;
}

/* What a turn took. */
struct took {
	double wall_ns;
	double cpu_ns; /* of both threads: what the machine's other work leaves alone */
};

static struct took readers_run(struct ramz_values *a, struct ramz_values *b)
{
	struct reader reader[THREADS] = {{.cache = a, .random = 5}, {.cache = b, .random = 6}};
	struct took took = {.cpu_ns = 0};
	pthread_barrier_t barrier;
	uint64_t began;

	(void)pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		reader[i].barrier = &barrier;
		if (pthread_create(&reader[i].thread, NULL, reader_run, &reader[i]) != 0)
			fail("pthread_create", 0);
	}
	(void)pthread_barrier_wait(&barrier);
	began = xvm_clock_ns();
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(reader[i].thread, NULL);
		took.cpu_ns += (double)reader[i].cpu_ns;
	}
	took.wall_ns = (double)(xvm_clock_ns() - began);
	(void)pthread_barrier_destroy(&barrier);
	return took;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Two threads on one cache, and on two; the median of the turns' ratios. */
static void say_threads(struct ramz_values *a, struct ramz_values *b)
{
	double wall[TURNS], cpu[TURNS];

	for (int i = 0; i < TURNS; i++) {
		struct took one = readers_run(a, a);
		struct took two = readers_run(a, b);

		wall[i] = two.wall_ns / one.wall_ns;
		cpu[i] = two.cpu_ns / one.cpu_ns;
	}
	qsort(wall, TURNS, sizeof(*wall), double_compare);
	qsort(cpu, TURNS, sizeof(*cpu), double_compare);
	printf("two threads on one cache beside two caches: %.3f by the clock, %.3f by processor "
	       "time\n",
	       wall[TURNS / 2], cpu[TURNS / 2]);
}

int main(int argc, char **argv)
{
	const struct ramz_codec *codec = NULL;
	int32_t level = argc > 3 ? (int32_t)atoi(argv[3]) : RAMZ_LEVEL_DEFAULT;
	size_t dictionary_bytes = argc > 4 ? (size_t)atoll(argv[4]) : 0;
	struct ramz_values *cache[2], *twin;
	const char *const name[2] = {"compressed", "uncompressed"};

	xvm_set_program("xv_values");
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		xvm_error("usage: xv_values FILE [CODEC [LEVEL [DICTIONARY_BYTES]]]");
		return XVM_EXIT_USAGE;
	}
	if (argc > 2)
		codec = ramz_codec_by_name(argv[2]);
	if (argc > 2 && codec == NULL) {
		xvm_error("%s: no codec of this name in this build", argv[2]);
		return XVM_EXIT_USAGE;
	}
	pairs_read(argv[1]);
	pairs_shuffle();
	printf("values %zu of %.1f bytes\n", pair_count, (double)plain_bytes / (double)pair_count);
	cache[0] = cache_fill(codec, level, dictionary_bytes);
	say_memory(cache[0]);
	twin = cache_fill(codec, level, dictionary_bytes);
	cache[1] = cache_fill(ramz_codec_by_name("none"), RAMZ_LEVEL_DEFAULT, 0);
	say_reads(cache, name);
	if (codec == NULL)
		codec = ramz_codec_by_name("zstd");
	if (codec != NULL && codec->digest_create != NULL)
		say_decode(codec, level);
	say_threads(cache[0], twin);
	return XVM_EXIT_OK;
}
