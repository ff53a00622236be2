/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/policy.h: who runs ramz_mark_idle, ramz_train, ramz_recompress and ramz_compact, and when.
 *
 * The model:
 *   - Time is cut into ages (age_ms). At the end of each, every page becomes one older.
 *   - A page whose age has come to tier_age of a tier goes into that tier, whether memory is short
 * or not. 0 = not before memory is short.
 *   - Memory is short when held bytes come to the soft limit, and stays so until they are a
 *     sixteenth below it. Then younger and younger pages go into the tiers, and the pool is
 * compacted.
 *   - Memory is very short when held bytes come within a 32nd of the hard limit, or a write waits.
 *     Then all pages may go. While the thread of ramz_policy_start runs, a sixteenth of the hard
 *     limit, at most 2 MiB, is kept for its work; the 32nd is before that. A write that the hard
 * limit refuses waits for the policy, but no longer than wait_ms, before it gets -XV_ENOSPC.
 *   - A dictionary is trained for a tier when it has none and enough pages are due, and again when
 *     pages come to gain clearly less than the first ones did.
 *
 * Either the caller runs ramz_policy_step now and then, or a thread does that (ramz_policy_start).
 * Without limits and ages the policy does nothing but count ages.
 *
 * Thread safety: any call from any thread at any time, as in ramz/ramz.h; but ramz_policy_stop must
 * have returned before ramz_destroy is called, which calls it itself where the thread still runs.
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

/* What the policy goes by. Start from ramz_policy_init. */
struct ramz_policy {
	uint32_t age_ms;               /* how long an age is, 10 .. 86400000; default 60000 */
	uint32_t tier_age[RAMZ_TIERS]; /* the age at which pages go into a tier, in ages, up to
					* RAMZ_AGE_MAX; 0 = only when memory is short. That of tier
					* 0 means nothing. Default 0 */
	uint32_t wait_ms;              /* the longest that a write waits at the hard limit, up to
					* 60000; default 100 */
	bool train;                    /* train dictionaries; default on */
};

/* How short memory is. */
enum ramz_shortage {
	RAMZ_SHORTAGE_NONE,
	RAMZ_SHORTAGE_SOFT, /* the soft limit */
	RAMZ_SHORTAGE_HARD, /* the hard limit */
};

/* What the policy has done since the store was made. */
struct ramz_policy_stats {
	bool running; /* the thread of ramz_policy_start is there */
	enum ramz_shortage shortage;
	uint32_t squeeze; /* the ages asked for are halved so often now */
	uint64_t steps;
	uint64_t ages;         /* marks of idle pages */
	uint64_t sweeps;       /* times that all pages were looked at for a tier */
	uint64_t recompressed; /* pages */
	uint64_t saved_bytes;  /* of their forms */
	uint64_t compactions;  /* parts of one, of up to 256 KiB */
	uint64_t trainings;    /* tried */
	uint64_t dictionaries; /* of them, those that a tier was given */
	uint64_t waits;        /* writes that waited at the hard limit */
	uint64_t wait_ns;      /* how long, together */
	uint64_t refused;      /* of them, those that got -XV_ENOSPC all the same */
	int last_error;        /* of a step; 0 or a negative number */
};

XV_API void ramz_policy_init(struct ramz_policy *policy);

/*
 * Set the policy of the store; NULL: there is none any more, and its thread has ended. The thread,
 * where it runs, goes on with the new one. Returns 0, -XV_EINVAL (null store, a value out of
 * range), or -XV_ENOMEM. O(1).
 */
XV_API XV_MUST_USE int ramz_set_policy(struct ramz *store, const struct ramz_policy *policy);

/*
 * Do a part of what is due: some milliseconds of work. *wait_ms, where wait_ms is not NULL, is how
 * long nothing is due then: 0 = more is due now. Returns 0, -XV_EINVAL (null, or no policy),
 * -XV_EAGAIN (another thread is in a step), or what the work failed with: the next step goes on
 * behind it.
 */
XV_API int ramz_policy_step(struct ramz *store, uint32_t *wait_ms);

/* Have a thread run the steps. Returns 0 (also when it runs already), -XV_EINVAL (null, or no
 * policy), or -XV_ENOMEM (no thread could be made). */
XV_API XV_MUST_USE int ramz_policy_start(struct ramz *store);

/* End the thread, and wait until it has ended: as long as a step takes. NULL is allowed. */
XV_API void ramz_policy_stop(struct ramz *store);

/* Returns 0 or -XV_EINVAL (null). Without a policy all is 0. O(1). */
XV_API int ramz_get_policy_stats(struct ramz *store, struct ramz_policy_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
