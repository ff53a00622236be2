/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * json.h: what the JSON forms of the programs have in common, through jansson.
 * Locking: none.
 */
#ifndef XVM_JSON_H
#define XVM_JSON_H

#include <jansson.h>

#include "input.h"

/* The root, with schema and machine. */
json_t *xvm_json_root(const char *schema);

/* What it was measured on. */
json_t *xvm_json_machine(void);

/* Text that need not be UTF-8: what is not ASCII is then a question mark. */
json_t *xvm_json_text(const char *text);
json_t *xvm_json_count(uint64_t value);

/* A number, or null where it means nothing. */
json_t *xvm_json_count_if(bool there, uint64_t value);
json_t *xvm_json_real_if(bool there, double value);

/* What was read of an input. */
json_t *xvm_json_input(const struct xvm_input *input);

/* Write to path, "-" for standard output, and let go of the root. Returns 0 or XVM_FAILED
 * after saying why. */
int xvm_json_write(json_t *root, const char *path);

#endif
