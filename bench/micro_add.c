/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * micro_add.c: which subjects, mixes and live counts go together, and the names that come
 * of it; see micro.h. Specs and names are never freed: they live as long as the process.
 * Locking: none. O(1).
 */
#include <stdio.h>

#include "base.h"
#include "micro.h"

static const uint32_t lives[] = {1000, 37000, 200000, 0};

uint32_t micro_live_at(size_t index)
{
	return lives[index];
}

const struct mix *micro_mix_at(const struct micro_setup *setup, size_t index)
{
	const struct mix *mixes[] = {&setup->page, &setup->small, &setup->recorded, NULL};

	return mixes[index] != NULL && mixes[index]->name != NULL ? mixes[index] : NULL;
}

unsigned micro_groups(const struct mix *mix)
{
	return mix->max_size <= 4096 ? GROUP_MAIN : GROUP_POINTER;
}

bool micro_pairs_with(const struct bench_subject *subject, const struct mix *mix, uint32_t live)
{
	unsigned groups = micro_groups(mix) | GROUP_BASELINE;

	if (groups & GROUP_MAIN && live <= 37000)
		groups |= GROUP_KNOB | GROUP_PROVIDER;
	return (subject->groups & groups) != 0;
}

const struct scene_spec *micro_spec(const struct bench_subject *subject, const struct mix *mix,
				    uint32_t live)
{
	struct scene_spec *spec = xvm_calloc(1, sizeof(*spec));

	*spec = (struct scene_spec){.subject = subject, .mix = mix, .live = live};
	return spec;
}

void micro_add(const char *part, micro_body *body, const struct scene_spec *spec,
	       uint64_t iterations)
{
	struct micro_entry entry = {
		.body = body,
		.context = spec,
		.argument = {{"live", spec->live}},
		.iterations = iterations,
	};
	char name[96];

	snprintf(name, sizeof(name), "%s/%s/%s", part, spec->subject->name, spec->mix->name);
	entry.name = name;
	micro_register(&entry);
}
