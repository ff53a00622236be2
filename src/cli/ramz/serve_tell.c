/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_tell.c: what ramz serve prints: how the disk is attached, looked at and ended. All
 * lines can be given to a shell. Locking: none.
 */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "unix_socket.h"

/* Room for a path of which each byte is three. */
#define TELL_WORD_BYTES (4U * RZC_SOCKET_PATH_MAX + 8U)

#define TELL_PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"

static void tell_append(char *word, size_t room, const char *text)
{
	size_t used = strlen(word);

	snprintf(word + used, room - used, "%s", text);
}

void rzc_serve_quote(char *word, size_t room, const char *text)
{
	snprintf(word, room, "%s", text);
	if (text[0] != '\0' && text[strspn(text, TELL_PLAIN)] == '\0')
		return;
	snprintf(word, room, "'");
	for (; *text != '\0'; text++) {
		const char one[] = {*text, '\0'};

		tell_append(word, room, *text == '\'' ? "'\\''" : one);
	}
	tell_append(word, room, "'");
}

void rzc_serve_percent(char *word, size_t room, const char *text)
{
	word[0] = '\0';
	for (; *text != '\0'; text++) {
		char one[4] = {*text, '\0'};

		if (strchr(TELL_PLAIN, *text) == NULL)
			snprintf(one, sizeof(one), "%%%02X", (unsigned)(unsigned char)*text);
		tell_append(word, room, one);
	}
}

/* disk: words for nbdfuse. Files beside the disk begin with its control socket's path, but for what
 * ends that. */
static void tell_fuse(const struct rzc_serve *serve, const char *disk)
{
	char path[PATH_MAX + 8], mount[TELL_WORD_BYTES];
	int stem = (int)(strlen(serve->control_path) - strlen(RZC_PLACE_CONTROL));

	snprintf(path, sizeof(path), "%.*s.mnt", stem, serve->control_path);
	rzc_serve_quote(mount, sizeof(mount), path);
	printf("  mkdir -p %s && nbdfuse %s/disk %s &\n"
	       "    until [ -e %s/disk ]; do sleep 1; done; losetup -f --show %s/disk\n",
	       mount, mount, disk, mount, mount);
}

/* uri and nbd_client: the disk, for those who take a URI and for nbd-client. */
static void tell_open(const struct rzc_serve *serve, const char *uri, const char *nbd_client)
{
	char quoted[TELL_WORD_BYTES + 32];

	snprintf(quoted, sizeof(quoted), "'%s'", uri);
	printf("disk     %s\n\nTo attach it, one of\n  nbd-client %s /dev/nbd0\n", uri, nbd_client);
	tell_fuse(serve, quoted);
	printf("  qemu-system-x86_64 -drive 'file=%s,format=raw' ...\n", uri);
}

static void tell_socket(const struct rzc_serve *serve)
{
	char word[TELL_WORD_BYTES], uri[TELL_WORD_BYTES + 24], client[TELL_WORD_BYTES + 8];

	rzc_serve_percent(word, sizeof(word), serve->disk_path);
	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", word);
	rzc_serve_quote(word, sizeof(word), serve->disk_path);
	snprintf(client, sizeof(client), "-unix %s", word);
	tell_open(serve, uri, client);
}

static void tell_port(const struct rzc_serve *serve)
{
	char uri[48], client[48];

	snprintf(uri, sizeof(uri), "nbd://localhost:%" PRIu64, serve->options->port);
	snprintf(client, sizeof(client), "localhost %" PRIu64, serve->options->port);
	tell_open(serve, uri, client);
}

/* nbd-client and qemu's URIs have no word for a key, and nbdfuse only takes one from nbdkit (libnbd
 * 1.14). */
static void tell_port_with_key(const struct rzc_serve *serve)
{
	char name[4U * RZC_SERVE_KEY_NAME_BYTES + 8U], path[4U * PATH_MAX + 8U];
	char disk[sizeof(name) + sizeof(path) + 128];

	rzc_serve_percent(name, sizeof(name), serve->key_name);
	rzc_serve_percent(path, sizeof(path), serve->key_path);
	printf("disk     nbds://%s@localhost:%" PRIu64 "/?tls-psk-file=%s\n\nTo attach it\n", name,
	       serve->options->port, path);
	rzc_serve_quote(name, sizeof(name), serve->key_name);
	rzc_serve_quote(path, sizeof(path), serve->key_path);
	snprintf(disk, sizeof(disk),
		 "[ nbdkit --exit-with-parent nbd hostname=localhost port=%" PRIu64
		 " tls=require tls-username=%s tls-psk=%s ]",
		 serve->options->port, name, path);
	tell_fuse(serve, disk);
}

/* How the other commands are told which disk is meant. */
static void tell_which(const struct rzc_serve *serve)
{
	char path[TELL_WORD_BYTES];

	if (serve->options->socket != NULL) {
		rzc_serve_quote(path, sizeof(path), serve->control_path);
		printf(" --socket %s", path);
	} else if (strcmp(serve->name, RZC_SERVE_NAME) != 0) {
		printf(" --name %s", serve->name);
	}
}

void rzc_serve_tell(const struct rzc_serve *serve, pid_t process)
{
	/* In the foreground it does not serve yet. */
	if (!serve->options->foreground)
		rzc_stat_headline(serve->control_path);
	printf("control  %s\n", serve->control_path);
	if (serve->key_path[0] != '\0')
		tell_port_with_key(serve);
	else if (serve->options->port != 0)
		tell_port(serve);
	else
		tell_socket(serve);
	printf("To look at it\n  ramz stat");
	tell_which(serve);
	printf("\nTo end it\n  kill %ld\n", (long)process);
}
