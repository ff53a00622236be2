/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_io.c: requests of clients; see disk_io.h.
 */
#include "disk_io.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "nbdkit_api.h"
#include "tell.h"

/* ---- errors ---- */

/* At the limit every write would print this. */
static void disk_say_full(struct rzn_disk *disk)
{
	struct ramz_stats stats;

	if (!rzn_now_and_then(&disk->full_said_at))
		return;
	ramz_get_stats(disk->store, &stats);
	rzn_tell("no space: the disk holds %llu bytes of memory, hard-limit is %llu. All that is "
		 "stored can be read; discard data (fstrim), or raise the limit",
		 (unsigned long long)stats.held_bytes, (unsigned long long)stats.hard_limit_bytes);
}

/* Say why a call on the store failed, and set nbdkit's error number. Returns -1. */
static int disk_fail(struct rzn_disk *disk, const char *what, uint64_t offset, int err)
{
	unsigned long long at = offset;
	int error = EIO;

	switch (err) {
	case -XV_ENOSPC:
		disk_say_full(disk);
		error = ENOSPC;
		break;
	case -XV_ENOMEM:
		rzn_tell("%s at %llu: the system gives no more memory; free some, or set "
			 "hard-limit= below what there is",
			 what, at);
		error = ENOMEM;
		break;
	case -XV_EBADMSG:
		rzn_tell("%s at %llu: the stored page is damaged, which points to bad memory; "
			 "write or discard the page to be rid of it",
			 what, at);
		break;
	default:
		rzn_tell("%s at %llu: %s", what, at, strerror(-err));
	}
	nbdkit_set_error(error);
	return -1;
}

/* When nbdkit must end, it refuses requests by itself, except those that it has begun. */
static int disk_refuse(void)
{
	nbdkit_set_error(ESHUTDOWN);
	return -1;
}

/* ---- requests ---- */

static bool is_one_page(const struct rzn_disk *disk, uint32_t count, uint64_t offset)
{
	return count == disk->page_bytes && (offset & (disk->page_bytes - 1)) == 0;
}

/* Is another try worth it? Other threads may use the whole window of a provider, but for no
 * longer than a page takes. */
static bool try_again(int err, unsigned *tries)
{
	enum { TRIES_MAX = 10000 };
	const struct timespec pause = {.tv_nsec = 50000};

	if (err != -XV_EAGAIN || ++*tries > TRIES_MAX)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

int rzn_disk_read(struct rzn_disk *disk, void *buf, uint32_t count, uint64_t offset)
{
	unsigned tries = 0;
	int err;

	do {
		err = is_one_page(disk, count, offset)
			      ? ramz_read_page(disk->store, offset / disk->page_bytes, buf)
			      : ramz_read(disk->store, offset, buf, count);
	} while (try_again(err, &tries));
	return err == 0 ? 0 : disk_fail(disk, "read", offset, err);
}

int rzn_disk_write(struct rzn_disk *disk, const void *buf, uint32_t count, uint64_t offset)
{
	unsigned tries = 0;
	int err;

	if (!rzn_disk_change_begin(disk))
		return disk_refuse();
	do {
		err = is_one_page(disk, count, offset)
			      ? ramz_write_page(disk->store, offset / disk->page_bytes, buf)
			      : ramz_write(disk->store, offset, buf, count, NULL);
	} while (try_again(err, &tries));
	rzn_disk_change_end(disk);
	return err == 0 ? 0 : disk_fail(disk, "write", offset, err);
}

/* To drop a page is fast; to zero a part of one is a write. */
static bool holds_whole_page(const struct rzn_disk *disk, uint32_t count, uint64_t offset)
{
	uint64_t mask = disk->page_bytes - 1;

	assert(disk->page_bytes != 0 && (disk->page_bytes & mask) == 0);
	return ((offset + mask) & ~mask) + disk->page_bytes <= offset + count;
}

/* The caller has begun a change; this ends it. */
static int disk_discard(struct rzn_disk *disk, uint32_t count, uint64_t offset)
{
	unsigned tries = 0;
	int err;

	do {
		err = ramz_discard(disk->store, offset, count);
	} while (try_again(err, &tries));
	rzn_disk_change_end(disk);
	return err;
}

int rzn_disk_zero(struct rzn_disk *disk, uint32_t count, uint64_t offset, bool fast)
{
	int err;

	if (fast && !holds_whole_page(disk, count, offset)) {
		nbdkit_set_error(EOPNOTSUPP);
		return -1;
	}
	if (!rzn_disk_change_begin(disk))
		return disk_refuse();
	err = disk_discard(disk, count, offset);
	return err == 0 ? 0 : disk_fail(disk, "zero", offset, err);
}

int rzn_disk_trim(struct rzn_disk *disk, uint32_t count, uint64_t offset)
{
	int err;

	if (!rzn_disk_change_begin(disk))
		return disk_refuse();
	err = disk_discard(disk, count, offset);
	/* A trim is advice: if zeros at its edges find no memory, the old bytes stay. */
	if (err == 0 || err == -XV_ENOSPC || err == -XV_ENOMEM)
		return 0;
	return disk_fail(disk, "trim", offset, err);
}

int rzn_disk_flush(struct rzn_disk *disk)
{
	int err = ramz_flush(disk->store);

	return err == 0 ? 0 : disk_fail(disk, "flush", 0, err);
}
