/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * rescue.c: another place for the contents; see rescue.h.
 */
#include "rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbdkit_api.h"
#include "tell.h"

/* The last one is in memory, and lost when the machine stops: better than nothing. */
static const char *const rescue_places[] = {"/var/tmp", "/tmp", "/dev/shm"};

/* Bytes of the file's name that stay. */
enum { RESCUE_NAME_BYTES = 100 };

static int directory_error(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return errno;
	if (!S_ISDIR(status.st_mode))
		return ENOTDIR;
	return access(path, W_OK | X_OK) == 0 ? 0 : errno;
}

int rzn_rescue_check(const struct rzn_config *config)
{
	int error;

	if (config->save_fallback == NULL)
		return 0;
	error = directory_error(config->save_fallback);
	if (error == 0)
		return 0;
	rzn_tell("save-fallback=%s: no file can be made there (%s); name a directory that user "
		 "%lu may write to",
		 config->save_fallback, strerror(error), (unsigned long)geteuid());
	return -1;
}

/* The limit on the length of files holds everywhere. It can be raised to its hard part, and by
 * root beyond; all contents are at stake. */
static void lift_file_limit(void)
{
	struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	struct rlimit limit;

	if (setrlimit(RLIMIT_FSIZE, &none) == 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* Makes the file first, exclusively, so that no other file is replaced. */
static int rescue_in(struct rzn_disk *disk, const char *directory, char path[RZN_RESCUE_PATH_BYTES],
		     struct ramz_reason *reason)
{
	const char *slash = strrchr(rzn_config_own(disk->config), '/');
	const char *name = slash != NULL ? slash + 1 : rzn_config_own(disk->config);
	int length = snprintf(path, RZN_RESCUE_PATH_BYTES, "%s/%.*s.XXXXXX", directory,
			      RESCUE_NAME_BYTES, name);
	int fd = length < RZN_RESCUE_PATH_BYTES ? mkostemp(path, O_CLOEXEC) : -1;
	int err;

	if (fd < 0) {
		err = length < RZN_RESCUE_PATH_BYTES ? -errno : -ENAMETOOLONG;
		(void)snprintf(path, RZN_RESCUE_PATH_BYTES, "%s", directory);
		(void)snprintf(reason->text, sizeof(reason->text), "%s", strerror(-err));
		return err;
	}
	(void)close(fd);
	err = ramz_save_file(disk->store, path, NULL, reason);
	if (err != 0)
		(void)unlink(path);
	return err;
}

static int rescue_beside(struct rzn_disk *disk, char path[RZN_RESCUE_PATH_BYTES],
			 struct ramz_reason *reason)
{
	char directory[RZN_RESCUE_PATH_BYTES];

	(void)snprintf(directory, sizeof(directory), "%s", rzn_config_own(disk->config));
	*strrchr(directory, '/') = '\0';
	return rescue_in(disk, directory, path, reason);
}

int rzn_rescue(struct rzn_disk *disk, int err, char path[RZN_RESCUE_PATH_BYTES],
	       struct ramz_reason *reason)
{
	int result = -1;

	if (err == -EFBIG)
		lift_file_limit();
	if (disk->config->save_fallback != NULL)
		return rescue_in(disk, disk->config->save_fallback, path, reason);
	if (err == -EEXIST || err == -EMLINK)
		result = rescue_beside(disk, path, reason);
	for (size_t i = 0; result != 0 && i < sizeof(rescue_places) / sizeof(rescue_places[0]); i++)
		result = rescue_in(disk, rescue_places[i], path, reason);
	return result;
}
