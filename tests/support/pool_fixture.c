/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pool_fixture.c: see pool_fixture.h for what this owns, may call and how it is
 * locked. Everything is O(pages) or better.
 */
#include "pool_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

enum { TEST_NAME_BYTES = 160, ALIGNMENTS = 3, OBJECT_BYTES_MAX = 65536 };

static const uint32_t alignments[ALIGNMENTS] = {4, 8, 16};

/* ---- making ---- */

void fixture_options(const struct pool_fixture *f, struct xv_pool_options *options)
{
	xv_pool_options_init(options);
	options->alignment = f->alignment;
	options->seed = FIXTURE_SEED;
	/* What a test expects of places and counters must not depend on where it runs: more
	 * shards are for the tests that ask for them. */
	options->shards = (uint32_t)environment_number("XV_SHARDS", 1);
}

int fixture_open(struct pool_fixture *f, const struct provider_case *which, uint32_t alignment,
		 size_t pages, uint32_t flags)
{
	int err;

	memset(f, 0, sizeof(*f));
	f->which = which;
	f->alignment = alignment;
	f->page_bytes = which->page_bytes;
	f->random = environment_number("XV_SEED", FIXTURE_SEED);
	err = provider_case_create(which, pages * f->page_bytes, &f->inner);
	if (err == 0)
		fault_provider_init(&f->fault, f->inner, flags);
	return err;
}

void fixture_close(struct pool_fixture *f)
{
	xv_pool_destroy(f->pool);
	f->pool = NULL;
	provider_case_destroy(f->which, f->inner);
	f->inner = NULL;
}

/* With as many shards as asked for, where the provider lets a pool have them. */
static int pool_create(struct pool_fixture *f, const struct xv_pool_options *options)
{
	struct xv_pool_options one = *options;
	int err = xv_pool_create(&f->pool, &f->fault.provider, options);

	if (err != -XV_ENOTSUP || environment_number("XV_SHARDS", 1) == 1)
		return err;
	one.shards = 1;
	return xv_pool_create(&f->pool, &f->fault.provider, &one);
}

void fixture_make_pool(struct pool_fixture *f, const struct xv_pool_options *options)
{
	struct xv_pool_options own;

	fixture_options(f, &own);
	if (options == NULL)
		options = &own;
	assert_null(f->pool);
	assert_int_equal(pool_create(f, options), 0);
	assert_non_null(f->pool);
	f->given_bytes = options->memory != NULL ? options->memory_bytes : 0;
}

void fixture_drop_pool(struct pool_fixture *f)
{
	xv_pool_destroy(f->pool);
	f->pool = NULL;
	assert_int_equal(f->fault.pages_now, 0);
	assert_int_equal(f->fault.mapped_now, 0);
	assert_int_equal(f->fault.meta_reservations_now, 0);
	assert_int_equal(f->fault.meta_committed_now, 0);
}

void fixture_remake(struct pool_fixture *f, size_t pages, const struct xv_pool_options *options,
		    uint32_t flags)
{
	uint64_t random = f->random;

	fixture_drop_pool(f);
	fixture_close(f);
	assert_int_equal(fixture_open(f, f->which, f->alignment, pages, flags), 0);
	f->random = random;
	fixture_make_pool(f, options);
}

/* ---- proving ---- */

struct xv_pool_stats fixture_stats(struct pool_fixture *f)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(f->pool, &stats);
	return stats;
}

struct xv_pool_stats fixture_trimmed_stats(struct pool_fixture *f)
{
	(void)xv_pool_trim(f->pool);
	return fixture_stats(f);
}

static bool sound(bool good, const char *what)
{
	if (!good)
		print_error("not so: %s\n", what);
	return good;
}

static bool check_is_clean(struct pool_fixture *f, enum xv_check_level level)
{
	struct xv_check_report report;
	int err = xv_pool_check(f->pool, level, &report);

	if (err == 0 && report.invariant == 0)
		return true;
	print_error("check: %d, invariant %" PRIu32 ", page %" PRIu32 ", offset %" PRIu32 ": %s\n",
		    err, report.invariant, report.page, report.offset, report.message);
	return false;
}

/* What the provider gave for this pool's pages. */
static uint64_t provider_page_bytes(const struct pool_fixture *f)
{
	if (xv_provider_page_grains(&f->fault.provider) > 1)
		return (uint64_t)f->fault.grains_now << f->fault.provider.grain_shift;
	return (uint64_t)f->fault.pages_now * f->page_bytes;
}

/* Tables may have memory that was never touched, which is not held. */
static bool held_is_true(const struct pool_fixture *f, uint64_t held)
{
	uint64_t pages = provider_page_bytes(f);
	uint64_t tables = f->given_bytes != 0 ? f->given_bytes : f->fault.meta_committed_now;

	if (f->inner->ops->overhead_bytes != NULL)
		tables += f->inner->ops->overhead_bytes(f->inner);
	return held > pages && held - pages <= tables;
}

static bool stats_add_up(struct pool_fixture *f)
{
	struct xv_pool_stats s = fixture_stats(f);

	return sound(s.held_bytes == s.requested_bytes + s.header_bytes + s.owner_bytes +
					     s.link_bytes + s.rounding_bytes + s.free_bytes +
					     s.spare_bytes + s.table_bytes,
		     "held is the sum of its parts") &&
	       sound(s.free_bytes <= s.held_bytes, "free did not wrap around") &&
	       sound(s.page_bytes == f->page_bytes, "page_bytes is the provider's") &&
	       sound(s.mallocs - s.frees == s.objects, "mallocs - frees is what is live") &&
	       sound(s.page_allocs - s.page_frees == s.pages, "page_allocs - page_frees") &&
	       /* Another pool may have let the provider's own overhead grow. */
	       (f->shared ||
		(sound(s.peak_held_bytes >= s.held_bytes, "the peak is not below held") &&
		 sound(s.pages == f->fault.pages_now, "pages are those the provider gave") &&
		 sound(held_is_true(f, s.held_bytes), "held is what the provider gave")));
}

bool fixture_is_sound(struct pool_fixture *f)
{
	bool good = sound(f->fault.mapped_now == f->maps, "nothing is mapped between calls");

	return check_is_clean(f, XV_CHECK_QUICK) && check_is_clean(f, XV_CHECK_DEEP) &&
	       stats_add_up(f) && good;
}

void fixture_check(struct pool_fixture *f)
{
	assert_true(fixture_is_sound(f));
}

void fixture_assert_unchanged(struct pool_fixture *f, const struct xv_pool_stats *before)
{
	struct xv_pool_stats now = fixture_stats(f);

	assert_int_equal(now.requested_bytes, before->requested_bytes);
	assert_int_equal(now.header_bytes, before->header_bytes);
	assert_int_equal(now.owner_bytes, before->owner_bytes);
	assert_int_equal(now.link_bytes, before->link_bytes);
	assert_int_equal(now.split_objects, before->split_objects);
	assert_int_equal(now.pieces, before->pieces);
	assert_int_equal(now.rounding_bytes, before->rounding_bytes);
	assert_int_equal(now.free_bytes, before->free_bytes);
	assert_int_equal(now.spare_bytes, before->spare_bytes);
	assert_int_equal(now.objects, before->objects);
	assert_int_equal(now.pages, before->pages);
	assert_int_equal(now.mallocs, before->mallocs);
	assert_int_equal(now.frees, before->frees);
	fixture_check(f);
}

/* ---- calls that must succeed ---- */

xv_handle fixture_malloc(struct pool_fixture *f, size_t size)
{
	xv_handle handle = XV_NULL_HANDLE;

	assert_int_equal(xv_malloc(f->pool, size, &handle), 0);
	assert_int_not_equal(handle, XV_NULL_HANDLE);
	return handle;
}

void fixture_free(struct pool_fixture *f, xv_handle handle)
{
	assert_int_equal(xv_free(f->pool, handle), 0);
}

/* Of the objects that tests fill: those of several pages, too. */
enum { CONTENT_BYTES_MAX = 4 * OBJECT_BYTES_MAX };

void fixture_fill(struct pool_fixture *f, xv_handle handle, uint32_t pattern)
{
	static unsigned char buffer[CONTENT_BYTES_MAX];
	int size = xv_object_size(f->pool, handle);

	assert_true(size > 0 && (size_t)size <= sizeof(buffer));
	pattern_fill(buffer, (size_t)size, pattern);
	assert_int_equal(xv_write(f->pool, handle, 0, buffer, (size_t)size), 0);
}

void fixture_verify(struct pool_fixture *f, xv_handle handle, size_t size, uint32_t pattern)
{
	static unsigned char buffer[CONTENT_BYTES_MAX];

	assert_true(size <= sizeof(buffer));
	assert_int_equal(xv_object_size(f->pool, handle), (int)size);
	assert_int_equal(xv_read(f->pool, handle, 0, buffer, size), 0);
	assert_true(pattern_matches(buffer, size, pattern));
}

size_t fixture_object_max(const struct pool_fixture *f)
{
	return (f->page_bytes - (f->alignment - 4)) / f->alignment * f->alignment - 4;
}

size_t fixture_fill_up(struct pool_fixture *f, size_t size, xv_handle *handles, size_t max)
{
	xv_handle handle;
	size_t count = 0;
	int err;

	while ((err = xv_malloc(f->pool, size, &handle)) == 0) {
		if (count < max)
			handles[count] = handle;
		count++;
	}
	assert_int_equal(err, -XV_ENOMEM);
	return count;
}

/* ---- the table of runs ---- */

struct pool_run {
	const struct pool_test *test;
	const struct provider_case *which;
	uint32_t alignment;
	struct pool_fixture fixture;
	char name[TEST_NAME_BYTES];
};

static int run_setup(void **state)
{
	struct pool_run *run = *state;
	int err = fixture_open(&run->fixture, run->which, run->alignment, FIXTURE_PAGES, 0);

	if (err == -XV_ENOTSUP)
		return 0;
	assert_int_equal(err, 0);
	fixture_make_pool(&run->fixture, NULL);
	return 0;
}

static void run_body(void **state)
{
	struct pool_run *run = *state;

	if (run->fixture.inner == NULL)
		skip();
	run->test->run(&run->fixture);
	if (run->fixture.pool != NULL) {
		fixture_check(&run->fixture);
		fixture_drop_pool(&run->fixture);
	}
}

static int run_teardown(void **state)
{
	struct pool_run *run = *state;

	if (run->fixture.inner != NULL)
		fixture_close(&run->fixture);
	return 0;
}

static bool runs_here(const struct pool_test *test, const struct provider_case *which, size_t align)
{
	if ((test->where & ANYWHERE_ONCE) != 0)
		return which == &provider_cases[0] && align == 0;
	if ((test->where & WITH_BASE) != 0 && !which->has_base)
		return false;
	if ((test->where & WITHOUT_BASE) != 0 && which->has_base)
		return false;
	if ((test->where & ON_MMAP) != 0 && which->kind != PROVIDER_MMAP)
		return false;
	if ((test->where & EACH_ALIGNMENT) == 0)
		return align == 0;
	/* Each alignment still, but not with each provider. */
	return test_shorter() == 1 || align == (size_t)(which - provider_cases) % ALIGNMENTS;
}

/* Fill in one run and the CMocka test for it. */
static void run_describe(struct pool_run *run, struct CMUnitTest *unit,
			 const struct pool_test *test, const struct provider_case *which,
			 uint32_t alignment)
{
	run->test = test;
	run->which = which;
	run->alignment = alignment;
	snprintf(run->name, sizeof(run->name), "%s %s align=%" PRIu32, test->name, which->name,
		 alignment);
	*unit = (struct CMUnitTest){run->name, run_body, run_setup, run_teardown, run};
}

static size_t runs_describe(struct pool_run *runs, struct CMUnitTest *units,
			    const struct pool_test *tests, size_t count)
{
	size_t n = 0;

	for (size_t t = 0; t < count; t++) {
		for (size_t c = 0; c < PROVIDER_CASES; c++) {
			for (size_t a = 0; a < ALIGNMENTS; a++) {
				if (!runs_here(&tests[t], &provider_cases[c], a) ||
				    !provider_case_has_turn(&provider_cases[c], t))
					continue;
				run_describe(&runs[n], &units[n], &tests[t], &provider_cases[c],
					     alignments[a]);
				n++;
			}
		}
	}
	return n;
}

int pool_tests_run(const char *group, const struct pool_test *tests, size_t count, int argc,
		   char **argv)
{
	size_t max = count * PROVIDER_CASES * ALIGNMENTS;
	struct pool_run *runs = calloc(max, sizeof(*runs));
	struct CMUnitTest *units = calloc(max, sizeof(*units));
	int failed = 1;

	fprintf(stderr, "%s: XV_SEED=%" PRIu64 "\n", group,
		environment_number("XV_SEED", FIXTURE_SEED));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (runs != NULL && units != NULL)
		failed = _cmocka_run_group_tests(
			group, units, runs_describe(runs, units, tests, count), NULL, NULL);
	free(units);
	free(runs);
	return failed != 0;
}
