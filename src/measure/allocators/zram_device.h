/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram_device.h: the kernel's zram as something to compare with.
 *
 * Owns one zram device, made through /sys/class/zram-control/hot_add. Close removes
 * it, and so does a small child process (zram_guard.h) when this one ends in any
 * other way, SIGKILL included. It never touches a device that it did not make.
 * Locking: none; call from one thread. Calls cost what the kernel's do; all
 * transfers are O_DIRECT and synchronous, so that the statistics are right at once.
 *
 * Every call returns 0 or a negative errno.
 */
#ifndef XVM_ALLOCATORS_ZRAM_DEVICE_H
#define XVM_ALLOCATORS_ZRAM_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes in a slot of the device, whatever the machine's page size. */
#define XVM_ZRAM_PAGE_BYTES 4096U

struct xvm_zram;

/* What mm_stat says. */
struct xvm_zram_stat {
	uint64_t orig_bytes;     /* data stored, uncompressed */
	uint64_t compr_bytes;    /* data stored, compressed; what "requested" means here */
	uint64_t mem_used_bytes; /* pages the kernel's allocator holds */
	uint64_t same_pages;     /* count of pages of one repeated word, stored as none */
	uint64_t huge_pages;     /* count of pages stored uncompressed */
};

/*
 * Could xvm_zram_open work here? 1, or 0 with one line in why. Makes no device.
 */
int xvm_zram_available(char *why, size_t why_bytes);

/*
 * Make a device of disk_bytes (rounded up to pages), compressing with algorithm
 * ("lz4", "lzo", "zstd"; NULL for the kernel's default). End it with
 * xvm_zram_close. On failure why has one line and no device is left.
 */
int xvm_zram_open(struct xvm_zram **out, const char *algorithm, uint64_t disk_bytes, char *why,
		  size_t why_bytes);

/* The device's number: N of /dev/zramN. */
unsigned xvm_zram_number(const struct xvm_zram *zram);

/*
 * The device, opened O_DIRECT, for transfers of whole pages by any thread. It is closed with the
 * device.
 */
int xvm_zram_fd(const struct xvm_zram *zram);

/* Write count pages at page index. pages may have any alignment. */
int xvm_zram_write(struct xvm_zram *zram, uint64_t index, const void *pages, size_t count);

/* Read one page back. */
int xvm_zram_read(struct xvm_zram *zram, uint64_t index, void *page);

/* Free count pages from page index on, as a discard. */
int xvm_zram_discard(struct xvm_zram *zram, uint64_t index, uint64_t count);

int xvm_zram_stat(struct xvm_zram *zram, struct xvm_zram_stat *stat);

/* Ask the kernel to compact the device's memory, and wait for it. */
int xvm_zram_compact(struct xvm_zram *zram);

/* Reset and remove the device. NULL is allowed. */
void xvm_zram_close(struct xvm_zram *zram);

#endif
