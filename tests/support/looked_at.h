/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * looked_at.h: a child process whose memory is looked at from outside while it waits. The
 * child calls look() with a figure of its own; the parent reads what the system says of the
 * child at that moment, and lets it go on.
 */
#ifndef LOOKED_AT_H
#define LOOKED_AT_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKS_MAX 8
#define LOOK_SKIPPED 77 /* exit status of a child that may not do what it is to show */

struct look {
	uint64_t said;           /* what the child called look() with */
	uint64_t resident_bytes; /* of the child, without files */
	uint64_t memfd_bytes;    /* that its memfds take up */
};

struct looks {
	struct look at[LOOKS_MAX];
	int count;
	int status; /* exit status, or -1: a signal ended it */
};

/* The child's ends. */
static int look_out, look_in;

static inline void look(uint64_t said)
{
	char go;

	if (write(look_out, &said, sizeof(said)) != (ssize_t)sizeof(said) ||
	    read(look_in, &go, 1) != 1)
		_exit(1);
}

/* The system's sums are out by some pages for each CPU; this is counted when it is read. */
static inline uint64_t look_resident(pid_t child)
{
	unsigned long kib = 0;
	char text[128];
	FILE *file;

	snprintf(text, sizeof(text), "/proc/%d/smaps_rollup", (int)child);
	file = fopen(text, "r");
	while (file != NULL && fgets(text, sizeof(text), file) != NULL) {
		if (sscanf(text, "Anonymous: %lu kB", &kib) == 1)
			break;
	}
	if (file != NULL)
		fclose(file);
	return (uint64_t)kib << 10;
}

static inline uint64_t look_memfds(pid_t child)
{
	char path[400], target[64];
	struct dirent *entry;
	uint64_t bytes = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)child);
	directory = opendir(path);
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		struct stat status;
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)child, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length > 0 && strncmp(target, "/memfd:", 7) == 0 && stat(path, &status) == 0)
			bytes += (uint64_t)status.st_blocks * 512;
	}
	if (directory != NULL)
		closedir(directory);
	return bytes;
}

/* Run act in a child; its return is the child's exit status. */
static inline struct looks look_at(int (*act)(void))
{
	struct looks looks = {.status = -1};
	int out[2], in[2], status;
	struct look *next = looks.at;
	pid_t child;

	if (pipe(out) != 0 || pipe(in) != 0)
		return looks;
	child = fork();
	if (child == 0) {
		look_out = out[1];
		look_in = in[0];
		close(out[0]);
		close(in[1]);
		_exit(act());
	}
	close(out[1]);
	close(in[0]);
	while (child > 0 && looks.count < LOOKS_MAX &&
	       read(out[0], &next->said, sizeof(next->said)) == (ssize_t)sizeof(next->said)) {
		next->resident_bytes = look_resident(child);
		next->memfd_bytes = look_memfds(child);
		next = &looks.at[++looks.count];
		if (write(in[1], "", 1) != 1)
			break;
	}
	close(out[0]);
	close(in[1]);
	if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
		looks.status = WEXITSTATUS(status);
	return looks;
}

#endif
