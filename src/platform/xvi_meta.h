/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvi_meta.h: a stretch of a provider's meta memory: address space that is reserved at once and
 * becomes usable from its beginning. Calls the provider's meta operations. Its user charges the
 * bytes. No lock. O(1), plus the provider.
 */
#ifndef XVI_META_H
#define XVI_META_H

#include <xvmalloc/provider.h>

struct xvi_meta {
	unsigned char *base; /* NULL: nothing is reserved */
	size_t reserved;     /* bytes */
	size_t committed;    /* usable bytes */
};

static inline size_t meta_round(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* Make the first bytes usable, or, if they are fewer than now, only them. */
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

/* Reserve `bytes`, the first `usable` of them usable. Returns 0, -XV_ENOMEM or the provider's. */
static inline int meta_reserve(struct xv_provider *provider, struct xvi_meta *meta, size_t bytes,
			       size_t usable)
{
	int err;

	*meta = (struct xvi_meta){.base = provider->ops->meta_reserve(provider, bytes),
				  .reserved = bytes};
	if (meta->base == NULL)
		return -XV_ENOMEM;
	err = usable != 0 ? meta_commit(provider, meta, usable) : 0;
	if (err != 0)
		meta_release(provider, meta);
	return err;
}

#endif
