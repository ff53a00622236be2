/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * Commits one fault of use of a pool, named by the first argument. If a second one contains
 * "moved", the objects were moved by compaction before; with "hardened" the pools have hardening 2.
 * tools.sh runs it under memcheck, or built with the address sanitizer, and reads the report. The
 * fault "none" is a program without fault.
 */
#include <xvmalloc/pool.h>
#include <xvmalloc/provider_buffer.h>
#include <xvmalloc/provider_highmem.h>
#include <xvmalloc/provider_mmap.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OBJECTS = 1600,   /* of several pages */
	SIZE = 100,       /* bytes of an object; its block ends there, and another follows */
	KEPT_ONE_OF = 10, /* when objects are to move */
	PROVIDER_BYTES = 64 << 20, /* memcheck looks at all of them when the provider ends */
};

static struct xv_provider *provider;
static struct xv_pool *pool;
static xv_handle handles[OBJECTS];
static struct xv_pool_options options;    /* of the pool */
static unsigned char *volatile old_place; /* of the object, before it moved */
static volatile unsigned char sink;

static void must(int err, const char *what)
{
	if (err < 0) {
		fprintf(stderr, "%s: error %d\n", what, -err);
		exit(2);
	}
}

static int relocated(void *context, uint32_t owner, xv_handle from, xv_handle to)
{
	(void)context;
	(void)from;
	handles[owner] = to;
	return 0;
}

static const struct xv_owner_ops owner_ops = {.relocated = relocated};

static __attribute__((noinline)) void make_object(uint32_t owner)
{
	must(xv_malloc_owned(pool, SIZE, owner, &handles[owner]), "xv_malloc_owned");
}

static void make_pool(void)
{
	struct xv_provider_mmap_options memory;

	xv_provider_mmap_options_init(&memory);
	memory.reserve_bytes = PROVIDER_BYTES;
	options.flags = XV_POOL_OWNERS | XV_POOL_SPLIT;
	options.owner_ops = &owner_ops;
	must(xv_provider_mmap_create(&provider, &memory), "provider");
	must(xv_pool_create(&pool, provider, &options), "pool");
	for (uint32_t i = 0; i < OBJECTS; i++)
		make_object(i);
}

static void compact(void)
{
	struct xv_compact_report report;

	do {
		must(xv_compact(pool, 0, &report), "xv_compact");
	} while (report.more);
}

/* An object that moved, if it is to; its neighbours live. Its index. */
static uint32_t choose_object(bool moved)
{
	xv_handle before[OBJECTS];
	uint32_t last = OBJECTS - KEPT_ONE_OF;

	if (!moved)
		return OBJECTS / 2;
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i % KEPT_ONE_OF != 0)
			must(xv_free(pool, handles[i]), "xv_free");
	}
	memcpy(before, handles, sizeof(before));
	old_place = xv_address_of(pool, handles[last]);
	compact();
	if (handles[last] == before[last]) {
		fprintf(stderr, "compaction moved nothing\n");
		exit(2);
	}
	return last;
}

static unsigned char *address(uint32_t object)
{
	unsigned char *payload = xv_address_of(pool, handles[object]);

	if (payload == NULL)
		must(-XV_EINVAL, "xv_address_of");
	return payload;
}

/* ---- the faults ---- */

static void read_freed(uint32_t object)
{
	unsigned char *payload = address(object);

	must(xv_free(pool, handles[object]), "xv_free");
	sink = payload[SIZE / 2];
}

static void write_freed(uint32_t object)
{
	unsigned char *payload = address(object);

	must(xv_free(pool, handles[object]), "xv_free");
	*(volatile unsigned char *)(payload + SIZE - 1) = 1;
}

static void read_behind(uint32_t object)
{
	sink = address(object)[SIZE];
}

static void write_behind(uint32_t object)
{
	*(volatile unsigned char *)(address(object) + SIZE) = 1;
}

static void write_before(uint32_t object)
{
	*(volatile unsigned char *)(address(object) - 1) = 1;
}

static void read_old_place(uint32_t object)
{
	(void)object;
	sink = old_place[SIZE / 2]; /* far from what was freed before it */
}

static void read_shortened(uint32_t object)
{
	must(xv_realloc(pool, &handles[object], SIZE / 2), "xv_realloc");
	sink = address(object)[SIZE / 2];
}

static void read_reset(uint32_t object)
{
	unsigned char *payload = address(object);

	must(xv_pool_reset(pool), "xv_pool_reset");
	sink = *payload;
}

static void write_from_freed(uint32_t object)
{
	void *volatile buffer = calloc(1, SIZE);

	free(buffer);
	must(xv_write(pool, handles[object], 0, buffer, SIZE), "xv_write");
}

static void use_undefined(uint32_t object)
{
	must(xv_malloc_owned(pool, SIZE, object, &handles[object]), "xv_malloc_owned");
	if (address(object)[SIZE / 2] == 7)
		puts("seven");
}

/* The object is lost while the others are freed and the pool lives on. Stale handles of others are
 * refused. */
static void leak(uint32_t object)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (i != object)
			(void)xv_free(pool, handles[i]);
	}
	handles[object] = XV_NULL_HANDLE;
}

/* ---- no fault ---- */

/* Objects of one or more pieces grow, shrink and move, and keep their bytes. */
static void resize_all(uint32_t object)
{
	static const size_t sizes[] = {1, 13, 70000, 500, 90000, 40, 200, 8, 300000, SIZE};
	unsigned char first[8] = "pattern";
	unsigned char back[8];
	xv_handle *handle = &handles[object];

	must(xv_realloc(pool, handle, sizeof(first)), "xv_realloc");
	must(xv_write(pool, *handle, 0, first, sizeof(first)), "xv_write");
	for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		must(xv_realloc(pool, handle, sizes[i]), "xv_realloc");
		must(xv_read(pool, *handle, 0, back, sizeof(back)), "xv_read");
		must(memcmp(first, back, sizeof(back)) == 0 ? 0 : -1, "contents");
	}
}

/* Fill an object up to its last byte, and read it. */
static void use_object(struct xv_pool *in, xv_handle handle, size_t size)
{
	unsigned char *payload;
	void *mapped;

	must(xv_map(in, handle, &mapped), "xv_map");
	payload = mapped;
	memset(payload, 1, size);
	for (size_t i = 0; i < size; i++)
		sink = payload[i];
	must(xv_unmap(in, handle, mapped), "xv_unmap");
}

/* Header, owner and the end of a page take 12 bytes, where a tool watches. */
static void check_largest(const struct xv_provider *over, const struct xv_pool *in)
{
	size_t most = xv_provider_page_bytes(over) - 12;

	must(over->base == NULL || xv_pool_max_size(in) <= most ? 0 : -1, "largest object");
}

/* A pool over this provider is used and ended. */
static void use_provider(struct xv_provider *over)
{
	struct xv_pool_options plain;
	struct xv_pool *other;
	xv_handle handle;

	xv_pool_options_init(&plain);
	plain.flags = XV_POOL_OWNERS;
	plain.hardening = options.hardening;
	must(xv_pool_create(&other, over, &plain), "pool");
	check_largest(over, other);
	for (uint32_t i = 0; i < OBJECTS / 4; i++) {
		must(xv_calloc(other, 1, i + 1, &handle), "xv_calloc");
		use_object(other, handle, i + 1);
		if (i % 3 != 0)
			must(xv_free(other, handle), "xv_free");
	}
	xv_pool_destroy(other);
}

static void use_buffer(void)
{
	const size_t bytes = 4 << 20;
	unsigned char *buffer = malloc(bytes);
	struct xv_provider *over = NULL;

	must(buffer != NULL ? xv_provider_buffer_init(&over, buffer, bytes, 4096) : -1, "buffer");
	use_provider(over);
	memset(buffer, 0, bytes); /* it is the caller's again */
	sink = buffer[bytes / 2];
	free(buffer);
}

static void use_window(void)
{
	struct xv_provider_highmem_options memory;
	struct xv_provider *over = NULL;

	xv_provider_highmem_options_init(&memory);
	memory.max_bytes = PROVIDER_BYTES;
	if (xv_provider_highmem_create(&over, &memory) != 0)
		return;
	use_provider(over);
	xv_provider_highmem_destroy(over);
}

static void none(uint32_t object)
{
	unsigned char *payload;
	xv_handle zeros;

	payload = address(object);
	must((uintptr_t)payload % 8 == 0 ? 0 : -1, "alignment");
	must(xv_usable_size(pool, payload) == SIZE ? 0 : -1, "usable size");
	use_object(pool, handles[object], SIZE);
	resize_all(object);
	use_object(pool, handles[object], SIZE);
	must(xv_calloc(pool, 1, SIZE, &zeros), "xv_calloc");
	payload = xv_address_of(pool, zeros);
	for (uint32_t i = 0; i < SIZE; i++)
		must(payload[i] == 0 ? 0 : -1, "zeros");
	must(xv_free(pool, zeros), "xv_free");
	must(xv_free(pool, zeros) == -XV_EINVAL ? 0 : -1, "a second free is refused");
	must(xv_pool_check(pool, XV_CHECK_DEEP, NULL), "xv_pool_check");
	must(xv_pool_reset(pool), "xv_pool_reset");
	make_object(0);
	use_object(pool, handles[0], SIZE);
	use_provider(provider);
	use_buffer();
	use_window();
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
}

static const struct {
	const char *name;
	void (*commit)(uint32_t object);
} faults[] = {
	{"none", none},
	{"read_freed", read_freed},
	{"write_freed", write_freed},
	{"read_behind", read_behind},
	{"write_behind", write_behind},
	{"write_before", write_before},
	{"read_old_place", read_old_place},
	{"read_shortened", read_shortened},
	{"read_reset", read_reset},
	{"write_from_freed", write_from_freed},
	{"use_undefined", use_undefined},
	{"leak", leak},
};

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";

	xv_pool_options_init(&options);
	if (strstr(how, "hardened") != NULL)
		options.hardening = XV_HARDENING_MOST;
	for (size_t i = 0; argc > 1 && i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (strcmp(argv[1], faults[i].name) == 0) {
			make_pool();
			faults[i].commit(choose_object(strstr(how, "moved") != NULL));
			return 0;
		}
	}
	fprintf(stderr, "usage: %s FAULT [moved,hardened]\n", argv[0]);
	return 2;
}
