/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine_memory.c: see machine_memory.h; for POSIX, with the control groups of Linux.
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst;
 * accounting/psi.rst; proc(5) for /proc/self/cgroup and /proc/self/mountinfo.
 */
#if !defined(__linux__)
#define _POSIX_C_SOURCE 200809L
#else
#define _DEFAULT_SOURCE /* _SC_PHYS_PAGES */
#endif

#include "machine_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ramz/ramz.h>

enum { LINE_BYTES = 8192, PATH_BYTES = 4096 };

uint64_t rzi_machine_bytes(void)
{
#if defined(_SC_PHYS_PAGES)
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_bytes = sysconf(_SC_PAGESIZE);

	if (pages > 0 && page_bytes > 0)
		return (uint64_t)pages * (uint64_t)page_bytes;
#endif
	return 0;
}

uint64_t ramz_memory_bytes(void)
{
	return rzi_memory_of_groups("", rzi_machine_bytes());
}

/* One of the two kinds of hierarchy. */
struct version {
	const char *type;       /* of its file system */
	const char *controller; /* in the line of /proc/self/cgroup; "" for version 2 */
	const char *limits[2];  /* files of a group */
	const char *usual;      /* usual mount point, if no other is known */
};

static const struct version versions[] = {
	{"cgroup2", "", {"memory.max", "memory.high"}, "/sys/fs/cgroup"},
	{"cgroup", "memory", {"memory.limit_in_bytes", NULL}, "/sys/fs/cgroup/memory"},
};

/* Where the files of a group are. */
struct place {
	char mount[PATH_BYTES]; /* mount point */
	char top[PATH_BYTES];   /* the group that is mounted there */
	char group[PATH_BYTES]; /* of this process */
};

static FILE *open_below(const char *root, const char *path)
{
	char whole[2 * PATH_BYTES];

	if ((size_t)snprintf(whole, sizeof(whole), "%s%s", root, path) >= sizeof(whole))
		return NULL;
	return fopen(whole, "re");
}

/* Is name one of the words in a list with commas? */
static bool has_word(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* "4:memory:/a/b", "0::/a/b" */
static bool group_of_line(char *line, const struct version *version, char group[PATH_BYTES])
{
	char *controllers = strchr(line, ':');
	char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

	if (path == NULL)
		return false;
	*path++ = '\0';
	controllers++;
	path[strcspn(path, "\n")] = '\0';
	if (version->controller[0] == '\0' ? controllers[0] != '\0'
					   : !has_word(controllers, version->controller))
		return false;
	return (size_t)snprintf(group, PATH_BYTES, "%s", path) < PATH_BYTES;
}

static bool find_group(const char *root, const struct version *version, char group[PATH_BYTES])
{
	FILE *file = open_below(root, "/proc/self/cgroup");
	char line[LINE_BYTES];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = group_of_line(line, version, group);
	(void)fclose(file);
	return found;
}

/* "36 35 0:30 ROOT MOUNT-POINT options ... - TYPE source super-options" */
static bool mount_of_line(const char *line, const struct version *version, struct place *place)
{
	const char *dash = strstr(line, " - ");
	char type[32], options[512];

	if (dash == NULL || sscanf(dash, " - %31s %*s %511s", type, options) != 2 ||
	    strcmp(type, version->type) != 0 ||
	    (version->controller[0] != '\0' && !has_word(options, version->controller)))
		return false;
	return sscanf(line, "%*s %*s %*s %4095s %4095s", place->top, place->mount) == 2;
}

static void find_mount(const char *root, const struct version *version, struct place *place)
{
	FILE *file = open_below(root, "/proc/self/mountinfo");
	char line[LINE_BYTES];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = mount_of_line(line, version, place);
	if (file != NULL)
		(void)fclose(file);
	if (found)
		return;
	(void)snprintf(place->mount, sizeof(place->mount), "%s", version->usual);
	(void)snprintf(place->top, sizeof(place->top), "/");
}

/* The limit in one file; UINT64_MAX for "max", and if there is none. */
static uint64_t limit_in(const char *root, const char *directory, const char *name)
{
	char path[2 * PATH_BYTES], text[64];
	char *end;
	FILE *file;
	uint64_t limit;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return UINT64_MAX;
	file = open_below(root, path);
	if (file == NULL)
		return UINT64_MAX;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	(void)fclose(file);
	errno = 0;
	limit = strtoull(text, &end, 10);
	/* In a group without memory this could not run. */
	return end == text || text[0] == '-' || errno != 0 || limit == 0 ? UINT64_MAX : limit;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t limit_of_group(const char *root, const struct version *version,
			       const char *directory)
{
	uint64_t limit = UINT64_MAX;

	for (size_t i = 0; i < 2 && version->limits[i] != NULL; i++)
		limit = least(limit, limit_in(root, directory, version->limits[i]));
	return limit;
}

/* The group's path below the mount point, without the part that is mounted there. A group outside
 * of it (a name space has its own root: "/../..") has no path: only the mounted group can be
 * seen. */
static const char *path_below(const struct place *place)
{
	size_t top = strcmp(place->top, "/") == 0 ? 0 : strlen(place->top);

	if (strncmp(place->group, place->top, top) != 0 ||
	    (place->group[top] != '/' && place->group[top] != '\0') ||
	    strstr(place->group, "/..") != NULL)
		return "";
	return place->group + top;
}

/* Where the group's files are; false: this process is in none. */
static bool find_place(const char *root, const struct version *version, struct place *place)
{
	if (!find_group(root, version, place->group))
		return false;
	find_mount(root, version, place);
	return true;
}

/* The least limit of the group and those above it, up to the mount point. */
static uint64_t limit_of_version(const char *root, const struct version *version,
				 struct place *place)
{
	char directory[2 * PATH_BYTES];
	uint64_t limit = UINT64_MAX;
	size_t mount_bytes;

	if (!find_place(root, version, place))
		return limit;
	mount_bytes = strlen(place->mount);
	(void)snprintf(directory, sizeof(directory), "%s%s", place->mount, path_below(place));
	for (;;) {
		char *slash;

		limit = least(limit, limit_of_group(root, version, directory));
		slash = strrchr(directory + mount_bytes, '/');
		if (slash == NULL)
			return limit;
		*slash = '\0';
	}
}

uint64_t rzi_memory_of_groups(const char *root, uint64_t machine_bytes)
{
	uint64_t limit = machine_bytes != 0 ? machine_bytes : UINT64_MAX;
	struct place *place = malloc(sizeof(*place));

	for (size_t i = 0; place != NULL && i < sizeof(versions) / sizeof(versions[0]); i++)
		limit = least(limit, limit_of_version(root, &versions[i], place));
	free(place);
	return limit != UINT64_MAX ? limit : 0;
}

/* ---- pressure ---- */

int rzi_pressure_read(int fd)
{
	char text[128];
	ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);
	unsigned whole, hundredths;

	if (bytes <= 0)
		return -XV_ENOTSUP;
	text[bytes] = '\0';
	if (sscanf(text, "some avg10=%3u.%2u", &whole, &hundredths) != 2 || whole > 100)
		return -XV_ENOTSUP;
	return (int)(whole * 100 + hundredths);
}

void rzi_pressure_close(int fd)
{
	(void)close(fd);
}

static int pressure_try(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || rzi_pressure_read(fd) >= 0)
		return fd;
	rzi_pressure_close(fd);
	return -1;
}

/* The file of the control group; -1: there is none that tells. */
static int pressure_of_group(const char *root)
{
	struct place *place = malloc(sizeof(*place));
	char path[4 * PATH_BYTES];
	int fd = -1;

	if (place != NULL && find_place(root, &versions[0], place)) {
		(void)snprintf(path, sizeof(path), "%s%s%s/memory.pressure", root, place->mount,
			       path_below(place));
		fd = pressure_try(path);
	}
	free(place);
	return fd;
}

int rzi_pressure_open(const char *root, const char *path)
{
	char whole[PATH_BYTES];
	int fd = path != NULL ? pressure_try(path) : pressure_of_group(root);

	if (fd < 0 && path == NULL) {
		(void)snprintf(whole, sizeof(whole), "%s/proc/pressure/memory", root);
		fd = pressure_try(whole);
	}
	return fd >= 0 ? fd : -XV_ENOTSUP;
}
