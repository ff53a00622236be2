/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * max_tree.h: an array of small numbers that can tell the first element from a
 * position on that is at least so large. It stands in for a linear search along a
 * list of pages, so that a model of a first-fit allocator takes O(log n).
 *
 * Owns its array, from malloc. No locking. get is O(1), set and find O(log n).
 */
#ifndef XVM_ALLOCATORS_MAX_TREE_H
#define XVM_ALLOCATORS_MAX_TREE_H

#include <stdint.h>

#define MAX_TREE_NONE UINT32_MAX

/*
 * A complete binary tree in an array: node 1 is the root, node i has the children
 * 2i and 2i + 1, element e is node capacity + e. Each inner node is the larger of
 * its children.
 */
struct max_tree {
	uint16_t *nodes;
	uint32_t capacity; /* elements, a power of two, or 0 when nothing was set yet */
};

/* Give the array back. The tree is empty again. */
void max_tree_fini(struct max_tree *tree);

/* Make room for elements 0 .. elements - 1; new ones are 0. Returns 0 or -ENOMEM. */
int max_tree_reserve(struct max_tree *tree, uint32_t elements);

/* Set an element below the capacity. */
void max_tree_set(struct max_tree *tree, uint32_t element, uint16_t value);

/* First element >= from with value >= wanted (1 or more), or MAX_TREE_NONE. */
uint32_t max_tree_find(const struct max_tree *tree, uint32_t from, uint16_t wanted);

#endif
