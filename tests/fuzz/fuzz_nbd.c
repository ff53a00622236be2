/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_nbd.c: the requests of NBD clients, as nbdkit hands them to the plugin, beside an array.
 *
 * The input draws the parameters of the disk, then requests within the bounds that nbdkit keeps. A
 * request succeeds, or fails with a reason and changes nothing that it did not cover. Extents
 * follow each other, cover what was asked or less, and a hole holds zeros.
 *
 * The plugin has its threads, but no file, backing file or tier, so nothing else changes the disk.
 *
 * Owns the array. May call: nbdkit's table of the plugin. Locking: none; one client. O(input).
 */
#include "fuzz_nbdkit.h"

enum { DISK_BYTES = 1 << 19, REQUESTS_MAX = 500 };

struct nbdkit_plugin *plugin_init(void);

static struct nbdkit_plugin *plugin;
static struct fuzz_input in;
static uint32_t size_bytes;
static bool has_limit;
static bool unknown[DISK_BYTES / 512]; /* a write or zero of it failed, so it may be half done */
static unsigned char contents[DISK_BYTES];
static unsigned char buffer[DISK_BYTES];

/* ---- the disk ---- */

static bool configure(void)
{
	static const char *const pages[] = {"4K", "8K", "16K", "64K"};
	static const char *const codecs[] = {"lz4", "zstd:1", "lz4:-3", "none"};
	static const char *const flags[] = {"false", "true"};
	char text[32];

	size_bytes = 512 * (1 + fuzz_below(&in, DISK_BYTES / 512));
	(void)snprintf(text, sizeof(text), "%u", size_bytes);
	if (plugin->config("size", text) != 0 ||
	    plugin->config("page", pages[fuzz_below(&in, 4)]) != 0 ||
	    plugin->config("codec", codecs[fuzz_below(&in, 4)]) != 0 ||
	    plugin->config("checksum", flags[fuzz_below(&in, 2)]) != 0 ||
	    plugin->config("dedup", flags[fuzz_below(&in, 2)]) != 0)
		return false;
	if (fuzz_bool(&in) && plugin->config("provider", "highmem") != 0)
		return false;
	has_limit = fuzz_below(&in, 4) == 0;
	(void)snprintf(text, sizeof(text), "%u", 250000 + fuzz_below(&in, DISK_BYTES));
	if (has_limit && plugin->config("hard-limit", text) != 0)
		return false;
	return plugin->config_complete() == 0 && plugin->get_ready() == 0;
}

/* ---- requests ---- */

/* A range of the disk: at least a byte. Many are of whole pages. */
static void draw_range(uint64_t *offset, uint32_t *count)
{
	uint32_t kind = fuzz_byte(&in), unit = kind < 128 ? 4096 : kind < 192 ? 512 : 1;
	uint32_t most = kind % 8 == 0 ? size_bytes : kind % 8 == 1 ? 65536 : 8192;

	*offset = fuzz_below(&in, size_bytes) / unit * unit;
	*count = (1 + fuzz_below(&in, most) / unit) * unit;
	if (*count > size_bytes - *offset)
		*count = (uint32_t)(size_bytes - *offset);
}

static void forget(uint64_t offset, uint32_t count)
{
	FUZZ_CHECK(has_limit);
	for (uint64_t i = offset / 512; i <= (offset + count - 1) / 512; i++)
		unknown[i] = true;
}

/* Only whole units become known again. */
static void know(uint64_t offset, uint32_t count)
{
	for (uint64_t i = (offset + 511) / 512; (i + 1) * 512 <= offset + count; i++)
		unknown[i] = false;
}

static void request_read(void *handle)
{
	uint64_t offset;
	uint32_t count;

	draw_range(&offset, &count);
	FUZZ_CHECK(plugin->pread(handle, buffer, count, offset, 0) == 0);
	for (uint64_t at = offset; at < offset + count; at++) {
		if (buffer[at - offset] != contents[at])
			FUZZ_CHECK(unknown[at / 512]);
		contents[at] = buffer[at - offset];
	}
	know(offset, count);
}

static void request_write(void *handle)
{
	uint64_t offset;
	uint32_t count, kind = fuzz_byte(&in);

	draw_range(&offset, &count);
	if (kind < 64)
		memset(buffer, (int)(kind & 1U), count);
	else
		fuzz_fill(buffer, count, kind);
	if (plugin->pwrite(handle, buffer, count, offset, 0) != 0) {
		forget(offset, count);
		return;
	}
	memcpy(contents + offset, buffer, count);
	know(offset, count);
}

static void request_zero(void *handle)
{
	static const uint32_t flags[] = {0, NBDKIT_FLAG_MAY_TRIM, NBDKIT_FLAG_FAST_ZERO};
	uint32_t flag = flags[fuzz_below(&in, 3)], count;
	uint64_t offset;

	draw_range(&offset, &count);
	if (plugin->zero(handle, count, offset, flag) == 0) {
		memset(contents + offset, 0, count);
		know(offset, count);
	} else if (fuzz_nbdkit_error != EOPNOTSUPP) { /* with that nothing has changed */
		forget(offset, count);
	} else {
		FUZZ_CHECK(flag == NBDKIT_FLAG_FAST_ZERO);
	}
}

/* A trim succeeds, and what it could not zero stays. */
static void request_trim(void *handle)
{
	uint64_t offset;
	uint32_t count;

	draw_range(&offset, &count);
	FUZZ_CHECK(plugin->trim(handle, count, offset, 0) == 0);
	memset(contents + offset, 0, count);
	if (has_limit)
		forget(offset, count);
}

static void extent_added(uint64_t offset, uint64_t length, uint32_t type)
{
	if ((type & NBDKIT_EXTENT_ZERO) == 0)
		return;
	for (uint64_t at = offset; at < offset + length && at < size_bytes; at++)
		FUZZ_CHECK(contents[at] == 0 || unknown[at / 512]);
}

static void request_extents(void *handle)
{
	struct nbdkit_extents extents = {.add = extent_added};
	bool one = fuzz_bool(&in);
	uint64_t offset;
	uint32_t count;

	draw_range(&offset, &count);
	extents.next = offset;
	FUZZ_CHECK(plugin->extents(handle, count, offset, one ? NBDKIT_FLAG_REQ_ONE : 0,
				   &extents) == 0);
	FUZZ_CHECK(extents.count != 0 && (!one || extents.count == 1));
	FUZZ_CHECK(one || extents.next == offset + count);
}

static void request_one(void *handle)
{
	switch (fuzz_below(&in, 8)) {
	case 0:
		request_read(handle);
		break;
	case 1:
		request_zero(handle);
		break;
	case 2:
		request_trim(handle);
		break;
	case 3:
		request_extents(handle);
		break;
	case 4:
		FUZZ_CHECK(plugin->flush(handle, 0) == 0);
		break;
	default:
		request_write(handle);
	}
}

static void requests(void)
{
	void *handle = plugin->open(0);
	int64_t size = plugin->get_size(handle);

	FUZZ_CHECK(size >= size_bytes && size % 4096 == 0);
	FUZZ_CHECK(plugin->can_fua(handle) == NBDKIT_FUA_NATIVE);
	FUZZ_CHECK(plugin->can_cache(handle) == NBDKIT_CACHE_NATIVE);
	for (uint32_t i = 0; in.left != 0 && i < REQUESTS_MAX; i++)
		request_one(handle);
	FUZZ_CHECK(plugin->pread(handle, buffer, size_bytes, 0, 0) == 0);
	for (uint32_t at = 0; at < size_bytes; at++)
		FUZZ_CHECK(buffer[at] == contents[at] || unknown[at / 512]);
	plugin->close(handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	in = (struct fuzz_input){.at = data, .left = bytes};
	memset(contents, 0, sizeof(contents));
	memset(unknown, 0, sizeof(unknown));
	if (plugin == NULL)
		plugin = plugin_init();
	plugin->load();
	if (configure()) {
		FUZZ_CHECK(plugin->after_fork() == 0);
		requests();
		plugin->cleanup();
	}
	plugin->unload();
	return 0;
}
