/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_text.c: everything that reads text which a person or another program wrote, but for the
 * commands of the control socket (fuzz_control.c) and those of ramz (fuzz_command.c).
 *
 * The first byte chooses the reader. Files are memory, under the name that /proc gives it; those of
 * control groups are in a directory of this process.
 *
 * Owns: the files. May call: headers of the project. Locking: none; one thread. O(input).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codecs.h"
#include "config.h"
#include "fuzz_nbdkit.h"
#include "machine_memory.h"
#include "size_text.h"
#include "sizes.h"
#include "workload.h"

#define main xvfrag_main
int xvfrag_main(int argc, char **argv);
#include "../../src/cli/xvfrag/main.c"
#undef main

enum { TEXT_BYTES = 4096, WORDS_MAX = 32 };

static char text[TEXT_BYTES];

/* ---- numbers and names ---- */

static void read_size(struct fuzz_input *in)
{
	uint64_t memory_bytes = fuzz_bool(in) ? fuzz_number(in, 8) : 0, bytes = 0x5A;
	const char *fault;

	fuzz_text(in, text, sizeof(text));
	fault = xvt_size_parse(text, memory_bytes, &bytes);
	FUZZ_CHECK(fault == NULL || (bytes == 0x5A && fault[0] != '\0'));
}

static void read_codecs(struct fuzz_input *in)
{
	char fault[RZN_CODEC_FAULT_BYTES] = "";
	const struct ramz_codec *codec = NULL;
	struct xvm_codecs codecs;
	int32_t level = 12345678;

	fuzz_text(in, text, sizeof(text));
	if (rzn_codec_parse(text, &codec, &level, fault))
		FUZZ_CHECK(codec != NULL &&
			   (level == RAMZ_LEVEL_DEFAULT ||
			    (level >= codec->level_min && level <= codec->level_max)));
	else
		FUZZ_CHECK(fault[0] != '\0' && level == 12345678);
	if (xvm_codecs_parse(&codecs, text) == 0)
		FUZZ_CHECK(codecs.count >= 1 && codecs.count <= XVM_CODECS_MAX);
}

/* ---- the plugin's parameters: a line each ---- */

static void read_config(struct fuzz_input *in)
{
	struct rzn_config config;
	int err = 0;

	rzn_config_init(&config);
	while (in->left != 0 && err == 0) {
		char *value;

		fuzz_text(in, text, sizeof(text));
		value = strchr(text, '=');
		if (value != NULL)
			*value++ = '\0';
		err = rzn_config_set(&config, value != NULL ? text : "size",
				     value != NULL ? value : text);
	}
	if (err == 0 && rzn_config_complete(&config) == 0) {
		const struct ramz_options *options = &config.options;

		FUZZ_CHECK(options->hard_limit_bytes == 0 ||
			   options->soft_limit_bytes <= options->hard_limit_bytes);
		FUZZ_CHECK(config.save_every_ms == 0 || rzn_config_own(&config) != NULL);
	}
	rzn_config_fini(&config);
}

/* ---- files ---- */

/* A file of what is left. Returns its descriptor, and its name in path. */
static int file_of(struct fuzz_input *in, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, in->at, in->left) == (ssize_t)in->left);
	(void)snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* Objects of a trace may be many in few bytes of text, but their sizes are bounded. */
static void read_trace(struct fuzz_input *in)
{
	struct xvm_workload workload = {.ops = NULL};
	char path[64];
	int fd = file_of(in, path);

	if (xvm_trace_read(&workload, path) == 0) {
		FUZZ_CHECK(workload.head.max_size <= XVM_OBJECT_BYTES_MAX);
		for (uint64_t i = 0; i < workload.head.ops; i++) {
			FUZZ_CHECK(workload.ops[i].slot < workload.head.slots);
			FUZZ_CHECK(workload.ops[i].source == XVM_NO_SOURCE ||
				   workload.ops[i].source < workload.head.sources);
		}
	}
	xvm_workload_fini(&workload);
	(void)close(fd);
}

static void read_sizes(struct fuzz_input *in)
{
	struct xvm_sizes sizes = {.page_count = 0};
	char path[64];
	int fd = file_of(in, path);

	if (xvm_sizes_from_file(&sizes, path) == 0) {
		struct xvm_workload workload = {.ops = NULL};

		FUZZ_CHECK(sizes.objects.count + sizes.same_filled == sizes.page_count);
		if (sizes.objects.count != 0 && sizes.objects.count < 1000)
			xvm_workload_life_cycle(&workload, &sizes, 0, 1);
		xvm_workload_fini(&workload);
	}
	xvm_sizes_fini(&sizes);
	(void)close(fd);
}

static void read_pressure(struct fuzz_input *in)
{
	char path[64];
	int file = file_of(in, path), fd = rzi_pressure_open("", path), got;

	if (fd >= 0) {
		got = rzi_pressure_read(fd);
		FUZZ_CHECK(got == -XV_ENOTSUP || got >= 0);
		(void)close(fd);
	}
	(void)close(file);
}

/* ---- control groups ---- */

static char root[64];

static const char *const group_files[] = {"proc/self/cgroup",
					  "proc/self/mountinfo",
					  "sys/fs/cgroup/memory.max",
					  "sys/fs/cgroup/a/memory.max",
					  "sys/fs/cgroup/a/memory.high",
					  "sys/fs/cgroup/a/memory.pressure"};
static const char *const group_folders[] = {"proc",   "proc/self",     "sys",
					    "sys/fs", "sys/fs/cgroup", "sys/fs/cgroup/a"};

enum { GROUP_FILES = 6, GROUP_FOLDERS = 6 };

static const char *group_path(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void groups_end(void)
{
	for (size_t i = 0; i < GROUP_FILES; i++)
		(void)unlink(group_path(group_files[i]));
	for (size_t i = GROUP_FOLDERS; i-- > 0;)
		(void)rmdir(group_path(group_folders[i]));
	(void)rmdir(root);
}

static void groups_begin(void)
{
	if (root[0] != '\0')
		return;
	(void)snprintf(root, sizeof(root), "%s/fuzz_text.XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	FUZZ_CHECK(mkdtemp(root) != NULL);
	(void)atexit(groups_end);
	for (size_t i = 0; i < GROUP_FOLDERS; i++)
		FUZZ_CHECK(mkdir(group_path(group_folders[i]), 0700) == 0);
}

/* Files are parted by zeros. */
static void read_groups(struct fuzz_input *in)
{
	int fd;

	groups_begin();
	for (size_t i = 0; i < GROUP_FILES; i++) {
		const uint8_t *end = in->left != 0 ? memchr(in->at, '\0', in->left) : NULL;
		size_t bytes = end != NULL ? (size_t)(end - in->at) : in->left;

		fd = open(group_path(group_files[i]), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
			  0600);
		FUZZ_CHECK(fd >= 0 && write(fd, in->at, bytes) == (ssize_t)bytes);
		(void)close(fd);
		in->at += bytes + (end != NULL);
		in->left -= bytes + (end != NULL);
	}
	FUZZ_CHECK(rzi_memory_of_groups(root, 12345678) <= 12345678);
	(void)rzi_memory_of_groups(root, 0);
	fd = rzi_pressure_open(root, NULL);
	if (fd >= 0)
		(void)close(fd);
}

/* ---- xvfrag's command line: a line each ---- */

static void read_arguments(struct fuzz_input *in)
{
	static char word[WORDS_MAX][256];
	struct xvf_options options = {.allocators = "all", .threads = 1};
	struct xvf_selection selection;
	struct xvm_words words;
	char *argv[WORDS_MAX + 2] = {"xvfrag"};
	int argc = 1;

	while (in->left != 0 && argc <= WORDS_MAX) {
		fuzz_text(in, word[argc - 1], sizeof(word[0]));
		argv[argc] = word[argc - 1];
		argc++;
	}
	if (xvm_args_read(&args, argc, argv, &options, &words) != 0 || words.help)
		return;
	FUZZ_CHECK(options.threads >= 1 && options.threads <= XVF_THREADS_MAX);
	xvm_args_join(&words);
	(void)options_check(&options);
	(void)xvf_selection_parse(&selection, options.allocators, (unsigned)options.threads);
	xvf_selection_fini(&selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static void (*const readers[])(struct fuzz_input * in) = {
		read_size,  read_codecs,   read_config, read_trace,
		read_sizes, read_pressure, read_groups, read_arguments};
	struct fuzz_input in = {.at = data, .left = bytes};
	uint32_t which = fuzz_byte(&in);

	if (bytes != 0)
		readers[which % (sizeof(readers) / sizeof(readers[0]))](&in);
	return 0;
}
