/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * control_tiers.c: idle, recompress, writeback and backing; see control_tiers.h.
 *
 * A recompression or writeback is done in parts, and looks in between whether it is still wanted.
 * It goes on behind a damaged page.
 */
#include "control_tiers.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "path.h"
#include "stats_json.h"
#include "tiers.h"

/* Parts: of a recompression pages to look at and to keep, a second or less; of a writeback bytes
 * to write, whole segments, since the last one of a call is not full. */
#define PART_LOOKED 65536U
#define PART_KEPT 512U
#define PART_WRITTEN_BYTES (16U << 20)

/* ---- idle ---- */

json_t *rzn_command_idle(struct rzn_disk *disk, const struct rzn_request *request)
{
	json_t *answer;

	if (*request->arguments != '\0')
		return rzn_answer_error(EINVAL, "idle takes no argument; say: idle");
	(void)ramz_mark_idle(disk->store);
	answer = rzn_answer_ok();
	json_object_set_new(answer, "ages", rzn_ages_json(disk->store));
	return answer;
}

/* ---- which pages ---- */

struct selection {
	uint64_t age;       /* pages of this age and older */
	uint64_t min_bytes; /* with a form of at least this many bytes */
	uint64_t max_pages; /* at most so many; 0 = no end */
};

#define SELECTION_USE "[age=AGES] [min-bytes=BYTES] [max-pages=PAGES], ages up to 127"

/* KEY=VALUE, for one of the keys. A length may be `raw`: the forms of pages kept as they are. */
static bool selection_take(struct selection *selection, const struct rzn_disk *disk,
			   const char *word)
{
	const struct {
		const char *key;
		uint64_t *value, max;
	} keys[] = {
		{"age=", &selection->age, RAMZ_AGE_MAX},
		{"min-bytes=", &selection->min_bytes, disk->page_bytes},
		{"max-pages=", &selection->max_pages, INT64_MAX},
	};

	if (strcmp(word, "min-bytes=raw") == 0) {
		selection->min_bytes = disk->page_bytes;
		return true;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t length = strlen(keys[i].key);

		if (strncmp(word, keys[i].key, length) == 0)
			return rzn_parse_count(word + length, keys[i].value) &&
			       *keys[i].value <= keys[i].max;
	}
	return false;
}

/* The rest of the arguments. */
static bool selection_parse(struct selection *selection, const struct rzn_disk *disk,
			    const char *arguments)
{
	char word[RZN_WORD_BYTES];

	while (*arguments != '\0') {
		if (!rzn_take_word(&arguments, word) || !selection_take(selection, disk, word))
			return false;
	}
	return true;
}

/* What has been done so far, and an error in the end or 0. */
struct done {
	uint64_t pages;
	uint64_t damaged;
	uint64_t tried, saved_bytes;        /* by a recompression */
	uint64_t form_bytes, written_bytes; /* by a writeback */
	int err;
};

/* Does it go on after a part that returned err? */
static bool goes_on(struct done *done, int err, const struct selection *selection,
		    const struct rzn_request *request)
{
	if (err == -XV_EBADMSG)
		done->damaged++;
	else
		done->err = err;
	return done->err == 0 && !rzn_request_is_stopped(request) &&
	       (selection->max_pages == 0 || done->pages < selection->max_pages);
}

static uint64_t pages_left(const struct selection *selection, const struct done *done)
{
	return selection->max_pages != 0 ? selection->max_pages - done->pages : 0;
}

/* fault: what is wrong and how to mend it, or NULL. */
static json_t *stopped_after(const char *command, const struct done *done, const char *fault)
{
	return rzn_answer_error(-done->err, "%s: stopped after %llu pages: %s", command,
				(unsigned long long)done->pages,
				fault != NULL ? fault : strerror(-done->err));
}

/* ---- recompress ---- */

/* The tier of that name, or without one the strongest, among those that are set; else 0. */
static uint32_t tier_find(struct rzn_disk *disk, const char *name)
{
	struct ramz_tier_info info;

	for (uint32_t tier = RZN_TIER_COLD; tier >= RZN_TIER_WARM; tier--) {
		if ((name == NULL || strcmp(name, rzn_tier_name(tier)) == 0) &&
		    ramz_get_tier(disk->store, tier, &info) == 0 && info.codec != NULL)
			return tier;
	}
	return 0;
}

static void recompress(struct rzn_disk *disk, uint32_t tier, const struct selection *selection,
		       const struct rzn_request *request, struct done *done)
{
	struct ramz_recompress_options options = {.tier = tier,
						  .min_age = (uint32_t)selection->age,
						  .min_bytes = (uint32_t)selection->min_bytes,
						  .count = PART_LOOKED};
	uint64_t pages = ramz_size_bytes(disk->store) / disk->page_bytes;
	struct ramz_recompress_report part;
	bool on = true;
	int err;

	while (on && options.first < pages) {
		uint64_t left = pages_left(selection, done);

		options.pages_max = left != 0 && left < PART_KEPT ? left : PART_KEPT;
		err = ramz_recompress(disk->store, &options, &part);
		done->tried += part.tried;
		done->pages += part.recompressed;
		done->saved_bytes += part.saved_bytes;
		on = goes_on(done, err, selection, request);
		if (part.next != UINT64_MAX)
			options.first = part.next;
		else
			options.first += options.count;
	}
}

static json_t *recompress_answer(struct rzn_disk *disk, uint32_t tier,
				 const struct selection *selection,
				 const struct rzn_request *request)
{
	uint64_t before = rzn_held_bytes(disk);
	struct done done = {.err = 0};
	json_t *answer;

	recompress(disk, tier, selection, request, &done);
	if (done.err != 0)
		return stopped_after("recompress", &done,
				     done.err == -XV_ENOSPC
					     ? "the hard limit leaves no room for a new form "
					       "beside the old one; raise it (ramz limit)"
					     : NULL);
	answer = rzn_answer_held(disk, before);
	json_object_set_new(answer, "tier", json_string(rzn_tier_name(tier)));
	json_object_set_new(answer, "tried", rzn_json_count(done.tried));
	json_object_set_new(answer, "recompressed", rzn_json_count(done.pages));
	json_object_set_new(answer, "saved_bytes", rzn_json_count(done.saved_bytes));
	json_object_set_new(answer, "damaged", rzn_json_count(done.damaged));
	return answer;
}

json_t *rzn_command_recompress(struct rzn_disk *disk, const struct rzn_request *request)
{
	const char *arguments = request->arguments;
	struct selection selection = {.age = 0};
	char name[RZN_WORD_BYTES] = "";
	uint32_t tier;

	if (strncmp(arguments, "warm", 4) == 0 || strncmp(arguments, "cold", 4) == 0)
		(void)rzn_take_word(&arguments, name);
	if ((name[0] != '\0' && name[4] != '\0') || !selection_parse(&selection, disk, arguments))
		return rzn_answer_error(EINVAL, "say recompress [warm|cold] " SELECTION_USE);
	tier = tier_find(disk, name[0] != '\0' ? name : NULL);
	if (tier == 0)
		return rzn_answer_error(EINVAL,
					"recompress: the disk has no %s tier; serve it with %s=, "
					"as in %s=zstd:8",
					name[0] != '\0' ? name : "warm or cold",
					name[0] != '\0' ? name : "cold",
					name[0] != '\0' ? name : "cold");
	return recompress_answer(disk, tier, &selection, request);
}

/* ---- writeback ---- */

static void writeback(struct rzn_disk *disk, const struct selection *selection,
		      const struct rzn_request *request, struct done *done)
{
	struct ramz_writeback_options options = {.min_age = (uint32_t)selection->age,
						 .min_bytes = (uint32_t)selection->min_bytes,
						 .write_max = PART_WRITTEN_BYTES};
	struct ramz_writeback_report part;
	bool on = true;
	int err;

	while (on && options.first != UINT64_MAX) {
		options.pages_max = pages_left(selection, done);
		err = ramz_writeback(disk->store, &options, &part);
		done->pages += part.pages;
		done->form_bytes += part.form_bytes;
		done->written_bytes += part.written_bytes;
		on = goes_on(done, err, selection, request);
		options.first = part.next;
	}
}

static uint64_t failed_writes(struct rzn_disk *disk)
{
	struct ramz_backing_stats stats;

	(void)ramz_get_backing_stats(disk->store, &stats);
	return stats.failed_writes;
}

static const char *writeback_fault(int err, bool write_failed)
{
	if (err != -XV_ENOSPC)
		return NULL;
	return write_failed ? "the backing file's file system is full; make room there"
			    : "the backing file is full; give the disk a larger one (ramz backing "
			      "none, then ramz backing FILE SIZE)";
}

json_t *rzn_command_writeback(struct rzn_disk *disk, const struct rzn_request *request)
{
	uint64_t before = rzn_held_bytes(disk), failed = failed_writes(disk);
	struct selection selection = {.age = 0};
	struct done done = {.err = 0};
	json_t *answer;

	if (!selection_parse(&selection, disk, request->arguments))
		return rzn_answer_error(EINVAL, "say writeback " SELECTION_USE);
	if (disk->backing.read == NULL)
		return rzn_answer_error(EINVAL, "writeback: the disk has no backing file; give it "
						"one (ramz backing FILE SIZE)");
	writeback(disk, &selection, request, &done);
	if (done.err != 0)
		return stopped_after("writeback", &done,
				     writeback_fault(done.err, failed_writes(disk) != failed));
	answer = rzn_answer_held(disk, before);
	json_object_set_new(answer, "pages", rzn_json_count(done.pages));
	json_object_set_new(answer, "form_bytes", rzn_json_count(done.form_bytes));
	json_object_set_new(answer, "written_bytes", rzn_json_count(done.written_bytes));
	json_object_set_new(answer, "damaged", rzn_json_count(done.damaged));
	return answer;
}

/* ---- backing ---- */

static json_t *backing_answer(struct rzn_disk *disk)
{
	json_t *answer = rzn_answer_ok();

	json_object_set_new(answer, "backing", rzn_backing_json(disk->store));
	return answer;
}

static json_t *backing_take(struct rzn_disk *disk)
{
	const char *fault;
	int err = rzn_backing_take(disk, &fault);

	return err == 0 ? backing_answer(disk)
			: rzn_answer_error(-err, "backing none: %s; the file stays in use", fault);
}

json_t *rzn_command_backing(struct rzn_disk *disk, const struct rzn_request *request)
{
	const char *path = request->arguments, *own = rzn_config_own(disk->config), *fault;
	char size_word[RZN_WORD_BYTES];
	uint64_t bytes;
	int err;

	if (strcmp(path, "none") == 0)
		return backing_take(disk);
	if (!rzn_take_word(&path, size_word) || !rzn_parse_count(size_word, &bytes) || *path != '/')
		return rzn_answer_error(EINVAL, "say backing BYTES PATH, with 0 for all of a block "
						"device and a path from / on, or backing none");
	if (own != NULL && rzn_path_is_same(path, own))
		return rzn_answer_error(
			EINVAL, "backing %s: it is the disk's own file; name another", path);
	err = rzn_backing_give(disk, path, bytes, &fault);
	return err == 0 ? backing_answer(disk)
			: rzn_answer_error(-err, "backing %s: %s", path, fault);
}
