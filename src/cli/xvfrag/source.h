/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.h: one input, from its name to the operations that it drives.
 *
 * Locking: none. O(pages + operations).
 */
#ifndef XVFRAG_INPUT_H
#define XVFRAG_INPUT_H

#include "options.h"
#include "report.h"
#include "workload.h"

struct xvf_input {
	struct xvm_pages pages; /* empty for sizes and traces */
	struct xvm_sizes sizes; /* empty for traces */
	struct xvm_workload workload;
	int workload_fd; /* sealed; -1 until then */
};

/* What an input's name names. */
enum xvf_input_kind { XVF_INPUT_PAGES, XVF_INPUT_SIZES, XVF_INPUT_TRACE };

/*
 * Read the input called name, say what it came to in *facts, and seal its
 * workload. Returns 0, or XVM_FAILED after saying what is wrong. End it with
 * xvf_input_fini in either case.
 */
int xvf_input_load(struct xvf_input *input, enum xvf_input_kind kind, const char *name,
		   const struct xvf_options *options, struct xvf_input_facts *facts);
void xvf_input_fini(struct xvf_input *input);

#endif
