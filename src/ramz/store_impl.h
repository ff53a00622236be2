/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * store_impl.h: the store's structure, its invariants, and what one file of it offers another.
 *
 * Files, bottom up: platform, memory, sparse, entry (bits); counters, context (a thread's
 * place in the store); codecs (which coding, per thread), dictionary; object (one page's object in the
 * pool); view and publish (reading and changing a slot); dedup; page_io, range, walk,
 * compact, limit, store, check, stats; save, load, file.
 *
 * Invariants, numbered for the checker and the tests. They hold whenever no call is under way.
 *   R1  A slot's entry is one of the kinds of entry.h, unlocked; a slot behind the end, or of a
 *       leaf that does not exist, is absent.
 *   R2  The handle of an object entry names a live object of the pool, and its owner word is the
 *       slot's number, or with identical-page sharing the record's.
 *   R3  The object is as long as the page (codec 0) or at most as long as a compressed form may
 *       be, and the checksum's 8 bytes where the store has checksums. It decompresses to a page
 *       that has that checksum. `good` tells whether the form takes at most half a page.
 *   R4  A record's references are the slots that name it; a record without any has no object.
 *   R5  The gauges (pages by kind and coding, zero, good) are what the slots add up to.
 *   R6  The pool's objects are those of R2 and no others, each named once.
 *   R7  Nothing is pinned, and every put-off free has been done or waits in a context.
 *   R8  A leaf of the slot table is told to have as many entries in use as are not 0.
 *   R9  The coding of an object entry has a codec, and an index that no entry and no setting has may
 *       be used again.
 *
 * How a slot is read and changed, by any number of threads, without a lock around compression:
 *
 *   A reader loads the entry, writes the handle it found into a hazard word of its context, and
 *   loads the entry again: unchanged, the object is pinned until the hazard word is cleared.
 *   A writer prepares the new object and swaps the entry with one compare-and-swap. Whoever
 *   swapped an object out looks at all hazard words; is the handle in one, the object is put on
 *   a list of the writer's context and freed by a later call. All of these are sequentially
 *   consistent, so either the reader sees the new entry or the writer sees the hazard.
 *   Compaction (the pool's lock is held, so nothing may wait) sets the entry's lock bit, looks at
 *   the hazard words, and either refuses, restoring the entry, or stores the new place. Others who
 *   meet the bit try again; it is never held for longer than that.
 *   A write of a part of a page keeps its pin from the read to the swap, so an entry that is
 *   the same still means the same contents, and the swap fails where it is not.
 *
 * Resizing, resetting, trimming and the deep check need the store for themselves: they close the
 * gate and wait for the contexts to be given back (context.h).
 */
#ifndef RZI_STORE_IMPL_H
#define RZI_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <ramz/ramz.h>
#include <ramz/tiers.h>

#include "context.h"
#include "entry.h"
#include "memory.h"
#include "platform.h"
#include "sparse.h"

enum {
	CHECKSUM_BYTES = 8,
	CODECS = 1 + RAMZ_CODECS_MAX, /* 0 = raw */
	RAMZ_PAGE_BYTES_MIN = 4096,
	RAMZ_PAGE_BYTES_MAX = 65536,
};

struct rzi_dedup;
struct rzi_dictionary;

/* One way to make forms. Its index in the store's table is kept with each object; 0 is raw. */
struct rzi_coding {
	_Atomic(const struct ramz_codec *) codec; /* NULL: the index is free */
	struct rzi_dictionary *dictionary;        /* NULL: none */
	uint32_t tier;
	uint32_t serial; /* no two uses of an index have the same one */
};

struct ramz {
	/* Constant while the store lives. */
	struct xv_pool *pool;
	struct xv_provider *provider;
	bool own_provider;
	bool checksum;
	bool auto_compact;
	uint32_t pool_page_shift;
	uint32_t page_bytes; /* of the store */
	uint32_t page_shift;
	uint32_t form_max;   /* longest compressed form kept, bytes */
	uint32_t tail_bytes; /* CHECKSUM_BYTES or 0 */
	void (*on_soft_limit)(void *context, struct ramz *store, uint64_t held_bytes);
	void *limit_context;

	struct rzi_memory memory;
	struct rzi_sparse slots; /* _Atomic uint64_t entries */
	struct rzi_sparse words; /* uint64_t, of side entries; guarded by the entry's lock bit */
	struct rzi_dedup *dedup; /* NULL = no sharing */
	_Atomic uint64_t pages;  /* slots; changes only with the gate closed */

	/* Codings: changed under admin, read without; an index is used again with the gate closed.
	 */
	struct rzi_coding coding[CODECS];
	uint32_t codings_made;
	_Atomic uint64_t setting[RAMZ_TIERS]; /* index << 32 | level; of tier 0, for writes */

	_Atomic uint32_t clock; /* see age.h */

	struct rzi_contexts contexts;
	pthread_mutex_t admin; /* one administrative call at a time */

	/* Limits. */
	_Atomic uint64_t soft_bytes;
	_Atomic uint64_t hard_bytes;
	_Atomic bool above_soft;
	_Atomic uint64_t futile_slack; /* see room.c; UINT64_MAX: compaction may gain something */
	_Atomic bool compacting;       /* a thread is in a step of automatic compaction */
	_Atomic bool in_cycle;         /* an automatic cycle has begun and is not over */
};

/* ---- codecs (codecs.c) ---- */

static inline uint64_t rzi_setting(uint32_t codec, int32_t level)
{
	return (uint64_t)codec << 32 | (uint32_t)level;
}

static inline uint32_t rzi_setting_codec(uint64_t setting)
{
	return (uint32_t)(setting >> 32);
}

static inline int32_t rzi_setting_level(uint64_t setting)
{
	return (int32_t)(uint32_t)setting;
}

/* The index of a coding, added to the table where it is new; -XV_E2BIG when the table is full: see
 * rzi_codings_reap. The dictionary then is the store's. Under admin, or while the store is made. */
int rzi_coding_index(struct ramz *store, const struct ramz_codec *codec, uint32_t tier,
		     struct rzi_dictionary *dictionary);

/* Free the indices that no page and no setting uses, with their dictionaries. Gate closed. */
void rzi_codings_reap(struct ramz *store);

/* Drop all of them. The contexts are gone. */
void rzi_codings_fini(struct ramz *store);

/* The coding's codec; an index that an entry has is in use. */
static inline const struct ramz_codec *rzi_coding_codec(const struct ramz *store, uint32_t index)
{
	return atomic_load_explicit(&store->coding[index].codec, memory_order_acquire);
}

/* A codec's context for a coding at this level; NULL without memory. */
void *rzi_coding_context(const struct ramz *store, uint32_t index, int32_t level);

/* The longest form of a page that is kept. */
struct rzi_form {
	const void *data; /* in the context's buffer, or the source itself */
	uint32_t bytes;
	uint32_t codec; /* index; 0 = raw */
};

/* The page's form under the setting of tier 0. src does not change meanwhile. 0, -XV_ENOMEM,
 * -XV_ENOSPC (no room for the codec's context), or the codec's error. */
int rzi_compress(struct rzi_context *context, const void *src, struct rzi_form *form);

/* 0, -XV_ENOMEM or -XV_EBADMSG. */
int rzi_decompress(struct rzi_context *context, uint32_t codec, const void *form, size_t bytes,
		   void *dst);

/* Drop a context's codec contexts, but for that of the codec with this index (0: all of them).
 * Bytes they had. */
uint64_t rzi_context_drop_codecs(struct rzi_context *context, uint32_t but);

/* Can a context for this codec and level be had? Made and dropped. */
bool rzi_codec_works(const struct ramz *store, const struct ramz_codec *codec, int32_t level);

uint64_t rzi_checksum(const void *page, size_t bytes);

/* Put it behind a form: CHECKSUM_BYTES. */
void rzi_put_checksum(unsigned char *at, uint64_t checksum);

/* ---- objects (object.c) ---- */

/* Make the object of a form; *entry is not in any table yet. page is what the checksum is of.
 * 0, -XV_ENOMEM, -XV_ENOSPC, -XV_EAGAIN. */
int rzi_object_make(struct rzi_context *context, uint32_t owner, const struct rzi_form *form,
		    const void *page, uint64_t *entry);

/* The same for a form with its tail behind it, as rzi_object_copy gave it. */
int rzi_object_make_packed(struct rzi_context *context, uint32_t owner, uint32_t codec,
			   const void *packed, size_t bytes, uint64_t *entry);

/* Read a pinned object into dst. 0, -XV_EBADMSG, -XV_ENOMEM, -XV_EAGAIN. */
int rzi_object_read(struct rzi_context *context, uint64_t entry, void *dst);

/* Copy a pinned object, form and tail, into the context's packed buffer; returns its bytes or
 * an error as above. */
int rzi_object_copy(struct rzi_context *context, uint64_t entry);

/* Length of the form of a pinned object, > 0, or -XV_EBADMSG, -XV_EAGAIN. */
int rzi_object_bytes(struct ramz *store, uint64_t entry);

/* Free an object that no table holds any more, now or later. record: see dedup.h; UINT32_MAX
 * for none. */
void rzi_object_free(struct rzi_context *context, uint64_t entry, uint32_t record);

/* Free what was put off, as far as nobody reads it now. */
void rzi_retired_free(struct rzi_context *context);

/* ---- slots (slot.c) ---- */

/* What a slot held at one moment. An object is pinned, by hazard word number `pin`. */
struct rzi_view {
	uint64_t slot_entry;
	uint64_t entry; /* the object's: that of the slot, or of its record */
	uint64_t word;  /* of a same-filled page; 0 for an absent one */
	uint32_t pin;
};

static inline bool rzi_view_has_object(const struct rzi_view *view)
{
	return rzi_entry_kind(view->entry) == ENTRY_OBJECT;
}

void rzi_view_take(struct rzi_context *context, uint64_t slot, struct rzi_view *view);
void rzi_view_drop(struct rzi_context *context, const struct rzi_view *view);

/* Pin the object of an entry in a table; false when the table no longer holds it. */
bool rzi_pin(struct rzi_context *context, uint32_t pin, const _Atomic uint64_t *place,
	     uint64_t entry);
void rzi_unpin(struct rzi_context *context, uint32_t pin);

/* What a slot is to hold. */
struct rzi_content {
	uint64_t entry; /* no object: 0, same, side; or of an object or record that is ours */
	uint64_t word;  /* of a side entry */
};

/* The slot is about to be given new content: have on the way from memory, while that is being
 * compressed, what freeing the old object begins with. */
void rzi_slot_expect_change(const struct ramz *store, uint64_t slot);

/* The slot will be read next: have its object's beginning on the way. */
void rzi_slot_expect_read(const struct ramz *store, uint64_t slot);

/* Make the slot's place in the table. 0, -XV_ENOMEM, -XV_ENOSPC. */
int rzi_slot_make(struct ramz *store, uint64_t slot);

/*
 * Put content into the slot, whose place exists, and free what was there. With expected, a view
 * that is still taken, only where the slot has not changed since: else -XV_EBUSY, and content
 * stays ours. The view is dropped in any case.
 */
int rzi_publish(struct rzi_context *context, uint64_t slot, const struct rzi_content *content,
		const struct rzi_view *expected);

/* Empty a slot; true when it held something. Never fails. */
bool rzi_slot_clear(struct rzi_context *context, uint64_t slot);

/* ---- page_io.c ---- */

/* Write, read or patch a page that is in range; they count. */
int rzi_page_write(struct rzi_context *context, uint64_t slot, const void *src);
int rzi_page_read(struct rzi_context *context, uint64_t slot, void *dst);
int rzi_page_read_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
		       void *dst);
/* src NULL: zeros. */
int rzi_page_write_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
			const void *src);

/* The page of a view, into dst. As rzi_object_read. */
int rzi_view_read(struct rzi_context *context, const struct rzi_view *view, void *dst);

/* Drop content that was not published. */
void rzi_content_drop(struct rzi_context *context, const struct rzi_content *content);

/* Content for a same-filled word. 0, -XV_ENOMEM, -XV_ENOSPC. */
int rzi_content_of_word(struct ramz *store, uint64_t slot, uint64_t word,
			struct rzi_content *content);

/* ---- room.c ---- */

/* What a call has tried to make room; begins with zeros. */
struct rzi_room {
	uint32_t way;
	uint32_t compactions;
};

/*
 * The call was refused with err, has undone what it did, and holds and pins nothing: make room.
 * True when it may be tried again. The gate may have been closed in between, and the store resized
 * or reset. False, too, where err is none that room helps against.
 */
bool rzi_room_make(struct rzi_context *context, struct rzi_room *room, int err);

/* The same for who has closed the gate: all that can be made. */
void rzi_room_make_alone(struct ramz *store);

/* Bytes of tables that hold nothing, and freeing them. Trim: gate closed. O(1), O(tables). */
uint64_t rzi_tables_idle_bytes(const struct ramz *store);
void rzi_tables_trim(struct ramz *store);

/* ---- compact.c, limit.c ---- */

extern const struct xv_owner_ops rzi_owner_ops;

/* An object was freed: at times a step of compaction. */
void rzi_compact_maybe(struct rzi_context *context);

/* The pool is at its limit, or out of pages: compact until some pages are gained or a cycle has
 * ended. Bytes given back. */
uint64_t rzi_compact_for_room(struct rzi_context *context);

/* A page was written: is the soft mark passed? Notes it in the context. */
void rzi_limit_watch(struct rzi_context *context);

/* The marks have changed: look at them with the next write of every thread. */
void rzi_limit_changed(struct ramz *store);

uint64_t rzi_held_bytes(struct ramz *store, const struct xv_pool_stats *pool);

/* ---- stats.c ---- */

/* One counter over all threads. */
uint64_t rzi_counter_sum(const struct ramz *store, enum rzi_counter which);

/* ---- store.c ---- */

/* Make a store over valid options; used by create and load. */
int rzi_store_create(struct ramz **out, const struct ramz_options *options);

/* ---- least.c ---- */

/* ramz_least_limit, of options that are valid but for the limits. */
uint64_t rzi_least_limit(const struct ramz_options *options);

static inline _Atomic uint64_t *rzi_slot(const struct ramz *store, uint64_t slot)
{
	return rzi_sparse_get(&store->slots, slot);
}

static inline xv_handle rzi_handle(const struct ramz *store, uint64_t entry)
{
	return rzi_entry_handle(entry, store->pool_page_shift);
}

static inline uint64_t rzi_pages(const struct ramz *store)
{
	return atomic_load_explicit(&store->pages, memory_order_relaxed);
}

#endif
