/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Where a saved file may be: what is refused, whose it is before and after, names and paths of
 * every length, and limits. Some need root, to be another user in a child; they are skipped
 * without.
 */
#define _GNU_SOURCE

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "file_fixture.h"

enum { NOBODY = 65534, SECONDS_TO_HANG = 60 };

/* Every way in: none changes what is there. */
static void expect_refused_by_all(const char *path, int wanted, const char *word)
{
	struct ramz *store = fixture_store(9), *loaded = NULL;
	struct ramz_file *file = NULL;
	struct ramz_reason reason[3];
	int err[3];

	alarm(SECONDS_TO_HANG);
	err[0] = ramz_file_open(&file, path, 0, &reason[0]);
	err[1] = ramz_save_file(store, path, NULL, &reason[1]);
	err[2] = ramz_load_file(&loaded, NULL, NULL, 0, path, &reason[2]);
	alarm(0);
	for (int i = 0; i < 3; i++) {
		if (err[i] != wanted || strstr(reason[i].text, word) == NULL)
			fail_msg("%s: %d: %d: %s", path, i, err[i], reason[i].text);
	}
	assert_null(file);
	assert_null(loaded);
	ramz_destroy(store);
}

/* A device of our own, since broken code would replace it; NULL where none can be made. */
static const char *make_device(char path[FIXTURE_PATH_BYTES])
{
	return mknod(fixture_path(path, "device"), S_IFCHR | 0600, makedev(1, 3)) == 0 ? path
										       : NULL;
}

static void devices_are_refused(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES], inner[2 * FIXTURE_PATH_BYTES];
	struct stat status;

	(void)state;
	if (make_device(path) == NULL)
		skip();
	expect_refused_by_all(path, -ENXIO, "character device");
	assert_int_equal(symlink("device", fixture_path(other, "link")), 0);
	expect_refused_by_all(other, -ENXIO, "character device");
	(void)snprintf(inner, sizeof(inner), "%s/disk", path);
	expect_refused_by_all(inner, -ENOTDIR, "directory");
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISCHR(status.st_mode));
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[FIXTURE_PATH_BYTES];
	struct stat status;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(mkdir(fixture_path(path, "directory"), 0700), 0);
	expect_refused_by_all(path, -EISDIR, "directory");
	expect_refused_by_all(fixture_path(path, "directory/"), -EISDIR, "directory");
	expect_refused_by_all(fixture_path(path, "directory/."), -EISDIR, "directory");
	expect_refused_by_all(fixture_path(path, "absent/"), -EISDIR, "directory");
	expect_refused_by_all("", -ENOENT, "empty");
	assert_int_equal(mkfifo(fixture_path(path, "fifo"), 0600), 0);
	expect_refused_by_all(path, -ENXIO, "FIFO");
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	fixture_path(path, "socket");
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_refused_by_all(path, -ENXIO, "socket");
	close(fd);
	assert_int_equal(symlink("fifo", fixture_path(path, "link of fifo")), 0);
	expect_refused_by_all(path, -ENXIO, "FIFO");
	assert_int_equal(symlink("loop", fixture_path(path, "loop")), 0);
	expect_refused_by_all(path, -ELOOP, "link");
	expect_refused_by_all(fixture_path(path, "nowhere/disk"), -ENOENT, "directory");
}

/* What /dev/stdout is: a link whose text names no file. */
static void a_pipe_behind_proc_is_refused(void **state)
{
	char path[64];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", ends[1]);
	if (access(path, F_OK) == 0)
		expect_refused_by_all(path, -ENXIO, "FIFO");
	close(ends[0]);
	close(ends[1]);
}

/* ---- mode and owner ---- */

static void mode_and_link_are_kept(void **state)
{
	static const mode_t modes[] = {0600, 0640, 0644, 0664, 0700};
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES], text[16];
	struct stat status;

	(void)state;
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(symlink("disk", fixture_path(other, "link")), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		fixture_save(i % 2 == 0 ? path : other, i + 2);
		assert_int_equal(lstat(path, &status), 0);
		assert_int_equal(status.st_mode, S_IFREG | modes[i]);
		assert_int_equal(fixture_file_version(path), i + 2);
		assert_int_equal(readlink(other, text, sizeof(text)), 4);
	}
	assert_int_equal(fixture_count(""), 2);
}

static void a_dangling_link_is_followed(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	struct stat status;

	(void)state;
	assert_int_equal(mkdir(fixture_path(path, "inner"), 0700), 0);
	assert_int_equal(symlink("inner/disk", fixture_path(other, "link")), 0);
	fixture_save(other, 3);
	assert_int_equal(lstat(fixture_path(path, "inner/disk"), &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(fixture_file_version(other), 3);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* Run as another user, in a child. */
static void as_nobody(void (*function)(const char *path), const char *path)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		for (int fd = 3; fd < 256; fd++)
			(void)close(fd); /* it has a share in our locks */
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(2);
		function(path);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define child_expects(what)                                                                        \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);           \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void the_owner_is_kept(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct stat status;

	(void)state;
	needs_root();
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(path, 0640), 0);
	fixture_save(path, 2);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, NOBODY);
	assert_int_equal(status.st_gid, NOBODY);
	assert_int_equal(status.st_mode, S_IFREG | 0640);
}

static void child_saves_with_a_note(const char *path)
{
	struct ramz *store = fixture_store(2);
	struct ramz_reason reason;

	child_expects(ramz_save_file(store, path, NULL, &reason) == 0);
	child_expects(strstr(reason.text, "note: ") != NULL);
}

static void an_owner_that_cannot_be_kept_is_told(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct stat status;

	(void)state;
	needs_root();
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(fixture_directory, 0777), 0);
	as_nobody(child_saves_with_a_note, path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, NOBODY);
	assert_int_equal(status.st_mode, S_IFREG | 0606);
	assert_int_equal(fixture_file_version(path), 2);
}

/* ---- rights ---- */

static void child_reads_only(const char *path)
{
	struct ramz *store = fixture_store(2), *loaded = NULL;
	struct ramz_file_info info;
	struct ramz_reason reason;
	struct ramz_file *file;

	child_expects(fixture_file_version(path) == 1);
	child_expects(ramz_save_file(store, path, NULL, &reason) == -EACCES);
	child_expects(strstr(reason.text, "may not be written") != NULL);
	child_expects(ramz_file_open(&file, path, 0, &reason) == 0);
	child_expects(ramz_file_info(file, &info) == 0 && !info.can_save);
	child_expects(fixture_held_version(file) == 1);
	child_expects(ramz_file_save(file, store, NULL, &reason) == -EACCES);
	child_expects(strstr(reason.text, "may not be written") != NULL);
	child_expects(ramz_load_file(&loaded, NULL, NULL, 0, path, &reason) == -XV_EBUSY);
	ramz_file_close(file);
}

static void what_may_only_be_read_can_be_held_and_loaded(void **state)
{
	char path[FIXTURE_PATH_BYTES];

	(void)state;
	needs_root();
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(fixture_directory, 0777), 0);
	as_nobody(child_reads_only, path); /* the file */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(fixture_directory, 0755), 0);
	as_nobody(child_reads_only, path); /* the directory */
	assert_int_equal(fixture_file_version(path), 1);
	assert_int_equal(fixture_count(""), 1);
}

static void child_is_kept_out(const char *path)
{
	struct ramz_file *file;
	struct ramz_reason reason;

	child_expects(ramz_file_open(&file, path, 0, &reason) == -EACCES);
	child_expects(strlen(reason.text) > 10);
}

static void what_may_not_be_read_is_refused(void **state)
{
	char path[FIXTURE_PATH_BYTES];

	(void)state;
	needs_root();
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(chmod(fixture_directory, 0755), 0);
	as_nobody(child_is_kept_out, path);
	as_nobody(child_is_kept_out, fixture_path(path, "absent"));
	assert_int_equal(chmod(fixture_directory, 0711), 0);
	as_nobody(child_is_kept_out, fixture_path(path, "disk"));
}

/* ---- /tmp ---- */

static void child_is_told_whose_file_it_holds(const char *path)
{
	struct ramz_reason reason;
	struct ramz_file *file;
	char wanted[64];

	child_expects(ramz_file_open(&file, path, 0, &reason) == -XV_EBUSY);
	(void)snprintf(wanted, sizeof(wanted), "probably process %ld ", (long)getppid());
	child_expects(strstr(reason.text, wanted) != NULL || access("/proc/locks", R_OK) != 0);
}

static void another_users_holder_is_told(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;

	(void)state;
	needs_root();
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(fixture_directory, 0777), 0);
	file = fixture_open(path);
	as_nobody(child_is_told_whose_file_it_holds, path);
	ramz_file_close(file);
}

static void child_saves_its_own(const char *path)
{
	fixture_save(path, 3);
	fixture_save(path, 4);
	child_expects(fixture_file_version(path) == 4);
	ramz_file_close(fixture_open(path));
}

/* Of another user's file in a directory with the sticky bit it is told beforehand. */
static void child_cannot_replace(const char *path)
{
	struct ramz_file_info info;
	struct ramz_reason reason;
	struct ramz *store = fixture_store(2);
	struct ramz_file *file = fixture_open(path);

	child_expects(ramz_file_info(file, &info) == 0 && !info.can_save);
	child_expects(ramz_file_save(file, store, NULL, &reason) == -EACCES);
	child_expects(strstr(reason.text, "sticky") != NULL);
	ramz_file_close(file);
	ramz_destroy(store);
}

static void traps_in_a_directory_for_all_are_refused(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES];
	struct ramz *store = fixture_store(2);
	struct ramz_reason reason;
	struct stat status;

	(void)state;
	needs_root();
	assert_int_equal(chmod(fixture_directory, 01777), 0);
	fixture_save(fixture_path(path, "victim"), 1);
	assert_int_equal(symlink("victim", fixture_path(other, "link")), 0);
	assert_int_equal(fixture_file_version(other), 1);
	assert_int_equal(lchown(other, NOBODY, NOBODY), 0);
	expect_refused_by_all(other, -EACCES, "another user's symbolic link");
	assert_int_equal(fixture_file_version(path), 1);
	fixture_save(fixture_path(other, "planted"), 1);
	assert_int_equal(chown(other, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(other, 0666), 0);
	assert_int_equal(ramz_save_file(store, other, NULL, &reason), -EACCES);
	assert_non_null(strstr(reason.text, "another user's file"));
	assert_int_equal(fixture_file_version(other), 1);
	fixture_save(path, 5);
	assert_int_equal(fixture_file_version(path), 5);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(chmod(path, 0666), 0);
	as_nobody(child_cannot_replace, path);
	as_nobody(child_saves_its_own, fixture_path(path, "own"));
	assert_int_equal(fixture_count(""), 4);
	ramz_destroy(store);
}

/* What was once the temporary's name. */
static void what_is_planted_beside_is_not_written_to(void **state)
{
	char path[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES], text[8] = "";
	FILE *victim;

	(void)state;
	victim = fopen(fixture_path(path, "victim"), "w");
	assert_non_null(victim);
	fputs("victim", victim);
	fclose(victim);
	assert_int_equal(symlink("victim", fixture_path(other, "disk.tmp")), 0);
	fixture_save(fixture_path(path, "disk"), 1);
	assert_int_equal(fixture_file_version(path), 1);
	assert_int_equal(access(other, F_OK), 0);
	victim = fopen(fixture_path(path, "victim"), "r");
	assert_non_null(victim);
	assert_non_null(fgets(text, sizeof(text), victim));
	fclose(victim);
	assert_string_equal(text, "victim");
}

/* ---- lengths ---- */

static void names_of_every_length_can_be_saved(void **state)
{
	char name[256], path[FIXTURE_PATH_BYTES];
	struct ramz_file *file;
	struct ramz *store = fixture_store(4);

	(void)state;
	for (size_t length = 1; length <= 255; length += length < 190 ? 27 : 1) {
		for (size_t i = 0; i < length; i++)
			name[i] = i % 2 == 0 ? (char)0xC3 : (char)0xA4; /* a of two bytes */
		if (length % 2 != 0)
			name[length - 1] = 'x';
		name[length] = '\0';
		file = fixture_open(fixture_path(path, name));
		assert_int_equal(ramz_file_save(file, store, NULL, NULL), 0);
		ramz_file_close(file);
		assert_int_equal(fixture_file_version(path), 4);
		assert_int_equal(unlink(path), 0);
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	fixture_save(fixture_path(path, name), 6);
	assert_int_equal(fixture_file_version(path), 6);
	assert_int_equal(fixture_count(""), 1);
	ramz_destroy(store);
}

static void paths_of_every_length_can_be_saved(void **state)
{
	enum { LONGEST = 4095, STEP = 200 };
	static char path[LONGEST + 2];
	size_t length = strlen(fixture_directory);
	int here = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	memcpy(path, fixture_directory, length);
	assert_int_equal(chdir(fixture_directory), 0);
	while (length + STEP + 10 < LONGEST) {
		path[length] = '/';
		memset(path + length + 1, 'd', STEP - 1);
		length += STEP;
		path[length] = '\0';
		assert_int_equal(mkdir(path + length - STEP + 1, 0700), 0);
		assert_int_equal(chdir(path + length - STEP + 1), 0);
	}
	assert_int_equal(fchdir(here), 0);
	close(here);
	for (path[length++] = '/'; length < LONGEST; length++) {
		path[length] = 'x';
		path[length + 1] = '\0';
		if (length + 5 > LONGEST || length % 50 == 0)
			fixture_save(path, length);
		if (length + 5 > LONGEST)
			assert_int_equal(fixture_file_version(path), length);
	}
}

/* ---- limits ---- */

static void child_passes_the_limit(const char *path)
{
	struct rlimit limit = {.rlim_cur = 50000, .rlim_max = RLIM_INFINITY};
	struct ramz_reason reason;
	struct ramz *store = fixture_store(2);
	struct ramz_file *file;
	sigset_t set;

	child_expects(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int kind = 0; kind < 3; kind++) {
		sigemptyset(&set);
		sigaddset(&set, SIGXFSZ);
		signal(SIGXFSZ, kind == 1 ? SIG_IGN : SIG_DFL);
		if (kind == 2) { /* one that came before is still there afterwards */
			sigprocmask(SIG_BLOCK, &set, NULL);
			raise(SIGXFSZ);
		}
		child_expects(ramz_save_file(store, path, NULL, &reason) == -EFBIG);
		child_expects(strstr(reason.text, "ulimit -f") != NULL);
		child_expects(ramz_file_open(&file, path, 0, NULL) == 0);
		child_expects(ramz_file_save(file, store, NULL, &reason) == -EFBIG);
		child_expects(fixture_held_version(file) == 1);
		ramz_file_close(file);
		child_expects(sigpending(&set) == 0 &&
			      sigismember(&set, SIGXFSZ) == (kind == 2 ? 1 : 0));
	}
}

static void a_limit_of_file_sizes_ends_the_save_only(void **state)
{
	char path[FIXTURE_PATH_BYTES];
	pid_t child;
	int status;

	(void)state;
	fixture_save(fixture_path(path, "disk"), 1);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		child_passes_the_limit(path);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(fixture_file_version(path), 1);
	assert_int_equal(fixture_count(""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(devices_are_refused),
		fixture_test(what_is_no_regular_file_is_refused),
		fixture_test(a_pipe_behind_proc_is_refused),
		fixture_test(mode_and_link_are_kept),
		fixture_test(a_dangling_link_is_followed),
		fixture_test(the_owner_is_kept),
		fixture_test(an_owner_that_cannot_be_kept_is_told),
		fixture_test(what_may_only_be_read_can_be_held_and_loaded),
		fixture_test(what_may_not_be_read_is_refused),
		fixture_test(another_users_holder_is_told),
		fixture_test(traps_in_a_directory_for_all_are_refused),
		fixture_test(what_is_planted_beside_is_not_written_to),
		fixture_test(names_of_every_length_can_be_saved),
		fixture_test(paths_of_every_length_can_be_saved),
		fixture_test(a_limit_of_file_sizes_ends_the_save_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
