/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * check_damages.h: a pool of a known layout, and every way to break an invariant in it
 * that the checker looks at. White box: src/core. One thread.
 */
#ifndef CHECK_DAMAGES_H
#define CHECK_DAMAGES_H

#include "pool_fixture.h"

#include "pool_blocks.h"

/*
 * The scene. Page 0: used, free, used, used, free of 2i + 1 units, used, free of 2i
 * units, used, rest. Page 1 is one object, page 2 an empty one of the reserve.
 */
enum { USED, HOLE, AFTER_HOLE, SECOND, ODD_HOLE, WALL, EVEN_HOLE, LAST, BLOCKS };
enum { BLOCK_PAGE = 0, WHOLE_PAGE = 1, EMPTY_PAGE = 2, UNUSED_PAGE = 3, POKES_MAX = 6 };

/* One change, and what was there. In a page where memory is NULL. */
struct poke {
	unsigned char *memory;
	unsigned char old[8];
	size_t bytes;
	uint32_t unit;
	uint32_t old_word;
};

struct scene {
	struct pool_fixture *f;
	struct xv_pool *pool;
	xv_handle handles[BLOCKS];
	uint32_t unit[BLOCKS]; /* of the headers */
	struct poke pokes[POKES_MAX];
	size_t poke_count;
};

struct damage {
	const char *name;
	void (*make)(struct scene *s);
	uint32_t invariant;
	bool quick;   /* the quick check finds it too */
	bool in_page; /* the report names BLOCK_PAGE */
};

extern const struct damage damages[];
extern const size_t damage_count;

void scene_make(struct scene *s, struct pool_fixture *f);

/* Do the damage of this name. */
void scene_damage(struct scene *s, const char *name);

/* Take all damage back. */
void scene_undo(struct scene *s);

#endif
