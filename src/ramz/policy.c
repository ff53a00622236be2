/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * policy.c: a policy is set, its thread started and stopped, and writers wait for it; see
 * ramz/policy.h. policy_step.c does the work.
 *
 * Owns the policy's state and thread. May call: policy_step.c. Locking: see policy_impl.h. O(1).
 */
#include "machine_memory.h"
#include "policy_impl.h"

enum {
	AGE_MS = 60000,
	AGE_MS_MIN = 10,
	AGE_MS_MAX = 86400000,
	WAIT_MS = 5000,
	WAIT_MS_MAX = 60000,
	LOOK_MS = 100, /* the thread looks at the limits so often */
};

void ramz_policy_init(struct ramz_policy *policy)
{
	if (policy != NULL)
		*policy = (struct ramz_policy){.age_ms = AGE_MS, .wait_ms = WAIT_MS, .train = true};
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
	if (err == 0) {
		p->stepping = true;
		p->step_asked = p->asked;
	}
	waiting = p->waiting != 0;
	policy_unlock(p);
	if (err != 0)
		return err;
	until_ns = rzi_policy_do(p, waiting, &err);
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

	p->keeps_reserve = true;
	rzi_memory_keep_reserve(&p->store->memory, true);
	policy_lock(p);
	while (!p->stop) {
		bool waiting = p->waiting != 0;
		uint64_t until_ns;
		int err;

		p->step_asked = p->asked;
		policy_unlock(p);
		until_ns = rzi_policy_do(p, waiting, &err);
		policy_lock(p);
		/* Nobody tells this thread about the soft limit: it looks at times. */
		if (until_ns > rzi_now_ns() + LOOK_MS * NS_PER_MS)
			until_ns = rzi_now_ns() + LOOK_MS * NS_PER_MS;
		if (!p->stop && until_ns != 0 && p->asked == p->step_asked)
			rzi_condition_wait(&p->wake, &p->lock, until_ns);
		else if (err != 0 && !p->stop)
			rzi_condition_wait(&p->wake, &p->lock, rzi_now_ns() + NS_PER_MS);
	}
	policy_unlock(p);
	p->keeps_reserve = false;
	rzi_memory_keep_reserve(&p->store->memory, false);
	return NULL;
}

static int policy_start(struct rzi_policy *p)
{
	int err = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&p->lock));
	while (p->stepping && !p->stats.running)
		(void)pthread_cond_wait(&p->wake, &p->lock);
	if (!p->is_set)
		return -XV_EINVAL;
	if (p->stats.running)
		return 0;
	p->stop = false;
	p->stepping = true;
	err = pthread_create(&p->thread, NULL, policy_thread, p) != 0 ? -XV_ENOMEM : 0;
	policy_stats(p)->running = err == 0;
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
	policy_stats(p)->running = false;
	p->stepping = false;
	(void)pthread_cond_broadcast(&p->wake);
	(void)pthread_cond_broadcast(&p->progress);
	policy_unlock(p);
}

/* ---- the setting ---- */

static bool policy_is_good(const struct ramz_policy *policy)
{
	if (policy->age_ms < AGE_MS_MIN || policy->age_ms > AGE_MS_MAX ||
	    policy->wait_ms > WAIT_MS_MAX || policy->pressure_percent > 100)
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

	RZI_ASSERT(rzi_mutex_is_taken(&p->lock));
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

static void policy_set_pressure(struct rzi_policy *p, int fd)
{
	if (p->pressure_fd >= 0)
		rzi_pressure_close(p->pressure_fd);
	p->pressure_fd = fd;
	p->pressure = 0;
	p->is_pressed = false;
	p->next_pressure_ns = 0;
}

/* Without a step: take the policy, or none. */
static void policy_take(struct rzi_policy *p, const struct ramz_policy *policy, int pressure_fd)
{
	RZI_ASSERT(!p->stepping);
	rzi_policy_drop_compressors(p);
	policy_set_pressure(p, pressure_fd);
	p->is_set = policy != NULL;
	if (policy == NULL) {
		p->stats.shortage = RAMZ_SHORTAGE_NONE;
		p->stats.squeeze = 0;
		p->stats.pressure = 0;
		return;
	}
	p->policy = *policy;
	p->policy.pressure_file = NULL; /* the caller's */
	p->next_age_ns = rzi_now_ns() + policy->age_ms * NS_PER_MS;
	rzi_policy_begin(p);
}

int ramz_set_policy(struct ramz *store, const struct ramz_policy *policy)
{
	struct rzi_policy *p;
	int pressure_fd = -1;
	bool was_running;
	int err = 0;

	if (store == NULL || (policy != NULL && !policy_is_good(policy)))
		return -XV_EINVAL;
	if (policy != NULL && policy->pressure_percent != 0) {
		pressure_fd = rzi_pressure_open("", policy->pressure_file);
		if (pressure_fd < 0)
			return pressure_fd;
	}
	p = store->policy;
	policy_lock(p);
	/* Writers go on waiting while the thread begins anew. */
	p->changing = policy != NULL && p->stats.running;
	was_running = policy_quiet(p);
	policy_take(p, policy, pressure_fd);
	if (policy != NULL && was_running)
		err = policy_start(p);
	p->changing = false;
	(void)pthread_cond_broadcast(&p->progress);
	policy_unlock(p);
	return err;
}

int ramz_get_policy_stats(struct ramz *store, struct ramz_policy_stats *stats)
{
	if (store == NULL || stats == NULL)
		return -XV_EINVAL;
	policy_lock(store->policy);
	*stats = *policy_stats(store->policy);
	policy_unlock(store->policy);
	return 0;
}

/* ---- for the rest of the store ---- */

/* Under the lock: until a step may have made room. When there was nothing left to do, or no thread,
 * the next time is the last. */
static void policy_wait(struct rzi_policy *p, uint64_t *deadline_ns)
{
	uint64_t made = p->made, asked = ++p->asked;

	RZI_ASSERT(rzi_mutex_is_taken(&p->lock));
	p->waiting++;
	(void)pthread_cond_broadcast(&p->wake);
	while (p->made == made && p->rested < asked && (p->stats.running || p->changing) &&
	       rzi_now_ns() < *deadline_ns)
		rzi_condition_wait(&p->progress, &p->lock, *deadline_ns);
	p->waiting--;
	if (p->made != made)
		return;
	p->stats.futile += p->rested >= asked;
	*deadline_ns = 1;
}

bool rzi_policy_wait(struct rzi_context *context, uint64_t *deadline_ns)
{
	struct rzi_policy *p = context->store->policy;
	uint64_t begun_ns = rzi_now_ns();
	bool running;

	rzi_park(context);
	policy_lock(p);
	running = ((p->stats.running && !p->stop) || p->changing) && p->policy.wait_ms != 0;
	if (running && *deadline_ns == 0) {
		*deadline_ns = begun_ns + p->policy.wait_ms * NS_PER_MS;
		policy_stats(p)->waits++;
	}
	running = running && begun_ns < *deadline_ns;
	if (running)
		policy_wait(p, deadline_ns);
	else if (*deadline_ns != 0)
		policy_stats(p)->refused++;
	policy_stats(p)->wait_ns += rzi_now_ns() - begun_ns;
	policy_unlock(p);
	rzi_unpark(context);
	return running;
}

void rzi_policy_news(struct ramz *store)
{
	struct rzi_policy *p = store->policy;

	policy_lock(p);
	atomic_fetch_add(&p->news, 1);
	(void)pthread_cond_broadcast(&p->wake);
	policy_unlock(p);
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
	p->pressure_fd = -1;
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
	policy_take(p, NULL, -1);
	(void)pthread_cond_destroy(&p->progress);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	rzi_memory_free(&store->memory, p, sizeof(*p));
	store->policy = NULL;
}
