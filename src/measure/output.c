/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * output.c: files that results are written to; see output.h. Locking: none.
 */
#include "output.h"

#include <errno.h>
#include <string.h>

#include "base.h"

FILE *xvm_output_open(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");

	if (file == NULL)
		xvm_error("cannot write %s: %s", path, strerror(errno));
	return file;
}

int xvm_output_close(FILE *file, const char *path)
{
	bool failed = fflush(file) != 0 || ferror(file) != 0;
	int error = errno;

	if (file != stdout && fclose(file) != 0 && !failed) {
		failed = true;
		error = errno;
	}
	if (failed)
		xvm_error("cannot write %s: %s", path, strerror(error));
	return failed ? XVM_FAILED : 0;
}
