/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * stat.c: ramz stat. Locking: none.
 */
#include "stat.h"

#include <string.h>
#include <time.h>

#include "client.h"
#include "command.h"
#include "headline.h"
#include "timer.h"

/* Lines of the live table between two headings. */
#define STAT_HEADING_LINES 20U

/* headline waits no longer: ms. */
#define STAT_HEADLINE_MS 2000

static const char stat_help_use[] = "Usage: ramz stat [OPTION...]\n"
				    "Show what a served disk holds, takes and did.\n"
				    "\n"
				    "OPTION\n";

static const char stat_help_end[] =
	"\n"
	"With --watch, a form stands for the live table: it is printed every so often.\n"
	"Exit status: 0, 1 when there is no answer, 2 when the command line is wrong.\n"
	"See ramz(1) for what each number means.\n";

struct stat_sample {
	json_t *answer;
	struct rzc_disk disk;
	uint64_t at_ns;
};

static int stat_take(const struct rzc_client *client, struct stat_sample *sample)
{
	sample->answer = rzc_client_ask(client, "stat");
	sample->at_ns = xvm_timer_clock_ns();
	if (sample->answer == NULL)
		return XVM_FAILED;
	if (rzc_disk_read(&sample->disk, sample->answer, client->path) == 0)
		return 0;
	json_decref(sample->answer);
	return XVM_FAILED;
}

static void stat_print_json(const struct rzc_client *client, const struct stat_sample *sample)
{
	/* One line each where there are several. */
	size_t flags = client->watch_seconds > 0 ? JSON_COMPACT : JSON_INDENT(1);

	(void)json_dumpf(sample->answer, stdout, flags);
	putchar('\n');
}

static void stat_print(const struct rzc_client *client, const struct stat_sample *sample)
{
	switch (client->form) {
	case RZC_STAT_TABLE:
		rzc_stat_table(&sample->disk);
		break;
	case RZC_STAT_ZRAM:
		rzc_stat_zram(&sample->disk);
		break;
	case RZC_STAT_RZSCONTROL:
		rzc_stat_rzscontrol(&sample->disk);
		break;
	case RZC_STAT_JSON:
		stat_print_json(client, sample);
		break;
	}
}

static void stat_print_live(const struct stat_sample *before, const struct stat_sample *now,
			    uint64_t n)
{
	double seconds = (double)(now->at_ns - before->at_ns) / 1e9;

	if (n % STAT_HEADING_LINES == 0)
		rzc_stat_watch_heading();
	rzc_stat_watch(n > 0 ? &before->disk : NULL, &now->disk, seconds);
}

/* Wait for the n-th sample, counted from the first: what a sample takes does not add up. */
static void stat_await(const struct timespec *start, uint64_t n, uint64_t seconds)
{
	struct timespec until = *start;

	until.tv_sec += (time_t)(n * seconds);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		continue;
}

/* After a sample: the next one tells the largest since this one. */
static int stat_reset_peak(const struct rzc_client *client)
{
	json_t *answer;

	if (!client->reset_peak)
		return 0;
	answer = rzc_client_ask(client, "reset-peak");
	if (answer == NULL)
		return XVM_FAILED;
	json_decref(answer);
	return 0;
}

static int stat_watch(struct rzc_client *client)
{
	struct stat_sample before = {0};
	struct timespec start;
	int result = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t n = 0; client->samples == 0 || n < client->samples; n++) {
		struct stat_sample now;

		stat_await(&start, n, client->watch_seconds);
		result = stat_take(client, &now);
		if (result != 0)
			break;
		if (client->form == RZC_STAT_TABLE)
			stat_print_live(&before, &now, n);
		else
			stat_print(client, &now);
		json_decref(before.answer);
		before = now;
		result = stat_reset_peak(client);
		if (fflush(stdout) != 0)
			result = XVM_FAILED;
		if (result != 0)
			break;
	}
	json_decref(before.answer);
	return result;
}

static int stat_run(struct rzc_client *client)
{
	struct stat_sample sample;

	if (client->watch_seconds > 0)
		return stat_watch(client);
	if (stat_take(client, &sample) != 0)
		return XVM_FAILED;
	stat_print(client, &sample);
	json_decref(sample.answer);
	return stat_reset_peak(client);
}

static int stat_check(struct rzc_client *client)
{
	if (client->samples == 0 || client->watch_seconds > 0)
		return 0;
	xvm_error("--count goes with --watch SECONDS");
	return XVM_FAILED;
}

void rzc_headline(const char *control)
{
	json_t *answer = rzc_control_ask(control, "stat", STAT_HEADLINE_MS, RZC_CONTROL_NAMED);
	struct rzc_disk disk;

	if (answer == NULL)
		return;
	if (rzc_disk_read(&disk, answer, control) == 0) {
		rzc_stat_line(&disk);
		putchar('\n');
	}
	json_decref(answer);
}

static int stat_main(int argc, char **argv)
{
	static const struct rzc_client_command command = {
		.user = RZC_STAT,
		.use = stat_help_use,
		.end = stat_help_end,
		.run = stat_run,
		.check = stat_check,
	};

	return rzc_client_run(&command, argc, argv);
}

const struct rzc_command rzc_command_stat = {
	.name = "stat",
	.summary = "what a served disk holds, takes and did; live with --watch",
	.run = stat_main,
};
