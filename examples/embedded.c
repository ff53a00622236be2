/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * For a device without an operating system: the pages are a static array, the pool and its tables
 * another; there is no lock and no malloc. A message queue stores what comes in. When the memory is
 * full, it drops the oldest messages until the new one fits.
 *
 * Only main prints; everything above it needs only the freestanding part of C.
 */
#include <stdio.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>

enum {
	PAGE_BYTES = 4096,
	PAGES = 8,
	POOL_BYTES = 8 << 10,
	QUEUE_MAX = 1024,
	MESSAGES = 5000,
	MESSAGE_MAX = 400,
};

/* One more page for the provider's record. There is only static memory. */
static unsigned char page_memory[(PAGES + 1) * PAGE_BYTES];
static unsigned char pool_memory[POOL_BYTES];

/* A ring of handles: the oldest is at first. */
struct queue {
	struct xv_pool *pool;
	size_t pool_bytes_wanted; /* least POOL_BYTES */
	xv_handle handles[QUEUE_MAX];
	uint32_t first;
	uint32_t count;
	uint32_t stored;
	uint32_t dropped;
};

static struct queue queue;

/* Length of message n, which is filled with its own byte. */
static size_t message_bytes(uint32_t n)
{
	return 1 + (n * 2654435761U >> 7) % MESSAGE_MAX;
}

static unsigned char message_byte(uint32_t n)
{
	return (unsigned char)(n % 251);
}

static int queue_init(struct queue *q)
{
	struct xv_pool_options options;
	struct xv_provider *provider;
	int err = xv_provider_buffer_init(&provider, page_memory, sizeof(page_memory), PAGE_BYTES);

	if (err != 0)
		return err;
	xv_pool_options_init(&options);
	options.lock = XV_LOCK_NONE;
	options.seed = 1; /* so that every run is the same */
	options.memory = pool_memory;
	options.memory_bytes = sizeof(pool_memory);
	q->pool_bytes_wanted = xv_pool_memory_bytes(provider, &options);
	return xv_pool_create(&q->pool, provider, &options);
}

static int queue_drop_oldest(struct queue *q)
{
	int err = xv_free(q->pool, q->handles[q->first]);

	if (err != 0)
		return err;
	q->first = (q->first + 1) % QUEUE_MAX;
	q->count--;
	q->dropped++;
	return 0;
}

/* Memory for a message. Makes room when the memory is full; returns other errors. */
static int queue_make_room(struct queue *q, size_t bytes, xv_handle *handle)
{
	int err = q->count < QUEUE_MAX ? xv_malloc(q->pool, bytes, handle) : -XV_ENOMEM;

	while (err == -XV_ENOMEM && q->count > 0) {
		err = queue_drop_oldest(q);
		if (err == 0)
			err = xv_malloc(q->pool, bytes, handle);
	}
	return err;
}

static int queue_put(struct queue *q, uint32_t n)
{
	size_t bytes = message_bytes(n);
	xv_handle handle;
	void *ptr;
	int err = queue_make_room(q, bytes, &handle);

	if (err != 0)
		return err;
	err = xv_map(q->pool, handle, &ptr);
	if (err != 0) {
		(void)xv_free(q->pool, handle);
		return err;
	}
	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)ptr)[i] = message_byte(n);
	q->handles[(q->first + q->count) % QUEUE_MAX] = handle;
	q->count++;
	q->stored++;
	return xv_unmap(q->pool, handle, ptr);
}

static bool message_is_good(struct queue *q, xv_handle handle, uint32_t n)
{
	const unsigned char *bytes = xv_address_of(q->pool, handle);
	int length = xv_object_size(q->pool, handle);

	if (bytes == NULL || length != (int)message_bytes(n))
		return false;
	for (int i = 0; i < length; i++) {
		if (bytes[i] != message_byte(n))
			return false;
	}
	return true;
}

/* The queue must hold the newest messages, in order and undamaged. */
static bool queue_is_good(struct queue *q)
{
	for (uint32_t i = 0; i < q->count; i++) {
		if (!message_is_good(q, q->handles[(q->first + i) % QUEUE_MAX], q->dropped + i))
			return false;
	}
	return q->dropped + q->count == q->stored &&
	       xv_pool_check(q->pool, XV_CHECK_DEEP, NULL) == 0;
}

/* A full pool refuses a request that takes a page more, and stays unchanged. */
static bool full_pool_refuses(struct queue *q)
{
	xv_handle handle = XV_NULL_HANDLE;

	return xv_malloc(q->pool, xv_pool_max_size(q->pool), &handle) == -XV_ENOMEM &&
	       handle == XV_NULL_HANDLE && xv_pool_check(q->pool, XV_CHECK_DEEP, NULL) == 0;
}

int main(void)
{
	static char print_memory[256];
	struct xv_pool_stats stats;
	int err;

	/* Without this the C library would malloc its buffer. */
	setvbuf(stdout, print_memory, _IOLBF, sizeof(print_memory));
	err = queue_init(&queue);
	if (queue.pool_bytes_wanted > POOL_BYTES) {
		printf("embedded: POOL_BYTES is %u, make it %u\n", (unsigned)POOL_BYTES,
		       (unsigned)queue.pool_bytes_wanted);
		return 1;
	}
	for (uint32_t n = 0; err == 0 && n < MESSAGES; n++)
		err = queue_put(&queue, n);
	if (err != 0) {
		printf("embedded: %s after %u messages\n", xv_strerror(err),
		       (unsigned)queue.stored);
		return 1;
	}
	if (!queue_is_good(&queue) || !full_pool_refuses(&queue)) {
		printf("embedded: the queue is damaged\n");
		return 1;
	}
	xv_pool_get_stats(queue.pool, &stats);
	printf("%u messages stored, %u dropped to make room\n", (unsigned)queue.stored,
	       (unsigned)queue.dropped);
	printf("%u live: %u bytes in %u bytes of pages\n", (unsigned)queue.count,
	       (unsigned)stats.requested_bytes, (unsigned)(stats.pages * stats.page_bytes));
	xv_pool_destroy(queue.pool);
	return 0;
}
