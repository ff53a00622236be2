/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A store whose provider, codec or memory fails. One scenario, which makes every kind of call, is
 * run again and again: the n-th call of a kind fails, once or from then on, for n = 1, 2, 3 ...
 * until the scenario ends without a failure. After each call of the store that failed: the error
 * is a documented one, the pages are what they were, and the store's invariants hold; at the end
 * it is as usable as ever. (Files that fail are in test_ramz_file.c.) May call: public headers.
 * One thread.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ramz/backing.h>
#include <ramz/ramz.h>
#include <xvmalloc/provider_mmap.h>

#include "fault_plan.h"
#include "fault_provider.h"
#include "test_random.h"

enum { PAGE = 4096, SLOTS = 90, RUNS_MAX = 3000, POOL_PAGES = 300 };

/* ---- what fails ---- */

/* The codec: lz4, with a plan for each of its calls. */
enum codec_call { CODEC_CREATE, CODEC_COMPRESS, CODEC_DECOMPRESS, CODEC_CALLS };

static struct plan codec_plan[CODEC_CALLS];

static void *fault_create(size_t page_bytes, int32_t level)
{
	if (plan_hits(&codec_plan[CODEC_CREATE]))
		return NULL;
	return ramz_codec_at(0)->context_create(page_bytes, level);
}

static void fault_destroy(void *context)
{
	ramz_codec_at(0)->context_destroy(context);
}

static int fault_compress(void *context, const void *src, size_t src_bytes, void *dst,
			  size_t dst_bytes)
{
	if (plan_hits(&codec_plan[CODEC_COMPRESS]))
		return -EIO;
	return ramz_codec_at(0)->compress(context, src, src_bytes, dst, dst_bytes);
}

static int fault_decompress(void *context, const void *src, size_t src_bytes, void *dst,
			    size_t dst_bytes)
{
	if (plan_hits(&codec_plan[CODEC_DECOMPRESS])) {
		memset(dst, 0xEE, dst_bytes / 2);
		return -XV_EBADMSG;
	}
	return ramz_codec_at(0)->decompress(context, src, src_bytes, dst, dst_bytes);
}

static const struct ramz_codec fault_codec = {
	.name = "fault",
	.id = 99,
	.level_min = 1,
	.level_max = 9,
	.level_default = 1,
	.context_create = fault_create,
	.context_destroy = fault_destroy,
	.compress = fault_compress,
	.decompress = fault_decompress,
};

/* ---- the scenario ---- */

struct scene {
	struct fault_provider fault;
	struct ramz *store;
	struct ramz_options options;
	uint64_t wanted[SLOTS]; /* number of the page; 0 = zeros */
	uint64_t seed;
	const char *step;
	bool codec_may_fail;
	struct plan paused[CODEC_CALLS + 1];
	bool provider_paused;
};

static void pause_faults(struct scene *s)
{
	for (int i = 0; i < CODEC_CALLS; i++) {
		s->paused[i] = codec_plan[i];
		codec_plan[i].armed = false;
	}
	s->paused[CODEC_CALLS] = memory_plan;
	memory_plan.armed = false;
	s->provider_paused = s->fault.planned;
	s->fault.planned = false;
}

static void resume_faults(struct scene *s)
{
	for (int i = 0; i < CODEC_CALLS; i++)
		codec_plan[i].armed = s->paused[i].armed;
	memory_plan.armed = s->paused[CODEC_CALLS].armed;
	s->fault.planned = s->provider_paused;
}

static uint64_t injected(const struct scene *s)
{
	uint64_t sum = s->fault.injected + memory_plan.injected;

	for (int i = 0; i < CODEC_CALLS; i++)
		sum += codec_plan[i].injected;
	return sum;
}

static void page_fill(unsigned char *page, uint64_t number)
{
	uint64_t seed = number;
	size_t random_bytes = number % 5 == 0 ? PAGE : (size_t)(number * 37 % PAGE) / 8 * 8;

	memset(page, (int)(number & 0x7F), PAGE);
	if (number % 7 == 0)
		random_bytes = 0; /* same-filled */
	for (size_t i = 0; i < random_bytes; i += 8) {
		uint64_t word = random_next(&seed);

		memcpy(page + i, &word, 8);
	}
	if (number == 0)
		memset(page, 0, PAGE);
	else if (number % 7 == 0 && number % 2 == 0) {
		uint64_t word = random_next(&seed);

		for (size_t i = 0; i < PAGE; i += 8)
			memcpy(page + i, &word, 8);
	}
}

/* Everything is what it was; nothing fails meanwhile. */
static void all_is_well(struct scene *s)
{
	unsigned char page[PAGE], wanted[PAGE];
	struct ramz_check_report report;
	int err;

	pause_faults(s);
	err = ramz_check(s->store, XV_CHECK_DEEP, &report);
	if (err != 0)
		print_error("%s: page %llu: %s %s\n", s->step, (unsigned long long)report.page,
			    report.message, report.pool.message);
	assert_int_equal(err, 0);
	for (uint64_t slot = 0; slot < ramz_size_bytes(s->store) / PAGE && slot < SLOTS; slot++) {
		assert_int_equal(ramz_read_page(s->store, slot, page), 0);
		page_fill(wanted, s->wanted[slot]);
		if (memcmp(page, wanted, PAGE) != 0)
			print_error("%s: page %llu is not %llu\n", s->step,
				    (unsigned long long)slot, (unsigned long long)s->wanted[slot]);
		assert_true(memcmp(page, wanted, PAGE) == 0);
	}
	resume_faults(s);
}

/* After a call: an error must be a documented one and have a fault behind it. */
static bool judge(struct scene *s, const char *step, uint64_t before, int err)
{
	bool known = err == 0 || err == -XV_ENOMEM || err == -XV_EAGAIN ||
		     (s->codec_may_fail && (err == -EIO || err == -XV_EBADMSG));

	s->step = step;
	if (!known || (err != 0 && injected(s) == before))
		print_error("%s: error %d, %llu faults\n", step, err,
			    (unsigned long long)(injected(s) - before));
	assert_true(known);
	/* A forever-plan that was paused keeps its count, so compare with what was injected ever.
	 */
	if (err != 0)
		assert_true(injected(s) > before);
	if (err != 0)
		all_is_well(s);
	return err == 0;
}

static void step_write(struct scene *s, uint64_t slot, uint64_t number)
{
	unsigned char page[PAGE];
	uint64_t before = injected(s);

	page_fill(page, number);
	if (judge(s, "write", before, ramz_write_page(s->store, slot, page)))
		s->wanted[slot] = number;
}

/* Make the page another one by writing the parts that differ: here, its second half first. */
static void step_patch(struct scene *s, uint64_t slot, uint64_t number)
{
	unsigned char page[PAGE];
	uint64_t before = injected(s), old = s->wanted[slot];
	int err;

	page_fill(page, number);
	err = ramz_write(s->store, slot * PAGE, page, PAGE - 1, NULL);
	if (!judge(s, "patch", before, err))
		return;
	before = injected(s);
	err = ramz_write(s->store, slot * PAGE + PAGE - 1, page + PAGE - 1, 1, NULL);
	if (err == 0) {
		s->wanted[slot] = number;
		return;
	}
	/* Half done: write it as it was. */
	pause_faults(s);
	page_fill(page, old);
	assert_int_equal(ramz_write_page(s->store, slot, page), 0);
	resume_faults(s);
	(void)judge(s, "patch's end", before, err);
}

static void step_read(struct scene *s, uint64_t slot)
{
	unsigned char page[PAGE], wanted[PAGE];
	uint64_t before = injected(s);

	if (judge(s, "read", before, ramz_read_page(s->store, slot, page))) {
		page_fill(wanted, s->wanted[slot]);
		assert_true(memcmp(page, wanted, PAGE) == 0);
	}
}

static void step_discard(struct scene *s, uint64_t slot, uint64_t count)
{
	s->step = "discard";
	/* Whole pages: cannot fail. */
	assert_int_equal(ramz_discard(s->store, slot * PAGE, count * PAGE), 0);
	for (uint64_t i = slot; i < slot + count; i++)
		s->wanted[i] = 0;
}

static void step_codec(struct scene *s, int32_t level)
{
	uint64_t before = injected(s);

	(void)judge(s, "set_codec", before, ramz_set_codec(s->store, &fault_codec, level));
}

static void step_resize(struct scene *s, uint64_t pages)
{
	uint64_t before = injected(s), old = ramz_size_bytes(s->store) / PAGE;
	int err = ramz_resize(s->store, pages * PAGE);

	s->step = "resize";
	assert_true(err == 0 || (pages > old && err == -XV_ENOMEM));
	for (uint64_t i = pages; i < SLOTS; i++)
		s->wanted[i] = 0;
	(void)judge(s, "resize", before, err);
}

static void step_compact(struct scene *s)
{
	uint64_t before = injected(s);

	(void)judge(s, "compact", before, ramz_compact(s->store, 0, NULL));
}

static int sink_nothing(void *context, const void *data, size_t bytes)
{
	*(uint64_t *)context += bytes + *(const unsigned char *)data;
	return 0;
}

static void step_save(struct scene *s)
{
	uint64_t before = injected(s), sum = 0;
	struct ramz_sink sink = {.write = sink_nothing, .context = &sum};

	(void)judge(s, "save", before, ramz_save(s->store, &sink));
}

static void scenario(struct scene *s)
{
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		step_write(s, slot, 1 + slot);
	for (uint64_t slot = 0; slot < SLOTS; slot += 3)
		step_write(s, slot, 1000 + slot);
	for (uint64_t slot = 0; slot < SLOTS; slot += 11)
		step_read(s, slot);
	for (uint64_t slot = 1; slot < SLOTS; slot += 9)
		step_patch(s, slot, 2000 + slot);
	step_codec(s, 3);
	for (uint64_t slot = 2; slot < SLOTS; slot += 7)
		step_write(s, slot, 2); /* the same one: for sharing */
	for (uint64_t slot = 0; slot + 4 < SLOTS; slot += 9)
		step_discard(s, slot, 4);
	step_compact(s);
	step_save(s);
	step_resize(s, 600000);
	step_resize(s, SLOTS - 20);
	(void)ramz_trim(s->store);
	step_resize(s, SLOTS);
	for (uint64_t slot = 0; slot < SLOTS; slot += 2)
		step_write(s, slot, 3000 + slot);
	assert_int_equal(ramz_flush(s->store), 0);
}

/* ---- running it ---- */

struct trial {
	uint32_t provider_flags;
	bool dedup;
	bool checksum;
	void (*arm)(struct scene *s, uint64_t nth, bool forever, int which);
	int which;
	bool forever;
	bool codec_may_fail;
};

static void disarm(struct scene *s)
{
	memset(codec_plan, 0, sizeof(codec_plan));
	memset(&memory_plan, 0, sizeof(memory_plan));
	fault_provider_heal(&s->fault);
}

static void create(struct scene *s)
{
	struct ramz *const untouched = (struct ramz *)(uintptr_t)0x5A;
	uint64_t before = injected(s);
	int err;

	s->store = untouched;
	err = ramz_create(&s->store, &s->options);
	if (err == 0)
		return;
	assert_int_equal(err, -XV_ENOMEM);
	assert_true(injected(s) > before);
	assert_ptr_equal(s->store, untouched);
	assert_int_equal(s->fault.meta_reservations_now, 0);
	assert_int_equal(s->fault.pages_now, 0);
	pause_faults(s);
	assert_int_equal(ramz_create(&s->store, &s->options), 0);
	resume_faults(s);
}

/* One run; false when the scenario ended before the fault came. */
static bool run_once(struct xv_provider *inner, const struct trial *trial, uint64_t nth)
{
	struct scene s = {.codec_may_fail = trial->codec_may_fail};
	bool happened;

	memset(codec_plan, 0, sizeof(codec_plan));
	memset(&memory_plan, 0, sizeof(memory_plan));
	fault_provider_init(&s.fault, inner, trial->provider_flags);
	ramz_options_init(&s.options);
	s.options.size_bytes = SLOTS * PAGE;
	s.options.provider = &s.fault.provider;
	s.options.codec = &fault_codec;
	s.options.dedup = trial->dedup;
	s.options.checksum = trial->checksum;
	s.options.shards = 1;
	trial->arm(&s, nth, trial->forever, trial->which);
	create(&s);
	scenario(&s);
	happened = injected(&s) != 0;
	disarm(&s);
	s.step = "end";
	all_is_well(&s);
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		step_write(&s, slot, 5000 + slot);
	all_is_well(&s);
	assert_int_equal(ramz_reset(s.store), 0);
	ramz_destroy(s.store);
	assert_int_equal(s.fault.pages_now, 0);
	assert_int_equal(s.fault.meta_reservations_now, 0);
	assert_int_equal(s.fault.misuse, 0);
	return happened;
}

/* Every n; long runs of alike calls are skipped over more and more. */
static void every_fault(const char *name, struct trial trial)
{
	struct xv_provider_mmap_options options;
	struct xv_provider *inner;
	uint64_t runs = 0;

	xv_provider_mmap_options_init(&options);
	options.reserve_bytes = POOL_PAGES * PAGE;
	/* With all calls failing the kinds do not differ much. */
	for (int kind = 0; kind < (trial.forever ? 1 : 3); kind++) {
		trial.dedup = kind == 1;
		trial.checksum = kind == 2;
		for (uint64_t nth = 1; nth < RUNS_MAX; nth += 1 + nth * test_shorter() / 12) {
			assert_int_equal(xv_provider_mmap_create(&inner, &options), 0);
			if (!run_once(inner, &trial, nth))
				nth = RUNS_MAX;
			xv_provider_mmap_destroy(inner);
			runs++;
		}
	}
	print_message("%s: %llu runs\n", name, (unsigned long long)runs);
	assert_true(runs >= 3);
}

static void arm_provider(struct scene *s, uint64_t nth, bool forever, int which)
{
	fault_provider_fail(&s->fault, (enum fault_op)which, nth,
			    forever ? FAULT_FOREVER : FAULT_ONCE);
}

static void arm_codec(struct scene *s, uint64_t nth, bool forever, int which)
{
	(void)s;
	codec_plan[which] = (struct plan){.armed = true, .calls_left = nth - 1, .forever = forever};
}

#ifdef WRAP_MEMORY
static void arm_memory(struct scene *s, uint64_t nth, bool forever, int which)
{
	(void)s;
	(void)which;
	memory_plan = (struct plan){.armed = true, .calls_left = nth - 1, .forever = forever};
}
#endif

static void provider_fails(void **state)
{
	static const int ops[] = {FAULT_PAGE_ALLOC, FAULT_META_RESERVE, FAULT_META_COMMIT};

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		for (int forever = 0; forever < 2; forever++)
			every_fault("provider", (struct trial){.arm = arm_provider,
							       .which = ops[i],
							       .forever = forever != 0});
	}
}

static void provider_with_a_window_fails(void **state)
{
	static const int ops[] = {FAULT_PAGE_ALLOC, FAULT_ANY_BUT_MAPS};

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		for (int forever = 0; forever < 2; forever++)
			every_fault("window", (struct trial){.arm = arm_provider,
							     .provider_flags = FAULT_HIDE_BASE,
							     .which = ops[i],
							     .forever = forever != 0});
	}
}

static void codec_fails(void **state)
{
	(void)state;
	for (int call = 0; call < CODEC_CALLS; call++) {
		for (int forever = 0; forever < 2; forever++)
			every_fault("codec", (struct trial){.arm = arm_codec,
							    .which = call,
							    .forever = forever != 0,
							    .codec_may_fail = true});
	}
}

static void memory_fails(void **state)
{
	(void)state;
#ifdef WRAP_MEMORY
	for (int forever = 0; forever < 2; forever++)
		every_fault("memory", (struct trial){.arm = arm_memory, .forever = forever != 0});
#else
	skip();
#endif
}

#ifdef WRAP_MEMORY
/* ---- opening a store ---- */

enum { DEVICE_SEGMENTS = 16 };

static int device_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	memcpy(dst, (unsigned char *)context + offset, bytes);
	return 0;
}

static int device_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	memcpy((unsigned char *)context + offset, src, bytes);
	return 0;
}

static int device_flush(void *context)
{
	(void)context;
	return 0;
}

static void device_fill(const struct ramz_backing *device)
{
	unsigned char page[PAGE];
	struct ramz *store;

	assert_int_equal(ramz_create(&store, &(struct ramz_options){.size_bytes = SLOTS * PAGE,
								    .page_bytes = PAGE}),
			 0);
	assert_int_equal(ramz_attach(store, device), 0);
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		page_fill(page, slot + 1);
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
	assert_int_equal(ramz_checkpoint(store), 0);
	ramz_destroy(store);
}

static void expect_device_pages(struct ramz *store)
{
	unsigned char page[PAGE], wanted[PAGE];

	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		page_fill(wanted, slot + 1);
		assert_int_equal(ramz_read_page(store, slot, page), 0);
		assert_memory_equal(page, wanted, PAGE);
	}
}

static void opening_fails(void **state)
{
	struct ramz *const untouched = (struct ramz *)(uintptr_t)0x5A;
	struct ramz_backing device = {.context = calloc(DEVICE_SEGMENTS, RAMZ_SEGMENT_BYTES),
				      .size_bytes = (uint64_t)DEVICE_SEGMENTS * RAMZ_SEGMENT_BYTES,
				      .align_bytes = 4096,
				      .read = device_read,
				      .write = device_write,
				      .flush = device_flush};
	uint64_t nth = 0;
	bool happened = true;

	(void)state;
	assert_non_null(device.context);
	device_fill(&device);
	while (happened) {
		struct ramz *store = untouched;
		const char *reason = NULL;
		int err;

		memory_plan = (struct plan){.armed = true, .calls_left = nth++};
		err = ramz_open(&store, NULL, NULL, 0, &device, &reason);
		happened = memory_plan.injected != 0;
		memory_plan.armed = false;
		if (err != 0) {
			assert_int_equal(err, -XV_ENOMEM);
			assert_true(happened && *reason != '\0');
			assert_ptr_equal(store, untouched);
			continue;
		}
		expect_device_pages(store);
		ramz_destroy(store);
	}
	assert_true(nth > 3);
	free(device.context);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider_fails), cmocka_unit_test(provider_with_a_window_fails),
		cmocka_unit_test(codec_fails),    cmocka_unit_test(memory_fails),
#ifdef WRAP_MEMORY
		cmocka_unit_test(opening_fails),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
