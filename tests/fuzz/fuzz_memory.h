/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_memory.h: a saved store and a backing device in memory, for the fuzzers of stores.
 *
 * Owns the bytes. May call: public headers. Locking: none; one thread. O(bytes).
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include <errno.h>

#include <ramz/backing.h>
#include <ramz/ramz.h>

#include "fuzz.h"

/* ---- a saved store ---- */

struct fuzz_file {
	unsigned char *bytes;
	size_t length;
	size_t room;
	size_t at;
};

static inline int fuzz_file_write(void *context, const void *data, size_t bytes)
{
	struct fuzz_file *file = context;

	if (file->length + bytes > file->room) {
		file->room = (file->length + bytes) * 2;
		file->bytes = realloc(file->bytes, file->room);
		FUZZ_CHECK(file->bytes != NULL);
	}
	memcpy(file->bytes + file->length, data, bytes);
	file->length += bytes;
	return 0;
}

static inline int64_t fuzz_file_read(void *context, void *data, size_t bytes)
{
	struct fuzz_file *file = context;

	if (bytes > file->length - file->at)
		bytes = file->length - file->at;
	if (bytes != 0)
		memcpy(data, file->bytes + file->at, bytes);
	file->at += bytes;
	return (int64_t)bytes;
}

static inline int fuzz_file_load(struct fuzz_file *file, const struct ramz_options *options,
				 struct ramz **store)
{
	struct ramz_source source = {.read = fuzz_file_read, .context = file};
	const char *reason = NULL;
	int err;

	file->at = 0;
	err = ramz_load(store, options, NULL, 0, &source, &reason);
	FUZZ_CHECK(reason != NULL && (err == 0) == (reason[0] == '\0'));
	return err;
}

/* ---- a device without faults ---- */

struct fuzz_device {
	struct ramz_backing backing;
	unsigned char *bytes;
};

static inline bool fuzz_device_has(const struct fuzz_device *d, uint64_t offset, size_t bytes)
{
	return offset % d->backing.align_bytes == 0 && bytes % d->backing.align_bytes == 0 &&
	       offset <= d->backing.size_bytes && bytes <= d->backing.size_bytes - offset;
}

static inline int fuzz_device_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	struct fuzz_device *d = context;

	FUZZ_CHECK(fuzz_device_has(d, offset, bytes));
	FUZZ_CHECK((uintptr_t)dst % d->backing.align_bytes == 0);
	memcpy(dst, d->bytes + offset, bytes);
	return 0;
}

static inline int fuzz_device_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	struct fuzz_device *d = context;

	FUZZ_CHECK(fuzz_device_has(d, offset, bytes));
	memcpy(d->bytes + offset, src, bytes);
	return 0;
}

static inline int fuzz_device_flush(void *context)
{
	(void)context;
	return 0;
}

static inline void fuzz_device_init(struct fuzz_device *d, uint32_t segments, size_t align)
{
	d->backing = (struct ramz_backing){.context = d,
					   .size_bytes = segments * (uint64_t)RAMZ_SEGMENT_BYTES,
					   .align_bytes = align,
					   .read = fuzz_device_read,
					   .write = fuzz_device_write,
					   .flush = fuzz_device_flush};
	d->bytes = calloc(1, (size_t)d->backing.size_bytes);
	FUZZ_CHECK(d->bytes != NULL);
}

/* ---- a store of anything ---- */

/* Calls that touch all of a store of unknown contents. Errors are expected; what must hold is that
 * nothing else happens, and that what is written can be read. */
static inline void fuzz_store_use(struct ramz *store, uint32_t seed)
{
	size_t page_bytes = ramz_page_bytes(store);
	uint64_t pages = ramz_size_bytes(store) / page_bytes;
	uint64_t step = pages / 64 + 1;
	unsigned char *page = malloc(2 * page_bytes);
	struct ramz_recompress_options options = {.tier = 1, .pages_max = 16};
	struct ramz_stats stats;

	FUZZ_CHECK(page != NULL);
	for (uint64_t i = 0; i < pages; i += step) {
		struct ramz_page_info info;

		(void)!ramz_page_info(store, i, &info);
		(void)!ramz_read_page(store, i, page);
	}
	(void)!ramz_check(store, XV_CHECK_DEEP, NULL);
	(void)!ramz_recompress(store, &options, NULL);
	(void)!ramz_read(store, 1, page, page_bytes);
	for (uint64_t i = seed % step; i < pages; i += step) {
		fuzz_fill(page, page_bytes, seed + (uint32_t)i);
		if (ramz_write_page(store, i, page) != 0)
			continue;
		FUZZ_CHECK(ramz_read_page(store, i, page + page_bytes) == 0);
		FUZZ_CHECK(memcmp(page, page + page_bytes, page_bytes) == 0);
	}
	(void)ramz_discard(store, 0, page_bytes);
	(void)ramz_trim(store);
	ramz_get_stats(store, &stats);
	free(page);
}

#endif
