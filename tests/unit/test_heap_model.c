/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * test_heap_model.c: random lives of a heap against a shadow, over every page size, with and
 * without grains, proof, window, alignment and a table that is too small; with calls of the
 * source that fail. The contents of each block and all invariants are checked, and that the blocks
 * lie at the same places on every machine.
 *
 * XV_TEST_SEED repeats a run, XV_TEST_OPERATIONS makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "digest.h"
#include "fast.h"
#include "heap_source.h"
#include "sound.h"
#include "start.h"
#include "test_random.h"

enum { BLOCKS_MAX = 1500, KEPT_MAX = 64 };

struct shadow_block {
	uint32_t page;
	uint32_t unit;
	uint32_t content;
	uint32_t kind;
	uint32_t alignment;
	unsigned char fill;
};

struct model {
	struct heap_source source;
	struct shadow_block block[BLOCKS_MAX];
	uint32_t count;
	uint64_t random;
	uint64_t failures;
	uint64_t digest; /* of what the calls returned */
};

static void note(struct model *model, uint64_t value)
{
	digest_add(&model->digest, value);
}

static void check(struct model *model)
{
	struct xvi_heap_fault fault;

	if (!xvi_heap_check(&model->source.heap, &fault)) {
		print_error("invariant %u, page %u, unit %u: %s\n", fault.invariant, fault.page,
			    fault.unit, fault.message);
		fail();
	}
	assert_int_equal(heap_block_count(&model->source.heap), model->count);
	assert_int_equal(model->source.heap.committed_grains, model->source.grains);
	assert_int_equal(model->source.maps, 0);
}

static unsigned char *payload(uint32_t *words, uint32_t unit)
{
	return (unsigned char *)&words[unit + 1];
}

/* What is around a block is found, whether it is trusted or not. */
static void around_verify(const struct xvi_heap *heap, const struct shadow_block *block,
			  const uint32_t *words)
{
	struct xvi_around around, trusted;

	trusted = around_look(heap, &heap->shape, words, block->unit, words[block->unit]);
	assert_true(block_is_sound(heap, &heap->shape, heap_page(heap, block->page), block->page,
				   words, block->unit, &around));
	assert_memory_equal(&around, &trusted, sizeof(around));
}

static void block_verify(struct model *model, const struct shadow_block *block)
{
	struct xvi_heap *heap = &model->source.heap;
	uint32_t *words = heap_map(heap, block->page);
	uint32_t header = words[block->unit];

	assert_int_equal(block_content(header), block->content);
	assert_int_equal(block_kind(header), block->kind);
	if (heap->shape.prove) {
		assert_true(start_is(heap, &heap->shape, heap_page(heap, block->page), block->page,
				     words, block->unit));
		around_verify(heap, block, words);
	}
	for (uint32_t i = 0; i < block->content; i += 1 + i / 64)
		assert_int_equal(payload(words, block->unit)[i], block->fill);
	assert_int_equal(payload(words, block->unit)[block->content - 1], block->fill);
	heap_unmap(heap, block->page, words);
}

static void model_malloc(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	size_t most = heap_content_max(heap);
	struct shadow_block *block = &model->block[model->count];
	struct xvi_place place;
	uint32_t content = (uint32_t)random_size(&model->random, most);
	int err;

	if (model->count == BLOCKS_MAX)
		return;
	content = content > most ? (uint32_t)most : content;
	block->kind = (uint32_t)random_below(&model->random, 4);
	block->alignment =
		random_below(&model->random, 8) == 0 ? 8U << random_below(&model->random, 6) : 1;
	err = xvi_heap_malloc(heap, content, block->kind, block->alignment,
			      random_below(&model->random, 16) != 0 ? HEAP_MAY_GROW : 0, &place);
	note(model, err != 0 ? (uint64_t)err : (uint64_t)place.page << 32 ^ place.unit);
	if (err != 0) {
		model->failures++;
		return;
	}
	assert_int_equal((place.unit * UNIT_BYTES + heap->payload_at) % block->alignment, 0);
	assert_int_equal(
		(place.unit * UNIT_BYTES + heap->payload_at) % (heap->shape.align_mask + 1), 0);
	block->page = place.page;
	block->unit = place.unit;
	block->content = content;
	block->fill = (unsigned char)random_next(&model->random);
	memset(payload(place.words, place.unit), block->fill, content);
	heap_unmap(heap, place.page, place.words);
	model->count++;
}

static void model_part(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	struct shadow_block *block = &model->block[model->count];
	struct xvi_place place;
	uint32_t content =
		100 + (uint32_t)random_below(&model->random, heap_content_max(heap) - 100);

	if (model->count == BLOCKS_MAX ||
	    xvi_heap_malloc_part(heap, content, 48, 2, 0, &place) != 0)
		return;
	note(model, (uint64_t)place.page << 32 ^ place.unit);
	block->page = place.page;
	block->unit = place.unit;
	block->content = block_content(place.header);
	note(model, block->content);
	block->kind = 2;
	block->alignment = 1;
	block->fill = (unsigned char)random_next(&model->random);
	assert_in_range(block->content, 48, content);
	memset(payload(place.words, place.unit), block->fill, block->content);
	heap_unmap(heap, place.page, place.words);
	model->count++;
}

static void model_free(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	struct shadow_block block;
	uint32_t *words;
	uint32_t i;

	if (model->count == 0)
		return;
	i = (uint32_t)random_below(&model->random, model->count);
	block = model->block[i];
	block_verify(model, &block);
	words = heap_map(heap, block.page);
	xvi_heap_free(heap, block.page, words, block.unit);
	model->block[i] = model->block[--model->count];
}

static void model_resize(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	struct shadow_block *block;
	struct xvi_place place;
	uint32_t content;

	if (model->count == 0)
		return;
	block = &model->block[random_below(&model->random, model->count)];
	content = block->content / 2 + 1 + (uint32_t)random_below(&model->random, block->content);
	if (content > heap_content_max(heap))
		return;
	block_verify(model, block);
	place.page = block->page;
	place.unit = block->unit;
	place.words = heap_map(heap, block->page);
	place.header = place.words[block->unit];
	if (xvi_heap_resize(heap, &place, content)) {
		block->content = content;
		memset(payload(place.words, place.unit), block->fill, content);
	}
	note(model, block->content);
	heap_unmap(heap, place.page, place.words);
	block_verify(model, block);
}

static void model_victim(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	uint32_t page;

	if (heap->page_limit == 0)
		return;
	page = (uint32_t)random_below(&model->random, heap->page_limit);
	if (!heap_owns(heap, page))
		return;
	if (heap->victim != 0)
		xvi_heap_victim_end(heap);
	else if (heap_page(heap, page)->used_units != 0)
		xvi_heap_victim_begin(heap, page);
}

static void model_pin(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;
	struct xvi_page *record;
	uint32_t page;

	if (heap->page_limit == 0)
		return;
	page = (uint32_t)random_below(&model->random, heap->page_limit);
	record = heap_page(heap, page);
	if (heap_owns(heap, page))
		record->pins = record->pins != 0 ? 0 : (uint16_t)(page % 4 == 0);
	if (record->pins == 0)
		(void)xvi_heap_give_back(heap, heap_spare_most(heap));
}

static void model_step(struct model *model, uint32_t tendency)
{
	switch (random_below(&model->random, 40)) {
	case 0:
		model_victim(model);
		break;
	case 1:
		model_pin(model);
		break;
	case 2:
		(void)xvi_heap_give_back(&model->source.heap, random_below(&model->random, 20));
		break;
	case 3:
		xvi_heap_shrink_records(&model->source.heap);
		break;
	case 4:
		model_part(model);
		break;
	case 5:
	case 6:
		model_resize(model);
		break;
	case 7:
		model->source.fail_at =
			random_below(&model->random, 4) != 0
				? 0
				: model->source.takes + 1 + random_below(&model->random, 3);
		model->source.refuse_give = random_below(&model->random, 8) == 0;
		break;
	case 8:
		model->source.grains_most =
			random_below(&model->random, 3) == 0 ? model->source.grains : UINT64_MAX;
		break;
	default:
		if (random_below(&model->random, 100) < tendency)
			model_malloc(model);
		else
			model_free(model);
	}
}

static void unpin_all(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;

	for (uint32_t page = 0; page < heap->page_limit; page++) {
		if (heap_owns(heap, page))
			heap_page(heap, page)->pins = 0;
	}
}

/* Everything freed, only spare memory may be left. */
static void model_end(struct model *model)
{
	struct xvi_heap *heap = &model->source.heap;

	unpin_all(model);
	while (model->count != 0)
		model_free(model);
	model->source.refuse_give = false;
	check(model);
	assert_int_equal(heap->used_units, 0);
	(void)xvi_heap_give_back(heap, 0);
	assert_int_equal(heap->page_count, 0);
	assert_int_equal(heap->victim, 0);
	heap_source_fini(&model->source);
}

/* What a step left of the source's memory. */
static void note_source(struct model *model)
{
	note(model, model->source.grains << 32 ^ model->source.takes);
	note(model, model->source.given << 32 ^ model->source.heap.page_limit);
	note(model, model->source.heap.used_units << 32 ^ model->source.records_ready);
}

/* Returns the life's digest. */
static uint64_t run(const struct heap_source_shape *shape, uint64_t seed, uint64_t operations)
{
	static struct model model;

	memset(&model, 0, sizeof(model));
	model.random = seed;
	heap_source_init(&model.source, shape);
	for (uint64_t i = 0; i < operations; i++) {
		static const uint32_t tendency[] = {75, 30, 55, 45};

		model_step(&model, tendency[i / 400 % 4]);
		note_source(&model);
		if (i % 16 == 0)
			check(&model);
	}
	for (uint32_t i = 0; i < model.count; i++)
		block_verify(&model, &model.block[i]);
	if (getenv("XV_TEST_VERBOSE") != NULL)
		print_message("%u %u: digest %llX\n", shape->page_shift, shape->grain_shift,
			      (unsigned long long)model.digest);
	model_end(&model);
	return model.digest;
}

static void heap_keeps_every_block_and_invariant(void **state)
{
	uint64_t seed = environment_number("XV_TEST_SEED", 1);
	uint64_t operations = test_repeats("XV_TEST_OPERATIONS", 4000);
	static const struct digest_known known[] = {{4000, 0x8B6E3B8A03463534U},
						    {400, 0x2DC3E2BF3F923BE9U}};
	uint64_t digest = 0;

	(void)state;
	print_message("XV_TEST_SEED=%llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < 96; i++) {
		uint32_t page_shift = 12 + i % 5;
		struct heap_source_shape shape = {
			.page_shift = page_shift,
			.grain_shift = i / 5 % 2 == 0 ? 12 : page_shift,
			.alignment = 4U << (i / 10 % 3),
			.prefix_bytes = i / 3 % 2 * 4,
			.prove = i / 2 % 2 == 0,
			.window = i / 4 % 4 == 3,
			.bounded = i % 7 == 6 ? 40 : 0,
			.pages_max = i % 9 == 8 ? 6 : 0,
		};

		digest_add(&digest, run(&shape, seed * 1000 + i, operations));
	}
	digest_verify(digest, operations, known, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_keeps_every_block_and_invariant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
