/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * tiers.c: the tiers of the disk; see tiers.h.
 */
#include "tiers.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <ramz/policy.h>

#include "tell.h"

/* An age is so many parts of the longest time asked for: times are kept to within a 64th. */
enum { AGES = 64, AGE_MS_MIN = 10, AGE_MS_DEFAULT = 60000 };

/* The policy may move pages to a device that is being taken away. */
enum { DETACH_TRIES = 3 };

static int tiers_set_one(struct rzn_disk *disk, uint32_t tier)
{
	const struct rzn_tier_config *given = &disk->config->tier[tier];
	int err;

	if (given->codec == NULL)
		return 0;
	err = ramz_set_tier(disk->store, tier, given->codec, given->level);
	if (err == 0)
		return 0;
	rzn_tell("%s=%s: %s", rzn_tier_name(tier), given->codec->name, strerror(-err));
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

/* ---- the backing file ---- */

/* What to say of an error of ramz_backing_file_open. */
static const char *backing_open_fault(int err)
{
	switch (err) {
	case -EBUSY:
		return "another process has it; give each disk a file of its own";
	case -EINVAL:
		return "it takes 1M at least and 1T at most, and a file needs its size "
		       "(backing-size=)";
	case -EEXIST:
		return "it holds other data, which would be lost; name a new file, or one that was "
		       "a backing file";
	case -ENOTBLK:
	case -EISDIR:
		return "it is neither a regular file nor a block device";
	case -EFBIG:
		return "the device is smaller than the size that is given";
	case -EACCES:
	case -EPERM:
		return "the server's user may not make or change it; let that user, or name "
		       "another";
	case -ENOENT:
		return "its directory is not there; make it, or name another";
	case -ENOSPC:
		return "its file system is full; name a file on another";
	default:
		return strerror(-err);
	}
}

static const char backing_holds_fault[] =
	"it holds a disk, which would be lost; give backing-keep=true to go on with that disk, "
	"name another file, or remove it";

/* The size is looked at first: a file that cannot be used is not made. */
static int backing_open(struct rzn_disk *disk, const char *path, uint64_t bytes)
{
	struct stat status;

	if (bytes == 0 &&
	    (stat(path, &status) != 0 || (S_ISREG(status.st_mode) && status.st_size == 0)))
		return -EINVAL;
	if (bytes != 0 && (bytes < RAMZ_BACKING_BYTES_MIN || bytes > RAMZ_BACKING_BYTES_MAX))
		return -EINVAL;
	return ramz_backing_file_open(&disk->backing, path, bytes, false);
}

int rzn_backing_open(struct rzn_disk *disk)
{
	const struct rzn_config *config = disk->config;
	int err;

	if (config->backing == NULL)
		return 0;
	err = backing_open(disk, config->backing, config->backing_bytes);
	if (err != 0) {
		rzn_tell("backing=%s: %s", config->backing, backing_open_fault(err));
		return -1;
	}
	if (config->backing_keep || ramz_backing_holds(&disk->backing) == 0)
		return 0;
	rzn_tell("backing=%s: %s", config->backing, backing_holds_fault);
	rzn_backing_close(disk);
	return -1;
}

int rzn_backing_attach(struct rzn_disk *disk)
{
	struct ramz_backing_stats stats;
	int err;

	/* A disk that was opened in it has it. */
	if (disk->backing.read == NULL ||
	    (ramz_get_backing_stats(disk->store, &stats) == 0 && stats.attached))
		return 0;
	err = ramz_attach(disk->store, &disk->backing);
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

/* ---- the same while the disk is used ---- */

/* End the policy's thread where it has nothing to do. */
static void policy_rest(struct rzn_disk *disk)
{
	if (!tiers_are_any(disk))
		ramz_policy_stop(disk->store);
}

/* The policy may have to run from now on. */
static int backing_use(struct rzn_disk *disk, const char **fault)
{
	int err = ramz_policy_start(disk->store);

	if (err != 0) {
		*fault = "no thread could be made for it";
		return err;
	}
	err = ramz_attach(disk->store, &disk->backing);
	if (err == 0)
		return 0;
	*fault = err == -EEXIST || err == -XV_EBADMSG ? backing_holds_fault
		 : err == -XV_ENOSPC
			 ? "the hard limit leaves no room for its table and buffers (600K, "
			   "and 48 bytes for each MiB of it); raise it (ramz limit), and "
			   "lower it again when pages have gone there"
			 : strerror(-err);
	policy_rest(disk);
	return err;
}

int rzn_backing_give(struct rzn_disk *disk, const char *path, uint64_t bytes, const char **fault)
{
	int err;

	if (disk->backing.read != NULL) {
		*fault = "the disk has a backing file already; take that away first (ramz backing "
			 "none)";
		return -EBUSY;
	}
	err = backing_open(disk, path, bytes);
	if (err != 0) {
		*fault = backing_open_fault(err);
		return err;
	}
	err = backing_use(disk, fault);
	if (err != 0)
		rzn_backing_close(disk);
	return err;
}

/* Pages that came back would be old enough to go again. */
static int backing_age_set(struct rzn_disk *disk, bool on)
{
	struct ramz_policy policy;

	if (disk->config->backing_after_ms == 0)
		return 0;
	tiers_policy(disk->config, &policy);
	if (!on)
		policy.backing_age = 0;
	return ramz_set_policy(disk->store, &policy);
}

static int backing_detach(struct rzn_disk *disk)
{
	int err = backing_age_set(disk, false), age_err;

	if (err == 0)
		err = -XV_EBUSY;
	for (int i = 0; err == -XV_EBUSY && i < DETACH_TRIES; i++)
		err = ramz_detach(disk->store);
	age_err = backing_age_set(disk, true);
	return err != 0 ? err : age_err;
}

static const char *backing_detach_fault(int err)
{
	switch (err) {
	case -XV_ENOSPC:
		return "the hard limit leaves no room for the pages on it; raise it (ramz limit), "
		       "or discard data";
	case -XV_EBUSY:
		return "memory is short, and pages went there meanwhile; raise the limits (ramz "
		       "limit), or discard data";
	case -XV_ENOMEM:
		return "the system gives no memory for the pages on it; free some";
	default:
		return "a page on it cannot be read; write or discard that page first";
	}
}

/* Is it clear beforehand that the pages on it do not fit? To try would fill the memory. */
static bool backing_fits(struct rzn_disk *disk)
{
	struct ramz_backing_stats backing;
	struct ramz_stats stats;

	ramz_get_stats(disk->store, &stats);
	(void)ramz_get_backing_stats(disk->store, &backing);
	return stats.hard_limit_bytes == 0 ||
	       stats.held_bytes + backing.live_bytes <= stats.hard_limit_bytes;
}

int rzn_backing_take(struct rzn_disk *disk, const char **fault)
{
	int err;

	if (disk->backing.read == NULL)
		return 0;
	if (disk->config->backing_keep) {
		*fault = "the disk is kept in it (backing-keep=); save it elsewhere, and serve it "
			 "from there";
		return -EBUSY;
	}
	err = backing_fits(disk) ? backing_detach(disk) : -XV_ENOSPC;
	if (err != 0) {
		*fault = backing_detach_fault(err);
		return err;
	}
	rzn_backing_close(disk);
	policy_rest(disk);
	return 0;
}

/* ---- the policy ---- */

int rzn_tiers_start(struct rzn_disk *disk)
{
	if ((!tiers_are_any(disk) && disk->backing.read == NULL) ||
	    ramz_policy_start(disk->store) == 0)
		return 0;
	rzn_tell("warm=, cold=, backing=: no thread could be made for them");
	return -1;
}
