/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* mman.h: anonymous memory of Windows under POSIX's names; see posix.h. */
#ifndef WINDOWS_SYS_MMAN_H
#define WINDOWS_SYS_MMAN_H

#include <stddef.h>

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_PRIVATE = 1, MAP_ANONYMOUS = 2, MAP_NORESERVE = 4 };
#define MAP_FAILED ((void *)-1)

void *mmap(void *where, size_t bytes, int protection, int flags, int fd, long offset);
int mprotect(void *base, size_t bytes, int protection);
int munmap(void *base, size_t bytes);

/* The system does not tell what is in memory, but what is committed. */
int mincore(void *base, size_t bytes, unsigned char *in_core);

#endif
