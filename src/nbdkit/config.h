/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * config.h: the parameters of the plugin.
 *
 * Owns: what was given on nbdkit's command line, checked. May call: nbdkit's parsers, size_text.h,
 * codecs by name, ramz_least_limit. Locking: none; written before nbdkit serves, constant after.
 * O(1).
 */
#ifndef RZN_CONFIG_H
#define RZN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <ramz/ramz.h>
#include <ramz/tiers.h>

enum { RZN_TIER_WARM = 1, RZN_TIER_COLD = 2 };

/* "warm" or "cold". */
const char *rzn_tier_name(uint32_t tier);

/* Where the store's memory comes from. */
enum rzn_provider { RZN_PROVIDER_MMAP, RZN_PROVIDER_HIGHMEM, RZN_PROVIDER_HUGE };

struct rzn_config {
	struct ramz_options options; /* without provider and the soft limit's callback */
	enum rzn_provider provider;
	bool size_given;
	bool page_given;
	bool checksum_given;
	uint32_t given; /* a bit for each parameter that was given, in the order of their list */
	uint64_t save_every_ms; /* 0 = only at the end */
	struct rzn_tier_config {
		const struct ramz_codec *codec; /* NULL = not given */
		int32_t level;
		uint64_t after_ms; /* a page that was not touched for so long goes into it; 0 =
				    * only when memory is short */
	} tier[RAMZ_TIERS];        /* of RZN_TIER_WARM and RZN_TIER_COLD */
	uint32_t pressure_percent; /* 0 = not given */
	char *file;                /* absolute path, or NULL */
	char *backing;             /* absolute path, or NULL */
	uint64_t backing_bytes;    /* 0 = not given */
	bool backing_keep;         /* the disk outlives the server there */
	uint64_t backing_after_ms;
	uint64_t backing_day_bytes; /* most to write to it in a day; 0 = no bound */
	char *save_fallback;        /* absolute path of a directory, or NULL */
	char *stats_socket;         /* absolute path, or NULL */
	char *stats_file;           /* absolute path, or NULL */
};

/* Text that nbdkit prints for --help. */
#define RZN_CONFIG_HELP                                                                            \
	"[size=]<SIZE>           Size of the disk (default: 25% of the memory).\n"                 \
	"codec=<NAME>[:<LEVEL>]  lz4, lzo, zstd or none (default: lz4).\n"                         \
	"hard-limit=<SIZE>       Most memory to hold; more writes get ENOSPC.\n"                   \
	"soft-limit=<SIZE>       Tell when so much memory is held.\n"                              \
	"warm=<NAME>[:<LEVEL>]   Codec for pages that are not used, such as lz4:9.\n"              \
	"cold=<NAME>[:<LEVEL>]   A stronger one for those not used for longer: zstd:8.\n"          \
	"warm-after=<MINUTES>, cold-after=<MINUTES>\n"                                             \
	"                        When a page goes there (default: when memory is short).\n"        \
	"pressure=<PERCENT>      Memory is short when tasks wait for it so much of the time.\n"    \
	"backing=<FILE>          A file or disk for pages that do not fit into memory.\n"          \
	"backing-size=<SIZE>     How long that file may become.\n"                                 \
	"backing-keep=true       Keep the disk in it when the server ends.\n"                      \
	"backing-day=<SIZE>      The most to write to it in 24 hours.\n"                           \
	"backing-after=<MINUTES> When a page goes there (default: when memory is short).\n"        \
	"checksum=true           Keep a checksum of every page (default: false).\n"                \
	"dedup=true              Keep identical pages once (default: false).\n"                    \
	"page=<SIZE>             Page size, 4K to 64K (default: 4K).\n"                            \
	"provider=mmap|highmem|huge\n"                                                             \
	"                        Where memory comes from (default: mmap).\n"                       \
	"file=<FILE>             Load the disk from FILE, save it there at the end.\n"             \
	"save-every=<MINUTES>    Save it there every so often, too, when it has changed.\n"        \
	"save-fallback=<DIR>     Where it goes when FILE cannot be saved at the end.\n"            \
	"stats=<SOCKET>          Socket for statistics and control.\n"                             \
	"stats-file=<FILE>       Write statistics to FILE at the end."

void rzn_config_init(struct rzn_config *config);

/* Where the disk is kept: the path of file=, or of backing= with backing-keep=. NULL: nowhere. The
 * key of that parameter. */
const char *rzn_config_own(const struct rzn_config *config);
const char *rzn_config_own_key(const struct rzn_config *config);

void rzn_config_fini(struct rzn_config *config);

/* Take one parameter. Returns 0, or -1 after telling nbdkit why. */
int rzn_config_set(struct rzn_config *config, const char *key, const char *value);

/* After the last parameter: do they fit together? Questions that depend on a file wait until it
 * is loaded. Returns as above. */
int rzn_config_complete(const struct rzn_config *config);

/* Is hard-limit= enough for a disk with these options? Called when the provider exists, before
 * anything is loaded. Returns as above. */
int rzn_config_check_hard_limit(const struct ramz_options *options);

#define RZN_CODEC_FAULT_BYTES 160U

/* Read NAME or NAME:LEVEL; without a level *level is RAMZ_LEVEL_DEFAULT. Returns true; or false,
 * and fault says what is wrong and how to mend it, without the text. */
bool rzn_codec_parse(const char *text, const struct ramz_codec **codec, int32_t *level,
		     char fault[RZN_CODEC_FAULT_BYTES]);

/* Names of the codecs of this build, with separator between them. Static storage,
 * good until the next call. */
const char *rzn_codec_names(const char *separator);

#endif
