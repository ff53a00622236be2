/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * notify_free is counted as kernel zram counts it: the same requests to both, the same
 * figure after each. Needs root and a kernel with zram; skipped otherwise.
 */
#include "test_ramz_support.h"

#include <inttypes.h>

#include "registry.h"

enum { PAGES = 256, REQUESTS = 400, MOST_PAGES = 24 };

static const struct xvfrag_plugin *const zram = &xvm_allocator_zram;

static uint64_t zram_notify_free(const void *heap)
{
	uint64_t failed_reads, failed_writes, invalid_io, notify_free = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/zram%u/io_stat", xvm_zram_number(heap));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64, &failed_reads,
				&failed_writes, &invalid_io, &notify_free),
			 4);
	fclose(file);
	return notify_free;
}

static void notify_free_is_what_the_kernel_counts(void **state)
{
	static _Alignas(PAGE) unsigned char pages[MOST_PAGES * PAGE];
	struct ramz *store = store_open(PAGES);
	char why[XVFRAG_PLUGIN_WHY_BYTES] = "";
	const struct xvfrag_plugin_config config = {
		.codec = "lzo", .max_objects = PAGES, .why = why};
	void *heap = zram->create(&config);
	uint64_t seed = 2009;

	(void)state;
	if (heap == NULL)
		fail_msg("%s", why);
	for (int i = 0; i < REQUESTS; i++) {
		uint64_t index = random_below(&seed, PAGES);
		uint64_t most = PAGES - index < MOST_PAGES ? PAGES - index : MOST_PAGES;
		uint64_t count = 1 + random_below(&seed, (size_t)most);

		if (random_below(&seed, 2) == 0) {
			for (uint64_t page = 0; page < count; page++) {
				page_fill(pages + page * PAGE, PAGE, random_next(&seed));
				assert_int_equal(
					zram->write(heap, index + page, pages + page * PAGE, PAGE),
					0);
			}
			assert_int_equal(
				ramz_write(store, index * PAGE, pages, (size_t)count * PAGE, NULL),
				0);
		} else {
			for (uint64_t page = index; page < index + count; page++)
				assert_int_equal(zram->free(heap, page, PAGE), 0);
			assert_int_equal(ramz_discard(store, index * PAGE, count * PAGE), 0);
		}
		assert_int_equal(store_stats(store).io_stat.notify_free, zram_notify_free(heap));
	}
	zram->destroy(heap);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_free_is_what_the_kernel_counts),
	};
	char why[XVFRAG_PLUGIN_WHY_BYTES];

	if (xvm_zram_available(why) != 0) {
		printf("skipped: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
