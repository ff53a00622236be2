/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * builtin.h: the allocators built into xvfrag, one file each, all written to the
 * plugin interface. The registry lists them; nobody else needs this header.
 */
#ifndef XVM_ALLOCATORS_BUILTIN_H
#define XVM_ALLOCATORS_BUILTIN_H

#include <xvmalloc/xvfrag_plugin.h>

extern const struct xvfrag_plugin xvm_allocator_xvmalloc;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_nosplit;
extern const struct xvfrag_plugin xvm_allocator_xvmalloc_keyed;
extern const struct xvfrag_plugin xvm_allocator_ideal;
extern const struct xvfrag_plugin xvm_allocator_malloc;
extern const struct xvfrag_plugin xvm_allocator_tlsf;
extern const struct xvfrag_plugin xvm_allocator_slub;
extern const struct xvfrag_plugin xvm_allocator_slob;

#endif
