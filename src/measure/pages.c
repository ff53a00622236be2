/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * pages.c: pages in a memfd; see pages.h. Locking: none.
 */
#include "pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int xvm_pages_init(struct xvm_pages *pages, uint64_t max_pages)
{
	size_t bytes = (size_t)max_pages * XVM_INPUT_PAGE_BYTES;
	void *data = MAP_FAILED;
	int fd = memfd_create("xvfrag-pages", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		xvm_error("no memory for %zu MiB of input pages (%s); use a smaller --max-input",
			  bytes >> 20, strerror(errno));
		if (fd >= 0)
			close(fd);
		return XVM_FAILED;
	}
	*pages = (struct xvm_pages){.fd = fd, .data = data, .capacity = max_pages};
	return 0;
}

void xvm_pages_fini(struct xvm_pages *pages)
{
	if (pages->data == NULL)
		return;
	munmap(pages->data, (size_t)pages->capacity * XVM_INPUT_PAGE_BYTES);
	close(pages->fd);
	*pages = (struct xvm_pages){.fd = -1};
}

uint8_t *xvm_pages_next(struct xvm_pages *pages)
{
	if (pages->count == pages->capacity)
		return NULL;
	return pages->data + pages->count * XVM_INPUT_PAGE_BYTES;
}

void xvm_pages_keep(struct xvm_pages *pages)
{
	pages->count++;
}

const uint8_t *xvm_pages_at(const struct xvm_pages *pages, uint64_t index)
{
	return pages->data + index * XVM_INPUT_PAGE_BYTES;
}
