/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* A user of libxvmalloc alone: one pool over memory from the system, one object. */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

static int store_and_read_back(struct xv_pool *pool)
{
	static const char text[] = "kept in a pool";
	char back[sizeof(text)];
	xv_handle handle;

	if (xv_malloc(pool, sizeof(text), &handle) != 0)
		return 1;
	if (xv_write(pool, handle, 0, text, sizeof(text)) != 0)
		return 1;
	if (xv_read(pool, handle, 0, back, sizeof(back)) != 0)
		return 1;
	return memcmp(back, text, sizeof(text)) != 0 || xv_free(pool, handle) != 0;
}

int main(void)
{
	struct xv_provider *provider;
	struct xv_pool *pool;
	int failed;

	if (strcmp(xv_version(), XV_VERSION_STRING) != 0)
		return 1;
	if (xv_provider_mmap_create(&provider, NULL) != 0)
		return 1;
	if (xv_pool_create(&pool, provider, NULL) != 0)
		return 1;
	failed = store_and_read_back(pool);
	xv_pool_destroy(pool);
	xv_provider_mmap_destroy(provider);
	printf("xvmalloc %s: %s\n", xv_version(), failed ? "failed" : "works");
	return failed;
}
