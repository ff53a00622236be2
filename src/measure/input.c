/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.c: pages of an input; see input.h. Locking: none.
 */
#include "input.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramz/codec.h>

#include "input_files.h"
#include "input_pid.h"

#define INPUT_PID "pid:"
#define INPUT_BIN "/usr/bin"

const char *const *xvm_input_names(char *const *given, size_t given_count, size_t *count)
{
	static const char *defaults[2];
	const char *libc = xvm_libc_directory();

	if (given_count > 0) {
		*count = given_count;
		return (const char *const *)given;
	}
	*count = 0;
	if (libc != NULL)
		defaults[(*count)++] = libc;
	defaults[(*count)++] = INPUT_BIN;
	return defaults;
}

static int input_read(struct xvm_input *input)
{
	const char *number = input->name + strlen(INPUT_PID);
	uint64_t pid;

	if (strncmp(input->name, INPUT_PID, strlen(INPUT_PID)) != 0)
		return xvm_input_read_path(&input->pages, input->name, &input->available);
	if (!xvm_parse_u64(number, NULL, 1, INT32_MAX, &pid)) {
		xvm_error("'%s' is no process: write pid: and its number, as in pid:1234",
			  input->name);
		return XVM_FAILED;
	}
	return xvm_input_read_pid(&input->pages, pid, &input->available);
}

static void input_find_distinct(struct xvm_input *input)
{
	input->distinct = xvm_calloc((size_t)input->pages.count, sizeof(*input->distinct));
	for (uint64_t i = 0; i < input->pages.count; i++) {
		if (!ramz_page_is_same_filled(xvm_pages_at(&input->pages, i), XVM_INPUT_PAGE_BYTES,
					      NULL))
			input->distinct[input->distinct_count++] = (uint32_t)i;
	}
}

int xvm_input_load(struct xvm_input *input, const char *name, uint64_t max_bytes)
{
	*input = (struct xvm_input){.name = name};
	if (xvm_pages_init(&input->pages, max_bytes / XVM_INPUT_PAGE_BYTES) != 0 ||
	    input_read(input) != 0)
		return XVM_FAILED;
	if (input->pages.count == 0) {
		xvm_error("input %s has no pages that can be read: give a file that is not "
			  "empty, a directory with such files, or a process with memory",
			  name);
		return XVM_FAILED;
	}
	input_find_distinct(input);
	return 0;
}

void xvm_input_fini(struct xvm_input *input)
{
	xvm_pages_fini(&input->pages);
	free(input->distinct);
	input->distinct = NULL;
}

uint64_t xvm_input_same_filled(const struct xvm_input *input)
{
	return input->pages.count - input->distinct_count;
}

void xvm_input_heading(const struct xvm_input *input)
{
	uint64_t same = xvm_input_same_filled(input);

	printf("%s: %" PRIu64 " pages of 4096 bytes", input->name, input->pages.count);
	if (input->available > input->pages.count)
		printf(", spread evenly over its %" PRIu64, input->available);
	printf("; %" PRIu64 " same-filled (%.1f%%)", same,
	       100.0 * (double)same / (double)input->pages.count);
}
