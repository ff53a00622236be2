/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pages.h: the pages of one input, in a memfd, so that a child process can have
 * them (kernel zram compresses pages, not sizes) without a copy.
 *
 * May call the operating system. Locking: none. Appending is O(page).
 */
#ifndef XVFRAG_PAGES_H
#define XVFRAG_PAGES_H

#include "common.h"

struct xvf_pages {
	int fd;            /* memfd */
	uint8_t *data;     /* mapping of the memfd, capacity pages */
	uint64_t count;    /* pages in use */
	uint64_t capacity; /* pages */
};

/* Make room for up to max_pages, taken when they are appended. 0 or XVF_FAILED. */
int xvf_pages_init(struct xvf_pages *pages, uint64_t max_pages);
void xvf_pages_fini(struct xvf_pages *pages);

/*
 * The memory of the next page, to be filled by the caller and kept with
 * xvf_pages_keep, or NULL when the pages are full. It may hold anything.
 */
uint8_t *xvf_pages_next(struct xvf_pages *pages);
void xvf_pages_keep(struct xvf_pages *pages);

/* Page index, index < count. */
const uint8_t *xvf_pages_at(const struct xvf_pages *pages, uint64_t index);

#endif
