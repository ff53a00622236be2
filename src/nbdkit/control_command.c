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
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_state.h"
#include "disk_file.h"
#include "stats_json.h"

/* Compaction checks after so many moved bytes whether it is still wanted. */
#define COMPACT_STEP_BYTES (4U << 20)

/* Cycles of a compaction without a limit, as in ramz_compact. */
enum { COMPACT_CYCLES_MAX = 16 };

/* ---- answers ---- */

static json_t *answer_ok(void)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_true());
	return answer;
}

__attribute__((format(printf, 2, 3))) static json_t *answer_error(int error, const char *format,
								  ...)
{
	json_t *answer = json_object();
	char text[8192];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", rzn_json_text(text));
	json_object_set_new(answer, "errno", json_integer(error));
	return answer;
}

/* ---- arguments ---- */

/* A decimal number and nothing else, at most what a JSON integer can hold. */
static bool parse_count(const char *text, uint64_t *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *count <= INT64_MAX;
}

enum { WORD_BYTES = 64 };

/* One or two words. */
static bool split_words(const char *arguments, char first[WORD_BYTES], char second[WORD_BYTES])
{
	const char *blank = strchr(arguments, ' ');
	size_t length = blank != NULL ? (size_t)(blank - arguments) : strlen(arguments);

	second[0] = '\0';
	if (length == 0 || length >= WORD_BYTES)
		return false;
	memcpy(first, arguments, length);
	first[length] = '\0';
	if (blank == NULL)
		return true;
	if (blank[1] == '\0' || strlen(blank + 1) >= WORD_BYTES || strchr(blank + 1, ' ') != NULL)
		return false;
	strcpy(second, blank + 1);
	return true;
}

/* ---- commands ---- */

struct request {
	const char *arguments;       /* behind the command and a blank, or "" */
	const _Atomic bool *stopped; /* see rzn_command_answer; may be NULL */
};

/* A trim or a reset locks the pool until all memory is given back. A look at it meanwhile does
 * not wait, but gets the state before. One of them runs at a time. */
static struct alone {
	pthread_mutex_t lock; /* held while statistics are taken, so that they are consistent */
	json_t *before;       /* NULL = nothing has the pool alone */
} alone = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void alone_begin(struct rzn_disk *disk, const char *command)
{
	(void)pthread_mutex_lock(&alone.lock);
	alone.before = rzn_stats_json(disk);
	json_object_set_new(alone.before, "busy", json_string(command));
	(void)pthread_mutex_unlock(&alone.lock);
}

static void alone_end(void)
{
	(void)pthread_mutex_lock(&alone.lock);
	json_decref(alone.before);
	alone.before = NULL;
	(void)pthread_mutex_unlock(&alone.lock);
}

static json_t *stats_now(struct rzn_disk *disk)
{
	json_t *answer;

	(void)pthread_mutex_lock(&alone.lock);
	answer = alone.before != NULL ? json_deep_copy(alone.before) : rzn_stats_json(disk);
	(void)pthread_mutex_unlock(&alone.lock);
	return answer;
}

static json_t *command_stat(struct rzn_disk *disk, const struct request *request)
{
	if (*request->arguments != '\0')
		return answer_error(EINVAL, "stat takes no argument; say: stat");
	return stats_now(disk);
}

static uint64_t held_bytes(struct rzn_disk *disk)
{
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	return stats.held_bytes;
}

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
static int compact_cycle(struct rzn_disk *disk, uint64_t *left, const _Atomic bool *stopped,
			 struct xv_compact_report *sum)
{
	struct xv_compact_report part = {.more = true};
	int err = 0;

	while (err == 0 && part.more && *left != 0 && !(stopped != NULL && atomic_load(stopped))) {
		uint64_t step = *left < COMPACT_STEP_BYTES ? *left : COMPACT_STEP_BYTES;

		err = ramz_compact(disk->store, step, &part);
		if (err == 0)
			compact_add(sum, &part);
		*left -= step;
	}
	return err;
}

/* As ramz_compact, but ends early when it is no longer wanted. */
static int compact(struct rzn_disk *disk, uint64_t budget, const _Atomic bool *stopped,
		   struct xv_compact_report *sum)
{
	uint64_t left = budget != 0 ? budget : UINT64_MAX;
	int err = 0;

	for (int cycle = 0; err == 0 && cycle < COMPACT_CYCLES_MAX; cycle++) {
		uint64_t freed_bytes = sum->freed_bytes;

		err = compact_cycle(disk, &left, stopped, sum);
		if (budget != 0 || sum->freed_bytes == freed_bytes)
			break;
	}
	return err;
}

static json_t *command_compact(struct rzn_disk *disk, const struct request *request)
{
	struct xv_compact_report report = {0};
	uint64_t before = held_bytes(disk);
	uint64_t budget = 0;
	json_t *answer, *part;
	int err;

	if (*request->arguments != '\0' && !parse_count(request->arguments, &budget))
		return answer_error(EINVAL, "say compact, for all that can be gained, or compact "
					    "BYTES, the number of bytes to move at most");
	err = compact(disk, budget, request->stopped, &report);
	if (err != 0)
		return answer_error(-err, "compact: %s; try again", strerror(-err));
	answer = answer_ok();
	part = rzn_compact_json(&report);
	json_object_update(answer, part);
	json_decref(part);
	json_object_set_new(answer, "held_bytes_before", rzn_json_count(before));
	json_object_set_new(answer, "held_bytes_after", rzn_json_count(held_bytes(disk)));
	return answer;
}

static json_t *command_trim(struct rzn_disk *disk, const struct request *request)
{
	uint64_t bytes;
	json_t *answer;

	if (*request->arguments != '\0')
		return answer_error(EINVAL, "trim takes no argument; say: trim");
	alone_begin(disk, "trim");
	bytes = ramz_trim(disk->store);
	alone_end();
	answer = answer_ok();
	json_object_set_new(answer, "given_back_bytes", rzn_json_count(bytes));
	return answer;
}

/* `-` keeps the limit. */
static bool parse_limit(const char *word, uint64_t *bytes)
{
	return strcmp(word, "-") == 0 || parse_count(word, bytes);
}

static json_t *command_limit(struct rzn_disk *disk, const struct request *request)
{
	char soft_word[WORD_BYTES], hard_word[WORD_BYTES];
	struct ramz_stats stats;
	uint64_t soft, hard;
	json_t *answer;

	ramz_get_stats(disk->store, &stats);
	soft = stats.soft_limit_bytes;
	hard = stats.hard_limit_bytes;
	if (!split_words(request->arguments, soft_word, hard_word) ||
	    !parse_limit(soft_word, &soft) || !parse_limit(hard_word, &hard))
		return answer_error(EINVAL,
				    "say limit SOFT HARD: each a number of bytes, 0 for none, "
				    "or - to leave it as it is");
	if (ramz_set_limits(disk->store, soft, hard) != 0)
		return answer_error(EINVAL,
				    "limit: the soft limit, %llu bytes, is above the hard "
				    "one, %llu: make it less, or 0 for none",
				    (unsigned long long)soft, (unsigned long long)hard);
	answer = answer_ok();
	json_object_set_new(answer, "soft_limit_bytes", rzn_json_count(soft));
	json_object_set_new(answer, "hard_limit_bytes", rzn_json_count(hard));
	return answer;
}

static json_t *set_codec(struct rzn_disk *disk, const struct ramz_codec *codec, int32_t level)
{
	int err = ramz_set_codec(disk->store, codec, level);
	json_t *answer;

	if (err != 0)
		return answer_error(-err, "codec %s: no memory for it (%s); the codec is as before",
				    codec->name, strerror(-err));
	answer = answer_ok();
	json_object_set_new(answer, "codec", json_string(codec->name));
	json_object_set_new(
		answer, "level",
		json_integer(level == RAMZ_LEVEL_DEFAULT ? codec->level_default : level));
	return answer;
}

static json_t *command_codec(struct rzn_disk *disk, const struct request *request)
{
	char fault[RZN_CODEC_FAULT_BYTES];
	const struct ramz_codec *codec;
	int32_t level;

	if (rzn_codec_parse(request->arguments, &codec, &level, fault))
		return set_codec(disk, codec, level);
	return answer_error(EINVAL, "codec %.*s: %s", WORD_BYTES, request->arguments, fault);
}

static json_t *command_save(struct rzn_disk *disk, const struct request *request)
{
	const char *path = *request->arguments != '\0' ? request->arguments : disk->config->file;
	struct ramz_reason reason;
	uint64_t file_bytes;
	json_t *answer;
	int err;

	if (path == NULL)
		return answer_error(EINVAL, "save: the disk has no file of its own (file=); say "
					    "save PATH");
	if (*path != '/')
		return answer_error(EINVAL,
				    "save %s: the path must begin with /, as the server's "
				    "directory is not yours",
				    path);
	err = rzn_file_save(disk, path, &file_bytes, &reason);
	if (err != 0)
		return answer_error(-err,
				    "save %s: %s; whatever was at that path before is left "
				    "as it was",
				    path, reason.text);
	answer = answer_ok();
	json_object_set_new(answer, "file", rzn_json_text(path));
	json_object_set_new(answer, "file_bytes", rzn_json_count(file_bytes));
	if (reason.text[0] != '\0')
		json_object_set_new(answer, "note", rzn_json_text(reason.text));
	return answer;
}

/* ---- trim and reset ---- */

static json_t *reset_refused(unsigned clients)
{
	return answer_error(EBUSY,
			    "reset: %u client%s connected, and would find %s data gone: end %s "
			    "first, or say reset force (ramz reset --force)",
			    clients, clients == 1 ? " is" : "s are", clients == 1 ? "its" : "their",
			    clients == 1 ? "it" : "them");
}

static json_t *command_reset(struct rzn_disk *disk, const struct request *request)
{
	unsigned clients = atomic_load(&disk->clients);
	uint64_t before = held_bytes(disk);
	json_t *answer;
	int err;

	if (*request->arguments != '\0' && strcmp(request->arguments, "force") != 0)
		return answer_error(EINVAL, "say reset, or reset force where clients are "
					    "connected");
	if (clients != 0 && *request->arguments == '\0')
		return reset_refused(clients);
	if (!rzn_disk_change_begin(disk))
		return answer_error(ESHUTDOWN, "reset: the server is ending, and saves the disk as "
					       "it is; start it again");
	alone_begin(disk, "reset");
	err = ramz_reset(disk->store);
	alone_end();
	rzn_disk_change_end(disk);
	if (err != 0)
		return answer_error(-err, "reset: %s; try again", strerror(-err));
	answer = answer_ok();
	json_object_set_new(answer, "held_bytes_before", rzn_json_count(before));
	json_object_set_new(answer, "held_bytes_after", rzn_json_count(held_bytes(disk)));
	return answer;
}

static json_t *command_reset_peak(struct rzn_disk *disk, const struct request *request)
{
	json_t *answer;

	if (*request->arguments != '\0')
		return answer_error(EINVAL, "reset-peak takes no argument; say: reset-peak");
	(void)ramz_reset_peak(disk->store);
	answer = answer_ok();
	json_object_set_new(answer, "held_bytes", rzn_json_count(held_bytes(disk)));
	return answer;
}

/* ---- page by page ---- */

static json_t *state_damaged(uint64_t page)
{
	return answer_error(EBADMSG,
			    "state: a page from %llu on is damaged, and was not told; say state "
			    "with a number behind it",
			    (unsigned long long)page);
}

static json_t *command_state(struct rzn_disk *disk, const struct request *request)
{
	char first_word[WORD_BYTES], count_word[WORD_BYTES];
	uint64_t first, count, damaged;
	json_t *answer;

	if (!split_words(request->arguments, first_word, count_word) ||
	    !parse_count(first_word, &first) || !parse_count(count_word, &count) || count == 0 ||
	    count > RZN_STATE_PAGES_MAX)
		return answer_error(EINVAL,
				    "say state FIRST COUNT: the number of a page, and of how many "
				    "to tell, 1 to %d",
				    RZN_STATE_PAGES_MAX);
	answer = answer_ok();
	if (rzn_state_into(answer, disk, first, count, request->stopped, &damaged) == 0)
		return answer;
	json_decref(answer);
	return state_damaged(damaged);
}

/* ---- commands by name ---- */

static const struct command {
	const char *name;
	enum rzn_pace pace;
	json_t *(*run)(struct rzn_disk *disk, const struct request *request);
} commands[] = {
	{"stat", RZN_PACE_NOW, command_stat},
	{"state", RZN_PACE_PROMPT, command_state},
	{"compact", RZN_PACE_SLOW, command_compact},
	{"trim", RZN_PACE_SLOW, command_trim},
	{"limit", RZN_PACE_PROMPT, command_limit},
	{"codec", RZN_PACE_PROMPT, command_codec},
	{"save", RZN_PACE_SLOW, command_save},
	{"reset", RZN_PACE_SLOW, command_reset},
	{"reset-peak", RZN_PACE_PROMPT, command_reset_peak},
};

/* NULL: no command has that name. */
static const struct command *command_of(const char *line)
{
	size_t length = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
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

json_t *rzn_command_answer(struct rzn_disk *disk, const char *line, const _Atomic bool *stopped)
{
	const struct command *command = command_of(line);
	size_t length = strcspn(line, " ");
	struct request request = {.arguments = line + length + (line[length] == ' '),
				  .stopped = stopped};

	if (command != NULL)
		return command->run(disk, &request);
	return answer_error(EINVAL,
			    "no such command: '%.*s'; there are stat, state, compact, trim, limit, "
			    "codec, save, reset and reset-peak",
			    (int)(length > WORD_BYTES ? WORD_BYTES : length), line);
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
