/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * race.c: lanes in turns; see race.h.
 *
 * Which lane begins changes from round to round, as the first one finds the batch's pages
 * in no cache. Locking: none here.
 */
#include "race.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "density.h"
#include "zram_share.h"

/* A round's pages: some milliseconds of work, 2 MiB. */
#define RACE_ROUND_PAGES 512U
#define RACE_PAGES_MIN 64U

/* What the fill of one page costs in all lanes, in times of compressing it: the forms of
 * the raw lanes, and the six lanes. */
#define RACE_FILL_COST 8U

/* A race under way. */
struct race_state {
	struct rzc_race *race;
	struct rzc_crew *crew;
	const struct rzc_race_plan *plan;
	struct rzc_scene scene;
	struct rzc_zram_share share;
	struct xvf_random random;
	uint32_t *sample;  /* indices of the input's pages */
	uint32_t *content; /* by slot: page of the sample that it holds */
	uint32_t *order;   /* slots, in the order of a pass */
	uint32_t *pages;   /* those of a round */
};

/* ---- making the lanes ---- */

static size_t race_page_count(const struct rzc_race_plan *plan)
{
	const struct rzc_input *input = plan->input;
	uint64_t page_ns = rzc_codec_ns_per_page(plan->codec, input->pages.data, input->distinct,
						 input->distinct_count);
	uint64_t count = plan->max_pages;

	if (count == 0)
		count = plan->budget_ns / RZC_PHASES /
			((page_ns > 0 ? page_ns : 1) * RACE_FILL_COST);
	if (plan->max_pages == 0 && count < RACE_PAGES_MIN)
		count = RACE_PAGES_MIN;
	return count < input->distinct_count ? (size_t)count : input->distinct_count;
}

static void race_make_scene(struct race_state *state)
{
	const struct rzc_input *input = state->plan->input;
	size_t count = race_page_count(state->plan);
	size_t used = 0;

	state->sample = xvf_calloc(count, sizeof(*state->sample));
	state->content = xvf_calloc(count, sizeof(*state->content));
	state->order = xvf_calloc(count, sizeof(*state->order));
	state->pages = xvf_calloc(RACE_ROUND_PAGES, sizeof(*state->pages));
	for (size_t i = 0; i < input->distinct_count; i++) {
		if (xvf_spread_takes(i, input->distinct_count, count))
			state->sample[used++] = input->distinct[i];
	}
	for (size_t i = 0; i < count; i++)
		state->order[i] = (uint32_t)i;
	xvf_random_init(&state->random, state->plan->seed);
	state->race->pages = count;
	state->scene = (struct rzc_scene){
		.codec = state->plan->codec,
		.data = input->pages.data,
		.sample = state->sample,
		.count = count,
		.threads = state->crew->threads,
	};
}

static int race_add_lane(struct race_state *state, enum rzc_who who, unsigned threads)
{
	struct rzc_race *race = state->race;
	struct rzc_lane *lane = &race->lanes[race->lane_count];
	int result = 0;

	*lane = (struct rzc_lane){.who = who, .threads = threads};
	if (who == RZC_STORE)
		result = rzc_subject_store(&lane->subject, &state->scene);
	else if (who == RZC_RAW)
		result = rzc_subject_raw(&lane->subject, &state->scene);
	else
		rzc_subject_zram(&lane->subject, &state->scene, &state->share,
				 threads > 1 ? state->scene.count : 0);
	if (result != 0)
		return result;
	for (int phase = 0; phase < RZC_PHASES; phase++)
		rzc_speed_init(&lane->speed[phase]);
	race->lane_count++;
	return 0;
}

/* Kernel zram, where it is wanted and can be had; else zram_why says why not. */
static bool race_open_zram(struct race_state *state)
{
	const char *algorithm = state->plan->codec->codec->name;
	struct rzc_race *race = state->race;
	char *why = race->zram_why;
	size_t why_bytes = sizeof(race->zram_why);

	if (!state->plan->zram)
		snprintf(why, why_bytes, "it was not asked for (--no-zram)");
	else if (strcmp(algorithm, "none") == 0)
		snprintf(why, why_bytes, "the kernel has no codec 'none'");
	else if (rzc_zram_share_open(&state->share, algorithm, 2 * (uint64_t)race->pages, why,
				     why_bytes) == 0)
		why[0] = '\0';
	return why[0] == '\0';
}

static int race_make_lanes(struct race_state *state)
{
	unsigned counts = state->crew->threads > 1 ? 2 : 1;
	int result = 0;

	for (int who = 0; who < RZC_WHOS && result == 0; who++) {
		if (who == RZC_ZRAM && !race_open_zram(state))
			continue;
		for (unsigned i = 0; i < counts && result == 0; i++)
			result = race_add_lane(state, (enum rzc_who)who,
					       i == 0 ? 1 : state->crew->threads);
	}
	return result;
}

/* ---- rounds ---- */

/* The next batch of the pass, from slot order[first] on, in every lane. */
static int race_round(struct race_state *state, enum rzc_phase phase, size_t first, size_t round)
{
	struct rzc_race *race = state->race;
	size_t left = race->pages - first;
	struct rzc_batch batch = {
		.slots = state->order + first,
		.pages = state->pages,
		.count = left < RACE_ROUND_PAGES ? left : RACE_ROUND_PAGES,
	};

	for (size_t i = 0; i < batch.count; i++) {
		uint32_t slot = batch.slots[i];

		if (phase == RZC_FILL)
			state->content[slot] = slot;
		else if (phase == RZC_OVERWRITE)
			state->content[slot] =
				xvf_random_below(&state->random, (uint32_t)race->pages);
		state->pages[i] = state->content[slot];
	}
	for (size_t i = 0; i < race->lane_count; i++) {
		struct rzc_lane *lane = &race->lanes[(i + round) % race->lane_count];

		if (rzc_lane_run(state->crew, lane, phase, &batch) != 0)
			return XVF_FAILED;
	}
	return 0;
}

static int race_clear(struct race_state *state)
{
	for (size_t i = 0; i < state->race->lane_count; i++) {
		struct rzc_lane *lane = &state->race->lanes[i];
		int err = lane->subject.clear(lane->subject.self);

		if (err != 0) {
			xvf_error("cannot empty %s: %s", rzc_who_name(lane->who),
				  rzc_store_error(err));
			return XVF_FAILED;
		}
	}
	return 0;
}

/*
 * Passes over all slots until the time is over: of the fill, whole ones; of the others, at
 * least one round.
 */
static int race_phase(struct race_state *state, enum rzc_phase phase)
{
	uint64_t end_ns = xvf_timer_clock_ns() + state->plan->budget_ns / RZC_PHASES;
	size_t pages = state->race->pages;
	size_t round = 0;

	do {
		if (phase != RZC_FILL)
			rzc_shuffle(state->order, pages, &state->random);
		else if (round > 0 && race_clear(state) != 0)
			return XVF_FAILED;
		for (size_t first = 0; first < pages; first += RACE_ROUND_PAGES, round++) {
			if (phase != RZC_FILL && round > 0 && xvf_timer_clock_ns() >= end_ns)
				return 0;
			if (race_round(state, phase, first, round) != 0)
				return XVF_FAILED;
		}
	} while (xvf_timer_clock_ns() < end_ns);
	return 0;
}

/* ---- the race ---- */

/* Does every slot of the lane read as what was written? A raw codec has no slots. */
static int race_verify(struct race_state *state, struct rzc_lane *lane)
{
	void *dst;
	int err = posix_memalign(&dst, XVF_INPUT_PAGE_BYTES, XVF_INPUT_PAGE_BYTES);

	if (err != 0)
		return XVF_FAILED;
	for (uint32_t slot = 0; slot < state->race->pages && err == 0; slot++) {
		uint32_t n = state->content[slot];

		err = lane->subject.read(lane->subject.self, 0, slot, n, dst);
		if (err == 0 &&
		    memcmp(dst, rzc_scene_page(&state->scene, n), XVF_INPUT_PAGE_BYTES) != 0)
			err = -XV_EBADMSG;
		if (err != 0)
			xvf_error("slot %" PRIu32 " of %s does not read as it was written (%s): "
				  "the times are worth nothing",
				  slot, rzc_who_name(lane->who), rzc_store_error(err));
	}
	free(dst);
	return err == 0 ? 0 : XVF_FAILED;
}

static int race_phases(struct race_state *state)
{
	struct rzc_race *race = state->race;
	int result = race_phase(state, RZC_FILL);

	if (result == 0 && state->share.device != NULL)
		(void)xvf_zram_stat(state->share.device, &race->zram);
	if (result == 0)
		result = race_phase(state, RZC_OVERWRITE);
	if (result == 0)
		result = race_phase(state, RZC_READ);
	for (size_t i = 0; i < race->lane_count && result == 0; i++)
		result = race_verify(state, &race->lanes[i]);
	return result;
}

static void race_end_lanes(struct race_state *state)
{
	for (size_t i = 0; i < state->race->lane_count; i++) {
		struct rzc_subject *subject = &state->race->lanes[i].subject;

		subject->destroy(subject->self);
		subject->self = NULL;
	}
	rzc_zram_share_close(&state->share);
	free(state->sample);
	free(state->content);
	free(state->order);
	free(state->pages);
}

int rzc_race_run(struct rzc_race *race, struct rzc_crew *crew, const struct rzc_race_plan *plan)
{
	struct race_state state = {.race = race, .crew = crew, .plan = plan, .share = {.fd = -1}};
	int result;

	memset(race, 0, sizeof(*race));
	race->ns_per_tick = crew->timer.ns_per_tick;
	race_make_scene(&state);
	result = race_make_lanes(&state);
	if (result == 0)
		result = race_phases(&state);
	race_end_lanes(&state);
	return result;
}

void rzc_race_fini(struct rzc_race *race)
{
	for (size_t i = 0; i < race->lane_count; i++) {
		for (int phase = 0; phase < RZC_PHASES; phase++)
			rzc_speed_fini(&race->lanes[i].speed[phase]);
	}
	race->lane_count = 0;
}

/* ---- what came of it ---- */

static int race_compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of numbers, which end up sorted. 0 when there are none. */
static double race_median(double *numbers, size_t count)
{
	if (count == 0)
		return 0;
	qsort(numbers, count, sizeof(*numbers), race_compare);
	return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

/* The median of the rounds' ratios; rounds without a time are left out. */
static double race_median_ratio(const struct rzc_speed *above, const struct rzc_speed *below)
{
	double *ratio = xvf_calloc(above->rounds, sizeof(*ratio));
	size_t count = 0;
	double median;

	for (size_t i = 0; i < above->rounds; i++) {
		if (above->page_ns[i] > 0 && below->page_ns[i] > 0)
			ratio[count++] = above->page_ns[i] / below->page_ns[i];
	}
	median = race_median(ratio, count);
	free(ratio);
	return median;
}

static const struct rzc_lane *race_lane(const struct rzc_race *race, enum rzc_who who, bool several)
{
	for (size_t i = 0; i < race->lane_count; i++) {
		const struct rzc_lane *lane = &race->lanes[i];

		if (lane->who == who && (lane->threads > 1) == several)
			return lane;
	}
	return NULL;
}

double rzc_race_ratio(const struct rzc_race *race, enum rzc_phase phase, enum rzc_who above,
		      enum rzc_who below)
{
	const struct rzc_lane *a = race_lane(race, above, false);
	const struct rzc_lane *b = race_lane(race, below, false);

	return a != NULL && b != NULL ? race_median_ratio(&a->speed[phase], &b->speed[phase]) : 0;
}

double rzc_race_scaling(const struct rzc_race *race, enum rzc_phase phase, enum rzc_who who)
{
	const struct rzc_lane *one = race_lane(race, who, false);
	const struct rzc_lane *several = race_lane(race, who, true);

	if (one == NULL || several == NULL)
		return 0;
	return several->threads * race_median_ratio(&one->speed[phase], &several->speed[phase]);
}

void rzc_race_times(const struct rzc_race *race, const struct rzc_lane *lane, enum rzc_phase phase,
		    struct rzc_times *times)
{
	const struct rzc_speed *speed = &lane->speed[phase];
	const struct xvf_histogram *ticks = speed->ticks;
	double us = race->ns_per_tick / 1000;
	double *rates = xvf_calloc(speed->rounds, sizeof(*rates));

	memcpy(rates, speed->pages_per_s, speed->rounds * sizeof(*rates));
	*times = (struct rzc_times){
		.pages = ticks->total,
		.preempted = speed->preempted,
		.mean_us = ticks->total > 0 ? us * (double)ticks->sum / (double)ticks->total : 0,
		.p50_us = us * (double)xvf_histogram_percentile(ticks, 5000),
		.p99_us = us * (double)xvf_histogram_percentile(ticks, 9900),
		.p9999_us = us * (double)xvf_histogram_percentile(ticks, 9999),
		.max_us = us * (double)ticks->max,
		.pages_per_s = race_median(rates, speed->rounds),
	};
	free(rates);
}
