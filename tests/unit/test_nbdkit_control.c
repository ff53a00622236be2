/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_control.c: the control socket with many clients, and with bad ones.
 *
 * Saving is held up by the tests (the linker leads rzn_file_save here): a slow command that lasts
 * for as long as a test wants. Nothing is measured in time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "control_command.h"
#include "disk_file.h"
#include "listener.h"
#include "test_nbdkit_support.h"
#include "test_nbdkit_clients.h"

enum { PAGE = 4096, PAGES = 10000 };

/* ---- a save that waits ---- */

static sem_t save_begun, save_may_end;
static _Atomic bool save_is_held;
static _Atomic unsigned saves;

int __real_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason);
int __wrap_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason);

int __wrap_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason)
{
	int err;

	(void)sem_post(&save_begun);
	if (atomic_load(&save_is_held))
		(void)sem_wait(&save_may_end);
	err = __real_rzn_file_save(disk, path, file_bytes, reason);
	atomic_fetch_add(&saves, 1);
	return err;
}

/* ---- a trim that waits, and has the store for itself ---- */

static _Atomic bool trim_is_held;

uint64_t __real_ramz_trim(struct ramz *store);
uint64_t __wrap_ramz_trim(struct ramz *store);

uint64_t __wrap_ramz_trim(struct ramz *store)
{
	if (atomic_load(&trim_is_held)) {
		(void)sem_post(&save_begun);
		(void)sem_wait(&save_may_end);
	}
	return __real_ramz_trim(store);
}

/* ---- no descriptor to accept with ---- */

static _Atomic bool accept_is_refused;
static _Atomic unsigned refusals;

int __real_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags)
{
	if (!atomic_load(&accept_is_refused))
		return __real_accept4(fd, address, bytes, flags);
	atomic_fetch_add(&refusals, 1);
	errno = EMFILE;
	return -1;
}

/* ---- a socket that goes away between two looks ---- */

static _Atomic bool socket_goes_away;

int __real_connect(int fd, const struct sockaddr *address, socklen_t bytes);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t bytes);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
	if (atomic_exchange(&socket_goes_away, false))
		assert_int_equal(unlink(((const struct sockaddr_un *)address)->sun_path), 0);
	return __real_connect(fd, address, bytes);
}

/* ---- a server ---- */

static struct world {
	char directory[40];
	char saved[64];
	struct rzn_config config;
	struct rzn_disk disk;
} world;

static int setup(void **unused)
{
	char page[PAGE];

	(void)unused;
	strcpy(world.directory, "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	(void)snprintf(control_socket, sizeof(control_socket), "%s/ctl", world.directory);
	(void)snprintf(world.saved, sizeof(world.saved), "%s/saved", world.directory);
	disk_of(&world.disk, &world.config, PARAMETERS("size=64M"));
	for (uint64_t i = 0; i < PAGES; i++) {
		page_of_noise(page, 64, i);
		memset(page + 64, (int)i, PAGE - 64);
		assert_int_equal(ramz_write_page(world.disk.store, i, page), 0);
	}
	assert_int_equal(sem_init(&save_begun, 0, 0), 0);
	assert_int_equal(sem_init(&save_may_end, 0, 0), 0);
	atomic_store(&save_is_held, false);
	atomic_store(&trim_is_held, false);
	atomic_store(&accept_is_refused, false);
	atomic_store(&refusals, 0);
	atomic_store(&saves, 0);
	assert_int_equal(rzn_control_start(&world.disk, control_socket), 0);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	rzn_control_stop();
	disk_end(&world.disk, &world.config);
	(void)unlink(world.saved);
	assert_int_equal(access(control_socket, F_OK), -1);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

/* A save that is under way and stays so. */
static int held_save(void)
{
	char line[80];
	int fd;

	atomic_store(&save_is_held, true);
	(void)snprintf(line, sizeof(line), "save %s", world.saved);
	fd = asked(line);
	assert_int_equal(sem_wait(&save_begun), 0);
	return fd;
}

static void let_save_end(void)
{
	atomic_store(&save_is_held, false);
	assert_int_equal(sem_post(&save_may_end), 0);
}

/* ---- tests ---- */

static void silent_clients_hold_up_nobody(void **unused)
{
	int silent[3];

	(void)unused;
	for (size_t i = 0; i < 3; i++)
		silent[i] = client();
	say(silent[1], "sta", 3);
	works("stat");
	works("limit - -");
	/* They have their time still: nobody was put out for the others. */
	for (size_t i = 0; i < 3; i++)
		assert_false(comes(silent[i], 0));
	say(silent[1], "t\n", 2);
	json_decref(answered(silent[1], true));
	close(silent[0]);
	close(silent[2]);
}

static void looking_and_setting_do_not_wait_for_a_save(void **unused)
{
	int save = held_save();

	(void)unused;
	works("stat");
	works("limit - 1000000000");
	works("codec lz4:-3");
	works("state 0 10");
	works("reset-peak");
	assert_false(comes(save, 0));
	let_save_end();
	json_decref(answered(save, true));
	assert_int_equal(atomic_load(&saves), 1);
	assert_int_equal(access(world.saved, F_OK), 0);
}

/* A trim holds the locks that statistics need: those of before it are told. */
static void looking_does_not_wait_for_what_has_the_store_for_itself(void **unused)
{
	json_t *answer;
	int trim;

	(void)unused;
	atomic_store(&trim_is_held, true);
	trim = asked("trim");
	assert_int_equal(sem_wait(&save_begun), 0);
	answer = answered(asked("stat"), true);
	assert_string_equal(json_string_value(json_object_get(answer, "busy")), "trim");
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(answer, "stats"), "pages_stored")),
			 PAGES);
	json_decref(answer);
	atomic_store(&trim_is_held, false);
	assert_int_equal(sem_post(&save_may_end), 0);
	json_decref(answered(trim, true));
	answer = answered(asked("stat"), true);
	assert_null(json_object_get(answer, "busy"));
	json_decref(answer);
}

static void slow_commands_wait_in_turn_and_too_many_are_told_what_runs(void **unused)
{
	int save = held_save(), waiting[16];

	(void)unused;
	for (size_t i = 0; i < 16; i++)
		waiting[i] = asked("compact 4096");
	works("stat"); /* so that they have been read */
	refuses(asked("trim"), "busy: 'save' is under way");
	for (size_t i = 0; i < 16; i++)
		assert_false(comes(waiting[i], 0));
	let_save_end();
	json_decref(answered(save, true));
	for (size_t i = 0; i < 16; i++)
		json_decref(answered(waiting[i], true));
}

static void a_client_that_goes_away_takes_back_what_has_not_begun(void **unused)
{
	struct ramz_stats stats;
	int save = held_save();
	int reset = asked("reset");

	(void)unused;
	works("stat");
	close(reset);
	close(save);
	works("stat");
	let_save_end();
	works("trim"); /* behind both */
	ramz_get_stats(world.disk.store, &stats);
	assert_int_equal(stats.pages_stored, PAGES);
	/* What had begun is done to its end. */
	assert_int_equal(atomic_load(&saves), 1);
	assert_int_equal(access(world.saved, F_OK), 0);
}

static void a_line_may_come_in_single_bytes(void **unused)
{
	const char *line = "limit 1000000 2000000\n";
	int fd = client();
	json_t *answer;

	(void)unused;
	for (size_t i = 0; i < strlen(line); i++) {
		say(fd, line + i, 1);
		if (i % 5 == 0)
			works("stat");
	}
	answer = answered(fd, true);
	assert_int_equal(json_integer_value(json_object_get(answer, "soft_limit_bytes")), 1000000);
	json_decref(answer);
}

static void what_is_no_line_is_told_so(void **unused)
{
	static char text[3 * 8192];
	int fd = client();

	(void)unused;
	memset(text, 'x', sizeof(text));
	say(fd, text, 8192);
	refuses(fd, "too long");
	fd = client();
	say(fd, text, sizeof(text)); /* all in one go: more than is read */
	refuses(fd, "too long");
	text[8191] = '\n';
	fd = client();
	say(fd, text, 8192);
	refuses(fd, "no such command");
	fd = client();
	say(fd, "st\0at\n", 6);
	refuses(fd, "zero byte");
	fd = client();
	say(fd, "\377\376\001 \200\n", 6);
	refuses(fd, "no such command");
	fd = client();
	say(fd, "stat", 4);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	refuses(fd, "does not end");
	fd = client();
	say(fd, "stat\nstat\nstat\n", 15); /* one line, one answer */
	json_decref(answered(fd, true));
}

static void a_half_closed_client_gets_its_answer(void **unused)
{
	int save, fd = asked("stat");

	(void)unused;
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	json_decref(answered(fd, true));
	save = held_save();
	assert_int_equal(shutdown(save, SHUT_WR), 0);
	fd = asked("trim");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	works("stat");
	let_save_end();
	json_decref(answered(save, true));
	json_decref(answered(fd, true));
}

static void a_thousand_connections_that_say_nothing_do_no_harm(void **unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++) {
		int fd = client();

		if (i % 3 == 0)
			say(fd, "stat\n", 5);
		close(fd);
	}
	works("stat");
}

/* More than are served at a time: those that say nothing make room. */
static void more_silent_clients_than_places_make_room(void **unused)
{
	int silent[100];

	(void)unused;
	for (size_t i = 0; i < 100; i++)
		silent[i] = client();
	works("stat");
	assert_true(comes(silent[0], 0)); /* the first one was put out */
	for (size_t i = 0; i < 100; i++)
		close(silent[i]);
	works("stat");
}

/* An answer that does not fit into the socket's buffer. */
static void a_client_that_is_slow_to_take_its_answer_holds_up_nobody(void **unused)
{
	int fd = asked("state 0 8192");
	json_t *answer;

	(void)unused;
	assert_true(comes(fd, WAIT_MS));
	works("stat");
	answer = answered(fd, true);
	assert_int_equal(json_array_size(json_object_get(answer, "state")), 8192);
	assert_int_equal(json_integer_value(json_object_get(answer, "next")), 8192);
	json_decref(answer);
	/* And one that never takes it. */
	fd = asked("state 0 8192");
	assert_true(comes(fd, WAIT_MS));
	works("stat");
	close(fd);
	works("stat");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * No descriptor is left to accept with: the client waits, and the server does not spin. It tries
 * again each 100 ms, and at once where a client has gone: that is once here. A slow machine makes
 * the tries fewer.
 */
static void without_descriptors_clients_wait(void **unused)
{
	enum { TRIES = 8, PAUSE_MS = 100 };
	int fd = client(), late;
	uint64_t begun_ms;

	(void)unused;
	works("stat");
	begun_ms = now_ms();
	atomic_store(&accept_is_refused, true);
	late = asked("stat");
	say(fd, "stat\n", 5); /* one that was accepted before is served */
	json_decref(answered(fd, true));
	while (atomic_load(&refusals) < TRIES && now_ms() - begun_ms < WAIT_MS)
		(void)usleep(1000);
	assert_true(atomic_load(&refusals) >= TRIES);
	assert_true(now_ms() - begun_ms >= (TRIES - 2) * PAUSE_MS);
	assert_false(comes(late, 0));
	atomic_store(&accept_is_refused, false);
	json_decref(answered(late, true));
}

static void *open_listener(void *context)
{
	static struct rzn_listener listener;

	listener = (struct rzn_listener){.fd = -1};
	*(int *)context = rzn_listener_open(&listener, control_socket);
	rzn_listener_close(&listener);
	return NULL;
}

static int dead_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/*
 * One server has seen that the socket is dead, and is about to replace it: the other one must not
 * look before that is done.
 */
static void of_two_servers_at_a_dead_socket_one_gets_it(void **unused)
{
	int lock = open(world.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec moment = {.tv_nsec = 200000000};
	int result = 1, first;
	pthread_t thread;

	(void)unused;
	rzn_control_stop();
	close(dead_socket(control_socket));
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, open_listener, &result), 0);
	(void)nanosleep(&moment, NULL);
	assert_int_equal(unlink(control_socket), 0);
	first = dead_socket(control_socket);
	assert_int_equal(listen(first, 1), 0);
	close(lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(result, -1);
	assert_non_null(strstr(said.error, "a running server, process "));
	assert_int_equal(access(control_socket, F_OK), 0);
	close(first);
	/* Now it is dead, and is replaced. */
	assert_int_equal(rzn_control_start(&world.disk, control_socket), 0);
	works("stat");
}

/* By the end of its server, or by another one that takes its place. */
static void a_socket_that_goes_away_while_it_is_looked_at_is_no_obstacle(void **unused)
{
	(void)unused;
	rzn_control_stop();
	close(dead_socket(control_socket));
	atomic_store(&socket_goes_away, true);
	assert_int_equal(rzn_listener_check(control_socket), 0);
	assert_false(atomic_load(&socket_goes_away));
	close(dead_socket(control_socket));
	atomic_store(&socket_goes_away, true);
	assert_int_equal(rzn_control_start(&world.disk, control_socket), 0);
	assert_false(atomic_load(&socket_goes_away));
	works("stat");
}

static void what_is_no_socket_is_left_alone(void **unused)
{
	int fd;

	(void)unused;
	rzn_control_stop();
	fd = open(control_socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_int_equal(rzn_control_start(&world.disk, control_socket), -1);
	assert_non_null(strstr(said.error, "is no socket"));
	assert_int_equal(access(control_socket, F_OK), 0);
	assert_int_equal(unlink(control_socket), 0);
	/* Of another kind: it is not what a server left. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		strcpy(address.sun_path, control_socket);
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	}
	assert_int_equal(rzn_control_start(&world.disk, control_socket), -1);
	assert_int_equal(access(control_socket, F_OK), 0);
	close(fd);
	assert_int_equal(unlink(control_socket), 0);
	said_reset();
}

static void *stop(void *unused)
{
	rzn_control_stop();
	return unused;
}

static void at_the_end_what_has_begun_is_ended_and_the_rest_is_refused(void **unused)
{
	int save = held_save(), silent = client(), trim = asked("trim");
	pthread_t thread;

	(void)unused;
	works("stat");
	assert_int_equal(pthread_create(&thread, NULL, stop, NULL), 0);
	refuses(trim, "the server is ending");
	assert_true(comes(silent, WAIT_MS)); /* its end */
	close(silent);
	assert_false(comes(save, 0));
	let_save_end();
	json_decref(answered(save, true));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&saves), 1);
	assert_int_equal(access(world.saved, F_OK), 0);
	/* Again, for the teardown: it must be fit for that. */
	assert_int_equal(rzn_control_start(&world.disk, control_socket), 0);
	works("stat");
}

#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(silent_clients_hold_up_nobody),
		CONTROL_TEST(looking_and_setting_do_not_wait_for_a_save),
		CONTROL_TEST(looking_does_not_wait_for_what_has_the_store_for_itself),
		CONTROL_TEST(slow_commands_wait_in_turn_and_too_many_are_told_what_runs),
		CONTROL_TEST(a_client_that_goes_away_takes_back_what_has_not_begun),
		CONTROL_TEST(a_line_may_come_in_single_bytes),
		CONTROL_TEST(what_is_no_line_is_told_so),
		CONTROL_TEST(a_half_closed_client_gets_its_answer),
		CONTROL_TEST(a_thousand_connections_that_say_nothing_do_no_harm),
		CONTROL_TEST(more_silent_clients_than_places_make_room),
		CONTROL_TEST(a_client_that_is_slow_to_take_its_answer_holds_up_nobody),
		CONTROL_TEST(without_descriptors_clients_wait),
		CONTROL_TEST(of_two_servers_at_a_dead_socket_one_gets_it),
		CONTROL_TEST(a_socket_that_goes_away_while_it_is_looked_at_is_no_obstacle),
		CONTROL_TEST(what_is_no_socket_is_left_alone),
		CONTROL_TEST(at_the_end_what_has_begun_is_ended_and_the_rest_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
