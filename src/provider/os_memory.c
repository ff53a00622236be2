/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * os_memory.c: see os_memory.h; for POSIX.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_*, mlock2 under -std=c11 */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* map past 4 GiB of a file in a 32-bit process */
#endif

#include "os_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xvmalloc/errors.h>

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

/* Linux 5.18; headers may be older than the running system. */
#if defined(__linux__) && !defined(MADV_DONTNEED_LOCKED)
#define MADV_DONTNEED_LOCKED 24
#endif

#define OS_PAGE_BYTES_FALLBACK 4096U
#define RESIDENT_BATCH_PAGES 1024U
#define HUGE_PAGE_BYTES_FALLBACK ((size_t)2 << 20)
#define HUGE_PAGE_BYTES_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

#if defined(MADV_HUGEPAGE)
/* No stdio, which calls malloc: a pool may be what malloc is made of. */
static size_t huge_page_bytes(void)
{
	char text[24];
	int fd = open(HUGE_PAGE_BYTES_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	size_t bytes;

	if (fd >= 0)
		(void)close(fd);
	text[length > 0 ? length : 0] = '\0';
	bytes = strtoul(text, NULL, 10);
	return bytes != 0 && (bytes & (bytes - 1)) == 0 ? bytes : HUGE_PAGE_BYTES_FALLBACK;
}
#else
static size_t huge_page_bytes(void)
{
	return 0;
}
#endif

void xvi_os_facts_get(struct xvi_os_facts *facts)
{
	long page_bytes = sysconf(_SC_PAGESIZE);

	facts->page_bytes = page_bytes > 0 ? (size_t)page_bytes : OS_PAGE_BYTES_FALLBACK;
	facts->huge_page_bytes = huge_page_bytes();
	facts->charges_commits = false;
}

static void *map_anonymous(void *where, size_t bytes, int protection, int flags)
{
	void *base = mmap(where, bytes, protection,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

/* mmap promises only the OS page: take one alignment more and cut both ends off. */
void *xvi_os_reserve(size_t bytes, size_t alignment)
{
	struct xvi_os_facts facts = {.page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
	size_t extra = alignment > facts.page_bytes ? alignment : 0;
	char *base;
	size_t head, tail;

	if (bytes > SIZE_MAX - extra - facts.page_bytes)
		return NULL;
	bytes = xvi_round_up(bytes, facts.page_bytes);
	base = map_anonymous(NULL, bytes + extra, PROT_NONE, 0);
	if (base == NULL || extra == 0)
		return base;
	head = (size_t)(-(uintptr_t)base & (alignment - 1));
	tail = extra - head;
	if (head != 0)
		munmap(base, head);
	if (tail != 0)
		munmap(base + head + bytes, tail);
	return base + head;
}

/* Locked memory is there at once, as a whole: give the untouched memory back. */
void *xvi_os_map_zeroed(size_t bytes, bool *all_there)
{
	void *base = map_anonymous(NULL, bytes, PROT_READ | PROT_WRITE, 0);
	struct xvi_os_facts facts;

	xvi_os_facts_get(&facts);
	*all_there = base != NULL && xvi_os_resident_bytes(base, facts.page_bytes) != 0 &&
		     !xvi_os_discard(base, bytes).given;
	return base;
}

void xvi_os_release(void *base, size_t bytes)
{
	munmap(base, bytes);
}

int xvi_os_commit(void *base, size_t bytes)
{
	return mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : -XV_ENOMEM;
}

static bool map_over_once(void *base, size_t bytes, int protection, int fd, uint64_t offset)
{
	if (fd < 0)
		return map_anonymous(base, bytes, protection, MAP_FIXED) != NULL;
	return mmap(base, bytes, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) !=
	       MAP_FAILED;
}

/* The limit on locked memory counts the new mapping while the old one is there too. */
static bool map_over(void *base, size_t bytes, int protection, int fd, uint64_t offset)
{
	if (map_over_once(base, bytes, protection, fd, offset))
		return true;
	return errno == EAGAIN && munlock(base, bytes) == 0 &&
	       map_over_once(base, bytes, protection, fd, offset);
}

bool xvi_os_map_over(void *base, size_t bytes, int fd, uint64_t offset)
{
	return map_over(base, bytes, fd < 0 ? PROT_NONE : PROT_READ | PROT_WRITE, fd, offset);
}

bool xvi_os_map_sparse(void *base, size_t bytes, int fd, uint64_t offset)
{
	return map_over(base, bytes, PROT_NONE, fd, offset) && xvi_os_commit(base, bytes) == 0;
}

void xvi_os_hide(void *base, size_t bytes)
{
	if (!xvi_os_map_over(base, bytes, -1, 0))
		(void)mprotect(base, bytes, PROT_NONE);
}

bool xvi_os_decommit(void *base, size_t bytes)
{
	if (xvi_os_map_over(base, bytes, -1, 0) || xvi_os_discard(base, bytes).given)
		return true;
	memset(base, 0, bytes);
	return false;
}

#if defined(__linux__) && defined(MADV_DONTNEED)
/* Before 5.18 locked memory goes back only while it is unlocked. mlock would bring all of it in
 * again, so if the system lacks mlock2 (4.4) the memory stays. */
static bool discard_unlocked(void *base, size_t bytes)
{
#if defined(MLOCK_ONFAULT)
	bool given;

	if (munlock(base, bytes) != 0)
		return false;
	given = madvise(base, bytes, MADV_DONTNEED) == 0;
	if (mlock2(base, bytes, MLOCK_ONFAULT) == 0)
		return given;
	return mlock(base, bytes) != 0 && given;
#else
	(void)base;
	(void)bytes;
	return false;
#endif
}

static bool is_locked(void *base, size_t bytes)
{
	return msync(base, bytes, MS_ASYNC | MS_INVALIDATE) != 0 && errno == EBUSY;
}

/* Only Linux promises that MADV_DONTNEED drops the contents at once. */
struct xvi_os_discarded xvi_os_discard(void *base, size_t bytes)
{
	struct xvi_os_discarded result = {.given = madvise(base, bytes, MADV_DONTNEED) == 0};

	if (result.given || errno != EINVAL)
		return result;
	result.locked = is_locked(base, bytes);
	if (result.locked)
		result.given = madvise(base, bytes, MADV_DONTNEED_LOCKED) == 0 ||
			       (errno == EINVAL && discard_unlocked(base, bytes));
	return result;
}
#else
struct xvi_os_discarded xvi_os_discard(void *base, size_t bytes)
{
	return (struct xvi_os_discarded){
		.given = map_anonymous(base, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL,
	};
}
#endif

#if defined(__linux__)
size_t xvi_os_resident_bytes(const void *base, size_t bytes)
{
	unsigned char in_core[RESIDENT_BATCH_PAGES];
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = bytes / page_bytes;
	size_t resident = 0;

	for (size_t at = 0; at < pages; at += RESIDENT_BATCH_PAGES) {
		size_t count =
			pages - at < RESIDENT_BATCH_PAGES ? pages - at : RESIDENT_BATCH_PAGES;

		if (mincore((char *)(uintptr_t)base + at * page_bytes, count * page_bytes,
			    in_core) != 0)
			return 0;
		for (size_t i = 0; i < count; i++)
			resident += (in_core[i] & 1U) != 0;
	}
	return resident * page_bytes;
}
#else
size_t xvi_os_resident_bytes(const void *base, size_t bytes)
{
	(void)base;
	(void)bytes;
	return 0;
}
#endif

void xvi_os_advise_huge(void *base, size_t bytes, bool huge)
{
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
	(void)madvise(base, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
	(void)base;
	(void)bytes;
	(void)huge;
#endif
}
