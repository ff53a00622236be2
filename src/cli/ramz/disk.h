/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.h: what a served disk tells about itself, out of the answer to "stat". Locking:
 * none. O(fields).
 */
#ifndef RAMZ_CLI_DISK_H
#define RAMZ_CLI_DISK_H

#include <jansson.h>

#include <ramz/stats.h>

#include "base.h"

/* The newest form of the answer that this program knows. */
#define RZC_DISK_FORMAT 1U

struct rzc_latency {
	uint64_t count; /* since the disk is served */
	uint64_t p50_ns, p99_ns, p99_99_ns;
};

struct rzc_disk {
	uint64_t pid;
	char codec[16];
	int64_t level;
	const char *file; /* in the answer; NULL = none */
	uint64_t uptime_seconds;
	uint64_t clients;        /* connections there are now */
	struct ramz_stats stats; /* of the pool's numbers only held_bytes */
	struct rzc_latency read, write;
};

/* Read the answer. Returns 0, or XVM_FAILED after saying that it is no such answer; path
 * is for that. disk->file lives as long as the answer. */
int rzc_disk_read(struct rzc_disk *disk, const json_t *answer, const char *path);

/* Contents by held bytes; 0 when there are no contents. */
double rzc_disk_ratio(const struct rzc_disk *disk);

#endif
