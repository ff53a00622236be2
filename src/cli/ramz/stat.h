/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat.h: what a served disk tells of itself, and the forms in which ramz stat shows it: stat.c
 * has the table and the lines, stat_screen.c the screen, prometheus.c the exposition format.
 * Locking: none.
 */
#ifndef RAMZ_CLI_STAT_H
#define RAMZ_CLI_STAT_H

#include <ramz/stats.h>

#include "control.h"

struct rzc_sample {
	json_t *answer; /* for json_decref; NULL = there is none */
	uint64_t at_ns;
};

/* Ask for a sample. Returns 0, or XVM_FAILED after saying what is wrong. */
int rzc_stat_take(const struct rzc_server *server, struct rzc_sample *sample);

/* One of "stats". */
uint64_t rzc_stat_count(const json_t *answer, const char *key);

/* Bytes of the pages stored. */
uint64_t rzc_stat_stored_bytes(const json_t *answer);

/* A part of a whole, 0 to 1; 0 where that is 0. */
double rzc_stat_share(uint64_t part, uint64_t whole);

/* Print what the disk is, in a line. */
void rzc_stat_print_headline(FILE *file, const json_t *answer);

/* "read_latency" or "write_latency" as a histogram; empty where an older server tells none. */
void rzc_stat_histogram(struct ramz_histogram *histogram, const json_t *answer, const char *key);

/* Are both of one server whose counters did not begin anew? */
bool rzc_stat_follows(const struct rzc_sample *before, const struct rzc_sample *now,
		      const char *key);

/* The latest values of one thing, oldest first. */
#define RZC_HISTORY 48U

struct rzc_history {
	double value[RZC_HISTORY];
	size_t count;
};

/* What the screen keeps from one sample to the next; begins as zeros. */
struct rzc_screen {
	struct rzc_history reads, writes, discards; /* pages a second */
	struct rzc_history held;                    /* bytes */
};

/* Draw the terminal's screen anew. Returns 0, or XVM_FAILED after saying why not. */
int rzc_stat_screen(struct rzc_screen *screen, const struct rzc_sample *before,
		    const struct rzc_sample *now);

/* All that is served, or the disk that the options name, as Prometheus reads it. */
int rzc_prometheus(const struct rzc_options *options);

#endif
