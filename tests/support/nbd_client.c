/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * nbd_client SOCKET ...: an NBD client that knows what it was told is written. For the scripts of
 * tests/integration; it speaks the protocol itself, one request at a time. Pages of 4 KiB are
 * stamped with their number and a round; round 0 is a page of zeros.
 *
 * idle: connect, print "ready", and stay until the server ends the connection.
 *
 * deaf: the same, after asking for the whole disk, of at most 32 MiB, ten times, without taking the
 * answers.
 *
 * write FROM TO: stamp all pages with round FROM, then the next, up to TO. Prints "round N" when
 * one is done. When the server refuses or goes it prints "stopped N P", the round and the page of
 * the request without a good answer, and exits with 3.
 *
 * scatter FROM TO: the same, in an order in which neighbours are far apart.
 *
 * check FROM TO [P]: each page is whole and of a round in between. With P the pages in front of P
 * are of TO, those behind it of FROM, and P is of either.
 *
 * moment FROM TO: the pages are those of one moment of a scatter: in its order they are of one
 * round, and from a page on, if any, of the round before.
 *
 * SIGTERM ends a write between two requests, so that the server sees nothing but an end.
 *
 * Calls the system alone; exit status 0, 1 for what is wrong, 3 see above.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096, READ = 0, WRITE = 1, STOPPED = 3 };

struct disk {
	int fd;
	uint64_t pages;
};

/* ---- the protocol ---- */

static bool get(int fd, void *data, size_t bytes)
{
	char *at = data;

	while (bytes != 0) {
		ssize_t got = recv(fd, at, bytes, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		bytes -= (size_t)got;
	}
	return true;
}

static bool put(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes != 0) {
		ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		bytes -= (size_t)sent;
	}
	return true;
}

static void put_number(unsigned char *at, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		at[bytes] = (unsigned char)value;
		value >>= 8;
	}
}

static bool greet(struct disk *disk)
{
	unsigned char theirs[18], ours[20] = {0, 0, 0, 3, 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T'};
	uint64_t bytes;

	put_number(ours + 12, 1, 4); /* NBD_OPT_EXPORT_NAME, of no name */
	if (!get(disk->fd, theirs, sizeof(theirs)) || memcmp(theirs, "NBDMAGICIHAVEOPT", 16) != 0 ||
	    !put(disk->fd, ours, sizeof(ours)) || !get(disk->fd, theirs, 10))
		return false;
	memcpy(&bytes, theirs, sizeof(bytes));
	disk->pages = be64toh(bytes) / PAGE;
	return true;
}

static bool disk_open(struct disk *disk, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return false;
	strcpy(address.sun_path, path);
	disk->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return disk->fd >= 0 &&
	       connect(disk->fd, (struct sockaddr *)&address, sizeof(address)) == 0 && greet(disk);
}

/* False: no answer, or one that says no. */
static bool request(struct disk *disk, unsigned type, uint64_t page, unsigned char data[PAGE])
{
	unsigned char ours[28] = {0x25, 0x60, 0x95, 0x13}, theirs[16];

	put_number(ours + 6, type, 2);
	put_number(ours + 8, page, 8);
	put_number(ours + 16, page * PAGE, 8);
	put_number(ours + 24, PAGE, 4);
	if (!put(disk->fd, ours, sizeof(ours)) || (type == WRITE && !put(disk->fd, data, PAGE)) ||
	    !get(disk->fd, theirs, sizeof(theirs)))
		return false;
	if (memcmp(theirs, "\x67\x44\x66\x98\0\0\0\0", 8) != 0)
		return false;
	return type == WRITE || get(disk->fd, data, PAGE);
}

/* ---- pages ---- */

/* A quarter of it does not compress. */
static void stamp(unsigned char data[PAGE], uint64_t page, uint64_t round)
{
	uint64_t state = page * 0x9E3779B97F4A7C15U + round;

	memset(data, 0, PAGE);
	if (round == 0)
		return;
	memcpy(data, &page, sizeof(page));
	memcpy(data + 8, &round, sizeof(round));
	for (size_t at = 16; at < PAGE / 4; at += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(data + at, &state, sizeof(state));
	}
	memset(data + PAGE / 4, (int)round, PAGE - PAGE / 4);
}

static volatile sig_atomic_t told_to_end;

static void end(int number)
{
	(void)number;
	told_to_end = 1;
}

/* The page that is number `index` in an order of all pages. */
static uint64_t scattered(const struct disk *disk, uint64_t index)
{
	return index * 2654435761 % disk->pages; /* a prime: each page once */
}

static int write_rounds(struct disk *disk, uint64_t from, uint64_t to, bool scatter)
{
	unsigned char data[PAGE];

	for (uint64_t round = from; round <= to; round++) {
		for (uint64_t i = 0; i < disk->pages; i++) {
			uint64_t page = scatter ? scattered(disk, i) : i;

			if (told_to_end)
				return 0;
			stamp(data, page, round);
			if (!request(disk, WRITE, page, data)) {
				printf("stopped %llu %llu\n", (unsigned long long)round,
				       (unsigned long long)page);
				return STOPPED;
			}
		}
		printf("round %llu\n", (unsigned long long)round);
		fflush(stdout);
	}
	return 0;
}

static bool is_whole(const unsigned char data[PAGE], uint64_t page, uint64_t *round)
{
	unsigned char wanted[PAGE];

	memcpy(round, data + 8, sizeof(*round));
	stamp(wanted, page, *round);
	return memcmp(data, wanted, PAGE) == 0;
}

static int check_rounds(struct disk *disk, uint64_t from, uint64_t to, const char *stopped)
{
	uint64_t middle = stopped != NULL ? strtoull(stopped, NULL, 10) : 0, round;
	unsigned char data[PAGE];

	for (uint64_t page = 0; page < disk->pages; page++) {
		uint64_t least = stopped != NULL && page < middle ? to : from;
		uint64_t most = stopped != NULL && page > middle ? from : to;

		if (!request(disk, READ, page, data)) {
			printf("page %llu cannot be read\n", (unsigned long long)page);
			return 1;
		}
		if (!is_whole(data, page, &round) || round < least || round > most) {
			printf("page %llu says round %llu, wanted %llu to %llu\n",
			       (unsigned long long)page, (unsigned long long)round,
			       (unsigned long long)least, (unsigned long long)most);
			return 1;
		}
	}
	return 0;
}

static int check_moment(struct disk *disk, uint64_t from, uint64_t to)
{
	uint64_t first = 0, last = to, round = 0;
	unsigned char data[PAGE];

	for (uint64_t i = 0; i < disk->pages; i++) {
		uint64_t page = scattered(disk, i);

		if (!request(disk, READ, page, data) || !is_whole(data, page, &round) ||
		    round < from || round > last || round + 1 < first) {
			printf("page %llu says round %llu, behind %llu\n", (unsigned long long)page,
			       (unsigned long long)round, (unsigned long long)last);
			return 1;
		}
		first = i == 0 ? round : first;
		last = round;
	}
	return 0;
}

static bool ask_for_all(struct disk *disk)
{
	unsigned char ours[28] = {0x25, 0x60, 0x95, 0x13};
	bool sent = true;

	put_number(ours + 24, disk->pages * PAGE, 4);
	for (unsigned i = 0; i < 10 && sent; i++)
		sent = put(disk->fd, ours, sizeof(ours));
	return sent;
}

static int deaf(struct disk *disk)
{
	struct pollfd end = {.fd = disk->fd};

	if (!ask_for_all(disk))
		return 1;
	puts("ready");
	fflush(stdout);
	return poll(&end, 1, -1) == 1 ? 0 : 1; /* POLLHUP */
}

static int idle(struct disk *disk)
{
	char byte;

	puts("ready");
	fflush(stdout);
	return get(disk->fd, &byte, 1) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct disk disk;
	uint64_t from, to;

	if (argc < 3 || !disk_open(&disk, argv[1])) {
		fprintf(stderr, "nbd_client: cannot connect\n");
		return 1;
	}
	if (strcmp(argv[2], "idle") == 0)
		return idle(&disk);
	if (strcmp(argv[2], "deaf") == 0)
		return deaf(&disk);
	if (argc < 5)
		return 1;
	(void)signal(SIGTERM, end);
	from = strtoull(argv[3], NULL, 10);
	to = strtoull(argv[4], NULL, 10);
	if (strcmp(argv[2], "check") == 0)
		return check_rounds(&disk, from, to, argv[5]);
	if (strcmp(argv[2], "moment") == 0)
		return check_moment(&disk, from, to);
	return write_rounds(&disk, from, to, strcmp(argv[2], "scatter") == 0);
}
