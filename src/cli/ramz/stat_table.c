/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat_table.c: the table of ramz stat; see stat.h. Locking: none.
 */
#include "stat.h"

#include <inttypes.h>

#include "size.h"

void rzc_stat_line(const struct rzc_disk *disk)
{
	char size[RZC_SIZE_TEXT_BYTES], page[RZC_SIZE_TEXT_BYTES], up[RZC_SIZE_TEXT_BYTES];

	printf("%s in pages of %s, %s level %" PRId64 "; process %" PRIu64 ", up %s",
	       rzc_size_text(size, disk->stats.size_bytes),
	       rzc_size_text(page, disk->stats.page_bytes), disk->codec, disk->level, disk->pid,
	       rzc_seconds_text(up, disk->uptime_seconds));
}

static void table_pages(const char *name, const struct rzc_disk *disk, uint64_t pages)
{
	const struct ramz_stats *s = &disk->stats;
	char size[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %12" PRIu64 " pages  %10s", name, pages,
	       rzc_size_text(size, pages * s->page_bytes));
	if (s->pages_stored > 0 && pages != s->pages_stored)
		printf("  %5.1f%%", 100.0 * (double)pages / (double)s->pages_stored);
	putchar('\n');
}

static void table_contents(const struct rzc_disk *disk)
{
	const struct ramz_stats *s = &disk->stats;

	table_pages("stored", disk, s->pages_stored);
	table_pages("  same-filled", disk, s->pages_same_filled);
	table_pages("  compressed", disk, s->pages_compressed);
	table_pages("  raw", disk, s->pages_raw);
	if (s->pages_shared > 0)
		table_pages("  shared", disk, s->pages_shared);
}

static void table_bytes(const char *name, uint64_t bytes, const char *note)
{
	char size[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %30s%s%s\n", name, rzc_size_text(size, bytes), note[0] != '\0' ? "  " : "",
	       note);
}

static void table_held(const struct rzc_disk *disk)
{
	const struct ramz_stats *s = &disk->stats;
	double ratio = rzc_disk_ratio(disk);

	table_bytes("held", s->held_bytes, "everything obtained for the disk");
	table_bytes("  pool", s->pool.held_bytes, "");
	table_bytes("  pool, most", s->mm_stat.mem_used_max, "since it is served, or --reset-peak");
	table_bytes("  slot table", s->slot_table_bytes, "");
	table_bytes("  other", s->dedup_bytes + s->thread_bytes + s->store_bytes,
		    "buffers of threads, the store itself, sharing");
	table_bytes("forms", s->stored_bytes, "the compressed and raw pages alone");
	if (s->pages_stored > 0)
		printf("%-14s  %30.2f  stored by held\n", "ratio", ratio);
	else
		printf("%-14s  %30s  nothing is stored\n", "ratio", "-");
}

static void table_limit(const char *name, const struct rzc_disk *disk, uint64_t limit,
			uint64_t hits, const char *hit)
{
	char size[RZC_SIZE_TEXT_BYTES], note[96];

	if (limit == 0) {
		printf("%-14s  %30s\n", name, "none");
		return;
	}
	snprintf(note, sizeof(note), "%.1f%% of it held; %s %" PRIu64 " times",
		 100.0 * (double)disk->stats.held_bytes / (double)limit, hit, hits);
	printf("%-14s  %30s  %s\n", name, rzc_size_text(size, limit), note);
}

static void table_traffic(const char *name, uint64_t pages, uint64_t failed,
			  const struct rzc_latency *latency)
{
	char p50[RZC_SIZE_TEXT_BYTES], p99[RZC_SIZE_TEXT_BYTES], p9999[RZC_SIZE_TEXT_BYTES];

	printf("%-14s  %12" PRIu64 " pages  %10" PRIu64 " failed", name, pages, failed);
	if (latency->count > 0)
		printf("; p50 %s, p99 %s, p99.99 %s", rzc_nanoseconds_text(p50, latency->p50_ns),
		       rzc_nanoseconds_text(p99, latency->p99_ns),
		       rzc_nanoseconds_text(p9999, latency->p99_99_ns));
	putchar('\n');
}

void rzc_stat_table(const struct rzc_disk *disk)
{
	const struct ramz_stats *s = &disk->stats;
	char moved[RZC_SIZE_TEXT_BYTES], freed[RZC_SIZE_TEXT_BYTES];

	printf("disk            ");
	rzc_stat_line(disk);
	putchar('\n');
	if (disk->file != NULL)
		printf("file            %s\n", disk->file);
	table_contents(disk);
	table_held(disk);
	table_limit("soft limit", disk, s->soft_limit_bytes, s->soft_limit_hits, "passed");
	table_limit("hard limit", disk, s->hard_limit_bytes, s->hard_limit_hits, "refused");
	table_traffic("read", s->reads, s->failed_reads, &disk->read);
	table_traffic("written", s->writes, s->failed_writes, &disk->write);
	printf("%-14s  %12" PRIu64 " pages\n", "discarded", s->notify_free);
	if (s->bad_pages > 0)
		printf("%-14s  %12" PRIu64 " reads\n", "DAMAGED", s->bad_pages);
	printf("%-14s  %12" PRIu64 " connected\n", "clients", disk->clients);
	printf("%-14s  moved %s, gave back %s\n", "compaction",
	       rzc_size_text(moved, s->compact_moved_bytes),
	       rzc_size_text(freed, s->compact_freed_bytes));
}
