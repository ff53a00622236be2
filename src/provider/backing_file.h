/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file.h: the file with the pages of the highmem provider, and the views of it.
 *
 * Owns: on POSIX (backing_file.c) a nameless file (memfd, or unlinked), its length, whether space
 * can be taken ahead in it, and address space for the views. On Windows (backing_file_windows.c)
 * the file is a section for each page, and a view is where the system puts it. May call:
 * os_memory.h, libc. Locking: the provider holds its lock. Complexity: one to three system calls
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
	uint32_t page_shift;
#if defined(_WIN32)
	void **views;           /* address of each view; NULL: it shows nothing */
	void **sections;        /* of each page; NULL: it has no memory */
	size_t tables_bytes;    /* address space of both, views first */
	size_t tables_held;     /* usable part */
	uint32_t views_count;   /* views */
	uint32_t sections_ever; /* the sections behind these were never used */
	uint32_t sections_now;  /* sections there are, count */
#else
	int fd;
	bool can_preallocate; /* space can be taken ahead: a full system is then an error here, and
			       * not a SIGBUS at the first touch */
	uint64_t bytes;       /* length of the file */
	char *views;          /* address space of all views */
	size_t views_bytes;
#endif
};

/* What the file is for. */
struct xvi_backing_shape {
	uint32_t page_shift;
	uint32_t pages; /* most pages */
	uint32_t views; /* most pages shown at once */
};

/* Unit in which space is taken and given back: page_bytes is a multiple of it. */
size_t xvi_backing_unit_bytes(size_t page_bytes, size_t os_page_bytes);

/* Open a nameless file: in directory, or, if that is NULL, in memory or, if that is impossible,
 * in a directory for temporary files; and reserve the views. Returns 0, -XV_EINVAL (no file can
 * be made in directory), -XV_ENOMEM (anything else) or, on Windows with a directory, -XV_ENOTSUP.
 * On error nothing is open. */
int xvi_backing_open(struct xvi_backing_file *file, const char *directory,
		     const struct xvi_backing_shape *shape);

/* Also ends all views. */
void xvi_backing_close(struct xvi_backing_file *file);

/* Show a page in a view that shows none. Holes of the page stay holes if has_holes says that it
 * has some. Returns its first byte, or NULL when the system refuses. */
void *xvi_backing_show(const struct xvi_backing_file *file, uint32_t view, uint32_t page,
		       bool has_holes);

/* End that. If the system refuses, the page may stay visible there until the view is used
 * again. */
void xvi_backing_hide(const struct xvi_backing_file *file, uint32_t view);

/* Make [offset, offset + bytes) usable. Returns 0 or -XV_ENOMEM: no room, or it would pass the
 * process's file size limit, at which the system sends SIGXFSZ. */
int xvi_backing_take(struct xvi_backing_file *file, uint64_t offset, size_t bytes);

/* Can a page be copied without a view? Not on Windows. */
bool xvi_backing_copies(void);

/* Copy [offset, offset + bytes) of the file out, or in. Bytes behind the end of the file read as
 * zero. False when the system refuses, or at the process's file size limit (see above). */
bool xvi_backing_read(const struct xvi_backing_file *file, uint64_t offset, void *to, size_t bytes);
bool xvi_backing_write(const struct xvi_backing_file *file, uint64_t offset, const void *from,
		       size_t bytes);

/* Drop the contents of [offset, offset + bytes). False when the file keeps the space. */
bool xvi_backing_give(struct xvi_backing_file *file, uint64_t offset, uint64_t bytes);

/* Bytes that the file takes, as the system tells; on Windows those of all sections. */
uint64_t xvi_backing_held_bytes(const struct xvi_backing_file *file);

/* Bytes of memory that this module has beside. */
size_t xvi_backing_overhead_bytes(const struct xvi_backing_file *file);

#endif
