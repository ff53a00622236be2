/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The model test of split objects, large objects and compaction: a random run of calls
 * on a pool, beside a table of what it should hold. Steps of compaction come at any
 * moment, with owners that refuse, parts that are mapped, a limit, and a provider that
 * fails; contents are compared all along. XV_SEED and XV_OPS in the environment choose
 * another run. May call: public headers. One thread.
 */
#include "density.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	MODEL_PAGES = 256,
	MODEL_SLOTS = 160,
	PINS = 3,
	OPS_DEFAULT = 1500,
	VERIFY_INTERVAL = 50,
};

/* An object that is mapped. */
struct pin {
	xv_handle handle;
	void *ptr;
	uint32_t pattern; /* of the object: tells it from every other */
	bool used;
};

struct model {
	struct density d;
	struct pin pin[PINS];
	uint64_t op; /* which one it is, for messages */
};

static size_t below(struct model *m, size_t bound)
{
	return random_below(&m->d.f->random, bound);
}

static size_t any_size(struct model *m)
{
	bool split = (m->d.flags & XV_POOL_SPLIT) != 0;
	size_t most = xv_pool_max_size(m->d.pool);
	size_t size;

	if (split && below(m, 12) == 0)
		return 1 + below(m, m->d.f->page_bytes * 6);
	size = random_size(&m->d.f->random, m->d.f->page_bytes);
	return size < most ? size : most;
}

/* A slot that holds something, or DENSITY_SLOTS. */
static uint32_t any_live(struct model *m)
{
	uint32_t slot = (uint32_t)below(m, MODEL_SLOTS);

	for (uint32_t i = 0; i < MODEL_SLOTS; i++, slot = (slot + 1) % MODEL_SLOTS) {
		if (m->d.slot[slot].handle != XV_NULL_HANDLE)
			return slot;
	}
	return DENSITY_SLOTS;
}

/* Errors that a call may meet when the provider fails, or room is short. */
static bool is_want(int err)
{
	return err == -XV_ENOMEM || err == -XV_ENOSPC || err == -XV_EAGAIN;
}

static void plan_failure(struct model *m)
{
	if (below(m, 5) == 0)
		fault_provider_fail(&m->d.f->fault, FAULT_POOL_MEETS, 1 + below(m, 12), FAULT_ONCE);
}

/* ---- operations ---- */

static void op_malloc(struct model *m)
{
	uint32_t slot = (uint32_t)below(m, MODEL_SLOTS);
	size_t size = any_size(m);
	int err;

	if (m->d.slot[slot].handle != XV_NULL_HANDLE)
		return;
	plan_failure(m);
	err = density_malloc(&m->d, slot, size);
	assert_true(err == 0 || is_want(err));
}

static void op_calloc(struct model *m)
{
	uint32_t slot = (uint32_t)below(m, MODEL_SLOTS);
	size_t size = any_size(m);
	xv_handle handle = XV_NULL_HANDLE;
	int err;

	if (m->d.slot[slot].handle != XV_NULL_HANDLE)
		return;
	plan_failure(m);
	err = xv_calloc(m->d.pool, 1, size, &handle);
	fault_provider_heal(&m->d.f->fault);
	assert_true(err == 0 || is_want(err));
	if (err != 0)
		return;
	assert_int_equal(xv_read(m->d.pool, handle, 0, density_scratch(), size), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(density_scratch()[i], 0);
	if ((m->d.flags & XV_POOL_OWNERS) != 0)
		assert_int_equal(xv_set_owner(m->d.pool, handle, slot), 0);
	density_adopt(&m->d, slot, handle, size);
}

static void op_free(struct model *m)
{
	uint32_t slot = any_live(m);
	int err;

	if (slot == DENSITY_SLOTS)
		return;
	assert_true(density_is_good(&m->d, slot));
	plan_failure(m);
	err = density_free(&m->d, slot);
	assert_true(err == 0 || err == -XV_EAGAIN);
}

static void op_realloc(struct model *m)
{
	uint32_t slot = any_live(m);
	int err;

	if (slot == DENSITY_SLOTS)
		return;
	plan_failure(m);
	err = density_realloc(&m->d, slot, any_size(m));
	assert_true(err == 0 || is_want(err) || err == -XV_EBUSY);
}

/* Read a range and write the same bytes back. */
static void op_range(struct model *m)
{
	uint32_t slot = any_live(m);
	size_t offset, length;

	if (slot == DENSITY_SLOTS)
		return;
	offset = below(m, m->d.slot[slot].size);
	length = below(m, m->d.slot[slot].size - offset + 1);
	assert_int_equal(
		xv_read(m->d.pool, m->d.slot[slot].handle, offset, density_scratch(), length), 0);
	assert_memory_equal(density_scratch(), density_bytes(&m->d, slot) + offset, length);
	assert_int_equal(xv_write(m->d.pool, m->d.slot[slot].handle, offset,
				  density_bytes(&m->d, slot) + offset, length),
			 0);
}

/* Another number for the same object. */
static void op_owner(struct model *m)
{
	uint32_t slot = any_live(m), to = (uint32_t)below(m, MODEL_SLOTS), owner = 0;

	if (slot == DENSITY_SLOTS || m->d.slot[to].handle != XV_NULL_HANDLE ||
	    (m->d.flags & XV_POOL_OWNERS) == 0)
		return;
	assert_int_equal(xv_get_owner(m->d.pool, m->d.slot[slot].handle, &owner), 0);
	assert_int_equal(owner, slot);
	assert_int_equal(xv_set_owner(m->d.pool, m->d.slot[slot].handle, to), 0);
	m->d.slot[to] = m->d.slot[slot];
	m->d.slot[slot] = (struct density_slot){0};
}

static void op_compact(struct model *m)
{
	struct xv_compact_report report;
	int err;

	if ((m->d.flags & XV_POOL_OWNERS) == 0)
		return;
	m->d.refuse_percent = below(m, 3) == 0 ? 50 : 0;
	plan_failure(m);
	err = xv_compact(m->d.pool, 1 + below(m, 5000), &report);
	fault_provider_heal(&m->d.f->fault);
	assert_true(err == 0 || err == -XV_EAGAIN);
	assert_int_equal(m->d.strange, 0);
}

/* While an object is mapped it stays where it is, unless it was freed or resized. */
static void assert_stayed(struct model *m, const struct pin *pin)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		const struct density_slot *slot = &m->d.slot[i];

		if (slot->handle == XV_NULL_HANDLE || slot->pattern != pin->pattern)
			continue;
		assert_true(slot->handle == pin->handle);
		assert_memory_equal(pin->ptr, density_bytes(&m->d, i), slot->size);
	}
}

static void unpin(struct model *m, struct pin *pin)
{
	assert_stayed(m, pin);
	assert_int_equal(xv_unmap(m->d.pool, pin->handle, pin->ptr), 0);
	m->d.f->maps = m->d.f->fault.mapped_now;
	pin->used = false;
}

/* Map an object, or let one go. */
static void op_pin(struct model *m)
{
	struct pin *pin = &m->pin[below(m, PINS)];
	uint32_t slot = any_live(m);
	int err;

	if (pin->used) {
		unpin(m, pin);
		return;
	}
	if (slot == DENSITY_SLOTS)
		return;
	pin->handle = m->d.slot[slot].handle;
	pin->pattern = m->d.slot[slot].pattern;
	err = xv_map(m->d.pool, pin->handle, &pin->ptr);
	/* Several shards leave fewer slots of a window to callers. */
	assert_true(err == 0 || err == -XV_ESPLIT ||
		    (err == -XV_EAGAIN && m->d.f->fault.provider.base == NULL &&
		     environment_number("XV_SHARDS", 1) != 1));
	pin->used = err == 0;
	m->d.f->maps = m->d.f->fault.mapped_now;
}

static void op_limit(struct model *m)
{
	uint64_t held = fixture_stats(m->d.f).held_bytes;

	xv_pool_set_limit(m->d.pool, below(m, 2) == 0 ? 0 : held + below(m, 8192));
}

static void op_trim(struct model *m)
{
	(void)xv_pool_trim(m->d.pool);
}

struct op {
	void (*run)(struct model *m);
	unsigned weight;
};

static const struct op ops[] = {
	{op_malloc, 40}, {op_free, 28}, {op_realloc, 8}, {op_range, 8}, {op_compact, 12},
	{op_pin, 3},     {op_owner, 3}, {op_calloc, 3},  {op_limit, 1}, {op_trim, 1},
};

static void one_op(struct model *m)
{
	unsigned total = 0;
	size_t pick;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	pick = below(m, total);
	for (size_t i = 0;; pick -= ops[i++].weight) {
		if (pick < ops[i].weight) {
			ops[i].run(m);
			break;
		}
	}
	fault_provider_heal(&m->d.f->fault);
}

/* Now and then most objects go, so that there is something to compact. */
static void thin_out(struct model *m)
{
	for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
		if (m->d.slot[i].handle != XV_NULL_HANDLE && below(m, 5) != 0)
			assert_int_equal(density_free(&m->d, i), 0);
	}
}

static void model_run(struct pool_fixture *f, uint32_t flags)
{
	uint64_t count = test_repeats("XV_OPS", OPS_DEFAULT);
	struct model m = {.op = 0};

	density_open(&m.d, f, MODEL_PAGES, flags, 0);
	for (; m.op < count; m.op++) {
		one_op(&m);
		if (m.op % 200 == 120)
			thin_out(&m);
		if (m.op % VERIFY_INTERVAL == 0)
			density_verify(&m.d);
	}
	for (uint32_t i = 0; i < PINS; i++) {
		if (m.pin[i].used)
			unpin(&m, &m.pin[i]);
	}
	xv_pool_set_limit(m.d.pool, 0);
	if ((flags & XV_POOL_OWNERS) != 0) {
		m.d.refuse_percent = 0;
		(void)density_compact(&m.d, 0);
	}
	density_close(&m.d);
}

static void pool_holds_what_the_model_says(struct pool_fixture *f)
{
	for (uint32_t flags = XV_POOL_SPLIT; flags <= (XV_POOL_SPLIT | XV_POOL_OWNERS); flags++)
		model_run(f, flags);
}

static const struct pool_test tests[] = {
	POOL_TEST(pool_holds_what_the_model_says, EACH_ALIGNMENT),
};

int main(int argc, char **argv)
{
	return pool_tests_run("model_density", tests, POOL_TESTS_COUNT(tests), argc, argv);
}
