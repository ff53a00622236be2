/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * codecs.c: the codecs of a run; see codecs.h. Locking: none.
 */
#include "codecs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CODECS_NAME_BYTES 32U

static int codecs_complain(const char *name)
{
	char names[96] = "";
	const struct ramz_codec *codec;

	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", codec->name);
	}
	xvm_error("there is no codec '%s' in this build; it has:%s", name, names);
	return XVM_FAILED;
}

static int codecs_add(struct xvm_codecs *codecs, const struct ramz_codec *codec, int32_t level)
{
	struct xvm_codec *item = &codecs->items[codecs->count];

	if (codecs->count == XVM_CODECS_MAX) {
		xvm_error("--codec takes up to %u codecs at a time", XVM_CODECS_MAX);
		return XVM_FAILED;
	}
	if (level == RAMZ_LEVEL_DEFAULT)
		level = codec->level_default;
	if (level < codec->level_min || level > codec->level_max) {
		xvm_error("codec %s has levels %" PRId32 " to %" PRId32 ", not %" PRId32
			  "; give it as in --codec zstd:3",
			  codec->name, codec->level_min, codec->level_max, level);
		return XVM_FAILED;
	}
	*item = (struct xvm_codec){.codec = codec, .level = level};
	if (level == codec->level_default)
		snprintf(item->label, sizeof(item->label), "%s", codec->name);
	else
		snprintf(item->label, sizeof(item->label), "%s:%" PRId32, codec->name, level);
	codecs->count++;
	return 0;
}

static int codecs_level(const char *text, int32_t *level)
{
	bool negative = text[0] == '-';
	uint64_t number;

	if (!xvm_parse_u64(text + negative, 0, 1U << 20, &number)) {
		xvm_error("a level is a whole number such as 3 or -5, not '%s'", text);
		return XVM_FAILED;
	}
	*level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

/* One NAME or NAME:LEVEL of length characters. */
static int codecs_add_text(struct xvm_codecs *codecs, const char *text, size_t length)
{
	char name[CODECS_NAME_BYTES];
	int32_t level = RAMZ_LEVEL_DEFAULT;
	const struct ramz_codec *codec;
	char *colon;

	snprintf(name, sizeof(name), "%.*s", (int)length, text);
	colon = strchr(name, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (codecs_level(colon + 1, &level) != 0)
			return XVM_FAILED;
	}
	codec = ramz_codec_by_name(name);
	return codec != NULL ? codecs_add(codecs, codec, level) : codecs_complain(name);
}

int xvm_codecs_parse(struct xvm_codecs *codecs, const char *list)
{
	codecs->count = 0;
	for (;;) {
		size_t length = strcspn(list, ",");
		int result = codecs_add_text(codecs, list, length);

		if (result != 0 || list[length] == '\0')
			return result;
		list += length + 1;
	}
}
