/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * client.h: what the subcommands that ask a served disk have in common: their command
 * line, which disk is meant, and asking it.
 *
 * Built only with jansson; client_absent.c stands for all of them without. Locking: none.
 */
#ifndef RAMZ_CLI_CLIENT_H
#define RAMZ_CLI_CLIENT_H

#include "args.h"
#include "control.h"
#include "place.h"

/* Who takes an option. */
enum rzc_client_user {
	RZC_STAT = 1U << 0,
	RZC_COMPACT = 1U << 1,
	RZC_TRIM = 1U << 2,
	RZC_LIMIT = 1U << 3,
	RZC_CODEC = 1U << 4,
	RZC_SAVE = 1U << 5,
	RZC_RESET = 1U << 6,
	RZC_STATE = 1U << 7,
};

/* What stat prints. */
enum rzc_stat_form {
	RZC_STAT_TABLE,
	RZC_STAT_ZRAM,
	RZC_STAT_RZSCONTROL,
	RZC_STAT_JSON,
};

/* A mark that is to be set. */
struct rzc_mark {
	bool given;
	uint64_t bytes; /* 0 = none */
};

struct rzc_client {
	struct xvm_words words;
	const char *name;       /* as given, or NULL */
	const char *socket;     /* the same */
	int timeout_ms;         /* for an answer; below 0: for ever */
	uint64_t watch_seconds; /* between samples; 0 = one sample */
	uint64_t samples;       /* 0 = no end */
	enum rzc_stat_form form;
	bool form_given;
	bool reset_peak; /* of stat: after it was shown */
	bool yes, force; /* of reset */
	bool lines;      /* of state: as JSON */
	struct rzc_mark soft, hard;
	char path[PATH_MAX]; /* of the control socket */
};

/* A subcommand that asks. */
struct rzc_client_command {
	enum rzc_client_user user;
	size_t words_max;
	bool slow;       /* it may take as long as it takes */
	const char *use; /* for --help, above and below the options */
	const char *end;

	/* client->path is the socket. Returns 0, or XVM_FAILED after saying why. */
	int (*run)(struct rzc_client *client);

	/* Are its words and options in order? NULL = always. As run; called first. */
	int (*check)(struct rzc_client *client);
};

/* All of a subcommand. Returns an exit status. */
int rzc_client_run(const struct rzc_client_command *command, int argc, char **argv);

/* Ask the disk; format gives the request. As rzc_control_ask. */
json_t *rzc_client_ask(const struct rzc_client *client, const char *format, ...);

#endif
