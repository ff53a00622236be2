/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * sizes.h: the compressed sizes of an input's pages, in page order.
 *
 * A size list is one number a page, bytes: 0 means same-filled (no object is
 * stored), 4096 that the page did not compress to XVM_STORE_BYTES_MAX or less and
 * is stored as it is. As a file (--sizes, --record) it is one number a line; empty
 * lines and lines that begin with # are skipped. Such a file may also hold sizes of
 * anything else, up to XVM_OBJECT_BYTES_MAX.
 *
 * May call ramz/codec.h. Locking: none. O(pages).
 */
#ifndef XVM_SIZES_H
#define XVM_SIZES_H

#include <stdio.h>

#include <ramz/codec.h>

#include "input.h"

/* A page that compresses to more than this is stored as it is, as zram did. */
#define XVM_STORE_BYTES_MAX 3072U

/* What the pages of an input come to. */
struct xvm_sizes {
	struct xvm_u32s objects; /* bytes of each object, in page order */
	struct xvm_u32s pages;   /* index of the page each object holds; empty where
				  * the sizes came from a file */
	uint64_t page_count;     /* pages, same-filled ones included */
	uint64_t same_filled;    /* pages of one repeated word: no object */
	uint64_t raw;            /* pages stored as they are */
	uint64_t object_bytes;   /* sum of objects */
};

void xvm_sizes_fini(struct xvm_sizes *sizes);

/* Compress pages with codec at level. Returns 0, or XVM_FAILED with the reason said. */
int xvm_sizes_from_pages(struct xvm_sizes *sizes, const struct xvm_pages *pages,
			 const struct ramz_codec *codec, int32_t level);

/* Read a size list. Returns 0, or XVM_FAILED with file, line and reason said. */
int xvm_sizes_from_file(struct xvm_sizes *sizes, const char *path);

/*
 * Append the size list to out, same-filled pages included. O(pages); false on a
 * write error.
 */
bool xvm_sizes_write(const struct xvm_sizes *sizes, FILE *out);

#endif
