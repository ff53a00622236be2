/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * run.h: the run as a whole: every allocator on every input. Locking: none.
 */
#ifndef XVFRAG_RUN_H
#define XVFRAG_RUN_H

#include "options.h"
#include "selection.h"

/*
 * Read the inputs, run the allocators, write what was asked for. Returns an exit
 * status; a failure has been said.
 */
int xvf_run(const struct xvf_options *options, const struct xvf_selection *selection);

#endif
