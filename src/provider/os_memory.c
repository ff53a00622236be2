/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * os_memory.c: see os_memory.h for what this owns, may call, how it is locked and
 * what it costs. The only file of the providers that asks which system it is on.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_* under -std=c11 */
#endif

#include "os_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

#define OS_PAGE_BYTES_FALLBACK 4096U
#define HUGE_PAGE_BYTES_FALLBACK ((size_t)2 << 20)
#define HUGE_PAGE_BYTES_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

#if defined(MADV_HUGEPAGE)
static size_t huge_page_bytes(void)
{
	unsigned long bytes = 0;
	FILE *file = fopen(HUGE_PAGE_BYTES_FILE, "re");

	if (file == NULL)
		return HUGE_PAGE_BYTES_FALLBACK;
	if (fscanf(file, "%lu", &bytes) != 1 || bytes == 0 || (bytes & (bytes - 1)) != 0)
		bytes = HUGE_PAGE_BYTES_FALLBACK;
	fclose(file);
	return bytes;
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
}

static void *map_anonymous(void *where, size_t bytes, int protection, int flags)
{
	void *base = mmap(where, bytes, protection,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

/* mmap promises the OS page only: take one alignment more and cut both ends off. */
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

void *xvi_os_map_zeroed(size_t bytes)
{
	return map_anonymous(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

void xvi_os_release(void *base, size_t bytes)
{
	munmap(base, bytes);
}

int xvi_os_commit(void *base, size_t bytes)
{
	return mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : -errno;
}

void xvi_os_decommit(void *base, size_t bytes)
{
	if (map_anonymous(base, bytes, PROT_NONE, MAP_FIXED) == NULL)
		xvi_os_discard(base, bytes);
}

/*
 * Only Linux promises that MADV_DONTNEED drops the contents at once; elsewhere the
 * space is mapped anew. Clearing by hand is what is left when the system refuses.
 */
void xvi_os_discard(void *base, size_t bytes)
{
#if defined(__linux__) && defined(MADV_DONTNEED)
	bool dropped = madvise(base, bytes, MADV_DONTNEED) == 0;
#else
	bool dropped = map_anonymous(base, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL;
#endif
	if (!dropped)
		memset(base, 0, bytes);
}

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
