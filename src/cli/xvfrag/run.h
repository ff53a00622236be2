/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * run.h: which allocators run, and the run as a whole. Locking: none. O(inputs * allocators).
 */
#ifndef XVFRAG_RUN_H
#define XVFRAG_RUN_H

#include "report.h"

/* An allocator of a run. */
struct xvf_selected {
	char *spec;                    /* NAME, NAME:SETTINGS or plugin:PATH */
	const struct xvm_entry *entry; /* NULL for a plugin: only its child loads it */
	bool drawn;                    /* in plots */
};

struct xvf_selection {
	struct xvf_selected *items;
	size_t count;
	size_t capacity;
};

/*
 * The allocators of a comma-separated list, for a run on so many threads; "all" stands for all
 * that are built in. A name that comes twice counts once. Returns 0, or XVM_FAILED after naming
 * what is wrong and what there is. End it with xvf_selection_fini in either case.
 */
int xvf_selection_parse(struct xvf_selection *selection, const char *list, unsigned threads);
void xvf_selection_fini(struct xvf_selection *selection);

/* Print the allocators, and whether each can run here. */
void xvf_list(void);

/* Run the selected allocators on all inputs and write the results. Returns an exit status. */
int xvf_run(const struct xvf_options *options, const struct xvf_selection *selection);

#endif
