/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.c: reading one input; see input.h. Locking: none.
 */
#include "source.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "input_files.h"
#include "input_pid.h"
#include "trace.h"

#define INPUT_PID "pid:"

static int input_read_pages(struct xvf_input *input, const char *name, uint64_t *available)
{
	uint64_t pid;

	if (strncmp(name, INPUT_PID, strlen(INPUT_PID)) != 0)
		return xvm_input_read_path(&input->pages, name, available);
	if (!xvm_parse_u64(name + strlen(INPUT_PID), NULL, 1, INT32_MAX, &pid)) {
		xvm_error("'%s' is no process: write pid: and its number, as in pid:1234", name);
		return XVM_FAILED;
	}
	return xvm_input_read_pid(&input->pages, pid, available);
}

static int input_load_pages(struct xvf_input *input, const char *name,
			    const struct xvf_options *options, struct xvf_input_facts *facts)
{
	if (xvm_pages_init(&input->pages, options->max_input_bytes / XVM_INPUT_PAGE_BYTES) != 0)
		return XVM_FAILED;
	if (input_read_pages(input, name, &facts->available) != 0)
		return XVM_FAILED;
	if (input->pages.count == 0) {
		xvm_error("input %s has no pages that can be read: give a file that is not "
			  "empty, a directory with such files, or a process with memory",
			  name);
		return XVM_FAILED;
	}
	facts->codec = options->codec->name;
	return xvm_sizes_from_pages(&input->sizes, &input->pages, options->codec, options->level);
}

static int input_check_sizes(const struct xvf_input *input, const char *name)
{
	uint64_t objects = input->sizes.objects.count;

	if (objects >= 2)
		return 0;
	if (input->sizes.page_count > 0 && objects == 0)
		xvm_error("all %" PRIu64 " pages of %s are same-filled: there is nothing to "
			  "allocate; choose another input",
			  input->sizes.page_count, name);
	else
		xvm_error("%s gives %" PRIu64 " objects: a life cycle needs 2 or more, and "
			  "thousands to mean something",
			  name, objects);
	return XVM_FAILED;
}

static void input_describe_sizes(const struct xvf_input *input, const struct xvf_options *options,
				 struct xvf_input_facts *facts)
{
	const struct xvm_sizes *sizes = &input->sizes;

	facts->pages = sizes->page_count;
	if (facts->available == 0)
		facts->available = sizes->page_count;
	facts->same_filled = sizes->same_filled;
	facts->raw = sizes->raw;
	facts->objects = options->objects > 0 ? options->objects : sizes->objects.count;
	facts->mean_bytes = sizes->object_bytes / sizes->objects.count;
}

static int input_load_sizes(struct xvf_input *input, enum xvf_input_kind kind, const char *name,
			    const struct xvf_options *options, struct xvf_input_facts *facts)
{
	int result = kind == XVF_INPUT_PAGES ? input_load_pages(input, name, options, facts)
					     : xvm_sizes_from_file(&input->sizes, name);

	if (result != 0 || input_check_sizes(input, name) != 0)
		return XVM_FAILED;
	input_describe_sizes(input, options, facts);
	xvm_workload_life_cycle(&input->workload, &input->sizes, options->objects, options->seed);
	return 0;
}

static int input_load_trace(struct xvf_input *input, const char *name,
			    struct xvf_input_facts *facts)
{
	uint64_t bytes = 0;

	if (xvm_trace_read(&input->workload, name) != 0)
		return XVM_FAILED;
	for (size_t i = 0; i < input->workload.sizes.count; i++)
		bytes += input->workload.sizes.items[i];
	facts->objects = input->workload.sizes.count;
	facts->mean_bytes = bytes / facts->objects;
	return 0;
}

int xvf_input_load(struct xvf_input *input, enum xvf_input_kind kind, const char *name,
		   const struct xvf_options *options, struct xvf_input_facts *facts)
{
	int result;

	memset(input, 0, sizeof(*input));
	input->workload_fd = -1;
	facts->name = xvm_strdup(name);
	result = kind == XVF_INPUT_TRACE ? input_load_trace(input, name, facts)
					 : input_load_sizes(input, kind, name, options, facts);
	if (result == 0)
		input->workload_fd = xvm_workload_seal(&input->workload);
	return input->workload_fd >= 0 ? 0 : XVM_FAILED;
}

void xvf_input_fini(struct xvf_input *input)
{
	xvm_pages_fini(&input->pages);
	xvm_sizes_fini(&input->sizes);
	xvm_workload_fini(&input->workload);
	if (input->workload_fd >= 0)
		close(input->workload_fd);
}
