/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * provider_looks.h: providers in child processes whose memory is locked, or whose system calls
 * are refused, and which are looked at from outside.
 */
#ifndef PROVIDER_LOOKS_H
#define PROVIDER_LOOKS_H

#include "provider_support.h"

#include "looked_at.h"
#include "refuse.h"

#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include <sys/mman.h>

enum { PAGES = 8192, ADVICE_DONTNEED_LOCKED = 24 };

#define PAGE_BYTES ((size_t)4096)
#define ALL_BYTES (PAGES * PAGE_BYTES)
#define LOCKED_SPACE_BYTES (sizeof(size_t) > 4 ? (size_t)80 << 30 : (size_t)64 << 20)
#define SLACK_BYTES (256 * KIB) /* of libc and stack, between two looks */
#define ENSURE(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);                         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* All that there is or (MCL_FUTURE) will be: the whole space of a provider too. */
static inline void lock_all(int flags)
{
	void *space;

	if (mlockall(flags) != 0)
		_exit(LOOK_SKIPPED);
	space = mmap(NULL, LOCKED_SPACE_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		_exit(LOOK_SKIPPED);
	munmap(space, LOCKED_SPACE_BYTES);
}

static inline void must_refuse(int number, int argument, uint32_t value, int error)
{
	if (!refuse(number, argument, value, error))
		_exit(LOOK_SKIPPED);
}

static inline struct xv_provider *mmap_make(void)
{
	struct xv_provider *provider = NULL;

	ENSURE(xv_provider_mmap_create(&provider, NULL) == 0);
	return provider;
}

static inline struct xv_provider *highmem_make(void)
{
	struct xv_provider *provider = NULL;
	struct xv_provider_highmem_options options = {.max_bytes = ALL_BYTES};

	ENSURE(xv_provider_highmem_create(&provider, &options) == 0);
	return provider;
}

static inline char *page_at(struct xv_provider *provider, uint32_t page)
{
	return provider->base != NULL ? (char *)provider->base + page * PAGE_BYTES
				      : provider->ops->page_map(provider, page);
}

static inline void page_done(struct xv_provider *provider, uint32_t page, char *at)
{
	if (provider->base == NULL)
		ENSURE(provider->ops->page_unmap(provider, page, at) == 0);
}

static inline void fill(struct xv_provider *provider, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = UINT32_MAX;
		char *at;

		ENSURE(provider->ops->page_alloc(provider, &page) == 0);
		ENSURE(page == i);
		at = page_at(provider, page);
		ENSURE(at != NULL);
		memset(at, (int)(page % 251) + 1, PAGE_BYTES);
		page_done(provider, page, at);
	}
}

static inline void check(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++) {
		char *at = page_at(provider, page);

		ENSURE(at != NULL && bytes_are(at, (int)(page % 251) + 1, PAGE_BYTES));
		page_done(provider, page, at);
	}
}

static inline void drop(struct xv_provider *provider, uint32_t from, uint32_t end)
{
	for (uint32_t page = from; page < end; page++)
		provider->ops->page_free(provider, page);
}

/* What is held while so many pages are handed out. */
static inline uint64_t held(struct xv_provider *provider, uint32_t pages)
{
	return provider->ops->overhead_bytes(provider) + pages * PAGE_BYTES;
}

/* Full, half empty, empty, full again; what is kept is spare, and is used first. */
static inline int fill_drop_and_fill_again(struct xv_provider *provider)
{
	fill(provider, PAGES);
	look(held(provider, PAGES));
	drop(provider, PAGES / 2, PAGES);
	check(provider, 0, PAGES / 2);
	look(held(provider, PAGES / 2));
	drop(provider, 0, PAGES / 2);
	look(held(provider, 0));
	fill(provider, PAGES);
	check(provider, 0, PAGES);
	ENSURE(provider->ops->spare_bytes(provider) == 0);
	look(held(provider, PAGES));
	return 0;
}

/* After the first look, which is at what was there before: what is there by then is what is
 * said to be held. */
static inline void check_honest(const struct looks *looks, int count)
{
	if (looks->status == LOOK_SKIPPED)
		skip();
	assert_int_equal(looks->status, 0);
	assert_int_equal(looks->count, count);
	for (int i = 1; i < count; i++) {
		uint64_t there = looks->at[i].resident_bytes + SLACK_BYTES;
		uint64_t said = looks->at[0].resident_bytes + looks->at[i].said;

		assert_in_range(there, said, said + 2 * SLACK_BYTES);
	}
}

/* What calls are refused with, of a test that tries several. */
static int refused_error;

static inline bool memory_cannot_be_looked_at(void)
{
	return UNDER_SANITIZER || under_valgrind();
}

#endif
