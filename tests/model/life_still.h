/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * life_still.h: what makes the life of a store the same in every run (test_model_ramz_life.c): a
 * clock, random bytes and a CPU of the test's, where the linker can put them in between, and a
 * digest of what the store counts.
 *
 * Owns the clock. May call: public headers. Locking: none; for one thread. O(1).
 */
#ifndef LIFE_STILL_H
#define LIFE_STILL_H

#include <ramz/policy.h>
#include <ramz/ramz.h>

#include "digest.h"

static uint64_t still_ns; /* the clock of a life without a thread; 0 = the system's */
static uint64_t still_seed;

#ifdef TEST_STILL
uint64_t __real_rzi_now_ns(void);
int __real_rzi_random(void *dst, size_t bytes);
uint32_t __real_rzi_cpu_hint(void);

uint64_t __wrap_rzi_now_ns(void);
uint64_t __wrap_rzi_now_ns(void)
{
	if (still_ns == 0)
		return __real_rzi_now_ns();
	still_ns += 100000;
	return still_ns;
}

int __wrap_rzi_random(void *dst, size_t bytes);
int __wrap_rzi_random(void *dst, size_t bytes)
{
	unsigned char *to = dst;

	if (still_ns == 0)
		return __real_rzi_random(dst, bytes);
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)random_next(&still_seed);
	return 0;
}

uint32_t __wrap_rzi_cpu_hint(void);
uint32_t __wrap_rzi_cpu_hint(void)
{
	return still_ns == 0 ? __real_rzi_cpu_hint() : 0;
}
#endif

/* What an operation changed: all that depends on no size of a structure. */
static inline void still_note(uint64_t *digest, struct ramz *store)
{
	struct ramz_policy_stats policy;
	struct ramz_stats s;

	ramz_get_stats(store, &s);
	digest_add(digest, s.pages_stored ^ s.pages_same_filled << 16 ^ s.pages_compressed << 32 ^
				   s.pages_raw << 48);
	digest_add(digest, s.pages_zero ^ s.pages_good_compress << 16 ^ s.pages_shared << 32 ^
				   s.pages_backed << 48);
	digest_add(digest, s.stored_bytes << 32 ^ s.checksum_bytes);
	digest_add(digest, s.reads ^ s.writes << 32);
	digest_add(digest, s.failed_reads ^ s.failed_writes << 16 ^ s.invalid_io << 32 ^
				   s.notify_free << 48);
	digest_add(digest,
		   s.absent_reads ^ s.same_writes << 16 ^ s.raw_writes << 32 ^ s.dedup_hits << 48);
	digest_add(digest, s.bad_pages ^ s.soft_limit_hits << 16 ^ s.hard_limit_hits << 32);
	digest_add(digest,
		   s.recompress_tried ^ s.recompressed << 24 ^ s.recompress_saved_bytes << 40);
	digest_add(digest, s.bd_stat.bd_reads ^ s.bd_stat.bd_writes << 32);
	digest_add(digest, s.pool.objects << 32 ^ s.pool.requested_bytes);
	assert_int_equal(ramz_get_policy_stats(store, &policy), 0);
	digest_add(digest, policy.ages ^ policy.soft_shortages << 16 ^ policy.hard_shortages << 32 ^
				   policy.squeezes << 48);
	digest_add(digest, policy.recompressed ^ policy.written_back << 20 ^
				   policy.checkpoints << 40 ^ policy.held_back << 52);
	digest_add(digest, policy.saved_bytes ^ policy.written_bytes << 20);
	digest_add(digest, policy.compactions ^ policy.trainings << 20 ^ policy.dictionaries << 40);
}

#endif
