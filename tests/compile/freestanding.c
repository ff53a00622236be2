/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A program without a C library: the pool over the buffer provider, and the four
 * memory functions that a compiler expects. Its exit code is the step that failed, 0
 * for none. Linked by freestanding.sh with start as its entry.
 */
#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t bytes);
void *memmove(void *dst, const void *src, size_t bytes);
void *memset(void *dst, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void start(void);

/* The compiler must not make a call of memcpy out of memcpy's own loop. */
#define PLAIN_LOOP volatile

void *memcpy(void *restrict dst, const void *restrict src, size_t bytes)
{
	PLAIN_LOOP unsigned char *to = dst;
	const unsigned char *from = src;

	while (bytes-- != 0)
		*to++ = *from++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t bytes)
{
	PLAIN_LOOP unsigned char *to = dst;
	const unsigned char *from = src;

	if ((uintptr_t)dst < (uintptr_t)src)
		return memcpy(dst, src, bytes);
	while (bytes-- != 0)
		to[bytes] = from[bytes];
	return dst;
}

void *memset(void *dst, int value, size_t bytes)
{
	PLAIN_LOOP unsigned char *to = dst;

	while (bytes-- != 0)
		*to++ = (unsigned char)value;
	return dst;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *left = a;
	const unsigned char *right = b;

	for (size_t i = 0; i < bytes; i++) {
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	}
	return 0;
}

enum step {
	STEP_NONE,
	STEP_PROVIDER,
	STEP_POOL,
	STEP_LOCK,
	STEP_MALLOC,
	STEP_WRITE,
	STEP_READ,
	STEP_FREE,
	STEP_FILL,
	STEP_CHECK,
	STEP_EMPTY
};

enum { BUFFER_BYTES = 64 * 1024, HANDLES = 1000 };

static unsigned char buffer[BUFFER_BYTES];
static xv_handle handles[HANDLES];

static enum step store_and_read_back(struct xv_pool *pool)
{
	uint32_t word = 0x5A5AA5A5U;
	uint32_t back = 0;
	xv_handle handle;

	if (xv_malloc(pool, 100, &handle) != 0)
		return STEP_MALLOC;
	if (xv_write(pool, handle, 96, &word, sizeof(word)) != 0)
		return STEP_WRITE;
	if (xv_read(pool, handle, 96, &back, sizeof(back)) != 0 || back != word)
		return STEP_READ;
	return xv_free(pool, handle) == 0 ? STEP_NONE : STEP_FREE;
}

/* Objects until the memory is full, of sizes that grow; then all are freed, every other one first.
 */
static enum step fill_and_empty(struct xv_pool *pool)
{
	struct xv_check_report report;
	struct xv_pool_stats stats;
	uint32_t count = 0;
	int err = 0;

	while (count < HANDLES && (err = xv_malloc(pool, 20 + count % 400, &handles[count])) == 0)
		count++;
	if (count < 100 || err != -XV_ENOMEM)
		return STEP_FILL;
	for (uint32_t half = 0; half < 2; half++) {
		if (xv_pool_check(pool, XV_CHECK_DEEP, &report) != 0 || report.invariant != 0)
			return STEP_CHECK;
		for (uint32_t i = half; i < count; i += 2) {
			if (xv_free(pool, handles[i]) != 0)
				return STEP_FREE;
		}
	}
	xv_pool_get_stats(pool, &stats);
	return stats.objects == 0 && stats.requested_bytes == 0 ? STEP_NONE : STEP_EMPTY;
}

static enum step run(void)
{
	struct xv_provider *provider;
	struct xv_pool_options options;
	struct xv_pool *pool;
	enum step failed;

	if (xv_provider_buffer_init(&provider, buffer, sizeof(buffer), 4096) != 0)
		return STEP_PROVIDER;
	xv_pool_options_init(&options);
	options.lock = XV_LOCK_MUTEX; /* there is none */
	if (xv_pool_create(&pool, provider, &options) != -XV_ENOTSUP)
		return STEP_LOCK;
	if (xv_pool_create(&pool, provider, NULL) != 0)
		return STEP_POOL;
	failed = store_and_read_back(pool);
	if (failed == STEP_NONE)
		failed = fill_and_empty(pool);
	xv_pool_destroy(pool);
	return failed;
}

#if defined(__x86_64__) || defined(__i386__)
/* The kernel enters with an aligned stack, where a call would have pushed an address. */
#define ENTRY __attribute__((force_align_arg_pointer))
#else
#define ENTRY
#endif

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define STACK_END 0x20400000U /* the last memory of the board mps2-an385 */

/* What the processor begins with: its stack, and where it starts. */
__attribute__((section(".vectors"), used)) static const struct {
	uintptr_t stack;
	void (*reset)(void);
} vectors = {STACK_END, start};

/* Ask the debugger, or an emulator, to end the program (Arm, Semihosting, SYS_EXIT_EXTENDED). */
static void end(enum step failed)
{
	const struct {
		uint32_t reason, code;
	} block = {0x20026U, (uint32_t)failed};
	register uint32_t operation __asm__("r0") = 0x20U;
	register const void *parameters __asm__("r1") = &block;

	__asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(parameters) : "memory");
}
#elif defined(__x86_64__) && defined(__linux__)
static void end(enum step failed)
{
	__asm__ volatile("syscall" : : "a"(60), "D"((long)failed) : "rcx", "r11", "memory");
}
#else
static void end(enum step failed)
{
	(void)failed;
}
#endif

/* Entry of the process: there is nothing to return to. */
ENTRY void start(void)
{
	end(run());
	for (;;)
		;
}
