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

#include "unix_socket.h"

#define PLACE_NAMES_MAX 64U
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

/* ---- which disk ---- */

struct place_names {
	char name[PLACE_NAMES_MAX][RZC_PLACE_NAME_MAX + 1];
	size_t count;
};

/* Add the name of a control socket, where it is `wanted` or that is NULL. */
static void place_add_name(struct place_names *names, const char *file, const char *wanted)
{
	size_t length = strlen(file);
	size_t suffix = strlen(RZC_PLACE_CONTROL);
	char *name = names->name[names->count];

	if (length <= suffix || length - suffix > RZC_PLACE_NAME_MAX ||
	    strcmp(file + length - suffix, RZC_PLACE_CONTROL) != 0)
		return;
	snprintf(name, RZC_PLACE_NAME_MAX + 1, "%.*s", (int)(length - suffix), file);
	if (place_name_is_good(name) && (wanted == NULL || strcmp(name, wanted) == 0))
		names->count++;
}

static int place_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In the order of the alphabet; none when the directory is not there or is somebody else's. */
static void place_list(const char *directory, const char *wanted, struct place_names *names)
{
	struct dirent *entry;
	DIR *files;

	names->count = 0;
	if (!place_is_own(directory))
		return;
	files = opendir(directory);
	if (files == NULL)
		return;
	while (names->count < PLACE_NAMES_MAX && (entry = readdir(files)) != NULL)
		place_add_name(names, entry->d_name, wanted);
	closedir(files);
	qsort(names->name, names->count, sizeof(names->name[0]), place_compare);
}

static void place_drop_dead(const char *directory, struct place_names *names)
{
	size_t live = 0;

	for (size_t i = 0; i < names->count; i++) {
		char path[PATH_MAX];

		if (rzc_place_path(path, directory, names->name[i], RZC_PLACE_CONTROL) == 0 &&
		    rzc_socket_is_live(path))
			memmove(names->name[live++], names->name[i], sizeof(names->name[i]));
	}
	names->count = live;
}

static int place_say_which(const struct place_names *names)
{
	char list[200] = "";

	for (size_t i = 0; i < names->count; i++) {
		size_t used = strlen(list);

		snprintf(list + used, sizeof(list) - used, " %s", names->name[i]);
	}
	xvm_error("several disks are served; say which with --name:%s", list);
	return XVM_FAILED;
}

/* A foreign directory is complained about: the disk may be in it. */
static int place_say_none(const struct rzc_place *place, const char *name)
{
	struct stat status;

	for (size_t i = 0; i < place->count; i++) {
		if (lstat(place->directory[i], &status) == 0 && !place_is_own(place->directory[i]))
			return place_say_foreign(place->directory[i]);
	}
	xvm_error("no disk %s%sis served (there is no socket of it in %s%s%s): start one with ramz "
		  "serve, or give --socket PATH",
		  name != NULL ? name : "", name != NULL ? " " : "", place->directory[0],
		  place->count > 1 ? " or " : "", place->count > 1 ? place->directory[1] : "");
	return XVM_FAILED;
}

int rzc_place_find(char path[PATH_MAX], const char *name)
{
	struct rzc_place place;

	rzc_place_init(&place);
	for (size_t i = 0; i < place.count; i++) {
		const char *directory = place.directory[i];
		struct place_names names;

		place_list(directory, name, &names);
		if (names.count > 1)
			place_drop_dead(directory, &names);
		if (names.count > 1)
			return place_say_which(&names);
		if (names.count == 1)
			return rzc_place_path(path, directory, names.name[0], RZC_PLACE_CONTROL);
	}
	return place_say_none(&place, name);
}

void rzc_place_each(void (*found)(void *into, const char *name, const char *path), void *into)
{
	struct rzc_place place;

	rzc_place_init(&place);
	for (size_t i = 0; i < place.count; i++) {
		struct place_names names;
		char path[PATH_MAX];

		place_list(place.directory[i], NULL, &names);
		for (size_t n = 0; n < names.count; n++) {
			if (rzc_place_path(path, place.directory[i], names.name[n],
					   RZC_PLACE_CONTROL) == 0)
				found(into, names.name[n], path);
		}
	}
}

/* ---- paths ---- */

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
