/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* check.c: the pool's invariants; see pool_impl.h. All shards are locked. */
#include "pool_impl.h"

static bool fails(struct xv_check_report *report, uint32_t invariant, uint32_t page,
		  const char *message)
{
	report->invariant = invariant;
	report->page = page;
	report->message = message;
	return false;
}

/* Pages of a shard are those that the page table says. */
static bool check_page_shards(struct xvi_shard *shard, struct xv_check_report *report)
{
	struct xvi_page_table *table = &shard->pool->pages;
	const struct xvi_heap *heap = &shard->objects.heap;
	uint32_t count = 0;
	uint64_t pins = 0;

	for (uint32_t page = 0; xvi_page_table_next(table, &page); page++) {
		if (page_table_shard(table, page) != shard->number + 1)
			continue;
		if (!heap_owns(heap, page))
			return fails(report, 32, page, "the page is not the shard's that has it");
		count++;
		pins += heap_page(heap, page)->pins;
	}
	if (count != heap->page_count)
		return fails(report, 32, UINT32_MAX, "a shard's pages are not all in the table");
	if (pins != shard->pins)
		return fails(report, 34, UINT32_MAX, "pins are not as many as maps");
	return true;
}

static bool check_shard(struct xvi_shard *shard, enum xv_check_level level,
			struct xv_check_report *report)
{
	struct xvi_heap_fault fault = {0, UINT32_MAX, 0, ""};
	uint32_t closed;

	if (level == XV_CHECK_QUICK)
		return true;
	closed = shard->objects.heap.closed_pages;
	(void)xvi_objects_settle(&shard->objects);
	if (shard->objects.heap.closed_pages != closed)
		return fails(report, 26, UINT32_MAX, "a freed object was written");
	if (xvi_objects_check(&shard->objects, &fault))
		return check_page_shards(shard, report);
	report->offset = fault.unit * UNIT_BYTES;
	return fails(report, fault.invariant, fault.page, fault.message);
}

static bool check_budget(struct xv_pool *pool, enum xv_check_level level,
			 struct xv_check_report *report)
{
	const struct xvi_shard *shard;
	uint64_t held = (uint64_t)pool->self_bytes;
	uint64_t promised = 0;

	for (uint32_t i = 0; (shard = pool_next(pool, &i)) != NULL;) {
		held += shard->records_touched +
			(shard->objects.heap.committed_grains << pool->grain_shift);
		promised += shard->records.committed - shard->records_touched;
	}
	if (promised != pool->budget.promised)
		return fails(report, 33, UINT32_MAX, "promised bytes are not the hole tables'");
	if (level == XV_CHECK_QUICK
		    ? held > pool->budget.held
		    : held + xvi_page_table_charged(&pool->pages) != pool->budget.held)
		return fails(report, 31, UINT32_MAX, "held bytes are not the sum of the parts");
	return true;
}

int xv_pool_check(struct xv_pool *pool, enum xv_check_level level, struct xv_check_report *report)
{
	struct xv_check_report mine;
	struct xvi_shard *shard;
	bool holds = true;

	if (report == NULL)
		report = &mine;
	memset(report, 0, sizeof(*report));
	report->page = UINT32_MAX;
	report->message = "";
	if (pool == NULL || (level != XV_CHECK_QUICK && level != XV_CHECK_DEEP))
		return -XV_EINVAL;
	xvi_enter_all(pool);
	for (uint32_t i = 0; holds && (shard = pool_next(pool, &i)) != NULL;)
		holds = check_shard(shard, level, report);
	holds = holds && check_budget(pool, level, report);
	xvi_leave_all(pool);
	return holds ? 0 : -XV_EBADMSG;
}
