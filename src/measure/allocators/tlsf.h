/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tlsf.h: Two-Level Segregated Fit, as a peer for the benchmark.
 *
 * Source: M. Masmano, I. Ripoll, A. Crespo, J. Real: "TLSF: a New Dynamic Memory
 * Allocator for Real-Time Systems", ECRTS 2004. Parameters are those in common
 * use: one word before each used block, 32 second-level lists, alignment of one
 * word, growth by regions of 1 MiB. A region stays with the heap until the heap is
 * destroyed, empty or not, as in the usual implementations.
 *
 * Owns its regions, taken from mmap. Locking: none; one thread. Alloc and free are
 * O(1) apart from growth.
 */
#ifndef XVM_ALLOCATORS_TLSF_H
#define XVM_ALLOCATORS_TLSF_H

#include <stddef.h>
#include <stdint.h>

#define XVM_TLSF_REGION_BYTES ((size_t)1 << 20)

struct xvm_tlsf;

/* An empty heap, or NULL when there is no memory. End it with xvm_tlsf_destroy. */
struct xvm_tlsf *xvm_tlsf_create(void);

/* Give every region back. Objects are dead. NULL is allowed. */
void xvm_tlsf_destroy(struct xvm_tlsf *tlsf);

/* size bytes, aligned to a word, or NULL (no memory, size 0 or above 2 GiB). */
void *xvm_tlsf_alloc(struct xvm_tlsf *tlsf, size_t size);

/* End an object. NULL is allowed. */
void xvm_tlsf_free(struct xvm_tlsf *tlsf, void *object);

/* Bytes of all regions and of the heap's own record. */
uint64_t xvm_tlsf_held_bytes(const struct xvm_tlsf *tlsf);

#endif
