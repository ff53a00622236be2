/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * posix.h: what the tests ask a POSIX system for beside the libraries, on Windows: included before
 * all else there. Memory that is aligned, or protected by the page (sys/mman.h); the size of the
 * system's page; the environment. What more of POSIX a test needs, it does not run there.
 */
#ifndef WINDOWS_POSIX_H
#define WINDOWS_POSIX_H

#include <stddef.h>

/* Free it as all memory: the linker puts the free of posix.c before the C library's. */
void *aligned_alloc(size_t alignment, size_t bytes);

enum { _SC_PAGESIZE, _SC_NPROCESSORS_ONLN };
long sysconf(int name);

int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);

/* The tests have a longest time, which ends those that hang. */
unsigned alarm(unsigned seconds);

/* For the tests of providers, which ask a child process on POSIX: SIGSEGV, or 0 if the byte can be
 * read. */
int signal_of_reading(const void *address);

#endif
