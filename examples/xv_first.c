/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * The shortest program: pages from mmap, a pool over them, one object.
 */
#include <stdio.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

int main(void)
{
	struct xv_provider *provider;
	struct xv_pool *pool;
	struct xv_pool_stats stats;
	xv_handle note;
	char text[16];

	if (xv_provider_mmap_create(&provider, NULL) != 0 ||
	    xv_pool_create(&pool, provider, NULL) != 0 ||
	    xv_malloc(pool, sizeof(text), &note) != 0 ||
	    xv_write(pool, note, 0, "Hello, xvmalloc", sizeof(text)) != 0 ||
	    xv_read(pool, note, 0, text, sizeof(text)) != 0)
		return 1;
	xv_pool_get_stats(pool, &stats);
	printf("%s: page %u, offset %u; %d bytes asked for, %d bytes of header\n", text,
	       (unsigned)xv_handle_page(note), (unsigned)xv_handle_offset(note),
	       (int)stats.requested_bytes, (int)stats.header_bytes);
	if (xv_free(pool, note) != 0)
		return 1;
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
	return 0;
}
