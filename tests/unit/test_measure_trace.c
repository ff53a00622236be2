/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Tests of reading traces against a plain simulation.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_random.h"
#include "test_xvfrag_support.h"
#include "workload.h"

static int read_trace(const char *path, void *context)
{
	return xvm_trace_read(context, path);
}

static void load_text(struct xvm_workload *workload, const char *text)
{
	const char *path = make_file(text, strlen(text));

	*workload = (struct xvm_workload){.ops = NULL};
	assert_int_equal(xvm_trace_read(workload, path), 0);
	unlink(path);
}

static void check_refused(const char *text, const char *line, const char *reason)
{
	struct xvm_workload workload = {.ops = NULL};
	char said[512];
	const char *path = make_file(text, strlen(text));

	assert_int_equal(catch_error(read_trace, path, &workload, said, sizeof(said)), XVM_FAILED);
	assert_non_null(strstr(said, line));
	assert_non_null(strstr(said, reason));
	unlink(path);
	xvm_workload_fini(&workload);
}

static void check_op(const struct xvm_workload *w, size_t index, uint32_t slot, uint32_t size)
{
	const struct xvm_op *op = &w->ops[index];

	assert_int_equal(op->slot, slot);
	if (size == 0)
		assert_int_equal(op->source, XVM_NO_SOURCE);
	else
		assert_int_equal(w->sizes.items[op->source], size);
}

static void trace_a_f_names_objects(void **state)
{
	struct xvm_workload w;

	(void)state;
	load_text(&w, "a 18446744073709551615 10\na 7 20\nf 18446744073709551615\na 8 30\nf 7\n");
	assert_int_equal(w.head.ops, 5);
	assert_int_equal(w.head.slots, 2);
	check_op(&w, 0, 0, 10);
	check_op(&w, 1, 1, 20);
	check_op(&w, 2, 0, 0);
	check_op(&w, 3, 0, 30);
	check_op(&w, 4, 1, 0);
	assert_int_equal(w.head.peak_bytes, 50);
	assert_int_equal(w.head.max_size, 30);
	xvm_workload_fini(&w);
}

/* While an object gets another size, both are there. */
static void trace_r_puts_into_a_full_slot(void **state)
{
	struct xvm_workload w;

	(void)state;
	load_text(&w, "a 1 10\na 2 20\nr 1 100\nf 1\nr 2 5\na 3 1\n");
	assert_int_equal(w.head.ops, 6);
	assert_int_equal(w.head.slots, 2);
	check_op(&w, 2, 0, 100);
	check_op(&w, 4, 1, 5);
	check_op(&w, 5, 0, 1);
	assert_int_equal(w.head.peak_bytes, 130);
	assert_int_equal(w.head.phase[0].op_count, 3);
	xvm_workload_fini(&w);
}

static void trace_is_cut_at_its_peak(void **state)
{
	struct xvm_workload w;

	(void)state;
	load_text(&w, "a 1 100\na 2 200\nf 1\na 3 150\nf 2\na 4 10\n");
	assert_int_equal(w.head.phases, 2);
	assert_string_equal(w.head.phase[0].name, "peak");
	assert_string_equal(w.head.phase[1].name, "end");
	assert_int_equal(w.head.peak_bytes, 350);
	assert_int_equal(w.head.phase[0].op_count, 4);
	assert_int_equal(w.head.phase[1].first_op, 4);
	assert_int_equal(w.head.phase[1].op_count, 2);
	xvm_workload_fini(&w);
}

static void trace_errors_name_line_and_reason(void **state)
{
	(void)state;
	check_refused("a 1 10\na 1 20\n", ":2:", "object 1 is live already");
	check_refused("a 1 10\nf 1\nf 1\n", ":3:", "no object 1 is live");
	check_refused("r 1 10\n", ":1:", "no object 1 is live");
	check_refused("a 1 10\nr 1\n", ":2:", "expected 'a ID SIZE'");
	check_refused("f 1\n", ":1:", "no object 1 is live");
	check_refused("# c\n\na 1 0\n", ":3:", "a size is 1 to");
	check_refused("a 1 67108865\n", ":1:", "a size is 1 to");
	check_refused("a x 10\n", ":1:", "not a decimal number");
	check_refused("a 1\n", ":1:", "expected 'a ID SIZE'");
	check_refused("a 1 2 3\n", ":1:", "expected 'a ID SIZE'");
	check_refused("malloc 1\n", ":1:", "expected 'a ID SIZE'");
	check_refused("# nothing\n", "", "allocates nothing");
	check_refused("", "", "allocates nothing");
}

enum { RANDOM_IDS = 3000, RANDOM_LINES = 60000 };

/* Many names, far more frees and re-uses than places: the table must not lose one. */
static void trace_random_names_agree_with_a_simulation(void **state)
{
	uint64_t seed = environment_number("XV_SEED", 20261121);
	uint32_t *size_of = calloc(RANDOM_IDS, sizeof(*size_of));
	uint32_t *slot_size = calloc(RANDOM_IDS, sizeof(*slot_size));
	uint64_t live = 0, replayed = 0;
	struct xvm_workload w;
	char *text = NULL;
	size_t text_bytes = 0;
	FILE *out = open_memstream(&text, &text_bytes);

	(void)state;
	print_message("XV_SEED=%llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < RANDOM_LINES; i++) {
		size_t id = random_below(&seed, RANDOM_IDS);
		/* Names that crowd the same places of the table. */
		uint64_t name = (uint64_t)id << 32;

		if (size_of[id] != 0) {
			fprintf(out, "f %" PRIu64 "\n", name);
			live -= size_of[id];
			size_of[id] = 0;
		} else {
			size_of[id] = (uint32_t)(1 + random_below(&seed, 5000));
			fprintf(out, "a %" PRIu64 " %u\n", name, (unsigned)size_of[id]);
			live += size_of[id];
		}
	}
	fclose(out);
	load_text(&w, text);
	assert_int_equal(w.head.ops, RANDOM_LINES);
	for (size_t i = 0; i < w.head.ops; i++) {
		const struct xvm_op *op = &w.ops[i];

		assert_in_range(op->slot, 0, RANDOM_IDS - 1);
		if (op->source == XVM_NO_SOURCE) {
			assert_int_not_equal(slot_size[op->slot], 0);
			replayed -= slot_size[op->slot];
			slot_size[op->slot] = 0;
		} else {
			assert_int_equal(slot_size[op->slot], 0);
			slot_size[op->slot] = w.sizes.items[op->source];
			replayed += slot_size[op->slot];
		}
	}
	assert_true(replayed == live);
	xvm_workload_fini(&w);
	free(text);
	free(size_of);
	free(slot_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace_a_f_names_objects),
		cmocka_unit_test(trace_r_puts_into_a_full_slot),
		cmocka_unit_test(trace_is_cut_at_its_peak),
		cmocka_unit_test(trace_errors_name_line_and_reason),
		cmocka_unit_test(trace_random_names_agree_with_a_simulation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
