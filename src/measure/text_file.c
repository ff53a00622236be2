/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * text_file.c: files of short lines; see text_file.h. Locking: none.
 */
#include "text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text_blanks[] = " \t\r\n";

int xvm_text_complain(const struct xvm_text_line *line, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	xvm_error("%s:%" PRIu64 ": %s; the line begins with '%.40s'", line->path, line->number,
		  what, line->words[0]);
	return XVM_FAILED;
}

static void text_split(struct xvm_text_line *line, char *text)
{
	char *rest = NULL;

	line->word_count = 0;
	for (char *word = strtok_r(text, text_blanks, &rest);
	     word != NULL && line->word_count < XVM_TEXT_WORDS_MAX;
	     word = strtok_r(NULL, text_blanks, &rest))
		line->words[line->word_count++] = word;
}

static int text_read_stream(FILE *file, const char *path,
			    int (*handler)(void *context, struct xvm_text_line *line),
			    void *context)
{
	struct xvm_text_line line = {.path = path};
	char *text = NULL;
	size_t text_bytes = 0;
	int result = 0;

	while (result == 0 && getline(&text, &text_bytes, file) >= 0) {
		line.number++;
		text_split(&line, text);
		if (line.word_count > 0 && line.words[0][0] != '#')
			result = handler(context, &line);
	}
	free(text);
	if (result == 0 && ferror(file)) {
		xvm_error("cannot read %s: %s", path, strerror(errno));
		return XVM_FAILED;
	}
	return result;
}

int xvm_text_read(const char *path, int (*handler)(void *context, struct xvm_text_line *line),
		  void *context)
{
	FILE *file;
	int result;

	if (strcmp(path, "-") == 0)
		return text_read_stream(stdin, "standard input", handler, context);
	file = fopen(path, "re");
	if (file == NULL) {
		xvm_error("cannot open %s: %s", path, strerror(errno));
		return XVM_FAILED;
	}
	result = text_read_stream(file, path, handler, context);
	fclose(file);
	return result;
}
