/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_guard.c: see zram_guard.h.
 *
 * The guard runs after fork in a process that may have had threads, so it calls
 * nothing but async-signal-safe functions and takes no memory.
 */
#include "zram_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	REMOVE_TRIES = 200, /* of 25 ms: the owner's last references may take a moment */
	REMOVE_WAIT_NS = 25 * 1000 * 1000,
	FD_LIMIT = 4096, /* descriptors looked at where the limit is higher */
};

int zram_file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t put;

	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	if (put < 0)
		put = -errno;
	close(fd);
	return put < 0 ? (int)put : 0;
}

/* The decimal digits of number into text, which has room. Async-signal-safe. */
static void number_put(char *text, unsigned number)
{
	char digits[12];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	while (count > 0)
		*text++ = digits[--count];
	*text = '\0';
}

/* Reset and remove, until it works or there is no hope. */
static int device_remove(unsigned device)
{
	const struct timespec pause = {0, REMOVE_WAIT_NS};
	char number[12], reset[64] = "/sys/block/zram";
	int tries, err = 0;

	number_put(number, device);
	strcat(reset, number);
	strcat(reset, "/reset");
	for (tries = 0; tries < REMOVE_TRIES; tries++) {
		if (access(reset, F_OK) != 0)
			return 0;
		(void)zram_file_put(reset, "1");
		err = zram_file_put("/sys/class/zram-control/hot_remove", number);
		if (err == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return err;
}

/* Nothing of the owner's may be held open by the guard, standard streams included. */
static void close_all_but(int keep)
{
	struct rlimit limit;
	int fd, end = FD_LIMIT;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FD_LIMIT)
		end = (int)limit.rlim_cur;
	for (fd = 0; fd < end; fd++) {
		if (fd != keep)
			close(fd);
	}
}

/* The guard must outlive whatever ends its owner: Ctrl-C reaches the whole group. */
static void ignore_signals(void)
{
	int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
	setsid();
}

static ssize_t read_whole(int fd, void *buffer, size_t bytes)
{
	ssize_t got;

	do {
		got = read(fd, buffer, bytes);
	} while (got < 0 && errno == EINTR);
	return got;
}

static void guard_run(int pipe_end)
{
	unsigned device;
	char rest;

	ignore_signals();
	close_all_but(pipe_end);
	if (read_whole(pipe_end, &device, sizeof(device)) != (ssize_t)sizeof(device))
		_exit(0);
	while (read_whole(pipe_end, &rest, 1) > 0)
		continue;
	_exit(device_remove(device) == 0 ? 0 : 1);
}

int zram_guard_start(struct zram_guard *guard)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	guard->pid = fork();
	if (guard->pid == 0) {
		close(ends[1]);
		guard_run(ends[0]);
	}
	err = guard->pid < 0 ? -errno : 0;
	close(ends[0]);
	if (err != 0)
		close(ends[1]);
	else
		guard->pipe = ends[1];
	return err;
}

int zram_guard_watch(struct zram_guard *guard, unsigned device)
{
	return write(guard->pipe, &device, sizeof(device)) == (ssize_t)sizeof(device) ? 0 : -EIO;
}

int zram_guard_end(struct zram_guard *guard)
{
	int status = 0;

	close(guard->pipe);
	while (waitpid(guard->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 0; /* somebody else waits for our children */
	}
	return status == 0 ? 0 : -EBUSY;
}
