/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A plugin with one fault, chosen by PLUGIN_FAULT_*, for test_allocators_plugin.c. With
 * PLUGIN_FAULT_NONE it has none, and says that it takes threads.
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

static void bad_free(void *heap, uint64_t token, size_t size)
{
	(void)heap;
	(void)token;
	(void)size;
}

#ifndef PLUGIN_FAULT_ALLOC
static int bad_alloc(void *heap, size_t size, uint64_t *token)
{
	(void)heap;
	(void)size;
	(void)token;
	return -ENOMEM;
}
#endif

#ifdef PLUGIN_FAULT_UNMAP
static void *bad_map(void *heap, uint64_t token, size_t size)
{
	(void)token;
	(void)size;
	return heap;
}
#endif

#ifdef PLUGIN_FAULT_SET_INDEX
static int bad_compact(void *heap, void (*renamed)(void *, uint32_t, uint64_t),
		       uint64_t (*locate)(void *, uint32_t), void *context,
		       struct xvfrag_plugin_compaction *result)
{
	(void)heap;
	(void)renamed;
	(void)locate;
	(void)context;
	(void)result;
	return 0;
}
#endif

#ifdef PLUGIN_FAULT_NONE
extern const uint32_t XVFRAG_PLUGIN_FLAGS_SYMBOL;

__attribute__((visibility("default"))) const uint32_t XVFRAG_PLUGIN_FLAGS_SYMBOL =
	XVFRAG_PLUGIN_THREADS;
#endif

extern const struct xvfrag_plugin PLUGIN_NAME;

__attribute__((visibility("default"))) const struct xvfrag_plugin PLUGIN_NAME = {
#ifdef PLUGIN_FAULT_ABI
	.abi = XVFRAG_PLUGIN_ABI + 1,
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
#ifdef PLUGIN_FAULT_UNMAP
	.map = bad_map,
#endif
#ifdef PLUGIN_FAULT_SET_INDEX
	.compact = bad_compact,
#endif
};
