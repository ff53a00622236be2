/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc/provider_buffer.h: pages in memory that the caller gives.
 *
 * No system call and no allocation of its own: for embedded use and for tests.
 * The buffer holds, from low to high: the provider's own record and page bitmap,
 * the pages, and the meta memory of the pools over it (which grows down from the
 * end and meets the pages). Pages are always addressable.
 *
 * A page is one grain: the memory is the caller's, and nothing of it goes back to a system. A
 * pool over it takes all of its tables when it is made, and has one shard.
 */
#ifndef XVMALLOC_PROVIDER_BUFFER_H
#define XVMALLOC_PROVIDER_BUFFER_H

#include <xvmalloc/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a provider inside buffer[0 .. bytes). page_bytes is a power of two 4096 ..
 * 65536; there is no default. No object is larger than a page but in a pool with XV_POOL_SPLIT, and
 * what a pool has of a page that is not full, several pools over one buffer cannot share: 4096
 * suits a small buffer. The buffer may start at any address; up to one 256-byte step is lost to
 * alignment. Store the provider (it lives in the buffer) in *out. The buffer
 * stays the caller's: it must outlive every pool over it, and there is nothing
 * to destroy. Returns 0 or -XV_EINVAL (null, bad page_bytes, or a buffer too small
 * for one page and its tables).
 *
 * Thread safety: the operations take no lock; use the provider from one thread at
 * a time, or from pools that share one lock.
 * Complexity: O(bytes / page_bytes / 32) to make.
 */
XV_API XV_MUST_USE int xv_provider_buffer_init(struct xv_provider **out, void *buffer, size_t bytes,
					       uint32_t page_bytes);

#ifdef __cplusplus
}
#endif
#endif
