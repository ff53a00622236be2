/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * xvi_probe.h: static probes for tracers, which docs/probes.md lists. A probe is a nop and a note
 * in the file, and the arguments are where they are. Nothing without the header sys/sdt.h. Owns
 * nothing, no locking, O(1).
 */
#ifndef XVI_PROBE_H
#define XVI_PROBE_H

#ifndef XVI_PROBES
#define XVI_PROBES 0
#endif

#if XVI_PROBES
#include <sys/sdt.h>
#if defined(__clang__) /* its macros are used in the files that include this */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define XVI_PROBE2(library, name, a, b) DTRACE_PROBE2(library, name, a, b)
#define XVI_PROBE3(library, name, a, b, c) DTRACE_PROBE3(library, name, a, b, c)
#define XVI_PROBE4(library, name, a, b, c, d) DTRACE_PROBE4(library, name, a, b, c, d)
#else
#define XVI_PROBE2(library, name, a, b) ((void)0)
#define XVI_PROBE3(library, name, a, b, c) ((void)0)
#define XVI_PROBE4(library, name, a, b, c, d) ((void)0)
#endif

#endif
