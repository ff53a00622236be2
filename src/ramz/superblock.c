/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * superblock.c: the words that a checkpoint is found and known by: superblocks, and the sums of
 * maps; see checkpoint.h. Writes nothing to a device. Locking: none. O(segment).
 */
#include "checkpoint.h"

#include <stdlib.h>

#include "file_format.h"

void rzi_super_put(unsigned char *at, const struct rzi_super *super)
{
	memset(at, 0, SUPER_BYTES);
	memcpy(at, SUPER_MAGIC, 8);
	rzi_put_u32(at + 8, CHECKPOINT_VERSION);
	rzi_put_u32(at + 12, RAMZ_SEGMENT_BYTES);
	rzi_put_u64(at + 16, super->id);
	rzi_put_u64(at + 24, super->generation);
	rzi_put_u32(at + 32, super->root);
	rzi_put_u32(at + 36, super->segments);
	rzi_put_u64(at + 40, super->root_sum);
	rzi_put_u64(at + SUPER_SUM_AT, rzi_checksum(at, SUPER_SUM_AT));
}

/* Is it a superblock? */
static bool super_get(const unsigned char *at, struct rzi_super *super)
{
	if (memcmp(at, SUPER_MAGIC, 8) != 0 ||
	    rzi_get_u64(at + SUPER_SUM_AT) != rzi_checksum(at, SUPER_SUM_AT) ||
	    rzi_get_u32(at + 8) != CHECKPOINT_VERSION || rzi_get_u32(at + 12) != RAMZ_SEGMENT_BYTES)
		return false;
	super->id = rzi_get_u64(at + 16);
	super->generation = rzi_get_u64(at + 24);
	super->root = rzi_get_u32(at + 32);
	super->segments = rzi_get_u32(at + 36);
	super->root_sum = rzi_get_u64(at + 40);
	return true;
}

int rzi_super_find(const struct ramz_backing *device, struct rzi_super *super, uint32_t *which)
{
	void *all = malloc(SUPER_BYTES + IO_ALIGN_BYTES);
	unsigned char *at = rzi_io_aligned(all);
	int found = 0, err = all != NULL ? 0 : -XV_ENOMEM;
	uint64_t word = 0;
	bool is_empty = true;

	for (uint32_t i = 0; err == 0 && i < 2; i++) {
		struct rzi_super one;

		err = device->read(device->context, rzi_super_offset(i), at, SUPER_BYTES);
		is_empty = is_empty && err == 0 &&
			   ramz_page_is_same_filled(at, SUPER_BYTES, &word) && word == 0;
		if (err == 0 && super_get(at, &one) &&
		    (found == 0 || one.generation > super->generation)) {
			*super = one;
			*which = i;
			found = 1;
		}
	}
	free(all);
	if (err == 0 && found == 0 && !is_empty)
		err = -XV_EBADMSG;
	return err == 0 ? found : err;
}

int ramz_backing_holds(const struct ramz_backing *device)
{
	struct rzi_super super;
	uint32_t which;

	return rzi_backing_device_is_good(device) ? rzi_super_find(device, &super, &which)
						  : -XV_EINVAL;
}

uint64_t rzi_map_sum(const unsigned char *map)
{
	unsigned char all[MAP_SUM_AT + 8];

	memcpy(all, map, MAP_SUM_AT);
	rzi_put_u64(all + MAP_SUM_AT,
		    rzi_checksum(map + MAP_SUM_AT + 8, RAMZ_SEGMENT_BYTES - MAP_SUM_AT - 8));
	return rzi_checksum(all, sizeof(all));
}
