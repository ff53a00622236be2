/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * preload.c: finds the library of an allocator that is to be preloaded.
 *
 * The library is looked for as a file, and not with dlopen, because loading an
 * allocator into the process that does the measuring would change that process.
 * Directories, in order: LD_LIBRARY_PATH, where the C library lies (on Debian the
 * multiarch directory), and the usual ones. A library for another kind of machine
 * (32 against 64 bits) is passed over.
 *
 * Owns one static buffer for the answer. May call dladdr and read files. No
 * locking: one thread. O(directories).
 */
#include "preload.h"
#include "registry.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 4 };

struct preload_library {
	const char *soname; /* as in the registry */
	const char *package;
	const char *names[NAMES_MAX]; /* files to look for, best first */
};

static const struct preload_library libraries[] = {
	{"libjemalloc.so.2", "libjemalloc2", {"libjemalloc.so.2"}},
	{"libmimalloc.so.2",
	 "libmimalloc2.0",
	 {"libmimalloc.so.2", "libmimalloc.so.2.0", "libmimalloc.so.2.1", "libmimalloc.so.3"}},
	{"libtcmalloc_minimal.so.4",
	 "libtcmalloc-minimal4",
	 {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}},
};

static const char *const usual_directories[] = {"/usr/lib64", "/usr/lib",         "/lib64",
						"/lib",       "/usr/local/lib64", "/usr/local/lib"};

static char found_path[PATH_MAX];

static const struct preload_library *library_find(const char *soname)
{
	size_t i;

	for (i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		if (strcmp(libraries[i].soname, soname) == 0)
			return &libraries[i];
	}
	return NULL;
}

const char *xvm_preload_package(const char *soname)
{
	const struct preload_library *library = library_find(soname);

	return library != NULL ? library->package : soname;
}

/* Is the file a shared object that this process's loader could take? */
static int file_is_loadable(const char *path)
{
	unsigned char wanted = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	unsigned char ident[EI_NIDENT];
	FILE *file = fopen(path, "rb");
	size_t got;

	if (file == NULL)
		return 0;
	got = fread(ident, 1, sizeof(ident), file);
	fclose(file);
	return got == sizeof(ident) && memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	       ident[EI_CLASS] == wanted;
}

/* Look in a directory given by its first bytes; fills found_path. */
static int find_in(const struct preload_library *library, const char *directory, size_t bytes)
{
	char path[PATH_MAX];
	size_t i;

	if (bytes == 0 || bytes >= sizeof(path))
		return 0;
	for (i = 0; i < NAMES_MAX && library->names[i] != NULL; i++) {
		int length = snprintf(path, sizeof(path), "%.*s/%s", (int)bytes, directory,
				      library->names[i]);

		if (length < (int)sizeof(path) && file_is_loadable(path) &&
		    realpath(path, found_path) != NULL)
			return 1;
	}
	return 0;
}

/* Look in the directories of a list such as a:b:c. */
static int find_in_list(const struct preload_library *library, const char *list)
{
	while (list != NULL && *list != '\0') {
		size_t bytes = strcspn(list, ":");

		if (find_in(library, list, bytes))
			return 1;
		list += bytes + (list[bytes] == ':');
	}
	return 0;
}

/* Look beside the C library, wherever this system keeps it. */
static int find_beside_libc(const struct preload_library *library)
{
	const char *slash;
	Dl_info info;

	if (dladdr((void *)(uintptr_t)getpid, &info) == 0 || info.dli_fname == NULL)
		return 0;
	slash = strrchr(info.dli_fname, '/');
	return slash != NULL && find_in(library, info.dli_fname, (size_t)(slash - info.dli_fname));
}

static int find_in_usual(const struct preload_library *library)
{
	size_t i;

	for (i = 0; i < sizeof(usual_directories) / sizeof(usual_directories[0]); i++) {
		if (find_in(library, usual_directories[i], strlen(usual_directories[i])))
			return 1;
	}
	return 0;
}

const char *xvm_preload_path(const struct xvm_entry *entry)
{
	const struct preload_library *library;

	if (entry->preload_soname == NULL)
		return NULL;
	library = library_find(entry->preload_soname);
	if (library == NULL)
		return NULL;
	if (find_in_list(library, getenv("LD_LIBRARY_PATH")) || find_beside_libc(library) ||
	    find_in_usual(library))
		return found_path;
	return NULL;
}
