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

/* Where it is, seen from the program's directory: beside it, as in a build tree, or installed
 * under the same prefix. */
static const char *const plugin_places[] = {
	RZC_SERVE_PLUGIN,
	"../" RAMZ_CLI_LIBDIR "/nbdkit/plugins/" RZC_SERVE_PLUGIN,
};

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
		if (strncmp(line, PLUGIN_DIRECTORY_KEY, key) == 0 && strlen(line + key) < PATH_MAX)
			strcpy(directory, line + key);
	}
	status = answer != NULL ? pclose(answer) : -1;
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) != PLUGIN_NOT_FOUND)
		return 0;
	xvm_error("there is no nbdkit, which serves the disk: install it (Debian: apt-get install "
		  "nbdkit)");
	return XVM_FAILED;
}

static bool plugin_beside(char path[PATH_MAX])
{
	char here[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", here, sizeof(here) - 1);
	char *slash;

	if (length < 0)
		return false;
	here[length] = '\0';
	slash = strrchr(here, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(plugin_places) / sizeof(plugin_places[0]); i++) {
		int used = snprintf(path, PATH_MAX, "%s/%s", here, plugin_places[i]);

		if (used < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
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
	const char *variable = getenv(RZC_SERVE_PLUGIN_VARIABLE);
	char directory[PATH_MAX];
	int length;

	if (plugin_directory(directory) != 0)
		return XVM_FAILED;
	if (serve->plugin != NULL)
		return plugin_asked(serve->plugin_path, serve->plugin, "--plugin");
	if (variable != NULL && variable[0] != '\0')
		return plugin_asked(serve->plugin_path, variable, "$" RZC_SERVE_PLUGIN_VARIABLE);
	if (plugin_beside(serve->plugin_path))
		return 0;
	length = snprintf(serve->plugin_path, PATH_MAX, "%s/%s", directory, RZC_SERVE_PLUGIN);
	if (length < PATH_MAX && access(serve->plugin_path, R_OK) == 0)
		return 0;
	xvm_error("nbdkit's plugin %s is neither beside this program nor in %s: build it (it needs "
		  "Debian's nbdkit-plugin-dev), or give --plugin PATH",
		  RZC_SERVE_PLUGIN, directory[0] != '\0' ? directory : "nbdkit's directory");
	return XVM_FAILED;
}
