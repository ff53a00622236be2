/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/policy.h: runs ramz_mark_idle, ramz_train, ramz_recompress and ramz_compact by rules.
 *
 * The model:
 *   - Time is cut into ages (age_ms). At the end of each, every page becomes one older. An age that
 *     ends during a step ends behind it; one that is missed as a whole is not made up, since pages
 *     that were used meanwhile would become old.
 *   - A page goes into a tier when its age comes to tier_age of that tier. 0 = not before memory is
 *     short.
 *   - Memory is short when held bytes come to the soft limit, until they are a sixteenth below
 *     it; and, where pressure_percent asks for it, when the system's tasks wait for memory. Then
 *     younger and younger pages go into the tiers, then to the backing device, if there
 *     is one, and the pool is compacted.
 *   - Memory is very short when held bytes come within a 32nd of the hard limit, or a write waits.
 *     Then all pages may go, and the device comes before the tiers. While the thread of
 *     ramz_policy_start runs, a sixteenth of the hard limit, at most 2 MiB, is for its work alone.
 *   - A write that the hard limit refuses waits for that thread: no longer than wait_ms, and only
 *     while the policy finds something to do. Then it gets -XV_ENOSPC.
 *   - A tier without a dictionary gets one when enough pages are due. A new one is trained when
 *     pages gain clearly less than the first ones did.
 *
 * Either the caller runs ramz_policy_step at times, or a thread does (ramz_policy_start). Without
 * limits and tier ages the policy only counts ages.
 *
 * Thread safety: any thread may make any call at any time, as in ramz/ramz.h. But ramz_policy_stop
 * must have returned before ramz_destroy is called, which calls it itself if the thread still runs.
 * After a fork the child has no such thread.
 */
#ifndef RAMZ_POLICY_H
#define RAMZ_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include <ramz/tiers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The settings of a policy. Start from ramz_policy_init. */
struct ramz_policy {
	uint32_t age_ms;               /* length of an age, 10 .. 86400000; default 60000 */
	uint32_t tier_age[RAMZ_TIERS]; /* ages after which a page goes into the tier, up to
					* RAMZ_AGE_MAX; 0 = only when memory is short. Tier 0 is
					* ignored. Default 0 */
	uint32_t backing_age; /* the same for the backing device (ramz/backing.h), where the
			       * store has one */
	uint64_t day_bytes; /* most that is written to the device in 24 hours, but for a checkpoint
			     * that has begun; 0 = no bound */
	uint64_t all_bytes; /* most that is written to it in all; 0 = no bound */
	uint32_t wait_ms; /* longest wait of a write at the hard limit, up to 60000; default 5000 */
	bool train;       /* train dictionaries; default on */

	/* Memory is short, too, when some task waited for memory in this share of the last 10
	 * seconds ("some avg10", Linux's pressure stall information), until it is less than half of
	 * that. Up to 100; 0 = never. A step looks once a second. */
	uint32_t pressure_percent;
	const char *pressure_file; /* what tells that share; needed until ramz_set_policy returns,
				    * which opens it. NULL = memory.pressure of this process's
				    * control group (version 2), else /proc/pressure/memory */
};

/* How short memory is. */
enum ramz_shortage {
	RAMZ_SHORTAGE_NONE,
	RAMZ_SHORTAGE_SOFT, /* at the soft limit */
	RAMZ_SHORTAGE_HARD, /* at the hard limit */
};

/* What the policy sees, and what it has done since the store was made. */
struct ramz_policy_stats {
	/* Now. Without a policy 0. */
	bool running; /* the thread of ramz_policy_start runs */
	enum ramz_shortage shortage;
	uint32_t squeeze;  /* how often the required ages are halved now */
	uint32_t pressure; /* "some avg10" when it was last read, in hundredths of a percent */

	/* Why it began to look at all pages again, counts. */
	uint64_t ages;           /* an age ended: calls of ramz_mark_idle */
	uint64_t soft_shortages; /* memory became short at the soft limit */
	uint64_t pressures;      /* memory became short by pressure, below that limit */
	uint64_t hard_shortages; /* memory became very short */
	uint64_t squeezes;       /* it stayed short, so the required ages were halved */

	/* What it did. */
	uint64_t recompressed;  /* pages */
	uint64_t saved_bytes;   /* bytes by which forms became shorter */
	uint64_t written_back;  /* pages moved to the backing device */
	uint64_t checkpoints;   /* tried, because the device was full of what the last one needs */
	uint64_t written_bytes; /* to the device, cleaning included */
	uint64_t held_back;     /* times that day_bytes or all_bytes stopped this */
	uint64_t compactions;   /* parts of a compaction, of up to 256 KiB */
	uint64_t trainings;     /* trainings tried */
	uint64_t dictionaries; /* of these, dictionaries that a tier uses: the others did not pay */

	/* Writers at the hard limit. */
	uint64_t waits;   /* writes that waited */
	uint64_t wait_ns; /* the sum of their times */
	uint64_t refused; /* writes that waited and got -XV_ENOSPC */
	uint64_t futile;  /* waits that ended since the policy found nothing to do */

	int last_error; /* of the last step, negative; 0 = none */
};

/* Set every field to its default. O(1). */
XV_API void ramz_policy_init(struct ramz_policy *policy);

/* Set the policy of the store. NULL removes it and ends its thread; otherwise a running thread
 * goes on with the new policy. Returns 0, -XV_EINVAL (null store, a value out of range),
 * -XV_ENOTSUP (no file tells the pressure; other systems than Linux have none), or -XV_ENOMEM.
 * O(1). */
XV_API XV_MUST_USE int ramz_set_policy(struct ramz *store, const struct ramz_policy *policy);

/* Do a part of what is due, some milliseconds of work. *wait_ms, if wait_ms is not NULL, is the
 * time until more is due: 0 = now. Returns 0, -XV_EINVAL (null, or no policy), -XV_EAGAIN
 * (another thread is in a step), or an error of the work; the next step goes on behind it.
 * -XV_ENOTSUP: the pressure can't be read any more, and counts as none. */
XV_API int ramz_policy_step(struct ramz *store, uint32_t *wait_ms);

/* Start a thread that runs the steps. Returns 0 (also when it runs already), -XV_EINVAL (null, or
 * no policy), or -XV_ENOMEM (no thread could be made). */
XV_API XV_MUST_USE int ramz_policy_start(struct ramz *store);

/* End the thread, and wait for its end: at most one step. NULL is allowed. */
XV_API void ramz_policy_stop(struct ramz *store);

/* Returns 0 or -XV_EINVAL (null). O(1). */
XV_API int ramz_get_policy_stats(struct ramz *store, struct ramz_policy_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
