/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * shadow.h: what a pool should hold: a list of its live objects with their sizes and
 * contents, kept beside it. The calls here do the same to pool and shadow, and fail
 * the test where the two differ; an error of the pool is returned, with the shadow as
 * it was.
 *
 * Owns: the list. May call: pool.h, CMocka's assertions. Locking: none.
 * Complexity: O(1) and O(object size), but for those named all.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include <xvmalloc/pool.h>

struct shadow_object {
	xv_handle handle;
	uint32_t size;
	uint32_t pattern; /* of pattern.h */
};

struct shadow {
	struct xv_pool *pool;
	struct shadow_object *objects; /* 0 .. count - 1 are live, in no order */
	size_t count;
	size_t capacity;
	uint64_t requested_bytes;
	uint32_t last_pattern;
};

void shadow_init(struct shadow *shadow, struct xv_pool *pool);
void shadow_fini(struct shadow *shadow);

/* Allocate and fill. alignment 0: xv_malloc. The new object is the last one. */
int shadow_malloc(struct shadow *shadow, size_t size, size_t alignment);

/* xv_calloc: proves that it is all zero, then fills. */
int shadow_calloc(struct shadow *shadow, size_t size);

/* Free object i; the last one takes its number. Proves its contents before. */
int shadow_free(struct shadow *shadow, size_t i);

/* xv_realloc of object i: proves that the contents went along, then fills anew. */
int shadow_realloc(struct shadow *shadow, size_t i, size_t size);

/* Object i is there with its size and contents. */
bool shadow_object_is_good(struct shadow *shadow, size_t i);
void shadow_verify(struct shadow *shadow, size_t i);
void shadow_verify_all(struct shadow *shadow);

/* Take an object that is in the pool already, filled or not. */
void shadow_adopt(struct shadow *shadow, xv_handle handle, size_t size);

/* Forget object i, which is not in the pool any more. */
void shadow_forget(struct shadow *shadow, size_t i);

/* New contents for object i. */
int shadow_fill(struct shadow *shadow, size_t i);

/* Free all, in the order of the list from its end. */
void shadow_free_all(struct shadow *shadow);

#endif
