/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_held.c: memory beside time.
 *
 *   held    held bytes over requested bytes, as the counter overhead, of a heap that was
 *           filled and then overwritten four times over; its time means nothing
 *
 * What the heap holds is what the subject counts, else the growth of the resident set. A
 * malloc that has had other objects would hide in what it kept of them, so each heap is made
 * in a new process of this program, before that has allocated anything, and every object is
 * written. A memory file takes the request there and the answer back.
 *
 * Locking: none. O(objects).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "micro.h"

#define HELD_LIVE 37000U

struct touched {
	const struct bench_subject *subject;
	void *heap;
	uint64_t requested;
	uint32_t size[HELD_LIVE];
};

static uint64_t resident_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file != NULL) {
		if (fscanf(file, "%lu %lu", &total, &resident) != 2)
			resident = 0;
		fclose(file);
	}
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A subject without write is a heap of pointers that counts its bytes itself. */
static int make_written(struct touched *touched, uint32_t slot, uint32_t size)
{
	static unsigned char bytes[65536];
	const struct bench_subject *subject = touched->subject;
	int failures = subject->make(touched->heap, slot, size);

	if (failures == 0 && subject->write != NULL)
		failures |= subject->write(touched->heap, slot, bytes, size);
	touched->requested += size;
	touched->size[slot] = size;
	return failures;
}

static int overwrite(struct touched *touched, struct draw draw)
{
	int failures = touched->subject->free(touched->heap, draw.slot);

	touched->requested -= touched->size[draw.slot];
	return failures | make_written(touched, draw.slot, draw.size);
}

/* What the new process is told, and answers. */
struct request {
	char subject[48];
	struct mix mix; /* but for its name */
	uint64_t seed;
	double overhead; /* the answer; 0 when something failed */
};

static int fill_and_overwrite(struct touched *touched, const struct mix *mix, uint64_t random)
{
	int failures = 0;

	for (uint32_t i = 0; i < HELD_LIVE && failures == 0; i++)
		failures = make_written(touched, i, mix_draw(mix, &random, 1).size);
	for (uint32_t i = 0; i < 4 * HELD_LIVE && failures == 0; i++)
		failures = overwrite(touched, mix_draw(mix, &random, HELD_LIVE));
	return failures;
}

static double measure(const struct bench_subject *subject, const struct request *request)
{
	static struct touched touched;
	struct subject_config config = {
		.slots = HELD_LIVE,
		.max_size = request->mix.max_size,
		.total_bytes = (uint64_t)HELD_LIVE * request->mix.mean_size,
	};
	uint64_t before, held;

	memset(&touched, 1, sizeof(touched)); /* resident before the first look */
	touched.subject = subject;
	touched.requested = 0;
	before = resident_bytes();
	touched.heap = subject->create(subject->recipe, &config);
	if (touched.heap == NULL || fill_and_overwrite(&touched, &request->mix, request->seed) != 0)
		return 0;
	/* The slot table is not the allocator's. */
	held = subject->held_bytes != NULL
		       ? subject->held_bytes(touched.heap)
		       : resident_bytes() - before - (uint64_t)HELD_LIVE * sizeof(void *);
	return (double)held / (double)touched.requested;
}

static const struct bench_subject *subject_called(const char *name)
{
	const struct bench_subject *subject;

	for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
		if (strcmp(subject->name, name) == 0)
			return subject;
	}
	return NULL;
}

int micro_answer_held(int file)
{
	static struct request request;
	const struct bench_subject *subject;

	if (pread(file, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return 1;
	subject = subject_called(request.subject);
	if (subject == NULL)
		return 1;
	request.overhead = measure(subject, &request);
	return pwrite(file, &request, sizeof(request), 0) != (ssize_t)sizeof(request);
}

static bool ask_new_process(int file)
{
	char option[32];
	int status;
	pid_t child;

	snprintf(option, sizeof(option), "--held=%d", file);
	child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "xv_bench", option, (char *)NULL);
		_exit(1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static double measure_elsewhere(const struct scene_spec *spec)
{
	static struct request request;
	int file = memfd_create("held", 0);
	bool good;

	if (file < 0)
		return 0;
	request.mix = *spec->mix;
	request.seed = scene_seed();
	snprintf(request.subject, sizeof(request.subject), "%s", spec->subject->name);
	good = pwrite(file, &request, sizeof(request), 0) == (ssize_t)sizeof(request) &&
	       ask_new_process(file) &&
	       pread(file, &request, sizeof(request), 0) == (ssize_t)sizeof(request);
	close(file);
	return good ? request.overhead : 0;
}

static void held_body(struct micro_run *run, const void *context)
{
	double overhead = 0;

	while (micro_keep_running(run, 1))
		overhead = measure_elsewhere(context);
	micro_counter(run, "overhead", overhead);
	if (overhead <= 0)
		micro_fail(run, "the heap could not be measured");
}

void micro_add_held(const struct micro_setup *setup)
{
	const struct bench_subject *subject;
	const struct mix *mix;

	for (size_t m = 0; (mix = micro_mix_at(setup, m)) != NULL; m++) {
		for (size_t i = 0; (subject = subject_at(i)) != NULL; i++) {
			if ((subject->groups & (GROUP_BASELINE | GROUP_PROVIDER)) == 0 &&
			    micro_pairs_with(subject, mix, HELD_LIVE))
				micro_add("held", held_body, micro_spec(subject, mix, HELD_LIVE),
					  1);
		}
	}
}
