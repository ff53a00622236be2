/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * checkpoint.h: a store on its backing device, as it was at one moment. All numbers are
 * little-endian.
 *
 *   superblocks, 4096 bytes at 0 and at the middle of segment 0. The valid one of the highest
 *   generation is the last completed checkpoint. Both are, but while one is being made.
 *     0  "RAMZBACK"              8  u32 version, 1           12  u32 bytes of a segment
 *    16  u64 id of the device   24  u64 generation           32  u32 root: a segment
 *    36  u32 segments           40  u64 XXH3 of the root   4088  u64 XXH3 of bytes 0 .. 4087
 *
 *   root, a segment
 *     0  "RAMZROOT"              8  u64 id                   16  u64 generation
 *    24  u32 bytes of the head  28  u32 maps                 32  u32 codings in use, as bits
 *    40  u64 XXH3 of the serials                             64  u32 segments of the head, up to 80
 *   384  u32 segments of maps
 *
 *   head: a saved store without pages (file_format.h): size, codecs, tiers, dictionaries; and
 *   behind it a u32 for each segment, its serial (backing.h)
 *
 *   map, a segment
 *     0  "RAMZMAPS"            8  u64 id                  16  u64 generation
 *    24  u32 leaves           28  u32 number of this map  32  u64 XXH3 of bytes 0 .. 31 and of the
 *                                                            XXH3 of the rest
 *   256  u32 numbers of the leaves, ascending over all maps
 *  4096  leaves, 512 entries of 8 bytes: absent, same or backed as in entry.h, without the bits L
 *        and tried; the coding is an index of the head's names
 *
 * Forms are in segments as backing.h has them. A word that no entry can hold is a form here.
 *
 * Order: forms, maps, head and root are written; flush; a superblock, in one place; flush; the same
 * in the other. Only then may a segment be written again that only the checkpoint before needs.
 * Each segment has a bit (`pins`) for that one, and another for the one that is being made. When a
 * superblock's write or flush fails, either may be found later: both keep their pins until the next
 * one is complete.
 *
 * Owns the format. Locking: the call has the snapshot. O(table + forms in memory).
 */
#ifndef RZI_CHECKPOINT_H
#define RZI_CHECKPOINT_H

#include "backing.h"

#define SUPER_MAGIC "RAMZBACK"
#define ROOT_MAGIC "RAMZROOT"
#define MAP_MAGIC "RAMZMAPS"

enum {
	CHECKPOINT_VERSION = 1,
	SUPER_BYTES = 4096,
	SUPER_SUM_AT = SUPER_BYTES - 8,
	ROOT_HEAD_AT = 64,
	ROOT_HEADS_MAX = 80,
	ROOT_MAPS_AT = ROOT_HEAD_AT + 4 * ROOT_HEADS_MAX,
	ROOT_MAPS_MAX = (int)((RAMZ_SEGMENT_BYTES - 384) / 4),
	MAP_SUM_AT = 32,
	MAP_NUMBERS_AT = 256,
	MAP_LEAVES_AT = 4096,
	MAP_LEAF_BYTES = SPARSE_LEAF_COUNT * 8,
	MAP_LEAVES_MAX = (int)((RAMZ_SEGMENT_BYTES - 4096) / (512 * 8)),
};

struct rzi_super {
	uint64_t id;
	uint64_t generation;
	uint32_t root;
	uint32_t segments;
	uint64_t root_sum;
};

/* Where superblock 0 or 1 is. */
static inline uint64_t rzi_super_offset(uint32_t which)
{
	return which * (uint64_t)(RAMZ_SEGMENT_BYTES / 2);
}

void rzi_super_put(unsigned char *at, const struct rzi_super *super);

/* Read the last completed one; *which is its place. 1; 0: there is none; -XV_EBADMSG: there was
 * one, or nearly; or another error. */
int rzi_super_find(const struct ramz_backing *device, struct rzi_super *super, uint32_t *which);

uint64_t rzi_map_sum(const unsigned char *map);

/* ---- save.c, load.c ---- */

/* Save all but the pages. Within a snapshot. */
int rzi_save_head(struct ramz *store, const struct ramz_sink *sink);

/* Make a store of it. used: the names that pages need, a bit each. The store's codings have the
 * indices of the names. */
int rzi_load_head(struct ramz **out, const struct ramz_options *options,
		  const struct ramz_codec *const *codecs, size_t codec_count,
		  const struct ramz_source *source, uint32_t used, const char **reason);

#endif
