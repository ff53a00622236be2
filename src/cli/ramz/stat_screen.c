/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat_screen.c: ramz stat --watch on a terminal: a screen that is drawn anew with each sample; see
 * stat.h. It is made as a text first, and cut to the terminal's size. Locking: none. O(lines *
 * columns).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ramz/tiers.h>

#include "size.h"
#include "stat.h"

#define SCREEN_BAR 40 /* characters of a full bar */

/* Where a terminal does not tell its size. */
enum { SCREEN_ROWS = 24, SCREEN_COLUMNS = 80 };

/* From nothing to the most that is shown; a history's characters. */
static const char screen_levels[] = "_.-:=+*#";

/* ---- bars ---- */

/* A part of the pages stored; nothing where there are none. */
static void screen_bar(FILE *file, const char *name, uint64_t pages, uint64_t stored,
		       const char *note)
{
	/* They were counted one after the other. */
	double share = rzc_stat_share(pages < stored ? pages : stored, stored);
	int marks = (int)(share * SCREEN_BAR + 0.5);

	if (pages == 0)
		return;
	fprintf(file, "  %-12s %12" PRIu64 " %5.1f%%  ", name, pages, 100 * share);
	for (int i = 0; i < marks; i++)
		putc('#', file);
	fprintf(file, "%s%s\n", marks > 0 && note[0] != '\0' ? " " : "", note);
}

static void screen_forms(FILE *file, const json_t *answer)
{
	uint64_t stored = rzc_stat_count(answer, "pages_stored");
	char name[24];
	const json_t *tier;
	size_t i;

	fprintf(file, "forms          pages\n");
	screen_bar(file, "same-filled", rzc_stat_count(answer, "pages_same_filled"), stored, "");
	screen_bar(file, "compressed", rzc_stat_count(answer, "pages_compressed"), stored, "");
	screen_bar(file, "raw", rzc_stat_count(answer, "pages_raw"), stored, "");
	screen_bar(file, "shared", rzc_stat_count(answer, "pages_shared"), stored, "");
	screen_bar(file, "backed", rzc_stat_count(answer, "pages_backed"), stored, "");
	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		const char *codec = json_string_value(json_object_get(tier, "codec"));

		snprintf(name, sizeof(name), "tier %" PRIu64, rzc_count(tier, "tier"));
		screen_bar(file, name, rzc_count(tier, "pages"), stored,
			   codec != NULL ? codec : "");
	}
}

static void screen_ages(FILE *file, const json_t *answer)
{
	uint64_t stored = rzc_stat_count(answer, "pages_stored");
	const json_t *pages;
	size_t i;

	fprintf(file, "ages           pages\n");
	json_array_foreach(json_object_get(answer, "ages"), i, pages)
	{
		uint32_t first = ramz_age_floor((uint32_t)i),
			 next = ramz_age_floor((uint32_t)i + 1);
		json_int_t count = json_integer_value(pages);
		char name[40];

		if (i + 1 == RAMZ_AGE_BUCKETS)
			snprintf(name, sizeof(name), "%" PRIu32 "+", first);
		else if (next - first > 1)
			snprintf(name, sizeof(name), "%" PRIu32 "-%" PRIu32, first, next - 1);
		else
			snprintf(name, sizeof(name), "%" PRIu32, first);
		screen_bar(file, name, count > 0 ? (uint64_t)count : 0, stored, "");
	}
}

/* ---- histories ---- */

static void history_add(struct rzc_history *history, double value)
{
	if (history->count == RZC_HISTORY) {
		memmove(history->value, history->value + 1,
			sizeof(history->value) - sizeof(history->value[0]));
		history->count--;
	}
	history->value[history->count++] = value;
}

/* The last of them is at the right, and the most of those shown has the highest mark. */
static void history_print(FILE *file, const struct rzc_history *history)
{
	double most = 0;

	for (size_t i = 0; i < history->count; i++)
		most = history->value[i] > most ? history->value[i] : most;
	for (size_t i = 0; i < history->count; i++) {
		double level =
			most > 0 ? history->value[i] / most * (sizeof(screen_levels) - 2) : 0;

		putc(screen_levels[(size_t)(level + 0.5)], file);
	}
	putc('\n', file);
}

/* A rate of pages, of `key` in "stats". */
static void screen_rate(FILE *file, const char *name, const struct rzc_sample *before,
			const struct rzc_sample *now, const char *key, struct rzc_history *history)
{
	double seconds = (double)(now->at_ns - before->at_ns) / 1e9;

	if (!rzc_stat_follows(before, now, key)) {
		fprintf(file, "  %-12s %12s   ", name, "-");
	} else {
		double rate = (double)(rzc_stat_count(now->answer, key) -
				       rzc_stat_count(before->answer, key)) /
			      seconds;

		history_add(history, rate);
		fprintf(file, "  %-12s %12.0f   ", name, rate);
	}
	history_print(file, history);
}

static void screen_held(FILE *file, const json_t *answer, struct rzc_history *history)
{
	uint64_t held = rzc_stat_count(answer, "held_bytes");
	char size[RZC_SIZE_TEXT_BYTES];

	history_add(history, (double)held);
	fprintf(file, "  %-12s %12s   ", "held", rzc_size_text(size, held));
	history_print(file, history);
}

/* Of what happened between two samples; of all before the first one. */
static void screen_latency(FILE *file, const char *name, const struct rzc_sample *before,
			   const struct rzc_sample *now, const char *key, const char *count_key)
{
	char p50[RZC_SIZE_TEXT_BYTES], p99[RZC_SIZE_TEXT_BYTES], p9999[RZC_SIZE_TEXT_BYTES];
	struct ramz_histogram histogram, old;

	rzc_stat_histogram(&histogram, now->answer, key);
	if (rzc_stat_follows(before, now, count_key)) {
		rzc_stat_histogram(&old, before->answer, key);
		for (uint32_t i = 0; i < RAMZ_HISTOGRAM_BUCKETS; i++) {
			uint64_t less = old.bucket[i] < histogram.bucket[i] ? old.bucket[i]
									    : histogram.bucket[i];

			histogram.bucket[i] -= less;
			histogram.count -= less;
		}
	}
	if (histogram.count == 0) {
		fprintf(file, "  %-12s %12s\n", name, "-");
		return;
	}
	fprintf(file, "  %-12s p50 %s, p99 %s, p99.99 %s\n", name,
		rzc_nanoseconds_text(p50, ramz_histogram_quantile(&histogram, 50000)),
		rzc_nanoseconds_text(p99, ramz_histogram_quantile(&histogram, 99000)),
		rzc_nanoseconds_text(p9999, ramz_histogram_quantile(&histogram, 99990)));
}

/* ---- the screen ---- */

static void screen_limit(FILE *file, const json_t *answer)
{
	uint64_t limit = rzc_stat_count(answer, "hard_limit_bytes");
	char size[RZC_SIZE_TEXT_BYTES];

	if (limit > 0)
		fprintf(file, ", %.1f%% of the hard limit of %s",
			100 * rzc_stat_share(rzc_stat_count(answer, "held_bytes"), limit),
			rzc_size_text(size, limit));
}

static void screen_summary(FILE *file, const json_t *answer)
{
	uint64_t data = rzc_stat_stored_bytes(answer);
	uint64_t held = rzc_stat_count(answer, "held_bytes");
	char stored[RZC_SIZE_TEXT_BYTES], size[RZC_SIZE_TEXT_BYTES];

	rzc_stat_print_headline(file, answer);
	fprintf(file, "%s stored in %s, ratio %.2f", rzc_size_text(stored, data),
		rzc_size_text(size, held), rzc_stat_share(data, held));
	screen_limit(file, answer);
	fprintf(file, "; clients: %" PRIu64 "\n", rzc_count(answer, "clients"));
	if (rzc_stat_count(answer, "bad_pages") > 0)
		fprintf(file, "DAMAGED: %" PRIu64 " reads\n", rzc_stat_count(answer, "bad_pages"));
}

static void screen_text(FILE *file, struct rzc_screen *screen, const struct rzc_sample *before,
			const struct rzc_sample *now)
{
	screen_summary(file, now->answer);
	fprintf(file, "a second       pages\n");
	screen_rate(file, "read", before, now, "reads", &screen->reads);
	screen_rate(file, "written", before, now, "writes", &screen->writes);
	screen_rate(file, "discarded", before, now, "notify_free", &screen->discards);
	screen_held(file, now->answer, &screen->held);
	fprintf(file, "times\n");
	screen_latency(file, "read", before, now, "read_latency", "reads");
	screen_latency(file, "write", before, now, "write_latency", "writes");
	screen_forms(file, now->answer);
	screen_ages(file, now->answer);
}

/* What of the text fits. */
static void screen_show(const char *text)
{
	struct winsize size = {0};
	int rows = SCREEN_ROWS, columns = SCREEN_COLUMNS;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 && size.ws_col > 0) {
		rows = size.ws_row;
		columns = size.ws_col;
	}
	fputs("\033[H\033[J", stdout); /* home, and nothing below */
	for (int row = 1; row < rows && *text != '\0'; row++) {
		size_t length = strcspn(text, "\n");

		printf("%.*s\n", (int)(length < (size_t)columns ? length : (size_t)columns), text);
		text += length + (text[length] == '\n');
	}
}

int rzc_stat_screen(struct rzc_screen *screen, const struct rzc_sample *before,
		    const struct rzc_sample *now)
{
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);

	if (file != NULL) {
		screen_text(file, screen, before, now);
		if (fclose(file) == 0) {
			screen_show(text);
			free(text);
			return 0;
		}
	}
	free(text);
	xvm_error("there is no memory for a screen");
	return XVM_FAILED;
}
