/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ratios.c: xv_ratios, the comparison out of several results of xv_bench.
 *
 *     xv_ratios RESULT.json...
 *
 * Each result says in its context which malloc it ran on; its rows of the subject "malloc"
 * are that allocator's. Of the same row in several results the least is taken (of rates the
 * most): other work on the machine only ever adds. Prints all times, then each target with
 * the ratio that was measured, and for times the lowest and highest ratio of the single
 * rounds: how noisy it is. What was not run is "-" or left out.
 *
 * Owns the table of rows. Needs jansson. Locking: none. O(rows^2).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { NAME_BYTES = 96, ROWS_MAX = 4096, COUNT_MAX = 32, ROUNDS_MAX = 32 };

/* One benchmark of one allocator: the best of all results. */
struct row {
	char name[NAME_BYTES]; /* PART/ALLOCATOR/MIX/live:N, as the rows below ask for it */
	double ns;
	double ns_of[ROUNDS_MAX]; /* by result, in the order they were given */
	size_t rounds;
	double p9999_ns;
	double per_second;
	double overhead; /* held bytes over requested bytes, or over compressed forms */
};

static struct row rows[ROWS_MAX];
static size_t row_count;

/* ---- Reading ---- */

/* "/usr/lib/libjemalloc.so.2" is jemalloc, "libtcmalloc_minimal.so.4" tcmalloc. */
static void allocator_name(const char *library, char *name)
{
	const char *slash = strrchr(library, '/');
	const char *start = slash != NULL ? slash + 1 : library;

	if (strcmp(library, "libc") == 0)
		start = "glibc";
	else if (strncmp(start, "lib", 3) == 0)
		start += 3;
	snprintf(name, COUNT_MAX, "%.*s", (int)strcspn(start, "._-"), start);
}

/* Take a part such as "/real_time" or "/iterations:1" out of a name. */
static void cut(char *name, const char *part)
{
	char *at = strstr(name, part);
	size_t length;

	if (at == NULL)
		return;
	length = 1 + strcspn(at + 1, "/");
	memmove(at, at + length, strlen(at + length) + 1);
}

/* The row's name: the malloc of the process is called by its own name. */
static bool row_name(const char *from, const char *allocator, char *name)
{
	const char *subject = strstr(from, "/malloc");
	bool is_malloc = subject != NULL && (subject[7] == '/' || subject[7] == '\0');

	if (!is_malloc && strcmp(allocator, "glibc") != 0)
		return false; /* the same in every process: taken from the plain one */
	if (is_malloc)
		snprintf(name, NAME_BYTES, "%.*s/%s%s", (int)(subject - from), from, allocator,
			 subject + 7);
	else
		snprintf(name, NAME_BYTES, "%s", from);
	cut(name, "/iterations:");
	cut(name, "/real_time");
	cut(name, "/manual_time");
	return true;
}

static struct row *row_find(const char *name)
{
	for (size_t i = 0; i < row_count; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static struct row *row_add(const char *name)
{
	struct row *row = row_find(name);

	if (row == NULL && row_count < ROWS_MAX) {
		row = &rows[row_count++];
		snprintf(row->name, sizeof(row->name), "%s", name);
	}
	return row;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void take_least(double *best, double value)
{
	if (value > 0 && (*best == 0 || value < *best))
		*best = value;
}

static void take_most(double *best, double value)
{
	if (value > *best)
		*best = value;
}

/* One thread: its processor time, which other work disturbs less. Several: the clock. */
static void read_benchmark(const json_t *benchmark, const char *allocator)
{
	const char *full = json_string_value(json_object_get(benchmark, "name"));
	char name[NAME_BYTES];
	struct row *row;
	double ns;

	if (full == NULL || json_is_true(json_object_get(benchmark, "error_occurred")) ||
	    !row_name(full, allocator, name))
		return;
	row = row_add(name);
	if (row == NULL)
		return;
	ns = number(benchmark, strstr(full, "/real_time") != NULL ? "real_time" : "cpu_time");
	take_least(&row->ns, ns);
	if (row->rounds < ROUNDS_MAX)
		row->ns_of[row->rounds++] = ns;
	take_least(&row->p9999_ns, number(benchmark, "p9999_ns"));
	take_most(&row->per_second, number(benchmark, "items_per_second"));
	take_least(&row->overhead, number(benchmark, "overhead"));
	take_least(&row->overhead, number(benchmark, "held_per_peak"));
	take_least(&row->overhead, number(benchmark, "held"));
}

static bool read_result(const char *path)
{
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	const json_t *list = json_object_get(root, "benchmarks");
	const char *library =
		json_string_value(json_object_get(json_object_get(root, "context"), "malloc"));
	char allocator[COUNT_MAX];
	bool good = json_is_array(list) && library != NULL;

	if (good) {
		allocator_name(library, allocator);
		for (size_t i = 0; i < json_array_size(list); i++)
			read_benchmark(json_array_get(list, i), allocator);
	} else {
		fprintf(stderr, "xv_ratios: %s is no result of xv_bench --benchmark_out: %s\n",
			path, root == NULL ? error.text : "it has no benchmarks");
	}
	json_decref(root);
	return good;
}

/* ---- The times ---- */

static const char *const allocators[] = {
	"xvmalloc",        "xvmalloc-nosplit", "xvmalloc-keyed",
	"xvmalloc-nolock", "xvmalloc-heap",    "tlsf",
	"glibc",           "jemalloc",         "mimalloc",
	"tcmalloc",        "nothing",
};
static const char *const headings[] = {
	"xvmalloc", "nosplit",  "keyed",    "nolock",   "heap",    "TLSF",
	"glibc",    "jemalloc", "mimalloc", "tcmalloc", "nothing",
};
enum { ALLOCATORS = sizeof(allocators) / sizeof(allocators[0]) };

/* "pair/%s/page/live:1000" with the allocator filled in; an empty row where not run. */
static const struct row *row_of(const char *pattern, const char *allocator)
{
	static const struct row none;
	const char *hole = strstr(pattern, "%s");
	char name[NAME_BYTES];
	const struct row *row;

	snprintf(name, sizeof(name), "%.*s%s%s", (int)(hole - pattern), pattern, allocator,
		 hole + 2);
	row = row_find(name);
	return row != NULL ? row : &none;
}

enum value { VALUE_NS, VALUE_P9999, VALUE_RATE, VALUE_OVERHEAD };

static double value_of(const char *pattern, const char *allocator, enum value value)
{
	const struct row *row = row_of(pattern, allocator);

	switch (value) {
	case VALUE_P9999:
		return row->p9999_ns;
	case VALUE_RATE:
		return row->per_second / 1e6;
	case VALUE_OVERHEAD:
		return row->overhead;
	case VALUE_NS:
		break;
	}
	return row->ns;
}

struct line {
	const char *label;
	const char *pattern;
	enum value value;
	const char *format;
};

static const struct line lines[] = {
	{"pair, page sizes, 1,000 live", "pair/%s/page/live:1000", VALUE_NS, "%9.1f"},
	{"pair, page sizes, 37,000 live", "pair/%s/page/live:37000", VALUE_NS, "%9.1f"},
	{"pair, 16..512, 1,000 live", "pair/%s/small/live:1000", VALUE_NS, "%9.1f"},
	{"pair, 16..512, 37,000 live", "pair/%s/small/live:37000", VALUE_NS, "%9.1f"},
	{"pair, recorded sizes, 1,000", "pair/%s/recorded/live:1000", VALUE_NS, "%9.1f"},
	{"pair, recorded sizes, 37,000", "pair/%s/recorded/live:37000", VALUE_NS, "%9.1f"},
	{"step of the recorded program", "trace/%s", VALUE_NS, "%9.1f"},
	{"pair and copy in, page, 37,000", "put/%s/page/live:37000", VALUE_NS, "%9.1f"},
	{"p99.99, page sizes, 1,000", "latency/%s/page/live:1000", VALUE_P9999, "%9.0f"},
	{"p99.99, page sizes, 37,000", "latency/%s/page/live:37000", VALUE_P9999, "%9.0f"},
	{"own objects, 1 thread", "threads/%s/page", VALUE_NS, "%9.1f"},
	{"own objects, 2 threads", "threads/%s/page/threads:2", VALUE_NS, "%9.1f"},
	{"remote free, 1 thread, M/s", "remote/%s/page", VALUE_RATE, "%9.2f"},
	{"remote free, 2 threads, M/s", "remote/%s/page/threads:2", VALUE_RATE, "%9.2f"},
	{"held/requested, page sizes", "held/%s/page/live:37000", VALUE_OVERHEAD, "%9.3f"},
	{"held/requested, 16..512", "held/%s/small/live:37000", VALUE_OVERHEAD, "%9.3f"},
	{"held/requested, recorded", "held/%s/recorded/live:37000", VALUE_OVERHEAD, "%9.3f"},
};

static bool was_run(const struct line *line)
{
	for (size_t i = 0; i < ALLOCATORS; i++) {
		if (value_of(line->pattern, allocators[i], line->value) > 0)
			return true;
	}
	return false;
}

static void print_line(const struct line *line)
{
	printf("%-31s", line->label);
	for (size_t i = 0; i < ALLOCATORS; i++) {
		double value = value_of(line->pattern, allocators[i], line->value);

		if (value > 0)
			printf(line->format, value);
		else
			printf("%9s", "-");
	}
	putchar('\n');
}

static void print_times(void)
{
	size_t run = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		run += was_run(&lines[i]);
	if (run == 0)
		return;
	printf("%-31s", "ns, unless it says otherwise");
	for (size_t i = 0; i < ALLOCATORS; i++)
		printf("%9s", headings[i]);
	putchar('\n');
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (was_run(&lines[i]))
			print_line(&lines[i]);
	}
}

/* ---- The targets ---- */

/* One line; note is what stands at its end. Nothing for what was not run. */
/* Without a target, 0, the ratio alone. */
static void print_target(const char *what, double ratio, const char *relation, double target,
			 const char *note)
{
	bool met = relation[0] == '<' ? ratio <= target : ratio >= target;

	if (ratio > 0 && target > 0)
		printf("%-66s%8.2f  %s %.2f  %-6s  %s\n", what, ratio, relation, target,
		       met ? "met" : "MISSED", note);
	else if (ratio > 0)
		printf("%-66s%8.2f  %-15s  %s\n", what, ratio, "", note);
}

static double ratio_of(double above, double below)
{
	return above > 0 && below > 0 ? above / below : 0;
}

/* A target for times, 0 for none: beside the ratio of the least, the lowest and highest of a round.
 */
static void print_time_target(const char *what, const struct row *above, const struct row *below,
			      double target)
{
	double low = 0, high = 0;
	char note[48];

	for (size_t i = 0; i < above->rounds && i < below->rounds; i++) {
		double ratio = ratio_of(above->ns_of[i], below->ns_of[i]);

		take_least(&low, ratio);
		take_most(&high, ratio);
	}
	snprintf(note, sizeof(note), "%.2f to %.2f", low, high);
	print_target(what, ratio_of(above->ns, below->ns), "<=", target, note);
}

static void print_pairs(const char *label, const char *pattern, const char *ours, double tlsf,
			double glibc)
{
	const struct row *own = row_of(pattern, ours);
	char text[128];

	snprintf(text, sizeof(text), "%s: %s / TLSF", label, ours);
	print_time_target(text, own, row_of(pattern, "tlsf"), tlsf);
	snprintf(text, sizeof(text), "%s: %s / glibc", label, ours);
	print_time_target(text, own, row_of(pattern, "glibc"), glibc);
}

static void print_latency(const char *label, const char *pattern)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: p99.99, xvmalloc / glibc", label);
	print_target(text,
		     ratio_of(value_of(pattern, "xvmalloc", VALUE_P9999),
			      value_of(pattern, "glibc", VALUE_P9999)),
		     "<=", 1.0, "");
}

static void print_scaling(void)
{
	const char *remote = "remote/%s/page/threads:2";
	double one = value_of("threads/%s/page", "xvmalloc", VALUE_NS);
	double two = value_of("threads/%s/page/threads:2", "xvmalloc", VALUE_NS);
	double rate = value_of(remote, "xvmalloc", VALUE_RATE);

	print_target("own objects, 2 threads / 1 thread", ratio_of(one, two), ">=", 0, "");
	print_target("producer and consumer: xvmalloc / glibc",
		     ratio_of(rate, value_of(remote, "glibc", VALUE_RATE)), ">=", 1.0, "");
	print_target("producer and consumer: xvmalloc / jemalloc",
		     ratio_of(rate, value_of(remote, "jemalloc", VALUE_RATE)), ">=", 0.7, "");
}

static void print_held(const char *label, const char *pattern, const char *ours)
{
	static const char *const others[] = {"tlsf", "glibc"};
	static const char *const names[] = {"TLSF", "glibc"};
	double own = value_of(pattern, ours, VALUE_OVERHEAD);
	char text[128];

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		double other = value_of(pattern, others[i], VALUE_OVERHEAD);

		snprintf(text, sizeof(text), "%s: held, %s / %s", label, ours, names[i]);
		print_target(text, ratio_of(own, other), "<=", 1.0, "");
	}
}

/* ---- The store, beside its codec alone and kernel zram ---- */

static const char *const codecs[] = {"lz4", "lzo", "zstd"};
enum { CODECS = sizeof(codecs) / sizeof(codecs[0]) };

static const struct {
	const char *name;
	double wanted; /* over the raw codec; 0: it has none */
} operations[] = {{"write", 1.25}, {"overwrite", 1.12}, {"read", 1.12}, {"compact", 0}};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static const struct row *store_row(size_t operation, const char *who, size_t codec,
				   const char *threads)
{
	char pattern[NAME_BYTES];

	snprintf(pattern, sizeof(pattern), "store/%s/%%s/%s%s", operations[operation].name,
		 codecs[codec], threads);
	return row_of(pattern, who);
}

static void print_number(const char *format, int width, double value)
{
	if (value > 0)
		printf(format, value);
	else
		printf("%*s", width, "-");
}

static void print_store_line(size_t operation, size_t codec, const char *threads)
{
	const struct row *ramz = store_row(operation, "ramz", codec, threads);
	const struct row *raw = store_row(operation, "raw", codec, threads);
	const struct row *zram = store_row(operation, "zram", codec, threads);
	char label[NAME_BYTES];

	if (ramz->ns <= 0)
		return;
	snprintf(label, sizeof(label), "%s %s%s", operations[operation].name, codecs[codec],
		 threads[0] != '\0' ? ", 2 threads" : "");
	printf("%-31s", label);
	print_number("%9.2f", 9, ramz->ns / 1000);
	print_number("%9.2f", 9, raw->ns / 1000);
	print_number("%9.2f", 9, zram->ns / 1000);
	print_number("%11.3f", 11, ramz->overhead);
	print_number("%11.3f", 11, zram->overhead);
	putchar('\n');
}

static bool store_was_run(void)
{
	for (size_t i = 0; i < row_count; i++) {
		if (strncmp(rows[i].name, "store/", strlen("store/")) == 0)
			return true;
	}
	return false;
}

static void print_store_times(void)
{
	if (!store_was_run())
		return;
	printf("\n%-31s%9s%9s%9s%11s%11s\n", "us a page (compact: at all)", "ramz", "raw", "zram",
	       "held ramz", "held zram");
	for (size_t codec = 0; codec < CODECS; codec++) {
		for (size_t i = 0; i < OPERATIONS; i++) {
			print_store_line(i, codec, "");
			print_store_line(i, codec, "/threads:2");
		}
	}
}

static void print_store_targets(size_t operation, size_t codec)
{
	const struct row *own = store_row(operation, "ramz", codec, "");
	char text[128];

	snprintf(text, sizeof(text), "%s, %s: ramz / raw codec", operations[operation].name,
		 codecs[codec]);
	print_time_target(text, own, store_row(operation, "raw", codec, ""),
			  operations[operation].wanted);
	snprintf(text, sizeof(text), "%s, %s: ramz / kernel zram", operations[operation].name,
		 codecs[codec]);
	print_time_target(text, own, store_row(operation, "zram", codec, ""), 0);
}

static void print_targets(void)
{
	printf("\n%-66s%8s  %-15s  %s\n", "ratio of the least times", "measured", "wanted",
	       "in single rounds");
	print_pairs("page, 1,000", "pair/%s/page/live:1000", "xvmalloc", 1.4, 1.1);
	print_pairs("page, 37,000", "pair/%s/page/live:37000", "xvmalloc", 1.1, 0.9);
	print_pairs("page, 37,000", "pair/%s/page/live:37000", "xvmalloc-keyed", 0.75, 0.6);
	print_latency("page, 1,000", "latency/%s/page/live:1000");
	print_latency("page, 37,000", "latency/%s/page/live:37000");
	print_scaling();
	print_pairs("16..512, 1,000", "pair/%s/small/live:1000", "xvmalloc", 1.6, 0);
	print_pairs("16..512, 1,000", "pair/%s/small/live:1000", "xvmalloc-keyed", 1.2, 0);
	print_pairs("16..512, 37,000", "pair/%s/small/live:37000", "xvmalloc", 1.3, 0);
	print_pairs("16..512, 37,000", "pair/%s/small/live:37000", "xvmalloc-keyed", 1.0, 0);
	print_held("16..512", "held/%s/small/live:37000", "xvmalloc");
	print_pairs("recorded sizes, 37,000", "pair/%s/recorded/live:37000", "xvmalloc-heap", 2.0,
		    1.2);
	print_pairs("recorded program", "trace/%s", "xvmalloc-heap", 2.0, 1.2);
	print_held("recorded sizes", "held/%s/recorded/live:37000", "xvmalloc-heap");
	for (size_t codec = 0; codec < CODECS; codec++) {
		for (size_t i = 0; i < OPERATIONS; i++)
			print_store_targets(i, codec);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: xv_ratios RESULT.json...\n", stderr);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (!read_result(argv[i]))
			return 1;
	}
	print_times();
	print_store_times();
	print_targets();
	return 0;
}
