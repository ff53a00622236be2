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
	const struct xvm_entry *entry;

	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++)
		selection_add(selection, entry->plugin->name, entry);
}

static int selection_complain(const char *spec)
{
	char names[512] = "";
	const struct xvm_entry *entry;

	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, " %s", entry->plugin->name);
	}
	xvm_error("there is no allocator '%s'; there are:%s, all and plugin:PATH", spec, names);
	return XVM_FAILED;
}

/* One item of the list. A plugin is loaded by the child alone. */
static int selection_take(struct xvf_selection *selection, const char *spec, unsigned threads)
{
	bool is_plugin = strncmp(spec, SELECTION_PLUGIN, strlen(SELECTION_PLUGIN)) == 0;
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	const struct xvm_entry *entry;
	const char *settings;

	if (strcmp(spec, "all") == 0) {
		selection_add_all(selection);
		return 0;
	}
	entry = xvm_entry_find(spec, &settings);
	if (entry == NULL && !is_plugin)
		return selection_complain(spec);
	if (is_plugin && access(settings, R_OK) != 0) {
		xvm_error("cannot read plugin '%s': %s; build the shared object first "
			  "(xvfrag(1), PLUGINS)",
			  settings, strerror(errno));
		return XVM_FAILED;
	}
	if (entry != NULL && xvm_entry_check(entry, settings, threads, why) != 0) {
		xvm_error("--allocator %s: %s", spec, why);
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
	char why[XVFRAG_PLUGIN_WHY_BYTES];
	const struct xvm_entry *entry;
	const struct ramz_codec *codec;

	puts("Allocators:");
	for (size_t i = 0; (entry = xvm_entry_at(i)) != NULL; i++) {
		printf("  %-16s %s\n", entry->plugin->name, entry->plugin->summary);
		if (xvm_entry_available(entry, why) != 0)
			printf("  %-16s   cannot run here: %s\n", "", why);
	}
	puts("  xvmalloc:NAME=VALUE:...\n"
	     "                 a row of xvmalloc with settings: shards=N,\n"
	     "                 lock=default|none|spin|mutex, page=BYTES,\n"
	     "                 provider=mmap|highmem|buffer");
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
