/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * address_space.h: how much of it there is, which is little in an emulator. Owns nothing, calls
 * POSIX with MAP_ANONYMOUS, no locking, O(1). Includers define _GNU_SOURCE.
 */
#ifndef ADDRESS_SPACE_H
#define ADDRESS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* An emulator of programs: limits on the address space do not bind there, and what the system says
 * of the process is true of the emulator. */
static inline bool under_emulator(void)
{
	const size_t bytes = (size_t)1 << 30;
	struct rlimit before, limit;
	void *space;

	if (getrlimit(RLIMIT_AS, &before) != 0)
		return false;
	limit = before;
	limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return false;
	space = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	(void)setrlimit(RLIMIT_AS, &before);
	if (space != MAP_FAILED)
		munmap(space, bytes);
	return space != MAP_FAILED;
}

/* Is there less of it than a provider reserves? */
static inline bool address_space_is_small(void)
{
	void *space = MAP_FAILED;
#if SIZE_MAX > UINT32_MAX
	const size_t bytes = (size_t)64 << 30;

	space = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space != MAP_FAILED)
		munmap(space, bytes);
#endif
	return space == MAP_FAILED;
}

#endif
