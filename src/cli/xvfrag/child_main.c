/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * child_main.c: the child's side; see child.h.
 *
 * The command line is written by child.c alone, so it is taken at its word.
 * Locking: none.
 */
#include "child.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Positions in argv; keep in step with child_fill_arguments. */
enum child_argument {
	CHILD_SPEC = 2,
	CHILD_PROVIDER,
	CHILD_CODEC,
	CHILD_PAGE_BYTES,
	CHILD_SEED,
	CHILD_THREADS,
	CHILD_CROSS,
	CHILD_WORKLOAD_FD,
	CHILD_PAGES_FD,
	CHILD_RESULT_FD,
	CHILD_ARGUMENT_COUNT,
};

/* Is the process's malloc the preloaded one? The loader ignores what it cannot load. */
static int child_check_preload(const struct xvm_entry *entry, int result_fd)
{
	const char *preload = getenv("LD_PRELOAD");
	const void *function = dlsym(RTLD_DEFAULT, "malloc");
	Dl_info info;

	if (entry->preload_soname == NULL)
		return 0;
	if (preload != NULL && function != NULL && dladdr(function, &info) != 0 &&
	    strcmp(info.dli_fname, preload) == 0)
		return 0;
	return xvf_record_fail(result_fd, "preloading %s had no effect (a build with a sanitizer?)",
			       entry->preload_soname);
}

/*
 * The entry of NAME, NAME:ARGUMENT or plugin:PATH. *argument gets what is behind
 * the colon, or NULL.
 */
static int child_find_entry(const char *spec, struct xvm_entry *entry, const char **argument,
			    int result_fd)
{
	static char name[XVF_ALLOCATOR_NAME_BYTES];
	char why[XVF_FAILURE_BYTES];
	const char *colon = strchr(spec, ':');
	const struct xvm_entry *found;

	*argument = colon != NULL ? colon + 1 : NULL;
	if (strncmp(spec, "plugin:", 7) == 0) {
		if (xvm_plugin_load(spec + 7, entry, why, sizeof(why)) != 0)
			return xvf_record_fail(result_fd, "%s", why);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(colon != NULL ? colon - spec : 40), spec);
	found = xvm_entry_find(name);
	if (found == NULL)
		return xvf_record_fail(result_fd, "there is no allocator %s", name);
	*entry = *found;
	return 0;
}

static void child_say_hello(const struct xvm_entry *entry, int result_fd)
{
	struct xvf_record record = {.kind = XVF_RECORD_HELLO, .entry_flags = entry->flags};

	snprintf(record.u.name, sizeof(record.u.name), "%s", entry->name);
	xvf_record_send(result_fd, &record);
}

int xvf_child_main(int argc, char **argv)
{
	const struct xvf_record end = {.kind = XVF_RECORD_END};
	struct xvf_replay_config config;
	struct xvm_entry entry;
	int result;

	if (argc != CHILD_ARGUMENT_COUNT)
		return XVM_EXIT_USAGE;
	config = (struct xvf_replay_config){
		.provider = argv[CHILD_PROVIDER],
		.codec = argv[CHILD_CODEC][0] != '\0' ? argv[CHILD_CODEC] : NULL,
		.page_bytes = (uint32_t)strtoul(argv[CHILD_PAGE_BYTES], NULL, 10),
		.seed = strtoull(argv[CHILD_SEED], NULL, 10),
		.threads = (unsigned)strtoul(argv[CHILD_THREADS], NULL, 10),
		.cross = strcmp(argv[CHILD_CROSS], "0") != 0,
		.workload_fd = atoi(argv[CHILD_WORKLOAD_FD]),
		.pages_fd = atoi(argv[CHILD_PAGES_FD]),
		.result_fd = atoi(argv[CHILD_RESULT_FD]),
	};
	if (child_find_entry(argv[CHILD_SPEC], &entry, &config.argument, config.result_fd) != 0)
		return XVM_EXIT_FAILURE;
	if (xvf_replay_is_guarded(&entry, &config))
		entry.flags |= XVM_GUARDED;
	child_say_hello(&entry, config.result_fd);
	if (child_check_preload(&entry, config.result_fd) != 0)
		return XVM_EXIT_FAILURE;
	result = (entry.flags & XVM_DEVICE) != 0 ? xvf_replay_device(&entry, &config)
						 : xvf_replay_plugin(&entry, &config);
	if (result != 0)
		return XVM_EXIT_FAILURE;
	xvf_record_send(config.result_fd, &end);
	return XVM_EXIT_OK;
}
