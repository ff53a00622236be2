/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * child.c: the parent's side of a child process, and the child's main; see child.h.
 */
#include "child.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

#define CHILD_LOOK_MS 10     /* between looks whether it has ended */
#define CHILD_LOOKS_SHOWN 20 /* looks between calls of on_progress */
#define NS_PER_S UINT64_C(1000000000)

int xvf_run_fail(struct xvf_run *run, const char *format, ...)
{
	va_list args;

	if (atomic_exchange(&run->failed, true))
		return XVM_FAILED;
	va_start(args, format);
	vsnprintf(run->failure, sizeof(run->failure), format, args);
	va_end(args);
	return XVM_FAILED;
}

/* ---- the parent ----------------------------------------------------------- */

/* What the child's process does before it becomes xvfrag again. Never returns. */
static void child_become(const struct xvf_run *run, int run_fd, int printed_fd, const char *preload,
			 pid_t parent)
{
	const int kept[] = {run->workload_fd, run->pages_fd, run_fd};
	char number[16];
	char *argv[] = {"xvfrag", XVF_CHILD_ARGUMENT, number, NULL};
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(XVM_EXIT_FAILURE);
	dup2(null_fd, STDIN_FILENO);
	dup2(printed_fd, STDOUT_FILENO);
	dup2(printed_fd, STDERR_FILENO);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (kept[i] >= 0)
			fcntl(kept[i], F_SETFD, 0);
	}
	if (preload != NULL)
		setenv("LD_PRELOAD", preload, 1);
	snprintf(number, sizeof(number), "%d", run_fd);
	execv("/proc/self/exe", argv);
	fprintf(stderr, "cannot start /proc/self/exe: %s\n", strerror(errno));
	_exit(XVM_EXIT_FAILURE);
}

/* Wait for the child's end, at most so long. Returns its status, or -1 when time was up. */
static int child_wait(pid_t pid, unsigned timeout_s, const struct xvf_run *run,
		      void (*on_progress)(void *context, const struct xvf_run *run), void *context)
{
	uint64_t deadline_ns = xvm_clock_ns() + timeout_s * NS_PER_S;
	int status = 0;

	for (unsigned looks = 0; waitpid(pid, &status, WNOHANG) == 0; looks++) {
		if (xvm_clock_ns() >= deadline_ns) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		if (looks % CHILD_LOOKS_SHOWN == 0)
			on_progress(context, run);
		poll(NULL, 0, CHILD_LOOK_MS);
	}
	return status;
}

/* The last line that the child printed, without its newline; "" for none. */
static const char *child_last_words(int printed_fd, char text[1024])
{
	off_t end = lseek(printed_fd, 0, SEEK_END);
	ssize_t got = end > 0 ? pread(printed_fd, text, 1023, end > 1023 ? end - 1023 : 0) : 0;
	const char *line;

	while (got > 0 && (unsigned char)text[got - 1] <= ' ')
		got--;
	text[got > 0 ? got : 0] = '\0';
	line = strrchr(text, '\n');
	return line != NULL ? line + 1 : text;
}

/* The phase in which it ended: the one after those whose results came. */
static const char *child_phase(const struct xvf_run *run, const struct xvm_workload_head *head)
{
	unsigned done = 0;

	for (unsigned i = 0; i < atomic_load(&run->result_count); i++)
		done += (run->results[i].flags & XVF_RESULT_COMPACT) == 0;
	return done < head->phases ? head->phase[done].name : "its end";
}

/* It neither finished nor said why. */
static void child_explain(struct xvf_run *run, int status, unsigned timeout_s, int printed_fd)
{
	struct xvm_workload_head head = {.phases = 0};
	char text[1024];
	const char *words = child_last_words(printed_fd, text);
	char how[96];

	if (pread(run->workload_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		head.phases = 0;
	if (status < 0)
		snprintf(how, sizeof(how), "took more than %u s (see --timeout)", timeout_s);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d, %s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exited with status %d", WEXITSTATUS(status));
	(void)xvf_run_fail(run, "%s in %s%s%.160s", how, child_phase(run, &head),
			   words[0] != '\0' ? ": " : "", words);
}

/* *run in memory to share, with its descriptor in *fd; or NULL. */
static struct xvf_run *run_share(const struct xvf_run *run, int *fd)
{
	void *shared = MAP_FAILED;

	*fd = memfd_create("xvfrag-run", MFD_CLOEXEC);
	if (*fd >= 0 && ftruncate(*fd, sizeof(*run)) == 0)
		shared = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return shared != MAP_FAILED ? memcpy(shared, run, sizeof(*run)) : NULL;
}

void xvf_child_run(struct xvf_run *run, const char *preload, unsigned timeout_s,
		   void (*on_progress)(void *context, const struct xvf_run *run), void *context)
{
	int printed_fd = memfd_create("xvfrag-printed", MFD_CLOEXEC);
	pid_t parent = getpid(), pid = -1;
	int run_fd;
	struct xvf_run *shared = run_share(run, &run_fd);

	fflush(NULL);
	if (shared != NULL)
		pid = fork();
	if (pid == 0)
		child_become(run, run_fd, printed_fd, preload, parent);
	if (pid < 0) {
		(void)xvf_run_fail(run, "no process could be made for it: %s", strerror(errno));
	} else {
		int status = child_wait(pid, timeout_s, shared, on_progress, context);

		if (!shared->done && !shared->failed)
			child_explain(shared, status, timeout_s, printed_fd);
		memcpy(run, shared, sizeof(*run));
	}
	if (shared != NULL)
		munmap(shared, sizeof(*run));
	close(run_fd);
	close(printed_fd);
}

/* ---- the child ------------------------------------------------------------ */

/* Is the process's malloc the preloaded one? The loader ignores what it cannot load. */
static int child_check_preload(struct xvf_run *run, const struct xvm_entry *entry)
{
	const char *preload = getenv("LD_PRELOAD");
	const void *function = dlsym(RTLD_DEFAULT, "malloc");
	Dl_info info;

	if (entry->soname == NULL ||
	    (preload != NULL && function != NULL && dladdr(function, &info) != 0 &&
	     strcmp(info.dli_fname, preload) == 0))
		return 0;
	return xvf_run_fail(run, "preloading %s had no effect (a build with a sanitizer?)",
			    entry->soname);
}

/* The allocator that run->spec names, or NULL. */
static const struct xvfrag_plugin *child_find(struct xvf_run *run, const char **settings)
{
	const struct xvm_entry *entry = xvm_entry_find(run->spec, settings);
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	const struct xvfrag_plugin *plugin;

	if (entry != NULL)
		return child_check_preload(run, entry) == 0 ? entry->plugin : NULL;
	plugin = xvm_plugin_load(*settings, why);
	if (plugin == NULL)
		(void)xvf_run_fail(run, "%s", why);
	*settings = NULL;
	return plugin;
}

int xvf_child_main(int argc, char **argv)
{
	const struct xvfrag_plugin *plugin;
	const char *settings;
	struct xvf_run *run;

	if (argc != 3)
		return XVM_EXIT_USAGE;
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
	if (run == MAP_FAILED)
		return XVM_EXIT_USAGE;
	plugin = child_find(run, &settings);
	if (plugin == NULL)
		return XVM_EXIT_FAILURE;
	if (run->allocator[0] == '\0')
		snprintf(run->allocator, sizeof(run->allocator), "%s", plugin->name);
	run->done = xvf_replay(run, plugin, settings) == 0;
	return run->done ? XVM_EXIT_OK : XVM_EXIT_FAILURE;
}
