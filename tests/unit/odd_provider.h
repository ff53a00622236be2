/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * odd_provider.h: a provider without base that numbers its pages in a strange order, fails from a
 * certain call on, and proves that nothing is touched but what was taken. Included by one test
 * program, after CMocka, with _DEFAULT_SOURCE. One thread.
 */
#ifndef ODD_PROVIDER_H
#define ODD_PROVIDER_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xvmalloc/provider.h>

enum { PAGES = 192, STRANGE = 0xDD /* bytes of what is not taken */ };

/* Said where something does not hold. */
static uint64_t seed_now;
static uint32_t step_now;

#define HOLDS(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			print_error("seed %llu step %u\n", (unsigned long long)seed_now,           \
				    (unsigned)step_now);                                           \
			assert_true(x);                                                            \
		}                                                                                  \
	} while (0)

struct page {
	unsigned char *bytes; /* NULL: free */
	uint32_t number;
	uint32_t taken; /* a bit for each grain */
	uint32_t maps;
};

struct odd_provider {
	struct xv_provider provider;
	struct page pages[PAGES];
	uint32_t order; /* 0 from below, 1 from above, 2 scattered */
	uint32_t mapped;
	uint32_t fail_after; /* calls that still succeed; UINT32_MAX: all */
	uint64_t committed;
	uint64_t windows_full;
};

static struct odd_provider *odd_of(struct xv_provider *self)
{
	return (struct odd_provider *)(void *)self;
}

static bool fails(struct odd_provider *o)
{
	if (o->fail_after == UINT32_MAX)
		return false;
	if (o->fail_after == 0)
		return true;
	o->fail_after--;
	return false;
}

static uint32_t number_of(const struct odd_provider *o, uint32_t i)
{
	uint32_t most = (uint32_t)o->provider.max_pages;

	if (o->order == 0)
		return i;
	if (o->order == 1)
		return most - 1 - i;
	return (uint32_t)((uint64_t)(i * 37U % PAGES) * (most - 1) / (PAGES - 1));
}

static struct page *page_of(struct odd_provider *o, uint32_t number)
{
	for (uint32_t i = 0; i < PAGES; i++)
		if (o->pages[i].bytes != NULL && o->pages[i].number == number)
			return &o->pages[i];
	HOLDS(number >= XV_PAGES_MAX); /* no page that was handed out */
	return NULL;
}

static size_t grain_bytes(const struct odd_provider *o)
{
	return xv_provider_page_bytes(&o->provider) / xv_provider_page_grains(&o->provider);
}

static int odd_page_alloc(struct xv_provider *self, uint32_t *page)
{
	struct odd_provider *o = odd_of(self);
	size_t bytes = xv_provider_page_bytes(self);

	if (fails(o))
		return -XV_ENOMEM;
	for (uint32_t i = 0; i < PAGES && i < self->max_pages; i++) {
		struct page *p = &o->pages[i];

		if (p->bytes != NULL)
			continue;
		p->bytes = aligned_alloc(4096, bytes);
		memset(p->bytes, STRANGE, bytes);
		p->number = number_of(o, i);
		p->taken = xv_provider_page_grains(self) == 1 ? 1 : 0;
		p->maps = 0;
		*page = p->number;
		return 0;
	}
	return -XV_ENOMEM;
}

/* Nothing of a grain that is not taken was touched. */
static void assert_untouched(struct odd_provider *o, struct page *p, uint32_t grain)
{
	size_t bytes = grain_bytes(o);

	for (size_t i = 0; i < bytes; i++)
		HOLDS(p->bytes[grain * bytes + i] == STRANGE);
}

static size_t odd_pages_free(struct xv_provider *self, uint32_t first, uint32_t count)
{
	struct odd_provider *o = odd_of(self);

	for (uint32_t n = 0; n < count; n++) {
		struct page *p = page_of(o, first + n);

		HOLDS(p->maps == 0);
		for (uint32_t g = 0; g < xv_provider_page_grains(self); g++)
			if ((p->taken >> g & 1U) == 0)
				assert_untouched(o, p, g);
		free(p->bytes);
		p->bytes = NULL;
	}
	return 0;
}

static int odd_grains_take(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count)
{
	struct odd_provider *o = odd_of(self);
	struct page *p = page_of(o, page);

	HOLDS(count >= 1 && first + count <= xv_provider_page_grains(self));
	if (fails(o))
		return -XV_ENOMEM;
	for (uint32_t g = first; g < first + count; g++) {
		HOLDS((p->taken >> g & 1U) == 0);
		assert_untouched(o, p, g);
		p->taken |= 1U << g;
	}
	return 0;
}

static bool odd_grains_give(struct xv_provider *self, uint32_t page, uint32_t first, uint32_t count)
{
	struct odd_provider *o = odd_of(self);
	struct page *p = page_of(o, page);

	for (uint32_t g = first; g < first + count; g++) {
		HOLDS((p->taken >> g & 1U) != 0);
		memset(p->bytes + g * grain_bytes(o), STRANGE, grain_bytes(o));
	}
	if (fails(o))
		return false;
	for (uint32_t g = first; g < first + count; g++)
		p->taken &= ~(1U << g);
	return true;
}

static void *odd_page_map(struct xv_provider *self, uint32_t page)
{
	struct odd_provider *o = odd_of(self);
	struct page *p = page_of(o, page);

	if (p->maps == 0 && o->mapped == self->window_slots) {
		o->windows_full++;
		return NULL;
	}
	if (p->maps++ == 0)
		o->mapped++;
	return p->bytes;
}

static int odd_page_unmap(struct xv_provider *self, uint32_t page, void *addr)
{
	struct odd_provider *o = odd_of(self);
	struct page *p = page_of(o, page);

	if (p->maps == 0 || p->bytes != addr)
		return -XV_EINVAL;
	if (--p->maps == 0)
		o->mapped--;
	return 0;
}

static void *odd_meta_reserve(struct xv_provider *self, size_t max_bytes)
{
	void *base;

	if (fails(odd_of(self)))
		return NULL;
	base = mmap(NULL, max_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return base == MAP_FAILED ? NULL : base;
}

static int odd_meta_commit(struct xv_provider *self, void *base, size_t old_bytes, size_t new_bytes)
{
	struct odd_provider *o = odd_of(self);

	if (new_bytes > old_bytes && fails(o))
		return -XV_ENOMEM;
	if (new_bytes < old_bytes)
		memset((char *)base + new_bytes, 0, old_bytes - new_bytes);
	o->committed += (uint64_t)new_bytes - old_bytes;
	return 0;
}

static void odd_meta_release(struct xv_provider *self, void *base, size_t max_bytes,
			     size_t committed_bytes)
{
	odd_of(self)->committed -= committed_bytes;
	munmap(base, max_bytes);
}

static const struct xv_provider_ops odd_ops = {
	.page_alloc = odd_page_alloc,
	.pages_free = odd_pages_free,
	.grains_take = odd_grains_take,
	.grains_give = odd_grains_give,
	.page_map = odd_page_map,
	.page_unmap = odd_page_unmap,
	.meta_reserve = odd_meta_reserve,
	.meta_commit = odd_meta_commit,
	.meta_release = odd_meta_release,
};

#endif
