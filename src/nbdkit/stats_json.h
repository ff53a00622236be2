/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_json.h: the disk's counters as JSON.
 *
 * Owns: the names in the document. May call: ramz, jansson. Locking: none, from any thread.
 */
#ifndef RZN_STATS_JSON_H
#define RZN_STATS_JSON_H

#include <jansson.h>

#include "disk.h"

/* The document of `stat`; NULL without memory. */
json_t *rzn_stats_json(struct rzn_disk *disk);

/* A compaction report, under the names of its fields. */
json_t *rzn_compact_json(const struct xv_compact_report *report);

/* A number, and a text: a path may not be UTF-8, and a JSON text must be. */
json_t *rzn_json_count(uint64_t value);
json_t *rzn_json_text(const char *text);

/* Pages by age, an array of RAMZ_AGE_BUCKETS numbers; and the backing device, or null. */
json_t *rzn_ages_json(struct ramz *store);
json_t *rzn_backing_json(struct ramz *store);

#endif
