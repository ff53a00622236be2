/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Words of 32 and 64 bits, bytes and pointers that several threads share, and a pause for a thread
 * that waits for one. Without threads (freestanding, or a compiler without atomics) they are plain:
 * machines without compare-and-swap need no library. On a machine without 64-bit atomics, changes
 * of a 64-bit word fail. No state, O(1).
 *
 * Plain load and store never execute an atomic instruction: structures made with XV_LOCK_NONE use
 * them.
 */
#ifndef XVI_ATOMIC_H
#define XVI_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if (defined(__STDC_HOSTED__) && !__STDC_HOSTED__) || defined(__STDC_NO_ATOMICS__)

struct xvi_atomic32 {
	uint32_t value;
};

static inline uint32_t xvi_atomic_load(const struct xvi_atomic32 *word)
{
	return word->value;
}

static inline void xvi_atomic_store(struct xvi_atomic32 *word, uint32_t value)
{
	word->value = value;
}

static inline uint32_t xvi_atomic_load_acquire(const struct xvi_atomic32 *word)
{
	return word->value;
}

static inline void xvi_atomic_store_release(struct xvi_atomic32 *word, uint32_t value)
{
	word->value = value;
}

static inline bool xvi_atomic_cas_acquire(struct xvi_atomic32 *word, uint32_t from, uint32_t to)
{
	if (word->value != from)
		return false;
	word->value = to;
	return true;
}

static inline void xvi_atomic_sub_release(struct xvi_atomic32 *word, uint32_t less)
{
	word->value -= less;
}

static inline uint32_t xvi_atomic_add(struct xvi_atomic32 *word, uint32_t more)
{
	return word->value += more;
}

struct xvi_atomic64 {
	uint64_t value;
};

static inline uint64_t xvi_atomic64_take(struct xvi_atomic64 *word)
{
	uint64_t value = word->value;

	word->value = 0;
	return value;
}

static inline bool xvi_atomic64_put(struct xvi_atomic64 *word, uint64_t value)
{
	if (word->value != 0)
		return false;
	word->value = value;
	return true;
}

static inline bool xvi_atomic64_is_set(const struct xvi_atomic64 *word)
{
	return word->value != 0;
}

struct xvi_atomic8 {
	uint8_t value;
};

static inline uint8_t xvi_atomic8_load(const struct xvi_atomic8 *byte)
{
	return byte->value;
}

static inline void xvi_atomic8_store(struct xvi_atomic8 *byte, uint8_t value)
{
	byte->value = value;
}

struct xvi_atomic_ptr {
	void *value;
};

static inline void *xvi_atomic_ptr_load(const struct xvi_atomic_ptr *ptr)
{
	return ptr->value;
}

static inline void xvi_atomic_ptr_store(struct xvi_atomic_ptr *ptr, void *value)
{
	ptr->value = value;
}

#else
#include <stdatomic.h>

struct xvi_atomic32 {
	_Atomic uint32_t value;
};

static inline uint32_t xvi_atomic_load(const struct xvi_atomic32 *word)
{
	return atomic_load_explicit(&word->value, memory_order_relaxed);
}

static inline void xvi_atomic_store(struct xvi_atomic32 *word, uint32_t value)
{
	atomic_store_explicit(&word->value, value, memory_order_relaxed);
}

static inline uint32_t xvi_atomic_load_acquire(const struct xvi_atomic32 *word)
{
	return atomic_load_explicit(&word->value, memory_order_acquire);
}

static inline void xvi_atomic_store_release(struct xvi_atomic32 *word, uint32_t value)
{
	atomic_store_explicit(&word->value, value, memory_order_release);
}

/* Replace `from` by `to`; false when the word is not `from`. */
static inline bool xvi_atomic_cas_acquire(struct xvi_atomic32 *word, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&word->value, &from, to,
						       memory_order_acquire, memory_order_relaxed);
}

static inline void xvi_atomic_sub_release(struct xvi_atomic32 *word, uint32_t less)
{
	atomic_fetch_sub_explicit(&word->value, less, memory_order_release);
}

/* Add, and return the sum. For counters: it orders no other memory access. */
static inline uint32_t xvi_atomic_add(struct xvi_atomic32 *word, uint32_t more)
{
	return atomic_fetch_add_explicit(&word->value, more, memory_order_relaxed) + more;
}

#if ATOMIC_LLONG_LOCK_FREE == 2
struct xvi_atomic64 {
	_Atomic uint64_t value;
};

/* Read the word and set it to 0. One thread at a time may take. */
static inline uint64_t xvi_atomic64_take(struct xvi_atomic64 *word)
{
	uint64_t value = atomic_load_explicit(&word->value, memory_order_acquire);

	if (value != 0)
		atomic_store_explicit(&word->value, 0, memory_order_release);
	return value;
}

/* Put a value into the word if it is 0; else false. */
static inline bool xvi_atomic64_put(struct xvi_atomic64 *word, uint64_t value)
{
	uint64_t empty = 0;

	return atomic_load_explicit(&word->value, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong_explicit(&word->value, &empty, value,
						       memory_order_acq_rel, memory_order_relaxed);
}

/* A hint only. */
static inline bool xvi_atomic64_is_set(const struct xvi_atomic64 *word)
{
	return atomic_load_explicit(&word->value, memory_order_relaxed) != 0;
}
#else
struct xvi_atomic64 {
	uint64_t value;
};

static inline uint64_t xvi_atomic64_take(struct xvi_atomic64 *word)
{
	(void)word;
	return 0;
}

static inline bool xvi_atomic64_put(struct xvi_atomic64 *word, uint64_t value)
{
	(void)word;
	(void)value;
	return false;
}

static inline bool xvi_atomic64_is_set(const struct xvi_atomic64 *word)
{
	(void)word;
	return false;
}
#endif

struct xvi_atomic8 {
	_Atomic uint8_t value;
};

static inline uint8_t xvi_atomic8_load(const struct xvi_atomic8 *byte)
{
	return atomic_load_explicit(&byte->value, memory_order_relaxed);
}

static inline void xvi_atomic8_store(struct xvi_atomic8 *byte, uint8_t value)
{
	atomic_store_explicit(&byte->value, value, memory_order_relaxed);
}

struct xvi_atomic_ptr {
	_Atomic(void *) value;
};

/* The thread also sees what was written to the pointer's target before the pointer was stored. */
static inline void *xvi_atomic_ptr_load(const struct xvi_atomic_ptr *ptr)
{
	return atomic_load_explicit(&ptr->value, memory_order_acquire);
}

static inline void xvi_atomic_ptr_store(struct xvi_atomic_ptr *ptr, void *value)
{
	atomic_store_explicit(&ptr->value, value, memory_order_release);
}

#endif

_Static_assert(sizeof(struct xvi_atomic32) == sizeof(uint32_t), "it is only a word");
_Static_assert(sizeof(struct xvi_atomic8) == 1, "and only a byte");

/* Wait a moment for another thread: some turns at once, then yield each time. *turns counts;
 * begin with 0. (lock_posix.c, lock_windows.c, lock_none.c) */
void xvi_pause(unsigned *turns);

#endif
