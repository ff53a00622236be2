/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * trace.h: recorded allocations and frees, as text, one a line.
 *
 *   a ID SIZE   allocate SIZE bytes under the name ID (any number that is not in use)
 *   f ID        free what ID names
 *   r ID SIZE   give what ID names another size: in the workload a put into its full slot
 *
 * The workload has two phases: "peak", up to the operation that makes the live bytes largest,
 * and "end", the rest.
 *
 * Locking: none. O(lines * log live objects).
 */
#ifndef XVM_TRACE_H
#define XVM_TRACE_H

#include "workload.h"

/*
 * Read the trace at path into an empty workload. Returns 0, or XVM_FAILED after
 * naming file, line and reason.
 */
int xvm_trace_read(struct xvm_workload *workload, const char *path);

#endif
