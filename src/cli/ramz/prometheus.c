/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * prometheus.c: ramz stat --prometheus: the counters of disks in Prometheus' text format. A table
 * has the metrics. All series of one stand together, as the format wants it, so all disks are
 * asked first. What a server does not tell has no series. Locking: none. O(metrics * disks).
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (format 0.0.4).
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <ramz/tiers.h>

#include "place.h"
#include "stat.h"

/* Where ramz@.service has its disks; only root can go there. */
#define PROMETHEUS_SERVICES "/run/ramz-*/disk" RZC_PLACE_CONTROL

/* Limits of a histogram's buckets: 2^9 ns to 2^31 ns, which are limits of the server's too. */
enum { PROMETHEUS_LEAST_SHIFT = 9, PROMETHEUS_LARGEST_SHIFT = 31 };

#define PROMETHEUS_NS 1e-9 /* seconds */

struct prometheus_disk {
	char *label;    /* as it stands between quotes */
	json_t *answer; /* NULL = it did not answer */
};

struct prometheus_disks {
	struct prometheus_disk *disk;
	size_t count, capacity;
	const struct rzc_options *options;
};

/* ---- the metrics ---- */

struct metric;

/* Print the series of a disk. */
typedef void metric_print(FILE *file, const struct metric *metric,
			  const struct prometheus_disk *disk);

struct metric {
	const char *name; /* NULL = one more series of the metric above */
	const char *type;
	const char *help;
	const char *key;     /* in the answer */
	const char *labels;  /* behind that of the disk, with a comma before them */
	double unit;         /* of what is told; 0 = it stays whole */
	metric_print *print; /* NULL = the number at `key` */
};

static void metric_head(FILE *file, const struct metric *metric, const char *suffix,
			const struct prometheus_disk *disk)
{
	fprintf(file, "%s%s{disk=\"%s\"", metric->name, suffix, disk->label);
}

static void print_up(FILE *file, const struct metric *metric, const struct prometheus_disk *disk)
{
	metric_head(file, metric, "", disk);
	fprintf(file, "} %d\n", disk->answer != NULL);
}

static void print_info(FILE *file, const struct metric *metric, const struct prometheus_disk *disk)
{
	const char *codec = json_string_value(json_object_get(disk->answer, "codec"));

	metric_head(file, metric, "", disk);
	fprintf(file, ",codec=\"%s\",level=\"%" JSON_INTEGER_FORMAT "\"} 1\n",
		codec != NULL ? codec : "",
		json_integer_value(json_object_get(disk->answer, "level")));
}

/* A number of each tier above 0 that is in use. */
static void print_tiers(FILE *file, const struct metric *metric, const struct prometheus_disk *disk)
{
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(disk->answer, "tiers"), i, tier)
	{
		metric_head(file, metric, "", disk);
		fprintf(file, ",tier=\"%" PRIu64 "\"} %" PRIu64 "\n", rzc_count(tier, "tier"),
			rzc_count(tier, metric->key));
	}
}

static void print_ages(FILE *file, const struct metric *metric, const struct prometheus_disk *disk)
{
	const json_t *pages;
	size_t i;

	json_array_foreach(json_object_get(disk->answer, metric->key), i, pages)
	{
		metric_head(file, metric, "", disk);
		fprintf(file, ",age=\"%" PRIu32 "\"} %" JSON_INTEGER_FORMAT "\n",
			ramz_age_floor((uint32_t)i), json_integer_value(pages));
	}
}

static void print_histogram(FILE *file, const struct metric *metric,
			    const struct prometheus_disk *disk)
{
	struct ramz_histogram histogram;
	uint64_t below = 0;
	uint32_t bucket = 0;

	rzc_stat_histogram(&histogram, disk->answer, metric->key);
	for (int shift = PROMETHEUS_LEAST_SHIFT; shift <= PROMETHEUS_LARGEST_SHIFT; shift++) {
		while (ramz_histogram_floor(bucket) < UINT64_C(1) << shift)
			below += histogram.bucket[bucket++];
		metric_head(file, metric, "_bucket", disk);
		fprintf(file, ",le=\"%.10g\"} %" PRIu64 "\n",
			(double)(UINT64_C(1) << shift) * PROMETHEUS_NS, below);
	}
	metric_head(file, metric, "_bucket", disk);
	fprintf(file, ",le=\"+Inf\"} %" PRIu64 "\n", histogram.count);
	metric_head(file, metric, "_sum", disk);
	fprintf(file, "} %.9g\n", (double)histogram.sum * PROMETHEUS_NS);
	metric_head(file, metric, "_count", disk);
	fprintf(file, "} %" PRIu64 "\n", histogram.count);
}

#define GAUGE "gauge"
#define COUNTER "counter"
#define HISTOGRAM "histogram"

static const struct metric prometheus_metrics[] = {
	{"ramz_up", GAUGE, "1 if the disk's server answered, else 0.", NULL, "", 0, print_up},
	{"ramz_info", GAUGE, "How what is written is compressed.", NULL, "", 0, print_info},
	{"ramz_uptime_seconds", GAUGE, "How long the disk has been served.", "uptime_seconds", "",
	 0, NULL},
	{"ramz_clients", GAUGE, "Clients connected.", "clients", "", 0, NULL},
	{"ramz_size_bytes", GAUGE, "Size of the disk.", "stats.size_bytes", "", 0, NULL},
	{"ramz_page_bytes", GAUGE, "Size of a page.", "stats.page_bytes", "", 0, NULL},
	{"ramz_data_bytes", GAUGE, "Data stored, before it is compressed.",
	 "stats.mm_stat.orig_data_size", "", 0, NULL},
	{"ramz_form_bytes", GAUGE, "Compressed and raw forms of the pages stored.",
	 "stats.stored_bytes", "", 0, NULL},
	{"ramz_held_bytes", GAUGE, "Everything obtained from the system for the disk.",
	 "stats.held_bytes", "", 0, NULL},
	{"ramz_held_part_bytes", GAUGE, "The parts of ramz_held_bytes.", "stats.pool.held_bytes",
	 ",part=\"pool\"", 0, NULL},
	{NULL, NULL, NULL, "stats.slot_table_bytes", ",part=\"slot_table\"", 0, NULL},
	{NULL, NULL, NULL, "stats.dedup_bytes", ",part=\"dedup\"", 0, NULL},
	{NULL, NULL, NULL, "stats.dictionary_bytes", ",part=\"dictionary\"", 0, NULL},
	{NULL, NULL, NULL, "stats.backing_bytes", ",part=\"backing\"", 0, NULL},
	{NULL, NULL, NULL, "stats.thread_bytes", ",part=\"thread\"", 0, NULL},
	{NULL, NULL, NULL, "stats.store_bytes", ",part=\"store\"", 0, NULL},
	{"ramz_pool_peak_bytes", GAUGE,
	 "Most that the pool held since the disk is served, or its peak was reset.",
	 "stats.mm_stat.mem_used_max", "", 0, NULL},
	{"ramz_soft_limit_bytes", GAUGE, "Soft limit on ramz_held_bytes; 0: none.",
	 "stats.soft_limit_bytes", "", 0, NULL},
	{"ramz_hard_limit_bytes", GAUGE, "Hard limit on ramz_held_bytes; 0: none.",
	 "stats.hard_limit_bytes", "", 0, NULL},
	{"ramz_pages", GAUGE, "Pages stored, by form.", "stats.pages_same_filled",
	 ",form=\"same_filled\"", 0, NULL},
	{NULL, NULL, NULL, "stats.pages_compressed", ",form=\"compressed\"", 0, NULL},
	{NULL, NULL, NULL, "stats.pages_raw", ",form=\"raw\"", 0, NULL},
	{"ramz_shared_pages", GAUGE, "Pages that need no memory, as an identical one is there.",
	 "stats.pages_shared", "", 0, NULL},
	{"ramz_backed_pages", GAUGE, "Pages on the backing file.", "stats.pages_backed", "", 0,
	 NULL},
	{"ramz_tier_pages", GAUGE, "Pages in the warm (1) and cold (2) tier.", "pages", "", 0,
	 print_tiers},
	{"ramz_tier_dictionary_bytes", GAUGE, "Dictionary of a tier.", "dictionary_bytes", "", 0,
	 print_tiers},
	{"ramz_age_pages", GAUGE, "Pages stored of this age and older, up to the next age shown.",
	 "ages", "", 0, print_ages},

	{"ramz_page_reads_total", COUNTER, "Pages read.", "stats.reads", "", 0, NULL},
	{"ramz_page_writes_total", COUNTER, "Pages written.", "stats.writes", "", 0, NULL},
	{"ramz_page_discards_total", COUNTER, "Pages wholly inside a discard.", "stats.notify_free",
	 "", 0, NULL},
	{"ramz_failed_reads_total", COUNTER, "Pages that could not be read.", "stats.failed_reads",
	 "", 0, NULL},
	{"ramz_failed_writes_total", COUNTER, "Pages that could not be written.",
	 "stats.failed_writes", "", 0, NULL},
	{"ramz_damaged_reads_total", COUNTER, "Reads that found a page damaged.", "stats.bad_pages",
	 "", 0, NULL},
	{"ramz_read_seconds", HISTOGRAM,
	 "Time that the store took for a page read; one call in eight is timed.", "read_latency",
	 "", 0, print_histogram},
	{"ramz_write_seconds", HISTOGRAM,
	 "Time that the store took for a page write; one call in eight is timed.", "write_latency",
	 "", 0, print_histogram},
	{"ramz_soft_limit_passed_total", COUNTER, "Times that the soft limit was passed.",
	 "stats.soft_limit_hits", "", 0, NULL},
	{"ramz_hard_limit_refused_total", COUNTER, "Writes refused at the hard limit.",
	 "stats.hard_limit_hits", "", 0, NULL},
	{"ramz_dedup_hits_total", COUNTER, "Pages written that found an identical one.",
	 "stats.dedup_hits", "", 0, NULL},
	{"ramz_compact_moved_bytes_total", COUNTER, "Moved by compaction.",
	 "stats.compact_moved_bytes", "", 0, NULL},
	{"ramz_compact_freed_bytes_total", COUNTER, "Given back by compaction.",
	 "stats.compact_freed_bytes", "", 0, NULL},
	{"ramz_recompressed_pages_total", COUNTER, "Pages that went into a tier.",
	 "stats.recompressed", "", 0, NULL},
	{"ramz_recompress_saved_bytes_total", COUNTER, "Saved by tiers.",
	 "stats.recompress_saved_bytes", "", 0, NULL},

	{"ramz_saves_total", COUNTER, "Saves to the disk's file.", "saves.count", "", 0, NULL},
	{"ramz_failed_saves_total", COUNTER, "Saves to the disk's file that failed.",
	 "saves.failures", "", 0, NULL},
	{"ramz_last_save_timestamp_seconds", GAUGE, "When the file was last saved; 0: not yet.",
	 "saves.last_at", "", 0, NULL},
	{"ramz_unsaved", GAUGE, "1 if anything has changed since the file was saved or loaded.",
	 "saves.stale", "", 0, NULL},

	{"ramz_backing_size_bytes", GAUGE, "Size of the backing file.", "backing.segments", "",
	 RAMZ_SEGMENT_BYTES, NULL},
	{"ramz_backing_free_bytes", GAUGE, "Free on the backing file.", "backing.free_segments", "",
	 RAMZ_SEGMENT_BYTES, NULL},
	{"ramz_backing_live_bytes", GAUGE, "Forms of pages on the backing file.",
	 "backing.live_bytes", "", 0, NULL},
	{"ramz_backing_reads_total", COUNTER, "Pages read from the backing file.", "backing.reads",
	 "", 0, NULL},
	{"ramz_backing_writes_total", COUNTER, "Pages written to the backing file.",
	 "backing.writes", "", 0, NULL},
	{"ramz_backing_written_bytes_total", COUNTER, "Written to the backing file.",
	 "backing.written_bytes", "", 0, NULL},
	{"ramz_backing_failed_reads_total", COUNTER, "Reads of the backing file that failed.",
	 "backing.failed_reads", "", 0, NULL},
	{"ramz_backing_failed_writes_total", COUNTER, "Writes to the backing file that failed.",
	 "backing.failed_writes", "", 0, NULL},

	{"ramz_policy_running", GAUGE, "1 if a thread puts pages into tiers and onto backing.",
	 "policy.running", "", 0, NULL},
	{"ramz_policy_written_back_pages_total", COUNTER, "Pages that it moved to backing.",
	 "policy.written_back", "", 0, NULL},
	{"ramz_policy_waits_total", COUNTER, "Writes that waited at the hard limit.",
	 "policy.waits", "", 0, NULL},
	{"ramz_policy_wait_seconds_total", COUNTER, "How long they waited.", "policy.wait_ns", "",
	 PROMETHEUS_NS, NULL},
	{"ramz_policy_refused_total", COUNTER, "Writes that were refused after waiting.",
	 "policy.refused", "", 0, NULL},
	{"ramz_policy_pressure_ratio", GAUGE, "Memory pressure when it was last looked at, 0 to 1.",
	 "policy.pressure", "", 1e-4, NULL},
};

#define PROMETHEUS_METRICS (sizeof(prometheus_metrics) / sizeof(prometheus_metrics[0]))

/* ---- the sheet ---- */

/* name: of the metric that `row` is of. */
static void sheet_number(FILE *file, const struct metric *metric, const struct metric *row,
			 const struct prometheus_disk *disk)
{
	const json_t *value = rzc_find(disk->answer, row->key);

	if (!json_is_integer(value) && !json_is_boolean(value))
		return;
	metric_head(file, metric, "", disk);
	fprintf(file, "%s} ", row->labels);
	if (json_is_boolean(value))
		fprintf(file, "%d\n", json_is_true(value));
	else if (row->unit > 0)
		fprintf(file, "%.12g\n", (double)rzc_count(disk->answer, row->key) * row->unit);
	else
		fprintf(file, "%" PRIu64 "\n", rzc_count(disk->answer, row->key));
}

/* A metric, of which `rows` rows stand in the table. */
static void sheet_metric(FILE *file, const struct metric *metric, size_t rows,
			 const struct prometheus_disks *disks)
{
	fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
		metric->type);
	for (size_t i = 0; i < disks->count; i++) {
		const struct prometheus_disk *disk = &disks->disk[i];

		if (metric->print == print_up || (metric->print != NULL && disk->answer != NULL))
			metric->print(file, metric, disk);
		else if (disk->answer != NULL)
			for (size_t row = 0; row < rows; row++)
				sheet_number(file, metric, metric + row, disk);
	}
}

static void sheet_print(FILE *file, const struct prometheus_disks *disks)
{
	fprintf(file,
		"# HELP ramz_disks Disks that have a control socket.\n# TYPE ramz_disks "
		"gauge\nramz_disks %zu\n",
		disks->count);
	for (size_t i = 0, rows; i < PROMETHEUS_METRICS; i += rows) {
		rows = 1;
		while (i + rows < PROMETHEUS_METRICS && prometheus_metrics[i + rows].name == NULL)
			rows++;
		sheet_metric(file, &prometheus_metrics[i], rows, disks);
	}
}

/* ---- the disks ---- */

/* text as it stands in a label: in UTF-8, which alone is allowed there. */
static char *disk_label(const char *text)
{
	json_t *utf8 = json_string(text);
	char *label = xvm_calloc(2 * strlen(text) + 1, 1), *at = label;

	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			*at++ = '\\';
		*at++ = *text == '\n' ? 'n' : utf8 == NULL && (*text & 0x80) != 0 ? '?' : *text;
	}
	json_decref(utf8);
	return label;
}

/* label: what the other commands take behind --name or --socket. Of two with one label, in two
 * directories, at most one lives, and counts. */
static void disks_ask(struct prometheus_disks *disks, const char *label,
		      const struct rzc_server *server)
{
	struct rzc_sample sample;
	struct prometheus_disk *disk = NULL;
	char *escaped = disk_label(label);

	for (size_t i = 0; disk == NULL && i < disks->count; i++) {
		if (strcmp(disks->disk[i].label, escaped) == 0)
			disk = &disks->disk[i];
	}
	if (disk == NULL) {
		disks->disk = xvm_grow(disks->disk, &disks->capacity, disks->count + 1,
				       sizeof(disks->disk[0]));
		disk = &disks->disk[disks->count++];
		*disk = (struct prometheus_disk){.label = escaped};
	} else {
		free(escaped);
	}
	if (disk->answer == NULL && rzc_stat_take(server, &sample) == 0)
		disk->answer = sample.answer;
}

static void disks_ask_named(void *into, const char *name, const char *path)
{
	struct prometheus_disks *disks = into;
	struct rzc_server server = {.timeout_seconds = disks->options->timeout_seconds};

	snprintf(server.path, sizeof(server.path), "%s", path);
	disks_ask(disks, name, &server);
}

static void disks_ask_services(struct prometheus_disks *disks)
{
	glob_t found = {0};

	if (geteuid() == 0 && glob(PROMETHEUS_SERVICES, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			struct rzc_server server = {.timeout_seconds =
							    disks->options->timeout_seconds,
						    .is_named = true};

			snprintf(server.path, sizeof(server.path), "%s", found.gl_pathv[i]);
			disks_ask(disks, server.path, &server);
		}
	}
	globfree(&found);
}

static int disks_find(struct prometheus_disks *disks)
{
	const struct rzc_options *options = disks->options;
	struct rzc_server server;

	if (options->name == NULL && options->socket == NULL) {
		rzc_place_each(disks_ask_named, disks);
		disks_ask_services(disks);
		return 0;
	}
	if (rzc_server_find(&server, options) != 0)
		return XVM_FAILED;
	disks_ask(disks, options->name != NULL ? options->name : options->socket, &server);
	return 0;
}

static void disks_fini(struct prometheus_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		free(disks->disk[i].label);
		json_decref(disks->disk[i].answer);
	}
	free(disks->disk);
}

/* ---- the output ---- */

/* A reader sees the old file or the new one, whole. */
static int output_replace(const char *path, const struct prometheus_disks *disks)
{
	char temporary[PATH_MAX];
	FILE *file = NULL;
	int fd = -1, error = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary)) {
		xvm_error("the path %.60s... is too long", path);
		return XVM_FAILED;
	}
	fd = mkstemp(temporary);
	if (fd < 0 || (file = fdopen(fd, "w")) == NULL) {
		xvm_error("cannot write %s: %s", temporary, strerror(errno));
		return XVM_FAILED;
	}
	sheet_print(file, disks);
	/* Its reader is another user. */
	if (fflush(file) != 0 || fchmod(fd, 0644) != 0)
		error = errno;
	if (fclose(file) != 0 || (error == 0 && rename(temporary, path) != 0))
		error = errno;
	if (error == 0)
		return 0;
	xvm_error("cannot write %s: %s; what was there is left", path, strerror(error));
	(void)unlink(temporary);
	return XVM_FAILED;
}

int rzc_prometheus(const struct rzc_options *options)
{
	struct prometheus_disks disks = {.options = options};
	int result = disks_find(&disks);

	if (result == 0 && options->output != NULL) {
		result = output_replace(options->output, &disks);
	} else if (result == 0) {
		sheet_print(stdout, &disks);
		result = xvm_output_close(stdout, "-");
	}
	disks_fini(&disks);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
