/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_ramz_memory_file.h: saving to memory and loading from it.
 *
 * Owns nothing. May call: public headers, CMocka. Locking: none. O(bytes).
 */
#ifndef TEST_RAMZ_MEMORY_FILE_H
#define TEST_RAMZ_MEMORY_FILE_H

#include "memory_file.h"
#include "test_ramz_support.h"

static inline void save(struct ramz *store, struct memory_file *file)
{
	struct ramz_sink sink = {.write = memory_write, .context = file};

	memset(file, 0, sizeof(*file));
	assert_int_equal(ramz_save(store, &sink), 0);
}

static inline int load(struct memory_file *file, const struct ramz_options *options,
		       struct ramz **store, const char **reason)
{
	struct ramz_source source = {.read = memory_read, .context = file};

	file->at = 0;
	file->calls = 0;
	return ramz_load(store, options, NULL, 0, &source, reason);
}

static inline void expect_refusal(struct memory_file *file, int wanted)
{
	struct ramz *const untouched = (struct ramz *)(uintptr_t)0x5A;
	struct ramz *loaded = untouched;
	const char *reason = NULL;
	int err = load(file, NULL, &loaded, &reason);

	if (err != wanted)
		print_error("%d: %s\n", err, reason);
	assert_int_equal(err, wanted);
	assert_ptr_equal(loaded, untouched);
	assert_non_null(reason);
	assert_true(strlen(reason) > 10);
}

#endif
