/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* providers.c: see providers.h. Locking: none; the table is constant. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "providers.h"

#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include "test_random.h"

#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#define KIB 1024U
#define HIGHMEM_CASES 3U

const struct provider_case provider_cases[PROVIDER_CASES] = {
	{"mmap/4K", PROVIDER_MMAP, 4 * KIB, true},
	{"mmap/16K", PROVIDER_MMAP, 16 * KIB, true},
	{"mmap/64K", PROVIDER_MMAP, 64 * KIB, true},
	{"highmem/4K", PROVIDER_HIGHMEM, 4 * KIB, false},
	{"highmem/16K", PROVIDER_HIGHMEM, 16 * KIB, false},
	{"highmem/64K", PROVIDER_HIGHMEM, 64 * KIB, false},
	{"buffer/4K", PROVIDER_BUFFER, 4 * KIB, true},
	{"buffer/16K", PROVIDER_BUFFER, 16 * KIB, true},
	{"buffer/64K", PROVIDER_BUFFER, 64 * KIB, true},
};

size_t os_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

bool provider_case_shares_os_pages(const struct provider_case *which)
{
	return which->kind == PROVIDER_MMAP && which->page_bytes < os_page_bytes();
}

bool provider_case_has_turn(const struct provider_case *which, size_t turn)
{
	return test_shorter() == 1 || which->kind != PROVIDER_HIGHMEM ||
	       os_page_bytes() > 4 * KIB ||
	       (size_t)(which - provider_cases) % HIGHMEM_CASES == turn % HIGHMEM_CASES;
}

static int mmap_create(uint32_t page_bytes, size_t bytes, struct xv_provider **out)
{
	struct xv_provider_mmap_options options;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = bytes;
	return xv_provider_mmap_create(out, &options);
}

/* Does a mapping that reaches beyond the end of a file see what the file gets there later?
 * qemu-user with larger pages than its host's maps other memory there, or none. */
static bool maps_behind_the_end(void)
{
#ifdef __linux__
	bool does;
	size_t bytes = os_page_bytes();
	int fd = memfd_create("maps_behind_the_end", MFD_CLOEXEC), pipe_ends[2];
	char byte = 0, *at;

	if (fd < 0 || pipe(pipe_ends) != 0)
		return true;
	(void)!ftruncate(fd, (off_t)bytes);
	at = mmap(NULL, 2 * bytes, PROT_READ, MAP_SHARED, fd, 0);
	(void)!pwrite(fd, "x", 1, (off_t)bytes);
	/* A system call may meet missing memory. */
	does = at != MAP_FAILED && write(pipe_ends[1], at + bytes, 1) == 1 &&
	       read(pipe_ends[0], &byte, 1) == 1 && byte == 'x';
	if (at != MAP_FAILED)
		(void)munmap(at, 2 * bytes);
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	(void)close(fd);
	return does;
#else
	return true;
#endif
}

static int highmem_create(uint32_t page_bytes, size_t bytes, struct xv_provider **out)
{
	struct xv_provider_highmem_options options;

	if (page_bytes < os_page_bytes() || (os_page_bytes() > 4 * KIB && !maps_behind_the_end()))
		return -XV_ENOTSUP;
	xv_provider_highmem_options_init(&options);
	options.page_bytes = page_bytes;
	options.max_bytes = bytes;
	return xv_provider_highmem_create(out, &options);
}

/* The provider lies less than this behind the allocation its buffer starts in. */
#define BUFFER_ALIGNMENT 64U
#define BUFFER_SHIFT 1U /* so the buffer starts at an odd address */

static int buffer_create(uint32_t page_bytes, size_t bytes, struct xv_provider **out)
{
	/* Tables of a pool: about a sixteenth, and its own fixed part. */
	size_t with_tables = bytes + bytes / 16 + 256 * KIB;
	size_t allocated = with_tables + BUFFER_SHIFT + BUFFER_ALIGNMENT;
	char *memory =
		aligned_alloc(BUFFER_ALIGNMENT, allocated / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT);
	int err;

	if (memory == NULL)
		return -XV_ENOMEM;
	err = xv_provider_buffer_init(out, memory + BUFFER_SHIFT, with_tables, page_bytes);
	if (err != 0)
		free(memory);
	return err;
}

static void buffer_destroy(struct xv_provider *provider)
{
	free((char *)provider - (uintptr_t)provider % BUFFER_ALIGNMENT);
}

int provider_case_create(const struct provider_case *which, size_t bytes, struct xv_provider **out)
{
	switch (which->kind) {
	case PROVIDER_MMAP:
		return mmap_create(which->page_bytes, bytes, out);
	case PROVIDER_HIGHMEM:
		return highmem_create(which->page_bytes, bytes, out);
	case PROVIDER_BUFFER:
		return buffer_create(which->page_bytes, bytes, out);
	}
	return -XV_EINVAL;
}

void provider_case_destroy(const struct provider_case *which, struct xv_provider *provider)
{
	if (provider == NULL)
		return;
	switch (which->kind) {
	case PROVIDER_MMAP:
		xv_provider_mmap_destroy(provider);
		break;
	case PROVIDER_HIGHMEM:
		xv_provider_highmem_destroy(provider);
		break;
	case PROVIDER_BUFFER:
		buffer_destroy(provider);
		break;
	}
}
