/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat_watch.c: the live table of ramz stat; see stat.h. Locking: none.
 */
#include "stat.h"

#include <inttypes.h>

#include "size.h"

void rzc_stat_watch_heading(void)
{
	printf("%9s %9s %6s %5s %5s %9s %9s %9s %8s %8s %8s %8s\n", "stored", "held", "ratio",
	       "same%", "raw%", "reads/s", "writes/s", "discard/s", "r p50", "r p99", "w p50",
	       "w p99");
}

/* A rate, where there is one: not in the first line, nor after counters began anew. */
static void watch_rate(bool comparable, uint64_t before, uint64_t now, double seconds)
{
	if (comparable && now >= before && seconds > 0)
		printf(" %9.0f", (double)(now - before) / seconds);
	else
		printf(" %9s", "-");
}

static void watch_latency(const struct rzc_latency *latency)
{
	char p50[RZC_SIZE_TEXT_BYTES], p99[RZC_SIZE_TEXT_BYTES];

	if (latency->count > 0)
		printf(" %8s %8s", rzc_nanoseconds_text(p50, latency->p50_ns),
		       rzc_nanoseconds_text(p99, latency->p99_ns));
	else
		printf(" %8s %8s", "-", "-");
}

static double watch_percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

void rzc_stat_watch(const struct rzc_disk *before, const struct rzc_disk *now, double seconds)
{
	static const struct rzc_disk none;
	const struct ramz_stats *s = &now->stats;
	const struct ramz_stats *b = before != NULL ? &before->stats : &none.stats;
	bool comparable = before != NULL && before->pid == now->pid;
	char stored[RZC_SIZE_TEXT_BYTES], held[RZC_SIZE_TEXT_BYTES];

	printf("%9s %9s", rzc_size_text(stored, s->pages_stored * s->page_bytes),
	       rzc_size_text(held, s->held_bytes));
	if (s->pages_stored > 0)
		printf(" %6.2f", rzc_disk_ratio(now));
	else
		printf(" %6s", "-");
	printf(" %5.1f %5.1f", watch_percent(s->pages_same_filled, s->pages_stored),
	       watch_percent(s->pages_raw, s->pages_stored));
	watch_rate(comparable, b->reads, s->reads, seconds);
	watch_rate(comparable, b->writes, s->writes, seconds);
	watch_rate(comparable, b->notify_free, s->notify_free, seconds);
	watch_latency(&now->read);
	watch_latency(&now->write);
	putchar('\n');
}
