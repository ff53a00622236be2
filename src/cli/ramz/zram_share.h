/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_share.h: a zram device that several threads use at once.
 *
 * The device is made, and removed whatever happens, by zram_device.h, whose transfers are
 * for one thread. Here it is opened once more, O_DIRECT, so that pages go to it straight
 * from where they lie. Locking: none; reads and writes may come from any thread.
 */
#ifndef RAMZ_CLI_ZRAM_SHARE_H
#define RAMZ_CLI_ZRAM_SHARE_H

#include "zram_device.h"

struct rzc_zram_share {
	struct xvf_zram *device; /* NULL: there is none */
	int fd;
};

/*
 * Make a device of so many pages with the codec called algorithm. Returns 0; or -1 with
 * one line in why, and there is none.
 */
int rzc_zram_share_open(struct rzc_zram_share *share, const char *algorithm, uint64_t pages,
			char *why, size_t why_bytes);
void rzc_zram_share_close(struct rzc_zram_share *share);

#endif
