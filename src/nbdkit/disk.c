/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * disk.c: make the disk, and end it; see disk.h.
 */
#include "disk.h"

#include <assert.h>
#include <string.h>

#include <xvmalloc/provider_highmem.h>

#include "disk_file.h"
#include "nbdkit_api.h"
#include "tell.h"
#include "tiers.h"

/* More window slots than nbdkit's threads need at once. */
enum { HIGHMEM_WINDOW_SLOTS = 256, SAY_AGAIN_SECONDS = 10 };

#define HIGHMEM_BYTES_MIN (16ULL << 30)

/* ---- memory ---- */

/* Address space only: no memory is taken before use. */
static uint64_t highmem_bytes(const struct ramz_options *options)
{
	uint64_t bytes =
		options->hard_limit_bytes != 0 ? options->hard_limit_bytes : options->size_bytes;

	bytes += bytes / 8;
	return bytes < HIGHMEM_BYTES_MIN ? HIGHMEM_BYTES_MIN : bytes;
}

static int disk_open_provider(struct rzn_disk *disk, struct ramz_options *options)
{
	struct xv_provider_highmem_options highmem;
	int err;

	options->huge_pages = disk->config->provider == RZN_PROVIDER_HUGE;
	if (disk->config->provider != RZN_PROVIDER_HIGHMEM)
		return 0;
	xv_provider_highmem_options_init(&highmem);
	highmem.max_bytes = highmem_bytes(options);
	highmem.window_slots = HIGHMEM_WINDOW_SLOTS;
	err = xv_provider_highmem_create(&disk->provider, &highmem);
	if (err != 0) {
		rzn_tell("provider=highmem: %s; take provider=mmap", strerror(-err));
		return -1;
	}
	options->provider = disk->provider;
	return 0;
}

bool rzn_now_and_then(_Atomic int64_t *said_at)
{
	int64_t before = atomic_load(said_at);
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (before != 0 && now.tv_sec - before < SAY_AGAIN_SECONDS)
		return false;
	return atomic_compare_exchange_strong(said_at, &before, (int64_t)now.tv_sec);
}

/* Called by a thread inside a write. */
static void disk_on_soft_limit(void *context, struct ramz *store, uint64_t held_bytes)
{
	struct rzn_disk *disk = context;
	struct ramz_stats stats;

	if (!rzn_now_and_then(&disk->soft_said_at))
		return;
	ramz_get_stats(store, &stats);
	rzn_tell("warning: the disk holds %llu bytes of memory: soft-limit (%llu) is passed; "
		 "discard data (fstrim), or raise the limit",
		 (unsigned long long)held_bytes, (unsigned long long)stats.soft_limit_bytes);
}

/* ---- the store ---- */

static int disk_create(struct rzn_disk *disk, const struct ramz_options *options)
{
	int err = ramz_create(&disk->store, options);

	if (err == 0)
		return 0;
	rzn_tell("the disk cannot be made: %s; try a smaller size=", strerror(-err));
	return -1;
}

static int disk_fill(struct rzn_disk *disk, const struct ramz_options *options)
{
	int loaded = rzn_file_load(disk, options);

	if (loaded != 0)
		return loaded < 0 ? -1 : 0;
	return disk_create(disk, options);
}

void rzn_disk_init(struct rzn_disk *disk, const struct rzn_config *config)
{
	*disk = (struct rzn_disk){
		.config = config,
		.coming = PTHREAD_MUTEX_INITIALIZER,
		.saves = {.saving = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER}};
}

int rzn_disk_open(struct rzn_disk *disk)
{
	struct ramz_options options = disk->config->options;

	options.on_soft_limit = disk_on_soft_limit;
	options.limit_context = disk;
	if (disk_open_provider(disk, &options) != 0 || rzn_config_check_hard_limit(&options) != 0 ||
	    disk_fill(disk, &options) != 0) {
		rzn_disk_close(disk);
		return -1;
	}
	if (rzn_tiers_set(disk) != 0) {
		rzn_disk_close(disk);
		return -1;
	}
	disk->page_bytes = ramz_page_bytes(disk->store);
	(void)clock_gettime(CLOCK_MONOTONIC, &disk->opened);
	return 0;
}

void rzn_disk_close(struct rzn_disk *disk)
{
	ramz_destroy(disk->store);
	xv_provider_highmem_destroy(disk->provider);
	disk->store = NULL;
	disk->provider = NULL;
}

/* ---- clients ---- */

void rzn_disk_client_begin(struct rzn_disk *disk)
{
	(void)pthread_mutex_lock(&disk->coming);
	atomic_fetch_add(&disk->clients, 1);
	(void)pthread_mutex_unlock(&disk->coming);
}

void rzn_disk_client_end(struct rzn_disk *disk)
{
	assert(atomic_load(&disk->clients) != 0);
	atomic_fetch_sub(&disk->clients, 1);
}

unsigned rzn_disk_lock_clients(struct rzn_disk *disk)
{
	(void)pthread_mutex_lock(&disk->coming);
	return atomic_load(&disk->clients);
}

void rzn_disk_unlock_clients(struct rzn_disk *disk)
{
	(void)pthread_mutex_unlock(&disk->coming);
}

/* ---- changes ---- */

/* This works because of the order of the two steps here and in rzn_disk_freeze: either this
 * thread sees that the disk is frozen, or the other sees that a change has begun. */
bool rzn_disk_change_begin(struct rzn_disk *disk)
{
	atomic_fetch_add(&disk->changes_begun, 1);
	if (!atomic_load(&disk->frozen))
		return true;
	atomic_fetch_sub(&disk->changes_begun, 1);
	return false;
}

void rzn_disk_change_end(struct rzn_disk *disk)
{
	assert(atomic_load(&disk->changes_ended) < atomic_load(&disk->changes_begun));
	atomic_fetch_add(&disk->changes_ended, 1);
}

void rzn_disk_freeze(struct rzn_disk *disk)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	atomic_store(&disk->frozen, true);
	while (atomic_load(&disk->changes_ended) != atomic_load(&disk->changes_begun))
		(void)nanosleep(&moment, NULL);
}
