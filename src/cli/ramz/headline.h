/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * headline.h: a served disk in one line. Locking: none.
 */
#ifndef RAMZ_CLI_HEADLINE_H
#define RAMZ_CLI_HEADLINE_H

/* Print what disk the control socket is of; nothing where it does not answer, or the build
 * has no JSON. */
void rzc_headline(const char *control);

#endif
