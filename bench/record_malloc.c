/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record_malloc.c: a shared object that, preloaded into a program, writes down what the
 * program asks of malloc:
 *
 *     XV_TRACE=out LD_PRELOAD=./record_malloc.so PROGRAM...
 *
 * Each process of that environment writes a file of its own, out.PID. trace.h has the
 * format. A free is written down before it is done and the rest after, so that with
 * several threads no address is seen made while an older object is there.
 *
 * Needs the GNU C library, whose malloc it calls by the names that it exports for this.
 *
 * Owns a buffer and a file per process. May call the C library's malloc and the system.
 * Locking: one spin lock around the buffer. After fork the child records no more. O(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"

#define EXPORT __attribute__((visibility("default")))
#define BUFFER_RECORDS 4096U

/* NOLINTBEGIN: names that the C library gives them */
void *__libc_malloc(size_t size);
void __libc_free(void *ptr);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* NOLINTEND */

static struct trace_record buffer[BUFFER_RECORDS];
static size_t buffered;
static int output = -1;
static bool ending; /* the program's end has begun: buffer nothing any more */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		sched_yield();
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

/* Under the lock. A write that fails ends the recording. */
static void flush(void)
{
	const char *from = (const char *)buffer;
	size_t left = buffered * sizeof(buffer[0]);

	while (left > 0 && output >= 0) {
		ssize_t written = write(output, from, left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			output = -1;
			break;
		}
		from += written;
		left -= (size_t)written;
	}
	buffered = 0;
}

static void add(uint64_t address, uint64_t size)
{
	buffer[buffered++] = (struct trace_record){.address = address, .size = size};
}

static uint64_t tagged(enum trace_kind kind, const void *ptr)
{
	return (uint64_t)kind << TRACE_KIND_SHIFT | ((uint64_t)(uintptr_t)ptr & TRACE_ADDRESS_MASK);
}

/* One or two records that belong together. */
static void record(enum trace_kind kind, const void *before, const void *after, size_t size)
{
	int saved = errno;

	if (output < 0)
		return;
	lock();
	if (buffered + 2 > BUFFER_RECORDS)
		flush();
	if (before != NULL)
		add(tagged(kind, before), 0);
	if (after != NULL)
		add(tagged(TRACE_MAKE, after), size);
	if (ending)
		flush();
	unlock();
	errno = saved;
}

static void stop_in_child(void)
{
	output = -1;
	buffered = 0;
	unlock();
}

__attribute__((constructor)) static void start(void)
{
	const char *base = getenv("XV_TRACE");
	char path[4096];

	if (base == NULL ||
	    snprintf(path, sizeof(path), "%s.%ld", base, (long)getpid()) >= (int)sizeof(path))
		return;
	pthread_atfork(lock, unlock, stop_in_child);
	add(TRACE_MAGIC, sizeof(struct trace_record));
	output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

__attribute__((destructor)) static void stop(void)
{
	lock();
	ending = true;
	flush();
	unlock();
}

/* ---- What programs call ---- */

EXPORT void *malloc(size_t size)
{
	void *ptr = __libc_malloc(size);

	record(TRACE_MAKE, NULL, ptr, size);
	return ptr;
}

EXPORT void free(void *ptr)
{
	record(TRACE_FREE, ptr, NULL, 0);
	__libc_free(ptr);
}

EXPORT void *calloc(size_t count, size_t size)
{
	void *ptr = __libc_calloc(count, size);

	record(TRACE_MAKE, NULL, ptr, count * size);
	return ptr;
}

EXPORT void *realloc(void *ptr, size_t size)
{
	void *moved = __libc_realloc(ptr, size);

	if (moved != NULL)
		record(TRACE_RESIZE, ptr, moved, size);
	else if (size == 0)
		record(TRACE_FREE, ptr, NULL, 0);
	return moved;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	void *ptr = __libc_memalign(alignment, size);

	record(TRACE_MAKE, NULL, ptr, size);
	return ptr;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *ptr;

	if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
		return EINVAL;
	ptr = memalign(alignment, size);
	if (ptr == NULL)
		return ENOMEM;
	*out = ptr;
	return 0;
}
