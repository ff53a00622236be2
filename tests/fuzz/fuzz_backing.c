/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_backing.c: ramz_open and ramz_attach of devices that hold something else than a checkpoint.
 *
 * A checkpoint of a small store is made, the input draws changes to its superblocks, root, head,
 * maps and forms, and the sums are made right behind them, from the forms up to the superblock, as
 * far as the input wants. Then the device is asked what it holds, opened, used, and saved to.
 *
 * Owns the device. May call: public headers; the layouts of src/ramz. Locking: none; one thread.
 * O(segments).
 */
#include "fuzz_memory.h"
#include "fuzz_sums.h"

#include "checkpoint.h"

enum { SEGMENTS = 9, PAGES = 40, CHANGES_MAX = 64 };

static struct world {
	struct fuzz_input in;
	struct fuzz_device device;
	unsigned char *super; /* of the two */
	unsigned char *root;
	bool sums[5]; /* make them right: forms, maps, head, root, superblocks */
} w;

enum { FORMS, MAPS, HEAD, ROOT, SUPER };

/* ---- the checkpoint ---- */

static void store_fill(struct ramz *store, bool tiers)
{
	const struct ramz_codec *strong = ramz_codec_by_name("zstd");
	struct ramz_recompress_options options = {.tier = 1, .pages_max = PAGES / 2};
	unsigned char page[4096];

	for (uint32_t i = 0; i < PAGES; i++) {
		fuzz_fill(page, sizeof(page), i % 5 == 0 ? 2 * i + 1 : 2 * i);
		if (i % 7 == 0)
			memset(page, (int)i, sizeof(page));
		FUZZ_CHECK(ramz_write_page(store, i, page) == 0);
	}
	if (!tiers || strong == NULL)
		return;
	FUZZ_CHECK(ramz_set_tier(store, 1, strong, 3) == 0);
	FUZZ_CHECK(ramz_recompress(store, &options, NULL) == 0);
}

static void make_checkpoint(struct fuzz_device *device, uint32_t kind)
{
	struct ramz_options options;
	struct ramz *store;

	ramz_options_init(&options);
	options.size_bytes = (PAGES + 8) * 4096;
	options.page_bytes = 4096;
	options.checksum = (kind & 1U) != 0;
	options.shards = 1;
	FUZZ_CHECK(ramz_create(&store, &options) == 0);
	store_fill(store, (kind & 2U) != 0);
	fuzz_device_init(device, SEGMENTS, 1);
	FUZZ_CHECK(ramz_attach(store, &device->backing) == 0);
	FUZZ_CHECK(ramz_checkpoint(store) == 0);
	ramz_destroy(store);
}

/* Each kind is made once. */
static void copy_checkpoint(uint32_t kind)
{
	static struct fuzz_device made[4];

	if (made[kind & 3U].bytes == NULL)
		make_checkpoint(&made[kind & 3U], kind);
	fuzz_device_init(&w.device, SEGMENTS, (kind & 4U) != 0 ? 4096 : 1);
	memcpy(w.device.bytes, made[kind & 3U].bytes, SEGMENTS * RAMZ_SEGMENT_BYTES);
}

/* Segment number of the device, or another, if it has none of that number. */
static unsigned char *segment(uint64_t number)
{
	return w.device.bytes + number % SEGMENTS * RAMZ_SEGMENT_BYTES;
}

static void find_parts(void)
{
	w.super = w.device.bytes;
	w.root = segment(fuzz_get_u32(w.super + 32));
}

static unsigned char *head_segment(uint32_t i)
{
	return segment(fuzz_get_u32(w.root + ROOT_HEAD_AT + 4 * (i % ROOT_HEADS_MAX)));
}

static unsigned char *map_segment(uint32_t i)
{
	return segment(fuzz_get_u32(w.root + ROOT_MAPS_AT + 4 * (i % ROOT_MAPS_MAX)));
}

/* ---- changes ---- */

static void change(unsigned char *at)
{
	unsigned bytes = 1U << fuzz_below(&w.in, 4);

	if (fuzz_bool(&w.in))
		fuzz_put(at, fuzz_number(&w.in, bytes), bytes);
	else /* by a little */
		fuzz_put(at, fuzz_get_u64(at) + fuzz_byte(&w.in) - 128, 8);
}

/* An entry's place, length, coding or kind. */
static void change_entry(void)
{
	unsigned char *at = map_segment(0) + MAP_LEAVES_AT + 8 * fuzz_below(&w.in, 64);
	uint64_t entry = fuzz_get_u64(at);

	switch (fuzz_below(&w.in, 4)) {
	case 0:
		entry ^= (uint64_t)fuzz_byte(&w.in) << fuzz_below(&w.in, 60);
		break;
	case 1:
		entry += (uint64_t)fuzz_number(&w.in, 2) << BACKED_PLACE_SHIFT;
		break;
	case 2:
		entry += (uint64_t)(fuzz_byte(&w.in) - 128U) << BACKED_BYTES_SHIFT;
		break;
	default:
		entry = fuzz_get_u64(map_segment(0) + MAP_LEAVES_AT + 8 * fuzz_below(&w.in, 64));
	}
	fuzz_put(at, entry, 8);
}

static void change_one(void)
{
	size_t end = RAMZ_SEGMENT_BYTES - 8;
	unsigned char *from;

	switch (fuzz_below(&w.in, 10)) {
	case 0:
		change(w.super + fuzz_below(&w.in, 48));
		break;
	case 1:
		change(w.root + fuzz_below(&w.in, ROOT_MAPS_AT + 16));
		break;
	case 2:
		change(head_segment(0) + fuzz_below(&w.in, 1024));
		break;
	case 3:
		change(map_segment(0) + fuzz_below(&w.in, MAP_NUMBERS_AT + 64));
		break;
	case 4:
	case 5:
	case 6:
		change_entry();
		break;
	case 7:
		change(segment(fuzz_byte(&w.in)) + fuzz_below(&w.in, end));
		break;
	case 8:
		from = segment(fuzz_byte(&w.in));
		memmove(segment(fuzz_byte(&w.in)), from, RAMZ_SEGMENT_BYTES);
		break;
	default:
		w.sums[fuzz_below(&w.in, 5)] = false;
	}
}

/* ---- sums ---- */

/* The form that an entry names gets a header that fits to it. */
static void sum_form(uint64_t slot, uint64_t entry)
{
	uint64_t offset = rzi_entry_backed_offset(entry);
	uint32_t bytes = rzi_entry_backed_bytes(entry);
	uint32_t serial = fuzz_get_u32(w.root + 24) + 4 * (uint32_t)(offset / RAMZ_SEGMENT_BYTES);
	unsigned char *at = w.device.bytes + offset, all[40] = {0};

	if (!rzi_entry_is_backed(entry) ||
	    offset + FORM_HEADER_BYTES + bytes > SEGMENTS * RAMZ_SEGMENT_BYTES ||
	    serial > RAMZ_SEGMENT_BYTES - 4)
		return;
	fuzz_put(at, slot, 8);
	fuzz_put(at + 8, bytes, 4);
	fuzz_put(at + 12, rzi_entry_codec(entry), 4);
	memcpy(all, at, 16);
	memcpy(all + 16, w.super + 16, 8);
	fuzz_put(all + 24, XXH3_64bits(at + FORM_HEADER_BYTES, bytes), 8);
	memcpy(all + 32, head_segment(0) + serial, 4);
	fuzz_put(at + 16, XXH3_64bits(all, sizeof(all)), 8);
}

static void sum_forms(void)
{
	const unsigned char *map = map_segment(0);

	for (uint32_t i = 0; i < 64; i++)
		sum_form(((uint64_t)fuzz_get_u32(map + MAP_NUMBERS_AT) << 9) + i,
			 fuzz_get_u64(map + MAP_LEAVES_AT + 8 * i));
}

static void sum_maps(void)
{
	unsigned char *map = map_segment(0), all[MAP_SUM_AT + 8];

	memmove(map + 8, w.super + 16, 16);
	memcpy(all, map, MAP_SUM_AT);
	fuzz_put(all + MAP_SUM_AT,
		 XXH3_64bits(map + MAP_SUM_AT + 8, RAMZ_SEGMENT_BYTES - MAP_SUM_AT - 8), 8);
	fuzz_put(map + MAP_SUM_AT, XXH3_64bits(all, sizeof(all)), 8);
}

/* Of a head within one segment, and of the serials behind it. */
static void sum_head(void)
{
	uint32_t bytes = fuzz_get_u32(w.root + 24), segments = fuzz_get_u32(w.super + 36);
	unsigned char *head = head_segment(0);

	if (bytes > RAMZ_SEGMENT_BYTES / 2 || segments > RAMZ_SEGMENT_BYTES / 8)
		return;
	fuzz_sum_file(head, bytes, w.sums[FORMS]);
	fuzz_put(w.root + 40, XXH3_64bits(head + bytes, (size_t)segments * 4), 8);
}

/* From the forms upwards: each names what is below it. */
static void make_sums(void)
{
	if (w.sums[FORMS])
		sum_forms();
	if (w.sums[MAPS])
		sum_maps();
	if (w.sums[HEAD])
		sum_head();
	if (w.sums[ROOT])
		fuzz_put(w.super + 40, XXH3_64bits(w.root, RAMZ_SEGMENT_BYTES), 8);
	if (w.sums[SUPER])
		fuzz_put(w.super + SUPER_SUM_AT, XXH3_64bits(w.super, SUPER_SUM_AT), 8);
}

/* ---- use ---- */

static void use(struct ramz *store)
{
	fuzz_store_use(store, fuzz_byte(&w.in));
	(void)!ramz_writeback(store, &(struct ramz_writeback_options){.pages_max = 64}, NULL);
	(void)!ramz_clean(store, 2);
	if (ramz_checkpoint(store) == 0)
		FUZZ_CHECK(ramz_backing_holds(&w.device.backing) == 1);
	fuzz_store_use(store, fuzz_byte(&w.in));
	(void)!ramz_detach(store);
}

static void attach_elsewhere(int holds)
{
	struct ramz *store;
	int err;

	FUZZ_CHECK(ramz_create(&store, NULL) == 0);
	err = ramz_attach(store, &w.device.backing);
	FUZZ_CHECK(err == (holds == 1 ? -EEXIST : holds));
	ramz_destroy(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct ramz_options options;
	struct ramz *store;
	const char *reason = NULL;
	uint32_t kind;
	int holds;

	memset(&w, 0, sizeof(w));
	w.in = (struct fuzz_input){.at = data, .left = bytes};
	memset(w.sums, true, sizeof(w.sums));
	kind = fuzz_byte(&w.in);
	copy_checkpoint(kind);
	find_parts();
	for (uint32_t i = 0; i < CHANGES_MAX && w.in.left > 2; i++)
		change_one();
	find_parts();
	make_sums();
	holds = ramz_backing_holds(&w.device.backing);
	FUZZ_CHECK(holds == 0 || holds == 1 || holds == -XV_EBADMSG);
	attach_elsewhere(holds);
	ramz_options_init(&options);
	options.shards = 1;
	options.dedup = (kind & 8U) != 0;
	if (ramz_open(&store, &options, NULL, 0, &w.device.backing, &reason) == 0) {
		FUZZ_CHECK(holds == 1);
		use(store);
		ramz_destroy(store);
	} else {
		FUZZ_CHECK(reason[0] != '\0');
	}
	free(w.device.bytes);
	return 0;
}
