/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * command.h: the commands of ramz and their options; main.c has both lists. Strings point into the
 * command line. Locking: none.
 */
#ifndef RAMZ_CLI_COMMAND_H
#define RAMZ_CLI_COMMAND_H

#include <jansson.h>
#include <limits.h>

#include "args.h"

/* What was given to a command; the rest is at its default. */
struct rzc_options {
	struct xvm_words words;
	const char *name, *socket; /* which disk; at most one of them is given */
	uint64_t timeout_seconds;  /* 0 = for ever */

	const char *file, *save_every, *plugin; /* serve, to the end of the paragraph */
	const char *tls_psk;
	uint64_t port; /* 0 = a Unix socket */
	bool foreground;

	uint64_t watch_seconds; /* stat: between samples; 0 = one sample */
	bool zram, json, prometheus, reset_peak;
	const char *output;      /* with prometheus; NULL = standard output */
	bool yes;                /* reset */
	bool force;              /* reset, resize */
	const char *soft, *hard; /* limit */

	uint64_t age, max_pages; /* recompress, writeback; 0 = all */
	const char *min_bytes;

	const char *codecs, *json_path; /* estimate */
	uint64_t seconds, max_input_bytes;
};

/* A request to a served disk, without its end of line. */
#define RZC_REQUEST_BYTES (PATH_MAX + 64)

struct rzc_command {
	const char *name;
	const char *summary; /* one line of ramz --help */
	const char *use;     /* behind the name; then a line or more, for the command's --help */
	size_t words_max;
	uint64_t timeout_seconds; /* where none is given */

	/* Returns an exit status (enum xvm_exit). NULL: the command is one request. */
	int (*run)(const struct rzc_options *options);

	/* Make the request. Returns 0, or XVM_FAILED after saying what is wrong. NULL: it is the
	 * name alone. */
	int (*request)(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);

	/* Print what the disk answered. */
	void (*tell)(const json_t *answer);
};

int rzc_serve(const struct rzc_options *options);
int rzc_stat(const struct rzc_options *options);
int rzc_state(const struct rzc_options *options);
int rzc_estimate(const struct rzc_options *options);

/* Print in a line what disk the control socket at this path is of; nothing where it does not
 * answer. */
void rzc_stat_headline(const char *path);

int rzc_request_compact(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_recompress(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_writeback(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_backing(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_limit(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_codec(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_save(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_snapshot(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_resize(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);
int rzc_request_reset(const struct rzc_options *options, char request[RZC_REQUEST_BYTES]);

void rzc_tell_compact(const json_t *answer);
void rzc_tell_trim(const json_t *answer);
void rzc_tell_idle(const json_t *answer);
void rzc_tell_recompress(const json_t *answer);
void rzc_tell_writeback(const json_t *answer);
void rzc_tell_backing(const json_t *answer);
void rzc_tell_limit(const json_t *answer);
void rzc_tell_codec(const json_t *answer);
void rzc_tell_save(const json_t *answer);
void rzc_tell_resize(const json_t *answer);
void rzc_tell_reset(const json_t *answer);

#endif
