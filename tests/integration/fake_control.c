/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fake_control.c: a control socket that answers what a test wants.
 *
 *   fake_control SOCKET DIRECTORY [DELAY_MS]
 *
 * For each connection: reads a line, appends it to DIRECTORY/log, waits DELAY_MS, sends the
 * bytes of the file DIRECTORY/COMMAND (the line's first word), or DIRECTORY/any, and closes.
 * So an answer may be anything, and be changed at any time. Where DIRECTORY/COMMAND.now is, the
 * command is answered without the delay, also while another one waits. The program goes into the
 * background when it listens, and prints its process number.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 8192U

static const char *fake_directory;

static FILE *fake_open(const char *name, const char *mode)
{
	char path[LINE_BYTES + 256];

	snprintf(path, sizeof(path), "%s/%s", fake_directory, name);
	return fopen(path, mode);
}

/* Read up to the end of the line, which is dropped. */
static void fake_read(int fd, char line[LINE_BYTES])
{
	size_t used = 0;

	while (used < LINE_BYTES - 1 && read(fd, line + used, 1) == 1 && line[used] != '\n')
		used++;
	line[used] = '\0';
}

static void fake_log(const char *line)
{
	FILE *log = fake_open("log", "a");

	if (log == NULL)
		return;
	fprintf(log, "%s\n", line);
	fclose(log);
}

static void fake_answer(int fd, char *line)
{
	FILE *file;
	char block[4096];
	size_t got;

	line[strcspn(line, " ")] = '\0';
	file = line[0] != '\0' ? fake_open(line, "r") : NULL;
	if (file == NULL)
		file = fake_open("any", "r");
	if (file == NULL)
		return;
	while ((got = fread(block, 1, sizeof(block), file)) > 0) {
		if (send(fd, block, got, MSG_NOSIGNAL) < 0)
			break;
	}
	fclose(file);
}

static int fake_is_now(const char *line)
{
	char name[LINE_BYTES + 8];
	FILE *file;

	snprintf(name, sizeof(name), "%.*s.now", (int)strcspn(line, " "), line);
	file = fake_open(name, "r");
	if (file == NULL)
		return 0;
	fclose(file);
	return 1;
}

static int fake_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, 16) != 0)
		return -1;
	return fd;
}

static void fake_serve(int listener, long delay_ms)
{
	const struct timespec delay = {delay_ms / 1000, delay_ms % 1000 * 1000000};
	char line[LINE_BYTES];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return;
		fake_read(fd, line);
		if (line[0] != '\0')
			fake_log(line);
		if (delay_ms == 0 || fork() == 0) {
			if (!fake_is_now(line))
				(void)nanosleep(&delay, NULL);
			fake_answer(fd, line);
			if (delay_ms != 0)
				_exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int listener = argc >= 3 ? fake_listen(argv[1]) : -1;
	pid_t child;

	if (listener < 0) {
		perror("fake_control SOCKET DIRECTORY [DELAY_MS]");
		return 1;
	}
	fake_directory = argv[2];
	child = fork();
	if (child != 0) {
		printf("%ld\n", (long)child);
		return child < 0;
	}
	/* Who reads the number waits for the end of what is printed. */
	if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
		return 1;
	signal(SIGCHLD, SIG_IGN);
	fake_serve(listener, argc > 3 ? strtol(argv[3], NULL, 10) : 0);
	return 0;
}
