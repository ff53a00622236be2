/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.h: the file with the pages of the highmem provider.
 *
 * Owns: a nameless file (memfd, or unlinked), its length, and whether space can be taken ahead in
 * it. May call: libc. Locking: the provider holds its lock. Complexity: one or two system calls
 * each.
 *
 * Offsets are 64-bit on every system, 32-bit ones included.
 */
#ifndef XVI_BACKING_FILE_H
#define XVI_BACKING_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xvi_backing_file {
	int fd;
	bool can_preallocate; /* space can be taken ahead: a full system is then an error here, and
			       * not a SIGBUS at the first touch */
	uint64_t bytes;       /* length of the file */
};

/* Open a nameless file: in directory, or, if that is NULL, in memory or, if that is impossible,
 * in a directory for temporary files. Returns 0, -XV_EINVAL (no file can be made in directory) or
 * -XV_ENOMEM (anything else). */
int xvi_backing_open(struct xvi_backing_file *file, const char *directory);

void xvi_backing_close(struct xvi_backing_file *file);

/* Make [offset, offset + bytes) usable. Returns 0 or -XV_ENOMEM: no room, or it would pass the
 * process's file size limit, at which the system sends SIGXFSZ. */
int xvi_backing_take(struct xvi_backing_file *file, uint64_t offset, size_t bytes);

/* Copy [offset, offset + bytes) of the file out, or in. Bytes behind the end of the file read as
 * zero. False when the system refuses, or at the process's file size limit (see above). */
bool xvi_backing_read(const struct xvi_backing_file *file, uint64_t offset, void *to, size_t bytes);
bool xvi_backing_write(const struct xvi_backing_file *file, uint64_t offset, const void *from,
		       size_t bytes);

/* Drop the contents of [offset, offset + bytes). False when the file keeps the space. */
bool xvi_backing_give(const struct xvi_backing_file *file, uint64_t offset, uint64_t bytes);

/* Bytes that the file takes, as the system tells. */
uint64_t xvi_backing_held_bytes(const struct xvi_backing_file *file);

#endif
