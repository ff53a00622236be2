/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/backing.h: pages on a backing device: a file, a disk, or code of the caller's.
 *
 * The model:
 *   - A store may have one backing device. ramz_writeback moves pages there, as they are: the
 *     forms of many pages are packed into a segment, which is written at once.
 *   - A page on the device takes its slot in memory, 8 bytes, and nothing else. A read brings it
 *     back through the device, and leaves it there. A write puts the new page into memory.
 *   - What is overwritten or discarded leaves dead space in its segment. ramz_writeback and
 *     ramz_clean move what is live out of the emptiest segments, to use them again.
 *   - Every form on the device has a checksum. A damaged one makes the reads of its page alone
 *     fail, also where a device drops a write and says that it was done.
 *   - A write to the device that fails loses nothing: its pages stay in memory.
 *   - ramz_checkpoint makes the device hold the whole store as it is at one moment; ramz_open makes
 *     a store of the last completed checkpoint. The device is written in place, and what the last
 *     completed checkpoint needs is not overwritten. So a process or machine that ends at any
 *     moment leaves that checkpoint, page for page. Nothing else is durable: a finished write, or a
 *     flush of a disk that is served, is memory until the next checkpoint or save.
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

#include <ramz/ramz.h>
#include <ramz/tiers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a segment. Writes to a device are of this length, at multiples of it, and with
 * checkpoints also of 4096 bytes within the first segment. */
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

	/* Optional, for checkpoints: return when all that was written before is durable. 0 or a
	 * negative errno. With it the first segment is for checkpoints, and must read as zeros when
	 * it was never written. */
	int (*flush)(void *context);
};

/*
 * Give the store a device. Returns 0, -XV_EINVAL (null, a function that is missing, a bad size or
 * alignment), -XV_EBUSY (it has one), -EEXIST (the device holds a checkpoint, which would be lost:
 * open it with ramz_open, or write zeros into its first segment), -XV_EBADMSG (its first segment
 * holds something else than zeros), -XV_ENOMEM, -XV_ENOSPC (the hard limit leaves no room for 16
 * bytes for each segment and 600 KiB of buffers), or what a read failed with. O(segments).
 */
XV_API XV_MUST_USE int ramz_attach(struct ramz *store, const struct ramz_backing *backing);

/*
 * Write the store as it is at one moment to its device, and make that durable: pages that are in
 * memory as forms in new segments, then the table of all pages. Other calls go on, as in ramz_save.
 * What only the checkpoint before needed is free afterwards. Keep room on the device for the forms
 * that are in memory, three times, for the table, 8 bytes for each page, twice, and some segments.
 *
 * Returns 0, -XV_EINVAL (null, no device), -XV_ENOTSUP (the device cannot flush, or a codec's name
 * has more than 23 bytes), -XV_EBUSY (memory ran short for pages that were written meanwhile: try
 * again), -XV_ENOSPC (the device is full), -XV_E2BIG (a table of more than 16 GiB), -XV_EBADMSG (a
 * damaged page), -XV_ENOMEM, or what the device failed with. After an error the device holds the
 * last completed checkpoint, or this one if only its last flush failed. The next call may succeed;
 * but not after a failed flush of a file (ramz_backing_file_open): save the store elsewhere. One
 * checkpoint or save runs at a time. O(table + forms in memory).
 */
XV_API XV_MUST_USE int ramz_checkpoint(struct ramz *store);

/*
 * The same to another device, which holds none, and which the store does not use: all pages are
 * written to it, also those that are on the store's own. The device need not outlive the call.
 * Returns as ramz_checkpoint; -EEXIST or -XV_EBADMSG for the device as ramz_attach, and -XV_ENOSPC
 * too when the hard limit leaves no room for the table of its segments. O(table + forms).
 */
XV_API XV_MUST_USE int ramz_save_backing(struct ramz *store, const struct ramz_backing *backing);

/* Does the device hold a checkpoint? 1, 0, -XV_EBADMSG (what says so is damaged), -XV_EINVAL (not a
 * device), -XV_ENOMEM, or what a read failed with. Its contents may be damaged all the same. */
XV_API int ramz_backing_holds(const struct ramz_backing *backing);

/*
 * Make a store of the last completed checkpoint, with the device as its backing device. Options,
 * codecs and reason are as for ramz_load. Pages stay on the device until they are written; none is
 * read. A store that was made without checksums does not get them here: -XV_EINVAL. Returns as
 * ramz_load; -XV_EBADMSG too if the device holds no checkpoint, or one that is damaged: then it is
 * left as it is. Fewer segments than the device had are refused with -XV_EINVAL; more are used.
 * O(table).
 */
XV_API XV_MUST_USE int ramz_open(struct ramz **store, const struct ramz_options *options,
				 const struct ramz_codec *const *codecs, size_t codec_count,
				 const struct ramz_backing *backing, const char **reason);

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
	uint64_t next;          /* page behind the last one looked at; UINT64_MAX = all were */
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
	bool holds;          /* the device holds a completed checkpoint */
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
	uint64_t damaged;       /* reads that found another checksum */
	uint64_t checkpoints;   /* completed */
	uint64_t kept_segments; /* without a page now, that the last checkpoint needs */
};

/* Returns 0 or -XV_EINVAL (null). O(threads). */
XV_API int ramz_get_backing_stats(struct ramz *store, struct ramz_backing_stats *stats);

/* On Windows the library has none of the three functions below. */

/*
 * A file or block device as a backing device. The path must not be in use by another. size_bytes is
 * what a regular file may take, and its blocks come as they are written; 0 takes what is there. A
 * file is never made shorter. direct asks for O_DIRECT: the system then keeps no copy of it in
 * memory. What holds anything else is left as it is: the first 256 KiB must be zeros, or the file
 * must have been a backing file before; else -EEXIST. Returns 0 or a negative errno; -EBUSY:
 * another process has it; -EFBIG: the device is smaller; -ENOTBLK: neither kind. End it with
 * ramz_backing_file_close, after ramz_detach or ramz_destroy.
 */
XV_API XV_MUST_USE int ramz_backing_file_open(struct ramz_backing *backing, const char *path,
					      uint64_t size_bytes, bool direct);
XV_API void ramz_backing_file_close(struct ramz_backing *backing);

/*
 * ramz_save_backing to a new file, which may become so long. It gets its name when it is complete
 * and durable; a process that is killed before that leaves PATH.XXXXXX. Returns as
 * ramz_save_backing, 0 or a negative errno: -EEXIST, there is a file.
 */
XV_API XV_MUST_USE int ramz_save_backing_file(struct ramz *store, const char *path,
					      uint64_t size_bytes);

#ifdef __cplusplus
}
#endif
#endif
