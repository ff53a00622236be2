/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stats_file.c: the statistics written at the end; see stats_file.h.
 */
#include "stats_file.h"

#include <errno.h>

#include "nbdkit_api.h"
#include "tell.h"
#include "stats_json.h"

/* jansson does not pass on why a part of the text was refused. */
struct stats_target {
	const struct ramz_sink *sink;
	int err;
};

static int stats_dump(const char *text, size_t bytes, void *context)
{
	struct stats_target *target = context;

	target->err = target->sink->write(target->sink->context, text, bytes);
	return target->err;
}

static int stats_put(void *context, const struct ramz_sink *sink)
{
	struct stats_target target = {.sink = sink};
	json_t *document = rzn_stats_json(context);
	int dumped = json_dump_callback(document, stats_dump, &target, JSON_INDENT(1));

	json_decref(document);
	if (dumped != 0)
		return target.err != 0 ? target.err : -ENOMEM;
	return sink->write(sink->context, "\n", 1);
}

int rzn_stats_write(struct rzn_disk *disk, const char *path)
{
	struct ramz_reason reason;
	int err = ramz_replace_file(path, stats_put, disk, NULL, &reason);

	if (err == 0)
		return 0;
	rzn_tell("stats-file=%s could not be written: %s", path, reason.text);
	return -1;
}
