/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * size_text.h: a number of bytes as people type it, for every front end.
 *
 *   4096  64k  512M  1.5G  2GiB  1T      K, M, G, T, P and E are powers of 1024, upper or lower
 *                                        case, with or without iB; 4096B is bytes
 *   25%                                  of the memory, if the caller says how much that is
 *
 * KB, MB and so on are refused: half of their users mean powers of 1000. Parts of a byte are
 * dropped. No sign, no space, no exponent.
 *
 * May call: the C library. Locking: none, no state. O(length).
 */
#ifndef XVT_SIZE_TEXT_H
#define XVT_SIZE_TEXT_H

#include <stdint.h>

/*
 * Read the whole text. memory_bytes is the base of a percentage; 0 = none is accepted. Returns
 * NULL, and stores the size in *bytes (it may be 0); or returns one line that says what is wrong
 * with the text and how to mend it, without the text (static storage), and leaves *bytes untouched.
 */
const char *xvt_size_parse(const char *text, uint64_t memory_bytes, uint64_t *bytes);

#endif
