/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fsync_gate.c: a library to be loaded before a program's own (LD_PRELOAD). Its fsync waits for as
 * long as the file is there that the environment's XV_FSYNC_GATE names, and makes the file of that
 * name with ".reached" behind it when it begins to. Without the variable fsync is the system's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int fsync(int fd)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	const char *gate = getenv("XV_FSYNC_GATE");
	char reached[4096];

	if (gate != NULL && access(gate, F_OK) == 0) {
		int made;

		(void)snprintf(reached, sizeof(reached), "%s.reached", gate);
		made = open(reached, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (made >= 0)
			(void)close(made);
		while (access(gate, F_OK) == 0)
			(void)nanosleep(&moment, NULL);
	}
	return (int)syscall(SYS_fsync, fd);
}
