/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_command.c: the command `ramz`: its command line, and what it prints of the answers of a
 * server that answers anything.
 *
 * The input is lines: the arguments, up to an empty one, and then an answer a line, as JSON. The
 * command does not look for a server and does not wait. It does not serve, and estimates nothing:
 * both end behind the command line.
 *
 * Owns nothing. May call: the command's headers. Locking: none; one thread. O(input).
 */
#include <time.h>

#include "fuzz.h"

#define main ramz_main
int ramz_main(int argc, char **argv);
#include "../../src/cli/ramz/main.c"
#undef main

enum { WORDS_MAX = 24, ANSWERS_MAX = 8 };

static struct fuzz_input in;
static unsigned answers;

/* ---- in place of the system and the server ---- */

int __wrap_rzc_server_find(struct rzc_server *server, const struct rzc_options *options);
json_t *__wrap_rzc_ask(const struct rzc_server *server, const char *format, ...);
int __wrap_rzc_serve(const struct rzc_options *options);
int __wrap_rzc_estimate(const struct rzc_options *options);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *left);

int __wrap_rzc_server_find(struct rzc_server *server, const struct rzc_options *options)
{
	(void)options;
	memset(server, 0, sizeof(*server));
	return 0;
}

/* As rzc_ask: an object in which "ok" is true, or NULL. */
json_t *__wrap_rzc_ask(const struct rzc_server *server, const char *format, ...)
{
	char text[4096];
	json_t *answer;

	(void)server;
	FUZZ_CHECK(format != NULL);
	if (in.left == 0 || answers++ == ANSWERS_MAX)
		return NULL;
	fuzz_text(&in, text, sizeof(text));
	answer = json_loads(text, 0, NULL);
	if (json_is_object(answer))
		return answer;
	json_decref(answer);
	return NULL;
}

int __wrap_rzc_serve(const struct rzc_options *options)
{
	FUZZ_CHECK(options->port <= UINT16_MAX);
	return 0;
}

int __wrap_rzc_estimate(const struct rzc_options *options)
{
	FUZZ_CHECK(options->seconds >= 1);
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *left)
{
	(void)clock;
	(void)flags;
	(void)until;
	(void)left;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char word[WORDS_MAX][256];
	static bool is_quiet;
	char *argv[WORDS_MAX + 2] = {"ramz"};
	int argc = 1, status;

	if (!is_quiet)
		FUZZ_CHECK(freopen("/dev/null", "w", stdout) != NULL);
	is_quiet = true;
	in = (struct fuzz_input){.at = data, .left = bytes};
	answers = 0;
	while (in.left != 0 && argc <= WORDS_MAX) {
		fuzz_text(&in, word[argc - 1], sizeof(word[0]));
		if (word[argc - 1][0] == '\0')
			break;
		argv[argc] = word[argc - 1];
		argc++;
	}
	status = ramz_main(argc, argv);
	FUZZ_CHECK(status >= XVM_EXIT_OK && status <= XVM_EXIT_USAGE);
	return 0;
}
