/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * plugin.c: the calls of nbdkit.
 *
 * Owns: the one disk of the process. May call: everything of the plugin. Locking: parameters,
 * get_ready, after_fork and cleanup run in one thread; requests run in many.
 */
#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "disk.h"
#include "disk_file.h"
#include "disk_io.h"
#include "extents.h"
#include "listener.h"
#include "nbdkit_api.h"
#include "path.h"
#include "rescue.h"
#include "saver.h"
#include "tiers.h"

/* nbdkit before 1.34 aborts, and with it the disk ends, when a client hangs up while several of its
 * requests are at work. */
#if NBDKIT_VERSION_MAJOR == 1 && NBDKIT_VERSION_MINOR < 34
#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS
#else
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#endif

static struct rzn_config config;
static struct rzn_disk disk;

/* ---- start and end ---- */

static void plugin_load(void)
{
	rzn_config_init(&config);
	rzn_disk_init(&disk, &config);
	rzn_saver_load();
}

static void plugin_unload(void)
{
	rzn_file_release(&disk);
	rzn_config_fini(&config);
}

static int plugin_config(const char *key, const char *value)
{
	return rzn_config_set(&config, key, value);
}

static int plugin_config_complete(void)
{
	return rzn_config_complete(&config);
}

static void plugin_dump(void)
{
	printf("ramz_version=%s\n", xv_version());
	printf("ramz_codecs=%s\n", rzn_codec_names(" "));
	printf("ramz_page_bytes=4096 8192 16384 32768 65536\n");
	printf("ramz_stats=%s\n", RZN_HAVE_JANSSON ? "yes" : "no");
}

/* plugin_after_fork makes an absent file, as the user that nbdkit becomes: made here it would be
 * root's, and that user could not save to it. */
static bool plugin_file_is_there(void)
{
	return config.file == NULL || access(config.file, F_OK) == 0;
}

/* The last call in the foreground: all errors, above all a damaged file, are told here. The disk
 * itself is made after the fork, since a store does not survive one; the hold on its file does. */
static int plugin_get_ready(void)
{
	if (config.stats_socket != NULL && rzn_listener_check(config.stats_socket) != 0)
		return -1;
	if (rzn_path_check("stats-file", config.stats_file) != 0 || rzn_rescue_check(&config) != 0)
		return -1;
	if (config.backing != NULL && rzn_path_check_directory("backing", config.backing) != 0)
		return -1;
	if (rzn_backing_open(&disk) != 0)
		return -1;
	if (!plugin_file_is_there()) {
		if (rzn_path_check_directory("file", config.file) != 0)
			return -1;
	} else {
		if (rzn_file_hold(&disk) != 0 || rzn_disk_open(&disk) != 0)
			return -1;
		rzn_disk_close(&disk);
	}
	return 0;
}

static int plugin_serve(void)
{
	if (rzn_backing_attach(&disk) != 0 || rzn_tiers_start(&disk) != 0)
		return -1;
	if (config.stats_socket != NULL && rzn_control_start(&disk, config.stats_socket) != 0)
		return -1;
	if (rzn_saver_start(&disk) == 0)
		return 0;
	rzn_control_stop();
	return -1;
}

/* nbdkit may have become another user since plugin_get_ready. */
static int plugin_after_fork(void)
{
	if (rzn_path_check("stats-file", config.stats_file) != 0 || rzn_rescue_check(&config) != 0)
		return -1;
	if (rzn_file_hold(&disk) != 0 || rzn_disk_open(&disk) != 0)
		return -1;
	if (plugin_serve() == 0)
		return 0;
	rzn_disk_close(&disk);
	return -1;
}

static void plugin_cleanup(void)
{
	rzn_saver_stop();
	rzn_disk_close(&disk);
	rzn_backing_close(&disk);
}

/* ---- a connection ---- */

static void *plugin_open(int readonly)
{
	(void)readonly;
	rzn_disk_client_begin(&disk);
	return &disk;
}

static void plugin_close(void *handle)
{
	rzn_disk_client_end(handle);
}

/* nbdkit asks once for each connection, which keeps that size to its end. */
static int64_t plugin_get_size(void *handle)
{
	const struct rzn_disk *d = handle;

	return (int64_t)ramz_size_bytes(d->store);
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			     uint32_t *maximum)
{
	const struct rzn_disk *d = handle;

	*minimum = 1;
	*preferred = (uint32_t)d->page_bytes;
	*maximum = RZN_REQUEST_BYTES_MAX;
	return 0;
}

static int plugin_yes(void *handle)
{
	(void)handle;
	return 1;
}

/* A write is in memory, and a flush adds nothing: so every write is FUA. */
static int plugin_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

/* There is nothing to cache, so without a .cache nbdkit says yes and does nothing. */
static int plugin_can_cache(void *handle)
{
	(void)handle;
	return NBDKIT_CACHE_NATIVE;
}

/* ---- requests ---- */

static int plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	(void)flags;
	return rzn_disk_read(handle, buf, count, offset);
}

static int plugin_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
			 uint32_t flags)
{
	(void)flags;
	return rzn_disk_write(handle, buf, count, offset);
}

static int plugin_flush(void *handle, uint32_t flags)
{
	(void)flags;
	return rzn_disk_flush(handle);
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	(void)flags;
	return rzn_disk_trim(handle, count, offset);
}

/* A hole takes no memory, with or without MAY_TRIM: compressed memory cannot be reserved. */
static int plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	return rzn_disk_zero(handle, count, offset, (flags & NBDKIT_FLAG_FAST_ZERO) != 0);
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
			  struct nbdkit_extents *extents)
{
	return rzn_disk_extents(handle, count, offset, (flags & NBDKIT_FLAG_REQ_ONE) != 0, extents);
}

static struct nbdkit_plugin plugin = {
	.name = "ramz",
	.longname = "compressed memory disk",
	.version = XV_VERSION_STRING,
	.description = "A disk in memory that takes less of it than its contents are long.",
	.load = plugin_load,
	.unload = plugin_unload,
	.config = plugin_config,
	.config_complete = plugin_config_complete,
	.config_help = RZN_CONFIG_HELP,
	.magic_config_key = "size",
	.dump_plugin = plugin_dump,
	.get_ready = plugin_get_ready,
	.after_fork = plugin_after_fork,
	.cleanup = plugin_cleanup,
	.open = plugin_open,
	.close = plugin_close,
	.get_size = plugin_get_size,
#if NBDKIT_VERSION_MAJOR > 1 || NBDKIT_VERSION_MINOR >= 30
	.block_size = plugin_block_size,
#endif
	.can_multi_conn = plugin_yes,
	.can_fast_zero = plugin_yes,
	.can_fua = plugin_can_fua,
	.can_cache = plugin_can_cache,
	.pread = plugin_pread,
	.pwrite = plugin_pwrite,
	.flush = plugin_flush,
	.trim = plugin_trim,
	.zero = plugin_zero,
	.extents = plugin_extents,
};

/* nbdkit looks up this name. */
struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
