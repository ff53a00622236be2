/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_plugin.c: finding nbdkit and its plugin; see serve.h. Locking: none.
 */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLUGIN_FILE "nbdkit-ramz-plugin.so"
#define PLUGIN_VARIABLE "RAMZ_PLUGIN"
#define PLUGIN_DIRECTORY_KEY "plugindir="

/* What popen's shell ends with where there is no such program. */
#define PLUGIN_NOT_FOUND 127

/* Ask nbdkit where its own plugins are: "" when it does not say. Returns 0, or XVM_FAILED
 * after saying that there is no nbdkit. */
static int plugin_directory(char directory[PATH_MAX])
{
	FILE *answer = popen("exec nbdkit --dump-config 2>/dev/null", "re");
	char line[PATH_MAX + sizeof(PLUGIN_DIRECTORY_KEY)];
	const size_t key = strlen(PLUGIN_DIRECTORY_KEY);
	int status;

	directory[0] = '\0';
	while (answer != NULL && fgets(line, sizeof(line), answer) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, PLUGIN_DIRECTORY_KEY, key) == 0)
			snprintf(directory, PATH_MAX, "%s", line + key);
	}
	status = answer != NULL ? pclose(answer) : -1;
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) != PLUGIN_NOT_FOUND)
		return 0;
	xvm_error("there is no nbdkit, which serves the disk: install it (Debian: apt-get install "
		  "nbdkit)");
	return XVM_FAILED;
}

static bool plugin_is_at(char path[PATH_MAX], const char *directory, const char *below)
{
	return snprintf(path, PATH_MAX, "%s/%s%s", directory, below, PLUGIN_FILE) < PATH_MAX &&
	       access(path, R_OK) == 0;
}

/* The directory of this program; "" where the system does not tell. */
static void plugin_here(char here[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", here, PATH_MAX - 1);
	char *slash;

	here[length > 0 ? length : 0] = '\0';
	slash = strrchr(here, '/');
	if (slash != NULL)
		*slash = '\0';
}

/* A plugin that somebody asked for by name. */
static int plugin_asked(char path[PATH_MAX], const char *asked, const char *by)
{
	if (rzc_place_absolute(path, asked) != 0)
		return XVM_FAILED;
	if (access(path, R_OK) == 0)
		return 0;
	xvm_error("cannot read the plugin %s that %s names: %s", asked, by, strerror(errno));
	return XVM_FAILED;
}

int rzc_serve_find_plugin(struct rzc_serve *serve)
{
	const char *variable = getenv(PLUGIN_VARIABLE);
	char directory[PATH_MAX], here[PATH_MAX];
	char *path = serve->plugin_path;

	if (plugin_directory(directory) != 0)
		return XVM_FAILED;
	if (serve->options->plugin != NULL)
		return plugin_asked(path, serve->options->plugin, "--plugin");
	if (variable != NULL && variable[0] != '\0')
		return plugin_asked(path, variable, "$" PLUGIN_VARIABLE);
	plugin_here(here);
	/* In a build tree it is beside this program; installed, under the same prefix. */
	if (plugin_is_at(path, here, "") ||
	    plugin_is_at(path, here, "../" RAMZ_CLI_LIBDIR "/nbdkit/plugins/") ||
	    plugin_is_at(path, directory, ""))
		return 0;
	xvm_error("nbdkit's plugin %s is neither beside this program nor in %s: build it (it needs "
		  "Debian's nbdkit-plugin-dev), or give --plugin PATH",
		  PLUGIN_FILE, directory[0] != '\0' ? directory : "nbdkit's directory");
	return XVM_FAILED;
}
