#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_locked.sh PLUGIN HELPERS: a server whose memory is locked (nbdkit --swap). What is
# discarded goes back to the system, as is seen from outside, and can be written again.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
bounded 100 "$@"
needs qemu-io qemu-img cmp prlimit
[ -z "${XV_NBDKIT_PRELOAD-}" ] || skip "a sanitizer's memory cannot all be locked"

# By walking the pages: the counter behind VmRSS is some pages off for each CPU.
resident_mib() { awk '$1 == "Rss:" { print int($2 / 1024) }' "/proc/$server_pid/smaps_rollup"; }

io() { timeout 60 qemu-io -f raw "$uri" "$@" >"$dir/io" 2>&1 || fail "qemu-io $*: $(cat "$dir/io")"; }

written_and_read() {
	io -c "write -s $dir/noise 0 128M"
	timeout 60 qemu-img dd -O raw bs=1M count=128 if="$uri" of="$dir/back" >"$dir/io" 2>&1 ||
		fail "qemu-img: $(cat "$dir/io")"
	cmp "$dir/noise" "$dir/back" || fail "what was written is not what is read"
}

head -c 134217728 /dev/urandom >"$dir/noise"
# Threads' stacks are locked whole, and come and go with threads that begin when they are run:
# few, and small ones.
serve_options="--swap -t 1"
serve_under="prlimit --stack=1048576"
try_serve disk size=512M || {
	grep -q mlockall "$dir/disk.log" && skip "memory may not be locked here"
	die "no server: $(tail -n 5 "$dir/disk.log")"
}
grep -q '^VmLck:[[:space:]]*0 kB' "/proc/$server_pid/status" && skip "this nbdkit does not lock"
before=$(resident_mib)
for round in 1 2; do
	written_and_read
	full=$(resident_mib)
	io -c "discard 0 128M"
	after=$(resident_mib)
	echo "round $round: $before MiB before, $full full, $after after; $(field disk held_bytes) bytes held"
	[ "$full" -ge $((before + 120)) ] || fail "128 MiB of noise take $((full - before)) MiB"
	[ "$after" -le $((before + 20)) ] || fail "$((after - before)) MiB stay"
done
finish
