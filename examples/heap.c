/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A pool as an application's heap, through the pointer calls: the index of a book. Every word has
 * an entry with its lines; entries and lists come from xv_alloc, and lists grow by xv_resize. The
 * heap has a limit. When it is reached, the program raises it and goes on.
 */
#include <stdio.h>
#include <string.h>

#include <xvmalloc/pool.h>
#include <xvmalloc/provider_mmap.h>

enum {
	BUCKETS = 1024,
	LINES = 4000,
	WORDS_PER_LINE = 8,
	WORD_MAX = 16,
	FIRST_CAPACITY = 4,
	FIRST_LIMIT_BYTES = 256 << 10,
	HEAP_PAGE_BYTES = 64 << 10, /* largest object: buckets and lists must fit */
};

struct entry {
	struct entry *next; /* in its bucket */
	uint32_t *lines;
	uint32_t count;
	uint32_t capacity;
	uint32_t verified;
	char word[]; /* exactly as long as it is */
};

struct index {
	struct xv_pool *heap;
	struct entry **buckets;
	uint32_t limit_raises;
};

/* ---- the book: the same words each time it is opened ---- */

struct book {
	uint64_t state;
	uint32_t line;
	uint32_t word;
};

/* The next word and its line; false at the end. Few words are frequent, many are rare. */
static bool book_next(struct book *book, char word[WORD_MAX], uint32_t *line)
{
	static const char *const syllables[] = {"pa", "ge", "mo", "ri", "zu", "sta", "ten", "lo"};
	uint64_t rank;

	if (book->line == LINES)
		return false;
	book->state = book->state * 6364136223846793005U + 1442695040888963407U;
	rank = (book->state >> 33) & (((uint64_t)1 << ((book->state >> 58) % 12)) - 1U);
	word[0] = '\0';
	do {
		strcat(word, syllables[rank % 8]);
		rank /= 8;
	} while (rank != 0);
	*line = book->line;
	book->word = (book->word + 1) % WORDS_PER_LINE;
	book->line += book->word == 0;
	return true;
}

/* ---- the index ---- */

static struct entry **bucket_of(const struct index *index, const char *word)
{
	uint32_t hash = 2166136261U;

	while (*word != '\0')
		hash = (hash ^ (unsigned char)*word++) * 16777619U;
	return &index->buckets[hash % BUCKETS];
}

static struct entry *index_find(const struct index *index, const char *word)
{
	struct entry *entry = *bucket_of(index, word);

	while (entry != NULL && strcmp(entry->word, word) != 0)
		entry = entry->next;
	return entry;
}

/* A new entry without lines; NULL when the heap is full. */
static struct entry *entry_create(struct index *index, const char *word)
{
	size_t word_bytes = strlen(word) + 1;
	struct entry *entry = xv_alloc(index->heap, sizeof(*entry) + word_bytes);
	struct entry **bucket = bucket_of(index, word);

	if (entry == NULL)
		return NULL;
	*entry = (struct entry){.next = *bucket};
	memcpy(entry->word, word, word_bytes);
	*bucket = entry;
	return entry;
}

/* Make room for one more line. On failure the list is as it was. */
static bool entry_grow(struct index *index, struct entry *entry)
{
	uint32_t capacity = entry->capacity == 0 ? FIRST_CAPACITY : entry->capacity * 2;
	uint32_t *lines = xv_resize(index->heap, entry->lines, capacity * sizeof(*lines));

	if (lines == NULL)
		return false;
	entry->lines = lines;
	entry->capacity = capacity;
	return true;
}

/* False when the heap is full: earlier lines stay, and the caller may try again. */
static bool index_add(struct index *index, const char *word, uint32_t line)
{
	struct entry *entry = index_find(index, word);

	if (entry == NULL)
		entry = entry_create(index, word);
	if (entry == NULL || (entry->count == entry->capacity && !entry_grow(index, entry)))
		return false;
	entry->lines[entry->count++] = line;
	return true;
}

/* The heap is full: double its limit. False when that was not the cause. */
static bool index_raise_limit(struct index *index)
{
	uint64_t limit = (uint64_t)FIRST_LIMIT_BYTES << (index->limit_raises + 1);
	struct xv_pool_stats stats;

	xv_pool_get_stats(index->heap, &stats);
	if (stats.held_bytes + stats.page_bytes > limit || index->limit_raises == 8)
		return false;
	xv_pool_set_limit(index->heap, limit);
	index->limit_raises++;
	return true;
}

static bool index_build(struct index *index)
{
	struct book book = {0};
	char word[WORD_MAX];
	uint32_t line;

	while (book_next(&book, word, &line)) {
		while (!index_add(index, word, line)) {
			if (!index_raise_limit(index))
				return false;
		}
	}
	return true;
}

/* Read the book again: every word must stand where its entry says, and nowhere else. */
static bool index_is_good(const struct index *index)
{
	struct book book = {0};
	char word[WORD_MAX];
	uint32_t line;

	while (book_next(&book, word, &line)) {
		struct entry *entry = index_find(index, word);

		if (entry == NULL || entry->verified == entry->count ||
		    entry->lines[entry->verified++] != line)
			return false;
	}
	for (uint32_t i = 0; i < BUCKETS; i++) {
		for (struct entry *entry = index->buckets[i]; entry != NULL; entry = entry->next) {
			if (entry->verified != entry->count)
				return false;
		}
	}
	return true;
}

static bool index_create(struct index *index)
{
	size_t bytes = BUCKETS * sizeof(struct entry *);

	index->buckets = xv_alloc(index->heap, bytes);
	if (index->buckets == NULL)
		return false;
	for (uint32_t i = 0; i < BUCKETS; i++)
		index->buckets[i] = NULL;
	return true;
}

/* Release one by one; xv_pool_reset would empty the heap at once. */
static bool index_release(struct index *index)
{
	int err = 0;

	for (uint32_t i = 0; i < BUCKETS; i++) {
		struct entry *entry = index->buckets[i];

		while (entry != NULL) {
			struct entry *next = entry->next;

			err |= xv_release(index->heap, entry->lines);
			err |= xv_release(index->heap, entry);
			entry = next;
		}
	}
	err |= xv_release(index->heap, index->buckets);
	return err == 0;
}

static void print_bytes(const char *what, uint64_t bytes)
{
	printf("  %-12s%8llu bytes\n", what, (unsigned long long)bytes);
}

/* The first line is the sum of the others. */
static void print_stats(struct xv_pool *heap, const char *when)
{
	struct xv_pool_stats stats;

	xv_pool_get_stats(heap, &stats);
	printf("%s, %llu objects live:\n", when, (unsigned long long)stats.objects);
	print_bytes("held", stats.held_bytes);
	print_bytes("asked for", stats.requested_bytes);
	print_bytes("headers", stats.header_bytes);
	print_bytes("rounding", stats.rounding_bytes);
	print_bytes("free", stats.free_bytes);
	print_bytes("spare", stats.spare_bytes);
	print_bytes("tables", stats.table_bytes);
}

static const char *run(struct xv_pool *heap)
{
	struct index index = {.heap = heap};
	struct xv_check_report report;
	struct xv_pool_stats stats;

	if (!index_create(&index) || !index_build(&index))
		return "the heap is full";
	printf("limit raised %u times\n", (unsigned)index.limit_raises);
	print_stats(heap, "index built");
	if (!index_is_good(&index))
		return "the index does not agree with the book";
	if (!index_release(&index))
		return "an address was refused";
	if (xv_pool_check(heap, XV_CHECK_DEEP, &report) != 0)
		return report.message;
	print_stats(heap, "all released");
	xv_pool_get_stats(heap, &stats);
	return stats.objects == 0 ? NULL : "an object was forgotten";
}

int main(void)
{
	struct xv_provider_mmap_options provider_options;
	struct xv_pool_options options;
	struct xv_provider *provider;
	struct xv_pool *heap;
	const char *failure;
	int err;

	xv_provider_mmap_options_init(&provider_options);
	provider_options.page_bytes = HEAP_PAGE_BYTES;
	xv_pool_options_init(&options);
	options.alignment = 8; /* use 16 for long double or vectors */
	options.limit_bytes = FIRST_LIMIT_BYTES;

	err = xv_provider_mmap_create(&provider, &provider_options);
	if (err != 0) {
		fprintf(stderr, "heap: no provider: %s\n", xv_strerror(err));
		return 1;
	}
	err = xv_pool_create(&heap, provider, &options);
	if (err != 0) {
		fprintf(stderr, "heap: no pool: %s\n", xv_strerror(err));
		xv_provider_mmap_destroy(provider);
		return 1;
	}
	failure = run(heap);
	if (failure != NULL)
		fprintf(stderr, "heap: %s\n", failure);
	xv_pool_destroy(heap);
	xv_provider_mmap_destroy(provider);
	return failure == NULL ? 0 : 1;
}
