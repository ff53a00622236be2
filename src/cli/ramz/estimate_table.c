/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * estimate_table.c: the tables of ramz estimate. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "estimate.h"

/* Widest bar, and what share of the pages fills it. */
#define TABLE_BAR 20U
#define TABLE_BAR_SHARE 0.4

/* Pages that all codecs saw: the least. */
static uint64_t table_pages(const struct rzc_estimate *estimates, size_t count)
{
	uint64_t pages = estimates[0].density.pages;

	for (size_t i = 1; i < count; i++) {
		if (estimates[i].density.pages < pages)
			pages = estimates[i].density.pages;
	}
	return pages;
}

static void table_heading(const struct xvm_input *input, const struct rzc_estimate *estimates,
			  size_t count)
{
	uint64_t pages = table_pages(estimates, count);

	printf("%s: %" PRIu64 " pages of 4096 bytes, %.1f MiB", input->name, input->available,
	       estimates[0].original_bytes / (1 << 20));
	if (pages < input->available)
		printf("; sampled: estimated from %" PRIu64 " pages spread evenly%s", pages,
		       pages < input->pages.count ? " (more for faster codecs)" : "");
	putchar('\n');
}

static void table_savings(const struct rzc_estimate *estimates, size_t count)
{
	printf("%-10s %7s %16s %12s %8s %12s\n", "codec", "ratio", "compressed MiB", "held MiB",
	       "saved", "us/page");
	for (size_t i = 0; i < count; i++) {
		const struct rzc_estimate *e = &estimates[i];

		printf("%-10s ", e->codec->label);
		if (e->compressed_bytes > 0)
			printf("%7.2f", e->original_bytes / e->compressed_bytes);
		else
			printf("%7s", "-");
		printf(" %16.1f %12.1f %7.1f%% %12.1f\n", e->compressed_bytes / (1 << 20),
		       e->held_bytes / (1 << 20), 100 * rzc_estimate_saved(e), e->density.write_us);
	}
}

/* "12.3% ######", padded to a column. */
static void table_bar(double share)
{
	unsigned length = (unsigned)(share / TABLE_BAR_SHARE * TABLE_BAR + 0.5);
	char bar[TABLE_BAR + 1];

	if (length > TABLE_BAR)
		length = TABLE_BAR;
	for (unsigned i = 0; i < TABLE_BAR; i++)
		bar[i] = i < length ? '#' : ' ';
	bar[TABLE_BAR] = '\0';
	printf(" %5.1f%% %s", 100 * share, bar);
}

static void table_histogram(const struct rzc_estimate *estimates, size_t count)
{
	const unsigned width = XVM_INPUT_PAGE_BYTES / RZC_SIZE_CLASSES;

	printf("\n%-12s", "stored as");
	for (size_t i = 0; i < count; i++)
		printf("  %-*s", (int)TABLE_BAR + 6, estimates[i].codec->label);
	printf("\n%-12s", "same-filled");
	for (size_t i = 0; i < count; i++)
		table_bar(estimates[i].same_filled_share);
	putchar('\n');
	for (unsigned c = 0; c < RZC_SIZE_CLASSES; c++) {
		printf("%4u - %-5u", c * width, (c + 1) * width - 1);
		for (size_t i = 0; i < count; i++)
			table_bar(estimates[i].share[c]);
		putchar('\n');
	}
	printf("%-12s", "raw");
	for (size_t i = 0; i < count; i++)
		table_bar(estimates[i].raw_share);
	puts("\n");
}

void rzc_estimate_table(const struct xvm_input *input, const struct rzc_estimate *estimates,
			size_t count)
{
	table_heading(input, estimates, count);
	table_savings(estimates, count);
	table_histogram(estimates, count);
}
