/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_tell.c: what ramz serve prints: how the disk is attached, looked at and ended. All
 * lines can be given to a shell. Locking: none.
 */
#include "serve.h"

#include <stdio.h>
#include <string.h>

#include "headline.h"
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

static void tell_attach(const char *uri, const char *nbd_client, const char *mountpoint)
{
	printf("\nTo attach it, one of\n"
	       "  nbd-client %s /dev/nbd0\n"
	       "  mkdir -p %s && nbdfuse %s/disk '%s' &\n"
	       "    until [ -e %s/disk ]; do sleep 1; done; losetup -f --show %s/disk\n"
	       "  qemu-system-x86_64 -drive 'file=%s,format=raw' ...\n",
	       nbd_client, mountpoint, mountpoint, uri, mountpoint, mountpoint, uri);
}

static void tell_socket(const struct rzc_serve *serve)
{
	char path[TELL_WORD_BYTES], percent[TELL_WORD_BYTES], mountpoint[TELL_WORD_BYTES];
	char uri[TELL_WORD_BYTES + 32], client[TELL_WORD_BYTES + 8];
	char stem[PATH_MAX];

	memcpy(stem, serve->process_path, sizeof(stem));
	stem[strlen(stem) -
	     strlen(serve->socket != NULL ? RZC_PLACE_PROCESS_BESIDE : RZC_PLACE_PROCESS)] = '\0';
	tell_append(stem, sizeof(stem), ".mnt");
	rzc_serve_quote(mountpoint, sizeof(mountpoint), stem);
	rzc_serve_quote(path, sizeof(path), serve->disk_path);
	rzc_serve_percent(percent, sizeof(percent), serve->disk_path);
	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", percent);
	snprintf(client, sizeof(client), "-unix %s", path);
	printf("disk     %s\n", uri);
	tell_attach(uri, client, mountpoint);
}

static void tell_port(const struct rzc_serve *serve)
{
	char uri[48], client[32], mountpoint[48];

	snprintf(uri, sizeof(uri), "nbd://localhost:%u", serve->port);
	snprintf(client, sizeof(client), "localhost %u", serve->port);
	snprintf(mountpoint, sizeof(mountpoint), "/tmp/ramz-%u.mnt", serve->port);
	printf("disk     %s\n", uri);
	tell_attach(uri, client, mountpoint);
}

/* How clients are told which disk is meant; nothing for the name that is the default. */
static void tell_which(char *option, size_t room, const struct rzc_serve *serve)
{
	char path[TELL_WORD_BYTES];

	option[0] = '\0';
	if (serve->socket != NULL) {
		rzc_serve_quote(path, sizeof(path), serve->control_path);
		snprintf(option, room, " --socket %s", path);
	} else if (strcmp(serve->name, RZC_SERVE_NAME) != 0) {
		snprintf(option, room, " --name %s", serve->name);
	}
}

void rzc_serve_tell(const struct rzc_serve *serve, pid_t process)
{
	char which[TELL_WORD_BYTES + 16];

	/* In the foreground it does not serve yet. */
	if (serve->control_path[0] != '\0' && !serve->foreground)
		rzc_headline(serve->control_path);
	if (serve->control_path[0] != '\0')
		printf("control  %s\n", serve->control_path);
	if (serve->port != 0)
		tell_port(serve);
	else
		tell_socket(serve);
	tell_which(which, sizeof(which), serve);
	if (serve->control_path[0] != '\0')
		printf("To look at it\n  ramz stat%s\n", which);
	printf("To end it\n  kill %ld\n", (long)process);
}
