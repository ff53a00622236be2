/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_file.c: the statistics written at the end; see stats_file.h.
 */
#include "stats_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbdkit_api.h"
#include "stats_json.h"

static int stats_dump(struct rzn_disk *disk, const char *path)
{
	json_t *document = rzn_stats_json(disk);
	FILE *out = fopen(path, "we");
	int err = 0;

	if (out == NULL)
		err = -errno;
	else if (json_dumpf(document, out, JSON_INDENT(1)) != 0 || fputc('\n', out) == EOF)
		err = -EIO;
	if (out != NULL && fclose(out) != 0 && err == 0)
		err = -errno;
	json_decref(document);
	return err;
}

int rzn_stats_write(struct rzn_disk *disk, const char *path)
{
	char *temporary = NULL;
	int err = asprintf(&temporary, "%s.tmp", path) < 0 ? -ENOMEM : 0;

	if (err != 0) {
		nbdkit_error("stats-file=%s: no memory to write it", path);
		return -1;
	}
	err = stats_dump(disk, temporary);
	if (err == 0 && rename(temporary, path) != 0)
		err = -errno;
	if (err != 0) {
		(void)unlink(temporary);
		nbdkit_error("stats-file=%s could not be written: %s", path, strerror(-err));
	}
	free(temporary);
	return err == 0 ? 0 : -1;
}
