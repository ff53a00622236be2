/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * policy_impl.h: the state of a policy, which policy.c (settings, the thread, waiting writers) and
 * policy_step.c (the work) share.
 *
 * Owns nothing. Locking: `lock` guards the state up to `stats`; the rest belongs to the step, which
 * one thread at a time does (`stepping`), without the lock. Those that wait for `progress` have the
 * lock alone, and are parked (context.h).
 */
#ifndef RZI_POLICY_IMPL_H
#define RZI_POLICY_IMPL_H

#include <ramz/backing.h>

#include "policy.h"
#include "recompress.h"

#define NS_PER_MS UINT64_C(1000000)

/* What a tier's sweeps gain, over DRIFT_PAGES at a time, to see when its dictionary is outdated. */
struct rzi_gain {
	uint64_t pages; /* since the last full count */
	uint64_t bytes;
	uint64_t first; /* bytes a page of the first full count since the training; 0 = none yet */
	uint64_t last;  /* the same of the last one */
};

struct rzi_policy {
	struct ramz *store;
	pthread_mutex_t lock;
	pthread_cond_t wake;     /* for the thread */
	pthread_cond_t progress; /* for waiting writers */
	struct ramz_policy policy;
	bool is_set;
	bool stepping;
	bool stop;
	bool changing; /* the thread ends, and begins again with another policy */
	pthread_t thread;
	uint64_t stops;        /* ends of the thread, count */
	uint32_t waiting;      /* waiting writers, count */
	uint64_t made;         /* steps that may have made room, count */
	uint64_t asked;        /* waits, count */
	uint64_t step_asked;   /* of those, before the last step began */
	uint64_t rested;       /* and before the last step that found nothing to do */
	_Atomic uint32_t news; /* see rzi_policy_news */
	struct ramz_policy_stats stats;

	/* Only for the step. */
	uint32_t news_seen;
	uint64_t next_age_ns;
	uint64_t day_began_ns;
	uint64_t day_bytes;            /* written to the device since then */
	uint64_t cursor[RAMZ_TIERS];   /* where a sweep goes on; UINT64_MAX = it is done */
	uint64_t train_at[RAMZ_TIERS]; /* due pages at which a training is tried again */
	bool compacted;                /* since the sweeps began */
	uint64_t writes;               /* of the store when the sweeps began */
	bool keeps_reserve;            /* the thread does the steps */
	bool is_held_back;             /* a bound on writing to the device stops it */
	int pressure_fd;               /* -1 = the policy does not ask for pressure */
	int pressure;                  /* as rzi_pressure_read said last */
	bool is_pressed;               /* pressure makes memory short */
	uint64_t next_pressure_ns;     /* when to look again */
	struct rzi_gain gain[RAMZ_TIERS];
	struct rzi_compressor compressor[RAMZ_TIERS];
};

static inline void policy_lock(struct rzi_policy *p)
{
	(void)pthread_mutex_lock(&p->lock);
}

static inline void policy_unlock(struct rzi_policy *p)
{
	(void)pthread_mutex_unlock(&p->lock);
}

/* To change them, which needs the lock. */
static inline struct ramz_policy_stats *policy_stats(struct rzi_policy *p)
{
	RZI_ASSERT(rzi_mutex_is_taken(&p->lock));
	return &p->stats;
}

/* Do a part of what is due. Returns the time of rzi_now_ns until which nothing is due; 0 = more is
 * due. `stepping` is the caller's; waiting: a write waits. */
uint64_t rzi_policy_do(struct rzi_policy *policy, bool waiting, int *err);

/* Begin to look at all pages again, and drop the codecs' contexts. In a step, or without one. */
void rzi_policy_begin(struct rzi_policy *policy);
void rzi_policy_drop_compressors(struct rzi_policy *policy);

#endif
