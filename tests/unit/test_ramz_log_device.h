/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_log_device.h: a backing device in memory that keeps a log of its writes and flushes,
 * and can fail.
 *
 * Owns the bytes and the log. May call: public headers, CMocka. Locking: a mutex for the bytes; the
 * log is for one thread. O(bytes).
 */
#ifndef TEST_RAMZ_LOG_DEVICE_H
#define TEST_RAMZ_LOG_DEVICE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <ramz/backing.h>

#include "test_ramz_support.h"

enum { LOG_MAX = 4000 };

struct logged {
	uint64_t offset;
	size_t bytes; /* 0 = a flush */
	unsigned char *data;
};

struct device {
	struct ramz_backing backing;
	unsigned char *bytes;
	pthread_mutex_t lock; /* for bytes */
	struct logged log[LOG_MAX];
	size_t count;
	bool logs;
	_Atomic uint64_t calls;
	uint64_t fail_at; /* from this write or flush on; 0 = never */
	uint64_t fails;   /* so many */
};

static inline bool device_fails(struct device *d)
{
	uint64_t call = atomic_fetch_add(&d->calls, 1) + 1;

	return d->fail_at != 0 && call >= d->fail_at && call < d->fail_at + d->fails;
}

static inline int device_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	struct device *d = context;

	assert_true(offset + bytes <= d->backing.size_bytes);
	(void)pthread_mutex_lock(&d->lock);
	memcpy(dst, d->bytes + offset, bytes);
	(void)pthread_mutex_unlock(&d->lock);
	return 0;
}

static inline void device_log(struct device *d, uint64_t offset, const void *src, size_t bytes)
{
	struct logged *entry = &d->log[d->count];

	if (!d->logs)
		return;
	assert_true(d->count < LOG_MAX);
	*entry = (struct logged){.offset = offset, .bytes = bytes};
	if (bytes != 0) {
		entry->data = malloc(bytes);
		assert_non_null(entry->data);
		memcpy(entry->data, src, bytes);
	}
	d->count++;
}

static inline int device_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct device *d = context;
	bool fails = device_fails(d);

	assert_true(offset + bytes <= d->backing.size_bytes);
	assert_true(bytes == RAMZ_SEGMENT_BYTES ? offset % RAMZ_SEGMENT_BYTES == 0
						: bytes == 4096 && offset < RAMZ_SEGMENT_BYTES);
	device_log(d, offset, src, bytes);
	(void)pthread_mutex_lock(&d->lock);
	memcpy(d->bytes + offset, src, fails ? bytes / 3 : bytes);
	(void)pthread_mutex_unlock(&d->lock);
	return fails ? -EIO : 0;
}

static inline int device_flush(void *context)
{
	struct device *d = context;

	if (device_fails(d))
		return -EIO;
	device_log(d, 0, NULL, 0);
	return 0;
}

static inline struct device *device_make(uint64_t segments)
{
	struct device *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	(void)pthread_mutex_init(&d->lock, NULL);
	d->backing = (struct ramz_backing){.context = d,
					   .size_bytes = segments * RAMZ_SEGMENT_BYTES,
					   .align_bytes = 4096,
					   .read = device_read,
					   .write = device_write,
					   .flush = device_flush};
	d->bytes = calloc((size_t)segments, RAMZ_SEGMENT_BYTES);
	assert_non_null(d->bytes);
	return d;
}

static inline void device_free(struct device *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->log[i].data);
	free(d->bytes);
	free(d);
}

#endif
