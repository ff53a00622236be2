/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * context.h: what a thread has in the store during a call: buffers, codec contexts, hazard words,
 * counters, and objects to be freed later.
 *
 * A call takes a context and gives it back at its end. The running CPU suggests which one, so that
 * threads seldom meet. There are as many as calls have run at once. They belong to the store: a
 * thread that ends leaves nothing behind.
 *
 * The gate. An administrative call closes it and waits until no context is taken; new calls wait
 * until it opens. A call that needs room parks, and may then close the gate. A parked call keeps
 * nothing in its context: where no more contexts may be made, other calls use it meanwhile.
 *
 * Owns the contexts. May call: memory.h, platform.h, POSIX threads. Locking: a context belongs to
 * its taker, except the hazard words and the counters, which others read. To take one is O(1), or
 * O(contexts) when threads compete for a CPU's.
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
	CONTEXT_HOMES_MAX = 128, /* contexts that belong to a CPU */
	CONTEXT_HAZARDS = 2,
	CONTEXT_RETIRED_FIRST = 16,
	CONTEXT_CODECS = 8,
	HAZARD_SLOT = 0, /* for the page of the call */
	HAZARD_TWIN = 1, /* for a page that may be identical */
};

/* A codec's context, made when it is first needed, and again for another level. */
struct rzi_codec_context {
	void *context; /* NULL = none yet */
	size_t bytes;  /* its charged bytes */
	int32_t level;
};

/* Contexts beside the first take at most a 16th of the hard limit. */
enum { CONTEXT_LIMIT_SHARE = 16 };

enum rzi_taken {
	CONTEXT_FREE,
	CONTEXT_TAKEN,
	CONTEXT_PARKED, /* calls wait with it where the gate may close; others may take it */
};

/* An object to be freed later. */
struct rzi_retired {
	uint64_t entry;
	uint32_t record;
};

struct rzi_context {
	_Atomic uint32_t taken;                   /* enum rzi_taken */
	_Atomic uint64_t hazard[CONTEXT_HAZARDS]; /* handles; XV_NULL_HANDLE = none */
	struct ramz *store;
	unsigned char *packed; /* a form and its tail */
	unsigned char *io;     /* with a backing device: what is read from it; NULL = not yet */
	unsigned char *page;   /* the page of a partial write */
	unsigned char *twin;   /* with dedup: a page to compare with */
	struct rzi_codec_context codec[CONTEXT_CODECS];
	struct rzi_retired *retired; /* usually empty; grows */
	uint32_t retired_count;
	uint32_t retired_room;
	uint32_t writes_until_watch; /* see limit.c */
	uint32_t frees_until_compact;
	uint32_t calls_until_timed; /* see page_io.c */
	uint32_t timing_random;
	uint64_t timed_ns;        /* when the last timed call began */
	uint32_t parked;          /* calls that wait with it */
	bool codec_refused;       /* no room for a codec's context: see room.c */
	uint64_t soft_held_bytes; /* held bytes when the soft limit was passed; 0 = it was not */
	struct rzi_counters counters;
};

struct rzi_contexts {
	_Atomic(struct rzi_context *) context[CONTEXTS_MAX];
	_Atomic uint32_t high; /* all have an index below this */
	uint32_t homes;
	_Atomic bool closed;
	_Atomic uint64_t codec_bytes; /* charged for codec contexts */
	_Atomic uint64_t more_bytes;  /* of all contexts except the first */
	pthread_mutex_t lock;         /* for waiting at the gate */
	pthread_cond_t opened;
};

/* Make the first context. Returns 0 or -XV_ENOMEM. */
int rzi_contexts_init(struct ramz *store);
void rzi_contexts_fini(struct ramz *store);

/* Begin a call. Never fails: at least one context can be waited for. */
struct rzi_context *rzi_enter(struct ramz *store);

/* End a call: free what can be freed now, give the context back, and then call the soft limit's
 * callback if the limit was passed. */
void rzi_leave(struct rzi_context *context);

/* Close the gate and have the store alone; open it again. Under admin. */
void rzi_gate_close(struct ramz *store);
void rzi_gate_open(struct ramz *store);

/* A context for the thread that closed the gate; give it back with rzi_leave_quietly. */
struct rzi_context *rzi_enter_closed(struct ramz *store);
void rzi_leave_quietly(struct rzi_context *context);

/* Park inside a call, which protects and holds nothing: the gate may close. Then be in the call
 * again. In between, other calls may change the store, its size too, and the caller may wait for
 * anything and close the gate. */
void rzi_park(struct rzi_context *context);
void rzi_unpark(struct rzi_context *context);

/* Drop the codec contexts of all threads, and free all objects that wait. Gate closed. */
void rzi_contexts_trim(struct ramz *store);

/* Drop codec contexts that nobody has taken or used lately. Returns their bytes. */
uint64_t rzi_contexts_drop_idle(struct ramz *store);

/* Free objects that wait in contexts that nobody has taken; the other contexts free theirs at the
 * end of their calls. Under admin, with the gate open. */
void rzi_contexts_drain(struct ramz *store);

/* Is the handle in a hazard word of any context? O(contexts). */
bool rzi_is_protected(const struct ramz *store, xv_handle handle);

/* Context number i, or NULL; i is below rzi_contexts_high. */
struct rzi_context *rzi_context_at(const struct ramz *store, uint32_t i);
uint32_t rzi_contexts_high(const struct ramz *store);

/* Bytes of `io`: a form with its header, from and to any alignment. */
size_t rzi_context_io_bytes(const struct ramz *store);

#endif
