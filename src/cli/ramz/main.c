/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * main.c: the command ramz, a front end of the page store: its commands and their options. Keep
 * ramz.1 in step.
 *
 * It may call all of src/cli/ramz, src/measure and the public headers. Below it, top down: serve*,
 * estimate*, stat with stat_screen and prometheus, state and requests are the commands; progress
 * says how far one is; control asks a served disk; place finds it; unix_socket and size. Locking:
 * none. O(commands + options).
 */
#include <stdio.h>
#include <string.h>

#include <ramz/tiers.h>

#include "command.h"
#include "control.h"
#include "place.h"
#include "progress.h"

#define MAIN_TIMEOUT_SECONDS 10U
#define MAIN_SECONDS_MAX 86400U
#define MAIN_ESTIMATE_SECONDS 4U
#define MAIN_INPUT_BYTES (UINT64_C(64) << 20)

/* ---- commands ---- */

static const struct rzc_command main_commands[] = {
	{"serve", "serve a disk in compressed memory, with nbdkit",
	 "[OPTION...] [SIZE] [KEY=VALUE...] [-- NBDKIT-OPTION...]\n"
	 "Serve a disk in compressed memory, with nbdkit, and tell how to attach it.\n\n"
	 "  SIZE                 of the disk: 512M, 1.5G, 50% of the memory ... (25%)\n"
	 "  KEY=VALUE            for the plugin, such as hard-limit=1G codec=zstd:3;\n"
	 "                       nbdkit-ramz-plugin(1) lists them\n"
	 "  NBDKIT-OPTION        more for nbdkit, as in -- --threads=4\n",
	 SIZE_MAX, 0, rzc_serve, NULL, NULL},
	{"stat", "what a served disk holds, takes and did; live with --watch",
	 "[OPTION...]\n"
	 "Show what a served disk holds, takes and did.\n",
	 0, MAIN_TIMEOUT_SECONDS, rzc_stat, NULL, NULL},
	{"state", "what each page of a served disk is",
	 "[OPTION...] [FIRST [COUNT]]\n"
	 "Show the pages of a served disk that hold something: number, kind (same:\n"
	 "filled with one word; compressed or raw), bytes of the form, codec.\n\n"
	 "  FIRST                number of the page to begin with (0)\n"
	 "  COUNT                how many pages to look at (all)\n",
	 2, MAIN_TIMEOUT_SECONDS, rzc_state, NULL, NULL},
	{"compact", "make a served disk move what it keeps together, and give memory back",
	 "[OPTION...] [BYTES]\n"
	 "Move what a served disk keeps out of sparse pages, and give those back.\n\n"
	 "  BYTES                how much to move: 16M, 1G ... (all that pays)\n",
	 1, 0, NULL, rzc_request_compact, rzc_tell_compact},
	{"trim", "make a served disk give back empty tables and pages, moving nothing",
	 "[OPTION...]\n"
	 "Make a served disk give back what needs no moving: tables of slots that\n"
	 "hold nothing, empty pages, codecs' memory.\n",
	 0, 0, NULL, NULL, rzc_tell_trim},
	{"idle", "make all pages of a served disk one age older",
	 "[OPTION...]\n"
	 "Make all pages of a served disk one age older, and show how many pages have\n"
	 "which age. To read or write a page makes its age 0.\n",
	 0, MAIN_TIMEOUT_SECONDS, NULL, NULL, rzc_tell_idle},
	{"recompress", "make a served disk compress pages harder",
	 "[OPTION...] [TIER]\n"
	 "Compress pages of a served disk again, with the codec of one of its tiers.\n\n"
	 "  TIER                 warm or cold (the strongest that the disk has)\n",
	 1, 0, NULL, rzc_request_recompress, rzc_tell_recompress},
	{"writeback", "make a served disk move pages to its backing file",
	 "[OPTION...]\n"
	 "Move pages of a served disk from memory to its backing file.\n",
	 0, 0, NULL, rzc_request_writeback, rzc_tell_writeback},
	{"backing", "give a served disk a backing file, take it away, or show it",
	 "[OPTION...] [FILE [SIZE] | none]\n"
	 "Give a served disk a file for pages that do not fit into memory, or bring all\n"
	 "pages back and take it away.\n\n"
	 "  FILE                 a new file, or one that was a backing file; or a block\n"
	 "                       device\n"
	 "  SIZE                 how long it may become: 512M, 2G ... (all of a device)\n",
	 2, 0, NULL, rzc_request_backing, rzc_tell_backing},
	{"limit", "set or show how much memory a served disk may hold",
	 "[--soft SIZE] [--hard SIZE] [OPTION...]\n"
	 "Set the limits on the memory that a served disk holds, and show them. At\n"
	 "the hard one it compacts, and then refuses to write; at the soft one its\n"
	 "server writes a line to its log.\n",
	 0, MAIN_TIMEOUT_SECONDS, NULL, rzc_request_limit, rzc_tell_limit},
	{"codec", "set or show how a served disk compresses",
	 "[OPTION...] [NAME[:LEVEL]]\n"
	 "Set how a served disk compresses what is written from now on, and show it.\n\n"
	 "  NAME                 lz4, lzo, zstd or none, where built in\n"
	 "  LEVEL                of the codec, as in zstd:3 or lz4:-5 (its default)\n",
	 1, MAIN_TIMEOUT_SECONDS, NULL, rzc_request_codec, rzc_tell_codec},
	{"save", "make a served disk save its contents to a file",
	 "[OPTION...] [PATH]\n"
	 "Make a served disk save its contents, compressed as they are.\n\n"
	 "  PATH                 a file, replaced when the new one is complete (the\n"
	 "                       file that the disk is served with)\n",
	 1, 0, NULL, rzc_request_save, rzc_tell_save},
	{"snapshot", "make a served disk save what it holds at one moment to a file",
	 "[OPTION...] PATH\n"
	 "Make a served disk save what it holds at this moment, while it is used.\n\n"
	 "  PATH                 a file other than that of the disk; replaced when the\n"
	 "                       new one is complete\n",
	 1, 0, NULL, rzc_request_snapshot, rzc_tell_save},
	{"resize", "make a served disk larger or smaller",
	 "[--force] [OPTION...] SIZE\n"
	 "Change the size of a served disk. Clients see a larger one when they connect\n"
	 "the next time. It does not become smaller while clients are connected.\n\n"
	 "  SIZE                 of the disk: 512M, 1.5G, 50% of the memory ...\n",
	 1, 0, NULL, rzc_request_resize, rzc_tell_resize},
	{"reset", "empty a served disk",
	 "--yes [--force] [OPTION...]\n"
	 "Empty a served disk: drop all that it holds, and begin its counters anew.\n"
	 "Size, limits and codec stay. Refused while clients are connected.\n",
	 0, 0, NULL, rzc_request_reset, rzc_tell_reset},
	{"estimate", "what a page store would save on your data, by form",
	 "[OPTION...] [INPUT...]\n"
	 "Tell what a compressed page store would save on the data, were all its pages\n"
	 "hot (lz4), warm (lz4:9 with a dictionary) or cold (zstd:8 with a dictionary).\n\n"
	 "  INPUT                a file, a directory, or pid:N for the anonymous pages\n"
	 "                       of a process (the C library's directory, /usr/bin)\n",
	 SIZE_MAX, 0, rzc_estimate, NULL, NULL},
};

#define MAIN_COMMANDS (sizeof(main_commands) / sizeof(main_commands[0]))

/* ---- options ---- */

/* Who has an option: bits, in the order of the commands. */
enum {
	SERVE = 1 << 0,
	STAT = 1 << 1,
	STATE = 1 << 2,
	COMPACT = 1 << 3,
	TRIM = 1 << 4,
	IDLE = 1 << 5,
	RECOMPRESS = 1 << 6,
	WRITEBACK = 1 << 7,
	BACKING = 1 << 8,
	LIMIT = 1 << 9,
	CODEC = 1 << 10,
	SAVE = 1 << 11,
	SNAPSHOT = 1 << 12,
	RESIZE = 1 << 13,
	RESET = 1 << 14,
	ESTIMATE = 1 << 15,
	SELECT = RECOMPRESS | WRITEBACK,
	ASK_SLOW = COMPACT | TRIM | SELECT | BACKING | SAVE | SNAPSHOT | RESIZE | RESET,
	ASK_FAST = STAT | STATE | IDLE | LIMIT | CODEC,
	ASK = ASK_SLOW | ASK_FAST,
};

static int main_name(void *into, const char *value)
{
	((struct rzc_options *)into)->name = value;
	return rzc_place_check_name(value);
}

#define MAIN_FLAG(field) XVM_ARG_FLAGS(struct rzc_options, field)
#define MAIN_TEXT(field) XVM_ARG_TEXTS(struct rzc_options, field)
#define MAIN_NUMBER(field, min, max) XVM_ARG_NUMBERS(struct rzc_options, field, min, max)

static const struct xvm_arg main_args[] = {
	{"name", "NAME", SERVE, "of the disk: several can be served, each with its own (ramz)",
	 XVM_ARG_SETS(main_name)},
	{"socket", "PATH", SERVE, "of the disk, in place of a name", MAIN_TEXT(socket)},
	{"port", "N", SERVE, "serve on TCP port N of this machine, not on a socket",
	 MAIN_NUMBER(port, 1, UINT16_MAX)},
	{"tls-psk", "FILE", SERVE, "to those alone who have a key of this file; with --port",
	 MAIN_TEXT(tls_psk)},
	{"file", "PATH", SERVE, "contents: loaded if it is there, saved when the server ends",
	 MAIN_TEXT(file)},
	{"save-every", "MINUTES", SERVE, "save them so often, too, when they have changed",
	 MAIN_TEXT(save_every)},
	{"foreground", NULL, SERVE, "stay, and say on the terminal what happens",
	 MAIN_FLAG(foreground)},
	{"plugin", "PATH", SERVE, "nbdkit's plugin (built or installed with this program)",
	 MAIN_TEXT(plugin)},
	{"timeout", "SECONDS", SERVE, "wait so long until it serves; 0: for ever (0)",
	 MAIN_NUMBER(timeout_seconds, 0, MAIN_SECONDS_MAX)},

	{"watch", "SECONDS", STAT, "a line every so often, with what happened in between",
	 MAIN_NUMBER(watch_seconds, 1, MAIN_SECONDS_MAX)},
	{"zram", NULL, STAT, "as zram's mm_stat and io_stat", MAIN_FLAG(zram)},
	{"json", NULL, STAT, "everything, as the server tells it", MAIN_FLAG(json)},
	{"prometheus", NULL, STAT, "as Prometheus reads it: all disks, or the one that is named",
	 MAIN_FLAG(prometheus)},
	{"output", "FILE", STAT, "with --prometheus: replace this file, at once",
	 MAIN_TEXT(output)},
	{"reset-peak", NULL, STAT, "then let the largest held bytes begin anew",
	 MAIN_FLAG(reset_peak)},
	{"age", "N", SELECT, "only pages of this age and older (0)",
	 MAIN_NUMBER(age, 0, RAMZ_AGE_MAX)},
	{"min-bytes", "SIZE", SELECT,
	 "only pages that take so much or more; raw: those that\n" XVM_ARGS_INDENT
	 "do not compress",
	 MAIN_TEXT(min_bytes)},
	{"max-pages", "N", SELECT, "at most so many pages", MAIN_NUMBER(max_pages, 1, INT64_MAX)},
	{"soft", "SIZE", LIMIT, "the soft limit: 512M, 1.5G, 25% ..., or none", MAIN_TEXT(soft)},
	{"hard", "SIZE", LIMIT, "the hard limit: 512M, 1.5G, 25% ..., or none", MAIN_TEXT(hard)},
	{"yes", NULL, RESET, "yes, drop all that the disk holds", MAIN_FLAG(yes)},
	{"force", NULL, RESET, "also while clients are connected", MAIN_FLAG(force)},
	{"force", NULL, RESIZE, "drop the data behind the new end", MAIN_FLAG(force)},
	{"name", "NAME", ASK, "the disk (the one that is served)", XVM_ARG_SETS(main_name)},
	{"socket", "PATH", ASK, "its control socket, in place of a name", MAIN_TEXT(socket)},
	{"timeout", "SECONDS", ASK_FAST, "wait so long for an answer; 0: for ever (10)",
	 MAIN_NUMBER(timeout_seconds, 0, MAIN_SECONDS_MAX)},
	{"timeout", "SECONDS", ASK_SLOW, "wait so long for an answer; 0: for ever (0)",
	 MAIN_NUMBER(timeout_seconds, 0, MAIN_SECONDS_MAX)},

	{"codec", "LIST", ESTIMATE,
	 "lz4, lzo, zstd or none, where built in; NAME:LEVEL too;\n" XVM_ARGS_INDENT
	 "comma-separated: compare these, for hot pages",
	 MAIN_TEXT(codecs)},
	{"seconds", "N", ESTIMATE, "for all inputs together, about (4)",
	 MAIN_NUMBER(seconds, 1, 1000000)},
	{"max-input", "BYTES", ESTIMATE, "most of each INPUT, spread evenly over it (64M)",
	 XVM_ARG_SIZES(struct rzc_options, max_input_bytes, XVM_INPUT_PAGE_BYTES, SIZE_MAX / 4)},
	{"json", "FILE", ESTIMATE, "results as JSON; - is standard output, without the table",
	 MAIN_TEXT(json_path)},
};

/* ---- running one ---- */

static void main_help_of(const struct rzc_command *command, const struct xvm_args *args)
{
	printf("Usage: ramz %s %s\nOPTION\n", command->name, command->use);
	xvm_args_help(args);
	puts("\nExit status: 0, 1 when it could not be done, 2 when the command line is wrong.\n"
	     "See ramz(1).");
}

static int main_check(const struct rzc_command *command, const struct xvm_args *args,
		      struct rzc_options *options)
{
	if (options->name != NULL && options->socket != NULL) {
		xvm_error("--name and --socket are two ways to say which disk: give one of them");
		return XVM_FAILED;
	}
	if (command->run == rzc_serve)
		return 0; /* what is behind "--" is for nbdkit */
	xvm_args_join(&options->words);
	return xvm_args_at_most(args, &options->words, command->words_max);
}

static int main_ask(const struct rzc_command *command, const struct rzc_options *options)
{
	char request[RZC_REQUEST_BYTES];
	struct rzc_server server;
	json_t *answer;

	snprintf(request, sizeof(request), "%s", command->name);
	if (command->request != NULL && command->request(options, request) != 0)
		return XVM_EXIT_USAGE;
	if (rzc_server_find(&server, options) != 0)
		return XVM_EXIT_FAILURE;
	server.on_wait = rzc_progress_show;
	answer = rzc_ask(&server, "%s", request);
	if (answer == NULL)
		return XVM_EXIT_FAILURE;
	command->tell(answer);
	json_decref(answer);
	return XVM_EXIT_OK;
}

static int main_command(const struct rzc_command *command, int argc, char **argv)
{
	char name[32];
	const struct xvm_args args = {
		.command = name,
		.table = main_args,
		.count = sizeof(main_args) / sizeof(main_args[0]),
		.user = 1U << (command - main_commands),
	};
	struct rzc_options options = {.timeout_seconds = command->timeout_seconds,
				      .seconds = MAIN_ESTIMATE_SECONDS,
				      .max_input_bytes = MAIN_INPUT_BYTES};

	snprintf(name, sizeof(name), "ramz %s", command->name);
	if (xvm_args_read(&args, argc, argv, &options, &options.words) != 0)
		return XVM_EXIT_USAGE;
	if (options.words.help) {
		main_help_of(command, &args);
		return XVM_EXIT_OK;
	}
	if (main_check(command, &args, &options) != 0)
		return XVM_EXIT_USAGE;
	return command->run != NULL ? command->run(&options) : main_ask(command, &options);
}

/* ---- which one ---- */

static void main_help(void)
{
	puts("Usage: ramz COMMAND [OPTION...] [ARGUMENT...]\n"
	     "The compressed page store, from the command line.\n\n"
	     "COMMAND");
	for (size_t i = 0; i < MAIN_COMMANDS; i++)
		printf("  %-10s  %s\n", main_commands[i].name, main_commands[i].summary);
	puts("\n"
	     "  ramz COMMAND --help lists the options of a command.\n"
	     "  -h, --help  this\n"
	     "  --version   version\n\n"
	     "Exit status: 0, 1 when the command could not do it, 2 when the command line is\n"
	     "wrong. See ramz(1).");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	xvm_set_program("ramz");
	if (name == NULL) {
		xvm_error("a command is missing; ramz --help lists them");
		return XVM_EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		main_help();
		return XVM_EXIT_OK;
	}
	if (strcmp(name, "--version") == 0) {
		printf("ramz %s\n", xv_version());
		return XVM_EXIT_OK;
	}
	for (size_t i = 0; i < MAIN_COMMANDS; i++) {
		if (strcmp(name, main_commands[i].name) == 0)
			return main_command(&main_commands[i], argc - 1, argv + 1);
	}
	xvm_error("there is no command '%s'; ramz --help lists them", name);
	return XVM_EXIT_USAGE;
}
