/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tiers.c: the tiers of the disk; see tiers.h.
 */
#include "tiers.h"

#include <errno.h>
#include <string.h>

#include <ramz/policy.h>

#include "tell.h"

/* An age is so many parts of the longest time asked for: times are kept to within a 64th. */
enum { AGES = 64, AGE_MS_MIN = 10, AGE_MS_DEFAULT = 60000 };

static int tiers_set_one(struct rzn_disk *disk, uint32_t tier)
{
	const struct rzn_tier_config *given = &disk->config->tier[tier];
	int err;

	if (given->codec == NULL)
		return 0;
	err = ramz_set_tier(disk->store, tier, given->codec, given->level);
	if (err == 0)
		return 0;
	rzn_tell("%s=%s: %s", tier == RZN_TIER_WARM ? "warm" : "cold", given->codec->name,
		 strerror(-err));
	return -1;
}

static bool tiers_are_any(struct rzn_disk *disk)
{
	struct ramz_tier_info info;

	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++) {
		if (ramz_get_tier(disk->store, tier, &info) == 0 && info.codec != NULL)
			return true;
	}
	return false;
}

static uint32_t tiers_ages(const struct ramz_policy *policy, uint64_t after_ms)
{
	uint64_t ages = (after_ms + policy->age_ms - 1) / policy->age_ms;

	return (uint32_t)(ages < RAMZ_AGE_MAX ? ages : RAMZ_AGE_MAX);
}

static void tiers_policy(const struct rzn_config *config, struct ramz_policy *policy)
{
	uint64_t longest_ms = config->backing_after_ms;

	ramz_policy_init(policy);
	policy->pressure_percent = config->pressure_percent;
	policy->day_bytes = config->backing_day_bytes;
	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++) {
		if (config->tier[tier].after_ms > longest_ms)
			longest_ms = config->tier[tier].after_ms;
	}
	if (longest_ms == 0)
		return;
	policy->age_ms = (uint32_t)(longest_ms / AGES);
	if (policy->age_ms < AGE_MS_MIN)
		policy->age_ms = AGE_MS_MIN;
	for (uint32_t tier = 1; tier < RAMZ_TIERS; tier++)
		policy->tier_age[tier] = tiers_ages(policy, config->tier[tier].after_ms);
	policy->backing_age = tiers_ages(policy, config->backing_after_ms);
}

int rzn_tiers_set(struct rzn_disk *disk)
{
	struct ramz_policy policy;
	int err;

	if (tiers_set_one(disk, RZN_TIER_WARM) != 0 || tiers_set_one(disk, RZN_TIER_COLD) != 0)
		return -1;
	tiers_policy(disk->config, &policy);
	err = ramz_set_policy(disk->store, &policy);
	if (err == -ENOTSUP)
		rzn_tell("pressure=: this system does not tell how long tasks wait for memory "
			 "(no memory.pressure, no /proc/pressure); leave pressure= out");
	return err == 0 ? 0 : -1;
}

/* What to say of an error of ramz_backing_file_open. */
static const char *backing_fault(int err)
{
	switch (err) {
	case -EBUSY:
		return "another process has it; give each disk a file of its own";
	case -EINVAL:
		return "it takes 1M at least and 1T at most, and a file needs backing-size=";
	case -EEXIST:
		return "it holds other data, which would be lost; name a new file, or one that was "
		       "a backing file";
	case -ENOTBLK:
		return "it is neither a regular file nor a block device";
	case -EFBIG:
		return "the device is smaller than backing-size=";
	default:
		return strerror(-err);
	}
}

int rzn_backing_open(struct rzn_disk *disk)
{
	const struct rzn_config *config = disk->config;
	int err;

	if (config->backing == NULL)
		return 0;
	err = ramz_backing_file_open(&disk->backing, config->backing, config->backing_bytes, false);
	if (err == 0)
		return 0;
	rzn_tell("backing=%s: %s", config->backing, backing_fault(err));
	return -1;
}

int rzn_backing_attach(struct rzn_disk *disk)
{
	int err = disk->backing.read != NULL ? ramz_attach(disk->store, &disk->backing) : 0;

	if (err == 0)
		return 0;
	rzn_tell("backing=%s: %s", disk->config->backing, strerror(-err));
	return -1;
}

void rzn_backing_close(struct rzn_disk *disk)
{
	ramz_backing_file_close(&disk->backing);
	disk->backing = (struct ramz_backing){.read = NULL};
}

int rzn_tiers_start(struct rzn_disk *disk)
{
	if ((!tiers_are_any(disk) && disk->backing.read == NULL) ||
	    ramz_policy_start(disk->store) == 0)
		return 0;
	rzn_tell("warm=, cold=, backing=: no thread could be made for them");
	return -1;
}
