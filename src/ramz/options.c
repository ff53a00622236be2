/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * options.c: which options a store accepts, and what is wrong with the others.
 *
 * No state. May call: least.c. Locking: none. O(1).
 */
#include "store_impl.h"

void ramz_options_init(struct ramz_options *options)
{
	if (options == NULL)
		return;
	*options = (struct ramz_options){.level = RAMZ_LEVEL_DEFAULT};
}

struct fault {
	int err;
	const char *reason;
};

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool page_bytes_are_bad(const struct ramz_options *options)
{
	return options->page_bytes != 0 &&
	       (options->page_bytes < RAMZ_PAGE_BYTES_MIN ||
		options->page_bytes > RAMZ_PAGE_BYTES_MAX || !is_power_of_two(options->page_bytes));
}

static struct fault size_fault(const struct ramz_options *options)
{
	uint64_t page_bytes = options->page_bytes != 0 ? options->page_bytes : RAMZ_PAGE_BYTES_MIN;

	if (options->size_bytes > UINT64_MAX - page_bytes ||
	    options->size_bytes > RAMZ_PAGES_MAX * page_bytes)
		return (struct fault){-XV_E2BIG,
				      "size_bytes is more than 4,294,967,294 pages: make it less, "
				      "or page_bytes more (up to 65536)"};
	if (options->size_bytes == 0 && ramz_memory_bytes() == 0)
		return (struct fault){-XV_EINVAL,
				      "the system does not tell how much memory it has: "
				      "set size_bytes"};
	return (struct fault){0, ""};
}

static int digest_functions(const struct ramz_codec *codec)
{
	return (codec->digest_create != NULL) + (codec->digest_destroy != NULL) +
	       (codec->digest_bytes != NULL) + (codec->context_create_with != NULL);
}

static struct fault codec_fault(const struct ramz_options *options)
{
	const struct ramz_codec *codec = options->codec;

	if (codec != NULL &&
	    (codec->context_create == NULL || codec->context_destroy == NULL ||
	     codec->compress == NULL || codec->decompress == NULL || codec->name == NULL))
		return (struct fault){-XV_EINVAL, "codec lacks a name or one of its functions"};
	if (codec != NULL && digest_functions(codec) % 4 != 0)
		return (struct fault){-XV_EINVAL, "codec has some of the four functions for "
						  "dictionaries: give all or none"};
	if (options->raw_above_permille > 1000)
		return (struct fault){-XV_EINVAL, "raw_above_permille is above 1000: a form longer "
						  "than the page saves nothing"};
	return (struct fault){0, ""};
}

static struct fault pool_fault(const struct ramz_options *options)
{
	if (options->shards > XV_SHARDS_MAX)
		return (struct fault){-XV_EINVAL, "shards is above XV_SHARDS_MAX (64)"};
	if (options->hard_limit_bytes != 0 && options->soft_limit_bytes > options->hard_limit_bytes)
		return (struct fault){-XV_EINVAL, "soft_limit_bytes is above hard_limit_bytes: it "
						  "could never be told"};
	return (struct fault){0, ""};
}

static struct fault limit_fault(const struct ramz_options *options)
{
	if (options->hard_limit_bytes != 0 && options->hard_limit_bytes < rzi_least_limit(options))
		return (struct fault){-XV_EINVAL,
				      "hard_limit_bytes is less than such a store holds "
				      "with one page in it: ramz_least_limit tells the "
				      "least that works"};
	return (struct fault){0, ""};
}

static struct fault options_fault(const struct ramz_options *options)
{
	struct fault fault = {0, ""};

	if (options == NULL)
		return (struct fault){-XV_EINVAL, "no options"};
	if (page_bytes_are_bad(options))
		return (struct fault){-XV_EINVAL, "page_bytes is no power of two from 4096 to "
						  "65536 (0 = 4096)"};
	fault = size_fault(options);
	if (fault.err == 0)
		fault = codec_fault(options);
	if (fault.err == 0)
		fault = pool_fault(options);
	if (fault.err == 0)
		fault = limit_fault(options);
	return fault;
}

int ramz_options_check(const struct ramz_options *options, const char **reason)
{
	struct fault fault = options_fault(options);

	if (reason != NULL)
		*reason = fault.reason;
	return fault.err;
}
