/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * file_fixture.h: for tests of saved files: a directory of its own, stores that are all of one
 * version, and what is in a file.
 *
 * Owns the directory. May call: public headers, the file system, CMocka. Locking: none.
 */
#ifndef FILE_FIXTURE_H
#define FILE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <ramz/ramz.h>

#include "test_random.h"

enum { FIXTURE_PAGES = 48, FIXTURE_PAGE_BYTES = 4096, FIXTURE_PATH_BYTES = 512 };

/* Each page of a version tells it, and its own number; half of them compress badly, so that a file
 * has several blocks. */
static inline void fixture_page(unsigned char *page, uint64_t version, uint64_t slot)
{
	uint64_t seed = version * 1000003 + slot;

	memset(page, (int)(version % 251), FIXTURE_PAGE_BYTES);
	for (size_t i = 0; slot % 2 == 0 && i < FIXTURE_PAGE_BYTES; i += 8) {
		uint64_t word = random_next(&seed);

		memcpy(page + i, &word, 8);
	}
	memcpy(page, &version, 8);
	memcpy(page + 8, &slot, 8);
}

static inline void fixture_fill(struct ramz *store, uint64_t version)
{
	unsigned char page[FIXTURE_PAGE_BYTES];

	for (uint64_t slot = 0; slot < FIXTURE_PAGES; slot++) {
		fixture_page(page, version, slot);
		assert_int_equal(ramz_write_page(store, slot, page), 0);
	}
}

static inline struct ramz *fixture_store(uint64_t version)
{
	struct ramz_options options;
	struct ramz *store = NULL;

	ramz_options_init(&options);
	options.size_bytes = (uint64_t)FIXTURE_PAGES * FIXTURE_PAGE_BYTES;
	options.shards = 1;
	assert_int_equal(ramz_create(&store, &options), 0);
	fixture_fill(store, version);
	return store;
}

/* The version that all pages are of; 0: an empty store; UINT64_MAX: a mixture. */
static inline uint64_t fixture_version(struct ramz *store)
{
	unsigned char page[FIXTURE_PAGE_BYTES], wanted[FIXTURE_PAGE_BYTES];
	uint64_t version = 0;

	for (uint64_t slot = 0; slot < FIXTURE_PAGES; slot++) {
		if (ramz_read_page(store, slot, page) != 0)
			return UINT64_MAX;
		if (slot == 0)
			memcpy(&version, page, 8);
		if (version == 0)
			memset(wanted, 0, sizeof(wanted));
		else
			fixture_page(wanted, version, slot);
		if (memcmp(page, wanted, sizeof(page)) != 0)
			return UINT64_MAX;
	}
	return version;
}

static inline void fixture_options(struct ramz_options *options)
{
	ramz_options_init(options);
	options->size_bytes = (uint64_t)FIXTURE_PAGES * FIXTURE_PAGE_BYTES;
}

/* What a held file has. */
static inline uint64_t fixture_held_version(struct ramz_file *file)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz_options options;
	struct ramz *store;
	uint64_t version;
	int err;

	fixture_options(&options);
	err = ramz_file_load(&store, &options, NULL, 0, file, &reason);
	if (err != 0)
		print_error("%d: %s\n", err, reason.text);
	assert_int_equal(err, 0);
	version = fixture_version(store);
	ramz_destroy(store);
	return version;
}

/* What a file that nobody holds has. */
static inline uint64_t fixture_file_version(const char *path)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz_options options;
	struct ramz *store;
	uint64_t version;
	int err;

	fixture_options(&options);
	err = ramz_load_file(&store, &options, NULL, 0, path, &reason);
	if (err != 0)
		print_error("%d: %s\n", err, reason.text);
	assert_int_equal(err, 0);
	version = fixture_version(store);
	ramz_destroy(store);
	return version;
}

static inline void fixture_save(const char *path, uint64_t version)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz *store = fixture_store(version);
	int err = ramz_save_file(store, path, NULL, &reason);

	if (err != 0)
		print_error("%d: %s\n", err, reason.text);
	assert_int_equal(err, 0);
	ramz_destroy(store);
}

static inline struct ramz_file *fixture_open(const char *path)
{
	struct ramz_reason reason = {.text = ""};
	struct ramz_file *file = NULL;
	int err = ramz_file_open(&file, path, 0, &reason);

	if (err != 0)
		print_error("%s: %d: %s\n", path, err, reason.text);
	assert_int_equal(err, 0);
	assert_string_equal(reason.text, "");
	return file;
}

/* ---- the directory ---- */

static char fixture_directory[64];

static inline const char *fixture_path(char path[FIXTURE_PATH_BYTES], const char *name)
{
	(void)snprintf(path, FIXTURE_PATH_BYTES, "%s/%s", fixture_directory, name);
	return path;
}

/* Names in the directory that contain a text. */
static inline int fixture_count(const char *text)
{
	DIR *directory = opendir(fixture_directory);
	struct dirent *entry;
	int count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.' && strstr(entry->d_name, text) != NULL;
	closedir(directory);
	return count;
}

static inline int fixture_begin(void **state)
{
	(void)state;
	(void)strcpy(fixture_directory, "/tmp/test ramz file.XXXXXX");
	return mkdtemp(fixture_directory) == NULL ? -1 : 0;
}

static inline int fixture_end(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", fixture_directory);
	return system(command) == 0 ? 0 : -1;
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

#endif
