/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_nbdkit.h: what the plugin calls of nbdkit, for fuzzers that run it in their own process.
 *
 * Owns: the extents that were told last. May call: the C library. Locking: none, but messages and
 * error numbers come from any thread and are dropped.
 */
#ifndef FUZZ_NBDKIT_H
#define FUZZ_NBDKIT_H

#include <errno.h>

#include "fuzz.h"
#include "nbdkit_api.h"

/* nbdkit_extents is nbdkit's own; here it has where the next must begin. */
struct nbdkit_extents {
	uint64_t next;
	unsigned count;
	void (*add)(uint64_t offset, uint64_t length, uint32_t type);
};

void nbdkit_error(const char *msg, ...)
{
	FUZZ_CHECK(msg != NULL);
}

void nbdkit_debug(const char *msg, ...)
{
	FUZZ_CHECK(msg != NULL);
}

static int fuzz_nbdkit_error; /* of the last request that failed */

void nbdkit_set_error(int err)
{
	FUZZ_CHECK(err > 0);
	fuzz_nbdkit_error = err;
}

int nbdkit_add_extent(struct nbdkit_extents *extents, uint64_t offset, uint64_t length,
		      uint32_t type)
{
	FUZZ_CHECK(offset == extents->next && length != 0);
	extents->next = offset + length;
	extents->count++;
	if (extents->add != NULL)
		extents->add(offset, length, type);
	return 0;
}

int nbdkit_parse_bool(const char *str)
{
	return strcmp(str, "true") == 0 ? 1 : strcmp(str, "false") == 0 ? 0 : -1;
}

char *nbdkit_absolute_path(const char *path)
{
	char *absolute = malloc(strlen(path) + 2);

	FUZZ_CHECK(absolute != NULL);
	absolute[0] = '/';
	memcpy(absolute + (path[0] != '/'), path, strlen(path) + 1);
	return absolute;
}

#endif
