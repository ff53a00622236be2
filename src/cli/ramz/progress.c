/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * progress.c: how far a server is; see progress.h. What it has done is the difference of two
 * answers to stat; a save shows in the length of its temporary file (ramz/file.h), and a load in
 * what the server has read. Locking: none. O(names in the file's directory) for a save.
 */
#include "progress.h"

#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "size.h"

#define PROGRESS_ASK_SECONDS 1U

/* Room for a number or two with their words. */
#define PROGRESS_TEXT_BYTES 128U

/* ---- a save ---- */

/* Bytes of the newest temporary file of this saved file; 0: there is none. */
static uint64_t save_bytes(const char *path)
{
	char pattern[PATH_MAX + 16];
	struct stat status;
	uint64_t bytes = 0;
	glob_t found = {0};
	time_t newest = 0;

	/* A name with a character of glob's finds no file, or another one. */
	snprintf(pattern, sizeof(pattern), "%s.*.ramz-tmp", path);
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			if (stat(found.gl_pathv[i], &status) == 0 && status.st_mtime >= newest) {
				newest = status.st_mtime;
				bytes = (uint64_t)status.st_size;
			}
		}
	}
	globfree(&found);
	return bytes;
}

/* The file that a request to save names, or the disk's own; NULL: none. */
static const char *save_path(const char *request, const json_t *now)
{
	const char *word = strchr(request, ' ');

	return word != NULL ? word + 1 : json_string_value(json_object_get(now, "file"));
}

static void progress_save(char *text, const struct rzc_wait *wait, const json_t *now)
{
	char done[RZC_SIZE_TEXT_BYTES], all[RZC_SIZE_TEXT_BYTES], path[PATH_MAX];
	const char *given = save_path(wait->request, now);
	uint64_t bytes;

	snprintf(path, sizeof(path), "%s", given != NULL ? given : "");
	path[strcspn(path, "\n")] = '\0';
	bytes = save_bytes(path);
	if (bytes > 0)
		snprintf(text, PROGRESS_TEXT_BYTES, ": %s of about %s", rzc_size_text(done, bytes),
			 rzc_size_text(all, rzc_count(now, "stats.stored_bytes")));
}

/* ---- a request ---- */

static uint64_t progress_since(const struct rzc_wait *wait, const json_t *now, const char *keys)
{
	uint64_t was = rzc_count(wait->first, keys), is = rzc_count(now, keys);

	return is > was ? is - was : 0;
}

/* What is known of this request but its time. Leaves the text alone where that is nothing. */
static void progress_text(char *text, const struct rzc_wait *wait, const json_t *now)
{
	size_t length = strcspn(wait->request, " \n");
	char size[RZC_SIZE_TEXT_BYTES];

	if (strncmp(wait->request, "recompress", length) == 0)
		snprintf(text, PROGRESS_TEXT_BYTES, ": %" PRIu64 " of %" PRIu64 " pages tried",
			 progress_since(wait, now, "stats.recompress_tried"),
			 rzc_count(wait->first, "stats.pages_stored"));
	else if (strncmp(wait->request, "compact", length) == 0)
		snprintf(text, PROGRESS_TEXT_BYTES, ": %s moved",
			 rzc_size_text(size,
				       progress_since(wait, now, "stats.compact_moved_bytes")));
	else if (strncmp(wait->request, "writeback", length) == 0)
		snprintf(text, PROGRESS_TEXT_BYTES, ": %" PRIu64 " pages written",
			 progress_since(wait, now, "backing.writes"));
	else if (strncmp(wait->request, "backing", length) == 0)
		snprintf(text, PROGRESS_TEXT_BYTES, ": %" PRIu64 " pages on the backing file",
			 rzc_count(now, "backing.pages"));
	else if (strncmp(wait->request, "save", length) == 0 ||
		 strncmp(wait->request, "snapshot", length) == 0)
		progress_save(text, wait, now);
}

void rzc_progress_show(struct rzc_wait *wait)
{
	uint64_t seconds = (xvm_clock_ns() - wait->start_ns) / UINT64_C(1000000000);
	struct rzc_server server = *wait->server;
	char text[PROGRESS_TEXT_BYTES] = "";
	json_t *now;

	server.timeout_seconds = PROGRESS_ASK_SECONDS;
	server.on_wait = NULL;
	server.is_quiet = true;
	now = rzc_ask(&server, "stat");
	if (wait->first == NULL)
		wait->first = json_incref(now);
	progress_text(text, wait, now);
	json_decref(now);
	if (seconds > 0)
		xvm_progress("%.*s%s, %" PRIu64 " s", (int)strcspn(wait->request, " \n"),
			     wait->request, text, seconds);
}

/* ---- a load ---- */

/* What the process has read in all; 0 where that is not known. */
static uint64_t load_bytes(pid_t process)
{
	char path[40];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/io", (long)process);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "rchar: %" SCNu64, &bytes) != 1)
		bytes = 0;
	(void)fclose(file);
	return bytes;
}

void rzc_progress_show_load(pid_t process, const char *path)
{
	char done[RZC_SIZE_TEXT_BYTES], all[RZC_SIZE_TEXT_BYTES];
	struct stat status;
	uint64_t bytes, size;

	if (stat(path, &status) != 0 || status.st_size == 0)
		return;
	size = (uint64_t)status.st_size;
	bytes = load_bytes(process);
	xvm_progress("loading %s: %s of %s", path, rzc_size_text(done, bytes < size ? bytes : size),
		     rzc_size_text(all, size));
}
