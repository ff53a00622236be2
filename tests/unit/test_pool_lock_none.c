/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_pool_lock_none.c: a pool with XV_LOCK_NONE executes no atomic instruction. A child makes the
 * calls, and each of its instructions is looked at. x86-64 only. May call: public headers, ptrace.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>

enum { OBJECTS = 4, PAGE_BYTES = 4096 };

static _Alignas(PAGE_BYTES) unsigned char memory[16 * PAGE_BYTES];
static xv_handle handles[OBJECTS];

static int let_move(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	(void)from;
	handles[owner] = to;
	return 0;
}

static int visit(void *context, xv_handle handle, size_t size)
{
	(void)context;
	return handle == XV_NULL_HANDLE || size == 0;
}

static struct xv_pool *make_pool(enum xv_lock_kind lock)
{
	static const struct xv_owner_ops ops = {.relocated = let_move};
	struct xv_provider *provider;
	struct xv_pool_options options;
	struct xv_pool *pool = NULL;

	xv_pool_options_init(&options);
	options.lock = lock;
	options.flags = XV_POOL_SPLIT | XV_POOL_OWNERS;
	options.owner_ops = &ops;
	assert_int_equal(xv_provider_buffer_init(&provider, memory, sizeof(memory), PAGE_BYTES), 0);
	assert_int_equal(xv_pool_create(&pool, provider, &options), 0);
	return pool;
}

/* Returns how many calls did not do what they should. */
static int use_objects(struct xv_pool *pool)
{
	unsigned char bytes[200] = {0};
	const void *seen;
	uint32_t owner;
	int bad = 0;

	for (uint32_t i = 0; i < OBJECTS; i++) {
		bad += xv_malloc_owned(pool, 200 + 47 * i, i, &handles[i]) != 0;
		bad += xv_write(pool, handles[i], 0, bytes, sizeof(bytes)) != 0;
		bad += xv_read(pool, handles[i], 0, bytes, sizeof(bytes)) != 0;
		bad += xv_peek(pool, handles[i], bytes, sizeof(bytes), &seen) <= 0;
		bad += xv_get_owner(pool, handles[i], &owner) != 0;
		bad += xv_set_owner(pool, handles[i], i) != 0;
		bad += xv_handle_of(pool, xv_address_of(pool, handles[i])) != handles[i];
	}
	for (uint32_t i = 0; i < OBJECTS; i++) {
		bad += xv_realloc(pool, &handles[i], i == 0 ? PAGE_BYTES + 10 : 10) != 0;
		if (i == 1)
			continue;
		bad += xv_free(pool, handles[i]) != 0;
		bad += xv_free(pool, handles[i]) != -XV_EINVAL;
	}
	bad += xv_free(pool, xv_handle_at(12345, 8)) != -XV_EINVAL;
	return bad;
}

static int use_pool(struct xv_pool *pool)
{
	struct xv_compact_report report = {.more = true};
	struct xv_pool_stats stats;
	xv_handle handle;
	int bad = use_objects(pool);

	while (report.more)
		bad += xv_compact(pool, 0, &report) != 0;
	bad += xv_calloc(pool, 3, 100, &handle) != 0;
	bad += xv_release(pool, xv_alloc_aligned(pool, 500, 64)) != 0;
	bad += xv_pool_walk(pool, visit, NULL) != 0;
	xv_pool_set_limit(pool, 1);
	bad += xv_malloc(pool, 10 * PAGE_BYTES, &handle) != -XV_ENOSPC;
	xv_pool_set_limit(pool, 0);
	(void)xv_compactable(pool);
	(void)xv_pool_trim(pool);
	xv_pool_get_stats(pool, &stats);
	bad += xv_pool_reset(pool) != 0;
	return bad;
}

/* Has it a lock prefix, or does it exchange a register with memory? */
static bool is_atomic(const unsigned char *code)
{
	while (*code == 0x66 || *code == 0x67 || *code == 0xF2 || *code == 0xF3 ||
	       (*code & 0xE7) == 0x26 || *code == 0x64 || *code == 0x65)
		code++;
	if (*code == 0xF0)
		return true;
	if ((*code & 0xF0) == 0x40)
		code++;
	return (code[0] == 0x86 || code[0] == 0x87) && code[1] < 0xC0;
}

static void child_works(struct xv_pool *pool, enum xv_lock_kind lock)
{
	int bad;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	(void)raise(SIGSTOP);
	bad = lock == XV_LOCK_NONE ? use_pool(pool) : xv_free(pool, handles[0]) != -XV_EINVAL;
	(void)raise(SIGSTOP);
	_exit(bad != 0);
}

/* The child has this program's code at the same places. */
static uint64_t atomics_of(pid_t child)
{
	struct user_regs_struct registers;
	uint64_t atomics = 0;
	int status;

	for (;;) {
		assert_int_equal(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
		atomics += is_atomic((const unsigned char *)(uintptr_t)registers.rip);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSTOPPED(status));
		if (WSTOPSIG(status) == SIGSTOP)
			return atomics;
	}
}

static uint64_t count_atomics(enum xv_lock_kind lock)
{
	struct xv_pool *pool = make_pool(lock);
	uint64_t atomics;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		child_works(pool, lock);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		skip(); /* no process may be traced here */
	atomics = atomics_of(child);
	assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	xv_pool_destroy(pool);
	return atomics;
}

static void no_atomic_instruction_without_a_lock(void **state)
{
	(void)state;
	assert_true(count_atomics(XV_LOCK_SPIN) > 0); /* one is seen */
	assert_int_equal(count_atomics(XV_LOCK_NONE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_atomic_instruction_without_a_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
