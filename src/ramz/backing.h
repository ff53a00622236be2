/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing.h: the segments of a backing device, and reading a page from it.
 *
 * A segment is forms one behind the other, each at a multiple of 8:
 *
 *    0  u64 slot   8  u32 bytes, tail included   12  u32 coding   16  u64 XXH3 of slot, bytes,
 *   coding, the device's id, the form and its tail, the segment's serial   24  the form with its
 *   tail
 *
 * The serial is another one each time the segment is filled, so that what an older filling left,
 * where a device dropped a write, is not taken for the new one.
 *
 * A slot's entry names the form's place and length (entry.h), so nothing is looked up. A segment is
 * written once, whole. Its live bytes go down as its pages are overwritten; at 0 it is free. A
 * reader that was overtaken (its page moved, and the segment was written again) finds another slot
 * or sum, and looks at its entry again.
 *
 * Invariants, while no call is running:
 *   B1  The live bytes of a segment are the sum over the entries that name it.
 *   B2  A free segment has no live bytes and no pins; the open ones are not in the free list.
 *   B3  What the last completed checkpoint names is pinned, and so not written again
 *       (checkpoint.c).
 *
 * Owns the segments. May call: the device, codecs.c. Locking: `lock` guards the table of segments;
 * store->backing_writing is held by the one call that writes. Reads take neither. O(form) to read.
 */
#ifndef RZI_BACKING_H
#define RZI_BACKING_H

#include <ramz/backing.h>

#include "store_impl.h"

enum {
	FORM_HEADER_BYTES = 24,
	FORM_ALIGN_BYTES = 8,
	IO_ALIGN_BYTES = 4096, /* the most that a device asks for */
};

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_OPEN, /* filled, or being written */
	SEGMENT_FULL,
};

struct rzi_segment {
	uint32_t live_bytes;
	uint32_t next;  /* of the free list: number + 1 */
	uint16_t state; /* enum segment_state */
	uint8_t pins;   /* checkpoints that need it: a bit each */
	bool stuck;     /* cleaning leaves it alone: it works on it, or cannot read all of it */
};

/* A form in a segment that is being filled. */
struct rzi_segment_item {
	uint64_t slot;
	uint64_t entry; /* the slot's entry when the form was copied */
	uint32_t at;    /* in the segment */
	uint32_t bytes; /* of the form with its tail */
	uint32_t coding;
};

struct rzi_backing {
	struct ramz_backing device;
	pthread_mutex_t lock;
	struct rzi_segment *segment;
	_Atomic uint32_t *serial; /* of each segment: of its last filling */
	uint32_t serials;         /* the last one given */
	uint32_t segments;
	uint32_t free; /* first free segment + 1 */
	uint32_t free_count;
	uint64_t id; /* of this use of the device */

	/* Of the call that has the snapshot (snapshot.h). */
	uint64_t generation;      /* of the last checkpoint tried; 0 = none was */
	uint32_t super;           /* place of the last completed one: 0 or 1 */
	_Atomic uint8_t good_pin; /* its bit; 0 = there is none */
	uint8_t doubt_pins;       /* of those whose superblock may be on the device */
	uint64_t checkpoints;
	_Atomic uint32_t kept; /* free segments that are left to the next one */

	/* The segment being filled: of the call that has store->backing_writing. */
	void *buffers;
	unsigned char *buffer;      /* RAMZ_SEGMENT_BYTES, aligned to 4096 */
	unsigned char *read_buffer; /* the same, for cleaning */
	struct rzi_segment_item *item;
	uint32_t items;
	uint32_t used_bytes;
	uint64_t written_bytes; /* since attach, as below; under `lock` */
	uint64_t failed_writes;
};

enum { SEGMENT_ITEMS_MAX = (int)(RAMZ_SEGMENT_BYTES / 128) };

/* The form of a backed page into the context's packed buffer. Returns its bytes, tail included;
 * -XV_EBUSY: the page has moved, so take the view again; -XV_EBADMSG; -XV_ENOMEM; or the device's
 * error. */
int rzi_backing_copy(struct rzi_context *context, uint64_t slot, const struct rzi_view *view);

/* The page of it. As above, or 0. */
int rzi_backing_read(struct rzi_context *context, uint64_t slot, const struct rzi_view *view,
		     void *dst);

/* Be the one call that writes: the device, or NULL when there is none. */
struct rzi_backing *rzi_backing_begin(struct ramz *store);
void rzi_backing_end(struct ramz *store);

bool rzi_backing_device_is_good(const struct ramz_backing *device);

/* Make it, without a free segment: rzi_segments_list makes the list. */
int rzi_backing_make(struct ramz *store, const struct ramz_backing *device,
		     struct rzi_backing **out);
void rzi_backing_drop(struct ramz *store, struct rzi_backing *backing);
void rzi_segments_list(struct rzi_backing *backing);

/* Give it to the store, which has none. Gate closed, or no other thread has the store. */
void rzi_backing_adopt(struct ramz *store, struct rzi_backing *backing);

/* Segments that hold checkpoints' superblocks, from 0 on. */
static inline uint32_t rzi_backing_first(const struct rzi_backing *backing)
{
	return backing->device.flush != NULL ? 1 : 0;
}

/* What the table has of a segment: with the lock. */
static inline struct rzi_segment *rzi_segment_at(struct rzi_backing *backing, uint32_t number)
{
	RZI_ASSERT(rzi_mutex_is_taken(&backing->lock));
	RZI_ASSERT(number < backing->segments);
	return &backing->segment[number];
}

/* Is it FULL, and nothing needs it? Then it is OPEN now: free it without the lock. */
bool rzi_segment_is_left(struct rzi_segment *segment);

/* Count a write of a whole segment. */
void rzi_backing_count_write(struct rzi_backing *backing, int err);

/* A free segment, of which `kept` stay: OPEN. UINT32_MAX: none. */
uint32_t rzi_segment_take(struct rzi_backing *backing, uint32_t kept);

/* It is written: FULL, or free when nothing needs it. */
void rzi_segment_close(struct rzi_backing *backing, uint32_t number);

/* Put the segment, which is OPEN, into the free list. Not under `lock`. */
void rzi_segment_free(struct rzi_backing *backing, uint32_t number);

/* Put a form with its tail, `bytes` of them, and its header at `at`; then its sum, when it is known
 * which segment it goes to. */
void rzi_form_put(unsigned char *at, uint64_t slot, uint32_t coding, const void *form,
		  uint32_t bytes);
void rzi_form_seal(const struct rzi_backing *backing, unsigned char *at, uint32_t bytes,
		   uint32_t number);

/* While less than a 4th of the segments are free, clean; also some that the last checkpoint needs,
 * which the next one frees. Best effort. */
void rzi_clean_for_checkpoint(struct ramz *store);

/* Half of the segments that are free after a checkpoint are left to the next one: there is nothing
 * to clean while all are pinned. */
void rzi_keep_for_checkpoint(struct rzi_backing *backing);

/* ramz_checkpoint; -XV_EAGAIN when another walk has the snapshot. */
int rzi_checkpoint_try(struct ramz *store);

/* What cleaning left alone may be cleaned now. */
void rzi_backing_unstick(struct rzi_backing *backing);

/* The checksum of a form whose header begins at `at`; its own place in the header is left out. */
uint64_t rzi_backing_sum(const struct rzi_backing *backing, const unsigned char *at, uint32_t bytes,
			 uint32_t number);

/* An entry that named a form was replaced. */
void rzi_backing_release(struct ramz *store, uint64_t entry);

/* All entries are gone. Gate closed. */
void rzi_backing_reset(struct ramz *store);
void rzi_backing_destroy(struct ramz *store);

/* Live bytes of the entry's form, as the segment counts them. */
static inline uint32_t rzi_backing_form_bytes(uint64_t entry)
{
	return (FORM_HEADER_BYTES + rzi_entry_backed_bytes(entry) + FORM_ALIGN_BYTES - 1) &
	       ~(uint32_t)(FORM_ALIGN_BYTES - 1);
}

/* Where buffers for a device begin in memory of IO_ALIGN_BYTES more. */
static inline unsigned char *rzi_io_aligned(void *memory)
{
	uintptr_t at = (uintptr_t)memory;

	return (unsigned char *)((at + IO_ALIGN_BYTES - 1) & ~(uintptr_t)(IO_ALIGN_BYTES - 1));
}

#endif
