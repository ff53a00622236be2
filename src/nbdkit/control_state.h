/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_state.h: what each page of the disk is, as JSON.
 *
 * Owns nothing. May call: ramz, jansson, stats_json.h. Locking: none, from any thread.
 */
#ifndef RZN_CONTROL_STATE_H
#define RZN_CONTROL_STATE_H

#include <stdbool.h>

#include <jansson.h>

#include "disk.h"

/* So many pages one answer tells of: it stays below half a megabyte. */
enum { RZN_STATE_PAGES_MAX = 8192 };

/*
 * Put into object what the pages from first on hold, those that hold something, `count` of them
 * at most: "pages", how many the disk has; "state", an array for each with its number, "same",
 * "compressed" or "raw", the bytes of its form, the codec's name or null, and how many pages
 * share the form; "next", where to go on, or null at the end. Returns 0; or -XV_EBADMSG, and
 * *damaged is a page at or before a damaged one. O(pages told, and the table between them).
 */
int rzn_state_into(json_t *object, struct rzn_disk *disk, uint64_t first, uint64_t count,
		   const _Atomic bool *stopped, uint64_t *damaged);

#endif
