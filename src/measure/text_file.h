/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * text_file.h: files of short lines, read word by word, with errors that name file
 * and line.
 *
 * Empty lines and lines whose first word begins with # are skipped. "-" is standard
 * input. Locking: none. O(bytes).
 */
#ifndef XVM_TEXT_FILE_H
#define XVM_TEXT_FILE_H

#include "base.h"

#define XVM_TEXT_WORDS_MAX 4

struct xvm_text_line {
	const char *path;
	uint64_t number;                 /* of the line, from 1 */
	char *words[XVM_TEXT_WORDS_MAX]; /* good until the handler returns */
	unsigned word_count;             /* XVM_TEXT_WORDS_MAX when there are that many or more */
};

/*
 * Call handler for each line with words until it returns other than 0. Returns
 * what it returned, or XVM_FAILED with the reason said when the file cannot be read.
 */
int xvm_text_read(const char *path, int (*handler)(void *context, struct xvm_text_line *line),
		  void *context);

/* Say what is wrong with a line; returns XVM_FAILED. */
int xvm_text_complain(const struct xvm_text_line *line, const char *format, ...);

#endif
