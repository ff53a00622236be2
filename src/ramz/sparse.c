/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sparse.c: arrays of which only the used parts take memory. See sparse.h.
 *
 * Two threads may make the same leaf: the later one frees its own.
 */
#include "sparse.h"

static size_t sparse_roots(uint64_t count)
{
	return (size_t)((count + ((uint64_t)1 << (SPARSE_LEAF_SHIFT + SPARSE_MID_SHIFT)) - 1) >>
			(SPARSE_LEAF_SHIFT + SPARSE_MID_SHIFT));
}

static size_t sparse_leaf_bytes(const struct rzi_sparse *sparse)
{
	return (size_t)(sparse->element_bytes + sparse->mark_bytes) << SPARSE_LEAF_SHIFT;
}

static void *sparse_alloc(struct rzi_sparse *sparse, size_t bytes, int *err)
{
	void *at = rzi_memory_alloc(sparse->memory, bytes, err);

	if (at != NULL)
		atomic_fetch_add(&sparse->bytes, rzi_memory_rounded(bytes));
	return at;
}

static void sparse_free(struct rzi_sparse *sparse, void *at, size_t bytes)
{
	if (at == NULL)
		return;
	RZI_ASSERT(atomic_load(&sparse->bytes) >= rzi_memory_rounded(bytes));
	rzi_memory_free(sparse->memory, at, bytes);
	atomic_fetch_sub(&sparse->bytes, rzi_memory_rounded(bytes));
}

int rzi_sparse_init(struct rzi_sparse *sparse, struct rzi_memory *memory, uint64_t count,
		    uint32_t element_bytes, uint32_t mark_bytes)
{
	RZI_ASSERT(element_bytes != 0 && mark_bytes <= 1);
	sparse->memory = memory;
	sparse->root = NULL;
	sparse->root_count = 0;
	sparse->element_bytes = element_bytes;
	sparse->mark_bytes = mark_bytes;
	atomic_init(&sparse->bytes, 0);
	atomic_init(&sparse->leaves, 0);
	atomic_init(&sparse->leaves_in_use, 0);
	return rzi_sparse_resize(sparse, count);
}

/* Free a leaf of a mid, if it exists. */
static void sparse_leaf_free(struct rzi_sparse *sparse, struct rzi_sparse_mid *mid, size_t i)
{
	char *leaf = atomic_exchange(&mid->leaf[i], NULL);

	if (leaf == NULL)
		return;
	if (atomic_exchange(&mid->used[i], 0) > 0)
		atomic_fetch_sub(&sparse->leaves_in_use, 1);
	RZI_ASSERT(atomic_load(&sparse->leaves) != 0);
	atomic_fetch_sub(&sparse->leaves, 1);
	sparse_free(sparse, leaf, sparse_leaf_bytes(sparse));
}

static void sparse_mid_free(struct rzi_sparse *sparse, size_t top)
{
	struct rzi_sparse_mid *mid = atomic_load(&sparse->root[top]);

	if (mid == NULL)
		return;
	for (size_t i = 0; i < SPARSE_MID_COUNT; i++)
		sparse_leaf_free(sparse, mid, i);
	sparse_free(sparse, mid, sizeof(*mid));
	atomic_store(&sparse->root[top], NULL);
}

void rzi_sparse_clear(struct rzi_sparse *sparse)
{
	for (size_t top = 0; top < sparse->root_count; top++)
		sparse_mid_free(sparse, top);
}

void rzi_sparse_fini(struct rzi_sparse *sparse)
{
	rzi_sparse_clear(sparse);
	sparse_free(sparse, sparse->root, sparse->root_count * sizeof(*sparse->root));
	sparse->root = NULL;
	sparse->root_count = 0;
}

/* Free the leaves behind the first count elements. */
static void sparse_cut(struct rzi_sparse *sparse, uint64_t count)
{
	uint64_t leaves = (count + SPARSE_LEAF_COUNT - 1) >> SPARSE_LEAF_SHIFT;
	size_t kept = sparse_roots(count);
	struct rzi_sparse_mid *mid;

	for (size_t top = kept; top < sparse->root_count; top++)
		sparse_mid_free(sparse, top);
	if (kept == 0 || kept > sparse->root_count)
		return;
	mid = atomic_load(&sparse->root[kept - 1]);
	if (mid == NULL)
		return;
	for (uint64_t i = leaves - ((uint64_t)(kept - 1) << SPARSE_MID_SHIFT); i < SPARSE_MID_COUNT;
	     i++)
		sparse_leaf_free(sparse, mid, (size_t)i);
}

/* Set another root. Before it shrinks, what lies behind was freed. */
static int sparse_set_root(struct rzi_sparse *sparse, size_t root_count)
{
	size_t both = root_count < sparse->root_count ? root_count : sparse->root_count;
	_Atomic(struct rzi_sparse_mid *) *root;
	int err = 0;

	root = sparse_alloc(sparse, root_count * sizeof(*root), &err);
	if (root == NULL)
		return err;
	for (size_t i = 0; i < both; i++)
		atomic_store(&root[i], atomic_load(&sparse->root[i]));
	sparse_free(sparse, sparse->root, sparse->root_count * sizeof(*root));
	sparse->root = root;
	sparse->root_count = root_count;
	return 0;
}

int rzi_sparse_resize(struct rzi_sparse *sparse, uint64_t count)
{
	size_t root_count = sparse_roots(count);

	if (root_count > sparse->root_count)
		return sparse_set_root(sparse, root_count);
	sparse_cut(sparse, count);
	/* Without memory for a smaller root the larger one stays. */
	if (root_count < sparse->root_count)
		(void)sparse_set_root(sparse, root_count);
	return 0;
}

static struct rzi_sparse_mid *sparse_make_mid(struct rzi_sparse *sparse, size_t top, int *err)
{
	struct rzi_sparse_mid *there = NULL;
	struct rzi_sparse_mid *mid = sparse_alloc(sparse, sizeof(*mid), err);

	if (mid == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&sparse->root[top], &there, mid))
		return mid;
	sparse_free(sparse, mid, sizeof(*mid));
	return there;
}

static char *sparse_make_leaf(struct rzi_sparse *sparse, _Atomic(char *) *place, int *err)
{
	char *there = NULL;
	char *leaf = sparse_alloc(sparse, sparse_leaf_bytes(sparse), err);

	if (leaf == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(place, &there, leaf)) {
		atomic_fetch_add(&sparse->leaves, 1);
		return leaf;
	}
	sparse_free(sparse, leaf, sparse_leaf_bytes(sparse));
	return there;
}

void *rzi_sparse_make(struct rzi_sparse *sparse, uint64_t index, int *err)
{
	uint64_t leaf_number = index >> SPARSE_LEAF_SHIFT;
	size_t top = (size_t)(leaf_number >> SPARSE_MID_SHIFT);
	void *element = rzi_sparse_get(sparse, index);
	struct rzi_sparse_mid *mid;

	RZI_ASSERT(top < sparse->root_count);
	if (element != NULL)
		return element;
	mid = atomic_load(&sparse->root[top]);
	if (mid == NULL)
		mid = sparse_make_mid(sparse, top, err);
	if (mid == NULL ||
	    sparse_make_leaf(sparse, &mid->leaf[leaf_number & (SPARSE_MID_COUNT - 1)], err) == NULL)
		return NULL;
	return rzi_sparse_get(sparse, index);
}

uint64_t rzi_sparse_next(const struct rzi_sparse *sparse, uint64_t index)
{
	uint64_t leaf_number = index >> SPARSE_LEAF_SHIFT;

	while ((leaf_number >> SPARSE_MID_SHIFT) < sparse->root_count) {
		size_t top = (size_t)(leaf_number >> SPARSE_MID_SHIFT);
		struct rzi_sparse_mid *mid = atomic_load(&sparse->root[top]);
		size_t i = (size_t)(leaf_number & (SPARSE_MID_COUNT - 1));

		while (mid != NULL && i < SPARSE_MID_COUNT && atomic_load(&mid->leaf[i]) == NULL)
			i++;
		if (mid != NULL && i < SPARSE_MID_COUNT) {
			uint64_t first = (((uint64_t)top << SPARSE_MID_SHIFT) + i)
					 << SPARSE_LEAF_SHIFT;

			return first > index ? first : index;
		}
		leaf_number = ((uint64_t)top + 1) << SPARSE_MID_SHIFT;
	}
	return UINT64_MAX;
}

/* ---- use ---- */

static _Atomic int16_t *sparse_used(const struct rzi_sparse *sparse, uint64_t index)
{
	uint64_t leaf_number = index >> SPARSE_LEAF_SHIFT;
	struct rzi_sparse_mid *mid =
		atomic_load(&sparse->root[(size_t)(leaf_number >> SPARSE_MID_SHIFT)]);

	RZI_ASSERT(rzi_sparse_get(sparse, index) != NULL); /* its leaf exists */
	return &mid->used[leaf_number & (SPARSE_MID_COUNT - 1)];
}

void rzi_sparse_use(struct rzi_sparse *sparse, uint64_t index)
{
	if (atomic_fetch_add(sparse_used(sparse, index), 1) == 0)
		atomic_fetch_add(&sparse->leaves_in_use, 1);
}

void rzi_sparse_unuse(struct rzi_sparse *sparse, uint64_t index)
{
	if (atomic_fetch_sub(sparse_used(sparse, index), 1) == 1)
		atomic_fetch_sub(&sparse->leaves_in_use, 1);
}

uint32_t rzi_sparse_used(const struct rzi_sparse *sparse, uint64_t index)
{
	return (uint32_t)atomic_load(sparse_used(sparse, index));
}

uint64_t rzi_sparse_idle_bytes(const struct rzi_sparse *sparse)
{
	uint64_t leaves = atomic_load(&sparse->leaves);
	uint64_t in_use = atomic_load(&sparse->leaves_in_use);

	return leaves > in_use ? (leaves - in_use) * sparse_leaf_bytes(sparse) : 0;
}

/* Free the idle leaves of a mid. Is any left? */
static bool sparse_trim_mid(struct rzi_sparse *sparse, struct rzi_sparse_mid *mid,
			    bool (*idle)(const void *leaf))
{
	bool left = false;

	for (size_t i = 0; i < SPARSE_MID_COUNT; i++) {
		char *leaf = atomic_load(&mid->leaf[i]);

		if (leaf == NULL)
			continue;
		if (atomic_load(&mid->used[i]) == 0 && idle(leaf))
			sparse_leaf_free(sparse, mid, i);
		else
			left = true;
	}
	return left;
}

void rzi_sparse_trim(struct rzi_sparse *sparse, bool (*idle)(const void *leaf))
{
	for (size_t top = 0; top < sparse->root_count; top++) {
		struct rzi_sparse_mid *mid = atomic_load(&sparse->root[top]);

		if (mid != NULL && !sparse_trim_mid(sparse, mid, idle))
			sparse_mid_free(sparse, top);
	}
}
