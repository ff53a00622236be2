/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_worker.h: a thread that does one command after the other, so that the thread with the
 * clients never waits for one.
 *
 * Owns: its thread and its queue. A job belongs to the caller, and must stay until it is done or
 * was taken back. May call: control_command.h. Locking: the queue's mutex; one thread calls start
 * and join, and one thread the others.
 */
#ifndef RZN_CONTROL_WORKER_H
#define RZN_CONTROL_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "disk.h"

/* Most jobs that wait. */
enum { RZN_WORKER_WAITING_MAX = 16 };

struct rzn_job {
	struct rzn_job *next;
	const char *line;     /* the command */
	char *answer;         /* set when done, for free(); NULL: no memory */
	_Atomic bool stopped; /* nobody wants it any more: it may end early */
	bool done;            /* under the worker's mutex */
};

struct rzn_worker {
	struct rzn_disk *disk;
	int wake_fd; /* an eventfd that gets a message when a job is done */
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Under mutex. */
	struct rzn_job *first, **last; /* waiting jobs */
	struct rzn_job *running;
	int64_t running_since; /* seconds, CLOCK_MONOTONIC */
	unsigned waiting;
	bool ending;
};

/* Returns 0 or a negative errno. */
int rzn_worker_start(struct rzn_worker *worker, struct rzn_disk *disk, int wake_fd);

/* Do the job after those before it. False when too many wait: *busy is then the running command,
 * and since how many seconds. */
struct rzn_busy {
	char command[16];
	int64_t seconds;
};
bool rzn_worker_give(struct rzn_worker *worker, struct rzn_job *job, struct rzn_busy *busy);

/* The job is no longer wanted. True: it has not begun, and never will. False: it is done, or it
 * runs and was told to end early. */
bool rzn_worker_take_back(struct rzn_worker *worker, struct rzn_job *job);

/* Is it done? Then its answer is there. */
bool rzn_worker_is_done(struct rzn_worker *worker, const struct rzn_job *job);

/* End the thread, when no job waits or runs. Does nothing if it was not started. */
void rzn_worker_join(struct rzn_worker *worker);

#endif
