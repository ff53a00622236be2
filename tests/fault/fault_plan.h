/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fault_plan.h: which call of a kind fails, and memory of the C library that fails by a plan. For
 * one source file of a test. Locking: none.
 */
#ifndef FAULT_PLAN_H
#define FAULT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
	uint64_t calls_left; /* that still succeed */
	bool armed;
	bool forever;
	uint64_t injected;
};

static inline bool plan_hits(struct plan *plan)
{
	if (!plan->armed)
		return false;
	if (plan->calls_left > 0) {
		plan->calls_left--;
		return false;
	}
	plan->armed = plan->forever;
	plan->injected++;
	return true;
}

/* Memory of the C library, where the linker can put us in between. */
static struct plan memory_plan;

#ifdef WRAP_MEMORY
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	return plan_hits(&memory_plan) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return plan_hits(&memory_plan) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	return plan_hits(&memory_plan) ? NULL : __real_aligned_alloc(alignment, bytes);
}
#endif

#endif
