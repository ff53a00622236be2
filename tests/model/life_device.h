/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * life_device.h: a backing device in memory, and codecs, that fail at random: what a life of a
 * store meets (test_model_ramz_life.c).
 *
 * Owns the device's bytes. May call: public headers. Locking: a mutex in the device; codecs count
 * with atomics. O(bytes).
 */
#ifndef LIFE_DEVICE_H
#define LIFE_DEVICE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <ramz/backing.h>

#include "test_random.h"

struct life_device {
	struct ramz_backing backing;
	unsigned char *bytes;
	pthread_mutex_t lock;
	uint64_t seed;
	bool is_sound;  /* it does what it says */
	uint64_t told;  /* calls that failed with an error */
	uint64_t wrong; /* reads that gave garbage */
	uint64_t lies;  /* writes that did not do what they said: what was there is gone, too */
};

static inline void life_garble(struct life_device *d, unsigned char *at, size_t bytes)
{
	for (size_t i = 0; i < 16; i++) {
		unsigned char *byte = at + random_below(&d->seed, bytes);

		*byte ^= (unsigned char)(1 + random_below(&d->seed, 255));
	}
}

static inline int life_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	struct life_device *d = context;
	int err = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (d->is_sound || random_below(&d->seed, 20) != 0) {
		memcpy(dst, d->bytes + offset, bytes);
	} else if (random_below(&d->seed, 2) == 0) {
		err = -EIO;
		d->told++;
	} else {
		memcpy(dst, d->bytes + offset, bytes);
		life_garble(d, dst, bytes);
		d->wrong++;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return err;
}

/* A write that lies may leave what was in its place: older forms of the same pages, perhaps. */
static inline int life_write_badly(struct life_device *d, unsigned char *to, const void *src,
				   size_t bytes)
{
	uint64_t segments = d->backing.size_bytes / RAMZ_SEGMENT_BYTES;
	uint64_t kind = random_below(&d->seed, 6);

	if (kind < 3) {
		d->told++;
		if (kind == 2) /* torn */
			memcpy(to, src, random_below(&d->seed, bytes));
		return kind == 0 ? -ENOSPC : -EIO;
	}
	d->lies++;
	if (kind == 3) /* in another place */
		to = d->bytes + random_below(&d->seed, (size_t)segments) * RAMZ_SEGMENT_BYTES;
	if (kind != 4) /* or only its beginning, or nothing */
		memcpy(to, src, kind == 3 ? bytes : random_below(&d->seed, bytes));
	return 0;
}

static inline int life_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct life_device *d = context;
	int err = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (d->is_sound || random_below(&d->seed, 2) != 0)
		memcpy(d->bytes + offset, src, bytes);
	else
		err = life_write_badly(d, d->bytes + offset, src, bytes);
	(void)pthread_mutex_unlock(&d->lock);
	return err;
}

static inline void life_discard(void *context, uint64_t offset, uint64_t bytes)
{
	struct life_device *d = context;

	(void)pthread_mutex_lock(&d->lock);
	memset(d->bytes + offset, 0xDD, (size_t)bytes);
	(void)pthread_mutex_unlock(&d->lock);
}

static inline int life_flush(void *context)
{
	struct life_device *d = context;
	bool fails;

	(void)pthread_mutex_lock(&d->lock);
	fails = !d->is_sound && random_below(&d->seed, 3) == 0;
	d->told += fails;
	(void)pthread_mutex_unlock(&d->lock);
	return fails ? -EIO : 0;
}

static inline void life_device_init(struct life_device *d, uint64_t segments, size_t align,
				    bool discards, bool flushes, uint64_t seed)
{
	*d = (struct life_device){
		.lock = PTHREAD_MUTEX_INITIALIZER, .seed = seed, .is_sound = true};
	d->backing = (struct ramz_backing){.context = d,
					   .size_bytes = segments * RAMZ_SEGMENT_BYTES,
					   .align_bytes = align,
					   .read = life_read,
					   .write = life_write,
					   .discard = discards ? life_discard : NULL,
					   .flush = flushes ? life_flush : NULL};
	d->bytes = calloc(1, (size_t)d->backing.size_bytes);
}

/* ---- codecs ---- */

/* One call in so many fails; 0 = none. */
static _Atomic uint32_t life_codec_one_in;
static _Atomic uint64_t life_codec_faults;
static _Atomic uint64_t life_codec_seed;

static inline bool life_codec_fails(void)
{
	uint32_t one_in = atomic_load(&life_codec_one_in);
	uint64_t seed = atomic_fetch_add(&life_codec_seed, 0x9E3779B97F4A7C15U);

	if (one_in == 0 || random_below(&seed, one_in) != 0)
		return false;
	atomic_fetch_add(&life_codec_faults, 1);
	return true;
}

/* A codec of the library with failures in front of it. */
#define LIFE_CODEC(name, index)                                                                    \
	static int name##_compress(void *context, const void *src, size_t src_bytes, void *dst,    \
				   size_t dst_bytes)                                               \
	{                                                                                          \
		return life_codec_fails() ? -XV_ENOMEM                                             \
					  : life_inner[index]->compress(context, src, src_bytes,   \
									dst, dst_bytes);           \
	}                                                                                          \
	static int name##_decompress(void *context, const void *src, size_t src_bytes, void *dst,  \
				     size_t dst_bytes)                                             \
	{                                                                                          \
		return life_codec_fails() ? -XV_ENOMEM                                             \
					  : life_inner[index]->decompress(context, src, src_bytes, \
									  dst, dst_bytes);         \
	}                                                                                          \
	static void *name##_create(size_t page_bytes, int32_t level)                               \
	{                                                                                          \
		return life_codec_fails() ? NULL                                                   \
					  : life_inner[index]->context_create(page_bytes, level);  \
	}

static const struct ramz_codec *life_inner[2];
static struct ramz_codec life_codec[2];

LIFE_CODEC(life_fast, 0)
LIFE_CODEC(life_strong, 1)

static inline void life_codecs_init(void)
{
	life_inner[0] = ramz_codec_at(0);
	life_inner[1] =
		ramz_codec_by_name("zstd") != NULL ? ramz_codec_by_name("zstd") : ramz_codec_at(0);
	life_codec[0] = *life_inner[0];
	life_codec[0].compress = life_fast_compress;
	life_codec[0].decompress = life_fast_decompress;
	life_codec[0].context_create = life_fast_create;
	life_codec[1] = *life_inner[1];
	life_codec[1].compress = life_strong_compress;
	life_codec[1].decompress = life_strong_decompress;
	life_codec[1].context_create = life_strong_create;
}

#endif
