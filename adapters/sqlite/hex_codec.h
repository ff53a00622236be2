/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * hex_codec.h: the codec of database pages at rest: lz4 at its high levels, with runs of
 * hexadecimal digits packed.
 *
 * Databases hold digests and ids as text. lz4 keeps such digits as they are, a byte each; here
 * they take half a byte, and a page is read as fast as with lz4 alone. adapters/sqlite/README.md
 * has the figures. May call liblz4. Locking: none; one thread for each context. O(page).
 */
#ifndef RZS_HEX_CODEC_H
#define RZS_HEX_CODEC_H

#include <ramz/codec.h>

extern const struct ramz_codec rzs_hex_codec;

#endif
