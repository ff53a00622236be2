/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_place.c: the sockets of a disk that is to be served; see serve.h. Locking: the process's
 * file (serve_lock.c) is locked before anything else is looked at, so of two that begin to serve
 * the same name or socket at the same moment one is refused.
 */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unix_socket.h"

/* How long a server may take to write its number. */
enum { PLACE_STEPS = 100, PLACE_STEP_NS = 10000000 };

static int place_beside(char path[PATH_MAX], const char *stem, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s%s", stem, suffix);

	if (length < PATH_MAX && length <= (int)RZC_SOCKET_PATH_MAX)
		return 0;
	xvm_error("the socket's path %s%s is longer than %u bytes: give a shorter --socket PATH",
		  stem, suffix, RZC_SOCKET_PATH_MAX);
	return XVM_FAILED;
}

/* The files beside it: process ends the name of the one with the process's number. */
static int place_at_stem(struct rzc_serve *serve, const char *stem, const char *process)
{
	if (place_beside(serve->control_path, stem, RZC_PLACE_CONTROL) != 0)
		return XVM_FAILED;
	if (snprintf(serve->process_path, PATH_MAX, "%s%s", stem, process) < PATH_MAX)
		return 0;
	xvm_error("the path %.60s... is too long", stem);
	return XVM_FAILED;
}

/* The process that has the lock; 0: none, or only this one. A number is written just after the
 * lock was taken, and once more when nbdkit serves. */
static pid_t place_holder(const char *process_path)
{
	const struct timespec moment = {.tv_nsec = PLACE_STEP_NS};
	pid_t process = 0;

	for (int i = 0; i < PLACE_STEPS && rzc_serve_is_held(process_path, &process); i++) {
		if (process != 0)
			break;
		(void)nanosleep(&moment, NULL);
	}
	return process != getpid() ? process : 0;
}

/* process_path: of the server that was found. */
static int place_say_served(const struct rzc_serve *serve, const char *process_path)
{
	pid_t process = place_holder(process_path);
	char end[48] = "end its server";

	if (process != 0)
		snprintf(end, sizeof(end), "end its server (kill %ld)", (long)process);
	xvm_error("'%s' is served already: give this disk another --name or --socket, or %s",
		  serve->name, end);
	return XVM_FAILED;
}

/* Nobody may listen there. What refuses a call a server left behind, and it is removed; anything
 * else may be in use, by another program. */
static int place_free(const struct rzc_serve *serve, const char *path)
{
	struct stat status;
	int result;

	if (path[0] == '\0' || lstat(path, &status) != 0)
		return 0;
	result = S_ISSOCK(status.st_mode) ? rzc_socket_connect(path) : -ENOTSOCK;
	if (result >= 0)
		close(result);
	if (result >= 0 || result == -ETIMEDOUT)
		return place_say_served(serve, serve->process_path);
	if (result == -ENOENT || (result == -ECONNREFUSED && unlink(path) == 0))
		return 0;
	xvm_error("%s is there already (%s): give another --socket PATH", path,
		  strerror(result == -ECONNREFUSED ? errno : -result));
	return XVM_FAILED;
}

static int place_take(struct rzc_serve *serve, bool is_private)
{
	int result = rzc_serve_lock(serve, is_private);

	if (result > 0)
		return place_say_served(serve, serve->process_path);
	if (result != 0 || place_free(serve, serve->disk_path) != 0)
		return XVM_FAILED;
	return place_free(serve, serve->control_path);
}

/* A disk of that name in another directory is one of the same name to the clients. */
static int place_elsewhere(const struct rzc_serve *serve, const char *directory)
{
	char process[PATH_MAX], control[PATH_MAX];

	if (rzc_place_path(process, directory, serve->name, RZC_PLACE_PROCESS) != 0 ||
	    rzc_place_path(control, directory, serve->name, RZC_PLACE_CONTROL) != 0)
		return XVM_FAILED;
	return rzc_socket_is_live(control) ? place_say_served(serve, process) : 0;
}

static int place_named(struct rzc_serve *serve)
{
	struct rzc_place place;
	char stem[PATH_MAX];

	serve->name = serve->options->name != NULL ? serve->options->name : RZC_SERVE_NAME;
	rzc_place_init(&place);
	if (rzc_place_make(&place) != 0 ||
	    (place.count > 1 && place_elsewhere(serve, place.directory[1]) != 0) ||
	    rzc_place_path(stem, place.directory[0], serve->name, "") != 0 ||
	    place_at_stem(serve, stem, RZC_PLACE_PROCESS) != 0)
		return XVM_FAILED;
	if (serve->options->port == 0 && place_beside(serve->disk_path, stem, RZC_PLACE_DISK) != 0)
		return XVM_FAILED;
	return place_take(serve, true);
}

static int place_at_socket(struct rzc_serve *serve)
{
	char stem[PATH_MAX];

	serve->name = serve->options->socket;
	if (rzc_place_absolute(stem, serve->name) != 0 ||
	    (serve->options->port == 0 && place_beside(serve->disk_path, stem, "") != 0) ||
	    place_at_stem(serve, stem, RZC_PLACE_PROCESS_BESIDE) != 0)
		return XVM_FAILED;
	return place_take(serve, false);
}

int rzc_serve_place(struct rzc_serve *serve)
{
	return serve->options->socket != NULL ? place_at_socket(serve) : place_named(serve);
}
