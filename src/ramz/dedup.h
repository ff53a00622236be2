/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * dedup.h: identical pages kept once.
 *
 * With dedup every object belongs to a record, and slots name records. A record is
 *
 *   place  the object's entry, as a slot would have it          8 bytes, atomic
 *   hash   XXH3 of the page                                     8 bytes
 *   refs   slots that name it, and writers about to name it     4 bytes
 *   next   record in the same hash bucket, or in the free list  4 bytes
 *
 * A written page is looked up by its hash, and compared byte by byte with what is found. If it is
 * identical, it takes a reference.
 *
 * Owns records and buckets. May call: object.c, codecs.c. Locking: one mutex for buckets,
 * references and the free list, never held while a page is hashed, compressed, decompressed or
 * compared. Places follow the rules for slots. O(page).
 */
#ifndef RZI_DEDUP_H
#define RZI_DEDUP_H

#include "store_impl.h"

/* A finished form with its tail. */
struct rzi_packed {
	const void *data;
	size_t bytes;
	uint32_t codec;
};

int rzi_dedup_create(struct ramz *store);
void rzi_dedup_destroy(struct ramz *store);

/* Forget every record; their objects are gone. Gate closed. */
void rzi_dedup_reset(struct ramz *store);

/* Make room for the records of this many slots. Returns 0, -XV_ENOMEM, -XV_ENOSPC. Gate closed. */
int rzi_dedup_resize(struct ramz *store, uint64_t pages);

/* Bytes of tables that hold nothing, roughly. Trim frees them, if place_is_idle agrees for a leaf
 * of places: gate closed. O(1), O(records made). */
uint64_t rzi_dedup_idle_bytes(struct rzi_dedup *dedup);
void rzi_dedup_trim(struct ramz *store, bool (*place_is_idle)(const void *leaf));

/* The place of a record; NULL if the record is free and has no table. */
_Atomic uint64_t *rzi_dedup_place(const struct rzi_dedup *dedup, uint32_t record);

/* Content for a page: a reference to a record with an identical page that is not number `but`
 * (UINT32_MAX: any), or to a new one, made from packed if that is not NULL, otherwise by
 * compression. packed's bytes are not in context->packed: the comparison reads into that. Errors as
 * rzi_object_make, rzi_compress. */
int rzi_dedup_content(struct rzi_context *context, const void *page,
		      const struct rzi_packed *packed, uint32_t but, struct rzi_content *content);

/* A slot no longer names the record: the last reference frees its object. */
void rzi_dedup_unref(struct rzi_context *context, uint32_t record);

/* The object of the record was freed: the record can be used again. */
void rzi_dedup_release(struct rzi_dedup *dedup, uint32_t record);

/* References of a record; records in use; bytes of all tables. */
uint32_t rzi_dedup_refs(struct rzi_dedup *dedup, uint32_t record);
uint64_t rzi_dedup_records(struct rzi_dedup *dedup);
uint64_t rzi_dedup_bytes(struct rzi_dedup *dedup);

/* Records ever made: all numbers are below this. */
uint32_t rzi_dedup_made(struct rzi_dedup *dedup);

#endif
