/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * machine.c: facts about the machine; see machine.h. What cannot be found is
 * "unknown". Locking: none.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* The first line of a file that begins with key, from after the key on. */
static bool machine_find(const char *path, const char *key, char *value, size_t value_bytes)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		const char *from = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		from += strspn(from, " \t:=\"");
		snprintf(value, value_bytes, "%.*s", (int)strcspn(from, "\"\n"), from);
		found = true;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static void machine_cpu(struct xvm_machine *machine, const struct utsname *name)
{
	if (machine_find("/proc/cpuinfo", "model name", machine->cpu, sizeof(machine->cpu)))
		return;
	if (machine_find("/proc/device-tree/model", "", machine->cpu, sizeof(machine->cpu)))
		return;
	snprintf(machine->cpu, sizeof(machine->cpu), "%s", name->machine);
}

static void machine_libc(struct xvm_machine *machine)
{
#ifdef __GLIBC__
	snprintf(machine->libc, sizeof(machine->libc), "glibc %s", gnu_get_libc_version());
#else
	snprintf(machine->libc, sizeof(machine->libc), "unknown");
#endif
}

/* "always [madvise] never": the word in brackets. */
static void machine_huge_pages(struct xvm_machine *machine)
{
	char line[96] = "";
	const char *open;

	machine_find("/sys/kernel/mm/transparent_hugepage/enabled", "", line, sizeof(line));
	open = strchr(line, '[');
	if (open == NULL)
		snprintf(machine->huge_pages, sizeof(machine->huge_pages), "unknown");
	else
		snprintf(machine->huge_pages, sizeof(machine->huge_pages), "%.*s",
			 (int)strcspn(open + 1, "]"), open + 1);
}

static uint64_t machine_sysconf(int name)
{
	long value = sysconf(name);

	return value > 0 ? (uint64_t)value : 0;
}

void xvm_machine_read(struct xvm_machine *machine)
{
	time_t now = time(NULL);
	struct utsname name;
	struct tm utc;

	*machine = (struct xvm_machine){.cores = machine_sysconf(_SC_NPROCESSORS_ONLN)};
	machine->page_bytes = machine_sysconf(_SC_PAGESIZE);
	machine->mem_bytes = machine_sysconf(_SC_PHYS_PAGES) * machine->page_bytes;
	if (uname(&name) != 0)
		memset(&name, 0, sizeof(name));
	snprintf(machine->kernel, sizeof(machine->kernel), "%s", name.release);
	if (!machine_find("/etc/os-release", "PRETTY_NAME", machine->os, sizeof(machine->os)))
		snprintf(machine->os, sizeof(machine->os), "%s", name.sysname);
	machine_cpu(machine, &name);
	machine_libc(machine);
	machine_huge_pages(machine);
	if (gmtime_r(&now, &utc) != NULL)
		strftime(machine->date, sizeof(machine->date), "%Y-%m-%dT%H:%M:%SZ", &utc);
}
