/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A plugin with one fault, chosen by PLUGIN_FAULT_*, for test_allocators_registry.c. With
 * PLUGIN_FAULT_NONE it has none.
 */
#include <xvmalloc/xvfrag_plugin.h>

#include <errno.h>

/* Not -Wundef's business: exactly one of these is defined by the build. */
#ifdef PLUGIN_FAULT_NO_SYMBOL
#define PLUGIN_NAME some_other_symbol
#else
#define PLUGIN_NAME XVFRAG_PLUGIN_SYMBOL
#endif

static char nothing;

static void *bad_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return &nothing;
}

static void bad_destroy(void *heap)
{
	(void)heap;
}

static int bad_free(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)token;
	(void)size;
	return 0;
}

#ifndef PLUGIN_FAULT_HELD
static uint64_t bad_held_bytes(void *heap)
{
	(void)heap;
	return 0;
}
#endif

#ifndef PLUGIN_FAULT_ALLOC
static int bad_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	(void)heap;
	(void)index;
	(void)size;
	(void)token;
	return -ENOMEM;
}
#endif

#ifdef PLUGIN_FAULT_READ
static int bad_write(void *heap, uint64_t token, const void *data, size_t size)
{
	(void)heap;
	(void)token;
	(void)data;
	(void)size;
	return 0;
}
#endif

extern const struct xvfrag_plugin PLUGIN_NAME;

__attribute__((visibility("default"))) const struct xvfrag_plugin PLUGIN_NAME = {
#ifdef PLUGIN_FAULT_ABI
	.abi = 1,
#else
	.abi = XVFRAG_PLUGIN_ABI,
#endif
#ifdef PLUGIN_FAULT_NAME
	.name = "two words",
#else
	.name = "bad",
#endif
	.create = bad_create,
	.destroy = bad_destroy,
#ifndef PLUGIN_FAULT_ALLOC
	.alloc = bad_alloc,
#endif
	.free = bad_free,
#ifdef PLUGIN_FAULT_READ
	.write = bad_write,
#endif
#ifndef PLUGIN_FAULT_HELD
	.held_bytes = bad_held_bytes,
#endif
};
