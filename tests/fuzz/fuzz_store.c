/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_store.c: the calls of a store in any order, beside a plain array.
 *
 * The input draws the options, then calls with their arguments, and when codecs, the provider and
 * the backing device (life_device.h) fail. A read gives what the array has, or an error that a
 * failure explains. A save is that of the moment in which it began, though its sink writes pages
 * meanwhile. A store that is opened again has what one checkpoint had: the last completed, or one
 * that failed after it.
 *
 * The policy reads the clock, so a run may differ from the one before in what it does there.
 *
 * Owns the array, the device and its images. May call: public headers. Locking: none; one thread.
 * O(input).
 */
#include <ramz/policy.h>
#include <ramz/ramz.h>

#include "fuzz_images.h"
#include "fuzz_memory.h"
#include "fuzz_provider.h"
#include "life_device.h"

enum { STORE_BYTES = 1 << 19, CALLS_MAX = 600, TRAININGS_MAX = 1, COPIES_MAX = 2 };

struct causes {
	uint64_t codec, provider, told, wrong, lies;
};

static struct world {
	struct fuzz_input in;
	struct ramz *store;
	struct ramz_options options;
	struct fuzz_provider p;
	struct life_device device;
	bool is_attached;
	uint64_t lies; /* of the device, before it was attached */
	struct fuzz_images images;
	uint64_t pages;
	uint32_t page_bytes;
	uint32_t trainings, copies;
	struct causes before;
} w;

static unsigned char contents[STORE_BYTES];
static unsigned char buffer[STORE_BYTES];

/* ---- what explains an error ---- */

static struct causes causes_now(void)
{
	return (struct causes){.codec = atomic_load(&life_codec_faults),
			       .provider = w.p.fault.injected,
			       .told = w.device.told,
			       .wrong = w.device.wrong,
			       .lies = w.device.lies};
}

static void begin(void)
{
	w.before = causes_now();
}

static bool is_explained(int err)
{
	struct causes now = causes_now();
	bool memory = now.codec != w.before.codec || now.provider != w.before.provider;

	switch (err) {
	case -XV_ENOSPC:
		return w.options.hard_limit_bytes != 0 || w.is_attached || memory;
	case -XV_ENOMEM: /* the provider is small */
		return true;
	case -EIO:
		return now.told != w.before.told;
	case -XV_EBADMSG:
		return now.wrong != w.before.wrong || (w.is_attached && now.lies != w.lies);
	default:
		return err == 0;
	}
}

/* Behind begin() and a call. */
static bool went_well(int err)
{
	if (!is_explained(err))
		(void)fprintf(stderr, "error %d without a cause\n", err);
	FUZZ_CHECK(is_explained(err));
	return err == 0;
}

static void heal(void)
{
	w.device.is_sound = true;
	atomic_store(&life_codec_one_in, 0);
	fault_provider_heal(&w.p.fault);
}

/* ---- pages ---- */

static uint64_t draw_page(void)
{
	return fuzz_below(&w.in, w.pages);
}

static unsigned char *page_of(uint64_t page)
{
	return contents + page * w.page_bytes;
}

static void page_make(unsigned char *page)
{
	uint32_t kind = fuzz_byte(&w.in);

	if (kind < 64) /* words that the codecs find again; noise */
		fuzz_fill(page, w.page_bytes, kind);
	else if (kind < 128)
		memset(page, (int)(kind & 3U), w.page_bytes);
	else
		fuzz_fill(page, w.page_bytes - (kind & 127U) * 16, (uint32_t)fuzz_number(&w.in, 2));
}

static void verify_page(uint64_t page)
{
	begin();
	if (went_well(ramz_read_page(w.store, page, buffer)))
		FUZZ_CHECK(memcmp(buffer, page_of(page), w.page_bytes) == 0);
}

static void verify_all(void)
{
	for (uint64_t page = 0; page < w.pages; page++)
		verify_page(page);
}

static void call_read(void)
{
	uint64_t first = draw_page(), count = fuzz_below(&w.in, 8);
	size_t offset, length;

	for (uint64_t page = first; page < w.pages && page < first + count; page++)
		verify_page(page);
	offset = fuzz_below(&w.in, w.pages * w.page_bytes);
	length = fuzz_below(&w.in, w.pages * w.page_bytes - offset + 1);
	begin();
	if (went_well(ramz_read(w.store, offset, buffer, length)))
		FUZZ_CHECK(memcmp(buffer, contents + offset, length) == 0);
}

static void write_pages(void)
{
	uint64_t first = draw_page(), count = 1 + fuzz_below(&w.in, 24);

	for (uint64_t page = first; page < w.pages && page < first + count; page++) {
		page_make(buffer);
		begin();
		if (went_well(ramz_write_page(w.store, page, buffer)))
			memcpy(page_of(page), buffer, w.page_bytes);
	}
}

static void call_write_part(void)
{
	size_t size = (size_t)w.pages * w.page_bytes, offset = fuzz_below(&w.in, size);
	size_t length = fuzz_below(&w.in, 3 * (uint64_t)w.page_bytes), done = 0;
	int err;

	if (length > size - offset)
		length = size - offset;
	fuzz_fill(buffer, length, fuzz_byte(&w.in));
	begin();
	err = ramz_write(w.store, offset, buffer, length, &done);
	FUZZ_CHECK(went_well(err) ? done == length : done < length);
	memcpy(contents + offset, buffer, done);
}

static void call_discard(void)
{
	uint64_t size = w.pages * w.page_bytes, offset = fuzz_below(&w.in, size);
	uint64_t length = fuzz_below(&w.in, size - offset + 1);

	if (fuzz_byte(&w.in) < 192) {
		offset -= offset % w.page_bytes;
		length -= length % w.page_bytes;
	}
	begin();
	if (went_well(ramz_discard(w.store, offset, length))) {
		memset(contents + offset, 0, (size_t)length);
		return;
	}
	FUZZ_CHECK(offset % w.page_bytes != 0 || (offset + length) % w.page_bytes != 0);
	for (uint64_t at = offset; at < offset + length; at++) { /* an edge may be as it was */
		uint64_t page = at / w.page_bytes * w.page_bytes;

		if (page >= offset && page + w.page_bytes <= offset + length)
			contents[at] = 0;
	}
	begin();
	if (went_well(ramz_discard(w.store, offset / w.page_bytes * w.page_bytes, w.page_bytes)))
		memset(page_of(offset / w.page_bytes), 0, w.page_bytes);
	offset = (offset + length - (length != 0)) / w.page_bytes;
	begin();
	if (went_well(ramz_discard(w.store, offset * w.page_bytes, w.page_bytes)))
		memset(page_of(offset), 0, w.page_bytes);
}

/* ---- tiers ---- */

static void call_tier(void)
{
	static const int32_t levels[2][2] = {{1, 9}, {1, 8}};
	uint32_t codec = fuzz_below(&w.in, 2), tier = 1 + fuzz_below(&w.in, RAMZ_TIERS - 1);
	int32_t level = levels[codec][fuzz_below(&w.in, 2)];
	uint32_t kind = fuzz_below(&w.in, 8);
	int err;

	begin();
	if (kind == 0)
		err = ramz_set_tier(w.store, tier, NULL, 0);
	else if (kind == 1)
		err = ramz_set_codec(w.store, &life_codec[codec], level);
	else
		err = ramz_set_tier(w.store, tier, &life_codec[codec], level);
	if (err != -XV_E2BIG)
		(void)went_well(err);
}

static void call_train(void)
{
	struct ramz_train_options options = {.tier = 1 + fuzz_below(&w.in, RAMZ_TIERS - 1),
					     .samples = 8 + fuzz_below(&w.in, 64)};
	int err;

	if (w.trainings++ >= TRAININGS_MAX)
		return;
	begin();
	err = ramz_train(w.store, &options, NULL);
	if (err != -XV_EINVAL && err != -XV_ENOTSUP && err != -XV_E2BIG)
		(void)went_well(err);
}

static void call_recompress(void)
{
	struct ramz_recompress_options options = {.tier = 1 + fuzz_below(&w.in, RAMZ_TIERS - 1),
						  .min_age = fuzz_below(&w.in, 3),
						  .first = draw_page(),
						  .pages_max = fuzz_below(&w.in, 64)};
	int err;

	begin();
	err = ramz_recompress(w.store, &options, NULL);
	if (err != -XV_EINVAL) /* the tier is not set */
		(void)went_well(err);
}

static void call_policy(void)
{
	uint32_t steps = fuzz_below(&w.in, 16);
	struct ramz_policy policy;
	struct ramz_policy_stats stats, after;
	int err = 0;

	ramz_policy_init(&policy);
	policy.age_ms = 10 + fuzz_below(&w.in, 20);
	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++)
		policy.tier_age[tier] = fuzz_below(&w.in, 4);
	policy.backing_age = fuzz_below(&w.in, 4);
	policy.day_bytes = fuzz_below(&w.in, 8) * RAMZ_SEGMENT_BYTES;
	policy.wait_ms = 0;
	policy.train = false;
	FUZZ_CHECK(ramz_set_policy(w.store, fuzz_bool(&w.in) ? NULL : &policy) == 0);
	FUZZ_CHECK(ramz_get_policy_stats(w.store, &stats) == 0);
	for (uint32_t i = 0; i < steps && err == 0; i++) {
		begin();
		err = ramz_policy_step(w.store, NULL);
		if (err != -XV_EINVAL)
			(void)went_well(err);
	}
	FUZZ_CHECK(ramz_get_policy_stats(w.store, &after) == 0);
	if (after.checkpoints != stats.checkpoints) /* whatever became of them */
		fuzz_images_add(&w.images, contents, sizeof(contents), w.pages);
}

/* ---- the device ---- */

static void call_attach(void)
{
	int err;

	begin();
	if (w.is_attached) {
		err = ramz_detach(w.store);
		if (went_well(err))
			w.is_attached = false;
		return;
	}
	fuzz_images_drop(&w.images);
	memset(w.device.bytes, 0, RAMZ_SEGMENT_BYTES); /* it may hold a checkpoint */
	w.lies = w.device.lies;
	w.is_attached = true; /* which explains an error */
	w.is_attached = went_well(ramz_attach(w.store, &w.device.backing));
}

static void call_writeback(void)
{
	struct ramz_writeback_options options = {.min_age = fuzz_below(&w.in, 3),
						 .min_bytes = fuzz_below(&w.in, 2) * 1000,
						 .first = draw_page(),
						 .pages_max = fuzz_below(&w.in, 128)};

	begin();
	if (!w.is_attached)
		FUZZ_CHECK(ramz_writeback(w.store, &options, NULL) == -XV_EINVAL);
	else if (fuzz_below(&w.in, 4) == 0)
		(void)went_well(ramz_clean(w.store, 1 + fuzz_below(&w.in, 5)));
	else
		(void)went_well(ramz_writeback(w.store, &options, NULL));
}

/* It has what one of the images has. */
static void adopt_image(void)
{
	const struct fuzz_image *image = fuzz_images_find(&w.images, w.store);

	if (image != NULL) {
		w.pages = image->pages;
		memcpy(contents, image->bytes, sizeof(contents));
		return;
	}
	FUZZ_CHECK(w.images.count > FUZZ_IMAGES_MAX);
	w.pages = ramz_size_bytes(w.store) / w.page_bytes;
	memset(contents, 0, sizeof(contents));
	FUZZ_CHECK(ramz_read(w.store, 0, contents, (size_t)w.pages * w.page_bytes) == 0);
}

static void options_again(void)
{
	w.options.hard_limit_bytes = 0;
	w.options.dedup = fuzz_bool(&w.in);
	w.options.codec = NULL;
}

/* The store ends without a word, and another goes on with its device. */
static void open_again(void)
{
	const char *reason = NULL;
	int err;

	if (!w.images.is_complete || !w.is_attached || w.device.lies != w.lies)
		return;
	heal();
	ramz_destroy(w.store);
	options_again();
	err = ramz_open(&w.store, &w.options, NULL, 0, &w.device.backing, &reason);
	if (err != 0)
		(void)fprintf(stderr, "open: %d, %s\n", err, reason);
	FUZZ_CHECK(err == 0);
	adopt_image();
	fuzz_images_drop(&w.images);
	fuzz_images_add(&w.images, contents, sizeof(contents), w.pages);
	w.images.is_complete = true;
}

static void call_checkpoint(void)
{
	if (!w.is_attached || w.device.backing.flush == NULL)
		return;
	begin();
	if (went_well(ramz_checkpoint(w.store))) {
		fuzz_images_drop(&w.images);
		w.images.is_complete = true;
	}
	fuzz_images_add(&w.images, contents, sizeof(contents), w.pages);
	if (fuzz_bool(&w.in))
		open_again();
}

static void call_save_backing(void)
{
	struct fuzz_device other;
	struct ramz *copy = NULL;
	const char *reason;

	if (w.copies++ >= COPIES_MAX)
		return;
	fuzz_device_init(&other, 4 + fuzz_below(&w.in, 12), 1);
	begin();
	w.is_attached = !w.is_attached; /* the other may be full */
	if (is_explained(ramz_save_backing(w.store, &other.backing)) &&
	    ramz_backing_holds(&other.backing) == 1) {
		FUZZ_CHECK(ramz_open(&copy, NULL, NULL, 0, &other.backing, &reason) == 0);
		FUZZ_CHECK(ramz_read(copy, 0, buffer, (size_t)w.pages * w.page_bytes) == 0);
		FUZZ_CHECK(memcmp(buffer, contents, (size_t)w.pages * w.page_bytes) == 0);
		ramz_destroy(copy);
	}
	w.is_attached = !w.is_attached;
	free(other.bytes);
}

/* ---- saving ---- */

/* Other calls go on while a store is saved. */
static int sink_write(void *context, const void *data, size_t bytes)
{
	struct causes before = w.before;

	if (fuzz_bool(&w.in))
		write_pages();
	w.before = before;
	return fuzz_file_write(context, data, bytes);
}

static void call_save(void)
{
	struct fuzz_file file = {.bytes = NULL};
	struct ramz_sink sink = {.write = sink_write, .context = &file};
	struct ramz *copy = NULL;
	unsigned char *saved = malloc(STORE_BYTES);
	int err;

	FUZZ_CHECK(saved != NULL);
	memcpy(saved, contents, sizeof(contents));
	begin();
	err = ramz_save(w.store, &sink);
	if (err != -XV_EBUSY && went_well(err)) {
		heal();
		FUZZ_CHECK(fuzz_file_load(&file, NULL, &copy) == 0);
		FUZZ_CHECK(ramz_size_bytes(copy) == w.pages * w.page_bytes);
		FUZZ_CHECK(ramz_read(copy, 0, buffer, (size_t)w.pages * w.page_bytes) == 0);
		FUZZ_CHECK(memcmp(buffer, saved, (size_t)w.pages * w.page_bytes) == 0);
		ramz_destroy(copy);
	}
	free(file.bytes);
	free(saved);
}

/* ---- the whole store ---- */

static void call_resize(void)
{
	uint64_t pages = 1 + fuzz_below(&w.in, STORE_BYTES / w.page_bytes);

	begin();
	if (!went_well(ramz_resize(w.store, pages * w.page_bytes)))
		return;
	if (pages > w.pages)
		memset(page_of(w.pages), 0, (size_t)((pages - w.pages) * w.page_bytes));
	w.pages = pages;
}

static void call_limits(void)
{
	uint64_t hard = fuzz_below(&w.in, 3) == 0 ? 0 : 300000 + fuzz_below(&w.in, 2 << 20);

	w.options.hard_limit_bytes = hard;
	FUZZ_CHECK(ramz_set_limits(w.store, fuzz_below(&w.in, hard + 1), hard) == 0);
}

static void call_fail(void)
{
	heal();
	switch (fuzz_below(&w.in, 6)) {
	case 0:
	case 1:
		w.device.is_sound = false;
		break;
	case 2:
		atomic_store(&life_codec_one_in, 2 + fuzz_below(&w.in, 60));
		break;
	case 3:
		fuzz_provider_fail(&w.p, &w.in);
		break;
	default:
		break;
	}
}

static void prove(void)
{
	struct ramz_check_report report;
	int err;

	begin();
	err = ramz_check(w.store, XV_CHECK_DEEP, &report);
	if (!is_explained(err))
		(void)fprintf(stderr, "page %llu: %s %s\n", (unsigned long long)report.page,
			      report.message, report.pool.message);
	(void)went_well(err);
}

static int visited(void *context, uint64_t page, const struct ramz_page_info *info)
{
	(void)context;
	FUZZ_CHECK(page < w.pages && info->kind != RAMZ_PAGE_ABSENT);
	return 0;
}

static void call_whole(void)
{
	struct ramz_ages ages;
	struct ramz_stats stats;

	switch (fuzz_below(&w.in, 8)) {
	case 0:
		(void)ramz_trim(w.store);
		break;
	case 1:
		(void)ramz_compact(w.store, fuzz_below(&w.in, 1 << 20), NULL);
		break;
	case 2:
		begin();
		(void)went_well(ramz_walk(w.store, draw_page(), visited, NULL));
		break;
	case 3:
		FUZZ_CHECK(ramz_flush(w.store) == 0 && ramz_get_ages(w.store, &ages) == 0);
		break;
	case 4:
		if (fuzz_below(&w.in, 4) == 0) {
			FUZZ_CHECK(ramz_reset(w.store) == 0);
			memset(contents, 0, sizeof(contents));
		}
		break;
	case 5:
		prove();
		break;
	default:
		ramz_get_stats(w.store, &stats);
		FUZZ_CHECK(ramz_mark_idle(w.store) == 0);
	}
}

/* ---- a run ---- */

static void draw_options(void)
{
	uint32_t kind = fuzz_byte(&w.in);

	w.page_bytes = 4096U << (kind & 3U);
	w.pages = STORE_BYTES / w.page_bytes;
	ramz_options_init(&w.options);
	w.options.size_bytes = w.pages * w.page_bytes;
	w.options.page_bytes = w.page_bytes;
	w.options.checksum = (kind & 4U) != 0;
	w.options.dedup = (kind & 8U) != 0;
	w.options.no_auto_compact = (kind & 16U) != 0;
	w.options.shards = 1;
	w.options.codec = &life_codec[0];
	w.options.provider = &w.p.fault.provider;
	life_device_init(&w.device, 4 + (kind >> 5), (size_t)1 << fuzz_below(&w.in, 13),
			 fuzz_bool(&w.in), fuzz_below(&w.in, 4) != 0, fuzz_byte(&w.in));
	atomic_store(&life_codec_seed, kind);
	atomic_store(&life_codec_one_in, 0);
}

static void call_one(void)
{
	static void (*const calls[])(void) = {
		call_read,      call_read,       call_write_part, call_discard, call_tier,
		call_train,     call_recompress, call_recompress, call_policy,  call_attach,
		call_writeback, call_writeback,  call_checkpoint, open_again,   call_save_backing,
		call_save,      call_resize,     call_limits,     call_fail,    call_whole,
		call_whole};
	uint32_t call = fuzz_below(&w.in, 32);

	if (call < sizeof(calls) / sizeof(calls[0]))
		calls[call]();
	else
		write_pages();
}

static void run_end(void)
{
	heal();
	verify_all();
	prove();
	ramz_destroy(w.store);
	fuzz_images_drop(&w.images);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	memset(&w, 0, sizeof(w));
	memset(contents, 0, sizeof(contents));
	w.in = (struct fuzz_input){.at = data, .left = bytes};
	life_codecs_init();
	if (!fuzz_provider_make(&w.p, &w.in, FUZZ_BUFFER))
		return 0;
	draw_options();
	if (ramz_create(&w.store, &w.options) == 0) {
		for (uint32_t i = 0; w.in.left != 0 && i < CALLS_MAX; i++)
			call_one();
		run_end();
	}
	free(w.device.bytes);
	fuzz_provider_end(&w.p);
	return 0;
}
