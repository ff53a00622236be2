/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_absent.c: stands for control.c and stats_file.c where there is no jansson. The
 * parameters that lead here are refused by config.c, so that nothing here is ever reached.
 */
#include "control.h"
#include "stats_file.h"

int rzn_control_start(struct rzn_disk *disk, const char *path)
{
	(void)disk;
	(void)path;
	return -1;
}

void rzn_control_stop(void)
{
}

int rzn_stats_write(struct rzn_disk *disk, const char *path)
{
	(void)disk;
	(void)path;
	return -1;
}
