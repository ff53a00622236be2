/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate_report.c: ramz estimate as tables and as JSON, schema "ramz-estimate/1" (ramz.1 has
 * its fields). Locking: none.
 */
#include "estimate.h"

#include <inttypes.h>
#include <stdio.h>

/* Widest bar, and what share of the pages fills it. */
#define TABLE_BAR 20U
#define TABLE_BAR_SHARE 0.4

/* ---- tables ---- */

static void table_heading(const struct xvm_input *input, const struct rzc_estimate *estimates,
			  size_t count)
{
	uint64_t pages = estimates[0].density.pages; /* that all forms saw: the least */
	uint64_t most = pages;

	for (size_t i = 1; i < count; i++) {
		if (estimates[i].density.pages < pages)
			pages = estimates[i].density.pages;
		if (estimates[i].density.pages > most)
			most = estimates[i].density.pages;
	}
	printf("%s: %" PRIu64 " pages of 4096 bytes, %.1f MiB", input->name, input->available,
	       estimates[0].original_bytes / (1 << 20));
	if (pages < input->available)
		printf("; sampled: estimated from %" PRIu64 " pages spread evenly%s", pages,
		       pages < most ? " (more for faster codecs)" : "");
	putchar('\n');
}

/* "warm lz4:9+dict", good until the next call. */
static const char *table_label(const struct rzc_estimate *e)
{
	static char label[XVM_CODEC_LABEL_BYTES + 16];

	snprintf(label, sizeof(label), "%s %s%s", e->form, e->codec->label,
		 e->density.dictionary_bytes != 0 ? "+dict" : "");
	return label;
}

static void table_savings(const struct rzc_estimate *e)
{
	printf("%-16s ", table_label(e));
	if (e->compressed_bytes > 0)
		printf("%7.2f", e->original_bytes / e->compressed_bytes);
	else
		printf("%7s", "-");
	printf(" %16.1f %10.1f %7.1f%% %9.1f %9.1f\n", e->compressed_bytes / (1 << 20),
	       e->held_bytes / (1 << 20), 100 * e->saved, e->density.write_us, e->density.read_us);
}

/* "12.3% ######", padded to a column. */
static void table_bar(double share)
{
	static const char full[] = "####################";
	unsigned length = (unsigned)(share / TABLE_BAR_SHARE * TABLE_BAR + 0.5);

	printf(" %5.1f%% %-*.*s", 100 * share, (int)TABLE_BAR,
	       (int)(length < TABLE_BAR ? length : TABLE_BAR), full);
}

/* A row of the histogram; field is the place of its share in an estimate. */
static void table_row(const char *name, const struct rzc_estimate *estimates, size_t count,
		      size_t field)
{
	printf("%-12s", name);
	for (size_t i = 0; i < count; i++)
		table_bar(*(const double *)((const char *)&estimates[i] + field));
	putchar('\n');
}

void rzc_estimate_table(const struct xvm_input *input, const struct rzc_estimate *estimates,
			size_t count)
{
	const unsigned width = XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES;
	char name[24];

	table_heading(input, estimates, count);
	printf("%-16s %7s %16s %10s %8s %9s %9s\n", "form", "ratio", "compressed MiB", "held MiB",
	       "saved", "us/write", "us/read");
	for (size_t i = 0; i < count; i++)
		table_savings(&estimates[i]);
	printf("\n%-12s", "stored as");
	for (size_t i = 0; i < count; i++)
		printf("  %-*s", (int)TABLE_BAR + 6, table_label(&estimates[i]));
	putchar('\n');
	table_row("same-filled", estimates, count,
		  offsetof(struct rzc_estimate, same_filled_share));
	for (unsigned c = 0; c < RZC_SIZE_CLASSES; c++) {
		snprintf(name, sizeof(name), "%4u - %u", c * width, (c + 1) * width - 1);
		table_row(name, estimates, count,
			  offsetof(struct rzc_estimate, share) + c * sizeof(double));
	}
	table_row("raw", estimates, count, offsetof(struct rzc_estimate, raw_share));
	putchar('\n');
}

/* ---- JSON ---- */

static json_t *json_sizes(const struct rzc_estimate *e)
{
	json_t *list = json_array();

	for (unsigned c = 0; c < RZC_SIZE_CLASSES; c++)
		json_array_append_new(list, json_real(e->share[c]));
	return list;
}

static json_t *json_result(const struct xvm_input *input, const struct rzc_estimate *e)
{
	const struct rzc_density *d = &e->density;
	double ratio = (double)d->pages * XVM_INPUT_PAGE_BYTES / (double)d->stored_bytes;

	return json_pack("{so ss ss si so sb so so so so so sf sf sf sf sf so so}", "input",
			 xvm_json_text(input->name), "form", e->form, "codec",
			 e->codec->codec->name, "level", (int)e->codec->level, "pages",
			 xvm_json_count(d->pages), "sampled", d->pages < input->available,
			 "original_bytes", xvm_json_count((uint64_t)e->original_bytes),
			 "compressed_bytes", xvm_json_count((uint64_t)e->compressed_bytes),
			 "held_bytes", xvm_json_count((uint64_t)e->held_bytes), "dictionary_bytes",
			 xvm_json_count(d->dictionary_bytes), "ratio",
			 xvm_json_real_if(d->stored_bytes > 0, ratio), "saved", e->saved,
			 "write_us", d->write_us, "read_us", d->read_us, "same_filled_share",
			 e->same_filled_share, "raw_share", e->raw_share, "size_class_bytes",
			 xvm_json_count(XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES),
			 "size_class_share", json_sizes(e));
}

void rzc_estimate_json(json_t *root, const struct xvm_input *input,
		       const struct rzc_estimate *estimates, size_t count)
{
	json_array_append_new(json_object_get(root, "inputs"), xvm_json_input(input));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(json_object_get(root, "results"),
				      json_result(input, &estimates[i]));
}
