/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.h: the command line.
 *
 * Strings point into argv. Locking: none.
 */
#ifndef XVFRAG_OPTIONS_H
#define XVFRAG_OPTIONS_H

#include <ramz/codec.h>

#include "base.h"

struct xvf_options {
	char **inputs; /* FILE, DIRECTORY or pid:N; none = the defaults */
	size_t input_count;
	const char *allocators; /* comma-separated, or NULL = all */
	const struct ramz_codec *codec;
	int32_t level;
	uint64_t seed;
	uint32_t objects; /* 0 = as many as the input gives */
	unsigned threads;
	bool cross; /* objects are freed by another thread */
	uint64_t max_input_bytes;
	unsigned timeout_s; /* of one allocator on one input */
	const char *sizes_path;
	const char *trace_path;
	const char *record_path;
	const char *json_path; /* "-" = standard output; NULL = none */
	const char *csv_path;
	const char *plot_dir;
	const char *frontier_path; /* ends in .png, .svg or .dat */
	bool list;
	bool help;
	bool version;
	bool quiet;
};

/*
 * Read the command line. Returns 0, or XVM_FAILED after saying what is wrong with
 * it and what would be right.
 */
int xvf_options_parse(struct xvf_options *options, int argc, char **argv);

/* Does the result go to standard output in a machine's form? Then no table does. */
bool xvf_options_stdout_taken(const struct xvf_options *options);

/* Print what --help prints. */
void xvf_options_help(void);

#endif
