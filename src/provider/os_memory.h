/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * os_memory.h: address space and anonymous memory of a POSIX system.
 *
 * Owns: the mapping calls, and what differs between systems about them, so that
 * the providers above hold no #ifdef for it. May call: libc.
 * Locking: none needed; no state. Complexity: one to three system calls each.
 *
 * Every address and length is a multiple of the OS page unless said otherwise.
 */
#ifndef XVI_OS_MEMORY_H
#define XVI_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the system's memory is made of. Tests give other (larger) figures. */
struct xvi_os_facts {
	size_t page_bytes;      /* OS page, a power of two */
	size_t huge_page_bytes; /* transparent huge page, a power of two; 0 = none */
};

void xvi_os_facts_get(struct xvi_os_facts *facts);

/* bytes up to the next multiple of granule (a power of two). The caller has
 * checked that it does not overflow. */
static inline size_t xvi_round_up(size_t bytes, size_t granule)
{
	return (bytes + granule - 1) & ~(granule - 1);
}

/*
 * Address space without access, aligned to alignment (a power of two); NULL when
 * there is none. bytes need not be a multiple of the OS page, > 0.
 */
void *xvi_os_reserve(size_t bytes, size_t alignment);

/* Fresh memory, all zero, not charged before it is touched where the system can, of a
 * process that locks its memory too: *all_there says when it cannot. NULL when there is
 * none. */
void *xvi_os_map_zeroed(size_t bytes, bool *all_there);

/* End a mapping, or part of one, that either call above made. */
void xvi_os_release(void *base, size_t bytes);

/* Make reserved space readable and writable, all zero. 0, or -XV_ENOMEM whyever not. */
int xvi_os_commit(void *base, size_t bytes);

/*
 * Back to reserved space: memory and the system's promise of it are given up. The next
 * commit reads as zero whatever is returned. False when the system keeps the memory.
 */
bool xvi_os_decommit(void *base, size_t bytes);

/* What came of a discard. */
struct xvi_os_discarded {
	bool given;  /* the memory went back */
	bool locked; /* the range was locked (mlock, mlockall), and still is */
};

/*
 * Give the memory under committed space back; it reads as zero when touched again. Where
 * the system refuses, memory and contents stay.
 */
struct xvi_os_discarded xvi_os_discard(void *base, size_t bytes);

/* Bytes of a range that are in memory, as the system tells; 0 when it does not. O(bytes). */
size_t xvi_os_resident_bytes(const void *base, size_t bytes);

/*
 * Put a mapping in place of whatever is mapped at base: of the file descriptor fd from
 * offset on, shared, readable and writable; or with fd -1 of nothing, without access.
 * False when the system refuses; what was mapped there still is, contents included.
 */
bool xvi_os_map_over(void *base, size_t bytes, int fd, uint64_t offset);

/*
 * The same for a part of a file with holes, which stay holes where the process locks its
 * memory: a mapping brings in all that can be touched, a change of access brings in nothing.
 * False when the system refuses; what the window shows then is nobody's.
 */
bool xvi_os_map_sparse(void *base, size_t bytes, int fd, uint64_t offset);

/*
 * Take a window off what it shows: nothing can be read or written through it any more.
 * The bytes behind it are not touched. Where the system refuses even that, the window
 * stays as it is until something else is mapped over it.
 */
void xvi_os_hide(void *base, size_t bytes);

/* Ask for huge pages under this space, or ask for none. Advice only. */
void xvi_os_advise_huge(void *base, size_t bytes, bool huge);

#endif
