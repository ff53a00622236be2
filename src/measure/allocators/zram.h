/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * zram.h: the kernel's zram as something to compare with.
 *
 * Owns one zram device, made through /sys/class/zram-control/hot_add. Close removes
 * it, and so does a small child process when this one ends in any other way, SIGKILL
 * included. It never touches a device that it did not make.
 *
 * Pages are XVM_ZRAM_PAGE_BYTES long and aligned to that, as O_DIRECT wants them. A call
 * returns 0 or a negative errno; `why` is as in registry.h. Locking: none; put and get may
 * be called by several threads at once. Calls cost what the kernel's do.
 */
#ifndef XVM_ALLOCATORS_ZRAM_H
#define XVM_ALLOCATORS_ZRAM_H

#include <stdint.h>

/* Bytes in a slot of the device, whatever the machine's page size. */
#define XVM_ZRAM_PAGE_BYTES 4096U

struct xvm_zram;

/* What mm_stat says. */
struct xvm_zram_stat {
	uint64_t orig_bytes;     /* data stored, uncompressed */
	uint64_t compr_bytes;    /* data stored, compressed; what "requested" means here */
	uint64_t mem_used_bytes; /* pages the kernel's allocator holds */
};

/* Could xvm_zram_open work here? 0, or -1 with the reason in why. Makes no device. */
int xvm_zram_available(char *why);

/*
 * Make a device of so many pages, compressing with algorithm ("lz4"; NULL for the kernel's
 * default). End it with xvm_zram_close. NULL on failure, with errno set and the reason in
 * why; then no device is left.
 */
struct xvm_zram *xvm_zram_open(const char *algorithm, uint64_t pages, char *why);

/* Reset and remove the device. NULL is allowed. */
void xvm_zram_close(struct xvm_zram *zram);

/* The device's number: N of /dev/zramN. */
unsigned xvm_zram_number(const struct xvm_zram *zram);

/* Write a page to a slot, or read it. */
int xvm_zram_put(const struct xvm_zram *zram, uint64_t slot, const void *page);
int xvm_zram_get(const struct xvm_zram *zram, uint64_t slot, void *page);

/* Free count slots from slot on. */
int xvm_zram_discard(const struct xvm_zram *zram, uint64_t slot, uint64_t count);

int xvm_zram_stat(const struct xvm_zram *zram, struct xvm_zram_stat *stat);

/* Ask the kernel to compact the device's memory, and wait for it. */
int xvm_zram_compact(const struct xvm_zram *zram);

#endif
