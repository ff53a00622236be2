/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * child.c: the parent's side of a child process; see child.h.
 *
 * A child that takes too long is asked to end (SIGTERM, on which kernel zram's
 * device is removed) and after a few seconds made to. Locking: none.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timer.h"

#define CHILD_GRACE_MS 5000
#define CHILD_NUMBERS 7
#define CHILD_ARGUMENTS (6 + CHILD_NUMBERS)
#define NS_PER_MS UINT64_C(1000000)

struct child {
	pid_t pid;
	int result_fd;  /* records come from here */
	int printed_fd; /* memfd with what it printed, or -1 */
	bool timed_out;
	bool ended; /* it said so */
};

/* ---- starting ------------------------------------------------------------- */

/* What the child's process does before it becomes xvfrag again. Never returns. */
static void child_become(char **argv, const int *kept_fds, size_t kept_count, int printed_fd,
			 const char *preload, pid_t parent)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(XVM_EXIT_FAILURE);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	if (printed_fd >= 0) {
		dup2(printed_fd, STDOUT_FILENO);
		dup2(printed_fd, STDERR_FILENO);
	}
	for (size_t i = 0; i < kept_count; i++) {
		if (kept_fds[i] >= 0)
			fcntl(kept_fds[i], F_SETFD, 0);
	}
	if (preload != NULL)
		setenv("LD_PRELOAD", preload, 1);
	execv("/proc/self/exe", argv);
	fprintf(stderr, "cannot start /proc/self/exe: %s\n", strerror(errno));
	_exit(XVM_EXIT_FAILURE);
}

struct child_arguments {
	char numbers[CHILD_NUMBERS][24];
	char *argv[CHILD_ARGUMENTS];
};

static void child_fill_arguments(struct child_arguments *a, const char *spec,
				 const struct xvf_replay_config *config, int result_fd)
{
	size_t n = 0;

	snprintf(a->numbers[0], sizeof(a->numbers[0]), "%" PRIu32, config->page_bytes);
	snprintf(a->numbers[1], sizeof(a->numbers[1]), "%" PRIu64, config->seed);
	snprintf(a->numbers[2], sizeof(a->numbers[2]), "%u", config->threads);
	snprintf(a->numbers[3], sizeof(a->numbers[3]), "%d", config->cross);
	snprintf(a->numbers[4], sizeof(a->numbers[4]), "%d", config->workload_fd);
	snprintf(a->numbers[5], sizeof(a->numbers[5]), "%d", config->pages_fd);
	snprintf(a->numbers[6], sizeof(a->numbers[6]), "%d", result_fd);
	a->argv[n++] = xvm_strdup("xvfrag");
	a->argv[n++] = xvm_strdup(XVF_CHILD_ARGUMENT);
	a->argv[n++] = xvm_strdup(spec);
	a->argv[n++] = xvm_strdup(config->provider);
	a->argv[n++] = xvm_strdup(config->codec != NULL ? config->codec : "");
	for (size_t i = 0; i < CHILD_NUMBERS; i++)
		a->argv[n++] = xvm_strdup(a->numbers[i]);
	a->argv[n] = NULL;
}

static int child_start(struct child *child, const char *spec,
		       const struct xvf_replay_config *config, const char *preload)
{
	struct child_arguments arguments;
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	child->printed_fd = memfd_create("xvfrag-printed", MFD_CLOEXEC);
	child->result_fd = fds[0];
	child_fill_arguments(&arguments, spec, config, fds[1]);
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0) {
		const int kept[] = {config->workload_fd, config->pages_fd, fds[1]};

		child_become(arguments.argv, kept, sizeof(kept) / sizeof(kept[0]),
			     child->printed_fd, preload, parent);
	}
	for (size_t i = 0; arguments.argv[i] != NULL; i++)
		free(arguments.argv[i]);
	close(fds[1]);
	return child->pid > 0 ? 0 : -errno;
}

/* ---- listening ------------------------------------------------------------ */

static void child_take(struct child *child, const struct xvf_record *record,
		       struct xvf_outcome *outcome)
{
	switch (record->kind) {
	case XVF_RECORD_HELLO:
		snprintf(outcome->allocator, sizeof(outcome->allocator), "%.*s",
			 XVF_ALLOCATOR_NAME_BYTES - 1, record->u.name);
		outcome->entry_flags = record->entry_flags;
		break;
	case XVF_RECORD_RESULT:
		if (outcome->result_count < XVF_RESULTS_MAX)
			outcome->results[outcome->result_count++] = record->u.result;
		break;
	case XVF_RECORD_FAILURE:
		snprintf(outcome->failure, sizeof(outcome->failure), "%.*s", XVF_FAILURE_BYTES - 1,
			 record->u.failure);
		break;
	default:
		child->ended = true;
		break;
	}
}

/* The next record by deadline_ns: 1, 0 at the end of the pipe, -1 when time is up. */
static int child_receive(const struct child *child, struct xvf_record *record, uint64_t deadline_ns)
{
	char *into = (char *)record;
	size_t have = 0;

	while (have < sizeof(*record)) {
		struct pollfd poll_fd = {.fd = child->result_fd, .events = POLLIN};
		uint64_t now = xvm_timer_clock_ns();
		uint64_t left_ms = now < deadline_ns ? (deadline_ns - now) / NS_PER_MS + 1 : 0;
		int ready = poll(&poll_fd, 1, left_ms < 1000000 ? (int)left_ms : 1000000);
		ssize_t got;

		if (ready == 0 && left_ms == 0)
			return -1;
		if (ready <= 0)
			continue;
		got = read(child->result_fd, into + have, sizeof(*record) - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		have += (size_t)got;
	}
	return 1;
}

/* ---- ending --------------------------------------------------------------- */

/* Wait for the child's end, at most some time when it was asked to end. */
static int child_wait(const struct child *child)
{
	int status = 0;

	if (child->timed_out) {
		kill(child->pid, SIGTERM);
		for (int ms = 0; ms < CHILD_GRACE_MS; ms += 50) {
			if (waitpid(child->pid, &status, WNOHANG) == child->pid)
				return status;
			poll(NULL, 0, 50);
		}
		kill(child->pid, SIGKILL);
	}
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* The last line that the child printed, without its newline; "" for none. */
static void child_last_words(const struct child *child, char *words, size_t words_bytes)
{
	char text[1024];
	off_t end = lseek(child->printed_fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	ssize_t got = end > 0 ? pread(child->printed_fd, text, sizeof(text) - 1, from) : 0;
	const char *line;

	words[0] = '\0';
	while (got > 0 && (unsigned char)text[got - 1] <= ' ')
		got--;
	if (got <= 0)
		return;
	text[got] = '\0';
	line = strrchr(text, '\n');
	snprintf(words, words_bytes, "%.160s", line != NULL ? line + 1 : text);
}

/* In which phase did it end? The one after those whose results came. */
static const char *child_phase(const struct xvf_outcome *outcome,
			       const struct xvm_workload_head *head)
{
	unsigned done = 0;

	for (unsigned i = 0; i < outcome->result_count; i++)
		done += (outcome->results[i].flags & XVF_RESULT_COMPACT) == 0;
	return done < head->phases ? head->phase[done].name : "its end";
}

static void child_explain(const struct child *child, const struct xvf_replay_config *config,
			  int status, unsigned timeout_s, struct xvf_outcome *outcome)
{
	struct xvm_workload_head head = {.phases = 0};
	char words[200];
	char how[96];

	if (child->ended || outcome->failure[0] != '\0')
		return;
	if (pread(config->workload_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		head.phases = 0;
	if (child->timed_out)
		snprintf(how, sizeof(how), "took more than %u s (see --timeout)", timeout_s);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d, %s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exited with status %d", WEXITSTATUS(status));
	child_last_words(child, words, sizeof(words));
	snprintf(outcome->failure, sizeof(outcome->failure), "%s in %s%s%s", how,
		 child_phase(outcome, &head), words[0] != '\0' ? ": " : "", words);
}

void xvf_child_run(const char *spec, const struct xvf_replay_config *config, const char *preload,
		   unsigned timeout_s,
		   void (*on_result)(void *context, const struct xvf_result *result), void *context,
		   struct xvf_outcome *outcome)
{
	uint64_t deadline_ns = xvm_timer_clock_ns() + timeout_s * 1000 * NS_PER_MS;
	struct child child = {.pid = -1, .printed_fd = -1};
	struct xvf_record record;
	int more;
	int error;

	*outcome = (struct xvf_outcome){.result_count = 0};
	error = child_start(&child, spec, config, preload);
	if (error != 0) {
		snprintf(outcome->failure, sizeof(outcome->failure),
			 "no process could be made for it: %s", strerror(-error));
		return;
	}
	while ((more = child_receive(&child, &record, deadline_ns)) > 0) {
		child_take(&child, &record, outcome);
		if (record.kind == XVF_RECORD_RESULT && on_result != NULL)
			on_result(context, &record.u.result);
	}
	child.timed_out = more < 0;
	child_explain(&child, config, child_wait(&child), timeout_s, outcome);
	close(child.result_fd);
	if (child.printed_fd >= 0)
		close(child.printed_fd);
}
