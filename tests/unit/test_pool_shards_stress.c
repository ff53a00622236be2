/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Threads on a pool of several shards, over pages that are always addressable and over a window:
 * they make, read, write, map, resize and free each other's objects, while one compacts and one
 * checks, counts, walks and trims; with a limit that moves and without. The index of an object in
 * the table is its owner number. Who has a slot busy has its object to himself; while the handle is
 * in the table compaction may move the object, and who uses it tries again with the new handle.
 * Longer with XV_OPS. Meant for the thread sanitizer too. May call: public headers, POSIX threads,
 * C11 atomics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include "pattern.h"
#include "shards_world.h"
#include "test_random.h"

/* ---- one call on an object that may move meanwhile ---- */

typedef int object_call(struct worker *worker, xv_handle handle, struct object *object);

/* Again while the object is elsewhere by now. */
static int with_handle(struct worker *worker, struct object *object, object_call *call)
{
	xv_handle handle = atomic_load(&object->handle);
	int err;

	while ((err = call(worker, handle, object)) == -XV_EINVAL) {
		xv_handle now = atomic_load(&object->handle);

		atomic_fetch_add(&worker->world->bad_handles, 1);
		if (now == handle)
			break;
		handle = now;
	}
	return err;
}

static int call_read(struct worker *worker, xv_handle handle, struct object *object)
{
	return xv_read(worker->world->pool, handle, 0, worker->buffer, object->size);
}

static int call_write(struct worker *worker, xv_handle handle, struct object *object)
{
	return xv_write(worker->world->pool, handle, 0, worker->buffer, object->size);
}

static int call_size(struct worker *worker, xv_handle handle, struct object *object)
{
	(void)object;
	return xv_object_size(worker->world->pool, handle);
}

static void fill(struct worker *worker, struct object *object)
{
	int err;

	object->pattern = ++worker->patterns * THREADS + worker->number;
	pattern_fill(worker->buffer, object->size, object->pattern);
	err = with_handle(worker, object, call_write);
	expect(worker->world, err == 0, "write", err);
}

static void verify(struct worker *worker, struct object *object)
{
	int err = with_handle(worker, object, call_size);

	expect(worker->world, err == (int)object->size, "size", err);
	err = with_handle(worker, object, call_read);
	expect(worker->world, err == 0, "read", err);
	expect(worker->world, pattern_matches(worker->buffer, object->size, object->pattern),
	       "contents", object->size);
}

/* ---- steps ---- */

static uint32_t any_size(struct worker *worker)
{
	struct world *world = worker->world;
	size_t most = xv_pool_max_size(world->pool);
	size_t order = random_below(&worker->random, 24);

	if (order == 0 && most >= SIZE_MAX_BYTES)
		return 1 + (uint32_t)random_below(&worker->random, SIZE_MAX_BYTES);
	if (most > world->kind->page_bytes - 8U)
		most = world->kind->page_bytes;
	/* Some that are copied in several turns, where pages are large. */
	if (order < 4)
		return (uint32_t)(most - random_below(&worker->random, most / 2));
	return 1 + (uint32_t)random_below(&worker->random, order < 12 ? 3000 : 400);
}

static bool is_no_room(struct worker *worker, int err)
{
	struct world *world = worker->world;

	if (err == -XV_ENOSPC && world->kind->limit != 0)
		atomic_fetch_add(&world->no_room, 1);
	return err == -XV_ENOSPC && world->kind->limit != 0;
}

static int make_by(struct worker *worker, uint32_t owner, uint32_t size, xv_handle *handle)
{
	struct xv_pool *pool = worker->world->pool;
	int err;

	switch (random_below(&worker->random, 8)) {
	case 0:
		return xv_malloc_aligned(pool, size < 2000 ? size : 2000, 64, handle);
	case 1:
		err = xv_calloc(pool, 1, size, handle);
		if (err == 0 && (worker->world->kind->flags & XV_POOL_OWNERS) != 0)
			err = xv_set_owner(pool, *handle, owner);
		return err;
	default:
		return xv_malloc_owned(pool, size, owner, handle);
	}
}

static void make(struct worker *worker, uint32_t slot)
{
	struct world *world = worker->world;
	struct object *object = &world->object[slot];
	xv_handle handle = XV_NULL_HANDLE;
	int err = make_by(worker, slot, any_size(worker), &handle);

	expect(world, err == 0 || is_no_room(worker, err), "malloc", err);
	if (err != 0)
		return;
	atomic_fetch_add(&world->made, 1);
	err = xv_object_size(world->pool, handle);
	expect(world, err > 0, "size of a new one", err);
	object->size = (uint32_t)err;
	object->maker = worker->number;
	atomic_store(&object->handle, handle);
	fill(worker, object);
}

/* With the handle out of the table nothing moves it any more. */
static void drop(struct worker *worker, struct object *object)
{
	xv_handle handle = atomic_exchange(&object->handle, XV_NULL_HANDLE);
	int err = xv_free(worker->world->pool, handle);

	expect(worker->world, err == 0, "free", err);
	atomic_fetch_add(&worker->world->freed, 1);
}

static void resize(struct worker *worker, struct object *object)
{
	struct world *world = worker->world;
	uint32_t size = any_size(worker);
	uint32_t kept = size < object->size ? size : object->size;
	xv_handle handle = atomic_exchange(&object->handle, XV_NULL_HANDLE);
	int err = xv_realloc(world->pool, &handle, size);

	expect(world, err == 0 || err == -XV_EBUSY || err == -XV_E2BIG || is_no_room(worker, err),
	       "realloc", err);
	atomic_store(&object->handle, handle);
	if (err != 0)
		return;
	object->size = kept;
	err = with_handle(worker, object, call_read);
	expect(world, err == 0, "read after realloc", err);
	expect(world, pattern_matches(worker->buffer, kept, object->pattern),
	       "contents after realloc", kept);
	object->size = size;
	fill(worker, object);
}

/* Map, change all, and unmap, now and then of an object that was freed meanwhile. */
static void map(struct worker *worker, struct object *object)
{
	struct world *world = worker->world;
	xv_handle handle = atomic_exchange(&object->handle, XV_NULL_HANDLE);
	void *ptr = NULL;
	int err = xv_map(world->pool, handle, &ptr);
	bool drops = err == 0 && random_below(&worker->random, 3) == 0;

	expect(world, err == 0 || err == -XV_ESPLIT || (err == -XV_EAGAIN && world->kind->window),
	       "map", err);
	atomic_fetch_add(&world->maps_refused, err == -XV_EAGAIN);
	if (err == 0) {
		uint32_t maps = atomic_fetch_add(&world->maps, 1) + 1;

		expect(world, !world->kind->window || maps <= SPARE_SLOTS, "maps at once", maps);
		atomic_fetch_add(&world->maps_made, 1);
		expect(world, pattern_matches(ptr, object->size, object->pattern), "mapped bytes",
		       object->size);
		object->pattern = ++worker->patterns * THREADS + worker->number;
		pattern_fill(ptr, object->size, object->pattern);
		sched_yield();
	}
	if (drops) {
		expect(world, xv_free(world->pool, handle) == 0, "free of a mapped one", 0);
		atomic_fetch_add(&world->freed, 1);
	}
	if (err == 0) {
		/* Those of a freed one may be another's by now. */
		expect(world, drops || pattern_matches(ptr, object->size, object->pattern),
		       "mapped bytes later", object->size);
		atomic_fetch_sub(&world->maps, 1);
		err = xv_unmap(world->pool, handle, ptr);
		expect(world, err == 0, "unmap", err);
	}
	atomic_store(&object->handle, drops ? XV_NULL_HANDLE : handle);
}

static void work_once(struct worker *worker)
{
	uint32_t slot = (uint32_t)random_below(&worker->random, SLOTS);
	struct object *object = &worker->world->object[slot];

	if (atomic_flag_test_and_set_explicit(&object->busy, memory_order_acquire))
		return;
	if (atomic_load(&object->handle) == XV_NULL_HANDLE) {
		make(worker, slot);
	} else {
		verify(worker, object);
		switch (random_below(&worker->random, 8)) {
		case 0:
			resize(worker, object);
			break;
		case 1:
			fill(worker, object);
			break;
		case 2:
			map(worker, object);
			break;
		case 3:
			break;
		default:
			drop(worker, object);
			break;
		}
	}
	atomic_flag_clear_explicit(&object->busy, memory_order_release);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct world *world = worker->world;

	for (uint64_t i = 0; i < world->ops && atomic_load(&world->errors) == 0; i++) {
		work_once(worker);
		/* On a machine with few CPUs, so that each comes to have the others' objects. */
		if (i % 16 == 0)
			sched_yield();
	}
	atomic_fetch_sub(&world->running, 1);
	return NULL;
}

/* ---- the others ---- */

static void *compact(void *argument)
{
	struct world *world = argument;
	uint64_t random = 1;

	while (atomic_load(&world->running) != 0) {
		int err = xv_compact(world->pool, 1 + random_below(&random, 100000), NULL);

		expect(world, err == 0 || (world->kind->flags & XV_POOL_OWNERS) == 0, "compact",
		       err);
		(void)xv_compactable(world->pool);
		sched_yield();
	}
	return NULL;
}

/* Objects come and go meanwhile. */
static int look_at(void *context, xv_handle handle, size_t size)
{
	struct world *world = context;
	int is = xv_object_size(world->pool, handle);

	expect(world, size != 0 && (is > 0 || is == -XV_EINVAL), "walked size", is);
	atomic_fetch_add(&world->bad_handles, is == -XV_EINVAL);
	return 0;
}

static void check(struct world *world)
{
	struct xv_check_report report = {.message = ""};
	int err = xv_pool_check(world->pool, XV_CHECK_DEEP, &report);

	expect(world, err == 0, report.message, report.invariant);
	err = xv_pool_check(world->pool, XV_CHECK_QUICK, &report);
	expect(world, err == 0, report.message, report.invariant);
}

static void count(struct world *world)
{
	struct xv_pool_stats s;

	xv_pool_get_stats(world->pool, &s);
	expect(world,
	       s.held_bytes == s.requested_bytes + s.header_bytes + s.owner_bytes + s.link_bytes +
				       s.rounding_bytes + s.free_bytes + s.spare_bytes +
				       s.table_bytes,
	       "held is the sum of its parts", (int64_t)s.held_bytes);
	expect(world, s.mallocs - s.frees == s.objects, "mallocs - frees", (int64_t)s.objects);
	expect(world, s.page_allocs - s.page_frees == s.pages, "pages", (int64_t)s.pages);
	expect(world, s.peak_held_bytes >= s.held_bytes, "peak", (int64_t)s.peak_held_bytes);
	expect(world, world->kind->limit == 0 || s.peak_held_bytes <= world->kind->limit,
	       "the limit", (int64_t)s.peak_held_bytes);
	expect(world, s.table_bytes <= s.held_bytes, "tables did not wrap around",
	       (int64_t)s.table_bytes);
}

/* To anything from a quarter of it to all. */
static void move_limit(struct world *world, uint64_t *random)
{
	uint64_t least = world->kind->limit / 4;

	if (world->kind->limit != 0)
		xv_pool_set_limit(world->pool,
				  least + random_below(random, (size_t)(3 * least + 1)));
}

static void *watch(void *argument)
{
	struct world *world = argument;
	uint64_t random = 2;

	for (uint32_t i = 0; atomic_load(&world->running) != 0; i++) {
		count(world);
		if (i % 4 == 0)
			check(world);
		if (i % 4 == 1)
			(void)xv_pool_trim(world->pool);
		if (i % 8 == 2)
			expect(world, xv_pool_walk(world->pool, look_at, world) == 0, "walk", 0);
		if (i % 8 == 3)
			move_limit(world, &random);
		sched_yield();
	}
	return NULL;
}

/* ---- a world ---- */

static int provider_make(const struct kind *kind, struct xv_provider **provider)
{
	struct xv_provider_highmem_options window;
	struct xv_provider_mmap_options pages;

	if (kind->window) {
		xv_provider_highmem_options_init(&window);
		window.page_bytes = kind->page_bytes;
		window.max_bytes = PROVIDER_BYTES;
		window.window_slots = 2 * kind->shards + SPARE_SLOTS;
		return xv_provider_highmem_create(provider, &window);
	}
	xv_provider_mmap_options_init(&pages);
	pages.page_bytes = kind->page_bytes;
	pages.reserve_bytes = PROVIDER_BYTES;
	return xv_provider_mmap_create(provider, &pages);
}

static struct world *world_open(const struct kind *kind)
{
	struct world *world = test_calloc(1, sizeof(*world));
	struct xv_pool_options options;

	world->kind = kind;
	world->ops = test_repeats("XV_OPS", OPS);
	for (uint32_t i = 0; i < SLOTS; i++)
		atomic_flag_clear(&world->object[i].busy);
	assert_int_equal(provider_make(kind, &world->provider), 0);
	xv_pool_options_init(&options);
	options_set_flags(&options, kind->flags);
	options.owner_ops = &owner_ops;
	options.owner_context = world;
	options.shards = kind->shards;
	options.limit_bytes = kind->limit;
	options.lock = kind->lock;
	assert_int_equal(xv_pool_create(&world->pool, world->provider, &options), 0);
	return world;
}

static void provider_end(struct world *world)
{
	struct xv_provider_highmem_stats stats;

	if (!world->kind->window) {
		xv_provider_mmap_destroy(world->provider);
		return;
	}
	xv_provider_highmem_stats(world->provider, &stats);
	assert_int_equal(stats.misuse, 0);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.mapped_now, 0);
	xv_provider_highmem_destroy(world->provider);
}

static void world_close(struct world *world)
{
	xv_pool_destroy(world->pool);
	provider_end(world);
	test_free(world);
}

static void run_threads(struct world *world, struct worker *workers)
{
	pthread_t others[2];

	atomic_store(&world->running, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].world = world;
		workers[i].number = i;
		workers[i].random = environment_number("XV_SEED", 2009) * THREADS + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	assert_int_equal(pthread_create(&others[0], NULL, compact, world), 0);
	assert_int_equal(pthread_create(&others[1], NULL, watch, world), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(others[i], NULL), 0);
}

/* No free was lost, and no call was refused but those that were told so. */
static void all_is_counted(struct world *world)
{
	struct xv_pool_stats stats;
	uint64_t live = 0, bytes = 0;

	check(world);
	count(world);
	for (uint32_t i = 0; i < SLOTS; i++) {
		bool lives = atomic_load(&world->object[i].handle) != XV_NULL_HANDLE;

		live += lives;
		bytes += lives ? world->object[i].size : 0;
	}
	xv_pool_get_stats(world->pool, &stats);
	assert_int_equal(stats.objects, live);
	assert_int_equal(stats.requested_bytes, bytes);
	assert_int_equal(stats.mallocs, atomic_load(&world->made));
	assert_int_equal(stats.frees, atomic_load(&world->freed));
	assert_int_equal(stats.remote_waiting, 0);
	assert_int_equal(stats.bad_handles, atomic_load(&world->bad_handles));
	assert_int_equal(atomic_load(&world->errors), 0);
}

static void end_all(struct world *world, struct worker *worker)
{
	struct xv_pool_stats stats;

	all_is_counted(world);
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (atomic_load(&world->object[i].handle) == XV_NULL_HANDLE)
			continue;
		verify(worker, &world->object[i]);
		drop(worker, &world->object[i]);
	}
	all_is_counted(world);
	(void)xv_pool_trim(world->pool);
	all_is_counted(world);
	xv_pool_get_stats(world->pool, &stats);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.held_bytes, stats.table_bytes);
}

static void threads_keep_their_contents(const struct kind *kind)
{
	struct world *world = world_open(kind);
	struct worker *workers = test_calloc(THREADS, sizeof(*workers));
	struct xv_pool_stats stats;

	run_threads(world, workers);
	xv_pool_get_stats(world->pool, &stats);
	print_message("%s, %u shards, flags %u, limit %llu: %llu frees, %llu left to a shard, %llu "
		      "moves, %llu bad handles, %llu without room, %llu maps, %llu refused\n",
		      kind->name, (unsigned)kind->shards, (unsigned)kind->flags,
		      (unsigned long long)kind->limit, (unsigned long long)stats.frees,
		      (unsigned long long)stats.remote_frees,
		      (unsigned long long)atomic_load(&world->moves),
		      (unsigned long long)stats.bad_handles,
		      (unsigned long long)atomic_load(&world->no_room),
		      (unsigned long long)atomic_load(&world->maps_made),
		      (unsigned long long)atomic_load(&world->maps_refused));
	end_all(world, &workers[0]);
	test_free(workers);
	world_close(world);
}

static void every_kind(const char *name, bool window, uint32_t page_bytes)
{
	static const uint32_t flags[] = {XV_POOL_SPLIT | XV_POOL_OWNERS, XV_POOL_OWNERS,
					 XV_POOL_SPLIT | XV_POOL_OWNERS | TEST_KEYED};

	for (uint32_t shards = 2; shards <= 4; shards++) {
		struct kind kind = {.name = name,
				    .window = window,
				    .page_bytes = page_bytes,
				    .shards = shards,
				    .flags = flags[shards - 2]};

		threads_keep_their_contents(&kind);
		/* Room for some of the objects. */
		kind.limit = page_bytes > 4096 ? 700000 : 250000;
		kind.lock = XV_LOCK_MUTEX;
		threads_keep_their_contents(&kind);
	}
}

static void small_addressable_pages(void **state)
{
	(void)state;
	every_kind("mmap/4K", false, 4096);
}

static void large_addressable_pages(void **state)
{
	(void)state;
	every_kind("mmap/64K", false, 65536);
}

static void small_pages_behind_a_window(void **state)
{
	(void)state;
	if (sysconf(_SC_PAGESIZE) > 4096)
		skip();
	every_kind("highmem/4K", true, 4096);
}

static void large_pages_behind_a_window(void **state)
{
	(void)state;
	every_kind("highmem/64K", true, 65536);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_addressable_pages),
		cmocka_unit_test(large_addressable_pages),
		cmocka_unit_test(small_pages_behind_a_window),
		cmocka_unit_test(large_pages_behind_a_window),
	};

	fprintf(stderr, "pool_shards_stress: XV_SEED=%llu\n",
		(unsigned long long)environment_number("XV_SEED", 2009));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pool_shards_stress", tests, NULL, NULL) != 0;
}
