/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * client.c: subcommands that ask a served disk; see client.h. Locking: none.
 */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "unix_socket.h"

#define CLIENT_TIMEOUT_MS 10000
#define CLIENT_SECONDS_MAX 86400U
#define CLIENT_SLOW (RZC_COMPACT | RZC_TRIM | RZC_SAVE | RZC_RESET)
#define CLIENT_ALL (RZC_STAT | RZC_LIMIT | RZC_CODEC | RZC_STATE | CLIENT_SLOW)

static int client_name(void *into, const char *value)
{
	((struct rzc_client *)into)->name = value;
	return rzc_place_check_name(value);
}

static int client_socket(void *into, const char *value)
{
	((struct rzc_client *)into)->socket = value;
	return 0;
}

static int client_timeout(void *into, const char *value)
{
	uint64_t seconds;

	if (!xvm_parse_u64(value, NULL, 0, CLIENT_SECONDS_MAX, &seconds)) {
		xvm_error("--timeout takes seconds, up to %u, or 0 for no end, not '%s'",
			  CLIENT_SECONDS_MAX, value);
		return XVM_FAILED;
	}
	((struct rzc_client *)into)->timeout_ms = seconds > 0 ? (int)seconds * 1000 : -1;
	return 0;
}

static int client_watch(void *into, const char *value)
{
	struct rzc_client *client = into;

	if (xvm_parse_u64(value, NULL, 1, CLIENT_SECONDS_MAX, &client->watch_seconds))
		return 0;
	xvm_error("--watch takes seconds, 1 to %u, not '%s'", CLIENT_SECONDS_MAX, value);
	return XVM_FAILED;
}

static int client_samples(void *into, const char *value)
{
	struct rzc_client *client = into;

	if (xvm_parse_u64(value, NULL, 1, UINT32_MAX, &client->samples))
		return 0;
	xvm_error("--count takes a number of samples from 1 on, not '%s'", value);
	return XVM_FAILED;
}

static int client_form(struct rzc_client *client, enum rzc_stat_form form)
{
	if (client->form_given && client->form != form) {
		xvm_error("--zram, --rzscontrol and --json are three forms: give one of them");
		return XVM_FAILED;
	}
	client->form = form;
	client->form_given = true;
	return 0;
}

static int client_zram(void *into, const char *value)
{
	(void)value;
	return client_form(into, RZC_STAT_ZRAM);
}

static int client_rzscontrol(void *into, const char *value)
{
	(void)value;
	return client_form(into, RZC_STAT_RZSCONTROL);
}

static int client_json(void *into, const char *value)
{
	(void)value;
	return client_form(into, RZC_STAT_JSON);
}

static int client_mark(struct rzc_mark *mark, const char *option, const char *value)
{
	mark->given = true;
	mark->bytes = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	return rzc_size_of_memory(option, value, 0, &mark->bytes);
}

static int client_soft(void *into, const char *value)
{
	return client_mark(&((struct rzc_client *)into)->soft, "--soft", value);
}

static int client_hard(void *into, const char *value)
{
	return client_mark(&((struct rzc_client *)into)->hard, "--hard", value);
}

static int client_reset_peak(void *into, const char *value)
{
	(void)value;
	((struct rzc_client *)into)->reset_peak = true;
	return 0;
}

static int client_yes(void *into, const char *value)
{
	(void)value;
	((struct rzc_client *)into)->yes = true;
	return 0;
}

static int client_force(void *into, const char *value)
{
	(void)value;
	((struct rzc_client *)into)->force = true;
	return 0;
}

static int client_lines(void *into, const char *value)
{
	(void)value;
	((struct rzc_client *)into)->lines = true;
	return 0;
}

static const struct xvm_arg client_table[] = {
	{"watch", "SECONDS", RZC_STAT, "a line every so often, with what happened in between",
	 XVM_ARG_SETS(client_watch)},
	{"count", "N", RZC_STAT, "with --watch: so many lines (no end)",
	 XVM_ARG_SETS(client_samples)},
	{"zram", NULL, RZC_STAT, "as zram's mm_stat and io_stat", XVM_ARG_SETS(client_zram)},
	{"rzscontrol", NULL, RZC_STAT, "as ramzswap's control program showed it",
	 XVM_ARG_SETS(client_rzscontrol)},
	{"json", NULL, RZC_STAT, "everything, as the server tells it", XVM_ARG_SETS(client_json)},
	{"reset-peak", NULL, RZC_STAT, "then let the largest held bytes begin anew",
	 XVM_ARG_SETS(client_reset_peak)},
	{"yes", NULL, RZC_RESET, "yes, drop all that the disk holds", XVM_ARG_SETS(client_yes)},
	{"force", NULL, RZC_RESET, "also while clients are connected", XVM_ARG_SETS(client_force)},
	{"json", NULL, RZC_STATE, "each page as a JSON object", XVM_ARG_SETS(client_lines)},
	{"soft", "SIZE", RZC_LIMIT, "the soft mark: 512M, 1.5G, 25% ..., or none",
	 XVM_ARG_SETS(client_soft)},
	{"hard", "SIZE", RZC_LIMIT, "the hard mark: 512M, 1.5G, 25% ..., or none",
	 XVM_ARG_SETS(client_hard)},
	{"name", "NAME", CLIENT_ALL, "the disk (the one that is served)",
	 XVM_ARG_SETS(client_name)},
	{"socket", "PATH", CLIENT_ALL, "its control socket, in place of a name",
	 XVM_ARG_SETS(client_socket)},
	{"timeout", "SECONDS", CLIENT_ALL & ~CLIENT_SLOW,
	 "wait so long for an answer; 0: for ever (10)", XVM_ARG_SETS(client_timeout)},
	{"timeout", "SECONDS", CLIENT_SLOW, "wait so long for an answer; 0: for ever (0)",
	 XVM_ARG_SETS(client_timeout)},
};

/* ---- Which disk? ---- */

static void client_drop_dead(const char *directory, struct rzc_place_names *names)
{
	size_t live = 0;

	for (size_t i = 0; i < names->count; i++) {
		char path[PATH_MAX];

		if (rzc_place_path(path, directory, names->name[i], RZC_PLACE_CONTROL) == 0 &&
		    rzc_socket_is_live(path))
			memmove(names->name[live++], names->name[i], sizeof(names->name[i]));
	}
	names->count = live;
}

static int client_say_which(const struct rzc_place_names *names)
{
	char list[200] = "";

	for (size_t i = 0; i < names->count; i++) {
		size_t used = strlen(list);

		snprintf(list + used, sizeof(list) - used, " %s", names->name[i]);
	}
	xvm_error("several disks are served; say which with --name:%s", list);
	return XVM_FAILED;
}

static int client_say_none(const struct rzc_place *place)
{
	xvm_error("no disk is served (there is no socket in %s%s%s): start one with ramz serve, or "
		  "give --socket PATH",
		  place->directory[0], place->count > 1 ? " or " : "",
		  place->count > 1 ? place->directory[1] : "");
	return XVM_FAILED;
}

/* The one disk there is; of several, those that nobody serves any more do not count. */
static int client_find_only(struct rzc_client *client, const struct rzc_place *place)
{
	for (size_t i = 0; i < place->count; i++) {
		const char *directory = place->directory[i];
		struct rzc_place_names names;

		rzc_place_list(directory, &names);
		if (names.count > 1)
			client_drop_dead(directory, &names);
		if (names.count > 1)
			return client_say_which(&names);
		if (names.count == 1)
			return rzc_place_path(client->path, directory, names.name[0],
					      RZC_PLACE_CONTROL);
	}
	return rzc_place_check(place) != 0 ? XVM_FAILED : client_say_none(place);
}

/* The first directory of the user's own that has it; where none does, a foreign one or else the
 * first one is complained about. */
static int client_find_name(struct rzc_client *client, const struct rzc_place *place)
{
	for (size_t i = 0; i < place->count; i++) {
		struct rzc_place_names names;

		rzc_place_list(place->directory[i], &names);
		for (size_t n = 0; n < names.count; n++) {
			if (strcmp(names.name[n], client->name) == 0)
				return rzc_place_path(client->path, place->directory[i],
						      client->name, RZC_PLACE_CONTROL);
		}
	}
	if (rzc_place_check(place) != 0)
		return XVM_FAILED;
	return rzc_place_path(client->path, place->directory[0], client->name, RZC_PLACE_CONTROL);
}

static int client_find(struct rzc_client *client)
{
	struct rzc_place place;

	if (client->socket != NULL) {
		/* As given: a relative path may be the only one that is short enough. */
		snprintf(client->path, sizeof(client->path), "%s", client->socket);
		return 0;
	}
	rzc_place_init(&place);
	return client->name != NULL ? client_find_name(client, &place)
				    : client_find_only(client, &place);
}

/* ---- Running ---- */

static int client_check(const struct rzc_client_command *command, struct rzc_client *client,
			const struct xvm_args *args)
{
	xvm_args_join(&client->words);
	if (xvm_args_at_most(args, &client->words, command->words_max) != 0)
		return XVM_FAILED;
	if (client->name != NULL && client->socket != NULL) {
		xvm_error("--name and --socket are two ways to say which disk: give one of them");
		return XVM_FAILED;
	}
	return command->check != NULL ? command->check(client) : 0;
}

int rzc_client_run(const struct rzc_client_command *command, int argc, char **argv)
{
	char name[32];
	const struct xvm_args args = {
		.command = name,
		.table = client_table,
		.count = sizeof(client_table) / sizeof(client_table[0]),
		.user = command->user,
	};
	struct rzc_client client = {.timeout_ms = command->slow ? -1 : CLIENT_TIMEOUT_MS};

	snprintf(name, sizeof(name), "ramz %s", argv[0]);
	if (xvm_args_read(&args, argc, argv, &client, &client.words) != 0)
		return XVM_EXIT_USAGE;
	if (client.words.help) {
		fputs(command->use, stdout);
		xvm_args_help(&args);
		fputs(command->end, stdout);
		return XVM_EXIT_OK;
	}
	if (client_check(command, &client, &args) != 0)
		return XVM_EXIT_USAGE;
	if (client_find(&client) != 0 || command->run(&client) != 0)
		return XVM_EXIT_FAILURE;
	return XVM_EXIT_OK;
}

json_t *rzc_client_ask(const struct rzc_client *client, const char *format, ...)
{
	char request[PATH_MAX + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(request, sizeof(request), format, args);
	va_end(args);
	return rzc_control_ask(client->path, request, client->timeout_ms,
			       client->socket != NULL ? RZC_CONTROL_NAMED : RZC_CONTROL_OWN);
}
