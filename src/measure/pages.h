/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pages.h: the pages of one input, in a memfd, so that a child process can have
 * them (kernel zram compresses pages, not sizes) without a copy.
 *
 * May call the operating system. Locking: none. Appending is O(page).
 */
#ifndef XVM_PAGES_H
#define XVM_PAGES_H

#include "base.h"

struct xvm_pages {
	int fd;            /* memfd */
	uint8_t *data;     /* mapping of the memfd, capacity pages */
	uint64_t count;    /* pages in use */
	uint64_t capacity; /* pages */
};

/* Make room for up to max_pages, taken when they are appended. 0 or XVM_FAILED. */
int xvm_pages_init(struct xvm_pages *pages, uint64_t max_pages);
void xvm_pages_fini(struct xvm_pages *pages);

/*
 * The memory of the next page, to be filled by the caller and kept with
 * xvm_pages_keep, or NULL when the pages are full. It may hold anything.
 */
uint8_t *xvm_pages_next(struct xvm_pages *pages);
void xvm_pages_keep(struct xvm_pages *pages);

/* Page index, index < count. */
const uint8_t *xvm_pages_at(const struct xvm_pages *pages, uint64_t index);

#endif
