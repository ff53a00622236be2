/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_client.c: one client; see control_client.h. O(bytes that came or went).
 */
#include "control_client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NO_FD = -1, DRAIN_ROUNDS = 64 };

static const char no_memory[] = "{\"ok\": false, \"error\": \"no memory for the answer; try "
				"again\", \"errno\": 12}\n";

void rzn_client_begin(struct rzn_client *client, int fd, int64_t now_ms)
{
	assert(client->state == RZN_CLIENT_FREE);
	client->state = RZN_CLIENT_READING;
	client->fd = fd;
	client->moved_ms = now_ms;
	client->until_ms = now_ms + RZN_CLIENT_MS;
	client->line_bytes = 0;
	client->answer_memory = NULL;
}

/* A line or a part of it has come; the last `got` bytes are new. */
static enum rzn_client_line client_look(struct rzn_client *client, size_t got)
{
	char *end;

	assert(got != 0 && got <= client->line_bytes && client->line_bytes <= RZN_LINE_BYTES);
	end = memchr(client->line + client->line_bytes - got, '\n', got);
	if (end == NULL)
		return client->line_bytes == RZN_LINE_BYTES ? RZN_LINE_BAD : RZN_LINE_MORE;
	*end = '\0';
	return strlen(client->line) == (size_t)(end - client->line) ? RZN_LINE_GOOD : RZN_LINE_BAD;
}

enum rzn_client_line rzn_client_read(struct rzn_client *client, int64_t now_ms)
{
	ssize_t got;

	assert(client->state == RZN_CLIENT_READING && client->line_bytes < RZN_LINE_BYTES);
	got = recv(client->fd, client->line + client->line_bytes,
		   RZN_LINE_BYTES - client->line_bytes, MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? RZN_LINE_MORE : RZN_LINE_GONE;
	if (got == 0) /* no more will come: a line needs an end */
		return client->line_bytes != 0 ? RZN_LINE_BAD : RZN_LINE_GONE;
	client->moved_ms = now_ms;
	client->line_bytes += (size_t)got;
	return client_look(client, (size_t)got);
}

void rzn_client_say(struct rzn_client *client, const char *text, int64_t now_ms)
{
	assert(client->state == RZN_CLIENT_READING || client->state == RZN_CLIENT_WAITING);
	client->state = RZN_CLIENT_SENDING;
	client->answer = text;
	client->answer_bytes = strlen(text);
	client->sent_bytes = 0;
	client->moved_ms = now_ms;
	client->until_ms = now_ms + RZN_CLIENT_MS;
}

void rzn_client_answer(struct rzn_client *client, char *text, int64_t now_ms)
{
	rzn_client_say(client, text != NULL ? text : no_memory, now_ms);
	client->answer_memory = text;
}

bool rzn_client_send(struct rzn_client *client, int64_t now_ms)
{
	assert(client->state == RZN_CLIENT_SENDING);
	while (client->sent_bytes < client->answer_bytes) {
		ssize_t sent = send(client->fd, client->answer + client->sent_bytes,
				    client->answer_bytes - client->sent_bytes,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno != EAGAIN;
		client->sent_bytes += (size_t)sent;
		client->moved_ms = now_ms;
	}
	return true;
}

/* If a client had sent more than was read, close would look like an error to it. */
static void client_drain(struct rzn_client *client)
{
	for (int i = 0; i < DRAIN_ROUNDS; i++) {
		if (recv(client->fd, client->line, sizeof(client->line), MSG_DONTWAIT) <= 0)
			return;
	}
}

void rzn_client_end(struct rzn_client *client)
{
	assert(client->state != RZN_CLIENT_FREE);
	if (client->fd >= 0) {
		client_drain(client);
		(void)close(client->fd);
	}
	free(client->answer_memory);
	client->answer_memory = NULL;
	client->fd = NO_FD;
	client->state = RZN_CLIENT_FREE;
}
