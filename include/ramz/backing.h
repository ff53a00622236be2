/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/backing.h: pages on a backing device: a file, a disk, or code of the caller's.
 *
 * The model:
 *   - A store may have one backing device. ramz_writeback moves pages there, as they are: the
 *     forms of many pages are packed into a segment, which is written at once.
 *   - A page on the device takes its slot in memory, 8 bytes, and nothing else. A read brings it
 * back through the device, and leaves it there. A write puts the new page into memory.
 *   - What is overwritten or discarded leaves dead space in its segment. ramz_writeback and
 *     ramz_clean move what is live out of the emptiest segments, to use them again.
 *   - Every form on the device has a checksum. A damaged one makes the reads of its page alone
 *     fail. But where a device drops a write and says that it was done, an older form of the same
 *     page may be in its place, and passes.
 *   - A write to the device that fails loses nothing: its pages stay in memory.
 *   - The device is memory, not storage: what is on it means nothing to another store, or after
 * this one has ended. ramz_save saves all pages, wherever they are.
 *
 * Thread safety: any thread may make any call at any time, as in ramz/ramz.h. The device's
 * functions are called by several threads at once. ramz_detach must have returned before the device
 * ends.
 *
 * Source: compcache's backing swap (N. Gupta, 2009); zram's writeback; log-structured cleaning
 * (Rosenblum and Ousterhout, 1992).
 */
#ifndef RAMZ_BACKING_H
#define RAMZ_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ramz/tiers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a segment. Writes to a device are of this length, at multiples of it. */
#define RAMZ_SEGMENT_BYTES ((size_t)256 << 10)

/* How long a device may be. */
#define RAMZ_BACKING_BYTES_MIN (4 * (uint64_t)RAMZ_SEGMENT_BYTES)
#define RAMZ_BACKING_BYTES_MAX ((uint64_t)1 << 40)

/* A device. It must outlive its use by a store. */
struct ramz_backing {
	void *context;       /* first argument of its functions */
	uint64_t size_bytes; /* RAMZ_BACKING_BYTES_MIN to RAMZ_BACKING_BYTES_MAX */
	size_t align_bytes;  /* offsets, lengths and addresses of reads are multiples of it: a power
			      * of two, 1 to 4096 */

	/* Read or write bytes at an offset. Return 0 or a negative errno. A read of what was
	 * never written may give anything. */
	int (*read)(void *context, uint64_t offset, void *dst, size_t bytes);
	int (*write)(void *context, uint64_t offset, const void *src, size_t bytes);

	/* Optional: these bytes are no longer needed. */
	void (*discard)(void *context, uint64_t offset, uint64_t bytes);
};

/*
 * Give the store a device. Returns 0, -XV_EINVAL (null, a function that is missing, a bad size or
 * alignment), -XV_EBUSY (it has one), -XV_ENOMEM, or -XV_ENOSPC (the hard limit leaves no room
 * for 12 bytes for each segment and 600 KiB of buffers). O(segments).
 */
XV_API XV_MUST_USE int ramz_attach(struct ramz *store, const struct ramz_backing *backing);

/*
 * Bring every page back into memory and take the device away. Returns 0 (also when there is none),
 * -XV_EINVAL (null), -XV_ENOSPC or -XV_ENOMEM (no room), -XV_EBUSY (ramz_writeback or the policy
 * moved pages there meanwhile), or what a read failed with. After an error the store keeps the
 * device and the pages that did not come back. A page that cannot be read is given up with
 * ramz_discard or a write. O(pages on the device).
 */
XV_API XV_MUST_USE int ramz_detach(struct ramz *store);

/* Which pages ramz_writeback moves. Zeros: all. */
struct ramz_writeback_options {
	uint32_t min_age;   /* only pages of this age and older, 0 to RAMZ_AGE_MAX */
	uint32_t min_bytes; /* only pages whose form is at least this long: the page size = raw ones
			     */
	uint64_t first;     /* first page to look at */
	uint64_t count;     /* pages to look at; 0 = to the end */
	uint64_t pages_max; /* end after this many; 0 = no such end */
	uint64_t goal_bytes; /* end when held bytes are at most this; 0 = no such end */
	uint64_t write_max;  /* end before more bytes than this are written to the device, but for
			      * cleaning that has begun; 0 = no such end */
};

struct ramz_writeback_report {
	uint64_t pages;         /* moved to the device */
	uint64_t form_bytes;    /* their forms, without checksums */
	uint64_t written_bytes; /* to the device, dead space and moved forms included */
	uint64_t next;          /* page behind the last one looked at; UINT64_MAX = the end */
};

/*
 * Move pages with an object that no other slot shares to the device. Returns 0, -XV_EINVAL (null,
 * no device, an age above RAMZ_AGE_MAX), -XV_ERANGE (first), -XV_ENOSPC (the device is full),
 * -XV_ENOMEM, -XV_EBADMSG (a damaged page; report->next is behind it), or what a write failed with:
 * its pages are in memory. report may be NULL, and is filled on errors too. O(pages looked at).
 */
XV_API XV_MUST_USE int ramz_writeback(struct ramz *store,
				      const struct ramz_writeback_options *options,
				      struct ramz_writeback_report *report);

/* Empty the emptiest segments until this many are free. Returns 0, -XV_EINVAL (null, no device),
 * -XV_ENOSPC (no segment has dead space to gain), -XV_ENOMEM, or what the device failed with. */
XV_API XV_MUST_USE int ramz_clean(struct ramz *store, uint64_t free_segments);

struct ramz_backing_stats {
	bool attached;
	uint64_t pages;      /* on the device now */
	uint64_t live_bytes; /* their forms, with headers */
	uint64_t segments;   /* of the device */
	uint64_t free_segments;
	uint64_t reads;         /* pages read from it, since it was attached, as all below */
	uint64_t writes;        /* pages written to it by ramz_writeback */
	uint64_t moved;         /* pages that cleaning wrote again */
	uint64_t written_bytes; /* to it */
	uint64_t failed_reads;  /* that the device refused */
	uint64_t failed_writes;
	uint64_t damaged; /* reads that found another checksum */
};

/* Returns 0 or -XV_EINVAL (null). O(threads). */
XV_API int ramz_get_backing_stats(struct ramz *store, struct ramz_backing_stats *stats);

/*
 * A file or block device as a backing device. The path must not be in use by another. size_bytes is
 * what a regular file may take (-EINVAL below a segment), and its blocks come as they are written;
 * 0 takes what a block device has. direct asks for O_DIRECT: the system then keeps no copy of it in
 * memory. What holds anything else is left as it is: the first 256 KiB must be zeros, or the file
 * must have been a backing file before; else -EEXIST. Returns 0 or a negative errno; -EBUSY:
 * another process has it; -EFBIG: the device is smaller; -ENOTBLK: neither kind. End it with
 * ramz_backing_file_close, after ramz_detach or ramz_destroy.
 */
XV_API XV_MUST_USE int ramz_backing_file_open(struct ramz_backing *backing, const char *path,
					      uint64_t size_bytes, bool direct);
XV_API void ramz_backing_file_close(struct ramz_backing *backing);

#ifdef __cplusplus
}
#endif
#endif
