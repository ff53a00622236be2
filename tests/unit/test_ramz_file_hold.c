/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Who holds a saved file: among objects, threads and processes, by any spelling, over saves and
 * forks, and what the others are told.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "file_fixture.h"

static void expect_busy(const char *path, long pid)
{
	struct ramz_file *const untouched = (struct ramz_file *)(uintptr_t)0x5A;
	struct ramz_file *file = untouched;
	struct ramz_reason reason;
	char number[24];

	reason.text[0] = '\0';
	assert_int_equal(ramz_file_open(&file, path, 0, &reason), -XV_EBUSY);
	assert_ptr_equal(file, untouched);
	(void)snprintf(number, sizeof(number), "%ld", pid);
	if (access("/proc/self/fdinfo", R_OK) == 0 && strstr(reason.text, number) == NULL)
		fail_msg("%s: not %s", reason.text, number);
}

static void expect_all_busy(const char *path)
{
	struct ramz *store = fixture_store(99), *loaded = NULL;
	struct ramz_reason reason;

	expect_busy(path, (long)getpid());
	assert_int_equal(ramz_save_file(store, path, NULL, &reason), -XV_EBUSY);
	assert_non_null(strstr(reason.text, "this process"));
	assert_int_equal(ramz_load_file(&loaded, NULL, NULL, 0, path, &reason), -XV_EBUSY);
	assert_null(loaded);
	ramz_destroy(store);
}

static void *busy_thread(void *path)
{
	struct ramz_file *file;

	return (void *)(intptr_t)ramz_file_open(&file, path, 0, NULL);
}

static void a_file_has_one_holder(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	pthread_t thread;
	void *err;

	(void)state;
	fixture_save(fixture_path(path, "disk"), 7);
	file = fixture_open(path);
	expect_all_busy(path);
	assert_int_equal(pthread_create(&thread, NULL, busy_thread, path), 0);
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_int_equal((int)(intptr_t)err, -XV_EBUSY);
	assert_int_equal(fixture_held_version(file), 7);
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 7);
	file = fixture_open(path);
	ramz_file_close(file);
	ramz_file_close(NULL);
}

static void every_spelling_is_the_same_file(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES], here[FIXTURE_PATH_BYTES];
	struct ramz_file *file;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	fixture_save(fixture_path(path, "disk"), 7);
	assert_int_equal(symlink("disk", fixture_path(other, "link")), 0);
	assert_int_equal(symlink("./link", fixture_path(other, "link of link")), 0);
	assert_int_equal(symlink(fixture_directory, fixture_path(other, "directory")), 0);
	for (int which = 0; which < 2; which++) {
		file = fixture_open(fixture_path(other, which == 0 ? "disk" : "link of link"));
		expect_busy(fixture_path(other, "/disk"), (long)getpid());
		expect_busy(fixture_path(other, "./disk"), (long)getpid());
		expect_busy(fixture_path(other, "link"), (long)getpid());
		expect_busy(fixture_path(other, "directory/directory/./link of link"),
			    (long)getpid());
		assert_int_equal(chdir(fixture_directory), 0);
		expect_busy("disk", (long)getpid());
		expect_busy(".//disk", (long)getpid());
		expect_all_busy("link");
		assert_int_equal(chdir(here), 0);
		ramz_file_close(file);
	}
}

static void a_link_more_is_refused(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	struct ramz_reason reason;
	struct ramz_file *file = NULL, *held;
	struct ramz *store = fixture_store(3);

	(void)state;
	fixture_save(fixture_path(path, "disk"), 7);
	held = fixture_open(path);
	assert_int_equal(link(path, fixture_path(other, "hard")), 0);
	assert_int_equal(ramz_file_open(&file, other, 0, &reason), -EMLINK);
	assert_non_null(strstr(reason.text, "2 links"));
	/* It was made while the file is held: the next save finds it. */
	assert_int_equal(ramz_file_save(held, store, NULL, &reason), -EMLINK);
	assert_non_null(strstr(reason.text, "2 links"));
	ramz_file_close(held);
	assert_int_equal(ramz_file_open(&file, path, 0, &reason), -EMLINK);
	assert_int_equal(ramz_save_file(store, path, NULL, &reason), -EMLINK);
	assert_int_equal(unlink(other), 0);
	ramz_file_close(fixture_open(path));
	ramz_destroy(store);
}

static void a_file_is_held_over_its_saves(void **state)
{
	char path[FIXTURE_PATH_BYTES], here[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(1);
	struct ramz_reason reason;
	struct ramz_file *file;
	struct stat before, after;
	uint64_t bytes = 0;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(fixture_directory), 0);
	file = fixture_open("disk");
	assert_int_equal(chdir(here), 0);
	fixture_path(path, "disk");
	for (uint64_t version = 1; version < 5; version++) {
		assert_int_equal(stat(path, &before), 0);
		fixture_fill(store, version);
		assert_int_equal(ramz_file_save(file, store, &bytes, &reason), 0);
		assert_string_equal(reason.text, "");
		assert_int_equal(stat(path, &after), 0);
		assert_true(before.st_ino != after.st_ino);
		assert_int_equal(bytes, after.st_size);
		expect_all_busy(path);
		assert_int_equal(fixture_held_version(file), version);
	}
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 4);
	assert_int_equal(fixture_count(""), 1);
	ramz_destroy(store);
}

struct saving {
	struct ramz_file *file;
	uint64_t version;
};

static void *save_thread(void *argument)
{
	struct saving *saving = argument;
	struct ramz *store = fixture_store(saving->version);
	int err = 0;

	for (int i = 0; err == 0 && i < 20; i++)
		err = ramz_file_save(saving->file, store, NULL, NULL);
	ramz_destroy(store);
	return (void *)(intptr_t)err;
}

static void threads_save_through_one_holder(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct saving saving[3];
	pthread_t thread[3];
	struct ramz_file *file;
	uint64_t version;

	(void)state;
	file = fixture_open(fixture_path(path, "disk"));
	for (int i = 0; i < 3; i++) {
		saving[i] = (struct saving){.file = file, .version = (uint64_t)i + 1};
		assert_int_equal(pthread_create(&thread[i], NULL, save_thread, &saving[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		void *err;

		assert_int_equal(pthread_join(thread[i], &err), 0);
		assert_int_equal((int)(intptr_t)err, 0);
	}
	version = fixture_held_version(file);
	assert_true(version >= 1 && version <= 3);
	ramz_file_close(file);
}

/* ---- absent and empty ---- */

static void an_absent_file_is_made_empty(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	struct ramz_file_info info;
	struct ramz_options options;
	struct ramz *store;
	struct ramz_file *file;
	struct stat status;

	(void)state;
	assert_int_equal(ramz_load_file(&store, NULL, NULL, 0, fixture_path(path, "disk"), NULL),
			 -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(symlink("disk", fixture_path(other, "dangling")), 0);
	file = fixture_open(other);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(status.st_size, 0);
	expect_all_busy(path);
	assert_int_equal(ramz_file_info(file, &info), 0);
	assert_true(info.is_empty && info.can_save);
	assert_int_equal(info.size_bytes, 0);
	ramz_options_init(&options);
	options.size_bytes = 3 * 8192;
	options.page_bytes = 8192;
	options.checksum = true;
	assert_int_equal(ramz_file_load(&store, &options, NULL, 0, file, NULL), 0);
	assert_int_equal(ramz_size_bytes(store), 3 * 8192);
	assert_int_equal(ramz_page_bytes(store), 8192);
	assert_int_equal(ramz_set_codec(store, ramz_codec_at(0), -5), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
	assert_int_equal(ramz_file_info(file, &info), 0);
	assert_true(!info.is_empty && info.checksum);
	assert_int_equal(info.version, 2);
	assert_int_equal(info.size_bytes, 3 * 8192);
	assert_int_equal(info.page_bytes, 8192);
	assert_string_equal(info.codec, "lz4");
	assert_int_equal(info.level, -5);
	ramz_destroy(store);
	ramz_file_close(file);
	assert_int_equal(lstat(other, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
}

static void bad_files_tell_what_they_are(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file_info info;
	struct ramz_file *file;
	struct ramz_reason reason;
	struct ramz *store = NULL;
	FILE *stream;

	(void)state;
	stream = fopen(fixture_path(path, "disk"), "w");
	assert_non_null(stream);
	fputs("not a saved store", stream);
	fclose(stream);
	file = fixture_open(path);
	assert_int_equal(ramz_file_info(file, &info), -XV_EBADMSG);
	assert_int_equal(ramz_file_load(&store, NULL, NULL, 0, file, &reason), -XV_EBADMSG);
	assert_null(store);
	assert_true(strlen(reason.text) > 10);
	assert_int_equal(ramz_file_info(NULL, &info), -XV_EINVAL);
	assert_int_equal(ramz_file_info(file, NULL), -XV_EINVAL);
	assert_int_equal(ramz_file_load(NULL, NULL, NULL, 0, file, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_load(&store, NULL, NULL, 0, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_save(file, NULL, NULL, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_open(NULL, path, 0, &reason), -XV_EINVAL);
	assert_int_equal(ramz_file_open(&file, NULL, 0, &reason), -XV_EINVAL);
	ramz_file_close(file);
}

/* ---- processes ---- */

static void expect_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void another_process_is_told_whose_it_is(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	pid_t child;

	(void)state;
	file = fixture_open(fixture_path(path, "disk"));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ramz_reason reason = {.text = ""};
		struct ramz_file *other;
		char wanted[64];
		int err;

		ramz_file_close(file); /* our share; the parent keeps its own */
		err = ramz_file_open(&other, path, 0, &reason);
		(void)snprintf(wanted, sizeof(wanted), "process %ld (", (long)getppid());
		if (strstr(reason.text, wanted) == NULL && access("/proc/self/fdinfo", R_OK) == 0)
			err = 0;
		_exit(err == -XV_EBUSY ? 0 : 1);
	}
	expect_child(child);
	ramz_file_close(file);
}

/* As a server does that goes to the background: the process that took the lock ends. */
static void a_lock_outlives_the_process_that_took_it(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	int tell[2], stay[2];
	pid_t child, grandchild = 0;
	char byte;

	(void)state;
	fixture_path(path, "disk");
	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(stay), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ramz_file *file;

		if (ramz_file_open(&file, path, 0, NULL) != 0)
			_exit(1);
		grandchild = fork();
		if (grandchild != 0) {
			(void)!write(tell[1], &grandchild, sizeof(grandchild));
			ramz_file_close(file);
			_exit(0);
		}
		close(stay[1]);
		(void)!read(stay[0], &byte, 1);
		_exit(0);
	}
	close(stay[0]);
	assert_int_equal(read(tell[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	expect_child(child);
	expect_busy(path, (long)grandchild);
	assert_int_equal(kill(grandchild, SIGKILL), 0);
	for (int err = -XV_EBUSY; err != 0;) { /* it is not our child: it ends when it ends */
		struct ramz_file *file;

		err = ramz_file_open(&file, path, 1000, NULL);
		assert_true(err == 0 || err == -XV_EBUSY);
		if (err == 0)
			ramz_file_close(file);
	}
	close(stay[1]);
	close(tell[0]);
	close(tell[1]);
}

struct ending {
	struct ramz_file *file;
	struct ramz *store;
};

static void *end_later(void *argument)
{
	struct ending *ending = argument;
	struct timespec moment = {.tv_nsec = 50000000};

	(void)nanosleep(&moment, NULL);
	assert_int_equal(ramz_file_save(ending->file, ending->store, NULL, NULL), 0);
	(void)nanosleep(&moment, NULL);
	ramz_file_close(ending->file);
	return NULL;
}

/* Never the contents from before the holder's last save. */
static void who_waits_gets_what_the_holder_saved(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ending ending;
	struct ramz_file *file;
	pthread_t thread;

	(void)state;
	fixture_save(fixture_path(path, "disk"), 1);
	ending.file = fixture_open(path);
	ending.store = fixture_store(2);
	assert_int_equal(pthread_create(&thread, NULL, end_later, &ending), 0);
	assert_int_equal(ramz_file_open(&file, path, 3600000, NULL), 0);
	assert_int_equal(fixture_held_version(file), 2);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ramz_file_close(file);
	ramz_destroy(ending.store);
}

/* A program that does not lock. */
static void a_file_put_in_the_place_is_left_alone(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(5);
	struct ramz_reason reason;
	struct ramz_file *file;

	(void)state;
	fixture_save(fixture_path(other, "other"), 8);
	file = fixture_open(fixture_path(path, "disk"));
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, &reason), -EEXIST);
	assert_non_null(strstr(reason.text, "another file"));
	assert_int_equal(fixture_file_version(path), 8);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ramz_file_save(file, store, NULL, &reason), 0);
	expect_all_busy(path);
	assert_int_equal(fixture_held_version(file), 5);
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 5);
	assert_int_equal(fixture_count(""), 1);
	ramz_destroy(store);
}

/* Anybody may lock a directory that can be read: that keeps no holder up. */
static void *unlock_later(void *context)
{
	struct timespec while_it_waits = {.tv_nsec = 300000000};

	(void)nanosleep(&while_it_waits, NULL);
	(void)close((int)(intptr_t)context);
	return NULL;
}

/* A save without a holder waits for it. */
static void a_save_waits_for_a_locked_directory(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(5);
	int fd = open(fixture_directory, O_RDONLY | O_DIRECTORY);
	pthread_t thread;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, unlock_later, (void *)(intptr_t)fd), 0);
	assert_int_equal(ramz_save_file(store, fixture_path(path, "disk"), NULL, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(fixture_file_version(path), 5);
	ramz_destroy(store);
}

static void a_locked_directory_keeps_no_holder_up(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(5);
	struct ramz_file *file;
	int fd = open(fixture_directory, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	file = fixture_open(fixture_path(path, "disk"));
	assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
	ramz_file_close(file);
	assert_int_equal(fixture_file_version(path), 5);
	close(fd);
	ramz_destroy(store);
}

#ifdef TEST_WRAPS_FLOCK
static bool is_like_nfs;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
	struct stat file;

	if (is_like_nfs && (operation & LOCK_EX) != 0 && fstat(fd, &file) == 0 &&
	    S_ISREG(file.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	return __real_flock(fd, operation);
}

/* There an exclusive lock needs a file that can be written. */
static void a_file_on_nfs_is_held_as_well(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;

	(void)state;
	fixture_save(fixture_path(path, "disk"), 7);
	is_like_nfs = true;
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	expect_all_busy(path);
	ramz_file_close(file);
	is_like_nfs = false;
	assert_int_equal(ramz_file_open(&file, path, 0, NULL), 0);
	ramz_file_close(file);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_file_has_one_holder),
		fixture_test(every_spelling_is_the_same_file),
		fixture_test(a_link_more_is_refused),
		fixture_test(a_file_is_held_over_its_saves),
		fixture_test(threads_save_through_one_holder),
		fixture_test(an_absent_file_is_made_empty),
		fixture_test(bad_files_tell_what_they_are),
		fixture_test(another_process_is_told_whose_it_is),
		fixture_test(a_lock_outlives_the_process_that_took_it),
		fixture_test(who_waits_gets_what_the_holder_saved),
		fixture_test(a_file_put_in_the_place_is_left_alone),
		fixture_test(a_locked_directory_keeps_no_holder_up),
		fixture_test(a_save_waits_for_a_locked_directory),
#ifdef TEST_WRAPS_FLOCK
		fixture_test(a_file_on_nfs_is_held_as_well),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
