/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_control.c: the control socket of a served disk: what a client may send, as bytes.
 *
 * The first byte chooses the disk; the rest are lines. Each goes through a socket into the code
 * that reads it, to its command, and the answer comes back: one line, a JSON object with "ok", and
 * with an error and its number where that is false. Paths lead to one file in a directory of this
 * process, whatever a line says.
 *
 * Owns: a disk for each run, and the directory. May call: the plugin's headers. Locking: none; one
 * thread, without the socket's own (control.h), which test_nbdkit_control.c tests. O(input).
 */
#include <sys/socket.h>
#include <unistd.h>

#include "control_client.h"
#include "control_command.h"
#include "disk.h"
#include "disk_file.h"
#include "fuzz_nbdkit.h"
#include "tiers.h"

enum { DISK_PAGES = 64, LINES_MAX = 64, BACKING_BYTES_MAX = 4 << 20 };

static char directory[64], own_path[96], other_path[96];

/* ---- paths ---- */

int __real_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason);
int __wrap_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason);
int __real_rzn_backing_give(struct rzn_disk *disk, const char *path, uint64_t bytes,
			    const char **fault);
int __wrap_rzn_backing_give(struct rzn_disk *disk, const char *path, uint64_t bytes,
			    const char **fault);

int __wrap_rzn_file_save(struct rzn_disk *disk, const char *path, uint64_t *file_bytes,
			 struct ramz_reason *reason)
{
	if (path != NULL && strcmp(path, own_path) != 0)
		path = other_path;
	return __real_rzn_file_save(disk, path, file_bytes, reason);
}

int __wrap_rzn_backing_give(struct rzn_disk *disk, const char *path, uint64_t bytes,
			    const char **fault)
{
	FUZZ_CHECK(path[0] == '/');
	return __real_rzn_backing_give(disk, other_path, bytes % BACKING_BYTES_MAX, fault);
}

static void directory_end(void)
{
	(void)unlink(own_path);
	(void)unlink(other_path);
	(void)rmdir(directory);
}

static void directory_begin(void)
{
	if (directory[0] != '\0')
		return;
	(void)snprintf(directory, sizeof(directory), "%s/fuzz_control.XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	FUZZ_CHECK(mkdtemp(directory) != NULL);
	(void)snprintf(own_path, sizeof(own_path), "%s/own", directory);
	(void)snprintf(other_path, sizeof(other_path), "%s/other", directory);
	(void)atexit(directory_end);
}

/* ---- the disk ---- */

static void configure(struct rzn_config *config, uint32_t kind)
{
	rzn_config_init(config);
	FUZZ_CHECK(rzn_config_set(config, "size", "256K") == 0);
	if ((kind & 1U) != 0)
		FUZZ_CHECK(rzn_config_set(config, "file", own_path) == 0);
	if ((kind & 2U) != 0)
		FUZZ_CHECK(rzn_config_set(config, "warm", "lz4:9") == 0);
	if ((kind & 4U) != 0)
		FUZZ_CHECK(rzn_config_set(config, "checksum", "true") == 0);
	if ((kind & 8U) != 0)
		FUZZ_CHECK(rzn_config_set(config, "dedup", "true") == 0);
	FUZZ_CHECK(rzn_config_complete(config) == 0);
}

static void disk_begin(struct rzn_disk *disk, const struct rzn_config *config)
{
	unsigned char page[4096];

	rzn_disk_init(disk, config);
	FUZZ_CHECK(rzn_file_hold(disk) == 0 && rzn_disk_open(disk) == 0);
	for (uint32_t i = 0; i < DISK_PAGES; i += 3) {
		fuzz_fill(page, sizeof(page), i % 2 == 0 ? 2 * i : 2 * i + 1);
		FUZZ_CHECK(ramz_write_page(disk->store, i, page) == 0);
	}
}

static void disk_end(struct rzn_disk *disk, struct rzn_config *config)
{
	FUZZ_CHECK(ramz_check(disk->store, XV_CHECK_DEEP, NULL) == 0);
	rzn_disk_close(disk);
	rzn_backing_close(disk);
	rzn_file_release(disk);
	rzn_config_fini(config);
	(void)unlink(own_path);
	(void)unlink(other_path);
}

/* ---- a client ---- */

static void answer_check(const char *text)
{
	json_t *answer = json_loads(text, 0, NULL);
	const json_t *ok = json_object_get(answer, "ok");

	FUZZ_CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	FUZZ_CHECK(json_is_object(answer) && json_is_boolean(ok));
	if (json_is_false(ok)) {
		FUZZ_CHECK(json_is_string(json_object_get(answer, "error")));
		FUZZ_CHECK(json_integer_value(json_object_get(answer, "errno")) > 0);
	}
	json_decref(answer);
}

/* Let the client have its answer, which may be longer than the socket takes at once. */
static void answer_send(struct rzn_client *client, int peer)
{
	static char taken[65536];
	size_t all = 0;
	ssize_t got;
	bool done;

	do {
		done = rzn_client_send(client, 0);
		while ((got = recv(peer, taken, sizeof(taken), MSG_DONTWAIT)) > 0)
			all += (size_t)got;
	} while (!done);
	FUZZ_CHECK(all == client->answer_bytes);
}

/* One client: it sends a line in parts of drawn lengths, and gets an answer if it was one. */
static void client_run(struct rzn_disk *disk, struct fuzz_input *in)
{
	static struct rzn_client client;
	enum rzn_client_line line = RZN_LINE_MORE;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	rzn_client_begin(&client, pair[0], 0);
	while (line == RZN_LINE_MORE && in->left != 0) {
		const uint8_t *end = memchr(in->at, '\n', in->left);
		size_t part = end != NULL ? (size_t)(end - in->at) + 1 : in->left;

		if (part > 100)
			part = 100;
		FUZZ_CHECK(send(pair[1], in->at, part, 0) == (ssize_t)part);
		in->at += part;
		in->left -= part;
		line = rzn_client_read(&client, 0);
	}
	if (line == RZN_LINE_GOOD) {
		char *text = rzn_command_text(disk, client.line, NULL);

		(void)rzn_command_pace(client.line);
		FUZZ_CHECK(text != NULL);
		answer_check(text);
		rzn_client_answer(&client, text, 0);
		answer_send(&client, pair[1]);
	}
	rzn_client_end(&client);
	(void)close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input in = {.at = data, .left = bytes};
	struct rzn_config config;
	struct rzn_disk disk;

	directory_begin();
	configure(&config, fuzz_byte(&in));
	disk_begin(&disk, &config);
	for (uint32_t i = 0; in.left != 0 && i < LINES_MAX; i++)
		client_run(&disk, &in);
	disk_end(&disk, &config);
	return 0;
}
