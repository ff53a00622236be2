/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * mmap_internal.h: the mmap provider over a system that the caller describes, so that tests see
 * larger OS pages than the machine has.
 */
#ifndef XVI_MMAP_INTERNAL_H
#define XVI_MMAP_INTERNAL_H

#include "os_memory.h"

#include <xvmalloc/provider_mmap.h>

/* As xv_provider_mmap_create; facts are multiples of the true ones. */
int xvi_provider_mmap_create_on(struct xv_provider **out,
				const struct xv_provider_mmap_options *options,
				const struct xvi_os_facts *facts);

#endif
