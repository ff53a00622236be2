/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine.h: where and when numbers were measured.
 *
 * May call the operating system. Locking: none.
 */
#ifndef XVM_MACHINE_H
#define XVM_MACHINE_H

#include "base.h"

struct xvm_machine {
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

void xvm_machine_read(struct xvm_machine *machine);

#endif
