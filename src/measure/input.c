/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * input.c: see input.h. An input is a list of spans, which are runs of pages of one file or
 * of a process's memory; then those that are taken are read.
 */
#include "input.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramz/codec.h>

#define INPUT_PID "pid:"
#define INPUT_RUN_PAGES 16U /* taken together where not all are */
#define INPUT_OPEN_DIRECTORIES 16
#define INPUT_RANGE_BYTES_MAX (UINT64_C(1) << 40) /* a sanitizer's shadow has terabytes */

/* Bits of a word of /proc/N/pagemap. */
#define PAGEMAP_THERE (UINT64_C(3) << 62) /* present or swapped */
#define PAGEMAP_FILE_OR_SHARED (UINT64_C(1) << 61)
#define PAGEMAP_BATCH 4096U

/* Pages in a row. */
struct span {
	char *path;  /* of the file, malloc'd; NULL: of the process */
	uint64_t at; /* first byte */
	uint64_t pages;
	dev_t device; /* of the file */
	ino_t inode;
};

struct spans {
	struct span *items;
	size_t count;
	size_t capacity;
	uint64_t pages;
};

static void spans_add(struct spans *spans, struct span span)
{
	spans->items =
		xvm_grow(spans->items, &spans->capacity, spans->count + 1, sizeof(*spans->items));
	spans->items[spans->count++] = span;
	spans->pages += span.pages;
}

/* ---- files ---------------------------------------------------------------- */

/* nftw takes no context. */
static struct spans *walked;

static int file_add(const char *path, const struct stat *status)
{
	uint64_t bytes = (uint64_t)status->st_size;

	if (bytes > 0)
		spans_add(walked, (struct span){
					  .path = xvm_strdup(path),
					  .pages = (bytes + XVM_INPUT_PAGE_BYTES - 1) /
						   XVM_INPUT_PAGE_BYTES,
					  .device = status->st_dev,
					  .inode = status->st_ino,
				  });
	return 0;
}

static int file_visit(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)where;
	if (type != FTW_F || !S_ISREG(status->st_mode) || access(path, R_OK) != 0)
		return 0;
	return file_add(path, status);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct span *)a)->path, ((const struct span *)b)->path);
}

static int compare_files(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void keep_node(void *node)
{
	(void)node;
}

/* In order of their paths; of each file only its first name. */
static void files_sort(struct spans *spans)
{
	void *seen = NULL; /* a tree of items */

	if (spans->count > 1) /* without one there is no array */
		qsort(spans->items, spans->count, sizeof(*spans->items), compare_paths);
	for (size_t i = 0; i < spans->count; i++) {
		struct span *span = &spans->items[i];
		struct span **found = tsearch(span, &seen, compare_files);

		if (found == NULL || *found == span)
			continue;
		spans->pages -= span->pages;
		span->pages = 0;
	}
	tdestroy(seen, keep_node);
}

static int files_find(struct spans *spans, const char *path)
{
	char resolved[PATH_MAX];
	struct stat status;
	bool is_there;

	walked = spans;
	/* /usr/lib may be reached through a link such as /lib: follow the first one. */
	is_there = realpath(path, resolved) != NULL && stat(resolved, &status) == 0;
	if (is_there && S_ISREG(status.st_mode))
		return file_add(resolved, &status);
	if (is_there && S_ISDIR(status.st_mode) &&
	    nftw(resolved, file_visit, INPUT_OPEN_DIRECTORIES, FTW_PHYS) == 0) {
		files_sort(spans);
		return 0;
	}
	if (is_there && !S_ISDIR(status.st_mode))
		xvm_error("cannot read input %s: it is neither a regular file nor a directory",
			  path);
	else
		xvm_error("cannot read input %s: %s; an INPUT is a file, a directory or pid:N",
			  path, strerror(errno));
	return XVM_FAILED;
}

/* ---- a process ------------------------------------------------------------ */

static int process_open(uint64_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/%s", pid, what);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int process_complain(uint64_t pid)
{
	if (errno == ENOENT || errno == ESRCH)
		xvm_error("no process %" PRIu64 ": pid:N takes the number of a running process",
			  pid);
	else if (errno == EACCES || errno == EPERM)
		xvm_error("no permission to read the memory of process %" PRIu64
			  ": run as root, or as its user with kernel.yama.ptrace_scope=0",
			  pid);
	else
		xvm_error("cannot read the memory of process %" PRIu64 ": %s", pid,
			  strerror(errno));
	return XVM_FAILED;
}

/* The anonymous pages of [start, end), by the kernel's map of them. */
static void process_scan(struct spans *spans, int pagemap_fd, uint64_t start, uint64_t end)
{
	uint64_t os_page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t words[PAGEMAP_BATCH];

	while (start < end) {
		uint64_t want = (end - start) / os_page_bytes;
		ssize_t got = pread(pagemap_fd, words,
				    (size_t)(want < PAGEMAP_BATCH ? want : PAGEMAP_BATCH) *
					    sizeof(words[0]),
				    (off_t)(start / os_page_bytes * sizeof(words[0])));

		if (got < (ssize_t)sizeof(words[0]))
			return;
		for (size_t i = 0; i < (size_t)got / sizeof(words[0]); i++) {
			if ((words[i] & PAGEMAP_THERE) != 0 &&
			    (words[i] & PAGEMAP_FILE_OR_SHARED) == 0)
				spans_add(spans, (struct span){.at = start,
							       .pages = os_page_bytes /
									XVM_INPUT_PAGE_BYTES});
			start += os_page_bytes;
		}
	}
}

/* A line of maps: "start-end rw-p offset device inode path". */
static void process_add_range(struct spans *spans, int pagemap_fd, const char *line)
{
	uint64_t start, end, inode;
	char access[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, &start, &end, access,
		   &inode) != 4)
		return;
	/* [vvar], [vdso], [vsyscall] are the kernel's. */
	if (access[0] != 'r' || access[3] != 'p' || strstr(line, "[v") != NULL ||
	    end - start > INPUT_RANGE_BYTES_MAX)
		return;
	if (pagemap_fd >= 0)
		process_scan(spans, pagemap_fd, start, end);
	else if (inode == 0)
		spans_add(spans, (struct span){.at = start,
					       .pages = (end - start) / XVM_INPUT_PAGE_BYTES});
}

/* Returns a descriptor of the process's memory, or XVM_FAILED after saying why. */
static int process_find(struct spans *spans, const char *number)
{
	int maps_fd, pagemap_fd, memory_fd;
	size_t line_bytes = 0;
	char *line = NULL;
	uint64_t pid;
	FILE *maps;

	if (!xvm_parse_u64(number, 1, INT32_MAX, &pid)) {
		xvm_error("'" INPUT_PID
			  "%s' is no process: write pid: and its number, as in pid:1234",
			  number);
		return XVM_FAILED;
	}
	maps_fd = process_open(pid, "maps");
	maps = maps_fd >= 0 ? fdopen(maps_fd, "r") : NULL;
	memory_fd = maps != NULL ? process_open(pid, "mem") : -1;
	if (memory_fd < 0) {
		(void)process_complain(pid);
	} else {
		pagemap_fd = process_open(pid, "pagemap");
		while (getline(&line, &line_bytes, maps) > 0)
			process_add_range(spans, pagemap_fd, line);
		if (pagemap_fd >= 0)
			close(pagemap_fd);
	}
	if (maps != NULL)
		fclose(maps);
	free(line);
	return memory_fd;
}

/* ---- reading -------------------------------------------------------------- */

/* A page of a file, padded with zeros; of a process only a whole one: a guard page is none. */
static bool page_read(int fd, uint64_t at, bool is_whole, uint8_t *page)
{
	ssize_t got = 0;
	size_t have = 0;

	while (have < XVM_INPUT_PAGE_BYTES &&
	       (got = pread(fd, page + have, XVM_INPUT_PAGE_BYTES - have, (off_t)(at + have))) > 0)
		have += (size_t)got;
	memset(page + have, 0, XVM_INPUT_PAGE_BYTES - have);
	return is_whole ? have == XVM_INPUT_PAGE_BYTES : have > 0;
}

/* Is the page at this position of all taken? */
static bool page_is_taken(uint64_t position, uint64_t total, uint64_t fit)
{
	if (total <= fit)
		return true;
	return xvm_spread_takes(position / INPUT_RUN_PAGES,
				(total + INPUT_RUN_PAGES - 1) / INPUT_RUN_PAGES,
				(fit + INPUT_RUN_PAGES - 1) / INPUT_RUN_PAGES);
}

static void span_read(struct xvm_pages *pages, const struct span *span, int memory_fd,
		      uint64_t position, uint64_t total)
{
	int fd = memory_fd;

	if (span->path != NULL)
		fd = open(span->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	for (uint64_t i = 0; fd >= 0 && i < span->pages && pages->count < pages->capacity; i++) {
		uint8_t *page = pages->data + pages->count * XVM_INPUT_PAGE_BYTES;

		if (page_is_taken(position + i, total, pages->capacity))
			pages->count += page_read(fd, span->at + i * XVM_INPUT_PAGE_BYTES,
						  span->path == NULL, page);
	}
	if (fd >= 0 && span->path != NULL)
		close(fd);
}

static int input_read(struct xvm_input *input)
{
	struct spans spans = {.items = NULL};
	bool is_process = strncmp(input->name, INPUT_PID, strlen(INPUT_PID)) == 0;
	uint64_t position = 0;
	int found = is_process ? process_find(&spans, input->name + strlen(INPUT_PID))
			       : files_find(&spans, input->name);

	input->available = spans.pages;
	for (size_t i = 0; i < spans.count; i++) {
		if (found >= 0)
			span_read(&input->pages, &spans.items[i], found, position, spans.pages);
		position += spans.items[i].pages;
		free(spans.items[i].path);
	}
	free(spans.items);
	if (is_process && found >= 0)
		close(found);
	if (found >= 0 && input->pages.count > 0)
		return 0;
	if (found >= 0)
		xvm_error("input %s has no pages that can be read: give a file that is not "
			  "empty, a directory with such files, or a process with memory",
			  input->name);
	return XVM_FAILED;
}

static int pages_init(struct xvm_pages *pages, uint64_t max_pages)
{
	size_t bytes = (size_t)max_pages * XVM_INPUT_PAGE_BYTES;
	void *data = MAP_FAILED;
	int fd = memfd_create("xvfrag-pages", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		xvm_error("no memory for %zu MiB of input pages (%s); use a smaller --max-input",
			  bytes >> 20, strerror(errno));
		if (fd >= 0)
			close(fd);
		return XVM_FAILED;
	}
	*pages = (struct xvm_pages){.fd = fd, .data = data, .capacity = max_pages};
	return 0;
}

int xvm_input_load(struct xvm_input *input, const char *name, uint64_t max_bytes)
{
	*input = (struct xvm_input){.name = name};
	if (pages_init(&input->pages, max_bytes / XVM_INPUT_PAGE_BYTES) != 0 ||
	    input_read(input) != 0)
		return XVM_FAILED;
	input->distinct = xvm_calloc((size_t)input->pages.count, sizeof(*input->distinct));
	for (uint64_t i = 0; i < input->pages.count; i++) {
		if (!ramz_page_is_same_filled(xvm_pages_at(&input->pages, i), XVM_INPUT_PAGE_BYTES,
					      NULL))
			input->distinct[input->distinct_count++] = (uint32_t)i;
	}
	return 0;
}

void xvm_input_fini(struct xvm_input *input)
{
	struct xvm_pages *pages = &input->pages;

	if (pages->data != NULL) {
		munmap(pages->data, (size_t)pages->capacity * XVM_INPUT_PAGE_BYTES);
		close(pages->fd);
	}
	free(input->distinct);
	*input = (struct xvm_input){.name = NULL};
}

uint64_t xvm_input_same_filled(const struct xvm_input *input)
{
	return input->pages.count - input->distinct_count;
}

/* ---- the defaults --------------------------------------------------------- */

const char *xvm_libc_directory(void)
{
	static char directory[PATH_MAX];
	const char *slash;
	Dl_info info;

	if (dladdr((void *)(uintptr_t)getpid, &info) == 0 || info.dli_fname == NULL)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	if (slash == NULL)
		return NULL;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - info.dli_fname),
		 info.dli_fname);
	return directory;
}

const char *const *xvm_input_names(char *const *given, size_t given_count, size_t *count)
{
	static const char *defaults[2];

	if (given_count > 0) {
		*count = given_count;
		return (const char *const *)given;
	}
	defaults[0] = xvm_libc_directory();
	*count = defaults[0] != NULL;
	defaults[(*count)++] = "/usr/bin";
	return defaults;
}
