/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.h: a workload played on one allocator, in this process.
 *
 * Everything the replay needs is taken and touched before the resident set is
 * first read, so that what it grows by afterwards is the allocator's. Timed are
 * the allocator's calls alone, alloc and free, each as one operation; objects are filled
 * outside the timed stretch, with bytes that are random and differ from object to object. At
 * the end of each phase all live objects are compared with what they were filled with.
 *
 * On several threads each plays the operations on its own objects (worker.h), all at once,
 * with a barrier between the phases; counted, compared and compacted is at the barriers.
 *
 * Call from one thread. O(operations).
 */
#ifndef XVFRAG_REPLAY_H
#define XVFRAG_REPLAY_H

#include "child.h"

/*
 * Play run's workload on a heap of the plugin with these settings (NULL = none), and put what
 * was found into run. Returns 0, or XVM_FAILED with run->failure set.
 */
int xvf_replay(struct xvf_run *run, const struct xvfrag_plugin *plugin, const char *settings);

#endif
