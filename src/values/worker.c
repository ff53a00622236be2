/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * worker.c: workers, their contexts, and records made and read with them; see worker.h.
 */
#include "worker.h"

#include "codec_list.h"
#include "evict.h"

/* ---- contexts ---- */

/* Bytes that compress: a context that compressed and decompressed them has all of its memory. */
static void plain_fill(unsigned char *plain, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		plain[i] = (unsigned char)('a' + (i * i >> 3) % 23);
}

static bool context_warm(const struct ramz_values *cache, struct rzi_worker *worker, void *context)
{
	size_t bytes = cache->plain_max;
	int form;

	plain_fill(worker->plain, bytes);
	form = cache->codec->compress(context, worker->plain, bytes, worker->out,
				      bytes + RECORD_ROOM);
	return form > 0 && cache->codec->decompress(context, worker->out, (size_t)form,
						    worker->plain, bytes) == 0;
}

static void *context_create(const struct ramz_values *cache, uint32_t coding)
{
	const struct rzi_dictionary *dictionary = cache->coding[coding].dictionary;

	return dictionary != NULL ? cache->codec->context_create_with(
					    cache->plain_max, cache->level, dictionary->digest)
				  : cache->codec->context_create(cache->plain_max, cache->level);
}

int rzi_worker_context_make(struct ramz_values *cache, struct rzi_worker *worker, uint32_t coding)
{
	struct rzi_worker_context *wc = &worker->coding[coding];
	size_t bytes;
	void *context;

	if (cache->codec == NULL)
		return 0;
	RZI_ASSERT(wc->context == NULL && atomic_load(&worker->taken));
	context = context_create(cache, coding);
	if (context == NULL || !context_warm(cache, worker, context)) {
		cache->codec->context_destroy(context);
		return -XV_ENOMEM;
	}
	bytes = cache->codec->context_bytes != NULL ? cache->codec->context_bytes(context) : 0;
	if (!rzi_evict_charge(cache, bytes)) {
		cache->codec->context_destroy(context);
		return -XV_ENOSPC;
	}
	wc->context = context;
	wc->bytes = bytes;
	atomic_fetch_add(&cache->worker_bytes, bytes);
	return 0;
}

void rzi_worker_context_drop(struct ramz_values *cache, struct rzi_worker *worker, uint32_t coding)
{
	struct rzi_worker_context *wc = &worker->coding[coding];

	if (wc->context == NULL)
		return;
	cache->codec->context_destroy(wc->context);
	wc->context = NULL;
	RZI_ASSERT(atomic_load(&cache->worker_bytes) >= wc->bytes);
	rzi_memory_discharge(&cache->memory, wc->bytes);
	atomic_fetch_sub(&cache->worker_bytes, wc->bytes);
}

/* ---- workers ---- */

/* A worker and its buffers in one piece. */
static size_t worker_bytes(const struct ramz_values *cache)
{
	return sizeof(struct rzi_worker) + 3 * cache->plain_max + 4 * RECORD_ROOM;
}

static void worker_destroy(struct ramz_values *cache, struct rzi_worker *worker)
{
	for (uint32_t i = 0; i < CODINGS; i++)
		rzi_worker_context_drop(cache, worker, i);
	rzi_memory_free(&cache->memory, worker, worker_bytes(cache));
	atomic_fetch_sub(&cache->worker_bytes, rzi_memory_rounded(worker_bytes(cache)));
}

/* A taken worker, or an error. */
static int worker_create(struct ramz_values *cache, struct rzi_worker **out)
{
	size_t bytes = worker_bytes(cache);
	int err = 0;
	struct rzi_worker *worker = rzi_memory_alloc(&cache->memory, bytes, &err);

	if (worker == NULL)
		return err;
	atomic_fetch_add(&cache->worker_bytes, rzi_memory_rounded(bytes));
	atomic_init(&worker->taken, true);
	worker->plain = (unsigned char *)(worker + 1);
	worker->in = worker->plain + cache->plain_max;
	worker->out = worker->in + cache->plain_max + 2 * RECORD_ROOM;
	for (uint32_t i = 0; i < CODINGS && err == 0; i++)
		err = cache->coding[i].live ? rzi_worker_context_make(cache, worker, i) : 0;
	if (err == 0)
		*out = worker;
	else
		worker_destroy(cache, worker);
	return err;
}

int rzi_workers_init(struct ramz_values *cache)
{
	struct rzi_worker *worker;
	int err = worker_create(cache, &worker);

	if (err != 0)
		return err;
	atomic_store(&cache->worker[0], worker);
	atomic_store(&cache->workers, 1);
	rzi_worker_give(worker);
	return 0;
}

void rzi_workers_fini(struct ramz_values *cache)
{
	for (uint32_t i = 0; i < atomic_load(&cache->workers); i++)
		worker_destroy(cache, atomic_load(&cache->worker[i]));
}

static bool worker_try(struct rzi_worker *worker)
{
	bool is_free = false;

	return !atomic_load_explicit(&worker->taken, memory_order_relaxed) &&
	       atomic_compare_exchange_strong(&worker->taken, &is_free, true);
}

/* May the cache have one more? The limit's share is not exact: workers need not be alike. */
static bool workers_may_grow(const struct ramz_values *cache, uint32_t workers)
{
	uint64_t limit = cache->memory.hard_limit_bytes;
	uint64_t all = atomic_load(&cache->worker_bytes);

	return workers < WORKERS_MAX && workers < rzi_cpu_count() &&
	       (limit == 0 || all <= limit / WORKERS_LIMIT_SHARE);
}

/* Make another worker, unless codings are changing. */
static struct rzi_worker *workers_add(struct ramz_values *cache)
{
	uint32_t workers = atomic_load(&cache->workers);
	struct rzi_worker *worker = NULL;

	if (!workers_may_grow(cache, workers) || pthread_mutex_trylock(&cache->admin) != 0)
		return NULL;
	workers = atomic_load(&cache->workers);
	if (workers_may_grow(cache, workers) && worker_create(cache, &worker) == 0) {
		atomic_store(&cache->worker[workers], worker);
		atomic_store(&cache->workers, workers + 1);
	}
	(void)pthread_mutex_unlock(&cache->admin);
	return worker;
}

/* Threads begin to look at different places. */
static struct rzi_worker *workers_try(struct ramz_values *cache)
{
	uint32_t workers = atomic_load(&cache->workers);
	uint32_t first = rzi_cpu_hint();

	for (uint32_t i = 0; i < workers; i++) {
		struct rzi_worker *worker = atomic_load(&cache->worker[(first + i) % workers]);

		if (worker_try(worker))
			return worker;
	}
	return NULL;
}

struct rzi_worker *rzi_worker_take(struct ramz_values *cache)
{
	struct rzi_worker *worker = workers_try(cache);
	unsigned turns = 0;

	if (worker == NULL)
		worker = workers_add(cache);
	while (worker == NULL) {
		rzi_pause(&turns);
		worker = workers_try(cache);
	}
	return worker;
}

void rzi_worker_give(struct rzi_worker *worker)
{
	RZI_ASSERT(atomic_load(&worker->taken));
	atomic_store_explicit(&worker->taken, false, memory_order_release);
}

struct rzi_worker *rzi_worker_wait(struct ramz_values *cache, uint32_t i)
{
	struct rzi_worker *worker;
	unsigned turns = 0;

	if (i >= atomic_load(&cache->workers))
		return NULL;
	worker = atomic_load(&cache->worker[i]);
	while (!worker_try(worker))
		rzi_pause(&turns);
	return worker;
}

/* ---- records ---- */

/* Compress worker->plain. Returns the bytes of the form at worker->out + RECORD_ROOM, 0 when it is
 * not shorter, or an error; trims it. */
static int plain_compress(struct ramz_values *cache, struct rzi_worker *worker, uint32_t coding,
			  struct rzi_record *record, unsigned char **form)
{
	uint32_t plain = record->plain_bytes;
	int got;

	RZI_ASSERT(plain != 0 && plain <= cache->plain_max);
	*form = worker->out + RECORD_ROOM;
	if (cache->codec == NULL)
		return 0;
	got = cache->codec->compress(worker->coding[coding].context, worker->plain, plain, *form,
				     plain + RECORD_LEAD_MAX);
	if (got > 0 && cache->codec->id == RZI_CODEC_ZSTD) {
		uint32_t lead = rzi_record_trim(*form, (uint32_t)got, plain);

		record->flags |= lead != 0 ? RECORD_TRIMMED : 0;
		*form += lead;
		got -= (int)lead;
	}
	/* A raw record has one or more bytes less of header. */
	return got < 0 || (uint32_t)got + 1 < plain ? got : 0;
}

int rzi_worker_encode(struct ramz_values *cache, struct rzi_worker *worker,
		      struct rzi_record *record, unsigned char **at)
{
	uint32_t coding = atomic_load(&cache->present);
	unsigned char head[RECORD_HEAD_MAX];
	unsigned char *form;
	int got;

	RZI_ASSERT(coding < CODINGS && cache->coding[coding].live);
	record->flags = (record->flags & RECORD_EXPIRES) | coding;
	got = plain_compress(cache, worker, coding, record, &form);
	if (got < 0)
		return got;
	record->form_bytes = (uint32_t)got;
	if (got == 0) {
		record->flags = (record->flags & ~(uint32_t)RECORD_TRIMMED) | RECORD_RAW;
		record->form_bytes = record->plain_bytes;
		form = worker->out + RECORD_ROOM;
		memcpy(form, worker->plain, record->plain_bytes);
	}
	*at = form - rzi_record_write(record, head);
	memcpy(*at, head, record->head_bytes);
	return 0;
}

int rzi_worker_read(struct ramz_values *cache, struct rzi_worker *worker, xv_id id,
		    struct rzi_record *record)
{
	unsigned char *at = worker->in + RECORD_ROOM;
	int bytes = xv_id_read_whole(cache->table, id, at, cache->plain_max + RECORD_HEAD_MAX);

	if (bytes < 0)
		return -XV_EBADMSG;
	return rzi_record_parse(record, at, (size_t)bytes, (size_t)bytes) ? 0 : -XV_EBADMSG;
}

const unsigned char *rzi_worker_decode(struct ramz_values *cache, struct rzi_worker *worker,
				       const struct rzi_record *record)
{
	void *context = worker->coding[rzi_record_coding(record)].context;
	unsigned char *form = worker->in + RECORD_ROOM + record->head_bytes;
	unsigned char lead[RECORD_LEAD_MAX];
	uint32_t lead_bytes = 0;

	if (rzi_record_is_raw(record))
		return form;
	if (context == NULL || record->plain_bytes > cache->plain_max)
		return NULL;
	if ((record->flags & RECORD_TRIMMED) != 0)
		lead_bytes = rzi_record_lead(record->plain_bytes, record->form_bytes, lead);
	memcpy(form - lead_bytes, lead, lead_bytes);
	if (cache->codec->decompress(context, form - lead_bytes, record->form_bytes + lead_bytes,
				     worker->plain, record->plain_bytes) != 0)
		return NULL;
	return worker->plain;
}
