/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine.c: what results were measured on, for json.h. What cannot be found out is "unknown".
 * May read files of /proc, /sys and /etc. Locking: none. O(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <xvmalloc/base.h>

#include "json.h"

/* The value of the first line of a file that begins with key, or other. */
static json_t *machine_find(const char *path, const char *key, const char *other)
{
	FILE *file = fopen(path, "re");
	char line[512];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *from = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		from += strspn(from, " \t:=\"");
		from[strcspn(from, "\"\n")] = '\0';
		fclose(file);
		return xvm_json_text(from);
	}
	if (file != NULL)
		fclose(file);
	return xvm_json_text(other);
}

/* "always [madvise] never": what is in brackets. */
static json_t *machine_huge_pages(void)
{
	json_t *all = machine_find("/sys/kernel/mm/transparent_hugepage/enabled", "", "[unknown]");
	const char *open = strchr(json_string_value(all), '[');
	json_t *set = open != NULL ? json_stringn(open + 1, strcspn(open + 1, "]")) : json_null();

	json_decref(all);
	return set;
}

json_t *xvm_json_machine(void)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	time_t now = time(NULL);
	const char *libc = "unknown";
	char date[32] = "unknown";
	struct utsname name;
	struct tm utc;

#ifdef __GLIBC__
	libc = gnu_get_libc_version();
#endif
	if (uname(&name) != 0)
		memset(&name, 0, sizeof(name));
	if (gmtime_r(&now, &utc) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_pack("{s:o, s:s, s:o, s:I, s:I, s:I, s:o, s:s, s:s, s:s}", "os",
			 machine_find("/etc/os-release", "PRETTY_NAME", name.sysname), "kernel",
			 name.release, "cpu",
			 machine_find("/proc/cpuinfo", "model name", name.machine), "cores",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "mem_bytes",
			 (json_int_t)sysconf(_SC_PHYS_PAGES) * page_bytes, "page_bytes",
			 (json_int_t)page_bytes, "huge_pages", machine_huge_pages(), "libc", libc,
			 "version", xv_version(), "date", date);
}
