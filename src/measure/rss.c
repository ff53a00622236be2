/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rss.c: the resident set; see rss.h. No stdio streams here: they allocate.
 * Locking: none.
 */
#include "rss.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RSS_STACK_BYTES (256U * 1024U)
#define RSS_MAPS_BYTES (256U * 1024U)

/* The start of a file, as text; false when it cannot be read. */
static bool rss_read(const char *path, char *text, size_t text_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got = 0;

	if (fd < 0)
		return false;
	while (have + 1 < text_bytes && (got = read(fd, text + have, text_bytes - 1 - have)) > 0)
		have += (size_t)got;
	close(fd);
	text[have] = '\0';
	return have > 0 && got >= 0;
}

uint64_t xvm_rss_bytes(void)
{
	char text[2048];
	const char *field;
	uint64_t pages;

	if (rss_read("/proc/self/smaps_rollup", text, sizeof(text))) {
		field = strstr(text, "\nRss:");
		if (field != NULL)
			return strtoull(field + 5, NULL, 10) * 1024U;
	}
	if (!rss_read("/proc/self/statm", text, sizeof(text)))
		return 0;
	field = strchr(text, ' ');
	pages = field != NULL ? strtoull(field, NULL, 10) : 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * Read a byte of each page through /proc/self/mem: the kernel maps the page as if it
 * had been touched, and what cannot be read is an error and not a signal.
 */
static void rss_touch(int mem_fd, uint64_t start, uint64_t end)
{
	uint64_t step = (uint64_t)sysconf(_SC_PAGESIZE);
	char byte;

	for (uint64_t at = start; at < end; at += step) {
		if (pread(mem_fd, &byte, 1, (off_t)at) != 1)
			return;
	}
}

/* A line of maps, "start-end r-xp offset dev inode path", is it a plain file's? */
static void rss_touch_line(int mem_fd, const char *line)
{
	uint64_t start, end;
	char access[5];
	char path[256] = "";

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %255s", &start, &end, access,
		   path) != 4)
		return;
	/* The workload's memfd is resident already. */
	if (access[0] == 'r' && access[3] == 'p' && path[0] == '/' &&
	    strncmp(path, "/memfd:", 7) != 0)
		rss_touch(mem_fd, start, end);
}

void xvm_rss_settle_stack(void)
{
	volatile char deep[RSS_STACK_BYTES];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 1;
}

void xvm_rss_settle(void)
{
	static char maps[RSS_MAPS_BYTES];
	int mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *rest = NULL;

	xvm_rss_settle_stack();
	if (mem_fd >= 0 && rss_read("/proc/self/maps", maps, sizeof(maps))) {
		for (char *line = strtok_r(maps, "\n", &rest); line != NULL;
		     line = strtok_r(NULL, "\n", &rest))
			rss_touch_line(mem_fd, line);
	}
	if (mem_fd >= 0)
		close(mem_fd);
	(void)xvm_rss_bytes();
}

void *xvm_resident_memory(uint64_t bytes)
{
	void *memory;

	if (bytes > SIZE_MAX)
		return NULL;
	memory = mmap(NULL, bytes > 0 ? (size_t)bytes : 1, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return memory != MAP_FAILED ? memory : NULL;
}
