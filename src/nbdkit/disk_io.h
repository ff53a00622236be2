/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_io.h: requests of clients.
 *
 * Owns nothing. May call: ramz, nbdkit's error messages. Locking: none, from any thread. Each
 * returns 0, or -1 with nbdkit's error number set.
 */
#ifndef RZN_DISK_IO_H
#define RZN_DISK_IO_H

#include "disk.h"

/* Most bytes of one read or write in nbdkit. */
#define RZN_REQUEST_BYTES_MAX (64U << 20)

int rzn_disk_read(struct rzn_disk *disk, void *buf, uint32_t count, uint64_t offset);
int rzn_disk_write(struct rzn_disk *disk, const void *buf, uint32_t count, uint64_t offset);

/* Make the range read as zeros. With fast, refuse what a write of zeros would do as fast. */
int rzn_disk_zero(struct rzn_disk *disk, uint32_t count, uint64_t offset, bool fast);

/* The client no longer needs the range: it reads as zeros, as far as that takes no memory. */
int rzn_disk_trim(struct rzn_disk *disk, uint32_t count, uint64_t offset);

int rzn_disk_flush(struct rzn_disk *disk);

#endif
