/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * bench_table.c: the tables of ramz bench. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

const char *rzc_phase_title(enum rzc_phase phase)
{
	static const char *const titles[] = {"sequential write", "random overwrite", "random read"};

	return titles[phase];
}

const char *rzc_phase_name(enum rzc_phase phase)
{
	static const char *const names[] = {"fill", "overwrite", "read"};

	return names[phase];
}

/* A ratio with three decimals, or a dash where there is none. */
static void table_ratio(double value, int width, const char *mark)
{
	char text[32];

	if (value > 0)
		snprintf(text, sizeof(text), "%.3f%s", value, mark);
	else
		snprintf(text, sizeof(text), "-%s", mark);
	printf("%*s", width, text);
}

static double table_zram_density(const struct rzc_race *race)
{
	if (race->zram.compr_bytes == 0)
		return 0;
	return (double)race->zram.mem_used_bytes / (double)race->zram.compr_bytes;
}

static void table_density(const struct rzc_result *results, size_t count)
{
	puts("\nmemory, bytes by bytes: held / compressed, full, and after 90% of the pages were\n"
	     "discarded and the rest compacted (then without the slot table)");
	printf("%-10s %8s %8s %8s %12s %8s %12s\n", "codec", "ratio", "full", "sparse",
	       "kernel zram", "raw", "pages");
	for (size_t i = 0; i < count; i++) {
		const struct rzc_density *d = &results[i].density;

		printf("%-10s ", results[i].codec->label);
		table_ratio(rzc_density_ratio(d), 8, "");
		table_ratio(rzc_density_full(d), 9, "");
		table_ratio(rzc_density_sparse(d), 9, "");
		table_ratio(table_zram_density(&results[i].race), 13, "");
		printf(" %7.1f%% %12" PRIu64 "\n", 100.0 * (double)d->raw / (double)d->pages,
		       d->pages);
	}
}

static void table_lane(const struct rzc_result *result, const struct rzc_lane *lane)
{
	printf("%-10s %2u %-11s", result->codec->label, lane->threads, rzc_who_name(lane->who));
	for (int phase = 0; phase < RZC_PHASES; phase++) {
		struct rzc_times t;

		rzc_race_times(&result->race, lane, (enum rzc_phase)phase, &t);
		printf(" %7.2f %6.2f %6.1f %7.1f", t.mean_us, t.p50_us, t.p99_us, t.p9999_us);
	}
	putchar('\n');
}

static void table_speed(const struct rzc_result *results, size_t count)
{
	puts("\nspeed, microseconds a page, on as many threads: mean, p50, p99, p99.99");
	printf("%-25s", "");
	for (int phase = 0; phase < RZC_PHASES; phase++)
		printf(" %29s", rzc_phase_title((enum rzc_phase)phase));
	putchar('\n');
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < results[i].race.lane_count; k++)
			table_lane(&results[i], &results[i].race.lanes[k]);
	}
	for (size_t i = 0; i < count; i++) {
		const struct rzc_race *race = &results[i].race;

		if (race->lane_count > 0)
			printf("%s: %zu pages%s%s\n", results[i].codec->label, race->pages,
			       race->zram_why[0] != '\0' ? "; not run: kernel zram: " : "",
			       race->zram_why);
	}
}

static void table_target(const struct rzc_options *options, const struct rzc_target *target,
			 const struct rzc_result *results, size_t count)
{
	printf("%-32s %-20s", target->what, target->limit);
	for (size_t i = 0; i < count; i++) {
		double value = target->measure(&results[i]);
		double limit = rzc_target_limit(target, results[i].codec, options->threads);
		bool missed = limit > 0 && value > 0 && !rzc_target_met(target, value, limit);

		table_ratio(value, 10, missed ? "*" : " ");
	}
	putchar('\n');
}

static void table_targets(const struct rzc_options *options, const struct rzc_result *results,
			  size_t count)
{
	const struct rzc_target *target;

	printf("\n%-32s %-20s", "ratios (* misses its target)", "target");
	for (size_t i = 0; i < count; i++)
		printf("%9s ", results[i].codec->label);
	putchar('\n');
	for (size_t i = 0; (target = rzc_target_at(i)) != NULL; i++)
		table_target(options, target, results, count);
}

void rzc_bench_table(const struct rzc_options *options, const struct rzc_input *input,
		     const struct rzc_result *results, size_t count)
{
	rzc_input_heading(input);
	putchar('\n');
	table_density(results, count);
	if (input->distinct_count > 0)
		table_speed(results, count);
	else
		puts("\nspeed: all pages are same-filled, so there is nothing to time");
	table_targets(options, results, count);
	putchar('\n');
}
