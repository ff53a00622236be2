#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# Proves with frama-c's Eva that the heap has no undefined behaviour in what eva_heap.c does with it:
#
#   eva.sh ROOT
#
# Any alarm, and any assertion that is not proved, is an error. The compiler's builtins are left out:
# their portable forms are proved (xvi_bits.h). Exit status 77 when frama-c is missing.
set -eu

root=$1
heap=$root/src/core/heap
command -v frama-c >/dev/null || {
	echo "skipped: frama-c is missing (Debian: apt-get install frama-c-base)"
	exit 77
}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

frama-c -c11 -machdep x86_64 -cpp-extra-args="-U__GNUC__ -DXV_DEBUG=1 -I$heap \
	-I$root/src/platform -I$root/include -I$root/tests/proof" \
	-eva -eva-precision 3 -eva-slevel 20000 -eva-no-print -eva-no-show-progress \
	-eva-msg-key=-initial-state \
	"$root/tests/proof/eva_heap.c" "$root/tests/proof/small_heap.c" \
	"$heap/malloc.c" "$heap/free.c" "$heap/grain.c" "$heap/heap.c" >"$out" 2>&1 || {
	tail -n 40 "$out"
	exit 1
}
grep -E ':alarm\]|unknown|invalid|functions analyzed|statements reached|alarms? generated|proven' "$out"
grep -q ' 0 alarms generated' "$out" && grep -q '100% of the logical properties' "$out"
