/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sparse.h: an array of which only the used parts take memory: the slot table, and the tables
 * beside it.
 *
 *   root [ mid, mid, ... ]   one pointer for 262,144 elements, allocated for the whole size
 *          |
 *         mid [ leaf, leaf, ... 512 ]
 *                |
 *               leaf [ element, element, ... 512 ]      4 KiB of 8-byte elements,
 *                    [ mark, mark, ... 512 ]            and a byte for each, if asked for
 *
 * Owns the three levels. May call: the C library's allocator, memory.h to account for it. Locking:
 * any threads may call get, make and next at once. Leaves do not move. Only resize, clear, trim and
 * fini free them, and no other call may run beside these. get and make are O(1); the others say.
 */
#ifndef RZI_SPARSE_H
#define RZI_SPARSE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "platform.h"

enum {
	SPARSE_LEAF_SHIFT = 9,
	SPARSE_MID_SHIFT = 9,
	SPARSE_LEAF_COUNT = 1 << SPARSE_LEAF_SHIFT,
	SPARSE_MID_COUNT = 1 << SPARSE_MID_SHIFT,
};

struct rzi_sparse_mid {
	_Atomic(char *) leaf[SPARSE_MID_COUNT];
	_Atomic int16_t used[SPARSE_MID_COUNT]; /* elements of the leaf in use, as far as told;
						 * below 0 for a moment when two threads tell */
};

struct rzi_sparse {
	struct rzi_memory *memory;
	_Atomic(struct rzi_sparse_mid *) *root;
	size_t root_count;
	uint32_t element_bytes;
	uint32_t mark_bytes;            /* 0, or 1: a byte beside each element */
	_Atomic uint64_t bytes;         /* of all levels */
	_Atomic uint64_t leaves;        /* leaves, count */
	_Atomic uint64_t leaves_in_use; /* leaves with an element in use, count */
};

/* Make an array for indices below count, with mark_bytes (0 or 1) beside each element. Returns 0,
 * -XV_ENOMEM or -XV_ENOSPC. O(count / 2^18). */
int rzi_sparse_init(struct rzi_sparse *sparse, struct rzi_memory *memory, uint64_t count,
		    uint32_t element_bytes, uint32_t mark_bytes);
/* Free everything. Also after a failed init and on zeroed memory. */
void rzi_sparse_fini(struct rzi_sparse *sparse);

/* Make room for indices below count; elements at or behind it must be unused. Returns as init,
 * and 0 if count does not grow. O(leaves). */
int rzi_sparse_resize(struct rzi_sparse *sparse, uint64_t count);

/* Free all elements; they can be made again. O(leaves). */
void rzi_sparse_clear(struct rzi_sparse *sparse);

/* Make the element usable; a fresh one is zero. NULL when there is no memory: *err is then
 * -XV_ENOMEM or -XV_ENOSPC. The caller has checked the index. */
void *rzi_sparse_make(struct rzi_sparse *sparse, uint64_t index, int *err);

/* The first index >= index whose leaf exists, or UINT64_MAX. O(leaves skipped). */
uint64_t rzi_sparse_next(const struct rzi_sparse *sparse, uint64_t index);

/* Tell that an element came into use, or went out of it; its leaf exists. rzi_sparse_idle_bytes
 * counts only tables whose users tell both. O(1). */
void rzi_sparse_use(struct rzi_sparse *sparse, uint64_t index);
void rzi_sparse_unuse(struct rzi_sparse *sparse, uint64_t index);

/* Elements in use in the leaf of index, which exists. O(1). */
uint32_t rzi_sparse_used(const struct rzi_sparse *sparse, uint64_t index);

/* Bytes of leaves without elements in use; exact while no other thread tells. O(1). */
uint64_t rzi_sparse_idle_bytes(const struct rzi_sparse *sparse);

/* Free the leaves without elements in use for which idle agrees, and mid levels without leaves.
 * O(leaves). */
void rzi_sparse_trim(struct rzi_sparse *sparse, bool (*idle)(const void *leaf));

/* The element, or NULL if its leaf does not exist. */
static inline void *rzi_sparse_get(const struct rzi_sparse *sparse, uint64_t index)
{
	uint64_t leaf_number = index >> SPARSE_LEAF_SHIFT;
	size_t top = (size_t)(leaf_number >> SPARSE_MID_SHIFT);
	struct rzi_sparse_mid *mid;
	char *leaf;

	if (top >= sparse->root_count)
		return NULL;
	mid = atomic_load_explicit(&sparse->root[top], memory_order_acquire);
	if (mid == NULL)
		return NULL;
	leaf = atomic_load_explicit(&mid->leaf[leaf_number & (SPARSE_MID_COUNT - 1)],
				    memory_order_acquire);
	if (leaf == NULL)
		return NULL;
	return leaf + (index & (SPARSE_LEAF_COUNT - 1)) * sparse->element_bytes;
}

/* For a walk over all elements whose leaves exist: the index behind this one, or that of the next
 * leaf. */
static inline uint64_t rzi_sparse_after(const struct rzi_sparse *sparse, uint64_t index)
{
	index++;
	return (index & (SPARSE_LEAF_COUNT - 1)) != 0 ? index : rzi_sparse_next(sparse, index);
}

/* The mark beside the element of this index, in an array that has marks. O(1). */
static inline _Atomic uint8_t *rzi_sparse_mark(const struct rzi_sparse *sparse, void *element,
					       uint64_t index)
{
	size_t i = (size_t)(index & (SPARSE_LEAF_COUNT - 1));
	char *leaf = (char *)element - i * sparse->element_bytes;

	RZI_ASSERT(sparse->mark_bytes != 0);
	return (_Atomic uint8_t *)(leaf + SPARSE_LEAF_COUNT * (size_t)sparse->element_bytes + i);
}

#endif
