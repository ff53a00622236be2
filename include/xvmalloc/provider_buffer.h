/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_buffer.h: pages in memory that the caller gives.
 *
 * For embedded use and for tests: no system call and no malloc. The buffer holds, from low to high:
 * the provider's record and page bitmap, the pages, and the meta memory of the pools over it, which
 * grows down from the end towards the pages. Pages are always addressable.
 *
 * A page is one grain: the memory is the caller's, and none of it goes back to a system. A pool
 * over it takes all of its tables when it is made, and has one shard.
 */
#ifndef XVMALLOC_PROVIDER_BUFFER_H
#define XVMALLOC_PROVIDER_BUFFER_H

#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a provider inside buffer[0 .. bytes). page_bytes is a power of two 4096 .. 65536; there is
 * no default. An object is at most a page, except in a pool with XV_POOL_SPLIT. Pools over one
 * buffer cannot share a page. So 4096 suits a small buffer. The buffer may start at any address;
 * alignment loses up to 256 bytes. Stores the provider, which lives in the buffer, in *out. The
 * buffer stays the caller's: it must outlive every pool over it, and there is nothing to destroy.
 * Returns 0 or -XV_EINVAL (null, bad page_bytes, or a buffer too small for one page and its
 * tables).
 *
 * Thread safety: the operations take no lock. Use the provider from one thread at a time, or from
 * pools that share one lock. O(bytes / page_bytes / 32).
 */
XV_API XV_MUST_USE int xv_provider_buffer_init(struct xv_provider **out, void *buffer, size_t bytes,
					       uint32_t page_bytes);

#ifdef __cplusplus
}
#endif
#endif
