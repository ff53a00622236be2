/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * policy_step.c: the work of a policy; see ramz/policy.h.
 *
 * A step does the first of these that is due: the end of an age; a training; some pages of a sweep
 * of the strongest tier, then of the next; a segment of pages to the backing device; a part of a
 * compaction. When memory is very short, the device comes first: it takes a page in a tenth of the
 * time, and needs no room for a new form beside the old one. When nothing is left and memory is
 * short, the required ages are halved and the sweeps begin again. When that ends too, the policy
 * rests until the next age.
 *
 * Owns nothing. May call: recompress.h, and the store's public calls. Locking: see policy_impl.h.
 * O(the work).
 */
#include "machine_memory.h"
#include "backing.h"
#include "policy_impl.h"

enum {
	STEP_MS = 5,           /* pages are recompressed for so long in a step */
	STEP_LOOKED = 1 << 16, /* pages looked at in a step */
	COMPACT_BYTES = 256 << 10,
	COMPACT_SHARE_SHIFT = 5, /* a compaction that gives back less than a 32nd does not pay */
	SQUEEZE_MAX = 7,         /* so many halvings of RAMZ_AGE_MAX give 0 */
	EASE_SHIFT = 4,          /* memory is no longer short a 16th below the soft limit */
	NEAR_SHIFT = 5,          /* memory is very short within a 32nd of the hard limit */
	TRAIN_PAGES = 2048,      /* pages that must be due before a training */
	DRIFT_PAGES = 4096,      /* pages over which gains are compared */
};

#define DAY_NS (UINT64_C(86400000) * NS_PER_MS)
#define PRESSURE_NS (UINT64_C(1000) * NS_PER_MS) /* between two looks */

/* ---- how short memory is ---- */

/* Look at the pressure if it is time. It makes memory short until it is below half of what the
 * policy says. What can't be read is none, and an error. */
static void policy_look_at_pressure(struct rzi_policy *p, uint64_t now_ns, int *err)
{
	uint32_t enough = p->policy.pressure_percent * 100;

	if (p->pressure_fd < 0)
		return;
	if (now_ns >= p->next_pressure_ns) {
		p->pressure = rzi_pressure_read(p->pressure_fd);
		p->next_pressure_ns = now_ns + PRESSURE_NS;
	}
	p->is_pressed = p->pressure >= (int)(p->is_pressed ? enough / 2 : enough);
	if (p->pressure < 0)
		*err = p->pressure;
}

/* *cause is what counts the reason. */
static enum ramz_shortage policy_shortage(struct rzi_policy *p, bool waiting, uint64_t **cause)
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
	*cause = &p->stats.hard_shortages;
	if (waiting || (hard != 0 && held >= hard - (hard >> NEAR_SHIFT)))
		return RAMZ_SHORTAGE_HARD;
	if (p->stats.shortage != RAMZ_SHORTAGE_NONE)
		soft -= soft >> EASE_SHIFT;
	*cause = &p->stats.soft_shortages;
	if (soft != 0 && held >= soft)
		return RAMZ_SHORTAGE_SOFT;
	*cause = &p->stats.pressures;
	return p->is_pressed ? RAMZ_SHORTAGE_SOFT : RAMZ_SHORTAGE_NONE;
}

/* ---- sweeps ---- */

void rzi_policy_begin(struct rzi_policy *p)
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

/* Pages of that age and older; more than the tier can gain, since pages in it are counted too. */
static uint64_t policy_due(struct rzi_policy *p, uint32_t age)
{
	struct ramz_ages ages;
	uint64_t due = 0;

	if (ramz_get_ages(p->store, &ages) != 0)
		return 0;
	for (uint32_t bucket = 0; bucket < RAMZ_AGE_BUCKETS; bucket++) {
		if (ramz_age_floor(bucket) >= age)
			due += ages.pages[bucket];
	}
	return due;
}

/* Do pages gain an eighth less than the first ones with this dictionary? */
static bool policy_has_drifted(const struct rzi_gain *gain)
{
	return gain->last < gain->first * 7 / 8;
}

static void policy_note_gain(struct rzi_gain *gain, const struct rzi_sweep *sweep)
{
	gain->pages += sweep->risen_pages;
	gain->bytes += sweep->risen_bytes;
	if (gain->pages < DRIFT_PAGES)
		return;
	gain->last = gain->bytes / gain->pages;
	if (gain->first == 0)
		gain->first = gain->last;
	gain->pages = 0;
	gain->bytes = 0;
}

/* Train a dictionary if one is due. Returns whether it was tried. One that does not pay is tried
 * again when twice as many pages are due: a training takes as long as a thousand pages. */
static bool policy_train(struct rzi_policy *p, uint32_t tier, uint32_t age, int *err)
{
	struct ramz_train_options options = {.tier = tier, .min_age = age};
	struct ramz_train_report report = {.used = false};
	struct ramz_tier_info info;
	uint64_t due;

	if (!p->policy.train || ramz_get_tier(p->store, tier, &info) != 0 || info.codec == NULL ||
	    info.codec->digest_create == NULL ||
	    (info.dictionary_bytes != 0 && !policy_has_drifted(&p->gain[tier])))
		return false;
	due = policy_due(p, age);
	if (due < TRAIN_PAGES || due < p->train_at[tier])
		return false;
	*err = ramz_train(p->store, &options, &report);
	p->gain[tier] = (struct rzi_gain){.pages = 0};
	p->train_at[tier] = report.used ? 0 : 2 * due;
	policy_lock(p);
	policy_stats(p)->trainings++;
	policy_stats(p)->dictionaries += report.used;
	policy_unlock(p);
	if (*err == -XV_ENOTSUP)
		*err = 0;
	return true;
}

/* Do some pages of a tier's sweep. Returns whether there was one. */
static bool policy_sweep(struct rzi_policy *p, uint32_t tier, uint32_t age, int *err)
{
	struct ramz_recompress_options options = {
		.tier = tier, .min_age = age, .first = p->cursor[tier], .count = STEP_LOOKED};
	struct ramz_recompress_report report = {.tried = 0};
	struct rzi_sweep sweep = {.until_ns = rzi_now_ns() + STEP_MS * NS_PER_MS};
	uint64_t end;

	if (p->cursor[tier] == UINT64_MAX)
		return false;
	end = p->cursor[tier] + STEP_LOOKED;
	rzi_memory_lend_reserve(&p->store->memory, p->stats.shortage == RAMZ_SHORTAGE_HARD);
	*err = rzi_recompress(p->store, &p->compressor[tier], &options, &report, &sweep);
	rzi_memory_lend_reserve(&p->store->memory, false);
	p->cursor[tier] = report.next != UINT64_MAX ? report.next : end;
	if (*err == -XV_ERANGE || p->cursor[tier] >= rzi_pages(p->store)) {
		*err = *err == -XV_ERANGE ? 0 : *err;
		p->cursor[tier] = UINT64_MAX;
	}
	/* The codec has no memory to work with, so the next page would fail too. Where a new form
	 * has no place, the next page's may have one. */
	if ((*err == -XV_ENOSPC || *err == -XV_ENOMEM) && report.tried == 0)
		p->cursor[tier] = UINT64_MAX;
	policy_note_gain(&p->gain[tier], &sweep);
	policy_lock(p);
	policy_stats(p)->recompressed += report.recompressed;
	policy_stats(p)->saved_bytes += report.saved_bytes;
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
	policy_stats(p)->compactions++;
	policy_unlock(p);
	return true;
}

/* ---- the device ---- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* May a segment be written to the device now, by what is allowed in a day and in all? */
static bool policy_may_write(struct rzi_policy *p)
{
	uint64_t now_ns = rzi_now_ns(), left = UINT64_MAX;
	bool may;

	if (now_ns - p->day_began_ns >= DAY_NS) {
		p->day_began_ns = now_ns;
		p->day_bytes = 0;
	}
	if (p->policy.day_bytes != 0)
		left = p->policy.day_bytes - min_u64(p->policy.day_bytes, p->day_bytes);
	if (p->policy.all_bytes != 0)
		left = min_u64(left, p->policy.all_bytes -
					     min_u64(p->policy.all_bytes, p->stats.written_bytes));
	may = left >= RAMZ_SEGMENT_BYTES;
	policy_lock(p);
	policy_stats(p)->held_back += !may && !p->is_held_back;
	policy_unlock(p);
	p->is_held_back = !may;
	return may;
}

/* A full device that holds a checkpoint may have segments that only that one needs: take another.
 * Returns true. */
static bool policy_checkpoint(struct rzi_policy *p, int *err)
{
	struct ramz_backing_stats before, after;

	if (*err != -XV_ENOSPC || ramz_get_backing_stats(p->store, &before) != 0 || !before.holds)
		return true;
	*err = rzi_checkpoint_try(p->store);
	if (*err == -XV_EAGAIN) { /* a save is under way */
		*err = 0;
		return true;
	}
	(void)ramz_get_backing_stats(p->store, &after);
	policy_lock(p);
	policy_stats(p)->checkpoints++;
	if (after.written_bytes >= before.written_bytes) { /* the same device */
		p->day_bytes += after.written_bytes - before.written_bytes;
		policy_stats(p)->written_bytes += after.written_bytes - before.written_bytes;
	}
	policy_unlock(p);
	return true;
}

/* Move pages to the backing device, where there is one, until a segment is full; its cursor is that
 * of tier 0. Returns whether it was tried. */
static bool policy_writeback(struct rzi_policy *p, int *err)
{
	struct ramz_writeback_options options = {
		.first = p->cursor[0], .count = STEP_LOOKED, .write_max = RAMZ_SEGMENT_BYTES};
	struct ramz_writeback_report report = {.pages = 0};
	uint64_t end = p->cursor[0] + STEP_LOOKED;

	if (p->cursor[0] == UINT64_MAX || !policy_age(p, p->policy.backing_age, &options.min_age) ||
	    !policy_may_write(p))
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
	policy_stats(p)->written_back += report.pages;
	policy_stats(p)->written_bytes += report.written_bytes;
	policy_unlock(p);
	return policy_checkpoint(p, err);
}

/* ---- a step ---- */

void rzi_policy_drop_compressors(struct rzi_policy *p)
{
	for (uint32_t tier = 0; tier < RAMZ_TIERS; tier++)
		rzi_compressor_drop(p->store, &p->compressor[tier]);
}

static void policy_end_of_age(struct rzi_policy *p, uint64_t now_ns)
{
	p->next_age_ns += p->policy.age_ms * NS_PER_MS;
	if (p->next_age_ns <= now_ns) /* see ramz/policy.h */
		p->next_age_ns = now_ns + p->policy.age_ms * NS_PER_MS;
	(void)ramz_mark_idle(p->store);
	rzi_policy_begin(p);
	policy_lock(p);
	policy_stats(p)->ages++;
	policy_stats(p)->squeeze = 0;
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
	rzi_policy_begin(p);
	policy_lock(p);
	policy_stats(p)->squeeze += !youngest;
	policy_stats(p)->squeezes += !youngest;
	RZI_ASSERT(p->stats.squeeze <= SQUEEZE_MAX);
	policy_unlock(p);
	return true;
}

/* Do the first work that is due. Returns whether there was any. */
static bool policy_work(struct rzi_policy *p, int *err)
{
	uint32_t age;

	if (p->stats.shortage == RAMZ_SHORTAGE_HARD && policy_writeback(p, err))
		return true;
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

static void policy_set_shortage(struct rzi_policy *p, bool waiting)
{
	uint64_t *cause;
	enum ramz_shortage shortage = policy_shortage(p, waiting, &cause);
	bool more = shortage > p->stats.shortage;

	/* What failed before may help now. */
	if (more)
		rzi_policy_begin(p);
	policy_lock(p);
	*cause += more;
	policy_stats(p)->pressure = p->pressure > 0 ? (uint32_t)p->pressure : 0;
	policy_stats(p)->shortage = shortage;
	if (shortage == RAMZ_SHORTAGE_NONE)
		policy_stats(p)->squeeze = 0;
	policy_unlock(p);
}

uint64_t rzi_policy_do(struct rzi_policy *p, bool waiting, int *err)
{
	uint64_t now_ns = rzi_now_ns();
	uint32_t news = atomic_load(&p->news);
	int pressure_err = 0;
	bool worked;

	RZI_ASSERT(p->stepping && p->is_set);
	*err = 0;
	if (now_ns >= p->next_age_ns)
		policy_end_of_age(p, now_ns);
	policy_look_at_pressure(p, now_ns, &pressure_err);
	if (news != p->news_seen)
		rzi_policy_begin(p);
	p->news_seen = news;
	policy_set_shortage(p, waiting);
	worked = policy_work(p, err);
	if (*err == 0)
		*err = pressure_err;
	if (!worked)
		rzi_policy_drop_compressors(p);
	policy_lock(p);
	policy_stats(p)->last_error = *err;
	p->made += worked;
	if (!worked && news == atomic_load(&p->news))
		p->rested = p->step_asked;
	(void)pthread_cond_broadcast(&p->progress);
	policy_unlock(p);
	if (worked)
		return 0;
	return p->pressure_fd >= 0 ? min_u64(p->next_pressure_ns, p->next_age_ns) : p->next_age_ns;
}
