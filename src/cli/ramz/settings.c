/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * settings.c: ramz limit and codec. Locking: none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ramz/codec.h>

#include "client.h"
#include "codecs.h"
#include "command.h"
#include "size.h"

static const char settings_help_end[] =
	"\n"
	"Exit status: 0, 1 when it could not be done, 2 when the command line is wrong.\n";

/* ---- limit ---- */

static int limit_check(struct rzc_client *client)
{
	if (!client->soft.given || !client->hard.given || client->hard.bytes == 0 ||
	    client->soft.bytes <= client->hard.bytes)
		return 0;
	xvm_error("the soft mark must not be above the hard one: it is to be passed first");
	return XVM_FAILED;
}

/* A word of the request. */
static const char *limit_word(char word[24], const struct rzc_mark *mark)
{
	if (mark->given)
		snprintf(word, 24, "%" PRIu64, mark->bytes);
	else
		snprintf(word, 24, "-");
	return word;
}

static const char *limit_text(char text[RZC_SIZE_TEXT_BYTES], uint64_t bytes)
{
	return bytes > 0 ? rzc_size_text(text, bytes) : "none";
}

static int limit_run(struct rzc_client *client)
{
	char soft[24], hard[24];
	char soft_text[RZC_SIZE_TEXT_BYTES], hard_text[RZC_SIZE_TEXT_BYTES];
	json_t *answer = rzc_client_ask(client, "limit %s %s", limit_word(soft, &client->soft),
					limit_word(hard, &client->hard));

	if (answer == NULL)
		return XVM_FAILED;
	printf("soft %s, hard %s\n",
	       limit_text(soft_text, rzc_control_count(answer, "soft_limit_bytes")),
	       limit_text(hard_text, rzc_control_count(answer, "hard_limit_bytes")));
	json_decref(answer);
	return 0;
}

static int limit_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_LIMIT,
		.use = "Usage: ramz limit [--soft SIZE] [--hard SIZE] [OPTION...]\n"
		       "Set the marks on the memory that a served disk holds, and show them. At "
		       "the\n"
		       "hard one it compacts, and then refuses to write; at the soft one it "
		       "tells.\n"
		       "\n"
		       "OPTION\n",
		.end = settings_help_end,
		.run = limit_run,
		.check = limit_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_limit = {
	.name = "limit",
	.summary = "set or show how much memory a served disk may hold",
	.run = limit_main,
};

/* ---- codec ---- */

/*
 * NAME, NAME:LEVEL or NAME LEVEL. What this program does not know the server may: another
 * build. So the name only has to be one word, and the level a number.
 */
static int codec_words(const struct rzc_client *client, char name[XVM_CODEC_LABEL_BYTES],
		       char level[XVM_CODEC_LABEL_BYTES])
{
	const char *word = client->words.word[0];
	size_t length = strcspn(word, ": \t\n");
	const char *number = client->words.count > 1 ? client->words.word[1] : "";
	uint64_t value;

	if (word[length] == ':' && client->words.count == 1)
		number = word + length + 1;
	else if (word[length] != '\0')
		length = 0;
	if (length == 0 || length >= XVM_CODEC_LABEL_BYTES) {
		xvm_error("'%s' is no codec: give NAME, NAME:LEVEL or NAME LEVEL, such as zstd:3",
			  word);
		return XVM_FAILED;
	}
	snprintf(name, XVM_CODEC_LABEL_BYTES, "%.*s", (int)length, word);
	snprintf(level, XVM_CODEC_LABEL_BYTES, "%s", number);
	if (number[0] == '\0' && client->words.count == 1 && word[length] == '\0')
		return 0;
	if (xvm_parse_u64(number + (number[0] == '-'), NULL, 0, 1U << 20, &value))
		return 0;
	xvm_error("a level is a whole number such as 3 or -5, not '%s'", number);
	return XVM_FAILED;
}

static int codec_check(struct rzc_client *client)
{
	char name[XVM_CODEC_LABEL_BYTES], level[XVM_CODEC_LABEL_BYTES];

	return client->words.count > 0 ? codec_words(client, name, level) : 0;
}

static int codec_run(struct rzc_client *client)
{
	char name[XVM_CODEC_LABEL_BYTES], level[XVM_CODEC_LABEL_BYTES];
	const char *now;
	json_t *answer;

	if (client->words.count == 0)
		answer = rzc_client_ask(client, "stat");
	else if (codec_words(client, name, level) != 0)
		return XVM_FAILED;
	else
		answer = rzc_client_ask(client, level[0] != '\0' ? "codec %s:%s" : "codec %s", name,
					level);
	if (answer == NULL)
		return XVM_FAILED;
	now = json_string_value(json_object_get(answer, "codec"));
	printf("%s level %" JSON_INTEGER_FORMAT "\n", now != NULL ? now : "?",
	       json_integer_value(json_object_get(answer, "level")));
	json_decref(answer);
	return 0;
}

static int codec_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_CODEC,
		.words_max = 2,
		.use = "Usage: ramz codec [OPTION...] [NAME[:LEVEL] | NAME LEVEL]\n"
		       "Set how a served disk compresses what is written from now on, and show "
		       "it.\n"
		       "\n"
		       "  NAME                 lz4, lzo, zstd or none, where built in\n"
		       "  LEVEL                of the codec (its default); below 0 as lz4:-5, or "
		       "-- lz4 -5\n"
		       "\n"
		       "OPTION\n",
		.end = settings_help_end,
		.run = codec_run,
		.check = codec_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_codec = {
	.name = "codec",
	.summary = "set or show how a served disk compresses",
	.run = codec_main,
};
