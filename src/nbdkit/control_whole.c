/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_whole.c: trim, reset, resize, and looking meanwhile; see control_whole.h.
 */
#include "control_whole.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "stats_json.h"

/* ---- looking meanwhile ---- */

/* A trim, a reset or a resize locks the store until all memory is given back. A look at it
 * meanwhile does not wait, but gets the state before. One of them runs at a time. */
static struct alone {
	pthread_mutex_t lock; /* held while statistics are taken, so that they are consistent */
	json_t *before;       /* NULL = nothing has the pool alone */
} alone = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void alone_begin(struct rzn_disk *disk, const char *command)
{
	(void)pthread_mutex_lock(&alone.lock);
	alone.before = rzn_stats_json(disk);
	json_object_set_new(alone.before, "busy", json_string(command));
	(void)pthread_mutex_unlock(&alone.lock);
}

static void alone_end(void)
{
	(void)pthread_mutex_lock(&alone.lock);
	json_decref(alone.before);
	alone.before = NULL;
	(void)pthread_mutex_unlock(&alone.lock);
}

/* With the lock: else alone_end may free what is copied. */
static json_t *stats_locked(struct rzn_disk *disk)
{
	assert(pthread_mutex_trylock(&alone.lock) != 0);
	return alone.before != NULL ? json_deep_copy(alone.before) : rzn_stats_json(disk);
}

static json_t *stats_now(struct rzn_disk *disk)
{
	json_t *answer;

	(void)pthread_mutex_lock(&alone.lock);
	answer = stats_locked(disk);
	(void)pthread_mutex_unlock(&alone.lock);
	return answer;
}

json_t *rzn_command_stat(struct rzn_disk *disk, const struct rzn_request *request)
{
	if (*request->arguments != '\0')
		return rzn_answer_error(EINVAL, "stat takes no argument; say: stat");
	return stats_now(disk);
}

/* ---- trim ---- */

json_t *rzn_command_trim(struct rzn_disk *disk, const struct rzn_request *request)
{
	uint64_t bytes;
	json_t *answer;

	if (*request->arguments != '\0')
		return rzn_answer_error(EINVAL, "trim takes no argument; say: trim");
	alone_begin(disk, "trim");
	bytes = ramz_trim(disk->store);
	alone_end();
	answer = rzn_answer_ok();
	json_object_set_new(answer, "given_back_bytes", rzn_json_count(bytes));
	return answer;
}

/* ---- reset and resize ---- */

/* Have the store for a change of all of it. False: the server is ending. */
static bool change_begin(struct rzn_disk *disk, const char *command)
{
	if (!rzn_disk_change_begin(disk))
		return false;
	alone_begin(disk, command);
	return true;
}

static void change_end(struct rzn_disk *disk)
{
	alone_end();
	rzn_disk_change_end(disk);
}

static json_t *change_refused_at_end(const char *command)
{
	return rzn_answer_error(ESHUTDOWN,
				"%s: the server is ending, and saves the disk as it is; start it "
				"again",
				command);
}

/* advice: what else could be done, or "". */
static json_t *change_refused_to_clients(const char *command, unsigned clients, const char *advice)
{
	return rzn_answer_error(EBUSY,
				"%s: %u client%s connected, and would find %s data gone: end %s "
				"first%s",
				command, clients, clients == 1 ? " is" : "s are",
				clients == 1 ? "its" : "their", clients == 1 ? "it" : "them",
				advice);
}

/* With new connections locked out. */
static json_t *reset(struct rzn_disk *disk, unsigned clients, bool force)
{
	uint64_t before = rzn_held_bytes(disk);
	int err;

	if (clients != 0 && !force)
		return change_refused_to_clients("reset", clients,
						 ", or say reset force (ramz reset --force)");
	if (!change_begin(disk, "reset"))
		return change_refused_at_end("reset");
	err = ramz_reset(disk->store);
	change_end(disk);
	if (err != 0)
		return rzn_answer_error(-err, "reset: %s; try again", strerror(-err));
	return rzn_answer_held(disk, before);
}

json_t *rzn_command_reset(struct rzn_disk *disk, const struct rzn_request *request)
{
	bool force = strcmp(request->arguments, "force") == 0;
	json_t *answer;

	if (*request->arguments != '\0' && !force)
		return rzn_answer_error(EINVAL, "say reset, or reset force where clients are "
						"connected");
	answer = reset(disk, rzn_disk_lock_clients(disk), force);
	rzn_disk_unlock_clients(disk);
	return answer;
}

/* Pages behind a new end that are not zeros. */
struct behind {
	uint64_t pages;
	uint64_t end; /* behind the last one */
};

static int behind_visit(void *context, uint64_t page, const struct ramz_page_info *info)
{
	struct behind *behind = context;

	if (info->kind != RAMZ_PAGE_SAME_FILLED || info->word != 0) {
		behind->pages++;
		behind->end = page + 1;
	}
	return 0;
}

/* May the pages behind the new end be dropped? NULL: yes. */
static json_t *shrink_refused(struct rzn_disk *disk, uint64_t size_bytes, unsigned clients,
			      bool force)
{
	struct behind behind = {.pages = 0};
	int err;

	if (clients != 0)
		return change_refused_to_clients("resize", clients, "");
	if (force)
		return NULL;
	err = ramz_walk(disk->store, size_bytes / disk->page_bytes, behind_visit, &behind);
	if (err != 0)
		return rzn_answer_error(EBADMSG, "resize: a page behind the new end is damaged; "
						 "to drop it say resize SIZE force (ramz resize "
						 "--force)");
	if (behind.pages == 0)
		return NULL;
	return rzn_answer_error(
		ENOTEMPTY,
		"resize: %llu page%s behind the new end hold%s data, which would be lost: the "
		"least size that keeps all is %llu; to drop the data say resize SIZE force (ramz "
		"resize --force)",
		(unsigned long long)behind.pages, behind.pages == 1 ? "" : "s",
		behind.pages == 1 ? "s" : "", (unsigned long long)behind.end * disk->page_bytes);
}

static json_t *resize_failed(const struct rzn_disk *disk, int err)
{
	switch (err) {
	case -XV_E2BIG:
		return rzn_answer_error(E2BIG,
					"resize: a disk with pages of %llu bytes has %llu "
					"bytes at most; give a smaller size",
					(unsigned long long)disk->page_bytes,
					(unsigned long long)RAMZ_PAGES_MAX * disk->page_bytes);
	case -XV_ENOSPC:
		return rzn_answer_error(ENOSPC, "resize: the hard limit leaves no room for a "
						"larger table; raise it (ramz limit)");
	default:
		return rzn_answer_error(-err, "resize: %s; the size is as before", strerror(-err));
	}
}

static uint64_t pages_stored(struct rzn_disk *disk)
{
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	return stats.pages_stored;
}

/* With new connections locked out: one that began now would get the size before. */
static json_t *resize(struct rzn_disk *disk, uint64_t size_bytes, unsigned clients, bool force)
{
	uint64_t before = ramz_size_bytes(disk->store), stored = pages_stored(disk), dropped = 0;
	json_t *answer = NULL;
	int err;

	size_bytes = (size_bytes + disk->page_bytes - 1) & ~(disk->page_bytes - 1);
	if (size_bytes < before)
		answer = shrink_refused(disk, size_bytes, clients, force);
	if (answer != NULL)
		return answer;
	if (!change_begin(disk, "resize"))
		return change_refused_at_end("resize");
	err = ramz_resize(disk->store, size_bytes);
	change_end(disk);
	if (err != 0)
		return resize_failed(disk, err);
	if (size_bytes < before)
		dropped = stored - pages_stored(disk);
	answer = rzn_answer_ok();
	json_object_set_new(answer, "size_bytes_before", rzn_json_count(before));
	json_object_set_new(answer, "size_bytes", rzn_json_count(size_bytes));
	json_object_set_new(answer, "pages_dropped", rzn_json_count(dropped));
	json_object_set_new(answer, "clients", rzn_json_count(clients));
	return answer;
}

json_t *rzn_command_resize(struct rzn_disk *disk, const struct rzn_request *request)
{
	const char *arguments = request->arguments;
	char size_word[RZN_WORD_BYTES];
	uint64_t size_bytes;
	json_t *answer;
	bool force;

	if (!rzn_take_word(&arguments, size_word) || !rzn_parse_count(size_word, &size_bytes) ||
	    size_bytes == 0 || (*arguments != '\0' && strcmp(arguments, "force") != 0))
		return rzn_answer_error(EINVAL, "say resize BYTES, or resize BYTES force, to drop "
						"what lies behind the new end");
	force = *arguments != '\0';
	answer = resize(disk, size_bytes, rzn_disk_lock_clients(disk), force);
	rzn_disk_unlock_clients(disk);
	return answer;
}
