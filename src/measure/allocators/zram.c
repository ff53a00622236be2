/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram.c: the kernel's zram as an allocator of pages.
 *
 * Owns one zram device, made through /sys/class/zram-control/hot_add. destroy removes
 * it, and so does a small child process when this one ends in any other way, SIGKILL
 * included. It never touches a device that it did not make. Locking: none; write and read
 * may be called by several threads at once. Calls cost what the kernel's do. The device's life:
 *
 *   hot_add -> guard -> algorithm, size -> opened, used -> closed -> guard removes it
 *
 * The guard is a shell that waits on a pipe. When the pipe closes, because its owner let go of
 * it or died, it resets and removes the device. Signals are blocked from before hot_add on, in
 * the guard for ever: from then on somebody will remove the device.
 */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#define CONTROL "/sys/class/zram-control"

enum {
	PAGE_BYTES = 4096, /* in a slot of the device, whatever the machine's page size */
	TEXT_BYTES = 512,
};

struct zram {
	unsigned number; /* /dev/zramN */
	int fd;          /* the device, O_DIRECT; -1 while not open */
	int pipe;        /* its closing ends the guard */
	pid_t guard;
};

/* ---- sysfs ---------------------------------------------------------------- */

/* Read a file's first line into text, or write text to it. */
static int file_access(const char *path, char *text, size_t read_bytes)
{
	int fd = open(path, (read_bytes > 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	ssize_t done;
	int error;

	if (fd < 0)
		return -errno;
	done = read_bytes > 0 ? read(fd, text, read_bytes - 1) : write(fd, text, strlen(text));
	error = done < 0 ? -errno : 0;
	close(fd);
	if (error == 0 && read_bytes > 0) {
		text[done] = '\0';
		text[strcspn(text, "\n")] = '\0';
	}
	return error;
}

/* The same with a file of the device. */
static int attribute_access(const struct zram *zram, const char *name, char *text,
			    size_t read_bytes)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/block/zram%u/%s", zram->number, name);
	return file_access(path, text, read_bytes);
}

static int attribute_set(const struct zram *zram, const char *name, const char *value)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", value);
	return attribute_access(zram, name, text, 0);
}

/* ---- the guard ------------------------------------------------------------ */

/* Waits for the end of its input; then resets and removes device $1, which may take some time. */
static char guard_script[] =
	"cat; for i in $(seq 200); do\n"
	"[ -e /sys/block/zram$1 ] || exit 0\n"
	"echo 1 >/sys/block/zram$1/reset; echo $1 >" CONTROL "/hot_remove && exit 0\n"
	"sleep 0.025; done";

/* It holds nothing of its owner's, has all signals blocked, and a session of its own. */
static int guard_start(struct zram *zram)
{
	char number[16];
	char *argv[] = {"sh", "-c", guard_script, "guard", number, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int ends[2], err;

	snprintf(number, sizeof(number), "%u", zram->number);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	err = posix_spawn(&zram->guard, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(ends[0]);
	zram->pipe = ends[1];
	if (err != 0)
		close(ends[1]);
	return -err;
}

/* ---- making a device ------------------------------------------------------ */

int xvm_zram_available(char *why)
{
	if (access(CONTROL, F_OK) != 0)
		return xvm_entry_complain(why, "this kernel has no " CONTROL
					       " (load the module: modprobe zram, as root)");
	if (geteuid() != 0 || access(CONTROL "/hot_add", R_OK) != 0)
		return xvm_entry_complain(why, "adding a zram device needs root (try sudo)");
	return 0;
}

/* hot_add makes a device just by being read, and says its number. */
static int device_add(struct zram *zram, char *why)
{
	char text[TEXT_BYTES];
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	err = file_access(CONTROL "/hot_add", text, sizeof(text));
	if (err == 0) {
		zram->number = (unsigned)strtoul(text, NULL, 10);
		err = guard_start(zram);
		if (err != 0)
			(void)file_access(CONTROL "/hot_remove", text, 0);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		xvm_entry_complain(why, "no zram device could be added: %s", strerror(-err));
	return err;
}

static int device_set_up(const struct zram *zram, const char *algorithm, uint64_t pages, char *why)
{
	char text[TEXT_BYTES] = "";
	int err = attribute_set(zram, "comp_algorithm", algorithm);

	if (err != 0) {
		(void)attribute_access(zram, "comp_algorithm", text, sizeof(text));
		xvm_entry_complain(why, "this kernel's zram does not know '%s'; it knows: %.120s",
				   algorithm, text);
		return err;
	}
	snprintf(text, sizeof(text), "%" PRIu64, pages * PAGE_BYTES);
	err = attribute_set(zram, "disksize", text);
	if (err != 0)
		xvm_entry_complain(why, "zram refuses a device of %s bytes: %s", text,
				   strerror(-err));
	return err;
}

/* Open it through a node of our own, which is gone at once: /dev need not be udev's. */
static int device_open(struct zram *zram, char *why)
{
	char directory[] = "/dev/.xvfrag-XXXXXX";
	char path[64], text[TEXT_BYTES];
	unsigned major_number, minor_number;
	int err = attribute_access(zram, "dev", text, sizeof(text));

	if (err == 0 && sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		err = -EIO;
	if (err == 0 && mkdtemp(directory) == NULL)
		err = -errno;
	if (err == 0) {
		snprintf(path, sizeof(path), "%s/node", directory);
		if (mknod(path, S_IFBLK | 0600, makedev(major_number, minor_number)) == 0)
			zram->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		err = zram->fd < 0 ? -errno : 0;
		unlink(path);
		rmdir(directory);
	}
	if (err != 0)
		xvm_entry_complain(why, "zram device %u was made but cannot be opened: %s",
				   zram->number, strerror(-err));
	return err;
}

/* ---- as an allocator ------------------------------------------------------ */

static void zram_destroy(void *heap)
{
	struct zram *zram = heap;

	if (zram->fd >= 0)
		close(zram->fd);
	close(zram->pipe);
	while (waitpid(zram->guard, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(zram);
}

/* All reasons are of this machine: it cannot run here. */
static void *zram_create(const struct xvfrag_plugin_config *config)
{
	struct zram *zram = NULL;
	int err = xvm_zram_available(config->why);

	if (err == 0 && (config->codec == NULL || strcmp(config->codec, "none") == 0))
		err = xvm_entry_complain(
			config->why, "it stores pages and compresses them: give an INPUT, and a "
				     "codec other than none");
	if (err == 0)
		zram = calloc(1, sizeof(*zram));
	errno = ENODEV;
	if (zram == NULL)
		return NULL;
	zram->fd = -1;
	if (device_add(zram, config->why) != 0) {
		free(zram);
		zram = NULL;
	} else if (device_set_up(zram, config->codec, config->max_objects, config->why) != 0 ||
		   device_open(zram, config->why) != 0) {
		zram_destroy(zram);
		zram = NULL;
	}
	errno = ENODEV;
	return zram;
}

unsigned xvm_zram_number(const void *heap)
{
	return ((const struct zram *)heap)->number;
}

/* The slot is there: it is the object. */
static int zram_alloc(void *heap, size_t size, uint32_t index, uint64_t *token)
{
	(void)heap;
	(void)size;
	*token = index;
	return 0;
}

static int zram_free(void *heap, uint64_t token, size_t size)
{
	uint64_t range[2] = {token * PAGE_BYTES, PAGE_BYTES};

	(void)size;
	return ioctl(((struct zram *)heap)->fd, BLKDISCARD, range) == 0 ? 0 : -errno;
}

static int zram_result(ssize_t bytes)
{
	if (bytes < 0)
		return -errno;
	return bytes == PAGE_BYTES ? 0 : -EIO;
}

/* O_DIRECT: pages are aligned. */
static int zram_write(void *heap, uint64_t token, const void *data, size_t size)
{
	(void)size;
	return zram_result(
		pwrite(((struct zram *)heap)->fd, data, PAGE_BYTES, (off_t)(token * PAGE_BYTES)));
}

static int zram_read(void *heap, uint64_t token, void *data, size_t size)
{
	(void)size;
	return zram_result(
		pread(((struct zram *)heap)->fd, data, PAGE_BYTES, (off_t)(token * PAGE_BYTES)));
}

/* A field of mm_stat: orig_data_size compr_data_size mem_used_total ... */
static uint64_t zram_stat(const struct zram *zram, unsigned field)
{
	uint64_t fields[3] = {0, 0, 0};
	char text[TEXT_BYTES];

	if (attribute_access(zram, "mm_stat", text, sizeof(text)) == 0)
		sscanf(text, "%" SCNu64 "%" SCNu64 "%" SCNu64, &fields[0], &fields[1], &fields[2]);
	return fields[field];
}

static uint64_t zram_requested_bytes(void *heap)
{
	return zram_stat(heap, 1);
}

static uint64_t zram_held_bytes(void *heap)
{
	return zram_stat(heap, 2);
}

/* The kernel compacts all at once, and does not tell what it moved. */
static int zram_compact_step(void *heap, uint64_t *moved_bytes)
{
	(void)moved_bytes;
	return attribute_set(heap, "compact", "1");
}

const struct xvfrag_plugin xvm_allocator_zram = {
	.abi = XVFRAG_PLUGIN_ABI,
	.flags = XVFRAG_PLUGIN_PAGES,
	.name = "zram",
	.summary = "the kernel's zram, real pages on a device of its own (needs root)",
	.create = zram_create,
	.destroy = zram_destroy,
	.alloc = zram_alloc,
	.free = zram_free,
	.write = zram_write,
	.read = zram_read,
	.held_bytes = zram_held_bytes,
	.requested_bytes = zram_requested_bytes,
	.compact_step = zram_compact_step,
};
