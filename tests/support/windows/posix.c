/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/* posix.c: see posix.h. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <windows.h>

/* Reservations begin at multiples of this; no block of the C library's allocator does. */
#define RESERVATION_ALIGNMENT 65536U

void __real_free(void *memory);
void __wrap_free(void *memory);

void *aligned_alloc(size_t alignment, size_t bytes)
{
	if (alignment > RESERVATION_ALIGNMENT)
		return NULL;
	return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void __wrap_free(void *memory)
{
	if (memory != NULL && (uintptr_t)memory % RESERVATION_ALIGNMENT == 0)
		(void)VirtualFree(memory, 0, MEM_RELEASE);
	else
		__real_free(memory);
}

long sysconf(int name)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return (long)(name == _SC_PAGESIZE ? info.dwPageSize : info.dwNumberOfProcessors);
}

int setenv(const char *name, const char *value, int overwrite)
{
	if (!overwrite && getenv(name) != NULL)
		return 0;
	return _putenv_s(name, value);
}

int unsetenv(const char *name)
{
	return _putenv_s(name, "");
}

static DWORD protection_of(int protection)
{
	return protection == PROT_NONE ? PAGE_NOACCESS : PAGE_READWRITE;
}

void *mmap(void *where, size_t bytes, int protection, int flags, int fd, long offset)
{
	void *base =
		VirtualAlloc(where, bytes, MEM_RESERVE | MEM_COMMIT, protection_of(protection));

	(void)flags, (void)fd, (void)offset;
	return base != NULL ? base : MAP_FAILED;
}

int mprotect(void *base, size_t bytes, int protection)
{
	DWORD old;

	return VirtualProtect(base, bytes, protection_of(protection), &old) ? 0 : -1;
}

int munmap(void *base, size_t bytes)
{
	(void)bytes;
	return VirtualFree(base, 0, MEM_RELEASE) ? 0 : -1;
}

unsigned alarm(unsigned seconds)
{
	(void)seconds;
	return 0;
}

int signal_of_reading(const void *address)
{
	MEMORY_BASIC_INFORMATION range;

	if (VirtualQuery(address, &range, sizeof(range)) == 0 || range.State != MEM_COMMIT ||
	    range.Protect == PAGE_NOACCESS)
		return SIGSEGV;
	return 0;
}

int mincore(void *base, size_t bytes, unsigned char *in_core)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < bytes / page_bytes; i++)
		in_core[i] = signal_of_reading((char *)base + i * page_bytes) == 0;
	return 0;
}
