/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The CPU on which this thread runs, to choose a shard. Only a hint: the thread may move at any
 * time. (cpu_posix.c, cpu_windows.c; lock_none.c without threads.) O(1), without a system call if
 * the C library registers restartable sequences.
 */
#ifndef XVI_CPU_H
#define XVI_CPU_H

#include <stdint.h>

/* CPUs that are online, at least 1. */
uint32_t xvi_cpu_count(void);

/* Number of the running CPU. If the system does not tell, a number that stays the same for a
 * thread and differs between threads. */
uint32_t xvi_cpu_now(void);

#endif
