/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.h: the file that holds the highmem provider's pages.
 *
 * Owns: a nameless file (memfd, or unlinked), its length, and whether space can be
 * taken ahead in it. May call: libc. Locking: the provider holds its lock. Complexity: one or
 * two system calls each.
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
	bool can_preallocate; /* space can be taken ahead, so a full system is an error here
			       * and not a SIGBUS at the first touch */
	uint64_t bytes;       /* length of the file */
};

/*
 * Open a file without a name: in directory, or when that is NULL in memory, or
 * where there is no such thing in a directory for temporary files. Returns 0, -XV_EINVAL
 * (no directory that a file can be made in) or -XV_ENOMEM (anything else).
 */
int xvi_backing_open(struct xvi_backing_file *file, const char *directory);

void xvi_backing_close(struct xvi_backing_file *file);

/* Make [offset, offset + bytes) usable. 0 or -XV_ENOMEM (full, or at
 * the process's file size limit, which is never passed: the system would send SIGXFSZ). */
int xvi_backing_take(struct xvi_backing_file *file, uint64_t offset, size_t bytes);

/* Copy [offset, offset + bytes) of the file out, and in. What the file does not reach reads as
 * zero. False when the system refuses, or the process's file size limit (see above). */
bool xvi_backing_read(const struct xvi_backing_file *file, uint64_t offset, void *to, size_t bytes);
bool xvi_backing_write(const struct xvi_backing_file *file, uint64_t offset, const void *from,
		       size_t bytes);

/* The contents of [offset, offset + bytes) no longer matter; false when the file
 * keeps the space all the same. */
bool xvi_backing_give(const struct xvi_backing_file *file, uint64_t offset, uint64_t bytes);

/* Bytes the file takes up, as the system tells. */
uint64_t xvi_backing_held_bytes(const struct xvi_backing_file *file);

#endif
