/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * saver.c: the thread that saves the disk; see saver.h.
 *
 * nbdkit's cleanup() cannot fail, and nbdkit always returns 0 from main. So a function that exit()
 * calls sets the exit status. It was registered first, so it runs last; the plugin stays mapped
 * until then (it is linked with -z nodelete).
 */
#include "saver.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "disk_file.h"
#include "file_wait.h"
#include "nbdkit_api.h"
#include "tell.h"
#include "quit.h"
#include "stats_file.h"

/* How long to keep a disk that no place takes; it is tried every second. */
enum { KEEP_SECONDS = 60 };

/* How long clients may stay after the last save. */
enum { LEAVE_MS = 1000 };

/* The last save must not fail because clients have used up the descriptors: it and a fallback
 * need fewer at a time. These stay open until then, when nbdkit takes no new client. */
enum { RESERVE_FDS = 12 };

static struct saver {
	int reserve[RESERVE_FDS]; /* descriptor, or -1 */
	struct rzn_disk *disk;
	pthread_t thread;
	bool running;
	bool told; /* all clients have left; for the thread only */
	bool failed;
} saver;

/* ---- the exit status ---- */

static void saver_at_exit(void)
{
	if (!saver.failed)
		return;
	(void)fflush(NULL);
	_exit(EXIT_FAILURE);
}

void rzn_saver_load(void)
{
	(void)atexit(saver_at_exit);
}

/* ---- descriptors for the last save ---- */

static void reserve_make(void)
{
	for (size_t i = 0; i < RESERVE_FDS; i++)
		saver.reserve[i] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void reserve_end(void)
{
	for (size_t i = 0; i < RESERVE_FDS; i++) {
		if (saver.reserve[i] >= 0)
			(void)close(saver.reserve[i]);
		saver.reserve[i] = -1;
	}
}

/* ---- the end ---- */

/* Wait, and note what ended the wait. */
static enum rzn_quit saver_wait(int timeout_ms)
{
	enum rzn_quit why = rzn_quit_wait(timeout_ms);

	saver.told = saver.told || why == RZN_QUIT_TOLD;
	return why;
}

/* The contents are still in memory: there may be room for them soon. */
static enum rzn_end end_keep(struct rzn_disk *disk)
{
	enum rzn_end end = RZN_LOST;

	rzn_tell("the disk is kept in memory for %d seconds more, by process %ld, and saved as "
		 "soon as there is a place for it: make room for it. A second signal ends it",
		 KEEP_SECONDS, (long)getpid());
	for (unsigned i = 0; i < KEEP_SECONDS && end == RZN_LOST; i++) {
		if (saver_wait(1000) == RZN_QUIT_SIGNAL)
			break;
		end = rzn_file_save_at_end(disk);
	}
	if (end == RZN_LOST)
		rzn_tell("what was written to the disk since %s=%s was last saved is lost",
			 rzn_config_own_key(disk->config), rzn_config_own(disk->config));
	else if (end == RZN_SAVED)
		rzn_tell("%s=%s is saved now", rzn_config_own_key(disk->config),
			 rzn_config_own(disk->config));
	return end;
}

/* From here on no command may change the disk or save it elsewhere. */
static void saver_end(struct rzn_disk *disk)
{
	const struct rzn_config *config = disk->config;
	enum rzn_end end;

	reserve_end();
	if (disk->file != NULL)
		rzn_file_say_ending(config->file);
	rzn_control_stop();
	rzn_disk_freeze(disk);
	end = rzn_file_save_at_end(disk);
	if (end == RZN_LOST)
		end = end_keep(disk);
	if (end != RZN_SAVED)
		saver.failed = true;
	if (config->stats_file != NULL && rzn_stats_write(disk, config->stats_file) != 0)
		saver.failed = true;
	rzn_file_release(disk);
}

/* nbdkit waits for its clients for ever, and a plugin cannot make them leave. */
static void saver_leave(void)
{
	while (!saver.told && saver_wait(LEAVE_MS) == RZN_QUIT_SIGNAL)
		;
	if (saver.told)
		return;
	nbdkit_debug("clients are still connected: the process ends all the same");
	(void)fflush(NULL);
	_exit(saver.failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- the thread ---- */

static void *saver_thread(void *unused)
{
	struct rzn_disk *disk = saver.disk;
	uint64_t every_ms = disk->config->save_every_ms;
	int timeout_ms = every_ms == 0 ? -1 : every_ms > INT_MAX ? INT_MAX : (int)every_ms;

	while (saver_wait(timeout_ms) == RZN_QUIT_NOT)
		rzn_file_save_again(disk);
	saver_end(disk);
	saver_leave();
	return unused;
}

/* Only nbdkit's threads get nbdkit's signals. */
static int thread_start(void)
{
	sigset_t all, before;
	int err;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&saver.thread, NULL, saver_thread, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int rzn_saver_start(struct rzn_disk *disk)
{
	int err;

	assert(!saver.running);
	err = rzn_quit_watch();
	saver.disk = disk;
	reserve_make();
	if (err == 0)
		err = thread_start();
	saver.running = err == 0;
	if (err == 0)
		return 0;
	rzn_tell("the thread that saves the disk cannot be started: %s; allow more threads and "
		 "open files",
		 strerror(-err));
	reserve_end();
	rzn_quit_unwatch();
	return -1;
}

void rzn_saver_stop(void)
{
	if (!saver.running)
		return;
	rzn_quit_tell();
	(void)pthread_join(saver.thread, NULL);
	saver.running = false;
	rzn_quit_unwatch();
}
