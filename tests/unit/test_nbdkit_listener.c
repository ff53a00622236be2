/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_listener.c: paths that get the control socket, and what is told of those that do not.
 * System calls are replaced by the linker, and fail when a test wants that.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "listener.h"
#include "test_nbdkit_support.h"

static char directory[40], path[64];

/* ---- calls that fail ---- */

enum call { LSTAT, FLOCK, SOCKET, BIND, GETSOCKOPT, CALLS };

static int fails_with[CALLS]; /* errno; 0 = it does not fail */

static bool fails(enum call call)
{
	if (fails_with[call] == 0)
		return false;
	errno = fails_with[call];
	fails_with[call] = 0;
	return true;
}

/* With offsets of 64 bits the C library's lstat may have another name. */
int __real_lstat(const char *name, struct stat *file);
int __real_lstat64(const char *name, struct stat *file);
int __real_flock(int fd, int operation);
int __real_socket(int family, int kind, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t bytes);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *bytes);
int __wrap_lstat(const char *name, struct stat *file);
int __wrap_lstat64(const char *name, struct stat *file);
int __wrap_flock(int fd, int operation);
int __wrap_socket(int family, int kind, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t bytes);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *bytes);

int __wrap_lstat(const char *name, struct stat *file)
{
	return fails(LSTAT) ? -1 : __real_lstat(name, file);
}

int __wrap_lstat64(const char *name, struct stat *file)
{
	return fails(LSTAT) ? -1 : __real_lstat64(name, file);
}

int __wrap_flock(int fd, int operation)
{
	return fails(FLOCK) ? -1 : __real_flock(fd, operation);
}

int __wrap_socket(int family, int kind, int protocol)
{
	return fails(SOCKET) ? -1 : __real_socket(family, kind, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
	return fails(BIND) ? -1 : __real_bind(fd, address, bytes);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *bytes)
{
	return fails(GETSOCKOPT) ? -1 : __real_getsockopt(fd, level, name, value, bytes);
}

/* ---- tests ---- */

static int setup(void **unused)
{
	(void)unused;
	said_reset();
	strcpy(directory, "/tmp/test_listener.XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/ctl", directory);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	(void)unlink(path);
	return rmdir(directory);
}

static unsigned descriptors(void)
{
	DIR *open_ones = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(open_ones);
	while (readdir(open_ones) != NULL)
		count++;
	closedir(open_ones);
	return count;
}

/* Refused with this reason, and nothing stays open or there. */
static void refused(const char *at, const char *why)
{
	struct rzn_listener listener = {.fd = -1};
	unsigned before = descriptors();
	char wanted[256];

	said_reset();
	assert_int_equal(rzn_listener_open(&listener, at), -1);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(descriptors(), before);
	(void)snprintf(wanted, sizeof(wanted), "stats=%s%s", at, why);
	assert_string_equal(said.error, wanted);
	assert_int_equal(said.errors, 1);
}

static void dead_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void what_cannot_be_is_told(void **unused)
{
	char long_path[256] = "/tmp/";

	(void)unused;
	memset(long_path + 5, 'a', 103);
	refused(long_path, ": a socket's path has at most 107 bytes; take a shorter one");
	assert_int_equal(rzn_listener_check(long_path), -1);
	refused("/nonexistent/ctl", ": its directory cannot be locked: No such file or directory; "
				    "name another path");
	assert_int_equal(rzn_listener_check("/nonexistent/ctl"), -1);
	fails_with[FLOCK] = ENOLCK;
	refused(path, ": its directory cannot be locked: No locks available; name another path");
	fails_with[LSTAT] = ELOOP;
	refused(path, ": Too many levels of symbolic links; name another path");
	fails_with[SOCKET] = EMFILE;
	refused(path, ": the socket cannot be made: Too many open files; name another path");
	fails_with[BIND] = EADDRINUSE;
	refused(path, ": the socket cannot be made: Address already in use; name another path");
	dead_socket();
	fails_with[SOCKET] = EMFILE;
	refused(path, ": Too many open files; name another path");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(path, " is there and is no socket; remove it, or name another path");
	assert_int_equal(rzn_listener_check(path), -1);
	assert_int_equal(rmdir(path), 0);
}

static void a_signal_is_no_obstacle(void **unused)
{
	struct rzn_listener listener;

	(void)unused;
	fails_with[FLOCK] = EINTR;
	assert_int_equal(rzn_listener_open(&listener, path), 0);
	rzn_listener_close(&listener);
}

static void a_dead_servers_socket_is_replaced_and_a_live_ones_is_not(void **unused)
{
	struct rzn_listener listener;
	struct stat file;
	char why[128];

	(void)unused;
	assert_int_equal(rzn_listener_check(path), 0);
	dead_socket();
	assert_int_equal(rzn_listener_check(path), 0);
	assert_int_equal(rzn_listener_open(&listener, path), 0);
	assert_int_equal(stat(path, &file), 0);
	assert_true(S_ISSOCK(file.st_mode));
	assert_int_equal(file.st_mode & 0777, 0600);
	(void)snprintf(why, sizeof(why),
		       ": a running server, process %ld, has this socket; end it, or name another "
		       "path",
		       (long)getpid());
	refused(path, why);
	fails_with[GETSOCKOPT] = ENOTSOCK;
	refused(path, ": a running server has this socket; end it, or name another path");
	assert_int_equal(rzn_listener_check(path), -1);
	rzn_listener_close(&listener);
	assert_int_equal(access(path, F_OK), -1);
	rzn_listener_close(&listener);
}

static void what_took_the_sockets_place_stays(void **unused)
{
	struct rzn_listener listener;

	(void)unused;
	assert_int_equal(rzn_listener_open(&listener, path), 0);
	assert_int_equal(unlink(path), 0);
	dead_socket();
	rzn_listener_close(&listener);
	assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_cannot_be_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_signal_is_no_obstacle, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_dead_servers_socket_is_replaced_and_a_live_ones_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(what_took_the_sockets_place_stays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
