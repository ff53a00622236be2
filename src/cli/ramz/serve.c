/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve.c: ramz serve: nbdkit's command line, and nbdkit itself. What the disk is like the plugin
 * alone declares and checks: SIZE and KEY=VALUE go to it as they are. Locking: none.
 *
 * In the background nbdkit forks, and the first process ends well before the second one
 * serves: it may have contents to load. So this waits for the control socket.
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "unix_socket.h"

#define SERVE_PLUGIN "nbdkit-ramz-plugin.so"

/* What a shell ends with where there is no such program, too. */
#define SERVE_NOT_FOUND 127

#define SERVE_STEP_NS 10000000
#define SERVE_NS_PER_SECOND UINT64_C(1000000000)

/* ---- the plugin ---- */

static bool plugin_is_at(char path[PATH_MAX], const char *here, const char *below)
{
	return snprintf(path, PATH_MAX, "%s/%s" SERVE_PLUGIN, here, below) < PATH_MAX &&
	       access(path, R_OK) == 0;
}

/* In a build tree it is beside this program; installed, under the same prefix; else nbdkit looks
 * for it in its own directory, by this name. Returns 0, or XVM_FAILED after saying why not. */
static int plugin_find(char path[PATH_MAX], const char *given)
{
	char here[PATH_MAX];
	ssize_t length;
	char *slash;

	if (given != NULL)
		return rzc_place_absolute(path, given);
	length = readlink("/proc/self/exe", here, PATH_MAX - 1);
	here[length > 0 ? length : 0] = '\0';
	slash = strrchr(here, '/');
	if (slash != NULL)
		*slash = '\0';
	if (!plugin_is_at(path, here, "") &&
	    !plugin_is_at(path, here, "../" RAMZ_CLI_LIBDIR "/nbdkit/plugins/"))
		strcpy(path, "ramz");
	return 0;
}

/* ---- nbdkit's command line ---- */

struct serve_line {
	char **word; /* ends with NULL */
	size_t count;
	size_t capacity;
};

/* KEY and VALUE as one word; nothing where there is no value. */
static void line_add(struct serve_line *line, const char *key, const char *value)
{
	size_t bytes;

	if (value == NULL)
		return;
	bytes = strlen(key) + strlen(value) + 1;
	line->word = xvm_grow(line->word, &line->capacity, line->count + 2, sizeof(line->word[0]));
	line->word[line->count] = xvm_calloc(bytes, 1);
	snprintf(line->word[line->count++], bytes, "%s%s", key, value);
	line->word[line->count] = NULL;
}

static void line_add_all(struct serve_line *line, char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		line_add(line, "", words[i]);
}

static void line_make(struct serve_line *line, const struct rzc_serve *serve)
{
	const struct rzc_options *o = serve->options;
	char port[24];

	line_add(line, "", "nbdkit");
	if (o->port != 0) {
		/* Anybody who reaches a port can read and write: only this machine may. */
		line_add(line, "", "--ipaddr=127.0.0.1");
		snprintf(port, sizeof(port), "%" PRIu64, o->port);
		line_add(line, "--port=", port);
		if (serve->key_path[0] != '\0') {
			line_add(line, "", "--tls=require");
			line_add(line, "--tls-psk=", serve->key_path);
		}
	} else {
		line_add(line, "--unix=", serve->disk_path);
	}
	line_add(line, "--pidfile=", serve->process_path);
	line_add(line, "", o->foreground ? "--foreground" : NULL);
	line_add(line, "", serve->plugin_path);
	/* First, so that the plugin complains of the user's word when it is given twice. */
	line_add(line, "stats=", serve->control_path);
	line_add(line, "file=", o->file);
	line_add(line, "save-every=", o->save_every);
	line_add_all(line, o->words.word, o->words.count);
	line_add_all(line, o->words.rest, o->words.rest_count);
}

static void line_fini(struct serve_line *line)
{
	for (size_t i = 0; i < line->count; i++)
		free(line->word[i]);
	free(line->word);
}

/* ---- nbdkit ---- */

static void serve_exec(const struct serve_line *line)
{
	execvp("nbdkit", line->word);
	xvm_error("cannot run nbdkit, which serves the disk: %s: install it (Debian: apt-get "
		  "install nbdkit)",
		  strerror(errno));
}

/* Wait until it is in the background. Before that it loads the file, which may take long. Returns
 * its status. */
static int serve_wait(const struct rzc_serve *serve, pid_t child)
{
	const struct timespec step = {.tv_nsec = SERVE_STEP_NS};
	uint64_t shown_ns = xvm_clock_ns();
	int status = 0;
	pid_t ended;

	while ((ended = waitpid(child, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
		if (serve->options->file != NULL &&
		    xvm_clock_ns() - shown_ns > SERVE_NS_PER_SECOND) {
			rzc_progress_show_load(child, serve->options->file);
			shown_ns = xvm_clock_ns();
		}
		(void)nanosleep(&step, NULL);
	}
	xvm_progress("%s", "");
	return status;
}

/* Run nbdkit until it is in the background. What it says against it is on the terminal. */
static int serve_run(const struct rzc_serve *serve, const struct serve_line *line)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		serve_exec(line);
		_exit(SERVE_NOT_FOUND);
	}
	if (child < 0) {
		xvm_error("cannot run nbdkit: %s", strerror(errno));
		return XVM_FAILED;
	}
	status = serve_wait(serve, child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		xvm_error("nbdkit ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != SERVE_NOT_FOUND)
		xvm_error("nbdkit did not start; see its message above");
	return XVM_FAILED;
}

static int serve_give_up(const struct rzc_serve *serve, pid_t process)
{
	if (process != 0)
		(void)kill(process, SIGTERM);
	xvm_error("the disk is not served after %" PRIu64 " s, so its server was told to end: give "
		  "a longer --timeout, or 0 to wait for ever",
		  serve->options->timeout_seconds);
	return XVM_FAILED;
}

/* Wait for as long as the process lives: loading may take long. */
static int serve_await(struct rzc_serve *serve, pid_t *process)
{
	const struct timespec step = {.tv_nsec = SERVE_STEP_NS};
	const uint64_t limit_ns = serve->options->timeout_seconds * SERVE_NS_PER_SECOND;
	const uint64_t start_ns = xvm_clock_ns();

	rzc_serve_leave(serve);
	while (rzc_serve_is_held(serve->process_path, process)) {
		/* The number is this process's until nbdkit has written its own. */
		if (*process == getpid())
			*process = 0;
		if (*process != 0 && rzc_socket_is_live(serve->control_path))
			return 0;
		if (limit_ns != 0 && xvm_clock_ns() - start_ns > limit_ns)
			return serve_give_up(serve, *process);
		(void)nanosleep(&step, NULL);
	}
	xvm_error("nbdkit ended again at once; ramz serve --foreground shows why");
	return XVM_FAILED;
}

static int serve_start(struct rzc_serve *serve, const struct serve_line *line)
{
	pid_t process = getpid();

	if (serve->options->foreground) {
		rzc_serve_tell(serve, process);
		if (fflush(stdout) == 0)
			serve_exec(line);
		return XVM_FAILED;
	}
	if (serve_run(serve, line) != 0 || serve_await(serve, &process) != 0)
		return XVM_FAILED;
	rzc_serve_tell(serve, process);
	return 0;
}

int rzc_serve(const struct rzc_options *options)
{
	struct rzc_serve serve = {.options = options, .lock_fd = -1};
	struct serve_line line = {0};
	int result;

	if (options->tls_psk != NULL && options->port == 0) {
		xvm_error(
			"--tls-psk is for a disk on a port: give --port N too; only those who can "
			"enter its directory reach a socket");
		return XVM_EXIT_USAGE;
	}
	if (plugin_find(serve.plugin_path, options->plugin) != 0 || rzc_serve_key(&serve) != 0 ||
	    rzc_serve_place(&serve) != 0) {
		rzc_serve_unlock(&serve);
		return XVM_EXIT_FAILURE;
	}
	line_make(&line, &serve);
	result = serve_start(&serve, &line);
	line_fini(&line);
	rzc_serve_unlock(&serve);
	return result == 0 ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
