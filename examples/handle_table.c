/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A mailbox: letters of all lengths, known by 32-bit ids that they keep while the pool
 * moves them. Most letters are deleted; compaction gives their memory back.
 */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/handle_table.h>
#include <xvmalloc/provider_mmap.h>

enum { LETTERS = 5000, LETTER_MAX = 3000, KEEP_ONE_IN = 10 };

static xv_id mailbox[LETTERS];

/* Length and text of letter i, always the same. */
static size_t letter(unsigned i, char *text)
{
	size_t bytes = 40 + (i * 7919U) % (LETTER_MAX - 40);

	memset(text, 'a' + (int)(i % 26), bytes);
	(void)snprintf(text, 40, "Letter %u, %u bytes\n", i, (unsigned)bytes);
	return bytes;
}

static int write_all(struct xv_handle_table *table)
{
	static char text[LETTER_MAX];

	for (unsigned i = 0; i < LETTERS; i++) {
		size_t bytes = letter(i, text);
		int err = xv_id_malloc(table, bytes, &mailbox[i]);

		if (err == 0)
			err = xv_id_write(table, mailbox[i], 0, text, bytes);
		if (err != 0)
			return err;
	}
	return 0;
}

/* Read what should be there; be refused what should not. */
static bool mailbox_is_right(struct xv_handle_table *table)
{
	static char text[LETTER_MAX], found[LETTER_MAX];

	for (unsigned i = 0; i < LETTERS; i++) {
		size_t bytes = letter(i, text);
		int err = xv_id_read(table, mailbox[i], 0, found, bytes);

		if (i % KEEP_ONE_IN != 0 && err != -XV_EINVAL)
			return false;
		if (i % KEEP_ONE_IN == 0 && (err != 0 || memcmp(text, found, bytes) != 0))
			return false;
	}
	return true;
}

static void print_held(struct xv_handle_table *table, const char *when)
{
	struct xv_handle_table_stats stats;

	xv_handle_table_get_stats(table, &stats);
	printf("%-18s %5llu letters, %8llu bytes, in %8llu held\n", when,
	       (unsigned long long)stats.ids, (unsigned long long)stats.pool.requested_bytes,
	       (unsigned long long)stats.held_bytes);
}

/* In steps, as a program with other work would. */
static int compact(struct xv_handle_table *table)
{
	struct xv_compact_report report;
	int err;

	do {
		err = xv_handle_table_compact(table, 0, &report);
	} while (err == 0 && report.more);
	return err;
}

static int run(struct xv_handle_table *table)
{
	int err = write_all(table);

	if (err != 0)
		return err;
	print_held(table, "all letters");
	for (unsigned i = 0; i < LETTERS; i++) {
		if (i % KEEP_ONE_IN != 0)
			err = xv_id_free(table, mailbox[i]);
		if (err != 0)
			return err;
	}
	print_held(table, "nine in ten gone");
	err = compact(table);
	if (err != 0)
		return err;
	print_held(table, "compacted");
	return mailbox_is_right(table) ? 0 : -XV_EBADMSG;
}

int main(void)
{
	struct xv_handle_table *table;
	struct xv_provider *provider;
	int err = xv_provider_mmap_create(&provider, NULL);

	if (err != 0) {
		fprintf(stderr, "handle_table: no provider: %s\n", xv_strerror(err));
		return 1;
	}
	err = xv_handle_table_create(&table, provider, NULL);
	if (err == 0) {
		err = run(table);
		xv_handle_table_destroy(table);
	}
	if (err != 0)
		fprintf(stderr, "handle_table: %s\n", xv_strerror(err));
	xv_provider_mmap_destroy(provider);
	return err == 0 ? 0 : 1;
}
