/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat.c: ramz stat: a table, zram's lines or the server's document, once or every so often; see
 * stat.h.
 * Locking: none.
 *
 * Source: Documentation/admin-guide/blockdev/zram.rst (Linux) for the order of zram's fields.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "size.h"
#include "stat.h"

/* The newest form of the answer that this program knows. */
#define STAT_FORMAT 1U

/* Lines of the live table between two headings. */
#define STAT_HEADING_LINES 20U

#define STAT_HEADLINE_SECONDS 2U

static int stat_check(const json_t *answer, const char *path)
{
	uint64_t format = rzc_count(answer, "format");

	if (format > STAT_FORMAT)
		xvm_error("the server of %s is newer than this ramz (format %" PRIu64
			  ", not %u): use the ramz that came with it",
			  path, format, STAT_FORMAT);
	else if (format == 0 || rzc_count(answer, "stats.page_bytes") == 0)
		xvm_error("the answer of %s has no statistics: is it a ramz disk's control socket?",
			  path);
	else
		return 0;
	return XVM_FAILED;
}

int rzc_stat_take(const struct rzc_server *server, struct rzc_sample *sample)
{
	sample->answer = rzc_ask(server, "stat");
	sample->at_ns = xvm_clock_ns();
	if (sample->answer == NULL)
		return XVM_FAILED;
	if (stat_check(sample->answer, server->path) == 0)
		return 0;
	json_decref(sample->answer);
	return XVM_FAILED;
}

uint64_t rzc_stat_count(const json_t *answer, const char *key)
{
	return rzc_count(json_object_get(answer, "stats"), key);
}

double rzc_stat_share(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

uint64_t rzc_stat_stored_bytes(const json_t *answer)
{
	return rzc_stat_count(answer, "pages_stored") * rzc_stat_count(answer, "page_bytes");
}

bool rzc_stat_follows(const struct rzc_sample *before, const struct rzc_sample *now,
		      const char *key)
{
	return before->answer != NULL && now->at_ns > before->at_ns &&
	       rzc_count(before->answer, "pid") == rzc_count(now->answer, "pid") &&
	       rzc_stat_count(now->answer, key) >= rzc_stat_count(before->answer, key);
}

void rzc_stat_histogram(struct ramz_histogram *histogram, const json_t *answer, const char *key)
{
	const json_t *latency = json_object_get(answer, key), *pair;
	size_t i;

	*histogram = (struct ramz_histogram){.sum = rzc_count(latency, "sum_ns")};
	json_array_foreach(json_object_get(latency, "buckets"), i, pair)
	{
		json_int_t bucket = json_integer_value(json_array_get(pair, 0));
		json_int_t count = json_integer_value(json_array_get(pair, 1));

		if (bucket < 0 || bucket >= RAMZ_HISTOGRAM_BUCKETS || count < 0)
			continue;
		histogram->bucket[bucket] = (uint64_t)count;
		histogram->count += (uint64_t)count;
	}
}

/* ---- the table ---- */

void rzc_stat_print_headline(FILE *file, const json_t *answer)
{
	const char *codec = json_string_value(json_object_get(answer, "codec"));
	char size[RZC_SIZE_TEXT_BYTES], page[RZC_SIZE_TEXT_BYTES];
	uint64_t up = rzc_count(answer, "uptime_seconds");

	fprintf(file,
		"%s in pages of %s, %s level %" JSON_INTEGER_FORMAT "; process %" PRIu64
		", up %" PRIu64 ":%02u:%02u\n",
		rzc_size_text(size, rzc_stat_count(answer, "size_bytes")),
		rzc_size_text(page, rzc_stat_count(answer, "page_bytes")),
		codec != NULL ? codec : "?", json_integer_value(json_object_get(answer, "level")),
		rzc_count(answer, "pid"), up / 3600, (unsigned)(up / 60 % 60), (unsigned)(up % 60));
}

static void table_pages(const json_t *answer, const char *name, const char *key)
{
	uint64_t pages = rzc_stat_count(answer, key),
		 stored = rzc_stat_count(answer, "pages_stored");
	char size[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %12" PRIu64 " pages  %10s", name, pages,
	       rzc_size_text(size, pages * rzc_stat_count(answer, "page_bytes")));
	if (pages != stored)
		printf("  %5.1f%%", 100 * rzc_stat_share(pages, stored));
	putchar('\n');
}

static void table_bytes(const char *name, uint64_t bytes, const char *note)
{
	char size[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %30s%s%s\n", name, rzc_size_text(size, bytes), note[0] != '\0' ? "  " : "",
	       note);
}

static void table_held(const json_t *answer)
{
	table_bytes("held", rzc_stat_count(answer, "held_bytes"),
		    "everything obtained for the disk");
	table_bytes("  pool", rzc_stat_count(answer, "pool.held_bytes"), "");
	table_bytes("  pool, most", rzc_stat_count(answer, "mm_stat.mem_used_max"),
		    "since it is served, or --reset-peak");
	table_bytes("  slot table", rzc_stat_count(answer, "slot_table_bytes"), "");
	table_bytes("  other",
		    rzc_stat_count(answer, "dedup_bytes") + rzc_stat_count(answer, "thread_bytes") +
			    rzc_stat_count(answer, "dictionary_bytes") +
			    rzc_stat_count(answer, "backing_bytes") +
			    rzc_stat_count(answer, "store_bytes"),
		    "buffers, dictionaries, sharing, the store itself");
	table_bytes("forms", rzc_stat_count(answer, "stored_bytes"),
		    "the compressed and raw pages alone");
	if (rzc_stat_stored_bytes(answer) > 0)
		printf("%-14s  %30.2f  stored by held\n", "ratio",
		       rzc_stat_share(rzc_stat_stored_bytes(answer),
				      rzc_stat_count(answer, "held_bytes")));
	else
		printf("%-14s  %30s  nothing is stored\n", "ratio", "-");
}

/* The tiers above 0: their pages, codec and dictionary. */
static void table_tiers(const json_t *answer)
{
	char name[16], size[RZC_SIZE_TEXT_BYTES];
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		const char *codec = json_string_value(json_object_get(tier, "codec"));
		uint64_t dictionary = rzc_count(tier, "dictionary_bytes");

		snprintf(name, sizeof(name), "  tier %" PRIu64, rzc_count(tier, "tier"));
		printf("%-14s  %12" PRIu64 " pages  %s level %" JSON_INTEGER_FORMAT "%s%s\n", name,
		       rzc_count(tier, "pages"), codec != NULL ? codec : "no codec,",
		       json_integer_value(json_object_get(tier, "level")),
		       dictionary > 0 ? ", dictionary of " : "",
		       dictionary > 0 ? rzc_size_text(size, dictionary) : "");
	}
}

/* Why the policy looked at all pages, and what held it up. */
static void table_policy_reasons(const json_t *policy)
{
	int error = (int)json_integer_value(json_object_get(policy, "last_error"));

	printf("%-14s  %12" PRIu64 " ages ended, %" PRIu64
	       " times short at the soft limit, %" PRIu64 " at the hard one, %" PRIu64
	       " by pressure; %" PRIu64 " times younger pages\n",
	       "  looked, after", rzc_count(policy, "ages"), rzc_count(policy, "soft_shortages"),
	       rzc_count(policy, "hard_shortages"), rzc_count(policy, "pressures"),
	       rzc_count(policy, "squeezes"));
	printf("%-14s  %12" PRIu64 " times, of which %" PRIu64 " paid\n", "  trained",
	       rzc_count(policy, "trainings"), rzc_count(policy, "dictionaries"));
	if (rzc_count(policy, "held_back") > 0)
		printf("%-14s  %12" PRIu64 " times, by the bound on writing to backing\n",
		       "  held back", rzc_count(policy, "held_back"));
	if (rzc_count(policy, "waits") > 0)
		printf("%-14s  %12" PRIu64 " writes at the hard limit, %" PRIu64
		       " ms in all; %" PRIu64 " refused, nothing left to do %" PRIu64 " times\n",
		       "  waited", rzc_count(policy, "waits"),
		       rzc_count(policy, "wait_ns") / 1000000, rzc_count(policy, "refused"),
		       rzc_count(policy, "futile"));
	if (error != 0)
		printf("%-14s  %30s\n", "  last error", strerror(-error));
}

/* What the policy did, where its thread runs. */
static void table_policy(const json_t *answer)
{
	const json_t *policy = json_object_get(answer, "policy");
	const char *shortage = json_string_value(json_object_get(policy, "shortage"));

	if (!json_is_true(json_object_get(policy, "running")))
		return;
	printf("%-14s  %12" PRIu64 " pages into tiers, %" PRIu64
	       " to backing; memory is short: %s, pressure %.2f%%\n",
	       "policy", rzc_count(policy, "recompressed"), rzc_count(policy, "written_back"),
	       shortage != NULL ? shortage : "?", (double)rzc_count(policy, "pressure") / 100);
	table_policy_reasons(policy);
}

static void table_limit(const json_t *answer, const char *name, const char *key,
			const char *hits_key, const char *hit)
{
	uint64_t limit = rzc_stat_count(answer, key);
	char note[96];

	if (limit == 0) {
		printf("%-14s  %30s\n", name, "none");
		return;
	}
	snprintf(note, sizeof(note), "%.1f%% of it held; %s %" PRIu64 " times",
		 100 * rzc_stat_share(rzc_stat_count(answer, "held_bytes"), limit), hit,
		 rzc_stat_count(answer, hits_key));
	table_bytes(name, limit, note);
}

static void table_traffic(const json_t *answer, const char *name, const char *key,
			  const char *failed_key, const char *latency_key)
{
	const json_t *latency = json_object_get(answer, latency_key);
	char p50[RZC_SIZE_TEXT_BYTES], p99[RZC_SIZE_TEXT_BYTES], p9999[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %12" PRIu64 " pages  %10" PRIu64 " failed", name,
	       rzc_stat_count(answer, key), rzc_stat_count(answer, failed_key));
	if (rzc_count(latency, "count") > 0)
		printf("; p50 %s, p99 %s, p99.99 %s",
		       rzc_nanoseconds_text(p50, rzc_count(latency, "p50_ns")),
		       rzc_nanoseconds_text(p99, rzc_count(latency, "p99_ns")),
		       rzc_nanoseconds_text(p9999, rzc_count(latency, "p99_99_ns")));
	putchar('\n');
}

static void stat_table(const json_t *answer)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	char moved[RZC_SIZE_TEXT_BYTES], freed[RZC_SIZE_TEXT_BYTES];

	printf("disk            ");
	rzc_stat_print_headline(stdout, answer);
	if (file != NULL)
		printf("file            %s\n", file);
	table_pages(answer, "stored", "pages_stored");
	table_pages(answer, "  same-filled", "pages_same_filled");
	table_pages(answer, "  compressed", "pages_compressed");
	table_pages(answer, "  raw", "pages_raw");
	if (rzc_stat_count(answer, "pages_shared") > 0)
		table_pages(answer, "  shared", "pages_shared");
	if (rzc_stat_count(answer, "pages_backed") > 0)
		table_pages(answer, "  backed", "pages_backed");
	table_tiers(answer);
	table_held(answer);
	table_limit(answer, "soft limit", "soft_limit_bytes", "soft_limit_hits", "passed");
	table_limit(answer, "hard limit", "hard_limit_bytes", "hard_limit_hits", "refused");
	table_traffic(answer, "read", "reads", "failed_reads", "read_latency");
	table_traffic(answer, "written", "writes", "failed_writes", "write_latency");
	printf("%-14s  %12" PRIu64 " pages\n", "discarded", rzc_stat_count(answer, "notify_free"));
	if (rzc_stat_count(answer, "bad_pages") > 0)
		printf("%-14s  %12" PRIu64 " reads\n", "DAMAGED",
		       rzc_stat_count(answer, "bad_pages"));
	table_policy(answer);
	printf("%-14s  %12" PRIu64 " connected\n", "clients", rzc_count(answer, "clients"));
	printf("%-14s  moved %s, gave back %s\n", "compaction",
	       rzc_size_text(moved, rzc_stat_count(answer, "compact_moved_bytes")),
	       rzc_size_text(freed, rzc_stat_count(answer, "compact_freed_bytes")));
}

/* ---- the other forms ---- */

/* name is that of the object as well; keys end with NULL. */
static void zram_line(const json_t *answer, const char *name, const char *const *keys)
{
	const json_t *object = json_object_get(json_object_get(answer, "stats"), name);

	printf("%s", name);
	for (; *keys != NULL; keys++)
		printf(" %8" PRIu64, rzc_count(object, *keys));
	putchar('\n');
}

static void stat_zram(const json_t *answer)
{
	static const char *const mm[] = {"orig_data_size",   "compr_data_size",
					 "mem_used_total",   "mem_limit",
					 "mem_used_max",     "same_pages",
					 "pages_compacted",  "huge_pages",
					 "huge_pages_since", NULL};
	static const char *const bd[] = {"bd_count", "bd_reads", "bd_writes", NULL};
	static const char *const io[] = {"failed_reads", "failed_writes", "invalid_io",
					 "notify_free", NULL};

	zram_line(answer, "mm_stat", mm);
	zram_line(answer, "io_stat", io);
	zram_line(answer, "bd_stat", bd);
}

static void live_rate(const struct rzc_sample *before, const struct rzc_sample *now,
		      const char *key)
{
	uint64_t was = rzc_stat_count(before->answer, key), is = rzc_stat_count(now->answer, key);

	if (rzc_stat_follows(before, now, key))
		printf(" %9.0f", (double)(is - was) * 1e9 / (double)(now->at_ns - before->at_ns));
	else
		printf(" %9s", "-");
}

static void live_latency(const json_t *latency)
{
	char p50[RZC_SIZE_TEXT_BYTES] = "-", p99[RZC_SIZE_TEXT_BYTES] = "-";

	if (rzc_count(latency, "count") > 0) {
		(void)rzc_nanoseconds_text(p50, rzc_count(latency, "p50_ns"));
		(void)rzc_nanoseconds_text(p99, rzc_count(latency, "p99_ns"));
	}
	printf(" %8s %8s", p50, p99);
}

static void stat_live(const struct rzc_sample *before, const struct rzc_sample *now, uint64_t n)
{
	const json_t *answer = now->answer;
	uint64_t stored = rzc_stat_count(answer, "pages_stored");
	char bytes[RZC_SIZE_TEXT_BYTES], held[RZC_SIZE_TEXT_BYTES], ratio[16] = "-";

	if (n % STAT_HEADING_LINES == 0)
		puts("   stored      held  ratio same%  raw%   reads/s  writes/s discard/s    r p50"
		     "    r p99    w p50    w p99");
	if (stored > 0)
		snprintf(ratio, sizeof(ratio), "%.2f",
			 rzc_stat_share(rzc_stat_stored_bytes(answer),
					rzc_stat_count(answer, "held_bytes")));
	printf("%9s %9s %6s %5.1f %5.1f", rzc_size_text(bytes, rzc_stat_stored_bytes(answer)),
	       rzc_size_text(held, rzc_stat_count(answer, "held_bytes")), ratio,
	       100 * rzc_stat_share(rzc_stat_count(answer, "pages_same_filled"), stored),
	       100 * rzc_stat_share(rzc_stat_count(answer, "pages_raw"), stored));
	live_rate(before, now, "reads");
	live_rate(before, now, "writes");
	live_rate(before, now, "notify_free");
	live_latency(json_object_get(answer, "read_latency"));
	live_latency(json_object_get(answer, "write_latency"));
	putchar('\n');
}

/* ---- once, or every so often ---- */

/* The n-th sample, counted from 0. Returns 0, or XVM_FAILED after saying what is wrong. */
static int stat_print(const struct rzc_options *options, struct rzc_screen *screen,
		      const struct rzc_sample *before, const struct rzc_sample *now, uint64_t n)
{
	bool live = options->watch_seconds > 0;

	if (options->zram) {
		stat_zram(now->answer);
	} else if (options->json) {
		(void)json_dumpf(now->answer, stdout, live ? JSON_COMPACT : JSON_INDENT(1));
		putchar('\n');
	} else if (live && isatty(STDOUT_FILENO)) {
		return rzc_stat_screen(screen, before, now);
	} else if (live) {
		stat_live(before, now, n);
	} else {
		stat_table(now->answer);
	}
	return 0;
}

/* Wait for the n-th sample, counted from the first: what a sample takes does not add up. */
static void stat_await(const struct timespec *start, uint64_t n, uint64_t seconds)
{
	struct timespec until = *start;

	until.tv_sec += (time_t)(n * seconds);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		continue;
}

/* The largest held bytes of the next sample are those since this one. */
static int stat_reset_peak(const struct rzc_server *server)
{
	json_t *answer = rzc_ask(server, "reset-peak");
	int result = answer != NULL ? 0 : XVM_FAILED;

	json_decref(answer);
	return result;
}

/* Returns 0, or XVM_FAILED after saying what is wrong. */
static int stat_run(const struct rzc_options *options, const struct rzc_server *server)
{
	struct rzc_sample before = {0}, now;
	struct rzc_screen screen = {0};
	struct timespec start;
	int result = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t n = 0; result == 0 && (n == 0 || options->watch_seconds > 0); n++) {
		stat_await(&start, n, options->watch_seconds);
		result = rzc_stat_take(server, &now);
		if (result != 0)
			break;
		result = stat_print(options, &screen, &before, &now, n);
		json_decref(before.answer);
		before = now;
		if (result == 0 && options->reset_peak)
			result = stat_reset_peak(server);
		if (fflush(stdout) != 0)
			result = XVM_FAILED;
	}
	json_decref(before.answer);
	return result;
}

static int stat_check_options(const struct rzc_options *options)
{
	if (options->zram && options->json)
		xvm_error("--zram and --json are two forms: give one of them");
	else if (options->prometheus && (options->zram || options->json))
		xvm_error("--prometheus is a form, as --zram and --json are: give one of them");
	else if (options->prometheus && (options->watch_seconds > 0 || options->reset_peak))
		xvm_error("--prometheus shows counters as they are, once: leave --watch and "
			  "--reset-peak out; ramz(1) tells how to have it done every so often");
	else if (options->output != NULL && !options->prometheus)
		xvm_error("--output is the file of --prometheus: give that too, or use > FILE");
	else
		return 0;
	return XVM_FAILED;
}

int rzc_stat(const struct rzc_options *options)
{
	struct rzc_server server;

	if (stat_check_options(options) != 0)
		return XVM_EXIT_USAGE;
	if (options->prometheus)
		return rzc_prometheus(options);
	if (rzc_server_find(&server, options) != 0 || stat_run(options, &server) != 0)
		return XVM_EXIT_FAILURE;
	return XVM_EXIT_OK;
}

void rzc_stat_headline(const char *path)
{
	struct rzc_server server = {.timeout_seconds = STAT_HEADLINE_SECONDS, .is_named = true};
	struct rzc_sample sample;

	snprintf(server.path, sizeof(server.path), "%s", path);
	if (rzc_stat_take(&server, &sample) != 0)
		return;
	rzc_stat_print_headline(stdout, sample.answer);
	json_decref(sample.answer);
}
