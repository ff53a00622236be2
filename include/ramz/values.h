/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/values.h: a cache of small compressed values, by key.
 *
 * The model:
 *   - A key (1 to RAMZ_VALUES_KEY_MAX bytes) names a value of 0 to max_value_bytes bytes. Both are
 *     any bytes.
 *   - A value is kept in one object, compressed together with its key: what the value repeats of
 *     the key costs next to nothing, and the key itself is compressed too. If that does not make
 *     them shorter, they are kept as they are.
 *   - A dictionary helps small values most. ramz_values_train makes one from values that are in the
 *     cache. Each dictionary begins a generation: values written from then on use it, older values
 *     stay as they are. ramz_values_tend moves them to the new generation. A dictionary is freed
 *     when no value uses it any more.
 *   - A value may expire. From that time on no call finds it. Its memory comes back when a later
 *     write, an eviction or ramz_values_tend meets it.
 *   - limit_bytes bounds the held bytes: objects, index, dictionaries, the contexts of the codec,
 *     everything. The limit also counts what the pool's tables of holes may take later
 *     (xv_pool_options.limit_bytes), so a full cache of small values holds about a tenth less. At
 *     the limit a write evicts. A hand goes round over the values: one that was read
 *     since the hand last passed gets a second chance, another is evicted. (CLOCK: Corbato, "A
 *     paging experiment with the Multics system", 1969.) A step of the hand is bounded: when all of
 *     the next values were read, it takes one of those.
 *   - A write that fails leaves the old value, unless that was evicted to make room.
 *
 * What a value costs beside its form: about 37 bytes (4 of header, 8 of block, 12 of the handle
 * table, 8 of the index, and what rounding and holes take), and 5 if it expires. What a cache costs
 * beside its values: some hundred KiB for each thread that is in a call at a time, most of it the
 * codec's; with zstd at its own level and a dictionary of 64 KiB 0.8 MiB. A lower level takes less.
 *
 * Caveats: the contents do not outlive the cache. After a fork the child must not touch it. While
 * ramz_values_train runs, it takes memory of the C library that held bytes leave out: about 64
 * times the dictionary for its sample, and a few times as much for the trainer.
 *
 * Thread safety: unless a call says otherwise, any thread may make it at any time. Values are
 * compressed and decompressed without a lock, except to tell keys apart whose hashes are alike, and
 * by ramz_values_tend. Keys are spread over 64 locks by a keyed hash.
 *
 * Errors: 0 (or a value >= 0) or a negative number of the table in xvmalloc/errors.h, and here
 *
 *   XV_EINVAL   a null pointer, an empty key, an unknown option, a bad value
 *   XV_E2BIG    the key or the value is too long
 *   XV_ERANGE   the buffer is too short; a time is too far away
 *   XV_ENOMEM   no memory
 *   XV_ENOSPC   the limit, and evictions did not help
 *   XV_EBUSY    values of the generation before the last are left
 *   XV_EBADMSG  a value is damaged
 *   XV_ENOTSUP  this build, codec or provider cannot do it
 *
 * On error outputs are untouched, unless a call says otherwise.
 */
#ifndef RAMZ_VALUES_H
#define RAMZ_VALUES_H

#include <xvmalloc/handle_table.h>

#include <ramz/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A cache. */
struct ramz_values;

/* Most bytes of a key. */
#define RAMZ_VALUES_KEY_MAX 1024U

/* Default and most of max_value_bytes. */
#define RAMZ_VALUES_VALUE_DEFAULT ((size_t)16 << 10)
#define RAMZ_VALUES_VALUE_MAX ((size_t)1 << 20)

/* Longest time to live, in ms: about 17 years. A cache counts time for as long, from its making. */
#define RAMZ_VALUES_TTL_MAX (((uint64_t)1 << 39) - 1)

/* The time to live of a value that does not expire. */
#define RAMZ_VALUES_FOREVER 0U

/* Default and most of a dictionary's bytes, and the least. */
#define RAMZ_VALUES_DICTIONARY_MAX ((size_t)64 << 10)
#define RAMZ_VALUES_DICTIONARY_MIN ((size_t)1 << 10)

/* How a cache is made. Start from ramz_values_options_init. */
struct ramz_values_options {
	uint64_t limit_bytes;   /* most held bytes; 0 = no limit. An empty cache holds some hundred
				 * KiB: see ramz_values_create. Contexts of further threads take at
				 * most about an eighth of the limit; other threads wait for one */
	size_t max_value_bytes; /* longest value, up to RAMZ_VALUES_VALUE_MAX; 0 =
				 * RAMZ_VALUES_VALUE_DEFAULT. Each thread that is in a call at a
				 * time has buffers for three values of this length */

	const struct ramz_codec *codec; /* must outlive the cache; NULL = zstd where the build has
					 * it, else lz4 */
	int32_t level;                  /* of that codec; RAMZ_LEVEL_DEFAULT = its own */

	struct xv_provider *provider; /* pages for the objects; must outlive the cache; NULL = the
				       * cache makes an mmap provider, and destroys it */

	/* The clock, in ms from any moment on; it should not go back. Called by any thread, at
	 * times with a lock of the cache held: it must not call the cache. NULL = the system's
	 * monotonic clock. */
	uint64_t (*now_ms)(void *context);
	void *clock_context; /* its argument */
};

/* Options with every field at its default. Always start from this. O(1). */
XV_API void ramz_values_options_init(struct ramz_values_options *options);

/*
 * Make an empty cache; options may be NULL for the defaults. Stores it in *out; end it with
 * ramz_values_destroy. Returns 0, -XV_EINVAL (a bad option), -XV_ENOMEM, -XV_ENOSPC (limit_bytes is
 * less than an empty cache holds: raise it, or lower max_value_bytes or the codec's level), or
 * -XV_ENOTSUP (a provider that a handle table cannot use). O(1).
 */
XV_API XV_MUST_USE int ramz_values_create(struct ramz_values **out,
					  const struct ramz_values_options *options);

/* Destroy the cache and give all memory back. Never beside another call on it. NULL is allowed.
 * O(pages of the pool + index). */
XV_API void ramz_values_destroy(struct ramz_values *cache);

/*
 * Set the value of a key, replacing an old one. ttl_ms is the time to live in ms from now, up to
 * RAMZ_VALUES_TTL_MAX, or RAMZ_VALUES_FOREVER. value may be NULL when value_bytes is 0. Returns 0,
 * -XV_EINVAL, -XV_E2BIG, -XV_ERANGE (the time), -XV_ENOMEM or -XV_ENOSPC (also evictions made no
 * room), or -XV_EBADMSG (a value or a part of the index that it had to look at is damaged). O(key +
 * value); at the limit also O(bytes that it evicts), and when that is not enough a cycle of
 * compaction. A step that ends a cycle also takes O(memory given back + holes).
 */
XV_API XV_MUST_USE int ramz_values_set(struct ramz_values *cache, const void *key, size_t key_bytes,
				       const void *value, size_t value_bytes, uint64_t ttl_ms);

/*
 * Copy the value of a key into buffer, which has room bytes, and store its length in *value_bytes.
 * Returns 1, or 0 when there is no value: buffer and *value_bytes are then untouched. Returns
 * -XV_ERANGE when the buffer is too short: nothing is copied, and *value_bytes is the room that it
 * takes. Also -XV_EINVAL, -XV_EBADMSG. buffer may be NULL if
 * room is 0. A key that is too long has no value. O(key + value).
 */
XV_API XV_MUST_USE int ramz_values_get(struct ramz_values *cache, const void *key, size_t key_bytes,
				       void *buffer, size_t room, size_t *value_bytes);

/* Delete the value of a key. Returns 1, 0 when there was none, -XV_EINVAL or -XV_EBADMSG. O(key +
 * value). */
XV_API int ramz_values_delete(struct ramz_values *cache, const void *key, size_t key_bytes);

/* Let the value of a key expire ttl_ms from now, or never (RAMZ_VALUES_FOREVER). Returns 1, 0 when
 * there is no value, or an error as ramz_values_set. O(key + value). */
XV_API XV_MUST_USE int ramz_values_expire(struct ramz_values *cache, const void *key,
					  size_t key_bytes, uint64_t ttl_ms);

/* Is there a value? Stores in *ttl_ms, if not NULL, the ms until it expires (at least 1), or
 * RAMZ_VALUES_FOREVER. Does not count as a read. Returns 1, 0, -XV_EINVAL or -XV_EBADMSG. O(key +
 * value). */
XV_API XV_MUST_USE int ramz_values_ttl(struct ramz_values *cache, const void *key, size_t key_bytes,
				       uint64_t *ttl_ms);

/* ---- The cache as a whole ---- */

/* What ramz_values_train found. */
struct ramz_values_train_report {
	uint32_t samples;          /* values that it trained on, count */
	uint32_t tested;           /* other values, for the comparison, count */
	uint32_t dictionary_bytes; /* length of the dictionary; 0 = none could be made */
	uint64_t without_bytes;    /* the tested values' forms as they are written now, bytes */
	uint64_t with_bytes;       /* and with the new dictionary, bytes */
	bool used;                 /* a new generation has begun */
};

/*
 * Train a dictionary of up to dictionary_bytes (RAMZ_VALUES_DICTIONARY_MIN to _MAX; 0 = _MAX) on a
 * sample of the values, and use it if it saves at least 3% of the forms of other values, and more
 * than it takes itself. Takes a second or so; other calls go on. report may be NULL. Returns 0
 * (also when no dictionary was worth it), -XV_EINVAL, -XV_ENOTSUP (the codec has no dictionaries,
 * or the build has no zstd, whose trainer this is), -XV_EBUSY (values of the generation before the
 * last are left: call ramz_values_tend until its report says that nothing is left to do),
 * -XV_ENOMEM, or -XV_ENOSPC (the limit has no room for the dictionary). O(index + sample).
 */
XV_API XV_MUST_USE int ramz_values_train(struct ramz_values *cache, size_t dictionary_bytes,
					 struct ramz_values_train_report *report);

/* What ramz_values_tend did. */
struct ramz_values_tend_report {
	uint64_t looked_at;    /* values, count */
	uint64_t expired;      /* of them, count */
	uint64_t recompressed; /* of them, count */
	bool more;             /* false: a walk is at its end; see ramz_values_tend */
};

/*
 * Do one bounded step of upkeep: look at `values` values or a few more, free those that have
 * expired, and move those of the old generation to the present one; then do a step of compaction.
 * For a thread of the caller's, or a timer: the cache has no thread of its own. report may be NULL.
 * report->more becomes false when a walk over the index is at its end, nothing is left of the old
 * generation, and compaction has nothing to gain. A damaged value of the old generation is dropped,
 * and told by -XV_EBADMSG. Returns 0, -XV_EINVAL, that, or -XV_ENOMEM or -XV_ENOSPC when a value
 * could not be moved. O(values); the end of a generation also O(threads), and the end of a cycle of
 * compaction O(memory given back + holes).
 */
XV_API int ramz_values_tend(struct ramz_values *cache, uint32_t values,
			    struct ramz_values_tend_report *report);

/* Change the limit on held bytes; 0 = no limit. When more is held, evicts and compacts until it is
 * not, but little more than it must. Below a limit that was lowered, records of the holes that
 * overwritten values leave may take up to 16 bytes a value more. Returns 0, -XV_EINVAL, or
 * -XV_ENOSPC when no value is left and more is held: the new limit then holds for what comes.
 * O(bytes that it evicts, and the pages of the pool log(these bytes) times). */
XV_API int ramz_values_set_limit(struct ramz_values *cache, uint64_t limit_bytes);

/* Counters begin with the cache. */
struct ramz_values_stats {
	uint64_t held_bytes; /* everything: table.held_bytes + own_bytes; leaves out what the
			      * provider holds for itself */
	uint64_t own_bytes; /* of it: the cache, directories of the index, dictionaries, contexts */
	uint64_t limit_bytes; /* 0 = none */

	uint64_t values;       /* count, expired ones included while they take memory */
	uint64_t expiring;     /* values with a time to live, count */
	uint64_t raw;          /* values that are not compressed, count */
	uint64_t plain_bytes;  /* keys and values, as they were given */
	uint64_t record_bytes; /* the same as they are kept, headers included */
	uint64_t index_bytes;  /* entries of the index and its directories */

	uint64_t generation;       /* dictionaries used so far, count */
	uint64_t old_values;       /* values of the generation before, count */
	uint64_t dictionary_bytes; /* held for dictionaries, with their digests */
	uint64_t context_bytes;    /* held for buffers and codec contexts */
	uint32_t contexts;         /* threads that were in calls at once, count */

	uint64_t hits;         /* reads that found a value, count */
	uint64_t misses;       /* reads that found none, count */
	uint64_t evicted;      /* values evicted, count */
	uint64_t expired;      /* values freed because they had expired, count */
	uint64_t recompressed; /* values moved to a new generation, count */

	struct xv_handle_table_stats table; /* the objects */
};

/* Fill *stats. Counters that other threads change meanwhile may be of different moments. Returns 0
 * or -XV_EINVAL. O(threads + shards). */
XV_API int ramz_values_get_stats(struct ramz_values *cache, struct ramz_values_stats *stats);

/*
 * Prove the cache: each entry of the index leads to a whole value whose key belongs there, all sums
 * are right, and the handle table is sound (xv_handle_table_check, deep). Never repairs. Never
 * beside another call on the cache. *message, if message is not NULL, becomes one line that says
 * what is broken (static storage). Returns 0, -XV_EINVAL or -XV_EBADMSG. O(values + pages).
 */
XV_API XV_MUST_USE int ramz_values_check(struct ramz_values *cache, const char **message);

#ifdef __cplusplus
}
#endif
#endif
