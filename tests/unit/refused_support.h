/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * refused_support.h: what tests of providers share that run in a child process whose memory
 * is locked, or whose system calls are refused, and that is looked at from outside.
 */
#ifndef REFUSED_SUPPORT_H
#define REFUSED_SUPPORT_H

#include "provider_support.h"

#include "looked_at.h"
#include "refuse.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define LOCKED_SPACE_BYTES (sizeof(size_t) > 4 ? (size_t)80 << 30 : (size_t)64 << 20)
#define SLACK_BYTES (256 * KIB) /* of libc and stack, between two looks */
#define ENSURE(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);                         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* All that there is or (MCL_FUTURE) will be: the whole space of a provider too. */
static inline void lock_all(int flags)
{
	void *space;

	if (mlockall(flags) != 0)
		_exit(LOOK_SKIPPED);
	space = mmap(NULL, LOCKED_SPACE_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		_exit(LOOK_SKIPPED);
	munmap(space, LOCKED_SPACE_BYTES);
}

static inline void must_refuse(int number, int argument, uint32_t value, int error)
{
	if (!refuse(number, argument, value, error))
		_exit(LOOK_SKIPPED);
}

/* After the first look, which is at what was there before: what is there by then is what is
 * said to be held. */
static inline void check_honest(const struct looks *looks, int count)
{
	if (looks->status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks->status, 0);
	assert_int_equal(looks->count, count);
	for (int i = 1; i < count; i++) {
		uint64_t there = looks->at[i].resident_bytes + SLACK_BYTES;
		uint64_t said = looks->at[0].resident_bytes + looks->at[i].said;

		assert_in_range(there, said, said + 2 * SLACK_BYTES);
	}
}

static inline bool memory_cannot_be_looked_at(void)
{
	return UNDER_SANITIZER || under_valgrind();
}

#endif
