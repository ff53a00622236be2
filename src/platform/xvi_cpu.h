/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Which CPU this thread runs on, for choosing a shard. Only a hint: it may have changed
 * by the time it is used. (cpu_posix.c; lock_none.c where there are no threads.) O(1),
 * without a system call where the C library registers restartable sequences.
 */
#ifndef XVI_CPU_H
#define XVI_CPU_H

#include <stdint.h>

/* CPUs that are online, at least 1. */
uint32_t xvi_cpu_count(void);

/* Number of the running CPU, or, where the system does not tell, a number that stays the
 * same for a thread and differs between threads. */
uint32_t xvi_cpu_now(void);

#endif
