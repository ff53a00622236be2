/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * path.c: can a file be written at a path? See path.h.
 */
#include "path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbdkit_api.h"

/* The directory of an absolute path, for free(); NULL without memory. */
static char *directory_of(const char *path)
{
	char *directory = strdup(path);
	char *slash = directory == NULL ? NULL : strrchr(directory, '/');

	if (slash != NULL)
		slash[slash == directory ? 1 : 0] = '\0';
	return directory;
}

/* Returns 0 or an errno. */
static int directory_error(const char *path)
{
	char *directory = directory_of(path);
	int error = ENOMEM;

	if (directory != NULL)
		error = access(directory, W_OK | X_OK) == 0 ? 0 : errno;
	free(directory);
	return error;
}

static bool is_one(const char *a, const char *b)
{
	struct stat first, second;

	return a != NULL && b != NULL && stat(a, &first) == 0 && stat(b, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool rzn_path_is_same(const char *a, const char *b)
{
	char *in_a = directory_of(a), *in_b = directory_of(b);
	bool same = is_one(a, b) ||
		    (strcmp(strrchr(a, '/'), strrchr(b, '/')) == 0 && is_one(in_a, in_b));

	free(in_a);
	free(in_b);
	return same;
}

int rzn_path_check_directory(const char *key, const char *path)
{
	int error = directory_error(path);

	if (error == 0)
		return 0;
	nbdkit_error("%s=%s: nothing can be made in its directory (%s); make the directory, or "
		     "name another",
		     key, path, strerror(error));
	return -1;
}

int rzn_path_check(const char *key, const char *path)
{
	struct stat file;

	if (path == NULL)
		return 0;
	if (stat(path, &file) == 0 && !S_ISREG(file.st_mode)) {
		nbdkit_error("%s=%s is there and is no regular file; name another path", key, path);
		return -1;
	}
	return rzn_path_check_directory(key, path);
}
