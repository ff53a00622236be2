/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * config.c: the parameters of the plugin; see config.h.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbdkit_api.h"
#include "path.h"
#include "size_text.h"

void rzn_config_init(struct rzn_config *config)
{
	*config = (struct rzn_config){.provider = RZN_PROVIDER_MMAP};
	ramz_options_init(&config->options);
}

const char *rzn_config_own(const struct rzn_config *config)
{
	return config->backing_keep ? config->backing : config->file;
}

const char *rzn_config_own_key(const struct rzn_config *config)
{
	return config->backing_keep ? "backing" : "file";
}

void rzn_config_fini(struct rzn_config *config)
{
	free(config->file);
	free(config->backing);
	free(config->save_fallback);
	free(config->stats_socket);
	free(config->stats_file);
	rzn_config_init(config);
}

const char *rzn_codec_names(const char *separator)
{
	static char names[128];
	const struct ramz_codec *codec;
	size_t room = sizeof(names) - 1;

	names[0] = '\0';
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		if (strlen(names) + strlen(separator) + strlen(codec->name) > room)
			break;
		if (i != 0)
			strcat(names, separator);
		strcat(names, codec->name);
	}
	return names;
}

/* ---- codecs ---- */

/* Is the whole text a level of the codec? */
static bool parse_level(const char *text, const struct ramz_codec *codec, int32_t *level)
{
	char *end;
	long value;

	if (text[*text == '-'] < '0' || text[*text == '-'] > '9')
		return false;
	errno = 0;
	value = strtol(text, &end, 10);
	if (*end != '\0' || errno != 0 || value < codec->level_min || value > codec->level_max)
		return false;
	*level = (int32_t)value;
	return true;
}

bool rzn_codec_parse(const char *text, const struct ramz_codec **codec, int32_t *level,
		     char fault[RZN_CODEC_FAULT_BYTES])
{
	size_t length = strcspn(text, ":");
	const struct ramz_codec *found;
	char name[32];

	(void)snprintf(name, sizeof(name), "%.*s", (int)length, text);
	found = ramz_codec_by_name(name);
	if (found == NULL) {
		(void)snprintf(fault, RZN_CODEC_FAULT_BYTES, "there is no such codec; there are %s",
			       rzn_codec_names(", "));
		return false;
	}
	if (text[length] == '\0') {
		*level = RAMZ_LEVEL_DEFAULT;
	} else if (!parse_level(text + length + 1, found, level)) {
		(void)snprintf(fault, RZN_CODEC_FAULT_BYTES,
			       "levels of %s are %d to %d; give it as %s:%d", found->name,
			       found->level_min, found->level_max, found->name,
			       found->level_default);
		return false;
	}
	*codec = found;
	return true;
}

const char *rzn_tier_name(uint32_t tier)
{
	return tier == RZN_TIER_WARM ? "warm" : "cold";
}

/* ---- single parameters ---- */

/* memory_bytes: the base of a percentage; 0 = none is accepted. */
static int parse_bytes(const char *key, const char *value, uint64_t memory_bytes, uint64_t *bytes)
{
	uint64_t parsed = 0;
	const char *fault = xvt_size_parse(value, memory_bytes, &parsed);

	if (fault != NULL) {
		nbdkit_error("%s=%s: %s", key, value, fault);
		return -1;
	}
	if (parsed == 0 || parsed > INT64_MAX) {
		nbdkit_error("%s=%s: give a size above 0 and below 8E, such as 512M or 4G, or "
			     "leave %s= out",
			     key, value, key);
		return -1;
	}
	*bytes = parsed;
	return 0;
}

static int parse_flag(const char *value, bool *flag)
{
	int parsed = nbdkit_parse_bool(value);

	if (parsed < 0)
		return -1;
	*flag = parsed != 0;
	return 0;
}

/* nbdkit changes its directory when it goes into the background. */
static int parse_path(const char *key, const char *value, char **path)
{
	if (*value == '\0') {
		nbdkit_error("%s=: a path is missing; give one, or leave %s= out", key, key);
		return -1;
	}
	free(*path);
	*path = nbdkit_absolute_path(value);
	return *path == NULL ? -1 : 0;
}

static int set_size(struct rzn_config *config, const char *value)
{
	config->size_given = true;
	return parse_bytes("size", value, ramz_memory_bytes(), &config->options.size_bytes);
}

static int set_codec(struct rzn_config *config, const char *value)
{
	char fault[RZN_CODEC_FAULT_BYTES];

	if (rzn_codec_parse(value, &config->options.codec, &config->options.level, fault))
		return 0;
	nbdkit_error("codec=%s: %s", value, fault);
	return -1;
}

static int set_hard_limit(struct rzn_config *config, const char *value)
{
	return parse_bytes("hard-limit", value, ramz_memory_bytes(),
			   &config->options.hard_limit_bytes);
}

static int set_soft_limit(struct rzn_config *config, const char *value)
{
	return parse_bytes("soft-limit", value, ramz_memory_bytes(),
			   &config->options.soft_limit_bytes);
}

static int set_checksum(struct rzn_config *config, const char *value)
{
	config->checksum_given = true;
	return parse_flag(value, &config->options.checksum);
}

static int set_dedup(struct rzn_config *config, const char *value)
{
	return parse_flag(value, &config->options.dedup);
}

static int set_page(struct rzn_config *config, const char *value)
{
	uint64_t bytes;

	if (parse_bytes("page", value, 0, &bytes) < 0)
		return -1;
	if (bytes < 4096 || bytes > 65536 || (bytes & (bytes - 1)) != 0) {
		nbdkit_error("page=%s: a page has 4K, 8K, 16K, 32K or 64K", value);
		return -1;
	}
	config->options.page_bytes = (uint32_t)bytes;
	config->page_given = true;
	return 0;
}

static int set_provider(struct rzn_config *config, const char *value)
{
	static const char *const names[] = {[RZN_PROVIDER_MMAP] = "mmap",
					    [RZN_PROVIDER_HIGHMEM] = "highmem",
					    [RZN_PROVIDER_HUGE] = "huge"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			config->provider = (enum rzn_provider)i;
			return 0;
		}
	}
	nbdkit_error("provider=%s: it is mmap, highmem or huge", value);
	return -1;
}

static int set_file(struct rzn_config *config, const char *value)
{
	return parse_path("file", value, &config->file);
}

/* Minutes with decimals, as milliseconds. what: the minutes' meaning, with an example. */
static int parse_minutes(const char *key, const char *value, const char *what, uint64_t *result_ms)
{
	enum { MINUTE_MS = 60000, MINUTES_MAX = 525600 };
	const char *digit = value;
	uint64_t ms = 0, unit = MINUTE_MS;

	for (; *digit >= '0' && *digit <= '9' && ms <= (uint64_t)MINUTES_MAX * MINUTE_MS; digit++)
		ms = ms * 10 + (uint64_t)(*digit - '0') * MINUTE_MS;
	if (*digit == '.' && digit != value) {
		for (digit++; *digit >= '0' && *digit <= '9'; digit++)
			ms += (unit /= 10) * (uint64_t)(*digit - '0');
	}
	if (*digit != '\0' || ms == 0 || ms > (uint64_t)MINUTES_MAX * MINUTE_MS) {
		nbdkit_error("%s=%s: give %s, at most %d, or leave %s= out", key, value, what,
			     MINUTES_MAX, key);
		return -1;
	}
	*result_ms = ms;
	return 0;
}

static int set_save_every(struct rzn_config *config, const char *value)
{
	return parse_minutes("save-every", value,
			     "the minutes between two saves, such as 10 or 0.5",
			     &config->save_every_ms);
}

static int set_tier(const char *key, const char *value, struct rzn_tier_config *tier)
{
	char fault[RZN_CODEC_FAULT_BYTES];

	if (!rzn_codec_parse(value, &tier->codec, &tier->level, fault)) {
		nbdkit_error("%s=%s: %s", key, value, fault);
		return -1;
	}
	if (tier->codec->id != 0)
		return 0;
	nbdkit_error("%s=%s: it does not compress; give another codec, or leave %s= out", key,
		     value, key);
	return -1;
}

static int set_warm(struct rzn_config *config, const char *value)
{
	return set_tier("warm", value, &config->tier[RZN_TIER_WARM]);
}

static int set_cold(struct rzn_config *config, const char *value)
{
	return set_tier("cold", value, &config->tier[RZN_TIER_COLD]);
}

static int set_warm_after(struct rzn_config *config, const char *value)
{
	return parse_minutes("warm-after", value,
			     "the minutes after which a page goes into the warm tier, such as 5",
			     &config->tier[RZN_TIER_WARM].after_ms);
}

static int set_cold_after(struct rzn_config *config, const char *value)
{
	return parse_minutes("cold-after", value,
			     "the minutes after which a page goes into the cold tier, such as 60",
			     &config->tier[RZN_TIER_COLD].after_ms);
}

static int set_pressure(struct rzn_config *config, const char *value)
{
	char *end;
	unsigned long percent = strtoul(value, &end, 10);

	end += *end == '%';
	if (*value < '0' || *value > '9' || *end != '\0' || percent == 0 || percent > 100) {
		nbdkit_error("pressure=%s: give the percentage of time in which tasks wait for "
			     "memory, 1 to 100, such as 10, or leave pressure= out",
			     value);
		return -1;
	}
	config->pressure_percent = (uint32_t)percent;
	return 0;
}

static int set_backing(struct rzn_config *config, const char *value)
{
	return parse_path("backing", value, &config->backing);
}

static int set_backing_size(struct rzn_config *config, const char *value)
{
	return parse_bytes("backing-size", value, 0, &config->backing_bytes);
}

static int set_backing_keep(struct rzn_config *config, const char *value)
{
	return parse_flag(value, &config->backing_keep);
}

static int set_backing_day(struct rzn_config *config, const char *value)
{
	return parse_bytes("backing-day", value, 0, &config->backing_day_bytes);
}

static int set_backing_after(struct rzn_config *config, const char *value)
{
	return parse_minutes("backing-after", value,
			     "the minutes after which a page goes to the backing file, such as 60",
			     &config->backing_after_ms);
}

static int set_save_fallback(struct rzn_config *config, const char *value)
{
	return parse_path("save-fallback", value, &config->save_fallback);
}

static int refuse_without_json(const char *key)
{
	nbdkit_error("%s=: this plugin was built without the jansson library, so it has no "
		     "statistics; build it with jansson, or leave %s= out",
		     key, key);
	return -1;
}

static int set_stats(struct rzn_config *config, const char *value)
{
	if (!RZN_HAVE_JANSSON)
		return refuse_without_json("stats");
	return parse_path("stats", value, &config->stats_socket);
}

static int set_stats_file(struct rzn_config *config, const char *value)
{
	if (!RZN_HAVE_JANSSON)
		return refuse_without_json("stats-file");
	return parse_path("stats-file", value, &config->stats_file);
}

static const struct parameter {
	const char *key;
	int (*set)(struct rzn_config *config, const char *value);
} parameters[] = {
	{"size", set_size},
	{"codec", set_codec},
	{"hard-limit", set_hard_limit},
	{"soft-limit", set_soft_limit},
	{"warm", set_warm},
	{"cold", set_cold},
	{"warm-after", set_warm_after},
	{"cold-after", set_cold_after},
	{"pressure", set_pressure},
	{"backing", set_backing},
	{"backing-size", set_backing_size},
	{"backing-after", set_backing_after},
	{"backing-keep", set_backing_keep},
	{"backing-day", set_backing_day},
	{"checksum", set_checksum},
	{"dedup", set_dedup},
	{"page", set_page},
	{"provider", set_provider},
	{"file", set_file},
	{"stats", set_stats},
	{"stats-file", set_stats_file},
	{"save-every", set_save_every},
	{"save-fallback", set_save_fallback},
};

int rzn_config_set(struct rzn_config *config, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		uint32_t bit = UINT32_C(1) << i;

		if (strcmp(key, parameters[i].key) != 0)
			continue;
		if ((config->given & bit) != 0) {
			nbdkit_error("%s=%s: %s= is given twice; give it once", key, value, key);
			return -1;
		}
		config->given |= bit;
		return parameters[i].set(config, value);
	}
	nbdkit_error(
		"%s=: the ramz plugin has no such parameter; it has size, codec, hard-limit, "
		"soft-limit, warm, cold, warm-after, cold-after, pressure, backing, backing-size, "
		"backing-after, backing-day, backing-keep, checksum, dedup, page, provider, file, "
		"save-every, save-fallback, stats and stats-file",
		key);
	return -1;
}

/* ---- all parameters ---- */

static int check_saves(const struct rzn_config *config)
{
	const char *key = config->save_every_ms != 0      ? "save-every"
			  : config->save_fallback != NULL ? "save-fallback"
							  : NULL;

	if (rzn_config_own(config) != NULL || key == NULL)
		return 0;
	nbdkit_error("%s=: there is no file= to save to; give one, or leave %s= out", key, key);
	return -1;
}

static int check_tiers(const struct rzn_config *config)
{
	for (uint32_t tier = RZN_TIER_WARM; tier <= RZN_TIER_COLD; tier++) {
		/* A disk that is loaded has the tiers it was saved with. */
		if (config->tier[tier].after_ms == 0 || config->tier[tier].codec != NULL ||
		    rzn_config_own(config) != NULL)
			continue;
		nbdkit_error("%s-after=: there is no %s= for it; give one, or leave %s-after= out",
			     rzn_tier_name(tier), rzn_tier_name(tier), rzn_tier_name(tier));
		return -1;
	}
	if (config->pressure_percent == 0 || config->tier[RZN_TIER_WARM].codec != NULL ||
	    config->tier[RZN_TIER_COLD].codec != NULL || config->backing != NULL ||
	    config->file != NULL)
		return 0;
	nbdkit_error("pressure=: there is no warm=, cold= or backing= for the pages; give one, or "
		     "leave pressure= out");
	return -1;
}

static int check_backing(const struct rzn_config *config)
{
	const char *key = config->backing_bytes != 0       ? "backing-size"
			  : config->backing_after_ms != 0  ? "backing-after"
			  : config->backing_day_bytes != 0 ? "backing-day"
			  : config->backing_keep           ? "backing-keep"
							   : NULL;

	if (config->backing == NULL && key != NULL) {
		nbdkit_error("%s=: there is no backing= for it; give one, or leave %s= out", key,
			     key);
		return -1;
	}
	if (config->backing_keep && config->file != NULL) {
		nbdkit_error(
			"backing-keep= and file= would both keep the disk; leave one of them out");
		return -1;
	}
	if (config->backing == NULL || config->file == NULL ||
	    !rzn_path_is_same(config->backing, config->file))
		return 0;
	nbdkit_error("backing=%s is the file of file=; name another", config->backing);
	return -1;
}

/* Each of two equal paths would replace what the other wrote. */
static int check_paths(const struct rzn_config *config)
{
	if (config->file == NULL || config->stats_file == NULL ||
	    !rzn_path_is_same(config->file, config->stats_file))
		return 0;
	nbdkit_error("stats-file=%s is the file of file=; name another", config->stats_file);
	return -1;
}

static int check_limits(const struct rzn_config *config)
{
	const struct ramz_options *options = &config->options;

	if (options->hard_limit_bytes == 0 ||
	    options->soft_limit_bytes <= options->hard_limit_bytes)
		return 0;
	nbdkit_error("soft-limit= is above hard-limit=, so it would never be told: make it less");
	return -1;
}

static int check_size(const struct rzn_config *config)
{
	uint64_t page_bytes = config->page_given ? config->options.page_bytes : 4096;

	if ((config->options.size_bytes + page_bytes - 1) / page_bytes <= RAMZ_PAGES_MAX)
		return 0;
	nbdkit_error("size=: more than %llu pages of %llu bytes; make it less, or page= more (up "
		     "to 64K)",
		     (unsigned long long)RAMZ_PAGES_MAX, (unsigned long long)page_bytes);
	return -1;
}

int rzn_config_complete(const struct rzn_config *config)
{
	struct ramz_options options = config->options;
	const char *reason;

	if (check_limits(config) != 0 || check_size(config) != 0 || check_saves(config) != 0 ||
	    check_paths(config) != 0 || check_tiers(config) != 0 || check_backing(config) != 0)
		return -1;
	/* rzn_config_check_hard_limit looks at these later, when the provider is known. */
	options.soft_limit_bytes = 0;
	options.hard_limit_bytes = 0;
	if (ramz_options_check(&options, &reason) == 0)
		return 0;
	nbdkit_error("%s", reason);
	return -1;
}

int rzn_config_check_hard_limit(const struct ramz_options *options)
{
	uint64_t least;

	if (options->hard_limit_bytes == 0)
		return 0;
	least = ramz_least_limit(options);
	if (options->hard_limit_bytes >= least)
		return 0;
	nbdkit_error(
		"hard-limit= of %llu bytes is less than such a disk takes with one page in it: the "
		"least that works is hard-limit=%llu",
		(unsigned long long)options->hard_limit_bytes, (unsigned long long)least);
	return -1;
}
