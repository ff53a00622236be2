/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size_text.h: a number of bytes as people type it. Every front end reads sizes with this.
 *
 *   4096  64k  512M  1.5G  2GiB  1T      K, M, G, T, P and E are powers of 1024, in capitals
 *                                        or not, with iB behind them or not; 4096B is bytes
 *   25%                                  of the memory, where the caller says how much that is
 *
 * KB, MB and so on are refused: half of their users mean powers of 1000. A part of a byte is
 * dropped. No sign, no space, no exponent.
 *
 * May call: the C library. Locking: none, no state. O(length).
 */
#ifndef XVT_SIZE_TEXT_H
#define XVT_SIZE_TEXT_H

#include <stdint.h>

/*
 * Read the whole of text. memory_bytes is what a percentage is of; 0 where none is taken. Returns
 * NULL, and the size is in *bytes (which may be 0); or one line that says what is wrong with the
 * text and what would be right, without the text (static storage), and *bytes is untouched.
 */
const char *xvt_size_parse(const char *text, uint64_t memory_bytes, uint64_t *bytes);

#endif
