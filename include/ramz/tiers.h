/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/tiers.h: pages that nobody uses take less memory.
 *
 * The model:
 *   - Every page has an age: the number of ramz_mark_idle calls since it was last read or written.
 *     The caller decides how many seconds an age is.
 *   - Pages are written to tier 0, which has a fast codec (ramz_set_codec). Tiers 1 to 3 are
 *     stronger: each has a codec and a level (ramz_set_tier), and perhaps a dictionary
 *     (ramz_train).
 *   - ramz_recompress puts pages into a tier, for example those of an age. A page can be read from
 *     every tier. A page that is written again is in tier 0 again.
 *   - A page that a tier does not make clearly shorter stays as it is. That tier does not try it
 *     again until it is written, or the tier has a new dictionary.
 *
 * Nothing here happens by itself: the caller runs ramz_mark_idle and ramz_recompress, for example
 * in its own thread.
 *
 * Thread safety: any thread may make any call at any time, as in ramz/ramz.h. ramz_set_tier,
 * ramz_train and ramz_recompress may stop other calls for a moment, to free an unused dictionary.
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

/* Largest age that ramz_recompress tells apart; a page may be older. */
#define RAMZ_AGE_MAX 127U

/* Ages are counted in buckets: 0, 1, 2 - 3, 4 - 7, ... 64 and more. */
#define RAMZ_AGE_BUCKETS 8U

struct ramz_ages {
	uint64_t pages[RAMZ_AGE_BUCKETS]; /* pages that hold something, by age */
};

/* Make every page one older; a read or write makes its age 0. Returns 0 or -XV_EINVAL (null).
 * O(slot table / 64). */
XV_API int ramz_mark_idle(struct ramz *store);

/* Count the pages by age. Returns 0 or -XV_EINVAL (null). O(slot table). */
XV_API int ramz_get_ages(struct ramz *store, struct ramz_ages *ages);

/* Least age of a bucket; UINT32_MAX where there is none, from RAMZ_AGE_BUCKETS on. O(1). */
XV_API uint32_t ramz_age_floor(uint32_t bucket);

/*
 * Set the codec and level of a tier, 1 to RAMZ_TIERS - 1; codec NULL unsets it. The tier then has
 * no dictionary. codec must outlive the store. Pages in the tier stay as they are. Returns 0,
 * -XV_EINVAL (null, a bad tier, a codec without its functions, or `none`), -XV_ENOMEM, or -XV_E2BIG
 * (pages are in RAMZ_CODECS_MAX other codings). O(1).
 */
XV_API XV_MUST_USE int ramz_set_tier(struct ramz *store, uint32_t tier,
				     const struct ramz_codec *codec, int32_t level);

/* The setting of a tier. */
struct ramz_tier_info {
	const struct ramz_codec *codec; /* NULL = not set */
	int32_t level;
	uint32_t dictionary_bytes; /* of its dictionary; 0 = none */
	uint64_t pages; /* pages in it now, in any of its codings; raw pages are in no tier */
};

/* Returns 0 or -XV_EINVAL (null, a bad tier). O(threads). */
XV_API XV_MUST_USE int ramz_get_tier(struct ramz *store, uint32_t tier,
				     struct ramz_tier_info *info);

/* What ramz_recompress does. If all fields but the tier are zero: all pages. */
struct ramz_recompress_options {
	uint32_t tier;       /* where pages go: 1 to RAMZ_TIERS - 1; must be set */
	uint32_t min_age;    /* only pages of at least this age, 0 to RAMZ_AGE_MAX */
	uint32_t min_bytes;  /* only pages with a form of at least this many bytes */
	uint64_t first;      /* first page to look at */
	uint64_t count;      /* pages to look at; 0 = to the end */
	uint64_t pages_max;  /* end after recompressing this many; 0 = no such end */
	uint64_t goal_bytes; /* end when held bytes are at most this; 0 = no such end */
};

struct ramz_recompress_report {
	uint64_t tried;        /* pages compressed */
	uint64_t recompressed; /* pages whose new form was kept */
	uint64_t saved_bytes;  /* bytes by which forms became shorter; all of the form of a page
				* that joined an identical one */
	uint64_t next;         /* the page behind the last one looked at; UINT64_MAX = all were */
};

/*
 * Put pages into a tier: those that match all options, are raw, in a lower tier, or in this one
 * with an older dictionary or codec, share no object with other slots, and whose form becomes
 * shorter by at least 1/32. A dictionary goes with its last page. Ages do not change. A page that
 * is written meanwhile keeps what is written. report may be NULL; it is also filled on an error,
 * and finished pages stay recompressed. Returns 0, -XV_EINVAL (null, a tier that is not set, an age
 * above RAMZ_AGE_MAX), -XV_ERANGE (first is not in the store), -XV_ENOMEM, -XV_ENOSPC (the hard
 * limit leaves no room for the codec's context or for a new form beside the old one), or
 * -XV_EBADMSG (a damaged page; report->next is behind it). O(pages looked at), plus the codec's
 * time for each page tried.
 */
XV_API XV_MUST_USE int ramz_recompress(struct ramz *store,
				       const struct ramz_recompress_options *options,
				       struct ramz_recompress_report *report);

/* What a dictionary is trained on. Zero fields, except the tier, mean the defaults. */
struct ramz_train_options {
	uint32_t tier;
	uint32_t min_age; /* sample pages of at least this age */
	uint32_t samples; /* pages to sample, at most 16384; 0 = 1024 */
};

struct ramz_train_report {
	uint64_t candidates;       /* pages with an object and this age */
	uint32_t samples;          /* pages trained on */
	uint32_t tested;           /* other pages, compressed as now and with it */
	uint64_t without_bytes;    /* their forms as the tier makes them now */
	uint64_t with_bytes;       /* their forms with it */
	uint32_t dictionary_bytes; /* of the dictionary; 0 = none could be trained */
	bool used;                 /* the tier has it now */
};

/*
 * Train a dictionary on pages of the store for a tier's codec, and give it to the tier if it pays.
 * It pays if pages outside its training become at least 3% shorter than the tier makes them now,
 * and all candidates together by more than the dictionary takes. Otherwise the tier stays as it
 * was. Forms made with an earlier dictionary keep it until none is left; ramz_recompress puts them
 * into the new one, where that pays, and tries again what the tier did not help before. While it
 * runs, it takes memory for samples and trainer that held bytes do not count. Returns 0 (see
 * report->used), -XV_EINVAL (null, a tier that is not set, an age above RAMZ_AGE_MAX), -XV_ENOTSUP
 * (a build without zstd, which has the trainer, or a codec without dictionaries), -XV_ENOMEM,
 * -XV_ENOSPC (no room for the dictionary), -XV_E2BIG (see ramz_set_tier), -XV_EBADMSG. O(slot table
 * + samples): about a second.
 */
XV_API XV_MUST_USE int ramz_train(struct ramz *store, const struct ramz_train_options *options,
				  struct ramz_train_report *report);

#ifdef __cplusplus
}
#endif
#endif
