/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * bench.h: what ramz bench tells. Locking: none.
 */
#ifndef RAMZ_CLI_BENCH_H
#define RAMZ_CLI_BENCH_H

#include "json.h"
#include "options.h"
#include "targets.h"

/* The tables of an input: count results, one a codec. */
void rzc_bench_table(const struct rzc_options *options, const struct rzc_input *input,
		     const struct rzc_result *results, size_t count);

/* The names of the times of a phase, in tables and JSON. */
const char *rzc_phase_title(enum rzc_phase phase);
const char *rzc_phase_name(enum rzc_phase phase);

#if RAMZ_CLI_HAVE_JANSSON

json_t *rzc_bench_json_root(const struct rzc_options *options);

/* Add an input and its results. */
void rzc_bench_json_add(json_t *root, const struct rzc_options *options,
			const struct rzc_input *input, const struct rzc_result *results,
			size_t count);

#endif

#endif
