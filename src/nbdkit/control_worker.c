/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_worker.c: one command after the other; see control_worker.h. O(1), plus the commands.
 */
#include "control_worker.h"

#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "control_command.h"

static int64_t now_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec;
}

/* ---- the thread ---- */

/* The next job; NULL: the thread must end. Under the mutex. */
static struct rzn_job *worker_next(struct rzn_worker *worker)
{
	struct rzn_job *job;

	while (worker->first == NULL && !worker->ending)
		(void)pthread_cond_wait(&worker->changed, &worker->mutex);
	job = worker->first;
	if (job == NULL)
		return NULL;
	assert(worker->waiting != 0 && worker->running == NULL);
	worker->first = job->next;
	if (worker->first == NULL)
		worker->last = &worker->first;
	worker->waiting--;
	worker->running = job;
	worker->running_since = now_seconds();
	return job;
}

static void *worker_thread(void *context)
{
	struct rzn_worker *worker = context;
	struct rzn_job *job;

	(void)pthread_mutex_lock(&worker->mutex);
	while ((job = worker_next(worker)) != NULL) {
		(void)pthread_mutex_unlock(&worker->mutex);
		job->answer = rzn_command_text(worker->disk, job->line, &job->stopped);
		(void)pthread_mutex_lock(&worker->mutex);
		worker->running = NULL;
		job->done = true; /* it now belongs to the other thread */
		(void)eventfd_write(worker->wake_fd, 1);
	}
	(void)pthread_mutex_unlock(&worker->mutex);
	return NULL;
}

/* ---- for the other thread ---- */

int rzn_worker_start(struct rzn_worker *worker, struct rzn_disk *disk, int wake_fd)
{
	int err;

	*worker = (struct rzn_worker){.disk = disk, .wake_fd = wake_fd};
	worker->last = &worker->first;
	err = pthread_mutex_init(&worker->mutex, NULL);
	if (err != 0)
		return -err;
	err = pthread_cond_init(&worker->changed, NULL);
	if (err == 0) {
		err = pthread_create(&worker->thread, NULL, worker_thread, worker);
		if (err != 0)
			(void)pthread_cond_destroy(&worker->changed);
	}
	if (err != 0)
		(void)pthread_mutex_destroy(&worker->mutex);
	worker->started = err == 0;
	return -err;
}

static void worker_tell_busy(const struct rzn_worker *worker, struct rzn_busy *busy)
{
	const char *line = worker->running != NULL ? worker->running->line : worker->first->line;
	size_t length = strcspn(line, " ");

	if (length >= sizeof(busy->command))
		length = sizeof(busy->command) - 1;
	memcpy(busy->command, line, length);
	busy->command[length] = '\0';
	busy->seconds = worker->running != NULL ? now_seconds() - worker->running_since : 0;
}

bool rzn_worker_give(struct rzn_worker *worker, struct rzn_job *job, struct rzn_busy *busy)
{
	bool given;

	(void)pthread_mutex_lock(&worker->mutex);
	assert(!worker->ending && worker->started);
	given = worker->waiting < RZN_WORKER_WAITING_MAX;
	if (given) {
		job->next = NULL;
		job->answer = NULL;
		job->done = false;
		atomic_store(&job->stopped, false);
		*worker->last = job;
		worker->last = &job->next;
		worker->waiting++;
		(void)pthread_cond_signal(&worker->changed);
	} else {
		worker_tell_busy(worker, busy);
	}
	(void)pthread_mutex_unlock(&worker->mutex);
	return given;
}

bool rzn_worker_take_back(struct rzn_worker *worker, struct rzn_job *job)
{
	struct rzn_job **place = &worker->first;
	bool waited;

	(void)pthread_mutex_lock(&worker->mutex);
	while (*place != NULL && *place != job)
		place = &(*place)->next;
	waited = *place == job;
	if (waited) {
		assert(worker->waiting != 0);
		*place = job->next;
		if (job->next == NULL)
			worker->last = place;
		worker->waiting--;
	}
	atomic_store(&job->stopped, true);
	(void)pthread_mutex_unlock(&worker->mutex);
	return waited;
}

bool rzn_worker_is_done(struct rzn_worker *worker, const struct rzn_job *job)
{
	bool done;

	(void)pthread_mutex_lock(&worker->mutex);
	done = job->done;
	(void)pthread_mutex_unlock(&worker->mutex);
	return done;
}

void rzn_worker_join(struct rzn_worker *worker)
{
	if (!worker->started)
		return;
	(void)pthread_mutex_lock(&worker->mutex);
	assert(worker->first == NULL && worker->running == NULL);
	worker->ending = true;
	(void)pthread_cond_signal(&worker->changed);
	(void)pthread_mutex_unlock(&worker->mutex);
	(void)pthread_join(worker->thread, NULL);
	(void)pthread_cond_destroy(&worker->changed);
	(void)pthread_mutex_destroy(&worker->mutex);
	worker->started = false;
}
