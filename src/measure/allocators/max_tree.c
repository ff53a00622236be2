/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* max_tree.c: see max_tree.h. */
#include "max_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

void max_tree_fini(struct max_tree *tree)
{
	free(tree->nodes);
	tree->nodes = NULL;
	tree->capacity = 0;
}

static uint16_t larger_child(const struct max_tree *tree, uint32_t node)
{
	uint16_t left = tree->nodes[2 * node];
	uint16_t right = tree->nodes[2 * node + 1];

	return left > right ? left : right;
}

int max_tree_reserve(struct max_tree *tree, uint32_t elements)
{
	uint32_t capacity = tree->capacity != 0 ? tree->capacity : CAPACITY_FIRST;
	uint16_t *nodes;
	uint32_t i;

	if (elements <= tree->capacity)
		return 0;
	while (capacity < elements)
		capacity *= 2;
	nodes = calloc(2 * (size_t)capacity, sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	if (tree->capacity != 0)
		memcpy(nodes + capacity, tree->nodes + tree->capacity,
		       tree->capacity * sizeof(*nodes));
	free(tree->nodes);
	tree->nodes = nodes;
	tree->capacity = capacity;
	for (i = capacity - 1; i > 0; i--)
		nodes[i] = larger_child(tree, i);
	return 0;
}

void max_tree_set(struct max_tree *tree, uint32_t element, uint16_t value)
{
	uint32_t node = tree->capacity + element;

	tree->nodes[node] = value;
	for (node /= 2; node > 0; node /= 2) {
		uint16_t now = larger_child(tree, node);

		if (tree->nodes[node] == now)
			break;
		tree->nodes[node] = now;
	}
}

/* The first element under a node that has one. */
static uint32_t descend(const struct max_tree *tree, uint32_t node, uint16_t wanted)
{
	while (node < tree->capacity) {
		node *= 2;
		if (tree->nodes[node] < wanted)
			node++;
	}
	return node - tree->capacity;
}

uint32_t max_tree_find(const struct max_tree *tree, uint32_t from, uint16_t wanted)
{
	uint32_t node = tree->capacity + from;

	if (from >= tree->capacity)
		return MAX_TREE_NONE;
	if (tree->nodes[node] >= wanted)
		return from;
	for (; node > 1; node /= 2) {
		uint32_t right = node + 1;

		if ((node & 1) == 0 && tree->nodes[right] >= wanted)
			return descend(tree, right, wanted);
	}
	return MAX_TREE_NONE;
}
