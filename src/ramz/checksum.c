/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * checksum.c: XXH3 of a page (xxhash library, header only).
 *
 * No state, no locking. O(bytes).
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store_impl.h"

uint64_t rzi_checksum(const void *page, size_t bytes)
{
	return XXH3_64bits(page, bytes);
}
