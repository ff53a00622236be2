/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_fixture.h: one pool over one provider, and the table that runs a test over
 * every provider, page size and alignment.
 *
 *	static void malloc_of_zero_is_refused(struct pool_fixture *f) { ... f->pool ... }
 *
 *	static const struct pool_test tests[] = {
 *		POOL_TEST(malloc_of_zero_is_refused, EACH_ALIGNMENT),
 *	};
 *
 *	int main(int argc, char **argv) { return pool_tests_run("name", tests, 1, argc, argv); }
 *
 * Each run begins with a fresh pool and ends with a deep check, and with the proof
 * that the provider has everything back. A program takes a pattern of test names
 * as its argument.
 *
 * Owns: pool, provider and the counting provider between them. May call: public
 * headers and CMocka. Locking: none; for one thread.
 */
#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <xvmalloc/pool.h>

#include "fault_provider.h"
#include "providers.h"
#include "test_flags.h"
#include "test_random.h"

/* Where a test runs. Without one of the flags: over every provider and page size,
 * alignment 4. */
enum {
	EACH_ALIGNMENT = 1 << 0, /* alignments 4, 8 and 16 */
	WITH_BASE = 1 << 1,      /* only where pages are always addressable */
	WITHOUT_BASE = 1 << 2,   /* only where they are not */
	ON_MMAP = 1 << 3,        /* only over the mmap provider */
	ANYWHERE_ONCE = 1 << 4,  /* needs no variety: one run */
};

enum { FIXTURE_PAGES = 64, FIXTURE_SEED = 0x2009 };

struct pool_fixture {
	const struct provider_case *which;
	uint32_t alignment;
	size_t page_bytes;
	struct xv_provider *inner;
	struct fault_provider fault; /* what the pool sees: counts and can fail */
	struct xv_pool *pool;
	uint64_t given_bytes; /* options.memory_bytes of the pool, 0 where it has none */
	uint32_t maps;        /* page maps that the test holds, where there is no base */
	bool shared;          /* other pools draw from the provider too */
	uint64_t random;      /* state for test_random.h */
};

struct pool_test {
	const char *name;
	void (*run)(struct pool_fixture *f);
	unsigned where;
};

#define POOL_TEST(function, where)                                                                 \
	{                                                                                          \
#function, function, where                                                         \
	}
#define POOL_TESTS_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

/* Run the tests; what main returns. */
int pool_tests_run(const char *group, const struct pool_test *tests, size_t count, int argc,
		   char **argv);

/* ---- making ---- */

/* Options with the fixture's alignment and a constant seed. */
void fixture_options(const struct pool_fixture *f, struct xv_pool_options *options);

/* End pool and provider and make both anew: so many pages, these options (NULL: the
 * fixture's own) and fault_provider_init flags. */
void fixture_remake(struct pool_fixture *f, size_t pages, const struct xv_pool_options *options,
		    uint32_t flags);

/* End the pool alone; the provider must then have everything back. */
void fixture_drop_pool(struct pool_fixture *f);

/* A pool with these options over the provider that is there. */
void fixture_make_pool(struct pool_fixture *f, const struct xv_pool_options *options);

/* For programs that vary the fixture in another way: without a pool yet. */
int fixture_open(struct pool_fixture *f, const struct provider_case *which, uint32_t alignment,
		 size_t pages, uint32_t flags);
void fixture_close(struct pool_fixture *f);

/* ---- proving ---- */

/* The checks, quick and deep, find nothing; held bytes are the sum of their parts and
 * are what the provider gave; nothing is mapped but what the test maps. */
void fixture_check(struct pool_fixture *f);

/* The same as a question, the cause printed. */
bool fixture_is_sound(struct pool_fixture *f);

struct xv_pool_stats fixture_stats(struct pool_fixture *f);

/* The same when what the pool keeps spare has gone back. */
struct xv_pool_stats fixture_trimmed_stats(struct pool_fixture *f);

/* Nothing that a caller can see has changed since these statistics were taken, but
 * the counts of refusals. Also checks. */
void fixture_assert_unchanged(struct pool_fixture *f, const struct xv_pool_stats *before);

/* ---- calls that must succeed ---- */

xv_handle fixture_malloc(struct pool_fixture *f, size_t size);
void fixture_free(struct pool_fixture *f, xv_handle handle);

/* Write, and prove, contents of an object through xv_write and xv_read. */
void fixture_fill(struct pool_fixture *f, xv_handle handle, uint32_t pattern);
void fixture_verify(struct pool_fixture *f, xv_handle handle, size_t size, uint32_t pattern);

/* Payload of a block of n times 16 bytes: the same block at every alignment. */
static inline size_t size_of_16(size_t n)
{
	return n * 16 - 4;
}

/* The largest object of one piece. */
size_t fixture_object_max(const struct pool_fixture *f);

/* What memory is obtained and given back in. */
static inline size_t fixture_grain_bytes(const struct pool_fixture *f)
{
	return f->page_bytes / xv_provider_page_grains(&f->fault.provider);
}

/* Allocate objects of this size until the pool refuses, which must be for want of
 * pages. Returns how many; handles beyond max are not stored. */
size_t fixture_fill_up(struct pool_fixture *f, size_t size, xv_handle *handles, size_t max);

#endif
