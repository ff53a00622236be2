/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * policy.c: when pages become older and are recompressed, and when the pool is compacted; see
 * ramz/policy.h.
 *
 * A step does the first of these that is due: the end of an age; a training; some pages of a sweep
 * of the strongest tier, then of the next; a part of a compaction. When nothing is left and memory
 * is short, the required ages are halved and the sweeps begin again. When that ends too, the policy
 * rests until the next age.
 *
 * Owns the policy's state and thread. May call: recompress.h, and the store's public calls.
 * Locking: `lock` guards the state; one thread at a time does a step (`stepping`), without the
 * lock. Writers wait for `progress` with only that lock, parked (context.h). O(1), plus the work.
 */
#include "policy.h"

#include <pthread.h>
#include <stdlib.h>

#include <ramz/backing.h>

#include "recompress.h"

enum {
	AGE_MS = 60000,
	AGE_MS_MIN = 10,
	AGE_MS_MAX = 86400000,
	WAIT_MS = 5000,
	LOOK_MS = 100, /* the thread looks at the limits so often */
	WAIT_MS_MAX = 60000,
	STEP_PAGES = 64,       /* pages recompressed in a step */
	WRITEBACK_PAGES = 256, /* pages moved to the device in a step */
	STEP_LOOKED = 1 << 16, /* pages looked at in a step */
	COMPACT_BYTES = 256 << 10,
	COMPACT_SHARE_SHIFT = 5, /* a compaction that gives back less than a 32nd does not pay */
	SQUEEZE_MAX = 7,         /* so many halvings of RAMZ_AGE_MAX give 0 */
	EASE_SHIFT = 4,          /* memory is no longer short a 16th below the soft limit */
	NEAR_SHIFT = 5,          /* memory is very short within a 32nd of the hard limit */
	TRAIN_PAGES = 2048,      /* pages that must be due before a training */
	DRIFT_PAGES = 4096,      /* pages over which gains are compared */
	RESTS_MAX = 2,           /* the first step may have begun before there was need */
};

#define NS_PER_MS UINT64_C(1000000)
#define DAY_NS (UINT64_C(86400000) * NS_PER_MS)

/* What a tier's sweeps gain, to see when its dictionary is outdated. */
struct gain {
	uint64_t pages;
	uint64_t bytes;
	uint64_t first; /* bytes gained on the first DRIFT_PAGES since the training; 0 = not known
			 * yet */
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
	pthread_t thread;
	pthread_t self;        /* the same, set by the thread itself ... */
	_Atomic bool has_self; /* ... before this */
	uint64_t stops;        /* ends of the thread, count */
	uint32_t waiting;      /* waiting writers, count */
	uint64_t made;         /* steps that may have made room, count */
	uint64_t rests;        /* steps that found nothing to do, count */
	struct ramz_policy_stats stats;

	/* Only for the step. */
	uint64_t next_age_ns;
	uint64_t day_began_ns;
	uint64_t day_bytes;          /* written to the device since then */
	uint64_t cursor[RAMZ_TIERS]; /* where a sweep goes on; UINT64_MAX = it is done */
	bool trained[RAMZ_TIERS];    /* tried since the last age */
	bool compacted;              /* since the sweeps began */
	uint64_t writes;             /* of the store when the sweeps began */
	bool keeps_reserve;          /* the thread does the steps */
	struct gain gain[RAMZ_TIERS];
	struct rzi_compressor compressor[RAMZ_TIERS];
};

void ramz_policy_init(struct ramz_policy *policy)
{
	if (policy != NULL)
		*policy = (struct ramz_policy){.age_ms = AGE_MS, .wait_ms = WAIT_MS, .train = true};
}

static void policy_lock(struct rzi_policy *p)
{
	(void)pthread_mutex_lock(&p->lock);
}

static void policy_unlock(struct rzi_policy *p)
{
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- how short memory is ---- */

static enum ramz_shortage policy_shortage(const struct rzi_policy *p, bool waiting)
{
	struct ramz *store = p->store;
	uint64_t soft = atomic_load(&store->soft_limit_bytes);
	uint64_t hard = atomic_load(&store->hard_limit_bytes);
	struct xv_pool_stats pool;
	uint64_t held;

	xv_pool_get_stats(store->pool, &pool);
	held = rzi_held_bytes(store, &pool);
	if (p->keeps_reserve)
		hard -= rzi_memory_reserve(hard);
	if (waiting || (hard != 0 && held >= hard - (hard >> NEAR_SHIFT)))
		return RAMZ_SHORTAGE_HARD;
	if (p->stats.shortage != RAMZ_SHORTAGE_NONE)
		soft -= soft >> EASE_SHIFT;
	return soft != 0 && held >= soft ? RAMZ_SHORTAGE_SOFT : RAMZ_SHORTAGE_NONE;
}

/* ---- sweeps ---- */

static void policy_begin_sweeps(struct rzi_policy *p)
{
	for (uint32_t tier = 0; tier < RAMZ_TIERS; tier++)
		p->cursor[tier] = 0;
	p->compacted = false;
	p->writes = rzi_counter_sum(p->store, COUNT_WRITES);
}

/* Least age of pages that are moved now, if `asked` is the policy's; false: none are. */
static bool policy_age(const struct rzi_policy *p, uint32_t asked, uint32_t *age)
{
	if (p->stats.shortage == RAMZ_SHORTAGE_NONE) {
		*age = asked;
		return asked != 0;
	}
	*age = (asked != 0 ? asked : RAMZ_AGE_MAX) >> p->stats.squeeze;
	/* A page used since the last mark stays in tier 0, unless memory is very short. */
	if (*age == 0 && p->stats.shortage != RAMZ_SHORTAGE_HARD)
		*age = 1;
	return true;
}

/* Least age of pages that go into a tier now; false: none do. */
static bool policy_min_age(const struct rzi_policy *p, uint32_t tier, uint32_t *age)
{
	return rzi_setting_codec(atomic_load(&p->store->setting[tier])) != 0 &&
	       policy_age(p, p->policy.tier_age[tier], age);
}

/* Are at least `pages` pages of that age in lower tiers? */
static bool policy_has_due(struct rzi_policy *p, uint32_t age, uint64_t pages)
{
	struct ramz_ages ages;
	uint64_t due = 0;

	if (ramz_get_ages(p->store, &ages) != 0)
		return false;
	for (uint32_t bucket = 0; bucket < RAMZ_AGE_BUCKETS; bucket++) {
		if (ramz_age_floor(bucket) >= age)
			due += ages.pages[bucket];
	}
	return due >= pages;
}

/* Do pages gain an eighth less than the first ones with this dictionary? */
static bool policy_has_drifted(const struct gain *gain)
{
	return gain->first != 0 && gain->pages >= DRIFT_PAGES &&
	       gain->bytes / gain->pages < gain->first / DRIFT_PAGES * 7 / 8;
}

static void policy_note_gain(struct gain *gain, const struct ramz_recompress_report *report)
{
	if (gain->pages >= DRIFT_PAGES) {
		if (gain->first == 0)
			gain->first = gain->bytes / gain->pages * DRIFT_PAGES;
		gain->pages = 0;
		gain->bytes = 0;
	}
	gain->pages += report->recompressed;
	gain->bytes += report->saved_bytes;
}

/* Train a dictionary if one is due. Returns whether it was tried. */
static bool policy_train(struct rzi_policy *p, uint32_t tier, uint32_t age, int *err)
{
	struct ramz_train_options options = {.tier = tier, .min_age = age};
	struct ramz_train_report report = {.used = false};
	struct ramz_tier_info info;

	if (!p->policy.train || p->trained[tier] || ramz_get_tier(p->store, tier, &info) != 0 ||
	    info.codec == NULL || info.codec->digest_create == NULL ||
	    (info.dictionary_bytes != 0 && !policy_has_drifted(&p->gain[tier])))
		return false;
	p->trained[tier] = true;
	if (!policy_has_due(p, age, TRAIN_PAGES))
		return false;
	*err = ramz_train(p->store, &options, &report);
	p->gain[tier] = (struct gain){.pages = 0};
	policy_lock(p);
	p->stats.trainings++;
	p->stats.dictionaries += report.used;
	policy_unlock(p);
	if (*err == -XV_ENOTSUP)
		*err = 0;
	return true;
}

/* Do some pages of a tier's sweep. Returns whether there was one. */
static bool policy_sweep(struct rzi_policy *p, uint32_t tier, uint32_t age, int *err)
{
	struct ramz_recompress_options options = {.tier = tier,
						  .min_age = age,
						  .first = p->cursor[tier],
						  .count = STEP_LOOKED,
						  .pages_max = STEP_PAGES};
	struct ramz_recompress_report report = {.tried = 0};
	uint64_t end;

	if (p->cursor[tier] == UINT64_MAX)
		return false;
	end = p->cursor[tier] + STEP_LOOKED;
	rzi_memory_lend_reserve(&p->store->memory, p->stats.shortage == RAMZ_SHORTAGE_HARD);
	*err = rzi_recompress(p->store, &p->compressor[tier], &options, &report);
	rzi_memory_lend_reserve(&p->store->memory, false);
	p->cursor[tier] = report.next != UINT64_MAX ? report.next : end;
	if (*err == -XV_ERANGE || p->cursor[tier] >= rzi_pages(p->store)) {
		*err = *err == -XV_ERANGE ? 0 : *err;
		p->cursor[tier] = UINT64_MAX;
	}
	policy_note_gain(&p->gain[tier], &report);
	policy_lock(p);
	p->stats.sweeps += p->cursor[tier] == UINT64_MAX;
	p->stats.recompressed += report.recompressed;
	p->stats.saved_bytes += report.saved_bytes;
	policy_unlock(p);
	return true;
}

/* ---- compaction ---- */

/* Do a part of a compaction, if memory is short and it pays. Returns whether it was tried. */
static bool policy_compact(struct rzi_policy *p, int *err)
{
	struct xv_compact_report report = {.more = false};
	struct xv_pool_stats pool;

	if (p->compacted || p->stats.shortage == RAMZ_SHORTAGE_NONE)
		return false;
	xv_pool_get_stats(p->store->pool, &pool);
	if (xv_compactable(p->store->pool) < pool.held_bytes >> COMPACT_SHARE_SHIFT) {
		p->compacted = true;
		return false;
	}
	*err = ramz_compact(p->store, COMPACT_BYTES, &report);
	p->compacted = *err != 0 || !report.more;
	policy_lock(p);
	p->stats.compactions++;
	policy_unlock(p);
	return true;
}

/* ---- the device ---- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes that may be written to the device now, by what is allowed in a day and in all; 0 = no
 * bound. False: no segment more. */
static bool policy_may_write(struct rzi_policy *p, uint64_t *bytes)
{
	uint64_t now_ns = rzi_now_ns(), left = UINT64_MAX;

	if (now_ns - p->day_began_ns >= DAY_NS) {
		p->day_began_ns = now_ns;
		p->day_bytes = 0;
	}
	if (p->policy.day_bytes != 0)
		left = p->policy.day_bytes - min_u64(p->policy.day_bytes, p->day_bytes);
	if (p->policy.all_bytes != 0)
		left = min_u64(left, p->policy.all_bytes -
					     min_u64(p->policy.all_bytes, p->stats.written_bytes));
	*bytes = left != UINT64_MAX ? left : 0;
	return left >= RAMZ_SEGMENT_BYTES;
}

/* Move some pages to the backing device, where there is one; its cursor is that of tier 0. Returns
 * whether it was tried. */
static bool policy_writeback(struct rzi_policy *p, int *err)
{
	struct ramz_writeback_options options = {
		.first = p->cursor[0], .count = STEP_LOOKED, .pages_max = WRITEBACK_PAGES};
	struct ramz_writeback_report report = {.pages = 0};
	uint64_t end = p->cursor[0] + STEP_LOOKED;

	if (p->cursor[0] == UINT64_MAX || !policy_may_write(p, &options.write_max) ||
	    !policy_age(p, p->policy.backing_age, &options.min_age))
		return false;
	*err = ramz_writeback(p->store, &options, &report);
	p->day_bytes += report.written_bytes;
	p->cursor[0] = report.next != UINT64_MAX ? report.next : end;
	if (*err != 0 || p->cursor[0] >= rzi_pages(p->store))
		p->cursor[0] = UINT64_MAX;
	if (*err == -XV_EINVAL || *err == -XV_ERANGE) { /* no device; the store was made smaller */
		*err = 0;
		return false;
	}
	policy_lock(p);
	p->stats.written_back += report.pages;
	p->stats.written_bytes += report.written_bytes;
	policy_unlock(p);
	return true;
}

/* ---- a step ---- */

static void policy_drop_compressors(struct rzi_policy *p)
{
	for (uint32_t tier = 0; tier < RAMZ_TIERS; tier++)
		rzi_compressor_drop(p->store, &p->compressor[tier]);
}

static void policy_end_of_age(struct rzi_policy *p, uint64_t now_ns)
{
	p->next_age_ns = now_ns + p->policy.age_ms * NS_PER_MS;
	(void)ramz_mark_idle(p->store);
	policy_begin_sweeps(p);
	memset(p->trained, 0, sizeof(p->trained));
	policy_lock(p);
	p->stats.ages++;
	p->stats.squeeze = 0;
	policy_unlock(p);
}

/* All sweeps are done and memory is still short: begin them again with younger pages. When there
 * are none younger, only if pages were written since they began. Returns whether they begin again.
 */
static bool policy_go_on(struct rzi_policy *p)
{
	bool youngest = p->stats.squeeze == SQUEEZE_MAX;

	if (p->stats.shortage == RAMZ_SHORTAGE_NONE ||
	    (youngest && rzi_counter_sum(p->store, COUNT_WRITES) == p->writes))
		return false;
	policy_begin_sweeps(p);
	policy_lock(p);
	p->stats.squeeze += !youngest;
	policy_unlock(p);
	return true;
}

/* Do the first work that is due. Returns whether there was any. */
static bool policy_work(struct rzi_policy *p, int *err)
{
	uint32_t age;

	for (uint32_t tier = RAMZ_TIERS - 1; tier >= 1; tier--) {
		if (!policy_min_age(p, tier, &age))
			continue;
		if (p->cursor[tier] == 0 && policy_train(p, tier, age, err))
			return true;
		if (policy_sweep(p, tier, age, err))
			return true;
	}
	if (policy_writeback(p, err) || policy_compact(p, err))
		return true;
	return policy_go_on(p);
}

static void policy_set_shortage(struct rzi_policy *p, enum ramz_shortage shortage)
{
	/* What failed before may help now. */
	if (shortage > p->stats.shortage)
		policy_begin_sweeps(p);
	policy_lock(p);
	p->stats.shortage = shortage;
	if (shortage == RAMZ_SHORTAGE_NONE)
		p->stats.squeeze = 0;
	policy_unlock(p);
}

/* Returns the time of rzi_now_ns until which nothing is due; 0 = more is due. `stepping` is
 * ours. */
static uint64_t policy_step(struct rzi_policy *p, bool waiting, int *err)
{
	uint64_t now_ns = rzi_now_ns();
	bool worked;

	*err = 0;
	if (now_ns >= p->next_age_ns)
		policy_end_of_age(p, now_ns);
	policy_set_shortage(p, policy_shortage(p, waiting));
	worked = policy_work(p, err);
	if (!worked)
		policy_drop_compressors(p);
	policy_lock(p);
	p->stats.steps++;
	p->stats.last_error = *err;
	p->made += worked;
	p->rests += !worked;
	(void)pthread_cond_broadcast(&p->progress);
	policy_unlock(p);
	return worked ? 0 : p->next_age_ns;
}

int ramz_policy_step(struct ramz *store, uint32_t *wait_ms)
{
	struct rzi_policy *p = store != NULL ? store->policy : NULL;
	uint64_t until_ns, now_ns;
	bool waiting;
	int err;

	if (p == NULL)
		return -XV_EINVAL;
	policy_lock(p);
	err = !p->is_set ? -XV_EINVAL : p->stepping ? -XV_EAGAIN : 0;
	if (err == 0)
		p->stepping = true;
	waiting = p->waiting != 0;
	policy_unlock(p);
	if (err != 0)
		return err;
	until_ns = policy_step(p, waiting, &err);
	policy_lock(p);
	p->stepping = false;
	(void)pthread_cond_broadcast(&p->wake);
	policy_unlock(p);
	now_ns = rzi_now_ns();
	if (wait_ms != NULL)
		*wait_ms = until_ns > now_ns ? (uint32_t)((until_ns - now_ns) / NS_PER_MS + 1) : 0;
	return err;
}

/* ---- the thread ---- */

static void *policy_thread(void *context)
{
	struct rzi_policy *p = context;

	p->self = pthread_self();
	atomic_store(&p->has_self, true);
	p->keeps_reserve = true;
	rzi_memory_keep_reserve(&p->store->memory, true);
	policy_lock(p);
	while (!p->stop) {
		bool waiting = p->waiting != 0;
		uint64_t until_ns;
		int err;

		policy_unlock(p);
		until_ns = policy_step(p, waiting, &err);
		policy_lock(p);
		/* Nobody tells this thread about the soft limit: it looks at times. */
		if (until_ns > rzi_now_ns() + LOOK_MS * NS_PER_MS)
			until_ns = rzi_now_ns() + LOOK_MS * NS_PER_MS;
		if (!p->stop && until_ns != 0 && p->waiting == 0)
			rzi_condition_wait(&p->wake, &p->lock, until_ns);
		else if (err != 0 && !p->stop)
			rzi_condition_wait(&p->wake, &p->lock, rzi_now_ns() + NS_PER_MS);
	}
	policy_unlock(p);
	atomic_store(&p->has_self, false);
	p->keeps_reserve = false;
	rzi_memory_keep_reserve(&p->store->memory, false);
	return NULL;
}

static int policy_start(struct rzi_policy *p)
{
	int err = 0;

	while (p->stepping && !p->stats.running)
		(void)pthread_cond_wait(&p->wake, &p->lock);
	if (!p->is_set)
		return -XV_EINVAL;
	if (p->stats.running)
		return 0;
	p->stop = false;
	p->stepping = true;
	err = pthread_create(&p->thread, NULL, policy_thread, p) != 0 ? -XV_ENOMEM : 0;
	p->stats.running = err == 0;
	p->stepping = err == 0;
	return err;
}

int ramz_policy_start(struct ramz *store)
{
	int err;

	if (store == NULL)
		return -XV_EINVAL;
	policy_lock(store->policy);
	err = policy_start(store->policy);
	policy_unlock(store->policy);
	return err;
}

void ramz_policy_stop(struct ramz *store)
{
	struct rzi_policy *p = store != NULL ? store->policy : NULL;
	pthread_t thread;

	if (p == NULL)
		return;
	policy_lock(p);
	if (!p->stats.running || p->stop) {
		uint64_t stops = p->stops;

		/* Another call ends it: return when it has ended. It may have been started again
		 * since. */
		while (p->stats.running && p->stops == stops)
			(void)pthread_cond_wait(&p->wake, &p->lock);
		policy_unlock(p);
		return;
	}
	p->stop = true;
	thread = p->thread;
	(void)pthread_cond_broadcast(&p->wake);
	policy_unlock(p);
	(void)pthread_join(thread, NULL);
	policy_lock(p);
	p->stops++;
	p->stats.running = false;
	p->stepping = false;
	(void)pthread_cond_broadcast(&p->wake);
	(void)pthread_cond_broadcast(&p->progress);
	policy_unlock(p);
}

/* ---- the setting ---- */

static bool policy_is_good(const struct ramz_policy *policy)
{
	if (policy->age_ms < AGE_MS_MIN || policy->age_ms > AGE_MS_MAX ||
	    policy->wait_ms > WAIT_MS_MAX)
		return false;
	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++) {
		if (policy->tier_age[tier] > RAMZ_AGE_MAX)
			return false;
	}
	return policy->backing_age <= RAMZ_AGE_MAX;
}

/* Under the lock: wait until no step runs. Was the thread running? */
static bool policy_quiet(struct rzi_policy *p)
{
	bool was_running = false;

	while (p->stepping) {
		if (!p->stats.running) {
			(void)pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		was_running = true;
		policy_unlock(p);
		ramz_policy_stop(p->store);
		policy_lock(p);
	}
	return was_running;
}

int ramz_set_policy(struct ramz *store, const struct ramz_policy *policy)
{
	struct rzi_policy *p;
	bool was_running;
	int err = 0;

	if (store == NULL || (policy != NULL && !policy_is_good(policy)))
		return -XV_EINVAL;
	p = store->policy;
	policy_lock(p);
	was_running = policy_quiet(p);
	p->is_set = policy != NULL;
	policy_drop_compressors(p);
	if (policy != NULL) {
		p->policy = *policy;
		p->next_age_ns = rzi_now_ns() + policy->age_ms * NS_PER_MS;
		policy_begin_sweeps(p);
	}
	if (policy != NULL && was_running)
		err = policy_start(p);
	policy_unlock(p);
	return err;
}

int ramz_get_policy_stats(struct ramz *store, struct ramz_policy_stats *stats)
{
	if (store == NULL || stats == NULL)
		return -XV_EINVAL;
	policy_lock(store->policy);
	*stats = store->policy->stats;
	policy_unlock(store->policy);
	return 0;
}

/* ---- for the rest of the store ---- */

/* Under the lock: until a step may have made room. When there was nothing left to do, or no thread,
 * the next time is the last. */
static void policy_wait(struct rzi_policy *p, uint64_t *deadline_ns)
{
	uint64_t made = p->made, rests = p->rests;

	p->waiting++;
	(void)pthread_cond_broadcast(&p->wake);
	while (p->made == made && p->rests - rests < RESTS_MAX && p->stats.running &&
	       rzi_now_ns() < *deadline_ns)
		rzi_condition_wait(&p->progress, &p->lock, *deadline_ns);
	p->waiting--;
	if (p->made == made)
		*deadline_ns = 1;
}

bool rzi_policy_wait(struct rzi_context *context, uint64_t *deadline_ns)
{
	struct rzi_policy *p = context->store->policy;
	uint64_t begun_ns = rzi_now_ns();
	bool running;

	rzi_park(context);
	policy_lock(p);
	running = p->stats.running && !p->stop && p->policy.wait_ms != 0;
	if (running && *deadline_ns == 0) {
		*deadline_ns = begun_ns + p->policy.wait_ms * NS_PER_MS;
		p->stats.waits++;
	}
	running = running && begun_ns < *deadline_ns;
	if (running)
		policy_wait(p, deadline_ns);
	else if (*deadline_ns != 0)
		p->stats.refused++;
	p->stats.wait_ns += rzi_now_ns() - begun_ns;
	policy_unlock(p);
	rzi_unpark(context);
	return running;
}

bool rzi_policy_is_mine(struct ramz *store)
{
	struct rzi_policy *p = store->policy;

	return atomic_load(&p->has_self) && pthread_equal(p->self, pthread_self()) != 0;
}

uint64_t rzi_policy_bytes(void)
{
	return rzi_memory_rounded(sizeof(struct rzi_policy));
}

int rzi_policy_create(struct ramz *store)
{
	int err = 0;
	struct rzi_policy *p = rzi_memory_alloc(&store->memory, sizeof(*p), &err);

	if (p == NULL)
		return err;
	p->store = store;
	p->day_began_ns = rzi_now_ns();
	if (pthread_mutex_init(&p->lock, NULL) != 0)
		goto no_lock;
	if (rzi_condition_init(&p->wake) != 0)
		goto no_wake;
	if (rzi_condition_init(&p->progress) != 0)
		goto no_progress;
	store->policy = p;
	return 0;
no_progress:
	(void)pthread_cond_destroy(&p->wake);
no_wake:
	(void)pthread_mutex_destroy(&p->lock);
no_lock:
	rzi_memory_free(&store->memory, p, sizeof(*p));
	return -XV_ENOMEM;
}

void rzi_policy_destroy(struct ramz *store)
{
	struct rzi_policy *p = store->policy;

	if (p == NULL)
		return;
	ramz_policy_stop(store);
	policy_drop_compressors(p);
	(void)pthread_cond_destroy(&p->progress);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	rzi_memory_free(&store->memory, p, sizeof(*p));
	store->policy = NULL;
}
