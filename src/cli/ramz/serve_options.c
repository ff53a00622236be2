/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * serve_options.c: the command line of ramz serve; see serve.h. What is wrong is said here,
 * before nbdkit runs. Locking: none.
 */
#include "serve.h"

#include <inttypes.h>
#include <string.h>

#include "codecs.h"
#include "size.h"

#define SERVE_USER 1U

static int serve_codec(void *into, const char *value)
{
	((struct rzc_serve *)into)->codec = value;
	return 0;
}

static int serve_level(void *into, const char *value)
{
	struct rzc_serve *serve = into;
	bool negative = value[0] == '-';
	uint64_t number;

	if (!xvm_parse_u64(value + negative, NULL, 0, 1U << 20, &number)) {
		xvm_error("--level takes a whole number such as 3 or -5, not '%s'", value);
		return XVM_FAILED;
	}
	serve->options.level = negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int serve_bytes(const char *option, const char *value, uint64_t *bytes)
{
	return rzc_size_of_memory(option, value, 1, bytes);
}

static int serve_memlimit(void *into, const char *value)
{
	return serve_bytes("--memlimit", value,
			   &((struct rzc_serve *)into)->options.hard_limit_bytes);
}

static int serve_softlimit(void *into, const char *value)
{
	return serve_bytes("--softlimit", value,
			   &((struct rzc_serve *)into)->options.soft_limit_bytes);
}

static int serve_page(void *into, const char *value)
{
	uint64_t bytes;

	if (!rzc_size_parse(value, 4096, 65536, &bytes) || (bytes & (bytes - 1)) != 0) {
		xvm_error("--page takes 4K, 8K, 16K, 32K or 64K, not '%s'", value);
		return XVM_FAILED;
	}
	((struct rzc_serve *)into)->options.page_bytes = (uint32_t)bytes;
	return 0;
}

static int serve_provider(void *into, const char *value)
{
	((struct rzc_serve *)into)->provider = value;
	if (strcmp(value, "mmap") == 0 || strcmp(value, "highmem") == 0 ||
	    strcmp(value, "huge") == 0)
		return 0;
	xvm_error("--provider takes mmap, highmem or huge, not '%s'", value);
	return XVM_FAILED;
}

static int serve_port(void *into, const char *value)
{
	uint64_t port;

	if (!xvm_parse_u64(value, NULL, 1, UINT16_MAX, &port)) {
		xvm_error("--port takes a number from 1 to 65535 (NBD's own is 10809), not '%s'",
			  value);
		return XVM_FAILED;
	}
	((struct rzc_serve *)into)->port = (uint16_t)port;
	return 0;
}

static int serve_name(void *into, const char *value)
{
	((struct rzc_serve *)into)->name = value;
	return rzc_place_check_name(value);
}

static int serve_file(void *into, const char *value)
{
	((struct rzc_serve *)into)->file = value;
	return 0;
}

/* The plugin knows the range. */
static int serve_save_every(void *into, const char *value)
{
	((struct rzc_serve *)into)->save_every = value;
	if (value[0] != '\0' && value[strspn(value, "0123456789.")] == '\0' &&
	    strpbrk(value, "123456789") != NULL)
		return 0;
	xvm_error("--save-every takes minutes such as 10 or 0.5, not '%s'", value);
	return XVM_FAILED;
}

static int serve_save_fallback(void *into, const char *value)
{
	((struct rzc_serve *)into)->save_fallback = value;
	return 0;
}

static int serve_socket(void *into, const char *value)
{
	((struct rzc_serve *)into)->socket = value;
	return 0;
}

static int serve_plugin(void *into, const char *value)
{
	((struct rzc_serve *)into)->plugin = value;
	return 0;
}

static int serve_checksum(void *into, const char *value)
{
	(void)value;
	((struct rzc_serve *)into)->options.checksum = true;
	return 0;
}

static int serve_dedup(void *into, const char *value)
{
	(void)value;
	((struct rzc_serve *)into)->options.dedup = true;
	return 0;
}

static int serve_foreground(void *into, const char *value)
{
	(void)value;
	((struct rzc_serve *)into)->foreground = true;
	return 0;
}

static const struct xvm_arg serve_table[] = {
	{"name", "NAME", SERVE_USER, "of the disk: several can be served, each with its own (ramz)",
	 XVM_ARG_SETS(serve_name)},
	{"socket", "PATH", SERVE_USER, "of the disk, in place of a name",
	 XVM_ARG_SETS(serve_socket)},
	{"port", "N", SERVE_USER, "serve on TCP port N of this machine, not on a socket",
	 XVM_ARG_SETS(serve_port)},
	{"file", "PATH", SERVE_USER, "contents: loaded if it is there, saved when the server ends",
	 XVM_ARG_SETS(serve_file)},
	{"save-every", "MINUTES", SERVE_USER,
	 "save them so often, too, when they have changed (at the end)",
	 XVM_ARG_SETS(serve_save_every)},
	{"save-fallback", "DIR", SERVE_USER,
	 "where they go when the file cannot be saved (/var/tmp)",
	 XVM_ARG_SETS(serve_save_fallback)},
	{"codec", "NAME", SERVE_USER,
	 "lz4, lzo, zstd or none, where built in; NAME:LEVEL too (lz4)", XVM_ARG_SETS(serve_codec)},
	{"level", "N", SERVE_USER, "of the codec (its default)", XVM_ARG_SETS(serve_level)},
	{"memlimit", "SIZE", SERVE_USER, "memory it may hold; then writes are refused (no limit)",
	 XVM_ARG_SETS(serve_memlimit)},
	{"softlimit", "SIZE", SERVE_USER, "memory at which the server tells (none)",
	 XVM_ARG_SETS(serve_softlimit)},
	{"page", "SIZE", SERVE_USER, "compress so much at a time, 4K to 64K (4K)",
	 XVM_ARG_SETS(serve_page)},
	{"checksum", NULL, SERVE_USER, "keep checksums, verify on each read",
	 XVM_ARG_SETS(serve_checksum)},
	{"dedup", NULL, SERVE_USER, "keep identical pages once", XVM_ARG_SETS(serve_dedup)},
	{"provider", "NAME", SERVE_USER, "where memory is from: mmap, highmem or huge (mmap)",
	 XVM_ARG_SETS(serve_provider)},
	{"foreground", NULL, SERVE_USER, "stay, and say on the terminal what happens",
	 XVM_ARG_SETS(serve_foreground)},
	{"plugin", "PATH", SERVE_USER,
	 "nbdkit's plugin ($" RZC_SERVE_PLUGIN_VARIABLE "; else the one\n" XVM_ARGS_INDENT
	 "that was built or installed with this program)",
	 XVM_ARG_SETS(serve_plugin)},
};

static const struct xvm_args serve_args = {
	.command = "ramz serve",
	.table = serve_table,
	.count = sizeof(serve_table) / sizeof(serve_table[0]),
	.user = SERVE_USER,
};

static int serve_take_size(struct rzc_serve *serve)
{
	if (serve->words.count == 0)
		return 0;
	if (serve->words.count > 1) {
		xvm_error("'%s' is more than ramz serve takes: one SIZE, and options of nbdkit "
			  "behind --",
			  serve->words.word[1]);
		return XVM_FAILED;
	}
	return serve_bytes("SIZE", serve->words.word[0], &serve->options.size_bytes);
}

/* The plugin's own build knows the codecs, too; this one is the same as a rule. */
static int serve_take_codec(struct rzc_serve *serve)
{
	struct xvm_codecs codecs;

	serve->level_given = serve->options.level != RAMZ_LEVEL_DEFAULT;
	if (serve->codec == NULL && !serve->level_given)
		return 0;
	/* A level alone is one of the codec that the file was saved with, which the plugin knows.
	 */
	if (serve->codec == NULL && serve->file != NULL)
		return 0;
	if (xvm_codecs_parse(&codecs, serve->codec != NULL ? serve->codec : "lz4",
			     serve->options.level) != 0)
		return XVM_FAILED;
	if (codecs.count != 1) {
		xvm_error("--codec takes one codec here, not '%s'", serve->codec);
		return XVM_FAILED;
	}
	serve->options.codec = codecs.items[0].codec;
	serve->options.level = codecs.items[0].level;
	serve->level_given = serve->level_given || strchr(serve->codec, ':') != NULL;
	return 0;
}

/* This program could not find the control socket anywhere else. */
static int serve_check_rest(const struct xvm_words *words)
{
	for (size_t i = 0; i < words->rest_count; i++) {
		if (strncmp(words->rest[i], "stats=", strlen("stats=")) == 0) {
			xvm_error("where the control socket is follows from --name or --socket: "
				  "leave %s out",
				  words->rest[i]);
			return XVM_FAILED;
		}
	}
	return 0;
}

/* The least that an empty disk and one page need. Of memory from highmem only the plugin can tell.
 */
static int serve_check_memlimit(const struct rzc_serve *serve, struct ramz_options *o)
{
	uint64_t given = o->hard_limit_bytes, least;

	o->soft_limit_bytes = 0;
	o->hard_limit_bytes = 0;
	if (given == 0 || (serve->provider != NULL && strcmp(serve->provider, "highmem") == 0))
		return 0;
	o->huge_pages = serve->provider != NULL && strcmp(serve->provider, "huge") == 0;
	least = ramz_least_limit(o);
	if (given >= least)
		return 0;
	xvm_error("--memlimit of %" PRIu64 " bytes is less than such a disk takes with one page in "
		  "it: the least that works is --memlimit %" PRIu64,
		  given, least);
	return XVM_FAILED;
}

static int serve_check(const struct rzc_serve *serve)
{
	struct ramz_options options = serve->options;
	struct ramz_options *o = &options;
	const char *reason;

	if (serve->socket != NULL && (serve->name != NULL || serve->port != 0)) {
		xvm_error("--socket stands for a name and for a port: give one of them");
		return XVM_FAILED;
	}
	if ((serve->save_every != NULL || serve->save_fallback != NULL) && serve->file == NULL) {
		xvm_error(
			"--save-every and --save-fallback are about the contents in a --file: give "
			"one");
		return XVM_FAILED;
	}
	if (o->hard_limit_bytes > 0 && o->soft_limit_bytes > o->hard_limit_bytes) {
		xvm_error("--softlimit must not be above --memlimit: it is to be passed first");
		return XVM_FAILED;
	}
	/* A level alone is one of the file's codec. */
	if (o->codec == NULL)
		o->level = RAMZ_LEVEL_DEFAULT;
	if (serve_check_memlimit(serve, o) != 0)
		return XVM_FAILED;
	if (ramz_options_check(o, &reason) == 0)
		return 0;
	xvm_error("such a disk cannot be: %s", reason);
	return XVM_FAILED;
}

int rzc_serve_read(struct rzc_serve *serve, int argc, char **argv)
{
	*serve = (struct rzc_serve){.lock_fd = -1};
	ramz_options_init(&serve->options);
	if (xvm_args_read(&serve_args, argc, argv, serve, &serve->words) != 0)
		return XVM_FAILED;
	if (serve->words.help)
		return 0;
	if (serve_take_size(serve) != 0 || serve_take_codec(serve) != 0)
		return XVM_FAILED;
	if (serve_check_rest(&serve->words) != 0)
		return XVM_FAILED;
	return serve_check(serve);
}

void rzc_serve_help(void)
{
	xvm_args_help(&serve_args);
}
