/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/tiers.h: pages that nobody uses take less memory.
 *
 * The model:
 *   - Every page has an age: how many calls of ramz_mark_idle ago it was last read or
 *     written. The caller decides what an age means in seconds.
 *   - Tier 0 is what pages are written in: a fast codec (ramz_set_codec). Tiers 1 to 3
 *     are stronger: each has a codec and a level (ramz_set_tier), and perhaps a dictionary
 *     (ramz_train).
 *   - ramz_recompress puts pages into a tier, those of an age for example. A page is read from
 *     any tier alike. A page that is written again is in tier 0 again.
 *   - A page that a tier does not make clearly smaller stays as it is, and is not tried in
 *     that tier again until it is written.
 *
 * Nothing here happens by itself: the caller runs ramz_mark_idle and ramz_recompress, on
 * a thread of its own for example.
 *
 * Thread safety: any call from any thread at any time, as in ramz/ramz.h. ramz_set_tier and
 * ramz_train may hold other calls up for a moment, to free a dictionary that nobody uses.
 *
 * Source: zram's recompression and idle tracking (Linux, admin-guide/blockdev/zram.rst); zstd's
 * dictionary trainer.
 */
#ifndef RAMZ_TIERS_H
#define RAMZ_TIERS_H

#include <stdbool.h>
#include <stdint.h>

#include <ramz/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ramz;

/* Tiers of a store, 0 to RAMZ_TIERS - 1. */
#define RAMZ_TIERS 4U

/* The largest age that is told apart; a page may be older. */
#define RAMZ_AGE_MAX 127U

/* Ages are counted in buckets: 0, 1, 2 - 3, 4 - 7, ... 64 and more. */
#define RAMZ_AGE_BUCKETS 8U

struct ramz_ages {
	uint64_t pages[RAMZ_AGE_BUCKETS]; /* that hold something, by age */
};

/*
 * Every page becomes one older; reading or writing a page makes its age 0. Returns 0 or -XV_EINVAL
 * (null). O(slot table / 64).
 */
XV_API int ramz_mark_idle(struct ramz *store);

/* Count the pages by age. Returns 0 or -XV_EINVAL (null). O(slot table). */
XV_API int ramz_get_ages(struct ramz *store, struct ramz_ages *ages);

/* The least age of a bucket. O(1). */
XV_API uint32_t ramz_age_floor(uint32_t bucket);

/*
 * Set the codec and level of a tier, 1 to RAMZ_TIERS - 1; codec NULL unsets it. The tier then has
 * no dictionary. codec must outlive the store. Pages that are in the tier already stay as they are.
 * Returns 0, -XV_EINVAL (null, a bad tier, a codec without its functions, or `none`), -XV_ENOMEM,
 * or -XV_E2BIG (pages are in RAMZ_CODECS_MAX other codings). O(1).
 */
XV_API XV_MUST_USE int ramz_set_tier(struct ramz *store, uint32_t tier,
				     const struct ramz_codec *codec, int32_t level);

/* What a tier is set to. */
struct ramz_tier_info {
	const struct ramz_codec *codec; /* NULL: not set */
	int32_t level;
	uint32_t dictionary_bytes; /* of its dictionary; 0: none */
	uint64_t pages;            /* in it now, in any of its codings; raw ones are in none */
};

/* Returns 0 or -XV_EINVAL (null, a bad tier). O(threads). */
XV_API XV_MUST_USE int ramz_get_tier(struct ramz *store, uint32_t tier,
				     struct ramz_tier_info *info);

/* What ramz_recompress does. Zeros, but for the tier: all pages. */
struct ramz_recompress_options {
	uint32_t tier;       /* where pages are put: 1 to RAMZ_TIERS - 1, which must be set */
	uint32_t min_age;    /* only pages of this age and older, 0 to RAMZ_AGE_MAX */
	uint32_t min_bytes;  /* only pages whose form is at least so long, bytes */
	uint64_t first;      /* the first page that is looked at */
	uint64_t count;      /* so many pages are looked at; 0 = to the end */
	uint64_t pages_max;  /* end when so many were recompressed; 0 = no such end */
	uint64_t goal_bytes; /* end when held bytes are at most this; 0 = no such end */
};

struct ramz_recompress_report {
	uint64_t tried;        /* pages compressed */
	uint64_t recompressed; /* of them, those whose new form was kept */
	uint64_t saved_bytes;  /* by which the forms became shorter */
	uint64_t next;         /* the page after the last that was looked at; UINT64_MAX: the end */
};

/*
 * Put pages into a tier: those that match all that options say, that are in a lower tier or raw,
 * that share no object with others, and whose form becomes shorter by at least 1/32. The age of a
 * page does not change. A page that is written meanwhile keeps what is written. report may be NULL;
 * it is filled also when an error ends the call, and what was done stays. Returns 0, -XV_EINVAL
 * (null, a tier that is not set, an age above RAMZ_AGE_MAX), -XV_ERANGE (first is not in the
 * store), -XV_ENOMEM, -XV_ENOSPC (the hard limit leaves no room for the codec's context or for a
 * new form beside the old one), or -XV_EBADMSG (a damaged page; report->next is behind it). O(pages
 * looked at), and for each page tried what the codec takes.
 */
XV_API XV_MUST_USE int ramz_recompress(struct ramz *store,
				       const struct ramz_recompress_options *options,
				       struct ramz_recompress_report *report);

/* What a dictionary is trained on. Zeros, but for the tier, are the defaults. */
struct ramz_train_options {
	uint32_t tier;
	uint32_t min_age; /* sample pages of this age and older */
	uint32_t samples; /* pages, at most 16384; 0 = 1024 */
};

struct ramz_train_report {
	uint64_t candidates;       /* pages that have an object and the age */
	uint32_t samples;          /* trained on */
	uint32_t tested;           /* other pages, which both ways were tried on */
	uint64_t without_bytes;    /* of their forms without a dictionary */
	uint64_t with_bytes;       /* and with it */
	uint32_t dictionary_bytes; /* of the dictionary; 0: none could be trained */
	bool used;                 /* the tier has it now */
};

/*
 * Train a dictionary on pages of the store for a tier's codec, and give it to the tier where it
 * pays: where pages that it was not trained on become at least 3% shorter than without, and all
 * candidates together by more than what the dictionary takes. Otherwise the tier stays as
 * it was. Forms made with an earlier dictionary keep that one until none is left. Takes memory for
 * the samples and the trainer while it runs, which held bytes do not count. Returns 0 (see
 * report->used), -XV_EINVAL (null, a tier that is not set, an age above RAMZ_AGE_MAX), -XV_ENOTSUP
 * (a build without zstd, whose trainer it is, or a codec without dictionaries), -XV_ENOMEM,
 * -XV_ENOSPC (no room for the dictionary), -XV_E2BIG (see ramz_set_tier), -XV_EBADMSG. O(slot table
 * + samples): about a second.
 */
XV_API XV_MUST_USE int ramz_train(struct ramz *store, const struct ramz_train_options *options,
				  struct ramz_train_report *report);

#ifdef __cplusplus
}
#endif
#endif
