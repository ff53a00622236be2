/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A cache of small compressed values (ramz/values.h) behind a socket, with enough of Redis'
 * protocol for redis-cli and redis-benchmark. An example, no server to rely on: it listens on
 * 127.0.0.1 only, has a thread for each client, and keeps nothing when it ends.
 *
 *   values_server [PORT [LIMIT_MIB]]      PORT 0: any free one; it prints which
 *
 *   redis-cli -p PORT set greeting hello ex 60
 *   redis-benchmark -p PORT -t set,get -d 300 -r 100000
 *
 * Commands: PING, ECHO, SET (EX, PX), GET, MSET, MGET, DEL, EXISTS, EXPIRE, PEXPIRE, PERSIST, TTL,
 * PTTL, DBSIZE, INFO, COMMAND, CONFIG, SELECT 0, QUIT.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ramz/values.h>

enum {
	PORT_DEFAULT = 6380,
	VALUE_MOST = 64 << 10, /* longest value */
	ARGUMENTS_MOST = 64,
	IN_ROOM = 2 * VALUE_MOST, /* a command; longer ones end the connection */
	OUT_ROOM = 64 << 10,
	TEND_MS = 100,
	TEND_VALUES = 2000,
	TRAIN_FIRST = 4096, /* values for the first dictionary; then for four times as many */
};

struct argument {
	const char *text;
	size_t bytes;
};

/* One connection. */
struct client {
	int fd;
	char *in;
	size_t in_bytes;
	char *out;
	size_t out_bytes;
	char *value; /* VALUE_MOST bytes */
	struct argument argument[ARGUMENTS_MOST];
	int arguments;
	int quits;
};

static struct ramz_values *cache;

/* ---- replies ---- */

static void flush(struct client *c)
{
	size_t sent = 0;

	while (sent < c->out_bytes) {
		ssize_t n = send(c->fd, c->out + sent, c->out_bytes - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			c->quits = 1;
			break;
		}
		sent += (size_t)n;
	}
	c->out_bytes = 0;
}

static void put(struct client *c, const char *bytes, size_t count)
{
	while (count != 0) {
		size_t n = OUT_ROOM - c->out_bytes < count ? OUT_ROOM - c->out_bytes : count;

		memcpy(c->out + c->out_bytes, bytes, n);
		c->out_bytes += n;
		bytes += n;
		count -= n;
		if (c->out_bytes == OUT_ROOM)
			flush(c);
	}
}

static void reply(struct client *c, const char *format, ...)
{
	char line[512];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	put(c, line, (size_t)n);
}

static void reply_number(struct client *c, long long number)
{
	reply(c, ":%lld\r\n", number);
}

static void reply_bulk(struct client *c, const char *bytes, size_t count)
{
	reply(c, "$%zu\r\n", count);
	put(c, bytes, count);
	put(c, "\r\n", 2);
}

static void reply_error(struct client *c, int err)
{
	if (err == -XV_ENOSPC)
		reply(c, "-OOM the cache's limit has no room for this value\r\n");
	else if (err == -XV_E2BIG)
		reply(c, "-ERR keys have at most %u bytes, values %d\r\n", RAMZ_VALUES_KEY_MAX,
		      VALUE_MOST);
	else if (err == -XV_EINVAL)
		reply(c, "-ERR a key must not be empty\r\n");
	else
		reply(c, "-ERR %s\r\n", strerror(-err));
}

/* ---- commands ---- */

static int is(const struct argument *a, const char *word)
{
	return a->bytes == strlen(word) && strncasecmp(a->text, word, a->bytes) == 0;
}

/* A number >= 1, or 0. */
static uint64_t number_of(const struct argument *a)
{
	uint64_t number = 0;

	if (a->bytes == 0 || a->bytes > 15)
		return 0;
	for (size_t i = 0; i < a->bytes; i++) {
		if (a->text[i] < '0' || a->text[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(a->text[i] - '0');
	}
	return number;
}

static void do_set(struct client *c)
{
	const struct argument *a = c->argument;
	uint64_t ttl_ms = RAMZ_VALUES_FOREVER;
	int err;

	for (int i = 3; i < c->arguments; i += 2) {
		uint64_t unit = is(&a[i], "ex") ? 1000 : is(&a[i], "px") ? 1 : 0;

		ttl_ms = i + 1 < c->arguments ? number_of(&a[i + 1]) * unit : 0;
		if (ttl_ms == 0) {
			reply(c, "-ERR syntax: SET key value [EX seconds | PX milliseconds]\r\n");
			return;
		}
	}
	err = ramz_values_set(cache, a[1].text, a[1].bytes, a[2].text, a[2].bytes, ttl_ms);
	if (err == 0)
		reply(c, "+OK\r\n");
	else
		reply_error(c, err);
}

static void reply_value(struct client *c, const struct argument *key)
{
	size_t bytes;
	int found = ramz_values_get(cache, key->text, key->bytes, c->value, VALUE_MOST, &bytes);

	if (found == 1)
		reply_bulk(c, c->value, bytes);
	else if (found == 0)
		reply(c, "$-1\r\n");
	else
		reply_error(c, found);
}

static void do_get(struct client *c)
{
	reply_value(c, &c->argument[1]);
}

static void do_mget(struct client *c)
{
	reply(c, "*%d\r\n", c->arguments - 1);
	for (int i = 1; i < c->arguments; i++)
		reply_value(c, &c->argument[i]);
}

static void do_mset(struct client *c)
{
	const struct argument *a = c->argument;
	int err = 0;

	if (c->arguments % 2 == 0) {
		reply(c, "-ERR MSET takes keys and values in pairs\r\n");
		return;
	}
	for (int i = 1; i < c->arguments && err == 0; i += 2)
		err = ramz_values_set(cache, a[i].text, a[i].bytes, a[i + 1].text, a[i + 1].bytes,
				      RAMZ_VALUES_FOREVER);
	if (err == 0)
		reply(c, "+OK\r\n");
	else
		reply_error(c, err);
}

static void do_del(struct client *c)
{
	int count = 0;

	for (int i = 1; i < c->arguments; i++)
		count += ramz_values_delete(cache, c->argument[i].text, c->argument[i].bytes) == 1;
	reply_number(c, count);
}

static void do_exists(struct client *c)
{
	int count = 0;

	for (int i = 1; i < c->arguments; i++)
		count += ramz_values_ttl(cache, c->argument[i].text, c->argument[i].bytes, NULL) ==
			 1;
	reply_number(c, count);
}

static void do_expire(struct client *c)
{
	const struct argument *a = c->argument;
	uint64_t unit = is(&a[0], "expire") ? 1000 : 1;
	uint64_t ttl_ms = RAMZ_VALUES_FOREVER;
	int err;

	if (!is(&a[0], "persist")) {
		ttl_ms = c->arguments == 3 ? number_of(&a[2]) * unit : 0;
		if (ttl_ms == 0) {
			reply(c, "-ERR a time must be a positive number\r\n");
			return;
		}
	}
	err = ramz_values_expire(cache, a[1].text, a[1].bytes, ttl_ms);
	if (err >= 0)
		reply_number(c, err);
	else
		reply_error(c, err);
}

static void do_ttl(struct client *c)
{
	const struct argument *a = c->argument;
	uint64_t ttl_ms;
	int found = ramz_values_ttl(cache, a[1].text, a[1].bytes, &ttl_ms);

	if (found < 0)
		reply_error(c, found);
	else if (found == 0)
		reply_number(c, -2);
	else if (ttl_ms == RAMZ_VALUES_FOREVER)
		reply_number(c, -1);
	else
		reply_number(c, (long long)(is(&a[0], "pttl") ? ttl_ms : (ttl_ms + 999) / 1000));
}

static void do_dbsize(struct client *c)
{
	struct ramz_values_stats stats;

	(void)ramz_values_get_stats(cache, &stats);
	reply_number(c, (long long)stats.values);
}

static void do_info(struct client *c)
{
	struct ramz_values_stats s;
	char text[512];
	int n;

	(void)ramz_values_get_stats(cache, &s);
	n = snprintf(text, sizeof(text),
		     "# Memory\r\nused_memory:%llu\r\nmaxmemory:%llu\r\n# Stats\r\nkeys:%llu\r\n"
		     "plain_bytes:%llu\r\nrecord_bytes:%llu\r\ngeneration:%llu\r\n"
		     "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\nevicted_keys:%llu\r\n"
		     "expired_keys:%llu\r\n",
		     (unsigned long long)s.held_bytes, (unsigned long long)s.limit_bytes,
		     (unsigned long long)s.values, (unsigned long long)s.plain_bytes,
		     (unsigned long long)s.record_bytes, (unsigned long long)s.generation,
		     (unsigned long long)s.hits, (unsigned long long)s.misses,
		     (unsigned long long)s.evicted, (unsigned long long)s.expired);
	reply_bulk(c, text, (size_t)n);
}

/* redis-benchmark asks for `save` and `appendonly`, and redis-cli for the commands: there are
 * none to tell of. */
static void do_nothing(struct client *c)
{
	reply(c, "*0\r\n");
}

static void do_ok(struct client *c)
{
	c->quits = is(&c->argument[0], "quit");
	reply(c, "+OK\r\n");
}

static void do_ping(struct client *c)
{
	if (c->arguments > 1)
		reply_bulk(c, c->argument[1].text, c->argument[1].bytes);
	else
		reply(c, "+PONG\r\n");
}

static const struct command {
	const char *name;
	int arguments; /* at least, the name included */
	void (*run)(struct client *c);
} commands[] = {
	{"get", 2, do_get},       {"set", 3, do_set},         {"mget", 2, do_mget},
	{"mset", 3, do_mset},     {"del", 2, do_del},         {"exists", 2, do_exists},
	{"expire", 3, do_expire}, {"pexpire", 3, do_expire},  {"persist", 2, do_expire},
	{"ttl", 2, do_ttl},       {"pttl", 2, do_ttl},        {"dbsize", 1, do_dbsize},
	{"info", 1, do_info},     {"command", 1, do_nothing}, {"config", 1, do_nothing},
	{"ping", 1, do_ping},     {"echo", 2, do_ping},       {"select", 2, do_ok},
	{"quit", 1, do_ok},
};

static void command_run(struct client *c)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!is(&c->argument[0], commands[i].name))
			continue;
		if (c->arguments < commands[i].arguments)
			reply(c, "-ERR too few arguments for %s\r\n", commands[i].name);
		else
			commands[i].run(c);
		return;
	}
	reply(c, "-ERR unknown command: this example has only a few\r\n");
}

/* ---- the protocol ---- */

/* Parse "<mark>NUMBER\r\n". Returns the bytes, 0 when more is needed, or -1. */
static int line_number(const char *at, size_t bytes, char mark, long *number)
{
	const char *end = memchr(at, '\n', bytes < 32 ? bytes : 32);
	char *stop;

	if (bytes != 0 && at[0] != mark)
		return -1;
	if (end == NULL)
		return bytes < 32 ? 0 : -1;
	*number = strtol(at + 1, &stop, 10);
	return stop + 1 == end && *stop == '\r' && stop != at + 1 ? (int)(end + 1 - at) : -1;
}

/* A line of words, as people type it. */
static long inline_parse(struct client *c)
{
	const char *end = memchr(c->in, '\n', c->in_bytes);
	const char *at = c->in;

	if (end == NULL)
		return 0;
	for (c->arguments = 0; c->arguments < ARGUMENTS_MOST; c->arguments++) {
		struct argument *a = &c->argument[c->arguments];

		while (at < end && (*at == ' ' || *at == '\r'))
			at++;
		if (at == end)
			break;
		a->text = at;
		while (at < end && *at != ' ' && *at != '\r')
			at++;
		a->bytes = (size_t)(at - a->text);
	}
	return end + 1 - c->in;
}

/* Parse the command at the beginning of the input: an array of strings. Returns its bytes, 0 when
 * more is needed, or -1 for what is no command, or too long a one. */
static long command_parse(struct client *c)
{
	long count = 0;
	long at;

	if (c->in_bytes != 0 && c->in[0] != '*')
		return inline_parse(c);
	at = line_number(c->in, c->in_bytes, '*', &count);
	if (at <= 0 || count < 0 || count > ARGUMENTS_MOST)
		return at == 0 ? 0 : -1;
	for (c->arguments = 0; c->arguments < count; c->arguments++) {
		long bytes = 0;
		int n = line_number(c->in + at, c->in_bytes - (size_t)at, '$', &bytes);

		if (n <= 0 || bytes < 0 || bytes > IN_ROOM)
			return n == 0 ? 0 : -1;
		if (c->in_bytes - (size_t)(at + n) < (size_t)bytes + 2)
			return 0;
		c->argument[c->arguments] =
			(struct argument){.text = c->in + at + n, .bytes = (size_t)bytes};
		at += n + bytes + 2;
	}
	return at;
}

/* Run the whole commands of the input, and keep the rest. */
static void input_run(struct client *c)
{
	while (!c->quits && c->in_bytes != 0) {
		long bytes = command_parse(c);

		if (bytes < 0 || (bytes == 0 && c->in_bytes == IN_ROOM)) {
			reply(c,
			      "-ERR not a command, or too long: at most %d bytes and %d "
			      "arguments\r\n",
			      IN_ROOM, ARGUMENTS_MOST);
			c->quits = 1;
		}
		if (bytes <= 0)
			break;
		if (c->arguments != 0)
			command_run(c);
		c->in_bytes -= (size_t)bytes;
		memmove(c->in, c->in + bytes, c->in_bytes);
	}
	flush(c);
}

static void *client_run(void *context)
{
	struct client *c = context;

	c->in = malloc(IN_ROOM);
	c->out = malloc(OUT_ROOM);
	c->value = malloc(VALUE_MOST);
	while (c->in != NULL && c->out != NULL && c->value != NULL && !c->quits) {
		ssize_t n = recv(c->fd, c->in + c->in_bytes, IN_ROOM - c->in_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		c->in_bytes += (size_t)n;
		input_run(c);
	}
	(void)close(c->fd);
	free(c->in);
	free(c->out);
	free(c->value);
	free(c);
	return NULL;
}

/* ---- upkeep ---- */

/* A dictionary when there are enough values, and anew when there are four times as many. */
static void *keeper_run(void *context)
{
	const struct timespec pause = {.tv_nsec = TEND_MS * 1000000L};
	uint64_t train_at = TRAIN_FIRST;

	(void)context;
	for (;;) {
		struct ramz_values_tend_report report = {.more = true};
		struct ramz_values_stats stats;

		(void)nanosleep(&pause, NULL);
		while (report.more && ramz_values_tend(cache, TEND_VALUES, &report) == 0)
			;
		(void)ramz_values_get_stats(cache, &stats);
		if (stats.values >= train_at && ramz_values_train(cache, 0, NULL) == 0)
			train_at = stats.values * 4;
	}
	return NULL;
}

/* ---- start ---- */

static int thread_start(void *(*run)(void *), void *context)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, run, context) == 0 && pthread_detach(thread) == 0;
}

static int listen_on(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
		perror("values_server: cannot listen");
		exit(1);
	}
	printf("port %u\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void serve(int fd)
{
	for (;;) {
		struct client *c = calloc(1, sizeof(*c));
		int on = 1;

		if (c == NULL)
			break;
		c->fd = accept(fd, NULL, NULL);
		if (c->fd < 0) {
			free(c);
			continue;
		}
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (!thread_start(client_run, c)) {
			(void)close(c->fd);
			free(c);
		}
	}
}

int main(int argc, char **argv)
{
	long port = argc > 1 ? atol(argv[1]) : PORT_DEFAULT;
	struct ramz_values_options options;
	int err;

	if (port < 0 || port > 65535 || argc > 3) {
		fprintf(stderr, "usage: values_server [PORT [LIMIT_MIB]]\n");
		return 2;
	}
	ramz_values_options_init(&options);
	options.max_value_bytes = VALUE_MOST;
	if (argc > 2)
		options.limit_bytes = (uint64_t)atoll(argv[2]) << 20;
	err = ramz_values_create(&cache, &options);
	if (err != 0) {
		fprintf(stderr, "values_server: no cache: %s%s\n", strerror(-err),
			err == -XV_ENOSPC ? " (raise LIMIT_MIB)" : "");
		return 1;
	}
	if (!thread_start(keeper_run, NULL))
		return 1;
	serve(listen_on((unsigned)port));
	return 1;
}
