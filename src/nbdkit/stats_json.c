/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_json.c: the disk's counters as JSON; see stats_json.h.
 *
 * A table has the name, place and width of each structure's fields, so that no name is written
 * twice. O(fields).
 */
#include "stats_json.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <ramz/policy.h>

#include "disk_file.h"

struct field {
	const char *name;
	size_t offset;
	size_t bytes; /* 4 or 8 */
};

#define FIELD(type, member)                                                                        \
	{                                                                                          \
#member, offsetof(struct type, member), sizeof(((struct type *)NULL)->member)      \
	}
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct field ramzswap_fields[] = {
	FIELD(ramz_ramzswap_stats, num_reads),        FIELD(ramz_ramzswap_stats, num_writes),
	FIELD(ramz_ramzswap_stats, failed_reads),     FIELD(ramz_ramzswap_stats, failed_writes),
	FIELD(ramz_ramzswap_stats, invalid_io),       FIELD(ramz_ramzswap_stats, notify_free),
	FIELD(ramz_ramzswap_stats, pages_zero),       FIELD(ramz_ramzswap_stats, good_compress_pct),
	FIELD(ramz_ramzswap_stats, pages_expand_pct), FIELD(ramz_ramzswap_stats, pages_stored),
	FIELD(ramz_ramzswap_stats, pages_used),       FIELD(ramz_ramzswap_stats, orig_data_size),
	FIELD(ramz_ramzswap_stats, compr_data_size),  FIELD(ramz_ramzswap_stats, mem_used_total),
	FIELD(ramz_ramzswap_stats, bdev_num_reads),   FIELD(ramz_ramzswap_stats, bdev_num_writes),
};

static const struct field mm_stat_fields[] = {
	FIELD(ramz_mm_stat, orig_data_size),   FIELD(ramz_mm_stat, compr_data_size),
	FIELD(ramz_mm_stat, mem_used_total),   FIELD(ramz_mm_stat, mem_limit),
	FIELD(ramz_mm_stat, mem_used_max),     FIELD(ramz_mm_stat, same_pages),
	FIELD(ramz_mm_stat, pages_compacted),  FIELD(ramz_mm_stat, huge_pages),
	FIELD(ramz_mm_stat, huge_pages_since),
};

static const struct field io_stat_fields[] = {
	FIELD(ramz_io_stat, failed_reads),
	FIELD(ramz_io_stat, failed_writes),
	FIELD(ramz_io_stat, invalid_io),
	FIELD(ramz_io_stat, notify_free),
};

static const struct field bd_stat_fields[] = {
	FIELD(ramz_bd_stat, bd_count),
	FIELD(ramz_bd_stat, bd_reads),
	FIELD(ramz_bd_stat, bd_writes),
};

static const struct field pool_stats_fields[] = {
	FIELD(xv_pool_stats, held_bytes),      FIELD(xv_pool_stats, requested_bytes),
	FIELD(xv_pool_stats, header_bytes),    FIELD(xv_pool_stats, owner_bytes),
	FIELD(xv_pool_stats, link_bytes),      FIELD(xv_pool_stats, rounding_bytes),
	FIELD(xv_pool_stats, free_bytes),      FIELD(xv_pool_stats, spare_bytes),
	FIELD(xv_pool_stats, table_bytes),     FIELD(xv_pool_stats, objects),
	FIELD(xv_pool_stats, split_objects),   FIELD(xv_pool_stats, pieces),
	FIELD(xv_pool_stats, pages),           FIELD(xv_pool_stats, holes),
	FIELD(xv_pool_stats, peak_held_bytes), FIELD(xv_pool_stats, mallocs),
	FIELD(xv_pool_stats, frees),           FIELD(xv_pool_stats, failures),
	FIELD(xv_pool_stats, bad_handles),     FIELD(xv_pool_stats, closed_pages),
	FIELD(xv_pool_stats, page_allocs),     FIELD(xv_pool_stats, page_frees),
	FIELD(xv_pool_stats, remote_frees),    FIELD(xv_pool_stats, remote_waiting),
	FIELD(xv_pool_stats, shards),          FIELD(xv_pool_stats, page_bytes),
};

static const struct field store_fields[] = {
	FIELD(ramz_stats, size_bytes),
	FIELD(ramz_stats, page_bytes),
	FIELD(ramz_stats, pages_stored),
	FIELD(ramz_stats, pages_same_filled),
	FIELD(ramz_stats, pages_compressed),
	FIELD(ramz_stats, pages_raw),
	FIELD(ramz_stats, pages_zero),
	FIELD(ramz_stats, pages_good_compress),
	FIELD(ramz_stats, pages_shared),
	FIELD(ramz_stats, pages_backed),
	FIELD(ramz_stats, stored_bytes),
	FIELD(ramz_stats, checksum_bytes),
	FIELD(ramz_stats, held_bytes),
	FIELD(ramz_stats, slot_table_bytes),
	FIELD(ramz_stats, dedup_bytes),
	FIELD(ramz_stats, backing_bytes),
	FIELD(ramz_stats, dictionary_bytes),
	FIELD(ramz_stats, thread_bytes),
	FIELD(ramz_stats, store_bytes),
	FIELD(ramz_stats, soft_limit_bytes),
	FIELD(ramz_stats, hard_limit_bytes),
	FIELD(ramz_stats, reads),
	FIELD(ramz_stats, writes),
	FIELD(ramz_stats, failed_reads),
	FIELD(ramz_stats, failed_writes),
	FIELD(ramz_stats, invalid_io),
	FIELD(ramz_stats, notify_free),
	FIELD(ramz_stats, absent_reads),
	FIELD(ramz_stats, same_writes),
	FIELD(ramz_stats, raw_writes),
	FIELD(ramz_stats, dedup_hits),
	FIELD(ramz_stats, retries),
	FIELD(ramz_stats, deferred_frees),
	FIELD(ramz_stats, bad_pages),
	FIELD(ramz_stats, soft_limit_hits),
	FIELD(ramz_stats, hard_limit_hits),
	FIELD(ramz_stats, compact_steps),
	FIELD(ramz_stats, compact_moved_bytes),
	FIELD(ramz_stats, compact_freed_bytes),
	FIELD(ramz_stats, compact_refused),
	FIELD(ramz_stats, recompress_tried),
	FIELD(ramz_stats, recompressed),
	FIELD(ramz_stats, recompress_saved_bytes),
	FIELD(ramz_stats, contexts),
};

static const struct field backing_fields[] = {
	FIELD(ramz_backing_stats, pages),         FIELD(ramz_backing_stats, live_bytes),
	FIELD(ramz_backing_stats, segments),      FIELD(ramz_backing_stats, free_segments),
	FIELD(ramz_backing_stats, reads),         FIELD(ramz_backing_stats, writes),
	FIELD(ramz_backing_stats, moved),         FIELD(ramz_backing_stats, written_bytes),
	FIELD(ramz_backing_stats, failed_reads),  FIELD(ramz_backing_stats, failed_writes),
	FIELD(ramz_backing_stats, damaged),       FIELD(ramz_backing_stats, checkpoints),
	FIELD(ramz_backing_stats, kept_segments),
};

static const struct field policy_fields[] = {
	FIELD(ramz_policy_stats, squeeze),     FIELD(ramz_policy_stats, pressure),
	FIELD(ramz_policy_stats, ages),        FIELD(ramz_policy_stats, soft_shortages),
	FIELD(ramz_policy_stats, pressures),   FIELD(ramz_policy_stats, hard_shortages),
	FIELD(ramz_policy_stats, squeezes),    FIELD(ramz_policy_stats, recompressed),
	FIELD(ramz_policy_stats, saved_bytes), FIELD(ramz_policy_stats, written_back),
	FIELD(ramz_policy_stats, checkpoints), FIELD(ramz_policy_stats, written_bytes),
	FIELD(ramz_policy_stats, held_back),   FIELD(ramz_policy_stats, compactions),
	FIELD(ramz_policy_stats, trainings),   FIELD(ramz_policy_stats, dictionaries),
	FIELD(ramz_policy_stats, waits),       FIELD(ramz_policy_stats, wait_ns),
	FIELD(ramz_policy_stats, refused),     FIELD(ramz_policy_stats, futile),
};

static const struct field compact_report_fields[] = {
	FIELD(xv_compact_report, moved_bytes),  FIELD(xv_compact_report, moved_blocks),
	FIELD(xv_compact_report, freed_bytes),  FIELD(xv_compact_report, refused),
	FIELD(xv_compact_report, pinned_pages),
};

/* A new field in a structure must also go into its table. */
#if SIZE_MAX == UINT64_MAX
_Static_assert(sizeof(struct ramz_ramzswap_stats) == 8 * (COUNT_OF(ramzswap_fields) - 1),
	       "ramzswap_fields is not complete");
_Static_assert(sizeof(struct ramz_mm_stat) == 8 * COUNT_OF(mm_stat_fields),
	       "mm_stat_fields is not complete");
_Static_assert(sizeof(struct ramz_io_stat) == 8 * COUNT_OF(io_stat_fields),
	       "io_stat_fields is not complete");
_Static_assert(sizeof(struct ramz_bd_stat) == 8 * COUNT_OF(bd_stat_fields),
	       "bd_stat_fields is not complete");
_Static_assert(sizeof(struct xv_pool_stats) == 8 * COUNT_OF(pool_stats_fields),
	       "pool_stats_fields is not complete");
_Static_assert(offsetof(struct ramz_stats, ramzswap) == 8 * COUNT_OF(store_fields),
	       "store_fields is not complete");
_Static_assert(offsetof(struct xv_compact_report, more) == 8 * COUNT_OF(compact_report_fields),
	       "compact_report_fields is not complete");
#endif

json_t *rzn_json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *rzn_json_text(const char *text)
{
	json_t *value = json_string(text);
	char *ascii;

	if (value != NULL)
		return value;
	ascii = strdup(text);
	if (ascii == NULL)
		return NULL;
	for (char *c = ascii; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	value = json_string(ascii);
	free(ascii);
	return value;
}

static uint64_t field_value(const struct field *field, const void *base)
{
	const char *at = (const char *)base + field->offset;
	uint64_t wide;
	uint32_t narrow;

	if (field->bytes == sizeof(wide)) {
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return narrow;
}

static json_t *fields_json(const struct field *fields, size_t count, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(object, fields[i].name,
				    rzn_json_count(field_value(&fields[i], base)));
	return object;
}

#define FIELDS_JSON(table, structure) fields_json((table), COUNT_OF(table), (structure))

static json_t *store_json(const struct ramz_stats *stats)
{
	json_t *object = FIELDS_JSON(store_fields, stats);

	json_object_set_new(object, "ramzswap", FIELDS_JSON(ramzswap_fields, &stats->ramzswap));
	json_object_set_new(object, "mm_stat", FIELDS_JSON(mm_stat_fields, &stats->mm_stat));
	json_object_set_new(object, "io_stat", FIELDS_JSON(io_stat_fields, &stats->io_stat));
	json_object_set_new(object, "bd_stat", FIELDS_JSON(bd_stat_fields, &stats->bd_stat));
	json_object_set_new(object, "pool", FIELDS_JSON(pool_stats_fields, &stats->pool));
	return object;
}

/* Pairs of a bucket's number and its count, of those that have any. */
static json_t *buckets_json(const struct ramz_histogram *h)
{
	json_t *array = json_array();

	for (uint32_t bucket = 0; bucket < RAMZ_HISTOGRAM_BUCKETS; bucket++) {
		json_t *pair;

		if (h->bucket[bucket] == 0)
			continue;
		pair = json_array();
		json_array_append_new(pair, json_integer((json_int_t)bucket));
		json_array_append_new(pair, rzn_json_count(h->bucket[bucket]));
		json_array_append_new(array, pair);
	}
	return array;
}

static json_t *latency_json(struct ramz *store, enum ramz_histogram_kind kind)
{
	json_t *object = json_object();
	struct ramz_histogram h;

	if (ramz_get_histogram(store, kind, &h) != 0)
		h = (struct ramz_histogram){.count = 0};
	json_object_set_new(object, "p50_ns", rzn_json_count(ramz_histogram_quantile(&h, 50000)));
	json_object_set_new(object, "p99_ns", rzn_json_count(ramz_histogram_quantile(&h, 99000)));
	json_object_set_new(object, "p99_99_ns",
			    rzn_json_count(ramz_histogram_quantile(&h, 99990)));
	json_object_set_new(object, "count", rzn_json_count(h.count));
	json_object_set_new(object, "sum_ns", rzn_json_count(h.sum));
	json_object_set_new(object, "buckets", buckets_json(&h));
	return object;
}

static uint64_t uptime_seconds(const struct rzn_disk *disk)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - disk->opened.tv_sec);
}

static void codec_into(json_t *object, struct rzn_disk *disk)
{
	int32_t level;
	const struct ramz_codec *codec = ramz_get_codec(disk->store, &level);

	if (level == RAMZ_LEVEL_DEFAULT)
		level = codec->level_default;
	json_object_set_new(object, "codec", json_string(codec->name));
	json_object_set_new(object, "level", json_integer(level));
}

/* Saves to the disk's own file; null if it has none. */
static json_t *saves_json(struct rzn_disk *disk)
{
	struct rzn_saves *saves = &disk->saves;
	bool stale = rzn_file_is_stale(disk);
	json_t *object;

	if (rzn_config_own(disk->config) == NULL)
		return json_null();
	object = json_object();
	json_object_set_new(object, "every_ms", rzn_json_count(disk->config->save_every_ms));
	json_object_set_new(object, "stale", json_boolean(stale));
	(void)pthread_mutex_lock(&saves->lock);
	json_object_set_new(object, "count", rzn_json_count(saves->count));
	json_object_set_new(object, "failures", rzn_json_count(saves->failures));
	json_object_set_new(object, "last_at", json_integer(saves->last_at));
	json_object_set_new(object, "last_error",
			    saves->last.text[0] != '\0' ? rzn_json_text(saves->last.text)
							: json_null());
	(void)pthread_mutex_unlock(&saves->lock);
	return object;
}

/* Tiers above 0 that are set or have pages. */
static json_t *tiers_json(struct ramz *store)
{
	json_t *array = json_array();

	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++) {
		struct ramz_tier_info info;
		json_t *object;

		if (ramz_get_tier(store, tier, &info) != 0 ||
		    (info.codec == NULL && info.pages == 0))
			continue;
		object = json_object();
		json_object_set_new(object, "tier", json_integer((json_int_t)tier));
		json_object_set_new(object, "codec",
				    info.codec != NULL ? json_string(info.codec->name)
						       : json_null());
		json_object_set_new(object, "level", json_integer(info.level));
		json_object_set_new(object, "dictionary_bytes",
				    rzn_json_count(info.dictionary_bytes));
		json_object_set_new(object, "pages", rzn_json_count(info.pages));
		json_array_append_new(array, object);
	}
	return array;
}

json_t *rzn_backing_json(struct ramz *store)
{
	struct ramz_backing_stats stats = {.attached = false};

	(void)ramz_get_backing_stats(store, &stats);
	return stats.attached ? FIELDS_JSON(backing_fields, &stats) : json_null();
}

json_t *rzn_ages_json(struct ramz *store)
{
	json_t *array = json_array();
	struct ramz_ages ages;

	if (ramz_get_ages(store, &ages) != 0)
		return array;
	for (uint32_t bucket = 0; bucket < RAMZ_AGE_BUCKETS; bucket++)
		json_array_append_new(array, rzn_json_count(ages.pages[bucket]));
	return array;
}

static json_t *policy_json(struct ramz *store)
{
	static const char *const shortages[] = {"none", "soft", "hard"};
	struct ramz_policy_stats stats = {.running = false};
	json_t *object;

	(void)ramz_get_policy_stats(store, &stats);
	object = FIELDS_JSON(policy_fields, &stats);
	json_object_set_new(object, "running", json_boolean(stats.running));
	json_object_set_new(object, "shortage", json_string(shortages[stats.shortage]));
	json_object_set_new(object, "last_error", json_integer(stats.last_error));
	return object;
}

json_t *rzn_stats_json(struct rzn_disk *disk)
{
	const char *file = rzn_config_own(disk->config);
	json_t *object = json_object();
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	json_object_set_new(object, "ok", json_true());
	json_object_set_new(object, "format", json_integer(1));
	json_object_set_new(object, "pid", json_integer(getpid()));
	json_object_set_new(object, "size_bytes", rzn_json_count(stats.size_bytes));
	json_object_set_new(object, "page_bytes", rzn_json_count(stats.page_bytes));
	codec_into(object, disk);
	json_object_set_new(object, "soft_limit_bytes", rzn_json_count(stats.soft_limit_bytes));
	json_object_set_new(object, "hard_limit_bytes", rzn_json_count(stats.hard_limit_bytes));
	json_object_set_new(object, "file", file != NULL ? rzn_json_text(file) : json_null());
	json_object_set_new(object, "clients", rzn_json_count(atomic_load(&disk->clients)));
	json_object_set_new(object, "saves", saves_json(disk));
	json_object_set_new(object, "uptime_seconds", rzn_json_count(uptime_seconds(disk)));
	json_object_set_new(object, "stats", store_json(&stats));
	json_object_set_new(object, "tiers", tiers_json(disk->store));
	json_object_set_new(object, "backing", rzn_backing_json(disk->store));
	json_object_set_new(object, "ages", rzn_ages_json(disk->store));
	json_object_set_new(object, "policy", policy_json(disk->store));
	json_object_set_new(object, "read_latency",
			    latency_json(disk->store, RAMZ_HISTOGRAM_READ_NS));
	json_object_set_new(object, "write_latency",
			    latency_json(disk->store, RAMZ_HISTOGRAM_WRITE_NS));
	return object;
}

json_t *rzn_compact_json(const struct xv_compact_report *report)
{
	json_t *object = FIELDS_JSON(compact_report_fields, report);

	json_object_set_new(object, "more", json_boolean(report->more));
	return object;
}
