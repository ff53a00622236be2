/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * registry.c: the list of allocators, whether each can run here, and plugins; see registry.h.
 *
 * The library to preload is looked for as a file, and not with dlopen, because loading an
 * allocator into the process that does the measuring would change that process.
 */
#include "registry.h"

#include "input.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct xvm_entry entries[] = {
	{.plugin = &xvm_allocator_xvmalloc, .check = xvm_pool_check},
	{.plugin = &xvm_allocator_xvmalloc_nosplit, .check = xvm_pool_check},
	{.plugin = &xvm_allocator_xvmalloc_keyed, .check = xvm_pool_check},
	{.plugin = &xvm_allocator_xvmalloc_hardened, .check = xvm_pool_check},
	{.plugin = &xvm_allocator_xvmalloc_heap, .check = xvm_pool_check},
	{.plugin = &xvm_allocator_glibc},
	{.plugin = &xvm_allocator_jemalloc,
	 .soname = "libjemalloc.so.2",
	 .package = "libjemalloc2"},
	{.plugin = &xvm_allocator_mimalloc,
	 .soname = "libmimalloc.so.2:libmimalloc.so.2.0:libmimalloc.so.3",
	 .package = "libmimalloc2.0"},
	{.plugin = &xvm_allocator_tcmalloc,
	 .soname = "libtcmalloc_minimal.so.4",
	 .package = "libtcmalloc-minimal4"},
	{.plugin = &xvm_allocator_tlsf},
	{.plugin = &xvm_allocator_zram, .available = xvm_zram_available},
	{.plugin = &xvm_allocator_slub},
	{.plugin = &xvm_allocator_slob},
	{.plugin = &xvm_allocator_ideal},
};

enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

const struct xvm_entry *xvm_entry_at(size_t i)
{
	return i < ENTRIES ? &entries[i] : NULL;
}

const struct xvm_entry *xvm_entry_find(const char *spec, const char **settings)
{
	size_t length = strcspn(spec, ":");

	*settings = spec[length] == ':' ? spec + length + 1 : NULL;
	for (size_t i = 0; i < ENTRIES; i++) {
		const char *name = entries[i].plugin->name;

		if (strlen(name) == length && memcmp(name, spec, length) == 0)
			return &entries[i];
	}
	return NULL;
}

int xvm_entry_complain(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (why != NULL)
		vsnprintf(why, XVFRAG_PLUGIN_WHY_BYTES, format, args);
	va_end(args);
	return -1;
}

int xvm_entry_available(const struct xvm_entry *entry, char *why)
{
	if (entry->available != NULL)
		return entry->available(why);
	if (entry->soname == NULL || xvm_preload_path(entry) != NULL)
		return 0;
	return xvm_entry_complain(why, "%.*s is not installed (Debian: apt-get install %s)",
				  (int)strcspn(entry->soname, ":"), entry->soname, entry->package);
}

int xvm_entry_check(const struct xvm_entry *entry, const char *settings, unsigned threads,
		    char *why)
{
	if (entry->check != NULL)
		return entry->check(settings, threads, why);
	if (settings == NULL)
		return 0;
	return xvm_entry_complain(
		why, "%s takes no settings: leave out ':%s' (rows of xvmalloc take some)",
		entry->plugin->name, settings);
}

/* ---- objects -------------------------------------------------------------- */

bool xvm_plugin_is_model(const struct xvfrag_plugin *plugin)
{
	return (plugin->flags & XVFRAG_PLUGIN_ADDRESSES) == 0 && plugin->write == NULL;
}

int xvm_object_write(const struct xvfrag_plugin *plugin, void *heap, uint64_t token,
		     const void *data, size_t size)
{
	if ((plugin->flags & XVFRAG_PLUGIN_ADDRESSES) != 0) {
		memcpy((void *)(uintptr_t)token, data, size);
		return 0;
	}
	return plugin->write != NULL ? plugin->write(heap, token, data, size) : 0;
}

int xvm_object_read(const struct xvfrag_plugin *plugin, void *heap, uint64_t token, void *data,
		    size_t size)
{
	if ((plugin->flags & XVFRAG_PLUGIN_ADDRESSES) != 0) {
		memcpy(data, (const void *)(uintptr_t)token, size);
		return 0;
	}
	return plugin->read != NULL ? plugin->read(heap, token, data, size) : 0;
}

/* ---- libraries to preload ------------------------------------------------- */

/* One of the libraries in a directory, or NULL. */
static const char *preload_in(const char *directory, size_t length, const char *libraries)
{
	static char found[PATH_MAX];
	char path[PATH_MAX];

	while (length > 0 && *libraries != '\0') {
		size_t name = strcspn(libraries, ":");
		int bytes = snprintf(path, sizeof(path), "%.*s/%.*s", (int)length, directory,
				     (int)name, libraries);

		if (bytes < (int)sizeof(path) && access(path, R_OK) == 0)
			return realpath(path, found);
		libraries += name + (libraries[name] == ':');
	}
	return NULL;
}

const char *xvm_preload_path(const struct xvm_entry *entry)
{
	const char *lists[] = {getenv("LD_LIBRARY_PATH"), xvm_libc_directory(),
			       "/usr/lib64:/usr/lib:/usr/local/lib64:/usr/local/lib"};
	const char *path = NULL;

	if (entry->soname == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const char *at = lists[i]; path == NULL && at != NULL && *at != '\0';) {
			size_t length = strcspn(at, ":");

			path = preload_in(at, length, entry->soname);
			at += length + (at[length] == ':');
		}
	}
	return path;
}

/* ---- plugins -------------------------------------------------------------- */

/* A name is one word that can stand in a table and in a list. */
static bool name_is_good(const char *name)
{
	if (name == NULL || *name == '\0')
		return false;
	for (; *name != '\0'; name++) {
		if (!isgraph((unsigned char)*name) || strchr("/,:", *name) != NULL)
			return false;
	}
	return true;
}

/* What is missing, or NULL. */
static const char *plugin_missing(const struct xvfrag_plugin *p)
{
	if (p->create == NULL || p->destroy == NULL)
		return "create and destroy";
	if (p->alloc == NULL || p->free == NULL)
		return "alloc and free";
	if ((p->write == NULL) != (p->read == NULL))
		return "both of write and read";
	if ((p->flags & XVFRAG_PLUGIN_PAGES) != 0 &&
	    (p->write == NULL || p->requested_bytes == NULL))
		return "write and requested_bytes, which XVFRAG_PLUGIN_PAGES needs";
	if (xvm_plugin_is_model(p) && p->held_bytes == NULL)
		return "held_bytes, without which there is nothing to measure in a model";
	return NULL;
}

static int plugin_check(const struct xvfrag_plugin *plugin, const char *path, char *why)
{
	const char *missing;

	if (plugin->abi != XVFRAG_PLUGIN_ABI)
		return xvm_entry_complain(
			why,
			"%s: built for plugin interface %u, this xvfrag has %u: rebuild it with "
			"this version's xvmalloc/xvfrag_plugin.h",
			path, (unsigned)plugin->abi, XVFRAG_PLUGIN_ABI);
	if (!name_is_good(plugin->name))
		return xvm_entry_complain(why,
					  "%s: its name must be one word without '/', ',' and ':' "
					  "(see .name in xvmalloc/xvfrag_plugin.h)",
					  path);
	missing = plugin_missing(plugin);
	if (missing != NULL)
		return xvm_entry_complain(why, "%s: the plugin '%s' does not set %s", path,
					  plugin->name, missing);
	return 0;
}

const struct xvfrag_plugin *xvm_plugin_load(const char *path, char *why)
{
	char local[PATH_MAX];
	const struct xvfrag_plugin *plugin;
	void *object;

	if (access(path, R_OK) != 0) {
		xvm_entry_complain(why, "%s: %s: build the shared object first", path,
				   strerror(errno));
		return NULL;
	}
	/* A bare name is a file here, as every other argument, not the loader's. */
	snprintf(local, sizeof(local), "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
	object = dlopen(local, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL) {
		xvm_entry_complain(why, "%s cannot be loaded: %s", path, dlerror());
		return NULL;
	}
	plugin = dlsym(object, XVFRAG_PLUGIN_SYMBOL_NAME);
	if (plugin == NULL)
		xvm_entry_complain(why,
				   "%s: no symbol %s: export a constant struct xvfrag_plugin of "
				   "that name (see xvmalloc/xvfrag_plugin.h)",
				   path, XVFRAG_PLUGIN_SYMBOL_NAME);
	else if (plugin_check(plugin, path, why) == 0)
		return plugin;
	dlclose(object);
	return NULL;
}
