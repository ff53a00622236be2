/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.h: the pages of one input, and which of them are not same-filled.
 *
 * Inputs are xvfrag's: files, directories, pid:N; without any, the C library's directory
 * and /usr/bin. Locking: none. O(pages).
 */
#ifndef XVM_INPUT_H
#define XVM_INPUT_H

#include "pages.h"

struct xvm_input {
	const char *name;
	struct xvm_pages pages;
	uint64_t available; /* pages there are; pages.count of them were read */
	uint32_t *distinct; /* indices of the pages that are not same-filled, in order */
	size_t distinct_count;
};

/* Names of the inputs: those given, or the defaults where given_count is 0. Their number is in
 * *count. Points to given or to static storage. */
const char *const *xvm_input_names(char *const *given, size_t given_count, size_t *count);

/*
 * Read the input called name, up to max_bytes of it. Returns 0, or XVM_FAILED after saying
 * what is wrong. End it with xvm_input_fini in either case.
 */
int xvm_input_load(struct xvm_input *input, const char *name, uint64_t max_bytes);
void xvm_input_fini(struct xvm_input *input);

/* Pages of one repeated word among those read. */
uint64_t xvm_input_same_filled(const struct xvm_input *input);

/* "16384 of 52311 pages" and so on, a heading without its end of line. */
void xvm_input_heading(const struct xvm_input *input);

#endif
