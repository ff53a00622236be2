/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The running CPU on Windows. A system of more than 64 CPUs has them in groups: a number that
 * counts through all of them is made of both. No state, O(1).
 */
#include "xvi_cpu.h"

#include <windows.h>

#define GROUP_CPUS 64U

uint32_t xvi_cpu_count(void)
{
	DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);

	return count > 0 ? (uint32_t)count : 1U;
}

uint32_t xvi_cpu_now(void)
{
	PROCESSOR_NUMBER cpu;

	GetCurrentProcessorNumberEx(&cpu);
	return cpu.Group * GROUP_CPUS + cpu.Number;
}
