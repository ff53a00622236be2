/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * refuse.h: a system call of this process is refused from now on, as a seccomp filter of a
 * container does it. For child processes: it cannot be taken back. Calls add up.
 */
#ifndef REFUSE_H
#define REFUSE_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define REFUSE_LOW_HALF 0U
#else
#define REFUSE_LOW_HALF 4U
#endif

/* What mmap is to the system. */
#if defined(SYS_mmap2)
#define REFUSE_MMAP SYS_mmap2
#else
#define REFUSE_MMAP SYS_mmap
#endif

#define REFUSE_ANY (-1) /* whatever the arguments are */

/* Refuse system call `number` with `error`, where its argument (0 .. 5) has this value in
 * its low 32 bits. False where the system has no filters. */
static inline bool refuse(int number, int argument, uint32_t value, int error)
{
	uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + REFUSE_LOW_HALF +
		      8U * (uint32_t)(argument < 0 ? 0 : argument);
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, (uint8_t)(argument < 0 ? 0 : 1)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#endif
