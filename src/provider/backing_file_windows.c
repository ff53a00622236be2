/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * backing_file_windows.c: see backing_file.h; for Windows.
 *
 * Parts of a section cannot go back to the system: so each page is a section of its own, which
 * the paging file backs, and which goes as a whole. The system promises its memory when it is
 * made. A view is mapped where the system finds room: in 64-bit address space it always does.
 */
#include "backing_file.h"

#include "os_memory.h"

#include <windows.h>

#include <xvmalloc/base.h>

#define TABLES_STEP ((size_t)4096)

size_t xvi_backing_unit_bytes(size_t page_bytes, size_t os_page_bytes)
{
	(void)os_page_bytes;
	return page_bytes;
}

/* Make the tables usable up to the section of this page. */
static int tables_cover(struct xvi_backing_file *file, uint32_t page)
{
	size_t bytes = ((size_t)file->views_count + page + 1) * sizeof(*file->views);
	int err;

	if (bytes <= file->tables_held)
		return 0;
	bytes = xvi_round_up(bytes, TABLES_STEP);
	if (bytes > file->tables_bytes)
		bytes = file->tables_bytes;
	err = xvi_os_commit(file->views, bytes);
	if (err == 0)
		file->tables_held = bytes;
	return err;
}

int xvi_backing_open(struct xvi_backing_file *file, const char *directory,
		     const struct xvi_backing_shape *shape)
{
	int err;

	if (directory != NULL)
		return -XV_ENOTSUP;
	*file = (struct xvi_backing_file){
		.page_shift = shape->page_shift,
		.views_count = shape->views,
		.tables_bytes = ((size_t)shape->views + shape->pages) * sizeof(*file->views),
	};
	file->views = xvi_os_reserve(file->tables_bytes, TABLES_STEP);
	if (file->views == NULL)
		return -XV_ENOMEM;
	file->sections = file->views + shape->views;
	err = tables_cover(file, 0);
	if (err != 0)
		xvi_os_release(file->views, file->tables_bytes);
	return err;
}

static void section_end(struct xvi_backing_file *file, uint64_t page)
{
	if (file->sections[page] == NULL)
		return;
	(void)CloseHandle(file->sections[page]);
	file->sections[page] = NULL;
	file->sections_now--;
}

void xvi_backing_close(struct xvi_backing_file *file)
{
	for (uint32_t view = 0; view < file->views_count; view++)
		xvi_backing_hide(file, view);
	for (uint64_t page = 0; page < file->sections_ever; page++)
		section_end(file, page);
	xvi_os_release(file->views, file->tables_bytes);
}

void *xvi_backing_show(const struct xvi_backing_file *file, uint32_t view, uint32_t page,
		       bool has_holes)
{
	(void)has_holes;
	file->views[view] = MapViewOfFile(file->sections[page], FILE_MAP_WRITE, 0, 0, 0);
	return file->views[view];
}

void xvi_backing_hide(const struct xvi_backing_file *file, uint32_t view)
{
	if (file->views[view] != NULL)
		(void)UnmapViewOfFile(file->views[view]);
	file->views[view] = NULL;
}

/* The range is a page: the unit is. */
int xvi_backing_take(struct xvi_backing_file *file, uint64_t offset, size_t bytes)
{
	uint32_t page = (uint32_t)(offset >> file->page_shift);
	HANDLE section;

	if (tables_cover(file, page) != 0)
		return -XV_ENOMEM;
	section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, (DWORD)bytes,
				     NULL);
	if (section == NULL)
		return -XV_ENOMEM;
	file->sections[page] = section;
	file->sections_now++;
	if (page >= file->sections_ever)
		file->sections_ever = page + 1;
	return 0;
}

bool xvi_backing_copies(void)
{
	return false;
}

bool xvi_backing_read(const struct xvi_backing_file *file, uint64_t offset, void *to, size_t bytes)
{
	(void)file, (void)offset, (void)to, (void)bytes;
	return false;
}

bool xvi_backing_write(const struct xvi_backing_file *file, uint64_t offset, const void *from,
		       size_t bytes)
{
	(void)file, (void)offset, (void)from, (void)bytes;
	return false;
}

bool xvi_backing_give(struct xvi_backing_file *file, uint64_t offset, uint64_t bytes)
{
	for (uint64_t at = offset; at < offset + bytes; at += (uint64_t)1 << file->page_shift)
		section_end(file, at >> file->page_shift);
	return true;
}

uint64_t xvi_backing_held_bytes(const struct xvi_backing_file *file)
{
	return (uint64_t)file->sections_now << file->page_shift;
}

size_t xvi_backing_overhead_bytes(const struct xvi_backing_file *file)
{
	return file->tables_held;
}
