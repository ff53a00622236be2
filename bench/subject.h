/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject.h: what is measured, behind function pointers, so that one benchmark runs over
 * every allocator.
 *
 * A subject keeps its objects in slots 0 .. slots - 1 of a table of its own: a caller of
 * a real allocator keeps handles or pointers somewhere too. The cost of the calls through
 * pointers and of that table is the same for all, and the subject "nothing", which has
 * the table alone, shows it.
 *
 * Locking: calls for different slots of one heap may run at the same time where
 * `threads` says so. Costs are the allocator's.
 */
#ifndef XV_BENCH_SUBJECT_H
#define XV_BENCH_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Heaps to be compared are made from the same numbers. */
struct subject_config {
	uint32_t slots;
	size_t max_size;      /* largest object, bytes */
	uint64_t total_bytes; /* estimate of the live bytes */
};

/* Where a row belongs. A subject may be in several groups. */
enum subject_group {
	GROUP_MAIN = 1U,      /* every pair benchmark */
	GROUP_KNOB = 2U,      /* settings of one knob: pairs at the usual live counts */
	GROUP_PROVIDER = 4U,  /* xvmalloc over other page sources */
	GROUP_POINTER = 8U,   /* a heap for programs: pointers, large objects; traces */
	GROUP_BASELINE = 16U, /* no allocator */
};

struct bench_subject {
	const char *name;
	unsigned groups;    /* of enum subject_group */
	bool threads;       /* calls for different slots may run at the same time */
	const void *recipe; /* for create */

	/* A heap of empty slots, or NULL. destroy ends it with all objects. */
	void *(*create)(const void *recipe, const struct subject_config *config);
	void (*destroy)(void *heap);

	/* Make an object in an empty slot; empty a full one. 0, or not. */
	int (*make)(void *heap, uint32_t slot, size_t size);
	int (*free)(void *heap, uint32_t slot);

	/* Optional. Another size for the object; what is in it stays. */
	int (*resize)(void *heap, uint32_t slot, size_t size);

	/* Optional. Copy the object's first size bytes in or out. */
	int (*write)(void *heap, uint32_t slot, const void *data, size_t size);
	int (*read)(void *heap, uint32_t slot, void *data, size_t size);

	/* Optional. The object's size (from the allocator, not from the caller), or <= 0. */
	int (*size_of)(void *heap, uint32_t slot);

	/* Optional. Make the object addressable and end that. */
	int (*map_unmap)(void *heap, uint32_t slot);

	/* Optional. One step of compaction: 1 more is to be done, 0 not, < 0 an error. */
	int (*compact_step)(void *heap);

	/* Optional. What the heap holds; else the process's resident set has to tell. */
	uint64_t (*held_bytes)(void *heap);
};

/* The allocator under test with its settings: subject_pool.c. */
extern const struct bench_subject subject_pools[];
extern const size_t subject_pool_count;

/* TLSF, the malloc of this process, and nothing: subject_peer.c. */
extern const struct bench_subject subject_peers[];
extern const size_t subject_peer_count;

/* Both lists, in the order of the report; NULL behind the last. */
const struct bench_subject *subject_at(size_t index);

#endif
