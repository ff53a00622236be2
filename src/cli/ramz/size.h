/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size.h: sizes and times as people read them. Locking: none. O(1).
 */
#ifndef RAMZ_CLI_SIZE_H
#define RAMZ_CLI_SIZE_H

#include "base.h"

#define RZC_SIZE_TEXT_BYTES 32U

/* "0 B", "4 KiB", "1.50 GiB": three digits that count. Returns text. */
const char *rzc_size_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes);

/* "850 ns", "1.2 us", "3 ms". Returns text. */
const char *rzc_nanoseconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t ns);

#endif
