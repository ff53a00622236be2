/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * bench_json.c: ramz bench as JSON, schema "ramz-bench/1" (ramz.1 has its fields). A value
 * that means nothing is null. Locking: none.
 */
#include "bench.h"

#if RAMZ_CLI_HAVE_JANSSON

json_t *rzc_bench_json_root(const struct rzc_options *options)
{
	json_t *root = rzc_json_root("ramz-bench/1");
	json_t *o = json_object();

	json_object_set_new(o, "threads", rzc_json_count(options->threads));
	json_object_set_new(o, "seconds", rzc_json_count(options->seconds));
	json_object_set_new(o, "seed", rzc_json_count(options->seed));
	json_object_set_new(o, "max_input_bytes", rzc_json_count(options->max_input_bytes));
	json_object_set_new(root, "options", o);
	json_object_set_new(root, "inputs", json_array());
	json_object_set_new(root, "results", json_array());
	return root;
}

static json_t *bench_footprint(const struct rzc_footprint *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "stored_pages", rzc_json_count(f->stored_pages));
	json_object_set_new(o, "stored_bytes", rzc_json_count(f->stored_bytes));
	json_object_set_new(o, "held_bytes", rzc_json_count(f->held_bytes));
	json_object_set_new(o, "pool_bytes", rzc_json_count(f->pool_bytes));
	json_object_set_new(o, "slot_table_bytes", rzc_json_count(f->slot_table_bytes));
	json_object_set_new(o, "thread_bytes", rzc_json_count(f->thread_bytes));
	json_object_set_new(o, "store_bytes", rzc_json_count(f->store_bytes));
	return o;
}

static json_t *bench_density(const struct rzc_density *d)
{
	json_t *o = json_object();
	double ratio = rzc_density_ratio(d);
	double full = rzc_density_full(d);
	double sparse = rzc_density_sparse(d);

	json_object_set_new(o, "pages", rzc_json_count(d->pages));
	json_object_set_new(o, "same_filled_pages", rzc_json_count(d->same_filled));
	json_object_set_new(o, "raw_pages", rzc_json_count(d->raw));
	json_object_set_new(o, "ratio", rzc_json_real_if(ratio > 0, ratio));
	json_object_set_new(o, "held_by_compressed", rzc_json_real_if(full > 0, full));
	json_object_set_new(o, "held_by_compressed_sparse", rzc_json_real_if(sparse > 0, sparse));
	json_object_set_new(o, "compact_ms", json_real(d->compact_ms));
	json_object_set_new(o, "full", bench_footprint(&d->full));
	json_object_set_new(o, "sparse", bench_footprint(&d->sparse));
	return o;
}

static json_t *bench_times(const struct rzc_times *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "pages", rzc_json_count(t->pages));
	json_object_set_new(o, "preempted_pages", rzc_json_count(t->preempted));
	json_object_set_new(o, "mean_us", json_real(t->mean_us));
	json_object_set_new(o, "p50_us", json_real(t->p50_us));
	json_object_set_new(o, "p99_us", json_real(t->p99_us));
	json_object_set_new(o, "p9999_us", json_real(t->p9999_us));
	json_object_set_new(o, "max_us", json_real(t->max_us));
	json_object_set_new(o, "pages_per_s", json_real(t->pages_per_s));
	return o;
}

static json_t *bench_lane(const struct rzc_race *race, const struct rzc_lane *lane)
{
	json_t *o = json_object();

	json_object_set_new(o, "subject", json_string(rzc_who_name(lane->who)));
	json_object_set_new(o, "threads", rzc_json_count(lane->threads));
	for (int phase = 0; phase < RZC_PHASES; phase++) {
		struct rzc_times times;

		rzc_race_times(race, lane, (enum rzc_phase)phase, &times);
		json_object_set_new(o, rzc_phase_name((enum rzc_phase)phase), bench_times(&times));
	}
	return o;
}

static json_t *bench_zram(const struct rzc_race *race)
{
	json_t *o = json_object();

	if (race->lane_count == 0 || race->zram_why[0] != '\0') {
		json_object_set_new(o, "not_run", rzc_json_text(race->zram_why));
		return o;
	}
	json_object_set_new(o, "not_run", json_null());
	json_object_set_new(o, "compr_bytes", rzc_json_count(race->zram.compr_bytes));
	json_object_set_new(o, "mem_used_bytes", rzc_json_count(race->zram.mem_used_bytes));
	json_object_set_new(o, "huge_pages", rzc_json_count(race->zram.huge_pages));
	return o;
}

static json_t *bench_targets(const struct rzc_options *options, const struct rzc_result *result)
{
	const struct rzc_target *target;
	json_t *list = json_object();

	for (size_t i = 0; (target = rzc_target_at(i)) != NULL; i++) {
		double value = target->measure(result);
		double limit = rzc_target_limit(target, result->codec, options->threads);
		bool known = value > 0 && limit > 0;
		json_t *o = json_object();

		json_object_set_new(o, "value", rzc_json_real_if(value > 0, value));
		json_object_set_new(o, "target", rzc_json_real_if(limit > 0, limit));
		json_object_set_new(o, "met",
				    known ? json_boolean(rzc_target_met(target, value, limit))
					  : json_null());
		json_object_set_new(list, target->name, o);
	}
	return list;
}

static json_t *bench_result(const struct rzc_options *options, const struct rzc_input *input,
			    const struct rzc_result *result)
{
	json_t *o = json_object();
	json_t *speed = json_array();

	for (size_t i = 0; i < result->race.lane_count; i++)
		json_array_append_new(speed, bench_lane(&result->race, &result->race.lanes[i]));
	json_object_set_new(o, "input", rzc_json_text(input->name));
	json_object_set_new(o, "codec", json_string(result->codec->codec->name));
	json_object_set_new(o, "level", json_integer(result->codec->level));
	json_object_set_new(o, "density", bench_density(&result->density));
	json_object_set_new(o, "speed_pages", rzc_json_count(result->race.pages));
	json_object_set_new(o, "speed", speed);
	json_object_set_new(o, "zram", bench_zram(&result->race));
	json_object_set_new(o, "targets", bench_targets(options, result));
	return o;
}

void rzc_bench_json_add(json_t *root, const struct rzc_options *options,
			const struct rzc_input *input, const struct rzc_result *results,
			size_t count)
{
	json_array_append_new(json_object_get(root, "inputs"), rzc_json_input(input));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(json_object_get(root, "results"),
				      bench_result(options, input, &results[i]));
}

#else

/* A file may not be empty. */
extern int rzc_bench_json_absent;

#endif
