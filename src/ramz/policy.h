/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * policy.h: what the rest of the store needs from the policy. Its state is in policy.c.
 */
#ifndef RZI_POLICY_H
#define RZI_POLICY_H

#include <ramz/policy.h>

#include "store_impl.h"

struct rzi_policy;

/* Make the state, without a policy; free it, after its thread has ended. Returns 0 or
 * -XV_ENOMEM. */
int rzi_policy_create(struct ramz *store);
void rzi_policy_destroy(struct ramz *store);

/* A write was refused at the hard limit, and holds nothing. Wait until the policy's thread has
 * made room, or until *deadline_ns, which is set the first time (0 before). True when it may try
 * again. */
bool rzi_policy_wait(struct rzi_context *context, uint64_t *deadline_ns);

/* Something changed that may help where nothing did: a device, a tier. From any thread. */
void rzi_policy_news(struct ramz *store);

/* Charged bytes of the state. */
uint64_t rzi_policy_bytes(void);

#endif
