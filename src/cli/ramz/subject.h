/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * subject.h: something that pages can be written to and read from, to be timed.
 *
 *   store   a ramz store
 *   raw     the codec alone: compress into a buffer that stays in the cache, decompress
 *           from forms made before; pages that it does not make smaller are copied
 *   zram    a kernel zram device, O_DIRECT, a page a system call
 *
 * Locking: none of its own; write and read may be called by several threads at once, each
 * with a thread number of its own.
 */
#ifndef RAMZ_CLI_SUBJECT_H
#define RAMZ_CLI_SUBJECT_H

#include "codecs.h"

struct xvf_zram;

enum rzc_who { RZC_STORE, RZC_RAW, RZC_ZRAM, RZC_WHOS };

/* What subjects are made over. Lives longer than they do. */
struct rzc_scene {
	const struct rzc_codec *codec;
	const uint8_t *data;    /* the input's pages */
	const uint32_t *sample; /* page n of the speed runs is this one of data */
	size_t count;           /* pages of the sample, and slots of a subject */
	unsigned threads;       /* that may call at once */
};

/* Page n of the sample. */
static inline const uint8_t *rzc_scene_page(const struct rzc_scene *scene, uint32_t n)
{
	return scene->data + (size_t)scene->sample[n] * XVF_INPUT_PAGE_BYTES;
}

struct rzc_subject {
	void *self;

	/* Put page n of the sample into a slot. 0 or a negative errno. */
	int (*write)(void *self, unsigned thread, uint32_t slot, uint32_t n);

	/* Read the slot, which holds page n, into dst (aligned to a page). */
	int (*read)(void *self, unsigned thread, uint32_t slot, uint32_t n, uint8_t *dst);

	/* Empty every slot. 0 or a negative errno. */
	int (*clear)(void *self);

	void (*destroy)(void *self);
};

/* Each returns 0, or XVF_FAILED after saying why. End with subject->destroy. */
int rzc_subject_store(struct rzc_subject *subject, const struct rzc_scene *scene);
int rzc_subject_raw(struct rzc_subject *subject, const struct rzc_scene *scene);

/*
 * Device slots from first on of a device that outlives the subject (zram_share.h). Cannot
 * fail.
 */
struct rzc_zram_share;
void rzc_subject_zram(struct rzc_subject *subject, const struct rzc_scene *scene,
		      struct rzc_zram_share *share, uint64_t first);

#endif
