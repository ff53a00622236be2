/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * workload.c: the life cycle and the file it travels in; see workload.h.
 * Locking: none.
 */
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void xvm_workload_fini(struct xvm_workload *workload)
{
	free(workload->sizes.items);
	free(workload->pages.items);
	free(workload->ops);
	*workload = (struct xvm_workload){.ops = NULL};
}

void xvm_workload_phase(struct xvm_workload *workload, const char *name, uint32_t flags)
{
	struct xvm_phase *phase = &workload->head.phase[workload->head.phases++];

	*phase = (struct xvm_phase){.first_op = workload->head.ops, .flags = flags};
	strncpy(phase->name, name, sizeof(phase->name) - 1);
}

void xvm_workload_put(struct xvm_workload *workload, uint32_t slot, uint32_t source)
{
	struct xvm_workload_head *head = &workload->head;

	workload->ops = xvm_grow(workload->ops, &workload->op_capacity, (size_t)head->ops + 1,
				 sizeof(*workload->ops));
	workload->ops[head->ops++] = (struct xvm_op){.slot = slot, .source = source};
	head->phase[head->phases - 1].op_count++;
}

uint32_t xvm_workload_source(struct xvm_workload *workload, uint32_t size)
{
	xvm_u32s_append(&workload->sizes, size);
	return (uint32_t)(workload->sizes.count - 1);
}

/* ---- life cycle ----------------------------------------------------------- */

/* State of the generator: the slots in a random order, and the generator's draws. */
struct workload_cycle {
	struct xvm_workload *workload;
	struct xvm_random random;
	uint32_t slots;
	uint32_t sources;
	uint32_t *order;
};

static void cycle_shuffle(struct workload_cycle *cycle)
{
	for (uint32_t i = cycle->slots - 1; i > 0; i--) {
		uint32_t j = xvm_random_below(&cycle->random, i + 1);
		uint32_t swap = cycle->order[i];

		cycle->order[i] = cycle->order[j];
		cycle->order[j] = swap;
	}
}

static void cycle_put_random(struct workload_cycle *cycle, uint32_t slot)
{
	xvm_workload_put(cycle->workload, slot, xvm_random_below(&cycle->random, cycle->sources));
}

static void cycle_fill(struct workload_cycle *cycle)
{
	bool repeat = cycle->slots > cycle->sources;

	xvm_workload_phase(cycle->workload, "fill", 0);
	for (uint32_t i = 0; i < cycle->slots; i++) {
		uint64_t source =
			repeat ? i % cycle->sources : (uint64_t)i * cycle->sources / cycle->slots;

		xvm_workload_put(cycle->workload, i, (uint32_t)source);
	}
}

static void cycle_churn(struct workload_cycle *cycle)
{
	xvm_workload_phase(cycle->workload, "churn", XVM_PHASE_COMPACTABLE);
	for (uint64_t i = 0; i < (uint64_t)cycle->slots * XVM_CHURN_ROUNDS; i++)
		cycle_put_random(cycle, xvm_random_below(&cycle->random, cycle->slots));
}

/* Free `count` slots, at random. They are then the first of the order. */
static void cycle_free(struct workload_cycle *cycle, const char *name, uint32_t count)
{
	xvm_workload_phase(cycle->workload, name, XVM_PHASE_COMPACTABLE);
	cycle_shuffle(cycle);
	for (uint32_t i = 0; i < count; i++)
		xvm_workload_put(cycle->workload, cycle->order[i], XVM_NO_SOURCE);
}

static void cycle_refill(struct workload_cycle *cycle, uint32_t count)
{
	xvm_workload_phase(cycle->workload, "refill", 0);
	for (uint32_t i = 0; i < count; i++)
		cycle_put_random(cycle, cycle->order[i]);
}

void xvm_workload_life_cycle(struct xvm_workload *workload, const struct xvm_sizes *sizes,
			     uint32_t objects, uint64_t seed)
{
	struct workload_cycle cycle = {
		.workload = workload,
		.slots = objects > 0 ? objects : (uint32_t)sizes->objects.count,
		.sources = (uint32_t)sizes->objects.count,
	};

	xvm_random_init(&cycle.random, seed);
	for (uint32_t i = 0; i < cycle.sources; i++) {
		xvm_workload_source(workload, sizes->objects.items[i]);
		if (sizes->pages.count > 0)
			xvm_u32s_append(&workload->pages, sizes->pages.items[i]);
	}
	cycle.order = xvm_calloc(cycle.slots, sizeof(*cycle.order));
	for (uint32_t i = 0; i < cycle.slots; i++)
		cycle.order[i] = i;
	cycle_fill(&cycle);
	cycle_churn(&cycle);
	cycle_free(&cycle, "free50", cycle.slots / 2);
	cycle_refill(&cycle, cycle.slots / 2);
	cycle_free(&cycle, "free90", (uint32_t)((uint64_t)cycle.slots * 9 / 10));
	free(cycle.order);
	xvm_workload_finish(workload);
}

/* ---- facts about the whole ------------------------------------------------ */

/* The new object is there before the old one goes, so the peak is before the free. */
static uint64_t workload_peak(const struct xvm_workload *workload)
{
	uint32_t *live = xvm_calloc((size_t)workload->head.slots, sizeof(*live));
	uint64_t bytes = 0, peak = 0;

	for (uint64_t i = 0; i < workload->head.ops; i++) {
		const struct xvm_op *op = &workload->ops[i];
		uint32_t size = op->source == XVM_NO_SOURCE ? 0 : workload->sizes.items[op->source];

		bytes += size;
		if (bytes > peak)
			peak = bytes;
		bytes -= live[op->slot];
		live[op->slot] = size;
	}
	free(live);
	return peak;
}

void xvm_workload_finish(struct xvm_workload *workload)
{
	struct xvm_workload_head *head = &workload->head;

	head->sources = workload->sizes.count;
	head->has_pages = workload->pages.count > 0;
	for (size_t i = 0; i < workload->sizes.count; i++) {
		if (workload->sizes.items[i] > head->max_size)
			head->max_size = workload->sizes.items[i];
	}
	for (uint64_t i = 0; i < head->ops; i++) {
		if (workload->ops[i].slot >= head->slots)
			head->slots = (uint64_t)workload->ops[i].slot + 1;
	}
	head->peak_bytes = workload_peak(workload);
}

/* ---- the file ------------------------------------------------------------- */

int xvm_workload_seal(const struct xvm_workload *w)
{
	int fd = memfd_create("xvfrag-workload", MFD_CLOEXEC);
	FILE *out = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
	bool written = false;

	if (out != NULL) {
		fwrite(&w->head, sizeof(w->head), 1, out);
		fwrite(w->ops, sizeof(*w->ops), (size_t)w->head.ops, out);
		fwrite(w->sizes.items, sizeof(uint32_t), w->sizes.count, out);
		if (w->head.has_pages)
			fwrite(w->pages.items, sizeof(uint32_t), w->pages.count, out);
		written = ferror(out) == 0;
		written &= fclose(out) == 0;
	}
	if (written)
		return fd;
	xvm_error("cannot store %" PRIu64 " operations: %s; use a smaller --objects", w->head.ops,
		  strerror(errno));
	if (fd >= 0)
		close(fd);
	return XVM_FAILED;
}

bool xvm_workload_open(struct xvm_workload_view *view, int fd)
{
	const struct xvm_workload_head *head;
	off_t bytes = lseek(fd, 0, SEEK_END);

	if (bytes < (off_t)sizeof(*head))
		return false;
	head = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (head == MAP_FAILED)
		return false;
	view->head = head;
	view->ops = (const void *)(head + 1);
	view->sizes = (const void *)(view->ops + head->ops);
	view->pages = head->has_pages ? view->sizes + head->sources : NULL;
	return true;
}
