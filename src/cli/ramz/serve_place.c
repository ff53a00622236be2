/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_place.c: the sockets of a disk that is to be served; see serve.h. Locking: none.
 * Two that begin to serve the same name at the same moment: nbdkit refuses one of them.
 */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "unix_socket.h"

/* A process that has ended, and that nobody has taken note of: in a container that may be
 * for ever. False where the system does not tell. */
static bool process_has_ended(long pid)
{
	char path[40], text[256];
	const char *state = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	/* The state is behind the name, which may hold anything but is in brackets. */
	if (fgets(text, sizeof(text), file) != NULL)
		state = strrchr(text, ')');
	fclose(file);
	return state != NULL && strncmp(state, ") Z", 3) == 0;
}

pid_t rzc_serve_process(const char *path)
{
	FILE *file = fopen(path, "re");
	long pid = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld", &pid) != 1 || pid <= 1)
		pid = 0;
	fclose(file);
	if (pid == 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH) || process_has_ended(pid))
		return 0;
	return (pid_t)pid;
}

static int place_beside(char path[PATH_MAX], const char *stem, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s%s", stem, suffix);

	if (length < PATH_MAX && length <= (int)RZC_SOCKET_PATH_MAX)
		return 0;
	xvf_error("the socket's path %s%s is longer than %u bytes: give a shorter --socket PATH",
		  stem, suffix, RZC_SOCKET_PATH_MAX);
	return XVF_FAILED;
}

static int place_at_stem(struct rzc_serve *serve, const char *stem)
{
	if (serve->port == 0 && serve->socket == NULL &&
	    place_beside(serve->disk_path, stem, RZC_PLACE_DISK) != 0)
		return XVF_FAILED;
	if (rzc_json_available() && place_beside(serve->control_path, stem, RZC_PLACE_CONTROL) != 0)
		return XVF_FAILED;
	return place_beside(serve->process_path, stem, RZC_PLACE_PROCESS);
}

static int place_say_served(const char *what, const char *stem)
{
	char path[PATH_MAX + sizeof(RZC_PLACE_PROCESS)], end[48] = "end its server";
	pid_t process;

	snprintf(path, sizeof(path), "%s%s", stem, RZC_PLACE_PROCESS);
	process = rzc_serve_process(path);
	if (process != 0)
		snprintf(end, sizeof(end), "end its server (kill %ld)", (long)process);
	xvf_error("'%s' is served already: give this disk another --name or --socket, or %s", what,
		  end);
	return XVF_FAILED;
}

/* What refuses a call was left behind; anything else may be in use, by another program. */
static int place_free_socket(const char *path, const char *what, const char *stem)
{
	int result = rzc_socket_connect(path);

	if (result >= 0)
		close(result);
	if (result >= 0 || result == -ETIMEDOUT)
		return place_say_served(what, stem);
	if (result != -ECONNREFUSED) {
		xvf_error("%s is there already (%s): give another --socket PATH", path,
			  strerror(-result));
		return XVF_FAILED;
	}
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	xvf_error("cannot remove %s, which a server left behind: %s", path, strerror(errno));
	return XVF_FAILED;
}

/* Nobody may listen there; a socket that nobody listens on is removed. */
static int place_free(const char *path, const char *what, const char *stem)
{
	struct stat status;

	if (path[0] == '\0' || lstat(path, &status) != 0)
		return 0;
	if (!S_ISSOCK(status.st_mode)) {
		xvf_error("%s is there, and is not a socket: give another --socket PATH", path);
		return XVF_FAILED;
	}
	return place_free_socket(path, what, stem);
}

static int place_take(struct rzc_serve *serve, const char *what, const char *stem)
{
	if (place_free(serve->disk_path, what, stem) != 0 ||
	    place_free(serve->control_path, what, stem) != 0)
		return XVF_FAILED;
	(void)unlink(serve->process_path);
	return 0;
}

/* A disk of that name in another directory is one of the same name to the clients. */
static int place_elsewhere(const struct rzc_place *place, const char *name)
{
	for (size_t i = 1; i < place->count; i++) {
		char stem[PATH_MAX], control[PATH_MAX];

		if (rzc_place_path(stem, place->directory[i], name, "") != 0 ||
		    rzc_place_path(control, place->directory[i], name, RZC_PLACE_CONTROL) != 0)
			return XVF_FAILED;
		if (rzc_socket_is_live(control))
			return place_say_served(name, stem);
	}
	return 0;
}

static int place_named(struct rzc_serve *serve)
{
	struct rzc_place place;
	char stem[PATH_MAX];

	if (serve->name == NULL)
		serve->name = RZC_SERVE_NAME;
	rzc_place_init(&place);
	if (rzc_place_make(&place) != 0 || place_elsewhere(&place, serve->name) != 0 ||
	    rzc_place_path(stem, place.directory[0], serve->name, "") != 0 ||
	    place_at_stem(serve, stem) != 0)
		return XVF_FAILED;
	return place_take(serve, serve->name, stem);
}

static int place_at_socket(struct rzc_serve *serve)
{
	char stem[PATH_MAX];

	if (rzc_place_absolute(stem, serve->socket) != 0 ||
	    place_beside(serve->disk_path, stem, "") != 0 || place_at_stem(serve, stem) != 0)
		return XVF_FAILED;
	return place_take(serve, serve->socket, stem);
}

/* A directory that is missing is told here, where the file's name is the user's own. */
static int place_file(struct rzc_serve *serve)
{
	char directory[PATH_MAX];

	if (serve->file == NULL)
		return 0;
	if (rzc_place_absolute(serve->file_path, serve->file) != 0)
		return XVF_FAILED;
	memcpy(directory, serve->file_path, sizeof(directory));
	*(strrchr(directory, '/') + 1) = '\0';
	if (access(directory, W_OK | X_OK) == 0)
		return 0;
	xvf_error("--file %s cannot be saved: %s: %s", serve->file, directory, strerror(errno));
	return XVF_FAILED;
}

int rzc_serve_place(struct rzc_serve *serve)
{
	if (place_file(serve) != 0)
		return XVF_FAILED;
	return serve->socket != NULL ? place_at_socket(serve) : place_named(serve);
}
