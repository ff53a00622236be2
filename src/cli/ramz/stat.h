/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat.h: a served disk in one line, for ramz serve. Locking: none.
 */
#ifndef RAMZ_CLI_STAT_H
#define RAMZ_CLI_STAT_H

/* Print what disk the control socket at this path is of; nothing where it does not answer. */
void rzc_stat_headline(const char *path);

#endif
