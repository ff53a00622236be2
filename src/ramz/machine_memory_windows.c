/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine_memory_windows.c: see machine_memory.h; for Windows: the machine's memory. Limits of a
 * job are not asked for, and no figure tells how long tasks wait for memory.
 */
#include "machine_memory.h"

#include <windows.h>

#include <ramz/ramz.h>

uint64_t rzi_machine_bytes(void)
{
	MEMORYSTATUSEX status = {.dwLength = sizeof(status)};

	return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

uint64_t ramz_memory_bytes(void)
{
	return rzi_machine_bytes();
}

int rzi_pressure_open(const char *root, const char *path)
{
	(void)root;
	(void)path;
	return -XV_ENOTSUP;
}

int rzi_pressure_read(int fd)
{
	(void)fd;
	return -XV_ENOTSUP;
}

void rzi_pressure_close(int fd)
{
	(void)fd;
}
