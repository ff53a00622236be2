/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * count.h: counts one statement under callgrind. Owns nothing.
 */
#ifndef XV_BENCH_COUNT_H
#define XV_BENCH_COUNT_H

#include <valgrind/callgrind.h>

/* Count what statement does, as a part of the output that is called row. */
#define COUNT(row, statement)                                                                      \
	do {                                                                                       \
		CALLGRIND_ZERO_STATS;                                                              \
		CALLGRIND_TOGGLE_COLLECT;                                                          \
		statement;                                                                         \
		CALLGRIND_TOGGLE_COLLECT;                                                          \
		CALLGRIND_DUMP_STATS_AT(row);                                                      \
	} while (0)

#endif
