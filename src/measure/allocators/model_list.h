/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * model_list.h: circular doubly linked list with a head node, for the page records
 * of the counting models. Owns nothing, calls nothing. No locking. All O(1).
 */
#ifndef XVM_ALLOCATORS_MODEL_LIST_H
#define XVM_ALLOCATORS_MODEL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct model_node {
	struct model_node *next;
	struct model_node *prev;
};

/* The record of a type that has the node as the named member. */
#define MODEL_RECORD(node, type, member)                                                           \
	((type *)(void *)((char *)(void *)(node)-offsetof(type, member)))

static inline void model_list_init(struct model_node *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool model_list_empty(const struct model_node *head)
{
	return head->next == head;
}

static inline void model_list_insert(struct model_node *node, struct model_node *prev,
				     struct model_node *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void model_list_push_front(struct model_node *head, struct model_node *node)
{
	model_list_insert(node, head, head->next);
}

static inline void model_list_push_back(struct model_node *head, struct model_node *node)
{
	model_list_insert(node, head->prev, head);
}

/* Take a node out. Afterwards it is a list of its own, so taking it out again is harmless. */
static inline void model_list_remove(struct model_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	model_list_init(node);
}

#endif
