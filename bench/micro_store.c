/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_store.c: the compressed page store, beside its codec alone and kernel zram.
 *
 *   store/write/WHO/CODEC       write an empty slot, in order
 *   store/overwrite/WHO/CODEC   write a random page to a random slot
 *   store/read/WHO/CODEC        read a random slot
 *   store/compact/ramz/CODEC    compact a store of which 90% was discarded at random; the
 *                               counter held is without the slot table there
 *
 * WHO is one of
 *
 *   ramz   a store with everything but the codec at its default
 *   raw    the codec alone: compress into one buffer that stays in the cache, decompress from
 *          forms made before; pages that do not become smaller are copied
 *   zram   a device of the kernel, added for it and removed after it: O_DIRECT, a system call a
 *          page. Needs root and the zram module; else it is left out
 *
 * All take the same pages in the same order. No page is of one repeated word, and none is there
 * twice. Each thread has slots of its own. At the end each slot is compared with what was
 * written to it. The counter held is bytes held over bytes of the compressed forms.
 *
 * Owns the pages and the one subject there is at a time. Locking: thread 0 makes the subject
 * while the others wait at a barrier. O(1) an iteration.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramz/ramz.h>

#include "base.h"
#include "micro.h"
#include "zram.h"

#define PAGE_BYTES 4096U
#define BATCH 16U
#define STORE_THREADS 2U
#define LEFT_PERCENT 10U

/* ---- The pages ---- */

static struct mix_pages pages; /* read when the first benchmark needs them */

static const unsigned char *page_at(uint32_t n)
{
	return pages.data + (size_t)pages.index[n] * PAGE_BYTES;
}

/* ---- Who: what can be written to and read from ---- */

/* One of them with one codec. Calls for different slots may run at the same time. */
struct who {
	const char *name;
	void *(*create)(const struct ramz_codec *codec); /* NULL with the reason in why */
	void (*destroy)(void *self);
	int (*write)(void *self, unsigned thread, uint32_t slot, uint32_t n);
	/* The slot holds page n. */
	int (*read)(void *self, unsigned thread, uint32_t slot, uint32_t n, void *to);
	int (*clear)(void *self, uint32_t first, uint32_t count);
	double (*held)(void *self); /* over the forms' bytes; NULL: holds nothing */
};

static char why[256];

static double over(uint64_t held, uint64_t forms)
{
	return forms > 0 ? (double)held / (double)forms : 0;
}

static void *ramz_make(const struct ramz_codec *codec)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	ramz_options_init(&options);
	options.size_bytes = (uint64_t)pages.count * PAGE_BYTES;
	options.codec = codec;
	if (ramz_create(&store, &options) != 0)
		snprintf(why, sizeof(why), "no store could be made");
	return store;
}

static void ramz_end(void *self)
{
	ramz_destroy(self);
}

static int ramz_put(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	(void)thread;
	return ramz_write_page(self, slot, page_at(n));
}

static int ramz_get(void *self, unsigned thread, uint32_t slot, uint32_t n, void *to)
{
	(void)thread;
	(void)n;
	return ramz_read_page(self, slot, to);
}

static int ramz_clear(void *self, uint32_t first, uint32_t count)
{
	return ramz_discard(self, (uint64_t)first * PAGE_BYTES, (uint64_t)count * PAGE_BYTES);
}

static double ramz_held(void *self)
{
	struct ramz_stats stats;

	ramz_get_stats(self, &stats);
	return over(stats.held_bytes, stats.stored_bytes);
}

struct raw_form {
	size_t offset; /* in forms */
	int bytes;     /* 0: the page itself, which is not in forms */
};

struct raw {
	const struct ramz_codec *codec;
	void *context[STORE_THREADS];
	unsigned char buffer[STORE_THREADS][PAGE_BYTES];
	struct raw_form *form; /* by page */
	unsigned char *forms;
};

static void raw_end(void *self)
{
	struct raw *raw = self;

	for (unsigned i = 0; i < STORE_THREADS; i++) {
		if (raw->context[i] != NULL)
			raw->codec->context_destroy(raw->context[i]);
	}
	free(raw->form);
	free(raw->forms);
	free(raw);
}

/* As long as a store keeps it compressed. */
static int raw_compress(struct raw *raw, unsigned thread, uint32_t n)
{
	return raw->codec->compress(raw->context[thread], page_at(n), PAGE_BYTES,
				    raw->buffer[thread],
				    PAGE_BYTES * RAMZ_RAW_ABOVE_PERMILLE / 1000);
}

/* What reading starts from. False when there is no memory or the codec fails. */
static bool raw_make_forms(struct raw *raw)
{
	size_t used = 0;

	raw->form = calloc(pages.count, sizeof(*raw->form));
	raw->forms = malloc((size_t)pages.count * PAGE_BYTES);
	if (raw->form == NULL || raw->forms == NULL)
		return false;
	for (uint32_t n = 0; n < pages.count; n++) {
		int bytes = raw_compress(raw, 0, n);

		if (bytes < 0)
			return false;
		raw->form[n] = (struct raw_form){.offset = used, .bytes = bytes};
		memcpy(raw->forms + used, raw->buffer[0], (size_t)bytes);
		used += (size_t)bytes;
	}
	return true;
}

static void *raw_make(const struct ramz_codec *codec)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	bool good = raw != NULL;

	for (unsigned i = 0; i < STORE_THREADS && good; i++) {
		raw->codec = codec;
		raw->context[i] = codec->context_create(PAGE_BYTES, codec->level_default);
		good = raw->context[i] != NULL;
	}
	if (good && raw_make_forms(raw))
		return raw;
	snprintf(why, sizeof(why), "the codec could not be used");
	if (raw != NULL)
		raw_end(raw);
	return NULL;
}

static int raw_put(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	struct raw *raw = self;
	int bytes = raw_compress(raw, thread, n);

	(void)slot;
	if (bytes == 0)
		memcpy(raw->buffer[thread], page_at(n), PAGE_BYTES);
	return bytes < 0 ? bytes : 0;
}

static int raw_get(void *self, unsigned thread, uint32_t slot, uint32_t n, void *to)
{
	const struct raw *raw = self;
	const struct raw_form *form = &raw->form[n];

	(void)slot;
	if (form->bytes == 0) {
		memcpy(to, page_at(n), PAGE_BYTES);
		return 0;
	}
	return raw->codec->decompress(raw->context[thread], raw->forms + form->offset,
				      (size_t)form->bytes, to, PAGE_BYTES);
}

static int raw_clear(void *self, uint32_t first, uint32_t count)
{
	(void)self;
	(void)first;
	(void)count;
	return 0;
}

static void *zram_make(const struct ramz_codec *codec)
{
	return xvm_zram_open(codec->name, pages.count, why);
}

static void zram_end(void *self)
{
	xvm_zram_close(self);
}

/* Pages lie aligned, as the device needs them. */
static int zram_put(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	(void)thread;
	return xvm_zram_put(self, slot, page_at(n));
}

static int zram_get(void *self, unsigned thread, uint32_t slot, uint32_t n, void *to)
{
	(void)thread;
	(void)n;
	return xvm_zram_get(self, slot, to);
}

static int zram_clear(void *self, uint32_t first, uint32_t count)
{
	return xvm_zram_discard(self, first, count);
}

static double zram_held(void *self)
{
	struct xvm_zram_stat stat;

	return xvm_zram_stat(self, &stat) == 0 ? over(stat.mem_used_bytes, stat.compr_bytes) : 0;
}

static const struct who whos[] = {
	{"ramz", ramz_make, ramz_end, ramz_put, ramz_get, ramz_clear, ramz_held},
	{"raw", raw_make, raw_end, raw_put, raw_get, raw_clear, NULL},
	{"zram", zram_make, zram_end, zram_put, zram_get, zram_clear, zram_held},
};
enum { WHOS = sizeof(whos) / sizeof(whos[0]), WHO_RAMZ = 0, WHO_ZRAM = 2 };

/* ---- A benchmark ---- */

struct store_case {
	const struct who *who;
	const struct ramz_codec *codec;
	const char *source; /* of the pages */
	pthread_barrier_t barrier;
	atomic_bool failed;
};

/* What is being measured: the last case's is kept, as its body is called several times over. */
static struct {
	const struct store_case *owner; /* NULL: there is none */
	void *self;
	uint32_t *content; /* by slot: the page that was written last */
} current;

static void current_drop(void)
{
	if (current.owner != NULL)
		current.owner->who->destroy(current.self);
	free(current.content);
	memset(&current, 0, sizeof(current));
}

void micro_drop_store(void)
{
	current_drop();
	mix_pages_fini(&pages);
}

/* Put page n into slot n of [first, end). */
static int fill(const struct store_case *store, unsigned thread, uint32_t first, uint32_t end)
{
	int failures = 0;

	for (uint32_t n = first; n < end; n++) {
		failures |= store->who->write(current.self, thread, n, n);
		current.content[n] = n;
	}
	return failures;
}

/* The subject of the case with every slot full; false with the reason in why. */
static bool current_make(const struct store_case *store)
{
	if (current.owner == store)
		return true;
	current_drop();
	snprintf(why, sizeof(why), "the pages could not be read");
	if (pages.count == 0 && !mix_pages_read(&pages, store->source))
		return false;
	current.content = calloc(pages.count, sizeof(*current.content));
	current.self = current.content != NULL ? store->who->create(store->codec) : NULL;
	if (current.self == NULL)
		return false;
	current.owner = store;
	snprintf(why, sizeof(why), "the pages could not be written");
	return fill(store, 0, 0, pages.count) == 0;
}

/* Does each slot of [first, end) hold what was written to it? */
static bool verify(const struct store_case *store, unsigned thread, uint32_t first, uint32_t end)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];

	for (uint32_t slot = first; slot < end; slot++) {
		uint32_t n = current.content[slot];

		if (store->who->read(current.self, thread, slot, n, page) != 0 ||
		    memcmp(page, page_at(n), PAGE_BYTES) != 0)
			return false;
	}
	return true;
}

/* One thread of a run, and its slots. */
struct part {
	struct store_case *store;
	struct micro_run *run;
	unsigned thread;
	uint32_t first, end;
	uint64_t random;
};

static bool part_enter(struct part *part, struct micro_run *run, const void *context)
{
	struct store_case *store = (struct store_case *)(uintptr_t)context;
	unsigned threads = micro_threads(run);

	*part = (struct part){.store = store, .run = run, .thread = micro_thread(run)};
	if (part->thread == 0)
		atomic_store(&store->failed, !current_make(store));
	pthread_barrier_wait(&store->barrier);
	if (atomic_load(&store->failed)) {
		micro_fail(run, why);
		return false;
	}
	part->random = scene_seed() + part->thread;
	part->first = (uint32_t)((uint64_t)pages.count * part->thread / threads);
	part->end = (uint32_t)((uint64_t)pages.count * (part->thread + 1) / threads);
	return true;
}

static void part_leave(struct part *part, uint64_t count, int failures)
{
	struct store_case *store = part->store;

	if (failures != 0 || !verify(store, part->thread, part->first, part->end))
		atomic_store(&store->failed, true);
	if (count > 0)
		micro_bytes(part->run, count * PAGE_BYTES);
	pthread_barrier_wait(&store->barrier);
	if (store->who->held != NULL)
		micro_counter(part->run, "held", store->who->held(current.self));
	if (atomic_load(&store->failed))
		micro_fail(part->run, "an operation failed, or a slot holds another page");
}

static void write_body(struct micro_run *run, const void *context)
{
	struct part part;
	uint64_t count = 0;
	int failures = 0;

	if (!part_enter(&part, run, context))
		return;
	while (micro_keep_running(run, part.end - part.first)) {
		micro_pause(run);
		failures |= part.store->who->clear(current.self, part.first, part.end - part.first);
		micro_resume(run);
		failures |= fill(part.store, part.thread, part.first, part.end);
		count += part.end - part.first;
	}
	part_leave(&part, count, failures);
}

static uint32_t part_slot(struct part *part)
{
	uint32_t bits = (uint32_t)(random_next(&part->random) >> 32);

	return part->first + random_below(bits, part->end - part->first);
}

static int overwrite_slot(struct part *part, uint32_t slot)
{
	uint32_t n = random_below((uint32_t)(random_next(&part->random) >> 32), pages.count);

	current.content[slot] = n;
	return part->store->who->write(current.self, part->thread, slot, n);
}

static int read_slot(struct part *part, uint32_t slot)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];

	return part->store->who->read(current.self, part->thread, slot, current.content[slot],
				      page);
}

static void random_slots(struct micro_run *run, const void *context,
			 int (*operation)(struct part *part, uint32_t slot))
{
	struct part part;
	uint64_t count = 0;
	int failures = 0;

	if (!part_enter(&part, run, context))
		return;
	for (; micro_keep_running(run, BATCH); count += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= operation(&part, part_slot(&part));
	}
	part_leave(&part, count, failures);
}

static void overwrite_body(struct micro_run *run, const void *context)
{
	random_slots(run, context, overwrite_slot);
}

static void read_body(struct micro_run *run, const void *context)
{
	random_slots(run, context, read_slot);
}

/* Full, and then 90% discarded: which pages are left does not depend on the run. */
static int make_sparse(const struct store_case *store)
{
	uint64_t random = scene_seed();
	int failures = fill(store, 0, 0, pages.count);

	for (uint32_t slot = 0; slot < pages.count; slot++) {
		if (random_below((uint32_t)(random_next(&random) >> 32), 100) >= LEFT_PERCENT)
			failures |= ramz_clear(current.self, slot, 1);
	}
	return failures;
}

static void compact_body(struct micro_run *run, const void *context)
{
	struct ramz_stats stats;
	struct part part;
	int failures = 0;

	if (!part_enter(&part, run, context))
		return;
	while (micro_keep_running(run, 1)) {
		micro_pause(run);
		failures |= make_sparse(part.store);
		micro_resume(run);
		failures |= ramz_compact(current.self, 0, NULL) != 0;
	}
	ramz_get_stats(current.self, &stats);
	failures |= fill(part.store, 0, 0, pages.count);
	part_leave(&part, 0, failures);
	micro_counter(run, "held",
		      over(stats.held_bytes - stats.slot_table_bytes, stats.stored_bytes));
}

/* ---- The list ---- */

static void add(const char *operation, micro_body *body, const struct who *who,
		const struct ramz_codec *codec, const char *source, unsigned threads)
{
	struct store_case *store = xvm_calloc(1, sizeof(*store));
	struct micro_entry entry = {
		.body = body, .context = store, .threads = threads, .real_time = threads > 1};
	char name[96];

	*store = (struct store_case){.who = who, .codec = codec, .source = source};
	pthread_barrier_init(&store->barrier, NULL, threads);
	snprintf(name, sizeof(name), "store/%s/%s/%s", operation, who->name, codec->name);
	entry.name = name;
	micro_register(&entry);
}

/* The rows that are compared stand together: what disturbs the machine meets all of them. */
static void add_codec(const struct ramz_codec *codec, const char *source, size_t who_count)
{
	for (unsigned threads = 1; threads <= STORE_THREADS; threads++) {
		for (size_t i = 0; i < who_count; i++)
			add("write", write_body, &whos[i], codec, source, threads);
		for (size_t i = 0; i < who_count; i++)
			add("overwrite", overwrite_body, &whos[i], codec, source, threads);
		for (size_t i = 0; i < who_count; i++)
			add("read", read_body, &whos[i], codec, source, threads);
	}
	add("compact", compact_body, &whos[WHO_RAMZ], codec, source, 1);
}

void micro_add_store(const struct micro_setup *setup)
{
	static const char *const names[] = {"lz4", "lzo", "zstd"};
	char reason[sizeof(why)];
	size_t who_count = WHOS;

	if (xvm_zram_available(reason) != 0) {
		micro_add_context("zram_left_out", reason);
		who_count = WHO_ZRAM;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ramz_codec *codec = ramz_codec_by_name(names[i]);

		if (codec != NULL) /* not every build has each */
			add_codec(codec, setup->pages, who_count);
	}
}
