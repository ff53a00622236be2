/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The checker: each invariant that pool_impl.h numbers is broken on purpose, in every
 * way the checker looks at; it must name that number, and must repair nothing. White
 * box: src/core. One thread.
 */
#include "check_damages.h"

#include "free_list.h"

/* ---- proving it ---- */

static uint64_t hash_bytes(uint64_t hash, const void *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ ((const unsigned char *)memory)[i]) * 0x100000001B3U;
	return hash;
}

/* Of everything the checker sees, but the lock. */
static uint64_t hash_of(struct scene *s)
{
	struct xv_pool *pool = s->pool;
	size_t lists = xvi_free_lists_bytes(pool->page_bytes);
	uint32_t *words;
	uint64_t hash = hash_bytes(0xCBF29CE484222325U, &pool->limit_bytes,
				   (size_t)((char *)(pool + 1) - (char *)&pool->limit_bytes));

	hash = hash_bytes(hash, pool->lists.list_bits, lists);
	hash = hash_bytes(hash, pool->holes.records,
			  pool->holes.capacity * sizeof(struct xvi_hole));
	hash = hash_bytes(hash, pool->pages.records,
			  pool->pages.capacity * sizeof(struct xvi_page));
	words = xvi_page_map(pool, BLOCK_PAGE);
	hash = hash_bytes(hash, words, pool->page_bytes);
	xvi_page_unmap(pool, BLOCK_PAGE, words);
	return hash;
}

static bool report_is_right(const struct damage *damage, int err,
			    const struct xv_check_report *report)
{
	bool right = err == -XV_EBADMSG && report->invariant == damage->invariant &&
		     report->message[0] != '\0' && (!damage->in_page || report->page == BLOCK_PAGE);

	if (!right)
		print_error("%s: %d, invariant %u not %u, page %u: %s\n", damage->name, err,
			    report->invariant, damage->invariant, report->page, report->message);
	return right;
}

static bool damage_is_found(struct scene *s, const struct damage *damage)
{
	struct xv_check_report report;
	bool right;
	int err;

	damage->make(s);
	err = xv_pool_check(s->pool, XV_CHECK_DEEP, &report);
	right = report_is_right(damage, err, &report);
	err = xv_pool_check(s->pool, XV_CHECK_QUICK, &report);
	if (damage->quick)
		right = report_is_right(damage, err, &report) && right;
	scene_undo(s);
	return right;
}

static void each_broken_invariant_is_named_by_its_number(struct pool_fixture *f)
{
	struct scene s;
	bool all = true;

	scene_make(&s, f);
	for (size_t i = 0; i < damage_count; i++) {
		all = damage_is_found(&s, &damages[i]) && all;
		assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
	}
	assert_true(all);
}

static void the_checker_repairs_nothing(struct pool_fixture *f)
{
	struct scene s;

	scene_make(&s, f);
	for (size_t i = 0; i < damage_count; i++) {
		uint64_t before;

		damages[i].make(&s);
		before = hash_of(&s);
		assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), -XV_EBADMSG);
		assert_true(hash_of(&s) == before);
		scene_undo(&s);
	}
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, NULL), 0);
}

static void an_empty_page_must_be_listed(struct pool_fixture *f)
{
	struct xv_check_report report;
	struct scene s;

	scene_make(&s, f);
	xvi_page_unlist_empty(f->pool, EMPTY_PAGE);
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, &report), -XV_EBADMSG);
	assert_int_equal(report.invariant, 11);
	xvi_page_give_back(f->pool, EMPTY_PAGE);
}

static void the_report_names_page_and_offset(struct pool_fixture *f)
{
	struct xv_check_report report;
	struct scene s;

	scene_make(&s, f);
	scene_damage(&s, "check_field_wrong");
	assert_int_equal(xv_pool_check(f->pool, XV_CHECK_DEEP, &report), -XV_EBADMSG);
	assert_int_equal(report.page, BLOCK_PAGE);
	assert_int_equal(report.offset, s.unit[SECOND] * 4);
	scene_undo(&s);
}

static int count_object(void *context, xv_handle handle, size_t size)
{
	(void)handle;
	(void)size;
	++*(size_t *)context;
	return 0;
}

/* Where the chain of blocks is broken, what lies behind is out of reach. */
static void behind_a_broken_block_nothing_is_found(struct pool_fixture *f)
{
	struct scene s;
	xv_handle last;
	size_t visited = 0;

	scene_make(&s, f);
	last = xv_handle_at(BLOCK_PAGE, xv_handle_offset(s.handles[LAST]));
	assert_int_equal(xv_object_size(f->pool, last), 28);
	scene_damage(&s, "unlisted_block_without_length");
	assert_int_equal(xv_object_size(f->pool, last), -XV_EINVAL);
	assert_int_equal(xv_free(f->pool, last), -XV_EINVAL);
	assert_int_equal(xv_pool_walk(f->pool, count_object, &visited), 0);
	/* One block, the one object of the next page. */
	assert_int_equal(visited, 2);
	scene_undo(&s);
}

/* Write a header as the pool would, into an object, at this unit. */
static void forge_header(struct pool_fixture *f, xv_handle inside, uint32_t unit, uint32_t units)
{
	uint32_t word = page_word(f->pool, 0, handle_unit(inside));
	uint32_t check = xvi_place_hash(f->pool, 0, unit) & BLOCK_CHECK_MASK;

	word = block_resized(word, f->pool->unit_bits, units, 0);
	word &= ~((uint32_t)BLOCK_CHECK_MASK << BLOCK_CHECK_SHIFT);
	(void)page_word_set(f->pool, 0, unit, word | check << BLOCK_CHECK_SHIFT);
}

/* A forged header inside an object: the walk from the page's start knows better. */
static void a_forged_header_makes_no_object(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 400);
	uint32_t unit = handle_unit(handle) + 16;
	xv_handle forged = xv_handle_at(0, unit * 4 + 4);

	forge_header(f, handle, unit, f->pool->end_unit - unit);
	assert_int_equal(xv_object_size(f->pool, forged), -XV_EINVAL);
	assert_int_equal(xv_free(f->pool, forged), -XV_EINVAL);
	assert_int_equal(xv_object_size(f->pool, handle), 400);
}

/* The pointer calls do not walk, but look at what lies behind. */
static void a_forged_header_with_no_block_behind_it_is_refused(struct pool_fixture *f)
{
	xv_handle handle = fixture_malloc(f, 400);
	uint32_t unit = handle_unit(handle) + 16, behind = unit + 8;
	const uint32_t words[] = {
		UINT32_MAX,
		block_free_word(FREE_LISTED, f->pool->holes.capacity),
		block_free_word(FREE_LISTED, 1),
		block_free_word(FREE_UNLISTED, f->pool->end_unit),
		page_word(f->pool, 0, handle_unit(handle)) | BLOCK_PREV_FREE,
		7U << BLOCK_KIND_SHIFT,
	};
	unsigned char *ptr = xv_address_of(f->pool, handle);

	forge_header(f, handle, unit, 8);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		(void)page_word_set(f->pool, 0, behind, words[i]);
		assert_int_equal(xv_release(f->pool, ptr + 64), -XV_EINVAL);
		assert_int_equal(xv_usable_size(f->pool, ptr + 64), 0);
	}
	assert_int_equal(xv_release(f->pool, ptr), 0);
}

static const struct pool_test tests[] = {
	POOL_TEST(each_broken_invariant_is_named_by_its_number, EACH_ALIGNMENT),
	POOL_TEST(the_checker_repairs_nothing, 0),
	POOL_TEST(an_empty_page_must_be_listed, 0),
	POOL_TEST(behind_a_broken_block_nothing_is_found, EACH_ALIGNMENT),
	POOL_TEST(the_report_names_page_and_offset, 0),
	POOL_TEST(a_forged_header_makes_no_object, EACH_ALIGNMENT),
	POOL_TEST(a_forged_header_with_no_block_behind_it_is_refused, WITH_BASE | EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("pool_check", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
