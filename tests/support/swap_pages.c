/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * swap_pages MIB SEED: fills memory with pages of which each can be told from all others,
 * asks the kernel to page them out, and checks every word, twice over ("verified twice");
 * then, for each line on standard input, once more ("verified again"). For nbd_swap.sh.
 *
 * Half of each page is noise and half repeats, so that it compresses as memory does. A page
 * is made from its number, the round and the seed alone, so that nothing else is kept.
 * Exit status 1 when a word is wrong. Calls the system alone; O(pages) for each check.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static size_t page_bytes;
static uint64_t seed;

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15U;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

static void make_page(uint64_t *words, size_t number, unsigned int round)
{
	size_t count = page_bytes / sizeof(*words);
	uint64_t state = seed ^ ((uint64_t)number << 20) ^ round;

	for (size_t i = 0; i < count / 2; i++)
		words[i] = next_random(&state);
	for (size_t i = count / 2; i < count; i++)
		words[i] = number + i / 8;
}

static void fill(char *memory, size_t pages, unsigned int round)
{
	for (size_t n = 0; n < pages; n++)
		make_page((uint64_t *)(void *)(memory + n * page_bytes), n, round);
}

static void check(const char *memory, size_t pages, unsigned int round)
{
	uint64_t *expected = malloc(page_bytes);

	if (!expected)
		exit(1);
	for (size_t n = 0; n < pages; n++) {
		make_page(expected, n, round);
		if (memcmp(memory + n * page_bytes, expected, page_bytes) == 0)
			continue;
		printf("page %zu of round %u is not what it was\n", n, round);
		exit(1);
	}
	free(expected);
}

/* May be refused: a limit on the memory does the same. */
static void page_out(char *memory, size_t pages)
{
	if (madvise(memory, pages * page_bytes, MADV_PAGEOUT) != 0)
		perror("madvise");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: swap_pages MIB SEED\n");
		return 2;
	}
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	seed = strtoull(argv[2], NULL, 0);
	size_t pages = ((size_t)strtoul(argv[1], NULL, 0) << 20) / page_bytes;
	char *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	/* Swapped and read back one by one, not in pieces of 2 MiB. */
	(void)madvise(memory, pages * page_bytes, MADV_NOHUGEPAGE);

	for (unsigned int round = 1; round <= 2; round++) {
		fill(memory, pages, round);
		page_out(memory, pages);
		check(memory, pages, round);
	}
	page_out(memory, pages);
	puts("verified twice");
	fflush(stdout);
	for (int c = getchar(); c != EOF; c = getchar()) {
		if (c != '\n')
			continue;
		check(memory, pages, 2);
		puts("verified again");
	}
	return 0;
}
