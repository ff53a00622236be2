/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/file.h: the life of a saved file.
 *
 * The model:
 *   - A saved file is one image of a store. A save replaces it as a whole: a crash at any time
 *     leaves the old file or the new one (an empty one if there was none), perhaps a temporary
 *     file, and nothing locked.
 *   - struct ramz_file is an open saved file, and its user is the holder. A file has one holder at
 *     a time, among all processes and within a process. Other loads and saves of it get -XV_EBUSY
 *     meanwhile, with a reason that names the holder if the system tells.
 *   - ramz_save_file and ramz_load_file are for a path that nobody holds. Any number of them may
 *     run at once on one path: all complete, and the last save stands. While one runs the file
 *     cannot be opened; ramz_file_open can wait.
 *   - Device and inode identify a file, never its path: `./x`, `//x`, a symbolic link and another
 *     directory lead to one file. The holder keeps the directory open: saves go to the directory in
 *     which the file was opened, even if the process changes its working directory.
 *   - During a save the new file lies beside the old one, as NAME.<32 hexadecimal digits>.ramz-tmp
 *     (a long NAME is cut), with mode 0600 until it is complete. If the process dies, the next open
 *     of the file, or the next save to it, removes the temporary file.
 *
 * Refused, with a line that says why:
 *   - anything but a regular file (directory, device, FIFO, socket); none of them is opened
 *   - a file with more than one link, since a replacement would part it from its other names. A
 *     link made while the file is held is found by the next save
 *   - a directory that cannot be read
 *   - in a directory that everybody may write to, with the sticky bit (/tmp): a symbolic link of
 *     another user, and a save over a file of another user
 *
 * A save to any other regular file replaces it, whatever it holds.
 *
 * Locks are those of flock(2). On a local file system they part all processes and threads. On NFS
 * they do so if the server's locks work, and the file must be writable; ramz_save_file on two
 * clients at once does not see the other there. The lock belongs to the open file. After a fork
 * both processes have it, until the last of them closes the file or ends; so has a child that was
 * forked for another purpose and runs no other program. But a save by one process replaces the
 * file, and only that process has the lock of the new one: saves by the other then give -EEXIST.
 * Programs that do not lock (mv, cp, an editor) are not kept out. A save finds a file that such a
 * program put in the place of the held one, and does not replace it. It makes a held file again
 * that was removed. Other programs may lock the directory: a holder does not notice, and
 * ramz_save_file waits half a minute before it gives -XV_EBUSY.
 *
 * Thread safety: any thread may make calls on one object; they run one after the other.
 * ramz_file_close never runs beside another call. A save past RLIMIT_FSIZE fails with -EFBIG and
 * leaves no signal behind: the calling thread blocks SIGXFSZ meanwhile.
 *
 * On Windows the library has none of these functions; ramz_save and ramz_load are there.
 *
 * Errors: those of ramz/ramz.h, and negative errno values of the file system. On error nothing has
 * changed: a failed save leaves the old file, the lock, and no temporary file.
 */
#ifndef RAMZ_FILE_H
#define RAMZ_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xvmalloc/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ramz;
struct ramz_codec;
struct ramz_options;
struct ramz_sink;

/* An open saved file. */
struct ramz_file;

/* One line: what is wrong and how to mend it, or a note; "" when there is nothing to say. Every
 * call that takes one sets it. */
struct ramz_reason {
	char text[256];
};

/* Longest codec name in a file, with the 0 at its end. */
#define RAMZ_FILE_CODEC_BYTES 24U

/* What a file says about itself. */
struct ramz_file_info {
	uint64_t file_bytes;
	bool is_empty;    /* the file has no bytes; the fields below up to can_save are 0 */
	bool checksum;    /* each page has a checksum */
	bool can_save;    /* file and directory can be written to now */
	uint32_t version; /* of the format */
	uint32_t page_bytes;
	uint64_t size_bytes; /* of the contents */
	/* Codec and level of the pages: "" and RAMZ_LEVEL_DEFAULT in a file of version 1, which
	 * does not keep them. */
	char codec[RAMZ_FILE_CODEC_BYTES];
	int32_t level;
};

/*
 * Open the saved file at path and hold it. Follows symbolic links, also to a file that does not
 * exist yet. Creates an absent file, empty, with mode 0600. Removes temporary files that a dead
 * process left here for this file. Waits at most wait_ms milliseconds for a holder, a save or a
 * load to end; 0 = not at all. Stores the file in *out; end it with ramz_file_close. reason may be
 * NULL.
 *
 * Returns 0, -XV_EINVAL (null), -XV_EBUSY (another holder, or a running save or load), -XV_ENOMEM,
 * -XV_ENOTSUP (the file system has no locks), -EISDIR, -ENXIO (a device, FIFO or socket), -EMLINK
 * (more than one link), -ELOOP, -EACCES, -ENOENT (no directory) and other errors of the file
 * system. O(names in the directory).
 */
XV_API XV_MUST_USE int ramz_file_open(struct ramz_file **out, const char *path, uint32_t wait_ms,
				      struct ramz_reason *reason);

/* Close the file and end the hold. The file stays, even an empty one. After a fork a process
 * closes its own share, and the other keeps the lock. NULL is allowed. */
XV_API void ramz_file_close(struct ramz_file *file);

/* Describe the held file. Returns 0, -XV_EINVAL (null), -XV_EBADMSG (no saved store, or a damaged
 * header), -XV_ENOTSUP (a newer version of the format) or an error of reading. */
XV_API XV_MUST_USE int ramz_file_info(struct ramz_file *file, struct ramz_file_info *info);

/* Make a store from the held file, as ramz_load does. An empty file gives an empty store, as
 * ramz_create makes it from options. The file must hold nothing behind the saved store. Returns
 * as ramz_load, and errors of reading. */
XV_API XV_MUST_USE int ramz_file_load(struct ramz **out, const struct ramz_options *options,
				      const struct ramz_codec *const *codecs, size_t codec_count,
				      struct ramz_file *file, struct ramz_reason *reason);

/*
 * Save the store to the held file: replace it when the new file is complete and on disk. The new
 * file gets the mode of the old one, and its owner and group if the system permits. Otherwise the
 * save goes on and returns 0: the file gets no rights for another group, and reason says so. Access
 * control lists are lost. Stores the length in *file_bytes, which may be NULL.
 *
 * Two threads that save through one holder do so one after the other. Returns 0, as ramz_save,
 * -EEXIST (another file is in the place of the held one; it is left alone), -EACCES, -EPERM, -EROFS
 * (file or directory cannot be written to), -ENOSPC, -EFBIG, -EIO and other errors of the file
 * system. If the last step fails, putting the directory on disk, the new file is in its place
 * already; reason says so. O(stored bytes).
 */
XV_API XV_MUST_USE int ramz_file_save(struct ramz_file *file, struct ramz *store,
				      uint64_t *file_bytes, struct ramz_reason *reason);

/* As ramz_file_save, to a path that nobody holds; -XV_EBUSY if somebody does. */
XV_API XV_MUST_USE int ramz_save_file(struct ramz *store, const char *path, uint64_t *file_bytes,
				      struct ramz_reason *reason);

/* Replace the file at path in the same way by what put writes to the sink: for other files that a
 * program keeps beside a saved one. put returns 0, or a negative errno, which the call returns;
 * the file then stays as it was. */
XV_API XV_MUST_USE int ramz_replace_file(const char *path,
					 int (*put)(void *context, const struct ramz_sink *sink),
					 void *context, uint64_t *file_bytes,
					 struct ramz_reason *reason);

/* As ramz_file_load, from a path that nobody holds; -XV_EBUSY if somebody does. -ENOENT if there
 * is no file: none is created. */
XV_API XV_MUST_USE int ramz_load_file(struct ramz **out, const struct ramz_options *options,
				      const struct ramz_codec *const *codecs, size_t codec_count,
				      const char *path, struct ramz_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
