/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * ramz/file.h: the life of a saved file.
 *
 * The model, first:
 *   - A saved file is one image of a store. It is replaced as a whole and never written into: a
 *     crash at any time leaves the old file or the new one, whole, and nothing locked.
 *   - struct ramz_file is an open saved file, and who has one is its holder. A file has one holder
 *     at a time, among all processes and all objects of one process. Loading or saving it in any
 *     other way gives -XV_EBUSY meanwhile, and the reason names the holder where the system tells.
 *   - ramz_save_file and ramz_load_file are for a path that nobody holds. Any number of them may
 *     run at once on one path: all complete, and the last save to complete is what stands. While
 *     one of them runs the file cannot be opened; ramz_file_open can wait.
 *   - A file is its device and inode, never a spelling: `./x`, `//x`, a symbolic link and another
 *     directory lead to one file. Its directory is held by descriptor: the file is saved to the
 *     directory it was opened in, also when the process changes its own directory.
 *   - While a save is under way the new file lies beside the old one, as NAME.<32 hexadecimal
 *     digits>.ramz-tmp (a long NAME is cut), of mode 0600 until all of it is written. What a
 *     process leaves that dies is removed when the file is next opened or saved to.
 *
 * What is refused, with a line that says what it is: whatever is no regular file (directory,
 * device, FIFO, socket: none of them is opened); a file with more than one link, since a
 * replacement would part it from its other names; a directory that cannot be read; in a directory
 * that everybody may write to, with the sticky bit (/tmp), a symbolic link of another user, and
 * saving over a file of another user. A link that is made while a file is held is found by the next
 * save, which is refused. A save to any other regular file replaces it, whatever it
 * has.
 *
 * What is promised where: locks are those of flock(2). On a local file system they part all
 * processes and threads. On NFS they do where the server's locks work, and then the file must be
 * writable; saves by ramz_save_file on several clients at once do not see each other there. The
 * lock belongs to the open file: after a fork it is both processes', and it is gone when the last
 * of them has closed it or ended; but a save by one of them replaces the file, and the new one's
 * lock is its alone: the other's saves then give -EEXIST. A child that was forked for something else, and runs no other
 * program, keeps it too. Programs that do not lock (mv, cp, an editor) are not kept away; a file
 * that one of them put in the place of a held one is found, and not replaced. A held file that was
 * removed is made again by the next save. Other programs may lock the directory: that keeps no
 * holder up, and ramz_save_file waits half a minute for it before it gives -XV_EBUSY.
 *
 * A crash at any time leaves the old file or the new one, or an empty one where there was none, and
 * perhaps a temporary.
 *
 * Thread safety: calls on one object may be made from any thread, and go one after the other, but
 * ramz_file_close is never concurrent with another. No signal is left behind: where a save passes
 * RLIMIT_FSIZE it fails with -EFBIG, and SIGXFSZ, which the calling thread blocks meanwhile, is
 * taken back.
 *
 * Errors: those of ramz/ramz.h, and negative errno values of the file system. On error nothing
 * has changed: a save that fails leaves the old file, the lock, and no temporary.
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

/* One line: what is wrong and what would be right, or a note; "" when there is nothing to say.
 * Set by every call that takes one. */
struct ramz_reason {
	char text[256];
};

/* Longest codec name that a file keeps, with the 0 at its end. */
#define RAMZ_FILE_CODEC_BYTES 24U

/* What a file says about itself. */
struct ramz_file_info {
	uint64_t file_bytes;
	bool is_empty;    /* of no bytes; what follows up to can_save is 0 then */
	bool checksum;    /* each page has one */
	bool can_save;    /* the file and its directory may be written to, as things are now */
	uint32_t version; /* of the format */
	uint32_t page_bytes;
	uint64_t size_bytes; /* of the contents */
	/* What pages were written with: "" and RAMZ_LEVEL_DEFAULT where the file does not keep it
	 * (version 1). */
	char codec[RAMZ_FILE_CODEC_BYTES];
	int32_t level;
};

/*
 * Open the saved file at path and hold it. Symbolic links are followed, also to a file that is
 * not there yet. An absent file is created, empty, with mode 0600. Temporary files that a process
 * left here for this file when it died are removed. Waits at most wait_ms milliseconds for a
 * holder or a save to end; 0 = not at all. Store it in *out; end it with ramz_file_close. reason
 * may be NULL.
 *
 * Returns 0, -XV_EINVAL (null), -XV_EBUSY (another holder, a save or a load under way), -XV_ENOMEM,
 * -XV_ENOTSUP (the file system has no locks), -EISDIR, -ENXIO (a device, FIFO or socket), -EMLINK
 * (more than one link), -ELOOP, -EACCES, -ENOENT (no directory) and other errors of the file
 * system. O(names in the directory).
 */
XV_API XV_MUST_USE int ramz_file_open(struct ramz_file **out, const char *path, uint32_t wait_ms,
				      struct ramz_reason *reason);

/* Let it go. The file stays, an empty one too. After a fork a process closes its own share; the
 * lock stays with the other. NULL is allowed. */
XV_API void ramz_file_close(struct ramz_file *file);

/* Describe the file that is held. Returns 0, -XV_EINVAL (null), -XV_EBADMSG (no saved store, or
 * its header is damaged), -XV_ENOTSUP (a newer version of the format) or an error of reading. */
XV_API XV_MUST_USE int ramz_file_info(struct ramz_file *file, struct ramz_file_info *info);

/*
 * Make a store of the file that is held, as ramz_load does; an empty file gives an empty store as
 * ramz_create makes it from options. The file must hold nothing behind the saved store. Returns
 * what ramz_load does and the errors of reading.
 */
XV_API XV_MUST_USE int ramz_file_load(struct ramz **out, const struct ramz_options *options,
				      const struct ramz_codec *const *codecs, size_t codec_count,
				      struct ramz_file *file, struct ramz_reason *reason);

/*
 * Save the store to the file that is held: replace it when the new one is complete and on disk.
 * The new file has the old one's mode, and its owner and group where the system permits that: where
 * not, the save goes on, the group's rights are left out when the group is another, and the
 * reason says so beside the answer 0. Access control lists are not kept. *file_bytes, where
 * file_bytes is not NULL, is the length.
 *
 * Two threads that save through one holder do so one after the other. Returns 0, what ramz_save
 * does, -EEXIST (another file was put in the place of the held one: it is left alone), -EACCES,
 * -EPERM, -EROFS (the file or its directory cannot be written to), -ENOSPC, -EFBIG, -EIO and other
 * errors of the file system. An error of the very last step, putting the directory on disk, comes
 * when the new file is in its place already; the reason says so. O(stored bytes).
 */
XV_API XV_MUST_USE int ramz_file_save(struct ramz_file *file, struct ramz *store,
				      uint64_t *file_bytes, struct ramz_reason *reason);

/* As ramz_file_save, to a path that nobody holds; -XV_EBUSY where somebody does. */
XV_API XV_MUST_USE int ramz_save_file(struct ramz *store, const char *path, uint64_t *file_bytes,
				      struct ramz_reason *reason);

/*
 * The same for other files that a program writes beside a saved one: replace the file at path by
 * what put writes to the sink. put returns 0, or a negative errno, which is returned and leaves
 * the file as it was.
 */
XV_API XV_MUST_USE int ramz_replace_file(const char *path,
					 int (*put)(void *context, const struct ramz_sink *sink),
					 void *context, uint64_t *file_bytes,
					 struct ramz_reason *reason);

/* As ramz_file_load, from a path that nobody holds; -XV_EBUSY where somebody does. -ENOENT where
 * there is no file: none is created. */
XV_API XV_MUST_USE int ramz_load_file(struct ramz **out, const struct ramz_options *options,
				      const struct ramz_codec *const *codecs, size_t codec_count,
				      const char *path, struct ramz_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
