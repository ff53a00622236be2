/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk_file.c: load and save; see disk_file.h.
 */
#include "disk_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file_wait.h"
#include "nbdkit_api.h"
#include "tell.h"
#include "rescue.h"

/* A value that rzn_state.changes never reaches. */
#define NEVER_SAVED UINT64_MAX

/* ---- state of the file ---- */

/* Reads the number of changes first: what ends later does not count as saved. */
static struct rzn_state state_now(struct rzn_disk *disk)
{
	struct rzn_state state = {.changes = atomic_load(&disk->changes_ended)};
	struct ramz_stats stats;

	state.codec = ramz_get_codec(disk->store, &state.level);
	ramz_get_stats(disk->store, &stats);
	state.pages_stored = stats.pages_stored;
	state.size_bytes = stats.size_bytes;
	return state;
}

static bool state_is(const struct rzn_state *a, const struct rzn_state *b)
{
	return a->changes == b->changes && a->pages_stored == b->pages_stored &&
	       a->size_bytes == b->size_bytes && a->codec == b->codec && a->level == b->level;
}

/* Is there a place that keeps the disk? */
static bool disk_is_kept(const struct rzn_disk *disk)
{
	return disk->file != NULL || disk->config->backing_keep;
}

bool rzn_file_is_stale(struct rzn_disk *disk)
{
	struct rzn_state now;
	bool stale;

	if (!disk_is_kept(disk))
		return false;
	now = state_now(disk);
	(void)pthread_mutex_lock(&disk->saves.lock);
	stale = !state_is(&now, &disk->saves.saved);
	(void)pthread_mutex_unlock(&disk->saves.lock);
	return stale;
}

/* ---- holding ---- */

int rzn_file_hold(struct rzn_disk *disk)
{
	const char *path = disk->config->file;
	struct ramz_reason reason;

	if (path == NULL || disk->file != NULL)
		return 0;
	if (rzn_file_wait(&disk->file, path, &reason) == 0)
		return 0;
	rzn_tell("file=%s: %s", path, reason.text);
	return -1;
}

void rzn_file_release(struct rzn_disk *disk)
{
	ramz_file_close(disk->file);
	disk->file = NULL;
}

/* ---- parameters against the saved values ---- */

static int refuse_page(const struct rzn_config *config, const struct ramz_file_info *info)
{
	rzn_tell("file=%s was saved with pages of %lu bytes; leave page= out", config->file,
		 (unsigned long)info->page_bytes);
	return -1;
}

static int refuse_size(const struct rzn_config *config, uint64_t size_bytes)
{
	rzn_tell("%s=%s holds a disk of %llu bytes, and size= would cut it; leave size= out, or "
		 "give a larger one",
		 rzn_config_own_key(config), rzn_config_own(config),
		 (unsigned long long)size_bytes);
	return -1;
}

static int refuse_codec(const struct rzn_config *config, const struct ramz_file_info *info)
{
	rzn_tell("file=%s was saved with the codec %s, which this plugin has not; give codec= "
		 "to go on with another one, of %s",
		 config->file, info->codec, rzn_codec_names(", "));
	return -1;
}

static bool size_is_cut(const struct rzn_config *config, const struct ramz_file_info *info)
{
	uint64_t size_bytes = config->options.size_bytes;

	return config->size_given && size_bytes < info->size_bytes &&
	       info->size_bytes - size_bytes >= info->page_bytes;
}

static int refuse_checksum(const struct rzn_config *config)
{
	rzn_tell("file=%s was saved with checksums, which cannot be taken off; leave checksum= "
		 "out",
		 config->file);
	return -1;
}

/* Parameters that were not given are left to ramz_file_load, which takes them from the file. */
static int file_check_given(const struct rzn_config *config, const struct ramz_file_info *info)
{
	const struct ramz_options *given = &config->options;

	if (config->page_given && given->page_bytes != info->page_bytes)
		return refuse_page(config, info);
	if (size_is_cut(config, info))
		return refuse_size(config, info->size_bytes);
	if (config->checksum_given && !given->checksum && info->checksum)
		return refuse_checksum(config);
	if (given->codec == NULL && info->codec[0] != '\0' &&
	    ramz_codec_by_name(info->codec) == NULL)
		return refuse_codec(config, info);
	return 0;
}

static bool level_is(const struct ramz_codec *codec, int32_t level, int32_t other)
{
	int32_t own = codec->level_default;

	return (level == RAMZ_LEVEL_DEFAULT ? own : level) ==
	       (other == RAMZ_LEVEL_DEFAULT ? own : other);
}

/* Does the file tell the next server what this one was given? A file of version 1 does not keep
 * its codec. */
static bool file_tells(struct rzn_disk *disk, const struct ramz_file_info *info)
{
	const struct rzn_config *config = disk->config;
	struct rzn_state now = state_now(disk);

	if ((config->options.checksum && !info->checksum) || now.size_bytes != info->size_bytes)
		return false;
	if (info->codec[0] == '\0')
		return config->options.codec == NULL;
	return strcmp(now.codec->name, info->codec) == 0 &&
	       level_is(now.codec, now.level, info->level);
}

/* ---- loading ---- */

/* A disk may become larger than it was saved. */
static int file_grow(struct rzn_disk *disk)
{
	uint64_t size_bytes = disk->config->options.size_bytes;
	int err;

	if (!disk->config->size_given || size_bytes <= ramz_size_bytes(disk->store))
		return 0;
	err = ramz_resize(disk->store, size_bytes);
	if (err == 0)
		return 0;
	rzn_tell("size=: the disk of %s=%s cannot grow so far: %s; make it less",
		 rzn_config_own_key(disk->config), rzn_config_own(disk->config), strerror(-err));
	return -1;
}

/* What to do with a file that cannot be loaded. */
static const char *file_advice(int err)
{
	switch (err) {
	case -XV_EBADMSG:
		return "put a good copy there, or name another file";
	case -XV_ENOSPC:
		return "raise hard-limit=";
	case -XV_ENOMEM:
		return "free some memory";
	case -XV_ENOTSUP:
		return "take a plugin that can read it";
	default:
		return "make it readable, or name another file";
	}
}

static int refuse_file(const struct rzn_disk *disk, const char *reason, int err)
{
	rzn_tell("%s=%s cannot be loaded: %s. It is left as it is; %s",
		 rzn_config_own_key(disk->config), rzn_config_own(disk->config),
		 reason[0] != '\0' ? reason : strerror(-err), file_advice(err));
	return -1;
}

/* It is no saved store, or a newer one: a load tells which. */
static int refuse_header(const struct rzn_disk *disk, const struct ramz_options *options, int err)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz *store;

	if (ramz_file_load(&store, options, NULL, 0, disk->file, &reason) == 0)
		ramz_destroy(store);
	return refuse_file(disk, reason.text, err);
}

static int refuse_to_save(const struct rzn_disk *disk)
{
	rzn_tell("file=%s: user %lu may not write to it or to its directory, so the disk could "
		 "not be saved: let that user write to both, or name another file",
		 disk->config->file, (unsigned long)geteuid());
	return -1;
}

static int file_read(struct rzn_disk *disk, const struct ramz_file_info *info,
		     const struct ramz_options *options)
{
	struct ramz_reason reason = {.text = ""};
	int err;

	if (file_check_given(disk->config, info) != 0)
		return -1;
	err = ramz_file_load(&disk->store, options, NULL, 0, disk->file, &reason);
	if (err != 0)
		return refuse_file(disk, reason.text, err);
	if (file_grow(disk) != 0)
		return -1;
	if (file_tells(disk, info))
		disk->saves.saved = state_now(disk);
	return 1;
}

/* The same for backing=, which is not read but opened. */
static int device_load(struct rzn_disk *disk, const struct ramz_options *options)
{
	const struct rzn_config *config = disk->config;
	const char *reason = "";
	int err = ramz_backing_holds(&disk->backing);

	if (err == 0)
		return 0;
	if (err > 0 || err == -XV_EBADMSG)
		err = ramz_open(&disk->store, options, NULL, 0, &disk->backing, &reason);
	if (err != 0)
		return refuse_file(disk, reason, err);
	if (config->size_given &&
	    options->size_bytes + ramz_page_bytes(disk->store) <= ramz_size_bytes(disk->store))
		return refuse_size(config, ramz_size_bytes(disk->store));
	if (file_grow(disk) != 0)
		return -1;
	/* Otherwise the next server is to find what this one was given. */
	if (!config->size_given && options->codec == NULL)
		disk->saves.saved = state_now(disk);
	return 1;
}

int rzn_file_load(struct rzn_disk *disk, const struct ramz_options *options)
{
	struct ramz_file_info info;
	int err;

	assert(disk->store == NULL);
	disk->saves.saved = (struct rzn_state){.changes = NEVER_SAVED};
	if (disk->config->backing_keep)
		return device_load(disk, options);
	if (disk->file == NULL)
		return 0;
	err = ramz_file_info(disk->file, &info);
	if (err != 0)
		return refuse_header(disk, options, err);
	if (!info.can_save)
		return refuse_to_save(disk);
	return info.is_empty ? 0 : file_read(disk, &info, options);
}

/* ---- saving ---- */

/* Another path to the same file: no save may replace the file meanwhile. But not another link to
 * it: a save would not change what that name leads to. */
bool rzn_file_is_own(const struct rzn_disk *disk, const char *path)
{
	const char *own = rzn_config_own(disk->config);
	struct stat a, b;

	if (path == NULL || !disk_is_kept(disk))
		return path == NULL;
	if (strcmp(path, own) == 0)
		return true;
	return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino && a.st_nlink == 1;
}

static void save_note(struct rzn_disk *disk, const struct rzn_state *state, int err,
		      const struct ramz_reason *reason)
{
	struct rzn_saves *saves = &disk->saves;

	assert(pthread_mutex_trylock(&saves->saving) != 0);
	(void)pthread_mutex_lock(&saves->lock);
	saves->last_at = (int64_t)time(NULL);
	saves->last = (struct ramz_reason){.text = ""};
	if (err == 0) {
		saves->saved = *state;
		saves->count++;
	} else {
		saves->last = *reason;
		saves->failures++;
	}
	(void)pthread_mutex_unlock(&saves->lock);
}

/* full: what -XV_ENOSPC means. */
static void backing_why(struct ramz_reason *reason, int err, const char *full)
{
	const char *why = err == -XV_ENOSPC  ? full
			  : err == -XV_EBUSY ? "memory ran short for pages that were written "
					       "meanwhile: save again, or raise the hard limit"
			  : err == -EEXIST   ? "there is a file; remove it, or name another"
			  : err != 0         ? strerror(-err)
					     : "";

	(void)snprintf(reason->text, sizeof(reason->text), "%s", why);
}

/* A checkpoint. What it wrote is not told: most of the disk was there. */
static int save_in_place(struct rzn_disk *disk, uint64_t *file_bytes, struct ramz_reason *reason)
{
	int err = ramz_checkpoint(disk->store);

	backing_why(reason, err, "the backing file is full: give it a larger backing-size=");
	if (file_bytes != NULL)
		*file_bytes = disk->backing.size_bytes;
	return err;
}

/* To a new file, which another server takes as backing= with backing-keep=. */
static int save_to_new_backing(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			       struct ramz_reason *reason)
{
	int err = ramz_save_backing_file(disk->store, path, disk->backing.size_bytes);

	backing_why(reason, err,
		    "the hard limit leaves no room for its table and buffers (raise it: ramz "
		    "limit), or its file system is full");
	*file_bytes = disk->backing.size_bytes;
	return err;
}

/* Changes from the first line on may or may not be in the file, and count as not saved. */
static int save_own(struct rzn_disk *disk, uint64_t *file_bytes, struct ramz_reason *reason)
{
	struct rzn_state before = state_now(disk);
	int err;

	assert(pthread_mutex_trylock(&disk->saves.saving) != 0 && disk_is_kept(disk));
	err = disk->file != NULL ? ramz_file_save(disk->file, disk->store, file_bytes, reason)
				 : save_in_place(disk, file_bytes, reason);

	save_note(disk, &before, err, reason);
	return err;
}

int rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
		  struct ramz_reason *reason)
{
	int err;

	assert(path != NULL || disk_is_kept(disk));
	*reason = (struct ramz_reason){.text = ""};
	(void)pthread_mutex_lock(&disk->saves.saving);
	if (rzn_file_is_own(disk, path))
		err = save_own(disk, file_bytes, reason);
	else if (disk->config->backing_keep)
		err = save_to_new_backing(disk, path, file_bytes, reason);
	else
		err = ramz_save_file(disk->store, path, file_bytes, reason);
	(void)pthread_mutex_unlock(&disk->saves.saving);
	if (err != 0 && reason->text[0] == '\0')
		(void)snprintf(reason->text, sizeof(reason->text), "%s", strerror(-err));
	return err;
}

/* Save to the held file, and print the note of the save. */
static int save_noted(struct rzn_disk *disk, struct ramz_reason *reason)
{
	int err = rzn_file_save(disk, NULL, NULL, reason);

	if (err == 0 && reason->text[0] != '\0')
		rzn_tell("warning: %s=%s was saved: %s", rzn_config_own_key(disk->config),
			 rzn_config_own(disk->config), reason->text);
	return err;
}

void rzn_file_save_again(struct rzn_disk *disk)
{
	struct ramz_reason reason;

	if (!rzn_file_is_stale(disk) || save_noted(disk, &reason) == 0)
		return;
	rzn_tell("%s=%s could not be saved: %s. It is as it was saved last; this is tried again "
		 "when save-every= has passed",
		 rzn_config_own_key(disk->config), rzn_config_own(disk->config), reason.text);
}

enum rzn_end rzn_file_save_at_end(struct rzn_disk *disk)
{
	const char *key = rzn_config_own_key(disk->config), *own = rzn_config_own(disk->config);
	struct ramz_reason reason, elsewhere;
	char path[RZN_RESCUE_PATH_BYTES];
	int err;

	if (!rzn_file_is_stale(disk))
		return RZN_SAVED;
	err = save_noted(disk, &reason);
	if (err == 0)
		return RZN_SAVED;
	if (rzn_rescue(disk, err, path, &elsewhere) == 0) {
		rzn_tell("%s=%s could not be saved: %s. It is as it was saved last, and all of "
			 "the disk is in %s now: to go on with that, serve it as file=",
			 key, own, reason.text, path);
		return RZN_RESCUED;
	}
	rzn_tell("%s=%s could not be saved: %s; and no other place took the disk: %s: %s", key, own,
		 reason.text, path, elsewhere.text);
	return RZN_LOST;
}
