/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * One handle table, several threads, and one that compacts all the time. Each worker has
 * objects of its own, whose every byte must be there whenever it looks, and shares a board
 * of ids with the others, where anybody reads, resizes and frees what anybody made. An id
 * names one object for all time, so whatever a read of it gives must be that object's.
 */
#include "handle_table_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
	WORKERS = 3,
	OWN = 200,
	BOARD = 64,
	SIZE_MAX_SMALL = 6000,
	OPERATIONS = 6000,
};

struct shared {
	struct xv_handle_table *table;
	_Atomic uint32_t board[BOARD];
	atomic_uint working;
	atomic_uint made;  /* objects put on the board */
	atomic_uint freed; /* frees of them that succeeded */
	atomic_uint moved; /* blocks, by compaction */
	int error;         /* of the compactor */
};

struct own {
	xv_id id;
	size_t size;
	uint32_t pattern;
};

struct worker {
	struct shared *shared;
	uint64_t random;
	struct own own[OWN];
	uint32_t stamp;
	const char *failure;
	unsigned char bytes[SIZE_MAX_SMALL];
};

static bool note(struct worker *w, const char *failure)
{
	if (w->failure == NULL)
		w->failure = failure;
	return false;
}

static size_t size_for(struct worker *w)
{
	return 1 +
	       random_below(&w->random, random_below(&w->random, 6) == 0 ? SIZE_MAX_SMALL : 1200);
}

/* ---- a worker's own objects ---- */

static bool own_write(struct worker *w, struct own *own)
{
	size_t half = own->size / 2;

	own->pattern = ++w->stamp;
	pattern_fill(w->bytes, own->size, own->pattern);
	/* In two writes, with compaction free to come between. */
	return (xv_id_write(w->shared->table, own->id, 0, w->bytes, half) == 0 &&
		xv_id_write(w->shared->table, own->id, half, w->bytes + half, own->size - half) ==
			0) ||
	       note(w, "own object: write");
}

static bool own_verify(struct worker *w, const struct own *own, size_t bytes)
{
	if (xv_id_size(w->shared->table, own->id) != (int)own->size)
		return note(w, "own object: size");
	if (xv_id_read(w->shared->table, own->id, 0, w->bytes, bytes) != 0)
		return note(w, "own object: read");
	return pattern_matches(w->bytes, bytes, own->pattern) || note(w, "own object: contents");
}

static bool own_map(struct worker *w, const struct own *own)
{
	struct xv_id_mapping mapping;
	int err = xv_id_map(w->shared->table, own->id, &mapping);
	bool good;

	if (err == -XV_ESPLIT || err == -XV_EAGAIN)
		return true;
	if (err != 0)
		return note(w, "own object: map");
	good = pattern_matches(mapping.ptr, own->size, own->pattern);
	if (xv_id_unmap(w->shared->table, &mapping) != 0)
		return note(w, "own object: unmap");
	return good || note(w, "own object: mapped contents");
}

static bool own_realloc(struct worker *w, struct own *own)
{
	size_t size = size_for(w);
	size_t kept = size < own->size ? size : own->size;
	int err = xv_id_realloc(w->shared->table, own->id, size);

	if (err == -XV_EBUSY)
		return true;
	if (err != 0)
		return note(w, "own object: realloc");
	own->size = size;
	return own_verify(w, own, kept) && own_write(w, own);
}

static bool own_free(struct worker *w, struct own *own)
{
	xv_id id = own->id;

	if (!own_verify(w, own, own->size))
		return false;
	own->id = XV_NULL_ID;
	if (xv_id_free(w->shared->table, id) != 0)
		return note(w, "own object: free");
	return (xv_id_free(w->shared->table, id) == -XV_EINVAL &&
		xv_id_size(w->shared->table, id) == -XV_EINVAL) ||
	       note(w, "own object: freed, and its id is still good");
}

static bool own_step(struct worker *w)
{
	struct own *own = &w->own[random_below(&w->random, OWN)];

	if (own->id == XV_NULL_ID) {
		own->size = size_for(w);
		if (xv_id_malloc(w->shared->table, own->size, &own->id) != 0)
			return note(w, "own object: malloc");
		return own_write(w, own);
	}
	switch (random_below(&w->random, 8)) {
	case 0:
		return own_write(w, own);
	case 1:
		return own_realloc(w, own);
	case 2:
		return own_map(w, own);
	case 3:
	case 4:
		return own_verify(w, own, own->size);
	default:
		return own_free(w, own);
	}
}

/* ---- the board ---- */

/* Of an object on the board the first BOARD_SIZE bytes are the id's pattern; a resize adds
 * to them. Nobody writes there once it is on the board. */
enum { BOARD_SIZE = 900, BOARD_SIZE_MORE = 1500 };

static bool board_put(struct worker *w, _Atomic uint32_t *place)
{
	uint32_t empty = XV_NULL_ID;
	xv_id id;

	if (xv_id_malloc(w->shared->table, BOARD_SIZE, &id) != 0)
		return note(w, "board: malloc");
	pattern_fill(w->bytes, BOARD_SIZE, id);
	if (xv_id_write(w->shared->table, id, 0, w->bytes, BOARD_SIZE) != 0)
		return note(w, "board: write");
	atomic_fetch_add(&w->shared->made, 1);
	if (atomic_compare_exchange_strong(place, &empty, id))
		return true;
	atomic_fetch_add(&w->shared->freed, 1);
	return xv_id_free(w->shared->table, id) == 0 || note(w, "board: free of what is not on it");
}

/* Another thread may free it first: then it must be the id that is refused. */
static bool board_read(struct worker *w, xv_id id)
{
	bool whole = random_below(&w->random, 2) == 0;
	int err = whole ? xv_id_read_whole(w->shared->table, id, w->bytes, sizeof(w->bytes))
			: xv_id_read(w->shared->table, id, 0, w->bytes, BOARD_SIZE);

	if (whole && err >= BOARD_SIZE)
		err = 0;
	if (err == -XV_EINVAL)
		return true;
	if (err != 0)
		return note(w, "board: read");
	return pattern_matches(w->bytes, BOARD_SIZE, id) || note(w, "board: another's contents");
}

static bool board_realloc(struct worker *w, xv_id id)
{
	size_t size = BOARD_SIZE + random_below(&w->random, (size_t)BOARD_SIZE_MORE - BOARD_SIZE);
	int err = xv_id_realloc(w->shared->table, id, size);

	return err == 0 || err == -XV_EINVAL || err == -XV_EBUSY || note(w, "board: realloc");
}

static bool board_free(struct worker *w, _Atomic uint32_t *place, xv_id id)
{
	int err = xv_id_free(w->shared->table, id);

	if (err == 0) {
		atomic_fetch_add(&w->shared->freed, 1);
		atomic_compare_exchange_strong(place, &id, XV_NULL_ID);
	}
	return err == 0 || err == -XV_EINVAL || note(w, "board: free");
}

static bool board_step(struct worker *w)
{
	_Atomic uint32_t *place = &w->shared->board[random_below(&w->random, BOARD)];
	xv_id id = atomic_load(place);

	if (id == XV_NULL_ID)
		return board_put(w, place);
	switch (random_below(&w->random, 6)) {
	case 0:
		return board_free(w, place, id);
	case 1:
		return board_realloc(w, id);
	default:
		return board_read(w, id);
	}
}

/* ---- the threads ---- */

static void *work(void *argument)
{
	struct worker *w = argument;

	for (uint64_t i = 0; i < OPERATIONS && w->failure == NULL; i++) {
		if (i >= OPERATIONS / test_shorter() && atomic_load(&w->shared->moved) != 0)
			break;
		if (!own_step(w) || !board_step(w))
			break;
	}
	for (size_t i = 0; i < OWN && w->failure == NULL; i++) {
		if (w->own[i].id != XV_NULL_ID)
			(void)own_free(w, &w->own[i]);
	}
	atomic_fetch_sub(&w->shared->working, 1);
	return NULL;
}

static void *compact(void *argument)
{
	struct shared *shared = argument;
	struct xv_compact_report report;

	while (atomic_load(&shared->working) != 0) {
		int err = xv_handle_table_compact(shared->table, 4096, &report);

		atomic_fetch_add(&shared->moved, (unsigned)report.moved_blocks);
		if (err != 0 && err != -XV_EAGAIN)
			shared->error = err;
	}
	return NULL;
}

/* Start all, wait for all; what each has to say is in its record. */
static void run_threads(struct shared *shared, struct worker *workers)
{
	pthread_t threads[WORKERS + 1];

	atomic_init(&shared->working, WORKERS);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	assert_int_equal(pthread_create(&threads[WORKERS], NULL, compact, shared), 0);
	for (size_t i = 0; i <= WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shared->error, 0);
	for (size_t i = 0; i < WORKERS; i++) {
		if (workers[i].failure != NULL)
			fail_msg("worker %u: %s", (unsigned)i, workers[i].failure);
	}
}

/* Two frees of one id never both succeed, and none is lost. */
static void clear_board(struct shared *shared)
{
	for (size_t i = 0; i < BOARD; i++) {
		xv_id id = atomic_load(&shared->board[i]);

		if (id != XV_NULL_ID && xv_id_free(shared->table, id) == 0)
			atomic_fetch_add(&shared->freed, 1);
	}
	assert_int_equal(atomic_load(&shared->made), atomic_load(&shared->freed));
}

static void stress(const struct provider_case *which, enum xv_lock_kind lock)
{
	static struct worker workers[WORKERS];
	struct xv_handle_table_options options;
	struct xv_handle_table_stats stats;
	struct xv_provider *provider;
	struct shared shared = {0};

	if (provider_case_create(which, 16 << 20, &provider) != 0)
		return;
	xv_handle_table_options_init(&options);
	options.pool.lock = lock;
	assert_int_equal(xv_handle_table_create(&shared.table, provider, &options), 0);
	memset(workers, 0, sizeof(workers));
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i].shared = &shared;
		workers[i].random = environment_number("XV_SEED", 2009) + i;
	}
	run_threads(&shared, workers);
	clear_board(&shared);
	assert_int_equal(xv_handle_table_check(shared.table, XV_CHECK_DEEP, NULL), 0);
	xv_handle_table_get_stats(shared.table, &stats);
	assert_int_equal(stats.ids, 0);
	assert_int_equal(stats.pool.objects, 0);
	assert_true(atomic_load(&shared.moved) > 0);
	xv_handle_table_destroy(shared.table);
	provider_case_destroy(which, provider);
}

static void test_compaction_beside_threads(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		/* A provider has its own say about threads; 64K pages need more objects. */
		if (provider_cases[i].page_bytes == 4096)
			stress(&provider_cases[i], XV_LOCK_MUTEX);
	}
	stress(&provider_cases[0], XV_LOCK_SPIN);
	stress(&provider_cases[1], XV_LOCK_MUTEX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compaction_beside_threads),
	};

	print_message("XV_SEED=%llu\n", (unsigned long long)environment_number("XV_SEED", 2009));
	return cmocka_run_group_tests_name("handle_table_threads", tests, NULL, NULL);
}
