/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * place.c: where the sockets of served disks are; see place.h. Locking: none.
 */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."

static void place_add(struct rzc_place *place, const char *parent, const char *child)
{
	int length = snprintf(place->directory[place->count], PATH_MAX, "%s/%s", parent, child);

	if (length < PATH_MAX)
		place->count++;
}

void rzc_place_init(struct rzc_place *place)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char own[32];

	place->count = 0;
	if (runtime != NULL && runtime[0] == '/')
		place_add(place, runtime, "ramz");
	snprintf(own, sizeof(own), "ramz-%lu", (unsigned long)geteuid());
	if (geteuid() == 0)
		place_add(place, "/run", "ramz");
	else
		place_add(place, "/tmp", own);
}

static bool place_name_is_good(const char *name)
{
	size_t length = strlen(name);

	return length >= 1 && length <= RZC_PLACE_NAME_MAX && name[0] != '-' && name[0] != '.' &&
	       strspn(name, PLACE_NAME_CHARACTERS) == length;
}

int rzc_place_check_name(const char *name)
{
	if (place_name_is_good(name))
		return 0;
	xvm_error("'%s' cannot be a disk's name: 1 to %u letters, digits, '_', '-' and '.', "
		  "the first a letter, a digit or '_'",
		  name, RZC_PLACE_NAME_MAX);
	return XVM_FAILED;
}

/* Somebody else could have made it first, or could put something into it: what is told to a socket
 * in it is then his. */
static bool place_is_own(const char *directory)
{
	struct stat status;

	return lstat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static int place_say_foreign(const char *directory)
{
	xvm_error("%s is not a directory of yours alone (chmod 700): make it so, or give "
		  "--socket PATH in another one",
		  directory);
	return XVM_FAILED;
}

int rzc_place_check(const struct rzc_place *place)
{
	struct stat status;

	for (size_t i = 0; i < place->count; i++) {
		if (lstat(place->directory[i], &status) == 0 && !place_is_own(place->directory[i]))
			return place_say_foreign(place->directory[i]);
	}
	return 0;
}

int rzc_place_make(const struct rzc_place *place)
{
	const char *directory = place->directory[0];

	if (mkdir(directory, S_IRWXU) != 0 && errno != EEXIST) {
		xvm_error("cannot make %s for the sockets: %s; set XDG_RUNTIME_DIR to a directory "
			  "of yours, or give --socket PATH",
			  directory, strerror(errno));
		return XVM_FAILED;
	}
	return place_is_own(directory) ? 0 : place_say_foreign(directory);
}

int rzc_place_path(char path[PATH_MAX], const char *directory, const char *name, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s/%s%s", directory, name, suffix);

	if (length < PATH_MAX)
		return 0;
	xvm_error("the path %.60s... is too long", directory);
	return XVM_FAILED;
}

static void place_add_name(struct rzc_place_names *names, const char *file)
{
	size_t length = strlen(file);
	size_t suffix = strlen(RZC_PLACE_CONTROL);
	char *name = names->name[names->count];

	if (length <= suffix || length - suffix > RZC_PLACE_NAME_MAX ||
	    strcmp(file + length - suffix, RZC_PLACE_CONTROL) != 0)
		return;
	memcpy(name, file, length - suffix);
	name[length - suffix] = '\0';
	if (place_name_is_good(name))
		names->count++;
}

static int place_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

void rzc_place_list(const char *directory, struct rzc_place_names *names)
{
	struct dirent *entry;
	DIR *files;

	names->count = 0;
	if (!place_is_own(directory))
		return;
	files = opendir(directory);
	if (files == NULL)
		return;
	while (names->count < RZC_PLACE_NAMES_MAX && (entry = readdir(files)) != NULL)
		place_add_name(names, entry->d_name);
	closedir(files);
	qsort(names->name, names->count, sizeof(names->name[0]), place_compare);
}

int rzc_place_absolute(char absolute[PATH_MAX], const char *path)
{
	char here[PATH_MAX] = "";
	int length;

	if (path[0] == '/') {
		length = snprintf(absolute, PATH_MAX, "%s", path);
	} else {
		if (getcwd(here, sizeof(here)) == NULL) {
			xvm_error("cannot tell the current directory: %s; give '%s' as an absolute "
				  "path",
				  strerror(errno), path);
			return XVM_FAILED;
		}
		length = snprintf(absolute, PATH_MAX, "%s/%s", here, path);
	}
	if (path[0] != '\0' && length < PATH_MAX)
		return 0;
	xvm_error(path[0] == '\0' ? "a path is empty" : "the path is too long");
	return XVM_FAILED;
}
