/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * page_size.h: the rule for page sizes of all providers. Freestanding, no state, O(1).
 */
#ifndef XVI_PAGE_SIZE_H
#define XVI_PAGE_SIZE_H

#include <xvmalloc/provider.h>

#include "xvi_bits.h"

/* Default in the options of a provider. */
#define XVI_PAGE_BYTES_DEFAULT 65536U

/* log2 of page_bytes, or 0 when it is no power of two 4 KiB .. 64 KiB. */
static inline uint32_t xvi_page_shift(uint32_t page_bytes)
{
	if (page_bytes < (1U << XV_PAGE_SHIFT_MIN) || page_bytes > (1U << XV_PAGE_SHIFT_MAX) ||
	    (page_bytes & (page_bytes - 1)) != 0)
		return 0;
	return xvi_ctz64(page_bytes);
}

/* Whole pages in bytes, at most as many as a provider can number. */
static inline uint32_t xvi_page_count(uint64_t bytes, uint32_t page_shift)
{
	uint64_t pages = bytes >> page_shift;

	return pages > XV_PAGES_MAX ? XV_PAGES_MAX : (uint32_t)pages;
}

#endif
