/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * context.h: a thread's place in the store while it is in a call: buffers, codec contexts,
 * hazard words, counters, and the frees it put off.
 *
 * A call takes a context and gives it back at its end; which one, the running CPU suggests, so
 * that threads that run at once seldom meet. There come to be as many as calls were under
 * way at once. They belong to the store: a thread that ends leaves nothing behind.
 *
 * The gate: an administrative call closes it and waits until no context is taken; who comes
 * then waits until it is open again. A call that needs room parks, and then closes the gate itself:
 * for those who wait for the gate a parked call is not under way.
 *
 * Owns the contexts. May call: memory.h, platform.h, POSIX threads.
 * Locking: a context is its taker's alone, but for the hazard words and the counters, which
 * others read. Taking is O(1) mostly, O(contexts) where CPUs are contended for.
 */
#ifndef RZI_CONTEXT_H
#define RZI_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <xvmalloc/base.h>

#include "counters.h"
#include "memory.h"

struct ramz;

enum {
	CONTEXTS_MAX = 256,
	CONTEXT_HOMES_MAX = 128, /* contexts that CPUs call their own */
	CONTEXT_PINS = 2,
	CONTEXT_RETIRED_FIRST = 16,
	CONTEXT_CODECS = 8,
	PIN_SLOT = 0, /* of the page that the call is about */
	PIN_TWIN = 1, /* of the page that may be the same */
};

/* A codec's context, made when it is first needed, and again for another level. */
struct rzi_codec_context {
	void *context; /* NULL = none yet */
	size_t bytes;  /* of it that are charged */
	int32_t level;
};

/* Contexts beside the first may take one part in so many of the hard limit. */
enum { CONTEXT_LIMIT_SHARE = 16 };

enum rzi_taken {
	CONTEXT_FREE,
	CONTEXT_TAKEN,
	CONTEXT_PARKED, /* its taker is at a place where the gate may be closed */
};

/* An object whose freeing was put off. */
struct rzi_retired {
	uint64_t entry;
	uint32_t record;
};

struct rzi_context {
	_Atomic uint32_t taken;                /* enum rzi_taken */
	_Atomic uint64_t hazard[CONTEXT_PINS]; /* handles; XV_NULL_HANDLE = none */
	struct ramz *store;
	unsigned char *packed; /* a form with its tail */
	unsigned char *page;   /* a page being patched */
	unsigned char *twin;   /* with identical-page sharing: a page to compare with */
	struct rzi_codec_context codec[CONTEXT_CODECS];
	struct rzi_retired *retired; /* grows where it must; mostly empty */
	uint32_t retired_count;
	uint32_t retired_room;
	uint32_t writes_until_watch; /* see limit.c */
	uint32_t frees_until_compact;
	uint32_t calls_until_timed; /* see page_io.c */
	uint32_t timing_random;
	uint64_t timed_ns;        /* when the last timed call began */
	bool codec_refused;       /* there was no room for a codec's context: see room.c */
	uint64_t soft_held_bytes; /* the soft mark was passed: what was held; 0 = it was not */
	struct rzi_counters counters;
};

struct rzi_contexts {
	_Atomic(struct rzi_context *) context[CONTEXTS_MAX];
	_Atomic uint32_t high; /* all of them are below this index */
	uint32_t homes;
	_Atomic bool closed;
	_Atomic uint64_t codec_bytes; /* charged for codecs' contexts */
	_Atomic uint64_t more_bytes;  /* of contexts beside the first */
	pthread_mutex_t lock;         /* for waiting at the gate */
	pthread_cond_t opened;
};

/* Make the first context. 0 or -XV_ENOMEM. */
int rzi_contexts_init(struct ramz *store);
void rzi_contexts_fini(struct ramz *store);

/* Begin a call: never fails, since there is always at least one context to wait for. */
struct rzi_context *rzi_enter(struct ramz *store);

/* End a call: frees what was put off, gives the context back, and then tells the soft limit
 * where it was passed. */
void rzi_leave(struct rzi_context *context);

/* Have the store for oneself, and let the others in again. Under admin. */
void rzi_gate_close(struct ramz *store);
void rzi_gate_open(struct ramz *store);

/* A context for the closer of the gate itself; give back with rzi_leave_quietly. */
struct rzi_context *rzi_enter_closed(struct ramz *store);
void rzi_leave_quietly(struct rzi_context *context);

/*
 * In the middle of a call, with nothing pinned and nothing held that only the call knows: let the
 * gate be closed, and be in the call again; the store may have been changed in between, its size
 * too. Between the two the caller may wait for anything, and may close the gate.
 */
void rzi_park(struct rzi_context *context);
void rzi_unpark(struct rzi_context *context);

/* Drop the codecs' contexts of all threads, and free what was put off. Gate closed. */
void rzi_contexts_trim(struct ramz *store);

/* Drop the codecs' contexts that nobody has taken, nor used of late. Bytes they had. */
uint64_t rzi_contexts_drop_idle(struct ramz *store);

/* Free what was put off in contexts that nobody has taken; the others do it themselves at the end
 * of their calls. Under admin: not beside who closed the gate. */
void rzi_contexts_drain(struct ramz *store);

/* Is the handle in a hazard word of any context? O(contexts). */
bool rzi_is_pinned(const struct ramz *store, xv_handle handle);

/* The i-th context there is, or NULL; i below rzi_contexts_high. */
struct rzi_context *rzi_context_at(const struct ramz *store, uint32_t i);
uint32_t rzi_contexts_high(const struct ramz *store);

#endif
