/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * meta_memory.h: memory for the tables of pools, for providers over an operating system: one
 * reservation of address space per table, usable from its start as far as it is committed.
 *
 * Owns: the counts of bytes that whole OS pages add, and of bytes that the system did not take
 * back. May call: os_memory.h. Locking: the provider holds its lock. Complexity: at most two system
 * calls, and clearing of less than one OS page; a purge that the system refuses clears the range.
 */
#ifndef XVI_META_MEMORY_H
#define XVI_META_MEMORY_H

#include <stddef.h>

struct xvi_meta_memory {
	size_t os_page_bytes;  /* unit of every commit */
	size_t rounding_bytes; /* committed above what was asked for, in all reservations */
	size_t stayed_bytes;   /* no longer committed, but the system did not take it back */
};

void xvi_meta_init(struct xvi_meta_memory *meta, size_t os_page_bytes);

/* Bytes held that pools do not count. */
static inline size_t xvi_meta_overhead_bytes(const struct xvi_meta_memory *meta)
{
	return meta->rounding_bytes + meta->stayed_bytes;
}

/* The meta operations of struct xv_provider_ops, with their contract. */
void *xvi_meta_reserve(const struct xvi_meta_memory *meta, size_t max_bytes);
int xvi_meta_commit(struct xvi_meta_memory *meta, void *base, size_t old_bytes, size_t new_bytes);
size_t xvi_meta_purge(const struct xvi_meta_memory *meta, void *base, size_t offset, size_t bytes);
void xvi_meta_release(struct xvi_meta_memory *meta, void *base, size_t max_bytes,
		      size_t committed_bytes);

#endif
