/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * platform.h: what ramz needs of the system beside the C library and POSIX threads: a
 * clock, the running CPU, how much memory there is, and a pause.
 *
 * May call: the system. Locking: none, no state. O(1).
 */
#ifndef RZI_PLATFORM_H
#define RZI_PLATFORM_H

#include <stdint.h>

/* Nanoseconds of a clock that only goes forward. */
uint64_t rzi_now_ns(void);

/* A number that threads running at the same moment mostly do not share: the CPU where the
 * system tells it, else something of the thread. A hint, any value. */
uint32_t rzi_cpu_hint(void);

/* CPUs of the machine, >= 1. */
uint32_t rzi_cpu_count(void);

/* Memory of the machine, bytes; 0 where the system does not tell. */
uint64_t rzi_memory_bytes(void);

/* Wait a moment for another thread: some turns at once, then the processor is given up each
 * time. *turns counts; begin with 0. */
void rzi_pause(unsigned *turns);

#endif
