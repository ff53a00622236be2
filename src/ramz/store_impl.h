/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * store_impl.h: the store's structure, its invariants, and what its files offer each other.
 *
 * Files, bottom up: platform, memory, sparse, entry (bits); counters, context (a thread in a call);
 * codecs (which coding, for each thread), dictionary; object (a page's object in the pool); slot
 * (read and change a slot); snapshot (the slots of one moment); dedup; page_io, range, walk,
 * compact, room, limit, store, check, stats; age, recompress, train, policy; backing, writeback;
 * save, load, checkpoint, open, file.
 *
 * Invariants, numbered for the checker and the tests. They hold while no call is running.
 *   R1  A slot's entry is one of the kinds of entry.h, unlocked. A slot behind the end, or in a
 *       leaf that does not exist, is absent.
 *   R2  The handle of an object entry names a live object of the pool. Its owner is the slot's
 *       number, or with dedup the record's.
 *   R3  The object is as long as the page (codec 0) or at most the longest compressed form, plus
 *       8 bytes if the store has checksums. It decompresses to a page with that checksum. `good`
 *       tells whether the form takes at most half a page.
 *   R4  A record's references are the slots that name it. A record without any has no object.
 *   R5  The gauges (pages by kind and coding, zero, good) are the sums over the slots.
 *   R6  The pool has the objects of R2, those that only a snapshot keeps, and no others, each named
 *       once.
 *   R7  No hazard word is set, and every object to be freed later is freed or waits in a context.
 *   R8  The count of used entries of a slot table leaf is the number of its entries that are not 0.
 *   R9  The coding of an object entry has a codec. Only an index that no entry and no setting has
 *       may be used again.
 *
 * How any number of threads read and change a slot, without a lock around compression:
 *
 *   A reader loads the entry, writes its handle into a hazard word of its context, and loads the
 *   entry again. If it is unchanged, the object is protected until the hazard word is cleared.
 *   A writer prepares the new object and swaps the entry with one compare-and-swap. Then it looks
 *   at all hazard words. If one has the handle of the old object, the writer's context keeps it
 *   in a list, and a later call frees it. All of these are sequentially consistent: either the
 *   reader sees the new entry, or the writer sees the hazard word.
 *   Compaction has the pool's lock, so it must not wait. It sets the entry's lock bit, looks at the
 *   hazard words, and either refuses and restores the entry, or stores the new place. Other
 *   threads that meet the bit try again; it is never set for longer.
 *   A write of a part of a page protects the object from the read to the swap. So an unchanged
 *   entry means unchanged contents; the swap fails if it has changed.
 *
 * Resize, reset, trim and the deep check need the store alone: they close the gate and wait until
 * all contexts are given back (context.h).
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

_Static_assert(CODECS - 1 <= ENTRY_CODEC_MASK, "an entry names each coding");
_Static_assert(RAMZ_TIERS - 1 <= ENTRY_TRIED_MASK, "an entry names each tier");

struct rzi_dedup;
struct rzi_dictionary;
struct rzi_policy;
struct rzi_backing;

/* One way to make forms. Each object keeps its index in the store's table; 0 is raw. */
struct rzi_coding {
	_Atomic(const struct ramz_codec *) codec; /* NULL = the index is free */
	struct rzi_dictionary *dictionary;        /* NULL = none */
	uint32_t tier;
	uint32_t serial;        /* differs between all uses of an index */
	_Atomic uint32_t users; /* compressors (recompress.h) */
};

/* The entry of a slot, kept for a snapshot (snapshot.h). */
struct rzi_kept {
	_Atomic uint64_t entry; /* 0 = none */
	uint64_t word;          /* of a side entry */
};

/* See snapshot.h. */
struct rzi_snapshot {
	pthread_mutex_t lock;    /* of the walk that has it */
	pthread_mutex_t making;  /* while the table is made */
	bool active;             /* changes with the gate closed */
	uint64_t pages;          /* of the store at that moment */
	_Atomic uint64_t cursor; /* slots below it need not be kept */
	_Atomic bool given_up;
	_Atomic bool ready; /* the table exists */
	struct rzi_sparse kept;
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
	uint32_t form_max;   /* longest compressed form that is kept, bytes */
	uint32_t tail_bytes; /* CHECKSUM_BYTES or 0 */
	void (*on_soft_limit)(void *context, struct ramz *store, uint64_t held_bytes);
	void *limit_context;

	struct rzi_memory memory;
	struct rzi_sparse slots; /* _Atomic uint64_t entries */
	struct rzi_sparse words; /* uint64_t words of side entries, under the entry's lock bit */
	struct rzi_dedup *dedup; /* NULL = no dedup */
	_Atomic uint64_t pages;  /* slots; changes only with the gate closed */

	/* Codings: changed under admin, read without it. An index is used again with the gate
	 * closed. */
	struct rzi_coding coding[CODECS];
	uint32_t codings_made;
	_Atomic uint64_t setting[RAMZ_TIERS]; /* index << 32 | level; tier 0 is for writes */

	_Atomic uint32_t clock; /* see age.h */
	struct rzi_policy *policy;
	struct rzi_backing *backing;       /* NULL = none; changes with the gate closed */
	_Atomic uint64_t backing_bytes;    /* that it takes */
	pthread_mutex_t backing_writing;   /* see backing.h; taken before admin */
	_Atomic uint64_t dictionary_bytes; /* of all dictionaries */

	struct rzi_snapshot snapshot;

	struct rzi_contexts contexts;
	pthread_mutex_t admin; /* one administrative call at a time */

	/* Limits. */
	_Atomic uint64_t soft_limit_bytes;
	_Atomic uint64_t hard_limit_bytes;
	_Atomic bool above_soft;
	_Atomic uint64_t futile_slack; /* see room.c; UINT64_MAX: compaction may gain something */
	_Atomic bool compacting;       /* a thread does an automatic step */
	_Atomic bool in_cycle;         /* an automatic cycle is not over */
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

/* The index of a coding; adds a new one to the table. -XV_E2BIG when the table is full: see
 * rzi_codings_reap. On success the store owns the dictionary. Under admin, or while the store is
 * made. */
int rzi_coding_index(struct ramz *store, const struct ramz_codec *codec, uint32_t tier,
		     struct rzi_dictionary *dictionary);

/* Put a coding at an index, which is free or has this codec, tier and dictionary. Drop one that has
 * no dictionary and that nothing uses. No other thread has the store. */
void rzi_coding_put(struct ramz *store, uint32_t index, const struct ramz_codec *codec,
		    uint32_t tier, struct rzi_dictionary *dictionary);
void rzi_coding_drop(struct ramz *store, uint32_t index);

/* Free the indices that no page and no setting uses, with their dictionaries. Gate closed. */
void rzi_codings_reap(struct ramz *store);

/* The same outside of any call on the store; closes the gate only if there is one to free. */
void rzi_codings_reap_now(struct ramz *store);

/* Drop all codings. Their contexts are gone. */
void rzi_codings_fini(struct ramz *store);

/* The codec of a coding, whose index is in use. */
static inline const struct ramz_codec *rzi_coding_codec(const struct ramz *store, uint32_t index)
{
	return atomic_load_explicit(&store->coding[index].codec, memory_order_acquire);
}

/* Make a codec context for a coding at this level; NULL without memory. */
void *rzi_coding_context(const struct ramz *store, uint32_t index, int32_t level);

/* The form of a page. */
struct rzi_form {
	const void *data; /* in the context's buffer, or the source itself */
	uint32_t bytes;
	uint32_t codec; /* index; 0 = raw */
};

/* Make the page's form with the setting of tier 0. src must not change meanwhile. Returns 0,
 * -XV_ENOMEM, -XV_ENOSPC (no room for the codec's context), or an error of the codec. */
int rzi_compress(struct rzi_context *context, const void *src, struct rzi_form *form);

/* Returns 0, -XV_ENOMEM or -XV_EBADMSG. */
int rzi_decompress(struct rzi_context *context, uint32_t codec, const void *form, size_t bytes,
		   void *dst);

/* Drop a context's codec contexts, except that of codec index `but` (0: all). Returns their
 * bytes. */
uint64_t rzi_context_drop_codecs(struct rzi_context *context, uint32_t but);

/* Can a context for this codec and level be made? Makes and drops one. */
bool rzi_codec_works(const struct ramz *store, const struct ramz_codec *codec, int32_t level);

uint64_t rzi_checksum(const void *page, size_t bytes);

/* Write the checksum behind a form: CHECKSUM_BYTES. */
void rzi_put_checksum(unsigned char *at, uint64_t checksum);

/* ---- objects (object.c) ---- */

/* Make the object of a form; *entry is in no table yet. page is for the checksum. Returns 0,
 * -XV_ENOMEM, -XV_ENOSPC, -XV_EAGAIN. */
int rzi_object_make(struct rzi_context *context, uint32_t owner, const struct rzi_form *form,
		    const void *page, uint64_t *entry);

/* The same for a form with its tail behind it, from rzi_object_copy. */
int rzi_object_make_packed(struct rzi_context *context, uint32_t owner, uint32_t codec,
			   const void *packed, size_t bytes, uint64_t *entry);

/* Read a protected object into dst. Returns 0, -XV_EBADMSG, -XV_ENOMEM, -XV_EAGAIN. */
int rzi_object_read(struct rzi_context *context, uint64_t entry, void *dst);

/* Decompress and verify a form with its tail behind it. 0, -XV_EBADMSG, -XV_ENOMEM. */
int rzi_object_unpack(struct rzi_context *context, uint32_t codec, const unsigned char *packed,
		      uint32_t bytes, void *dst);

/* Copy a protected object, form and tail, into the context's packed buffer. Returns its bytes or
 * an error as above. */
int rzi_object_copy(struct rzi_context *context, uint64_t entry);

/* Length of the form of a protected object, > 0, or -XV_EBADMSG, -XV_EAGAIN. */
int rzi_object_bytes(struct ramz *store, uint64_t entry);

/* Free an object that no table names any more, now or later. record: see dedup.h; UINT32_MAX for
 * none. */
void rzi_object_free(struct rzi_context *context, uint64_t entry, uint32_t record);

/* Free the waiting objects that nobody reads now. */
void rzi_retired_free(struct rzi_context *context);

/* ---- slots (slot.c) ---- */

/* What a slot held at one moment. Hazard word number `hazard` protects its object. */
struct rzi_view {
	uint64_t slot_entry;
	uint64_t entry; /* the object's: from the slot or its record */
	uint64_t word;  /* of a same-filled page; 0 for an absent one */
	uint32_t hazard;
	bool is_kept; /* no slot has it: it is a snapshot's */
};

static inline bool rzi_view_has_object(const struct rzi_view *view)
{
	return rzi_entry_kind(view->entry) == ENTRY_OBJECT;
}

void rzi_view_take(struct rzi_context *context, uint64_t slot, struct rzi_view *view);
void rzi_view_drop(struct rzi_context *context, const struct rzi_view *view);

/* A view of an entry that no slot has any more. */
void rzi_view_of_kept(struct rzi_context *context, uint64_t entry, uint64_t word,
		      struct rzi_view *view);

/* Count the entry's page once more (by 1) or once less (by -1). */
void rzi_slot_gauge(struct rzi_context *context, uint64_t entry, uint64_t by);

/* Free the object, or what else it names, of an entry that left the table. */
void rzi_slot_release(struct rzi_context *context, uint64_t entry);

/* Protect the object of an entry in a table; false when the table no longer has it. */
bool rzi_protect(struct rzi_context *context, uint32_t hazard, const _Atomic uint64_t *place,
		 uint64_t entry);
void rzi_unprotect(struct rzi_context *context, uint32_t hazard);

/* New content for a slot. */
struct rzi_content {
	uint64_t entry; /* 0, same, side; or of an object or record that is ours */
	uint64_t word;  /* of a side entry */
	bool same_page; /* the page stays as it is: no snapshot need keep the old entry */
};

/* The slot will get new content: prefetch what freeing its old object needs, during compression. */
void rzi_slot_expect_change(const struct ramz *store, uint64_t slot);

/* The slot will be read: prefetch the beginning of its object. */
void rzi_slot_expect_read(const struct ramz *store, uint64_t slot);

/* Make the slot's place in the table. Returns 0, -XV_ENOMEM, -XV_ENOSPC. */
int rzi_slot_make(struct ramz *store, uint64_t slot);

/* Put content into the slot, whose place exists, and free its old content. With expected, a view
 * that is still protected, only if the slot has not changed since: otherwise returns -XV_EBUSY,
 * and content stays ours. Drops the view in any case. */
int rzi_publish(struct rzi_context *context, uint64_t slot, const struct rzi_content *content,
		const struct rzi_view *expected);

/* Empty a slot; true when it held something. Never fails. */
bool rzi_slot_clear(struct rzi_context *context, uint64_t slot);

/* ---- page_io.c ---- */

/* Write, read or partly write a page that is in range, and count it. */
int rzi_page_write(struct rzi_context *context, uint64_t slot, const void *src);
int rzi_page_read(struct rzi_context *context, uint64_t slot, void *dst);
int rzi_page_read_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
		       void *dst);
/* src NULL: zeros. */
int rzi_page_write_part(struct rzi_context *context, uint64_t slot, size_t from, size_t bytes,
			const void *src);

/* Read the page of a view of this slot into dst. As rzi_object_read; or -XV_EBUSY: the page was on
 * the device and has moved, so take the view again; or the device's error. */
int rzi_view_read(struct rzi_context *context, uint64_t slot, const struct rzi_view *view,
		  void *dst);

/* Content of a form with its tail, `bytes` long, that is not in context->packed or context->page.
 * Errors as rzi_object_make. */
int rzi_content_of_form(struct rzi_context *context, uint64_t slot, uint32_t codec,
			const void *packed, size_t bytes, struct rzi_content *content);

/* Drop content that was not published. */
void rzi_content_drop(struct rzi_context *context, const struct rzi_content *content);

/* Content for a same-filled word. Returns 0, -XV_ENOMEM, -XV_ENOSPC. */
int rzi_content_of_word(struct ramz *store, uint64_t slot, uint64_t word,
			struct rzi_content *content);

/* ---- room.c ---- */

/* What a call has tried to make room; zero at first. */
struct rzi_room {
	uint32_t way;
	uint32_t compactions;
	uint64_t deadline_ns; /* see rzi_policy_wait */
};

/* Make room after a refusal with err. The call has undone its work, and holds and protects
 * nothing. Returns true when it may try again: the gate may have been closed in between, and the
 * store resized or reset. Returns false also if room does not help against err. */
bool rzi_room_make(struct rzi_context *context, struct rzi_room *room, int err);

/* The same for the thread that closed the gate: makes all room it can. */
void rzi_room_make_alone(struct ramz *store);

/* Bytes of tables that hold nothing. Trim frees them: gate closed. O(1), O(tables). */
uint64_t rzi_tables_idle_bytes(const struct ramz *store);
void rzi_tables_trim(struct ramz *store);

/* ---- compact.c, limit.c ---- */

extern const struct xv_owner_ops rzi_owner_ops;

/* An object was freed: do a step of compaction at times. */
void rzi_compact_maybe(struct rzi_context *context);

/* The pool is at its limit, or out of pages: compact until some pages are gained or a cycle ends.
 * Returns the bytes given back. */
uint64_t rzi_compact_for_room(struct rzi_context *context);

/* A page was written: notes in the context when the soft limit is passed. */
void rzi_limit_watch(struct rzi_context *context);

/* The limits have changed: every thread looks at them with its next write. */
void rzi_limit_changed(struct ramz *store);

uint64_t rzi_held_bytes(struct ramz *store, const struct xv_pool_stats *pool);

/* ---- stats.c ---- */

/* Sum of one counter over all threads. */
uint64_t rzi_counter_sum(const struct ramz *store, enum rzi_counter which);

/* ---- store.c ---- */

/* Make a store from valid options; for create and load. */
int rzi_store_create(struct ramz **out, const struct ramz_options *options);

/* ---- least.c ---- */

/* ramz_least_limit, for options that are valid apart from the limits. */
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
