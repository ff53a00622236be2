/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_share.c: a zram device for several threads, and as a subject; see zram_share.h and
 * subject.h. The node is proved to be the device before it is used. Locking: none.
 */
#include "zram_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "subject.h"

#define SHARE_PATH_BYTES 64

/* The device number that sysfs gives for zramN; 0 when it cannot be read. */
static dev_t share_number(unsigned n)
{
	char path[SHARE_PATH_BYTES];
	unsigned major_number, minor_number;
	dev_t number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/zram%u/dev", n);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%u:%u", &major_number, &minor_number) == 2)
		number = makedev(major_number, minor_number);
	fclose(file);
	return number;
}

static int share_open_node(struct rzc_zram_share *share, char *why, size_t why_bytes)
{
	unsigned n = xvf_zram_number(share->device);
	char path[SHARE_PATH_BYTES];
	struct stat status;

	snprintf(path, sizeof(path), "/dev/zram%u", n);
	share->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (share->fd < 0) {
		snprintf(why, why_bytes, "cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(share->fd, &status) == 0 && S_ISBLK(status.st_mode) &&
	    status.st_rdev == share_number(n))
		return 0;
	snprintf(why, why_bytes, "%s is not the device that was added", path);
	return -1;
}

int rzc_zram_share_open(struct rzc_zram_share *share, const char *algorithm, uint64_t pages,
			char *why, size_t why_bytes)
{
	*share = (struct rzc_zram_share){.fd = -1};
	if (xvf_zram_open(&share->device, algorithm, pages * XVF_ZRAM_PAGE_BYTES, why, why_bytes) !=
	    0) {
		share->device = NULL;
		return -1;
	}
	if (share_open_node(share, why, why_bytes) == 0)
		return 0;
	rzc_zram_share_close(share);
	return -1;
}

void rzc_zram_share_close(struct rzc_zram_share *share)
{
	if (share->fd >= 0)
		close(share->fd);
	xvf_zram_close(share->device);
	*share = (struct rzc_zram_share){.fd = -1};
}

/* ---- as a subject ---- */

struct subject_zram {
	const struct rzc_scene *scene;
	struct rzc_zram_share *share;
	uint64_t first;
};

static int zram_done(ssize_t bytes)
{
	if (bytes < 0)
		return -errno;
	return bytes == XVF_ZRAM_PAGE_BYTES ? 0 : -EIO;
}

static off_t zram_offset(const struct subject_zram *s, uint32_t slot)
{
	return (off_t)((s->first + slot) * XVF_ZRAM_PAGE_BYTES);
}

static int zram_write(void *self, unsigned thread, uint32_t slot, uint32_t n)
{
	const struct subject_zram *s = self;

	(void)thread;
	return zram_done(pwrite(s->share->fd, rzc_scene_page(s->scene, n), XVF_ZRAM_PAGE_BYTES,
				zram_offset(s, slot)));
}

static int zram_read(void *self, unsigned thread, uint32_t slot, uint32_t n, uint8_t *dst)
{
	const struct subject_zram *s = self;

	(void)thread;
	(void)n;
	return zram_done(pread(s->share->fd, dst, XVF_ZRAM_PAGE_BYTES, zram_offset(s, slot)));
}

static int zram_clear(void *self)
{
	const struct subject_zram *s = self;

	return xvf_zram_discard(s->share->device, s->first, s->scene->count);
}

void rzc_subject_zram(struct rzc_subject *subject, const struct rzc_scene *scene,
		      struct rzc_zram_share *share, uint64_t first)
{
	struct subject_zram *s = xvf_calloc(1, sizeof(*s));

	*s = (struct subject_zram){.scene = scene, .share = share, .first = first};
	*subject = (struct rzc_subject){
		.self = s,
		.write = zram_write,
		.read = zram_read,
		.clear = zram_clear,
		.destroy = free,
	};
}
