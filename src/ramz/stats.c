/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats.c: the sums of the counters, in three vocabularies.
 *
 * May call: the pool's statistics. Locking: none; other threads count meanwhile. O(threads),
 * histograms O(threads * buckets).
 */
#include "dedup.h"
#include "policy.h"

uint64_t rzi_counter_sum(const struct ramz *store, enum rzi_counter which)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		const struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL)
			sum += atomic_load_explicit(&context->counters.count[which],
						    memory_order_relaxed);
	}
	/* A gauge may be read between two threads' changes. */
	return which < COUNT_GAUGES && (int64_t)sum < 0 ? 0 : sum;
}

static void stats_pages(const struct ramz *store, struct ramz_stats *stats)
{
	uint64_t objects;

	stats->pages_same_filled = rzi_counter_sum(store, COUNT_SAME);
	stats->pages_zero = rzi_counter_sum(store, COUNT_ZERO);
	for (uint32_t i = 1; i < CODECS; i++)
		stats->pages_compressed +=
			rzi_counter_sum(store, (enum rzi_counter)(COUNT_RAW + i));
	stats->pages_good_compress = rzi_counter_sum(store, COUNT_GOOD);
	stats->pages_raw = rzi_counter_sum(store, COUNT_RAW);
	stats->pages_backed = rzi_counter_sum(store, COUNT_BACKED);
	objects = stats->pages_compressed + stats->pages_raw;
	stats->pages_stored = stats->pages_same_filled + objects;
	if (store->dedup != NULL) {
		uint64_t records = rzi_dedup_records(store->dedup);

		stats->pages_shared = objects > records ? objects - records : 0;
	}
}

static void stats_events(const struct ramz *store, struct ramz_stats *stats)
{
	stats->reads = rzi_counter_sum(store, COUNT_READS);
	stats->writes = rzi_counter_sum(store, COUNT_WRITES);
	stats->failed_reads = rzi_counter_sum(store, COUNT_FAILED_READS);
	stats->failed_writes = rzi_counter_sum(store, COUNT_FAILED_WRITES);
	stats->invalid_io = rzi_counter_sum(store, COUNT_INVALID_IO);
	stats->notify_free = rzi_counter_sum(store, COUNT_NOTIFY_FREE);
	stats->absent_reads = rzi_counter_sum(store, COUNT_ABSENT_READS);
	stats->same_writes = rzi_counter_sum(store, COUNT_SAME_WRITES);
	stats->raw_writes = rzi_counter_sum(store, COUNT_RAW_WRITES);
	stats->dedup_hits = rzi_counter_sum(store, COUNT_DEDUP_HITS);
	stats->retries = rzi_counter_sum(store, COUNT_RETRIES);
	stats->deferred_frees = rzi_counter_sum(store, COUNT_DEFERRED_FREES);
	stats->bad_pages = rzi_counter_sum(store, COUNT_BAD_PAGES);
	stats->soft_limit_hits = rzi_counter_sum(store, COUNT_SOFT_HITS);
	stats->hard_limit_hits = rzi_counter_sum(store, COUNT_HARD_HITS);
	stats->compact_steps = rzi_counter_sum(store, COUNT_COMPACT_STEPS);
	stats->compact_moved_bytes = rzi_counter_sum(store, COUNT_COMPACT_MOVED);
	stats->compact_freed_bytes = rzi_counter_sum(store, COUNT_COMPACT_FREED);
	stats->compact_refused = rzi_counter_sum(store, COUNT_COMPACT_REFUSED);
	stats->recompress_tried = rzi_counter_sum(store, COUNT_RECOMPRESS_TRIED);
	stats->recompressed = rzi_counter_sum(store, COUNT_RECOMPRESSED);
	stats->recompress_saved_bytes = rzi_counter_sum(store, COUNT_RECOMPRESS_SAVED);
}

static void stats_bytes(struct ramz *store, struct ramz_stats *stats)
{
	const struct xv_pool_stats *pool = &stats->pool;
	uint64_t others, own;

	stats->checksum_bytes = pool->objects * store->tail_bytes;
	stats->stored_bytes = pool->requested_bytes > stats->checksum_bytes
				      ? pool->requested_bytes - stats->checksum_bytes
				      : 0;
	stats->slot_table_bytes =
		atomic_load(&store->slots.bytes) + atomic_load(&store->words.bytes);
	if (store->dedup != NULL)
		stats->dedup_bytes = rzi_dedup_bytes(store->dedup);
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		if (rzi_context_at(store, i) != NULL)
			stats->contexts++;
	}
	stats->store_bytes = sizeof(*store) + rzi_policy_bytes();
	stats->dictionary_bytes = atomic_load(&store->dictionary_bytes);
	stats->backing_bytes = atomic_load(&store->backing_bytes);
	/* The rest of the account belongs to threads. */
	others = stats->slot_table_bytes + stats->dedup_bytes + stats->dictionary_bytes +
		 stats->backing_bytes + stats->store_bytes;
	own = atomic_load(&store->memory.bytes);
	stats->thread_bytes = own > others ? own - others : 0;
	stats->held_bytes = pool->held_bytes + others + stats->thread_bytes;
	stats->soft_limit_bytes = atomic_load(&store->soft_limit_bytes);
	stats->hard_limit_bytes = atomic_load(&store->hard_limit_bytes);
}

static uint32_t stats_percent(uint64_t part, uint64_t whole)
{
	return whole != 0 ? (uint32_t)(part * 100 / whole) : 0;
}

static void stats_ramzswap(const struct ramz *store, struct ramz_stats *stats)
{
	struct ramz_ramzswap_stats *old = &stats->ramzswap;

	old->num_reads = stats->reads;
	old->num_writes = stats->writes;
	old->failed_reads = stats->failed_reads;
	old->failed_writes = stats->failed_writes;
	old->invalid_io = stats->invalid_io;
	old->notify_free = stats->notify_free;
	old->pages_zero = stats->pages_zero;
	old->pages_stored = stats->pages_compressed + stats->pages_raw;
	old->good_compress_pct = stats_percent(stats->pages_good_compress, old->pages_stored);
	old->pages_expand_pct = stats_percent(stats->pages_raw, old->pages_stored);
	old->orig_data_size = old->pages_stored << store->page_shift;
	old->compr_data_size = stats->stored_bytes;
	old->mem_used_total = stats->pool.held_bytes;
	old->bdev_num_reads = rzi_counter_sum(store, COUNT_BACKING_READS);
	old->bdev_num_writes = rzi_counter_sum(store, COUNT_BACKING_WRITES);
	old->pages_used = old->mem_used_total >> store->page_shift;
}

static void stats_zram(const struct ramz *store, struct ramz_stats *stats)
{
	struct ramz_mm_stat *mm = &stats->mm_stat;
	struct ramz_io_stat *io = &stats->io_stat;

	mm->orig_data_size = stats->pages_stored << store->page_shift;
	mm->compr_data_size = stats->stored_bytes;
	mm->mem_used_total = stats->pool.held_bytes;
	mm->mem_limit = stats->hard_limit_bytes;
	mm->mem_used_max = stats->pool.peak_held_bytes;
	mm->same_pages = stats->pages_same_filled;
	mm->pages_compacted = stats->compact_freed_bytes >> store->page_shift;
	mm->huge_pages = stats->pages_raw;
	mm->huge_pages_since = stats->raw_writes;
	io->failed_reads = stats->failed_reads;
	io->failed_writes = stats->failed_writes;
	io->invalid_io = stats->invalid_io;
	io->notify_free = stats->notify_free;
	stats->bd_stat.bd_count = stats->pages_backed;
	stats->bd_stat.bd_reads = stats->ramzswap.bdev_num_reads;
	stats->bd_stat.bd_writes = stats->ramzswap.bdev_num_writes;
}

void ramz_get_stats(struct ramz *store, struct ramz_stats *stats)
{
	if (store == NULL || stats == NULL)
		return;
	*stats = (struct ramz_stats){.page_bytes = store->page_bytes};
	stats->size_bytes = ramz_size_bytes(store);
	xv_pool_get_stats(store->pool, &stats->pool);
	stats_pages(store, stats);
	stats_events(store, stats);
	stats_bytes(store, stats);
	stats_ramzswap(store, stats);
	stats_zram(store, stats);
}

int ramz_reset_peak(struct ramz *store)
{
	if (store == NULL)
		return -XV_EINVAL;
	xv_pool_reset_peak(store->pool);
	return 0;
}

int ramz_get_histogram(struct ramz *store, enum ramz_histogram_kind kind,
		       struct ramz_histogram *histogram)
{
	if (store == NULL || histogram == NULL || (unsigned)kind >= HISTOGRAMS)
		return -XV_EINVAL;
	*histogram = (struct ramz_histogram){.count = 0};
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		const struct rzi_context *context = rzi_context_at(store, i);

		if (context == NULL)
			continue;
		rzi_histogram_sum(&context->counters.histogram[kind], histogram);
	}
	return 0;
}
