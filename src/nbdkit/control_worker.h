/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_worker.h: a thread that does one command after the other, so that the thread with the
 * clients never waits for one.
 *
 * Owns: its thread and its queue. A job belongs to the caller, and must stay until it is done or
 * was taken back. May call: control_command.h. Locking: the queue's own mutex; start, end and
 * join from one thread, the others from one thread too.
 */
#ifndef RZN_CONTROL_WORKER_H
#define RZN_CONTROL_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "disk.h"

/* So many jobs may wait. */
enum { RZN_WORKER_WAITING_MAX = 16 };

struct rzn_job {
	struct rzn_job *next;
	const char *line;     /* the command */
	char *answer;         /* when done: for free(); NULL: no memory */
	_Atomic bool stopped; /* nobody wants it any more: it may end early */
	bool done;            /* guarded by the worker's mutex */
};

struct rzn_worker {
	struct rzn_disk *disk;
	int wake_fd; /* an eventfd, told when a job is done */
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Guarded by mutex. */
	struct rzn_job *first, **last; /* those that wait */
	struct rzn_job *running;
	int64_t running_since; /* seconds, CLOCK_MONOTONIC */
	unsigned waiting;
	bool ending;
};

/* Returns 0 or a negative errno. */
int rzn_worker_start(struct rzn_worker *worker, struct rzn_disk *disk, int wake_fd);

/*
 * Do the job after those before it. False when too many wait: *busy is then the command that
 * runs, and since how many seconds.
 */
struct rzn_busy {
	char command[16];
	int64_t seconds;
};
bool rzn_worker_give(struct rzn_worker *worker, struct rzn_job *job, struct rzn_busy *busy);

/*
 * The job is not wanted any more. True: it had not begun, and never will. False: it runs, and has
 * been told to end early, or it is done.
 */
bool rzn_worker_take_back(struct rzn_worker *worker, struct rzn_job *job);

/* Is it done? Its answer is there then. */
bool rzn_worker_is_done(struct rzn_worker *worker, const struct rzn_job *job);

/* End the thread; no job may wait or run any more. Not started is allowed. */
void rzn_worker_join(struct rzn_worker *worker);

#endif
