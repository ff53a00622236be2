/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_store.c: the compressed page store, beside its codec alone and kernel zram.
 *
 *   store/WHO/write/CODEC       write an empty slot, in order
 *   store/WHO/overwrite/CODEC   write a random page to a random slot
 *   store/WHO/read/CODEC        read a random slot
 *   store/ramz/compact/CODEC    compact a store of which 90% was discarded at random; the
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
 * Owns the pages and the one store there is at a time. Locking: a team while a store is made.
 * O(1) an iteration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramz/ramz.h>

#include "input.h"
#include "micro.h"
#include "registry.h"

#define PAGE_BYTES 4096U
#define PAGES_LEAST 64U
#define BATCH 16U
#define STORE_THREADS 2U
#define LEFT_PERCENT 10U
#define COMPACTIONS 10U /* what comes before each takes fifty times as long */

static char why[XVFRAG_PLUGIN_WHY_BYTES]; /* no store could be made */

/* ---- The pages ---- */

static struct xvm_input input; /* read when the first benchmark needs it */
static uint32_t *page_index;   /* of the input: the pages that are written */
static uint32_t page_count;

static const uint8_t *page_at(uint32_t n)
{
	return xvm_pages_at(&input.pages, page_index[n]);
}

/* FNV-1a over words. */
static uint64_t page_hash(const uint8_t *page)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325), word;

	for (size_t at = 0; at < PAGE_BYTES; at += sizeof(word)) {
		memcpy(&word, page + at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x100000001B3);
	}
	return hash;
}

/* Of each content the first page. Two of one hash count as one content. */
static void find_distinct(void)
{
	size_t places = 4 * input.distinct_count + 1;
	uint64_t *seen = xvm_calloc(places, sizeof(*seen));

	page_index = xvm_calloc(input.distinct_count + 1, sizeof(*page_index));
	for (size_t i = 0; i < input.distinct_count; i++) {
		uint64_t hash = page_hash(xvm_pages_at(&input.pages, input.distinct[i]));
		size_t at = hash % places;

		while (seen[at] != 0 && seen[at] != hash)
			at = (at + 1) % places;
		if (seen[at] == 0)
			page_index[page_count++] = input.distinct[i];
		seen[at] = hash;
	}
	free(seen);
}

static bool read_pages(const char *name)
{
	if (page_index == NULL && xvm_input_load(&input, name, MIX_INPUT_BYTES_MAX) == 0)
		find_distinct();
	if (page_count >= PAGES_LEAST)
		return true;
	snprintf(why, sizeof(why),
		 "%s has %u different pages that are not of one word; at least %u are needed: name "
		 "another input with --pages",
		 name, (unsigned)page_count, PAGES_LEAST);
	return false;
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

static double over(uint64_t held, uint64_t forms)
{
	return forms > 0 ? (double)held / (double)forms : 0;
}

static void *ramz_make(const struct ramz_codec *codec)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	ramz_options_init(&options);
	options.size_bytes = (uint64_t)page_count * PAGE_BYTES;
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

/* What reading starts from. False when the codec fails. */
static bool raw_make_forms(struct raw *raw)
{
	size_t used = 0;

	raw->form = xvm_calloc(page_count, sizeof(*raw->form));
	raw->forms = xvm_calloc(page_count, PAGE_BYTES);
	for (uint32_t n = 0; n < page_count; n++) {
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
	struct raw *raw = xvm_calloc(1, sizeof(*raw));
	bool good = true;

	raw->codec = codec;
	for (unsigned i = 0; i < STORE_THREADS && good; i++) {
		raw->context[i] = codec->context_create(PAGE_BYTES, codec->level_default);
		good = raw->context[i] != NULL;
	}
	if (good && raw_make_forms(raw))
		return raw;
	snprintf(why, sizeof(why), "the codec could not be used");
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

static const struct xvfrag_plugin *const zram = &xvm_allocator_zram;

static void *zram_make(const struct ramz_codec *codec)
{
	const struct xvfrag_plugin_config config = {
		.codec = codec->name, .max_objects = page_count, .why = why};

	return zram->create(&config);
}

static void zram_end(void *self)
{
	zram->destroy(self);
}

static int zram_put(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	(void)thread;
	return zram->write(self, slot, page_at(n), PAGE_BYTES);
}

static int zram_get(void *self, unsigned thread, uint32_t slot, uint32_t n, void *to)
{
	(void)thread;
	(void)n;
	return zram->read(self, slot, to, PAGE_BYTES);
}

static int zram_clear(void *self, uint32_t first, uint32_t count)
{
	int failures = 0;

	for (uint32_t slot = first; slot < first + count; slot++)
		failures |= zram->free(self, slot, PAGE_BYTES);
	return failures;
}

static double zram_held(void *self)
{
	return over(zram->held_bytes(self), zram->requested_bytes(self));
}

static const struct who whos[] = {
	{"ramz", ramz_make, ramz_end, ramz_put, ramz_get, ramz_clear, ramz_held},
	{"raw", raw_make, raw_end, raw_put, raw_get, raw_clear, NULL},
	{"zram", zram_make, zram_end, zram_put, zram_get, zram_clear, zram_held},
};
enum { WHOS = sizeof(whos) / sizeof(whos[0]), WHO_ZRAM = 2 };

/* ---- A benchmark ---- */

struct store_case {
	struct micro_team team;
	const struct who *who;
	const struct ramz_codec *codec;
	const char *source; /* of the pages */
};

/* What is being measured: the last case's is kept, as its body is called several times. */
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
	xvm_input_fini(&input);
	free(page_index);
}

static int write_slot(const struct store_case *store, unsigned thread, uint32_t slot, uint32_t n)
{
	current.content[slot] = n;
	return store->who->write(current.self, thread, slot, n);
}

/* Put page n into slot n of [first, end). */
static int fill(const struct store_case *store, unsigned thread, uint32_t first, uint32_t end)
{
	int failures = 0;

	for (uint32_t n = first; n < end; n++)
		failures |= write_slot(store, thread, n, n);
	return failures;
}

/* The store of the case with every slot full. */
static bool current_make(void *context)
{
	const struct store_case *store = context;

	if (current.owner == store)
		return true;
	current_drop();
	if (!read_pages(store->source))
		return false;
	current.content = xvm_calloc(page_count, sizeof(*current.content));
	current.self = store->who->create(store->codec);
	if (current.self == NULL)
		return false;
	current.owner = store;
	snprintf(why, sizeof(why), "the pages could not be written");
	return fill(store, 0, 0, page_count) == 0;
}

/* One thread of a run, and its slots. */
struct part {
	struct store_case *store;
	struct micro_run *run;
	unsigned thread;
	uint32_t first, end;
	uint64_t random;
};

static bool part_begin(struct part *part, struct micro_run *run, void *context)
{
	struct store_case *store = context;
	unsigned thread = micro_thread(run), threads = micro_threads(run);

	if (!micro_team_begin(&store->team, run, current_make, store, why))
		return false;
	*part = (struct part){
		.store = store,
		.run = run,
		.thread = thread,
		.first = (uint32_t)((uint64_t)page_count * thread / threads),
		.end = (uint32_t)((uint64_t)page_count * (thread + 1) / threads),
		.random = HEAP_SEED + thread,
	};
	return true;
}

static int read_slot(struct part *part, uint32_t slot, void *page)
{
	return part->store->who->read(current.self, part->thread, slot, current.content[slot],
				      page);
}

/* How many slots do not hold what was written to them? */
static int wrong_slots(struct part *part)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];
	int wrong = 0;

	for (uint32_t slot = part->first; slot < part->end; slot++)
		wrong += read_slot(part, slot, page) != 0 ||
			 memcmp(page, page_at(current.content[slot]), sizeof(page)) != 0;
	return wrong;
}

static void part_end(struct part *part, int failures)
{
	const struct who *who = part->store->who;

	micro_team_end(&part->store->team, part->run, failures | wrong_slots(part));
	if (who->held != NULL)
		micro_counter(part->run, "held", who->held(current.self));
}

static void write_body(struct micro_run *run, void *context)
{
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, part.end - part.first)) {
		micro_pause(run);
		failures |= part.store->who->clear(current.self, part.first, part.end - part.first);
		micro_resume(run);
		failures |= fill(part.store, part.thread, part.first, part.end);
	}
	part_end(&part, failures);
}

static uint32_t draw(struct part *part, uint32_t first, uint32_t end)
{
	uint32_t bits = (uint32_t)(random_next(&part->random) >> 32);

	return first + random_below(bits, end - first);
}

static void overwrite_body(struct micro_run *run, void *context)
{
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= write_slot(part.store, part.thread,
					       draw(&part, part.first, part.end),
					       draw(&part, 0, page_count));
	}
	part_end(&part, failures);
}

static void read_body(struct micro_run *run, void *context)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= read_slot(&part, draw(&part, part.first, part.end), page);
	}
	part_end(&part, failures);
}

/* Full, and then 90% discarded: which pages are left does not depend on the run. */
static int make_sparse(struct part *part)
{
	int failures = fill(part->store, 0, 0, page_count);

	part->random = HEAP_SEED;
	for (uint32_t slot = 0; slot < page_count; slot++) {
		if (draw(part, 0, 100) >= LEFT_PERCENT)
			failures |= part->store->who->clear(current.self, slot, 1);
	}
	return failures;
}

/* Of ramz alone. */
static void compact_body(struct micro_run *run, void *context)
{
	struct ramz_stats stats;
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, 1)) {
		micro_pause(run);
		failures |= make_sparse(&part);
		micro_resume(run);
		failures |= ramz_compact(current.self, 0, NULL) != 0;
	}
	ramz_get_stats(current.self, &stats);
	failures |= fill(part.store, 0, 0, page_count);
	part_end(&part, failures);
	micro_counter(run, "held",
		      over(stats.held_bytes - stats.slot_table_bytes, stats.stored_bytes));
}

/* ---- The list ---- */

static void add(const char *operation, micro_body *body, const struct who *who,
		const struct ramz_codec *codec, const char *source)
{
	unsigned most = body == compact_body ? 1 : STORE_THREADS;
	char name[128];

	snprintf(name, sizeof(name), "store/%s/%s/%s", who->name, operation, codec->name);
	for (unsigned threads = 1; threads <= most; threads++) {
		struct store_case *store = xvm_calloc(1, sizeof(*store));

		*store = (struct store_case){.who = who, .codec = codec, .source = source};
		micro_team_init(&store->team, threads);
		micro_register(name, body, store, threads, body == compact_body ? COMPACTIONS : 0);
	}
}

void micro_add_store(const struct micro_setup *setup)
{
	static const char *const names[] = {"lz4", "lzo", "zstd"};
	size_t who_count = xvm_zram_available(why) == 0 ? WHOS : WHO_ZRAM;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ramz_codec *codec = ramz_codec_by_name(names[i]);

		if (codec == NULL) /* not every build has each */
			continue;
		for (size_t w = 0; w < who_count; w++) {
			add("write", write_body, &whos[w], codec, setup->pages);
			add("overwrite", overwrite_body, &whos[w], codec, setup->pages);
			add("read", read_body, &whos[w], codec, setup->pages);
		}
		add("compact", compact_body, &whos[0], codec, setup->pages);
	}
}
