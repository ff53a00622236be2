/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_start.c: running nbdkit; see serve.h. Locking: none.
 *
 * In the background nbdkit forks, and the first process ends well before the second one
 * serves: it may have contents to load. So this waits for the sockets.
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unix_socket.h"

#define START_STEP_NS 10000000

/* nbdkit's command line. */
struct start_line {
	char **word; /* ends with NULL */
	size_t count;
	size_t capacity;
};

static void line_add(struct start_line *line, const char *key, const char *value)
{
	size_t bytes = strlen(key) + strlen(value) + 1;
	char *word = xvm_calloc(bytes, 1);

	snprintf(word, bytes, "%s%s", key, value);
	line->word = xvm_grow(line->word, &line->capacity, line->count + 2, sizeof(line->word[0]));
	line->word[line->count++] = word;
	line->word[line->count] = NULL;
}

static void line_add_number(struct start_line *line, const char *key, uint64_t value)
{
	char text[24];

	if (value == 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	line_add(line, key, text);
}

static void line_add_if(struct start_line *line, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		line_add(line, key, value);
}

static void line_fini(struct start_line *line)
{
	for (size_t i = 0; i < line->count; i++)
		free(line->word[i]);
	free(line->word);
}

static void line_nbdkit(struct start_line *line, const struct rzc_serve *serve)
{
	line_add(line, "nbdkit", "");
	line_add_if(line, "--unix=", serve->disk_path);
	/* Anybody who reaches a port can read and write: only this machine may. */
	if (serve->port != 0)
		line_add(line, "--ipaddr=", "127.0.0.1");
	line_add_number(line, "--port=", serve->port);
	line_add(line, "--pidfile=", serve->process_path);
	if (serve->foreground)
		line_add(line, "--foreground", "");
	line_add(line, serve->plugin_path, "");
}

static void line_plugin(struct start_line *line, const struct rzc_serve *serve)
{
	const struct ramz_options *o = &serve->options;
	char codec[48];

	line_add_number(line, "size=", o->size_bytes);
	line_add_number(line, "page=", o->page_bytes);
	snprintf(codec, sizeof(codec), serve->level_given ? "%s:%" PRId32 : "%s",
		 o->codec != NULL ? o->codec->name : "", o->level);
	line_add_if(line, "codec=", codec);
	line_add_number(line, "hard-limit=", o->hard_limit_bytes);
	line_add_number(line, "soft-limit=", o->soft_limit_bytes);
	line_add_if(line, "checksum=", o->checksum ? "true" : NULL);
	line_add_if(line, "dedup=", o->dedup ? "true" : NULL);
	line_add_if(line, "provider=", serve->provider);
	line_add_if(line, "file=", serve->file_path);
	line_add_if(line, "save-every=", serve->save_every);
	line_add_if(line, "save-fallback=", serve->fallback_path);
	line_add_if(line, "stats=", serve->control_path);
	/* nbdkit takes options behind its plugin, too, and the last one counts. */
	for (size_t i = 0; i < serve->words.rest_count; i++)
		line_add(line, serve->words.rest[i], "");
}

static void start_exec(const struct start_line *line)
{
	execvp("nbdkit", line->word);
	xvm_error("cannot run nbdkit: %s", strerror(errno));
}

/* Run nbdkit until it is in the background. What it says against it is on the terminal. */
static int start_run(const struct start_line *line)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		start_exec(line);
		_exit(XVM_EXIT_FAILURE);
	}
	if (child < 0) {
		xvm_error("cannot run nbdkit: %s", strerror(errno));
		return XVM_FAILED;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		xvm_error("nbdkit ended by signal %d", WTERMSIG(status));
	else
		xvm_error("nbdkit did not start; see its message above");
	return XVM_FAILED;
}

static bool start_is_up(const struct rzc_serve *serve)
{
	if (serve->control_path[0] != '\0')
		return rzc_socket_is_live(serve->control_path);
	return serve->disk_path[0] == '\0' || rzc_socket_is_live(serve->disk_path);
}

/* Wait for as long as the process lives: loading may take long. */
static int start_await(struct rzc_serve *serve, pid_t *process)
{
	const struct timespec step = {.tv_nsec = START_STEP_NS};

	rzc_serve_leave(serve);
	while (rzc_serve_is_held(serve->process_path, process)) {
		/* The number is this process's until nbdkit has written its own. */
		if (*process != 0 && *process != getpid() && start_is_up(serve))
			return 0;
		(void)nanosleep(&step, NULL);
	}
	xvm_error("nbdkit ended again at once; ramz serve --foreground shows why");
	return XVM_FAILED;
}

static int start_foreground(const struct rzc_serve *serve, const struct start_line *line)
{
	rzc_serve_tell(serve, getpid());
	if (fflush(stdout) == 0)
		start_exec(line);
	return XVM_FAILED;
}

static int start_background(struct rzc_serve *serve, const struct start_line *line)
{
	pid_t process;

	if (start_run(line) != 0 || start_await(serve, &process) != 0)
		return XVM_FAILED;
	rzc_serve_tell(serve, process);
	return 0;
}

int rzc_serve_start(struct rzc_serve *serve)
{
	struct start_line line = {0};
	int result;

	line_nbdkit(&line, serve);
	line_plugin(&line, serve);
	result =
		serve->foreground ? start_foreground(serve, &line) : start_background(serve, &line);
	line_fini(&line);
	return result;
}
