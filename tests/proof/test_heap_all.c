/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_all.c: all sequences of steps on a heap of two small pages, up to a length, for several
 * shapes of a heap: mallocs of the sizes that matter, frees, resizes, victims, pins, memory given
 * back, with any one call of the source failing, or any two. After each step everything is checked
 * (small_heap.h). A state that was met before is not followed again; states are told apart by 64
 * bits of a hash, so with a million states the chance that one is missed is below 1 in 10 million.
 *
 * XV_PROOF_STATES: states a shape, at most, instead of what the suite has time for; the last length
 * may be cut by it, and what is printed as "whole" is not.
 * XV_PROOF_FAILURES: failing calls in a step, 0 to 2.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "small_heap.h"
#include "test_random.h"

enum { STEPS_MAX = 1024, LENGTH_MAX = 64 };

/* A state is the step that led to it. */
struct node {
	uint32_t parent;
	struct small_step step;
};

struct search {
	const struct small_shape *shape;
	struct node *nodes;
	uint64_t *seen; /* hashes; 0 = none */
	uint64_t seen_mask;
	uint32_t count;
	uint32_t most;
	uint32_t failures; /* calls that fail in a step */
	uint64_t steps;
	uint32_t at; /* the node that is followed */
	struct small_step step;
	struct small_heap state;
};

static struct search search;

/* ---- a sequence in words ---- */

static void print_step(const struct small_step *step)
{
	static const char *const name[] = {
		"malloc",    "malloc aligned", "fast malloc",    "part",      "free",
		"fast free", "resize",         "victim",         "no victim", "pin",
		"give back", "give all",       "shrink records", "clear"};

	(void)fprintf(stderr, "  %s %u %u, failing calls %#x\n", name[step->action], step->a,
		      step->b, step->fails);
}

static void print_path(uint32_t node)
{
	if (node != 0) {
		print_path(search.nodes[node].parent);
		print_step(&search.nodes[node].step);
	}
}

static void print_sequence(const char *error)
{
	(void)fprintf(stderr, "%s: %s, after:\n", search.shape->name, error);
	print_path(search.at);
	print_step(&search.step);
}

static void on_trap(int number)
{
	(void)number;
	print_sequence("an assertion or a bad access");
	_Exit(1);
}

/* ---- the search ---- */

/* Was this state met before? Notes it. */
static bool is_new(uint64_t hash)
{
	uint64_t i = hash & search.seen_mask;

	while (search.seen[i] != 0 && search.seen[i] != hash)
		i = (i + 1) & search.seen_mask;
	if (search.seen[i] == hash)
		return false;
	search.seen[i] = hash;
	return true;
}

static void go_to(uint32_t node)
{
	if (node == 0) {
		small_init(search.shape);
		return;
	}
	go_to(search.nodes[node].parent);
	(void)small_do(search.shape, &search.nodes[node].step);
}

/* From the state, one step. Returns the calls in it that may fail. */
static uint32_t try_step(const struct small_step *step)
{
	const char *error;

	small = search.state;
	search.step = *step;
	search.steps++;
	error = small_do(search.shape, step);
	if (error == NULL)
		error = small_check();
	if (error != NULL) {
		print_sequence(error);
		fail();
	}
	if (search.count < search.most && is_new(small_hash()))
		search.nodes[search.count++] = (struct node){.parent = search.at, .step = *step};
	return small.calls < SMALL_CALLS ? small.calls : SMALL_CALLS;
}

/* The step with each choice of at most `left` more failing calls, from the call `from` on. */
static void try_failures(struct small_step step, uint32_t from, uint32_t left)
{
	uint32_t calls = try_step(&step);

	for (uint32_t i = from; left != 0 && i < calls; i++) {
		struct small_step failing = step;

		failing.fails = (uint16_t)(step.fails | 1U << i);
		try_failures(failing, i + 1, left - 1);
	}
}

static void follow(uint32_t node)
{
	static struct small_step steps[STEPS_MAX];
	uint32_t count;

	search.at = node;
	go_to(node);
	search.state = small;
	count = small_steps(search.shape, steps, STEPS_MAX);
	for (uint32_t i = 0; i < count; i++)
		try_failures(steps[i], 0, search.failures);
}

static void search_shape(const struct small_shape *shape, uint32_t states, uint32_t failures)
{
	uint32_t node = 0, length = 0, whole = 0;

	search.shape = shape;
	search.most = states;
	search.failures = failures;
	search.steps = 0;
	search.nodes = malloc(states * sizeof(search.nodes[0]));
	search.seen_mask = 1;
	while (search.seen_mask < 2 * (uint64_t)states)
		search.seen_mask *= 2;
	search.seen = calloc((size_t)search.seen_mask, sizeof(search.seen[0]));
	assert_true(search.nodes != NULL && search.seen != NULL);
	search.seen_mask--;
	small_init(shape);
	search.count = 1;
	(void)is_new(small_hash());
	while (node < search.count) {
		uint32_t end = search.count; /* of the states that `length` steps reach */

		for (; node < end; node++)
			follow(node);
		length++;
		if (search.count < search.most)
			whole = length;
	}
	print_message("%-47s all of %2u steps: %8u states, %10llu steps%s\n", shape->name,
		      whole + 1, search.count, (unsigned long long)search.steps,
		      search.count < search.most ? ", which are all there are" : "");
	free(search.nodes);
	free(search.seen);
}

static const struct small_shape shapes[] = {
	{.name = "128 bytes, grains of 8, proved",
	 .page_shift = 7,
	 .grain_shift = 3,
	 .alignment = 4,
	 .records = 160,
	 .prove = true,
	 .content = {1, 44, 49, 60, 124}},
	{.name = "128 bytes, one grain, keyed, owners",
	 .page_shift = 7,
	 .grain_shift = 7,
	 .alignment = 4,
	 .prefix_bytes = 4,
	 .records = 160,
	 .content = {5, 48, 52, 56, 124}},
	{.name = "128 bytes, grains of 8, keyed, owners",
	 .page_shift = 7,
	 .grain_shift = 3,
	 .alignment = 4,
	 .prefix_bytes = 4,
	 .records = 160,
	 .content = {8, 48, 52, 60, 124}},
	{.name = "128 bytes, grains of 32, alignment 8, proved",
	 .page_shift = 7,
	 .grain_shift = 5,
	 .alignment = 8,
	 .records = 160,
	 .prove = true,
	 .content = {4, 44, 52, 60, 116}},
	{.name = "256 bytes, grains of 64, alignment 16, proved",
	 .page_shift = 8,
	 .grain_shift = 6,
	 .alignment = 16,
	 .records = 160,
	 .prove = true,
	 .content = {1, 44, 60, 124, 236}},
	{.name = "256 bytes, grains of 16, alignment 16, keyed",
	 .page_shift = 8,
	 .grain_shift = 4,
	 .alignment = 16,
	 .prefix_bytes = 4,
	 .records = 160,
	 .content = {5, 44, 60, 124, 236}},
	{.name = "128 bytes, 2 records, grains of 16, proved",
	 .page_shift = 7,
	 .grain_shift = 4,
	 .alignment = 4,
	 .records = 3,
	 .bounded = true,
	 .prove = true,
	 .content = {1, 20, 52, 60, 124}},
	{.name = "256 bytes, 3 records, one grain, window, keyed",
	 .page_shift = 8,
	 .grain_shift = 8,
	 .alignment = 8,
	 .records = 4,
	 .bounded = true,
	 .window = true,
	 .content = {4, 52, 60, 124, 244}},
	{.name = "128 bytes, table grows to 4, grains of 16",
	 .page_shift = 7,
	 .grain_shift = 4,
	 .alignment = 4,
	 .records = 4,
	 .prove = true,
	 .content = {1, 28, 52, 60, 124}},
	{.name = "128 bytes, grains of 32, window, proved",
	 .page_shift = 7,
	 .grain_shift = 5,
	 .alignment = 4,
	 .records = 160,
	 .prove = true,
	 .window = true,
	 .content = {1, 12, 52, 60, 124}},
	{.name = "few steps: 128 bytes, grains of 8, proved",
	 .page_shift = 7,
	 .grain_shift = 3,
	 .alignment = 4,
	 .records = 160,
	 .prove = true,
	 .few = true,
	 .content = {12, 40, 76}},
	{.name = "few steps: 128 bytes, grains of 64, keyed",
	 .page_shift = 7,
	 .grain_shift = 6,
	 .alignment = 8,
	 .prefix_bytes = 4,
	 .records = 160,
	 .few = true,
	 .content = {12, 28, 60}},
	{.name = "few steps: 128 bytes, 2 records, one grain",
	 .page_shift = 7,
	 .grain_shift = 7,
	 .alignment = 4,
	 .records = 3,
	 .bounded = true,
	 .prove = true,
	 .few = true,
	 .content = {12, 28, 60}},
};

static void heap_keeps_its_invariants_after_all_sequences(void **state)
{
	uint32_t states = (uint32_t)environment_number("XV_PROOF_STATES", 200);
	uint32_t failures = (uint32_t)environment_number("XV_PROOF_FAILURES", 1);

	(void)state;
	(void)signal(SIGILL, on_trap);
#if defined(SIGTRAP)
	(void)signal(SIGTRAP, on_trap);
#endif
	(void)signal(SIGSEGV, on_trap);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		search_shape(&shapes[i], shapes[i].few ? 16 * states : states,
			     shapes[i].few ? 0 : failures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_keeps_its_invariants_after_all_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
