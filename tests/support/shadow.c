/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* shadow.c: see shadow.h for what this owns, may call, how it is locked and its cost. */
#include "shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pattern.h"

enum { OBJECT_BYTES_MAX = 65536, FIRST_CAPACITY = 256 };

static unsigned char scratch[OBJECT_BYTES_MAX];

void shadow_init(struct shadow *shadow, struct xv_pool *pool)
{
	*shadow = (struct shadow){.pool = pool};
}

void shadow_fini(struct shadow *shadow)
{
	free(shadow->objects);
	*shadow = (struct shadow){0};
}

static void shadow_make_room(struct shadow *shadow)
{
	if (shadow->count < shadow->capacity)
		return;
	shadow->capacity = shadow->capacity == 0 ? FIRST_CAPACITY : shadow->capacity * 2;
	shadow->objects = realloc(shadow->objects, shadow->capacity * sizeof(shadow->objects[0]));
	assert_non_null(shadow->objects);
}

void shadow_adopt(struct shadow *shadow, xv_handle handle, size_t size)
{
	shadow_make_room(shadow);
	shadow->objects[shadow->count++] = (struct shadow_object){
		.handle = handle, .size = (uint32_t)size, .pattern = ++shadow->last_pattern};
	shadow->requested_bytes += size;
}

void shadow_forget(struct shadow *shadow, size_t i)
{
	shadow->requested_bytes -= shadow->objects[i].size;
	shadow->objects[i] = shadow->objects[--shadow->count];
}

int shadow_fill(struct shadow *shadow, size_t i)
{
	struct shadow_object *object = &shadow->objects[i];
	uint32_t pattern = ++shadow->last_pattern;
	int err;

	pattern_fill(scratch, object->size, pattern);
	err = xv_write(shadow->pool, object->handle, 0, scratch, object->size);
	if (err == 0)
		object->pattern = pattern;
	return err;
}

int shadow_malloc(struct shadow *shadow, size_t size, size_t alignment)
{
	xv_handle handle = XV_NULL_HANDLE;
	int err = alignment == 0 ? xv_malloc(shadow->pool, size, &handle)
				 : xv_malloc_aligned(shadow->pool, size, alignment, &handle);

	if (err != 0) {
		assert_int_equal(handle, XV_NULL_HANDLE);
		return err;
	}
	if (alignment != 0)
		assert_int_equal(xv_handle_offset(handle) % alignment, 0);
	shadow_adopt(shadow, handle, size);
	assert_int_equal(shadow_fill(shadow, shadow->count - 1), 0);
	return 0;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

int shadow_calloc(struct shadow *shadow, size_t size)
{
	xv_handle handle = XV_NULL_HANDLE;
	int err = xv_calloc(shadow->pool, 1, size, &handle);

	if (err != 0) {
		assert_int_equal(handle, XV_NULL_HANDLE);
		return err;
	}
	assert_int_equal(xv_read(shadow->pool, handle, 0, scratch, size), 0);
	assert_true(all_zero(scratch, size));
	shadow_adopt(shadow, handle, size);
	assert_int_equal(shadow_fill(shadow, shadow->count - 1), 0);
	return 0;
}

static bool object_is(struct shadow *shadow, const struct shadow_object *object, size_t compared)
{
	if (xv_read(shadow->pool, object->handle, 0, scratch, compared) != 0) {
		print_error("object %#llx cannot be read\n", (unsigned long long)object->handle);
		return false;
	}
	if (!pattern_matches(scratch, compared, object->pattern)) {
		print_error("object %#llx has other contents\n",
			    (unsigned long long)object->handle);
		return false;
	}
	return true;
}

bool shadow_object_is_good(struct shadow *shadow, size_t i)
{
	struct shadow_object *object = &shadow->objects[i];
	int size = xv_object_size(shadow->pool, object->handle);

	if (size == (int)object->size)
		return object_is(shadow, object, object->size);
	print_error("object %#llx should have %u bytes, not %d\n",
		    (unsigned long long)object->handle, object->size, size);
	return false;
}

void shadow_verify(struct shadow *shadow, size_t i)
{
	assert_true(shadow_object_is_good(shadow, i));
}

void shadow_verify_all(struct shadow *shadow)
{
	for (size_t i = 0; i < shadow->count; i++)
		shadow_verify(shadow, i);
}

int shadow_free(struct shadow *shadow, size_t i)
{
	int err;

	shadow_verify(shadow, i);
	err = xv_free(shadow->pool, shadow->objects[i].handle);
	if (err == 0)
		shadow_forget(shadow, i);
	return err;
}

int shadow_realloc(struct shadow *shadow, size_t i, size_t size)
{
	struct shadow_object *object = &shadow->objects[i];
	xv_handle handle = object->handle;
	size_t kept = size < object->size ? size : object->size;
	int err = xv_realloc(shadow->pool, &handle, size);

	if (err != 0) {
		assert_int_equal(handle, object->handle);
		return err;
	}
	object->handle = handle;
	shadow->requested_bytes += (uint64_t)size - object->size;
	object->size = (uint32_t)size;
	assert_int_equal(xv_object_size(shadow->pool, handle), (int)size);
	assert_true(object_is(shadow, object, kept));
	assert_int_equal(shadow_fill(shadow, i), 0);
	return 0;
}

void shadow_free_all(struct shadow *shadow)
{
	while (shadow->count > 0)
		assert_int_equal(shadow_free(shadow, shadow->count - 1), 0);
}
