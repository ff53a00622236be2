/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_provider.h: a provider of a drawn kind, behind one that fails when told to.
 *
 * Owns the provider, and the buffer of that kind. May call: public headers, fault_provider.h.
 * Locking: none; one thread. O(1).
 */
#ifndef FUZZ_PROVIDER_H
#define FUZZ_PROVIDER_H

#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include "fault_provider.h"
#include "fuzz.h"

enum { FUZZ_PROVIDER_BYTES = 1 << 20 };

enum fuzz_kind { FUZZ_MMAP, FUZZ_HIGHMEM, FUZZ_BUFFER, FUZZ_KINDS };

struct fuzz_provider {
	struct fault_provider fault; /* &fault.provider is for the pool */
	struct xv_provider *inner;
	enum fuzz_kind kind;
	unsigned char *buffer; /* of that kind */
};

static inline int fuzz_make_mmap(struct fuzz_provider *p, struct fuzz_input *in,
				 uint32_t page_bytes)
{
	struct xv_provider_mmap_options options;

	xv_provider_mmap_options_init(&options);
	options.page_bytes = page_bytes;
	options.reserve_bytes = (uint64_t)FUZZ_PROVIDER_BYTES << fuzz_below(in, 3);
	if (fuzz_bool(in))
		options.cap_bytes = options.reserve_bytes / 4;
	return xv_provider_mmap_create(&p->inner, &options);
}

static inline int fuzz_make_highmem(struct fuzz_provider *p, struct fuzz_input *in,
				    uint32_t page_bytes)
{
	struct xv_provider_highmem_options options;

	xv_provider_highmem_options_init(&options);
	options.page_bytes = page_bytes;
	options.max_bytes = (uint64_t)FUZZ_PROVIDER_BYTES << fuzz_below(in, 3);
	options.window_slots = 2 + fuzz_below(in, 8);
	return xv_provider_highmem_create(&p->inner, &options);
}

/* At an odd address. A sanitizer knows its ends. */
static inline int fuzz_make_buffer(struct fuzz_provider *p, uint32_t page_bytes)
{
	p->buffer = malloc(FUZZ_PROVIDER_BYTES + 1);
	FUZZ_CHECK(p->buffer != NULL);
	return xv_provider_buffer_init(&p->inner, p->buffer + 1, FUZZ_PROVIDER_BYTES, page_bytes);
}

/* One of the first `kinds` kinds. False: the system has none with such pages. */
static inline bool fuzz_provider_make(struct fuzz_provider *p, struct fuzz_input *in,
				      unsigned kinds)
{
	uint32_t page_bytes = 4096U << fuzz_below(in, 5);
	int err;

	p->kind = (enum fuzz_kind)fuzz_below(in, kinds);
	if (p->kind == FUZZ_MMAP)
		err = fuzz_make_mmap(p, in, page_bytes);
	else if (p->kind == FUZZ_HIGHMEM)
		err = fuzz_make_highmem(p, in, page_bytes);
	else
		err = fuzz_make_buffer(p, page_bytes);
	if (err == 0)
		fault_provider_init(&p->fault, p->inner, fuzz_below(in, 8));
	else
		free(p->buffer);
	return err == 0;
}

/* Nothing of it is in use any more. */
static inline void fuzz_provider_end(struct fuzz_provider *p)
{
	FUZZ_CHECK(p->fault.pages_now == 0 && p->fault.mapped_now == 0 && p->fault.misuse == 0);
	FUZZ_CHECK(p->fault.meta_reservations_now == 0 && p->fault.meta_committed_now == 0);
	if (p->kind == FUZZ_MMAP)
		xv_provider_mmap_destroy(p->inner);
	else if (p->kind == FUZZ_HIGHMEM)
		xv_provider_highmem_destroy(p->inner);
	free(p->buffer);
}

/* Draw what fails from now on, or that nothing does. */
static inline void fuzz_provider_fail(struct fuzz_provider *p, struct fuzz_input *in)
{
	static const enum fault_op ops[] = {FAULT_PAGE_ALLOC, FAULT_GRAINS_TAKE, FAULT_GRAINS_GIVE,
					    FAULT_META_COMMIT, FAULT_POOL_MEETS};

	if (fuzz_bool(in))
		fault_provider_fail(&p->fault, ops[fuzz_below(in, 5)], 1 + fuzz_below(in, 16),
				    fuzz_bool(in) ? FAULT_FOREVER : FAULT_ONCE);
	else
		fault_provider_heal(&p->fault);
}

/* Want of memory is no fault, where memory is bounded or the provider fails. */
static inline bool fuzz_is_shortage(int err)
{
	return err == -XV_ENOMEM || err == -XV_ENOSPC;
}

#endif
