/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * os_memory_windows.c: see os_memory.h; for Windows, over VirtualAlloc.
 *
 * The system keeps a promise of memory for each byte that is committed (its commit charge), and
 * fails a commit that it cannot promise. A touch of committed space does not fail.
 */
#include "os_memory.h"

#include <string.h>
#include <windows.h>

#include <xvmalloc/errors.h>

void xvi_os_facts_get(struct xvi_os_facts *facts)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	*facts = (struct xvi_os_facts){.page_bytes = info.dwPageSize, .charges_commits = true};
}

/* Reservations begin at multiples of 64 KiB, and nothing asks for more. */
void *xvi_os_reserve(size_t bytes, size_t alignment)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	if (alignment > info.dwAllocationGranularity)
		return NULL;
	return VirtualAlloc(NULL, bytes, MEM_RESERVE, PAGE_NOACCESS);
}

void *xvi_os_map_zeroed(size_t bytes, bool *all_there)
{
	*all_there = false;
	return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void xvi_os_release(void *base, size_t bytes)
{
	(void)bytes;
	(void)VirtualFree(base, 0, MEM_RELEASE);
}

int xvi_os_commit(void *base, size_t bytes)
{
	return VirtualAlloc(base, bytes, MEM_COMMIT, PAGE_READWRITE) != NULL ? 0 : -XV_ENOMEM;
}

bool xvi_os_decommit(void *base, size_t bytes)
{
	if (VirtualFree(base, bytes, MEM_DECOMMIT))
		return true;
	memset(base, 0, bytes);
	return false;
}

/* What may be discarded without a decommit (MEM_RESET) need not read as zero afterwards; and a
 * commit after a decommit may fail. */
struct xvi_os_discarded xvi_os_discard(void *base, size_t bytes)
{
	(void)base;
	(void)bytes;
	return (struct xvi_os_discarded){.given = false};
}

size_t xvi_os_resident_bytes(const void *base, size_t bytes)
{
	(void)base;
	(void)bytes;
	return 0;
}

/* Large pages need a privilege, and are locked in memory. */
void xvi_os_advise_huge(void *base, size_t bytes, bool huge)
{
	(void)base;
	(void)bytes;
	(void)huge;
}
