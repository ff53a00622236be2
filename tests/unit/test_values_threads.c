/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The cache of values with threads: readers and writers of the same keys, beside expiry, evictions,
 * training and upkeep.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test_values_support.h"

enum { THREADS = 4, KEYS = 1500, TURNS = 20000, TURNS_MOST = 2000000, LIMIT = 3 << 20, SHAPES = 4 };

struct world {
	struct ramz_values *cache;
	_Atomic uint64_t now_ms;
	uint64_t generations_wanted;
	_Atomic uint64_t generation; /* that the keeper saw */
	_Atomic bool done;
	_Atomic uint64_t wrong;
};

struct worker {
	struct world *world;
	pthread_t thread;
	uint64_t random;
};

static uint64_t world_now(void *context)
{
	struct world *world = context;

	return atomic_fetch_add(&world->now_ms, 1) / 64;
}

/* A value tells its number and version, so that a mixture of two is seen. */
static size_t sealed(char value[VALUE_ROOM], uint64_t number, uint64_t version)
{
	size_t bytes = value_make(value, number, version);

	return bytes + (size_t)snprintf(value + bytes, VALUE_ROOM - bytes, "#%llu",
					(unsigned long long)version);
}

static bool is_whole(const char *value, size_t bytes, uint64_t number)
{
	char text[VALUE_ROOM + 1], want[VALUE_ROOM];
	const char *mark;

	memcpy(text, value, bytes);
	text[bytes] = '\0';
	mark = strrchr(text, '#');
	return mark != NULL && sealed(want, number, strtoull(mark + 1, NULL, 10)) == bytes &&
	       memcmp(want, value, bytes) == 0;
}

static int turn(struct world *world, uint64_t *random, uint64_t shape)
{
	uint64_t number = random_below(random, KEYS);
	char key[KEY_ROOM], value[VALUE_ROOM];
	size_t key_bytes = key_make(key, number), bytes;
	int err;

	switch (random_below(random, 8)) {
	case 0:
	case 1:
		bytes = sealed(value, number, shape * 1000 + random_below(random, 1000));
		return ramz_values_set(world->cache, key, key_bytes, value, bytes,
				       random_below(random, 3) == 0 ? 200 : 0);
	case 2:
		return ramz_values_delete(world->cache, key, key_bytes);
	case 3:
		return ramz_values_expire(world->cache, key, key_bytes, random_below(random, 500));
	default:
		err = ramz_values_get(world->cache, key, key_bytes, value, sizeof(value), &bytes);
		if (err == 1 && !is_whole(value, bytes, number))
			return -XV_EBADMSG;
		return err;
	}
}

/* The values' shape changes with the generation, so that the next dictionary is worth it, too; or
 * with time. */
static void *worker_run(void *context)
{
	struct worker *worker = context;
	struct world *world = worker->world;
	uint64_t turns = TURNS / test_shorter();

	for (uint64_t i = 0; i < TURNS_MOST; i++) {
		uint64_t generation = atomic_load(&world->generation);
		bool trains = world->generations_wanted != 0;

		if (i >= turns && generation >= world->generations_wanted)
			break;
		if (turn(world, &worker->random, trains ? generation : i * SHAPES / turns) < 0)
			atomic_fetch_add(&world->wrong, 1);
	}
	return NULL;
}

/* Generations come and go while the others work. */
static void *keeper_run(void *context)
{
	struct worker *keeper = context;
	struct world *world = keeper->world;
	struct ramz_values_stats stats;

	while (!atomic_load(&world->done)) {
		int err = ramz_values_train(world->cache, 2 << 10, NULL);

		if (err != 0 && err != -XV_EBUSY && err != -XV_ENOTSUP && err != -XV_ENOSPC)
			atomic_fetch_add(&world->wrong, 1);
		for (int i = 0; i < 20; i++) {
			if (ramz_values_tend(world->cache, 200, NULL) != 0)
				atomic_fetch_add(&world->wrong, 1);
		}
		if (ramz_values_get_stats(world->cache, &stats) != 0 ||
		    (stats.limit_bytes != 0 && stats.held_bytes > stats.limit_bytes))
			atomic_fetch_add(&world->wrong, 1);
		atomic_store(&world->generation, stats.generation);
	}
	return NULL;
}

/* lz4's contexts are small: a dictionary for a few values pays. */
static void run(uint64_t limit_bytes, const char *codec, uint64_t generations)
{
	bool trains = ramz_codec_by_name("zstd") != NULL;
	struct world world = {.generations_wanted = trains ? generations : 0};
	struct worker worker[THREADS + 1];
	struct ramz_values_options options;

	values_options(&options, NULL);
	options.limit_bytes = limit_bytes;
	options.codec = ramz_codec_by_name(codec);
	options.now_ms = world_now;
	options.clock_context = &world;
	assert_int_equal(ramz_values_create(&world.cache, &options), 0);
	for (int i = 0; i <= THREADS; i++) {
		worker[i] = (struct worker){.world = &world, .random = (uint64_t)i};
		assert_int_equal(pthread_create(&worker[i].thread, NULL,
						i < THREADS ? worker_run : keeper_run, &worker[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
	atomic_store(&world.done, true);
	assert_int_equal(pthread_join(worker[THREADS].thread, NULL), 0);
	assert_int_equal(atomic_load(&world.wrong), 0);
	assert_true(values_stats(world.cache).generation >= world.generations_wanted);
	values_close(world.cache);
}

static void threads_see_whole_values(void **state)
{
	(void)state;
	run(0, "lz4", 2);
}

static void threads_keep_within_the_limit(void **state)
{
	(void)state;
	run(LIMIT, "zstd", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_see_whole_values),
		cmocka_unit_test(threads_keep_within_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
