/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input_pid.c: pages out of a running process; see input_pid.h.
 *
 * Two passes over the mappings: count, then read the pages that are taken.
 * Locking: none.
 */
#include "input_pid.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bits of a /proc/N/pagemap entry, Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_FILE_OR_SHARED (UINT64_C(1) << 61)
#define PAGEMAP_BATCH 4096U

/* No data is in one mapping of this size: it is a sanitizer's shadow or the like. */
#define PID_RANGE_BYTES_MAX (UINT64_C(1) << 40)

struct pid_range {
	uint64_t start;
	uint64_t end;
	bool has_file;
};

struct pid_source {
	uint64_t pid;
	struct pid_range *ranges;
	size_t count;
	size_t capacity;
	int mem_fd;
	int pagemap_fd; /* -1: not readable */
	uint64_t os_page_bytes;
};

/* What the two passes do with each run of input pages. */
struct pid_pass {
	struct xvm_pages *pages; /* NULL: count only */
	uint64_t position;       /* input pages seen */
	uint64_t total;          /* of the first pass */
	uint64_t fit;
};

static int pid_open(uint64_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/%s", pid, what);
	return open(path, flags | O_CLOEXEC);
}

static int pid_complain(uint64_t pid)
{
	if (errno == ENOENT || errno == ESRCH)
		xvm_error("no process %" PRIu64 ": pid:N takes the number of a running process",
			  pid);
	else if (errno == EACCES || errno == EPERM)
		xvm_error("no permission to read the memory of process %" PRIu64
			  ": run as root, or as its user with kernel.yama.ptrace_scope=0",
			  pid);
	else
		xvm_error("cannot read the memory of process %" PRIu64 ": %s", pid,
			  strerror(errno));
	return XVM_FAILED;
}

/* A line of maps: "start-end rwxp offset dev inode [path]". */
static void pid_add_range(struct pid_source *source, const char *line)
{
	struct pid_range range;
	char access[5];
	uint64_t inode;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, &range.start, &range.end,
		   access, &inode) != 4)
		return;
	if (access[0] != 'r' || access[3] != 'p' || strstr(line, "[v") != NULL)
		return; /* [vvar], [vdso], [vsyscall] are the kernel's */
	if (range.end - range.start > PID_RANGE_BYTES_MAX)
		return;
	range.has_file = inode != 0;
	source->ranges = xvm_grow(source->ranges, &source->capacity, source->count + 1,
				  sizeof(*source->ranges));
	source->ranges[source->count++] = range;
}

static int pid_read_maps(struct pid_source *source)
{
	int fd = pid_open(source->pid, "maps", O_RDONLY);
	FILE *maps = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t line_bytes = 0;

	if (maps == NULL)
		return pid_complain(source->pid);
	while (getline(&line, &line_bytes, maps) > 0)
		pid_add_range(source, line);
	free(line);
	fclose(maps);
	return 0;
}

static bool pid_read_input_page(const struct pid_source *source, uint64_t address, uint8_t *page)
{
	/* mem is addressed by offset; what cannot be read (a guard page) is left out. */
	return pread(source->mem_fd, page, XVM_INPUT_PAGE_BYTES, (off_t)address) ==
	       (ssize_t)XVM_INPUT_PAGE_BYTES;
}

static void pid_take(const struct pid_source *source, struct pid_pass *pass, uint64_t address)
{
	for (uint64_t at = 0; at < source->os_page_bytes; at += XVM_INPUT_PAGE_BYTES) {
		uint64_t position = pass->position++;
		uint8_t *page;

		if (pass->pages == NULL || !xvm_spread_takes(position, pass->total, pass->fit))
			continue;
		page = xvm_pages_next(pass->pages);
		if (page != NULL && pid_read_input_page(source, address + at, page))
			xvm_pages_keep(pass->pages);
	}
}

static bool pid_entry_counts(uint64_t entry)
{
	return (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) != 0 &&
	       (entry & PAGEMAP_FILE_OR_SHARED) == 0;
}

static void pid_scan_range(const struct pid_source *source, struct pid_pass *pass,
			   const struct pid_range *range)
{
	uint64_t entries[PAGEMAP_BATCH];
	uint64_t first = range->start / source->os_page_bytes;
	uint64_t last = range->end / source->os_page_bytes;

	while (first < last) {
		uint64_t want = last - first < PAGEMAP_BATCH ? last - first : PAGEMAP_BATCH;
		ssize_t got = pread(source->pagemap_fd, entries, (size_t)want * sizeof(entries[0]),
				    (off_t)(first * sizeof(entries[0])));

		if (got < (ssize_t)sizeof(entries[0]))
			return;
		got /= (ssize_t)sizeof(entries[0]);
		for (ssize_t i = 0; i < got; i++) {
			if (pid_entry_counts(entries[i]))
				pid_take(source, pass,
					 (first + (uint64_t)i) * source->os_page_bytes);
		}
		first += (uint64_t)got;
	}
}

static void pid_scan_range_blind(const struct pid_source *source, struct pid_pass *pass,
				 const struct pid_range *range)
{
	if (range->has_file)
		return;
	for (uint64_t at = range->start; at < range->end; at += source->os_page_bytes)
		pid_take(source, pass, at);
}

static void pid_scan(const struct pid_source *source, struct pid_pass *pass)
{
	pass->position = 0;
	for (size_t i = 0; i < source->count; i++) {
		if (source->pagemap_fd >= 0)
			pid_scan_range(source, pass, &source->ranges[i]);
		else
			pid_scan_range_blind(source, pass, &source->ranges[i]);
	}
}

static int pid_source_open(struct pid_source *source, uint64_t pid)
{
	*source = (struct pid_source){.pid = pid, .mem_fd = -1, .pagemap_fd = -1};
	source->os_page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	if (pid_read_maps(source) != 0)
		return XVM_FAILED;
	source->mem_fd = pid_open(pid, "mem", O_RDONLY);
	if (source->mem_fd < 0)
		return pid_complain(pid);
	source->pagemap_fd = pid_open(pid, "pagemap", O_RDONLY);
	return 0;
}

static void pid_source_close(struct pid_source *source)
{
	if (source->mem_fd >= 0)
		close(source->mem_fd);
	if (source->pagemap_fd >= 0)
		close(source->pagemap_fd);
	free(source->ranges);
}

int xvm_input_read_pid(struct xvm_pages *pages, uint64_t pid, uint64_t *available)
{
	struct pid_source source;
	struct pid_pass pass = {.pages = NULL};
	int result = pid_source_open(&source, pid);

	if (result == 0) {
		pid_scan(&source, &pass);
		pass.total = pass.position;
		pass.fit = pages->capacity - pages->count;
		pass.pages = pages;
		pid_scan(&source, &pass);
		*available = pass.total;
	}
	pid_source_close(&source);
	return result;
}
