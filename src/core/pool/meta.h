/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * meta.h: a stretch of the provider's meta memory: address space that is reserved at once and
 * made usable from its beginning. Charges nothing: whoever has one charges the budget.
 */
#ifndef XVI_META_H
#define XVI_META_H

#include <xvmalloc/provider.h>

enum {
	META_CHUNK_BYTES = 4096, /* in which memory of tables is counted */
	META_STEP_CHUNKS = 16,   /* that become usable at once, where they cost nothing untouched */
};

struct xvi_meta {
	unsigned char *base; /* NULL: nothing is reserved */
	size_t reserved;     /* bytes */
	size_t committed;    /* bytes that are usable */
};

static inline size_t meta_round(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

static inline int meta_reserve(struct xv_provider *provider, struct xvi_meta *meta, size_t bytes)
{
	meta->base = provider->ops->meta_reserve(provider, bytes);
	meta->reserved = bytes;
	meta->committed = 0;
	return meta->base != NULL ? 0 : -XV_ENOMEM;
}

/* Make the first bytes usable, or, where they are fewer than now, only them. */
static inline int meta_commit(struct xv_provider *provider, struct xvi_meta *meta, size_t bytes)
{
	int err = provider->ops->meta_commit(provider, meta->base, meta->committed, bytes);

	if (err == 0)
		meta->committed = bytes;
	return err;
}

static inline void meta_release(struct xv_provider *provider, struct xvi_meta *meta)
{
	if (meta->base != NULL)
		provider->ops->meta_release(provider, meta->base, meta->reserved, meta->committed);
	meta->base = NULL;
}

#endif
