/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rss.c: see rss.h. No stdio streams here: they allocate. Locking: none.
 */
#include "rss.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RSS_STACK_BYTES (256U * 1024U)
#define RSS_FIELD "\nAnonymous:"

uint64_t xvm_rss_bytes(void)
{
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	char text[2048];
	const char *field = NULL;

	if (fd >= 0) {
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (got > 0) {
		text[got] = '\0';
		field = strstr(text, RSS_FIELD);
	}
	return field != NULL ? strtoull(field + strlen(RSS_FIELD), NULL, 10) * 1024U : 0;
}

void xvm_rss_settle_stack(void)
{
	volatile char deep[RSS_STACK_BYTES];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 1;
}

void *xvm_resident_memory(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes > 0 ? (size_t)bytes : 1, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}
