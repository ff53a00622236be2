/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* small_heap.c: see small_heap.h: the source, and the steps. */
#include "small_heap.h"

#include "fast.h"

#include <string.h>

struct small_heap small;

/* In every build, unlike an assertion. */
static void small_must(bool good)
{
	if (!good)
		XVI_TRAP();
}

/* ---- the source ---- */

static bool call_fails(void)
{
	uint32_t call = small.calls++;

	return call < SMALL_CALLS && (small.fails >> call & 1U) != 0;
}

/* Memory that is not there has this in every byte: who reads it meets a hole of a length that no
 * page has, and who writes it is found. */
static void grains_spoil(uint32_t page, uint32_t first, uint32_t count)
{
	uint32_t shift = small.heap.shape.grain_shift;

	memset(&small_words(page)[first << shift], SMALL_NOT_THERE,
	       (size_t)(count << shift) * UNIT_BYTES);
}

static int grains_take(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	uint32_t mask = ((1U << count) - 1U) << first;

	(void)context;
	small_must(small.taken[page] && (small.committed[page] & mask) == 0);
	if (call_fails())
		return -XV_ENOMEM;
	small.committed[page] = (uint16_t)(small.committed[page] | mask);
	return 0;
}

static bool grains_give(void *context, uint32_t page, uint32_t first, uint32_t count)
{
	uint32_t mask = ((1U << count) - 1U) << first;

	(void)context;
	small_must(small.taken[page] && (small.committed[page] & mask) == mask);
	if (call_fails()) {
		small.refused = true;
		return false;
	}
	small.committed[page] = (uint16_t)(small.committed[page] & ~mask);
	grains_spoil(page, first, count);
	return true;
}

static int page_take(void *context, uint32_t *page)
{
	(void)context;
	if (call_fails())
		return -XV_ENOMEM;
	for (uint32_t i = 0; i < SMALL_PAGES; i++) {
		if (small.taken[i])
			continue;
		small.taken[i] = true;
		small.committed[i] = small.heap.shape.grain_count == 1;
		*page = i;
		return 0;
	}
	return -XV_ENOMEM;
}

static void pages_give(void *context, uint32_t page, uint32_t count, uint64_t grains)
{
	(void)context;
	for (uint32_t i = page; i < page + count; i++) {
		small_must(small.taken[i]);
		for (uint32_t bits = small.committed[i]; bits != 0; bits &= bits - 1)
			grains--;
		small.taken[i] = false;
		small.committed[i] = 0;
		grains_spoil(i, 0, small.heap.shape.grain_count);
	}
	small_must(grains == 0);
}

static int records_take(void *context, uint32_t count)
{
	(void)context;
	small_must(count <= SMALL_RECORDS);
	return call_fails() ? -XV_ENOMEM : 0;
}

static void records_used(void *context, uint32_t high)
{
	(void)context;
	small_must(high <= SMALL_RECORDS);
}

static void records_give(void *context, uint32_t high, uint32_t ready)
{
	(void)context;
	small_must(high <= ready);
}

static uint32_t *page_map(void *context, uint32_t page)
{
	(void)context;
	small.maps++;
	small_must(small.maps <= 2 && small.taken[page]);
	return small_words(page);
}

static void page_unmap(void *context, uint32_t page, uint32_t *words)
{
	(void)context;
	small_must(small.maps != 0 && words == small_words(page));
	small.maps--;
}

static const struct xvi_heap_source source = {
	.page_take = page_take,
	.pages_give = pages_give,
	.grains_take = grains_take,
	.grains_give = grains_give,
	.records_take = records_take,
	.records_used = records_used,
	.records_give = records_give,
	.page_map = page_map,
	.page_unmap = page_unmap,
};

void small_init(const struct small_shape *shape)
{
	const struct xvi_heap_config config = {
		.source = &source,
		.base = shape->window ? NULL : (unsigned char *)small.words,
		.pages = (unsigned char *)small.page_records,
		.records = small.records,
		.heads = small.heads,
		.page_shift = shape->page_shift,
		.grain_shift = shape->grain_shift,
		.alignment = shape->alignment,
		.prefix_bytes = shape->prefix_bytes,
		.key = 0x1234567,
		.records_most = shape->records,
		.records_ready = shape->bounded ? shape->records : 0,
		.records_bounded = shape->bounded,
		.prove = shape->prove,
	};

	memset(&small, 0, sizeof(small));
	memset(small.words, SMALL_NOT_THERE, sizeof(small.words));
	xvi_heap_init(&small.heap, &config);
	small_must(small.heap.shape.page_stride <= SMALL_STRIDE);
	small_must(xvi_heap_list_count(shape->page_shift) <= SMALL_LISTS);
}

/* ---- the steps that are possible ---- */

struct list {
	struct small_step *steps;
	uint32_t count;
	uint32_t most;
};

static void add(struct list *list, enum small_action action, uint32_t a, uint32_t b)
{
	small_must(list->count < list->most);
	list->steps[list->count++] =
		(struct small_step){.action = (uint8_t)action, .a = (uint8_t)a, .b = (uint8_t)b};
}

/* May heap_malloc_fast be called? It takes for granted that a hole shorter than 4 KiB has its
 * memory, which smaller grains make false. */
static bool fast_is_ready(uint32_t content)
{
	const struct xvi_heap *heap = &small.heap;
	uint32_t units = heap_units_for(heap, content);
	uint32_t list;

	if (heap->base == NULL || units < heap->listed_min_units || heap->blocks_left == 0)
		return false;
	list = list_next(&heap->lists, list_for(&heap->shape, units));
	return list != UINT32_MAX &&
	       hole_is_ready(heap, &heap->shape, &heap->holes.records[heap->lists.heads[list]],
			     units);
}

static void add_mallocs(const struct small_shape *shape, struct list *list)
{
	for (uint32_t i = 0; i < SMALL_SIZES; i++) {
		add(list, SMALL_MALLOC, i, HEAP_MAY_GROW);
		add(list, SMALL_MALLOC, i, 0);
		if (small.heap.victim != 0)
			add(list, SMALL_MALLOC, i, HEAP_KEEP_VICTIMS);
		if (fast_is_ready(shape->content[i]))
			add(list, SMALL_FAST, i, 0);
	}
	add(list, SMALL_ALIGNED, 0, HEAP_MAY_GROW);
	add(list, SMALL_ALIGNED, 2, HEAP_MAY_GROW);
	add(list, SMALL_PART, SMALL_SIZES - 2, 0);
}

/* The free of a usual shape needs a page that is no victim, and more than one grain. */
static bool free_may_be_fast(const struct small_block *block)
{
	return small.heap.base != NULL && !small.heap.holes.bounded &&
	       small.heap.shape.grain_count > 1 &&
	       !page_is_victim(heap_page(&small.heap, block->page));
}

static void add_pages(struct list *list)
{
	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		if (!small.taken[page])
			continue;
		if (small.heap.victim == 0 && heap_page(&small.heap, page)->used_units != 0)
			add(list, SMALL_VICTIM, page, 0);
		add(list, SMALL_PIN, page, 0);
	}
	if (small.heap.victim != 0)
		add(list, SMALL_NO_VICTIM, 0, 0);
}

static uint32_t few_steps(struct list *list)
{
	for (uint32_t i = 0; i < SMALL_FEW_SIZES; i++)
		add(list, SMALL_MALLOC, i, HEAP_MAY_GROW);
	for (uint32_t i = 0; i < small.count; i++)
		add(list, SMALL_FREE, i, 0);
	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		if (small.taken[page] && small.heap.victim == 0 &&
		    heap_page(&small.heap, page)->used_units != 0)
			add(list, SMALL_VICTIM, page, 0);
	}
	if (small.heap.victim != 0)
		add(list, SMALL_NO_VICTIM, 0, 0);
	add(list, SMALL_GIVE_ALL, 0, 0);
	return list->count;
}

uint32_t small_steps(const struct small_shape *shape, struct small_step *steps, uint32_t most)
{
	struct list list = {.steps = steps, .most = most};
	bool pinned = false;

	if (shape->few)
		return few_steps(&list);
	add_mallocs(shape, &list);
	for (uint32_t i = 0; i < small.count; i++) {
		add(&list, SMALL_FREE, i, 0);
		if (free_may_be_fast(&small.block[i]))
			add(&list, SMALL_FREE_FAST, i, 0);
		for (uint32_t size = 0; size < SMALL_SIZES; size++)
			add(&list, SMALL_RESIZE, i, size);
	}
	add_pages(&list);
	for (uint32_t page = 0; page < SMALL_PAGES; page++)
		pinned |= small.taken[page] && heap_page(&small.heap, page)->pins != 0;
	if (!pinned)
		add(&list, SMALL_CLEAR, 0, 0);
	if (small.heap.spare_grains > 1)
		add(&list, SMALL_GIVE, 1, 0);
	add(&list, SMALL_GIVE_ALL, 0, 0);
	add(&list, SMALL_SHRINK, 0, 0);
	return list.count;
}

/* ---- doing one ---- */

static void block_fill(const struct small_block *block, uint32_t from)
{
	unsigned char *payload = (unsigned char *)&small_words(block->page)[block->unit + 1];

	for (uint32_t i = from; i < block->content; i++)
		payload[i] = small_fill(block->page, block->unit, i);
}

/* Units that a hole from `first` on leaves free before an aligned block. */
static uint32_t front_units(uint32_t first, uint32_t alignment)
{
	uint32_t offset = first * UNIT_BYTES + small.heap.payload_at;

	return ((0U - offset) & (alignment - 1U)) / UNIT_BYTES;
}

/* The shortest listed hole that a malloc of `units` may take as the heap is now, or 0. With an
 * alignment the block must fit behind a front. The victim's holes count if `victim`. */
static uint32_t shortest_hole(uint32_t units, uint32_t alignment, bool victim)
{
	const struct xvi_heap *heap = &small.heap;
	uint32_t best = 0;

	for (uint32_t i = 1; i < heap->holes.high; i++) {
		const struct xvi_hole *hole = &heap->holes.records[i];
		uint32_t front = front_units(hole->first, alignment);

		if (hole->units == 0 || hole->units < units + front ||
		    (!victim && page_is_victim(heap_page(heap, hole->page))))
			continue;
		if (best == 0 || hole->units < best)
			best = hole->units;
	}
	return best;
}

/* Could a malloc without failing calls get a new page, and records for it? */
static bool page_is_left(uint32_t units, uint32_t alignment)
{
	const struct xvi_heap *heap = &small.heap;
	uint32_t front = front_units(heap->shape.first_unit, alignment);

	return !heap->holes.bounded && (!small.taken[0] || !small.taken[SMALL_PAGES - 1]) &&
	       heap_block_count(heap) + heap->page_count + 3 <= heap->holes.most &&
	       units + front <= heap->shape.end_unit - heap->shape.first_unit;
}

/* Is there a listed hole that fits, and needs no memory? */
static bool hole_is_there(uint32_t units, uint32_t alignment)
{
	const struct xvi_heap *heap = &small.heap;

	for (uint32_t i = 1; i < heap->holes.high; i++) {
		const struct xvi_hole *hole = &heap->holes.records[i];
		uint32_t front = front_units(hole->first, alignment);

		if (hole->units >= units + front && hole->units != 0 &&
		    !page_is_victim(heap_page(heap, hole->page)) &&
		    hole_is_ready(heap, &heap->shape, hole, units + front))
			return true;
	}
	return false;
}

static bool hole_begins_at(const struct small_heap *before, const struct xvi_place *place,
			   uint32_t units)
{
	for (uint32_t i = 1; i < before->heap.holes.high; i++) {
		const struct xvi_hole *hole = &before->records[i];

		if (hole->units == units && hole->page == place->page && hole->first == place->unit)
			return true;
	}
	return false;
}

/* A malloc that succeeded: note the block. */
static const char *block_made(const struct xvi_place *place, uint32_t content, uint32_t alignment)
{
	struct small_block *block = &small.block[small.count];
	uint32_t payload = place->unit * UNIT_BYTES + small.heap.payload_at;

	if (small.count == SMALL_BLOCKS || !heap_owns(&small.heap, place->page))
		return "a block in no page";
	if ((payload & (alignment - 1)) != 0 || (payload & small.heap.shape.align_mask) != 0)
		return "a payload is not aligned";
	if (place->words != small_words(place->page) ||
	    place->words[place->unit] != place->header || block_content(place->header) != content)
		return "malloc tells another header";
	heap_unmap(&small.heap, place->page, place->words);
	*block = (struct small_block){.page = place->page, .unit = place->unit, .content = content};
	block_fill(block, 0);
	small.count++;
	return NULL;
}

/* "No hole fits", "no record", and "no page" are told by the truth; and without a larger
 * alignment the hole is the shortest that fits. */
static const char *do_malloc(uint32_t content, uint32_t alignment, uint32_t flags)
{
	static struct small_heap before;
	uint32_t units = heap_units_for(&small.heap, content);
	uint32_t shortest = shortest_hole(units, alignment, false);
	struct xvi_place place;
	int err;

	before = small;
	err = xvi_heap_malloc(&small.heap, content, 0, alignment, flags, &place);
	if (err == 0 && small.fails == 0 && alignment == 1 && shortest != 0 &&
	    !hole_begins_at(&before, &place, shortest))
		return "not the shortest hole";
	if (err == 0 && (flags & HEAP_KEEP_VICTIMS) != 0 && place.page + 1 == before.heap.victim)
		return "a block in the victim";
	if (err == 0)
		return block_made(&place, content, alignment);
	if (err != -XV_ENOMEM)
		return "an unknown error";
	if (small.heap.blocks_left != 0 && hole_is_there(units, alignment))
		return "refused, and a hole with memory fits";
	if (small.fails != 0)
		return NULL;
	if ((flags & HEAP_MAY_GROW) != 0 && page_is_left(units, alignment))
		return "refused, and there is a page";
	if (small.heap.blocks_left != 0 &&
	    shortest_hole(units, alignment, (flags & HEAP_KEEP_VICTIMS) == 0) != 0)
		return "refused, and a hole fits";
	return NULL;
}

static const char *do_fast(uint32_t content)
{
	struct xvi_place place;

	if (!heap_malloc_fast(&small.heap, &small.heap.shape, content, &place))
		return "the fast malloc refused";
	return block_made(&place, content, 1);
}

static const char *do_part(uint32_t content)
{
	struct xvi_place place;
	uint32_t least = content / 4 + 1;

	if (xvi_heap_malloc_part(&small.heap, content, least, 0, 0, &place) != 0)
		return NULL;
	if (block_content(place.header) < least || block_content(place.header) > content)
		return "a part of another size";
	return block_made(&place, block_content(place.header), 1);
}

static const char *do_free(uint32_t i, bool fast)
{
	struct small_block block = small.block[i];
	struct xvi_shape usual = small.heap.shape;
	uint32_t *words = heap_map(&small.heap, block.page);
	struct xvi_around around;

	small.block[i] = small.block[--small.count];
	usual.usual = true;
	if (!fast) {
		xvi_heap_free(&small.heap, block.page, words, block.unit);
		return NULL;
	}
	around = around_look(&small.heap, &usual, words, block.unit, words[block.unit]);
	heap_free_in(&small.heap, &usual, heap_page(&small.heap, block.page), block.page, words,
		     block.unit, words[block.unit], &around);
	return NULL;
}

static const char *do_resize(uint32_t i, uint32_t content)
{
	struct small_block *block = &small.block[i];
	struct xvi_place place = {.page = block->page, .unit = block->unit};
	uint32_t old = block->content;
	bool done;

	place.words = heap_map(&small.heap, block->page);
	place.header = place.words[block->unit];
	done = xvi_heap_resize(&small.heap, &place, content);
	heap_unmap(&small.heap, block->page, place.words);
	if (!done)
		return content <= old ? "a block could not become shorter" : NULL;
	block->content = content;
	block_fill(block, old < content ? old : content);
	return NULL;
}

static const char *do_clear(void)
{
	xvi_heap_clear(&small.heap);
	small.count = 0;
	return small.taken[0] || small.taken[1] ? "a cleared heap has a page" : NULL;
}

/* Steps that make and free no block. */
static const char *do_other(const struct small_step *step)
{
	struct xvi_heap *heap = &small.heap;
	struct xvi_page *record = heap_page(heap, step->a);

	switch (step->action) {
	case SMALL_VICTIM:
		xvi_heap_victim_begin(heap, step->a);
		break;
	case SMALL_NO_VICTIM:
		xvi_heap_victim_end(heap);
		break;
	case SMALL_PIN:
		record->pins = record->pins == 0;
		break;
	case SMALL_GIVE:
		(void)xvi_heap_give_back(heap, step->a);
		break;
	case SMALL_GIVE_ALL:
		(void)xvi_heap_give_all(heap);
		break;
	case SMALL_SHRINK:
		xvi_heap_shrink_records(heap);
		break;
	default:
		return "no step";
	}
	return NULL;
}

static const char *do_step(const struct small_shape *shape, const struct small_step *step)
{
	uint32_t content = shape->content[step->a % SMALL_SIZES];

	switch (step->action) {
	case SMALL_MALLOC:
		return do_malloc(content, 1, step->b);
	case SMALL_ALIGNED:
		return do_malloc(content, SMALL_ALIGNMENT, step->b);
	case SMALL_FAST:
		return do_fast(content);
	case SMALL_PART:
		return do_part(content);
	case SMALL_FREE:
	case SMALL_FREE_FAST:
		return do_free(step->a, step->action == SMALL_FREE_FAST);
	case SMALL_RESIZE:
		return do_resize(step->a, shape->content[step->b]);
	case SMALL_CLEAR:
		return do_clear();
	default:
		return do_other(step);
	}
}

/* Memory that a step must leave: that of pinned pages. And spare grains are not more than may
 * stay, unless they were already, or a call failed, or a page is pinned. */
const char *small_do(const struct small_shape *shape, const struct small_step *step)
{
	uint32_t pinned[SMALL_PAGES] = {0};
	bool few_spare = small.heap.spare_grains <= heap_spare_most(&small.heap);
	const char *error;

	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		if (small.taken[page] && heap_page(&small.heap, page)->pins != 0)
			pinned[page] = small.committed[page];
	}
	small.calls = 0;
	small.fails = step->fails;
	error = do_step(shape, step);
	for (uint32_t page = 0; page < SMALL_PAGES; page++) {
		if ((pinned[page] & ~(uint32_t)small.committed[page]) != 0)
			return "a pinned page lost memory";
		few_spare &= !small.taken[page] || heap_page(&small.heap, page)->pins == 0;
	}
	if (few_spare && step->fails == 0 && small.heap.spare_grains > heap_spare_most(&small.heap))
		return "more grains are spare than may stay";
	return error;
}
