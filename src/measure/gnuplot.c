/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * gnuplot.c: see gnuplot.h. Locking: none.
 */
#include "gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"

void xvm_gnuplot_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++)
		fputc(*text == '"' || *text == '\\' || *text == '\n' ? '?' : *text, out);
	fputc('"', out);
}

void xvm_gnuplot_file(const char *name, FILE *out)
{
	fputc('\'', out);
	for (; *name != '\0'; name++) {
		if (*name == '\'')
			fputc('\'', out);
		fputc(*name, out);
	}
	fputc('\'', out);
}

int xvm_gnuplot_draw(const char *directory, const char *script)
{
	/* With "./", a name that begins with '-' is no option. */
	char path[1024];
	char *argv[] = {"gnuplot", path, NULL};
	posix_spawn_file_actions_t actions;
	int status = 0;
	int error;
	pid_t pid;

	snprintf(path, sizeof(path), "./%s", script);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, directory);
	error = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		xvm_note("gnuplot could not be started (%s): %s/%s is ready for it "
			 "(Debian: apt-get install gnuplot-nox)",
			 strerror(error), directory, script);
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	xvm_error("gnuplot failed on %s/%s", directory, script);
	return XVM_FAILED;
}
