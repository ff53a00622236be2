/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pack.c: pages at rest; see pack.h.
 */
#include "pack.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include <ramz/tiers.h>

#include "database.h"
#include "hex_codec.h"

enum {
	PACK_TIER = 1,
	PACK_PAGES = 256,      /* between two looks whether to stop: about 80 ms */
	DICTIONARY_PAGES = 64, /* that a dictionary is trained on at least */
	WAIT_MS = 1000,
	WAIT_SHARE = 4, /* waits so many times as long as it packed */
};

static int64_t pack_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Try a dictionary when there are twice as many pages as the last time. One that does not pay is
 * not used, and the pages are then packed without it. */
static void pack_train(struct rzs_database *db, uint64_t pages, bool by_hand)
{
	struct ramz_train_options options = {.tier = PACK_TIER};
	struct ramz_train_report report;

	if (pages < DICTIONARY_PAGES || (!by_hand && pages < 2 * db->pack.trained_pages))
		return;
	db->pack.trained_pages = pages;
	if (ramz_train(db->store, &options, &report) == -XV_ENOTSUP)
		db->pack.trained_pages = UINT64_MAX / 2; /* no build with a trainer */
}

static int pack_pages(struct rzs_database *db, uint64_t pages)
{
	struct ramz_recompress_options options = {.tier = PACK_TIER, .pages_max = PACK_PAGES};
	struct ramz_recompress_report report;

	while (options.first < pages && !db->pack.stop) {
		int err;

		options.count = pages - options.first;
		err = ramz_recompress(db->store, &options, &report);
		/* Behind a damaged page it goes on; without memory the next page has none too. */
		if (err != 0 && err != -XV_EBADMSG)
			return err;
		options.first = report.next;
	}
	return 0;
}

/* With `turn`. */
static int pack(struct rzs_database *db, bool by_hand)
{
	uint64_t pages = db->extent[RZS_MAIN].bytes / RZS_PAGE_BYTES;
	struct ramz_stats stats;
	int err;

	ramz_get_stats(db->store, &stats);
	if (!by_hand && stats.writes == db->pack.packed_writes)
		return 0;
	pack_train(db, pages, by_hand);
	err = pack_pages(db, pages);
	if (err == 0)
		err = ramz_compact(db->store, 0, NULL);
	(void)ramz_trim(db->store);
	/* What has no room now is tried when something was written again. */
	db->pack.packed_writes = stats.writes;
	return err;
}

int rzs_pack_all(struct rzs_database *db)
{
	int err;

	pthread_mutex_lock(&db->pack.turn);
	err = pack(db, true);
	pthread_mutex_unlock(&db->pack.turn);
	return err;
}

uint64_t rzs_packed_pages(struct rzs_database *db)
{
	struct ramz_tier_info tier = {.pages = 0};

	return ramz_get_tier(db->store, PACK_TIER, &tier) == 0 ? tier.pages : 0;
}

/* Returns whether to go on. */
static bool pack_wait(struct rzs_pack *p, int64_t ms)
{
	int64_t until = pack_now_ms() + ms;
	struct timespec time = {.tv_sec = (time_t)(until / 1000),
				.tv_nsec = (long)(until % 1000) * 1000000};
	int err = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&p->wake, &p->lock, &time);
	pthread_mutex_unlock(&p->lock);
	return !p->stop;
}

static void *pack_run(void *argument)
{
	struct rzs_database *db = argument;
	int64_t wait_ms = WAIT_MS;

	while (pack_wait(&db->pack, wait_ms)) {
		int64_t begin_ms = pack_now_ms();

		pthread_mutex_lock(&db->pack.turn);
		(void)pack(db, false);
		pthread_mutex_unlock(&db->pack.turn);
		wait_ms = WAIT_SHARE * (pack_now_ms() - begin_ms);
		wait_ms = wait_ms < WAIT_MS ? WAIT_MS : wait_ms;
	}
	return NULL;
}

static void pack_init(struct rzs_pack *p)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&p->turn, NULL);
	pthread_mutex_init(&p->lock, NULL);
	p->packed_writes = UINT64_MAX;
}

static void pack_fini(struct rzs_pack *p)
{
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->turn);
}

int rzs_pack_start(struct rzs_database *db)
{
	sigset_t all, before;
	int err = ramz_set_tier(db->store, PACK_TIER, &rzs_hex_codec, RAMZ_LEVEL_DEFAULT);

	if (err != 0)
		return err;
	pack_init(&db->pack);
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&db->pack.thread, NULL, pack_run, db);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		pack_fini(&db->pack);
	return err == 0 ? 0 : -XV_ENOMEM;
}

void rzs_pack_stop(struct rzs_database *db)
{
	struct rzs_pack *p = &db->pack;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pack_fini(p);
}
