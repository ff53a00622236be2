/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat_forms.c: a disk in the words of zram and of ramzswap; see stat.h. Locking: none.
 *
 * Sources: Documentation/admin-guide/blockdev/zram.rst (Linux) for the order of the fields;
 * rzscontrol of compcache (2009) for the names and units.
 */
#include "stat.h"

#include <inttypes.h>

void rzc_stat_zram(const struct rzc_disk *disk)
{
	const struct ramz_mm_stat *m = &disk->stats.mm_stat;
	const struct ramz_io_stat *i = &disk->stats.io_stat;
	const uint64_t mm[] = {m->orig_data_size,  m->compr_data_size, m->mem_used_total,
			       m->mem_limit,       m->mem_used_max,    m->same_pages,
			       m->pages_compacted, m->huge_pages,      m->huge_pages_since};
	const uint64_t io[] = {i->failed_reads, i->failed_writes, i->invalid_io, i->notify_free};

	printf("mm_stat");
	for (size_t f = 0; f < sizeof(mm) / sizeof(mm[0]); f++)
		printf(" %8" PRIu64, mm[f]);
	printf("\nio_stat");
	for (size_t f = 0; f < sizeof(io) / sizeof(io[0]); f++)
		printf(" %8" PRIu64, io[f]);
	putchar('\n');
}

static void forms_line(const char *name, uint64_t value, const char *unit)
{
	printf("%s:\t%8" PRIu64 "%s\n", name, value, unit);
}

static void forms_kib(const char *name, uint64_t bytes)
{
	forms_line(name, bytes / 1024, " kB");
}

void rzc_stat_rzscontrol(const struct rzc_disk *disk)
{
	const struct ramz_ramzswap_stats *s = &disk->stats.ramzswap;

	forms_kib("DiskSize", disk->stats.size_bytes);
	if (disk->stats.hard_limit_bytes > 0)
		forms_kib("MemLimit", disk->stats.hard_limit_bytes);
	forms_line("NumReads", s->num_reads, "");
	forms_line("NumWrites", s->num_writes, "");
	forms_line("FailedReads", s->failed_reads, "");
	forms_line("FailedWrites", s->failed_writes, "");
	forms_line("InvalidIO", s->invalid_io, "");
	forms_line("NotifyFree", s->notify_free, "");
	forms_line("ZeroPages", s->pages_zero, "");
	forms_line("GoodCompress", s->good_compress_pct, " %");
	forms_line("NoCompress", s->pages_expand_pct, " %");
	forms_line("PagesStored", s->pages_stored, "");
	forms_line("PagesUsed", s->pages_used, "");
	forms_kib("OrigDataSize", s->orig_data_size);
	forms_kib("ComprDataSize", s->compr_data_size);
	forms_kib("MemUsedTotal", s->mem_used_total);
}
