/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * preload.h: where the preloaded allocators' libraries may lie. Only the registry
 * needs it; xvm_preload_path itself is declared in registry.h.
 */
#ifndef XVM_ALLOCATORS_PRELOAD_H
#define XVM_ALLOCATORS_PRELOAD_H

/* Debian package that has the library, or the library's name when none is known. */
const char *xvm_preload_package(const char *soname);

#endif
