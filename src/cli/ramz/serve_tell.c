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

/* uri, nbd_client: the disk, for those who take a URI and for nbd-client. stem: paths beside the
 * disk begin with it. */
static void tell_attach(const char *uri, const char *nbd_client, const char *stem)
{
	char path[PATH_MAX + 8], mount[TELL_WORD_BYTES];

	snprintf(path, sizeof(path), "%s.mnt", stem);
	rzc_serve_quote(mount, sizeof(mount), path);
	printf("\nTo attach it, one of\n"
	       "  nbd-client %s /dev/nbd0\n"
	       "  mkdir -p %s && nbdfuse %s/disk '%s' &\n"
	       "    until [ -e %s/disk ]; do sleep 1; done; losetup -f --show %s/disk\n"
	       "  qemu-system-x86_64 -drive 'file=%s,format=raw' ...\n",
	       nbd_client, mount, mount, uri, mount, mount, uri);
}

static void tell_disk(const struct rzc_serve *serve)
{
	char word[TELL_WORD_BYTES], uri[TELL_WORD_BYTES + 32], client[TELL_WORD_BYTES + 8];
	char stem[PATH_MAX];

	if (serve->options->port != 0) {
		snprintf(uri, sizeof(uri), "nbd://localhost:%" PRIu64, serve->options->port);
		snprintf(client, sizeof(client), "localhost %" PRIu64, serve->options->port);
	} else {
		rzc_serve_percent(word, sizeof(word), serve->disk_path);
		snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", word);
		rzc_serve_quote(word, sizeof(word), serve->disk_path);
		snprintf(client, sizeof(client), "-unix %s", word);
	}
	snprintf(stem, sizeof(stem), "%s", serve->control_path);
	stem[strlen(stem) - strlen(RZC_PLACE_CONTROL)] = '\0';
	printf("disk     %s\n", uri);
	tell_attach(uri, client, stem);
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
	tell_disk(serve);
	printf("To look at it\n  ramz stat");
	tell_which(serve);
	printf("\nTo end it\n  kill %ld\n", (long)process);
}
