/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * memory_file.h: a sink and a source of bytes in memory, for stores that are saved and loaded.
 *
 * Owns nothing: the test frees the bytes. May call: CMocka. Locking: none.
 * O(bytes).
 */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file in memory, whose n-th call can fail. */
struct memory_file {
	unsigned char *bytes;
	size_t length;
	size_t room;
	size_t at;
	size_t at_most; /* bytes that a read gives; 0 = all */
	uint64_t calls;
	uint64_t fail_at; /* 0 = never */
};

static inline int memory_write(void *context, const void *data, size_t bytes)
{
	struct memory_file *file = context;

	if (++file->calls == file->fail_at)
		return -EIO;
	if (file->length + bytes > file->room) {
		file->room = (file->length + bytes) * 2;
		file->bytes = realloc(file->bytes, file->room);
		assert_non_null(file->bytes);
	}
	memcpy(file->bytes + file->length, data, bytes);
	file->length += bytes;
	return 0;
}

static inline int64_t memory_read(void *context, void *data, size_t bytes)
{
	struct memory_file *file = context;

	if (++file->calls == file->fail_at)
		return -EIO;
	if (file->at_most != 0 && bytes > file->at_most)
		bytes = file->at_most;
	if (bytes > file->length - file->at)
		bytes = file->length - file->at;
	memcpy(data, file->bytes + file->at, bytes);
	file->at += bytes;
	return (int64_t)bytes;
}

#endif
