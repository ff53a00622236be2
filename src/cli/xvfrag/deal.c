/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * deal.c: operations for threads; see deal.h. Locking: none.
 */
#include "deal.h"

#include "rss.h"

/* Records of a place are 4 bytes or more: so many fill a cache line of 128 bytes. */
#define DEAL_PLACES_STEP 32U

uint64_t xvf_deal_place(const struct xvf_deal *deal, uint64_t slot)
{
	if (deal->threads == 1)
		return slot;
	return slot % deal->threads * deal->places_a_thread + slot / deal->threads;
}

static void deal_count_places(struct xvf_deal *deal, uint64_t slots)
{
	uint64_t each = (slots + deal->threads - 1) / deal->threads;

	if (deal->threads > 1)
		each = (each + DEAL_PLACES_STEP - 1) / DEAL_PLACES_STEP * DEAL_PLACES_STEP;
	deal->places_a_thread = each;
	deal->places = each * deal->threads;
}

/* Sort one phase's operations by thread, keeping their order: first gets where each begins. */
static void deal_phase(const struct xvf_deal *deal, const struct xvm_op *from,
		       const struct xvm_phase *phase, struct xvm_op *to, uint64_t *first)
{
	uint64_t next[XVF_THREADS_MAX + 1] = {0};

	from += phase->first_op;
	for (uint64_t i = 0; i < phase->op_count; i++)
		next[from[i].slot % deal->threads + 1]++;
	next[0] = phase->first_op;
	for (unsigned t = 0; t < deal->threads; t++) {
		first[t] = next[t];
		next[t + 1] += next[t];
	}
	for (uint64_t i = 0; i < phase->op_count; i++) {
		uint64_t at = next[from[i].slot % deal->threads]++;

		to[at].slot = (uint32_t)xvf_deal_place(deal, from[i].slot);
		to[at].source = from[i].source;
	}
}

bool xvf_deal_make(struct xvf_deal *deal, const struct xvm_workload_view *work, unsigned threads)
{
	const struct xvm_workload_head *head = work->head;
	uint64_t lists = (uint64_t)head->phases * threads;
	struct xvm_op *ops;

	*deal = (struct xvf_deal){.threads = threads, .ops = work->ops};
	deal_count_places(deal, head->slots);
	deal->first = xvm_resident_memory((lists + 1) * sizeof(*deal->first));
	if (deal->first == NULL)
		return false;
	deal->first[lists] = head->ops;
	if (threads == 1) {
		for (uint32_t p = 0; p < head->phases; p++)
			deal->first[p] = head->phase[p].first_op;
		return true;
	}
	ops = xvm_resident_memory(head->ops * sizeof(*ops));
	if (ops == NULL)
		return false;
	for (uint32_t p = 0; p < head->phases; p++)
		deal_phase(deal, work->ops, &head->phase[p], ops,
			   deal->first + (size_t)p * threads);
	deal->ops = ops;
	return true;
}

const struct xvm_op *xvf_deal_ops(const struct xvf_deal *deal, uint32_t phase, unsigned thread,
				  uint64_t *count)
{
	const uint64_t *first = deal->first + (size_t)phase * deal->threads + thread;

	*count = first[1] - first[0];
	return deal->ops + first[0];
}
