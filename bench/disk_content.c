/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_content.c: a library to put before fio (LD_PRELOAD), so that what its jobs write is
 * real data: pages of the file that the environment names in XV_CONTENT, in random order
 * from a fixed seed, instead of what fio makes up. Each write of n pages takes n pages that
 * are neighbours in the file. Offsets, lengths, depths and times are still fio's.
 *
 * It takes the place of nbd_aio_pwrite (ioengine nbd) and of io_submit (libaio), and calls
 * the real ones with another buffer. The file is mapped and touched before the first write,
 * so that nothing is read from it in a measured time. Locking: a draw is one atomic add.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, REQUEST_BYTES_MAX = 1 << 20 };

static const char *content;
static uint64_t content_pages; /* from which a request of any length can begin */
static _Atomic uint64_t draws;

static void content_fail(const char *what)
{
	fprintf(stderr, "disk_content: %s\n", what);
	exit(1);
}

__attribute__((constructor)) static void content_load(void)
{
	const char *path = getenv("XV_CONTENT");
	struct stat status;

	if (path == NULL)
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size < 2 * REQUEST_BYTES_MAX)
		content_fail("XV_CONTENT must name a file of 2 MiB or more");
	size_t bytes = (size_t)status.st_size;
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		content_fail("cannot map the file that XV_CONTENT names");
	close(fd);
	content = map;
	content_pages = (bytes - REQUEST_BYTES_MAX) / PAGE_BYTES;
}

/* splitmix64 of the number of the draw */
static const void *content_next(void)
{
	uint64_t x = atomic_fetch_add_explicit(&draws, 0x9e3779b97f4a7c15U, memory_order_relaxed);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	x ^= x >> 31;
	return content + x % content_pages * PAGE_BYTES;
}

static bool content_replaces(size_t bytes)
{
	return content != NULL && bytes <= REQUEST_BYTES_MAX;
}

/* ---- libnbd's, as its header has it ---- */

struct nbd_handle;

struct completion {
	int (*callback)(void *user_data, int *error);
	void *user_data;
	void (*free)(void *user_data);
};

typedef int64_t pwrite_function(struct nbd_handle *handle, const void *buffer, size_t count,
				uint64_t offset, struct completion completion, uint32_t flags);

pwrite_function nbd_aio_pwrite;

int64_t nbd_aio_pwrite(struct nbd_handle *handle, const void *buffer, size_t count, uint64_t offset,
		       struct completion completion, uint32_t flags)
{
	static _Atomic(pwrite_function *) real;

	if (real == NULL)
		real = (pwrite_function *)dlsym(RTLD_NEXT, "nbd_aio_pwrite");
	if (content_replaces(count))
		buffer = content_next();
	return real(handle, buffer, count, offset, completion, flags);
}

/* ---- libaio's; its struct iocb is the kernel's ---- */

typedef int submit_function(aio_context_t context, long count, struct iocb **requests);

submit_function io_submit;

int io_submit(aio_context_t context, long count, struct iocb **requests)
{
	static _Atomic(submit_function *) real;

	if (real == NULL)
		real = (submit_function *)dlsym(RTLD_NEXT, "io_submit");
	for (long i = 0; i < count; i++) {
		struct iocb *request = requests[i];
		if (request->aio_lio_opcode == IOCB_CMD_PWRITE &&
		    content_replaces(request->aio_nbytes))
			request->aio_buf = (uintptr_t)content_next();
	}
	return real(context, count, requests);
}
