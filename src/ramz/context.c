/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * context.c: contexts are taken and given back; the gate; hazard words. See context.h.
 */
#include "store_impl.h"

/* Room behind a form for its tail, and for codecs that write a little past what they report. */
#define PACKED_SLACK 64U

/* After this time without a timed call, time the next one; otherwise one in eight. */
#define IDLE_NS 100000000U

static size_t context_packed_bytes(const struct ramz *store)
{
	return store->page_bytes + PACKED_SLACK;
}

size_t rzi_context_io_bytes(const struct ramz *store)
{
	return 3 * (size_t)RAMZ_PAGE_BYTES_MIN + store->page_bytes + PACKED_SLACK;
}

static void context_destroy(struct rzi_context *context)
{
	struct ramz *store = context->store;

	(void)rzi_context_drop_codecs(context, 0);
	rzi_memory_free(&store->memory, context->retired,
			context->retired_room * sizeof(*context->retired));
	rzi_memory_free(&store->memory, context->packed, context_packed_bytes(store));
	rzi_memory_free(&store->memory, context->io, rzi_context_io_bytes(store));
	rzi_memory_free(&store->memory, context->page, store->page_bytes);
	rzi_memory_free(&store->memory, context->twin, store->page_bytes);
	rzi_memory_free(&store->memory, context, sizeof(*context));
}

/* A taken context. Its memory is counted, but the hard limit does not refuse it. */
static struct rzi_context *context_create(struct ramz *store)
{
	struct rzi_context *context = rzi_memory_force(&store->memory, sizeof(*context));

	if (context == NULL)
		return NULL;
	context->store = store;
	atomic_store(&context->taken, CONTEXT_TAKEN);
	context->packed = rzi_memory_force(&store->memory, context_packed_bytes(store));
	context->page = rzi_memory_force(&store->memory, store->page_bytes);
	context->retired_room = CONTEXT_RETIRED_FIRST;
	context->retired =
		rzi_memory_force(&store->memory, context->retired_room * sizeof(*context->retired));
	if (store->dedup != NULL)
		context->twin = rzi_memory_force(&store->memory, store->page_bytes);
	if (context->packed == NULL || context->page == NULL || context->retired == NULL ||
	    (store->dedup != NULL && context->twin == NULL)) {
		context_destroy(context);
		return NULL;
	}
	return context;
}

/* Bytes of a context without what it gets later. */
static uint64_t context_bytes(const struct ramz *store)
{
	uint64_t bytes = rzi_memory_rounded(sizeof(struct rzi_context)) +
			 rzi_memory_rounded(context_packed_bytes(store)) +
			 rzi_memory_rounded(store->page_bytes) +
			 rzi_memory_rounded(CONTEXT_RETIRED_FIRST * sizeof(struct rzi_retired));

	return store->dedup != NULL ? bytes + rzi_memory_rounded(store->page_bytes) : bytes;
}

/* Contexts are never given up, so those beside the first must leave room for the contents:
 * ramz_least_limit counts on it. If they would not, threads wait for each other. */
static bool context_has_room(struct ramz *store, uint64_t bytes)
{
	uint64_t limit = atomic_load(&store->hard_limit_bytes);
	uint64_t all = atomic_fetch_add(&store->contexts.more_bytes, bytes) + bytes;

	if (limit == 0 || all <= limit / CONTEXT_LIMIT_SHARE)
		return true;
	atomic_fetch_sub(&store->contexts.more_bytes, bytes);
	return false;
}

uint32_t rzi_contexts_high(const struct ramz *store)
{
	return atomic_load(&store->contexts.high);
}

struct rzi_context *rzi_context_at(const struct ramz *store, uint32_t i)
{
	return atomic_load(&store->contexts.context[i]);
}

static void contexts_raise_high(struct rzi_contexts *contexts, uint32_t index)
{
	uint32_t high = atomic_load(&contexts->high);

	while (high <= index && !atomic_compare_exchange_weak(&contexts->high, &high, index + 1))
		;
}

/* Put a new, taken context at this place. NULL without memory, or when another thread was first. */
static struct rzi_context *context_add(struct ramz *store, uint32_t index)
{
	uint64_t more_bytes = index != 0 ? context_bytes(store) : 0;
	struct rzi_context *there = NULL;
	struct rzi_context *context;

	RZI_ASSERT(index < CONTEXTS_MAX);
	if (more_bytes != 0 && !context_has_room(store, more_bytes))
		return NULL;
	context = context_create(store);
	if (context != NULL) {
		contexts_raise_high(&store->contexts, index);
		if (atomic_compare_exchange_strong(&store->contexts.context[index], &there,
						   context))
			return context;
		context_destroy(context);
	}
	atomic_fetch_sub(&store->contexts.more_bytes, more_bytes);
	return NULL;
}

static bool context_try(struct rzi_context *context)
{
	uint32_t free = CONTEXT_FREE;

	return atomic_load_explicit(&context->taken, memory_order_relaxed) == CONTEXT_FREE &&
	       atomic_compare_exchange_strong(&context->taken, &free, CONTEXT_TAKEN);
}

/* Take the context at this place, or NULL. If there is none and `make` is set, make it. */
static struct rzi_context *context_take_at(struct ramz *store, uint32_t index, bool make)
{
	struct rzi_context *context = rzi_context_at(store, index);

	if (context != NULL)
		return context_try(context) ? context : NULL;
	return make ? context_add(store, index) : NULL;
}

/* Take any free context below this index. */
static struct rzi_context *context_take_any(struct ramz *store, uint32_t below)
{
	struct rzi_context *context = NULL;

	for (uint32_t i = 0; context == NULL && i < below; i++)
		context = context_take_at(store, i, false);
	return context;
}

/* Take one behind the homes, or any free one. */
static struct rzi_context *context_take_other(struct ramz *store)
{
	uint32_t homes = store->contexts.homes;
	struct rzi_context *context = NULL;
	bool was_there = true;

	for (uint32_t i = homes; context == NULL && was_there && i < CONTEXTS_MAX; i++) {
		was_there = rzi_context_at(store, i) != NULL;
		context = context_take_at(store, i, true);
	}
	return context != NULL ? context : context_take_any(store, homes);
}

/* Take the context of the running CPU. It gets one when no other is free: one context serves a
 * thread that wanders from CPU to CPU, and threads that run at once get theirs as soon as they
 * meet. */
static struct rzi_context *context_take_home(struct ramz *store)
{
	uint32_t home = rzi_cpu_hint() % store->contexts.homes;
	struct rzi_context *context = rzi_context_at(store, home);

	if (context == NULL) {
		context = context_take_any(store, rzi_contexts_high(store));
		return context != NULL ? context : context_take_at(store, home, true);
	}
	return context_try(context) ? context : NULL;
}

/* Take a context on which calls are parked: they protect nothing, and nothing in it is needed. The
 * limit may allow no more contexts than there are parked calls, which may be waiting for this one.
 */
static struct rzi_context *context_borrow(struct ramz *store)
{
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);
		uint32_t parked = CONTEXT_PARKED;

		if (context != NULL &&
		    atomic_compare_exchange_strong(&context->taken, &parked, CONTEXT_TAKEN))
			return context;
	}
	return NULL;
}

static void context_give_back(struct rzi_context *context)
{
	RZI_ASSERT(atomic_load(&context->taken) == CONTEXT_TAKEN);
	RZI_ASSERT(atomic_load(&context->hazard[HAZARD_SLOT]) == XV_NULL_HANDLE); /* R7 */
	RZI_ASSERT(atomic_load(&context->hazard[HAZARD_TWIN]) == XV_NULL_HANDLE);
	atomic_store_explicit(&context->taken, context->parked != 0 ? CONTEXT_PARKED : CONTEXT_FREE,
			      memory_order_release);
}

static struct rzi_context *context_take(struct ramz *store)
{
	struct rzi_context *context = context_take_home(store);
	unsigned turns = 0;

	while (context == NULL) {
		context = context_take_other(store);
		if (context == NULL)
			context = context_borrow(store);
		if (context == NULL)
			rzi_pause(&turns);
	}
	return context;
}

static void gate_wait(struct rzi_contexts *contexts)
{
	(void)pthread_mutex_lock(&contexts->lock);
	while (atomic_load(&contexts->closed))
		(void)pthread_cond_wait(&contexts->opened, &contexts->lock);
	(void)pthread_mutex_unlock(&contexts->lock);
}

struct rzi_context *rzi_enter(struct ramz *store)
{
	for (;;) {
		struct rzi_context *context = context_take(store);

		if (!atomic_load(&store->contexts.closed))
			return context;
		context_give_back(context);
		gate_wait(&store->contexts);
	}
}

void rzi_park(struct rzi_context *context)
{
	context->parked++;
	context_give_back(context);
}

void rzi_unpark(struct rzi_context *context)
{
	unsigned turns = 0;

	for (;;) {
		uint32_t parked = CONTEXT_PARKED;

		/* Another call may have it. */
		if (!atomic_compare_exchange_strong(&context->taken, &parked, CONTEXT_TAKEN)) {
			rzi_pause(&turns);
			continue;
		}
		if (!atomic_load(&context->store->contexts.closed))
			break;
		context_give_back(context);
		gate_wait(&context->store->contexts);
	}
	RZI_ASSERT(context->parked != 0);
	context->parked--;
}

void rzi_leave_quietly(struct rzi_context *context)
{
	if (context->retired_count != 0)
		rzi_retired_free(context);
	context_give_back(context);
}

void rzi_leave(struct rzi_context *context)
{
	struct ramz *store = context->store;
	uint64_t soft_held_bytes = context->soft_held_bytes;

	context->soft_held_bytes = 0;
	rzi_leave_quietly(context);
	if (soft_held_bytes != 0 && store->on_soft_limit != NULL)
		store->on_soft_limit(store->limit_context, store, soft_held_bytes);
}

/* ---- the gate ---- */

void rzi_gate_close(struct ramz *store)
{
	unsigned turns = 0;

	RZI_ASSERT(rzi_mutex_is_taken(&store->admin) && !atomic_load(&store->contexts.closed));
	atomic_store(&store->contexts.closed, true);
	/* A context added meanwhile lies behind those looked at, or in a gap before them: its
	 * taker sees the closed gate, and does not use it. */
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		while (context != NULL && atomic_load(&context->taken) == CONTEXT_TAKEN)
			rzi_pause(&turns);
	}
}

void rzi_gate_open(struct ramz *store)
{
	struct rzi_contexts *contexts = &store->contexts;

	RZI_ASSERT(rzi_mutex_is_taken(&store->admin) && atomic_load(&contexts->closed));
	(void)pthread_mutex_lock(&contexts->lock);
	atomic_store(&contexts->closed, false);
	(void)pthread_cond_broadcast(&contexts->opened);
	(void)pthread_mutex_unlock(&contexts->lock);
}

struct rzi_context *rzi_enter_closed(struct ramz *store)
{
	RZI_ASSERT(atomic_load(&store->contexts.closed));
	return context_take(store);
}

/* ---- hazard words ---- */

bool rzi_is_protected(const struct ramz *store, xv_handle handle)
{
	uint32_t high = rzi_contexts_high(store);

	for (uint32_t i = 0; i < high; i++) {
		const struct rzi_context *context = rzi_context_at(store, i);

		for (uint32_t j = 0; context != NULL && j < CONTEXT_HAZARDS; j++) {
			if (atomic_load(&context->hazard[j]) == handle)
				return true;
		}
	}
	return false;
}

/* ---- all contexts ---- */

int rzi_contexts_init(struct ramz *store)
{
	struct rzi_contexts *contexts = &store->contexts;
	uint32_t cpus = rzi_cpu_count();
	struct rzi_context *first;

	contexts->homes = cpus < CONTEXT_HOMES_MAX ? cpus : CONTEXT_HOMES_MAX;
	if (pthread_mutex_init(&contexts->lock, NULL) != 0)
		return -XV_ENOMEM;
	if (pthread_cond_init(&contexts->opened, NULL) != 0) {
		(void)pthread_mutex_destroy(&contexts->lock);
		return -XV_ENOMEM;
	}
	first = context_add(store, 0);
	if (first == NULL) {
		(void)pthread_cond_destroy(&contexts->opened);
		(void)pthread_mutex_destroy(&contexts->lock);
		return -XV_ENOMEM;
	}
	atomic_store(&first->taken, CONTEXT_FREE);
	return 0;
}

void rzi_contexts_fini(struct ramz *store)
{
	for (uint32_t i = 0; i < CONTEXTS_MAX; i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL)
			context_destroy(context);
	}
	(void)pthread_cond_destroy(&store->contexts.opened);
	(void)pthread_mutex_destroy(&store->contexts.lock);
}

/* A thread that waits at the gate may have a pointer to a context, and take it for a moment to
 * see that the gate is closed. So contexts stay, but their content is ours. */
void rzi_contexts_trim(struct ramz *store)
{
	RZI_ASSERT(atomic_load(&store->contexts.closed));
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context == NULL)
			continue;
		rzi_retired_free(context);
		(void)rzi_context_drop_codecs(context, 0);
	}
}

uint64_t rzi_contexts_drop_idle(struct ramz *store)
{
	uint64_t now_ns = rzi_now_ns();
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context == NULL || !context_try(context))
			continue;
		if (now_ns - context->timed_ns > IDLE_NS)
			bytes += rzi_context_drop_codecs(context, 0);
		rzi_leave_quietly(context);
	}
	return bytes;
}

void rzi_contexts_drain(struct ramz *store)
{
	RZI_ASSERT(rzi_mutex_is_taken(&store->admin));
	for (uint32_t i = 0; i < rzi_contexts_high(store); i++) {
		struct rzi_context *context = rzi_context_at(store, i);

		if (context != NULL && context_try(context))
			rzi_leave_quietly(context);
	}
}
