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
 * WHO is one of these, each behind the calls of xvfrag's allocators of pages:
 *
 *   ramz   a store with everything but the codec at its default
 *   raw    the codec alone: compress into one buffer that stays in the cache, decompress from
 *          forms made before; pages that do not become smaller are copied
 *   zram   a device of the kernel, added for it and removed after it: O_DIRECT, a system call a
 *          page. Needs root and the zram module; else it is left out
 *
 * All take the same pages in the same order: none of one repeated word, none twice. Each thread
 * has slots of its own, and at the end each slot is compared with what was written to it. The
 * counter held is bytes held over bytes of the compressed forms.
 *
 * Owns its pages and the one store there is at a time. Locking: a team while a store is made.
 * O(1) an iteration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramz/ramz.h>

#include "micro.h"

#define PAGE_BYTES 4096U
#define BATCH 16U
#define STORE_THREADS 2U
#define LEFT_PERCENT 10U
#define COMPACTIONS 10U /* what comes before each takes fifty times as long */

static char why[XVFRAG_PLUGIN_WHY_BYTES]; /* no store could be made */

static struct micro_pages pages; /* read when the first benchmark needs it */

static const uint8_t *page_at(uint32_t n)
{
	return micro_page(&pages, n);
}

/* ---- ramz and raw, as xvfrag has zram: the token is the slot, a write overwrites ---- */

static uint32_t *content;             /* by slot: the page that was written last */
static _Thread_local unsigned thread; /* of the run */

static void *ramz_make(const struct xvfrag_plugin_config *config)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	ramz_options_init(&options);
	options.size_bytes = config->max_objects * PAGE_BYTES;
	options.codec = ramz_codec_by_name(config->codec);
	if (ramz_create(&store, &options) != 0)
		snprintf(why, sizeof(why), "no store could be made");
	return store;
}

static void ramz_end(void *self)
{
	ramz_destroy(self);
}

static int ramz_put(void *self, uint64_t slot, const void *page, size_t size)
{
	(void)size;
	return ramz_write_page(self, slot, page);
}

static int ramz_get(void *self, uint64_t slot, void *page, size_t size)
{
	(void)size;
	return ramz_read_page(self, slot, page);
}

static int ramz_clear(void *self, uint64_t slot, size_t size)
{
	return ramz_discard(self, slot * PAGE_BYTES, size);
}

static uint64_t ramz_held(void *self)
{
	struct ramz_stats stats;

	ramz_get_stats(self, &stats);
	return stats.held_bytes;
}

static uint64_t ramz_forms(void *self)
{
	struct ramz_stats stats;

	ramz_get_stats(self, &stats);
	return stats.stored_bytes;
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
static int raw_compress(struct raw *raw, const void *page)
{
	return raw->codec->compress(raw->context[thread], page, PAGE_BYTES, raw->buffer[thread],
				    PAGE_BYTES * RAMZ_RAW_ABOVE_PERMILLE / 1000);
}

/* What reading starts from. False when the codec fails. */
static bool raw_make_forms(struct raw *raw)
{
	size_t used = 0;

	raw->form = xvm_calloc(pages.count, sizeof(*raw->form));
	raw->forms = xvm_calloc(pages.count, PAGE_BYTES);
	for (uint32_t n = 0; n < pages.count; n++) {
		int bytes = raw_compress(raw, page_at(n));

		if (bytes < 0)
			return false;
		raw->form[n] = (struct raw_form){.offset = used, .bytes = bytes};
		memcpy(raw->forms + used, raw->buffer[0], (size_t)bytes);
		used += (size_t)bytes;
	}
	return true;
}

static void *raw_make(const struct xvfrag_plugin_config *config)
{
	struct raw *raw = xvm_calloc(1, sizeof(*raw));
	bool good = true;

	raw->codec = ramz_codec_by_name(config->codec);
	for (unsigned i = 0; i < STORE_THREADS && good; i++) {
		raw->context[i] = raw->codec->context_create(PAGE_BYTES, raw->codec->level_default);
		good = raw->context[i] != NULL;
	}
	if (good && raw_make_forms(raw))
		return raw;
	snprintf(why, sizeof(why), "the codec could not be used");
	raw_end(raw);
	return NULL;
}

static int raw_put(void *self, uint64_t slot, const void *page, size_t size)
{
	int bytes = raw_compress(self, page);

	(void)slot;
	if (bytes == 0)
		memcpy(((struct raw *)self)->buffer[thread], page, size);
	return bytes < 0 ? bytes : 0;
}

static int raw_get(void *self, uint64_t slot, void *page, size_t size)
{
	const struct raw *raw = self;
	const struct raw_form *form = &raw->form[content[slot]];

	if (form->bytes != 0)
		return raw->codec->decompress(raw->context[thread], raw->forms + form->offset,
					      (size_t)form->bytes, page, size);
	memcpy(page, page_at(content[slot]), size);
	return 0;
}

static const struct xvfrag_plugin ramz_calls = {
	.name = "ramz",
	.create = ramz_make,
	.destroy = ramz_end,
	.write = ramz_put,
	.read = ramz_get,
	.free = ramz_clear,
	.held_bytes = ramz_held,
	.requested_bytes = ramz_forms,
};

static const struct xvfrag_plugin raw_calls = {
	.name = "raw",
	.create = raw_make,
	.destroy = raw_end,
	.write = raw_put,
	.read = raw_get,
};

/* ---- A benchmark ---- */

struct store_case {
	struct micro_team team;
	const struct xvfrag_plugin *who;
	const char *codec;
	const char *source; /* of the pages */
};

/* What is being measured: the last case's is kept, as its body is called several times. */
static const struct store_case *current; /* NULL: there is none */
static void *current_self;

static void current_drop(void)
{
	if (current != NULL)
		current->who->destroy(current_self);
	current = NULL;
	free(content);
	content = NULL;
}

void micro_drop_store(void)
{
	current_drop();
	micro_pages_fini(&pages);
}

/* One thread of a run, and its slots. */
struct part {
	const struct xvfrag_plugin *who;
	uint32_t first, end;
	uint64_t random;
};

static int write_slot(const struct part *part, uint32_t slot, uint32_t n)
{
	content[slot] = n;
	return part->who->write(current_self, slot, page_at(n), PAGE_BYTES);
}

static int read_slot(const struct part *part, uint32_t slot, void *page)
{
	return part->who->read(current_self, slot, page, PAGE_BYTES);
}

/* Put page n into slot n. */
static int fill(const struct part *part)
{
	int failures = 0;

	for (uint32_t n = part->first; n < part->end; n++)
		failures |= write_slot(part, n, n);
	return failures;
}

/* How many slots do not hold what was written to them? */
static int wrong_slots(const struct part *part)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];
	int wrong = 0;

	for (uint32_t slot = part->first; slot < part->end; slot++)
		wrong += read_slot(part, slot, page) != 0 ||
			 memcmp(page, page_at(content[slot]), sizeof(page)) != 0;
	return wrong;
}

/* The store of the case with every slot full. */
static bool current_make(void *context)
{
	const struct store_case *store = context;
	struct xvfrag_plugin_config config = {.codec = store->codec, .why = why};
	struct part all = {.who = store->who};

	if (current == store)
		return true;
	current_drop();
	if (!micro_pages_read(&pages, store->source, MIX_INPUT_BYTES_MAX, why))
		return false;
	config.max_objects = all.end = pages.count;
	content = xvm_calloc(pages.count, sizeof(*content));
	current_self = store->who->create(&config);
	if (current_self == NULL)
		return false;
	current = store;
	snprintf(why, sizeof(why), "the pages could not be written");
	return fill(&all) == 0;
}

static bool part_begin(struct part *part, struct micro_run *run, struct store_case *store)
{
	unsigned threads = micro_threads(run);

	thread = micro_thread(run);
	if (!micro_team_begin(&store->team, run, current_make, store, why))
		return false;
	*part = (struct part){
		.who = store->who,
		.first = (uint32_t)((uint64_t)pages.count * thread / threads),
		.end = (uint32_t)((uint64_t)pages.count * (thread + 1) / threads),
		.random = HEAP_SEED + thread,
	};
	return true;
}

static void part_end(struct part *part, struct micro_run *run, struct store_case *store,
		     int failures)
{
	const struct xvfrag_plugin *who = part->who;

	micro_team_end(&store->team, run, failures | wrong_slots(part));
	if (who->held_bytes != NULL)
		micro_counter(run, "held",
			      (double)who->held_bytes(current_self) /
				      (double)who->requested_bytes(current_self));
}

static void write_body(struct micro_run *run, void *context)
{
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, part.end - part.first)) {
		micro_pause(run);
		for (uint32_t slot = part.first; part.who->free != NULL && slot < part.end; slot++)
			failures |= part.who->free(current_self, slot, PAGE_BYTES);
		micro_resume(run);
		failures |= fill(&part);
	}
	part_end(&part, run, context, failures);
}

static uint32_t draw(struct part *part, uint32_t first, uint32_t end)
{
	uint32_t bits = (uint32_t)(random_next(&part->random) >> 32);

	return first + random_below(bits, end - first);
}

static int overwrite_slot(struct part *part)
{
	uint32_t slot = draw(part, part->first, part->end);

	return write_slot(part, slot, draw(part, 0, pages.count));
}

static int read_random(struct part *part)
{
	_Alignas(PAGE_BYTES) unsigned char page[PAGE_BYTES];

	return read_slot(part, draw(part, part->first, part->end), page);
}

static void run_random(struct micro_run *run, void *context, int (*operation)(struct part *part))
{
	struct part part;
	int failures = 0;

	if (!part_begin(&part, run, context))
		return;
	while (micro_keep_running(run, BATCH)) {
		for (unsigned i = 0; i < BATCH; i++)
			failures |= operation(&part);
	}
	part_end(&part, run, context, failures);
}

static void overwrite_body(struct micro_run *run, void *context)
{
	run_random(run, context, overwrite_slot);
}

static void read_body(struct micro_run *run, void *context)
{
	run_random(run, context, read_random);
}

/* Full, and then 90% discarded: which pages are left does not depend on the run. */
static int make_sparse(struct part *part)
{
	int failures = fill(part);

	part->random = HEAP_SEED;
	for (uint32_t slot = 0; slot < pages.count; slot++) {
		if (draw(part, 0, 100) >= LEFT_PERCENT)
			failures |= part->who->free(current_self, slot, PAGE_BYTES);
	}
	return failures;
}

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
		failures |= ramz_compact(current_self, 0, NULL) != 0;
	}
	ramz_get_stats(current_self, &stats);
	failures |= fill(&part);
	part_end(&part, run, context, failures);
	micro_counter(run, "held",
		      (double)(stats.held_bytes - stats.slot_table_bytes) /
			      (double)stats.stored_bytes);
}

/* ---- The list ---- */

static void add(const char *operation, micro_body *body, const struct xvfrag_plugin *who,
		const char *codec, const char *source)
{
	unsigned most = body == compact_body ? 1 : STORE_THREADS;
	char name[128];

	snprintf(name, sizeof(name), "store/%s/%s/%s", who->name, operation, codec);
	for (unsigned threads = 1; threads <= most; threads++) {
		struct store_case *store = xvm_calloc(1, sizeof(*store));

		*store = (struct store_case){.who = who, .codec = codec, .source = source};
		micro_team_init(&store->team, threads);
		micro_register(name, body, store, threads, body == compact_body ? COMPACTIONS : 0);
	}
}

void micro_add_store(const struct micro_setup *setup)
{
	static const char *const codecs[] = {"lz4", "lzo", "zstd"};
	const char *settings;
	const struct xvm_entry *zram = xvm_entry_find("zram", &settings);
	const struct xvfrag_plugin *whos[] = {&ramz_calls, &raw_calls, zram->plugin};
	size_t who_count = xvm_entry_available(zram, why) == 0 ? 3 : 2;

	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		if (ramz_codec_by_name(codecs[i]) == NULL) /* not every build has each */
			continue;
		for (size_t w = 0; w < who_count; w++) {
			add("write", write_body, whos[w], codecs[i], setup->pages);
			add("overwrite", overwrite_body, whos[w], codecs[i], setup->pages);
			add("read", read_body, whos[w], codecs[i], setup->pages);
		}
		add("compact", compact_body, &ramz_calls, codecs[i], setup->pages);
	}
}
