/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * heap_damages.h: a heap with blocks, holes of all kinds and an empty page, and ways to break each
 * of its invariants. For the tests of the checker; include after cmocka.h.
 */
#ifndef TEST_HEAP_DAMAGES_H
#define TEST_HEAP_DAMAGES_H

#include "heap_source.h"

enum {
	DAMAGED_PAGES = 3,
	BLOCK_PAGE = 0, /* blocks and holes */
	FULL_PAGE = 1,  /* one block */
	EMPTY_PAGE = 2,
	NO_PAGE = -1,
	IN_PAGE = -2,
	ANYWHERE = -3,
};

/* Where a damage can be done; FULL: it is in that page. */
enum {
	WITH_PROOF = 1,
	WITHOUT_PROOF = 2,
	WITH_GRAINS = 4,
	WITHOUT_GRAINS = 8,
	FULL = 16,
	WITH_BYTES = 32, /* of the proof */
};

struct damage {
	const char *name;
	int (*make)(void);  /* returns the unit where it is, or one of the above */
	uint32_t invariant; /* 0: which one is left open */
	unsigned where;
};

extern const struct damage damages[];
extern const size_t damage_count;

/* The heap that they are done to. */
extern struct heap_source damaged;

/* Make it; end it with heap_source_fini. */
void damaged_make(const struct heap_source_shape *shape);

#endif
