/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvmalloc_settings.c: settings of an xvmalloc row; see xvmalloc_settings.h.
 * Locking: none.
 */
#include "xvmalloc_settings.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SETTINGS_FORM "NAME=VALUE with ':' between them, NAME being shards or lock"

enum setting { SETTING_SHARDS, SETTING_LOCK, SETTINGS };

static const char *const setting_names[SETTINGS] = {"shards", "lock"};

static const struct {
	const char *name;
	enum xv_lock_kind kind;
} setting_locks[] = {
	{"default", XV_LOCK_DEFAULT},
	{"none", XV_LOCK_NONE},
	{"spin", XV_LOCK_SPIN},
	{"mutex", XV_LOCK_MUTEX},
};

/* One setting, not ended by a null. */
struct setting_text {
	const char *name;
	size_t name_length;
	const char *value;
	size_t value_length;
};

static int setting_is(const char *text, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(text, name, length) == 0;
}

static enum setting setting_find(const struct setting_text *s)
{
	unsigned i = 0;

	while (i < SETTINGS && !setting_is(s->name, s->name_length, setting_names[i]))
		i++;
	return (enum setting)i;
}

static int setting_number(const struct setting_text *s, uint32_t max, const char *unit,
			  uint32_t *number, char *why, size_t why_bytes)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < s->value_length && sum <= max; i++) {
		if (s->value[i] < '0' || s->value[i] > '9')
			break;
		sum = sum * 10 + (uint32_t)(s->value[i] - '0');
	}
	if (i == s->value_length && i > 0 && sum <= max) {
		*number = sum;
		return 0;
	}
	snprintf(why, why_bytes, "%.*s takes %s, 0 to %u, not '%.*s'", (int)s->name_length, s->name,
		 unit, (unsigned)max, (int)s->value_length, s->value);
	return -1;
}

static int setting_lock(const struct setting_text *s, enum xv_lock_kind *kind, char *why,
			size_t why_bytes)
{
	for (size_t i = 0; i < sizeof(setting_locks) / sizeof(setting_locks[0]); i++) {
		if (setting_is(s->value, s->value_length, setting_locks[i].name)) {
			*kind = setting_locks[i].kind;
			return 0;
		}
	}
	snprintf(why, why_bytes, "lock takes default, none, spin or mutex, not '%.*s'",
		 (int)s->value_length, s->value);
	return -1;
}

static int setting_take(const struct setting_text *s, enum setting setting,
			struct xv_pool_options *options, char *why, size_t why_bytes)
{
	switch (setting) {
	case SETTING_SHARDS:
		return setting_number(s, XV_SHARDS_MAX, "a number of shards", &options->shards, why,
				      why_bytes);
	case SETTING_LOCK:
		return setting_lock(s, &options->lock, why, why_bytes);
	default:
		snprintf(why, why_bytes, "there is no setting '%.*s'; write " SETTINGS_FORM,
			 (int)s->name_length, s->name);
		return -1;
	}
}

/* Cut the setting at text off. Returns what is behind it, or NULL when it has no '='. */
static const char *setting_cut(const char *text, struct setting_text *s)
{
	size_t length = strcspn(text, ":");
	const char *equals = memchr(text, '=', length);

	*s = (struct setting_text){.name = text, .name_length = length};
	if (equals == NULL)
		return NULL;
	s->name_length = (size_t)(equals - text);
	s->value = equals + 1;
	s->value_length = length - s->name_length - 1;
	return text + length;
}

static int settings_parse(const char *text, struct xv_pool_options *options, char *why,
			  size_t why_bytes)
{
	unsigned seen = 0;

	for (;;) {
		struct setting_text s;
		const char *rest = setting_cut(text, &s);
		enum setting setting = setting_find(&s);

		if (rest == NULL) {
			snprintf(why, why_bytes, "'%.*s' is no setting; write " SETTINGS_FORM,
				 (int)s.name_length, s.name);
			return -1;
		}
		if (setting != SETTINGS && (seen & (1U << setting)) != 0) {
			snprintf(why, why_bytes, "%s is set twice; leave one of them out",
				 setting_names[setting]);
			return -1;
		}
		seen |= 1U << setting;
		if (setting_take(&s, setting, options, why, why_bytes) != 0)
			return -1;
		if (*rest == '\0')
			return 0;
		text = rest + 1;
	}
}

int xvm_pool_settings(const char *text, struct xv_pool_options *options, char *why,
		      size_t why_bytes)
{
	struct xv_pool_options wanted = *options;

	if (text == NULL)
		return 0;
	if (settings_parse(text, &wanted, why, why_bytes) != 0)
		return -1;
	if (wanted.lock == XV_LOCK_NONE && wanted.shards > 1) {
		snprintf(why, why_bytes,
			 "lock=none is for one shard; leave out shards=%u or the "
			 "lock",
			 (unsigned)wanted.shards);
		return -1;
	}
	*options = wanted;
	return 0;
}

int xvm_pool_check_settings(const char *text, unsigned threads, char *why, size_t why_bytes)
{
	struct xv_pool_options options;

	xv_pool_options_init(&options);
	if (xvm_pool_settings(text, &options, why, why_bytes) != 0)
		return -1;
	if (options.lock != XV_LOCK_NONE || threads <= 1)
		return 0;
	snprintf(why, why_bytes, "lock=none is for one thread; leave it out with --threads %u",
		 threads);
	return -1;
}
