/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * locks.c: locks and shared memory; see locks.h.
 */
#include "locks.h"

#include <stdlib.h>

#include "sqlite_api.h"

/* ---- the database file ---- */

static int lock_exclusive(struct rzs_locks *locks, struct rzs_lock_state *mine)
{
	/* Readers may end, and no new ones come. */
	mine->level = SQLITE_LOCK_PENDING;
	locks->level = SQLITE_LOCK_PENDING;
	if (locks->files > 1)
		return SQLITE_BUSY;
	mine->level = SQLITE_LOCK_EXCLUSIVE;
	locks->level = SQLITE_LOCK_EXCLUSIVE;
	return SQLITE_OK;
}

int rzs_lock(struct rzs_locks *locks, struct rzs_lock_state *mine, int level)
{
	if (mine->level >= level)
		return SQLITE_OK;
	/* Another file is above mine: it lets only readers in, and not even them when it waits. */
	if (locks->level != mine->level &&
	    (locks->level >= SQLITE_LOCK_PENDING || level > SQLITE_LOCK_SHARED))
		return SQLITE_BUSY;
	if (level == SQLITE_LOCK_EXCLUSIVE)
		return lock_exclusive(locks, mine);
	if (mine->level == SQLITE_LOCK_NONE)
		locks->files++;
	mine->level = level;
	if (locks->level < level)
		locks->level = level;
	return SQLITE_OK;
}

void rzs_unlock(struct rzs_locks *locks, struct rzs_lock_state *mine, int level)
{
	if (mine->level <= level)
		return;
	/* Above SHARED there is one file, so the level of all is its own. */
	if (mine->level > SQLITE_LOCK_SHARED)
		locks->level = SQLITE_LOCK_SHARED;
	if (level == SQLITE_LOCK_NONE && --locks->files == 0)
		locks->level = SQLITE_LOCK_NONE;
	mine->level = level;
}

/* ---- shared memory ---- */

static int shm_grow(struct rzs_locks *locks, int region, int bytes)
{
	void **longer = realloc(locks->region, ((size_t)region + 1) * sizeof(*longer));

	if (longer == NULL)
		return SQLITE_IOERR_NOMEM;
	locks->region = longer;
	locks->region_bytes = (uint32_t)bytes;
	while (locks->regions <= (uint32_t)region) {
		longer[locks->regions] = calloc(1, (size_t)bytes);
		if (longer[locks->regions] == NULL)
			return SQLITE_IOERR_NOMEM;
		locks->regions++;
	}
	return SQLITE_OK;
}

int rzs_shm_map(struct rzs_locks *locks, struct rzs_lock_state *mine, int region, int bytes,
		bool extend, void volatile **out)
{
	int code = SQLITE_OK;

	*out = NULL;
	if (!mine->uses_shm) {
		mine->uses_shm = true;
		locks->shm_files++;
	}
	if ((uint32_t)region >= locks->regions && extend)
		code = shm_grow(locks, region, bytes);
	if (code == SQLITE_OK && (uint32_t)region < locks->regions)
		*out = locks->region[region];
	return code;
}

static uint16_t shm_mask(int first, int count)
{
	return (uint16_t)((1U << (first + count)) - (1U << first));
}

static void shm_release(struct rzs_locks *locks, struct rzs_lock_state *mine, uint16_t mask)
{
	for (int i = 0; i < RZS_SHM_SLOTS; i++) {
		if ((mine->alone & mask & 1U << i) != 0)
			locks->slot[i] = 0;
		else if ((mine->shared & mask & 1U << i) != 0)
			locks->slot[i]--;
	}
	mine->alone = (uint16_t)(mine->alone & ~mask);
	mine->shared = (uint16_t)(mine->shared & ~mask);
}

/* SQLite does not ask for a slot that the file has. */
int rzs_shm_lock(struct rzs_locks *locks, struct rzs_lock_state *mine, int first, int count,
		 int flags)
{
	bool share = (flags & SQLITE_SHM_SHARED) != 0;
	uint16_t mask = shm_mask(first, count);

	if ((flags & SQLITE_SHM_UNLOCK) != 0) {
		shm_release(locks, mine, mask);
		return SQLITE_OK;
	}
	for (int i = first; i < first + count; i++) {
		if (share ? locks->slot[i] < 0 : locks->slot[i] != 0)
			return SQLITE_BUSY;
	}
	for (int i = first; i < first + count; i++)
		locks->slot[i] = share ? locks->slot[i] + 1 : -1;
	if (share)
		mine->shared |= mask;
	else
		mine->alone |= mask;
	return SQLITE_OK;
}

void rzs_shm_unmap(struct rzs_locks *locks, struct rzs_lock_state *mine)
{
	if (!mine->uses_shm)
		return;
	shm_release(locks, mine, shm_mask(0, RZS_SHM_SLOTS));
	mine->uses_shm = false;
	if (--locks->shm_files != 0)
		return;
	while (locks->regions > 0)
		free(locks->region[--locks->regions]);
	free(locks->region);
	locks->region = NULL;
}

uint64_t rzs_shm_bytes(const struct rzs_locks *locks)
{
	return (uint64_t)locks->regions * locks->region_bytes;
}
