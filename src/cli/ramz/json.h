/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * json.h: what the JSON forms of the subcommands have in common, through jansson where
 * the build found it (RAMZ_CLI_HAVE_JANSSON, 0 or 1). Locking: none.
 */
#ifndef RAMZ_CLI_JSON_H
#define RAMZ_CLI_JSON_H

#include "pages_of.h"

/* Was this program built with JSON? The command line refuses --json where not. */
bool rzc_json_available(void);

#if RAMZ_CLI_HAVE_JANSSON

#include <jansson.h>

/* The root, with schema, machine (null where not wanted) and codec options. */
json_t *rzc_json_root(const char *schema);

/* Text that need not be UTF-8: what is not ASCII is then a question mark. */
json_t *rzc_json_text(const char *text);
json_t *rzc_json_count(uint64_t value);

/* A number, or null where it means nothing. */
json_t *rzc_json_real_if(bool there, double value);

/* What was read of an input. */
json_t *rzc_json_input(const struct rzc_input *input);

/* Write to path, "-" for standard output, and let go of the root. Returns 0 or XVF_FAILED
 * after saying why. */
int rzc_json_write(json_t *root, const char *path);

#endif

#endif
