#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# swap.sh COMMAND...: run it with a swap file, and with a control group of 16 MiB of memory: the file
# by which a process enters it is in XV_BENCH_GROUP. Needs root, and the memory controller of control
# groups, version 1 or 2. micro.sh runs it.
set -eu
root=/sys/fs/cgroup/memory
limit=memory.limit_in_bytes
[ -e $root/$limit ] || root=/sys/fs/cgroup limit=memory.max
group=$root/xv_bench.$$
file=$(mktemp /var/tmp/xv_bench.XXXXXX)
clean() {
	swapoff "$file" 2>/dev/null || :
	rm -f "$file"
	rmdir "$group" 2>/dev/null || :
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
dd if=/dev/zero of="$file" bs=1M count=128 status=none
chmod 600 "$file"
mkswap "$file" >/dev/null
swapon "$file"
mkdir "$group"
echo 16777216 >"$group/$limit"
XV_BENCH_GROUP=$group/cgroup.procs "$@"
