/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.h: the pages of one input, and which of them are not same-filled.
 *
 * An input is a file, a directory or a process. A directory stands for the regular files below
 * it, in the byte order of their paths; symbolic links in it are not followed, and a file with
 * several names counts once. Each file is cut into pages as the page cache holds it: the last
 * one is padded with zeros.
 *
 * Of a process ("pid:N") the pages are taken that the kernel could swap: those of private,
 * readable mappings that /proc/N/pagemap shows as anonymous and in memory or in swap. Where
 * pagemap cannot be opened, all readable pages of private mappings without a file are.
 * Mappings above 1 TiB are left out. The process runs on meanwhile, so a page may be read half
 * old and half new: compressed, that makes no difference.
 *
 * Where there is more than fits, runs of 16 pages are taken, spread evenly over the whole.
 * Pages lie in a memfd, so that a child process can map them. May call the operating system.
 * Locking: none. O(files * log files + pages).
 */
#ifndef XVM_INPUT_H
#define XVM_INPUT_H

#include "base.h"

/* Pages read. They are aligned to a page. */
struct xvm_pages {
	int fd; /* memfd */
	uint8_t *data;
	uint64_t count;
	uint64_t capacity; /* pages mapped at data */
};

/* Page index, index < count. */
static inline const uint8_t *xvm_pages_at(const struct xvm_pages *pages, uint64_t index)
{
	return pages->data + index * XVM_INPUT_PAGE_BYTES;
}

struct xvm_input {
	const char *name;
	struct xvm_pages pages;
	uint64_t available; /* pages there are; pages.count of them were read */
	uint32_t *distinct; /* indices of the pages that are not same-filled, in order */
	size_t distinct_count;
};

/* Where the C library lies: on Debian what is for this kind of machine. NULL: not known. */
const char *xvm_libc_directory(void);

/*
 * Names of the inputs: those given, or the C library's directory and /usr/bin where given_count
 * is 0. Their number is in *count. Points to given or to static storage.
 */
const char *const *xvm_input_names(char *const *given, size_t given_count, size_t *count);

/*
 * Read the input called name, up to max_bytes of it. Returns 0, or XVM_FAILED after saying
 * what is wrong. End it with xvm_input_fini in either case.
 */
int xvm_input_load(struct xvm_input *input, const char *name, uint64_t max_bytes);
void xvm_input_fini(struct xvm_input *input);

/* Pages of one repeated word among those read. */
uint64_t xvm_input_same_filled(const struct xvm_input *input);

#endif
