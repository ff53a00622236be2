#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# nbd_blkverify.sh PLUGIN HELPERS [long]: thousands of random requests of any length and
# alignment through qemu's blkverify, which sends each to the disk and to a raw file and
# compares each read; then discards and zeroes between writes, on the disk and on a file one
# after the other, and both compared. XV_SEED repeats the requests.
# shellcheck source-path=SCRIPTDIR source=../support/nbd.sh
. "$(dirname "$0")/../support/nbd.sh"
variant=${3-}
bounded "$([ "$variant" = long ] && echo 600 || echo 90)" "$@"
needs qemu-io qemu-img
show_seed
requests=$([ "$variant" = long ] && echo 60000 || echo 5000)
size=$((24 * 1024 * 1024))

# Contents to write: one file for each kind, some not a multiple of anything.
make_text 1048576 >"$dir/text"
head -c 300007 /dev/urandom >"$dir/noise"
head -c 200003 /dev/zero >"$dir/zeros"
{
	head -c 30000 "$dir/text"
	head -c 30001 /dev/urandom
	head -c 30000 /dev/zero
} >"$dir/turns"

# requests COUNT PART: lines for qemu-io. Lengths from 1 byte to 256 KiB, evenly in their
# logarithm; half of all offsets in a twelfth of the disk, so that pages are written again
# and again. With PART zero, also zeroes and discards (of whole pages: what happens to the
# rest of a page is left open by the protocol); with PART verify, reads and flushes.
requests() {
	awk -v count="$1" -v part="$2" -v size="$size" -v seed="$seed" -v dir="$dir" '
	function below(n) { return int(rand() * n) }
	function place(    span) {
		bytes = int(exp(rand() * log(262144)))
		if (below(3) == 0) bytes = (int(bytes / 4096) + 1) * 4096
		span = below(2) ? size : int(size / 12)
		from = below(span - bytes + 1)
		if (below(3) == 0) from -= from % 4096
	}
	function pages() {
		from -= from % 4096
		bytes = (int(bytes / 4096) + 1) * 4096
		if (from + bytes > size) from = size - bytes
	}
	BEGIN {
		srand(seed)
		split("text text noise zeros turns", file, " ")
		for (i = 0; i < count; i++) {
			place()
			kind = below(100)
			if (kind < 45)
				line = "write -q -s " dir "/" file[1 + below(5)]
			else if (kind < 50)
				line = "write -q -P " below(256)
			else if (part == "verify")
				line = kind < 99 ? "read -q" : "flush"
			else if (kind < 80)
				line = "write -q -z" (below(2) ? "u" : "")
			else {
				pages()
				line = "discard -q"
			}
			print line == "flush" ? line : line " " from " " bytes
		}
	}'
}

# A failed request prints a line; a difference ends qemu-io.
said_nothing() { # said_nothing STATUS OUTPUT WHAT
	sed 's/\(qemu-io> *\)*//' "$2" | grep -v '^ *$' >"$dir/said"
	[ "$1" -eq 0 ] && ! [ -s "$dir/said" ] && return
	fail "$3: status $1: $(head -n 3 "$dir/said")"
}

verify() { # verify NAME PARAMETER...
	name=$1
	serve "$@" size=$size
	rm -f "$dir/raw"
	truncate -s $size "$dir/raw"
	timeout 500 qemu-io --image-opts "driver=blkverify,test.driver=raw,test.file.driver=nbd,\
test.file.server.type=unix,test.file.server.path=$dir/$name.sock,\
raw.driver=file,raw.filename=$dir/raw" <"$dir/verify" >"$dir/$name.out" 2>&1
	said_nothing $? "$dir/$name.out" "$name: blkverify"

	for part in "$dir"/zero.*; do
		for target in "$uri" "$dir/raw"; do
			timeout 300 qemu-io -f raw -d unmap "$target" <"$part" >"$dir/$name.out" 2>&1
			said_nothing $? "$dir/$name.out" "$name: zeroes and discards"
		done
		timeout 60 qemu-img compare -f raw -F raw "$dir/raw" "$uri" >"$dir/compare" 2>&1 ||
			fail "$name: qemu-img compare: $(cat "$dir/compare")"
	done
	[ "$(field "$name" failed_reads)" -eq 0 ] || fail "$name: failed reads"
	end_server "$server_pid" "$name"
}

requests $requests verify >"$dir/verify"
requests $((requests / 2)) zero >"$dir/zero"
split -l $((requests / 40)) "$dir/zero" "$dir/zero."
echo "$requests requests verified, $((requests / 2)) with zeroes and discards, for each codec"
verify lz4 codec=lz4 page=4K checksum=true
verify zstd codec=zstd page=4K dedup=true
[ "$variant" != long ] || verify none codec=none page=4K
finish
