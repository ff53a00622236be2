/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_state.h: the content of each page of the disk, as JSON.
 *
 * Owns nothing. May call: ramz, jansson, stats_json.h. Locking: none, from any thread.
 */
#ifndef RZN_CONTROL_STATE_H
#define RZN_CONTROL_STATE_H

#include <stdbool.h>

#include <jansson.h>

#include "disk.h"

/* Most pages in one answer: it stays below half a megabyte. */
enum { RZN_STATE_PAGES_MAX = 8192 };

/*
 * Add to object the pages from first on that hold something, at most `count`. "pages": pages of the
 * disk. "state": for each page an array with its number, "same", "compressed" or "raw", the bytes
 * of its form, the codec's name or null, and how many pages share the form. "next": where to go on,
 * or null at the end. Returns 0, or -XV_EBADMSG: *damaged is then a page at or before a damaged
 * one. O(pages reported, and the table between them).
 */
int rzn_state_into(json_t *object, struct rzn_disk *disk, uint64_t first, uint64_t count,
		   const _Atomic bool *stopped, uint64_t *damaged);

#endif
