/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * fuzz_images.h: what a device may hold: the contents of a store at its last completed checkpoint,
 * and at those that failed since.
 *
 * Owns copies of the contents. May call: public headers. Locking: none; one thread. O(bytes).
 */
#ifndef FUZZ_IMAGES_H
#define FUZZ_IMAGES_H

#include <ramz/ramz.h>

#include "fuzz.h"

enum { FUZZ_IMAGES_MAX = 4 };

struct fuzz_image {
	unsigned char *bytes;
	uint64_t pages;
};

/* Zero-initialise. */
struct fuzz_images {
	struct fuzz_image image[FUZZ_IMAGES_MAX];
	uint32_t count;   /* above FUZZ_IMAGES_MAX: not all are kept */
	bool is_complete; /* the first is of a completed checkpoint */
};

static inline void fuzz_images_drop(struct fuzz_images *images)
{
	for (uint32_t i = 0; i < FUZZ_IMAGES_MAX; i++)
		free(images->image[i].bytes);
	memset(images, 0, sizeof(*images));
}

static inline void fuzz_images_add(struct fuzz_images *images, const void *contents, size_t bytes,
				   uint64_t pages)
{
	struct fuzz_image *image = &images->image[images->count % FUZZ_IMAGES_MAX];

	if (images->count++ >= FUZZ_IMAGES_MAX)
		return;
	image->pages = pages;
	image->bytes = malloc(bytes);
	FUZZ_CHECK(image->bytes != NULL);
	memcpy(image->bytes, contents, bytes);
}

static inline bool fuzz_image_is(const struct fuzz_image *image, struct ramz *store)
{
	static unsigned char page[65536];
	size_t page_bytes = ramz_page_bytes(store);

	if (image->bytes == NULL || image->pages != ramz_size_bytes(store) / page_bytes)
		return false;
	for (uint64_t i = 0; i < image->pages; i++) {
		FUZZ_CHECK(ramz_read_page(store, i, page) == 0);
		if (memcmp(page, image->bytes + i * page_bytes, page_bytes) != 0)
			return false;
	}
	return true;
}

/* The image that the store has; NULL: none that is kept. */
static inline const struct fuzz_image *fuzz_images_find(const struct fuzz_images *images,
							struct ramz *store)
{
	for (uint32_t i = 0; i < FUZZ_IMAGES_MAX; i++) {
		if (fuzz_image_is(&images->image[i], store))
			return &images->image[i];
	}
	return NULL;
}

#endif
