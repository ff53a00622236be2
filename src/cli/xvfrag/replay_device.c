/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay_device.c: a workload played on a kernel zram device; see replay.h.
 *
 * The device is this process's own and goes with it. Locking: none, one thread.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "allocators/zram_device.h"
#include "replay.h"
#include "timer.h"

struct device_replay {
	const struct xvf_replay_config *config;
	struct xvm_workload_view work;
	struct xvm_zram *zram;
	const uint8_t *pages; /* of the input */
	uint8_t *used;        /* by slot: holds a page */
	uint64_t live_objects;
	uint64_t ops;
};

static int device_fail(const struct device_replay *r, const char *what, int error)
{
	return xvf_record_fail(r->config->result_fd, "%s failed: %s", what, strerror(-error));
}

static bool device_map_pages(struct device_replay *r)
{
	struct stat status;
	void *pages;

	if (r->config->pages_fd < 0 || fstat(r->config->pages_fd, &status) != 0)
		return false;
	pages = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, r->config->pages_fd, 0);
	r->pages = pages != MAP_FAILED ? pages : NULL;
	return r->pages != NULL;
}

static int device_init(struct device_replay *r)
{
	char why[XVF_FAILURE_BYTES] = "";
	int fd = r->config->result_fd;

	if (!xvm_workload_open(&r->work, r->config->workload_fd) || r->work.pages == NULL ||
	    !device_map_pages(r))
		return xvf_record_fail(fd, "it stores pages, and there are none");
	r->used = xvm_calloc((size_t)r->work.head->slots, sizeof(*r->used));
	if (xvm_zram_open(&r->zram, r->config->codec, r->work.head->slots * XVM_ZRAM_PAGE_BYTES,
			  why, sizeof(why)) != 0)
		return xvf_record_fail(fd, "%s", why);
	return 0;
}

static int device_op(struct device_replay *r, const struct xvm_op *op)
{
	bool had = r->used[op->slot] != 0;
	bool has = op->source != XVM_NO_SOURCE;
	int result;

	if (has)
		result = xvm_zram_write(
			r->zram, op->slot,
			r->pages + (size_t)r->work.pages[op->source] * XVM_INPUT_PAGE_BYTES, 1);
	else
		result = xvm_zram_discard(r->zram, op->slot, 1);
	if (result != 0)
		return device_fail(r, has ? "write to the device" : "discard", result);
	r->used[op->slot] = has;
	r->live_objects += (uint64_t)has - (uint64_t)had;
	r->ops += (uint64_t)has + (uint64_t)had;
	return 0;
}

static int device_measure(const struct device_replay *r, struct xvf_result *result)
{
	struct xvm_zram_stat stat;
	int error = xvm_zram_stat(r->zram, &stat);

	if (error != 0)
		return device_fail(r, "reading mm_stat", error);
	result->live_objects = r->live_objects;
	result->requested_bytes = stat.compr_bytes;
	result->held_bytes = stat.mem_used_bytes;
	xvf_record_result(r->config->result_fd, result);
	return 0;
}

static int device_compact(struct device_replay *r, const struct xvm_phase *phase, uint64_t held)
{
	struct xvf_result result = {.flags = XVF_RESULT_COMPACT | XVF_RESULT_TIME, .ops = 1};
	struct xvm_zram_stat stat;
	uint64_t start = xvm_timer_clock_ns();
	int error = xvm_zram_compact(r->zram);

	result.ns_per_op = (double)(xvm_timer_clock_ns() - start);
	if (error == 0)
		error = xvm_zram_stat(r->zram, &stat);
	if (error != 0)
		return device_fail(r, "compaction", error);
	if (stat.mem_used_bytes < held)
		result.freed_bytes = held - stat.mem_used_bytes;
	snprintf(result.phase, sizeof(result.phase), "%s+compact", phase->name);
	return device_measure(r, &result);
}

static int device_phase(struct device_replay *r, const struct xvm_phase *phase)
{
	struct xvf_result result = {.flags = 0};

	r->ops = 0;
	for (uint64_t i = 0; i < phase->op_count; i++) {
		if (device_op(r, &r->work.ops[phase->first_op + i]) != 0)
			return XVM_FAILED;
	}
	snprintf(result.phase, sizeof(result.phase), "%s", phase->name);
	result.ops = r->ops;
	if (device_measure(r, &result) != 0)
		return XVM_FAILED;
	if ((phase->flags & XVM_PHASE_COMPACTABLE) != 0)
		return device_compact(r, phase, result.held_bytes);
	return 0;
}

int xvf_replay_device(const struct xvm_entry *entry, const struct xvf_replay_config *config)
{
	struct device_replay r = {.config = config};
	int result = device_init(&r);

	(void)entry;
	for (uint32_t i = 0; result == 0 && i < r.work.head->phases; i++)
		result = device_phase(&r, &r.work.head->phase[i]);
	xvm_zram_close(r.zram);
	return result;
}
