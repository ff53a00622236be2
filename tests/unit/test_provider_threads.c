/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Providers used from several threads at once: no page is given to two of them, and
 * nobody's contents are lost when a neighbour's memory goes back.
 */
#include "provider_support.h"

#include "providers.h"

#include <pthread.h>

#define THREADS 3
#define PAGES_EACH 32
#define OPERATIONS 4000

struct worker {
	struct xv_provider *provider;
	uint64_t random;
	uint64_t id;
	bool good;
};

/* Write, or compare, the page's first word: whose it is, and which of his. */
static bool touch(struct worker *worker, uint32_t page, uint64_t stamp, bool write)
{
	struct xv_provider *provider = worker->provider;
	uint64_t *word = provider->ops->page_map(provider, page);
	bool good = word != NULL;

	if (good && write)
		*word = stamp;
	else if (good)
		good = *word == stamp;
	if (word != NULL)
		provider->ops->page_unmap(provider, page, word);
	return good;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct xv_provider *provider = worker->provider;
	uint32_t pages[PAGES_EACH];
	bool held[PAGES_EACH] = {false};

	worker->good = true;
	for (int i = 0; i < OPERATIONS && worker->good; i++) {
		uint32_t which = (uint32_t)(test_random(&worker->random) % PAGES_EACH);
		uint64_t stamp = worker->id << 32 | which;

		if (held[which]) {
			worker->good = touch(worker, pages[which], stamp, false);
			provider->ops->pages_free(provider, pages[which], 1);
		} else {
			worker->good = page_take(provider, &pages[which]) == 0 &&
				       touch(worker, pages[which], stamp, true);
		}
		held[which] = !held[which];
	}
	for (uint32_t which = 0; which < PAGES_EACH; which++) {
		if (held[which])
			provider->ops->pages_free(provider, pages[which], 1);
	}
	return NULL;
}

static void provider_gives_no_page_to_two_threads(void **state)
{
	uint64_t seed = test_seed("provider_threads");

	(void)state;
	for (size_t i = 0; i < PROVIDER_CASES; i++) {
		const struct provider_case *which = &provider_cases[i];
		struct xv_provider *provider = NULL;
		struct worker workers[THREADS];
		pthread_t threads[THREADS];
		uint64_t available;

		if (which->kind == PROVIDER_BUFFER ||
		    provider_case_create(which, 16 * MIB, &provider) != 0)
			continue;
		available = pages_left(provider);
		for (unsigned t = 0; t < THREADS; t++) {
			workers[t] = (struct worker){provider, seed + t, t + 1, false};
			assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
		}
		for (unsigned t = 0; t < THREADS; t++) {
			pthread_join(threads[t], NULL);
			assert_true(workers[t].good);
		}
		assert_int_equal(pages_left(provider), available);
		provider_case_destroy(which, provider);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider_gives_no_page_to_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
