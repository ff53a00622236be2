/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size.h: sizes and spans of time as people read and write them. Sizes are read by
 * size_text.h. Locking: none. O(1).
 */
#ifndef RAMZ_CLI_SIZE_H
#define RAMZ_CLI_SIZE_H

#include "base.h"

#define RZC_SIZE_TEXT_BYTES 32U

/* The largest size that is taken anywhere: 2^60 bytes. */
#define RZC_SIZE_MAX (UINT64_C(1) << 60)

/* The whole of text is a size as size_text.h reads it, of [min, max] bytes: store it. */
bool rzc_size_parse(const char *text, uint64_t min, uint64_t max, uint64_t *bytes);

/* A size given for an option that is about memory: also a percentage of it (ramz_memory_bytes).
 * Returns 0, or XVM_FAILED when it was said what is wrong. */
int rzc_size_of_memory(const char *option, const char *text, uint64_t min, uint64_t *bytes);

/* "0 B", "4 KiB", "1.50 GiB": three digits that count. Returns text. */
const char *rzc_size_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes);

/* "850 ns", "1.2 us", "3 ms". Returns text. */
const char *rzc_nanoseconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t ns);

/* "12 s", "3 min 5 s", "2 h 10 min", "5 d 1 h". Returns text. */
const char *rzc_seconds_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t seconds);

#endif
