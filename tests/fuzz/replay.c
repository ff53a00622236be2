/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * replay.c: runs a fuzzer on files, for compilers without libFuzzer: each argument is a file, or a
 * directory whose files are all run.
 *
 * Owns the bytes of one file at a time. May call: the C library, POSIX directories. Locking: none.
 * O(bytes). Exit code 1 when a file cannot be read or there is none.
 */
#include <dirent.h>

#include "fuzz.h"

static unsigned replayed;

/* Exactly as long as the file, so that a sanitizer sees what is read behind its end. */
static bool replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	unsigned char *data = NULL;
	long bytes = -1;
	bool is_read = false;

	if (file != NULL && fseek(file, 0, SEEK_END) == 0)
		bytes = ftell(file);
	if (bytes >= 0)
		data = malloc(bytes != 0 ? (size_t)bytes : 1);
	if (data != NULL) {
		rewind(file);
		is_read = fread(data, 1, (size_t)bytes, file) == (size_t)bytes;
	}
	if (is_read) {
		replayed++;
		(void)LLVMFuzzerTestOneInput(data, (size_t)bytes);
	} else {
		perror(path);
	}
	free(data);
	if (file != NULL)
		(void)fclose(file);
	return is_read;
}

static bool replay_directory(DIR *directory, const char *path)
{
	struct dirent *entry;
	char name[4096];
	bool good = true;

	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		good = replay_file(name) && good;
	}
	return good;
}

int main(int argc, char **argv)
{
	bool good = true;

	for (int i = 1; i < argc; i++) {
		DIR *directory = opendir(argv[i]);

		if (directory == NULL) {
			good = replay_file(argv[i]) && good;
			continue;
		}
		good = replay_directory(directory, argv[i]) && good;
		(void)closedir(directory);
	}
	printf("%u inputs\n", replayed);
	return good && replayed != 0 ? 0 : 1;
}
