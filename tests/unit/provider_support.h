/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * provider_support.h: what the provider tests share: cmocka in its include order,
 * random numbers, and questions to the system about memory.
 */
#ifndef PROVIDER_SUPPORT_H
#define PROVIDER_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <xvmalloc/provider.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#endif

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

static inline bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* XV_SEED, or a fixed seed; printed, so that a failure can be repeated. */
static inline uint64_t test_seed(const char *name)
{
	const char *text = getenv("XV_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20091121;

	fprintf(stderr, "%s: XV_SEED=%" PRIu64 "\n", name, seed);
	return seed;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
	return z ^ (z >> 31);
}

/* Resident set of this process, bytes; 0 where /proc does not tell. */
static inline size_t resident_bytes(void)
{
	unsigned long total = 0;
	unsigned long resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

#if !defined(_WIN32)
/* The signal that a read of this byte ends a child process with; 0 when none. */
static inline int signal_of_reading(const void *address)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(*(const volatile char *)address == 0 ? 0 : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Run a function in a child process, for limits that cannot be taken back. True
 * when it returned true. */
static inline bool true_in_child(bool (*function)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(function() ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}
#endif

/* Take a page with memory for all of its grains. 0, or what the provider said first. */
static inline int page_take(struct xv_provider *provider, uint32_t *page)
{
	uint32_t grains = xv_provider_page_grains(provider);
	uint32_t number;
	int err = provider->ops->page_alloc(provider, &number);

	if (err == 0 && grains > 1) {
		err = provider->ops->grains_take(provider, number, 0, grains);
		if (err != 0)
			provider->ops->pages_free(provider, number, 1);
	}
	if (err == 0)
		*page = number;
	return err;
}

/* Pages that can be taken now, with memory for all of their grains: all are, and go back. */
static inline uint64_t pages_left(struct xv_provider *provider)
{
	uint32_t *pages = malloc((size_t)provider->max_pages * sizeof(*pages));
	uint64_t count = 0;

	assert_non_null(pages);
	while (count < provider->max_pages && page_take(provider, &pages[count]) == 0)
		count++;
	for (uint64_t i = 0; i < count; i++)
		provider->ops->pages_free(provider, pages[i], 1);
	free(pages);
	return count;
}

static inline bool bytes_are(const void *memory, int value, size_t bytes)
{
	const unsigned char *at = memory;

	for (size_t i = 0; i < bytes; i++) {
		if (at[i] != value)
			return false;
	}
	return true;
}

#endif
