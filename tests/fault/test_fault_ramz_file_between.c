/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * What others do between two system calls of a save or an opening, and what a process leaves that
 * dies between two. The rules, by number, are in src/ramz/file_impl.h. One thread, and other
 * processes.
 */
#define _GNU_SOURCE

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "file_calls.h"
#include "file_fixture.h"

#define TEMPORARY ".ramz-tmp"

enum { OLD = 1, NEW = 2, OTHER = 3 };

static struct between {
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *held;
	int err;
	struct ramz_reason reason;
	int count;
} between;

static void between_begin(void)
{
	memset(&between, 0, sizeof(between));
	file_calls = (struct file_calls){.hook = NULL};
	fixture_path(between.path, "disk");
	fixture_save(between.path, OLD);
}

static void at(const char *name, uint64_t nth, void (*hook)(void))
{
	file_calls = (struct file_calls){.hook = hook, .hook_name = name, .hook_at = nth};
}

static int save_new(void)
{
	struct ramz *store = fixture_store(NEW);
	int err = ramz_save_file(store, between.path, NULL, &between.reason);

	ramz_destroy(store);
	assert_null(file_calls.hook);
	assert_int_equal(fixture_count(TEMPORARY), 0);
	return err;
}

static void other_saves(void)
{
	fixture_save(between.path, OTHER);
	between.count++;
}

static void other_saves_and_another_holds(void)
{
	other_saves();
	between.held = fixture_open(between.path);
}

static void other_tries_to_hold(void)
{
	between.err = ramz_file_open(&between.held, between.path, 0, &between.reason);
	between.count++;
}

/* L3: the last to complete stands; each replaces what it has a lock on. */
static void a_save_that_others_overtake_completes(void **state)
{
	(void)state;
	between_begin();
	at("fsync", 1, other_saves);
	assert_int_equal(save_new(), 0);
	assert_int_equal(between.count, 1);
	assert_int_equal(fixture_file_version(between.path), NEW);
}

/* L3 */
static void a_save_does_not_replace_what_was_opened_meanwhile(void **state)
{
	(void)state;
	between_begin();
	at("fsync", 1, other_saves_and_another_holds);
	assert_int_equal(save_new(), -XV_EBUSY);
	assert_non_null(strstr(between.reason.text, "held by"));
	assert_int_equal(fixture_held_version(between.held), OTHER);
	ramz_file_close(between.held);
	assert_int_equal(fixture_file_version(between.path), OTHER);
}

static void nobody_becomes_a_holder_during_a_save(void **state)
{
	static const char *const calls[] = {"write", "fchmod", "fsync", "renameat"};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		between_begin();
		at(calls[i], 1, other_tries_to_hold);
		assert_int_equal(save_new(), 0);
		assert_int_equal(between.err, -XV_EBUSY);
		assert_int_equal(between.count, 1);
		assert_int_equal(fixture_file_version(between.path), NEW);
	}
	/* The new file has the name: the saver has a lock on that one too (L4). */
	between_begin();
	at("fsync", 2, other_tries_to_hold);
	assert_int_equal(save_new(), 0);
	assert_int_equal(between.err, -XV_EBUSY);
}

/* L1: between the opening and the lock. */
static void who_gets_a_lock_on_a_replaced_file_begins_again(void **state)
{
	struct ramz_file *file;

	(void)state;
	between_begin();
	at("flock", 1, other_saves);
	file = fixture_open(between.path);
	assert_int_equal(between.count, 1);
	assert_int_equal(fixture_held_version(file), OTHER);
	assert_int_equal(ramz_file_open(&between.held, between.path, 0, NULL), -XV_EBUSY);
	ramz_file_close(file);
}

static void other_removes(void)
{
	assert_int_equal(unlink(between.path), 0);
	between.count++;
}

static void who_gets_a_lock_on_a_removed_file_begins_again(void **state)
{
	struct ramz_file *file;

	(void)state;
	between_begin();
	at("flock", 1, other_removes);
	file = fixture_open(between.path);
	assert_int_equal(fixture_held_version(file), 0);
	assert_int_equal(ramz_file_open(&between.held, between.path, 0, NULL), -XV_EBUSY);
	ramz_file_close(file);
}

/* L4: a holder has no moment without a lock; before the rename and after. */
static void a_holder_stays_one_over_its_save(void **state)
{
	static const char *const calls[] = {"flock", "write", "renameat", "fsync", "close"};
	struct ramz *store = fixture_store(NEW);

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (uint64_t nth = 1; nth < 3; nth++) {
			struct ramz_file *file;

			between_begin();
			file = fixture_open(between.path);
			at(calls[i], nth, other_tries_to_hold);
			assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
			file_calls.hook = NULL;
			if (between.count != 0)
				assert_int_equal(between.err, -XV_EBUSY);
			assert_true(nth > 1 || between.count == 1);
			ramz_file_close(file);
		}
	}
	ramz_destroy(store);
}

/* Run in another process, with none of our descriptors, and let it get as far as it can: where it
 * must wait for us, that is for half a second. It ends with the answer 0 when all is well. */
static pid_t other_process(int (*function)(void))
{
	struct pollfd end = {.events = POLLIN};
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (int fd = 3; fd < 256; fd++) {
			if (fd != ends[1])
				(void)close(fd);
		}
		alarm(60);
		_exit(function());
	}
	(void)close(ends[1]);
	end.fd = ends[0];
	(void)poll(&end, 1, 500);
	(void)close(ends[0]);
	return child;
}

static pid_t other_pid;

static int expect_well(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Save, hold, and see that it is still ours when the first saver has ended. */
static int save_and_stay_holder(void)
{
	struct ramz_file *file, *again;

	file_calls.hook = NULL;
	fixture_save(between.path, OTHER);
	if (ramz_file_open(&file, between.path, 0, NULL) != 0)
		return 2;
	(void)poll(NULL, 0, 1000);
	return ramz_file_open(&again, between.path, 0, NULL) == -XV_EBUSY ? 0 : 3;
}

static void other_process_saves_and_holds(void)
{
	other_pid = other_process(save_and_stay_holder);
}

/* L3: between the look and the rename nobody replaces the file, and so nobody holds another. */
static void the_look_and_the_rename_are_one_step(void **state)
{
	struct ramz *store = fixture_store(NEW);

	(void)state;
	between_begin();
	at("renameat", 1, other_process_saves_and_holds);
	assert_int_equal(ramz_save_file(store, between.path, NULL, NULL), 0);
	assert_null(file_calls.hook);
	assert_int_equal(expect_well(other_pid), 0);
	assert_int_equal(fixture_file_version(between.path), OTHER);
	assert_int_equal(fixture_count(TEMPORARY), 0);
	ramz_destroy(store);
}

static int load_is_not_refused(void)
{
	struct ramz *store;
	int err;

	file_calls.hook = NULL;
	err = ramz_load_file(&store, NULL, NULL, 0, between.path, NULL);
	return err == 0 || err == -ENOENT ? 0 : 2;
}

static void other_process_loads(void)
{
	other_pid = other_process(load_is_not_refused);
}

/* L7: a save that failed has an exclusive lock on the file that it made and removes. */
static void a_lock_of_a_moment_refuses_nobody(void **state)
{
	struct ramz *store = fixture_store(NEW);

	(void)state;
	between_begin();
	assert_int_equal(unlink(between.path), 0);
	at("unlinkat", 2, other_process_loads); /* the first is the temporary's */
	file_calls.fail_named = "write";
	file_calls.error = EIO;
	assert_int_equal(ramz_save_file(store, between.path, NULL, NULL), -EIO);
	assert_null(file_calls.hook);
	assert_int_equal(expect_well(other_pid), 0);
	assert_int_equal(access(between.path, F_OK), -1);
	ramz_destroy(store);
}

static void open_while_another_replaces(void)
{
	at("flock", 1, other_saves);
	other_tries_to_hold();
}

/* L1: the file that is locked by others is not the one that the name leads to any more. */
static void a_refusal_by_a_replaced_file_is_not_believed(void **state)
{
	(void)state;
	between_begin();
	at("fsync", 1, open_while_another_replaces);
	assert_int_equal(save_new(), -XV_EBUSY); /* it has been opened meanwhile */
	assert_int_equal(between.count, 2);
	assert_int_equal(between.err, 0);
	assert_int_equal(fixture_held_version(between.held), OTHER);
	ramz_file_close(between.held);
}

static void other_program_puts_a_file(void)
{
	char path[FIXTURE_PATH_BYTES];

	assert_int_equal(rename(fixture_path(path, "other"), between.path), 0);
	between.count++;
}

/* The file was removed, and is made again; before that another program, which does not lock, makes
 * it. */
static void a_file_put_there_in_the_last_moment_is_left_alone(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(NEW);
	struct ramz_file *file;

	(void)state;
	between_begin();
	fixture_save(fixture_path(path, "other"), OTHER);
	file = fixture_open(between.path);
	assert_int_equal(unlink(between.path), 0);
	at("openat", 2, other_program_puts_a_file); /* the first is the temporary's */
	assert_int_equal(ramz_file_save(file, store, NULL, &between.reason), -EEXIST);
	assert_int_equal(between.count, 1);
	assert_int_equal(fixture_file_version(between.path), OTHER);
	assert_int_equal(fixture_count(TEMPORARY), 0);
	ramz_file_close(file);
	ramz_destroy(store);
}

/* L6: made, and not locked yet, it looks like a dead process's. Its lock is the fourth: after the
 * directory's, the file's and the directory's end. */
static void a_temporary_that_is_swept_is_made_again(void **state)
{
	(void)state;
	between_begin();
	at("flock", 4, other_saves);
	assert_int_equal(save_new(), 0);
	assert_int_equal(between.count, 1);
	assert_int_equal(fixture_file_version(between.path), NEW);
}

/* Readable by nobody else, in its directory, with the file's name in it. */
static void look_at_the_temporary(void)
{
	DIR *directory = opendir(fixture_directory);
	char path[2 * FIXTURE_PATH_BYTES];
	struct dirent *entry;
	struct stat status;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (strstr(entry->d_name, TEMPORARY) == NULL)
			continue;
		between.count++;
		assert_int_equal(strncmp(entry->d_name, "disk.", 5), 0);
		(void)snprintf(path, sizeof(path), "%s/%s", fixture_directory, entry->d_name);
		assert_int_equal(lstat(path, &status), 0);
		assert_int_equal(status.st_mode, S_IFREG | 0600);
	}
	closedir(directory);
}

static void a_temporary_is_readable_by_its_owner_only(void **state)
{
	static const char *const calls[] = {"write", "fchmod"};
	mode_t mask = umask(0);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		between_begin();
		assert_int_equal(chmod(between.path, 0666), 0);
		at(calls[i], 1, look_at_the_temporary);
		assert_int_equal(save_new(), 0);
		assert_int_equal(between.count, 1);
	}
	(void)umask(mask);
}

/* ---- what a dead process left ---- */

static void leave_a_temporary(char name[256])
{
	struct ramz *store = fixture_store(NEW);
	DIR *directory;
	struct dirent *entry;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		at("fsync", 1, abort);
		_exit(ramz_save_file(store, between.path, NULL, NULL) == 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	directory = opendir(fixture_directory);
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (strstr(entry->d_name, TEMPORARY) != NULL)
			memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(directory);
	ramz_destroy(store);
}

static int make_like(const char *name, char last, char path[FIXTURE_PATH_BYTES])
{
	size_t end = strlen(fixture_path(path, name)) - strlen(TEMPORARY) - 1;

	path[end] = path[end] == last ? 'f' : last;
	return open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
}

static void only_what_a_dead_process_left_is_removed(void **state)
{
	char name[256] = "", path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	int locked, left;

	(void)state;
	between_begin();
	leave_a_temporary(name);
	assert_int_equal(fixture_count(TEMPORARY), 1);
	locked = make_like(name, '0', path);
	assert_int_equal(flock(locked, LOCK_SH), 0);
	close(make_like(name, '1', path));
	assert_int_equal(link(path, fixture_path(other, "another name")), 0);
	close(make_like(name, '2', path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	close(make_like(name, '3', path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("disk", path), 0);
	close(make_like(name, 'g', path)); /* no digit */
	(void)snprintf(other, sizeof(other), "%s/x%s", fixture_directory, name);
	close(open(other, O_RDWR | O_CREAT, 0600)); /* of xdisk */
	(void)snprintf(other, sizeof(other), "%s/%sx", fixture_directory, name);
	close(open(other, O_RDWR | O_CREAT, 0600));
	close(make_like(name, '4', path));
	left = 7;
	if (geteuid() == 0)
		assert_int_equal(chown(path, 65534, 65534), 0);
	left += geteuid() == 0;
	ramz_file_close(fixture_open(between.path));
	assert_int_equal(fixture_count(TEMPORARY), left);
	assert_int_equal(access(fixture_path(path, name), F_OK), -1);
	close(locked);
	ramz_file_close(fixture_open(between.path));
	assert_int_equal(fixture_count(TEMPORARY), left - 1);
}

static void a_save_removes_what_a_dead_process_left(void **state)
{
	char name[256] = "";

	(void)state;
	between_begin();
	leave_a_temporary(name);
	assert_int_equal(fixture_count(TEMPORARY), 1);
	assert_int_equal(save_new(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_save_that_others_overtake_completes),
		fixture_test(a_save_does_not_replace_what_was_opened_meanwhile),
		fixture_test(nobody_becomes_a_holder_during_a_save),
		fixture_test(who_gets_a_lock_on_a_replaced_file_begins_again),
		fixture_test(who_gets_a_lock_on_a_removed_file_begins_again),
		fixture_test(a_holder_stays_one_over_its_save),
		fixture_test(the_look_and_the_rename_are_one_step),
		fixture_test(a_lock_of_a_moment_refuses_nobody),
		fixture_test(a_refusal_by_a_replaced_file_is_not_believed),
		fixture_test(a_file_put_there_in_the_last_moment_is_left_alone),
		fixture_test(a_temporary_that_is_swept_is_made_again),
		fixture_test(a_temporary_is_readable_by_its_owner_only),
		fixture_test(only_what_a_dead_process_left_is_removed),
		fixture_test(a_save_removes_what_a_dead_process_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
