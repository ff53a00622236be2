/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_command.c: the commands of the control socket; see control_command.h.
 *
 * A line is a command and its arguments, with one blank between them. Each command gets
 * what is behind its own blank, "" when there is nothing.
 */
#include "control_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_file.h"
#include "stats_json.h"

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

/* A decimal number and nothing else, at most what a JSON integer can say. */
static bool parse_count(const char *text, uint64_t *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *count <= INT64_MAX;
}

static bool parse_level(const char *text, int32_t *level)
{
	char *end;
	long value;

	if (*text != '-' && (*text < '0' || *text > '9'))
		return false;
	errno = 0;
	value = strtol(text, &end, 10);
	*level = (int32_t)value;
	return end != text && *end == '\0' && errno == 0 && value == *level;
}

enum { WORD_BYTES = 64 };

/* Two words, the second of which may be missing. */
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

static json_t *command_stat(struct rzn_disk *disk, const char *arguments)
{
	if (*arguments != '\0')
		return answer_error(EINVAL, "stat takes no argument; say: stat");
	return rzn_stats_json(disk);
}

static uint64_t held_bytes(struct rzn_disk *disk)
{
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	return stats.held_bytes;
}

static json_t *command_compact(struct rzn_disk *disk, const char *arguments)
{
	struct xv_compact_report report = {0};
	uint64_t before = held_bytes(disk);
	uint64_t budget = 0;
	json_t *answer, *part;
	int err;

	if (*arguments != '\0' && !parse_count(arguments, &budget))
		return answer_error(EINVAL, "say compact, for all that can be gained, or compact "
					    "BYTES, the number of bytes to move at most");
	err = ramz_compact(disk->store, budget, &report);
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

static json_t *command_trim(struct rzn_disk *disk, const char *arguments)
{
	json_t *answer;

	if (*arguments != '\0')
		return answer_error(EINVAL, "trim takes no argument; say: trim");
	answer = answer_ok();
	json_object_set_new(answer, "given_back_bytes", rzn_json_count(ramz_trim(disk->store)));
	return answer;
}

/* `-` leaves the limit as it is. */
static bool parse_limit(const char *word, uint64_t *bytes)
{
	return strcmp(word, "-") == 0 || parse_count(word, bytes);
}

static json_t *command_limit(struct rzn_disk *disk, const char *arguments)
{
	char soft_word[WORD_BYTES], hard_word[WORD_BYTES];
	struct ramz_stats stats;
	uint64_t soft, hard;
	json_t *answer;

	ramz_get_stats(disk->store, &stats);
	soft = stats.soft_limit_bytes;
	hard = stats.hard_limit_bytes;
	if (!split_words(arguments, soft_word, hard_word) || !parse_limit(soft_word, &soft) ||
	    !parse_limit(hard_word, &hard))
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

static json_t *command_codec(struct rzn_disk *disk, const char *arguments)
{
	char name[WORD_BYTES], level_word[WORD_BYTES];
	const struct ramz_codec *codec;
	int32_t level = RAMZ_LEVEL_DEFAULT;

	if (!split_words(arguments, name, level_word))
		return answer_error(EINVAL, "say codec NAME, or codec NAME LEVEL; there are %s",
				    rzn_codec_names(", "));
	codec = ramz_codec_by_name(name);
	if (codec == NULL)
		return answer_error(EINVAL, "codec %s: there is no such codec; there are %s", name,
				    rzn_codec_names(", "));
	if (level_word[0] != '\0' && (!parse_level(level_word, &level) ||
				      level < codec->level_min || level > codec->level_max))
		return answer_error(EINVAL, "codec %s %s: levels of %s are %d to %d", name,
				    level_word, name, codec->level_min, codec->level_max);
	return set_codec(disk, codec, level);
}

static json_t *command_save(struct rzn_disk *disk, const char *arguments)
{
	const char *path = *arguments != '\0' ? arguments : disk->config->file;
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
	err = rzn_file_save(disk, path, &file_bytes);
	if (err == -EEXIST)
		return answer_error(EEXIST,
				    "save %s: the file there is not the one that this disk was "
				    "loaded from or saved to; say save PATH with another path",
				    path);
	if (err != 0)
		return answer_error(-err,
				    "save %s: %s; whatever was at that path before is left "
				    "as it was; try another path",
				    path, strerror(-err));
	answer = answer_ok();
	json_object_set_new(answer, "file", rzn_json_text(path));
	json_object_set_new(answer, "file_bytes", rzn_json_count(file_bytes));
	return answer;
}

static const struct command {
	const char *name;
	json_t *(*run)(struct rzn_disk *disk, const char *arguments);
} commands[] = {
	{"stat", command_stat},   {"compact", command_compact}, {"trim", command_trim},
	{"limit", command_limit}, {"codec", command_codec},     {"save", command_save},
};

json_t *rzn_command_answer(struct rzn_disk *disk, const char *line)
{
	size_t length = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strncmp(line, commands[i].name, length) == 0 &&
		    commands[i].name[length] == '\0')
			return commands[i].run(disk, line + length + (line[length] == ' '));
	}
	return answer_error(EINVAL,
			    "no such command: '%.*s'; there are stat, compact, trim, limit, codec "
			    "and save",
			    (int)(length > WORD_BYTES ? WORD_BYTES : length), line);
}
