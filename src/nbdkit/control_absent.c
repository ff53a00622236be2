/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_absent.c: stands for control.c and stats_file.c in a build without jansson. config.c
 * refuses the parameters that lead here, so no call comes here.
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
