/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_command.c: the commands of the control socket; see control_command.h.
 *
 * A line is a command and its arguments, separated by one blank. Each command gets the text behind
 * that blank, or "".
 */
#include "control_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_answer.h"
#include "control_state.h"
#include "control_tiers.h"
#include "control_whole.h"
#include "disk_file.h"
#include "stats_json.h"

/* Compaction checks after so many moved bytes whether it is still wanted. */
#define COMPACT_STEP_BYTES (4U << 20)

/* Cycles of a compaction without a limit, as in ramz_compact. */
enum { COMPACT_CYCLES_MAX = 16 };

/* ---- commands ---- */

static void compact_add(struct xv_compact_report *sum, const struct xv_compact_report *part)
{
	sum->moved_bytes += part->moved_bytes;
	sum->moved_blocks += part->moved_blocks;
	sum->freed_bytes += part->freed_bytes;
	sum->refused += part->refused;
	sum->pinned_pages += part->pinned_pages;
	sum->more = part->more;
}

/* One cycle, or the part of it that is left and still wanted. */
static int compact_cycle(struct rzn_disk *disk, uint64_t *left, const struct rzn_request *request,
			 struct xv_compact_report *sum)
{
	struct xv_compact_report part = {.more = true};
	int err = 0;

	while (err == 0 && part.more && *left != 0 && !rzn_request_is_stopped(request)) {
		uint64_t step = *left < COMPACT_STEP_BYTES ? *left : COMPACT_STEP_BYTES;

		err = ramz_compact(disk->store, step, &part);
		if (err == 0)
			compact_add(sum, &part);
		*left -= step;
	}
	return err;
}

/* As ramz_compact, but ends early when it is no longer wanted. */
static int compact(struct rzn_disk *disk, uint64_t budget, const struct rzn_request *request,
		   struct xv_compact_report *sum)
{
	uint64_t left = budget != 0 ? budget : UINT64_MAX;
	int err = 0;

	for (int cycle = 0; err == 0 && cycle < COMPACT_CYCLES_MAX; cycle++) {
		uint64_t freed_bytes = sum->freed_bytes;

		err = compact_cycle(disk, &left, request, sum);
		if (budget != 0 || sum->freed_bytes == freed_bytes)
			break;
	}
	return err;
}

static json_t *command_compact(struct rzn_disk *disk, const struct rzn_request *request)
{
	struct xv_compact_report report = {0};
	uint64_t before = rzn_held_bytes(disk);
	uint64_t budget = 0;
	json_t *answer, *part;
	int err;

	if (*request->arguments != '\0' && !rzn_parse_count(request->arguments, &budget))
		return rzn_answer_error(EINVAL,
					"say compact, for all that can be gained, or compact "
					"BYTES, the number of bytes to move at most");
	err = compact(disk, budget, request, &report);
	if (err != 0)
		return rzn_answer_error(-err, "compact: %s; try again", strerror(-err));
	answer = rzn_answer_held(disk, before);
	part = rzn_compact_json(&report);
	json_object_update(answer, part);
	json_decref(part);
	return answer;
}

/* `-` keeps the limit. */
static bool parse_limit(const char *word, uint64_t *bytes)
{
	return strcmp(word, "-") == 0 || rzn_parse_count(word, bytes);
}

/* Two words and no more. */
static bool take_two_words(const char *arguments, char first[RZN_WORD_BYTES],
			   char second[RZN_WORD_BYTES])
{
	return rzn_take_word(&arguments, first) && rzn_take_word(&arguments, second) &&
	       *arguments == '\0';
}

static json_t *command_limit(struct rzn_disk *disk, const struct rzn_request *request)
{
	char soft_word[RZN_WORD_BYTES], hard_word[RZN_WORD_BYTES];
	struct ramz_stats stats;
	uint64_t soft, hard;
	json_t *answer;

	ramz_get_stats(disk->store, &stats);
	soft = stats.soft_limit_bytes;
	hard = stats.hard_limit_bytes;
	if (!take_two_words(request->arguments, soft_word, hard_word) ||
	    !parse_limit(soft_word, &soft) || !parse_limit(hard_word, &hard))
		return rzn_answer_error(EINVAL,
					"say limit SOFT HARD: each a number of bytes, 0 for none, "
					"or - to leave it as it is");
	if (ramz_set_limits(disk->store, soft, hard) != 0)
		return rzn_answer_error(EINVAL,
					"limit: the soft limit, %llu bytes, is above the hard "
					"one, %llu: make it less, or 0 for none",
					(unsigned long long)soft, (unsigned long long)hard);
	answer = rzn_answer_ok();
	json_object_set_new(answer, "soft_limit_bytes", rzn_json_count(soft));
	json_object_set_new(answer, "hard_limit_bytes", rzn_json_count(hard));
	return answer;
}

static json_t *set_codec(struct rzn_disk *disk, const struct ramz_codec *codec, int32_t level)
{
	int err = ramz_set_codec(disk->store, codec, level);
	json_t *answer;

	if (err != 0)
		return rzn_answer_error(-err,
					"codec %s: no memory for it (%s); the codec is as before",
					codec->name, strerror(-err));
	answer = rzn_answer_ok();
	json_object_set_new(answer, "codec", json_string(codec->name));
	json_object_set_new(
		answer, "level",
		json_integer(level == RAMZ_LEVEL_DEFAULT ? codec->level_default : level));
	return answer;
}

static json_t *command_codec(struct rzn_disk *disk, const struct rzn_request *request)
{
	char fault[RZN_CODEC_FAULT_BYTES];
	const struct ramz_codec *codec;
	int32_t level;

	if (rzn_codec_parse(request->arguments, &codec, &level, fault))
		return set_codec(disk, codec, level);
	return rzn_answer_error(EINVAL, "codec %.*s: %s", RZN_WORD_BYTES, request->arguments,
				fault);
}

static json_t *save_to(struct rzn_disk *disk, const char *command, const char *path)
{
	struct ramz_reason reason;
	uint64_t file_bytes;
	json_t *answer;
	int err;

	if (*path != '/')
		return rzn_answer_error(EINVAL,
					"%s %s: the path must begin with /, as the server's "
					"directory is not yours",
					command, path);
	err = rzn_file_save(disk, path, &file_bytes, &reason);
	if (err != 0)
		return rzn_answer_error(-err,
					"%s %s: %s; whatever was at that path before is left "
					"as it was",
					command, path, reason.text);
	answer = rzn_answer_ok();
	json_object_set_new(answer, "file", rzn_json_text(path));
	json_object_set_new(answer, "file_bytes", rzn_json_count(file_bytes));
	if (reason.text[0] != '\0')
		json_object_set_new(answer, "note", rzn_json_text(reason.text));
	return answer;
}

static json_t *command_save(struct rzn_disk *disk, const struct rzn_request *request)
{
	const char *path =
		*request->arguments != '\0' ? request->arguments : rzn_config_own(disk->config);

	if (path == NULL)
		return rzn_answer_error(EINVAL,
					"save: the disk has no file of its own (file=); say "
					"save PATH");
	return save_to(disk, "save", path);
}

static json_t *command_snapshot(struct rzn_disk *disk, const struct rzn_request *request)
{
	if (*request->arguments == '\0')
		return rzn_answer_error(EINVAL,
					"say snapshot PATH: a file other than that of the disk");
	if (rzn_file_is_own(disk, request->arguments))
		return rzn_answer_error(EINVAL,
					"snapshot %s: that is the disk's own file, which goes on "
					"changing; name another, or say save",
					request->arguments);
	return save_to(disk, "snapshot", request->arguments);
}

static json_t *command_reset_peak(struct rzn_disk *disk, const struct rzn_request *request)
{
	json_t *answer;

	if (*request->arguments != '\0')
		return rzn_answer_error(EINVAL, "reset-peak takes no argument; say: reset-peak");
	(void)ramz_reset_peak(disk->store);
	answer = rzn_answer_ok();
	json_object_set_new(answer, "held_bytes", rzn_json_count(rzn_held_bytes(disk)));
	return answer;
}

/* ---- page by page ---- */

static json_t *state_damaged(uint64_t page)
{
	return rzn_answer_error(
		EBADMSG,
		"state: a page from %llu on is damaged, and was not told; say state "
		"with a number behind it",
		(unsigned long long)page);
}

static json_t *command_state(struct rzn_disk *disk, const struct rzn_request *request)
{
	char first_word[RZN_WORD_BYTES], count_word[RZN_WORD_BYTES];
	uint64_t first, count, damaged;
	json_t *answer;

	if (!take_two_words(request->arguments, first_word, count_word) ||
	    !rzn_parse_count(first_word, &first) || !rzn_parse_count(count_word, &count) ||
	    count == 0 || count > RZN_STATE_PAGES_MAX)
		return rzn_answer_error(
			EINVAL,
			"say state FIRST COUNT: the number of a page, and of how many "
			"to tell, 1 to %d",
			RZN_STATE_PAGES_MAX);
	answer = rzn_answer_ok();
	if (rzn_state_into(answer, disk, first, count, request->stopped, &damaged) == 0)
		return answer;
	json_decref(answer);
	return state_damaged(damaged);
}

/* ---- commands by name ---- */

static const struct command {
	const char *name;
	enum rzn_pace pace;
	json_t *(*run)(struct rzn_disk *disk, const struct rzn_request *request);
} commands[] = {
	{"stat", RZN_PACE_NOW, rzn_command_stat},
	{"state", RZN_PACE_PROMPT, command_state},
	{"compact", RZN_PACE_SLOW, command_compact},
	{"trim", RZN_PACE_SLOW, rzn_command_trim},
	{"idle", RZN_PACE_PROMPT, rzn_command_idle},
	{"recompress", RZN_PACE_SLOW, rzn_command_recompress},
	{"writeback", RZN_PACE_SLOW, rzn_command_writeback},
	{"backing", RZN_PACE_SLOW, rzn_command_backing},
	{"limit", RZN_PACE_PROMPT, command_limit},
	{"codec", RZN_PACE_PROMPT, command_codec},
	{"save", RZN_PACE_SLOW, command_save},
	{"snapshot", RZN_PACE_SLOW, command_snapshot},
	{"resize", RZN_PACE_SLOW, rzn_command_resize},
	{"reset", RZN_PACE_SLOW, rzn_command_reset},
	{"reset-peak", RZN_PACE_PROMPT, command_reset_peak},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* NULL: no command has that name. */
static const struct command *command_of(const char *line)
{
	size_t length = strcspn(line, " ");

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strncmp(line, commands[i].name, length) == 0 &&
		    commands[i].name[length] == '\0')
			return &commands[i];
	}
	return NULL;
}

enum rzn_pace rzn_command_pace(const char *line)
{
	const struct command *command = command_of(line);

	return command != NULL ? command->pace : RZN_PACE_NOW;
}

static json_t *command_unknown(const char *line, size_t length)
{
	char names[RZN_WORD_BYTES * COMMANDS] = "";

	for (size_t i = 0; i < COMMANDS; i++) {
		strcat(names, i == 0 ? "" : i + 1 < COMMANDS ? ", " : " and ");
		strcat(names, commands[i].name);
	}
	return rzn_answer_error(EINVAL, "no such command: '%.*s'; there are %s",
				(int)(length > RZN_WORD_BYTES ? RZN_WORD_BYTES : length), line,
				names);
}

json_t *rzn_command_answer(struct rzn_disk *disk, const char *line, const _Atomic bool *stopped)
{
	const struct command *command = command_of(line);
	size_t length = strcspn(line, " ");
	struct rzn_request request = {.arguments = line + length + (line[length] == ' '),
				      .stopped = stopped};

	return command != NULL ? command->run(disk, &request) : command_unknown(line, length);
}

char *rzn_command_text(struct rzn_disk *disk, const char *line, const _Atomic bool *stopped)
{
	json_t *answer = rzn_command_answer(disk, line, stopped);
	char *text = answer == NULL ? NULL : json_dumps(answer, 0);
	char *whole = NULL;

	if (text != NULL && asprintf(&whole, "%s\n", text) < 0)
		whole = NULL;
	free(text);
	json_decref(answer);
	return whole;
}
