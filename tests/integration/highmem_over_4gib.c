/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * highmem_over_4gib: a pool over the highmem provider holds more than 4 GiB of
 * objects, also in a 32-bit process, whose address space ends there.
 *
 * Fills a pool with 4.5 GiB of objects of mixed sizes, whose contents follow from
 * seed and index alone, verifies every one, frees every one, and looks at what the
 * provider saw: at most two pages mapped inside a call, none between calls, nothing
 * misused, and the memory gone at the end. Skips (77) when there is not enough
 * memory. Takes XV_SEED, and the bytes to store as its one argument.
 *
 * Uses public headers alone. Locking: none, one thread.
 */
#include <xvmalloc/pool.h>
#include <xvmalloc/provider_highmem.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GIB ((uint64_t)1 << 30)
#define STORE_BYTES (GIB * 9 / 2)
#define MEMORY_BYTES_NEEDED (7 * GIB)
#define PAGE_BYTES 16384U
#define OBJECT_BYTES_MAX 16000U
#define WINDOW_SLOTS 4U /* so that a call that mapped more than two would be seen */
#define EXIT_SKIP 77

struct store {
	struct xv_provider *provider;
	struct xv_pool *pool;
	xv_handle *handles;
	size_t count; /* objects */
	size_t capacity;
	uint64_t seed;
};

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
	return z ^ (z >> 31);
}

/* Object i from seed and i alone: one quarter small, one medium, half large. */
static size_t object_make(uint64_t seed, size_t index, uint64_t *words)
{
	static const uint32_t limits[4] = {512, 4096, OBJECT_BYTES_MAX, OBJECT_BYTES_MAX};
	uint64_t state = seed + index * 0x632BE59BD9B4E019U;
	uint64_t draw = next_random(&state);
	size_t bytes = 1 + (size_t)((draw >> 2) % limits[draw % 4]);

	for (size_t i = 0; i < bytes; i += sizeof(*words))
		*words++ = next_random(&state);
	return bytes;
}

static bool failed(const char *what, size_t index, int err)
{
	fprintf(stderr, "highmem_over_4gib: object %zu: %s: %s\n", index, what,
		err < 0 ? xv_strerror(err) : "wrong answer");
	return false;
}

static bool handles_reserve(struct store *store)
{
	size_t capacity = store->capacity * 3 / 2 + 1000;
	xv_handle *handles;

	if (store->count < store->capacity)
		return true;
	handles = realloc(store->handles, capacity * sizeof(*handles));
	if (handles == NULL)
		return failed("no memory for handles", store->count, 0);
	store->handles = handles;
	store->capacity = capacity;
	return true;
}

static bool store_fill(struct store *store, uint64_t store_bytes)
{
	static uint64_t words[OBJECT_BYTES_MAX / sizeof(uint64_t) + 1];
	uint64_t total = 0;

	while (total < store_bytes) {
		size_t bytes = object_make(store->seed, store->count, words);
		xv_handle handle;
		int err;

		if (!handles_reserve(store))
			return false;
		err = xv_malloc(store->pool, bytes, &handle);
		if (err != 0)
			return failed("xv_malloc", store->count, err);
		store->handles[store->count] = handle;
		err = xv_write(store->pool, handle, 0, words, bytes);
		if (err != 0)
			return failed("xv_write", store->count, err);
		store->count++;
		total += bytes;
	}
	return true;
}

static bool object_verify(const struct store *store, size_t index)
{
	static uint64_t expected[OBJECT_BYTES_MAX / sizeof(uint64_t) + 1];
	static uint64_t found[OBJECT_BYTES_MAX / sizeof(uint64_t) + 1];
	size_t bytes = object_make(store->seed, index, expected);
	int size = xv_object_size(store->pool, store->handles[index]);
	int err;

	if (size < 0 || (size_t)size != bytes)
		return failed("xv_object_size", index, size);
	err = xv_read(store->pool, store->handles[index], 0, found, bytes);
	if (err != 0)
		return failed("xv_read", index, err);
	if (memcmp(found, expected, bytes) != 0)
		return failed("contents", index, 0);
	return true;
}

static bool store_verify(const struct store *store)
{
	for (size_t i = 0; i < store->count; i++) {
		if (!object_verify(store, i))
			return false;
	}
	return true;
}

static bool object_free(const struct store *store, size_t index)
{
	int err = xv_free(store->pool, store->handles[index]);

	return err == 0 || failed("xv_free", index, err);
}

/* The even ones upward, then the odd ones downward: holes of all kinds. */
static bool store_free(const struct store *store)
{
	for (size_t i = 0; i < store->count; i += 2) {
		if (!object_free(store, i))
			return false;
	}
	for (size_t i = store->count; i-- > 0;) {
		if (i % 2 == 1 && !object_free(store, i))
			return false;
	}
	return true;
}

static bool expect(bool good, const char *what)
{
	if (!good)
		fprintf(stderr, "highmem_over_4gib: not so: %s\n", what);
	return good;
}

static bool full_store_is_as_it_should(const struct store *store, uint64_t store_bytes)
{
	struct xv_provider_highmem_stats seen;
	struct xv_pool_stats stats;

	xv_pool_get_stats(store->pool, &stats);
	xv_provider_highmem_stats(store->provider, &seen);
	printf("%" PRIu64 " objects, %" PRIu64 " bytes requested, %" PRIu64
	       " held (%.4f), file %" PRIu64 ", pointers of %zu bits\n",
	       stats.objects, stats.requested_bytes, stats.held_bytes,
	       (double)stats.held_bytes / (double)stats.requested_bytes, seen.backing_bytes,
	       sizeof(void *) * 8);
	return expect(stats.objects == store->count, "the pool counts the objects") &&
	       expect(stats.requested_bytes >= store_bytes, "the pool counts their bytes") &&
	       expect(seen.backing_bytes >= store_bytes, "the file holds them") &&
	       expect(seen.mapped_now == 0, "nothing is mapped between calls") &&
	       expect(seen.mapped_peak <= 2, "at most two pages are mapped at once") &&
	       expect(seen.misuse == 0, "the provider saw no misuse");
}

static bool empty_store_is_as_it_should(const struct store *store)
{
	struct xv_provider_highmem_stats seen;
	struct xv_pool_stats stats;

	(void)xv_pool_trim(store->pool);
	xv_pool_get_stats(store->pool, &stats);
	xv_provider_highmem_stats(store->provider, &seen);
	return expect(stats.objects == 0 && stats.requested_bytes == 0, "no object is left") &&
	       expect(seen.pages == 0, "no page is left") &&
	       expect(seen.backing_bytes < GIB / 256, "the file is empty") &&
	       expect(seen.misuse == 0 && seen.mapped_peak <= 2, "the provider was well used");
}

static uint64_t available_bytes(void)
{
	char line[256];
	uint64_t kib = UINT64_MAX >> 10;
	FILE *file = fopen("/proc/meminfo", "r");

	if (file == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	}
	fclose(file);
	return kib << 10;
}

static int store_init(struct store *store, uint64_t store_bytes)
{
	struct xv_provider_highmem_options options;
	int err;

	xv_provider_highmem_options_init(&options);
	options.page_bytes = PAGE_BYTES;
	options.max_bytes = store_bytes + store_bytes / 2;
	options.window_slots = WINDOW_SLOTS;
	err = xv_provider_highmem_create(&store->provider, &options);
	if (err != 0)
		return err;
	return xv_pool_create(&store->pool, store->provider, NULL);
}

static bool timed(bool good, const char *what)
{
	static clock_t last;
	clock_t now = clock();

	printf("%-8s %s, %.1f s of processor time\n", what, good ? "good" : "FAILED",
	       (double)(now - last) / CLOCKS_PER_SEC);
	fflush(stdout);
	last = now;
	return good;
}

static bool run(struct store *store, uint64_t store_bytes)
{
	return timed(store_fill(store, store_bytes), "fill") &&
	       full_store_is_as_it_should(store, store_bytes) &&
	       timed(store_verify(store), "verify") &&
	       timed(xv_pool_check(store->pool, XV_CHECK_DEEP, NULL) == 0, "check") &&
	       timed(store_free(store), "free") && empty_store_is_as_it_should(store);
}

int main(int argc, char **argv)
{
	const char *seed = getenv("XV_SEED");
	uint64_t store_bytes = argc > 1 ? strtoull(argv[1], NULL, 0) : STORE_BYTES;
	uint64_t available = available_bytes();
	struct store store = {.seed = seed != NULL ? strtoull(seed, NULL, 0) : 20091121};
	bool good;
	int err;

	if (argc <= 1 && available < MEMORY_BYTES_NEEDED) {
		printf("skipped: %" PRIu64 " MiB of memory are available, %" PRIu64
		       " MiB are needed\n",
		       available >> 20, MEMORY_BYTES_NEEDED >> 20);
		return EXIT_SKIP;
	}
	printf("XV_SEED=%" PRIu64 "\n", store.seed);
	err = store_init(&store, store_bytes);
	if (err != 0) {
		fprintf(stderr, "highmem_over_4gib: cannot make the pool: %s\n", xv_strerror(err));
		return EXIT_FAILURE;
	}
	good = run(&store, store_bytes);
	xv_pool_destroy(store.pool);
	xv_provider_highmem_destroy(store.provider);
	free(store.handles);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
