/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject_store.c: a ramz store as a subject; see subject.h. Locking: the store's.
 */
#include "subject.h"

#include <stdlib.h>

#include "density.h"

struct subject_store {
	const struct rzc_scene *scene;
	struct ramz *store;
};

static int store_write(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	const struct subject_store *s = self;

	(void)thread;
	return ramz_write_page(s->store, slot, rzc_scene_page(s->scene, n));
}

static int store_read(void *self, unsigned thread, uint32_t slot, uint32_t n, uint8_t *dst)
{
	const struct subject_store *s = self;

	(void)thread;
	(void)n;
	return ramz_read_page(s->store, slot, dst);
}

static int store_clear(void *self)
{
	const struct subject_store *s = self;

	return ramz_reset(s->store);
}

static void store_destroy(void *self)
{
	struct subject_store *s = self;

	ramz_destroy(s->store);
	free(s);
}

int rzc_subject_store(struct rzc_subject *subject, const struct rzc_scene *scene)
{
	struct subject_store *s = xvf_calloc(1, sizeof(*s));

	s->scene = scene;
	if (rzc_store_make(&s->store, scene->count, scene->codec) != 0) {
		free(s);
		return XVF_FAILED;
	}
	*subject = (struct rzc_subject){
		.self = s,
		.write = store_write,
		.read = store_read,
		.clear = store_clear,
		.destroy = store_destroy,
	};
	return 0;
}
