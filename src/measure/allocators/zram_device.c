/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_device.c: see zram_device.h. The device's life:
 *
 *   guard started -> hot_add -> guard told -> algorithm, size -> opened, used
 *   -> closed -> guard ended, which resets and removes
 *
 * so that from hot_add on there is always somebody who will remove it. The device
 * node is proved to be the device that sysfs names before it is used.
 */
#include "zram_device.h"

#include "zram_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#define CONTROL_DIRECTORY "/sys/class/zram-control"
#define HOT_ADD CONTROL_DIRECTORY "/hot_add"

enum {
	PATH_BYTES = 128,
	TEXT_BYTES = 512,
	BOUNCE_PAGES = 64, /* pages in one write to the device */
	NODE_TRIES = 100,  /* of 10 ms: udev may be slow to make the node */
	NODE_WAIT_NS = 10 * 1000 * 1000,
};

struct xvm_zram {
	struct zram_guard guard;
	unsigned device;       /* number: /dev/zramN */
	int fd;                /* the device, O_DIRECT; -1 while not open */
	unsigned char *bounce; /* aligned, BOUNCE_PAGES */
	uint64_t pages;        /* of the device */
};

/* ---- sysfs ---- */

/* Read a file's first line into text. Returns 0 or a negative errno. */
static int file_get(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, bytes - 1);
	if (got < 0) {
		got = -errno;
		close(fd);
		return (int)got;
	}
	close(fd);
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static void attribute_path(const struct xvm_zram *zram, const char *name, char *path)
{
	snprintf(path, PATH_BYTES, "/sys/block/zram%u/%s", zram->device, name);
}

static int attribute_get(const struct xvm_zram *zram, const char *name, char *text, size_t bytes)
{
	char path[PATH_BYTES];

	attribute_path(zram, name, path);
	return file_get(path, text, bytes);
}

static int attribute_put(const struct xvm_zram *zram, const char *name, const char *text)
{
	char path[PATH_BYTES];

	attribute_path(zram, name, path);
	return zram_file_put(path, text);
}

/* ---- Making a device ---- */

int xvm_zram_available(char *why, size_t why_bytes)
{
	if (access(CONTROL_DIRECTORY, F_OK) != 0) {
		snprintf(why, why_bytes,
			 "this kernel has no %s (load the module: modprobe zram, as root)",
			 CONTROL_DIRECTORY);
		return 0;
	}
	if (geteuid() != 0 || access(HOT_ADD, R_OK) != 0) {
		snprintf(why, why_bytes, "adding a zram device needs root (try sudo)");
		return 0;
	}
	return 1;
}

/* hot_add makes a device just by being read, and says its number. */
static int device_add(struct xvm_zram *zram, char *why, size_t why_bytes)
{
	sigset_t all, before;
	char text[TEXT_BYTES];
	int err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	err = file_get(HOT_ADD, text, sizeof(text));
	if (err == 0) {
		zram->device = (unsigned)strtoul(text, NULL, 10);
		err = zram_guard_watch(&zram->guard, zram->device);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		snprintf(why, why_bytes, "%s: %s", HOT_ADD, strerror(-err));
	return err;
}

static int device_set_algorithm(struct xvm_zram *zram, const char *algorithm, char *why,
				size_t why_bytes)
{
	char known[TEXT_BYTES] = "";
	int err = attribute_put(zram, "comp_algorithm", algorithm);

	if (err == 0)
		return 0;
	(void)attribute_get(zram, "comp_algorithm", known, sizeof(known));
	snprintf(why, why_bytes, "this kernel's zram does not know '%s'; it knows: %.200s",
		 algorithm, known);
	return err;
}

static int device_set_size(struct xvm_zram *zram, uint64_t disk_bytes, char *why, size_t why_bytes)
{
	char text[32];
	int err;

	zram->pages = (disk_bytes + XVM_ZRAM_PAGE_BYTES - 1) / XVM_ZRAM_PAGE_BYTES;
	snprintf(text, sizeof(text), "%" PRIu64, zram->pages * XVM_ZRAM_PAGE_BYTES);
	err = attribute_put(zram, "disksize", text);
	if (err != 0)
		snprintf(why, why_bytes, "zram refuses a device of %s bytes: %s", text,
			 strerror(-err));
	return err;
}

/* ---- Opening it ---- */

/* The device number that sysfs gives for our device. */
static int device_number(const struct xvm_zram *zram, dev_t *number)
{
	unsigned major_number, minor_number;
	char text[TEXT_BYTES];
	int err = attribute_get(zram, "dev", text, sizeof(text));

	if (err != 0)
		return err;
	if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return -EIO;
	*number = makedev(major_number, minor_number);
	return 0;
}

/* Open a node only if it is the very device. Returns a descriptor or a negative errno. */
static int node_open(const char *path, dev_t number)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == number)
		return fd;
	close(fd);
	return -ENXIO;
}

/* Where nobody makes nodes in /dev: one of our own, gone as soon as it is open. */
static int private_node_open(dev_t number)
{
	char directory[] = "/dev/.xvfrag-XXXXXX";
	char path[PATH_BYTES];
	int fd;

	if (mkdtemp(directory) == NULL)
		return -errno;
	snprintf(path, sizeof(path), "%s/node", directory);
	fd = mknod(path, S_IFBLK | 0600, number) == 0 ? node_open(path, number) : -errno;
	unlink(path);
	rmdir(directory);
	return fd;
}

static int device_open(struct xvm_zram *zram, char *why, size_t why_bytes)
{
	const struct timespec pause = {0, NODE_WAIT_NS};
	char path[PATH_BYTES];
	dev_t number;
	int tries, fd = device_number(zram, &number);

	if (fd == 0) {
		snprintf(path, sizeof(path), "/dev/zram%u", zram->device);
		fd = node_open(path, number);
		for (tries = 0; fd < 0 && tries < NODE_TRIES; tries++) {
			nanosleep(&pause, NULL);
			fd = node_open(path, number);
		}
		if (fd < 0)
			fd = private_node_open(number);
	}
	if (fd < 0) {
		snprintf(why, why_bytes, "zram device %u was made but cannot be opened: %s",
			 zram->device, strerror(-fd));
		return fd;
	}
	zram->fd = fd;
	return 0;
}

static int device_set_up(struct xvm_zram *zram, const char *algorithm, uint64_t disk_bytes,
			 char *why, size_t why_bytes)
{
	int err = device_add(zram, why, why_bytes);

	if (err == 0 && algorithm != NULL)
		err = device_set_algorithm(zram, algorithm, why, why_bytes);
	if (err == 0)
		err = device_set_size(zram, disk_bytes, why, why_bytes);
	if (err == 0)
		err = device_open(zram, why, why_bytes);
	return err;
}

/* A record with its bounce buffer, or NULL. */
static struct xvm_zram *zram_make(void)
{
	struct xvm_zram *zram = calloc(1, sizeof(*zram));
	void *bounce;

	if (zram == NULL)
		return NULL;
	if (posix_memalign(&bounce, XVM_ZRAM_PAGE_BYTES, BOUNCE_PAGES * XVM_ZRAM_PAGE_BYTES) != 0) {
		free(zram);
		return NULL;
	}
	zram->bounce = bounce;
	zram->fd = -1;
	return zram;
}

static void zram_unmake(struct xvm_zram *zram)
{
	free(zram->bounce);
	free(zram);
}

int xvm_zram_open(struct xvm_zram **out, const char *algorithm, uint64_t disk_bytes, char *why,
		  size_t why_bytes)
{
	struct xvm_zram *zram;
	int err;

	if (!xvm_zram_available(why, why_bytes))
		return -ENODEV;
	zram = zram_make();
	err = zram != NULL ? zram_guard_start(&zram->guard) : -ENOMEM;
	if (err != 0) {
		snprintf(why, why_bytes, "cannot prepare a zram device: %s", strerror(-err));
		if (zram != NULL)
			zram_unmake(zram);
		return err;
	}
	err = device_set_up(zram, algorithm, disk_bytes, why, why_bytes);
	if (err != 0)
		xvm_zram_close(zram);
	else
		*out = zram;
	return err;
}

void xvm_zram_close(struct xvm_zram *zram)
{
	if (zram == NULL)
		return;
	if (zram->fd >= 0)
		close(zram->fd);
	(void)zram_guard_end(&zram->guard);
	zram_unmake(zram);
}

/* ---- Using it ---- */

unsigned xvm_zram_number(const struct xvm_zram *zram)
{
	return zram->device;
}

int xvm_zram_fd(const struct xvm_zram *zram)
{
	return zram->fd;
}

static int zram_range_bad(const struct xvm_zram *zram, uint64_t index, uint64_t count)
{
	return index > zram->pages || count > zram->pages - index;
}

/* Where a page begins on the device, bytes. */
static off_t page_offset(uint64_t index)
{
	return (off_t)(index * XVM_ZRAM_PAGE_BYTES);
}

static int write_batch(struct xvm_zram *zram, uint64_t index, const void *pages, size_t count)
{
	size_t bytes = count * XVM_ZRAM_PAGE_BYTES;
	ssize_t put;

	memcpy(zram->bounce, pages, bytes);
	put = pwrite(zram->fd, zram->bounce, bytes, page_offset(index));
	if (put < 0)
		return -errno;
	return (size_t)put == bytes ? 0 : -EIO;
}

int xvm_zram_write(struct xvm_zram *zram, uint64_t index, const void *pages, size_t count)
{
	const unsigned char *from = pages;
	int err = 0;

	if (zram_range_bad(zram, index, count))
		return -ERANGE;
	while (count > 0 && err == 0) {
		size_t batch = count < BOUNCE_PAGES ? count : BOUNCE_PAGES;

		err = write_batch(zram, index, from, batch);
		from += batch * XVM_ZRAM_PAGE_BYTES;
		index += batch;
		count -= batch;
	}
	return err;
}

int xvm_zram_read(struct xvm_zram *zram, uint64_t index, void *page)
{
	ssize_t got;

	if (zram_range_bad(zram, index, 1))
		return -ERANGE;
	got = pread(zram->fd, zram->bounce, XVM_ZRAM_PAGE_BYTES, page_offset(index));
	if (got < 0)
		return -errno;
	if (got != XVM_ZRAM_PAGE_BYTES)
		return -EIO;
	memcpy(page, zram->bounce, XVM_ZRAM_PAGE_BYTES);
	return 0;
}

int xvm_zram_discard(struct xvm_zram *zram, uint64_t index, uint64_t count)
{
	uint64_t range[2] = {index * XVM_ZRAM_PAGE_BYTES, count * XVM_ZRAM_PAGE_BYTES};

	if (zram_range_bad(zram, index, count))
		return -ERANGE;
	if (count == 0)
		return 0;
	return ioctl(zram->fd, BLKDISCARD, range) == 0 ? 0 : -errno;
}

int xvm_zram_stat(struct xvm_zram *zram, struct xvm_zram_stat *stat)
{
	/* orig compr mem_used limit max same compacted huge; huge since Linux 4.18 */
	uint64_t field[8] = {0};
	char text[TEXT_BYTES], *at = text, *end;
	int i, err = attribute_get(zram, "mm_stat", text, sizeof(text));

	if (err != 0)
		return err;
	for (i = 0; i < 8; i++, at = end) {
		field[i] = strtoull(at, &end, 10);
		if (end == at)
			break;
	}
	if (i < 6)
		return -EIO;
	stat->orig_bytes = field[0];
	stat->compr_bytes = field[1];
	stat->mem_used_bytes = field[2];
	stat->same_pages = field[5];
	stat->huge_pages = field[7];
	return 0;
}

int xvm_zram_compact(struct xvm_zram *zram)
{
	return attribute_put(zram, "compact", "1");
}
