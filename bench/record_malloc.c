/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * record_malloc.c: a shared object that, preloaded into a program, writes down what the
 * program asks of malloc, as a trace that xvfrag and the benchmarks read:
 *
 *     XV_TRACE=out LD_PRELOAD=./record_malloc.so PROGRAM...
 *
 * Each process of that environment writes a file of its own, out.PID. src/measure/trace.h
 * has the format. Objects are numbered in the order in which they are made. A free is
 * written down before it is done, a malloc afterwards, and a realloc is done with the
 * lock held, so that with several threads each address names one object at a time.
 *
 * A recording ends early when a write fails, or a program has used two million addresses.
 *
 * Needs the GNU C library, whose malloc it calls by the names that it exports for this.
 *
 * Owns a buffer, a table of addresses and a file per process. May call the C
 * library's malloc and the system, and nothing that allocates. Locking: one spin lock
 * around buffer and table. After fork the child records no more. O(1) expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define LINE_BYTES_MAX 64U
#define PLACES ((size_t)1 << 22)          /* of the table: for two million addresses */
#define SIZE_BYTES_MAX ((size_t)64 << 20) /* the largest that a trace may have */

/* NOLINTBEGIN: names that the C library gives them */
void *__libc_malloc(size_t size);
void __libc_free(void *ptr);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* NOLINTEND */

/* A place of the table. It stays with its address, as a malloc uses addresses again. */
struct object {
	uintptr_t address; /* 0: empty */
	uint64_t id;       /* 0: no object is there */
};

static char buffer[65536];
static size_t buffered;
static struct object *objects; /* open addressing, linear probing */
static size_t used;
static uint64_t last_id;
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

/* ---- Lines; under the lock ---- */

/* A write that fails ends the recording. */
static void flush(void)
{
	size_t done = 0;

	while (done < buffered && output >= 0) {
		ssize_t written = write(output, buffer + done, buffered - done);

		if (written > 0)
			done += (size_t)written;
		else if (written == 0 || errno != EINTR)
			output = -1;
	}
	buffered = 0;
}

/* snprintf of whole numbers does not allocate. */
static void put_line(char operation, uint64_t id, size_t size)
{
	char *line = buffer + buffered;
	int length;

	if (operation == 'f')
		length = snprintf(line, LINE_BYTES_MAX, "f %" PRIu64 "\n", id);
	else
		length = snprintf(line, LINE_BYTES_MAX, "%c %" PRIu64 " %zu\n", operation, id,
				  size == 0               ? 1
				  : size < SIZE_BYTES_MAX ? size
							  : SIZE_BYTES_MAX);
	buffered += (size_t)length;
	if (ending || buffered + LINE_BYTES_MAX > sizeof(buffer))
		flush();
}

/* ---- The table; under the lock ---- */

/* The address's place, which is made when there is none yet. */
static struct object *find(const void *ptr)
{
	uintptr_t address = (uintptr_t)ptr;
	size_t at = (size_t)((uint64_t)address * UINT64_C(0x9E3779B97F4A7C15) >> 40);

	while (objects[at % PLACES].address != 0 && objects[at % PLACES].address != address)
		at++;
	if (objects[at % PLACES].address == 0 && ++used > PLACES / 2) {
		flush(); /* half full, the table becomes slow: the recording ends */
		output = -1;
	}
	objects[at % PLACES].address = address;
	return &objects[at % PLACES];
}

/* Objects that were made before the recording began have no number. */
static void note_free(const void *ptr)
{
	struct object *object = find(ptr);

	if (object->id != 0)
		put_line('f', object->id, 0);
	object->id = 0;
}

/* An object that was at the address ended inside the C library. */
static void note_malloc(const void *ptr, size_t size)
{
	note_free(ptr);
	find(ptr)->id = ++last_id;
	put_line('a', last_id, size);
}

static void note_realloc(const void *ptr, const void *moved, size_t size)
{
	struct object *object = ptr != NULL ? find(ptr) : NULL;
	uint64_t id = object != NULL ? object->id : 0;

	if (id == 0) {
		note_malloc(moved, size);
		return;
	}
	object->id = 0;
	note_free(moved);
	find(moved)->id = id;
	put_line('r', id, size);
}

/* ---- A process's life ---- */

static void stop_in_child(void)
{
	output = -1;
	unlock();
}

__attribute__((constructor)) static void start(void)
{
	const char *base = getenv("XV_TRACE");
	char path[4096];
	void *table;

	if (base == NULL ||
	    snprintf(path, sizeof(path), "%s.%ld", base, (long)getpid()) >= (int)sizeof(path))
		return;
	table = mmap(NULL, PLACES * sizeof(*objects), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return;
	objects = table;
	pthread_atfork(lock, unlock, stop_in_child);
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

static void *made(void *ptr, size_t size)
{
	int saved = errno;

	if (output < 0 || ptr == NULL)
		return ptr;
	lock();
	if (output >= 0)
		note_malloc(ptr, size);
	unlock();
	errno = saved;
	return ptr;
}

EXPORT void *malloc(size_t size)
{
	return made(__libc_malloc(size), size);
}

EXPORT void free(void *ptr)
{
	int saved = errno;

	if (output >= 0 && ptr != NULL) {
		lock();
		if (output >= 0)
			note_free(ptr);
		unlock();
		errno = saved;
	}
	__libc_free(ptr);
}

EXPORT void *calloc(size_t count, size_t size)
{
	return made(__libc_calloc(count, size), count * size);
}

EXPORT void *realloc(void *ptr, size_t size)
{
	void *moved;
	int saved;

	if (output < 0)
		return __libc_realloc(ptr, size);
	lock();
	moved = __libc_realloc(ptr, size);
	saved = errno;
	if (output >= 0 && moved != NULL)
		note_realloc(ptr, moved, size);
	else if (output >= 0 && ptr != NULL && size == 0)
		note_free(ptr);
	unlock();
	errno = saved;
	return moved;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	return made(__libc_memalign(alignment, size), size);
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
