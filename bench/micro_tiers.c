/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_tiers.c: tiers, policy and backing device of a store. What a row measures is the counter
 * `value`: ns or bytes of a page. Each has a peer, plain:
 *
 *   tiers/WHO/memory/cold      bytes held, all pages cold; plain: zstd at its own level, no tier
 *   tiers/WHO/memory/warm      the same, all warm; plain: lz4, no tier
 *   tiers/WHO/read/warm/p50    read a random page; plain: lz4, no tier
 *   tiers/WHO/read/hot/P       read a page of a tenth, while the policy's thread makes the others
 *                              cold; plain: no policy
 *   tiers/WHO/write/hot/p99.9  write one, in the same way
 *   tiers/WHO/written/once     bytes written to the device when all pages go there; plain: bytes
 *                              of their forms
 *   tiers/WHO/written/space:N  the same of uniform overwrites; the device has N times the live
 * bytes tiers/WHO/read/backed/p50  read a random page from a device in tmpfs; plain: the same forms
 *                              in a file, one pread and the codec
 *   tiers/WHO/overload         overwrite a random one of 64 MiB of pages; the store has 16 MiB of
 *                              memory, and a device; plain: a process with a swap file (swap.sh)
 *
 * WHO is ramz, plain or zram: the kernel's with lz4, compacted. A tier's dictionary is trained on
 * one half of the pages, and the other half is measured, in the same store after a reset. All
 * pages are compared with what was written.
 *
 * Owns the pages, and the stores that rows share. Locking: none; the policy has a thread. O(pages)
 * a row.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ramz/backing.h>
#include <ramz/policy.h>
#include <ramz/ramz.h>

#include "histogram.h"
#include "micro.h"

enum {
	PAGE_BYTES = XVM_INPUT_PAGE_BYTES,
	INPUT_BYTES_MAX = 128 << 20,
	WARM = 1, /* tiers */
	COLD = 2,
	HOT_PART = 10,   /* one page of so many is hot */
	AGE_MS = 200,    /* in which each hot page is used */
	OVERWRITES = 4,  /* of each page, until the device is steady; and then to be measured */
	FORM_EXTRA = 28, /* bytes that a form takes on the device beside its own, about */
	LIMIT_BYTES = 16 << 20,
	LOAD_PAGES = 4 * LIMIT_BYTES / PAGE_BYTES,
};

static struct micro_pages pages;
static const char *source; /* of the pages */

/* The first thing that failed in a row. Later calls get NULL or fail too, so nobody looks before
 * the row is over. */
static char why[XVFRAG_PLUGIN_WHY_BYTES];

static void must(const char *what, int err)
{
	if (err != 0 && why[0] == '\0')
		snprintf(why, sizeof(why), "%s: %s", what, strerror(-err));
}

/* A kind of store, and one with all pages in its tier. */
struct kind {
	const char *codec;
	uint32_t tier;
	struct ramz *full;
};

static struct kind lz4 = {.codec = "lz4"}, zstd = {.codec = "zstd"},
		   warm = {.codec = "lz4", .tier = WARM}, cold = {.codec = "lz4", .tier = COLD};

struct row {
	const char *name;
	double (*measure)(const struct row *row);
	struct kind *kind;
	unsigned percentile; /* of 10,000 */
	unsigned space;      /* percent of the live bytes */
	bool plain, writes;
};

/* ---- pages ---- */

enum { TRAINED, MEASURED };

static uint32_t count(void)
{
	return pages.count / 2;
}

static const uint8_t *page_of(uint32_t half, uint32_t n)
{
	return micro_page(&pages, 2 * (n % count()) + half);
}

static uint32_t draw(uint64_t *random, uint32_t end)
{
	return random_below((uint32_t)(random_next(random) >> 32), end);
}

static void fill(struct ramz *store, uint32_t half)
{
	for (uint32_t n = 0; n < count(); n++)
		must("a write", ramz_write_page(store, n, page_of(half, n)));
}

/* Slot n holds page content[n]; n without content. */
static void compare(struct ramz *store, const uint32_t *content, uint32_t slots)
{
	uint8_t page[PAGE_BYTES];

	for (uint32_t n = 0; n < slots; n++) {
		must("a read", ramz_read_page(store, n, page));
		if (memcmp(page, page_of(MEASURED, content != NULL ? content[n] : n), PAGE_BYTES) !=
		    0)
			must("contents", -EBADMSG);
	}
}

/* ---- stores ---- */

static struct ramz *make(const struct kind *kind, uint32_t slots, uint64_t limit_bytes)
{
	const char *codec = kind->tier == WARM ? "lz4" : "zstd";
	struct ramz_options options;
	struct ramz *store = NULL;

	ramz_options_init(&options);
	options.size_bytes = (uint64_t)slots * PAGE_BYTES;
	options.codec = ramz_codec_by_name(kind->codec);
	options.hard_limit_bytes = limit_bytes;
	must("a store", ramz_create(&store, &options));
	if (kind->tier != 0)
		must("a tier", ramz_set_tier(store, kind->tier, ramz_codec_by_name(codec),
					     kind->tier == WARM ? 9 : 8));
	return store;
}

static void set_policy(struct ramz *store, uint32_t tier, uint32_t ages)
{
	struct ramz_policy policy;

	ramz_policy_init(&policy);
	policy.age_ms = AGE_MS;
	policy.tier_age[tier] = ages;
	must("a policy", ramz_set_policy(store, &policy));
}

static uint64_t ages_of(struct ramz *store)
{
	struct ramz_policy_stats stats = {.ages = 0};

	must("the policy's numbers", ramz_get_policy_stats(store, &stats));
	return stats.ages;
}

/* Let the policy put all pages into the tier. */
static void run_policy(struct ramz *store, uint32_t tier)
{
	uint64_t ages = ages_of(store);
	uint32_t wait_ms = 0;

	set_policy(store, tier, 1);
	while (why[0] == '\0' && (wait_ms == 0 || ages_of(store) == ages)) {
		must("a step", ramz_policy_step(store, &wait_ms));
		usleep(wait_ms != 0 ? 1000 : 0);
	}
}

static struct ramz *full(struct kind *kind)
{
	if (kind->full != NULL)
		return kind->full;
	kind->full = make(kind, count(), 0);
	if (kind->tier != 0) {
		fill(kind->full, TRAINED);
		run_policy(kind->full, kind->tier);
		must("a reset", ramz_reset(kind->full));
	}
	fill(kind->full, MEASURED);
	if (kind->tier != 0)
		run_policy(kind->full, kind->tier);
	must("compaction", ramz_compact(kind->full, 0, NULL));
	compare(kind->full, NULL, count());
	return kind->full;
}

/* ---- memory ---- */

static double memory(const struct row *row)
{
	struct ramz_stats stats;

	ramz_get_stats(full(row->kind), &stats);
	return (double)stats.held_bytes / count();
}

static double zram_memory(const struct row *row)
{
	const struct xvfrag_plugin *zram = &xvm_allocator_zram;
	void *device = zram->create(
		&(struct xvfrag_plugin_config){.max_objects = count(), .codec = "lz4", .why = why});
	uint64_t held = 0, moved = 0;

	(void)row;
	if (device == NULL)
		return 0;
	for (uint32_t n = 0; n < count(); n++)
		must("zram", zram->write(device, n, page_of(MEASURED, n), PAGE_BYTES));
	must("zram's compaction", zram->compact_step(device, &moved));
	held = zram->held_bytes(device);
	zram->destroy(device);
	return (double)held / count();
}

/* ---- times ---- */

/* Random reads, twice as many as there are pages. */
static double reads(struct ramz *store, const struct row *row)
{
	struct xvm_histogram times = {.total = 0};
	uint8_t page[PAGE_BYTES];
	uint64_t random = HEAP_SEED;

	for (uint32_t i = 0; i < 2 * count(); i++) {
		uint32_t slot = draw(&random, count());
		uint64_t start = xvm_clock_ns();

		must("a read", ramz_read_page(store, slot, page));
		xvm_histogram_record(&times, xvm_clock_ns() - start);
	}
	return (double)xvm_histogram_percentile(&times, row->percentile);
}

static double full_reads(const struct row *row)
{
	return reads(full(row->kind), row);
}

/* Use hot pages while the policy's thread makes the others cold, or for a second. */
static void use_hot(struct ramz *store, const struct row *row, struct xvm_histogram *times)
{
	uint64_t random = HEAP_SEED,
		 end_ns = xvm_clock_ns() + (row->plain ? 1 : 60) * 1000000000ULL;
	uint8_t page[PAGE_BYTES];
	struct ramz_stats stats;

	do {
		bool counts = row->plain || ages_of(store) >= 2;

		for (unsigned i = 0; i < 64; i++) {
			uint32_t slot = draw(&random, count() / HOT_PART) * HOT_PART;
			uint64_t start = xvm_clock_ns();

			must("hot", row->writes
					    ? ramz_write_page(store, slot, page_of(MEASURED, slot))
					    : ramz_read_page(store, slot, page));
			if (counts)
				xvm_histogram_record(times, xvm_clock_ns() - start);
		}
		ramz_get_stats(store, &stats);
	} while (why[0] == '\0' && xvm_clock_ns() < end_ns &&
		 stats.recompress_tried < count() - 2 * (count() / HOT_PART));
}

static double hot(const struct row *row)
{
	struct xvm_histogram times = {.total = 0};
	struct ramz *store = make(&cold, count(), 0);

	fill(store, MEASURED);
	if (!row->plain) {
		set_policy(store, COLD, 2);
		must("a thread", ramz_policy_start(store));
	}
	use_hot(store, row, &times);
	ramz_policy_stop(store);
	compare(store, NULL, count());
	ramz_destroy(store);
	return (double)xvm_histogram_percentile(&times, row->percentile);
}

/* ---- what is written to a device ---- */

static int memory_read(void *context, uint64_t offset, void *dst, size_t bytes)
{
	memcpy(dst, (const char *)context + offset, bytes);
	return 0;
}

static int memory_write(void *context, uint64_t offset, const void *src, size_t bytes)
{
	memcpy((char *)context + offset, src, bytes);
	return 0;
}

/* All pages, or a segment of them. */
static void write_back(struct ramz *store, uint64_t bytes, struct ramz_writeback_report *sum)
{
	const struct ramz_writeback_options options = {.write_max = bytes};
	struct ramz_writeback_report report;

	must("writeback", ramz_writeback(store, &options, &report));
	sum->pages += report.pages;
	sum->form_bytes += report.form_bytes;
	sum->written_bytes += report.written_bytes;
}

/* Two segments of pages stay in memory, so that the one that is written is full. */
static void overwrite(struct ramz *store, struct ramz_writeback_report *sum)
{
	const uint64_t in_memory = 2 * RAMZ_SEGMENT_BYTES * sum->pages / sum->form_bytes;
	uint64_t random = HEAP_SEED;
	struct ramz_stats stats;

	for (uint32_t i = 0; why[0] == '\0' && i < 2 * OVERWRITES * count(); i++) {
		uint32_t slot = draw(&random, count());

		must("a write", ramz_write_page(store, slot, page_of(MEASURED, slot)));
		if (i == OVERWRITES * count())
			*sum = (struct ramz_writeback_report){.pages = 0};
		ramz_get_stats(store, &stats);
		if (stats.pages_stored - stats.pages_same_filled - stats.pages_backed > in_memory)
			write_back(store, RAMZ_SEGMENT_BYTES, sum);
	}
}

static double written(const struct row *row)
{
	struct ramz_writeback_report sum = {.pages = 0};
	struct ramz *store = make(&lz4, count(), 0);
	struct ramz_backing device = {.align_bytes = 1, .read = memory_read, .write = memory_write};
	struct ramz_stats stats;

	fill(store, MEASURED);
	ramz_get_stats(store, &stats);
	device.size_bytes = (stats.stored_bytes + FORM_EXTRA * count()) * row->space / 100;
	device.size_bytes -= device.size_bytes % RAMZ_SEGMENT_BYTES;
	device.context = xvm_calloc(1, device.size_bytes);
	must("a device", ramz_attach(store, &device));
	write_back(store, 0, &sum);
	if (row->writes)
		overwrite(store, &sum);
	compare(store, NULL, count());
	ramz_destroy(store);
	free(device.context);
	return (double)(row->plain ? sum.form_bytes : sum.written_bytes) / (double)sum.pages;
}

/* ---- reads from a device ---- */

static double backed(const struct row *row)
{
	struct ramz_writeback_report sum = {.pages = 0};
	struct ramz *store = make(&lz4, count(), 0);
	struct ramz_backing device = {.read = NULL};
	int fd = memfd_create("xv_bench", MFD_CLOEXEC);
	char path[32];
	double value;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fill(store, MEASURED);
	must("a file", ramz_backing_file_open(&device, path, INPUT_BYTES_MAX, false));
	must("a device", ramz_attach(store, &device));
	write_back(store, 0, &sum);
	compare(store, NULL, count());
	value = reads(store, row);
	ramz_destroy(store);
	ramz_backing_file_close(&device);
	close(fd);
	return value;
}

/* The forms in a file, one behind the other, read as above. */
static double backed_plain(const struct row *row)
{
	const struct ramz_codec *codec = ramz_codec_by_name("lz4");
	void *context = codec->context_create(PAGE_BYTES, codec->level_default);
	int fd = memfd_create("xv_bench", MFD_CLOEXEC);
	off_t *at = xvm_calloc(count() + 1, sizeof(*at));
	struct xvm_histogram times = {.total = 0};
	uint8_t page[PAGE_BYTES], form[PAGE_BYTES];
	uint64_t random = HEAP_SEED;

	if (context == NULL)
		must("a codec", -ENOMEM);
	for (uint32_t n = 0; why[0] == '\0' && n < count(); n++) {
		int got = codec->compress(context, page_of(MEASURED, n), PAGE_BYTES, form,
					  PAGE_BYTES);

		at[n + 1] = at[n] + (got > 0 ? got : (int)PAGE_BYTES);
		if (pwrite(fd, form, (size_t)(at[n + 1] - at[n]), at[n]) < 0)
			must("a form", -errno);
	}
	for (uint32_t i = 0; why[0] == '\0' && i < 2 * count(); i++) {
		uint32_t n = draw(&random, count());
		size_t bytes = (size_t)(at[n + 1] - at[n]);
		uint64_t start = xvm_clock_ns();

		if (pread(fd, form, bytes, at[n]) < 0)
			must("a form", -errno);
		if (bytes < PAGE_BYTES)
			must("a form", codec->decompress(context, form, bytes, page, PAGE_BYTES));
		xvm_histogram_record(&times, xvm_clock_ns() - start);
	}
	free(at);
	codec->context_destroy(context);
	close(fd);
	return (double)xvm_histogram_percentile(&times, row->percentile);
}

/* ---- four times the memory ---- */

/* Fill, then overwrite twice: ns of an overwrite. to: the pages, where there is no store. */
static double load(struct ramz *store, uint8_t *to)
{
	uint32_t *content = xvm_calloc(LOAD_PAGES, sizeof(*content));
	uint64_t random = HEAP_SEED, start = 0;

	for (uint32_t i = 0; why[0] == '\0' && i < 3 * LOAD_PAGES; i++) {
		uint32_t slot = i < LOAD_PAGES ? i : draw(&random, LOAD_PAGES);

		if (i == LOAD_PAGES)
			start = xvm_clock_ns();
		content[slot] = i;
		if (store != NULL)
			must("a write", ramz_write_page(store, slot, page_of(MEASURED, i)));
		else
			memcpy(to + (size_t)slot * PAGE_BYTES, page_of(MEASURED, i), PAGE_BYTES);
	}
	start = xvm_clock_ns() - start;
	if (store != NULL)
		compare(store, content, LOAD_PAGES);
	free(content);
	return (double)start / (2 * LOAD_PAGES);
}

static double overload(const struct row *row)
{
	char path[] = "/var/tmp/xv_bench-XXXXXX";
	struct ramz_backing device = {.read = NULL};
	struct ramz *store = make(&cold, LOAD_PAGES, LIMIT_BYTES);
	int fd = mkstemp(path);
	double value;

	(void)row;
	must("a file", ramz_backing_file_open(&device, path, 8 * LIMIT_BYTES, true));
	(void)unlink(path);
	(void)close(fd);
	must("a device", ramz_attach(store, &device));
	set_policy(store, COLD, 0);
	must("a thread", ramz_policy_start(store));
	value = load(store, NULL);
	ramz_destroy(store);
	ramz_backing_file_close(&device);
	return value;
}

/* In the control group that swap.sh has made. */
static double overload_plain(const struct row *row)
{
	const size_t bytes = (size_t)LOAD_PAGES * PAGE_BYTES;
	uint8_t *to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *group = fopen(getenv(MICRO_GROUP), "r+e");
	double value = 0;

	(void)row;
	if (to == MAP_FAILED || group == NULL || fprintf(group, "%d", (int)getpid()) < 0 ||
	    fclose(group) != 0)
		must("the control group", -errno);
	else
		value = load(NULL, to);
	(void)munmap(to, bytes);
	return value;
}

/* ---- the list ---- */

static const struct row rows[] = {
	{"ramz/memory/cold", memory, .kind = &cold},
	{"plain/memory/cold", memory, .kind = &zstd},
	{"zram/memory/cold", zram_memory, .kind = NULL},
	{"ramz/memory/warm", memory, .kind = &warm},
	{"plain/memory/warm", memory, .kind = &lz4},
	{"ramz/read/warm/p50", full_reads, .kind = &warm, .percentile = 5000},
	{"plain/read/warm/p50", full_reads, .kind = &lz4, .percentile = 5000},
	{"ramz/read/hot/p50", hot, .percentile = 5000},
	{"plain/read/hot/p50", hot, .percentile = 5000, .plain = true},
	{"ramz/read/hot/p99", hot, .percentile = 9900},
	{"plain/read/hot/p99", hot, .percentile = 9900, .plain = true},
	{"ramz/write/hot/p99.9", hot, .percentile = 9990, .writes = true},
	{"plain/write/hot/p99.9", hot, .percentile = 9990, .writes = true, .plain = true},
	{"ramz/written/once", written, .space = 200},
	{"plain/written/once", written, .space = 200, .plain = true},
	{"ramz/written/space:2", written, .space = 200, .writes = true},
	{"plain/written/space:2", written, .space = 200, .writes = true, .plain = true},
	{"ramz/written/space:1.5", written, .space = 150, .writes = true},
	{"plain/written/space:1.5", written, .space = 150, .writes = true, .plain = true},
	{"ramz/read/backed/p50", backed, .percentile = 5000},
	{"plain/read/backed/p50", backed_plain, .percentile = 5000},
	{"ramz/overload", overload, .kind = NULL},
	{"plain/overload", overload_plain, .kind = NULL},
};

static void tiers_body(struct micro_run *run, void *context)
{
	const struct row *row = context;
	double value = 0;

	why[0] = '\0';
	while (micro_keep_running(run, 1)) {
		if (micro_pages_read(&pages, source, INPUT_BYTES_MAX, why))
			value = row->measure(row);
	}
	if (why[0] != '\0')
		micro_fail(run, why);
	micro_counter(run, "value", value);
}

void micro_add_tiers(const struct micro_setup *setup)
{
	char reason[XVFRAG_PLUGIN_WHY_BYTES], name[64];

	source = setup->pages;
	if (ramz_codec_by_name("zstd") == NULL) /* it has the trainer of dictionaries */
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((rows[i].measure == zram_memory && xvm_zram_available(reason) != 0) ||
		    (rows[i].measure == overload_plain && getenv(MICRO_GROUP) == NULL))
			continue;
		snprintf(name, sizeof(name), "tiers/%s", rows[i].name);
		micro_register(name, tiers_body, (void *)(uintptr_t)&rows[i], 1, 1);
	}
}

void micro_drop_tiers(void)
{
	struct kind *kinds[] = {&lz4, &zstd, &warm, &cold};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ramz_destroy(kinds[i]->full);
	micro_pages_fini(&pages);
}
