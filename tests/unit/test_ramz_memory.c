/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) the libxvmalloc authors */
/*
 * How much memory there is for a process, by trees of files as control groups have them.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <xvmalloc/errors.h>

#include "machine_memory.h"

#define GIB (UINT64_C(1) << 30)
#define MACHINE (64 * GIB)

#define V2_MOUNT "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNTS                                                                                  \
	"31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"                      \
	"32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ramz-groups-XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int drop_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int drop_root(void **state)
{
	(void)state;
	return nftw(root, drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file of the tree, with the directories above it. */
static void put(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void expect(uint64_t bytes)
{
	uint64_t got = rzi_memory_of_groups(root, MACHINE);

	if (got != bytes)
		fail_msg("%llu, not %llu", (unsigned long long)got, (unsigned long long)bytes);
}

static void without_groups_it_is_the_machine(void **state)
{
	(void)state;
	expect(MACHINE);
	assert_int_equal(rzi_memory_of_groups(root, 0), 0);
	put("/proc/self/cgroup", "");
	expect(MACHINE);
	put("/proc/self/cgroup", "nonsense\n0:\n");
	expect(MACHINE);
}

static void version_2_is_looked_for_up_the_whole_hierarchy(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/a.slice/b.service/c\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/sys/fs/cgroup/a.slice/b.service/c/memory.max", "max\n");
	put("/sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
	expect(MACHINE);
	put("/sys/fs/cgroup/a.slice/memory.max", "4294967296\n");
	expect(4 * GIB);
	put("/sys/fs/cgroup/a.slice/b.service/c/memory.max", "8589934592\n");
	expect(4 * GIB);
	put("/sys/fs/cgroup/a.slice/b.service/memory.high", "1073741824\n");
	expect(GIB);
	put("/sys/fs/cgroup/a.slice/b.service/c/memory.max", "536870912\n");
	expect(GIB / 2);
	/* A group that is no ancestor. */
	put("/sys/fs/cgroup/b.service/memory.max", "4096\n");
	expect(GIB / 2);
	/* The machine is a bound, too. */
	assert_int_equal(rzi_memory_of_groups(root, 1000), 1000);
	assert_int_equal(rzi_memory_of_groups(root, 0), GIB / 2);
}

static void a_name_space_shows_its_own_root(void **state)
{
	(void)state;
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/sys/fs/cgroup/memory.max", "2147483648\n");
	put("/proc/self/cgroup", "0::/\n");
	expect(2 * GIB);
	put("/proc/self/cgroup", "0::/../../elsewhere\n");
	expect(2 * GIB);
	/* The container's group is mounted, and the process is below it. */
	put("/proc/self/cgroup", "0::/docker/1234/inner\n");
	put("/proc/self/mountinfo",
	    "30 24 0:26 /docker/1234 /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	put("/sys/fs/cgroup/inner/memory.max", "1073741824\n");
	expect(GIB);
	put("/proc/self/cgroup", "0::/docker/12345\n");
	expect(2 * GIB);
	/* Without a list of mounts the usual place is taken. */
	put("/proc/self/mountinfo", "");
	put("/proc/self/cgroup", "0::/inner\n");
	expect(GIB);
}

static void version_1_is_known(void **state)
{
	(void)state;
	put("/proc/self/cgroup",
	    "9:cpu,cpuacct:/x\n5:memory:/docker/abc\n1:name=systemd:/y\n0::/\n");
	put("/proc/self/mountinfo", V1_MOUNTS);
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	expect(MACHINE);
	put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
	expect(GIB);
	put("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "536870912\n");
	expect(GIB / 2);
	/* Other controllers are none of this. */
	put("/sys/fs/cgroup/cpu/x/memory.limit_in_bytes", "4096\n");
	expect(GIB / 2);
}

static void both_versions_count(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "4:memory:/one\n0::/two\n");
	put("/proc/self/mountinfo",
	    V1_MOUNTS "33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/memory/one/memory.limit_in_bytes", "2147483648\n");
	put("/sys/fs/cgroup/unified/two/memory.max", "1073741824\n");
	expect(GIB);
	put("/sys/fs/cgroup/unified/two/memory.max", "max\n");
	expect(2 * GIB);
}

static void what_is_no_number_is_no_limit(void **state)
{
	static const char *const texts[] = {
		"", "max\n", "0\n", "-1\n", "x\n", "\n", "99999999999999999999999\n"};

	(void)state;
	put("/proc/self/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put("/sys/fs/cgroup/a/memory.max", texts[i]);
		expect(MACHINE);
	}
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, make_root, drop_root)

/* ---- pressure ---- */

static int pressure(const char *path)
{
	int fd = rzi_pressure_open(root, path);
	int got;

	if (fd < 0)
		return fd;
	got = rzi_pressure_read(fd);
	(void)close(fd);
	return got;
}

static void pressure_is_the_groups_or_the_machines(void **state)
{
	static const char *const bad[] = {"", "full avg10=1.00", "some avg10=", "some avg10=x.00",
					  "some avg10=101.00"};
	char path[128];

	(void)state;
	assert_int_equal(pressure(NULL), -XV_ENOTSUP);
	put("/proc/self/cgroup", "4:memory:/other\n0::/a/b\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	assert_int_equal(pressure(NULL), -XV_ENOTSUP);
	put("/proc/pressure/memory", "some avg10=0.07 avg60=9.00 avg300=9.00 total=1\nfull\n");
	assert_int_equal(pressure(NULL), 7);
	put("/sys/fs/cgroup/a/memory.pressure", "some avg10=50.00 avg60=9.00\n");
	assert_int_equal(pressure(NULL), 7); /* not of a group above it */
	put("/sys/fs/cgroup/a/b/memory.pressure", "some avg10=12.34 avg60=9.00\nfull\n");
	assert_int_equal(pressure(NULL), 1234);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/a/memory.pressure", root);
	assert_int_equal(pressure(path), 5000);
	put("/sys/fs/cgroup/a/memory.pressure", "some avg10=100.00 avg60=9.00\n");
	assert_int_equal(pressure(path), 10000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("/sys/fs/cgroup/a/memory.pressure", bad[i]);
		assert_int_equal(pressure(path), -XV_ENOTSUP);
	}
	assert_int_equal(pressure(root), -XV_ENOTSUP); /* a directory */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(without_groups_it_is_the_machine),
		TREE_TEST(version_2_is_looked_for_up_the_whole_hierarchy),
		TREE_TEST(a_name_space_shows_its_own_root),
		TREE_TEST(version_1_is_known),
		TREE_TEST(both_versions_count),
		TREE_TEST(what_is_no_number_is_no_limit),
		TREE_TEST(pressure_is_the_groups_or_the_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
