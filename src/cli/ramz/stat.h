/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat.h: how ramz stat prints a disk. Everything goes to standard output. Locking: none.
 */
#ifndef RAMZ_CLI_STAT_H
#define RAMZ_CLI_STAT_H

#include <stdio.h>

#include "disk.h"

/* "4 GiB in pages of 4 KiB, lz4 level 1; process 12, up 3 min 5 s", without an end of line. */
void rzc_stat_line(const struct rzc_disk *disk);

/* The table. */
void rzc_stat_table(const struct rzc_disk *disk);

/* mm_stat and io_stat, each as the kernel prints it, behind its name. */
void rzc_stat_zram(const struct rzc_disk *disk);

/* Lines "Name: value", as the control program of ramzswap had them for a device without
 * a backing swap. */
void rzc_stat_rzscontrol(const struct rzc_disk *disk);

/* Headings of the live table, and a line of it: now, and what happened between before and
 * now, which are seconds apart. before is NULL for the first line, which has no rates. */
void rzc_stat_watch_heading(void);
void rzc_stat_watch(const struct rzc_disk *before, const struct rzc_disk *now, double seconds);

#endif
