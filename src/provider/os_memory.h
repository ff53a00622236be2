/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * os_memory.h: address space and anonymous memory of the system: POSIX (os_memory.c) or Windows
 * (os_memory_windows.c).
 *
 * Owns: the mapping calls, and how systems differ in them, so that the providers above need no
 * #ifdef. May call: libc. Locking: none needed; no state. Complexity: one to three system calls
 * each.
 *
 * Every address and length is a multiple of the OS page unless a comment says otherwise.
 */
#ifndef XVI_OS_MEMORY_H
#define XVI_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The units of the system's memory. Tests give larger ones. */
struct xvi_os_facts {
	size_t page_bytes;      /* OS page, a power of two */
	size_t huge_page_bytes; /* transparent huge page, a power of two; 0 = none */
	bool charges_commits; /* the system promises memory for all space that is committed, touched
			       * or not: commit what is taken, decommit what is given back */
};

void xvi_os_facts_get(struct xvi_os_facts *facts);

/* bytes, rounded up to a multiple of granule (a power of two). The caller has checked that it
 * does not overflow. */
static inline size_t xvi_round_up(size_t bytes, size_t granule)
{
	return (bytes + granule - 1) & ~(granule - 1);
}

/* Reserve address space without access, aligned to alignment (a power of two, on Windows at most
 * 64 KiB); NULL when there is none. bytes is > 0 and need not be a multiple of the OS page. */
void *xvi_os_reserve(size_t bytes, size_t alignment);

/* Map fresh memory, all zero. If the system can, none is there before it is touched, even in a
 * process that locks its memory; *all_there says when it cannot. NULL when there is none. */
void *xvi_os_map_zeroed(size_t bytes, bool *all_there);

/* End a mapping from either call above, as a whole. */
void xvi_os_release(void *base, size_t bytes);

/* Make reserved space readable and writable, all zero. Returns 0, or -XV_ENOMEM for every error. */
int xvi_os_commit(void *base, size_t bytes);

/* Turn committed space into reserved space: give up its memory and the system's promise of it.
 * The next commit reads as zero in any case. False when the system keeps the memory. */
bool xvi_os_decommit(void *base, size_t bytes);

/* Result of a discard. */
struct xvi_os_discarded {
	bool given;  /* the memory went back */
	bool locked; /* the range was locked (mlock, mlockall), and still is */
};

/* Give back the memory under committed space; it reads as zero when touched again. If the system
 * refuses, memory and contents stay: always on Windows, where memory goes with a decommit only. */
struct xvi_os_discarded xvi_os_discard(void *base, size_t bytes);

/* Bytes of a range that are in memory, as the system tells; 0 when it does not. O(bytes). */
size_t xvi_os_resident_bytes(const void *base, size_t bytes);

/* Ask for huge pages under this space, or for none. Advice only. */
void xvi_os_advise_huge(void *base, size_t bytes, bool huge);

/* ---- POSIX only: what shows the pages of a file, for backing_file.c ---- */

/* Replace the mapping at base: by fd from offset on, shared, readable and writable; or, if fd is
 * -1, by nothing, without access. False when the system refuses; the old mapping and its contents
 * then stay. */
bool xvi_os_map_over(void *base, size_t bytes, int fd, uint64_t offset);

/* The same for a part of a file with holes, which stay holes if the process locks its memory: a
 * mapping brings in all that can be touched, a change of access brings in nothing. False when the
 * system refuses; the window then shows undefined bytes. */
bool xvi_os_map_sparse(void *base, size_t bytes, int fd, uint64_t offset);

/* Hide what a window shows: nothing can be read or written through it afterwards. The bytes
 * behind it stay. If the system refuses even that, the window stays as it is until something else
 * is mapped over it. */
void xvi_os_hide(void *base, size_t bytes);

#endif
