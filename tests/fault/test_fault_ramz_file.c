/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Saved files whose system calls fail, one after the other, and processes that die at each of them.
 * One thread.
 */
#define _GNU_SOURCE

#include <sys/wait.h>

#include "file_calls.h"
#include "file_fixture.h"

#define TEMPORARY ".ramz-tmp"

enum { OLD = 1, NEW = 2, CALLS_MAX = 2000 };

/* ---- what is done ---- */

enum kind {
	SAVE_HELD,         /* OLD is held, and NEW saved */
	SAVE_HELD_REMOVED, /* the same, and somebody has removed the file */
	SAVE_VISITED,
	SAVE_ABSENT,
	OPEN,
	OPEN_ABSENT,
	OPEN_LINK,
	LOAD_HELD,
	LOAD_VISITED,
	KINDS
};

struct trial {
	enum kind kind;
	char path[FIXTURE_PATH_BYTES];
	char link[FIXTURE_PATH_BYTES];
	struct ramz *store; /* NEW */
	struct ramz *loaded;
	struct ramz_file *held;
	struct ramz_reason reason;
};

static void trial_begin(struct trial *trial, enum kind kind)
{
	memset(trial, 0, sizeof(*trial));
	trial->kind = kind;
	fixture_path(trial->path, "disk");
	fixture_path(trial->link, "link");
	(void)unlink(trial->path);
	if (kind != SAVE_ABSENT && kind != OPEN_ABSENT)
		fixture_save(trial->path, OLD);
	if (kind == OPEN_LINK && access(trial->link, F_OK) != 0)
		assert_int_equal(symlink("disk", trial->link), 0);
	if (kind == SAVE_HELD || kind == SAVE_HELD_REMOVED || kind == LOAD_HELD)
		trial->held = fixture_open(trial->path);
	if (kind == SAVE_HELD_REMOVED)
		assert_int_equal(unlink(trial->path), 0);
}

static int trial_act(struct trial *trial)
{
	switch (trial->kind) {
	case SAVE_HELD:
	case SAVE_HELD_REMOVED:
		return ramz_file_save(trial->held, trial->store, NULL, &trial->reason);
	case SAVE_VISITED:
	case SAVE_ABSENT:
		return ramz_save_file(trial->store, trial->path, NULL, &trial->reason);
	case OPEN:
	case OPEN_ABSENT:
		return ramz_file_open(&trial->held, trial->path, 0, &trial->reason);
	case OPEN_LINK:
		return ramz_file_open(&trial->held, trial->link, 0, &trial->reason);
	case LOAD_HELD:
		return ramz_file_load(&trial->loaded, NULL, NULL, 0, trial->held, &trial->reason);
	default:
		return ramz_load_file(&trial->loaded, NULL, NULL, 0, trial->path, &trial->reason);
	}
}

static bool trial_saves(const struct trial *trial)
{
	return trial->kind <= SAVE_ABSENT;
}

static int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	while (directory != NULL && readdir(directory) != NULL)
		count++;
	if (directory != NULL)
		closedir(directory);
	return count;
}

/* ---- calls that fail ---- */

static bool must_tell(const char *call)
{
	static const char *const calls[] = {"write", "fsync", "renameat", "fchmod", "pread"};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(call, calls[i]) == 0)
			return true;
	}
	return false;
}

/* The version that the path has now; UINT64_MAX when it is absent. */
static uint64_t version_there(struct trial *trial)
{
	struct stat status;

	if (lstat(trial->path, &status) != 0)
		return UINT64_MAX;
	return trial->held != NULL ? fixture_held_version(trial->held)
				   : fixture_file_version(trial->path);
}

static void judge_save(struct trial *trial, int err)
{
	bool is_absent = trial->kind == SAVE_ABSENT || trial->kind == SAVE_HELD_REMOVED;
	uint64_t old = is_absent ? UINT64_MAX : OLD;
	bool late = strstr(trial->reason.text, "has the name") != NULL ||
		    strstr(trial->reason.text, "cannot be closed") != NULL;
	uint64_t wanted = err == 0 || late ? NEW : old, there = version_there(trial);

	if (there != wanted)
		fail_msg("kind %d, call %s: %d (%s): version %lld", trial->kind, file_calls.failed,
			 err, trial->reason.text, (long long)there);
}

static void judge_lock(struct trial *trial)
{
	struct ramz_file *other;

	if (trial->held == NULL || (trial->kind == SAVE_HELD_REMOVED && access(trial->path, F_OK)))
		return;
	assert_int_equal(ramz_file_open(&other, trial->path, 0, NULL), -XV_EBUSY);
}

static void judge(struct trial *trial, int err)
{
	struct stat status;

	if (err < 0 && strlen(trial->reason.text) < 5)
		fail_msg("kind %d, call %s: %d without a reason", trial->kind, file_calls.failed,
			 err);
	if (must_tell(file_calls.failed) && err != -file_calls.error &&
	    !(file_calls.error == EINTR && err == 0))
		fail_msg("kind %d, call %s: %d", trial->kind, file_calls.failed, err);
	if (trial_saves(trial))
		judge_save(trial, err);
	if (trial->kind == OPEN_ABSENT)
		assert_int_equal(lstat(trial->path, &status), err == 0 ? 0 : -1);
	judge_lock(trial);
	if (fixture_count(TEMPORARY) != 0)
		fail_msg("kind %d, call %s: a temporary stays", trial->kind, file_calls.failed);
}

static void trial_end(struct trial *trial)
{
	ramz_destroy(trial->loaded);
	ramz_file_close(trial->held);
}

/* Of a save of a visitor the new file is closed at the end, and that may tell of a failed write. */
static int closes_told;

/* False when the call's number was not reached. */
static bool fail_once(enum kind kind, struct ramz *store, uint64_t nth, int error)
{
	struct trial trial;
	int before, err;

	before = count_descriptors();
	trial_begin(&trial, kind);
	trial.store = store;
	file_calls = (struct file_calls){.fail_at = nth, .error = error};
	err = trial_act(&trial);
	file_calls.fail_at = 0;
	closes_told += strstr(trial.reason.text, "cannot be closed") != NULL;
	if (file_calls.failed != NULL)
		judge(&trial, err);
	else
		assert_int_equal(err, 0);
	trial_end(&trial);
	assert_int_equal(count_descriptors(), before);
	return file_calls.failed != NULL;
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EINTR};
	struct ramz *store = fixture_store(NEW);

	(void)state;
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (enum kind kind = 0; kind < KINDS; kind++) {
			uint64_t nth = 1;

			while (fail_once(kind, store, nth, errors[e]))
				assert_true(++nth < CALLS_MAX);
			print_message("kind %d: %llu calls\n", kind, (unsigned long long)nth - 1);
			assert_true(nth > 3);
		}
	}
	assert_int_equal(closes_told, 4); /* two kinds, and errors but EINTR */
	ramz_destroy(store);
}

/* ---- a process that dies at a call ---- */

/* False when it came to its end. */
static bool die_once(enum kind kind, struct ramz *store, uint64_t nth)
{
	struct trial trial;
	struct ramz_file *file;
	uint64_t version;
	pid_t child;
	int status;

	trial_begin(&trial, kind);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		trial.store = store;
		file_calls = (struct file_calls){.fail_at = nth, .die = true};
		_exit(trial_act(&trial) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	trial_end(&trial);
	file = fixture_open(trial.path);
	version = fixture_held_version(file);
	if (version != OLD && version != NEW &&
	    !(version == 0 && (kind == SAVE_ABSENT || kind == SAVE_HELD_REMOVED)))
		fail_msg("kind %d, call %llu: version %lld", kind, (unsigned long long)nth,
			 (long long)version);
	assert_int_equal(fixture_count(TEMPORARY), 0);
	ramz_file_close(file);
	if (!WIFSIGNALED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(version, NEW);
	}
	return WIFSIGNALED(status);
}

static void a_process_may_die_at_every_call(void **state)
{
	struct ramz *store = fixture_store(NEW);

	(void)state;
	for (enum kind kind = 0; kind <= SAVE_ABSENT; kind++) {
		uint64_t nth = 1;

		while (die_once(kind, store, nth)) {
			nth += test_shorter();
			assert_true(nth < CALLS_MAX);
		}
		assert_true(nth > 20);
	}
	ramz_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(every_call_may_fail),
		fixture_test(a_process_may_die_at_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
