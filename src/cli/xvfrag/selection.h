/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * selection.h: the allocators of a run, from --allocator. Locking: none.
 */
#ifndef XVFRAG_SELECTION_H
#define XVFRAG_SELECTION_H

#include "registry.h"
#include "base.h"

struct xvf_selected {
	char *spec;                    /* NAME, NAME:ARGUMENT or plugin:PATH */
	const struct xvm_entry *entry; /* NULL for a plugin: known when it runs */
};

struct xvf_selection {
	struct xvf_selected *items;
	size_t count;
	size_t capacity;
};

/*
 * The allocators of a comma-separated list, for a run on so many threads; NULL or "all"
 * stands for all that are built in. A name that comes twice counts once. Returns 0, or
 * XVM_FAILED after naming what is wrong and what there is.
 */
int xvf_selection_parse(struct xvf_selection *selection, const char *list, unsigned threads);

void xvf_selection_fini(struct xvf_selection *selection);

/* Print the allocators, the codecs, and whether each can run here. */
void xvf_selection_list(void);

#endif
