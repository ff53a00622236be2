/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * A file as a backing device: it is one disk's at a time, and no other data is lost to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramz/backing.h>

#include "test_ramz_support.h"

enum { SLOTS = 3000, SEGMENTS = 64 };

/* Is a file of this process open past the system's cache? */
static bool opened_direct(void)
{
	bool direct = false;

	for (int fd = 3; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFL);

		direct = direct || (flags != -1 && (flags & O_DIRECT) != 0);
	}
	return direct;
}

static void a_file_is_a_device(void **state)
{
	const struct ramz_writeback_options all = {.min_age = 0};
	char path[] = "/tmp/xv-backing.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (int direct = 0; direct < 2; direct++) {
		struct ramz_backing file, other;
		struct ramz *store = store_open(SLOTS);
		int err = ramz_backing_file_open(&file, path, SEGMENTS * RAMZ_SEGMENT_BYTES,
						 direct != 0);

		if (err == -EINVAL && direct) { /* a file system without O_DIRECT */
			store_close(store);
			break;
		}
		assert_int_equal(err, 0);
		assert_int_equal(opened_direct(), direct);
		assert_int_equal(ramz_backing_file_open(&other, path, 1 << 20, false), -EBUSY);
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			store_put(store, slot, slot);
		assert_int_equal(ramz_attach(store, &file), 0);
		assert_int_equal(ramz_writeback(store, &all, NULL), 0);
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			store_expect(store, slot, slot);
		assert_int_equal(ramz_detach(store), 0);
		for (uint64_t slot = 0; slot < SLOTS; slot++)
			store_expect(store, slot, slot);
		store_close(store);
		ramz_backing_file_close(&file);
	}
	assert_int_equal(
		ramz_backing_file_open(&(struct ramz_backing){0}, "/dev/null", 1 << 20, false),
		-ENOTBLK);
	(void)close(fd);
	(void)unlink(path);
}

/* Not a byte of it changes, and its length neither. */
static void a_file_with_other_data_is_refused_and_kept(void **state)
{
	static const uint64_t places[] = {0, 512, 1080, 65600, 262143};
	struct ramz_backing file;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[] = "/tmp/xv-backing.XXXXXX", byte = 'x';
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)places[i]), 1);
		assert_int_equal(ramz_backing_file_open(&file, path, 8 << 20, i % 2 != 0), -EEXIST);
		byte = 0;
		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		assert_int_equal(byte, places[i] == 0 ? 'x' : 0);
		assert_int_equal(lseek(fd, 0, SEEK_END), 64 << 20);
		/* Zeros are nobody's; after that it is ours, but never made shorter. */
		byte = 0;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)places[i]), 1);
		assert_int_equal(
			ramz_backing_file_open(&file, path, RAMZ_BACKING_BYTES_MIN - 1, false),
			-EINVAL);
		assert_int_equal(ramz_backing_file_open(&file, path,
							RAMZ_BACKING_BYTES_MAX + RAMZ_SEGMENT_BYTES,
							false),
				 -EINVAL);
		assert_int_equal(lseek(fd, 0, SEEK_END), 64 << 20);
		assert_int_equal(ramz_backing_file_open(&file, path, 8 << 20, false), 0);
		ramz_backing_file_close(&file);
		assert_int_equal(ramz_backing_file_open(&file, path, 4 << 20, false), 0);
		assert_int_equal(file.size_bytes, 4 << 20);
		assert_int_equal(lseek(fd, 0, SEEK_END), 64 << 20);
		ramz_backing_file_close(&file);
		(void)close(fd);
		(void)unlink(path);
	}
}

static void what_cannot_be_opened_leaves_no_file(void **state)
{
	char directory[] = "/tmp/xv-backing.XXXXXX";
	char path[64];
	struct ramz_backing file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/new", directory);
	assert_int_equal(ramz_backing_file_open(&file, path, 0, false), -EINVAL);
	assert_int_equal(ramz_backing_file_open(&file, path, 1000, false), -EINVAL);
	assert_int_equal(rmdir(directory), 0); /* which is empty */
	assert_int_equal(ramz_backing_file_open(&file, path, 8 << 20, false), -ENOENT);
}

/* ---- a flush that fails ---- */

/* In place of the C library's: after an error the system forgets what it could not write. */
static atomic_int flush_err;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	int err = atomic_exchange(&flush_err, 0);

	(void)fd;
	errno = err;
	return err == 0 ? 0 : -1;
}

static void after_a_flush_that_failed_none_succeeds(void **state)
{
	char path[] = "/tmp/xv-backing.XXXXXX";
	int fd = mkstemp(path);
	struct ramz *store = store_open(SLOTS);
	struct ramz_backing file;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ramz_backing_file_open(&file, path, SEGMENTS * RAMZ_SEGMENT_BYTES, false),
			 0);
	assert_int_equal(ramz_attach(store, &file), 0);
	for (uint64_t slot = 0; slot < 100; slot++)
		store_put(store, slot, slot);
	assert_int_equal(ramz_checkpoint(store), 0);
	atomic_store(&flush_err, EIO);
	assert_int_equal(ramz_checkpoint(store), -EIO);
	assert_int_equal(ramz_checkpoint(store), -EIO);
	for (uint64_t slot = 0; slot < 100; slot++)
		store_expect(store, slot, slot);
	store_close(store);
	ramz_backing_file_close(&file);
	(void)close(fd);
	(void)unlink(path);
}

/* ---- a store in a file ---- */

static void a_store_is_saved_to_a_new_file_alone(void **state)
{
	char directory[] = "/tmp/xv-backing.XXXXXX";
	char path[64];
	struct ramz *store = store_open(SLOTS), *opened;
	struct ramz_backing file;
	const char *reason;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/disk", directory);
	for (uint64_t slot = 0; slot < 300; slot++)
		store_put(store, slot, slot);
	assert_int_equal(ramz_save_backing_file(NULL, path, 32 << 20), -EINVAL);
	assert_int_equal(ramz_save_backing_file(store, path, 1000), -EINVAL);
	assert_int_equal(rmdir(directory), 0); /* nothing was left there */
	assert_int_equal(ramz_save_backing_file(store, path, 32 << 20), -ENOENT);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(ramz_save_backing_file(store, path, 32 << 20), 0);
	assert_int_equal(ramz_save_backing_file(store, path, 32 << 20), -EEXIST);
	store_close(store);
	assert_int_equal(ramz_backing_file_open(&file, path, 0, false), 0);
	assert_int_equal(ramz_open(&opened, NULL, NULL, 0, &file, &reason), 0);
	for (uint64_t slot = 0; slot < 300; slot++)
		store_expect(opened, slot, slot);
	store_close(opened);
	ramz_backing_file_close(&file);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_a_device),
		cmocka_unit_test(a_file_with_other_data_is_refused_and_kept),
		cmocka_unit_test(what_cannot_be_opened_leaves_no_file),
		cmocka_unit_test(after_a_flush_that_failed_none_succeeds),
		cmocka_unit_test(a_store_is_saved_to_a_new_file_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
