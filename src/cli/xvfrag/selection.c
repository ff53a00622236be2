/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * selection.c: which allocators run; see selection.h. Locking: none.
 */
#include "selection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ramz/codec.h>

#include "record.h"

#define SELECTION_PLUGIN "plugin:"

static void selection_add(struct xvf_selection *selection, const char *spec,
			  const struct xvm_entry *entry)
{
	for (size_t i = 0; i < selection->count; i++) {
		if (strcmp(selection->items[i].spec, spec) == 0)
			return;
	}
	selection->items = xvm_grow(selection->items, &selection->capacity, selection->count + 1,
				    sizeof(*selection->items));
	selection->items[selection->count++] = (struct xvf_selected){
		.spec = xvm_strdup(spec),
		.entry = entry,
	};
}

static void selection_add_all(struct xvf_selection *selection)
{
	for (size_t i = 0; i < xvm_entry_count(); i++)
		selection_add(selection, xvm_entry_at(i)->name, xvm_entry_at(i));
}

static int selection_complain(const char *spec)
{
	char names[512] = "";

	for (size_t i = 0; i < xvm_entry_count(); i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", xvm_entry_at(i)->name);
	}
	xvm_error("there is no allocator '%s'; there are:%s, all and plugin:PATH", spec, names);
	return XVM_FAILED;
}

static int selection_add_plugin(struct xvf_selection *selection, const char *spec)
{
	const char *path = spec + strlen(SELECTION_PLUGIN);

	if (path[0] == '\0' || access(path, R_OK) != 0) {
		xvm_error("cannot read plugin '%s': %s; build the shared object first "
			  "(xvfrag(1), PLUGINS)",
			  path, path[0] == '\0' ? "no file named" : strerror(errno));
		return XVM_FAILED;
	}
	selection_add(selection, spec, NULL);
	return 0;
}

/* One item of the list. */
static int selection_take(struct xvf_selection *selection, const char *spec, unsigned threads)
{
	const char *colon = strchr(spec, ':');
	const struct xvm_entry *entry;
	char name[64];
	char why[256];

	if (strncmp(spec, SELECTION_PLUGIN, strlen(SELECTION_PLUGIN)) == 0)
		return selection_add_plugin(selection, spec);
	if (strcmp(spec, "all") == 0) {
		selection_add_all(selection);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec, ":"), spec);
	entry = xvm_entry_find(name);
	if (entry == NULL)
		return selection_complain(spec);
	if (xvm_entry_check(entry, colon != NULL ? colon + 1 : NULL, threads, why, sizeof(why)) !=
	    0) {
		xvm_error("--allocator %s: %s", spec, why);
		return XVM_FAILED;
	}
	if (strlen(spec) >= XVF_ALLOCATOR_NAME_BYTES) {
		xvm_error("--allocator %s: more than %d characters; leave settings out", spec,
			  XVF_ALLOCATOR_NAME_BYTES - 1);
		return XVM_FAILED;
	}
	selection_add(selection, spec, entry);
	return 0;
}

int xvf_selection_parse(struct xvf_selection *selection, const char *list, unsigned threads)
{
	char *copy = xvm_strdup(list != NULL ? list : "all");
	char *rest = NULL;
	int result = 0;

	*selection = (struct xvf_selection){.items = NULL};
	for (char *spec = strtok_r(copy, ",", &rest); spec != NULL && result == 0;
	     spec = strtok_r(NULL, ",", &rest))
		result = selection_take(selection, spec, threads);
	if (result == 0 && selection->count == 0)
		result = selection_complain("");
	free(copy);
	return result;
}

void xvf_selection_fini(struct xvf_selection *selection)
{
	for (size_t i = 0; i < selection->count; i++)
		free(selection->items[i].spec);
	free(selection->items);
	*selection = (struct xvf_selection){.items = NULL};
}

void xvf_selection_list(void)
{
	const struct ramz_codec *codec;
	char why[256];

	puts("Allocators:");
	for (size_t i = 0; i < xvm_entry_count(); i++) {
		const struct xvm_entry *entry = xvm_entry_at(i);

		printf("  %-16s %s\n", entry->name, entry->summary);
		if (!xvm_entry_available(entry, why, sizeof(why)))
			printf("  %-16s   cannot run here: %s\n", "", why);
	}
	puts("  xvmalloc:NAME=VALUE:...\n"
	     "                 a row of xvmalloc with settings: shards=N,\n"
	     "                 lock=default|none|spin|mutex");
	puts("  plugin:PATH    a shared object with struct xvfrag_plugin\n"
	     "                 (xvmalloc/xvfrag_plugin.h)\n\nCodecs:");
	for (size_t i = 0; (codec = ramz_codec_at(i)) != NULL; i++) {
		printf("  %-14s", codec->name);
		if (codec->level_min == codec->level_max)
			puts(" no levels");
		else
			printf(" levels %" PRId32 " to %" PRId32 ", default %" PRId32 "\n",
			       codec->level_min, codec->level_max, codec->level_default);
	}
}
