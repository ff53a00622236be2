/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A program of 2009 on libxvmalloc. A table of (page, offset) entries, as compressed swap had one
 * for each swap slot, stores pages of varying compressed sizes, overwrites and drops them, and
 * finds every byte again. It knows only the old calls; port_2009.h does the rest.
 */
#include <stdio.h>
#include <string.h>

#include "port_2009.h"

struct port_2009 port_2009;

enum { SLOTS = 4096, ROUNDS = 5, GFP_NOIO = 0x10 };

/* pagenum 0: nothing is stored */
struct slot {
	u32 pagenum;
	u16 offset;
	u16 length;
	u32 stamp; /* tells contents of the slot apart */
};

static struct slot table[SLOTS];
static u64 stored_bytes;

static u32 next_random(void)
{
	static u32 state = 2009;

	state = state * 1664525U + 1013904223U;
	return state >> 8;
}

static unsigned char content(u32 slot, u32 stamp, u32 at)
{
	return (unsigned char)(slot * 31U + stamp * 7U + at);
}

static void slot_drop(struct xv_pool *pool, u32 index)
{
	struct slot *slot = &table[index];

	if (slot->pagenum == 0)
		return;
	xv_free(pool, slot->pagenum, slot->offset);
	stored_bytes -= slot->length;
	slot->pagenum = 0;
}

static int slot_store(struct xv_pool *pool, u32 index, u32 length)
{
	u32 pagenum, offset;
	u32 stamp = next_random();
	unsigned char *obj;
	int err = xv_malloc(pool, length, &pagenum, &offset, GFP_NOIO | __GFP_HIGHMEM);

	if (err != 0)
		return err;
	obj = port_2009_map(pool, pagenum, offset);
	if (obj == NULL)
		return -XV_EINVAL;
	for (u32 at = 0; at < length; at++)
		obj[at] = content(index, stamp, at);
	port_2009_unmap(pool, pagenum, offset, obj);

	slot_drop(pool, index);
	table[index] = (struct slot){pagenum, (u16)offset, (u16)length, stamp};
	stored_bytes += length;
	return 0;
}

/* Is every byte of the slot there? */
static bool slot_is_good(struct xv_pool *pool, u32 index)
{
	const struct slot *slot = &table[index];
	unsigned char *obj;
	bool good;

	if (slot->pagenum == 0)
		return true;
	obj = port_2009_map(pool, slot->pagenum, slot->offset);
	if (obj == NULL)
		return false;
	good = xv_get_object_size(obj) == slot->length;
	for (u32 at = 0; good && at < slot->length; at++)
		good = obj[at] == content(index, slot->stamp, at);
	port_2009_unmap(pool, slot->pagenum, slot->offset, obj);
	return good;
}

static bool table_is_good(struct xv_pool *pool)
{
	for (u32 i = 0; i < SLOTS; i++) {
		if (!slot_is_good(pool, i)) {
			fprintf(stderr, "port_2009: slot %u has lost its content\n", (unsigned)i);
			return false;
		}
	}
	return true;
}

/* Store or drop slots at random; a third of the touched ones is dropped. */
static int run_round(struct xv_pool *pool)
{
	for (u32 i = 0; i < SLOTS; i++) {
		u32 index = next_random() % SLOTS;

		if (next_random() % 3 == 0)
			slot_drop(pool, index);
		else if (slot_store(pool, index, 1 + next_random() % 3072) != 0)
			return -XV_ENOMEM;
	}
	return 0;
}

/* Freed twice: in 2009 a crash or a broken pool, now refused and counted. */
static bool double_free_is_refused(struct xv_pool *pool)
{
	struct xv_pool_stats before, after;
	u32 pagenum, offset;

	if (xv_malloc(pool, 100, &pagenum, &offset) != 0)
		return false;
	xv_free(pool, pagenum, offset);
	xv_pool_get_stats(pool, &before);
	xv_free(pool, pagenum, offset);
	xv_pool_get_stats(pool, &after);
	return after.bad_handles == before.bad_handles + 1 && after.objects == before.objects &&
	       xv_pool_check(pool, XV_CHECK_DEEP, NULL) == 0;
}

static bool run_all(struct xv_pool *pool)
{
	for (int round = 1; round <= ROUNDS; round++) {
		if (run_round(pool) != 0) {
			fprintf(stderr, "port_2009: out of memory in round %d\n", round);
			return false;
		}
		if (!table_is_good(pool))
			return false;
		printf("round %d: %7llu bytes stored in %7llu bytes of pages\n", round,
		       (unsigned long long)stored_bytes,
		       (unsigned long long)xv_get_total_size_bytes(pool));
	}
	if (!double_free_is_refused(pool)) {
		fprintf(stderr, "port_2009: a double free was not refused\n");
		return false;
	}
	for (u32 i = 0; i < SLOTS; i++)
		slot_drop(pool, i);
	printf("all dropped: %llu bytes of pages kept for reuse\n",
	       (unsigned long long)xv_get_total_size_bytes(pool));
	return xv_pool_check(pool, XV_CHECK_DEEP, NULL) == 0 && stored_bytes == 0;
}

int main(void)
{
	struct xv_pool *pool = xv_create_pool();
	bool good;

	if (pool == NULL) {
		fprintf(stderr, "port_2009: no memory for a pool\n");
		return 1;
	}
	good = run_all(pool);
	xv_destroy_pool(pool);
	return good ? 0 : 1;
}
