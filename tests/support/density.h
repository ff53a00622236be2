/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * density.h: for tests of split objects, of objects larger than a page, of owners and
 * of compaction: a table of objects whose index is their owner number, beside a pool.
 *
 *	struct density d;
 *
 *	density_open(&d, f, 64, XV_POOL_SPLIT | XV_POOL_OWNERS, 0);
 *	assert_int_equal(density_malloc(&d, 7, 5000), 0);
 *	... compaction calls density_relocated, which notes where object 7 is now ...
 *	density_verify(&d);
 *	density_close(&d);
 *
 * Each object has contents of its own, which every check compares.
 *
 * Owns: the table; the pool is the fixture's. May call: public headers, the pool
 * fixture, CMocka's assertions. Locking: none; one thread. Complexity: O(object size),
 * where all are looked at O(sum of sizes).
 */
#ifndef DENSITY_H
#define DENSITY_H

#include "pool_fixture.h"

enum {
	DENSITY_SLOTS = 4096,
	DENSITY_BYTES_MAX = (4 << 20) + (1 << 16), /* largest object of a test */
	FRAGMENTS_MOST = 4,
	FRAGMENT_BYTES_LEAST = 48,
};

struct density_slot {
	xv_handle handle; /* XV_NULL_HANDLE: nothing here */
	uint32_t size;
	uint32_t pattern;
	bool stubborn; /* refuses to be moved */
};

struct density {
	struct pool_fixture *f;
	struct xv_pool *pool;
	uint32_t flags;
	struct density_slot *slot; /* DENSITY_SLOTS of them */
	uint32_t live;
	uint64_t requested_bytes;
	uint32_t last_pattern;
	uint32_t refuse_percent; /* of the moves, at random */
	uint64_t asked;          /* calls of locate */
	uint64_t moved;          /* moves noted */
	uint64_t moved_bytes;    /* sizes of their objects */
	uint64_t refused;        /* moves refused */
	uint64_t strange;        /* moves from where the object was not: a bug */
};

/* A fresh pool over a fresh provider: so many pages, these XV_POOL_* flags and these
 * fault_provider_init flags. */
void density_open(struct density *d, struct pool_fixture *f, size_t pages, uint32_t flags,
		  uint32_t fault_flags);

/* The same over the fixture's provider, which has no pool of the fixture's now. */
void density_open_on(struct density *d, struct pool_fixture *f, uint32_t flags);

/* Pages with something in them: without those of the reserve. */
uint64_t density_pages(struct density *d);

/* Verify, free everything, prove that the pool holds nothing any more. */
void density_close(struct density *d);

/* Allocate, with the slot as owner where the pool has owners, and fill. A plan of the
 * fault provider is for the allocation: after a success it is dropped. So with realloc. */
int density_malloc(struct density *d, uint32_t slot, size_t size);

/* Take what is in the pool already, and fill it. */
void density_adopt(struct density *d, uint32_t slot, xv_handle handle, size_t size);
int density_free(struct density *d, uint32_t slot);

/* Proves that what is kept is what was there, then fills anew. */
int density_realloc(struct density *d, uint32_t slot, size_t size);

/* The bytes that a slot's object should have. */
const unsigned char *density_bytes(const struct density *d, uint32_t slot);

/* Size and contents of one, or of all. */
bool density_is_good(struct density *d, uint32_t slot);
void density_verify(struct density *d);
void density_free_all(struct density *d);

/* A scratch buffer of DENSITY_BYTES_MAX. */
unsigned char *density_scratch(void);

/* Bytes of no particular meaning; DENSITY_BYTES_MAX of them. */
const unsigned char *density_noise(uint32_t pattern);

/*
 * Fill so many pages with objects of this size from slot first on, and what is left of
 * the pages with smaller ones down to 64 bytes. Returns the slot behind the last.
 */
uint32_t density_fill_pages(struct density *d, uint32_t first, size_t pages, size_t size);

/* Free every n-th slot of [first, end) that holds something. */
void density_free_every(struct density *d, uint32_t first, uint32_t end, uint32_t n);

/* A pool of pages whose holes are each an eighth of a page: what is larger than a
 * quarter of one fits none whole. Returns the first unused slot. */
uint32_t density_make_holes(struct density *d, size_t pages);

/* Allocate an object that must come out split. */
void density_malloc_split(struct density *d, uint32_t slot, size_t size);

/* Statistics agree but for the counts of calls. */
void density_assert_same(const struct xv_pool_stats *now, const struct xv_pool_stats *before);

/* Run a whole cycle of compaction; the sums of the steps' reports. */
struct xv_compact_report density_compact(struct density *d, size_t budget);

/* Options of density_open, for tests that make their own pool. */
void density_options(struct density *d, struct xv_pool_options *options);

extern const struct xv_owner_ops density_owner_ops;

/* The flags of the pools that may split. */
#define FOR_EACH_SPLIT_FLAGS(flags)                                                                \
	for (uint32_t flags = XV_POOL_SPLIT; flags <= (XV_POOL_SPLIT | XV_POOL_OWNERS);            \
	     flags += XV_POOL_OWNERS)

#endif
