/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.c: reading the answer to "stat"; see disk.h. One table has the counters' names and
 * places. Locking: none.
 */
#include "disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"

struct disk_field {
	const char *keys; /* as in the answer's "stats" and in C */
	size_t offset;    /* in struct ramz_stats */
	size_t bytes;     /* 4 or 8 */
};

#define DISK_FIELD(field)                                                                          \
	{                                                                                          \
#field, offsetof(struct ramz_stats, field),                                        \
			sizeof(((struct ramz_stats *)NULL)->field)                                 \
	}

static const struct disk_field disk_fields[] = {
	DISK_FIELD(size_bytes),
	DISK_FIELD(page_bytes),
	DISK_FIELD(pages_stored),
	DISK_FIELD(pages_same_filled),
	DISK_FIELD(pages_compressed),
	DISK_FIELD(pages_raw),
	DISK_FIELD(pages_zero),
	DISK_FIELD(pages_shared),
	DISK_FIELD(stored_bytes),
	DISK_FIELD(held_bytes),
	DISK_FIELD(slot_table_bytes),
	DISK_FIELD(dedup_bytes),
	DISK_FIELD(thread_bytes),
	DISK_FIELD(store_bytes),
	DISK_FIELD(soft_limit_bytes),
	DISK_FIELD(hard_limit_bytes),
	DISK_FIELD(reads),
	DISK_FIELD(writes),
	DISK_FIELD(failed_reads),
	DISK_FIELD(failed_writes),
	DISK_FIELD(notify_free),
	DISK_FIELD(bad_pages),
	DISK_FIELD(soft_limit_hits),
	DISK_FIELD(hard_limit_hits),
	DISK_FIELD(compact_moved_bytes),
	DISK_FIELD(compact_freed_bytes),
	DISK_FIELD(pool.held_bytes),
	DISK_FIELD(ramzswap.num_reads),
	DISK_FIELD(ramzswap.num_writes),
	DISK_FIELD(ramzswap.failed_reads),
	DISK_FIELD(ramzswap.failed_writes),
	DISK_FIELD(ramzswap.invalid_io),
	DISK_FIELD(ramzswap.notify_free),
	DISK_FIELD(ramzswap.pages_zero),
	DISK_FIELD(ramzswap.good_compress_pct),
	DISK_FIELD(ramzswap.pages_expand_pct),
	DISK_FIELD(ramzswap.pages_stored),
	DISK_FIELD(ramzswap.pages_used),
	DISK_FIELD(ramzswap.orig_data_size),
	DISK_FIELD(ramzswap.compr_data_size),
	DISK_FIELD(ramzswap.mem_used_total),
	DISK_FIELD(mm_stat.orig_data_size),
	DISK_FIELD(mm_stat.compr_data_size),
	DISK_FIELD(mm_stat.mem_used_total),
	DISK_FIELD(mm_stat.mem_limit),
	DISK_FIELD(mm_stat.mem_used_max),
	DISK_FIELD(mm_stat.same_pages),
	DISK_FIELD(mm_stat.pages_compacted),
	DISK_FIELD(mm_stat.huge_pages),
	DISK_FIELD(mm_stat.huge_pages_since),
	DISK_FIELD(io_stat.failed_reads),
	DISK_FIELD(io_stat.failed_writes),
	DISK_FIELD(io_stat.invalid_io),
	DISK_FIELD(io_stat.notify_free),
};

static void disk_set(struct ramz_stats *stats, const struct disk_field *field, uint64_t value)
{
	char *place = (char *)stats + field->offset;
	uint32_t narrow = (uint32_t)value;

	if (field->bytes == sizeof(narrow))
		memcpy(place, &narrow, sizeof(narrow));
	else
		memcpy(place, &value, sizeof(value));
}

static void disk_latency(struct rzc_latency *latency, const json_t *object)
{
	latency->count = rzc_control_count(object, "count");
	latency->p50_ns = rzc_control_count(object, "p50_ns");
	latency->p99_ns = rzc_control_count(object, "p99_ns");
	latency->p99_99_ns = rzc_control_count(object, "p99_99_ns");
}

static int disk_check(const json_t *answer, const char *path)
{
	uint64_t format = rzc_control_count(answer, "format");

	if (format > RZC_DISK_FORMAT) {
		xvm_error("the server of %s is newer than this ramz (format %" PRIu64
			  ", not %u): use the ramz that came with it",
			  path, format, RZC_DISK_FORMAT);
		return XVM_FAILED;
	}
	if (format == 0 || !json_is_object(json_object_get(answer, "stats")) ||
	    rzc_control_count(answer, "stats.page_bytes") == 0) {
		xvm_error("the answer of %s has no statistics: is it a ramz disk's control socket?",
			  path);
		return XVM_FAILED;
	}
	return 0;
}

int rzc_disk_read(struct rzc_disk *disk, const json_t *answer, const char *path)
{
	const json_t *stats = json_object_get(answer, "stats");
	const char *codec = json_string_value(json_object_get(answer, "codec"));

	if (disk_check(answer, path) != 0)
		return XVM_FAILED;
	*disk = (struct rzc_disk){
		.pid = rzc_control_count(answer, "pid"),
		.level = json_integer_value(json_object_get(answer, "level")),
		.file = json_string_value(json_object_get(answer, "file")),
		.uptime_seconds = rzc_control_count(answer, "uptime_seconds"),
		.clients = rzc_control_count(answer, "clients"),
	};
	snprintf(disk->codec, sizeof(disk->codec), "%s", codec != NULL ? codec : "?");
	for (size_t i = 0; i < sizeof(disk_fields) / sizeof(disk_fields[0]); i++)
		disk_set(&disk->stats, &disk_fields[i],
			 rzc_control_count(stats, disk_fields[i].keys));
	disk_latency(&disk->read, json_object_get(answer, "read_latency"));
	disk_latency(&disk->write, json_object_get(answer, "write_latency"));
	return 0;
}

double rzc_disk_ratio(const struct rzc_disk *disk)
{
	const struct ramz_stats *s = &disk->stats;

	if (s->held_bytes == 0)
		return 0;
	return (double)s->pages_stored * (double)s->page_bytes / (double)s->held_bytes;
}
