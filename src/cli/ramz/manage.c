/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * manage.c: ramz compact, trim, save and reset. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "size.h"

static const char manage_help_end[] =
	"\n"
	"Exit status: 0, 1 when it could not be done, 2 when the command line is wrong.\n";

/* ---- compact ---- */

static int compact_check(struct rzc_client *client)
{
	uint64_t bytes;

	if (client->words.count == 0)
		return 0;
	return xvm_take_bytes("ramz compact", client->words.word[0], 0, 1, RZC_SIZE_MAX, &bytes);
}

static void compact_tell(const json_t *answer)
{
	char moved[RZC_SIZE_TEXT_BYTES], freed[RZC_SIZE_TEXT_BYTES];
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	printf("moved %s, gave back %s; held %s, now %s\n",
	       rzc_size_text(moved, rzc_control_count(answer, "moved_bytes")),
	       rzc_size_text(freed, rzc_control_count(answer, "freed_bytes")),
	       rzc_size_text(before, rzc_control_count(answer, "held_bytes_before")),
	       rzc_size_text(after, rzc_control_count(answer, "held_bytes_after")));
	if (json_is_true(json_object_get(answer, "more")))
		puts("there is more to move: call it again, or without BYTES");
}

static int compact_run(struct rzc_client *client)
{
	uint64_t bytes = 0;
	json_t *answer;

	if (client->words.count > 0)
		(void)rzc_size_parse(client->words.word[0], 1, RZC_SIZE_MAX, &bytes);
	answer = bytes > 0 ? rzc_client_ask(client, "compact %" PRIu64, bytes)
			   : rzc_client_ask(client, "compact");
	if (answer == NULL)
		return XVM_FAILED;
	compact_tell(answer);
	json_decref(answer);
	return 0;
}

static int compact_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_COMPACT,
		.words_max = 1,
		.slow = true,
		.use = "Usage: ramz compact [OPTION...] [BYTES]\n"
		       "Move what a served disk keeps out of sparse pages, and give those back.\n"
		       "\n"
		       "  BYTES                move about so many (K, M, G); all that pays if not "
		       "given\n"
		       "\n"
		       "OPTION\n",
		.end = manage_help_end,
		.run = compact_run,
		.check = compact_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_compact = {
	.name = "compact",
	.summary = "make a served disk move what it keeps together, and give memory back",
	.run = compact_main,
};

/* ---- trim ---- */

static int trim_run(struct rzc_client *client)
{
	json_t *answer = rzc_client_ask(client, "trim");
	char bytes[RZC_SIZE_TEXT_BYTES];

	if (answer == NULL)
		return XVM_FAILED;
	printf("gave back %s\n",
	       rzc_size_text(bytes, rzc_control_count(answer, "given_back_bytes")));
	json_decref(answer);
	return 0;
}

static int trim_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_TRIM,
		.slow = true,
		.use = "Usage: ramz trim [OPTION...]\n"
		       "Make a served disk give back what it need not move anything for: tables "
		       "of\n"
		       "slots that hold nothing, empty pages, codecs' memory.\n"
		       "\n"
		       "OPTION\n",
		.end = manage_help_end,
		.run = trim_run,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_trim = {
	.name = "trim",
	.summary = "make a served disk give back empty tables and pages, moving nothing",
	.run = trim_main,
};

/* ---- save ---- */

static int save_check(struct rzc_client *client)
{
	if (client->words.count == 0 || strchr(client->words.word[0], '\n') == NULL)
		return 0;
	xvm_error("a path with an end of line in it cannot be asked for: take another one");
	return XVM_FAILED;
}

static int save_run(struct rzc_client *client)
{
	char path[PATH_MAX], bytes[RZC_SIZE_TEXT_BYTES];
	const char *file;
	json_t *answer;

	if (client->words.count == 0) {
		answer = rzc_client_ask(client, "save");
	} else {
		/* The server is in another directory. */
		if (rzc_place_absolute(path, client->words.word[0]) != 0)
			return XVM_FAILED;
		answer = rzc_client_ask(client, "save %s", path);
	}
	if (answer == NULL)
		return XVM_FAILED;
	file = json_string_value(json_object_get(answer, "file"));
	printf("saved to %s, %s\n", file != NULL ? file : path,
	       rzc_size_text(bytes, rzc_control_count(answer, "file_bytes")));
	json_decref(answer);
	return 0;
}

static int save_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_SAVE,
		.words_max = 1,
		.slow = true,
		.use = "Usage: ramz save [OPTION...] [PATH]\n"
		       "Make a served disk save its contents, compressed as they are.\n"
		       "\n"
		       "  PATH                 a file; what is there is replaced when the new one "
		       "is\n"
		       "                       complete (the file that the disk is served with)\n"
		       "\n"
		       "OPTION\n",
		.end = manage_help_end,
		.run = save_run,
		.check = save_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_save = {
	.name = "save",
	.summary = "make a served disk save its contents to a file",
	.run = save_main,
};

/* ---- reset ---- */

static int reset_check(struct rzc_client *client)
{
	if (client->yes)
		return 0;
	xvm_error("ramz reset drops all that the disk holds: give --yes if you mean that");
	return XVM_FAILED;
}

static int reset_run(struct rzc_client *client)
{
	json_t *answer = rzc_client_ask(client, client->force ? "reset force" : "reset");
	char before[RZC_SIZE_TEXT_BYTES], after[RZC_SIZE_TEXT_BYTES];

	if (answer == NULL)
		return XVM_FAILED;
	printf("emptied; held %s, now %s\n",
	       rzc_size_text(before, rzc_control_count(answer, "held_bytes_before")),
	       rzc_size_text(after, rzc_control_count(answer, "held_bytes_after")));
	json_decref(answer);
	return 0;
}

static int reset_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_RESET,
		.slow = true,
		.use = "Usage: ramz reset --yes [--force] [OPTION...]\n"
		       "Empty a served disk: drop all that it holds, and begin its counters anew. "
		       "Size,\n"
		       "limits and codec stay. Refused while clients are connected, as zram does "
		       "it "
		       "of a\n"
		       "device in use.\n"
		       "\n"
		       "OPTION\n",
		.end = manage_help_end,
		.run = reset_run,
		.check = reset_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_reset = {
	.name = "reset",
	.summary = "empty a served disk",
	.run = reset_main,
};
