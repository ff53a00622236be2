/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine_memory.h: how much memory this process may use: that of the machine, or less in a control
 * group (a container, a systemd unit) with a limit. And how long tasks wait for memory.
 *
 * May call: the system's files. Locking: none, no state. O(lines of /proc/self/mountinfo + depth of
 * the control group), rzi_pressure_read O(1).
 */
#ifndef RZI_MACHINE_MEMORY_H
#define RZI_MACHINE_MEMORY_H

#include <stdint.h>

/* Memory of the machine, bytes; 0 if the system does not tell. */
uint64_t rzi_machine_bytes(void);

/*
 * The least of machine_bytes and the limits of the control group that ROOT/proc/self/cgroup names,
 * and of the groups above it: memory.max and memory.high (version 2), memory.limit_in_bytes
 * (version 1). machine_bytes 0 is no limit, and so is a file that cannot be read. root is "" for
 * the files of the system, or a directory with a copy of them.
 */
uint64_t rzi_memory_of_groups(const char *root, uint64_t machine_bytes);

/*
 * Open what tells how long tasks wait for memory (Linux, accounting/psi.rst): path; or for NULL
 * memory.pressure of the control group (version 2), else ROOT/proc/pressure/memory. Returns a
 * descriptor, which is read once to see that it tells, or -XV_ENOTSUP.
 */
int rzi_pressure_open(const char *root, const char *path);

/* The share of the last 10 seconds in which some task waited, in hundredths of a percent, or
 * -XV_ENOTSUP. */
int rzi_pressure_read(int fd);

void rzi_pressure_close(int fd);

#endif
