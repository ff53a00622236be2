/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine.h: where and when numbers were measured.
 *
 * May call the operating system. Locking: none.
 */
#ifndef XVFRAG_MACHINE_H
#define XVFRAG_MACHINE_H

#include "common.h"

struct xvf_machine {
	char os[96];     /* PRETTY_NAME of os-release, or the system's name */
	char kernel[96]; /* release */
	char cpu[96];
	char libc[48];
	char huge_pages[16]; /* transparent huge pages: always, madvise or never */
	char date[32];       /* UTC, ISO 8601 */
	uint64_t cores;      /* on line */
	uint64_t mem_bytes;
	uint64_t page_bytes; /* OS page */
};

void xvf_machine_read(struct xvf_machine *machine);

#endif
