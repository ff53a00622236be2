/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_nbdkit_support.h: nbdkit as its plugin sees it, for tests of the plugin's modules.
 *
 * Owns: what the plugin last told nbdkit, in `said`. May call: the plugin's headers, CMocka.
 * Locking: none; one thread.
 */
#ifndef TEST_NBDKIT_SUPPORT_H
#define TEST_NBDKIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "disk.h"
#include "disk_file.h"
#include "nbdkit_api.h"
#include "test_random.h"
#include "tiers.h"

struct extent {
	uint64_t offset;
	uint64_t bytes;
	uint32_t kind;
};

/* nbdkit_extents is nbdkit's own; here it is a list. */
struct nbdkit_extents {
	size_t count;
	struct extent list[1U << 15];
};

static struct said {
	char error[1024]; /* the last message; "" for none */
	unsigned errors;  /* messages, count */
	int number;       /* the last error number; 0 for none */
} said;

void nbdkit_error(const char *msg, ...)
{
	va_list args;

	va_start(args, msg);
	(void)vsnprintf(said.error, sizeof(said.error), msg, args);
	va_end(args);
	said.errors++;
}

void nbdkit_debug(const char *msg, ...)
{
	(void)msg;
}

void nbdkit_set_error(int err)
{
	said.number = err;
}

int nbdkit_add_extent(struct nbdkit_extents *extents, uint64_t offset, uint64_t length,
		      uint32_t type)
{
	assert_in_range(extents->count, 0, sizeof(extents->list) / sizeof(extents->list[0]) - 1);
	extents->list[extents->count++] =
		(struct extent){.offset = offset, .bytes = length, .kind = type};
	return 0;
}

/* The parsers take less than nbdkit's, and enough for the tests. */
int nbdkit_parse_bool(const char *str)
{
	return strcmp(str, "true") == 0 ? 1 : strcmp(str, "false") == 0 ? 0 : -1;
}

int nbdkit_parse_int(const char *what, const char *str, int *r)
{
	char *end;

	(void)what;
	*r = (int)strtol(str, &end, 10);
	return end != str && *end == '\0' ? 0 : -1;
}

char *nbdkit_absolute_path(const char *path)
{
	assert_int_equal(path[0], '/');
	return strdup(path);
}

static inline void said_reset(void)
{
	memset(&said, 0, sizeof(said));
}

/* Parameters, "key=value" each, up to a NULL; must be right. */
static inline void config_of(struct rzn_config *config, const char *const *parameters)
{
	char key[64];

	said_reset();
	rzn_config_init(config);
	for (; *parameters != NULL; parameters++) {
		const char *equals = strchr(*parameters, '=');

		(void)snprintf(key, sizeof(key), "%.*s", (int)(equals - *parameters), *parameters);
		assert_int_equal(rzn_config_set(config, key, equals + 1), 0);
	}
	assert_int_equal(rzn_config_complete(config), 0);
}

/* The disk of a configuration. Returns what the plugin's own beginning would. */
static inline int disk_begin(struct rzn_disk *disk, const struct rzn_config *config)
{
	rzn_disk_init(disk, config);
	return rzn_file_hold(disk) == 0 && rzn_disk_open(disk) == 0 ? 0 : -1;
}

static inline void disk_of(struct rzn_disk *disk, struct rzn_config *config,
			   const char *const *parameters)
{
	config_of(config, parameters);
	assert_int_equal(disk_begin(disk, config), 0);
	assert_string_equal(said.error, "");
}

/* The store's invariants must hold to the end. */
static inline void disk_end(struct rzn_disk *disk, struct rzn_config *config)
{
	struct ramz_check_report report;

	assert_int_equal(ramz_check(disk->store, XV_CHECK_DEEP, &report), 0);
	rzn_disk_close(disk);
	rzn_backing_close(disk);
	rzn_file_release(disk);
	rzn_config_fini(config);
}

/* A page that does not compress, of each number another one. */
static inline void page_of_noise(void *dst, size_t bytes, uint64_t number)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = random_next(&number);

		memcpy((char *)dst + i, &word, 8);
	}
}

#define PARAMETERS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
