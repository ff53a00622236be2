/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_key.c: the file of keys with which a disk on a port is served; see serve.h. nbdkit reads
 * it when the first client connects, and tells nobody then what is wrong with it. So it is looked
 * at before. O(bytes of the file). Locking: none.
 */
#include "serve.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAKE "make it with psktool -u NAME -p FILE (Debian: apt-get install gnutls-bin)"

/* Whoever reads the file may read and write the disk. A group may be trusted: what a service
 * manager hands on by an access control list looks like that, too. */
static int key_check_rights(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		xvm_error("%s is not a regular file: give a file of keys, and " KEY_MAKE, path);
		return XVM_FAILED;
	}
	if ((status.st_mode & (S_IWGRP | S_IRWXO)) == 0)
		return 0;
	xvm_error(
		"everybody may read %s and so use the disk, or its group may change it: chmod 600 "
		"it, and take new keys if somebody may have read it",
		path);
	return XVM_FAILED;
}

/* NAME:KEY, the key in pairs of hexadecimal digits. Cuts the line into the two. */
static bool key_line_is_good(char *line)
{
	char *key = strchr(line, ':');
	size_t digits = 0;

	if (key == NULL || key == line)
		return false;
	*key++ = '\0';
	while (isxdigit((unsigned char)key[digits]))
		digits++;
	return digits > 0 && digits % 2 == 0 && key[digits] == '\0';
}

/* Look at all lines; the first name goes to serve->key_name. */
static int key_check_lines(struct rzc_serve *serve, FILE *file)
{
	unsigned long number = 0;
	size_t capacity = 0;
	char *line = NULL;
	bool good = true;

	while (good && getline(&line, &capacity, file) >= 0) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			continue;
		good = key_line_is_good(line) && strlen(line) < sizeof(serve->key_name);
		if (good && serve->key_name[0] == '\0')
			strcpy(serve->key_name, line);
	}
	free(line);
	if (!good)
		xvm_error("line %lu of %s is not NAME:KEY with a key in hexadecimal digits: "
			  "" KEY_MAKE,
			  number, serve->key_path);
	else if (serve->key_name[0] == '\0')
		xvm_error("there is no key in %s: " KEY_MAKE, serve->key_path);
	return good && serve->key_name[0] != '\0' ? 0 : XVM_FAILED;
}

int rzc_serve_key(struct rzc_serve *serve)
{
	const char *given = serve->options->tls_psk;
	FILE *file;
	int result, fd;

	if (given == NULL)
		return 0;
	if (rzc_place_absolute(serve->key_path, given) != 0)
		return XVM_FAILED;
	/* Not blocked by a pipe that nobody writes to. */
	fd = open(serve->key_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || (file = fdopen(fd, "r")) == NULL) {
		xvm_error("cannot read the keys in %s: %s: " KEY_MAKE, serve->key_path,
			  strerror(errno));
		return XVM_FAILED;
	}
	result = key_check_rights(fd, serve->key_path);
	if (result == 0)
		result = key_check_lines(serve, file);
	(void)fclose(file);
	return result;
}
