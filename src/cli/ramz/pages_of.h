/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pages_of.h: the pages of one input, and which of them are not same-filled.
 *
 * Inputs are xvfrag's: files, directories, pid:N; without any, the C library's directory
 * and /usr/bin. Locking: none. O(pages).
 */
#ifndef RAMZ_CLI_PAGES_OF_H
#define RAMZ_CLI_PAGES_OF_H

#include "options.h"
#include "pages.h"

struct rzc_input {
	const char *name;
	struct xvf_pages pages;
	uint64_t available; /* pages there are; pages.count of them were read */
	uint32_t *distinct; /* indices of the pages that are not same-filled, in order */
	size_t distinct_count;
};

/* Names of the inputs: those of the command line, or the defaults. Their number in
 * *count. Points to argv or static storage. */
const char *const *rzc_input_names(const struct rzc_options *options, size_t *count);

/*
 * Read the input called name, up to max_bytes of it. Returns 0, or XVF_FAILED after saying
 * what is wrong. End it with rzc_input_fini in either case.
 */
int rzc_input_load(struct rzc_input *input, const char *name, uint64_t max_bytes);
void rzc_input_fini(struct rzc_input *input);

/* Pages of one repeated word among those read. */
uint64_t rzc_input_same_filled(const struct rzc_input *input);

/* "16384 of 52311 pages" and so on, a heading without its end of line. */
void rzc_input_heading(const struct rzc_input *input);

#endif
