/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * allocators.h: the allocators that the benchmarks run, out of xvfrag's list
 * (src/measure/allocators/registry.h).
 *
 * A row is called what xvfrag calls it, settings included. The process's own malloc is one row:
 * glibc, or the library that was preloaded.
 *
 * Owns the list, which lives as long as the process. May start the process anew. Locking: none;
 * called from main. O(allocators).
 */
#ifndef XV_BENCH_ALLOCATORS_H
#define XV_BENCH_ALLOCATORS_H

#include "registry.h"

/* What an allocator takes part in. */
enum micro_group {
	GROUP_ALL = 1U,      /* every benchmark of objects up to 4 KiB */
	GROUP_PAIRS = 2U,    /* pairs */
	GROUP_PROVIDER = 4U, /* 1,000 compressed pages: a call may be a system call */
	GROUP_PROGRAM = 8U,  /* larger objects by address: sizes and calls of programs */
};

struct micro_allocator {
	const char *name; /* NAME or NAME:SETTINGS */
	unsigned groups;  /* of enum micro_group */
	const struct xvfrag_plugin *calls;
	const char *settings; /* or NULL */
};

/*
 * Choose the rows: those of the project's tables, or the one called `only` where that is not
 * NULL. An allocator that has to be preloaded starts the process anew with its library.
 * False, after saying why, when there is no such allocator here.
 */
bool micro_choose_allocators(const char *only, char **argv);

/* The rows in order; NULL behind the last. */
const struct micro_allocator *micro_allocator_at(size_t index);

#endif
