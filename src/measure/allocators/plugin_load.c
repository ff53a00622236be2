/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * plugin_load.c: loads an allocator from a shared object and checks that it is
 * complete, so that a mistake in a plugin is a sentence and not a crash.
 *
 * A loaded object stays loaded. May call dlopen. No locking: one thread.
 */
#include "registry.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A name is one word that can stand in a table and in a file name. */
static int name_is_good(const char *name)
{
	if (name == NULL || *name == '\0')
		return 0;
	for (; *name != '\0'; name++) {
		if (!isgraph((unsigned char)*name) || *name == '/' || *name == ',')
			return 0;
	}
	return 1;
}

/* The first function that is missing, or NULL. */
static const char *function_missing(const struct xvfrag_plugin *plugin)
{
	if (plugin->create == NULL)
		return "create";
	if (plugin->destroy == NULL)
		return "destroy";
	if (plugin->alloc == NULL)
		return "alloc";
	if (plugin->free == NULL)
		return "free";
	if (plugin->map != NULL && plugin->unmap == NULL)
		return "unmap (needed with map)";
	if (plugin->compact != NULL && plugin->set_index == NULL && plugin->alloc_indexed == NULL)
		return "set_index or alloc_indexed (one is needed with compact)";
	return NULL;
}

static int plugin_check(const struct xvfrag_plugin *plugin, const char *path, char *why,
			size_t why_bytes)
{
	const char *missing;

	if (plugin->abi != XVFRAG_PLUGIN_ABI) {
		snprintf(why, why_bytes,
			 "%s: built for plugin interface %u, this xvfrag has %u: rebuild it with "
			 "this version's xvmalloc/xvfrag_plugin.h",
			 path, plugin->abi, XVFRAG_PLUGIN_ABI);
		return -1;
	}
	if (!name_is_good(plugin->name)) {
		snprintf(why, why_bytes,
			 "%s: its name must be one word without '/' or ',' (see .name in "
			 "xvmalloc/xvfrag_plugin.h)",
			 path);
		return -1;
	}
	missing = function_missing(plugin);
	if (missing != NULL) {
		snprintf(why, why_bytes, "%s: the plugin '%s' does not set the function %s", path,
			 plugin->name, missing);
		return -1;
	}
	return 0;
}

/*
 * The object at path. A bare file name is taken from the current directory, as
 * every other argument is, not from the loader's search path.
 */
static void *object_open(const char *path, char *why, size_t why_bytes)
{
	char local[PATH_MAX];
	const char *message;
	void *object;

	if (access(path, R_OK) != 0) {
		snprintf(why, why_bytes, "%s: no such file, or not readable", path);
		return NULL;
	}
	if (strchr(path, '/') == NULL) {
		snprintf(local, sizeof(local), "./%s", path);
		object = dlopen(local, RTLD_NOW | RTLD_LOCAL);
	} else {
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	if (object == NULL) {
		message = dlerror();
		snprintf(why, why_bytes, "%s cannot be loaded: %s", path,
			 message != NULL ? message : "unknown reason");
	}
	return object;
}

/* The entry's flags, from what the plugin says and from what it has. */
static unsigned plugin_flags(void *object, const struct xvfrag_plugin *plugin)
{
	const uint32_t *told = dlsym(object, XVFRAG_PLUGIN_FLAGS_SYMBOL_NAME);
	unsigned flags = 0;

	if (plugin->map == NULL && plugin->write == NULL)
		flags |= XVM_MODEL;
	if (told != NULL && (*told & XVFRAG_PLUGIN_THREADS) != 0)
		flags |= XVM_THREADS;
	if (told != NULL && (*told & XVFRAG_PLUGIN_ADDRESSES) != 0)
		flags |= XVM_ADDRESSES;
	return flags;
}

int xvm_plugin_load(const char *path, struct xvm_entry *entry, char *why, size_t why_bytes)
{
	void *object = object_open(path, why, why_bytes);
	const struct xvfrag_plugin *plugin;

	if (object == NULL)
		return -1;
	plugin = dlsym(object, XVFRAG_PLUGIN_SYMBOL_NAME);
	if (plugin == NULL)
		snprintf(why, why_bytes,
			 "%s: no symbol %s: export a constant struct xvfrag_plugin of that name "
			 "(see xvmalloc/xvfrag_plugin.h)",
			 path, XVFRAG_PLUGIN_SYMBOL_NAME);
	if (plugin == NULL || plugin_check(plugin, path, why, why_bytes) != 0) {
		dlclose(object);
		return -1;
	}
	memset(entry, 0, sizeof(*entry));
	entry->plugin = plugin;
	entry->name = plugin->name;
	entry->summary = plugin->summary != NULL ? plugin->summary : "";
	entry->flags = plugin_flags(object, plugin);
	return 0;
}
