/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * nbdkit_api.h: nbdkit's plugin interface, version 2, for every source of the plugin.
 */
#ifndef RZN_NBDKIT_API_H
#define RZN_NBDKIT_API_H

#include <stddef.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#endif
