/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What the tests of xvfrag's modules share: small files, and what was said on
 * standard error. No locking.
 */
#ifndef TEST_XVFRAG_SUPPORT_H
#define TEST_XVFRAG_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new file with that text. Its path is good until the next call; unlink it. */
static inline const char *make_file(const void *text, size_t bytes)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/xvfrag-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), bytes);
	close(fd);
	return path;
}

/* Run call(path) with standard error caught; what was said is in said. */
static inline int catch_error(int (*call)(const char *path, void *context), const char *path,
			      void *context, char *said, size_t said_bytes)
{
	FILE *caught = tmpfile();
	int kept = dup(STDERR_FILENO);
	size_t got;
	int result;

	assert_non_null(caught);
	fflush(stderr);
	dup2(fileno(caught), STDERR_FILENO);
	result = call(path, context);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(caught);
	got = fread(said, 1, said_bytes - 1, caught);
	said[got] = '\0';
	fclose(caught);
	return result;
}

#endif
