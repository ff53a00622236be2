/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * plugin_malloc.c: an allocator of your own in xvfrag's table, in one file.
 *
 * This one hands every request to the system's malloc. Replace the bodies by calls
 * of the allocator that you want to see measured:
 *
 *     cc -O2 -fPIC -shared plugin_malloc.c -o mine.so $(pkg-config --cflags xvmalloc)
 *     xvfrag --allocator xvmalloc,plugin:./mine.so
 *
 * Only one header is needed and no library. xvfrag runs each allocator in a process
 * of its own, on one thread (a plugin that says it can have more must be able to), so
 * global state is fine.
 */
#include <xvmalloc/xvfrag_plugin.h>

#include <errno.h>
#include <stdlib.h>

/* Whatever the allocator needs to remember. xvfrag never looks inside. */
struct heap {
	uint64_t live_objects;
};

/*
 * Called once, before anything else. The configuration says what will come: largest
 * object, most objects at once. An allocator that must be given its memory in advance
 * can size it by total_bytes.
 */
static void *heap_create(const struct xvfrag_plugin_config *config)
{
	(void)config;
	return calloc(1, sizeof(struct heap)); /* NULL with errno set means "cannot" */
}

/* Called once, last. Objects may still be live. */
static void heap_destroy(void *heap)
{
	free(heap);
}

/*
 * The token is any 64-bit name by which the object can be found again: here its
 * address; an allocator with handles stores the handle. index is for allocators that
 * move objects.
 */
static int heap_alloc(void *context, size_t size, uint32_t index, uint64_t *token)
{
	struct heap *heap = context;
	void *memory = malloc(size);

	(void)index;
	if (memory == NULL)
		return -ENOMEM; /* a negative errno */
	heap->live_objects++;
	*token = (uintptr_t)memory;
	return 0;
}

/* size is what the object was allocated with, for allocators that want to be told. */
static int heap_free(void *context, uint64_t token, size_t size)
{
	struct heap *heap = context;

	(void)size;
	heap->live_objects--;
	free((void *)(uintptr_t)token);
	return 0;
}

/*
 * The one symbol that xvfrag looks for. What is not set is NULL, which means "does
 * not have it". XVFRAG_PLUGIN_ADDRESSES says that a token is an address, where xvfrag
 * fills the object: memory that nobody touches is not resident and would look free of
 * charge. An allocator with handles sets .write and .read instead. Without .held_bytes
 * xvfrag takes the growth of the process's resident set. Set it if the allocator knows
 * better, and count everything there: tables, headers, free memory that was not given
 * back to the system.
 */
extern const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL;

#if defined(__GNUC__)
__attribute__((visibility("default"))) /* seen also when built with -fvisibility=hidden */
#endif
const struct xvfrag_plugin XVFRAG_PLUGIN_SYMBOL = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_ADDRESSES,
	.name = "malloc-example",
	.summary = "the system's malloc, through a plugin",
	.create = heap_create,
	.destroy = heap_destroy,
	.alloc = heap_alloc,
	.free = heap_free,
};
