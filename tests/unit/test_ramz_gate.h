/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_gate.h: a codec that does what a test wants: it waits at a gate inside a call, fails,
 * or makes forms of a length. A form is the beginning of a page whose rest is zeros.
 *
 * Owns one gate for the program. May call: threads, CMocka. Locking: the gate's own lock.
 */
#ifndef TEST_RAMZ_GATE_H
#define TEST_RAMZ_GATE_H

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "test_ramz_support.h"

enum { GATE_FORM_BYTES = 600, GATE_LOOK_MS = 100, GATE_CONTEXT_BYTES = 1 << 20 };

enum gate_side { GATE_NONE, GATE_COMPRESS, GATE_DECOMPRESS };

static struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum gate_side closed; /* the next call on this side waits */
	bool reached;          /* it does */
	bool opened;
	int form_bytes; /* of all forms */
	int fail_at;    /* this compress call from now on, and the later ones, fail; 0 = none */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER,
	  .changed = PTHREAD_COND_INITIALIZER,
	  .form_bytes = GATE_FORM_BYTES};

static inline void gate_pass(enum gate_side side)
{
	(void)pthread_mutex_lock(&gate.lock);
	if (gate.closed == side) {
		gate.closed = GATE_NONE;
		gate.reached = true;
		(void)pthread_cond_broadcast(&gate.changed);
		while (!gate.opened)
			(void)pthread_cond_wait(&gate.changed, &gate.lock);
	}
	(void)pthread_mutex_unlock(&gate.lock);
}

static inline void gate_close(enum gate_side side)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.closed = side;
	gate.reached = gate.opened = false;
	(void)pthread_mutex_unlock(&gate.lock);
}

/* Wait until a call is at the closed gate. */
static inline void gate_await(void)
{
	(void)pthread_mutex_lock(&gate.lock);
	while (!gate.reached)
		(void)pthread_cond_wait(&gate.changed, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
}

static inline void gate_open(void)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.opened = true;
	(void)pthread_cond_broadcast(&gate.changed);
	(void)pthread_mutex_unlock(&gate.lock);
}

static inline void *gate_context_create(size_t page_bytes, int32_t level)
{
	(void)page_bytes;
	(void)level;
	return calloc(1, GATE_CONTEXT_BYTES);
}

static inline int gate_compress(void *context, const void *src, size_t src_bytes, void *dst,
				size_t dst_bytes)
{
	(void)context;
	(void)src_bytes;
	gate_pass(GATE_COMPRESS);
	if (gate.fail_at != 0 && --gate.fail_at == 0) {
		gate.fail_at = 1;
		return -EIO;
	}
	if ((size_t)gate.form_bytes > dst_bytes)
		return 0;
	memcpy(dst, src, (size_t)gate.form_bytes);
	return gate.form_bytes;
}

static inline int gate_decompress(void *context, const void *src, size_t src_bytes, void *dst,
				  size_t dst_bytes)
{
	(void)context;
	gate_pass(GATE_DECOMPRESS);
	memset(dst, 0, dst_bytes);
	memcpy(dst, src, src_bytes);
	return 0;
}

static const struct ramz_codec gate_codec = {
	.name = "gate",
	.id = 99,
	.context_create = gate_context_create,
	.context_destroy = free,
	.compress = gate_compress,
	.decompress = gate_decompress,
};

static inline void gate_options(struct ramz_options *options, uint64_t pages)
{
	store_options(options, pages);
	options->codec = &gate_codec;
}

static inline struct ramz *gate_store(uint64_t pages)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	gate_options(&options, pages);
	assert_int_equal(ramz_create(&store, &options), 0);
	return store;
}

/* A page of this number: its form has all of it that is not zero. */
static inline void gate_page(unsigned char *page, uint64_t number)
{
	memset(page, 0, PAGE);
	memset(page, (int)(number % 251) + 1, 100);
	memcpy(page, &number, sizeof(number));
}

static inline void gate_put(struct ramz *store, uint64_t page, uint64_t number)
{
	unsigned char bytes[PAGE];

	gate_page(bytes, number);
	assert_int_equal(ramz_write_page(store, page, bytes), 0);
}

static inline void gate_expect(struct ramz *store, uint64_t page, uint64_t number)
{
	unsigned char bytes[PAGE], wanted[PAGE];

	gate_page(wanted, number);
	assert_int_equal(ramz_read_page(store, page, bytes), 0);
	assert_memory_equal(bytes, wanted, PAGE);
}

#endif
